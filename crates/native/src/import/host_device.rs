//! Devices of the host given to the guest.
//!
//! Owns: `<hostdev>`. Never: detaches anything.

use ostler_xml::El;

use super::Importer;
use super::device::{Device, on_off};

/// `<hostdev>` of a kind.
fn hostdev(kind: &str) -> El {
    El::new("hostdev").attr("mode", "subsystem").attr("type", kind).attr("managed", "no")
}

impl Importer {
    /// `<rom …/>`.
    pub(super) fn rom(&mut self, device: &mut Device) -> Option<El> {
        let bar = device.values.take_number("rombar").map(|bar| on_off(bar != 0));
        let mut el = El::new("rom").attr_opt("bar", bar);
        match device.values.take("romfile") {
            Some(file) if file.is_empty() => el.set("enabled", "no"),
            file => el.set_opt("file", file),
        }
        (!el.is_bare()).then_some(el)
    }
}

/// `usb-host`.
pub(super) fn usb(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let mut source = El::new("source");
    let address = match (device.values.take_number("hostbus"), device.values.take_number("hostaddr")) {
        (Some(bus), Some(address)) => Some((bus, address)),
        _ => device.values.take("hostdevice").and_then(|path| {
            let mut parts = path.strip_prefix("/dev/bus/usb/")?.split('/');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        }),
    };
    match (device.values.take_number("vendorid"), device.values.take_number("productid")) {
        (Some(vendor), Some(product)) => {
            source.push(El::new("vendor").attr("id", format!("0x{vendor:04x}")));
            source.push(El::new("product").attr("id", format!("0x{product:04x}")));
        }
        _ if address.is_none() => return None,
        _ => {}
    }
    if let Some((bus, address)) = address {
        source.push(El::new("address").attr("bus", bus).attr("device", address));
    }
    if let Some(reset) = device.values.take_truth("guest-reset") {
        source.set("guestReset", if reset { "on" } else { "off" });
    }
    let mut el = hostdev("usb").child(source);
    el.extend(importer.boot_order(device));
    importer.place(device, &mut el);
    Some(el)
}

/// `-usbdevice host:BUS.ADDRESS` or `host:VENDOR:PRODUCT`.
pub(super) fn old_usb(text: &str) -> Option<El> {
    let mut source = El::new("source");
    if let Some((bus, address)) = text.split_once('.') {
        let (bus, address): (u32, u32) = (bus.parse().ok()?, address.parse().ok()?);
        source.push(El::new("address").attr("bus", bus).attr("device", address));
    } else {
        let (vendor, product) = text.split_once(':')?;
        let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        source.push(El::new("vendor").attr("id", format!("0x{:04x}", hex(vendor)?)));
        source.push(El::new("product").attr("id", format!("0x{:04x}", hex(product)?)));
    }
    Some(hostdev("usb").child(source))
}

/// A PCI address of the host (`[DOMAIN:]BUS:SLOT.FUNCTION`).
pub(super) fn pci_source(text: &str) -> Option<El> {
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, slot) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.split_once(':').unwrap_or(("0", rest));
    let el = El::new("address").attr("domain", format!("0x{:04x}", hex(domain)?));
    let el = el.attr("bus", format!("0x{:02x}", hex(bus)?)).attr("slot", format!("0x{:02x}", hex(slot)?));
    Some(el.attr("function", format!("0x{:x}", hex(function)?)))
}

/// `vfio-pci`.
pub(super) fn pci(importer: &mut Importer, device: &mut Device) -> Option<El> {
    if let Some(path) = device.values.take("sysfsdev") {
        let uuid = path.rsplit('/').next()?;
        let address = match uuid.contains(':') {
            true => return pci_at(importer, device, uuid),
            false => El::new("address").attr("uuid", uuid),
        };
        let mut el = hostdev("mdev").attr("model", "vfio-pci");
        el.set_opt("display", device.values.take("display"));
        el.set_opt("ramfb", device.values.take("ramfb"));
        el.push(El::new("source").child(address));
        importer.place(device, &mut el);
        return Some(el);
    }
    let host = device.values.take("host")?;
    pci_at(importer, device, &host)
}

fn pci_at(importer: &mut Importer, device: &mut Device, host: &str) -> Option<El> {
    let mut el = hostdev("pci");
    el.set_opt("display", device.values.take("display").filter(|display| display != "off"));
    el.set_opt("ramfb", device.values.take("ramfb"));
    el.push(El::new("driver").attr("name", "vfio"));
    if let Some(pair) = device.values.take("failover_pair_id") {
        el.push(El::new("teaming").attr("type", "transient").attr("persistent", pair));
    }
    el.push(El::new("source").child(pci_source(host)?));
    el.extend(importer.boot_order(device));
    el.extend(importer.rom(device));
    importer.place(device, &mut el);
    Some(el)
}
