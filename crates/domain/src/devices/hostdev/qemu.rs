//! What a host device is in the emulator.

use ostler_base::{OnOff, Result};
use ostler_plan::{FdKind, FdSource, Part, Props, Query};
use ostler_vocab::address::PciAddress;

use super::source::{GuestReset, HostdevSource, IscsiSource, UsbSource};
use super::{Hostdev, MdevModel};
use crate::devices::controller::ControllerType;
use crate::devices::{Build, Device, Info, VirtioModel};

/// Adds a PCI function of the host; the card named by `pair` takes over where it goes away.
pub(crate) fn add_pci(
    host: &PciAddress,
    pair: Option<&str>,
    info: &Info,
    build: &mut Build<'_>,
) -> Result<()> {
    let mut props = Props::new()
        .with("driver", "vfio-pci")
        .with("host", host.to_string())
        .with("id", info.alias())
        .with_opt("failover_pair_id", pair);
    props.set_opt("bootindex", info.boot_index);
    info.bus_props(build, &mut props)?;
    build.parts.push(Part::Device(props));
    Ok(())
}

impl UsbSource {
    fn props(&self) -> Props {
        let mut props = Props::new().with("driver", "usb-host");
        match self.address {
            Some((bus, device)) => props.set("hostdevice", format!("/dev/bus/usb/{bus:03}/{device:03}")),
            None => {
                props.set_opt("vendorid", self.vendor);
                props.set_opt("productid", self.product);
            }
        }
        if let Some(reset) = self.guest_reset {
            props.set("guest-reset", reset != GuestReset::Off);
            props.set("guest-resets-all", reset == GuestReset::On);
        }
        props
    }
}

impl Hostdev {
    /// The question for the node of a SCSI unit.
    pub(super) fn scsi_query(&self) -> Option<Query> {
        match &self.source {
            HostdevSource::Scsi { adapter, address: (bus, target, unit) } => {
                Some(Query::ScsiGeneric { adapter: adapter.clone(), bus: *bus, target: *target, unit: *unit })
            }
            _ => None,
        }
    }

    fn scsi_node(&self, build: &Build<'_>) -> String {
        let number = build.draft.devices.disks.len() + 1;
        let units = build.draft.devices.hostdevs.iter().filter(|h| h.is_scsi());
        let before = units.take_while(|h| h.info().alias != self.info.alias).count();
        format!("libvirt-{}-backend", number + before)
    }

    fn iscsi_props(&self, iscsi: &IscsiSource, node: &str, build: &mut Build<'_>) -> Result<Props> {
        let (target, unit) = iscsi.target();
        let (host, port) = &iscsi.host;
        let mut props = Props::new()
            .with("driver", "iscsi")
            .with("portal", format!("{host}:{port}"))
            .with("target", target)
            .with("lun", unit)
            .with("transport", "tcp");
        if let Some(auth) = &iscsi.auth {
            let secret = format!("{node}-secret0");
            build.add_secret(&secret, &auth.secret.question())?;
            props.set("user", auth.username.as_str());
            props.set("password-secret", secret);
        }
        props.set_opt("initiator-name", iscsi.initiator.as_deref());
        Ok(props)
    }

    pub(super) fn add_scsi(&self, build: &mut Build<'_>) -> Result<()> {
        let node = self.scsi_node(build);
        let backend = match &self.source {
            HostdevSource::Iscsi(iscsi) => self.iscsi_props(iscsi, &node, build)?,
            _ => {
                let path = match self.scsi_query() {
                    Some(query) => build.facts.path(&query)?.map(|path| path.display().to_string()),
                    None => None,
                };
                Props::new().with("driver", "host_device").with_opt("filename", path)
            }
        };
        let backend = backend.with("node-name", node.as_str()).with("read-only", self.readonly);
        build.parts.push(Part::Blockdev(backend));
        let drive = self.drive().unwrap_or_default();
        let mut props = Props::new().with("driver", "scsi-generic");
        if self.shareable {
            props.set("share-rw", true);
        }
        props.set("drive", node);
        props.set("id", self.info.alias());
        let controllers = &build.draft.devices.controllers;
        let own = |c: &&crate::devices::controller::Controller| {
            c.kind == ControllerType::Scsi && c.index == Some(drive.controller)
        };
        let controller = controllers.iter().find(own);
        let bus = controller.map_or_else(|| format!("scsi{}.0", drive.controller), |c| c.bus_name());
        props.set("bus", bus);
        if controller.is_some_and(|c| c.model.as_deref() == Some("lsilogic")) {
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

    pub(super) fn props(&self, build: &mut Build<'_>) -> Result<Props> {
        let alias = self.info.alias();
        let pinned = self.ramfb == Some(OnOff::On);
        Ok(match &self.source {
            HostdevSource::Pci { address, .. } => Props::new()
                .with("driver", if pinned { "vfio-pci-nohotplug" } else { "vfio-pci" })
                .with("host", address.to_string())
                .with("id", alias)
                .with_opt(
                    "failover_pair_id",
                    self.teaming.as_ref().and_then(|teaming| teaming.persistent.clone()),
                ),
            HostdevSource::Mdev { uuid } => {
                let model = self.model.unwrap_or(MdevModel::VfioPci);
                let driver = if pinned { format!("{model}-nohotplug") } else { model.to_string() };
                Props::new()
                    .with("driver", driver)
                    .with("id", alias)
                    .with("sysfsdev", format!("/sys/bus/mdev/devices/{uuid}"))
            }
            HostdevSource::Usb(usb) => usb.props().with("id", alias),
            HostdevSource::ScsiHost { wwpn } => {
                let fd = build.fds.add(FdKind::VhostScsi, FdSource::Open("/dev/vhost-scsi".into()));
                let model = self.virtio_model.unwrap_or(VirtioModel::Plain);
                Props::new()
                    .with("driver", model.driver("vhost-scsi", &self.info)?)
                    .with("wwpn", wwpn.as_str())
                    .with("vhostfd", fd.to_string())
                    .with("id", alias)
            }
            HostdevSource::Scsi { .. } | HostdevSource::Iscsi(_) => Props::new(),
        })
    }
}
