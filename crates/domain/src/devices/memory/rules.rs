//! What a module of memory may be.

use ostler_base::{Arch, Code, Error, Origin, Result, YesNo, refuse};
use ostler_caps::emulator::Flag;
use ostler_vocab::address::Address;

use super::{Memory, MemoryModel};
use crate::devices::Device;
use crate::sections::numa::MemAccess;
use crate::{Draft, Setting};

/// The unit of non-volatile modules on POWER, KiB.
const POWER_UNIT: u64 = 256 * 1024;

/// What the least block of a module that grows is, KiB.
const LEAST_BLOCK: u64 = 2048;

fn detail(text: impl Into<String>) -> Error {
    Error::new(Code::XmlDetail, Origin::Domain, text)
}

impl Memory {
    /// Its size in whole units, as emulators take it. Non-volatile modules of POWER are rounded down.
    pub(crate) fn align(&mut self, arch: Option<Arch>) -> Result<()> {
        let power = arch.is_some_and(Arch::is_ppc64);
        if self.model == MemoryModel::Nvdimm && power {
            let unit = self.source.align.unwrap_or(POWER_UNIT).max(1);
            let label = self.target.label.unwrap_or(0);
            let size = self.target.size.saturating_sub(label) / unit * unit;
            if size == 0 {
                refuse!(xml, "minimum target size for the NVDIMM must be 256MB plus the label size");
            }
            self.target.size = size.saturating_add(label);
            return Ok(());
        }
        let unit = if power { POWER_UNIT } else { 2048 };
        self.target.size = self.target.size.div_ceil(unit).saturating_mul(unit);
        Ok(())
    }

    pub(super) fn check_source_and_target(&self, draft: &Draft) -> Result<()> {
        let model = self.model;
        let cells = draft.head.cells().len();
        if let Some(node) = self.target.node.filter(|node| *node as usize >= cells && cells != 0) {
            return Err(detail(format!("guest doesn't have NUMA node '{node}'")));
        }
        match model {
            MemoryModel::Nvdimm | MemoryModel::VirtioPmem => {
                if self.source.path.is_none() {
                    return Err(detail(format!("path is required for model '{model}'")));
                }
                if self.discard == Some(YesNo::Yes) {
                    return Err(detail("discard is not supported for nvdimms"));
                }
                if model == MemoryModel::Nvdimm {
                    let power = draft.head.os.arch.is_some_and(Arch::is_ppc64);
                    if power && self.target.label.is_none() {
                        refuse!(xml, "label size is required for NVDIMM device");
                    }
                    return Ok(());
                }
                if self.access != Some(MemAccess::Shared) {
                    return Err(detail("shared access mode required for virtio-pmem device"));
                }
                if self.target.node.is_some() {
                    return Err(detail("virtio-pmem does not support NUMA nodes"));
                }
            }
            MemoryModel::VirtioMem => self.check_blocks()?,
            MemoryModel::Dimm | MemoryModel::SgxEpc => {}
        }
        Ok(())
    }

    fn check_blocks(&self) -> Result<()> {
        let (size, requested) = (self.target.size, self.target.requested.unwrap_or(0));
        let block = self.target.block.unwrap_or(0);
        if requested > size {
            return Err(detail(format!("requested size must be smaller than or equal to @size ({size}KiB)")));
        }
        if !block.is_power_of_two() {
            return Err(detail("block size must be a power of two"));
        }
        if block < LEAST_BLOCK {
            return Err(detail(format!("block size too small, must be at least {LEAST_BLOCK}KiB")));
        }
        if !requested.is_multiple_of(block) {
            return Err(detail("requested size must be an integer multiple of block size"));
        }
        if self.target.base.is_some_and(|base| !base.is_multiple_of(block.saturating_mul(1024))) {
            return Err(detail("memory device address must be aligned to blocksize"));
        }
        Ok(())
    }

    pub(super) fn check_place(&self, draft: &Draft) -> Result<()> {
        let memory = &draft.head.memory;
        if !memory.can_grow() {
            refuse!(unsupported, "cannot use/hotplug a memory device when domain 'maxMemory' is not defined");
        }
        let cells = draft.head.cells();
        let needs_node = !matches!(self.model, MemoryModel::VirtioPmem | MemoryModel::SgxEpc);
        if needs_node && !cells.is_empty() && self.target.node.is_none() {
            refuse!(unsupported, "target NUMA node needs to be specified for memory device");
        }
        if !self.takes_slot() {
            return Ok(());
        }
        let slots = memory.slots;
        match self.info.address {
            None => {}
            Some(Address::Dimm { slot, base }) => {
                let slot = slot.unwrap_or(0);
                if slot >= slots {
                    refuse!(unsupported, "memory device slot '{slot}' exceeds slots count '{slots}'");
                }
                let same = draft.devices.memories.iter().filter(|other| other.slot_number() == Some(slot));
                if same.count() > 1 {
                    refuse!(
                        unsupported,
                        "memory device slot '{slot}' is already being used by another memory device"
                    );
                }
                self.check_base(draft, base)?;
            }
            Some(_) => refuse!(unsupported, "only 'dimm' addresses are supported for the pc-dimm device"),
        }
        let modules = draft.devices.memories.iter().filter(|other| other.takes_slot()).count();
        if modules > slots as usize {
            refuse!(unsupported, "memory device count '{modules}' exceeds slots count '{slots}'");
        }
        Ok(())
    }

    fn check_base(&self, draft: &Draft, base: Option<u64>) -> Result<()> {
        let Some(base) = base.filter(|base| *base != 0) else { return Ok(()) };
        let at = |other: &&Memory| matches!(other.info().address, Some(Address::Dimm { base: b, .. }) if b == Some(base));
        if draft.devices.memories.iter().filter(at).count() > 1 {
            refuse!(
                unsupported,
                "memory device base '0x{base:x}' is already being used by another memory device"
            );
        }
        Ok(())
    }

    pub(super) fn check_emulator(&self, setting: &Setting<'_>) -> Result<()> {
        if setting.emulator.is_none() {
            return Ok(());
        }
        let (flag, what) = match self.model {
            MemoryModel::Dimm => (Flag::PcDimm, "memory hotplug"),
            MemoryModel::Nvdimm => (Flag::Nvdimm, "nvdimm"),
            MemoryModel::VirtioPmem => (Flag::VirtioPmemPci, "virtio-pmem"),
            MemoryModel::VirtioMem => (Flag::VirtioMemPci, "virtio-mem"),
            MemoryModel::SgxEpc => (Flag::SgxEpc, "sgx epc"),
        };
        if !setting.has(flag) {
            refuse!(unsupported, "{what} isn't supported by this QEMU binary");
        }
        if self.target.read_only && !setting.has(Flag::NvdimmUnarmed) {
            refuse!(unsupported, "nvdimm readonly property is not available with this QEMU binary");
        }
        if self.target.dynamic_slots.is_some() && !setting.has(Flag::VirtioMemPciDynamicMemslots) {
            refuse!(unsupported, "dynamicMemslots isn't supported by this QEMU binary");
        }
        Ok(())
    }
}
