//! `<memory>`, `<currentMemory>` and `<maxMemory>`. Sizes are KiB throughout.

use ostler_base::{Arch, Error, Origin, Result, refuse, scale, scale::KIB};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element, Number};

use super::backend;
use crate::Draft;
use crate::devices::Build;

/// Memory sizes, KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// `<maxMemory>`: what it can grow to by plugging.
    pub maximum: u64,
    /// `<maxMemory slots=…>`: how many modules can be plugged.
    pub slots: u32,
    /// `<memory>`: what the guest boots with, modules included.
    pub total: u64,
    /// `<currentMemory>`: what the balloon leaves it; never above `total`.
    pub current: u64,
    /// `<memory dumpCore=…>`
    pub dump_core: Option<ostler_base::OnOff>,
}

impl Memory {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let size = |name: &str| root.child(name).map(|el| kib(&el, &format!("./{name}[1]"))).transpose();
        let memory = root.child("memory");
        let slots = root.child("maxMemory").map(|max| max.number::<u32>("slots")).transpose()?.flatten();
        Ok(Memory {
            maximum: size("maxMemory")?.unwrap_or(0),
            slots: slots.unwrap_or(0),
            total: size("memory")?.unwrap_or(0),
            current: size("currentMemory")?.unwrap_or(0),
            dump_core: memory.map(|memory| memory.on_off("dumpCore")).transpose()?.flatten(),
        })
    }

    pub(crate) fn format(&self, root: &mut El) {
        if self.can_grow() {
            let mut el = El::with_text("maxMemory", self.maximum);
            el.set_opt("slots", (self.slots != 0).then_some(self.slots));
            el.set("unit", "KiB");
            root.push(el);
        }
        let mut memory = El::with_text("memory", self.total).attr("unit", "KiB");
        memory.set_opt("dumpCore", self.dump_core);
        root.push(memory);
        root.push(El::with_text("currentMemory", self.current).attr("unit", "KiB"));
    }

    /// Whether modules can be plugged.
    pub fn can_grow(&self) -> bool {
        self.maximum != 0 || self.slots != 0
    }
}

/// Brings the sizes in line with those of cells and modules, and checks them.
pub(crate) fn complete(draft: &mut Draft) -> Result<()> {
    let modules = modules(draft);
    let cells = draft.head.numa.memory();
    let memory = &mut draft.head.memory;
    if cells != 0 && (memory.total == 0 || draft.abi_update) {
        memory.total = cells.saturating_add(modules);
    } else if modules > memory.total {
        refuse!(unsupported, "Total size of memory devices exceeds the total memory size");
    }
    if memory.total == modules {
        refuse!(xml, "Memory size must be specified via <memory> or in the <numa> configuration");
    }
    if memory.current == 0 || memory.current > memory.total {
        memory.current = memory.total;
    }
    if memory.slots != 0 && memory.maximum == 0 {
        refuse!(xml, "both maximum memory size and memory slot count must be specified");
    }
    if memory.maximum != 0 && memory.maximum < memory.total {
        refuse!(xml, "maximum memory size must be equal or greater than the actual memory size");
    }
    Ok(())
}

pub(crate) fn validate(draft: &Draft) -> Result<()> {
    let memory = &draft.head.memory;
    let needs_cells = draft.head.os.arch.is_none_or(|arch| !arch.is_ppc64());
    let machine = draft.head.os.arch.is_some_and(Arch::is_s390);
    if memory.can_grow() && draft.head.cells().is_empty() && needs_cells && !machine {
        return Err(Error::unsupported(
            "At least one numa node has to be configured when enabling memory hotplug",
        )
        .from_origin(Origin::Qemu));
    }
    Ok(())
}

/// The memory of all modules, KiB.
fn modules(draft: &Draft) -> u64 {
    draft.devices.iter().map(|device| device.module_size()).fold(0, u64::saturating_add)
}

/// The unit that memory is rounded up to, KiB.
fn alignment(draft: &Draft) -> u64 {
    if draft.head.os.arch.is_some_and(Arch::is_ppc64) { 256 * 1024 } else { 1024 }
}

/// Rounds all sizes up to what emulators take.
pub(crate) fn align(draft: &mut Draft) -> Result<()> {
    let unit = alignment(draft);
    let up = |size: u64| size.div_ceil(unit).saturating_mul(unit);
    let initial = initial(draft);
    let Draft { head, devices, .. } = draft;
    devices.iter_mut().try_for_each(|device| device.align_module(head))?;
    let modules = modules(draft);
    draft.head.numa.align(unit);
    let cells = draft.head.numa.memory();
    let memory = &mut draft.head.memory;
    memory.maximum = up(memory.maximum);
    memory.total = if cells == 0 { up(initial) } else { cells }.saturating_add(modules);
    Ok(())
}

/// What the guest has without its modules, KiB.
fn initial(draft: &Draft) -> u64 {
    draft.head.memory.total.saturating_sub(modules(draft))
}

/// `-m` and the memory back end that the machine names.
pub(crate) fn parts(build: &mut Build<'_>, ram_id: Option<&str>) -> Result<()> {
    let draft = build.draft;
    let memory = &draft.head.memory;
    let size = initial(draft);
    // Sizes that came from elsewhere stay as they are, but for whole MiB.
    let mut option = Props::new().with("size", format!("{}k", size / 1024 * 1024));
    if memory.can_grow() {
        option.set_opt("slots", (memory.slots != 0).then_some(memory.slots));
        option.set("maxmem", format!("{}k", memory.maximum));
    }
    build.parts.push(Part::options("-m", None, option));
    if !draft.head.cells().is_empty() {
        return Ok(());
    }
    let Some(id) = ram_id else { return backend::global_parts(build) };
    let request = backend::Request { system: true, ..backend::Request::new(id, size) };
    let made = backend::make(build, &request)?;
    build.parts.extend(made.parts);
    Ok(())
}

/// The size an element says, in KiB, rounded up; `path` is what an error calls the element.
pub(super) fn kib(el: &Element<'_>, path: &str) -> Result<u64> {
    let text = el.text();
    let Some(value) = u64::read(&text, 10) else {
        refuse!(xml, "Invalid value '{text}' for element or attribute '{path}'");
    };
    Ok(scale::to_bytes(value, el.attr("unit"), KIB, u64::MAX / 2)?.div_ceil(KIB))
}
