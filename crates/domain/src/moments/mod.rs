//! Moments of a guest that are kept: snapshots, checkpoints, backups.
//!
//! Owns: their documents, and how these are brought in line with a guest's disks. Never: makes or
//! removes one; whether the guest may be asked for one.
//!
//! ```text
//! text --parse--> Snapshot --align(domain, facts)--> Snapshot with every disk --to_xml--> text
//! ```

pub mod backup;
pub mod checkpoint;
pub mod snapshot;

mod image;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_xml::{Document, El, Element};

use crate::devices::disk::Disk;
use crate::{Domain, Draft, ReadMode, WriteMode};

/// Where a document of a snapshot or checkpoint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It asks for a new one. What it leaves open comes from the time, in seconds since 1970.
    New {
        /// The time.
        now: i64,
    },
    /// It tells again of one that was there.
    Redefined,
    /// It was stored by the driver, which says more in it than it tells clients.
    Stored,
}

impl Source {
    fn is_new(self) -> bool {
        matches!(self, Source::New { .. })
    }
}

/// How the definition of a guest inside a document becomes a complete one.
pub type Complete<'c> = &'c dyn Fn(Draft) -> Result<Domain>;

/// What snapshots and checkpoints have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Its name.
    pub name: String,
    /// What a user says of it.
    pub description: Option<String>,
    /// The name of the one before it.
    pub parent: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The guest as it was then.
    pub domain: Option<Domain>,
}

/// What a kind of moment is called in errors.
struct Kind {
    word: &'static str,
    origin: Origin,
}

impl Kind {
    fn xml(&self, words: impl Into<String>) -> Error {
        Error::xml(words).from_origin(self.origin)
    }

    fn internal(&self, words: impl Into<String>) -> Error {
        Error::internal(words).from_origin(self.origin)
    }

    fn unsupported(&self, words: impl Into<String>) -> Error {
        Error::unsupported(words).from_origin(self.origin)
    }
}

impl Moment {
    fn parse(root: &Element<'_>, kind: &Kind, source: Source) -> Result<Self> {
        let name = root.child_text("name").filter(|name| !name.is_empty());
        let description = root.child_text("description");
        let (created, parent) = match source {
            Source::New { now } => (now, None),
            Source::Redefined | Source::Stored => {
                if name.is_none() {
                    return Err(kind.xml(format!("a redefined {} must have a name", kind.word)));
                }
                let created = root.child_text("creationTime").and_then(|text| text.parse().ok());
                let Some(created) = created else {
                    let words = format!("missing creationTime from existing {}", kind.word);
                    return Err(kind.internal(words));
                };
                (created, root.child("parent").and_then(|parent| parent.child_text("name")))
            }
        };
        let name = name.unwrap_or_else(|| created.to_string());
        Ok(Moment { name, description, parent, created, domain: None })
    }

    fn name_els(&self) -> [Option<El>; 2] {
        let description = self.description.as_ref().map(|text| El::with_text("description", text));
        [Some(El::with_text("name", &self.name)), description]
    }

    fn origin_els(&self) -> [Option<El>; 2] {
        let parent = self.parent.as_ref().map(|name| El::new("parent").child(El::with_text("name", name)));
        [parent, (self.created != 0).then(|| El::with_text("creationTime", self.created))]
    }

    /// Fails if the one before it is not there, or comes after it. `parent` says the one before
    /// another of the same guest; `None` if there is no other of that name.
    pub fn check_parent<'m>(&self, parent: &dyn Fn(&str) -> Option<Option<&'m str>>) -> Result<()> {
        let name = &self.name;
        let Some(before) = self.parent.as_deref() else { return Ok(()) };
        let fault = |words: String| Err(Error::invalid_arg(words).from_origin(Origin::Domain));
        if before == name {
            return fault(format!("cannot set moment {name} as its own parent"));
        }
        let Some(mut next) = parent(before) else {
            return fault(format!("parent {before} for moment {name} not found"));
        };
        let mut passed = vec![before.to_owned()];
        while let Some(other) = next {
            if other == name {
                let last = passed.last().map_or("", String::as_str);
                return fault(format!("parent {last} would create cycle to {name}"));
            }
            // What is known already may be wrong: this ends all the same.
            if passed.iter().any(|known| known == other) {
                return Ok(());
            }
            passed.push(other.to_owned());
            next = parent(other).flatten();
        }
        Ok(())
    }

    /// Fails if its guest is another one.
    fn check_uuid(&self, kind: &Kind, uuid: Uuid) -> Result<()> {
        match &self.domain {
            Some(domain) if domain.uuid() != uuid => {
                let words = format!("definition for {} {} must use uuid {uuid}", kind.word, self.name);
                Err(Error::invalid_arg(words).from_origin(kind.origin))
            }
            _ => Ok(()),
        }
    }
}

/// The definition of a guest inside another document.
fn parse_domain(el: &Element<'_>, complete: Complete<'_>) -> Result<Domain> {
    // Words in it that nobody reads are no matter of the document around it.
    el.opaque_children();
    complete(Draft::from_element(el, &ReadMode::default())?)
}

/// The elements in `<disks>`, which has at least one.
fn disk_els<'a>(root: &Element<'a>) -> Result<impl Iterator<Item = Element<'a>>> {
    let disks = root.child("disks");
    match disks.filter(|disks| disks.elements().next().is_none()) {
        Some(disks) => Err(misfit(&disks, "<disks> is without a disk")),
        None => Ok(disks.into_iter().flat_map(|disks| disks.elements())),
    }
}

/// The error for a document that has no word too many, and yet makes no sense.
fn misfit(el: &Element<'_>, words: &str) -> Error {
    Error::new(Code::XmlInvalidSchema, Origin::Xml, words).at(el.position())
}

fn domain_mode(secure: bool) -> WriteMode {
    WriteMode { inactive: true, secure, migratable: false }
}

/// Reads a document; `strict` refuses words that nobody reads.
fn document<T>(
    text: &str,
    root: &str,
    label: &str,
    strict: bool,
    read: impl FnOnce(&Element<'_>) -> Result<T>,
) -> Result<T> {
    let document = if strict { Document::parse_strict(text, label)? } else { Document::parse(text, label)? };
    let found = document.root();
    if found.name() != root {
        let words = format!("unexpected root element <{}>, expecting <{root}>", found.name());
        return Err(Error::xml(words).from_origin(Origin::None));
    }
    let value = read(&found)?;
    match document.leftovers().first() {
        Some(leftover) => Err(leftover.error()),
        None => Ok(value),
    }
}

/// The disk that a name or a path stands for, unless a path stands for several.
fn disk_by_name<'d>(domain: &'d Draft, name: &str) -> Option<&'d Disk> {
    let disks = &domain.devices.disks;
    if !name.starts_with('/') {
        return disks.iter().find(|disk| disk.target == name);
    }
    let mut found = disks.iter().filter(|disk| disk.image.path() == Some(name));
    found.next().filter(|_| found.next().is_none())
}

/// The guest's disks that `names` stand for, in order; each may be named once.
fn named_disks<'d, 'n>(
    domain: &'d Draft,
    kind: &Kind,
    names: impl Iterator<Item = &'n str>,
) -> Result<Vec<&'d Disk>> {
    let mut seen = BTreeSet::new();
    names
        .map(|name| {
            let disk = disk_by_name(domain, name);
            let disk = disk.ok_or_else(|| kind.unsupported(format!("no disk named '{name}'")))?;
            if !seen.insert(&disk.target) {
                return Err(kind.unsupported(format!("disk '{name}' specified twice")));
            }
            Ok(disk)
        })
        .collect()
}
