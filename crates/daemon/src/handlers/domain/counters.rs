//! Counters of domains: bulk, processors, memory, disks, network cards.
//!
//! Owns: the forms in which clients get them. Never: asks an emulator; the engine does.

use std::collections::BTreeSet;
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::stats::{BlockCounters, Detail, StatValue, group};
use ostler_engine::{Guest, View};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{self as wire, limits};
use ostler_rpc::programs::{TypedParam, TypedValue};

use super::list::passes;
use super::reference;
use crate::access::{Allowed, Visible};
use crate::daemon::Daemon;
use crate::dispatch::{Act, handlers};
use crate::handlers::only_flags;
use crate::session::Session;

handlers! {
    act call::ConnectGetAllDomainStats;
    act call::DomainMemoryStats;
    act call::DomainBlockStats;
    act call::DomainBlockStatsFlags;
    act call::DomainGetBlockInfo;
    act call::DomainGetDiskErrors;
    answer call::DomainInterfaceStats;
    answer call::DomainGetVcpus;
    answer call::DomainGetCpuStats;
    answer call::DomainGetIothreadInfo;
}

/// Of bulk counters: filters of the list of domains.
const LIST_FILTERS: u32 = 0xff;
/// Of bulk counters: emulators are not asked.
const NO_WAIT: u32 = 1 << 29;
/// Of bulk counters: images below the topmost as well.
const BACKING: u32 = 1 << 30;
/// Of bulk counters: every group that is asked for must be known.
const ENFORCE: u32 = 1 << 31;

/// Of values: a client takes parameters that are texts.
const TEXTS_OKAY: u32 = 4;

impl Act<call::ConnectGetAllDomainStats> for Daemon {
    type On = Visible;

    async fn act(
        self: Arc<Self>,
        _session: Arc<Session>,
        visible: Allowed<Visible>,
        args: wire::ConnectGetAllDomainStatsArgs,
    ) -> Result<wire::ConnectGetAllDomainStatsRet> {
        let listed = !args.doms.is_empty();
        let known = if listed { 0 } else { LIST_FILTERS };
        let function = "qemuConnectGetAllDomainStats";
        only_flags(args.flags, known | NO_WAIT | BACKING | ENFORCE, function, Origin::Qemu)?;
        let groups = match args.stats {
            0 => group::ALL,
            asked if args.flags & ENFORCE != 0 && asked & !group::ALL != 0 => {
                let text =
                    format!("Stats types bits 0x{:x} are not supported by this daemon", asked & !group::ALL);
                return Err(Error::new(Code::ArgumentUnsupported, Origin::Qemu, text));
            }
            asked => asked & group::ALL,
        };
        let registry = self.engine.registry();
        let guests: Vec<Arc<Guest>> = if listed {
            let mut seen = BTreeSet::new();
            let wanted = args.doms.iter().filter(|dom| seen.insert(dom.uuid));
            let found = wanted.filter_map(|dom| registry.by_uuid(dom.uuid));
            found.filter(|guest| visible.shows(&guest.view().name, guest.view().uuid)).collect()
        } else {
            registry
                .all()
                .into_iter()
                .filter(|guest| passes(&guest.view(), args.flags & LIST_FILTERS))
                .filter(|guest| visible.shows(&guest.view().name, guest.view().uuid))
                .collect()
        };
        let detail = Detail { backing: args.flags & BACKING != 0, no_wait: args.flags & NO_WAIT != 0 };
        let stats = self.engine.stats_of(guests, groups, detail).await;
        let record = |(view, stats): (Arc<View>, Vec<(String, StatValue)>)| {
            let params = stats.into_iter().map(|(name, value)| TypedParam::new(name, typed(value)));
            wire::DomainStatsRecord { dom: reference(&view), params: params.collect::<Vec<_>>().into() }
        };
        let ret_stats = stats.into_iter().map(record).collect::<Vec<_>>().into();
        Ok(wire::ConnectGetAllDomainStatsRet { ret_stats })
    }
}

pub(super) fn typed(value: StatValue) -> TypedValue {
    match value {
        StatValue::Int(value) => value.into(),
        StatValue::Uint(value) => value.into(),
        StatValue::Llong(value) => value.into(),
        StatValue::Ullong(value) => value.into(),
        StatValue::Bool(value) => value.into(),
        StatValue::Text(value) => value.into(),
    }
}

act!(DomainMemoryStats, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainMemoryStats", Origin::Qemu)?;
    let stats = daemon.engine.memory_stats(guest).await?;
    let most = usize::try_from(args.max_stats).unwrap_or(usize::MAX);
    let stats = stats.into_iter().take(most).map(|(tag, val)| wire::DomainMemoryStat { tag, val });
    Ok(wire::DomainMemoryStatsRet { stats: stats.collect::<Vec<_>>().into() })
});

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

act!(DomainBlockStats, |daemon, guest, args| {
    let counters = daemon.engine.block_counters(guest, &args.path).await?;
    let ([rd_req, rd_bytes, _], [wr_req, wr_bytes, _]) =
        (counters.reads.map(signed), counters.writes.map(signed));
    Ok(wire::DomainBlockStatsRet { rd_req, rd_bytes, wr_req, wr_bytes, errs: -1 })
});

/// The counters of a disk as parameters.
fn block_params(counters: &BlockCounters) -> Vec<TypedParam> {
    let ([rd_req, rd_bytes, rd_time], [wr_req, wr_bytes, wr_time]) = (counters.reads, counters.writes);
    let [flushes, flush_time] = counters.flushes;
    [
        ("wr_bytes", wr_bytes),
        ("wr_operations", wr_req),
        ("rd_bytes", rd_bytes),
        ("rd_operations", rd_req),
        ("flush_operations", flushes),
        ("wr_total_times", wr_time),
        ("rd_total_times", rd_time),
        ("flush_total_times", flush_time),
    ]
    .map(|(name, value)| TypedParam::new(name, signed(value)))
    .into()
}

act!(DomainBlockStatsFlags, |daemon, guest, args| {
    only_flags(args.flags, TEXTS_OKAY, "qemuDomainBlockStatsFlags", Origin::Qemu)?;
    let counters = daemon.engine.block_counters(guest, &args.path).await?;
    let mut params = block_params(&counters);
    let nparams = i32::try_from(params.len()).unwrap_or(i32::MAX);
    // Without room a client asks how many there are.
    params.truncate(usize::try_from(args.nparams).unwrap_or(0));
    Ok(wire::DomainBlockStatsFlagsRet { params: params.into(), nparams })
});

act!(DomainGetBlockInfo, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetBlockInfo", Origin::Qemu)?;
    let size = daemon.engine.block_info(guest, &args.path).await?;
    let (allocation, capacity, physical) = (size.allocation, size.capacity, size.physical);
    Ok(wire::DomainGetBlockInfoRet { allocation, capacity, physical })
});

act!(DomainGetDiskErrors, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetDiskErrors", Origin::Qemu)?;
    let mut errors = daemon.engine.disk_errors(guest).await?;
    let nerrors = i32::try_from(match args.maxerrors {
        // Without room a client asks how much it needs.
        0 => guest.view().live.as_ref().map_or(0, |live| live.domain().devices.disks.len()),
        most => {
            errors.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            errors.len()
        }
    });
    let shown = if args.maxerrors == 0 { Vec::new() } else { errors };
    let errors = shown.into_iter().map(|(disk, error)| wire::DomainDiskError { disk, error });
    let errors = errors.collect::<Vec<_>>().into();
    Ok(wire::DomainGetDiskErrorsRet { errors, nerrors: nerrors.unwrap_or(i32::MAX) })
});

answer!(DomainInterfaceStats, |daemon, guest, args| {
    let counters = daemon.engine.interface_counters(guest, &args.device)?;
    let [rx_bytes, rx_packets, rx_errs, rx_drop] = counters.received.map(signed);
    let [tx_bytes, tx_packets, tx_errs, tx_drop] = counters.sent.map(signed);
    Ok(wire::DomainInterfaceStatsRet {
        rx_bytes,
        rx_packets,
        rx_errs,
        rx_drop,
        tx_bytes,
        tx_packets,
        tx_errs,
        tx_drop,
    })
});

/// Processors as a map of `length` bytes.
fn cpu_map(cpus: &[usize], length: usize) -> Vec<u8> {
    let mut map = vec![0; length];
    for cpu in cpus {
        if let Some(byte) = map.get_mut(cpu / 8) {
            *byte |= 1 << (cpu % 8);
        }
    }
    map
}

answer!(DomainGetVcpus, |daemon, guest, args| {
    let refuse = |text: String| Err(Error::new(Code::Rpc, Origin::Rpc, text));
    let most = usize::try_from(args.maxinfo).unwrap_or(0);
    let length = usize::try_from(args.maplen).unwrap_or(0);
    if most > limits::VCPUINFO_MAX {
        return refuse(format!("maxinfo > REMOTE_VCPUINFO_MAX ({})", limits::VCPUINFO_MAX));
    }
    if most.checked_mul(length).is_none_or(|bytes| bytes > limits::CPUMAPS_MAX) {
        return refuse(format!("maxinfo * maplen > REMOTE_CPUMAPS_MAX ({})", limits::CPUMAPS_MAX));
    }
    let mut states = match daemon.engine.vcpu_states(guest) {
        Ok(states) => states,
        Err(_) => {
            let text = "cannot retrieve vcpu information for inactive domain";
            return Err(Error::operation_invalid(text));
        }
    };
    states.truncate(most);
    let maps: Vec<u8> = states.iter().flat_map(|vcpu| cpu_map(&vcpu.affinity, length)).collect();
    let info = states.iter().map(|vcpu| wire::VcpuInfo {
        number: vcpu.number,
        state: 1,
        cpu_time: vcpu.usage.times.total(),
        cpu: vcpu.usage.cpu,
    });
    Ok(wire::DomainGetVcpusRet { info: info.collect::<Vec<_>>().into(), cpumaps: maps.into() })
});

answer!(DomainGetCpuStats, |daemon, guest, args| {
    only_flags(args.flags, TEXTS_OKAY, "qemuDomainGetCPUStats", Origin::Qemu)?;
    let times = daemon.engine.cpu_times(guest)?;
    if args.start_cpu != -1 {
        let text = "operation 'getCpuacctPercpuUsage' not supported for backend 'cgroup V2'";
        return Err(Error::operation_unsupported(text));
    }
    let all = [("cpu_time", times.total()), ("user_time", times.user), ("system_time", times.system)];
    let nparams = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let room = usize::try_from(args.nparams).unwrap_or(usize::MAX);
    let params = all.into_iter().take(room).map(|(name, value)| TypedParam::new(name, value));
    Ok(wire::DomainGetCpuStatsRet { params: params.collect::<Vec<_>>().into(), nparams })
});

answer!(DomainGetIothreadInfo, |daemon, guest, args| {
    only_flags(args.flags, 3, "qemuDomainGetIOThreadInfo", Origin::Qemu)?;
    let view = guest.view();
    let shown = view.current(&daemon.engine.setting(None))?;
    let here = ostler_host::usage::affinity(std::process::id()).unwrap_or_default();
    let length = here.last().map_or(1, |last| last / 8 + 1);
    let one = |id: u32| wire::DomainIothreadInfo { iothread_id: id, cpumap: cpu_map(&here, length).into() };
    let info: Vec<_> = shown.domain().head.iothreads.threads.iter().map(|thread| one(thread.id)).collect();
    let ret = u32::try_from(info.len()).unwrap_or(u32::MAX);
    Ok(wire::DomainGetIothreadInfoRet { info: info.into(), ret })
});
