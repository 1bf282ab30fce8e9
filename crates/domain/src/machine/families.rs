//! The table of families.

use ostler_base::Arch;
use ostler_caps::emulator::Flag;

use super::Machine;
use crate::Setting;
use crate::devices::controller::{ControllerType, PciModel};

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
];

/// `name` alone, or a version `prefix-…`.
fn is_or_version_of(name: &str, prefix: &str, alone: &str) -> bool {
    name == alone || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-'))
}

/// A machine of which nothing is known.
pub(super) struct Generic;

impl Machine for Generic {}

/// PC with an i440FX chip set: conventional PCI, IDE.
struct I440fx;

impl Machine for I440fx {
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

    fn default_usb(&self) -> bool {
        true
    }

    fn builtin_ps2(&self) -> bool {
        true
    }

    fn default_network_card(&self, setting: &Setting<'_>) -> Option<&'static str> {
        pc_network_card(setting)
    }

    fn has_pit(&self) -> bool {
        true
    }

    fn power_management(&self) -> Option<&'static str> {
        Some("PIIX4_PM")
    }
}

/// PC with a Q35 chip set: PCI Express, SATA.
struct Q35;

impl Machine for Q35 {
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

    fn default_usb(&self) -> bool {
        true
    }

    fn builtin_ps2(&self) -> bool {
        true
    }

    fn default_network_card(&self, setting: &Setting<'_>) -> Option<&'static str> {
        pc_network_card(setting)
    }

    fn has_pit(&self) -> bool {
        true
    }

    fn power_management(&self) -> Option<&'static str> {
        Some("ICH9-LPC")
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
