//! What the machine is: processors, memory, names; from `/proc` and `/sys` under a root that tests can
//! set.
//!
//! Owns: reading and the rules by which processors are counted. Never: keeps anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ostler_base::{Arch, Error, Result, Word};

use crate::failed;
use crate::fs::read_bounded;

const TEXT_MAX: u64 = 16 << 20;
/// The largest number of a processor or node that a list may name.
const NUMBER_MAX: u32 = 1 << 16;

/// A machine.
#[derive(Debug, Clone)]
pub struct Node {
    root: PathBuf,
}

/// Its overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its architecture's name.
    pub model: String,
    /// Memory in KiB.
    pub memory: u64,
    /// Active processors.
    pub cpus: u32,
    /// Their frequency in MHz; 0 where unknown.
    pub mhz: u32,
    /// NUMA nodes.
    pub nodes: u32,
    /// Sockets per node.
    pub sockets: u32,
    /// Cores per socket.
    pub cores: u32,
    /// Threads per core.
    pub threads: u32,
}

/// Memory in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStats {
    /// All there is.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// Of block devices; not known of a single node.
    pub buffers: Option<u64>,
    /// Of files; not known of a single node.
    pub cached: Option<u64>,
}

/// Time of processors in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuStats {
    /// In the kernel, interrupts included.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
    /// Without work.
    pub idle: u64,
    /// Without work, but for storage that is waited for.
    pub iowait: u64,
}

impl Default for Node {
    fn default() -> Self {
        Node::at("/")
    }
}

impl Node {
    /// A machine whose `/proc` and `/sys` are under this directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Node { root: root.into() }
    }

    fn read(&self, path: &str) -> Result<String> {
        read_bounded(&self.root.join(path), TEXT_MAX)
            .map_err(|error| failed(format_args!("cannot open /{path}"), error))
    }

    fn number(&self, path: &str) -> Option<u32> {
        self.read(path).ok()?.trim().parse().ok()
    }

    /// Its overview. Where nodes, sockets, cores and threads do not multiply to the processors there
    /// are, it is told as one
    /// socket with as many cores.
    pub fn info(&self) -> Result<NodeInfo> {
        let online = self.online_cpus()?;
        let cpus = u32::try_from(online.len()).unwrap_or(u32::MAX);
        let offline = self.present_cpus()?.difference(&online).count();
        let shape = self.shape(&online);
        let all = u64::from(cpus).saturating_add(u64::try_from(offline).unwrap_or(u64::MAX));
        let fits = shape.iter().try_fold(1_u64, |all, part| all.checked_mul(u64::from(*part))) == Some(all);
        let [nodes, sockets, cores, threads] = if fits { shape } else { [1, 1, cpus, 1] };
        Ok(NodeInfo {
            model: host_arch()?.to_string(),
            memory: self.memory_stats(None)?.total,
            cpus,
            mhz: self.mhz(),
            nodes,
            sockets,
            cores,
            threads,
        })
    }

    /// Nodes, the most sockets of a node, the most cores of a socket, the most threads of a core.
    fn shape(&self, online: &BTreeSet<u32>) -> [u32; 4] {
        let nodes = self.nodes();
        let mut sockets: BTreeMap<(u32, u32), BTreeSet<(u32, u32)>> = BTreeMap::new();
        let mut threads = 1;
        for cpu in online {
            let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            let part = |name: &str| self.number(&format!("{topology}/{name}")).unwrap_or_default();
            let node = nodes.iter().find(|(_, cpus)| cpus.contains(cpu)).map_or(0, |(node, _)| *node);
            let socket = sockets.entry((node, part("physical_package_id"))).or_default();
            socket.insert((part("die_id"), part("core_id")));
            let siblings = self.read(&format!("{topology}/thread_siblings_list")).ok();
            let siblings = siblings.and_then(|list| numbers(&list)).map_or(1, |list| list.len());
            threads = threads.max(siblings);
        }
        let mut per_node: BTreeMap<u32, usize> = BTreeMap::new();
        sockets.keys().for_each(|(node, _)| *per_node.entry(*node).or_default() += 1);
        let cores = sockets.values().map(BTreeSet::len).max().unwrap_or(1);
        let shape = [nodes.len().max(1), per_node.values().copied().max().unwrap_or(1), cores, threads];
        shape.map(|part| u32::try_from(part).unwrap_or(u32::MAX))
    }

    /// NUMA nodes and their processors; empty on a machine that tells of none.
    pub fn nodes(&self) -> BTreeMap<u32, BTreeSet<u32>> {
        let online = self.read("sys/devices/system/node/online").ok().and_then(|list| numbers(&list));
        let cpus = |node: u32| {
            let list = self.read(&format!("sys/devices/system/node/node{node}/cpulist")).ok();
            list.and_then(|list| numbers(&list)).unwrap_or_default()
        };
        online.unwrap_or_default().into_iter().map(|node| (node, cpus(node))).collect()
    }

    fn mhz(&self) -> u32 {
        let Ok(text) = self.read("proc/cpuinfo") else { return 0 };
        let value = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            matches!(name.trim(), "cpu MHz" | "clock").then(|| value.trim())
        });
        value.and_then(|value| value.split(['.', 'M']).next()?.parse().ok()).unwrap_or_default()
    }

    /// The processor's own name (`model name`), where it has one.
    pub fn cpu_model(&self) -> Option<String> {
        let text = self.read("proc/cpuinfo").ok()?;
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        })
    }

    /// Processors that run.
    pub fn online_cpus(&self) -> Result<BTreeSet<u32>> {
        self.list("sys/devices/system/cpu/online")
    }

    /// Processors that are there.
    pub fn present_cpus(&self) -> Result<BTreeSet<u32>> {
        self.list("sys/devices/system/cpu/present")
    }

    fn list(&self, path: &str) -> Result<BTreeSet<u32>> {
        let text = self.read(path)?;
        numbers(&text).ok_or_else(|| Error::internal(format!("cannot parse /{path}: {}", text.trim())))
    }

    /// Memory of the machine, or of one NUMA node.
    pub fn memory_stats(&self, node: Option<u32>) -> Result<MemoryStats> {
        let path = match node {
            Some(node) => format!("sys/devices/system/node/node{node}/meminfo"),
            None => "proc/meminfo".to_owned(),
        };
        let text = self.read(&path)?;
        let value = |name: &str| {
            text.lines().find_map(|line| {
                let (label, value) = line.split_once(':')?;
                (label.split(' ').next_back() == Some(name))
                    .then(|| value.split_whitespace().next()?.parse().ok())?
            })
        };
        let need = |name: &str| {
            value(name)
                .ok_or_else(|| Error::internal(format!("no available memory line '{name}' in /{path}")))
        };
        let whole = |name: &str| if node.is_none() { value(name) } else { None };
        Ok(MemoryStats {
            total: need("MemTotal")?,
            free: need("MemFree")?,
            buffers: whole("Buffers"),
            cached: whole("Cached"),
        })
    }

    /// Unused memory in bytes.
    pub fn free_memory(&self) -> Result<u64> {
        Ok(self.memory_stats(None)?.free.saturating_mul(1024))
    }

    /// Time of all processors together, or of one.
    pub fn cpu_stats(&self, cpu: Option<u32>) -> Result<CpuStats> {
        let text = self.read("proc/stat")?;
        let name = cpu.map_or_else(|| "cpu".to_owned(), |cpu| format!("cpu{cpu}"));
        let line = text.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(' '));
        let line = line.ok_or_else(|| {
            Error::invalid_arg(format!("Invalid cpuNum in virHostCPUGetStatsLinux: no {name}"))
        })?;
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        let ticks: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap_or_default()).collect();
        let time = |fields: &[usize]| {
            let sum = fields
                .iter()
                .filter_map(|field| ticks.get(*field))
                .fold(0, |all: u64, part| all.saturating_add(*part));
            sum.saturating_mul(1_000_000_000 / per_second)
        };
        Ok(CpuStats { user: time(&[0, 1]), kernel: time(&[2, 5, 6]), idle: time(&[3]), iowait: time(&[4]) })
    }

    /// The machine's name.
    pub fn hostname(&self) -> Result<String> {
        Ok(self.read("proc/sys/kernel/hostname")?.trim().to_owned())
    }

    /// Sizes of pages that there can be, in KiB, smallest first.
    pub fn page_sizes(&self) -> Vec<u64> {
        let mut sizes = BTreeSet::from([page_size() / 1024]);
        let entries = fs::read_dir(self.root.join("sys/kernel/mm/hugepages")).into_iter().flatten().flatten();
        let huge = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<u64>().ok()
        });
        sizes.extend(huge);
        sizes.into_iter().collect()
    }

    /// Whether a path is there (`/dev/kvm`).
    pub fn has(&self, path: &Path) -> bool {
        self.root.join(path.strip_prefix("/").unwrap_or(path)).exists()
    }
}

/// Size of an ordinary page in bytes.
pub fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// The architecture of the running kernel.
pub fn host_arch() -> Result<Arch> {
    let name = rustix::system::uname();
    let machine = name.machine().to_string_lossy();
    let known = match &*machine {
        "i386" | "i486" | "i586" => "i686",
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    Arch::parse(known).ok_or_else(|| Error::internal(format!("unknown host architecture '{machine}'")))
}

/// Reads the kernel's lists: `0-3,8`.
fn numbers(text: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last > NUMBER_MAX {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;

    fn machine(files: &[(&str, &str)]) -> (Scratch, Node) {
        let scratch = Scratch::new();
        for (path, text) in files {
            let path = scratch.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let node = Node::at(&scratch.0);
        (scratch, node)
    }

    #[test]
    fn lists_of_the_kernel() {
        assert_eq!(numbers("0-2,5\n"), Some(BTreeSet::from([0, 1, 2, 5])));
        assert_eq!(numbers("\n"), Some(BTreeSet::new()));
        assert_eq!(numbers("0-4294967295"), None);
        assert_eq!(numbers("x"), None);
    }

    #[test]
    fn two_nodes_of_one_socket_with_two_threads() {
        let mut files = vec![
            ("sys/devices/system/cpu/online".to_owned(), "0-3".to_owned()),
            ("sys/devices/system/cpu/present".to_owned(), "0-3".to_owned()),
            ("sys/devices/system/node/online".to_owned(), "0-1".to_owned()),
            ("sys/devices/system/node/node0/cpulist".to_owned(), "0-1".to_owned()),
            ("sys/devices/system/node/node1/cpulist".to_owned(), "2-3".to_owned()),
            (
                "sys/devices/system/node/node1/meminfo".to_owned(),
                "Node 1 MemTotal: 7 kB\nNode 1 MemFree: 3 kB\n".to_owned(),
            ),
            ("proc/cpuinfo".to_owned(), "model name\t: Fast One\ncpu MHz\t\t: 2596.130\n".to_owned()),
            (
                "proc/meminfo".to_owned(),
                "MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 1 kB\nCached: 2 kB\nSwapCached: 9 kB\n"
                    .to_owned(),
            ),
        ];
        for cpu in 0..4 {
            let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            let first = cpu / 2 * 2;
            files.push((format!("{topology}/physical_package_id"), (cpu / 2).to_string()));
            files.push((format!("{topology}/core_id"), "0".to_owned()));
            files.push((format!("{topology}/thread_siblings_list"), format!("{first}-{}", first + 1)));
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (scratch, node) = machine(&files);
        let info = node.info().unwrap();
        assert_eq!((info.nodes, info.sockets, info.cores, info.threads), (2, 1, 1, 2));
        assert_eq!((info.memory, info.cpus, info.mhz), (100, 4, 2596));
        assert_eq!(node.cpu_model().unwrap(), "Fast One");
        assert_eq!(node.free_memory().unwrap(), 40 * 1024);
        let whole = MemoryStats { total: 100, free: 40, buffers: Some(1), cached: Some(2) };
        assert_eq!(node.memory_stats(None).unwrap(), whole);
        let part = MemoryStats { total: 7, free: 3, buffers: None, cached: None };
        assert_eq!(node.memory_stats(Some(1)).unwrap(), part);
        // One thread switched off: the parts do not multiply any more.
        fs::write(scratch.0.join("sys/devices/system/cpu/online"), "0-2").unwrap();
        fs::write(scratch.0.join("sys/devices/system/cpu/present"), "0-2").unwrap();
        let info = node.info().unwrap();
        assert_eq!((info.nodes, info.sockets, info.cores, info.threads), (1, 1, 3, 1));
    }

    #[test]
    fn time_of_processors() {
        let (_scratch, node) =
            machine(&[("proc/stat", "cpu  1 2 3 4 5 6 7 8\ncpu1 1 0 0 0 0 0 0\nbtime 5\n")]);
        let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
        let all = CpuStats { user: 3 * tick, kernel: 16 * tick, idle: 4 * tick, iowait: 5 * tick };
        assert_eq!(node.cpu_stats(None).unwrap(), all);
        assert_eq!(node.cpu_stats(Some(1)).unwrap().user, tick);
        assert!(node.cpu_stats(Some(7)).is_err());
    }

    #[test]
    fn the_machine_it_runs_on() {
        let node = Node::default();
        let info = node.info().unwrap();
        assert!(info.cpus > 0 && info.memory > 0);
        assert!(!node.hostname().unwrap().is_empty());
        assert!(node.page_sizes().contains(&(page_size() / 1024)));
        assert!(node.has(Path::new("/proc/self")));
        assert!(host_arch().is_ok());
    }
}
