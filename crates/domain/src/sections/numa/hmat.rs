//! How fast the memory of a guest's NUMA cells is: caches on the memory's side, latencies and
//! bandwidths between cells.
//!
//! Owns: their XML and `-numa hmat-…`. Never: what a cell is otherwise.

use ostler_base::{Result, refuse, scale, scale::KIB, words};
use ostler_plan::Part;
use ostler_xml::{El, Element};

use super::{Cell, Numa};

words! {
    /// `<cache associativity='…'>`
    pub Associativity { None = "none", Direct = "direct", Full = "full" }
    /// `<cache policy='…'>`
    pub CachePolicy { None = "none", Writeback = "writeback", Writethrough = "writethrough" }
    /// `<interconnects>`: the name of a child.
    pub InterconnectKind { Latency = "latency", Bandwidth = "bandwidth" }
    /// `<latency type='…'>`
    pub InterconnectAccess { Access = "access", Read = "read", Write = "write" }
}

/// `<cache level= associativity= policy=>` of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellCache {
    /// `level`, from 1.
    pub level: u32,
    /// `associativity`
    pub associativity: Associativity,
    /// `policy`
    pub policy: CachePolicy,
    /// `<size>`, KiB.
    pub size: u64,
    /// `<line>`, bytes.
    pub line: u64,
}

/// `<latency initiator= target= cache= type= value=>` or `<bandwidth …>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interconnect {
    /// Which of the two.
    pub kind: InterconnectKind,
    /// `initiator`: the cell whose CPUs want the memory.
    pub initiator: u32,
    /// `target`: the cell whose memory it is.
    pub target: u32,
    /// `cache`: the level of a cache of the target; the memory itself where absent.
    pub cache: Option<u32>,
    /// `type`
    pub access: InterconnectAccess,
    /// `value`: nanoseconds, or KiB a second.
    pub value: u64,
}

/// The attributes `value` and `unit` of a child, in bytes.
fn scaled(el: &Element<'_>, child: &str, default: u64) -> Result<u64> {
    let Some(of) = el.child(child) else {
        refuse!(xml, "missing element or attribute './{child}/@value'");
    };
    scale::to_bytes(of.require_number("value")?, of.attr("unit"), default, u64::MAX / 2)
}

impl CellCache {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(CellCache {
            level: el.nonzero("level")?.ok_or_else(|| el.missing("level"))?,
            associativity: el.require_word("associativity")?,
            policy: el.require_word("policy")?,
            size: scaled(el, "size", KIB)?.div_ceil(KIB),
            line: scaled(el, "line", 1)?,
        })
    }

    pub(super) fn format(&self) -> El {
        El::new("cache")
            .attr("level", self.level)
            .attr("associativity", self.associativity)
            .attr("policy", self.policy)
            .child(El::new("size").attr("value", self.size).attr("unit", "KiB"))
            .child(El::new("line").attr("value", self.line).attr("unit", "B"))
    }
}

/// Reads `<interconnects>`: latencies first, as the document's order among each kind.
pub(super) fn parse(el: &Element<'_>) -> Result<Vec<Interconnect>> {
    let mut out = Vec::new();
    for child in el.elements() {
        let kind = match child.name() {
            "latency" => InterconnectKind::Latency,
            "bandwidth" => InterconnectKind::Bandwidth,
            other => refuse!(xml, "Invalid element {other} under <interconnects/>"),
        };
        let value: u64 = child.nonzero("value")?.ok_or_else(|| child.missing("value"))?;
        let value = match kind {
            InterconnectKind::Latency => value,
            InterconnectKind::Bandwidth => {
                scale::to_bytes(value, child.attr("unit"), KIB, u64::MAX / 2)?.div_ceil(KIB)
            }
        };
        out.push(Interconnect {
            kind,
            initiator: child.require_number("initiator")?,
            target: child.require_number("target")?,
            cache: child.nonzero("cache")?,
            access: child.require_word("type")?,
            value,
        });
    }
    Ok(out)
}

impl Interconnect {
    pub(super) fn format(&self) -> El {
        let unit = (self.kind == InterconnectKind::Bandwidth).then_some("KiB");
        El::new(ostler_base::Word::as_str(self.kind))
            .attr("initiator", self.initiator)
            .attr("target", self.target)
            .attr_opt("cache", self.cache)
            .attr("type", self.access)
            .attr("value", self.value)
            .attr_opt("unit", unit)
    }

    fn option(&self) -> String {
        let hierarchy = match self.cache {
            None => "memory",
            Some(1) => "first-level",
            Some(2) => "second-level",
            Some(_) => "third-level",
        };
        let (kind, value) = match self.kind {
            InterconnectKind::Latency => ("latency", self.value.to_string()),
            InterconnectKind::Bandwidth => ("bandwidth", format!("{}K", self.value)),
        };
        format!(
            "hmat-lb,initiator={},target={},hierarchy={hierarchy},data-type={}-{kind},{kind}={value}",
            self.initiator, self.target, self.access
        )
    }
}

impl Numa {
    /// The cell from which a cell's memory is reached best: itself where it has vCPUs.
    pub(super) fn initiator(&self, cell: &Cell) -> Option<u32> {
        if cell.cpus.is_some() {
            return Some(cell.id);
        }
        let (mut latency, mut bandwidth, mut best) = (None, 0, None);
        for link in self.interconnects.iter().filter(|link| link.target == cell.id) {
            let better = match link.kind {
                InterconnectKind::Latency => latency.is_none_or(|known| link.value < known),
                InterconnectKind::Bandwidth => link.value > bandwidth,
            };
            if better {
                match link.kind {
                    InterconnectKind::Latency => latency = Some(link.value),
                    InterconnectKind::Bandwidth => bandwidth = link.value,
                }
                best = Some(link.initiator);
            }
        }
        best
    }

    pub(super) fn validate_interconnects(&self) -> Result<()> {
        let cell = |id: u32| self.cells.iter().find(|cell| cell.id == id);
        for link in &self.interconnects {
            let Some(initiator) = cell(link.initiator) else {
                refuse!(xml, "'initiator' refers to a non-existent NUMA node");
            };
            let Some(target) = cell(link.target) else {
                refuse!(xml, "'target' refers to a non-existent NUMA node");
            };
            if initiator.cpus.is_none() {
                refuse!(xml, "NUMA nodes without CPUs can't be initiator");
            }
            if link.cache.is_some_and(|level| target.caches.iter().all(|cache| cache.level != level)) {
                refuse!(xml, "'cache' refers to a non-existent NUMA node cache");
            }
        }
        Ok(())
    }

    pub(super) fn hmat_parts(&self, out: &mut Vec<Part>) {
        out.extend(self.interconnects.iter().map(|link| Part::plain("-numa", link.option())));
        for cell in &self.cells {
            for cache in &cell.caches {
                let policy = match cache.policy {
                    CachePolicy::None => "none",
                    CachePolicy::Writeback => "write-back",
                    CachePolicy::Writethrough => "write-through",
                };
                let option = format!(
                    "hmat-cache,node-id={},size={}K,level={},associativity={},policy={policy},line={}",
                    cell.id, cache.size, cache.level, cache.associativity, cache.line
                );
                out.push(Part::plain("-numa", option));
            }
        }
    }
}
