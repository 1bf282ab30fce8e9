//! What virtio devices have in common: the bus that their driver's name says, and driver options.
//!
//! Owns: names by bus, `<driver iommu= ats= packed= page_per_vq=>`. Never: knows which device it is.

use ostler_base::{OnOff, Result, refuse, words};
use ostler_plan::Props;
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Info, Slot};

words! {
    /// Which generation of virtio a PCI device shows.
    pub VirtioModel {
        Plain = "virtio", Transitional = "virtio-transitional", NonTransitional = "virtio-non-transitional",
    }
}

impl VirtioModel {
    /// The PCI slot that such a device takes.
    pub(crate) fn slot(self) -> Slot {
        if self == VirtioModel::Transitional { Slot::Pci } else { Slot::Pcie }
    }

    /// The name of a driver: `base` with the bus that the device sits on.
    pub(crate) fn driver(self, base: &str, info: &Info) -> Result<String> {
        let bus = match &info.address {
            Some(Address::Pci(_)) => "-pci",
            Some(Address::Ccw(_)) => "-ccw",
            Some(Address::VirtioMmio) => "-device",
            Some(Address::Unassigned) | None => "",
            Some(_) => refuse!(internal, "Unexpected address type for '{base}'"),
        };
        let generation = match (self, &info.address) {
            (VirtioModel::Plain, _) => "",
            (VirtioModel::Transitional, Some(Address::Pci(_))) => "-transitional",
            (VirtioModel::NonTransitional, Some(Address::Pci(_))) => "-non-transitional",
            _ => refuse!(
                unsupported,
                "virtio (non-)transitional models are not supported for address type={}",
                info.address_type()
            ),
        };
        Ok(format!("{base}{bus}{generation}"))
    }
}

/// Options that the drivers of all virtio devices take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VirtioOptions {
    /// `iommu`: go through the guest's IOMMU.
    pub iommu: Option<OnOff>,
    /// `ats`: address translation service.
    pub ats: Option<OnOff>,
    /// `packed`: packed queues.
    pub packed: Option<OnOff>,
    /// `page_per_vq`: notification area of a page for every queue.
    pub page_per_vq: Option<OnOff>,
}

impl VirtioOptions {
    /// Reads the attributes of a `<driver>`.
    pub(crate) fn parse(driver: Option<Element<'_>>) -> Result<Self> {
        let Some(driver) = driver else { return Ok(Self::default()) };
        Ok(VirtioOptions {
            iommu: driver.on_off("iommu")?,
            ats: driver.on_off("ats")?,
            packed: driver.on_off("packed")?,
            page_per_vq: driver.on_off("page_per_vq")?,
        })
    }

    /// Adds the attributes to a `<driver>`.
    pub(crate) fn write(&self, driver: &mut El) {
        driver.set_opt("iommu", self.iommu);
        driver.set_opt("ats", self.ats);
        driver.set_opt("packed", self.packed);
        driver.set_opt("page_per_vq", self.page_per_vq);
    }

    /// A `<driver>` with nothing else, unless nothing is said.
    pub(crate) fn push(&self, el: &mut El) {
        let mut driver = El::new("driver");
        self.write(&mut driver);
        el.push_filled(driver);
    }

    /// Adds the driver's properties.
    pub(crate) fn props(&self, props: &mut Props) {
        props.set_opt("iommu_platform", self.iommu.map(OnOff::is_true));
        props.set_opt("ats", self.ats.map(OnOff::is_true));
        props.set_opt("packed", self.packed.map(OnOff::is_true));
        props.set_opt("page-per-vq", self.page_per_vq.map(OnOff::is_true));
    }

    /// Refuses options of virtio for a device that is none.
    pub(crate) fn refuse_unless(&self, virtio: bool) -> Result<()> {
        for (name, value) in [
            ("iommu", self.iommu),
            ("ats", self.ats),
            ("packed", self.packed),
            ("page_per_vq", self.page_per_vq),
        ] {
            if value.is_some() && !virtio {
                refuse!(unsupported, "{name} driver option is only supported for virtio devices");
            }
        }
        Ok(())
    }
}
