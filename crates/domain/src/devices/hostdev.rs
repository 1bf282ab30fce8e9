//! `<hostdev>`: devices of the host that the guest has to itself. PCI, USB, mediated and SCSI ones.

use ostler_base::{Error, OnOff, Result, YesNo, refuse, words};
use ostler_plan::{FdKind, FdSource, Part, Props, Resource, ResourceKind};
use ostler_vocab::address::{Address, DriveAddress, PciAddress};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<hostdev type='…'>`
    pub HostdevType { Usb = "usb", Pci = "pci", Scsi = "scsi", ScsiHost = "scsi_host", Mdev = "mdev" }
    /// `<driver name='…'>`
    pub PciBackend { Kvm = "kvm", Vfio = "vfio", Xen = "xen" }
    /// `model` of mediated devices.
    pub MdevModel { VfioPci = "vfio-pci", VfioCcw = "vfio-ccw", VfioAp = "vfio-ap" }
}

/// Which device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostdevSource {
    /// A PCI function.
    Pci(PciAddress),
    /// A USB device.
    Usb {
        /// `<vendor id=…>`
        vendor: Option<u16>,
        /// `<product id=…>`
        product: Option<u16>,
        /// `<address bus= device=>`
        address: Option<(u32, u32)>,
        /// `startupPolicy`
        startup_policy: Option<super::disk::StartupPolicy>,
    },
    /// A unit of a SCSI adapter.
    Scsi {
        /// `<adapter name=…>`
        adapter: String,
        /// `<address bus= target= unit=>`
        address: (u32, u32, u64),
    },
    /// A target of vhost-scsi.
    ScsiHost {
        /// `wwpn`
        wwpn: String,
    },
    /// A mediated device.
    Mdev {
        /// `<address uuid=…>`
        uuid: String,
    },
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
    /// `<readonly/>`
    pub readonly: bool,
    /// `<shareable/>`
    pub shareable: bool,
    /// `<teaming type= persistent=>`, as it stands.
    pub teaming: Option<(String, Option<String>)>,
    info: Info,
}

impl HostdevSource {
    fn kind(&self) -> HostdevType {
        match self {
            HostdevSource::Pci(_) => HostdevType::Pci,
            HostdevSource::Usb { .. } => HostdevType::Usb,
            HostdevSource::Scsi { .. } => HostdevType::Scsi,
            HostdevSource::ScsiHost { .. } => HostdevType::ScsiHost,
            HostdevSource::Mdev { .. } => HostdevType::Mdev,
        }
    }

    fn parse(kind: HostdevType, source: &Element<'_>) -> Result<Self> {
        let address = source.child("address");
        let placed = || address.ok_or_else(|| Error::xml("missing source address of a host device"));
        Ok(match kind {
            HostdevType::Pci => HostdevSource::Pci(PciAddress::parse(&placed()?)?),
            HostdevType::Usb => {
                let id = |name: &str| -> Result<Option<u16>> {
                    source.child(name).map(|c| c.number_in("id", 0)).transpose().map(Option::flatten)
                };
                let (vendor, product) = (id("vendor")?, id("product")?);
                if vendor.is_some() != product.is_some() {
                    refuse!(xml, "missing {}", if vendor.is_some() { "product" } else { "vendor" });
                }
                HostdevSource::Usb {
                    vendor,
                    product,
                    address: match address {
                        Some(a) => Some((a.require_number("bus")?, a.require_number("device")?)),
                        None => None,
                    },
                    startup_policy: source.word("startupPolicy")?,
                }
            }
            HostdevType::Scsi => {
                if source.has_attr("protocol") && source.attr("protocol") != Some("adapter") {
                    refuse!(unsupported, "SCSI host devices over a network are not supported yet");
                }
                let adapter = source.child("adapter").and_then(|a| a.attr("name"));
                let place = placed()?;
                HostdevSource::Scsi {
                    adapter: adapter
                        .ok_or_else(|| Error::xml("'adapter' must be specified for scsi hostdev source"))?
                        .to_owned(),
                    address: (
                        place.require_number("bus")?,
                        place.require_number("target")?,
                        place.require_number("unit")?,
                    ),
                }
            }
            HostdevType::ScsiHost => HostdevSource::ScsiHost { wwpn: source.require("wwpn")?.to_owned() },
            HostdevType::Mdev => HostdevSource::Mdev { uuid: placed()?.require("uuid")?.to_owned() },
        })
    }

    fn format(&self) -> El {
        let mut source = El::new("source");
        match self {
            HostdevSource::Pci(pci) => source.push(
                El::new("address")
                    .attr("domain", format_args!("0x{:04x}", pci.domain))
                    .attr("bus", format_args!("0x{:02x}", pci.bus))
                    .attr("slot", format_args!("0x{:02x}", pci.slot))
                    .attr("function", format_args!("0x{:x}", pci.function)),
            ),
            HostdevSource::Usb { vendor, product, address, startup_policy } => {
                source.set_opt("startupPolicy", *startup_policy);
                let id =
                    |name: &'static str, value: u16| El::new(name).attr("id", format_args!("0x{value:04x}"));
                source.extend(vendor.map(|vendor| id("vendor", vendor)));
                source.extend(product.map(|product| id("product", product)));
                source.extend(
                    address.map(|(bus, device)| El::new("address").attr("bus", bus).attr("device", device)),
                );
            }
            HostdevSource::Scsi { adapter, address: (bus, target, unit) } => {
                source.push(El::new("adapter").attr("name", adapter));
                source.push(El::new("address").attr("bus", bus).attr("target", target).attr("unit", unit));
            }
            HostdevSource::ScsiHost { wwpn } => {
                source.set("protocol", "vhost");
                source.set("wwpn", wwpn);
            }
            HostdevSource::Mdev { uuid } => source.push(El::new("address").attr("uuid", uuid)),
        }
        source
    }
}

impl Kind for Hostdev {
    const ELEMENT: &'static str = "hostdev";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn is_meant(&self, said: &Self, _whole: &Self) -> bool {
        self.source == said.source
    }

    fn parse(el: &Element<'_>) -> Result<Self> {
        if el.attr("mode").is_some_and(|mode| mode != "subsystem") {
            refuse!(unsupported, "host devices of mode 'capabilities' are not supported");
        }
        let kind: HostdevType = match el.attr("type") {
            Some(_) => el.require_word("type")?,
            None => refuse!(xml, "missing source device type"),
        };
        let source =
            el.child("source").ok_or_else(|| Error::xml("Missing <source> element in hostdev device"))?;
        let mdev = kind == HostdevType::Mdev;
        Ok(Hostdev {
            source: HostdevSource::parse(kind, &source)?,
            managed: el.yes_no("managed")?.unwrap_or(YesNo::No),
            backend: el.child("driver").map(|d| d.word("name")).transpose()?.flatten(),
            model: if mdev { Some(el.require_word("model")?) } else { None },
            virtio_model: if kind == HostdevType::ScsiHost { el.word("model")? } else { None },
            display: el.on_off("display")?,
            ramfb: el.on_off("ramfb")?,
            rawio: el.yes_no("rawio")?,
            readonly: el.child("readonly").is_some(),
            shareable: el.child("shareable").is_some(),
            teaming: match el.child("teaming") {
                Some(t) => Some((t.require("type")?.to_owned(), t.attr("persistent").map(str::to_owned))),
                None => None,
            },
            info: Info::default(),
        })
    }
}

impl Hostdev {
    /// PCI devices of the host that no driver is named for are passed by VFIO.
    pub(crate) fn settle_backend(&mut self) {
        if matches!(self.source, HostdevSource::Pci(_)) {
            self.backend.get_or_insert(PciBackend::Vfio);
        }
    }

    /// Whether it takes a unit of a virtual SCSI controller.
    pub(crate) fn is_scsi(&self) -> bool {
        matches!(self.source, HostdevSource::Scsi { .. })
    }

    /// Its unit, once it has one.
    pub(crate) fn drive(&self) -> Option<DriveAddress> {
        match self.info.address {
            Some(Address::Drive(drive)) => Some(drive),
            _ => None,
        }
    }

    fn scsi(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let number = build.draft.devices.disks.len() + 1;
        let at = build.draft.devices.hostdevs.iter().filter(|h| h.is_scsi());
        let before = at.take_while(|h| h.info().alias != self.info.alias).count();
        let node = format!("libvirt-{}-backend", number + before);
        let props = Props::new()
            .with("driver", "host_device")
            .with("filename", "/dev/sg0")
            .with("node-name", node.as_str())
            .with("read-only", self.readonly);
        build.parts.push(Part::Blockdev(props));
        let drive = self.drive().unwrap_or_default();
        let mut props = Props::new().with("driver", "scsi-generic");
        if self.shareable {
            props.set("share-rw", true);
        }
        props.set("drive", node);
        props.set("id", alias);
        props.set("bus", format!("scsi{}.0", drive.controller));
        let controllers = &build.draft.devices.controllers;
        let lsi = controllers.iter().any(|c| {
            c.kind == super::controller::ControllerType::Scsi
                && c.index == Some(drive.controller)
                && c.model.as_deref() == Some("lsilogic")
        });
        if lsi {
            props.set("scsi-id", drive.unit);
        } else {
            props.set("channel", drive.bus);
            props.set("scsi-id", drive.target);
            props.set("lun", drive.unit);
        }
        props.set_opt("bootindex", self.info.boot_index);
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn props(&self, build: &mut Build<'_>) -> Result<Props> {
        let alias = self.info.alias();
        Ok(match &self.source {
            HostdevSource::Pci(pci) => {
                let nohotplug = self.ramfb == Some(OnOff::On);
                Props::new()
                    .with("driver", if nohotplug { "vfio-pci-nohotplug" } else { "vfio-pci" })
                    .with("host", pci.to_string())
                    .with("id", alias)
                    .with_opt(
                        "failover_pair_id",
                        self.teaming.as_ref().and_then(|(_, persistent)| persistent.clone()),
                    )
            }
            HostdevSource::Mdev { uuid } => {
                let nohotplug = self.ramfb == Some(OnOff::On);
                let model = self.model.unwrap_or(MdevModel::VfioPci);
                let driver = if nohotplug { format!("{model}-nohotplug") } else { model.to_string() };
                Props::new()
                    .with("driver", driver)
                    .with("id", alias)
                    .with("sysfsdev", format!("/sys/bus/mdev/devices/{uuid}"))
            }
            HostdevSource::Usb { address, vendor, product, .. } => {
                let mut props = Props::new().with("driver", "usb-host");
                match address {
                    Some((bus, device)) => {
                        props.set("hostdevice", format!("/dev/bus/usb/{bus:03}/{device:03}"));
                    }
                    None => {
                        props.set_opt("vendorid", *vendor);
                        props.set_opt("productid", *product);
                    }
                }
                props.with("id", alias)
            }
            HostdevSource::ScsiHost { wwpn } => {
                let fd = build.fds.add(FdKind::VhostScsi, FdSource::Open("/dev/vhost-scsi".into()));
                let model = self.virtio_model.unwrap_or(VirtioModel::Plain);
                Props::new()
                    .with("driver", model.driver("vhost-scsi", &self.info)?)
                    .with("wwpn", wwpn.as_str())
                    .with("vhostfd", fd.to_string())
                    .with("id", alias)
            }
            HostdevSource::Scsi { .. } => Props::new(),
        })
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
            .attr_opt("model", self.model)
            .attr_opt("model", self.virtio_model)
            .attr_opt("rawio", self.rawio)
            .attr_opt("display", self.display)
            .attr_opt("ramfb", self.ramfb);
        el.extend(self.backend.map(|name| El::new("driver").attr("name", name)));
        el.push(self.source.format());
        el.extend(self.teaming.as_ref().map(|(kind, persistent)| {
            El::new("teaming").attr("type", kind).attr_opt("persistent", persistent.as_ref())
        }));
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

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        let same = draft.devices.hostdevs.iter().filter(|other| other.source == self.source).count();
        if same > 1 {
            refuse!(xml, "Hostdev already exists in the domain configuration");
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match (&self.source, self.model) {
            (HostdevSource::Pci(_), _) | (HostdevSource::Mdev { .. }, Some(MdevModel::VfioPci)) => Slot::Pcie,
            (HostdevSource::ScsiHost { .. }, _) => self.virtio_model.unwrap_or(VirtioModel::Plain).slot(),
            _ => Slot::None,
        }
    }

    fn isolation(&self, host: &crate::HostFacts) -> u32 {
        match &self.source {
            HostdevSource::Pci(pci) => host.iommu_groups.get(&pci.to_string()).map_or(0, |group| group + 1),
            _ => 0,
        }
    }

    fn is_virtio(&self) -> bool {
        matches!(self.source, HostdevSource::ScsiHost { .. }) || self.model == Some(MdevModel::VfioCcw)
    }

    fn usb_turn(&self) -> Option<u8> {
        matches!(self.source, HostdevSource::Usb { .. }).then_some(1)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("hostdev{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if self.is_scsi() {
            return self.scsi(build);
        }
        let mut props = self.props(build)?;
        props.set_opt("display", self.display.map(|display| display.to_string()));
        props.set_opt("ramfb", self.ramfb.filter(|r| r.is_true()).map(OnOff::is_true));
        props.set_opt("bootindex", self.info.boot_index);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        let device = |path: String| Resource::new(path, ResourceKind::Device).writable();
        match &self.source {
            HostdevSource::Usb { address: Some((bus, number)), .. } => {
                out.push(device(format!("/dev/bus/usb/{bus:03}/{number:03}")));
            }
            HostdevSource::ScsiHost { .. } => out.push(device("/dev/vhost-scsi".to_owned()).shared()),
            HostdevSource::Pci(_) | HostdevSource::Mdev { .. } => {
                out.push(device("/dev/vfio/vfio".to_owned()).shared());
            }
            HostdevSource::Usb { .. } | HostdevSource::Scsi { .. } => {}
        }
    }
}
