//! The host: its processors and memory.
//!
//! Owns: those handlers and the forms of their answers. Never: reads a file itself.

use std::sync::Arc;

use ostler_base::{Code, Error, IdSet, Origin, Result};
use ostler_host::node::{MemoryStats, page_size};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::limits::{
    NODE_CPU_STATS_MAX, NODE_MAX_CELLS, NODE_MEMORY_PARAMETERS_MAX, NODE_MEMORY_STATS_MAX,
};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::{TypedParam, TypedValue};
use ostler_rpc::xdr::{Chars, FixedChars, List, Opaque};

use super::only_flags;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Answer, Host, handlers};
use crate::session::Session;

handlers! {
    answer call::NodeGetInfo;
    answer call::NodeGetCpuStats;
    answer call::NodeGetMemoryStats;
    answer call::NodeGetFreeMemory;
    answer call::NodeGetCellsFreeMemory;
    answer call::NodeGetFreePages;
    answer call::NodeGetMemoryParameters;
    answer call::NodeGetCpuMap;
    answer call::NodeGetSecurityModel;
}

/// What stands for all CPUs or all cells.
const ALL: i32 = -1;

fn invalid(text: String) -> Error {
    Error::verbatim(Code::InvalidArg, Origin::None, text)
}

/// Refuses negative numbers but the one that stands for all.
fn only_or_all(number: i32, what: &str) -> Result<()> {
    match number {
        ALL.. => Ok(()),
        _ => Err(invalid(format!("{what} only accepts -1 as a negative value")).from_origin(Origin::Domain)),
    }
}

/// A count of parameters that a client has room for: 0 asks how many there are.
fn check_room(room: i32, max: usize) -> Result<usize> {
    let wrong = |text| Error::internal(text).from_origin(Origin::Rpc);
    match usize::try_from(room) {
        Ok(room) if room <= max => Ok(room),
        Ok(_) => Err(wrong("nparams too large")),
        Err(_) => Err(wrong("nparams must be non-negative")),
    }
}

/// A number as the wire has it.
fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

impl Daemon {
    /// The highest number of a cell; a host without NUMA is the cell 0.
    pub(super) fn last_cell(&self) -> u32 {
        self.node.nodes().last_key_value().map_or(0, |(cell, _)| *cell)
    }

    /// Memory of a cell.
    fn cell(&self, cell: u32) -> Result<MemoryStats> {
        match self.node.nodes().is_empty() {
            true => self.node.memory_stats(None),
            false => self.node.memory_stats(Some(cell)),
        }
    }

    /// KiB over all cells: all memory, and what is free.
    fn memory(&self) -> Result<(u64, u64)> {
        let cells: Result<Vec<_>> = (0..=self.last_cell()).map(|cell| self.cell(cell)).collect();
        let host = || self.node.memory_stats(None).map(|host| vec![host]);
        let cells = cells.or_else(|_| host())?;
        let sum = |(total, free): (u64, u64), cell: &MemoryStats| {
            (total.saturating_add(cell.total), free.saturating_add(cell.free))
        };
        Ok(cells.iter().fold((0, 0), sum))
    }
}

impl Answer<call::NodeGetInfo> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<wire::NodeGetInfoRet> {
        let info = self.node.info()?;
        Ok(wire::NodeGetInfoRet {
            model: FixedChars::new(&info.model),
            memory: self.memory()?.0,
            cpus: count(info.cpus),
            mhz: count(info.mhz),
            nodes: count(info.nodes),
            sockets: count(info.sockets),
            cores: count(info.cores),
            threads: count(info.threads),
        })
    }
}

impl Answer<call::NodeGetCpuStats> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetCpuStatsArgs,
    ) -> Result<wire::NodeGetCpuStatsRet> {
        let room = check_room(args.nparams, NODE_CPU_STATS_MAX)?;
        only_or_all(args.cpu_num, "cpuNum in virNodeGetCPUStats")?;
        only_flags(args.flags, 0, "virHostCPUGetStats", Origin::None)?;
        let no_such = || invalid("Invalid cpuNum in virHostCPUGetStatsLinux".to_owned());
        let cpu =
            if args.cpu_num == ALL { None } else { Some(args.cpu_num.try_into().map_err(|_| no_such())?) };
        if room == 0 {
            return Ok(wire::NodeGetCpuStatsRet { params: List::default(), nparams: 4 });
        }
        if room != 4 {
            return Err(invalid("nparams in virHostCPUGetStatsLinux must be equal to 4".to_owned()));
        }
        let times = self.node.cpu_stats(cpu).map_err(|_| no_such())?;
        let fields =
            [("kernel", times.kernel), ("user", times.user), ("idle", times.idle), ("iowait", times.iowait)];
        let params = fields.map(|(field, value)| wire::NodeGetCpuStats { field: field.to_owned(), value });
        Ok(wire::NodeGetCpuStatsRet { params: params.into_iter().collect(), nparams: 0 })
    }
}

impl Answer<call::NodeGetMemoryStats> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetMemoryStatsArgs,
    ) -> Result<wire::NodeGetMemoryStatsRet> {
        let room = check_room(args.nparams, NODE_MEMORY_STATS_MAX)?;
        only_or_all(args.cell_num, "cellNum in virNodeGetMemoryStats")?;
        only_flags(args.flags, 0, "virHostMemGetStats", Origin::None)?;
        let last = self.last_cell();
        let cell = u32::try_from(args.cell_num).ok();
        if args.cell_num != ALL && cell.is_none_or(|cell| cell > last) {
            let text = format!("cellNum in virHostMemGetStats must be less than or equal to {last}");
            return Err(invalid(text));
        }
        let fields = if cell.is_some() { 2 } else { 4 };
        if room == 0 {
            return Ok(wire::NodeGetMemoryStatsRet { params: List::default(), nparams: fields });
        }
        if args.nparams != fields {
            return Err(invalid(format!("nparams in virHostMemGetStatsLinux must be {fields}")));
        }
        let memory = match cell {
            Some(cell) => self.cell(cell)?,
            None => self.node.memory_stats(None)?,
        };
        let fields = [
            ("total", memory.total),
            ("free", memory.free),
            ("buffers", memory.buffers.unwrap_or(0)),
            ("cached", memory.cached.unwrap_or(0)),
        ];
        let asked = fields.into_iter().take(room);
        let params = asked.map(|(field, value)| wire::NodeGetMemoryStats { field: field.to_owned(), value });
        Ok(wire::NodeGetMemoryStatsRet { params: params.collect(), nparams: 0 })
    }
}

impl Answer<call::NodeGetFreeMemory> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<wire::NodeGetFreeMemoryRet> {
        Ok(wire::NodeGetFreeMemoryRet { free_mem: self.memory()?.1.saturating_mul(1024) })
    }
}

impl Answer<call::NodeGetCellsFreeMemory> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetCellsFreeMemoryArgs,
    ) -> Result<wire::NodeGetCellsFreeMemoryRet> {
        let refused = |text: &str| Err(Error::new(Code::Rpc, Origin::Rpc, text));
        let wrong = |text: &str| Err(invalid(text.to_owned()).from_origin(Origin::Domain));
        let most = match usize::try_from(args.maxcells) {
            Err(_) => return refused("maxcells must be non-negative"),
            Ok(most) if most > NODE_MAX_CELLS => return refused("maxcells > REMOTE_NODE_MAX_CELLS"),
            Ok(0) => return wrong("maxCells in virNodeGetCellsFreeMemory must be greater than zero"),
            Ok(most) => most,
        };
        let Ok(start) = u32::try_from(args.start_cell) else {
            return wrong("startCell in virNodeGetCellsFreeMemory must be zero or greater");
        };
        let last = self.last_cell();
        if start > last {
            let text = format!("start cell {start} out of range (0-{last})");
            return Err(Error::internal(text).from_origin(Origin::None));
        }
        let free = |cell| self.cell(cell).map_or(0, |memory| memory.free.saturating_mul(1024));
        let cells = (start..=last).take(most).map(free).collect();
        Ok(wire::NodeGetCellsFreeMemoryRet { cells: List(cells) })
    }
}

impl Daemon {
    /// Pages of a size in KiB that nobody uses, of a cell or of the whole host.
    fn free_pages(&self, cell: i32, size: u32) -> Result<u64> {
        let ordinary = page_size() / 1024;
        let number = u32::try_from(cell).ok();
        let free = if u64::from(size) == ordinary {
            let free = match number {
                Some(number) => self.cell(number)?.free,
                None => self.memory()?.1,
            };
            Some(free / ordinary)
        } else {
            self.known.sysfs.free_pages(number, size.into())
        };
        free.filter(|_| cell >= ALL).ok_or_else(|| {
            let whose = number.map_or_else(String::new, |number| format!(" on node {number}"));
            Error::operation_failed(format!("page size {size} is not available{whose}"))
                .from_origin(Origin::None)
        })
    }
}

impl Answer<call::NodeGetFreePages> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetFreePagesArgs,
    ) -> Result<wire::NodeGetFreePagesRet> {
        let sizes = args.pages.0;
        let wrong = |what: &str| {
            let text = format!("{what} in virNodeGetFreePages must not be zero");
            Err(invalid(text).from_origin(Origin::Domain))
        };
        let count = usize::try_from(args.cell_count).unwrap_or(usize::MAX);
        if sizes.len().saturating_mul(count) > NODE_MAX_CELLS {
            let text = "the result won't fit into REMOTE_NODE_MAX_CELLS";
            return Err(Error::internal(text).from_origin(Origin::Rpc));
        }
        if sizes.is_empty() {
            return wrong("npages");
        }
        if count == 0 {
            return wrong("cellCount");
        }
        only_flags(args.flags, 0, "qemuNodeGetFreePages", Origin::Qemu)?;
        let last = i32::try_from(self.last_cell()).unwrap_or(i32::MAX);
        if args.start_cell > last {
            let text = format!("start cell {} out of range (0-{last})", args.start_cell);
            return Err(Error::internal(text).from_origin(Origin::None));
        }
        let cells = (args.start_cell..=last).take(count);
        let counts = cells.flat_map(|cell| sizes.iter().map(move |size| self.free_pages(cell, *size)));
        Ok(wire::NodeGetFreePagesRet { counts: List(counts.collect::<Result<_>>()?) })
    }
}

/// How equal pages are merged: the name of a parameter, its file, and whether it has 64 bits.
const MERGING: &[(&str, &str, bool)] = &[
    ("shm_pages_to_scan", "pages_to_scan", false),
    ("shm_sleep_millisecs", "sleep_millisecs", false),
    ("shm_pages_shared", "pages_shared", true),
    ("shm_pages_sharing", "pages_sharing", true),
    ("shm_pages_unshared", "pages_unshared", true),
    ("shm_pages_volatile", "pages_volatile", true),
    ("shm_full_scans", "full_scans", true),
    ("shm_merge_across_nodes", "merge_across_nodes", false),
];

/// The flag of a client that understands texts as parameters.
const TEXTS: u32 = 4;

impl Answer<call::NodeGetMemoryParameters> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetMemoryParametersArgs,
    ) -> Result<wire::NodeGetMemoryParametersRet> {
        let room = check_room(args.nparams, NODE_MEMORY_PARAMETERS_MAX)?;
        only_flags(args.flags, TEXTS, "virHostMemGetParameters", Origin::None)?;
        if room == 0 {
            return Ok(wire::NodeGetMemoryParametersRet {
                params: List::default(),
                nparams: count(MERGING.len()),
            });
        }
        let value = |file: &str, wide: bool| {
            let value = self.known.sysfs.number(&format!("kernel/mm/ksm/{file}"))?;
            if wide { Some(TypedValue::Ullong(value)) } else { Some(u32::try_from(value).ok()?.into()) }
        };
        let all = MERGING.iter().take(room);
        let params = all.filter_map(|(name, file, wide)| Some(TypedParam::new(*name, value(file, *wide)?)));
        Ok(wire::NodeGetMemoryParametersRet { params: params.collect(), nparams: 0 })
    }
}

impl Answer<call::NodeGetCpuMap> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::NodeGetCpuMapArgs,
    ) -> Result<wire::NodeGetCpuMapRet> {
        only_flags(args.flags, 0, "virHostCPUGetMap", Origin::None)?;
        let present = self.node.present_cpus()?;
        let online: IdSet = self.node.online_cpus()?.into_iter().collect();
        let last = present.last().copied().unwrap_or(0);
        let mut map = online.to_bits();
        map.resize(last as usize / 8 + 1, 0);
        Ok(wire::NodeGetCpuMapRet {
            cpumap: Opaque(if args.need_map != 0 { map } else { Vec::new() }),
            online: if args.need_online != 0 { count(online.len()).unsigned_abs() } else { 0 },
            ret: count(last).saturating_add(1),
        })
    }
}

impl Answer<call::NodeGetSecurityModel> for Daemon {
    type On = Host;

    /// No security driver labels guests here.
    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<wire::NodeGetSecurityModelRet> {
        Ok(wire::NodeGetSecurityModelRet { model: Chars(b"none\0".to_vec()), doi: Chars(b"0\0".to_vec()) })
    }
}
