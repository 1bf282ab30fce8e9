//! What a module of memory is in the emulator.

use ostler_base::{OnOff, Result, YesNo};
use ostler_plan::{Part, Props};
use ostler_vocab::address::Address;

use super::{Memory, MemoryModel};
use crate::Draft;
use crate::devices::{Build, VirtioModel};
use crate::sections::backend;

impl Memory {
    pub(super) fn add_to_machine(&self, draft: &Draft, props: &mut Props) {
        match self.model {
            MemoryModel::Nvdimm => props.set("nvdimm", true),
            MemoryModel::SgxEpc => {
                let enclaves = draft.devices.memories.iter().filter(|other| other.model == self.model);
                let nth = enclaves.take_while(|other| other.info.alias != self.info.alias).count();
                props.set(&format!("sgx-epc.{nth}.memdev"), format!("mem{}", self.info.alias()));
                props.set_opt(&format!("sgx-epc.{nth}.node"), self.target.node);
            }
            _ => {}
        }
    }

    pub(super) fn add_parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let object = format!("mem{alias}");
        let lazy = self.model == MemoryModel::VirtioMem;
        let preallocate = match self.model {
            MemoryModel::VirtioPmem => Some(OnOff::Off),
            MemoryModel::SgxEpc => Some(OnOff::On),
            _ => None,
        };
        let request = backend::Request {
            cell: self.target.node.filter(|_| !build.draft.head.cells().is_empty()),
            file: Some(alias),
            page_size: self.source.page_size,
            nodes: self.source.nodes.as_ref(),
            path: self.source.path.as_deref(),
            access: self.access,
            discard: self.discard,
            align: self.source.align,
            pmem: self.source.pmem,
            read_only: false,
            preallocate,
            lazy,
            enclave: self.model == MemoryModel::SgxEpc,
            force: true,
            ..backend::Request::new(&object, self.target.size)
        };
        let made = backend::make(build, &request)?;
        build.parts.extend(made.parts);
        if self.model == MemoryModel::SgxEpc {
            return Ok(());
        }
        let mut props = self.props(&object, made.preallocate)?;
        props.set("id", alias);
        match self.info.address {
            Some(Address::Dimm { slot, base }) => {
                props.set("slot", slot.unwrap_or(0));
                props.set_opt("addr", base.filter(|base| *base != 0));
            }
            _ => {
                // The emulator itself says what these functions are called on s390.
                let mut info = self.info.clone();
                if let Some(Address::Pci(pci)) = &mut info.address {
                    pci.zpci = None;
                }
                info.bus_props(build, &mut props)?;
            }
        }
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn props(&self, object: &str, preallocate: bool) -> Result<Props> {
        let bytes = |kib: u64| kib.saturating_mul(1024);
        let target = &self.target;
        let driver = match self.model {
            MemoryModel::Dimm => "pc-dimm".to_owned(),
            MemoryModel::Nvdimm => "nvdimm".to_owned(),
            MemoryModel::VirtioPmem => VirtioModel::Plain.driver("virtio-pmem", &self.info)?,
            MemoryModel::VirtioMem | MemoryModel::SgxEpc => {
                VirtioModel::Plain.driver("virtio-mem", &self.info)?
            }
        };
        let mut props = Props::new().with("driver", driver).with_opt("node", target.node);
        props.set_opt("label-size", target.label.map(bytes));
        props.set_opt("block-size", target.block.map(bytes));
        props.set_opt("requested-size", target.requested.map(bytes));
        props.set_opt("uuid", self.uuid.map(|uuid| uuid.to_string()));
        if target.read_only {
            props.set("unarmed", true);
        }
        props.set("memdev", object);
        if self.model == MemoryModel::VirtioMem && preallocate {
            props.set("prealloc", true);
        }
        props.set_opt("memaddr", target.base);
        props.set_opt("dynamic-memslots", target.dynamic_slots.map(YesNo::is_true));
        Ok(props)
    }
}
