//! Machine families: all that is true of a machine type and not of a device.
//!
//! Owns: every "if this machine" of the model. A family is a unit struct with the methods that
//! differ from the default; [`of`] finds it by architecture and name. Never: reads a definition.

mod families;

use ostler_base::Arch;
use ostler_caps::emulator::Flag;

use crate::Setting;
use crate::devices::console::ConsoleTarget;
use crate::devices::controller::PciModel;
use crate::devices::panic::PanicModel;
use crate::devices::serial::{SerialModel, SerialTarget};
use crate::devices::video::VideoType;
use crate::sections::os::Os;

/// The bus that virtio devices sit on where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtioBus {
    /// PCI.
    Pci,
    /// Memory-mapped transports of the board.
    Mmio,
    /// Channel I/O.
    Ccw,
}

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

    /// The model of a USB controller that is added to a definition that has none; its default
    /// where this is `None`.
    fn added_usb_model(&self) -> Option<&'static str> {
        None
    }

    /// The model of a USB controller that has none.
    fn usb_model(&self, setting: &Setting<'_>) -> Option<&'static str> {
        first_of(setting, &[(Flag::QemuXhci, "qemu-xhci"), (Flag::NecUsbXhci, "nec-xhci")])
    }

    /// The model of a SCSI controller that has none.
    fn scsi_model(&self, setting: &Setting<'_>) -> &'static str {
        first_of(setting, &[(Flag::Lsi, "lsilogic")]).unwrap_or("virtio-scsi")
    }

    /// Whether PCI roots are devices with numbers, of which there can be several.
    fn numbered_roots(&self) -> bool {
        false
    }

    /// The device whose properties are those of the PCI root.
    fn host_bridge(&self) -> Option<&'static str> {
        None
    }

    /// Whether it has a mouse and a keyboard on PS/2.
    fn builtin_ps2(&self) -> bool {
        false
    }

    /// The card of an interface without a model.
    fn default_network_card(&self, _setting: &Setting<'_>) -> Option<&'static str> {
        Some("virtio")
    }

    /// Target and model of a serial port of which nothing is said.
    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        None
    }

    /// What a console without a target is.
    fn default_console(&self) -> ConsoleTarget {
        ConsoleTarget::Serial
    }

    /// Whether it has an ISA bus, and parallel ports on it.
    fn has_isa(&self) -> bool {
        false
    }

    /// Whether a memory balloon is added to a definition that has none.
    fn default_balloon(&self) -> bool {
        true
    }

    /// Whether its flash memory can be written in system management mode only.
    fn has_secure_flash(&self) -> bool {
        false
    }

    /// The panic notifier that its firmware is.
    fn builtin_panic(&self) -> Option<PanicModel> {
        None
    }

    /// Where virtio devices sit.
    fn virtio_bus(&self) -> VirtioBus {
        VirtioBus::Pci
    }

    /// The slot of the root bus that the first display adapter takes.
    fn display_slot(&self) -> Option<u8> {
        None
    }

    /// The display adapter of a guest that has none and needs one.
    fn default_video(&self) -> VideoType {
        VideoType::Virtio
    }

    /// Whether display adapters can be VGA.
    fn has_vga(&self) -> bool {
        false
    }

    /// Whether it has ACPI, where the emulator does not tell.
    fn default_acpi(&self) -> bool {
        false
    }

    /// Whether it has a generic interrupt controller of its own, whose version has to be chosen.
    fn builtin_gic(&self) -> bool {
        false
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

/// The first whose flag the emulator has; the first of all where no emulator is known.
fn first_of(setting: &Setting<'_>, choices: &[(Flag, &'static str)]) -> Option<&'static str> {
    let known = setting.emulator.is_some();
    choices.iter().find(|(flag, _)| !known || setting.has(*flag)).map(|(_, name)| *name)
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
