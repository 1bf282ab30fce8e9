//! Every guest, by UUID, name and id.
//!
//! Owns: that a name and a UUID belong to one guest. Never: waits for a guest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use ostler_base::{Code, Error, Origin, Result, Uuid};

use crate::domain::guest::Guest;

/// The guests of a host.
#[derive(Debug, Default)]
pub struct Registry {
    tables: RwLock<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    by_uuid: BTreeMap<Uuid, Arc<Guest>>,
    by_name: HashMap<Arc<str>, Uuid>,
    by_id: BTreeMap<i32, Uuid>,
}

impl Registry {
    fn read<R>(&self, look: impl FnOnce(&Tables) -> R) -> R {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, change: impl FnOnce(&mut Tables) -> R) -> R {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every guest, in the order of UUIDs.
    pub fn all(&self) -> Vec<Arc<Guest>> {
        self.read(|tables| tables.by_uuid.values().cloned().collect())
    }

    /// Every running guest, in the order of ids.
    pub fn active(&self) -> Vec<Arc<Guest>> {
        self.read(|tables| {
            tables.by_id.values().filter_map(|uuid| tables.by_uuid.get(uuid).cloned()).collect()
        })
    }

    /// How many there are, and how many of them run.
    pub fn counts(&self) -> (usize, usize) {
        self.read(|tables| (tables.by_uuid.len(), tables.by_id.len()))
    }

    /// The guest with this UUID.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<Arc<Guest>> {
        self.read(|tables| tables.by_uuid.get(&uuid).cloned())
    }

    /// The guest with this name.
    pub fn by_name(&self, name: &str) -> Option<Arc<Guest>> {
        self.read(|tables| tables.by_uuid.get(tables.by_name.get(name)?).cloned())
    }

    /// The running guest with this id.
    pub fn by_id(&self, id: i32) -> Option<Arc<Guest>> {
        self.read(|tables| tables.by_uuid.get(tables.by_id.get(&id)?).cloned())
    }

    /// The guest that a definition with this name and UUID is of: one that exists, or none yet.
    /// Refuses a name or UUID that belongs to another.
    pub fn match_identity(&self, name: &str, uuid: Uuid) -> Result<Option<Arc<Guest>>> {
        let taken = |detail: String| Error::new(Code::OperationFailed, Origin::Domain, detail);
        if let Some(guest) = self.by_uuid(uuid) {
            let known = guest.view();
            return if *known.name == *name {
                Ok(Some(guest))
            } else {
                Err(taken(format!("domain '{}' is already defined with uuid {uuid}", known.name)))
            };
        }
        match self.by_name(name) {
            Some(other) => {
                Err(taken(format!("domain '{name}' already exists with uuid {}", other.view().uuid)))
            }
            None => Ok(None),
        }
    }

    /// Takes note that a guest has another name now.
    pub fn renamed(&self, old: &str, guest: &Arc<Guest>) {
        let view = guest.view();
        self.write(|tables| {
            tables.by_name.remove(old);
            tables.by_name.insert(Arc::clone(&view.name), view.uuid);
        });
    }

    /// Whether this very guest is here.
    pub fn holds(&self, guest: &Arc<Guest>) -> bool {
        self.by_uuid(guest.uuid).is_some_and(|known| Arc::ptr_eq(&known, guest))
    }

    /// Adds a guest; one with the same UUID is replaced.
    pub fn add(&self, guest: &Arc<Guest>) {
        let view = guest.view();
        self.write(|tables| {
            tables.by_name.insert(Arc::clone(&view.name), view.uuid);
            if let Some(id) = view.id {
                tables.by_id.insert(id, view.uuid);
            }
            tables.by_uuid.insert(view.uuid, Arc::clone(guest));
        });
    }

    /// Takes a guest out.
    pub fn remove(&self, uuid: Uuid) {
        self.write(|tables| {
            let Some(guest) = tables.by_uuid.remove(&uuid) else { return };
            let view = guest.view();
            tables.by_name.remove(&view.name);
            if let Some(id) = view.id {
                tables.by_id.remove(&id);
            }
        });
    }

    /// Takes note that a guest runs under an id.
    pub fn runs(&self, id: i32, uuid: Uuid) {
        self.write(|tables| tables.by_id.insert(id, uuid));
    }

    /// Takes note that the run with this id ended.
    pub fn ended(&self, id: i32) {
        self.write(|tables| tables.by_id.remove(&id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::view::Definition;

    fn uuid(byte: u8) -> Uuid {
        Uuid([byte; 16])
    }

    fn guest(name: &str, byte: u8) -> Arc<Guest> {
        Guest::defined(name, uuid(byte), Definition::stored("/x".into()), false)
    }

    #[test]
    fn names_and_uuids_are_taken_once() {
        let registry = Registry::default();
        registry.add(&guest("a", 1));
        registry.add(&guest("b", 2));
        assert!(registry.match_identity("a", uuid(1)).unwrap().is_some());
        assert!(registry.match_identity("c", uuid(3)).unwrap().is_none());
        assert_eq!(
            registry.match_identity("c", uuid(1)).unwrap_err().to_string(),
            format!("operation failed: domain 'a' is already defined with uuid {}", uuid(1))
        );
        assert_eq!(
            registry.match_identity("a", uuid(3)).unwrap_err().to_string(),
            format!("operation failed: domain 'a' already exists with uuid {}", uuid(1))
        );
        registry.remove(uuid(1));
        assert!(registry.by_name("a").is_none());
        assert_eq!(registry.counts(), (1, 0));
    }

    #[test]
    fn runs_are_found_by_id() {
        let registry = Registry::default();
        registry.add(&guest("a", 1));
        registry.runs(7, uuid(1));
        assert_eq!(registry.by_id(7).unwrap().view().uuid, uuid(1));
        assert_eq!(registry.active().len(), 1);
        registry.ended(7);
        assert!(registry.by_id(7).is_none());
    }
}
