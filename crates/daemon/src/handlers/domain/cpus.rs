//! Processors and threads of domains: how many, and where they run.
//!
//! Owns: those handlers, and maps of processors on the wire. Never: binds a thread.

use ostler_base::{Error, IdSet, Origin, Result};
use ostler_domain::Domain;
use ostler_engine::ops::iothreads::Change;
use ostler_engine::ops::pin::Thread;
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainAddIothreadArgs, DomainDelIothreadArgs, DomainGetEmulatorPinInfoArgs, DomainGetVcpuPinInfoArgs,
    DomainPinEmulatorArgs, DomainPinIothreadArgs, DomainPinVcpuArgs, DomainPinVcpuFlagsArgs,
    DomainSetIothreadParamsArgs, DomainSetVcpuArgs, DomainSetVcpusArgs, DomainSetVcpusFlagsArgs, limits,
};
use ostler_rpc::xdr::Opaque;

use crate::daemon::Daemon;
use crate::dispatch::handlers;
use crate::handlers::only_flags;
use crate::params::untyped;

handlers! {
    act call::DomainSetVcpus;
    act call::DomainSetVcpusFlags;
    act call::DomainSetVcpu;
    act call::DomainPinVcpu;
    act call::DomainPinVcpuFlags;
    act call::DomainPinEmulator;
    act call::DomainPinIothread;
    answer call::DomainGetVcpuPinInfo;
    answer call::DomainGetEmulatorPinInfo;
    act call::DomainAddIothread;
    act call::DomainDelIothread;
    act call::DomainSetIothreadParams;
}

names_domain! {
    DomainAddIothreadArgs DomainDelIothreadArgs DomainGetEmulatorPinInfoArgs DomainGetVcpuPinInfoArgs
    DomainPinEmulatorArgs DomainPinIothreadArgs DomainPinVcpuArgs DomainPinVcpuFlagsArgs
    DomainSetIothreadParamsArgs DomainSetVcpuArgs DomainSetVcpusArgs DomainSetVcpusFlagsArgs
}

const AFFECT: u32 = AFFECT_LIVE | AFFECT_CONFIG;
/// Of a count of processors: the most there may be.
const MAXIMUM: u32 = 4;
/// Of a count of processors: those that come can be taken out again.
const HOTPLUGGABLE: u32 = 16;

act!(DomainSetVcpus, |daemon, guest, args| {
    daemon.engine.set_vcpus(guest, args.nvcpus, AFFECT_LIVE).await
});

act!(DomainSetVcpusFlags, |daemon, guest, args| {
    let known = AFFECT | MAXIMUM | HOTPLUGGABLE;
    only_flags(args.flags, known, "qemuDomainSetVcpusFlags", Origin::Qemu)?;
    if args.flags & MAXIMUM != 0 {
        daemon.engine.set_vcpus_maximum(guest, args.nvcpus, args.flags).await
    } else {
        daemon.engine.set_vcpus(guest, args.nvcpus, args.flags).await
    }
});

act!(DomainSetVcpu, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetVcpu", Origin::Qemu)?;
    let bad = || Error::invalid_arg(format!("Failed to parse bitmap '{}'", args.cpumap));
    let which = IdSet::parse(&args.cpumap).ok_or_else(bad)?;
    let there = match args.state {
        0 => false,
        1 => true,
        _ => return Err(Error::invalid_arg("unsupported state value")),
    };
    daemon.engine.set_vcpu(guest, &which, there, args.flags).await
});

act!(DomainPinVcpu, |daemon, guest, args| {
    let processors = IdSet::from_bits(&args.cpumap.0);
    daemon.engine.pin(guest, Thread::Vcpu(args.vcpu), processors, AFFECT_LIVE).await
});

act!(DomainPinVcpuFlags, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainPinVcpuFlags", Origin::Qemu)?;
    let processors = IdSet::from_bits(&args.cpumap.0);
    daemon.engine.pin(guest, Thread::Vcpu(args.vcpu), processors, args.flags).await
});

act!(DomainPinEmulator, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainPinEmulator", Origin::Qemu)?;
    let processors = IdSet::from_bits(&args.cpumap.0);
    daemon.engine.pin(guest, Thread::Emulator, processors, args.flags).await
});

act!(DomainPinIothread, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainPinIOThread", Origin::Qemu)?;
    let processors = IdSet::from_bits(&args.cpumap.0);
    daemon.engine.pin(guest, Thread::Io(args.iothreads_id), processors, args.flags).await
});

impl Daemon {
    /// Where a thread may run, as a map of so many bytes: anywhere, where the definition says nothing.
    fn map(&self, domain: &Domain, thread: Thread, length: usize) -> Vec<u8> {
        let all = || self.node.online_cpus().unwrap_or_default().into_iter().collect();
        let mut bits = thread.read(domain).unwrap_or_else(all).to_bits();
        bits.resize(length, 0);
        bits
    }
}

fn length(bytes: i32, most: usize) -> Result<usize> {
    usize::try_from(bytes)
        .ok()
        .filter(|length| *length <= most)
        .ok_or_else(|| Error::internal("maplen is too large").from_origin(Origin::Rpc))
}

answer!(DomainGetVcpuPinInfo, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainGetVcpuPinInfo", Origin::Qemu)?;
    let shown = guest.view().asked(args.flags, &daemon.engine.setting(None))?;
    let domain = shown.domain();
    let maps = length(args.ncpumaps, limits::VCPUINFO_MAX)?;
    let bytes = length(args.maplen, limits::CPUMAPS_MAX)?;
    let there: Vec<u32> = (0..domain.head.vcpus.maximum).take(maps).collect();
    if there.len().saturating_mul(bytes) > limits::CPUMAPS_MAX {
        return Err(Error::internal("maxinfo * maplen > REMOTE_CPUMAPS_MAX").from_origin(Origin::Rpc));
    }
    let cpumaps = there.iter().flat_map(|number| daemon.map(domain, Thread::Vcpu(*number), bytes)).collect();
    let num = i32::try_from(there.len()).unwrap_or(i32::MAX);
    Ok(wire::DomainGetVcpuPinInfoRet { cpumaps: Opaque(cpumaps), num })
});

answer!(DomainGetEmulatorPinInfo, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainGetEmulatorPinInfo", Origin::Qemu)?;
    let shown = guest.view().asked(args.flags, &daemon.engine.setting(None))?;
    let bytes = length(args.maplen, limits::CPUMAPS_MAX)?;
    let cpumaps = Opaque(daemon.map(shown.domain(), Thread::Emulator, bytes));
    Ok(wire::DomainGetEmulatorPinInfoRet { cpumaps, ret: 1 })
});

act!(DomainAddIothread, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainAddIOThread", Origin::Qemu)?;
    daemon.engine.change_iothread(guest, args.iothread_id, Change::Add, args.flags).await
});

act!(DomainDelIothread, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainDelIOThread", Origin::Qemu)?;
    daemon.engine.change_iothread(guest, args.iothread_id, Change::Remove, args.flags).await
});

act!(DomainSetIothreadParams, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetIOThreadParams", Origin::Qemu)?;
    let change = Change::Set(args.params.into_iter().map(untyped).collect());
    daemon.engine.change_iothread(guest, args.iothread_id, change, args.flags).await
});
