//! `<cpu><numa>`: the NUMA cells a guest sees.
//!
//! Owns: cells, the distances between them, and `-numa`. Never: decides where memory comes from
//! (`backend`), or on which nodes of the host (`numatune`).

mod hmat;

use std::collections::BTreeMap;

use ostler_base::{Error, IdSet, Origin, Result, YesNo, refuse, scale::KIB, words};
use ostler_plan::Part;
use ostler_xml::{El, Element};

pub use hmat::{Associativity, CachePolicy, CellCache, Interconnect, InterconnectAccess, InterconnectKind};

use super::backend;
use crate::devices::Build;
use crate::passes::accelerator;

words! {
    /// `<cell memAccess='…'>`
    pub MemAccess { Shared = "shared", Private = "private" }
}

/// The NUMA topology of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numa {
    /// `<cell>`s, by id.
    pub cells: Vec<Cell>,
    /// `<interconnects>`
    pub interconnects: Vec<Interconnect>,
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
    /// `<distances>`: how far other cells are (10 to 255), by cell.
    pub distances: BTreeMap<u32, u32>,
    /// `<cache>`s: caches on the memory's side.
    pub caches: Vec<CellCache>,
}

/// How far a cell is from itself.
const LOCAL: u32 = 10;
/// How far cells are of which nothing is said.
const REMOTE: u32 = 20;

impl Cell {
    /// A cell with memory (KiB) and nothing else.
    pub(crate) fn new(id: u32, memory: u64) -> Self {
        Cell {
            id,
            cpus: None,
            memory,
            access: None,
            discard: None,
            distances: BTreeMap::new(),
            caches: Vec::new(),
        }
    }

    fn parse(el: &Element<'_>, place: u32) -> Result<Self> {
        let cpus = match el.attr("cpus") {
            Some(text) => Some(
                IdSet::parse(text)
                    .ok_or_else(|| Error::invalid_arg(format!("Failed to parse bitmap '{text}'")))?,
            ),
            None => None,
        };
        let Some(memory) = el.number::<u64>("memory")? else {
            refuse!(xml, "missing element or attribute './@memory'");
        };
        let bytes = ostler_base::scale::to_bytes(memory, el.attr("unit"), KIB, u64::MAX / 2)?;
        Ok(Cell {
            id: el.number("id")?.unwrap_or(place),
            cpus: cpus.filter(|cpus| !cpus.is_empty()),
            memory: bytes.div_ceil(KIB),
            access: el.word("memAccess")?,
            discard: el.yes_no("discard")?,
            distances: BTreeMap::new(),
            caches: el.children("cache").map(|cache| CellCache::parse(&cache)).collect::<Result<_>>()?,
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
        el.extend(self.caches.iter().map(CellCache::format));
        el
    }
}

impl Numa {
    /// Reads the cells of a `<cpu>`; by id, without gaps.
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.path("cpu/numa") else { return Ok(Self::default()) };
        let mut cells: Vec<Cell> = Vec::new();
        let mut said = Vec::new();
        for (place, cell) in (0u32..).zip(el.children("cell")) {
            let read = Cell::parse(&cell, place)?;
            said.push((read.id, distances(&cell)?));
            cells.push(read);
        }
        if cells.is_empty() {
            return Err(Error::xml("NUMA topology defined without NUMA cells").from_origin(Origin::Cpu));
        }
        cells.sort_by_key(|cell| cell.id);
        if let Some(twice) = cells.windows(2).find(|pair| pair[0].id == pair[1].id) {
            refuse!(xml, "Duplicate NUMA cell info for cell id '{}'", twice[0].id);
        }
        if (0u32..).zip(&cells).any(|(place, cell)| cell.id != place) {
            refuse!(
                xml,
                "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges not \
                 starting from 0 are not allowed"
            );
        }
        refuse_overlaps(&cells)?;
        spread(&mut cells, &said)?;
        let interconnects = el.child("interconnects");
        let interconnects = interconnects.map(|i| hmat::parse(&i)).transpose()?.unwrap_or_default();
        Ok(Numa { cells, interconnects })
    }

    /// The element `<numa>`; bare where there are no cells.
    pub(crate) fn format(&self) -> El {
        let mut numa = El::new("numa");
        numa.extend(self.cells.iter().map(Cell::format));
        let mut interconnects = El::new("interconnects");
        interconnects.extend(self.interconnects.iter().map(Interconnect::format));
        numa.push_filled(interconnects);
        numa
    }

    /// All memory of the cells, KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.cells.iter().map(|cell| cell.memory).fold(0, u64::saturating_add)
    }

    /// Rounds the memory of each cell up to a multiple of `unit` KiB.
    pub(crate) fn align(&mut self, unit: u64) {
        for cell in &mut self.cells {
            cell.memory = cell.memory.div_ceil(unit).saturating_mul(unit);
        }
    }

    /// Gives the vCPUs that no cell has to the first.
    pub(crate) fn adopt_vcpus(&mut self, maximum: u32) {
        let taken = |id: &u32| self.cells.iter().flat_map(|c| &c.cpus).any(|cpus| cpus.contains(*id));
        let strays: IdSet = (0..maximum).filter(|id| !taken(id)).collect();
        if let Some(first) = self.cells.first_mut()
            && !strays.is_empty()
        {
            let cpus = first.cpus.get_or_insert_default();
            strays.iter().for_each(|id| cpus.insert(id));
        }
    }

    /// Checks the cells against the number of vCPUs.
    pub(crate) fn validate(&self, maximum: u32) -> Result<()> {
        let all = self.cells.iter().filter_map(|cell| cell.cpus.as_ref());
        if all.clone().map(IdSet::len).sum::<usize>() > maximum as usize {
            refuse!(internal, "Number of CPUs in <numa> exceeds the <vcpu> count");
        }
        if all.filter_map(IdSet::last).any(|id| id >= maximum) {
            refuse!(internal, "CPU IDs in <numa> exceed the <vcpu> count");
        }
        self.validate_interconnects()
    }

    /// Whether the guest is told how fast its memory is.
    pub(crate) fn has_hmat(&self) -> bool {
        !self.interconnects.is_empty() || self.cells.iter().any(|cell| !cell.caches.is_empty())
    }

    fn distance(&self, from: u32, to: u32) -> u32 {
        let cell = self.cells.iter().find(|cell| cell.id == from);
        let said = cell.and_then(|cell| cell.distances.get(&to).copied());
        said.unwrap_or(if from == to { LOCAL } else { REMOTE })
    }
}

fn distances(cell: &Element<'_>) -> Result<Vec<(u32, u32)>> {
    let siblings = cell.child("distances");
    siblings
        .iter()
        .flat_map(|d| d.children("sibling"))
        .map(|sibling| Ok((sibling.require_number("id")?, sibling.require_number("value")?)))
        .collect()
}

/// Takes distances over; what is said of one direction holds for the other, where that says nothing.
fn spread(cells: &mut [Cell], said: &[(u32, Vec<(u32, u32)>)]) -> Result<()> {
    let count = u32::try_from(cells.len()).unwrap_or(u32::MAX);
    for (from, siblings) in said {
        for (to, value) in siblings {
            if *to >= count {
                refuse!(xml, "'sibling_id {to}' does not refer to a valid cell within NUMA 'cell id {from}'");
            }
            let local = from == to;
            if !(LOCAL..=255).contains(value) || local != (*value == LOCAL) {
                refuse!(xml, "'value {value}' is invalid for 'sibling id {to}' under NUMA 'cell id {from}'");
            }
            let of = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
            for own in [*from, *to] {
                cells[of(own)].distances.entry(own).or_insert(LOCAL);
            }
            cells[of(*from)].distances.insert(*to, *value);
            cells[of(*to)].distances.entry(*from).or_insert(*value);
        }
    }
    Ok(())
}

fn refuse_overlaps(cells: &[Cell]) -> Result<()> {
    for (at, cell) in cells.iter().enumerate() {
        let Some(cpus) = &cell.cpus else { continue };
        let overlaps = |other: &&Cell| other.cpus.as_ref().is_some_and(|own| own.overlaps(cpus));
        if let Some(other) = cells[..at].iter().find(overlaps) {
            let detail = format!("NUMA cells {} and {} have overlapping vCPU ids", cell.id, other.id);
            return Err(Error::unsupported(detail).from_origin(Origin::Domain));
        }
    }
    Ok(())
}

/// A memory back end and a `-numa node` for each cell, then the distances and the table of speeds.
pub(crate) fn parts(build: &mut Build<'_>) -> Result<()> {
    let (draft, setting) = (build.draft, build.setting);
    let numa = &draft.head.numa;
    if numa.cells.is_empty() {
        return Ok(());
    }
    let Some(main) = numa.cells.iter().find(|cell| cell.cpus.is_some()) else {
        refuse!(internal, "At least one NUMA node has to have CPUs");
    };
    let name = draft.head.os.machine.as_deref().unwrap_or_default();
    let machine = setting.emulator.and_then(|emulator| emulator.machine(accelerator(draft), name));
    let mut backends = Vec::new();
    for cell in &numa.cells {
        let alias = format!("ram-node{}", cell.id);
        let request = backend::Request { cell: Some(cell.id), ..backend::Request::new(&alias, cell.memory) };
        backends.push(backend::make(build, &request)?);
    }
    let plain = machine.is_some_and(|m| m.numa_mem_supported) && backends.iter().all(|b| !b.needed);
    if plain {
        backend::global_parts(build)?;
    }
    for (cell, backend) in numa.cells.iter().zip(backends) {
        if !plain {
            build.parts.extend(backend.parts);
        }
        build.parts.push(Part::plain("-numa", node(numa, cell, main.id, plain)));
    }
    if numa.cells.iter().any(|cell| !cell.distances.is_empty()) {
        for from in &numa.cells {
            for to in &numa.cells {
                let value = numa.distance(from.id, to.id);
                let dist = format!("dist,src={},dst={},val={value}", from.id, to.id);
                build.parts.push(Part::plain("-numa", dist));
            }
        }
    }
    numa.hmat_parts(&mut build.parts);
    Ok(())
}

/// The value of one `-numa node`.
fn node(numa: &Numa, cell: &Cell, main: u32, plain: bool) -> String {
    let mut out = format!("node,nodeid={}", cell.id);
    for (first, last) in cell.cpus.iter().flat_map(IdSet::runs) {
        out += &if first == last { format!(",cpus={first}") } else { format!(",cpus={first}-{last}") };
    }
    if numa.has_hmat() {
        out += &format!(",initiator={}", numa.initiator(cell).unwrap_or(main));
    }
    out +=
        &if plain { format!(",mem={}", cell.memory / 1024) } else { format!(",memdev=ram-node{}", cell.id) };
    out
}
