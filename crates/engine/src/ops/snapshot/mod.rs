//! Snapshots of guests: made, kept, gone back to, removed.
//!
//! Owns: which files tell of them, and the steps of each call. Never: the document
//! ([`ostler_domain::moments::snapshot`]).

pub mod create;
pub mod store;
pub mod travel;

pub use store::{Snapshots, Tree};

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_domain::moments::snapshot::{Snapshot, SnapshotWriteMode};

use crate::domain::Guest;
use crate::engine::Engine;

/// The error for a snapshot that is not there.
pub fn no_snapshot(name: &str) -> Error {
    let detail = format!("no domain snapshot with matching name '{name}'");
    Error::new(Code::NoDomainSnapshot, Origin::Qemu, detail)
}

impl Engine {
    /// A picture of a guest's snapshots; read from their files the first time.
    pub async fn snapshots(&self, guest: &Arc<Guest>) -> Result<Tree> {
        let mut kept = guest.snapshots.lock().await;
        Ok(self.known_snapshots(guest, &mut kept).await?.tree())
    }

    /// The document of a snapshot.
    pub async fn snapshot_xml(&self, guest: &Arc<Guest>, name: &str, secure: bool) -> Result<String> {
        let mut kept = guest.snapshots.lock().await;
        let snapshots = self.known_snapshots(guest, &mut kept).await?;
        let snapshot = snapshots.get(name).ok_or_else(|| no_snapshot(name))?;
        Ok(snapshot.to_xml(&SnapshotWriteMode { secure, stored: false, uuid: Some(guest.uuid) }))
    }

    /// Reads a document of a snapshot; definitions in it are completed with their emulators.
    pub(crate) async fn read_snapshot(
        &self,
        guest: &Arc<Guest>,
        text: &str,
        source: ostler_domain::moments::Source,
        strict: bool,
    ) -> Result<Snapshot> {
        let view = guest.view();
        let shown = view.current(&self.setting(None))?;
        let path = shown.domain().head.emulator.clone().map(std::path::PathBuf::from);
        let emulator = match path {
            Some(path) => self.emulators().get(&path).await.ok(),
            None => None,
        };
        let setting = self.setting(emulator.as_deref());
        Snapshot::parse(text, source, strict, &|draft| draft.complete(&setting))
    }
}
