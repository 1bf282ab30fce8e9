//! `<memoryBacking>`: where a guest's memory comes from on the host.

use ostler_base::{Code, Error, IdSet, Origin, Result, Word, scale::KIB, words};
use ostler_xml::{El, Element};

words! {
    /// `<source type='…'>`
    pub MemorySource { File = "file", Anonymous = "anonymous", Memfd = "memfd" }
    /// `<access mode='…'>`
    pub MemoryAccess { Shared = "shared", Private = "private" }
    /// `<allocation mode='…'>`
    pub Allocation { Immediate = "immediate", Ondemand = "ondemand" }
}

/// `<memoryBacking>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryBacking {
    /// `<hugepages>`: sizes and the NUMA cells they are for; an empty list is the default size.
    pub hugepages: Option<Vec<HugePage>>,
    /// `<nosharepages/>`
    pub nosharepages: bool,
    /// `<locked/>`
    pub locked: bool,
    /// `<source type=…>`
    pub source: Option<MemorySource>,
    /// `<access mode=…>`
    pub access: Option<MemoryAccess>,
    /// `<allocation mode=…>`
    pub allocation: Option<Allocation>,
    /// `<allocation threads=…>`
    pub allocation_threads: Option<u32>,
    /// `<discard/>`
    pub discard: bool,
}

/// `<page size= nodeset=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePage {
    /// Size, KiB.
    pub size: u64,
    /// Guest NUMA cells.
    pub nodeset: Option<IdSet>,
}

impl HugePage {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let text = el.attr("size").ok_or_else(|| Error::xml("missing element or attribute './@size'"))?;
        let value: u64 = text.trim().parse().map_err(|_| el.invalid("size", text, ""))?;
        let bytes = ostler_base::scale::to_bytes(value, el.attr("unit"), KIB, u64::MAX)?;
        if bytes == 0 {
            return Err(Error::new(Code::XmlDetail, Origin::Domain, "hugepage size can't be zero"));
        }
        let nodeset = match el.attr("nodeset") {
            Some(text) => {
                let bad = || Error::invalid_arg(format!("Failed to parse bitmap '{text}'"));
                Some(IdSet::parse(text).ok_or_else(bad)?)
            }
            None => None,
        };
        Ok(HugePage { size: bytes / KIB, nodeset })
    }
}

/// A word of a child.
fn word<W: Word>(el: &Element<'_>, child: &str, attribute: &str) -> Result<Option<W>> {
    let Some(text) = el.child(child).and_then(|child| child.attr(attribute)) else { return Ok(None) };
    let unknown = || Error::unsupported(format!("unknown memoryBacking/{child}/{attribute} '{text}'"));
    W::parse(text).map(Some).ok_or_else(unknown)
}

impl MemoryBacking {
    /// Refuses sizes of pages that are for the same memory, or for cells that the guest has not.
    pub(crate) fn validate(&self, cells: usize) -> Result<()> {
        let detail = |text: String| Err(Error::new(Code::XmlDetail, Origin::Domain, text));
        let pages = self.hugepages.as_deref().unwrap_or_default();
        for (at, page) in pages.iter().enumerate() {
            for other in &pages[..at] {
                let (size, earlier) = (page.size, other.size);
                match (&page.nodeset, &other.nodeset) {
                    (None, None) => {
                        return detail(format!("two master hugepages detected: {size} and {earlier}"));
                    }
                    (Some(own), Some(others)) if own.overlaps(others) => {
                        return detail(format!(
                            "nodeset attribute of hugepages of sizes {size} and {earlier} intersect"
                        ));
                    }
                    _ => {}
                }
            }
            let missing = |node: &u32| *node as usize >= cells;
            if let Some(node) = page.nodeset.as_ref().and_then(|nodes| nodes.iter().find(missing)) {
                return detail(format!("hugepages: node {node} not found"));
            }
        }
        Ok(())
    }

    /// Without cells, pages for cell 0 are for everything.
    pub(crate) fn complete(&mut self, cells: usize) {
        for page in self.hugepages.iter_mut().flatten() {
            if cells == 0 && page.nodeset.as_ref().is_some_and(|nodes| nodes.last() == Some(0)) {
                page.nodeset = None;
            }
        }
    }

    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("memoryBacking") else { return Ok(Self::default()) };
        let hugepages = match el.child("hugepages") {
            Some(pages) => {
                Some(pages.children("page").map(|p| HugePage::parse(&p)).collect::<Result<Vec<_>>>()?)
            }
            None => None,
        };
        let allocation = el.child("allocation");
        Ok(MemoryBacking {
            hugepages,
            nosharepages: el.child("nosharepages").is_some(),
            locked: el.child("locked").is_some(),
            source: word(&el, "source", "type")?,
            access: word(&el, "access", "mode")?,
            allocation: word(&el, "allocation", "mode")?,
            allocation_threads: allocation.map(|a| a.nonzero("threads")).transpose()?.flatten(),
            discard: el.child("discard").is_some(),
        })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("memoryBacking");
        if let Some(pages) = &self.hugepages {
            let mut hugepages = El::new("hugepages");
            hugepages.extend(pages.iter().map(|page| {
                El::new("page")
                    .attr("size", page.size)
                    .attr("unit", "KiB")
                    .attr_opt("nodeset", page.nodeset.as_ref())
            }));
            el.push(hugepages);
        }
        if self.nosharepages {
            el.push(El::new("nosharepages"));
        }
        if self.locked {
            el.push(El::new("locked"));
        }
        el.extend(self.source.map(|word| El::new("source").attr("type", word)));
        el.extend(self.access.map(|word| El::new("access").attr("mode", word)));
        let allocation = El::new("allocation")
            .attr_opt("mode", self.allocation)
            .attr_opt("threads", self.allocation_threads);
        el.push_filled(allocation);
        if self.discard {
            el.push(El::new("discard"));
        }
        root.push_filled(el);
    }
}
