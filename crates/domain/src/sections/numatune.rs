//! `<numatune>`: which NUMA nodes of the host a guest's memory comes from.

use ostler_base::{Error, IdSet, Origin, Result, Word, refuse, words};
use ostler_plan::Query;
use ostler_xml::{El, Element};

use crate::Draft;
use crate::devices::Build;

words! {
    /// `<memory mode='…'>`
    pub NumaMode { Strict = "strict", Preferred = "preferred", Interleave = "interleave", Restrictive = "restrictive" }
    /// `<memory placement='…'>`
    pub NumaPlacement { Static = "static", Auto = "auto" }
}

/// `<numatune>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numatune {
    /// `<memory>`: for all of it.
    pub memory: Option<NumaMemory>,
    /// `<memnode>`s: for single guest cells, by cell.
    pub nodes: Vec<NumaNode>,
}

/// `<memory mode= placement= nodeset=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaMemory {
    /// `mode`
    pub mode: NumaMode,
    /// `nodeset`: nodes of the host; absent where they are chosen at the start.
    pub nodeset: Option<IdSet>,
}

/// `<memnode cellid= mode= nodeset=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaNode {
    /// `cellid`
    pub cell: u32,
    /// `mode`
    pub mode: NumaMode,
    /// `nodeset`
    pub nodeset: IdSet,
}

fn nodeset(el: &Element<'_>) -> Result<Option<IdSet>> {
    let Some(text) = el.attr("nodeset") else { return Ok(None) };
    let Some(set) = IdSet::parse(text) else {
        return Err(Error::invalid_arg(format!("Failed to parse bitmap '{text}'")));
    };
    if set.is_empty() {
        return Err(
            Error::unsupported(format!("Invalid value of 'nodeset': {text}")).from_origin(Origin::Domain)
        );
    }
    Ok(Some(set))
}

fn word<W: Word>(el: &Element<'_>, name: &str) -> Result<Option<W>> {
    let Some(text) = el.attr(name) else { return Ok(None) };
    let what = if name == "mode" { "tuning" } else { "placement" };
    let unknown = || Error::unsupported(format!("Unsupported NUMA memory {what} mode '{text}'"));
    W::parse(text).map(Some).ok_or_else(unknown)
}

impl Numatune {
    /// `automatic`: the vCPUs are placed by advice, and memory with them unless it says otherwise.
    pub(crate) fn parse(root: &Element<'_>, automatic: bool) -> Result<Self> {
        let el = root.child("numatune");
        let mut nodes: Vec<NumaNode> = Vec::new();
        for node in el.iter().flat_map(|el| el.children("memnode")) {
            let missing =
                |what: &str| Error::xml(format!("Missing required {what} attribute in memnode element"));
            let cell = node.number("cellid")?.ok_or_else(|| missing("cellid"))?;
            if nodes.iter().any(|n| n.cell == cell) {
                refuse!(xml, "Multiple memnode elements with cellid {cell}");
            }
            nodes.push(NumaNode {
                cell,
                mode: word(&node, "mode")?.unwrap_or(NumaMode::Strict),
                nodeset: nodeset(&node)?.ok_or_else(|| missing("nodeset"))?,
            });
        }
        nodes.sort_by_key(|node| node.cell);
        let memory = match el.and_then(|el| el.child("memory")) {
            Some(memory) => {
                let placement = word::<NumaPlacement>(&memory, "placement")?;
                let nodeset = nodeset(&memory)?;
                if nodeset.is_none()
                    && (placement == Some(NumaPlacement::Static) || (placement.is_none() && !automatic))
                {
                    refuse!(
                        unsupported,
                        "nodeset for NUMA memory tuning must be set if 'placement' is 'static'"
                    );
                }
                Some(NumaMemory {
                    mode: word(&memory, "mode")?.unwrap_or(NumaMode::Strict),
                    nodeset: nodeset.filter(|_| placement != Some(NumaPlacement::Auto)),
                })
            }
            None if automatic => Some(NumaMemory { mode: NumaMode::Strict, nodeset: None }),
            None => None,
        };
        Ok(Numatune { memory, nodes })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("numatune");
        if let Some(memory) = &self.memory {
            let auto = memory.nodeset.is_none().then_some(NumaPlacement::Auto);
            let memory_el = El::new("memory").attr("mode", memory.mode);
            el.push(memory_el.attr_opt("placement", auto).attr_opt("nodeset", memory.nodeset.as_ref()));
        }
        el.extend(self.nodes.iter().map(|node| {
            El::new("memnode")
                .attr("cellid", node.cell)
                .attr("mode", node.mode)
                .attr("nodeset", &node.nodeset)
        }));
        root.push_filled(el);
    }

    /// Whether the nodes are chosen at the start.
    pub(crate) fn is_automatic(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.nodeset.is_none())
    }

    /// Whether a cell has nodes of its own.
    pub(crate) fn is_bound(&self, cell: u32) -> bool {
        self.nodes.iter().any(|node| node.cell == cell)
    }

    pub(crate) fn validate(&self, cells: usize) -> Result<()> {
        if self.nodes.is_empty() {
            return Ok(());
        }
        if cells == 0 {
            refuse!(xml, "Element 'memnode' is invalid without any guest NUMA cells");
        }
        if self.nodes.iter().any(|node| node.cell as usize >= cells) {
            refuse!(
                xml,
                "Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell"
            );
        }
        if self.is_automatic() {
            refuse!(unsupported, "Per-node binding is not compatible with automatic NUMA placement.");
        }
        let all = self.memory.as_ref().is_some_and(|memory| memory.mode == NumaMode::Restrictive);
        for node in &self.nodes {
            match (all, node.mode == NumaMode::Restrictive) {
                (true, false) => refuse!(
                    xml,
                    "'restrictive' mode is required in memnode element when mode is 'restrictive' in memory element"
                ),
                (false, true) => refuse!(
                    xml,
                    "'restrictive' mode is required in memory element when mode is 'restrictive' in memnode element"
                ),
                _ => {}
            }
        }
        Ok(())
    }

    /// What a plan has to know of the host.
    pub(crate) fn ask(&self, draft: &Draft, out: &mut Vec<Query>) {
        out.push(Query::NumaNodes);
        out.extend(emulator_cpus(draft).map(|cpus| Query::NodesOfCpus(cpus.clone())));
        if self.is_automatic() {
            out.push(advice(draft));
        }
    }

    /// How pages are taken from the nodes, for a cell of the guest or for all of its memory.
    pub(crate) fn mode(&self, cell: Option<u32>) -> NumaMode {
        let own = self.nodes.iter().find(|node| Some(node.cell) == cell).map(|node| node.mode);
        own.or(self.memory.as_ref().map(|memory| memory.mode)).unwrap_or(NumaMode::Strict)
    }

    /// The nodes of the host that pages come from, where something is said of them.
    pub(crate) fn nodes(&self, cell: Option<u32>, build: &Build<'_>) -> Result<Option<IdSet>> {
        if let Some(node) = self.nodes.iter().find(|node| Some(node.cell) == cell) {
            return Ok(Some(node.nodeset.clone()));
        }
        match &self.memory {
            None => Ok(None),
            Some(NumaMemory { nodeset: Some(nodes), .. }) => Ok(Some(nodes.clone())),
            Some(_) => build.facts.ids(&advice(build.draft)).cloned().map(Some),
        }
    }
}

/// The CPUs of the host that the emulator's own threads are bound to.
fn emulator_cpus(draft: &Draft) -> Option<&IdSet> {
    draft.head.cputune.emulatorpin.as_ref().or(draft.head.vcpus.cpuset.as_ref())
}

/// Those of some nodes that the emulator's own threads can be on.
pub(crate) fn reachable(nodes: &IdSet, build: &Build<'_>) -> Result<IdSet> {
    let Some(cpus) = emulator_cpus(build.draft) else { return Ok(nodes.clone()) };
    let own = build.facts.ids(&Query::NodesOfCpus(cpus.clone()))?;
    Ok(nodes.iter().filter(|node| own.contains(*node)).collect())
}

/// The question for nodes that fit a guest.
fn advice(draft: &Draft) -> Query {
    Query::AdvisedNodes(draft.head.vcpus.current, draft.head.memory.total)
}
