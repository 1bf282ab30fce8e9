//! Following jobs of the block layer to their ends.
//!
//! Owns: what a job's end means for the definition and for the emulator's nodes. Never: starts one.
//!
//! ```text
//! running --> ready --(pivot, abort)--> concluded --> dismissed
//!    \--------------------------------------^
//! ```

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Json, Result};
use ostler_domain::blocks::surgery::{self, Operated};
use ostler_domain::devices::disk::{Disk, MirrorState};
use ostler_domain::run::{BlockJob, BlockJobKind, BlockJobState, BlockJobWork, JobDisk};
use ostler_qmp::Monitor;
use tokio::sync::watch;

use super::image::drop_images;
use super::{command, live_disk, replace_disk};
use crate::domain::Guest;
use crate::domain::guest::Link;
use crate::engine::Engine;
use crate::events::What;

/// The number of a kind of job in the public headers.
pub(crate) fn kind_number(kind: BlockJobKind) -> i32 {
    match kind {
        BlockJobKind::Pull => 1,
        BlockJobKind::Copy => 2,
        BlockJobKind::Commit => 3,
        BlockJobKind::ActiveCommit => 4,
        BlockJobKind::Backup => 5,
        _ => 0,
    }
}

/// Why a job has failed, if it has.
pub(crate) async fn error_of(guest: &Arc<Guest>, monitor: &Monitor, name: &str) -> Result<Option<String>> {
    let jobs = command(guest, monitor, "query-jobs", None).await?;
    let mut jobs = jobs.as_array().into_iter().flatten();
    let job = jobs.find(|job| job.get("id").and_then(Json::as_str) == Some(name));
    Ok(job.and_then(|job| job.get("error")).and_then(Json::as_str).map(str::to_owned))
}

impl Engine {
    /// Follows a job from now on.
    pub(crate) fn follow_job(&self, guest: &Arc<Guest>, name: String, states: watch::Receiver<String>) {
        let (engine, guest) = (self.clone(), Arc::clone(guest));
        tokio::spawn(async move {
            if let Err(error) = engine.to_its_end(&guest, &name, states).await {
                tracing::error!(guest = %guest.view().name, job = name, %error, "a block job is lost");
            }
            guest.block_jobs.forget(&name);
        });
    }

    /// Follows the jobs that an earlier daemon started.
    pub(crate) async fn follow_known_jobs(&self, guest: &Arc<Guest>) -> Result<()> {
        let jobs = guest.look(|state| state.record.as_ref().map(|record| record.block_jobs.jobs.clone()));
        let jobs = jobs.unwrap_or_default();
        if jobs.is_empty() {
            return Ok(());
        }
        let followed: Vec<_> =
            jobs.iter().map(|job| (job.name.clone(), guest.block_jobs.follow(&job.name))).collect();
        let link = guest.link()?;
        let answer = command(guest, &link.monitor, "query-jobs", None).await?;
        for (name, states) in followed {
            let mut known = answer.as_array().into_iter().flatten();
            match known.find(|job| job.get("id").and_then(Json::as_str) == Some(&name)) {
                Some(job) => {
                    let state = job.get("status").and_then(Json::as_str).unwrap_or_default();
                    guest.block_jobs.tell(&name, state);
                    self.follow_job(guest, name, states);
                }
                None => drop_job(guest, &name),
            }
        }
        Ok(())
    }

    async fn to_its_end(
        &self,
        guest: &Arc<Guest>,
        name: &str,
        mut states: watch::Receiver<String>,
    ) -> Result<()> {
        loop {
            let state = states.borrow_and_update().clone();
            match state.as_str() {
                "ready" => self.ready(guest, name).await,
                "concluded" => return self.concluded(guest, name).await,
                _ => {}
            }
            if states.changed().await.is_err() {
                // The run is over; its record is gone with it.
                return Ok(());
            }
        }
    }

    async fn ready(&self, guest: &Arc<Guest>, name: &str) {
        let Some(job) = change_job(guest, name, |job| job.state = BlockJobState::Ready) else { return };
        let Some(mut disk) = disk_of(guest, &job) else { return };
        if let Some(mirror) = &mut disk.mirror {
            mirror.state = Some(MirrorState::Ready);
        }
        let path = disk.image.path().unwrap_or_default().to_owned();
        replace_disk(guest, disk);
        self.persist(guest).await;
        self.tell_job(guest, &job, path, 3);
    }

    fn tell_job(&self, guest: &Arc<Guest>, job: &BlockJob, path: String, status: i32) {
        if let JobDisk::Disk { target, .. } = &job.disk {
            let (disk, kind) = (target.clone(), kind_number(job.kind));
            self.tell(&guest.view(), What::BlockJob { path, disk, kind, status });
        }
    }

    async fn concluded(&self, guest: &Arc<Guest>, name: &str) -> Result<()> {
        let link = guest.link()?;
        let error = error_of(guest, &link.monitor, name).await?;
        command(guest, &link.monitor, "job-dismiss", Some(json!({"id": name}))).await?;
        let Some(job) = find_job(guest, name) else { return Ok(()) };
        let path = disk_of(guest, &job).and_then(|disk| disk.image.path().map(str::to_owned));
        let aborted = job.state == BlockJobState::Aborting;
        let status = match (&error, aborted) {
            (_, true) => 2,
            (Some(_), false) => 1,
            (None, false) => 0,
        };
        if let Some(words) = &error {
            tracing::debug!(job = name, words, "a block job has failed");
        }
        let settled = self.settle_job(guest, &link, &job, status == 0).await;
        drop_job(guest, name);
        self.persist(guest).await;
        self.tell_job(guest, &job, path.unwrap_or_default(), status);
        settled
    }

    /// Makes the definition and the nodes what they are after a job.
    async fn settle_job(&self, guest: &Arc<Guest>, link: &Link, job: &BlockJob, done: bool) -> Result<()> {
        let Some(mut disk) = disk_of(guest, job) else { return Ok(()) };
        let operated = if done { result(&disk, job)? } else { None };
        let mirror = disk.mirror.take();
        let removed = match operated {
            Some(Operated { image, removed }) => {
                disk.image = image;
                removed
            }
            None => match (mirror, &job.work) {
                // What was copied to belongs to nobody; what was committed into belongs to the chain.
                (Some(mirror), BlockJobWork::Copy { shallow_new }) => {
                    let all = mirror.image.chain().cloned();
                    if *shallow_new { all.collect() } else { all.take(1).collect() }
                }
                _ => Vec::new(),
            },
        };
        let pivoted = done && matches!(job.kind, BlockJobKind::Copy | BlockJobKind::ActiveCommit);
        let definition = pivoted.then(|| disk.clone());
        replace_disk(guest, disk);
        drop_images(guest, &link.monitor, &removed).await;
        if let Some(disk) = definition {
            self.rewrite_disk(guest, &disk).await?;
        }
        Ok(())
    }
}

/// What a job that is done has made of a disk's chain.
fn result(disk: &Disk, job: &BlockJob) -> Result<Option<Operated>> {
    Ok(Some(match &job.work {
        BlockJobWork::Pull { base } => surgery::pulled(&disk.image, base.as_deref())?,
        BlockJobWork::Commit { base: Some(base), top: Some(top), .. } => {
            surgery::committed(&disk.image, top, base)?
        }
        BlockJobWork::Copy { .. } => {
            let mirror = disk.mirror.as_ref().ok_or_else(|| Error::internal("a copy without an image"))?;
            let shared = mirror.image.below().and_then(|below| below.top_node());
            let shallow = shared.is_some_and(|node| disk.image.place_of(node).is_some());
            surgery::copied(&disk.image, &mirror.image, shallow)
        }
        _ => return Ok(None),
    }))
}

fn find_job(guest: &Guest, name: &str) -> Option<BlockJob> {
    guest.look(|state| state.record.as_ref()?.block_jobs.jobs.iter().find(|job| job.name == name).cloned())
}

/// Changes what is kept of a job; what it is then.
pub(crate) fn change_job(guest: &Guest, name: &str, change: impl FnOnce(&mut BlockJob)) -> Option<BlockJob> {
    guest.update(|state| {
        let job = state.record.as_mut()?.block_jobs.jobs.iter_mut().find(|job| job.name == name)?;
        change(job);
        Some(job.clone())
    })
}

/// Forgets a job.
pub(crate) fn drop_job(guest: &Guest, name: &str) {
    guest.update(|state| {
        if let Some(record) = &mut state.record {
            record.block_jobs.jobs.retain(|job| job.name != name);
            record.block_jobs.active = !record.block_jobs.jobs.is_empty();
        }
    });
}

fn disk_of(guest: &Guest, job: &BlockJob) -> Option<Disk> {
    match &job.disk {
        JobDisk::Disk { target, .. } => live_disk(guest, target).ok(),
        JobDisk::Chains(_) | JobDisk::None => None,
    }
}
