//! Machine families: all that is true of a machine type and not of a device.
//!
//! Owns: every "if this machine" of the model. A family is a unit struct with the methods that
//! differ from the default; [`of`] finds it by architecture and name. Never: reads a definition.

mod families;

use ostler_base::Arch;

use crate::Setting;
use crate::devices::controller::PciModel;
use crate::sections::os::Os;

/// What a machine family has without being asked.
pub trait Machine: Sync {
    /// The controller that PCI bus 0 is.
    fn pci_root(&self) -> Option<PciModel> {
        None
    }

    /// Whether it has an IDE controller of its own.
    fn builtin_ide(&self) -> bool {
        false
    }

    /// Whether it has a SATA controller of its own.
    fn builtin_sata(&self) -> bool {
        false
    }

    /// PCI functions that the board itself or a fixed device of it takes: slot, function; function
    /// `None` takes the whole slot.
    fn taken_slots(&self) -> &'static [(u8, Option<u8>)] {
        &[]
    }

    /// Where the machine's own controller of a kind sits.
    fn fixed_place(
        &self,
        _kind: crate::devices::controller::ControllerType,
        _index: u32,
    ) -> Option<(u8, u8)> {
        None
    }

    /// Whether a USB controller is added to a definition that has none.
    fn default_usb(&self) -> bool {
        false
    }

    /// Whether it has a mouse and a keyboard on PS/2.
    fn builtin_ps2(&self) -> bool {
        false
    }

    /// The card of an interface without a model.
    fn default_network_card(&self, _setting: &Setting<'_>) -> Option<&'static str> {
        Some("virtio")
    }

    /// Whether its chip set has a TCO watchdog.
    fn builtin_tco(&self) -> bool {
        false
    }

    /// Whether it has a programmable interval timer.
    fn has_pit(&self) -> bool {
        false
    }

    /// The chip whose properties turn suspend to memory and disk off, if it has one.
    fn power_management(&self) -> Option<&'static str> {
        None
    }
}

/// The family of a machine type.
pub(crate) fn of(os: &Os) -> &'static dyn Machine {
    let arch = os.arch.unwrap_or(Arch::X86_64);
    let name = os.machine.as_deref().unwrap_or_default();
    families::FAMILIES
        .iter()
        .find(|family| (family.matches)(arch, name))
        .map_or(&families::Generic as &dyn Machine, |family| family.machine)
}
