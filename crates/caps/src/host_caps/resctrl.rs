//! Caches of the host's CPUs, and what of them and of memory bandwidth can be shared out.
//!
//! Owns: how they follow from sysfs, and their XML. Never: allocates any.

use std::collections::BTreeMap;

use ostler_base::{IdSet, words};
use ostler_xml::El;

use super::tree::Tree;

/// Lower levels belong to one core and are not told of.
const MIN_LEVEL: u32 = 2;

words! {
    /// What is kept in a cache.
    pub CacheKind { Both = "both", Code = "code", Data = "data" }
}

/// Caches and bandwidth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resctrl {
    /// Caches by level, kind and id.
    pub banks: Vec<Bank>,
    /// Monitoring of caches.
    pub cache_monitor: Option<Monitor>,
    /// Parts of memory bandwidth that can be shared out.
    pub bandwidth: Vec<BandwidthNode>,
    /// Monitoring of memory bandwidth.
    pub bandwidth_monitor: Option<Monitor>,
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// Its number among those of the same level.
    pub id: u32,
    /// Level, from 1.
    pub level: u32,
    /// What is kept in it.
    pub kind: CacheKind,
    /// Size in bytes.
    pub size: u64,
    /// The CPUs that share it.
    pub cpus: IdSet,
    /// How it can be shared out.
    pub controls: Vec<CacheControl>,
}

/// How a cache can be shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheControl {
    /// The part of its content.
    pub kind: CacheKind,
    /// The smallest step, in bytes.
    pub granularity: u64,
    /// The smallest share in bytes; `None` where it is one step.
    pub min: Option<u64>,
    /// Most shares.
    pub max_allocs: u64,
}

/// Bandwidth of the CPUs below one cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandwidthNode {
    /// The number of the cache.
    pub id: u32,
    /// Its CPUs.
    pub cpus: IdSet,
    /// The smallest step, in percent.
    pub granularity: u64,
    /// The smallest share, in percent.
    pub min: u64,
    /// Most shares.
    pub max_allocs: u64,
}

/// What can be monitored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// The level of the caches; `None` for bandwidth.
    pub level: Option<u32>,
    /// Occupancy in bytes below which a monitor can be used again.
    pub reuse_threshold: Option<u64>,
    /// Most monitors.
    pub max_monitors: u64,
    /// What they count.
    pub features: Vec<String>,
}

impl Resctrl {
    /// The caches of a host.
    pub fn read(tree: &Tree) -> Self {
        let mut found: BTreeMap<(u32, CacheKind, u32), Bank> = BTreeMap::new();
        for cpu in tree.ids("system/cpu/online").unwrap_or_default().iter() {
            let directory = format!("system/cpu/cpu{cpu}/cache");
            for index in tree.numbered(&directory, "index") {
                if let Some(bank) = bank(tree, &format!("{directory}/index{index}")) {
                    found.entry((bank.level, bank.kind, bank.id)).or_insert(bank);
                }
            }
        }
        let banks: Vec<Bank> = found.into_values().collect();
        let monitored = tree.names("resctrl/info").into_iter().find_map(|name| {
            let level: u32 = name.strip_prefix('L')?.strip_suffix("_MON")?.parse().ok()?;
            Some((level, format!("resctrl/info/{name}")))
        });
        let monitor = |prefix: &str| monitored.as_ref().and_then(|(_, at)| monitor(tree, at, prefix));
        let bandwidth = bandwidth(tree, &banks);
        Resctrl {
            cache_monitor: monitor("llc_")
                .map(|cache| Monitor { level: monitored.as_ref().map(|(level, _)| *level), ..cache }),
            bandwidth_monitor: monitor("mbm_").map(|m| Monitor { reuse_threshold: None, ..m }),
            banks,
            bandwidth,
        }
    }

    pub(super) fn cache_el(&self) -> El {
        let mut el = El::new("cache");
        el.extend(self.banks.iter().map(bank_el));
        el.extend(self.cache_monitor.iter().map(monitor_el));
        el
    }

    pub(super) fn bandwidth_el(&self) -> El {
        let mut el = El::new("memory_bandwidth");
        el.extend(self.bandwidth.iter().map(|node| {
            let control = El::new("control")
                .attr("granularity", node.granularity)
                .attr("min", node.min)
                .attr("maxAllocs", node.max_allocs);
            El::new("node").attr("id", node.id).attr("cpus", &node.cpus).child(control)
        }));
        el.extend(self.bandwidth_monitor.iter().map(monitor_el));
        el
    }
}

fn bank(tree: &Tree, directory: &str) -> Option<Bank> {
    let path = |name: &str| format!("{directory}/{name}");
    let level = tree.id(&path("level")).filter(|level| *level >= MIN_LEVEL)?;
    let kind = match tree.text(&path("type"))? {
        "Unified" => CacheKind::Both,
        "Instruction" => CacheKind::Code,
        "Data" => CacheKind::Data,
        _ => return None,
    };
    let size = tree.size(&path("size"))?;
    Some(Bank {
        id: tree.id(&path("id"))?,
        level,
        kind,
        size,
        cpus: tree.ids(&path("shared_cpu_list"))?,
        controls: controls(tree, level, size),
    })
}

fn controls(tree: &Tree, level: u32, size: u64) -> Vec<CacheControl> {
    let kinds = [("", CacheKind::Both), ("CODE", CacheKind::Code), ("DATA", CacheKind::Data)];
    kinds
        .into_iter()
        .filter_map(|(suffix, kind)| {
            let path = |name: &str| format!("resctrl/info/L{level}{suffix}/{name}");
            let bits = mask_bits(tree.text(&path("cbm_mask"))?);
            let granularity = size.checked_div(bits)?;
            let min_bits = tree.number(&path("min_cbm_bits"))?;
            Some(CacheControl {
                kind,
                granularity,
                min: (min_bits > 1).then(|| granularity.saturating_mul(min_bits)),
                max_allocs: tree.number(&path("num_closids"))?,
            })
        })
        .collect()
}

/// How many bits a hexadecimal mask has.
fn mask_bits(mask: &str) -> u64 {
    mask.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| u64::from(digit.count_ones())).sum()
}

/// Bandwidth is shared out at the last level that can be.
fn bandwidth(tree: &Tree, banks: &[Bank]) -> Vec<BandwidthNode> {
    let number = |name: &str| tree.number(&format!("resctrl/info/MB/{name}"));
    let (Some(granularity), Some(min), Some(max_allocs)) =
        (number("bandwidth_gran"), number("min_bandwidth"), number("num_closids"))
    else {
        return Vec::new();
    };
    let last = banks.iter().filter(|bank| !bank.controls.is_empty()).map(|bank| bank.level).max();
    banks
        .iter()
        .filter(|bank| Some(bank.level) == last)
        .map(|bank| BandwidthNode { id: bank.id, cpus: bank.cpus.clone(), granularity, min, max_allocs })
        .collect()
}

fn monitor(tree: &Tree, directory: &str, prefix: &str) -> Option<Monitor> {
    let path = |name: &str| format!("{directory}/{name}");
    let features: Vec<String> = tree
        .text(&path("mon_features"))?
        .lines()
        .map(str::trim)
        .filter(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .collect();
    (!features.is_empty()).then_some(Monitor {
        level: None,
        reuse_threshold: tree.number(&path("max_threshold_occupancy")),
        max_monitors: tree.number(&path("num_rmids"))?,
        features,
    })
}

/// The largest unit that divides a number of bytes, and its name.
fn unit(bytes: u64) -> (u64, &'static str) {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = UNITS.into_iter().find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor));
    fits.unwrap_or((1, "B"))
}

fn bank_el(bank: &Bank) -> El {
    let (factor, name) = unit(bank.size);
    let mut el = El::new("bank")
        .attr("id", bank.id)
        .attr("level", bank.level)
        .attr("type", bank.kind)
        .attr("size", bank.size / factor)
        .attr("unit", name)
        .attr("cpus", &bank.cpus);
    el.extend(bank.controls.iter().map(|control| {
        // both sizes are written in the smaller of their units
        let own = unit(control.granularity);
        let (factor, name) = control.min.map_or(own, |min| own.min(unit(min)));
        El::new("control")
            .attr("granularity", control.granularity / factor)
            .attr_opt("min", control.min.map(|min| min / factor))
            .attr("unit", name)
            .attr("type", control.kind)
            .attr("maxAllocs", control.max_allocs)
    }));
    el
}

fn monitor_el(monitor: &Monitor) -> El {
    let mut el = El::new("monitor")
        .attr_opt("level", monitor.level)
        .attr_opt("reuseThreshold", monitor.reuse_threshold)
        .attr("maxMonitors", monitor.max_monitors);
    el.extend(monitor.features.iter().map(|name| El::new("feature").attr("name", name)));
    el
}
