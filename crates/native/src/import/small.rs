//! Devices of a few words each.
//!
//! Owns: input, memballoon, rng, watchdog, panic, tpm, vsock, filesystem, shmem, memory, iommu, crypto.
//! Never: opens what they name.

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use super::device::{Device, on_off};
use crate::values::{Values, size};

fn virtio_model(device: &Device) -> &'static str {
    device.virtio_model.unwrap_or("virtio")
}

/// Mice, tablets, keyboards.
pub(super) fn input(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let (bus, kind) = device.base.split_once('-')?;
    let kind = if kind == "kbd" { "keyboard" } else { kind };
    let mut el = El::new("input").attr("type", kind).attr("bus", bus);
    if bus == "virtio" {
        let driver = device.virtio_driver();
        el.set_opt("model", device.virtio_model);
        el.push_filled(driver);
    } else {
        device.values.ignore_value("usb_version", "2");
    }
    importer.place(device, &mut el);
    Some(el)
}

/// `virtio-input-host`.
pub(super) fn input_host(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let path = device.values.take("evdev")?;
    let driver = device.virtio_driver();
    let mut el = El::new("input").attr("type", "passthrough").attr("bus", "virtio");
    el.set_opt("model", device.virtio_model);
    el.push_filled(driver);
    el.push(El::new("source").attr("evdev", path));
    importer.place(device, &mut el);
    Some(el)
}

/// The balloon.
pub(super) fn balloon(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let driver = device.virtio_driver();
    let mut el = El::new("memballoon").attr("model", virtio_model(device));
    el.set_opt("autodeflate", device.values.take_truth("deflate-on-oom").map(on_off));
    el.set_opt("freePageReporting", device.values.take_truth("free-page-reporting").map(on_off));
    el.push_filled(driver);
    importer.place(device, &mut el);
    Some(el)
}

/// Random numbers.
pub(super) fn rng(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let driver = device.virtio_driver();
    let mut el = El::new("rng").attr("model", virtio_model(device));
    let bytes = device.values.take_number("max-bytes");
    let period = device.values.take_number("period");
    if let Some(bytes) = bytes {
        el.push(El::new("rate").attr("bytes", bytes).attr_opt("period", period));
    }
    match device.values.take("rng") {
        Some(id) => {
            let (index, mut object) = importer.back_end(Kind::Object, &id)?;
            let backend = match object.take("qom-type")?.as_str() {
                "rng-random" => {
                    let path = object.take("filename").unwrap_or_else(|| "/dev/urandom".to_owned());
                    El::with_text("backend", path).attr("model", "random")
                }
                "rng-builtin" => El::new("backend").attr("model", "builtin"),
                "rng-egd" => {
                    device.values.push("egd", &object.take("chardev")?);
                    let source = importer.chardev(device, "egd")?;
                    source.element("backend").attr("model", "egd")
                }
                _ => return None,
            };
            el.push(backend);
            device.claims.push(index);
        }
        None => el.push(El::new("backend").attr("model", "builtin")),
    }
    el.push_filled(driver);
    importer.place(device, &mut el);
    Some(el)
}

/// Watchdogs.
pub(super) fn watchdog(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let action = importer.hints.watchdog_action.clone();
    let mut el =
        El::new("watchdog").attr("model", &device.base).attr("action", watchdog_action(action.as_deref()));
    importer.place(device, &mut el);
    Some(el)
}

pub(super) fn watchdog_action(word: Option<&str>) -> &str {
    match word {
        // QEMU pauses itself where the daemon makes the dump.
        Some("debug") | None => "reset",
        Some(word) => word,
    }
}

/// Crash devices.
pub(super) fn panic(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let model = if device.base == "pvpanic-pci" { "pvpanic" } else { "isa" };
    let mut el = El::new("panic").attr("model", model);
    if let Some(port) = device.values.take_number("ioport") {
        el.push(El::new("address").attr("type", "isa").attr("iobase", format!("0x{port:x}")));
    }
    importer.place(device, &mut el);
    Some(el)
}

/// TPMs.
pub(super) fn tpm(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.values.take("tpmdev")?;
    let (index, mut values) = importer.back_end(Kind::Tpmdev, &id)?;
    let backend = match values.take("type")?.as_str() {
        "passthrough" => {
            let path = values.take("path").unwrap_or_else(|| "/dev/tpm0".to_owned());
            values.ignore(&["cancel-path"]);
            El::new("backend").attr("type", "passthrough").child(El::new("device").attr("path", path))
        }
        "emulator" => {
            let chardev = values.take("chardev")?;
            let (socket, _) = importer.back_end(Kind::Chardev, &chardev)?;
            device.claims.push(socket);
            importer.remark(
                "tpm: the daemon starts swtpm itself, with state of its own; copy the old state there",
            );
            El::new("backend").attr("type", "emulator").attr("version", "2.0")
        }
        _ => return None,
    };
    device.claims.push(index);
    let model = if device.base == "tpm-tis-device" { "tpm-tis" } else { &device.base };
    let mut el = El::new("tpm").attr("model", model).child(backend);
    importer.place(device, &mut el);
    Some(el)
}

/// `vhost-vsock`.
pub(super) fn vsock(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let cid = device.values.take_number("guest-cid")?;
    device.values.ignore(&["vhostfd"]);
    let driver = device.virtio_driver();
    let mut el = El::new("vsock").attr("model", virtio_model(device));
    el.push(El::new("cid").attr("auto", "no").attr("address", cid));
    el.push_filled(driver);
    importer.place(device, &mut el);
    Some(el)
}

/// 9p and virtiofs.
pub(super) fn filesystem(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let options = device.virtio_options();
    if device.base == "vhost-user-fs" {
        let id = device.values.take("chardev")?;
        let (index, mut socket) = importer.back_end(Kind::Chardev, &id)?;
        let path = socket.take("path")?;
        device.claims.push(index);
        let queue = device.values.take_number("queue-size");
        let mut el = El::new("filesystem").attr("type", "mount");
        let driver = El::new("driver").attr("type", "virtiofs").attr_opt("queue", queue);
        el.push(super::device::with_attributes(driver, &options));
        el.push(El::new("source").attr("socket", path));
        el.push(El::new("target").attr("dir", device.values.take("tag")?));
        importer.place(device, &mut el);
        return Some(el);
    }
    let id = device.values.take("fsdev")?;
    let (index, mut values) = importer.back_end(Kind::Fsdev, &id)?;
    let mut el = directory(&mut values, &options)?;
    if !values.leftovers().is_empty() {
        return None;
    }
    device.claims.push(index);
    el.push(El::new("target").attr("dir", device.values.take("mount_tag")?));
    el.set_opt("model", device.virtio_model);
    if values.get("readonly").is_some_and(|v| v == "on") {
        el.push(El::new("readonly"));
    }
    importer.place(device, &mut el);
    Some(el)
}

/// `-fsdev` as the beginning of `<filesystem>`.
fn directory(values: &mut Values, options: &[(&'static str, String)]) -> Option<El> {
    values.ignore(&["readonly"]);
    let kind = values.take("fsdriver")?;
    let mut el = El::new("filesystem").attr("type", "mount");
    let mode = match values.take("security_model").as_deref() {
        None | Some("passthrough") => "passthrough",
        Some("mapped" | "mapped-xattr") => "mapped",
        Some("none") => "squash",
        Some(_) => return None,
    };
    if kind == "local" {
        el.set("accessmode", mode);
    }
    el.set_opt("multidevs", values.take("multidevs"));
    el.set_opt("fmode", values.take("fmode").map(|mode| mode.trim_start_matches('0').to_owned()));
    el.set_opt("dmode", values.take("dmode").map(|mode| mode.trim_start_matches('0').to_owned()));
    let word = match kind.as_str() {
        "local" => "path",
        "handle" => "handle",
        _ => return None,
    };
    let policy = values.take("writeout").map(|_| "immediate");
    let driver = El::new("driver").attr("type", word).attr_opt("wrpolicy", policy);
    el.push(super::device::with_attributes(driver, options));
    el.push(El::new("source").attr("dir", values.take("path")?));
    Some(el)
}

impl Importer {
    /// `-virtfs local,path=…,mount_tag=…`.
    pub(super) fn virtfs(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "fsdriver");
        let Some(tag) = values.take("mount_tag") else { return false };
        values.ignore(&["id"]);
        let read_only = values.get("readonly").is_some_and(|v| v == "on");
        let Some(mut el) = directory(&mut values, &[]) else { return false };
        el.push(El::new("target").attr("dir", tag));
        if read_only {
            el.push(El::new("readonly"));
        }
        let fine = values.leftovers().is_empty();
        if fine {
            self.guest.devices.push(el);
        }
        fine
    }
}

/// `vmgenid`.
pub(super) fn genid(importer: &mut Importer, device: &mut Device) -> Option<El> {
    importer.guest.genid = Some(device.values.take("guid")?);
    device.values.ignore(&["id"]);
    Some(El::new(""))
}

/// `vmcoreinfo`.
pub(super) fn vmcoreinfo(importer: &mut Importer, device: &mut Device) -> Option<El> {
    importer.guest.features.push(El::new("vmcoreinfo").attr("state", "on"));
    device.values.ignore(&["id"]);
    Some(El::new(""))
}

/// `intel-iommu`.
pub(super) fn iommu(_: &mut Importer, device: &mut Device) -> Option<El> {
    let mut driver = El::new("driver");
    for (key, word) in [
        ("intremap", "intremap"),
        ("caching-mode", "caching_mode"),
        ("eim", "eim"),
        ("device-iotlb", "iotlb"),
    ] {
        driver.set_opt(word, device.values.take_truth(key).map(on_off));
    }
    driver.set_opt("aw_bits", device.values.take_number("aw-bits"));
    device.values.ignore(&["id"]);
    let mut el = El::new("iommu").attr("model", "intel");
    el.push_filled(driver);
    Some(el)
}

/// `ivshmem-plain`.
pub(super) fn shmem(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.values.take("memdev")?;
    let (index, mut object) = importer.back_end(Kind::Object, &id)?;
    let path = object.take("mem-path")?;
    let name = path.strip_prefix("/dev/shm/")?;
    let bytes = size(&object.take("size")?, 1)?;
    device.claims.push(index);
    device.values.ignore(&["master"]);
    let mut el = El::new("shmem").attr("name", name).child(El::new("model").attr("type", "ivshmem-plain"));
    el.push(El::with_text("size", bytes >> 20).attr("unit", "M"));
    importer.place(device, &mut el);
    Some(el)
}

/// `pc-dimm` on plain memory.
pub(super) fn dimm(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.values.take("memdev")?;
    let (index, mut object) = importer.back_end(Kind::Object, &id)?;
    if object.take("qom-type")? != "memory-backend-ram" {
        return None;
    }
    let kib = size(&object.take("size")?, 1)? >> 10;
    device.claims.push(index);
    let mut target = El::new("target").child(El::with_text("size", kib).attr("unit", "KiB"));
    target.push_text("node", device.values.take_number("node"));
    let mut el = El::new("memory").attr("model", "dimm").child(target);
    let (slot, base) = (device.values.take("slot"), device.values.take_number("addr"));
    if slot.is_some() || base.is_some() {
        let base = base.map(|base| format!("0x{base:x}"));
        el.push(El::new("address").attr("type", "dimm").attr_opt("slot", slot).attr_opt("base", base));
    }
    device.values.ignore(&["id"]);
    Some(el)
}

/// `virtio-crypto`.
pub(super) fn crypto(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.values.take("cryptodev")?;
    let (index, mut object) = importer.back_end(Kind::Object, &id)?;
    if object.take("qom-type")? != "cryptodev-backend-builtin" {
        return None;
    }
    device.claims.push(index);
    let mut el = El::new("crypto").attr("model", "virtio").attr("type", "qemu");
    el.push(El::new("backend").attr("model", "builtin").attr_opt("queues", object.take_number("queues")));
    el.push_filled(device.virtio_driver());
    importer.place(device, &mut el);
    Some(el)
}
