//! Disks: `-drive`, `-hda` and their kind, and the devices that show a medium to the guest.
//!
//! Owns: `<disk>` but for what is in `storage`. Never: follows a chain of nodes.

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use super::device::{Bus, Device, on_off};
use super::storage::{Medium, policy_word};
use crate::values::Values;

/// How a disk is attached.
struct Attachment<'a> {
    bus: &'a str,
    device: &'a str,
    target: String,
    removable: Option<&'static str>,
    rotation: Option<u64>,
}

impl<'a> Attachment<'a> {
    fn new(bus: &'a str, device: &'a str, target: String) -> Self {
        Attachment { bus, device, target, removable: None, rotation: None }
    }
}

impl Importer {
    /// `-hda FILE` and so on.
    pub(super) fn old_disk(&mut self, index: usize, name: &str, file: &str) -> bool {
        let mut values = Values::default();
        values.push("file", file);
        let (bus, place, media) = match name {
            "hda" | "" => ("ide", "0", None),
            "hdb" => ("ide", "1", None),
            "hdc" => ("ide", "2", None),
            "cdrom" => ("ide", "2", Some("cdrom")),
            "hdd" => ("ide", "3", None),
            "fda" => ("floppy", "0", None),
            "fdb" => ("floppy", "1", None),
            "sd" => ("sd", "0", None),
            _ => ("mtd", "0", None),
        };
        values.push("if", bus);
        values.push("index", place);
        if let Some(media) = media {
            values.push("media", media);
        }
        self.keep(Kind::Drive, index, values, "id")
    }

    /// Every `-drive` that is not only a back end.
    pub(super) fn attach_drives(&mut self) {
        let drives: Vec<_> = self.back_ends.iter().filter(|b| b.kind == Kind::Drive).cloned().collect();
        for drive in drives {
            let mut values = drive.values;
            let interface = values.take("if").unwrap_or_else(|| self.default_interface().to_owned());
            if interface == "none" {
                continue;
            }
            let done = match interface.as_str() {
                "pflash" => self.pflash(&mut values),
                _ => self.attach_drive(&interface, &mut values),
            };
            if done.is_some() && values.leftovers().is_empty() {
                self.claim(drive.index);
                continue;
            }
            if done.is_some() && interface != "pflash" {
                self.guest.devices.pop();
            }
        }
    }

    fn default_interface(&self) -> &'static str {
        if self.guest.machine.starts_with("s390") || self.guest.machine.starts_with("virt") {
            "virtio"
        } else {
            "ide"
        }
    }

    fn attach_drive(&mut self, interface: &str, values: &mut Values) -> Option<()> {
        let medium = self.drive_medium(values)?;
        let index = values.take_number("index");
        let (bus, unit) = (values.take_number("bus"), values.take_number("unit"));
        values.ignore(&["addr"]);
        let q35 = self.guest.machine.contains("q35");
        let place = |per_bus: u64| match (index, bus, unit) {
            (Some(index), ..) => Some(index),
            (None, None, None) => None,
            _ => Some(bus.unwrap_or(0).checked_mul(per_bus)?.checked_add(unit.unwrap_or(0))?),
        };
        let (word, prefix, place) = match interface {
            "ide" if q35 => ("sata", "sd", place(1)),
            "ide" => ("ide", "hd", place(2)),
            "scsi" => ("scsi", "sd", place(7)),
            "floppy" => ("fdc", "fd", place(2)),
            "virtio" => ("virtio", "vd", index),
            "sd" => ("sd", "sd", index),
            "xen" => ("xen", "xvd", index),
            _ => return None,
        };
        let kind = if interface == "floppy" {
            "floppy"
        } else if medium.cdrom {
            "cdrom"
        } else {
            "disk"
        };
        // Where nothing is said QEMU gives a CD-ROM the third place and others the lowest free one.
        let first = if kind == "cdrom" && word == "ide" && place.is_none() { 2 } else { 0 };
        let target = self.target(prefix, place.unwrap_or(first));
        let at = Attachment::new(word, kind, target);
        let el = self.disk(medium, at, None);
        self.guest.devices.push(el);
        Some(())
    }

    /// The name of a target: this one, or the next that is free.
    fn target(&self, prefix: &str, from: u64) -> String {
        let taken = |name: &str| self.guest.targets.iter().any(|target| target == name);
        let names = (from..from.saturating_add(10_000)).map(|n| format!("{prefix}{}", letters(n)));
        names.into_iter().find(|name| !taken(name)).unwrap_or_else(|| format!("{prefix}a"))
    }

    fn disk(&mut self, medium: Medium, at: Attachment<'_>, write_cache: Option<bool>) -> El {
        let mut el = El::new("disk").attr("type", medium.kind.unwrap_or("file")).attr("device", at.device);
        if medium.snapshot {
            self.remark(format!("disk '{}': snapshot=on became <transient/>", at.target));
        }
        let mut driver = El::new("driver").attr("name", "qemu").attr_opt("type", medium.format.as_deref());
        driver.set_opt("cache", medium.cache_word(write_cache));
        for (word, value) in &medium.driver {
            driver.set(*word, value);
        }
        if medium.format.is_some() || !medium.driver.is_empty() || medium.cache_word(write_cache).is_some() {
            el.push(driver);
        }
        el.extend(medium.source);
        el.extend(medium.backing);
        let target = El::new("target").attr("dev", &at.target).attr("bus", at.bus);
        el.push(target.attr_opt("removable", at.removable).attr_opt("rotation_rate", at.rotation));
        if !medium.iotune.is_empty() {
            let mut iotune = El::new("iotune");
            iotune.extend(medium.iotune);
            el.push(iotune);
        }
        if medium.read_only || at.device == "cdrom" {
            el.push(El::new("readonly"));
        }
        if medium.snapshot {
            el.push(El::new("transient"));
        }
        el.push_text("serial", medium.serial);
        self.guest.targets.push(at.target);
        el
    }

    /// A disk device: its medium, its place, and what all disks have.
    fn disk_device(&mut self, device: &mut Device, bus: &str, kind: &str, target: String) -> Option<El> {
        let mut medium = match device.values.take("drive") {
            Some(name) => self.medium(&name)?,
            None => Medium::default(),
        };
        device.claims.append(&mut medium.claims);
        medium.serial = device.values.take("serial").or(medium.serial);
        for (key, word) in [("werror", "error_policy"), ("rerror", "rerror_policy")] {
            if let Some(policy) = device.values.take(key).filter(|policy| policy != "auto") {
                medium.driver.push((word, policy_word(&policy).to_owned()));
            }
        }
        if let Some(thread) = device.values.take("iothread").and_then(|thread| self.iothread(&thread)) {
            medium.driver.push(("iothread", thread.to_string()));
        }
        for (key, word) in [("num-queues", "queues"), ("queue-size", "queue_size")] {
            medium.driver.extend(device.values.take_number(key).map(|n| (word, n.to_string())));
        }
        for word in ["ioeventfd", "event_idx"] {
            let on = device.values.take_truth(word);
            medium.driver.extend(on.map(|on| (word, on_off(on).to_owned())));
        }
        medium.driver.extend(device.virtio_options());
        let write = device.values.take_truth("write-cache");
        let blockio = block_sizes(device);
        let shared = device.values.take_truth("share-rw").unwrap_or(false);
        let boot = self.boot_order(device);
        let removable = device.values.take_truth("removable").map(on_off);
        let rotation = device.values.take_number("rotation_rate");
        let at = Attachment { bus, device: kind, target, removable, rotation };
        let mut el = self.disk(medium, at, write);
        if shared {
            el.push(El::new("shareable"));
        }
        el.extend(boot);
        el.push_filled(blockio);
        let wwn = device.values.take_number("wwn").map(|wwn| format!("{wwn:016x}"));
        el.push_text("wwn", wwn);
        el.push_text("vendor", device.values.take("vendor"));
        el.push_text("product", device.values.take_any(&["product", "model"]));
        if let Some(model) = device.virtio_model {
            el.set("model", model);
        }
        device.values.ignore(&["id", "scsi"]);
        Some(el)
    }
}

fn block_sizes(device: &mut Device) -> El {
    let mut el = El::new("blockio");
    for word in ["logical_block_size", "physical_block_size", "discard_granularity"] {
        el.set_opt(word, device.values.take_number(word));
    }
    el
}

/// `a` … `z`, `aa` …
fn letters(mut n: u64) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'a' + (n % 26) as u8);
        match (n / 26).checked_sub(1) {
            Some(next) => n = next,
            None => break,
        }
    }
    name.iter().rev().map(|b| char::from(*b)).collect()
}

/// `virtio-blk`.
pub(super) fn virtio(importer: &mut Importer, device: &mut Device) -> Option<El> {
    // The daemon counts its own ids by the target's letter.
    let place = device.id().strip_prefix("virtio-disk").and_then(|n| n.parse().ok());
    let target = importer.target("vd", place.unwrap_or(0));
    let mut el = importer.disk_device(device, "virtio", "disk", target)?;
    importer.place(device, &mut el);
    Some(el)
}

/// `ide-hd`, `ide-cd` on the machine's IDE or on a SATA controller.
pub(super) fn ide(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let kind = if device.base == "ide-cd" { "cdrom" } else { "disk" };
    let bus = device.values.take("bus");
    let unit = device.values.take_number("unit");
    let number = bus.as_deref().and_then(|bus| bus.rsplit_once('.')).and_then(|(_, n)| n.parse::<u64>().ok());
    let extra = bus.as_deref().and_then(|bus| importer.buses.get(bus));
    let (word, controller, port) = match extra {
        Some(Bus::Sata(controller)) => ("sata", controller, number),
        _ if importer.guest.machine.contains("q35") => ("sata", 0, number),
        _ => ("ide", 0, number),
    };
    let (target, address) = if word == "sata" {
        let from = port.filter(|_| controller == 0).unwrap_or(0);
        (importer.target("sd", from), port.map(|port| (0, port)))
    } else {
        let place = number.map(|bus| bus.checked_mul(2)?.checked_add(unit.unwrap_or(0)));
        (importer.target("hd", place.flatten().unwrap_or(0)), number.map(|bus| (bus, unit.unwrap_or(0))))
    };
    let mut el = importer.disk_device(device, word, kind, target)?;
    if let Some((bus, unit)) = address {
        el.push(drive_address(u64::from(controller), bus, 0, unit));
    }
    Some(el)
}

fn drive_address(controller: u64, bus: u64, target: u64, unit: u64) -> El {
    let el = El::new("address").attr("type", "drive").attr("controller", controller).attr("bus", bus);
    el.attr("target", target).attr("unit", unit)
}

/// `scsi-hd`, `scsi-cd`, `scsi-block`.
pub(super) fn scsi(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let kind = match device.base.as_str() {
        "scsi-cd" => "cdrom",
        "scsi-block" => "lun",
        _ => "disk",
    };
    let address = scsi_address(importer, device);
    let target = importer.target("sd", 0);
    device.values.ignore(&["device_id"]);
    let mut el = importer.disk_device(device, "scsi", kind, target)?;
    el.extend(address);
    Some(el)
}

/// `bus=scsi0.0,channel=0,scsi-id=0,lun=0`.
pub(super) fn scsi_address(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let bus = device.values.get("bus").and_then(|bus| importer.buses.get(bus));
    let Some(Bus::Scsi(controller)) = bus else { return None };
    device.values.take("bus");
    let channel = device.values.take_number("channel").unwrap_or(0);
    let target = device.values.take_number("scsi-id").unwrap_or(0);
    let unit = device.values.take_number("lun").unwrap_or(0);
    Some(drive_address(u64::from(controller), channel, target, unit))
}

/// `usb-storage`.
pub(super) fn usb(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let target = importer.target("sd", 0);
    let mut el = importer.disk_device(device, "usb", "disk", target)?;
    importer.place(device, &mut el);
    Some(el)
}

/// `sd-card`.
pub(super) fn sd(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let target = importer.target("sd", 0);
    importer.disk_device(device, "sd", "disk", target)
}

/// `floppy`.
pub(super) fn floppy(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let unit = device.values.take_number("unit").unwrap_or(0);
    device.values.ignore(&["bus", "drive-type"]);
    let target = importer.target("fd", unit);
    let mut el = importer.disk_device(device, "fdc", "floppy", target)?;
    el.push(drive_address(0, 0, 0, unit));
    Some(el)
}

/// A floppy that its controller names (`driveA=`).
pub(super) fn floppy_of(importer: &mut Importer, device: &mut Device, drive: &str, unit: u64) -> Option<El> {
    let mut medium = importer.medium(drive)?;
    device.claims.append(&mut medium.claims);
    let target = importer.target("fd", unit);
    Some(importer.disk(medium, Attachment::new("fdc", "floppy", target), None))
}

/// `-usbdevice disk:FILE`.
pub(super) fn old_usb(importer: &mut Importer, file: &str) -> Option<El> {
    let (format, file) = match file.strip_prefix("format=").and_then(|rest| rest.split_once(':')) {
        Some((format, file)) => (format, file),
        None => ("raw", file.strip_prefix(':').unwrap_or(file)),
    };
    let (kind, source) = importer.file_name(file)?;
    let medium = Medium {
        kind: Some(kind),
        source: Some(source),
        format: Some(format.to_owned()),
        ..Medium::default()
    };
    let target = importer.target("sd", 0);
    Some(importer.disk(medium, Attachment::new("usb", "disk", target), None))
}
