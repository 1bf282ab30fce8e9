//! Controllers that a guest cannot have.

use ostler_base::{Result, refuse};
use ostler_caps::emulator::Flag;

use super::{Controller, ControllerType, PciModel};
use crate::machine;
use crate::{Draft, Head, Setting};

impl Controller {
    /// USB controllers that the emulator has not.
    pub(super) fn check_usb(&self, setting: &Setting<'_>) -> Result<()> {
        let flag = match self.model.as_deref().filter(|_| self.kind == ControllerType::Usb) {
            Some("piix3-uhci") => Flag::Piix3UsbUhci,
            Some("piix4-uhci") => Flag::Piix4UsbUhci,
            Some("ehci") => Flag::UsbEhci,
            Some("ich9-ehci1" | "ich9-uhci1" | "ich9-uhci2" | "ich9-uhci3") => Flag::Ich9UsbEhci1,
            Some("vt82c686b-uhci") => Flag::Vt82c686bUsbUhci,
            Some("pci-ohci") => Flag::PciOhci,
            Some("nec-xhci") => Flag::NecUsbXhci,
            Some("qemu-xhci") => Flag::QemuXhci,
            _ => return Ok(()),
        };
        if !setting.has(flag) {
            let model = self.model.as_deref().unwrap_or_default();
            refuse!(unsupported, "USB controller model '{model}' not supported in this QEMU binary");
        }
        Ok(())
    }

    /// Host bridges of partitions: the first is the machine's own.
    pub(super) fn validate_root(&self, draft: &Draft) -> Result<()> {
        if self.pci_model() != Some(PciModel::PciRoot) || !machine::of(&draft.head.os).numbered_roots() {
            return Ok(());
        }
        let first = self.index == Some(0);
        match self.target.index {
            Some(index) if index > 30 => {
                refuse!(unsupported, "PCI controller target index '{index}' out of range - must be 0-30")
            }
            Some(index) if (index == 0) != first => refuse!(
                unsupported,
                "Only the PCI controller with index 0 can have target index 0, and vice versa"
            ),
            _ if first && self.target.node.is_some() => {
                refuse!(unsupported, "The PCI controller with index=0 can't be associated with a NUMA node")
            }
            _ => Ok(()),
        }
    }

    /// PCI controllers that the machine cannot have.
    pub(super) fn check_pci_model(&self, head: &Head) -> Result<()> {
        let machine = machine::of(&head.os);
        let (Some(model), index) = (self.pci_model(), self.index.unwrap_or(0)) else { return Ok(()) };
        let root = matches!(model, PciModel::PciRoot | PciModel::PcieRoot);
        if root && index != 0 && !machine.numbered_roots() {
            refuse!(xml, "pci-root and pcie-root controllers should have index 0");
        }
        if let Some(own) = machine.pci_root().filter(|own| index == 0 && *own != model) {
            refuse!(
                xml,
                "The PCI controller with index='0' must be model='{own}' for this machine type, but model='{model}' was found instead"
            );
        }
        let own = machine.pci_root();
        if model == PciModel::PciExpanderBus && !(own == Some(PciModel::PciRoot) && machine.builtin_ide()) {
            refuse!(
                unsupported,
                "pci-expander-bus controllers are only supported on 440fx-based machinetypes"
            );
        }
        if model == PciModel::PcieExpanderBus && !machine.has_pcie_expanders() {
            refuse!(unsupported, "pcie-expander-bus controllers are not supported with this machine type");
        }
        let cells = head.cells().len();
        if let Some(node) = self.target.node.filter(|node| *node as usize >= cells) {
            refuse!(
                xml,
                "{model} with index {index} is configured for a NUMA node ({node}) not present in the domain's <cpu><numa> array ({cells})"
            );
        }
        Ok(())
    }
}
