//! NUMA nodes of the host: memory, CPUs, distances, memory-side caches, interconnects.
//!
//! Owns: how they follow from sysfs, and their XML. Never: decides about placement.

use ostler_base::words;
use ostler_xml::El;

use super::tree::Tree;

words! {
    /// How an address finds its place in a memory-side cache.
    pub Associativity { None = "none", Direct = "direct", Full = "full" }

    /// When a memory-side cache writes back.
    pub WritePolicy { None = "none", Writeback = "writeback", Writethrough = "writethrough" }

    /// What a figure of an interconnect is about.
    pub Access { Read = "read", Write = "write" }
}

/// The host's nodes and what is between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The nodes.
    pub cells: Vec<Cell>,
    /// Figures for pairs of nodes.
    pub interconnects: Vec<Interconnect>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its number.
    pub id: u32,
    /// Memory, pages and distances.
    pub memory: NodeMemory,
    /// Memory-side caches by level.
    pub caches: Vec<MemoryCache>,
    /// Its CPUs, ascending.
    pub cpus: Vec<Cpu>,
}

/// The memory of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeMemory {
    /// All of it, in KiB.
    pub total: u64,
    /// Page size in KiB and number of pages, by size.
    pub pages: Vec<(u64, u64)>,
    /// Relative distances of nodes `(id, value)`; 10 is near.
    pub distances: Vec<(u32, u32)>,
}

/// A cache in front of a node's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryCache {
    /// Level, from 1.
    pub level: u32,
    /// Associativity.
    pub associativity: Associativity,
    /// Write policy.
    pub policy: WritePolicy,
    /// Size in KiB.
    pub size: u64,
    /// Line size in bytes.
    pub line: u64,
}

/// A CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub id: u32,
    /// The package it is in.
    pub socket: u32,
    /// The die in the package.
    pub die: u32,
    /// The cluster in the die.
    pub cluster: u32,
    /// The core.
    pub core: u32,
    /// The CPUs that share its core, as a set in text form.
    pub siblings: String,
}

/// How fast one node reaches another's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interconnect {
    /// The node with the CPU.
    pub initiator: u32,
    /// The node with the memory.
    pub target: u32,
    /// Reading or writing.
    pub access: Access,
    /// Nanoseconds; 0 where it is not known.
    pub latency: u64,
    /// KiB per second; 0 where it is not known.
    pub bandwidth: u64,
}

impl Topology {
    /// The nodes of a host; `memory` tells the memory of each ([`node_memory`] on a real one).
    pub fn read(tree: &Tree, memory: impl Fn(u32) -> NodeMemory) -> Self {
        let nodes = tree.ids("system/node/online").unwrap_or_default();
        Topology {
            cells: nodes.iter().map(|id| cell(tree, id, memory(id))).collect(),
            interconnects: nodes.iter().flat_map(|id| interconnects(tree, id)).collect(),
        }
    }

    pub(super) fn el(&self) -> El {
        let mut cells = El::new("cells").attr("num", self.cells.len());
        cells.extend(self.cells.iter().map(cell_el));
        let mut el = El::new("topology").child(cells);
        let mut links = El::new("interconnects");
        let base = |name, link: &Interconnect| {
            El::new(name)
                .attr("initiator", link.initiator)
                .attr("target", link.target)
                .attr("type", link.access)
        };
        let known =
            |figure: fn(&Interconnect) -> u64| self.interconnects.iter().filter(move |link| figure(link) > 0);
        links.extend(known(|l| l.latency).map(|l| base("latency", l).attr("value", l.latency)));
        links.extend(
            known(|l| l.bandwidth)
                .map(|l| base("bandwidth", l).attr("value", l.bandwidth).attr("unit", "KiB")),
        );
        el.push_filled(links);
        el
    }
}

/// The memory of a node as sysfs tells it; `page_size` is the system's own, in KiB.
pub fn node_memory(tree: &Tree, node: u32, page_size: u64) -> NodeMemory {
    let directory = format!("system/node/node{node}");
    let total: u64 = tree
        .text(&format!("{directory}/meminfo"))
        .and_then(|text| {
            let line = text.lines().find(|line| line.contains(" MemTotal:"))?;
            line.split_whitespace().rev().nth(1)?.parse().ok()
        })
        .unwrap_or(0);
    let huge_directory = format!("{directory}/hugepages");
    let mut huge: Vec<(u64, u64)> = tree
        .names(&huge_directory)
        .iter()
        .filter_map(|name| {
            let size = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            Some((size, tree.number(&format!("{huge_directory}/{name}/nr_hugepages"))?))
        })
        .collect();
    huge.sort_unstable();
    let in_huge =
        huge.iter().fold(0u64, |sum, (size, count)| sum.saturating_add(size.saturating_mul(*count)));
    let small = total.saturating_sub(in_huge) / page_size.max(1);
    let mut pages = vec![(page_size, small)];
    pages.append(&mut huge);
    let online = tree.ids("system/node/online").unwrap_or_default();
    let values = tree.text(&format!("{directory}/distance")).unwrap_or_default();
    let values = values.split_whitespace().filter_map(|value| value.parse().ok());
    NodeMemory { total, pages, distances: online.iter().zip(values).collect() }
}

fn cell(tree: &Tree, id: u32, memory: NodeMemory) -> Cell {
    let directory = format!("system/node/node{id}");
    let cpus = tree.ids(&format!("{directory}/cpulist")).unwrap_or_default();
    let caches = format!("{directory}/memory_side_cache");
    Cell {
        id,
        memory,
        caches: tree
            .numbered(&caches, "index")
            .into_iter()
            .filter_map(|level| memory_cache(tree, &format!("{caches}/index{level}"), level))
            .collect(),
        cpus: cpus.iter().map(|cpu| read_cpu(tree, cpu)).collect(),
    }
}

fn memory_cache(tree: &Tree, directory: &str, level: u32) -> Option<MemoryCache> {
    let number = |name: &str| tree.number(&format!("{directory}/{name}"));
    Some(MemoryCache {
        level,
        associativity: match number("indexing")? {
            0 => Associativity::Direct,
            1 => Associativity::Full,
            _ => Associativity::None,
        },
        policy: match number("write_policy")? {
            0 => WritePolicy::Writeback,
            1 => WritePolicy::Writethrough,
            _ => WritePolicy::None,
        },
        size: number("size")? / 1024,
        line: number("line_size")?,
    })
}

fn read_cpu(tree: &Tree, id: u32) -> Cpu {
    let path = |name: &str| format!("system/cpu/cpu{id}/topology/{name}");
    let number = |name: &str| tree.id(&path(name)).unwrap_or(0);
    Cpu {
        id,
        socket: number("physical_package_id"),
        die: number("die_id"),
        cluster: number("cluster_id"),
        core: number("core_id"),
        siblings: tree
            .ids(&path("thread_siblings_list"))
            .map_or_else(|| id.to_string(), |siblings| siblings.to_string()),
    }
}

/// Figures for the memory of a node. Class 1 has only initiators with CPUs; older kernels have
/// class 0 alone.
fn interconnects(tree: &Tree, target: u32) -> Vec<Interconnect> {
    let at = |class: u32| format!("system/node/node{target}/access{class}/initiators");
    let directory = [at(1), at(0)].into_iter().find(|path| !tree.names(path).is_empty());
    let Some(directory) = directory else { return Vec::new() };
    let number = |name: &str| tree.number(&format!("{directory}/{name}")).unwrap_or(0);
    let figures = [
        (Access::Read, number("read_latency"), number("read_bandwidth")),
        (Access::Write, number("write_latency"), number("write_bandwidth")),
    ];
    let initiators = tree.numbered(&directory, "node").into_iter();
    initiators
        .flat_map(|initiator| {
            figures.map(|(access, latency, mib)| Interconnect {
                initiator,
                target,
                access,
                latency,
                bandwidth: mib.saturating_mul(1024),
            })
        })
        .collect()
}

fn cell_el(cell: &Cell) -> El {
    let mut el = El::new("cell").attr("id", cell.id);
    el.push(El::with_text("memory", cell.memory.total).attr("unit", "KiB"));
    el.extend(
        cell.memory
            .pages
            .iter()
            .map(|(size, count)| El::with_text("pages", count).attr("unit", "KiB").attr("size", size)),
    );
    let mut distances = El::new("distances");
    let siblings = cell.memory.distances.iter();
    distances.extend(siblings.map(|(id, value)| El::new("sibling").attr("id", id).attr("value", value)));
    el.push_filled(distances);
    el.extend(cell.caches.iter().map(|cache| {
        El::new("cache")
            .attr("level", cache.level)
            .attr("associativity", cache.associativity)
            .attr("policy", cache.policy)
            .child(El::new("size").attr("value", cache.size).attr("unit", "KiB"))
            .child(El::new("line").attr("value", cache.line).attr("unit", "B"))
    }));
    let mut cpus = El::new("cpus").attr("num", cell.cpus.len());
    cpus.extend(cell.cpus.iter().map(|cpu| {
        El::new("cpu")
            .attr("id", cpu.id)
            .attr("socket_id", cpu.socket)
            .attr("die_id", cpu.die)
            .attr("cluster_id", cpu.cluster)
            .attr("core_id", cpu.core)
            .attr("siblings", &cpu.siblings)
    }));
    el.push(cpus);
    el
}
