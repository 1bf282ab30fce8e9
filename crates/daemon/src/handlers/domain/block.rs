//! Jobs on the images of running domains.
//!
//! Owns: the flags and units of each call. Never: starts a job itself; the engine does.

use ostler_base::{Error, Origin, Result};
use ostler_domain::blocks::{Image, ImageFormat, Place};
use ostler_domain::devices::disk::image_from_document;
use ostler_engine::ops::block::jobs::{CopyOptions, Progress};
use ostler_rpc::programs::remote::DomainGetBlockJobInfoRet;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::{TypedParam, TypedValue};

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    act call::DomainBlockPull;
    act call::DomainBlockRebase;
    act call::DomainBlockCommit;
    act call::DomainBlockCopy;
    act call::DomainBlockJobAbort;
    act call::DomainBlockJobSetSpeed;
    act call::DomainGetBlockJobInfo;
}

/// Of a pull or rebase: the bandwidth is in bytes, not MiB, a second.
const REBASE_BYTES: u32 = 64;
const REBASE_SHALLOW: u32 = 1;
const REBASE_REUSE: u32 = 2;
const REBASE_RAW: u32 = 4;
const REBASE_COPY: u32 = 8;
const REBASE_RELATIVE: u32 = 16;
const REBASE_DEVICE: u32 = 32;
/// Of a commit: the same.
const COMMIT_BYTES: u32 = 16;
const COMMIT_FLAGS: u32 = 1 | 2 | 4 | 8;
/// Of questions for and bounds of jobs: the same.
const JOB_BYTES: u32 = 1;
/// Of a copy: the job may end with the run.
const COPY_TRANSIENT: u32 = 4;
const COPY_FLAGS: u32 = 1 | 2 | COPY_TRANSIENT | 8;
const ABORT_FLAGS: u32 = 1 | 2;

/// Bytes a second.
fn bandwidth(value: u64, bytes: bool) -> Result<u64> {
    if bytes {
        return Ok(value);
    }
    value.checked_mul(1 << 20).ok_or_else(|| {
        Error::new(
            ostler_base::Code::Overflow,
            Origin::Qemu,
            format!("bandwidth must be less than {}", u64::MAX >> 20),
        )
    })
}

fn copy_options(params: &[TypedParam], flags: u32) -> Result<CopyOptions> {
    let mut options = CopyOptions { flags, ..CopyOptions::default() };
    for param in params {
        let value = match &param.value {
            TypedValue::Uint(value) => u64::from(*value),
            TypedValue::Ullong(value) => *value,
            _ => return Err(Error::invalid_arg(format!("invalid type of parameter '{}'", param.field))),
        };
        match param.field.as_str() {
            "bandwidth" => options.bandwidth = value,
            "granularity" => options.granularity = value,
            "buf-size" => options.buffer = value,
            other => return Err(Error::invalid_arg(format!("parameter '{other}' not supported"))),
        }
    }
    if options.granularity != 0 && !options.granularity.is_power_of_two() {
        return Err(Error::invalid_arg("granularity must be power of 2"));
    }
    Ok(options)
}

act!(DomainBlockPull, |daemon, guest, args| {
    only_flags(args.flags, REBASE_BYTES, "qemuDomainBlockPull", Origin::Qemu)?;
    let bandwidth = bandwidth(args.bandwidth, args.flags & REBASE_BYTES != 0)?;
    daemon.engine.block_pull(guest, &args.path, None, bandwidth, 0).await
});

act!(DomainBlockRebase, |daemon, guest, args| {
    let known = REBASE_BYTES
        | REBASE_SHALLOW
        | REBASE_REUSE
        | REBASE_RAW
        | REBASE_COPY
        | REBASE_RELATIVE
        | REBASE_DEVICE;
    only_flags(args.flags, known, "qemuDomainBlockRebase", Origin::Qemu)?;
    let bandwidth = bandwidth(args.bandwidth, args.flags & REBASE_BYTES != 0)?;
    if args.flags & REBASE_COPY == 0 {
        return daemon
            .engine
            .block_pull(guest, &args.path, args.base.as_deref(), bandwidth, args.flags)
            .await;
    }
    refuse_persistent(&guest.view())?;
    let path = args.base.ok_or_else(|| Error::invalid_arg("base is required to start a copy"))?;
    let place =
        if args.flags & REBASE_DEVICE != 0 { Place::Block(Some(path)) } else { Place::File(Some(path)) };
    let format = (args.flags & REBASE_RAW != 0).then_some(ImageFormat::Raw);
    let flags = args.flags & (REBASE_SHALLOW | REBASE_REUSE);
    let options = CopyOptions { bandwidth, flags, ..CopyOptions::default() };
    daemon.engine.block_copy(guest, &args.path, Image { format, ..Image::new(place) }, options).await
});

act!(DomainBlockCommit, |daemon, guest, args| {
    only_flags(args.flags, COMMIT_FLAGS | COMMIT_BYTES, "qemuDomainBlockCommit", Origin::Qemu)?;
    let bandwidth = bandwidth(args.bandwidth, args.flags & COMMIT_BYTES != 0)?;
    let images = (args.base.as_deref(), args.top.as_deref());
    daemon.engine.block_commit(guest, &args.disk, images, bandwidth, args.flags).await
});

act!(DomainBlockCopy, |daemon, guest, args| {
    only_flags(args.flags, COPY_FLAGS, "qemuDomainBlockCopy", Origin::Qemu)?;
    let options = copy_options(&args.params, args.flags)?;
    if args.flags & COPY_TRANSIENT == 0 {
        refuse_persistent(&guest.view())?;
    }
    daemon.engine.block_copy(guest, &args.path, image_from_document(&args.destxml)?, options).await
});

act!(DomainBlockJobAbort, |daemon, guest, args| {
    only_flags(args.flags, ABORT_FLAGS, "qemuDomainBlockJobAbort", Origin::Qemu)?;
    daemon.engine.block_job_abort(guest, &args.path, args.flags).await
});

act!(DomainBlockJobSetSpeed, |daemon, guest, args| {
    only_flags(args.flags, JOB_BYTES, "qemuDomainBlockJobSetSpeed", Origin::Qemu)?;
    let bandwidth = bandwidth(args.bandwidth, args.flags & JOB_BYTES != 0)?;
    daemon.engine.block_job_speed(guest, &args.path, bandwidth).await
});

act!(DomainGetBlockJobInfo, |daemon, guest, args| {
    only_flags(args.flags, JOB_BYTES, "qemuDomainGetBlockJobInfo", Origin::Qemu)?;
    let progress = daemon.engine.block_job_info(guest, &args.path).await?;
    Ok(match progress {
        None => DomainGetBlockJobInfoRet { found: 0, kind: 0, bandwidth: 0, cur: 0, end: 0 },
        Some(Progress { kind, bandwidth, done, total }) => {
            let whole = args.flags & JOB_BYTES != 0;
            let bandwidth = if whole { bandwidth } else { bandwidth.div_ceil(1 << 20) };
            DomainGetBlockJobInfoRet { found: 1, kind, bandwidth, cur: done, end: total }
        }
    })
});

/// A copy is forgotten when its guest ends; of guests that are kept clients have to want that.
fn refuse_persistent(view: &ostler_engine::View) -> Result<()> {
    match view.persistent {
        true => Err(Error::operation_invalid("domain is not transient")),
        false => Ok(()),
    }
}
