//! `<memory>` and `<currentMemory>`. Sizes are KiB throughout.

use ostler_base::{Error, Result, scale::KIB};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::numa;
use crate::Head;

/// Memory sizes, KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// `<maxMemory>`: what it can grow to by plugging, and in how many slots.
    pub maximum: Option<(u64, Option<u32>)>,
    /// `<memory>`: what the guest boots with.
    pub total: u64,
    /// `<currentMemory>`: what the balloon leaves it; never above `total`.
    pub current: u64,
    /// `<memory dumpCore=…>`
    pub dump_core: Option<ostler_base::OnOff>,
}

impl Memory {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let memory =
            root.child("memory").ok_or_else(|| Error::xml("missing element or attribute './memory[1]'"))?;
        let maximum = match root.child("maxMemory") {
            Some(max) => Some((kib(&max)?, max.number("slots")?)),
            None => None,
        };
        let total = kib(&memory)?;
        let current = root.child("currentMemory").map(|m| kib(&m)).transpose()?.unwrap_or(0);
        let current = if current == 0 || current > total { total } else { current };
        Ok(Memory { maximum, total, current, dump_core: memory.on_off("dumpCore")? })
    }

    pub(crate) fn format(&self, root: &mut El) {
        root.extend(self.maximum.map(|(size, slots)| {
            El::with_text("maxMemory", size).attr_opt("slots", slots).attr("unit", "KiB")
        }));
        let mut memory = El::with_text("memory", self.total).attr("unit", "KiB");
        memory.set_opt("dumpCore", self.dump_core);
        root.push(memory);
        root.push(El::with_text("currentMemory", self.current).attr("unit", "KiB"));
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.total == 0 {
            return Err(Error::xml(
                "Memory size must be specified via <memory> or in the <numa> configuration",
            ));
        }
        Ok(())
    }

    /// `total` rounded up to whole MiB (each cell where there are cells), as emulators take it; KiB.
    pub fn aligned(&self, head: &Head) -> u64 {
        match head.cells() {
            [] => self.total.div_ceil(1024).saturating_mul(1024),
            cells => numa::aligned_total(cells),
        }
    }

    /// `-m` and the memory back end that the machine names.
    pub(crate) fn parts(&self, ram_id: Option<&str>, head: &Head, out: &mut Vec<Part>) {
        let size = self.aligned(head);
        let mut option = Props::new().with("size", format!("{size}k"));
        if let Some((maximum, Some(slots))) = self.maximum {
            option.set("slots", slots);
            option.set("maxmem", format!("{maximum}k"));
        }
        out.push(Part::options("-m", None, option));
        if let Some(id) = ram_id {
            let mut backend = Props::new()
                .with("qom-type", "memory-backend-ram")
                .with("id", id)
                .with("size", size.saturating_mul(KIB));
            head.numatune.backend_props(&mut backend);
            out.push(Part::Object(backend));
        }
    }
}

/// The size an element says, in KiB, rounded up.
fn kib(el: &Element<'_>) -> Result<u64> {
    Ok(el.size(KIB, u64::MAX / 2)?.div_ceil(KIB))
}
