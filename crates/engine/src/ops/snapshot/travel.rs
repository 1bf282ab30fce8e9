//! Going back to snapshots, and removing them.
//!
//! Owns: those steps. Never: makes one.

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Result, refuse};
use ostler_domain::devices::disk::DiskSnapshot;
use ostler_domain::moments::snapshot::{Snapshot, SnapshotState};

use super::create::img_snapshot;
use super::no_snapshot;
use super::store::LIST_DESCENDANTS;
use crate::domain::guest::Link;
use crate::domain::status::{Paused, Running, Status};
use crate::domain::{Guest, Job};
use crate::engine::Engine;
use crate::ops::block::image::run_job;
use crate::ops::block::live_disk;

/// Of a way back: the processors run after it.
pub const REVERT_RUNNING: u32 = 1;
/// Of a way back: the processors stand still after it.
pub const REVERT_PAUSED: u32 = 2;
/// Of a removal: those after it as well.
pub const DELETE_CHILDREN: u32 = 1;
/// Of a removal: only what is kept here.
pub const DELETE_METADATA_ONLY: u32 = 2;
/// Of a removal: only those after it.
pub const DELETE_CHILDREN_ONLY: u32 = 4;

impl Engine {
    /// Removes snapshots.
    pub async fn snapshot_delete(&self, guest: &Arc<Guest>, name: &str, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSnapshotDelete").await?;
        let mut kept = guest.snapshots.lock().await;
        let snapshots = self.known_snapshots(guest, &mut kept).await?;
        if snapshots.get(name).is_none() {
            return Err(no_snapshot(name));
        }
        let mut doomed = Vec::new();
        if flags & (DELETE_CHILDREN | DELETE_CHILDREN_ONLY) != 0 {
            doomed = snapshots.tree().list(Some(name), LIST_DESCENDANTS);
            // The last ones go first, so that what is left is whole at every moment.
            doomed.reverse();
        }
        if flags & DELETE_CHILDREN_ONLY == 0 {
            doomed.push(name.to_owned());
        }
        let inside = flags & DELETE_METADATA_ONLY == 0;
        let outside = doomed.iter().filter_map(|one| snapshots.get(one)).find(|one| one.is_external());
        if let Some(one) = outside.filter(|_| inside) {
            refuse!(
                unsupported,
                "deletion of external disk snapshot '{}' is not supported yet; use the metadata only",
                one.moment.name
            );
        }
        for one in doomed {
            let Some(snapshot) = snapshots.get(&one).cloned() else { continue };
            if inside {
                self.remove_inside(guest, &snapshot).await?;
            }
            let parent = snapshot.moment.parent.as_deref();
            let mut changed = snapshots.adopt_children(&one, parent);
            if snapshot.current {
                let heir = parent.filter(|parent| snapshots.get(parent).is_some());
                let moved = snapshots.set_current(heir);
                changed.extend(moved.into_iter().filter(|name| *name != one));
            }
            snapshots.remove(&one);
            self.drop_snapshot_file(guest, &one).await?;
            self.keep_snapshots(guest, snapshots, &changed).await?;
        }
        Ok(())
    }

    /// Before a guest that does not run is forgotten: it has no snapshots, or what is kept of them goes
    /// as well.
    pub async fn forget_snapshots(&self, guest: &Arc<Guest>, remove: bool) -> Result<()> {
        if guest.view().is_active() {
            return Ok(());
        }
        let names = self.snapshots(guest).await?.list(None, 0);
        if !remove && !names.is_empty() {
            refuse!(operation_invalid, "cannot delete inactive domain with {} snapshots", names.len());
        }
        for name in names.iter().rev() {
            self.snapshot_delete(guest, name, DELETE_METADATA_ONLY).await?;
        }
        Ok(())
    }

    async fn remove_inside(&self, guest: &Arc<Guest>, snapshot: &Snapshot) -> Result<()> {
        let Ok(link) = guest.link() else { return img_snapshot(snapshot, "-d").await };
        let (list, _) = inside_nodes(guest, snapshot)?;
        let name = &snapshot.moment.name;
        let id = format!("internal-snapshot-delete-{name}");
        let arguments = json!({"job-id": id, "tag": name, "devices": list});
        run_job(guest, &link.monitor, &id, "snapshot-delete", arguments).await
    }

    /// Makes a guest what it was at a snapshot.
    pub async fn snapshot_revert(&self, guest: &Arc<Guest>, name: &str, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainRevertToSnapshot").await?;
        let mut kept = guest.snapshots.lock().await;
        let snapshots = self.known_snapshots(guest, &mut kept).await?;
        let snapshot = snapshots.get(name).ok_or_else(|| no_snapshot(name))?.clone();
        if snapshot.is_external() {
            refuse!(operation_unsupported, "revert to external snapshot is not supported yet");
        }
        match (guest.link(), snapshot.state) {
            (Ok(link), Some(state @ (SnapshotState::Running | SnapshotState::Paused))) => {
                self.load_inside(guest, &link, &snapshot, state, flags).await?;
            }
            (Err(_), Some(SnapshotState::Shutoff)) if flags & (REVERT_RUNNING | REVERT_PAUSED) == 0 => {
                img_snapshot(&snapshot, "-a").await?;
                if let Some(domain) = snapshot.inactive_domain.clone().or(snapshot.moment.domain.clone()) {
                    let _turn = self.definitions().lock().await;
                    self.keep_definition(guest, domain).await?;
                }
            }
            (Ok(_), _) => refuse!(
                operation_unsupported,
                "shut the guest down before going back to snapshot '{name}', which is of a guest that does not run"
            ),
            (Err(_), _) => refuse!(
                operation_unsupported,
                "start the guest before going back to snapshot '{name}', which is of a running guest"
            ),
        }
        let changed = snapshots.set_current(Some(name));
        self.keep_snapshots(guest, snapshots, &changed).await
    }

    async fn load_inside(
        &self,
        guest: &Arc<Guest>,
        link: &Link,
        snapshot: &Snapshot,
        state: SnapshotState,
        flags: u32,
    ) -> Result<()> {
        let (list, first) = inside_nodes(guest, snapshot)?;
        if matches!(guest.view().status, Status::Running(_)) {
            self.halt_processors(guest, link, Paused::FromSnapshot).await?;
        }
        let name = &snapshot.moment.name;
        let id = format!("internal-snapshot-load-{name}");
        let arguments = json!({"job-id": id, "tag": name, "vmstate": first, "devices": list});
        run_job(guest, &link.monitor, &id, "snapshot-load", arguments).await?;
        let as_it_was = state == SnapshotState::Running && flags & REVERT_PAUSED == 0;
        if as_it_was || flags & REVERT_RUNNING != 0 {
            self.run_processors(guest, Running::FromSnapshot).await?;
        } else {
            guest.update(|state| state.run.status = Status::Paused(Paused::FromSnapshot));
        }
        self.persist(guest).await;
        Ok(())
    }
}

/// The nodes with the content of a snapshot, and the one with the memory.
fn inside_nodes(guest: &Guest, snapshot: &Snapshot) -> Result<(Vec<String>, String)> {
    let mut list = Vec::new();
    for disk in snapshot.disks.iter().filter(|disk| disk.how == Some(DiskSnapshot::Internal)) {
        let live = live_disk(guest, &disk.name)?;
        list.push(live.image.top_node().unwrap_or_default().to_owned());
    }
    let first = list.first().cloned();
    let first = first.ok_or_else(|| Error::operation_invalid("the snapshot has no disk"))?;
    Ok((list, first))
}
