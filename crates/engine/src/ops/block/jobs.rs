//! Pull, commit, copy; asking how far a job is, bounding it, ending it.
//!
//! Owns: what each call means for the emulator. Never: waits for a job but where a call says so.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Code, Error, Json, Origin, Result, Word, refuse};
use ostler_domain::blocks::{Backing, Image, ImageFormat, backing_string, surgery};
use ostler_domain::devices::disk::{Disk, Mirror, MirrorJob, name_chain};
use ostler_domain::run::{BlockJob, BlockJobKind, BlockJobState, BlockJobWork, JobDisk};
use ostler_plan::Props;

use super::image::{Wanted, gone};
use super::{command, follow, job_on, live_disk, nodes, refuse_busy, replace_disk, take_number};
use crate::domain::guest::{Link, not_running};
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};

/// Of a commit: one step down only.
pub const COMMIT_SHALLOW: u32 = 1;
/// Of a commit: images that went are removed.
pub const COMMIT_DELETE: u32 = 2;
/// Of a commit: the topmost image may be committed.
pub const COMMIT_ACTIVE: u32 = 4;
/// Of a copy: the topmost image only.
pub const COPY_SHALLOW: u32 = 1;
/// Of a copy: the image is there.
pub const COPY_REUSE: u32 = 2;
/// Of a copy: a write is done when it is in both.
pub const COPY_SYNCHRONOUS: u32 = 8;
/// Of an end: not waited for.
pub const ABORT_ASYNC: u32 = 1;
/// Of an end: the copy takes the place of what was copied.
pub const ABORT_PIVOT: u32 = 2;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The kind, by its number in the public headers.
    pub kind: i32,
    /// The bound, bytes a second; 0 is none.
    pub bandwidth: u64,
    /// What is done.
    pub done: u64,
    /// What there is to do.
    pub total: u64,
}

/// What a copy is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyOptions {
    /// The bound, bytes a second; 0 is none.
    pub bandwidth: u64,
    /// How many bytes are copied at once at least; 0 is up to the emulator.
    pub granularity: u64,
    /// How many bytes are under way at once at most; 0 is up to the emulator.
    pub buffer: u64,
    /// Flags of the call.
    pub flags: u32,
}

fn node(image: &Image) -> Result<&str> {
    image.top_node().ok_or_else(|| Error::internal("an image of a running guest has no node"))
}

fn speed(props: &mut Props, bandwidth: u64) {
    if bandwidth != 0 {
        props.set("speed", bandwidth);
    }
}

/// What all jobs are told: nothing is done behind our back, and the end stays until we saw it.
fn job_props(name: &str, device: &str) -> Props {
    Props::new()
        .with("job-id", name)
        .with("device", device)
        .with("auto-finalize", true)
        .with("auto-dismiss", false)
}

fn record(
    name: &str,
    kind: BlockJobKind,
    disk: &Disk,
    mirror: bool,
    work: BlockJobWork,
    flags: u32,
) -> BlockJob {
    BlockJob {
        name: name.to_owned(),
        kind,
        state: BlockJobState::Running,
        new_state: None,
        broken_kind: None,
        flags: (flags != 0).then_some(u64::from(flags)),
        error: None,
        disk: JobDisk::Disk { target: disk.target.clone(), mirror },
        work,
    }
}

impl Engine {
    /// Draws what is below an image into it, down to `base`, which stays; all of it without.
    pub async fn block_pull(
        &self,
        guest: &Arc<Guest>,
        name: &str,
        base: Option<&str>,
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainBlockRebase").await?;
        let link = guest.link()?;
        let disk = live_disk(guest, name)?;
        refuse_busy(guest, &disk)?;
        if disk.image.below().is_none() {
            refuse!(operation_invalid, "disk '{}' has no images below it to pull from", disk.target);
        }
        let base = base.map(|base| surgery::image_of(&disk, base).and_then(node)).transpose()?;
        let device = node(&disk.image)?;
        let id = format!("pull-{}-{device}", disk.target);
        let mut props = job_props(&id, device);
        props.set_opt("base-node", base);
        // The name in the header is ours to say: the emulator may know the image by a descriptor only.
        let place = base.and_then(|base| disk.image.place_of(base)).and_then(|at| disk.image.chain().nth(at));
        props.set_opt("backing-file", place.map(backing_string).transpose()?);
        speed(&mut props, bandwidth);
        let work = BlockJobWork::Pull { base: base.map(str::to_owned) };
        let job = record(&id, BlockJobKind::Pull, &disk, false, work, flags);
        self.begin_job(guest, &link, job, "block-stream", props).await
    }

    /// Writes images into one below them.
    pub async fn block_commit(
        &self,
        guest: &Arc<Guest>,
        name: &str,
        (base, top): (Option<&str>, Option<&str>),
        bandwidth: u64,
        flags: u32,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainBlockCommit").await?;
        let link = guest.link()?;
        let mut disk = live_disk(guest, name)?;
        refuse_busy(guest, &disk)?;
        if flags & COMMIT_DELETE != 0 {
            refuse!(operation_unsupported, "deleting committed images is not supported");
        }
        let top_image = match top {
            Some(top) => surgery::image_of(&disk, top)?,
            None => &disk.image,
        };
        let top_path = top_image.path().unwrap_or_default().to_owned();
        let active = top_image.top_node() == disk.image.top_node();
        if active && flags & COMMIT_ACTIVE == 0 {
            refuse!(invalid_arg, "commit of '{}' active layer requires active flag", disk.target);
        }
        if !active && flags & COMMIT_ACTIVE != 0 {
            refuse!(invalid_arg, "active commit requested but '{top_path}' is not active");
        }
        let Some(below) = top_image.below() else {
            refuse!(
                invalid_arg,
                "top '{top_path}' in chain for '{}' has no backing file",
                disk.image.path().unwrap_or_default()
            );
        };
        let base_image = match base {
            Some(base) => surgery::image_of(&disk, base)?,
            None if flags & COMMIT_SHALLOW != 0 => below,
            None => top_image.chain().last().unwrap_or(below),
        };
        let (top_node, base_node) = (node(top_image)?.to_owned(), node(base_image)?.to_owned());
        let in_order = disk.image.place_of(&base_node) > disk.image.place_of(&top_node);
        if !in_order || (flags & COMMIT_SHALLOW != 0 && below.top_node() != Some(&base_node)) {
            refuse!(
                invalid_arg,
                "base '{}' is not below '{top_path}' in chain for '{}'",
                base.unwrap_or_default(),
                disk.target
            );
        }
        let kind = if active { BlockJobKind::ActiveCommit } else { BlockJobKind::Commit };
        let id = format!("commit-{}-{top_node}", disk.target);
        let mut props = job_props(&id, node(&disk.image)?).with("top-node", top_node.as_str());
        props.set("base-node", base_node.as_str());
        if !active {
            props.set("backing-file", backing_string(base_image)?);
        }
        speed(&mut props, bandwidth);
        let above = disk.image.place_of(&top_node).and_then(|at| at.checked_sub(1));
        let parent = above.and_then(|at| disk.image.chain().nth(at)).and_then(Image::top_node);
        let work = BlockJobWork::Commit {
            base: Some(base_node),
            top: Some(top_node),
            top_parent: parent.map(str::to_owned),
            delete: false,
        };
        // Both are only read until now: the base is going to be written, and what is above the top has to
        // name another image.
        let above = above.and_then(|at| disk.image.chain().nth(at));
        let written = [Some(base_image), above].into_iter().flatten().filter_map(Image::path);
        let written: Vec<PathBuf> = written.map(PathBuf::from).collect();
        let (engine, live) = (self.clone(), guest.view().live.clone().ok_or_else(not_running)?);
        blocking(move || written.iter().try_for_each(|path| engine.hand_over_image(live.domain(), path)))
            .await?;
        let job = record(&id, kind, &disk, active, work, flags);
        if active {
            let image = Image { backing: Backing::End, ..base_image.clone() };
            disk.mirror = Some(Mirror { image, job: MirrorJob::ActiveCommit, state: None });
            replace_disk(guest, disk.clone());
        }
        let begun = self.begin_job(guest, &link, job, "block-commit", props).await;
        if begun.is_err() && active {
            disk.mirror = None;
            replace_disk(guest, disk);
        }
        begun
    }

    /// Copies a disk to another image, and goes on copying what is written, until the job is ended.
    pub async fn block_copy(
        &self,
        guest: &Arc<Guest>,
        name: &str,
        mut image: Image,
        options: CopyOptions,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainBlockCopy").await?;
        let link = guest.link()?;
        let mut disk = live_disk(guest, name)?;
        refuse_busy(guest, &disk)?;
        let shallow = options.flags & COPY_SHALLOW != 0;
        let existing = options.flags & COPY_REUSE != 0;
        image.complete();
        image.format.get_or_insert(disk.image.format.unwrap_or(ImageFormat::Raw));
        if shallow && !image.can_have_backing() && disk.image.below().is_some() {
            refuse!(invalid_arg, "shallow copy of disk '{}' into a raw file is not possible", disk.target);
        }
        let below = disk.image.below().filter(|_| shallow).cloned();
        image.backing = Backing::End;
        let around = disk.surroundings();
        name_chain(&mut image, take_number(guest, 1), &around);
        if let Some(below) = &below {
            image.backing = Backing::Image(Box::new(below.clone()));
        }
        let source = node(&disk.image)?.to_owned();
        let known = nodes(guest, &link.monitor).await?;
        let capacity = known.get(&source).map_or(0, |node| node.capacity);
        let mut wanted = Wanted {
            image: &mut image,
            around,
            named_below: below.as_ref(),
            node_below: below.as_ref().and_then(Image::top_node),
            existing,
            capacity,
        };
        let made = self.make_image(guest, &link.monitor, &mut wanted).await?;
        let id = format!("copy-{}-{source}", disk.target);
        let mut props = job_props(&id, &source)
            .with("target", node(&image)?)
            .with("sync", if shallow { "top" } else { "full" });
        speed(&mut props, options.bandwidth);
        props.set_opt("granularity", Some(options.granularity).filter(|bytes| *bytes != 0));
        props.set_opt("buf-size", Some(options.buffer).filter(|bytes| *bytes != 0));
        props.set_opt("copy-mode", (options.flags & COPY_SYNCHRONOUS != 0).then_some("write-blocking"));
        let work = BlockJobWork::Copy { shallow_new: false };
        let job = record(&id, BlockJobKind::Copy, &disk, true, work, options.flags);
        disk.mirror = Some(Mirror { image, job: MirrorJob::Copy, state: None });
        replace_disk(guest, disk.clone());
        let begun = self.begin_job(guest, &link, job, "blockdev-mirror", props).await;
        if begun.is_err() {
            disk.mirror = None;
            replace_disk(guest, disk);
            made.undo(guest, &link.monitor).await;
        }
        begun
    }

    async fn begin_job(
        &self,
        guest: &Arc<Guest>,
        link: &Link,
        job: BlockJob,
        verb: &str,
        props: Props,
    ) -> Result<()> {
        let name = job.name.clone();
        let states = guest.block_jobs.follow(&name);
        guest.update(|state| {
            if let Some(record) = &mut state.record {
                record.block_jobs.jobs.push(job);
                record.block_jobs.active = true;
            }
        });
        // The record is there before the job is, so that none is ever forgotten.
        self.persist(guest).await;
        if let Err(error) = command(guest, &link.monitor, verb, Some(props.to_json())).await {
            guest.block_jobs.forget(&name);
            follow::drop_job(guest, &name);
            self.persist(guest).await;
            return Err(error);
        }
        self.follow_job(guest, name, states);
        Ok(())
    }

    /// How far the job on a disk is; `None` where there is none.
    pub async fn block_job_info(&self, guest: &Arc<Guest>, name: &str) -> Result<Option<Progress>> {
        let link = guest.link()?;
        let disk = live_disk(guest, name)?;
        let Some(job) = job_on(guest, &disk) else { return Ok(None) };
        let answer = command(guest, &link.monitor, "query-block-jobs", None).await?;
        let mut jobs = answer.as_array().into_iter().flatten();
        let Some(seen) = jobs.find(|seen| seen.get("device").and_then(Json::as_str) == Some(&job.name))
        else {
            return Ok(None);
        };
        let number = |key: &str| seen.get(key).and_then(Json::as_u64).unwrap_or_default();
        let (done, total) = (number("offset"), number("len"));
        // Equal numbers say "ready" to clients; nothing to do must not look so before it is.
        let early = done == total && job.state != BlockJobState::Ready;
        let total = if early && total == 0 { 1 } else { total };
        let done = if early { total.saturating_sub(1) } else { done };
        let kind = follow::kind_number(job.kind);
        Ok(Some(Progress { kind, bandwidth: number("speed"), done, total }))
    }

    /// Bounds the job on a disk; 0 takes the bound away.
    pub async fn block_job_speed(&self, guest: &Arc<Guest>, name: &str, bandwidth: u64) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainBlockJobSetSpeed").await?;
        let link = guest.link()?;
        let disk = live_disk(guest, name)?;
        let job = job_on(guest, &disk).ok_or_else(|| no_job(&disk))?;
        let arguments = json!({"device": job.name, "speed": bandwidth});
        command(guest, &link.monitor, "block-job-set-speed", Some(arguments)).await.map(drop)
    }

    /// Ends the job on a disk.
    pub async fn block_job_abort(&self, guest: &Arc<Guest>, name: &str, flags: u32) -> Result<()> {
        let (mut states, pivot) = {
            let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainBlockJobAbort").await?;
            let link = guest.link()?;
            let mut disk = live_disk(guest, name)?;
            let job = job_on(guest, &disk).ok_or_else(|| no_job(&disk))?;
            let pivot = flags & ABORT_PIVOT != 0;
            if matches!(job.state, BlockJobState::Aborting | BlockJobState::Pivoting) {
                let detail = format!("block job on disk '{}' is still being ended", disk.target);
                return Err(Error::new(Code::OperationInvalid, Origin::Qemu, detail));
            }
            let pivots = matches!(job.kind, BlockJobKind::Copy | BlockJobKind::ActiveCommit);
            if pivot && !pivots {
                let kind = job.kind.as_str();
                refuse!(operation_invalid, "job type '{kind}' does not support pivot");
            }
            if pivot && job.state != BlockJobState::Ready {
                let detail = format!("block job '{}' not ready for pivot yet", job.name);
                return Err(Error::new(Code::BlockCopyActive, Origin::Qemu, detail));
            }
            let ended = guest.block_jobs.again(&job.name).ok_or_else(gone)?;
            let (state, mirror, verb, arguments) = if pivot {
                let state = ostler_domain::devices::disk::MirrorState::Pivot;
                (BlockJobState::Pivoting, state, "job-complete", json!({"id": job.name}))
            } else {
                let state = ostler_domain::devices::disk::MirrorState::Abort;
                (
                    BlockJobState::Aborting,
                    state,
                    "block-job-cancel",
                    json!({"device": job.name, "force": true}),
                )
            };
            follow::change_job(guest, &job.name, |job| job.state = state);
            if let Some(there) = &mut disk.mirror {
                there.state = Some(mirror);
                replace_disk(guest, disk);
            }
            self.persist(guest).await;
            if let Err(error) = command(guest, &link.monitor, verb, Some(arguments)).await {
                follow::change_job(guest, &job.name, |there| there.state = job.state);
                return Err(error);
            }
            (ended, pivot)
        };
        if flags & ABORT_ASYNC != 0 && !pivot {
            return Ok(());
        }
        // Whoever follows the job lets go of it when all is done.
        while states.changed().await.is_ok() {}
        Ok(())
    }

    /// Says the new image of a disk in the definition on disk, where it has the disk.
    pub(crate) async fn rewrite_disk(&self, guest: &Arc<Guest>, live: &Disk) -> Result<()> {
        let _turn = self.definitions().lock().await;
        let Some(inactive) = guest.view().inactive.clone() else { return Ok(()) };
        let shown = inactive.get(&self.setting(None))?;
        let mut draft = shown.domain().clone().into_draft();
        let Some(disk) = draft.devices.disks.iter_mut().find(|disk| disk.target == live.target) else {
            return Ok(());
        };
        disk.image.place = live.image.place.clone();
        disk.image.format = live.image.format;
        disk.image.backing = Backing::Unknown;
        let path = shown.domain().head.emulator.as_deref().map(std::path::Path::new);
        let emulator = match path {
            Some(path) => Some(self.emulators().get(path).await?),
            None => None,
        };
        let domain = draft.complete(&self.setting(emulator.as_deref()))?;
        self.keep_definition(guest, domain).await
    }
}

fn no_job(disk: &Disk) -> Error {
    Error::invalid_arg(format!("disk {} does not have an active block job", disk.target))
}
