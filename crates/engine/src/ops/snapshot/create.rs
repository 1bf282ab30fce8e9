//! Making snapshots.
//!
//! Owns: the way from a document to images and a file. Never: goes back to one.

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Json, Result, refuse};
use ostler_domain::Domain;
use ostler_domain::blocks::nodes::Nodes;
use ostler_domain::blocks::{Backing, Image, ImageFormat};
use ostler_domain::devices::disk::{Disk, DiskSnapshot, name_chain};
use ostler_domain::moments::Source;
use ostler_domain::moments::snapshot::{Snapshot, SnapshotDisk, SnapshotState};
use ostler_host::{Asker, Program};

use super::store::Snapshots;
use crate::domain::guest::Link;
use crate::domain::status::{Paused, Running, Status};
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::ops::block::image::{Made, Wanted, run_job};
use crate::ops::block::{command, live_disk, nodes, refuse_busy, replace_disk, take_number};

/// The document tells of a snapshot that was there.
pub const REDEFINE: u32 = 1;
/// It becomes the current one.
pub const CURRENT: u32 = 2;
/// Nothing is kept of it here.
pub const NO_METADATA: u32 = 4;
/// The guest ends with it.
pub const HALT: u32 = 8;
/// Disks only, not the memory.
pub const DISK_ONLY: u32 = 16;
/// Images are there.
pub const REUSE_EXT: u32 = 32;
/// The document is checked.
pub const VALIDATE: u32 = 512;

impl Engine {
    /// Makes a snapshot; its name.
    pub async fn snapshot_create(&self, guest: &Arc<Guest>, text: &str, flags: u32) -> Result<String> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSnapshotCreateXML").await?;
        let mut kept = guest.snapshots.lock().await;
        let source = match flags & REDEFINE {
            0 => Source::New { now: now() },
            _ => Source::Redefined,
        };
        let mut snapshot = self.read_snapshot(guest, text, source, flags & VALIDATE != 0).await?;
        snapshot.check_name()?;
        let snapshots = self.known_snapshots(guest, &mut kept).await?;
        if flags & REDEFINE != 0 {
            return self.redefine(guest, snapshots, snapshot, flags).await;
        }
        let name = snapshot.moment.name.clone();
        if snapshots.get(&name).is_some() {
            refuse!(internal, "unexpected domain moment {name} already exists");
        }
        self.describe_snapshot(guest, &mut snapshot, flags).await?;
        self.carry_out_snapshot(guest, &snapshot, flags).await?;
        if flags & NO_METADATA == 0 {
            snapshot.moment.parent = snapshots.current().map(|current| current.moment.name.clone());
            snapshots.insert(snapshot);
            let changed = snapshots.set_current(Some(&name));
            self.keep_snapshots(guest, snapshots, &changed).await?;
        }
        if flags & HALT != 0
            && let Ok(link) = guest.link()
        {
            crate::domain::actor::signal(&link.process, rustix::process::Signal::TERM);
        }
        Ok(name)
    }

    async fn redefine(
        &self,
        guest: &Arc<Guest>,
        snapshots: &mut Snapshots,
        mut snapshot: Snapshot,
        flags: u32,
    ) -> Result<String> {
        let name = snapshot.moment.name.clone();
        let known = snapshots.get(&name);
        snapshot.check_redefinition(guest.uuid, known)?;
        snapshot.moment.check_parent(&|of| snapshots.get(of).map(|other| other.moment.parent.as_deref()))?;
        snapshot.current = known.is_some_and(|known| known.current);
        snapshots.insert(snapshot);
        let mut changed = vec![name.clone()];
        if flags & CURRENT != 0 {
            changed.extend(snapshots.set_current(Some(&name)).into_iter().filter(|other| *other != name));
        }
        self.keep_snapshots(guest, snapshots, &changed).await?;
        Ok(name)
    }

    /// Fills in what the guest is, and what each disk does.
    async fn describe_snapshot(&self, guest: &Arc<Guest>, snapshot: &mut Snapshot, flags: u32) -> Result<()> {
        let view = guest.view();
        let domain: Domain = view.current(&self.setting(None))?.domain().clone();
        let active = view.is_active();
        let disks_only = flags & DISK_ONLY != 0;
        snapshot.state = Some(match (active, view.status) {
            (false, _) => SnapshotState::Shutoff,
            (true, _) if disks_only => SnapshotState::DiskSnapshot,
            (true, Status::Paused(_)) => SnapshotState::Paused,
            (true, _) => SnapshotState::Running,
        });
        if disks_only && !matches!(snapshot.memory, None | Some(DiskSnapshot::No)) {
            refuse!(xml, "memory snapshot file requires that disk-only flag is not used");
        }
        let memory = match (active, disks_only) {
            (true, false) => *snapshot.memory.get_or_insert(DiskSnapshot::Internal),
            _ => DiskSnapshot::No,
        };
        snapshot.memory = Some(memory);
        let external = disks_only || memory == DiskSnapshot::External;
        let default = if external { DiskSnapshot::External } else { DiskSnapshot::Internal };
        let questions = snapshot.ask(&domain);
        let facts = blocking(move || Asker::default().answer(&questions)).await?;
        snapshot.align(&domain, default, !external, &facts)?;
        for disk in snapshot.disks.iter_mut().filter(|disk| disk.how == Some(DiskSnapshot::External)) {
            disk.image.format.get_or_insert(ImageFormat::Qcow2);
        }
        if active && let Some(inactive) = &view.inactive {
            snapshot.inactive_domain = Some(inactive.get(&self.setting(None))?.domain().clone());
        }
        snapshot.moment.domain = Some(domain);
        Ok(())
    }

    async fn carry_out_snapshot(&self, guest: &Arc<Guest>, snapshot: &Snapshot, flags: u32) -> Result<()> {
        let has = |how: DiskSnapshot| snapshot.disks.iter().any(|disk| disk.how == Some(how));
        let outside = has(DiskSnapshot::External);
        let memory = snapshot.memory.unwrap_or(DiskSnapshot::No);
        if outside && (has(DiskSnapshot::Internal) || memory == DiskSnapshot::Internal) {
            refuse!(unsupported, "mixing internal and external targets for a snapshot is not yet supported");
        }
        match (guest.link(), memory, outside) {
            (Ok(_), DiskSnapshot::External, _) => {
                refuse!(operation_unsupported, "snapshots with memory in a file are not supported yet")
            }
            (Ok(link), DiskSnapshot::Internal, _) => self.save_inside(guest, &link, snapshot).await,
            (Ok(link), _, true) => self.put_on_top(guest, &link, snapshot, flags).await,
            (Ok(_), _, false) => refuse!(unsupported, "nothing selected for snapshot"),
            (Err(_), _, false) => img_snapshot(snapshot, "-c").await,
            (Err(_), _, true) => refuse!(
                operation_unsupported,
                "external snapshots of a guest that does not run are not supported yet"
            ),
        }
    }

    /// Memory and disks go into the images.
    async fn save_inside(&self, guest: &Arc<Guest>, link: &Link, snapshot: &Snapshot) -> Result<()> {
        let mut list = Vec::new();
        for (_, disk) in live_disks(guest, snapshot, DiskSnapshot::Internal)? {
            refuse_busy(guest, &disk)?;
            if disk.image.format != Some(ImageFormat::Qcow2) {
                let format = disk.image.format.unwrap_or(ImageFormat::Raw);
                refuse!(
                    unsupported,
                    "internal snapshot for disk {} unsupported for storage type {format}",
                    disk.target
                );
            }
            list.push(disk.image.top_node().unwrap_or_default().to_owned());
        }
        let Some(first) = list.first().cloned() else {
            refuse!(operation_unsupported, "internal snapshot requires at least one qcow2 disk");
        };
        let running = matches!(guest.view().status, Status::Running(_));
        if running {
            self.halt_processors(guest, link, Paused::Save).await?;
        }
        let name = &snapshot.moment.name;
        let id = format!("internal-snapshot-save-{name}");
        let arguments = json!({"job-id": id, "tag": name, "vmstate": first, "devices": list});
        let saved = run_job(guest, &link.monitor, &id, "snapshot-save", arguments).await;
        if running {
            self.run_processors(guest, Running::Unpaused).await?;
        }
        self.persist(guest).await;
        saved
    }

    /// Stops the processors for a while.
    pub(crate) async fn halt_processors(&self, guest: &Arc<Guest>, link: &Link, why: Paused) -> Result<()> {
        guest.update(|state| state.run.pausing = Some(why));
        let answer = command(guest, &link.monitor, "stop", None).await;
        self.turn(guest, |run| {
            run.pausing = None;
            if answer.is_ok() { run.paused(why) } else { Vec::new() }
        });
        answer.map(drop)
    }

    /// New images take what is written from now on, all in one step.
    async fn put_on_top(
        &self,
        guest: &Arc<Guest>,
        link: &Link,
        snapshot: &Snapshot,
        flags: u32,
    ) -> Result<()> {
        let known = nodes(guest, &link.monitor).await?;
        let existing = flags & REUSE_EXT != 0;
        let mut made: Vec<Made> = Vec::new();
        let mut changed = Vec::new();
        let mut steps: Vec<Json> = Vec::new();
        for (wanted, mut disk) in live_disks(guest, snapshot, DiskSnapshot::External)? {
            match self.overlay(guest, link, &known, (wanted, existing), &disk).await {
                Ok((done, image)) => {
                    let data = json!({"node": disk.image.top_node(), "overlay": image.top_node()});
                    steps.push(json!({"type": "blockdev-snapshot", "data": data}));
                    made.push(done);
                    let backing = Backing::Image(Box::new(disk.image.clone()));
                    disk.image = Image { backing, ..image };
                    changed.push(disk);
                }
                Err(error) => {
                    undo_all(guest, link, made).await;
                    return Err(error);
                }
            }
        }
        let done = command(guest, &link.monitor, "transaction", Some(json!({"actions": steps}))).await;
        if let Err(error) = done {
            undo_all(guest, link, made).await;
            return Err(error);
        }
        for disk in changed {
            replace_disk(guest, disk.clone());
            if let Err(error) = self.rewrite_disk(guest, &disk).await {
                tracing::warn!(guest = %guest.view().name, %error, "the definition does not know the new image");
            }
        }
        self.persist(guest).await;
        Ok(())
    }

    async fn overlay(
        &self,
        guest: &Arc<Guest>,
        link: &Link,
        known: &Nodes,
        (wanted, existing): (&SnapshotDisk, bool),
        disk: &Disk,
    ) -> Result<(Made, Image)> {
        refuse_busy(guest, disk)?;
        let mut image = wanted.image.clone();
        image.complete();
        let format = *image.format.get_or_insert(ImageFormat::Qcow2);
        if !image.can_have_backing() {
            refuse!(
                unsupported,
                "external snapshot format for disk {} is unsupported: {format}",
                disk.target
            );
        }
        image.backing = Backing::End;
        let around = disk.surroundings();
        name_chain(&mut image, take_number(guest, 1), &around);
        let source = disk.image.top_node().ok_or_else(|| Error::internal("a disk without a node"))?;
        let mut wanted = Wanted {
            image: &mut image,
            around,
            named_below: Some(&disk.image),
            node_below: None,
            existing,
            capacity: known.get(source).map_or(0, |node| node.capacity),
        };
        let made = self.make_image(guest, &link.monitor, &mut wanted).await?;
        Ok((made, image))
    }
}

async fn undo_all(guest: &Arc<Guest>, link: &Link, made: Vec<Made>) {
    for one in made.into_iter().rev() {
        one.undo(guest, &link.monitor).await;
    }
}

/// The disks of the run that take part in this way.
fn live_disks<'s>(
    guest: &Guest,
    snapshot: &'s Snapshot,
    how: DiskSnapshot,
) -> Result<Vec<(&'s SnapshotDisk, Disk)>> {
    let wanted = snapshot.disks.iter().filter(|disk| disk.how == Some(how));
    wanted.map(|disk| Ok((disk, live_disk(guest, &disk.name)?))).collect()
}

/// Has qemu-img do something with a snapshot inside the images of a guest that does not run.
pub(crate) async fn img_snapshot(snapshot: &Snapshot, verb: &'static str) -> Result<()> {
    let Some(domain) = &snapshot.moment.domain else {
        refuse!(operation_invalid, "snapshot '{}' does not say what the guest was", snapshot.moment.name);
    };
    let inside = |disk: &&Disk| {
        snapshot.disks.iter().any(|d| d.name == disk.target && d.how == Some(DiskSnapshot::Internal))
    };
    let mut programs = Vec::new();
    for disk in domain.devices.disks.iter().filter(inside) {
        let (Some(path), Some(ImageFormat::Qcow2)) = (disk.image.local_path(), disk.image.format) else {
            refuse!(operation_invalid, "Disk device '{}' does not support snapshotting", disk.target);
        };
        let name = snapshot.moment.name.as_str();
        programs.push(Program::new("qemu-img", ["snapshot", verb, name, path]));
    }
    blocking(move || programs.iter().try_for_each(|program| program.run().map(drop))).await
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
