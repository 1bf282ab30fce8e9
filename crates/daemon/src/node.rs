//! The host as the kernel shows it: processors, memory, their places.
//!
//! Owns: which files are read and what their numbers mean. Never: changes anything; what is not
//! there counts as none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ostler_base::IdSet;

/// The most bytes of a file that are read.
const FILE_MAX: usize = 4 << 20;

/// Nanoseconds in a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// The processors of the host, counted as clients are used to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processors {
    /// Active CPUs.
    pub cpus: i32,
    /// NUMA cells.
    pub nodes: i32,
    /// Sockets for each cell.
    pub sockets: i32,
    /// Cores for each socket.
    pub cores: i32,
    /// Threads for each core.
    pub threads: i32,
}

/// What a processor, or all of them, spent its time with, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTimes {
    /// In the kernel, interrupts included.
    pub kernel: u64,
    /// In programs, niced ones included.
    pub user: u64,
    /// Doing nothing.
    pub idle: u64,
    /// Waiting for devices.
    pub iowait: u64,
}

/// Where the kernel shows the host.
#[derive(Debug, Clone)]
pub struct Node {
    proc: PathBuf,
    system: PathBuf,
}

impl Default for Node {
    fn default() -> Self {
        Node { proc: "/proc".into(), system: "/sys/devices/system".into() }
    }
}

impl Node {
    fn system(&self, name: &str) -> Option<String> {
        read(&self.system.join(name))
    }

    /// A set of numbers as the kernel writes it.
    fn ids(&self, name: &str) -> Option<IdSet> {
        IdSet::parse(self.system(name)?.trim())
    }

    /// The CPUs that there are, running or not.
    pub fn present(&self) -> IdSet {
        self.ids("cpu/present").unwrap_or_default()
    }

    /// The CPUs that run.
    pub fn online(&self) -> IdSet {
        self.ids("cpu/online").unwrap_or_else(|| self.present())
    }

    /// The NUMA cells; a host without NUMA has the cell 0.
    pub fn cells(&self) -> IdSet {
        self.ids("node/online").filter(|cells| !cells.is_empty()).unwrap_or_else(|| [0].into_iter().collect())
    }

    /// CPU frequency in MHz; 0 if the kernel does not say.
    pub fn mhz(&self) -> i32 {
        let text = read(&self.proc.join("cpuinfo")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("cpu MHz"));
        let number =
            line.and_then(|line| line.split(':').nth(1)).and_then(|text| text.trim().split('.').next());
        number.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// How the processors are counted. Where cells, sockets, cores and threads do not multiply to
    /// their number, all are cores of one socket.
    pub fn processors(&self) -> Processors {
        let (online, present) = (self.online(), self.present());
        let (mut sockets, mut cores, mut threads) = (0, 0, 0);
        let cells = self.cells();
        for cell in cells.iter() {
            let cpus = self.ids(&format!("node/node{cell}/cpulist")).unwrap_or_else(|| online.clone());
            let mut packages: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
            for cpu in cpus.iter().filter(|cpu| online.contains(*cpu)) {
                let number = |name| {
                    let text = self.system(&format!("cpu/cpu{cpu}/topology/{name}"))?;
                    text.trim().parse::<i64>().ok()
                };
                let core = number("core_id").unwrap_or(i64::from(cpu));
                packages.entry(number("physical_package_id").unwrap_or(0)).or_default().insert(core);
                let siblings = self.ids(&format!("cpu/cpu{cpu}/topology/thread_siblings_list"));
                threads = threads.max(siblings.map_or(1, |siblings| siblings.len()));
            }
            sockets = sockets.max(packages.len());
            cores = cores.max(packages.values().map(BTreeSet::len).max().unwrap_or(0));
        }
        let all = present.len().max(online.len());
        let product = [sockets, cores, threads].iter().try_fold(cells.len(), |n, by| n.checked_mul(*by));
        let flat = product != Some(all);
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Processors {
            cpus: count(online.len()),
            nodes: if flat { 1 } else { count(cells.len()) },
            sockets: if flat { 1 } else { count(sockets) },
            cores: count(if flat { all } else { cores }),
            threads: if flat { 1 } else { count(threads) },
        }
    }

    /// What a CPU spent its time with; `None`: all of them together.
    pub fn times(&self, cpu: Option<u32>) -> Option<CpuTimes> {
        let wanted = cpu.map_or("cpu".to_owned(), |cpu| format!("cpu{cpu}"));
        let text = read(&self.proc.join("stat"))?;
        let line = text.lines().find(|line| line.split(' ').next() == Some(&wanted))?;
        let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).map_while(|n| n.parse().ok()).collect();
        let each = NANOSECONDS / rustix::param::clock_ticks_per_second().max(1);
        let sum = |columns: &[usize]| {
            let ticks = columns.iter().filter_map(|column| ticks.get(*column));
            ticks.fold(0u64, |sum, n| sum.saturating_add(*n)).saturating_mul(each)
        };
        Some(CpuTimes { user: sum(&[0, 1]), kernel: sum(&[2, 5, 6]), idle: sum(&[3]), iowait: sum(&[4]) })
    }

    /// Numbers of KiB that the host's table of memory has under these names.
    pub fn memory<const N: usize>(&self, names: [&str; N]) -> Option<[u64; N]> {
        kilobytes(&read(&self.proc.join("meminfo"))?, names)
    }

    /// Numbers of KiB that a cell's table of memory has under these names.
    pub fn cell_memory<const N: usize>(&self, cell: u32, names: [&str; N]) -> Option<[u64; N]> {
        let text = self.system(&format!("node/node{cell}/meminfo"))?;
        kilobytes(&text, names)
    }

    /// Free bytes of a cell.
    pub fn cell_free(&self, cell: u32) -> Option<u64> {
        self.cell_memory(cell, ["MemFree"]).map(|[free]| free.saturating_mul(1024))
    }

    /// Free bytes of the host.
    pub fn free(&self) -> u64 {
        self.sum("MemFree")
    }

    /// Bytes of the host's memory.
    pub fn total(&self) -> u64 {
        self.sum("MemTotal")
    }

    /// Bytes over all cells; where the kernel does not show cells, of the host.
    fn sum(&self, name: &str) -> u64 {
        let cells = self.cells();
        let each: Option<Vec<_>> = cells.iter().map(|cell| self.cell_memory(cell, [name])).collect();
        let each = each.or_else(|| self.memory([name]).map(|host| vec![host])).unwrap_or_default();
        each.iter().fold(0u64, |sum, [kib]| sum.saturating_add(kib.saturating_mul(1024)))
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| text.len() <= FILE_MAX)
}

/// The numbers in lines like `MemFree:  12 kB`, which a cell's table puts `Node 0 ` before.
fn kilobytes<const N: usize>(text: &str, names: [&str; N]) -> Option<[u64; N]> {
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = text.lines().find_map(|line| {
            let (front, back) = line.split_once(':')?;
            let named = front.rsplit(' ').next() == Some(name);
            if named { back.split_ascii_whitespace().next()?.parse().ok() } else { None }
        })?;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Made(PathBuf, Node);

    impl Drop for Made {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn node(name: &str, files: &[(&str, &str)]) -> Made {
        let root = std::env::temp_dir().join(format!("ostler-node-{}-{name}", std::process::id()));
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let node = Node { proc: root.join("proc"), system: root.join("sys") };
        Made(root, node)
    }

    #[test]
    fn two_cores_with_two_threads() {
        let mut files = vec![
            ("sys/cpu/present".to_owned(), "0-3\n".to_owned()),
            ("sys/cpu/online".to_owned(), "0-3\n".to_owned()),
        ];
        for cpu in 0..4 {
            let topology = format!("sys/cpu/cpu{cpu}/topology");
            files.push((format!("{topology}/core_id"), format!("{}\n", cpu / 2)));
            files.push((format!("{topology}/physical_package_id"), "0\n".to_owned()));
            let siblings = if cpu < 2 { "0-1\n" } else { "2-3\n" };
            files.push((format!("{topology}/thread_siblings_list"), siblings.to_owned()));
        }
        let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let made = node("threads", &files);
        let expected = Processors { cpus: 4, nodes: 1, sockets: 1, cores: 2, threads: 2 };
        assert_eq!(made.1.processors(), expected);
    }

    #[test]
    fn what_does_not_multiply_is_flat() {
        let made = node("flat", &[("sys/cpu/present", "0-3"), ("sys/cpu/online", "0-2")]);
        let expected = Processors { cpus: 3, nodes: 1, sockets: 1, cores: 4, threads: 1 };
        assert_eq!(made.1.processors(), expected);
    }

    #[test]
    fn tables() {
        let made = node(
            "tables",
            &[
                ("proc/stat", "cpu  10 1 2 3 4 5 6 0 0 0\ncpu1 1 0 0 0 0 0 0\n"),
                ("proc/meminfo", "MemTotal:  8 kB\nMemFree: 5 kB\n"),
                ("proc/cpuinfo", "processor : 0\ncpu MHz\t\t: 2596.99\n"),
                ("sys/node/online", "0-1\n"),
                ("sys/node/node0/meminfo", "Node 0 MemTotal: 4 kB\nNode 0 MemFree: 3 kB\n"),
                ("sys/node/node1/meminfo", "Node 1 MemTotal: 4 kB\nNode 1 MemFree: 1 kB\n"),
            ],
        );
        let node = &made.1;
        let each = NANOSECONDS / rustix::param::clock_ticks_per_second();
        let times = CpuTimes { user: 11 * each, kernel: 13 * each, idle: 3 * each, iowait: 4 * each };
        assert_eq!(node.times(None), Some(times));
        assert_eq!(node.times(Some(1)).unwrap().user, each);
        assert_eq!(node.times(Some(2)), None);
        assert_eq!(node.memory(["MemFree", "MemTotal"]), Some([5, 8]));
        assert_eq!(node.mhz(), 2596);
        assert_eq!(node.cell_free(1), Some(1024));
        assert_eq!((node.free(), node.total()), (4096, 8192));
    }
}
