//! `<cachetune>` and `<memorytune>`: shares of the host's caches and memory bandwidth.
//!
//! Owns: the XML and which shares exclude each other. Never: asks what the host has.

use std::collections::BTreeMap;

use ostler_base::{Error, IdSet, Result, refuse, scale, scale::KIB, words};
use ostler_xml::{El, Element};

words! {
    /// `<cache type='…'>`
    pub CacheType { Both = "both", Code = "code", Data = "data" }
}

/// The shares of a set of vCPUs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resctrl {
    /// `vcpus`
    pub vcpus: IdSet,
    /// `<cache>`s of `<cachetune>`.
    pub caches: Vec<CacheAllocation>,
    /// `<monitor>`s of `<cachetune>`.
    pub cache_monitors: Vec<Monitor>,
    /// `<node>`s of `<memorytune>`: percent of the bandwidth by node.
    pub bandwidth: BTreeMap<u32, u32>,
    /// `<monitor>`s of `<memorytune>`.
    pub memory_monitors: Vec<Monitor>,
}

/// `<cache id= level= type= size= unit=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheAllocation {
    /// `id`
    pub id: u32,
    /// `level`
    pub level: u32,
    /// `type`
    pub kind: CacheType,
    /// `size`, bytes.
    pub size: u64,
}

/// `<monitor level= vcpus=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// `level`; of caches only.
    pub level: Option<u32>,
    /// `vcpus`
    pub vcpus: IdSet,
}

/// The vCPUs of an element, those only that the guest has.
fn vcpus(el: &Element<'_>, maximum: u32) -> Result<IdSet> {
    let text = el.require("vcpus")?;
    let Some(set) = IdSet::parse(text) else {
        refuse!(xml, "Invalid {} attribute 'vcpus' value '{text}'", el.name());
    };
    Ok(set.iter().filter(|id| *id < maximum).collect())
}

impl CacheAllocation {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(CacheAllocation {
            id: el.require_number("id")?,
            level: el.require_number("level")?,
            kind: el.require_word("type")?,
            size: scale::to_bytes(el.require_number("size")?, el.attr("unit"), KIB, u64::MAX)?,
        })
    }

    /// Refuses what cannot be had beside an earlier allocation.
    fn check(&self, earlier: &CacheAllocation) -> Result<()> {
        if (self.level, self.id) != (earlier.level, earlier.id) {
            return Ok(());
        }
        let (level, id, kind) = (self.level, self.id, self.kind);
        if kind == earlier.kind {
            refuse!(xml, "Colliding cache allocations for cache level '{level}' id '{id}', type '{kind}'");
        }
        if kind == CacheType::Both || earlier.kind == CacheType::Both {
            refuse!(xml, "Colliding cache allocations for cache level '{level}' id '{id}', type 'both'");
        }
        Ok(())
    }

    fn format(&self) -> El {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let fits = |shift: &u32| self.size >> shift != 0 && self.size.is_multiple_of(1 << shift);
        let found = units.into_iter().find(|(shift, _)| fits(shift));
        let (size, unit) = found.map_or((self.size, "B"), |(shift, unit)| (self.size >> shift, unit));
        El::new("cache")
            .attr("id", self.id)
            .attr("level", self.level)
            .attr("type", self.kind)
            .attr("size", size)
            .attr("unit", unit)
    }
}

impl Monitor {
    fn parse(el: &Element<'_>, group: &IdSet, leveled: bool) -> Result<Self> {
        let level =
            if leveled { Some(el.nonzero("level")?.ok_or_else(|| el.missing("level"))?) } else { None };
        if level.is_some_and(|level| level != 3) {
            refuse!(unsupported, "Invalid monitor cache level '{}'", level.unwrap_or(0));
        }
        let vcpus = vcpus(el, u32::MAX)?;
        if !vcpus.is_subset(group) || vcpus.is_empty() {
            refuse!(invalid_arg, "Vcpus of a monitor must be among those of its group");
        }
        Ok(Monitor { level, vcpus })
    }

    fn format(&self) -> El {
        El::new("monitor").attr_opt("level", self.level).attr("vcpus", &self.vcpus)
    }
}

fn monitors(el: &Element<'_>, group: &IdSet, leveled: bool) -> Result<Vec<Monitor>> {
    let mut out: Vec<Monitor> = Vec::new();
    for child in el.children("monitor") {
        let monitor = Monitor::parse(&child, group, leveled)?;
        let clashes = |other: &Monitor| {
            monitor.vcpus == other.vcpus
                || (monitor.vcpus.overlaps(&other.vcpus) && monitor.vcpus != *group && other.vcpus != *group)
        };
        if out.iter().any(clashes) {
            refuse!(invalid_arg, "vcpus overlaps in resctrl groups");
        }
        out.push(monitor);
    }
    Ok(out)
}

/// The group of a set of vCPUs: groups are the same or apart.
fn group<'a>(all: &'a mut Vec<Resctrl>, vcpus: &IdSet) -> Result<&'a mut Resctrl> {
    if let Some(at) = all.iter().position(|group| group.vcpus == *vcpus) {
        return Ok(&mut all[at]);
    }
    if all.iter().any(|group| group.vcpus.overlaps(vcpus)) {
        refuse!(xml, "Overlapping vcpus in resctrls");
    }
    all.push(Resctrl { vcpus: vcpus.clone(), ..Resctrl::default() });
    let last = all.len() - 1;
    Ok(&mut all[last])
}

pub(super) fn parse(cputune: &Element<'_>, maximum: u32) -> Result<Vec<Resctrl>> {
    let mut all: Vec<Resctrl> = Vec::new();
    for el in cputune.children("cachetune") {
        let vcpus = vcpus(&el, maximum)?;
        if vcpus.is_empty() {
            continue;
        }
        let mut caches: Vec<CacheAllocation> = Vec::new();
        for cache in el.children("cache") {
            let cache = CacheAllocation::parse(&cache)?;
            caches.iter().try_for_each(|earlier| cache.check(earlier))?;
            caches.push(cache);
        }
        let monitors = monitors(&el, &vcpus, true)?;
        if caches.is_empty() && monitors.is_empty() {
            continue;
        }
        if all.iter().any(|group| group.vcpus == vcpus) {
            refuse!(xml, "Identical vcpus in cachetunes found");
        }
        let group = group(&mut all, &vcpus)?;
        (group.caches, group.cache_monitors) = (caches, monitors);
    }
    for el in cputune.children("memorytune") {
        let vcpus = vcpus(&el, maximum)?;
        if vcpus.is_empty() {
            continue;
        }
        let mut bandwidth = BTreeMap::new();
        for node in el.children("node") {
            let id: u32 = node.require_number("id")?;
            let share: u32 = node.require_number("bandwidth")?;
            if bandwidth.insert(id, share).is_some() {
                return Err(Error::xml(format!("Colliding memory bandwidth allocations for node '{id}'")));
            }
        }
        let monitors = monitors(&el, &vcpus, false)?;
        if bandwidth.is_empty() && monitors.is_empty() {
            continue;
        }
        let group = group(&mut all, &vcpus)?;
        (group.bandwidth, group.memory_monitors) = (bandwidth, monitors);
    }
    Ok(all)
}

pub(super) fn format(all: &[Resctrl], el: &mut El) {
    for group in all {
        let mut tune = El::new("cachetune").attr("vcpus", &group.vcpus);
        tune.extend(group.caches.iter().map(CacheAllocation::format));
        tune.extend(group.cache_monitors.iter().map(Monitor::format));
        if tune.has_content() {
            el.push(tune);
        }
    }
    for group in all {
        let mut tune = El::new("memorytune").attr("vcpus", &group.vcpus);
        tune.extend(
            group.bandwidth.iter().map(|(id, share)| El::new("node").attr("id", id).attr("bandwidth", share)),
        );
        tune.extend(group.memory_monitors.iter().map(Monitor::format));
        if tune.has_content() {
            el.push(tune);
        }
    }
}
