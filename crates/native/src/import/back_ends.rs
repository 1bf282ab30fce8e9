//! Back ends: what a device is given by its id.
//!
//! Owns: finding and claiming them. Never: what is in them.

use super::Importer;
use crate::values::Values;

/// Which option made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Drive,
    Blockdev,
    Netdev,
    Chardev,
    Fsdev,
    Tpmdev,
    Object,
    /// Part of another option.
    Implied,
}

/// A back end.
#[derive(Debug, Clone)]
pub(crate) struct BackEnd {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// Place of its option on the command line.
    pub(crate) index: usize,
    pub(crate) values: Values,
    /// Whether a part of the document stands for it.
    pub(crate) claimed: bool,
}

impl Importer {
    /// Keeps a back end until a device asks for it.
    pub(super) fn keep(&mut self, kind: Kind, index: usize, mut values: Values, id_key: &str) -> bool {
        let id = values.take(id_key).unwrap_or_default();
        self.back_ends.push(BackEnd { kind, id, index, values, claimed: false });
        true
    }

    /// A back end by id: its place and what was said of it.
    pub(super) fn back_end(&self, kind: Kind, id: &str) -> Option<(usize, Values)> {
        let found = self.back_ends.iter().find(|b| b.kind == kind && b.id == id)?;
        Some((found.index, found.values.clone()))
    }

    /// Counts a back end as said.
    pub(super) fn claim(&mut self, index: usize) {
        for back_end in self.back_ends.iter_mut().filter(|b| b.index == index) {
            back_end.claimed = true;
        }
    }
}
