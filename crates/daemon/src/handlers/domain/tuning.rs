//! Shares and limits of domains, and of their disks.
//!
//! Owns: those handlers, and how long lists of values are cut. Never: knows a value's name.

use std::sync::Arc;

use ostler_base::{Error, Origin, Result, refuse};
use ostler_engine::Guest;
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_engine::ops::tuning::Group;
use ostler_engine::params::Param;
use ostler_rpc::programs::TypedParam;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainBlockPeekArgs, DomainBlockResizeArgs, DomainGetBlkioParametersArgs, DomainGetBlockIoTuneArgs,
    DomainGetMemoryParametersArgs, DomainGetNumaParametersArgs, DomainGetSchedulerParametersArgs,
    DomainGetSchedulerParametersFlagsArgs, DomainGetSchedulerTypeArgs, DomainMemoryPeekArgs,
    DomainSetBlkioParametersArgs, DomainSetBlockIoTuneArgs, DomainSetBlockThresholdArgs,
    DomainSetMemoryParametersArgs, DomainSetNumaParametersArgs, DomainSetSchedulerParametersArgs,
    DomainSetSchedulerParametersFlagsArgs,
};
use ostler_rpc::xdr::Opaque;

use crate::daemon::Daemon;
use crate::dispatch::handlers;
use crate::handlers::only_flags;
use crate::params::{typed, untyped};

handlers! {
    answer call::DomainGetSchedulerType;
    answer call::DomainGetSchedulerParameters;
    answer call::DomainGetSchedulerParametersFlags;
    act call::DomainSetSchedulerParameters;
    act call::DomainSetSchedulerParametersFlags;
    answer call::DomainGetMemoryParameters;
    act call::DomainSetMemoryParameters;
    answer call::DomainGetBlkioParameters;
    act call::DomainSetBlkioParameters;
    answer call::DomainGetNumaParameters;
    act call::DomainSetNumaParameters;
    act call::DomainGetBlockIoTune;
    act call::DomainSetBlockIoTune;
    act call::DomainBlockResize;
    act call::DomainSetBlockThreshold;
    act call::DomainBlockPeek;
    act call::DomainMemoryPeek;
}

names_domain! {
    DomainBlockPeekArgs DomainBlockResizeArgs DomainGetBlkioParametersArgs DomainGetBlockIoTuneArgs
    DomainGetMemoryParametersArgs DomainGetNumaParametersArgs DomainGetSchedulerParametersArgs
    DomainGetSchedulerParametersFlagsArgs DomainGetSchedulerTypeArgs DomainMemoryPeekArgs
    DomainSetBlkioParametersArgs DomainSetBlockIoTuneArgs DomainSetBlockThresholdArgs
    DomainSetMemoryParametersArgs DomainSetNumaParametersArgs DomainSetSchedulerParametersArgs
    DomainSetSchedulerParametersFlagsArgs
}

const AFFECT: u32 = AFFECT_LIVE | AFFECT_CONFIG;
/// Of values: a client takes ones that are texts.
const TEXTS_OKAY: u32 = 4;
/// Of a size of a disk: in bytes.
const RESIZE_BYTES: u32 = 1;
/// Of a look into memory: addresses are virtual, or physical.
const PEEK_VIRTUAL: u32 = 1;
const PEEK_PHYSICAL: u32 = 2;

/// Values for a client with room for so many; one with no room is told how many there are.
pub(super) fn cut(params: Vec<Param>, room: i32) -> (Vec<TypedParam>, i32) {
    let most = usize::try_from(room).unwrap_or_default();
    let count = i32::try_from(params.len()).unwrap_or(i32::MAX);
    let list: Vec<TypedParam> = params.into_iter().take(most).map(typed).collect();
    (list, if room == 0 { count } else { count.min(room) })
}

impl Daemon {
    fn values(&self, guest: &Guest, group: Group, flags: u32, function: &str) -> Result<Vec<Param>> {
        only_flags(flags, AFFECT | TEXTS_OKAY, function, Origin::Qemu)?;
        self.engine.tuned(guest, group, flags)
    }

    async fn set_values(
        &self,
        guest: &Arc<Guest>,
        group: Group,
        params: impl IntoIterator<Item = TypedParam>,
        flags: u32,
        function: &str,
    ) -> Result<()> {
        only_flags(flags, AFFECT, function, Origin::Qemu)?;
        let params: Vec<Param> = params.into_iter().map(untyped).collect();
        self.engine.tune(guest, group, &params, flags).await
    }
}

answer!(DomainGetSchedulerType, |_daemon, _guest, _args| {
    let nparams = i32::try_from(Group::SCHEDULER_VALUES).unwrap_or(i32::MAX);
    Ok(wire::DomainGetSchedulerTypeRet { kind: "posix".to_owned(), nparams })
});

answer!(DomainGetSchedulerParameters, |daemon, guest, args| {
    let params = daemon.values(guest, Group::Scheduler, 0, "qemuDomainGetSchedulerParameters")?;
    Ok(wire::DomainGetSchedulerParametersRet { params: cut(params, args.nparams).0.into() })
});

answer!(DomainGetSchedulerParametersFlags, |daemon, guest, args| {
    let function = "qemuDomainGetSchedulerParametersFlags";
    let params = daemon.values(guest, Group::Scheduler, args.flags, function)?;
    Ok(wire::DomainGetSchedulerParametersFlagsRet { params: cut(params, args.nparams).0.into() })
});

act!(DomainSetSchedulerParameters, |daemon, guest, args| {
    let function = "qemuDomainSetSchedulerParameters";
    daemon.set_values(guest, Group::Scheduler, args.params, 0, function).await
});

act!(DomainSetSchedulerParametersFlags, |daemon, guest, args| {
    let function = "qemuDomainSetSchedulerParametersFlags";
    daemon.set_values(guest, Group::Scheduler, args.params, args.flags, function).await
});

answer!(DomainGetMemoryParameters, |daemon, guest, args| {
    let params = daemon.values(guest, Group::Memory, args.flags, "qemuDomainGetMemoryParameters")?;
    let (params, nparams) = cut(params, args.nparams);
    Ok(wire::DomainGetMemoryParametersRet { params: params.into(), nparams })
});

act!(DomainSetMemoryParameters, |daemon, guest, args| {
    let function = "qemuDomainSetMemoryParameters";
    daemon.set_values(guest, Group::Memory, args.params, args.flags, function).await
});

answer!(DomainGetBlkioParameters, |daemon, guest, args| {
    let params = daemon.values(guest, Group::Blocks, args.flags, "qemuDomainGetBlkioParameters")?;
    let (params, nparams) = cut(params, args.nparams);
    Ok(wire::DomainGetBlkioParametersRet { params: params.into(), nparams })
});

act!(DomainSetBlkioParameters, |daemon, guest, args| {
    let function = "qemuDomainSetBlkioParameters";
    daemon.set_values(guest, Group::Blocks, args.params, args.flags, function).await
});

answer!(DomainGetNumaParameters, |daemon, guest, args| {
    let params = daemon.values(guest, Group::Numa, args.flags, "qemuDomainGetNumaParameters")?;
    let (params, nparams) = cut(params, args.nparams);
    Ok(wire::DomainGetNumaParametersRet { params: params.into(), nparams })
});

act!(DomainSetNumaParameters, |daemon, guest, args| {
    let function = "qemuDomainSetNumaParameters";
    daemon.set_values(guest, Group::Numa, args.params, args.flags, function).await
});

act!(DomainGetBlockIoTune, |daemon, guest, args| {
    only_flags(args.flags, AFFECT | TEXTS_OKAY, "qemuDomainGetBlockIoTune", Origin::Qemu)?;
    let disk = args.disk.as_deref().unwrap_or_default();
    // Without a disk a client asks how many values there are.
    let room = if disk.is_empty() { 0 } else { args.nparams };
    let first = guest.view().current(&daemon.engine.setting(None))?;
    let first = first.domain().devices.disks.first().map(|disk| disk.target.clone());
    let name = if disk.is_empty() { first.unwrap_or_default() } else { disk.to_owned() };
    let params = daemon.engine.disk_limits(guest, &name, args.flags).await?;
    let (params, nparams) = cut(params, room);
    Ok(wire::DomainGetBlockIoTuneRet { params: params.into(), nparams })
});

act!(DomainSetBlockIoTune, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetBlockIoTune", Origin::Qemu)?;
    let params: Vec<Param> = args.params.into_iter().map(untyped).collect();
    daemon.engine.limit_disk(guest, &args.disk, &params, args.flags).await
});

act!(DomainBlockResize, |daemon, guest, args| {
    only_flags(args.flags, RESIZE_BYTES, "qemuDomainBlockResize", Origin::Qemu)?;
    let bytes = if args.flags & RESIZE_BYTES != 0 { Some(args.size) } else { args.size.checked_mul(1024) };
    let over = || {
        let text = format!("size must be less than {}", u64::MAX / 1024);
        Error::new(ostler_base::Code::Overflow, Origin::Qemu, text)
    };
    daemon.engine.resize_disk(guest, &args.disk, bytes.ok_or_else(over)?).await
});

act!(DomainSetBlockThreshold, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSetBlockThreshold", Origin::Qemu)?;
    daemon.engine.set_block_threshold(guest, &args.dev, args.threshold).await
});

act!(DomainBlockPeek, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainBlockPeek", Origin::Qemu)?;
    let bytes = daemon.engine.peek_disk(guest, &args.path, args.offset, args.size).await?;
    Ok(wire::DomainBlockPeekRet { buffer: Opaque(bytes) })
});

act!(DomainMemoryPeek, |daemon, guest, args| {
    only_flags(args.flags, PEEK_VIRTUAL | PEEK_PHYSICAL, "qemuDomainMemoryPeek", Origin::Qemu)?;
    let physical = match args.flags {
        PEEK_VIRTUAL => false,
        PEEK_PHYSICAL => true,
        _ => refuse!(invalid_arg, "flags must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL"),
    };
    let bytes = daemon.engine.peek_memory(guest, args.offset, args.size, physical).await?;
    Ok(wire::DomainMemoryPeekRet { buffer: Opaque(bytes) })
});
