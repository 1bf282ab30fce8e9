//! Families other than PC.

use ostler_caps::emulator::Flag;

use super::{AddedUsb, IommuKind, Machine, VirtioBus, first_of};
use crate::Setting;
use crate::devices::console::ConsoleTarget;
use crate::devices::controller::PciModel;
use crate::devices::panic::PanicModel;
use crate::devices::serial::{SerialModel, SerialTarget};
use crate::devices::video::VideoType;

/// What the virtual boards of today have: PCI Express, virtio before all else.
macro_rules! virtual_board {
    () => {
        fn default_network_card(&self, _setting: &Setting<'_>) -> Option<&'static str> {
            Some("virtio")
        }

        fn default_video(&self) -> VideoType {
            VideoType::Virtio
        }

        fn pci_root(&self) -> Option<PciModel> {
            Some(PciModel::PcieRoot)
        }

        fn has_virtio_mmio(&self) -> bool {
            true
        }
    };
}

/// USB 3 and nothing else.
fn modern_usb(setting: &Setting<'_>) -> Option<&'static str> {
    first_of(setting, &[(Flag::QemuXhci, "qemu-xhci"), (Flag::NecUsbXhci, "nec-xhci")])
}

/// The virtual board of ARM.
pub(super) struct ArmVirt;

impl Machine for ArmVirt {
    virtual_board!();

    fn default_balloon(&self) -> bool {
        false
    }

    fn default_panic(&self) -> Option<PanicModel> {
        Some(PanicModel::Pvpanic)
    }

    fn default_acpi(&self) -> bool {
        true
    }

    fn iommus(&self) -> &'static [IommuKind] {
        &[IommuKind::Smmuv3, IommuKind::Virtio]
    }

    fn has_pcie_expanders(&self) -> bool {
        true
    }

    fn builtin_gic(&self) -> bool {
        true
    }

    fn usb_model(&self, setting: &Setting<'_>, _new: bool) -> Option<&'static str> {
        modern_usb(setting)
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::System, SerialModel::Pl011))
    }
}

/// What other boards of ARM have.
macro_rules! arm_board {
    ($card:literal) => {
        fn default_balloon(&self) -> bool {
            false
        }

        fn default_network_card(&self, _setting: &Setting<'_>) -> Option<&'static str> {
            Some($card)
        }

        fn numbered_buses(&self) -> bool {
            false
        }

        fn usb_model(&self, setting: &Setting<'_>, _new: bool) -> Option<&'static str> {
            arm_usb(setting)
        }
    };
}

/// 64-bit emulators have USB 3, the others what PCs had.
fn arm_usb(setting: &Setting<'_>) -> Option<&'static str> {
    match setting.emulator {
        Some(emulator) if emulator.arch != ostler_base::Arch::Aarch64 => {
            first_of(setting, &[(Flag::Piix3UsbUhci, "piix3-uhci"), (Flag::PciOhci, "pci-ohci")])
        }
        _ => modern_usb(setting),
    }
}

/// OHCI, where the emulator has it.
fn added_ohci(setting: &Setting<'_>) -> AddedUsb {
    first_of(setting, &[(Flag::PciOhci, "pci-ohci")]).map_or(AddedUsb::None, AddedUsb::Model)
}

/// A board with PCI.
pub(super) struct Versatile;

impl Machine for Versatile {
    arm_board!("smc91c111");

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn added_usb(&self, setting: &Setting<'_>) -> AddedUsb {
        added_ohci(setting)
    }
}

/// Boards with USB of which the rest is not known.
pub(super) struct Realview;

impl Machine for Realview {
    arm_board!("lan9118");

    fn added_usb(&self, setting: &Setting<'_>) -> AddedUsb {
        added_ohci(setting)
    }
}

/// Boards with virtio over memory.
pub(super) struct Vexpress;

impl Machine for Vexpress {
    arm_board!("lan9118");

    fn virtio_bus(&self) -> VirtioBus {
        VirtioBus::Mmio
    }
}

/// Other boards of ARM.
pub(super) struct ArmBoard;

impl Machine for ArmBoard {
    arm_board!("lan9118");
}

/// The virtual board of RISC-V.
pub(super) struct RiscvVirt;

impl Machine for RiscvVirt {
    fn has_aia(&self) -> bool {
        true
    }

    virtual_board!();

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::System, SerialModel::Uart16550a))
    }
}

/// The virtual board of LoongArch.
pub(super) struct LoongarchVirt;

impl Machine for LoongarchVirt {
    virtual_board!();

    fn default_balloon(&self) -> bool {
        false
    }

    fn usb_model(&self, setting: &Setting<'_>, _new: bool) -> Option<&'static str> {
        first_of(setting, &[(Flag::QemuXhci, "qemu-xhci")])
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "virtio-scsi"
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::System, SerialModel::Uart16550a))
    }
}

/// What all machines of 64-bit POWER have.
macro_rules! power64 {
    () => {
        fn default_video(&self) -> VideoType {
            VideoType::Vga
        }

        fn pci_root(&self) -> Option<PciModel> {
            Some(PciModel::PciRoot)
        }

        fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
            AddedUsb::Default
        }

        fn usb_model(&self, setting: &Setting<'_>, new: bool) -> Option<&'static str> {
            // Guests that exist keep the controller that they were defined with.
            let modern = if new && setting.emulator.is_some() { modern_usb(setting) } else { None };
            modern.or_else(|| first_of(setting, &[(Flag::PciOhci, "pci-ohci")]))
        }

        fn usb_inputs(&self) -> bool {
            true
        }
    };
}

/// Logical partitions of POWER.
pub(super) struct Pseries;

impl Machine for Pseries {
    power64!();

    fn is_partition(&self) -> bool {
        true
    }

    fn builtin_panic(&self) -> Option<PanicModel> {
        Some(PanicModel::Pseries)
    }

    fn numbered_roots(&self) -> bool {
        true
    }

    fn default_serial(&self) -> Option<(SerialTarget, SerialModel)> {
        Some((SerialTarget::SpaprVio, SerialModel::SpaprVty))
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "ibmvscsi"
    }
}

/// Other 64-bit machines of POWER.
pub(super) struct Power64;

impl Machine for Power64 {
    power64!();
}

/// Old machines of POWER with an IDE controller; also run by the 32-bit emulator.
pub(super) struct PowerIde;

impl Machine for PowerIde {
    power64!();

    fn builtin_ide(&self) -> bool {
        true
    }
}

/// Boards of 32-bit POWER.
pub(super) struct PowerBoard;

impl Machine for PowerBoard {
    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
        AddedUsb::Default
    }
}

/// Channel I/O of s390.
pub(super) struct S390;

impl Machine for S390 {
    fn builtin_panic(&self) -> Option<PanicModel> {
        Some(PanicModel::S390)
    }

    fn default_network_card(&self, _setting: &Setting<'_>) -> Option<&'static str> {
        Some("virtio")
    }

    fn default_video(&self) -> VideoType {
        VideoType::Virtio
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "virtio-scsi"
    }

    fn usb_model(&self, _setting: &Setting<'_>, _new: bool) -> Option<&'static str> {
        Some("none")
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

/// The MIPS board with PCI and IDE.
pub(super) struct Malta;

impl Machine for Malta {
    fn builtin_ide(&self) -> bool {
        true
    }

    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn numbered_buses(&self) -> bool {
        false
    }

    fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
        AddedUsb::Default
    }
}

/// Other boards of MIPS.
pub(super) struct MipsBoard;

impl Machine for MipsBoard {
    fn numbered_buses(&self) -> bool {
        false
    }

    fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
        AddedUsb::Default
    }
}

/// Work stations with a SCSI controller of their own.
pub(super) struct Sparc;

impl Machine for Sparc {
    fn default_balloon(&self) -> bool {
        false
    }

    fn builtin_scsi(&self) -> bool {
        true
    }

    fn scsi_model(&self, _setting: &Setting<'_>) -> &'static str {
        "ncr53c90"
    }
}

/// Boards of old architectures with PCI.
pub(super) struct OldBoard;

impl Machine for OldBoard {
    fn pci_root(&self) -> Option<PciModel> {
        Some(PciModel::PciRoot)
    }

    fn numbered_buses(&self) -> bool {
        false
    }

    fn added_usb(&self, _setting: &Setting<'_>) -> AddedUsb {
        AddedUsb::Default
    }
}
