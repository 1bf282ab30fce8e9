//! `<memory>` and `<currentMemory>`. Sizes are KiB throughout.

use ostler_base::{Error, Result, scale::KIB};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

/// Memory sizes, KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
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
        let total = kib(&memory)?;
        let current = root.child("currentMemory").map(|m| kib(&m)).transpose()?.unwrap_or(0);
        let current = if current == 0 || current > total { total } else { current };
        Ok(Memory { total, current, dump_core: memory.on_off("dumpCore")? })
    }

    pub(crate) fn format(&self, root: &mut El) {
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

    /// `total` rounded up to whole MiB, as emulators take it; KiB.
    pub fn aligned(&self) -> u64 {
        self.total.div_ceil(1024).saturating_mul(1024)
    }

    /// `-m` and the memory back end that the machine names.
    pub(crate) fn parts(&self, ram_id: Option<&str>, out: &mut Vec<Part>) {
        let size = self.aligned();
        out.push(Part::plain("-m", format!("size={size}k")));
        if let Some(id) = ram_id {
            let backend = Props::new()
                .with("qom-type", "memory-backend-ram")
                .with("id", id)
                .with("size", size.saturating_mul(KIB));
            out.push(Part::Object(backend));
        }
    }
}

/// The size an element says, in KiB, rounded up.
fn kib(el: &Element<'_>) -> Result<u64> {
    Ok(el.size(KIB, u64::MAX / 2)?.div_ceil(KIB))
}
