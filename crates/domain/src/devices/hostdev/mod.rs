//! `<hostdev>`: devices of the host that the guest has to itself. PCI, USB, mediated and SCSI ones.

mod qemu;
mod rules;
mod source;

use ostler_base::{Error, OnOff, Result, YesNo, refuse, words};
use ostler_plan::{Action, Facts, Part, Query, Resource, ResourceKind};
use ostler_vocab::address::{Address, DriveAddress, PciAddress};
use ostler_xml::{El, Element};

use super::interface::Teaming;
use super::{Build, Device, Info, Kind, Slot, VirtioModel};
use crate::{Draft, Head, HostFacts, Setting, WriteMode};

pub(crate) use qemu::add_pci;
pub use source::{GuestReset, HostdevSource, HostdevType, IscsiSource, UsbSource};

words! {
    /// `<driver name='…'>`
    pub PciBackend { Kvm = "kvm", Vfio = "vfio", Xen = "xen" }
    /// `model` of mediated devices.
    pub MdevModel { VfioPci = "vfio-pci", VfioCcw = "vfio-ccw", VfioAp = "vfio-ap" }
    /// `sgio`
    pub HostdevSgio { Filtered = "filtered", Unfiltered = "unfiltered" }
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hostdev {
    /// `type` and `<source>`
    pub source: HostdevSource,
    /// `managed`
    pub managed: YesNo,
    /// `<driver name=…>`
    pub backend: Option<PciBackend>,
    /// `<driver model=…>`: the host's driver.
    pub driver: Option<String>,
    /// `model` of mediated devices.
    pub model: Option<MdevModel>,
    /// `model` of vhost-scsi.
    pub virtio_model: Option<VirtioModel>,
    /// `display`
    pub display: Option<OnOff>,
    /// `ramfb`
    pub ramfb: Option<OnOff>,
    /// `rawio`
    pub rawio: Option<YesNo>,
    /// `sgio`
    pub sgio: Option<HostdevSgio>,
    /// `<readonly/>`
    pub readonly: bool,
    /// `<shareable/>`
    pub shareable: bool,
    /// `<teaming>`
    pub teaming: Option<Teaming>,
    info: Info,
}

impl Kind for Hostdev {
    const ELEMENT: &'static str = "hostdev";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn is_meant(&self, said: &Self, _whole: &Self) -> bool {
        self.source == said.source
    }

    fn parse(el: &Element<'_>) -> Result<Self> {
        match el.attr("mode") {
            None | Some("subsystem") => {}
            Some("capabilities") => {
                refuse!(unsupported, "hostdev mode 'capabilities' is not supported in qemu")
            }
            Some(mode) => refuse!(xml, "Unexpected hostdev mode '{mode}'"),
        }
        let kind: HostdevType = match el.attr("type") {
            Some(_) => el.require_word("type")?,
            None => refuse!(xml, "missing source device type"),
        };
        let source =
            el.child("source").ok_or_else(|| Error::xml("Missing <source> element in hostdev device"))?;
        let driver = el.child("driver");
        let mdev = kind == HostdevType::Mdev;
        Ok(Hostdev {
            source: HostdevSource::parse(kind, &source)?,
            managed: el.yes_no("managed")?.unwrap_or(YesNo::No),
            backend: driver.map(|d| d.word("name")).transpose()?.flatten(),
            driver: driver.and_then(|d| d.attr("model")).map(str::to_owned),
            model: if mdev { Some(el.require_word("model")?) } else { None },
            virtio_model: if kind == HostdevType::ScsiHost { el.word("model")? } else { None },
            display: el.on_off("display")?,
            ramfb: el.on_off("ramfb")?,
            rawio: el.yes_no("rawio")?,
            sgio: el.word("sgio")?,
            readonly: el.child("readonly").is_some(),
            shareable: el.child("shareable").is_some(),
            teaming: Teaming::parse(el)?,
            info: Info::default(),
        })
    }
}

impl Hostdev {
    /// PCI devices of the host that no driver is named for are passed by VFIO.
    pub(crate) fn settle_backend(&mut self) {
        if matches!(self.source, HostdevSource::Pci { .. }) {
            self.backend.get_or_insert(PciBackend::Vfio);
        }
    }

    /// Whether it takes a unit of a virtual SCSI controller.
    pub(crate) fn is_scsi(&self) -> bool {
        self.source.kind() == HostdevType::Scsi
    }

    /// Its unit, once it has one.
    pub(crate) fn drive(&self) -> Option<DriveAddress> {
        match self.info.address {
            Some(Address::Drive(drive)) => Some(drive),
            _ => None,
        }
    }

    /// The PCI function of the host that it is.
    pub(crate) fn host_pci(&self) -> Option<PciAddress> {
        match &self.source {
            HostdevSource::Pci { address, .. } => Some(*address),
            _ => None,
        }
    }
}

impl Device for Hostdev {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("hostdev")
            .attr("mode", "subsystem")
            .attr("type", self.source.kind())
            .attr("managed", self.managed)
            .attr_opt("sgio", self.sgio)
            .attr_opt("model", self.model)
            .attr_opt("model", self.virtio_model)
            .attr_opt("rawio", self.rawio)
            .attr_opt("display", self.display)
            .attr_opt("ramfb", self.ramfb);
        el.push_filled(
            El::new("driver").attr_opt("name", self.backend).attr_opt("model", self.driver.as_ref()),
        );
        el.push(self.source.format());
        el.extend(self.teaming.as_ref().map(Teaming::format));
        if self.readonly {
            el.push(El::new("readonly"));
        }
        if self.shareable {
            el.push(El::new("shareable"));
        }
        el
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        if self.model == Some(MdevModel::VfioPci) {
            self.display.get_or_insert(OnOff::Off);
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        self.check(draft, setting)
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match (&self.source, self.model) {
            (HostdevSource::Pci { .. }, _) | (HostdevSource::Mdev { .. }, Some(MdevModel::VfioPci)) => {
                Slot::Pcie
            }
            (HostdevSource::ScsiHost { .. }, _) => self.virtio_model.unwrap_or(VirtioModel::Plain).slot(),
            _ => Slot::None,
        }
    }

    fn isolation(&self, host: &HostFacts) -> u32 {
        let group = self.host_pci().and_then(|pci| host.iommu_groups.get(&pci.to_string()));
        group.map_or(0, |group| group + 1)
    }

    fn is_virtio(&self) -> bool {
        matches!(self.source, HostdevSource::ScsiHost { .. }) || self.model == Some(MdevModel::VfioCcw)
    }

    fn usb_turn(&self) -> Option<u8> {
        matches!(self.source, HostdevSource::Usb(_)).then_some(1)
    }

    fn skips_named(&self) -> bool {
        true
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("hostdev{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if self.is_scsi() {
            return self.add_scsi(build);
        }
        if self.info.address == Some(Address::Unassigned) {
            return Ok(());
        }
        let mut props = self.props(build)?;
        props.set_opt("display", self.display.map(|display| display.to_string()));
        props.set_opt("ramfb", self.ramfb.filter(|r| r.is_true()).map(OnOff::is_true));
        props.set_opt("bootindex", self.info.boot_index);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn ask(&self, _setting: &Setting<'_>, out: &mut Vec<Query>) {
        out.extend(self.scsi_query());
        out.extend(self.host_pci().map(|pci| Query::IommuGroup(pci.to_string())));
        if let HostdevSource::Iscsi(iscsi) = &self.source {
            out.extend(iscsi.auth.as_ref().map(|auth| Query::Secret(auth.secret.question())));
        }
    }

    fn actions(&self, _build: &Build<'_>, out: &mut Vec<Action>) -> Result<()> {
        if let Some(pci) = self.host_pci().filter(|_| self.is_managed()) {
            out.push(Action::DetachPci { address: pci.to_string(), driver: self.driver.clone() });
        }
        Ok(())
    }

    fn cleanup(&self, _draft: &Draft, _setting: &Setting<'_>, out: &mut Vec<Action>) {
        if let Some(pci) = self.host_pci().filter(|_| self.is_managed()) {
            out.push(Action::ReattachPci { address: pci.to_string() });
        }
    }

    fn resources_found(&self, facts: &Facts, out: &mut Vec<Resource>) -> Result<()> {
        let nodes = [self.scsi_query(), self.host_pci().map(|pci| Query::IommuGroup(pci.to_string()))];
        for query in nodes.into_iter().flatten() {
            let node = facts.path(&query)?;
            out.extend(node.map(|path| Resource::new(path, ResourceKind::Device).writable()));
        }
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        let device = |path: String| Resource::new(path, ResourceKind::Device).writable();
        match &self.source {
            HostdevSource::Usb(UsbSource { address: Some((bus, number)), .. }) => {
                out.push(device(format!("/dev/bus/usb/{bus:03}/{number:03}")));
            }
            HostdevSource::ScsiHost { .. } => out.push(device("/dev/vhost-scsi".to_owned()).shared()),
            HostdevSource::Pci { .. } | HostdevSource::Mdev { .. } => {
                out.push(device("/dev/vfio/vfio".to_owned()).shared());
            }
            _ => {}
        }
    }
}
