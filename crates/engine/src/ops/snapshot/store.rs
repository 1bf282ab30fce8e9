//! The snapshots of one guest and their files.
//!
//! Owns: `qemu/snapshot/GUEST/NAME.xml`, which one is current, and who comes after whom. Never: an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostler_base::{Error, Result};
use ostler_domain::moments::Source;
use ostler_domain::moments::snapshot::{Snapshot, SnapshotState, SnapshotWriteMode};

use super::no_snapshot;
use crate::domain::Guest;
use crate::engine::{Engine, blocking};
use crate::files::{self, Durability};
use crate::paths::is_file_name;

/// The most snapshots that are read.
const MOST: usize = 16 * 1024;

/// The snapshots of one guest.
#[derive(Debug, Default)]
pub struct Snapshots {
    all: BTreeMap<String, Snapshot>,
}

/// Names and parents, and which one is current.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    parents: BTreeMap<String, Option<String>>,
    current: Option<String>,
    inactive: Vec<String>,
    external: Vec<String>,
    disk_only: Vec<String>,
}

impl Snapshots {
    /// One by its name.
    pub fn get(&self, name: &str) -> Option<&Snapshot> {
        self.all.get(name)
    }

    /// The current one.
    pub fn current(&self) -> Option<&Snapshot> {
        self.all.values().find(|snapshot| snapshot.current)
    }

    pub(crate) fn tree(&self) -> Tree {
        let names = |wanted: &dyn Fn(&Snapshot) -> bool| {
            self.all.values().filter(|s| wanted(s)).map(|s| s.moment.name.clone()).collect()
        };
        Tree {
            parents: self.all.iter().map(|(name, s)| (name.clone(), s.moment.parent.clone())).collect(),
            current: self.current().map(|snapshot| snapshot.moment.name.clone()),
            inactive: names(&|s| s.state == Some(SnapshotState::Shutoff)),
            external: names(&Snapshot::is_external),
            disk_only: names(&|s| s.state == Some(SnapshotState::DiskSnapshot)),
        }
    }

    pub(crate) fn insert(&mut self, snapshot: Snapshot) {
        self.all.insert(snapshot.moment.name.clone(), snapshot);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.all.remove(name);
    }

    /// Makes one the current one, or none; those whose files have to be written again.
    pub(crate) fn set_current(&mut self, name: Option<&str>) -> Vec<String> {
        let mut changed = Vec::new();
        for (of, snapshot) in &mut self.all {
            let is = Some(of.as_str()) == name;
            if snapshot.current != is {
                snapshot.current = is;
                changed.push(of.clone());
            }
        }
        changed
    }

    /// Gives the children of one to another; those whose files have to be written again.
    pub(crate) fn adopt_children(&mut self, of: &str, new: Option<&str>) -> Vec<String> {
        let mut changed = Vec::new();
        for snapshot in self.all.values_mut().filter(|s| s.moment.parent.as_deref() == Some(of)) {
            snapshot.moment.parent = new.map(str::to_owned);
            changed.push(snapshot.moment.name.clone());
        }
        changed
    }
}

/// Of a list: those without parents.
pub const LIST_ROOTS: u32 = 1;
/// Of a list of children: theirs as well.
pub const LIST_DESCENDANTS: u32 = 1;
const LIST_METADATA: u32 = 2;
const LIST_LEAVES: u32 = 4;
const LIST_NO_LEAVES: u32 = 8;
const LIST_NO_METADATA: u32 = 16;
const LIST_INACTIVE: u32 = 32;
const LIST_ACTIVE: u32 = 64;
const LIST_DISK_ONLY: u32 = 128;
const LIST_INTERNAL: u32 = 256;
const LIST_EXTERNAL: u32 = 512;

impl Tree {
    /// Whether there is one of a name.
    pub fn has(&self, name: &str) -> bool {
        self.parents.contains_key(name)
    }

    /// The current one.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The one before another.
    pub fn parent(&self, name: &str) -> Option<&str> {
        self.parents.get(name)?.as_deref()
    }

    fn depth_first(&self, from: Option<&str>, deep: bool, out: &mut Vec<String>) {
        for (name, parent) in &self.parents {
            let known = parent.as_deref().filter(|parent| self.has(parent));
            if known == from && !out.contains(name) {
                out.push(name.clone());
                if deep {
                    self.depth_first(Some(name), true, out);
                }
            }
        }
    }

    /// All, or those after one, each after the one before it, that the flags of a list want.
    pub fn list(&self, after: Option<&str>, flags: u32) -> Vec<String> {
        let deep = match after {
            Some(_) => flags & LIST_DESCENDANTS != 0,
            None => flags & LIST_ROOTS == 0,
        };
        let mut out = Vec::new();
        self.depth_first(after, deep, &mut out);
        let either = |yes: u32, no: u32, is: bool| match (flags & yes != 0, flags & no != 0) {
            (true, false) => is,
            (false, true) => !is,
            _ => true,
        };
        out.retain(|name| {
            let leaf = !self.parents.values().any(|parent| parent.as_ref() == Some(name));
            let (off, disks) = (self.inactive.contains(name), self.disk_only.contains(name));
            let states = flags & (LIST_INACTIVE | LIST_ACTIVE | LIST_DISK_ONLY);
            let of_state = states == 0
                || (off && states & LIST_INACTIVE != 0)
                || (disks && states & LIST_DISK_ONLY != 0)
                || (!off && !disks && states & LIST_ACTIVE != 0);
            either(LIST_LEAVES, LIST_NO_LEAVES, leaf)
                && either(LIST_METADATA, LIST_NO_METADATA, true)
                && either(LIST_EXTERNAL, LIST_INTERNAL, self.external.contains(name))
                && of_state
        });
        out
    }
}

impl Engine {
    fn snapshot_dir(&self, guest: &Guest) -> PathBuf {
        self.paths().state().join("snapshot").join(&*guest.view().name)
    }

    /// What is kept, read from its files the first time.
    pub(crate) async fn known_snapshots<'k>(
        &self,
        guest: &Arc<Guest>,
        kept: &'k mut Option<Snapshots>,
    ) -> Result<&'k mut Snapshots> {
        if kept.is_none() {
            let directory = self.snapshot_dir(guest);
            let texts = blocking(move || read_all(&directory)).await?;
            let mut all = Snapshots::default();
            for (stem, text) in texts {
                match self.read_snapshot(guest, &text, Source::Stored, false).await {
                    Ok(snapshot) => all.insert(snapshot),
                    Err(error) => tracing::error!(name = stem, %error, "cannot read a snapshot"),
                }
            }
            *kept = Some(all);
        }
        kept.as_mut().ok_or_else(|| Error::internal("snapshots are not known"))
    }

    /// Writes the files of snapshots.
    pub(crate) async fn keep_snapshots(
        &self,
        guest: &Arc<Guest>,
        snapshots: &Snapshots,
        names: &[String],
    ) -> Result<()> {
        let directory = self.snapshot_dir(guest);
        let mut texts = Vec::new();
        for name in names {
            let snapshot = snapshots.get(name).ok_or_else(|| no_snapshot(name))?;
            if !is_file_name(name) {
                return Err(Error::invalid_arg(format!("name '{name}' cannot be that of a file")));
            }
            let mode = SnapshotWriteMode { secure: true, stored: true, uuid: Some(guest.uuid) };
            let text = files::with_header(name, guest.uuid, &snapshot.to_xml(&mode));
            texts.push((format!("{name}.xml"), text));
        }
        blocking(move || {
            if let Some(above) = directory.parent() {
                files::make_directory(above, 0o700)?;
            }
            files::make_directory(&directory, 0o700)?;
            texts
                .iter()
                .try_for_each(|(name, text)| files::replace(&directory.join(name), text, Durability::Durable))
        })
        .await
    }

    /// Removes the file of a snapshot.
    pub(crate) async fn drop_snapshot_file(&self, guest: &Arc<Guest>, name: &str) -> Result<()> {
        let path = self.snapshot_dir(guest).join(format!("{name}.xml"));
        blocking(move || files::remove(&path)).await
    }
}

fn read_all(directory: &Path) -> Result<Vec<(String, String)>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let stems = files::xml_stems(directory)?;
    let mut out = Vec::new();
    for stem in stems.into_iter().take(MOST) {
        if let Some(text) = files::read(&directory.join(format!("{stem}.xml")))? {
            out.push((stem, text));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let pairs = [("a", None), ("b", Some("a")), ("c", Some("b")), ("d", None)];
        let parents = pairs.map(|(name, parent)| (name.to_owned(), parent.map(str::to_owned)));
        let tree = Tree { parents: parents.into(), external: vec!["c".to_owned()], ..Tree::default() };
        assert_eq!(tree.list(None, 0), ["a", "b", "c", "d"]);
        assert_eq!(tree.list(None, LIST_ROOTS), ["a", "d"]);
        assert_eq!(tree.list(Some("a"), 0), ["b"]);
        assert_eq!(tree.list(Some("a"), LIST_DESCENDANTS), ["b", "c"]);
        assert_eq!(tree.list(None, LIST_LEAVES), ["c", "d"]);
        assert_eq!(tree.list(None, LIST_EXTERNAL), ["c"]);
        assert_eq!(tree.list(None, LIST_NO_METADATA), [""; 0]);
    }
}
