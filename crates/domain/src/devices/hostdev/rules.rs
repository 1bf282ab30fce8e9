//! What a host device may be.

use ostler_base::{OnOff, Result, YesNo, refuse};
use ostler_caps::emulator::Flag;
use ostler_vocab::address::Address;

use super::source::HostdevSource;
use super::{Hostdev, MdevModel, PciBackend};
use crate::devices::Device;
use crate::devices::disk::DiskBus;
use crate::{Draft, Setting};

impl Hostdev {
    pub(super) fn check(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        let same = draft.devices.hostdevs.iter().filter(|other| other.source == self.source).count();
        let cards = draft.devices.interfaces.iter().filter_map(|card| card.host_card());
        let as_card = cards.filter(|card| Some(card.address) == self.host_pci()).count();
        if same + as_card > 1 {
            refuse!(xml, "Hostdev already exists in the domain configuration");
        }
        self.check_words()?;
        self.check_address()?;
        self.check_disks(draft)?;
        match (&self.source, self.model) {
            (HostdevSource::Mdev { .. }, Some(model)) => self.check_mediated(model, draft, setting),
            _ => self.check_emulator(setting),
        }
    }

    fn check_words(&self) -> Result<()> {
        let scsi = self.is_scsi();
        if self.rawio.is_some() && !scsi {
            refuse!(xml, "rawio is only supported for scsi host device");
        }
        if self.sgio.is_some() && !scsi {
            refuse!(xml, "sgio is only supported for scsi host device");
        }
        if self.teaming.is_some() && self.host_pci().is_none() {
            refuse!(unsupported, "teaming hostdev devices must have type='pci'");
        }
        Ok(())
    }

    fn check_address(&self) -> Result<()> {
        let address = &self.info.address;
        match &self.source {
            HostdevSource::Pci { .. }
                if !matches!(address, None | Some(Address::Pci(_) | Address::Unassigned)) =>
            {
                refuse!(xml, "PCI host devices must use 'pci' or 'unassigned' address type")
            }
            HostdevSource::Scsi { .. } | HostdevSource::Iscsi(_)
                if !matches!(address, None | Some(Address::Drive(_))) =>
            {
                refuse!(xml, "SCSI host device must use 'drive' address type")
            }
            HostdevSource::ScsiHost { .. }
                if !matches!(address, None | Some(Address::Pci(_) | Address::Ccw(_))) =>
            {
                refuse!(xml, "SCSI_host host device must use 'pci' or 'ccw' address type")
            }
            _ => Ok(()),
        }
    }

    fn check_disks(&self, draft: &Draft) -> Result<()> {
        let Some(own) = self.drive() else { return Ok(()) };
        for disk in draft.devices.disks.iter().filter(|disk| disk.bus == Some(DiskBus::Scsi)) {
            let place = match (&disk.info().address, disk.place_by_name()) {
                (Some(Address::Drive(drive)), _) => *drive,
                (None, Some((_, drive))) => drive,
                _ => continue,
            };
            if place == own {
                refuse!(
                    unsupported,
                    "using disk target name '{}' conflicts with SCSI host device address controller='{}' bus='{}' target='{}' unit='{}",
                    disk.target,
                    own.controller,
                    own.bus,
                    own.target,
                    own.unit
                );
            }
        }
        Ok(())
    }

    fn check_mediated(&self, model: MdevModel, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        let (flag, name) = match model {
            MdevModel::VfioPci => (Flag::VfioPci, "PCI"),
            MdevModel::VfioAp => (Flag::VfioAp, "AP"),
            MdevModel::VfioCcw => (Flag::VfioCcw, "CCW"),
        };
        if setting.emulator.is_some() && !setting.has(flag) {
            refuse!(unsupported, "VFIO {name} device assignment is not supported by this version of QEMU");
        }
        if self.info.boot.is_some() && model != MdevModel::VfioCcw {
            refuse!(
                unsupported,
                "booting from assigned devices is not supported by mediated devices of model {model}"
            );
        }
        let hostdevs = &draft.devices.hostdevs;
        if model == MdevModel::VfioAp && hostdevs.iter().filter(|h| h.model == Some(model)).count() > 1 {
            refuse!(unsupported, "Only one hostdev of model vfio-ap is supported");
        }
        if self.display == Some(OnOff::On) && draft.devices.graphics.is_empty() {
            refuse!(unsupported, "graphics device is needed for attribute value 'display=on' in <hostdev>");
        }
        let framed = |h: &&Hostdev| h.ramfb == Some(OnOff::On);
        if framed(&self) && hostdevs.iter().filter(framed).count() > 1 {
            refuse!(unsupported, "Only one vgpu device can have 'ramfb' enabled");
        }
        Ok(())
    }

    fn check_emulator(&self, setting: &Setting<'_>) -> Result<()> {
        let known = setting.emulator.is_some();
        match &self.source {
            HostdevSource::Pci { write_filtering: Some(_), .. } => refuse!(
                unsupported,
                "Write filtering of PCI device configuration space is not supported by qemu"
            ),
            HostdevSource::Pci { .. } => match self.backend {
                Some(PciBackend::Kvm | PciBackend::Xen) => {
                    refuse!(unsupported, "host doesn't support legacy PCI passthrough")
                }
                _ if known && !setting.has(Flag::VfioPci) => refuse!(
                    unsupported,
                    "VFIO PCI device assignment is not supported by this version of qemu"
                ),
                _ => Ok(()),
            },
            HostdevSource::ScsiHost { .. } => {
                if self.info.boot.is_some() {
                    refuse!(
                        unsupported,
                        "booting from assigned devices is not supported by vhost SCSI devices"
                    );
                }
                if known && !setting.has(Flag::VhostScsi) {
                    refuse!(unsupported, "This QEMU doesn't support vhost-scsi devices");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the daemon takes the device from the host and gives it back.
    pub(super) fn is_managed(&self) -> bool {
        self.managed == YesNo::Yes && self.host_pci().is_some()
    }
}
