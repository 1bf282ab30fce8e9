//! `<numatune>`: which NUMA nodes of the host a guest's memory comes from.

use ostler_base::{Error, IdSet, Result, words};
use ostler_plan::Props;
use ostler_xml::{El, Element};

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
    let bad = || Error::invalid_arg(format!("Failed to parse bitmap '{text}'"));
    IdSet::parse(text).map(Some).ok_or_else(bad)
}

impl Numatune {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("numatune") else { return Ok(Self::default()) };
        let mut nodes: Vec<NumaNode> = Vec::new();
        for node in el.children("memnode") {
            let missing =
                |what: &str| Error::xml(format!("Missing required {what} attribute in memnode element"));
            let cell = node.number("cellid")?.ok_or_else(|| missing("cellid"))?;
            if nodes.iter().any(|n| n.cell == cell) {
                return Err(Error::xml(format!("Multiple memnode elements with cellid {cell}")));
            }
            nodes.push(NumaNode {
                cell,
                mode: node.word("mode")?.unwrap_or(NumaMode::Strict),
                nodeset: nodeset(&node)?.ok_or_else(|| missing("nodeset"))?,
            });
        }
        nodes.sort_by_key(|node| node.cell);
        let memory = match el.child("memory") {
            Some(memory) => {
                let placement = memory.word::<NumaPlacement>("placement")?;
                let nodeset = nodeset(&memory)?;
                if placement == Some(NumaPlacement::Static) && nodeset.is_none() {
                    return Err(Error::xml(
                        "nodeset for NUMA memory tuning must be set if 'placement' is 'static'",
                    ));
                }
                Some(NumaMemory {
                    mode: memory.word("mode")?.unwrap_or(NumaMode::Strict),
                    nodeset: nodeset.filter(|_| placement != Some(NumaPlacement::Auto)),
                })
            }
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

    /// Where the back end of the guest's main memory gets its pages.
    pub(crate) fn backend_props(&self, props: &mut Props) {
        if let Some(NumaMemory { mode, nodeset: Some(nodes) }) = &self.memory {
            pages(*mode, nodes, props);
        }
    }

    /// Where the back end of a guest cell gets its pages.
    pub(crate) fn cell_props(&self, cell: u32, props: &mut Props) {
        match self.nodes.iter().find(|node| node.cell == cell) {
            Some(node) => pages(node.mode, &node.nodeset, props),
            None => self.backend_props(props),
        }
    }
}

fn pages(mode: NumaMode, nodes: &IdSet, props: &mut Props) {
    let policy = match mode {
        NumaMode::Strict => "bind",
        NumaMode::Preferred => "preferred",
        NumaMode::Interleave => "interleave",
        NumaMode::Restrictive => return,
    };
    props.set("host-nodes", nodes.iter().collect::<Vec<u32>>());
    props.set("policy", policy);
}
