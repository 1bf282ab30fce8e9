//! Modules of memory: their slots, and what they ask of the guest's cells.

use ostler_base::{Arch, IdSet, Result, refuse};

use crate::sections::numa::Cell;
use crate::{Draft, Setting};

/// Modules need a cell: a new definition without cells gets one with all the rest of the memory.
pub(super) fn auto_cell(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let head = &mut draft.head;
    let machine = head.os.arch.is_some_and(Arch::is_s390);
    if !draft.abi_update || !head.memory.can_grow() || machine || !head.cells().is_empty() {
        return Ok(());
    }
    let mut rest = head.memory.total;
    for module in &mut draft.devices.memories {
        if module.target.size > rest {
            refuse!(xml, "Total size of memory devices exceeds the total memory size");
        }
        rest -= module.target.size;
        module.settle_node();
    }
    let cpus: IdSet = (0..head.vcpus.maximum).collect();
    head.numa.cells.push(Cell { cpus: Some(cpus), ..Cell::new(0, rest) });
    Ok(())
}

/// Modules of new definitions on POWER are made of whole units.
pub(super) fn new_sizes(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let arch = draft.head.os.arch;
    if !draft.abi_update || !arch.is_some_and(Arch::is_ppc64) {
        return Ok(());
    }
    draft.devices.memories.iter_mut().try_for_each(|module| module.align(arch))
}

/// A slot for every module that needs one.
pub(super) fn slots(draft: &mut Draft) -> Result<()> {
    let slots = draft.head.memory.slots;
    let modules = &mut draft.devices.memories;
    let mut taken: Vec<u32> = modules.iter().filter_map(|module| module.slot_number()).collect();
    for module in modules.iter_mut().filter(|m| m.takes_slot() && m.slot_number().is_none()) {
        let Some(free) = (0..slots).find(|slot| !taken.contains(slot)) else {
            refuse!(internal, "failed to find an empty memory slot");
        };
        taken.push(free);
        module.put(free);
    }
    Ok(())
}
