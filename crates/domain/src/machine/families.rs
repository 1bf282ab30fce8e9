//! The table of families.

use ostler_base::Arch;
use ostler_caps::emulator::Flag;

use super::{AddedUsb, IommuKind, Machine, Usual, VirtioBus, boards, first_of};
use crate::Setting;
use crate::devices::controller::{ControllerType, PciModel};
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
        machine: &boards::ArmVirt,
    },
    Family { matches: |arch, name| arch.is_arm() && name == "versatilepb", machine: &boards::Versatile },
    Family {
        matches: |arch, name| arch.is_arm() && name.starts_with("realview-"),
        machine: &boards::Realview,
    },
    Family {
        matches: |arch, name| arch.is_arm() && name.starts_with("vexpress-"),
        machine: &boards::Vexpress,
    },
    Family { matches: |arch, _| arch.is_arm(), machine: &boards::ArmBoard },
    Family {
        matches: |arch, name| arch.is_ppc() && is_or_version_of(name, "pseries", "pseries"),
        machine: &boards::Pseries,
    },
    Family { matches: |arch, name| arch.is_ppc() && name == "g3beige", machine: &boards::PowerIde },
    Family { matches: |arch, name| arch.is_ppc() && name == "mac99", machine: &boards::PowerIde },
    Family { matches: |arch, _| arch.is_ppc64(), machine: &boards::Power64 },
    Family { matches: |arch, _| arch.is_ppc(), machine: &boards::PowerBoard },
    Family { matches: |arch, _| arch.is_s390(), machine: &boards::S390 },
    Family {
        matches: |arch, name| arch.is_riscv() && is_or_version_of(name, "virt", "virt"),
        machine: &boards::RiscvVirt,
    },
    Family { matches: |arch, _| arch.is_loongarch(), machine: &boards::LoongarchVirt },
    Family { matches: |arch, name| arch.is_mips() && name == "malta", machine: &boards::Malta },
    Family { matches: |arch, _| arch.is_mips(), machine: &boards::MipsBoard },
    Family { matches: |arch, _| arch == Arch::Sparc, machine: &boards::Sparc },
    Family {
        matches: |arch, _| matches!(arch, Arch::Alpha | Arch::Sh4 | Arch::Sh4eb | Arch::Sparc64),
        machine: &boards::OldBoard,
    },
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
    };
}

/// PC with an i440FX chip set: conventional PCI, IDE.
struct I440fx;

impl Machine for I440fx {
    pci_pc!();

    fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
        AddedUsb::Default
    }

    fn usb_model(&self, setting: &Setting<'_>, _new: bool) -> Option<&'static str> {
        first_of(setting, &[(Flag::Piix3UsbUhci, "piix3-uhci")])
    }

    fn display_slot(&self) -> Option<u8> {
        Some(2)
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn builtin_ide(&self) -> bool {
        true
    }

    fn own_functions(&self) -> &'static [(u8, u8)] {
        // ISA bridge and power management of the PIIX3.
        &[(1, 0), (1, 3)]
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

    fn has_tseg(&self) -> bool {
        true
    }

    fn takes_many_vcpus(&self) -> bool {
        true
    }

    fn has_secure_flash(&self) -> bool {
        true
    }

    fn added_usb(&self, setting: &Setting<'_>) -> AddedUsb {
        let choices = [
            (Flag::QemuXhci, "qemu-xhci"),
            (Flag::NecUsbXhci, "nec-xhci"),
            (Flag::Ich9UsbEhci1, "ich9-ehci1"),
        ];
        first_of(setting, &choices).map_or(AddedUsb::None, AddedUsb::Model)
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

    fn iommus(&self) -> &'static [IommuKind] {
        &[IommuKind::Intel, IommuKind::Virtio]
    }

    fn has_pcie_expanders(&self) -> bool {
        true
    }

    fn builtin_tco(&self) -> bool {
        true
    }

    fn own_functions(&self) -> &'static [(u8, u8)] {
        // ISA bridge and SMBus of the ICH9.
        &[(0x1f, 0), (0x1f, 3)]
    }

    fn usual_slots(&self, device: Usual) -> &'static [u8] {
        match device {
            Usual::UsbCompanions => &[0x1d, 0x1a],
            Usual::DmiBridge => &[0x1e],
            Usual::Sound => &[0x1b],
        }
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
