//! The host: its processors and memory.
//!
//! Owns: those handlers and the forms of their answers. Never: reads a file itself.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::limits::{NODE_CPU_STATS_MAX, NODE_MAX_CELLS, NODE_MEMORY_STATS_MAX};
use ostler_rpc::programs::remote::procedures as call;
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
    answer call::NodeGetCpuMap;
    answer call::NodeGetSecurityModel;
}

/// What stands for all CPUs or all cells.
const ALL: i32 = -1;

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidArg, Origin::None, text)
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

impl Answer<call::NodeGetInfo> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<wire::NodeGetInfoRet> {
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let processors = self.node.processors();
        Ok(wire::NodeGetInfoRet {
            model: FixedChars::new(&machine),
            memory: self.node.total() / 1024,
            cpus: processors.cpus,
            mhz: self.node.mhz(),
            nodes: processors.nodes,
            sockets: processors.sockets,
            cores: processors.cores,
            threads: processors.threads,
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
        let times = self.node.times(cpu).ok_or_else(no_such)?;
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
        only_flags(args.flags, 0, "virHostMemGetStats", Origin::None)?;
        let last = self.node.cells().last().unwrap_or(0);
        let cell = u32::try_from(args.cell_num).ok();
        if args.cell_num != ALL && cell.is_none_or(|cell| cell > last) {
            let text = format!("cellNum in virHostMemGetStats must be less than or equal to {last}");
            return Err(invalid(text));
        }
        let count = if cell.is_some() { 2 } else { 4 };
        if room == 0 {
            return Ok(wire::NodeGetMemoryStatsRet { params: List::default(), nparams: count });
        }
        if args.nparams != count {
            return Err(invalid(format!("nparams in virHostMemGetStatsLinux must be {count}")));
        }
        let fields = ["total", "free", "buffers", "cached"];
        let values = match cell {
            Some(cell) => self.node.cell_memory(cell, ["MemTotal", "MemFree"]).map(|values| values.to_vec()),
            None => {
                self.node.memory(["MemTotal", "MemFree", "Buffers", "Cached"]).map(|values| values.to_vec())
            }
        };
        let values =
            values.ok_or_else(|| Error::internal("no available memory info").from_origin(Origin::None))?;
        let pairs = fields.into_iter().zip(values);
        let params = pairs.map(|(field, value)| wire::NodeGetMemoryStats { field: field.to_owned(), value });
        Ok(wire::NodeGetMemoryStatsRet { params: params.collect(), nparams: 0 })
    }
}

impl Answer<call::NodeGetFreeMemory> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<wire::NodeGetFreeMemoryRet> {
        Ok(wire::NodeGetFreeMemoryRet { free_mem: self.node.free() })
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
        let count = match usize::try_from(args.maxcells) {
            Err(_) => return refused("maxcells must be non-negative"),
            Ok(count) if count > NODE_MAX_CELLS => return refused("maxcells > REMOTE_NODE_MAX_CELLS"),
            Ok(0) => return wrong("maxCells in virNodeGetCellsFreeMemory must be greater than zero"),
            Ok(count) => count,
        };
        let Ok(start) = u32::try_from(args.start_cell) else {
            return wrong("startCell in virNodeGetCellsFreeMemory must be zero or greater");
        };
        let last = self.node.cells().last().unwrap_or(0);
        if start > last {
            let text = format!("start cell {start} out of range (0-{last})");
            return Err(Error::internal(text).from_origin(Origin::None));
        }
        let free = |cell| self.node.cell_free(cell).unwrap_or(0);
        // Without NUMA the one cell is the host.
        let cells = match self.node.cell_free(start) {
            None if last == 0 => vec![self.node.free()],
            _ => (start..=last).take(count).map(free).collect(),
        };
        Ok(wire::NodeGetCellsFreeMemoryRet { cells: List(cells) })
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
        let (present, online) = (self.node.present(), self.node.online());
        let Some(last) = present.last() else {
            return Err(Error::no_support("virNodeGetCPUMap"));
        };
        let mut map = online.to_bits();
        map.resize(last as usize / 8 + 1, 0);
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(wire::NodeGetCpuMapRet {
            cpumap: Opaque(if args.need_map != 0 { map } else { Vec::new() }),
            online: if args.need_online != 0 { count(online.len()).unsigned_abs() } else { 0 },
            ret: count(last as usize + 1),
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
