//! Work on the images of running guests: jobs of the emulator's block layer, and images made for them.
//!
//! Owns: what disks and images a call means. Never: decides what a chain becomes
//! ([`ostler_domain::blocks::surgery`]).

pub mod follow;
pub mod image;
pub mod jobs;

use std::sync::Arc;

use ostler_base::{Code, Error, Json, Origin, Result};
use ostler_domain::blocks::nodes::Nodes;
use ostler_domain::devices::disk::Disk;
use ostler_domain::run::{BlockJob, JobDisk, RunChange};
use ostler_qmp::Monitor;

use crate::domain::Guest;

/// The disk of a run that a client means, by its target or the path of its topmost image.
pub(crate) fn live_disk(guest: &Guest, name: &str) -> Result<Disk> {
    let view = guest.view();
    let live = view.live.as_ref().ok_or_else(crate::domain::guest::not_running)?;
    let disks = &live.domain().devices.disks;
    let found = disks.iter().find(|disk| disk.target == name || disk.image.path() == Some(name));
    found.cloned().ok_or_else(|| Error::invalid_arg(format!("disk '{name}' not found in domain")))
}

/// The job on a disk, if there is one.
pub(crate) fn job_on(guest: &Guest, disk: &Disk) -> Option<BlockJob> {
    let is_it = |job: &&BlockJob| matches!(&job.disk, JobDisk::Disk { target, .. } if *target == disk.target);
    guest.look(|state| state.record.as_ref()?.block_jobs.jobs.iter().find(is_it).cloned())
}

/// Refuses a disk that a job works on already.
pub(crate) fn refuse_busy(guest: &Guest, disk: &Disk) -> Result<()> {
    let detail = format!("disk '{}' already in active block job", disk.target);
    match (&disk.mirror, job_on(guest, disk)) {
        (Some(_), _) => Err(Error::new(Code::BlockCopyActive, Origin::Qemu, detail)),
        (None, Some(_)) => Err(Error::operation_unsupported(detail)),
        (None, None) => Ok(()),
    }
}

/// Puts a disk in the place of the one of the same target.
pub(crate) fn replace_disk(guest: &Guest, disk: Disk) {
    guest.update(|state| state.edit(&[RunChange::Disk(Box::new(disk))]));
}

/// All block nodes of an emulator.
pub(crate) async fn nodes(guest: &Arc<Guest>, monitor: &Monitor) -> Result<Nodes> {
    let flat = ostler_base::json::json!({"flat": true});
    let answer = command(guest, monitor, "query-named-block-nodes", Some(flat)).await?;
    Ok(Nodes::read(&answer))
}

/// One command, whose error names the guest.
pub(crate) async fn command(
    guest: &Arc<Guest>,
    monitor: &Monitor,
    name: &str,
    arguments: Option<Json>,
) -> Result<Json> {
    monitor.command(name, arguments).await.map_err(|error| error.of_guest(&guest.view().name))
}

/// The numbers of images that a run will use next.
pub(crate) fn take_number(guest: &Guest, count: u32) -> u32 {
    guest.update(|state| {
        let used = state
            .view
            .live
            .as_ref()
            .map_or(1, |live| ostler_domain::blocks::next_number(&live.domain().devices.disks));
        let Some(record) = &mut state.record else { return used };
        let first = used.max(record.last_node.saturating_add(1));
        record.last_node = first.saturating_add(count).saturating_sub(1);
        first
    })
}
