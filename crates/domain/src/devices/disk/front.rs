//! The front end of a disk: what the guest sees.

use ostler_base::{Error, Json, OnOff, Result, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::{Chardev, ChardevBackend, Part, Props, SocketAddress};

use super::{CacheMode, Disk, DiskBus, DiskDevice, ErrorPolicy};
use crate::blocks::{Place, on};
use crate::devices::controller::ControllerType;
use crate::devices::{Build, Device, VirtioModel};

impl Disk {
    /// The properties of the front end.
    pub(super) fn front(&self, node: Option<String>, build: &mut Build<'_>) -> Result<Option<Props>> {
        let mut props = self.placed(build)?;
        if self.bus == Some(DiskBus::Virtio) {
            self.virtio_props(build, &mut props)?;
        }
        if self.shareable {
            props.set("share-rw", true);
        }
        if let Place::VhostUser { path, reconnect } = &self.image.place {
            let id = format!("chr-vu-{}", self.info().alias());
            let socket = ChardevBackend::Socket {
                address: SocketAddress::Unix(path.clone()),
                server: None,
                telnet: false,
                tls_creds: None,
                reconnect: reconnect.as_ref().and_then(|r| r.seconds()).map(u64::from),
                reconnect_ms: build.setting.has(Flag::ChardevReconnectMiliseconds),
            };
            build.parts.push(Part::Chardev(Chardev::new(id.as_str(), socket)));
            props.set("chardev", id);
        }
        let has_medium = node.is_some();
        props.set_opt("drive", node);
        props.set("id", self.info().alias());
        if self.bus != Some(DiskBus::Fdc) {
            props.set_opt("bootindex", self.info().boot_index);
        }
        props.set_opt("logical_block_size", self.blockio.logical);
        props.set_opt("physical_block_size", self.blockio.physical);
        props.set_opt("discard_granularity", self.blockio.discard_granularity);
        if let Some(geometry) = &self.geometry {
            props.set("cyls", geometry.cyls);
            props.set("heads", geometry.heads);
            props.set("secs", geometry.secs);
            props.set_opt("bios-chs-trans", geometry.trans.as_deref());
        }
        if let Some(wwn) = &self.wwn {
            let digits = wwn.trim_start_matches("0x");
            props.set_opt("wwn", u64::from_str_radix(digits, 16).ok());
        }
        props.set_opt("rotation_rate", self.rotation_rate);
        match self.bus {
            Some(DiskBus::Sata | DiskBus::Ide) => props.set_opt("model", self.product.as_deref()),
            _ => {
                props.set_opt("vendor", self.vendor.as_deref());
                props.set_opt("product", self.product.as_deref());
            }
        }
        match self.bus {
            Some(DiskBus::Usb) => props.set("removable", on(self.removable).unwrap_or(false)),
            Some(DiskBus::Scsi) if self.removable == Some(OnOff::On) => props.set("removable", true),
            _ => {}
        }
        let vhost = matches!(self.image.place, Place::VhostUser { .. });
        let write_cache = self
            .driver
            .cache
            .filter(|_| !vhost && self.device != DiskDevice::Lun)
            .map(|c| matches!(c, CacheMode::None | CacheMode::Writeback | CacheMode::Unsafe));
        if let Some(on) = write_cache {
            props.set("write-cache", OnOff::from(on).to_string());
        }
        self.error_policies(&mut props);
        if has_medium || vhost {
            props.set_opt("serial", self.serial.as_deref());
        }
        Ok(Some(props))
    }

    fn error_policies(&self, props: &mut Props) {
        let write = self.driver.error_policy;
        let word = |policy: ErrorPolicy| match policy {
            ErrorPolicy::Enospace => "enospc".to_owned(),
            other => other.to_string(),
        };
        props.set_opt("werror", write.map(word));
        let read = self.driver.rerror_policy.or(write.filter(|policy| *policy != ErrorPolicy::Enospace));
        props.set_opt("rerror", read.map(word));
    }

    fn virtio_props(&self, build: &mut Build<'_>, props: &mut Props) -> Result<()> {
        let driver = &self.driver;
        props.set_opt("iothread", driver.iothread.map(|nth| format!("iothread{nth}")));
        if !driver.iothreads.is_empty() {
            let threads = driver.iothreads.iter().map(|(id, queues)| {
                let queues: Vec<Json> = queues.iter().map(|queue| Json::from(*queue)).collect();
                let queues = Some(queues).filter(|queues| !queues.is_empty());
                Props::new().with("iothread", format!("iothread{id}")).with_opt("vqs", queues).into()
            });
            props.set("iothread-vq-mapping", threads.collect::<Vec<Json>>());
        }
        props.set_opt("ioeventfd", on(driver.ioeventfd));
        props.set_opt("event_idx", on(driver.event_idx));
        props.set_opt("num-queues", driver.queues);
        props.set_opt("queue-size", driver.queue_size);
        driver.virtio.props(props);
        self.info().bus_props(build, props)
    }

    /// Driver and place.
    fn placed(&self, build: &mut Build<'_>) -> Result<Props> {
        let drive = self.drive();
        let cdrom = self.device == DiskDevice::Cdrom;
        let controllers = &build.draft.devices.controllers;
        let find = |kind| {
            controllers.iter().find(|c| c.kind == kind && c.index == Some(drive.controller)).ok_or_else(
                || Error::internal(format!("no controller {} for disk '{}'", drive.controller, self.target)),
            )
        };
        let head = &build.draft.head;
        let bus_of = |kind| find(kind).map(|c| c.bus_alias(head).to_owned());
        let ide = if cdrom { "ide-cd" } else { "ide-hd" };
        Ok(match self.bus {
            Some(DiskBus::Ide) => Props::new()
                .with("driver", ide)
                .with("bus", format!("{}.{}", bus_of(ControllerType::Ide)?, drive.bus))
                .with("unit", drive.unit),
            Some(DiskBus::Sata) => Props::new()
                .with("driver", ide)
                .with("bus", format!("{}.{}", bus_of(ControllerType::Sata)?, drive.unit)),
            Some(DiskBus::Scsi) => {
                let controller = find(ControllerType::Scsi)?;
                let bus = format!("{}.0", controller.info().alias());
                let driver = match self.device {
                    DiskDevice::Cdrom => "scsi-cd",
                    DiskDevice::Lun => "scsi-block",
                    _ => "scsi-hd",
                };
                let mut props = Props::new().with("driver", driver).with("bus", bus);
                if controller.model.as_deref() == Some("lsilogic") {
                    props.set("scsi-id", drive.unit);
                } else {
                    props.set("channel", drive.bus);
                    props.set("scsi-id", drive.target);
                    props.set("lun", drive.unit);
                }
                if self.device != DiskDevice::Lun {
                    let id = match &self.serial {
                        Some(serial) => serial.clone(),
                        None => format!("drive-{}", self.info().alias()),
                    };
                    props.set("device_id", id);
                }
                props
            }
            Some(DiskBus::Virtio) => {
                let base = match self.image.place {
                    Place::VhostUser { .. } => "vhost-user-blk",
                    _ => "virtio-blk",
                };
                let model = self.model.unwrap_or(VirtioModel::Plain);
                let scsi = self.device == DiskDevice::Lun && build.setting.has(Flag::VirtioBlkPciScsi);
                Props::new()
                    .with("driver", model.driver(base, self.info())?)
                    .with_opt("scsi", scsi.then_some(true))
            }
            Some(DiskBus::Usb) => {
                let mut props = Props::new().with("driver", "usb-storage");
                self.info().bus_props(build, &mut props)?;
                props
            }
            Some(DiskBus::Fdc) => Props::new().with("driver", "floppy").with("unit", drive.unit),
            bus => {
                let bus = bus.map(|b| b.to_string()).unwrap_or_default();
                refuse!(unsupported, "disks on bus '{bus}' are not supported yet")
            }
        })
    }
}
