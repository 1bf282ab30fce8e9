//! `<cpu><numa>`: the NUMA cells a guest sees.

use ostler_base::{Error, IdSet, Result, YesNo, scale::KIB, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::numatune::Numatune;

words! {
    /// `<cell memAccess='…'>`
    pub MemAccess { Shared = "shared", Private = "private" }
}

/// One cell of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// `id`
    pub id: u32,
    /// `cpus`: its vCPUs.
    pub cpus: Option<IdSet>,
    /// `memory`, KiB.
    pub memory: u64,
    /// `memAccess`
    pub access: Option<MemAccess>,
    /// `discard`
    pub discard: Option<YesNo>,
    /// `<distances>`: to which cell, and how far (10 to 255).
    pub distances: Vec<(u32, u32)>,
}

impl Cell {
    fn parse(el: &Element<'_>, place: u32) -> Result<Self> {
        let cpus = match el.attr("cpus") {
            Some(text) => Some(
                IdSet::parse(text)
                    .ok_or_else(|| Error::invalid_arg(format!("Failed to parse bitmap '{text}'")))?,
            ),
            None => None,
        };
        let memory: u64 = el.require_number("memory")?;
        let bytes = ostler_base::scale::to_bytes(memory, el.attr("unit"), KIB, u64::MAX / 2)?;
        let mut distances = Vec::new();
        for sibling in el.path("distances").into_iter().flat_map(|d| d.children("sibling")) {
            distances.push((sibling.require_number("id")?, sibling.require_number("value")?));
        }
        Ok(Cell {
            id: el.number("id")?.unwrap_or(place),
            cpus,
            memory: bytes.div_ceil(KIB),
            access: el.word("memAccess")?,
            discard: el.yes_no("discard")?,
            distances,
        })
    }

    fn format(&self) -> El {
        let mut el = El::new("cell")
            .attr("id", self.id)
            .attr_opt("cpus", self.cpus.as_ref())
            .attr("memory", self.memory)
            .attr("unit", "KiB")
            .attr_opt("memAccess", self.access)
            .attr_opt("discard", self.discard);
        let mut distances = El::new("distances");
        distances.extend(
            self.distances.iter().map(|(id, value)| El::new("sibling").attr("id", id).attr("value", value)),
        );
        el.push_filled(distances);
        el
    }

    /// Its memory in whole MiB, as emulators take it; KiB.
    fn aligned(&self) -> u64 {
        self.memory.div_ceil(1024).saturating_mul(1024)
    }
}

/// Reads the cells of a `<cpu>`; by id, without gaps.
pub(crate) fn parse(cpu: &Element<'_>) -> Result<Vec<Cell>> {
    let Some(numa) = cpu.child("numa") else { return Ok(Vec::new()) };
    let mut cells = Vec::new();
    for (place, el) in (0u32..).zip(numa.children("cell")) {
        cells.push(Cell::parse(&el, place)?);
    }
    if cells.is_empty() {
        return Err(
            Error::xml("NUMA topology defined without NUMA cells").from_origin(ostler_base::Origin::Cpu)
        );
    }
    cells.sort_by_key(|cell: &Cell| cell.id);
    if (0u32..).zip(&cells).any(|(place, cell)| cell.id != place) {
        return Err(Error::xml(
            "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges not starting \
             from 0 are not allowed",
        ));
    }
    for (at, cell) in cells.iter().enumerate() {
        let Some(cpus) = &cell.cpus else { continue };
        if let Some(other) =
            cells[..at].iter().find(|c| c.cpus.as_ref().is_some_and(|own| own.overlaps(cpus)))
        {
            let detail = format!("NUMA cells {} and {} have overlapping vCPU ids", other.id, cell.id);
            return Err(Error::unsupported(detail).from_origin(ostler_base::Origin::Domain));
        }
    }
    Ok(cells)
}

/// The element `<numa>`; bare where there are no cells.
pub(crate) fn format(cells: &[Cell]) -> El {
    let mut numa = El::new("numa");
    numa.extend(cells.iter().map(Cell::format));
    numa
}

/// All memory of the cells, KiB.
pub(crate) fn total(cells: &[Cell]) -> u64 {
    cells.iter().map(|cell| cell.memory).fold(0, u64::saturating_add)
}

/// All memory of the cells, each in whole MiB; KiB.
pub(crate) fn aligned_total(cells: &[Cell]) -> u64 {
    cells.iter().map(Cell::aligned).fold(0, u64::saturating_add)
}

/// A memory back end and a `-numa node` for each cell, then the distances.
pub(crate) fn parts(cells: &[Cell], numatune: &Numatune, out: &mut Vec<Part>) {
    for cell in cells {
        let backend = format!("ram-node{}", cell.id);
        let mut props = Props::new()
            .with("qom-type", "memory-backend-ram")
            .with("id", backend.as_str())
            .with("size", cell.aligned().saturating_mul(KIB));
        numatune.cell_props(cell.id, &mut props);
        out.push(Part::Object(props));
        let cpus: String = cell
            .cpus
            .iter()
            .flat_map(IdSet::runs)
            .map(
                |(first, last)| {
                    if first == last { format!(",cpus={first}") } else { format!(",cpus={first}-{last}") }
                },
            )
            .collect();
        out.push(Part::plain("-numa", format!("node,nodeid={}{cpus},memdev={backend}", cell.id)));
    }
    for cell in cells {
        for (to, value) in &cell.distances {
            out.push(Part::plain("-numa", format!("dist,src={},dst={to},val={value}", cell.id)));
        }
    }
}
