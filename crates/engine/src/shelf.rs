//! Objects by UUID and by name: networks, pools, filters.
//!
//! Owns: that a name and a UUID belong to one object. Never: waits for an object.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use ostler_base::{Code, Error, Origin, Result, Uuid};

/// What can stand on a shelf: neither its name nor its UUID ever changes.
pub trait Labelled {
    /// Its name.
    fn name(&self) -> &str;
    /// Its UUID.
    fn uuid(&self) -> Uuid;
}

/// Objects of one kind.
#[derive(Debug)]
pub struct Shelf<T> {
    tables: RwLock<Tables<T>>,
}

#[derive(Debug)]
struct Tables<T> {
    by_uuid: BTreeMap<Uuid, Arc<T>>,
    by_name: HashMap<String, Uuid>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { tables: RwLock::new(Tables { by_uuid: BTreeMap::new(), by_name: HashMap::new() }) }
    }
}

impl<T: Labelled> Shelf<T> {
    fn read<R>(&self, look: impl FnOnce(&Tables<T>) -> R) -> R {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<R>(&self, change: impl FnOnce(&mut Tables<T>) -> R) -> R {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every object, in the order of UUIDs.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.read(|tables| tables.by_uuid.values().cloned().collect())
    }

    /// The object with this UUID.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<Arc<T>> {
        self.read(|tables| tables.by_uuid.get(&uuid).cloned())
    }

    /// The object with this name.
    pub fn by_name(&self, name: &str) -> Option<Arc<T>> {
        self.read(|tables| tables.by_uuid.get(tables.by_name.get(name)?).cloned())
    }

    /// Puts an object on the shelf; one with the same UUID is replaced.
    pub fn add(&self, object: &Arc<T>) {
        self.write(|tables| {
            tables.by_name.insert(object.name().to_owned(), object.uuid());
            tables.by_uuid.insert(object.uuid(), Arc::clone(object));
        });
    }

    /// Takes an object off the shelf.
    pub fn remove(&self, uuid: Uuid) {
        self.write(|tables| {
            if let Some(object) = tables.by_uuid.remove(&uuid) {
                tables.by_name.remove(object.name());
            }
        });
    }

    /// The object that a definition with this name and UUID is of: one that exists, or none yet.
    /// Refuses a name or UUID that belongs to another; `kind` is what such an object is called.
    pub fn match_identity(
        &self,
        kind: &str,
        origin: Origin,
        name: &str,
        uuid: Uuid,
    ) -> Result<Option<Arc<T>>> {
        let taken = |detail: String| Error::new(Code::OperationFailed, origin, detail);
        match (self.by_uuid(uuid), self.by_name(name)) {
            (Some(known), _) if known.name() == name => Ok(Some(known)),
            (Some(known), _) => {
                Err(taken(format!("{kind} '{}' is already defined with uuid {uuid}", known.name())))
            }
            (None, Some(other)) => {
                Err(taken(format!("{kind} '{name}' already exists with uuid {}", other.uuid())))
            }
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(&'static str, Uuid);

    impl Labelled for Thing {
        fn name(&self) -> &str {
            self.0
        }

        fn uuid(&self) -> Uuid {
            self.1
        }
    }

    #[test]
    fn one_name_one_uuid() {
        let shelf = Shelf::default();
        let (one, two) = (Uuid([1; 16]), Uuid([2; 16]));
        shelf.add(&Arc::new(Thing("a", one)));
        let find = |name, uuid| shelf.match_identity("pool", Origin::Storage, name, uuid);
        assert!(find("a", one).unwrap().is_some() && find("b", two).unwrap().is_none());
        let text = |name, uuid| find(name, uuid).err().map(|error| error.detail().to_owned()).unwrap();
        assert_eq!(text("b", one), format!("pool 'a' is already defined with uuid {one}"));
        assert_eq!(text("a", two), format!("pool 'a' already exists with uuid {one}"));
        shelf.remove(one);
        assert!(shelf.by_name("a").is_none() && shelf.all().is_empty());
    }
}
