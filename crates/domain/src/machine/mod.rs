//! Machine families: all that is true of a machine type and not of a device.
//!
//! Owns: every "if this machine" of the model. A family is a unit struct with the methods that
//! differ from the default; [`of`] finds it by architecture and name. Never: reads a definition.

mod boards;
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

/// The USB controller of a definition that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddedUsb {
    /// None is added.
    None,
    /// One of the machine's default model.
    Default,
    /// One of this model.
    Model(&'static str),
}

/// IOMMUs that a board can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IommuKind {
    /// VT-d.
    Intel,
    /// Arm SMMU v3.
    Smmuv3,
    /// virtio-iommu.
    Virtio,
}

/// Devices that have a usual place on some boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// A set of USB 2 controllers.
    UsbCompanions,
    /// The bridge to conventional PCI.
    DmiBridge,
    /// The sound card of the chip set.
    Sound,
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

    /// PCI functions of the root bus that the board itself takes: slot, function.
    fn own_functions(&self) -> &'static [(u8, u8)] {
        &[]
    }

    /// Slots of the root bus that real boards of this kind have a device in, best first.
    fn usual_slots(&self, _device: Usual) -> &'static [u8] {
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

    /// Whether devices find a place on its PCI buses.
    fn supports_pci(&self) -> bool {
        self.pci_root().is_some()
    }

    /// Whether its PCI buses are numbered in the emulator's names; a single one has no number.
    fn numbered_buses(&self) -> bool {
        true
    }

    /// The USB controller of a definition that has none.
    fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
        AddedUsb::None
    }

    /// The model of a USB controller that has none; `new` where the guest can still be given what
    /// it did not have before.
    fn usb_model(&self, setting: &Setting<'_>, _new: bool) -> Option<&'static str> {
        let choices = [(Flag::Piix3UsbUhci, "piix3-uhci"), (Flag::PciOhci, "pci-ohci")];
        first_of(setting, &choices)
    }

    /// Whether a guest with a screen gets keyboard and mouse on USB.
    fn usb_inputs(&self) -> bool {
        false
    }

    /// The model of a SCSI controller that has none.
    fn scsi_model(&self, setting: &Setting<'_>) -> &'static str {
        first_of(setting, &[(Flag::Lsi, "lsilogic")]).unwrap_or("virtio-scsi")
    }

    /// Whether it has a SCSI controller of its own.
    fn builtin_scsi(&self) -> bool {
        false
    }

    /// The IOMMUs that it can have.
    fn iommus(&self) -> &'static [IommuKind] {
        &[]
    }

    /// Whether PCI Express buses can be added beside its root.
    fn has_pcie_expanders(&self) -> bool {
        false
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

    /// The card of an interface without a model: the oldest that the emulator has, since every
    /// guest knows it.
    fn default_network_card(&self, setting: &Setting<'_>) -> Option<&'static str> {
        let known = setting.emulator.is_some();
        let choices = [(Flag::Rtl8139, "rtl8139"), (Flag::E1000, "e1000"), (Flag::VirtioNet, "virtio")];
        known.then(|| first_of(setting, &choices).unwrap_or("rtl8139"))
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

    /// The panic notifier of a definition that does not say which.
    fn default_panic(&self) -> Option<PanicModel> {
        self.builtin_panic()
    }

    /// Whether the board has virtio transports in memory beside its PCI bus.
    fn has_virtio_mmio(&self) -> bool {
        false
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
        VideoType::Cirrus
    }

    /// Whether it has ACPI, where the emulator does not tell.
    fn default_acpi(&self) -> bool {
        false
    }

    /// Whether it has a generic interrupt controller of its own, whose version has to be chosen.
    fn builtin_gic(&self) -> bool {
        false
    }

    /// Whether it is a logical partition of POWER.
    fn is_partition(&self) -> bool {
        false
    }

    /// Whether its chip set has memory of its own for system management.
    fn has_tseg(&self) -> bool {
        false
    }

    /// Whether it takes more vCPUs than a PC's interrupt controllers can tell apart.
    fn takes_many_vcpus(&self) -> bool {
        false
    }

    /// Whether interrupts can be delivered by the advanced architecture of RISC-V.
    fn has_aia(&self) -> bool {
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
