//! The table of families.

use ostler_base::Arch;
use ostler_caps::emulator::Flag;

use super::{Machine, VirtioBus, first_of};
use crate::Setting;
use crate::devices::console::ConsoleTarget;
use crate::devices::controller::{ControllerType, PciModel};
use crate::devices::panic::PanicModel;
use crate::devices::serial::{SerialModel, SerialTarget};
use crate::devices::video::VideoType;

/// A family and the machine types in it.
pub(super) struct Family {
    /// Whether a machine type belongs to it.
    pub(super) matches: fn(Arch, &str) -> bool,
    /// What is true of it.
    pub(super) machine: &'static dyn Machine,
}

/// Every family; the first that matches counts.
pub(super) const FAMILIES: &[Family] = &[
    Family { matches: |arch, name| arch.is_x86() && is_or_version_of(name, "pc-q35", "q35"), machine: &Q35 },
    Family { matches: |arch, name| arch.is_x86() && is_or_version_of(name, "pc", "pc"), machine: &I440fx },
    Family {
        matches: |arch, name| arch.is_x86() && is_or_version_of(name, "microvm", "microvm"),
        machine: &Microvm,
    },
    Family { matches: |arch, _| arch.is_x86(), machine: &IsaPc },
    Family {
        matches: |arch, name| arch.is_arm() && is_or_version_of(name, "virt", "virt"),
        machine: &ArmVirt,
    },
    Family { matches: |arch, _| arch.is_arm(), machine: &ArmBoard },
    Family {
        matches: |arch, name| arch.is_ppc() && is_or_version_of(name, "pseries", "pseries"),
        machine: &Pseries,
    },
    Family { matches: |arch, _| arch.is_ppc(), machine: &PowerBoard },
    Family { matches: |arch, _| arch.is_s390(), machine: &S390 },
    Family { matches: |_, name| name.starts_with("virt"), machine: &Virt },
];

/// `name` alone, or a version `prefix-…`.
fn is_or_version_of(name: &str, prefix: &str, alone: &str) -> bool {
    name == alone || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-'))
}

/// A machine of which nothing is known.
pub(super) struct Generic;

impl Machine for Generic {}

/// What every PC board with an ISA bus has.
macro_rules! isa_pc {
    () => {
        fn default_video(&self) -> VideoType {
            VideoType::Cirrus
        }

        fn has_vga(&self) -> bool {
            true
        }

        fn builtin_ps2(&self) -> bool {
            true
        }

        fn has_pit(&self) -> bool {
            true
        }

        fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
            Some((SerialTarget::Isa, SerialModel::IsaSerial))
        }

        fn has_isa(&self) -> bool {
            true
        }
    };
}

/// What every PC board with a PCI bus of either kind has.
macro_rules! pci_pc {
    () => {
        isa_pc!();

        fn default_acpi(&self) -> bool {
            true
        }

        fn default_usb(&self) -> bool {
            true
        }

        fn default_network_card(&self, setting: &Setting<'_>) -> Option<&'static str> {
            pc_network_card(setting)
        }

        fn usb_model(&self, setting: &Setting<'_>) -> Option<&'static str> {
            first_of(setting, &[(Flag::Piix3UsbUhci, "piix3-uhci")])
        }
    };
}

/// PC with an i440FX chip set: conventional PCI, IDE.
struct I440fx;

impl Machine for I440fx {
    pci_pc!();

    fn display_slot(&self) -> Option<u8> {
        Some(2)
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn builtin_ide(&self) -> bool {
        true
    }

    fn taken_slots(&self) -> &'static [(u8, Option<u8>)] {
        // Host bridge; ISA bridge, IDE, USB and power management of the PIIX3.
        &[(0, None), (1, None)]
    }

    fn fixed_place(&self, kind: ControllerType, index: u32) -> Option<(u8, u8)> {
        match (kind, index) {
            (ControllerType::Ide, 0) => Some((1, 1)),
            (ControllerType::Usb, 0) => Some((1, 2)),
            _ => None,
        }
    }

    fn power_management(&self) -> Option<&'static str> {
        Some("PIIX4_PM")
    }

    fn host_bridge(&self) -> Option<&'static str> {
        Some("i440FX-pcihost")
    }
}

/// PC with a Q35 chip set: PCI Express, SATA.
struct Q35;

impl Machine for Q35 {
    pci_pc!();

    fn has_secure_flash(&self) -> bool {
        true
    }

    fn display_slot(&self) -> Option<u8> {
        Some(1)
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PcieRoot)
    }

    fn builtin_sata(&self) -> bool {
        true
    }

    fn builtin_tco(&self) -> bool {
        true
    }

    fn taken_slots(&self) -> &'static [(u8, Option<u8>)] {
        // Host bridge; ISA bridge, SATA and SMBus of the ICH9.
        &[(0, None), (0x1f, None)]
    }

    fn fixed_place(&self, kind: ControllerType, index: u32) -> Option<(u8, u8)> {
        match (kind, index) {
            (ControllerType::Sata, 0) => Some((0x1f, 2)),
            _ => None,
        }
    }

    fn power_management(&self) -> Option<&'static str> {
        Some("ICH9-LPC")
    }

    fn host_bridge(&self) -> Option<&'static str> {
        Some("q35-pcihost")
    }

    fn added_usb_model(&self) -> Option<&'static str> {
        Some("qemu-xhci")
    }
}

/// The oldest card that the emulator has, since every guest knows it.
fn pc_network_card(setting: &Setting<'_>) -> Option<&'static str> {
    if setting.emulator.is_none() || setting.has(Flag::Rtl8139) {
        Some("rtl8139")
    } else if setting.has(Flag::E1000) {
        Some("e1000")
    } else {
        Some("virtio")
    }
}

/// PC without PCI.
struct IsaPc;

impl Machine for IsaPc {
    isa_pc!();
}

/// PC of little: virtio over memory, one serial port.
struct Microvm;

impl Machine for Microvm {
    fn default_video(&self) -> VideoType {
        VideoType::Cirrus
    }

    fn has_vga(&self) -> bool {
        true
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::Isa, SerialModel::IsaSerial))
    }

    fn has_isa(&self) -> bool {
        true
    }

    fn virtio_bus(&self) -> VirtioBus {
        VirtioBus::Mmio
    }
}

/// The virtual board of ARM: PCI Express.
struct ArmVirt;

impl Machine for ArmVirt {
    fn default_balloon(&self) -> bool {
        false
    }

    fn default_acpi(&self) -> bool {
        true
    }

    fn builtin_gic(&self) -> bool {
        true
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "virtio-scsi"
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PcieRoot)
    }

    fn taken_slots(&self) -> &'static [(u8, Option<u8>)] {
        &[(0, None)]
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::System, SerialModel::Pl011))
    }
}

/// Other boards of ARM.
struct ArmBoard;

impl Machine for ArmBoard {
    fn default_balloon(&self) -> bool {
        false
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "virtio-scsi"
    }

    fn virtio_bus(&self) -> VirtioBus {
        VirtioBus::Mmio
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::System, SerialModel::Pl011))
    }
}

/// The virtual board of RISC-V and LoongArch.
struct Virt;

impl Machine for Virt {
    fn default_balloon(&self) -> bool {
        false
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "virtio-scsi"
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PcieRoot)
    }

    fn taken_slots(&self) -> &'static [(u8, Option<u8>)] {
        &[(0, None)]
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::System, SerialModel::Uart16550a))
    }
}

/// Logical partitions of POWER.
struct Pseries;

impl Machine for Pseries {
    fn builtin_panic(&self) -> Option<PanicModel> {
        Some(PanicModel::Pseries)
    }

    fn numbered_roots(&self) -> bool {
        true
    }

    fn default_video(&self) -> VideoType {
        VideoType::Vga
    }

    fn has_vga(&self) -> bool {
        true
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn default_usb(&self) -> bool {
        true
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::SpaprVio, SerialModel::SpaprVty))
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "ibmvscsi"
    }

    fn usb_model(&self, setting: &Setting<'_>) -> Option<&'static str> {
        first_of(setting, &[(Flag::PciOhci, "pci-ohci"), (Flag::NecUsbXhci, "nec-xhci")])
    }
}

/// Other boards of POWER.
struct PowerBoard;

impl Machine for PowerBoard {
    fn default_video(&self) -> VideoType {
        VideoType::Vga
    }

    fn has_vga(&self) -> bool {
        true
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn default_usb(&self) -> bool {
        true
    }

    fn taken_slots(&self) -> &'static [(u8, Option<u8>)] {
        &[(0, None)]
    }

    fn usb_model(&self, setting: &Setting<'_>) -> Option<&'static str> {
        first_of(setting, &[(Flag::PciOhci, "pci-ohci"), (Flag::NecUsbXhci, "nec-xhci")])
    }
}

/// Channel I/O of s390.
struct S390;

impl Machine for S390 {
    fn builtin_panic(&self) -> Option<PanicModel> {
        Some(PanicModel::S390)
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "virtio-scsi"
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn virtio_bus(&self) -> VirtioBus {
        VirtioBus::Ccw
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::Sclp, SerialModel::SclpConsole))
    }

    fn default_console(&self) -> ConsoleTarget {
        ConsoleTarget::Sclp
    }
}
