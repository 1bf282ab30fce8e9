//! `<memory>` below `<devices>`: modules of memory, and files that look like memory.

mod qemu;
mod rules;

use ostler_base::{Error, IdSet, Result, Uuid, YesNo, refuse, scale::KIB, words};
use ostler_plan::{Props, Resource, ResourceKind};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel};
use crate::sections::numa::MemAccess;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<memory model='…'>`
    pub MemoryModel {
        Dimm = "dimm", Nvdimm = "nvdimm", VirtioPmem = "virtio-pmem", VirtioMem = "virtio-mem",
        SgxEpc = "sgx-epc",
    }
}

/// A module of memory. Sizes are KiB.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// `model`
    pub model: MemoryModel,
    /// `access`
    pub access: Option<MemAccess>,
    /// `discard`
    pub discard: Option<YesNo>,
    /// `<uuid>` of modules on POWER; made up where absent.
    pub uuid: Option<Uuid>,
    /// `<source>`
    pub source: MemorySource,
    /// `<target>`
    pub target: MemoryTarget,
    info: Info,
}

/// Where it comes from on the host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemorySource {
    /// `<nodemask>`: nodes of the host.
    pub nodes: Option<IdSet>,
    /// `<pagesize>`
    pub page_size: Option<u64>,
    /// `<path>` of a file.
    pub path: Option<String>,
    /// `<alignsize>`
    pub align: Option<u64>,
    /// `<pmem/>`: the file is on persistent memory.
    pub pmem: bool,
}

/// What the guest sees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryTarget {
    /// `dynamicMemslots`
    pub dynamic_slots: Option<YesNo>,
    /// `<size>`
    pub size: u64,
    /// `<node>`: a cell of the guest.
    pub node: Option<u32>,
    /// `<label><size>` of a non-volatile module.
    pub label: Option<u64>,
    /// `<block>`: what is plugged at a time.
    pub block: Option<u64>,
    /// `<requested>`: how much the guest should have of it.
    pub requested: Option<u64>,
    /// `<current>`: how much it has, in a run.
    pub current: Option<u64>,
    /// `<readonly/>`
    pub read_only: bool,
    /// `<address base=…>`
    pub base: Option<u64>,
}

/// The size that a child says, KiB.
fn kib(el: &Element<'_>, name: &str) -> Result<Option<u64>> {
    el.child(name).map(|size| Ok(size.size(KIB, u64::MAX / 2)?.div_ceil(KIB))).transpose()
}

fn size(name: &'static str, kib: Option<u64>) -> Option<El> {
    kib.map(|kib| El::with_text(name, kib).attr("unit", "KiB"))
}

impl MemorySource {
    fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(el) = el else { return Ok(Self::default()) };
        let nodes = match el.child_text("nodemask") {
            Some(text) => match IdSet::parse(&text).filter(|nodes| !nodes.is_empty()) {
                Some(nodes) => Some(nodes),
                None => refuse!(xml, "Invalid value of 'nodemask': {text}"),
            },
            None => None,
        };
        Ok(MemorySource {
            nodes,
            page_size: kib(&el, "pagesize")?,
            path: el.child_text("path"),
            align: kib(&el, "alignsize")?,
            pmem: el.child("pmem").is_some(),
        })
    }

    fn format(&self) -> El {
        let mut el = El::new("source");
        el.push_text("nodemask", self.nodes.as_ref());
        el.extend(size("pagesize", self.page_size));
        el.push_text("path", self.path.as_ref());
        el.extend(size("alignsize", self.align));
        if self.pmem {
            el.push(El::new("pmem"));
        }
        el
    }
}

impl MemoryTarget {
    fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(el) = el else { refuse!(xml, "missing <target> element for <memory> device") };
        let node = match el.child_text("node") {
            Some(text) => match text.trim().parse() {
                Ok(node) => Some(node),
                Err(_) => refuse!(xml, "invalid or missing value of memory device node"),
            },
            None => None,
        };
        let label = el.child("label").map(|label| kib(&label, "size")).transpose()?.flatten();
        if label == Some(0) {
            refuse!(xml, "nvdimm label must be at least 128KiB");
        }
        let base = el.child("address").map(|address| address.number_in("base", 16)).transpose()?.flatten();
        Ok(MemoryTarget {
            dynamic_slots: el.yes_no("dynamicMemslots")?,
            size: kib(&el, "size")?.ok_or_else(|| Error::xml("missing element or attribute './size[1]'"))?,
            node,
            label,
            block: kib(&el, "block")?,
            requested: kib(&el, "requested")?,
            current: kib(&el, "current")?,
            read_only: el.child("readonly").is_some(),
            base: base.filter(|base| *base != 0),
        })
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("target").attr_opt("dynamicMemslots", self.dynamic_slots);
        el.extend(size("size", Some(self.size)));
        el.push_text("node", self.node);
        el.extend(self.label.map(|label| {
            let mut out = El::new("label");
            out.extend(size("size", Some(label)));
            out
        }));
        el.extend(size("block", self.block));
        el.extend(size("requested", self.requested));
        el.extend(size("current", self.current.filter(|_| !mode.inactive)));
        if self.read_only {
            el.push(El::new("readonly"));
        }
        el.extend(self.base.map(|base| El::new("address").attr("base", format_args!("0x{base:x}"))));
        el
    }
}

impl Kind for Memory {
    const ELEMENT: &'static str = "memory";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let model = el.require_word("model")?;
        let uuid = match el.child_text("uuid").filter(|_| model == MemoryModel::Nvdimm) {
            Some(text) => match Uuid::parse(&text) {
                Some(uuid) => Some(uuid),
                None => refuse!(xml, "malformed uuid element"),
            },
            None => None,
        };
        let mut memory = Memory {
            model,
            access: el.word("access")?,
            discard: el.yes_no("discard")?,
            uuid,
            source: MemorySource::parse(el.child("source"))?,
            target: MemoryTarget::parse(el.child("target"))?,
            info: Info::default(),
        };
        memory.keep_own_words();
        Ok(memory)
    }
}

impl Memory {
    /// Drops what has no meaning for the model.
    fn keep_own_words(&mut self) {
        let virtio = self.is_virtio();
        let (source, target) = (&mut self.source, &mut self.target);
        let file = matches!(self.model, MemoryModel::Nvdimm | MemoryModel::VirtioPmem);
        if !file {
            source.path = None;
        }
        if file {
            (source.nodes, source.page_size) = (None, None);
        }
        if self.model != MemoryModel::Nvdimm {
            (source.align, source.pmem, target.label, target.read_only) = (None, false, None, false);
        }
        if self.model != MemoryModel::VirtioMem {
            (target.block, target.requested, target.current) = (None, None, None);
            target.dynamic_slots = None;
        }
        if !virtio {
            target.base = None;
        }
        if self.model == MemoryModel::SgxEpc {
            source.page_size = None;
        }
    }

    /// Puts it into the only cell, where it has to be in one.
    pub(crate) fn settle_node(&mut self) {
        if self.model != MemoryModel::VirtioPmem {
            self.target.node.get_or_insert(0);
        }
    }

    /// Whether it takes a slot of the board.
    pub(crate) fn takes_slot(&self) -> bool {
        matches!(self.model, MemoryModel::Dimm | MemoryModel::Nvdimm)
    }

    /// Its slot, once it has one.
    pub(crate) fn slot_number(&self) -> Option<u32> {
        match self.info.address {
            Some(Address::Dimm { slot, .. }) => Some(slot.unwrap_or(0)),
            _ => None,
        }
    }

    /// Gives it a slot.
    pub(crate) fn put(&mut self, slot: u32) {
        self.info.address = Some(Address::Dimm { slot: Some(slot), base: None });
    }
}

impl Device for Memory {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("memory")
            .attr("model", self.model)
            .attr_opt("access", self.access)
            .attr_opt("discard", self.discard);
        el.push_text("uuid", self.uuid);
        el.push_filled(self.source.format());
        el.push(self.target.format(mode));
        el
    }

    fn complete(&mut self, head: &Head, setting: &Setting<'_>) -> Result<()> {
        let power = head.os.arch.is_some_and(ostler_base::Arch::is_ppc64);
        if self.model == MemoryModel::Nvdimm && power {
            self.uuid.get_or_insert_with(|| setting.entropy.uuid());
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        self.check_source_and_target(draft)?;
        self.check_place(draft)?;
        self.check_emulator(setting)
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.is_virtio() { VirtioModel::Plain.slot() } else { Slot::None }
    }

    fn is_virtio(&self) -> bool {
        matches!(self.model, MemoryModel::VirtioPmem | MemoryModel::VirtioMem)
    }

    fn module_size(&self) -> u64 {
        self.target.size
    }

    fn align_module(&mut self, head: &Head) -> Result<()> {
        self.align(head.os.arch)
    }

    fn series(&self) -> &'static str {
        match self.model {
            MemoryModel::Dimm => "dimm",
            MemoryModel::Nvdimm => "nvdimm",
            MemoryModel::VirtioPmem => "virtiopmem",
            MemoryModel::VirtioMem => "virtiomem",
            MemoryModel::SgxEpc => "epc",
        }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        let number = self.slot_number().map_or(nth, |slot| slot as usize);
        format!("{}{number}", self.series())
    }

    fn machine_props(&self, draft: &Draft, _setting: &Setting<'_>, props: &mut Props) {
        self.add_to_machine(draft, props);
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        self.add_parts(build)
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        if let Some(path) = &self.source.path {
            out.push(Resource::new(path, ResourceKind::Output).writable());
        }
        if self.model == MemoryModel::SgxEpc {
            for path in ["/dev/sgx_vepc", "/dev/sgx_provision"] {
                out.push(Resource::new(path, ResourceKind::Device).writable().shared());
            }
        }
    }
}
