//! `<features>`: what the hypervisor offers.

use ostler_base::{OnOff, Result};
use ostler_plan::Props;
use ostler_xml::{El, Element};

/// Hypervisor features.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// `<acpi/>`
    pub acpi: bool,
    /// `<apic/>`
    pub apic: bool,
    /// `<pae/>`
    pub pae: bool,
    /// `<vmport state=…/>`
    pub vmport: Option<OnOff>,
}

impl Features {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("features") else { return Ok(Self::default()) };
        Ok(Features {
            acpi: el.child("acpi").is_some(),
            apic: el.child("apic").is_some(),
            pae: el.child("pae").is_some(),
            vmport: el
                .child("vmport")
                .map(|v| v.on_off("state").map(|state| state.unwrap_or(OnOff::On)))
                .transpose()?,
        })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("features");
        for (name, there) in [("acpi", self.acpi), ("apic", self.apic), ("pae", self.pae)] {
            if there {
                el.push(El::new(name));
            }
        }
        el.extend(self.vmport.map(|state| El::new("vmport").attr("state", state)));
        root.push_filled(el);
    }

    /// Properties of `-machine` that stand before the memory back end.
    pub(crate) fn machine_props(&self, props: &mut Props) {
        props.set_opt("vmport", self.vmport.map(OnOff::is_true));
    }
}
