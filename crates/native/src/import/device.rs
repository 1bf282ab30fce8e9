//! `-device`: which driver is which element, and where the device sits.
//!
//! Owns: the table of drivers, buses and addresses. Never: what a kind of device means.

use std::collections::BTreeMap;

use ostler_xml::El;

use super::{Importer, chardev, display, drive, host_device, net, small};
use crate::values::{Values, number, truth};

/// A device of the command line.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) index: usize,
    /// As written.
    pub(crate) driver: String,
    /// Without the transport of virtio (`-pci`, `-ccw`, …).
    pub(crate) base: String,
    /// `virtio-transitional`, `virtio-non-transitional`.
    pub(crate) virtio_model: Option<&'static str>,
    pub(crate) values: Values,
    /// Places of the back ends that it stands for.
    pub(crate) claims: Vec<usize>,
}

/// What becomes of a driver: an element, or nothing where the document cannot say it. An element
/// without a name says that the device needs no words.
type Front = fn(&mut Importer, &mut Device) -> Option<El>;

/// Drivers that make buses.
const CONTROLLERS: &[(&str, Front)] = &[
    ("pcie-root-port", pci_controller),
    ("ioh3420", pci_controller),
    ("x3130-upstream", pci_controller),
    ("xio3130-downstream", pci_controller),
    ("pci-bridge", pci_controller),
    ("i82801b11-bridge", pci_controller),
    ("pcie-pci-bridge", pci_controller),
    ("pxb", pci_controller),
    ("pxb-pcie", pci_controller),
    ("spapr-pci-host-bridge", spapr_bridge),
    ("piix3-usb-uhci", usb_controller),
    ("piix4-usb-uhci", usb_controller),
    ("usb-ehci", usb_controller),
    ("ich9-usb-ehci1", usb_controller),
    ("ich9-usb-uhci1", usb_controller),
    ("ich9-usb-uhci2", usb_controller),
    ("ich9-usb-uhci3", usb_controller),
    ("vt82c686b-usb-uhci", usb_controller),
    ("pci-ohci", usb_controller),
    ("nec-usb-xhci", usb_controller),
    ("qemu-xhci", usb_controller),
    ("usb-hub", usb_hub),
    ("usb-ccid", ccid_controller),
    ("virtio-serial", virtio_serial),
    ("virtio-scsi", scsi_controller),
    ("lsi", scsi_controller),
    ("lsi53c895a", scsi_controller),
    ("mptsas1068", scsi_controller),
    ("megasas", scsi_controller),
    ("megasas-gen2", scsi_controller),
    ("pvscsi", scsi_controller),
    ("am53c974", scsi_controller),
    ("dc390", scsi_controller),
    ("spapr-vscsi", scsi_controller),
    ("ahci", sata_controller),
    ("ich9-ahci", sata_controller),
    ("isa-fdc", floppy_controller),
    ("intel-hda", display::hda),
    ("ich9-intel-hda", display::hda),
];

/// The rest.
const DEVICES: &[(&str, Front)] = &[
    ("virtio-blk", drive::virtio),
    ("ide-hd", drive::ide),
    ("ide-cd", drive::ide),
    ("ide-drive", drive::ide),
    ("scsi-hd", drive::scsi),
    ("scsi-cd", drive::scsi),
    ("scsi-disk", drive::scsi),
    ("scsi-block", drive::scsi),
    ("usb-storage", drive::usb),
    ("floppy", drive::floppy),
    ("sd-card", drive::sd),
    ("hda-duplex", display::hda_codec),
    ("hda-micro", display::hda_codec),
    ("hda-output", display::hda_codec),
    ("AC97", display::sound),
    ("ES1370", display::sound),
    ("sb16", display::sound),
    ("usb-audio", display::sound),
    ("virtio-sound", display::sound),
    ("VGA", display::video),
    ("cirrus-vga", display::video),
    ("vmware-svga", display::video),
    ("qxl-vga", display::video),
    ("qxl", display::video),
    ("virtio-vga", display::video),
    ("virtio-vga-gl", display::video),
    ("virtio-gpu", display::video),
    ("virtio-gpu-gl", display::video),
    ("bochs-display", display::video),
    ("ramfb", display::video),
    ("isa-serial", chardev::serial),
    ("pci-serial", chardev::serial),
    ("usb-serial", chardev::serial),
    ("spapr-vty", chardev::serial),
    ("isa-debugcon", chardev::serial),
    ("sclpconsole", chardev::console),
    ("sclplmconsole", chardev::console),
    ("virtconsole", chardev::console),
    ("virtserialport", chardev::channel),
    ("isa-parallel", chardev::parallel),
    ("usb-redir", chardev::redirected),
    ("ccid-card-emulated", chardev::smartcard),
    ("ccid-card-passthru", chardev::smartcard),
    ("usb-mouse", small::input),
    ("usb-tablet", small::input),
    ("usb-kbd", small::input),
    ("virtio-mouse", small::input),
    ("virtio-tablet", small::input),
    ("virtio-keyboard", small::input),
    ("virtio-input-host", small::input_host),
    ("virtio-balloon", small::balloon),
    ("virtio-rng", small::rng),
    ("i6300esb", small::watchdog),
    ("ib700", small::watchdog),
    ("diag288", small::watchdog),
    ("pvpanic", small::panic),
    ("pvpanic-pci", small::panic),
    ("tpm-tis", small::tpm),
    ("tpm-tis-device", small::tpm),
    ("tpm-crb", small::tpm),
    ("tpm-spapr", small::tpm),
    ("vhost-vsock", small::vsock),
    ("virtio-9p", small::filesystem),
    ("vhost-user-fs", small::filesystem),
    ("vmgenid", small::genid),
    ("vmcoreinfo", small::vmcoreinfo),
    ("intel-iommu", small::iommu),
    ("ivshmem-plain", small::shmem),
    ("pc-dimm", small::dimm),
    ("virtio-crypto", small::crypto),
    ("usb-host", host_device::usb),
    ("vfio-pci", host_device::pci),
    ("pci-assign", host_device::pci),
];

/// The elements of one device, or nothing where the document cannot say it.
pub(super) fn import(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let all = CONTROLLERS.iter().chain(DEVICES);
    if let Some((_, front)) = all.clone().find(|(name, _)| *name == device.base) {
        return front(importer, device);
    }
    if device.values.get("netdev").is_some() || net::is_card(&device.base) {
        return net::card(importer, device);
    }
    None
}

impl Device {
    /// Reads `-device`.
    pub(super) fn parse(index: usize, text: &str) -> Self {
        let mut values = Values::parse(text, "driver");
        let driver = values.take("driver").unwrap_or_default();
        let (base, virtio_model) = split_transport(&driver);
        let base = base.to_owned();
        Device { index, driver, base, virtio_model, values, claims: Vec::new() }
    }

    /// Whether it makes a bus.
    pub(super) fn is_controller(&self) -> bool {
        CONTROLLERS.iter().any(|(name, _)| *name == self.base)
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        self.values.get("id").unwrap_or_default()
    }

    /// `<driver>` attributes that every virtio device may have; notes which revision of virtio it is.
    pub(super) fn virtio_options(&mut self) -> Vec<(&'static str, String)> {
        const OPTIONS: &[(&str, &str)] = &[
            ("iommu_platform", "iommu"),
            ("ats", "ats"),
            ("packed", "packed"),
            ("page-per-vq", "page_per_vq"),
        ];
        let legacy = self.values.take_truth("disable-legacy");
        let modern = self.values.take_truth("disable-modern");
        self.virtio_model = match (legacy, modern) {
            (Some(false), Some(false)) => Some("virtio-transitional"),
            (Some(true), Some(false)) => Some("virtio-non-transitional"),
            _ => self.virtio_model,
        };
        let truth = |(key, word): &(&str, &'static str)| {
            Some((*word, on_off(self.values.take_truth(key)?).to_owned()))
        };
        OPTIONS.iter().filter_map(truth).collect()
    }

    /// `<driver>` with nothing but these.
    pub(super) fn virtio_driver(&mut self) -> El {
        with_attributes(El::new("driver"), &self.virtio_options())
    }
}

/// An element with attributes added.
pub(super) fn with_attributes(mut el: El, attributes: &[(&'static str, String)]) -> El {
    for (name, value) in attributes {
        el.set(*name, value);
    }
    el
}

/// `on` or `off`.
pub(super) fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// `yes` or `no`.
pub(super) fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn split_transport(driver: &str) -> (&str, Option<&'static str>) {
    const TRANSPORTS: &[(&str, Option<&str>)] = &[
        ("-pci-transitional", Some("virtio-transitional")),
        ("-pci-non-transitional", Some("virtio-non-transitional")),
        ("-pci", None),
        ("-ccw", None),
        ("-device", None),
    ];
    if driver.starts_with("virtio-") || driver.starts_with("vhost-") {
        for (suffix, model) in TRANSPORTS {
            if let Some(base) = driver.strip_suffix(suffix) {
                return (base, *model);
            }
        }
    }
    (driver, None)
}

/// The type word and value of a property in `qemu:override`.
pub(super) fn property_type(value: &str) -> (&'static str, String) {
    match (truth(value), number(value), value.parse::<i64>()) {
        (Some(on), ..) => ("bool", if on { "true" } else { "false" }.to_owned()),
        (_, Some(number), _) => ("unsigned", number.to_string()),
        (_, _, Ok(number)) => ("signed", number.to_string()),
        _ => ("string", value.to_owned()),
    }
}

/// What a bus name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    Pci(u32),
    Usb(u32),
    Scsi(u32),
    Sata(u32),
    VirtioSerial(u32),
    Ccid(u32),
}

/// Buses by QEMU's name, and how many of each kind there are.
#[derive(Debug, Default)]
pub(crate) struct Buses {
    by_name: BTreeMap<String, Bus>,
    taken: BTreeMap<&'static str, Vec<u32>>,
}

impl Buses {
    /// Gives a bus its name.
    pub(super) fn add(&mut self, name: impl Into<String>, bus: Bus) {
        self.by_name.insert(name.into(), bus);
    }

    pub(super) fn get(&self, name: &str) -> Option<Bus> {
        self.by_name.get(name).copied()
    }

    pub(super) fn has_usb(&self) -> bool {
        self.by_name.values().any(|bus| matches!(bus, Bus::Usb(_)))
    }

    /// The index that the id ends in (`scsi2`, `pci.3`), else the lowest free one.
    fn index(&mut self, kind: &'static str, prefix: &str, id: &str, first: u32) -> u32 {
        let taken = self.taken.entry(kind).or_default();
        let digits = id.strip_prefix(prefix).map(|rest| rest.trim_start_matches('.'));
        let named = match digits {
            Some("") => Some(first),
            digits => digits.and_then(|d| d.parse().ok()),
        };
        let free = |n: &u32| *n >= first && *n < 4096 && !taken.contains(n);
        let index = named.filter(free).unwrap_or_else(|| (first..4096).find(free).unwrap_or(4096));
        taken.push(index);
        index
    }
}

impl Importer {
    /// The buses that the machine has without being told.
    pub(super) fn machine_controllers(&mut self) {
        for name in ["pci.0", "pcie.0", "pci"] {
            self.buses.add(name, Bus::Pci(0));
        }
        if self.hints.usb {
            self.buses.add("usb-bus.0", Bus::Usb(0));
        }
    }

    /// The address of a device on the bus that it names, if the document has a word for it.
    pub(super) fn address(&mut self, device: &mut Device) -> Option<El> {
        let name = device.values.get("bus").map(str::to_owned);
        if let Some(ccw) = device.values.take("devno") {
            return ccw_address(&ccw);
        }
        match name.as_deref().map(|name| self.buses.get(name)) {
            Some(Some(Bus::Usb(bus))) => {
                device.values.take("bus");
                let port = device.values.take("port");
                Some(El::new("address").attr("type", "usb").attr("bus", bus).attr_opt("port", port))
            }
            Some(Some(Bus::Ccid(controller))) => {
                device.values.take("bus");
                Some(El::new("address").attr("type", "ccid").attr("controller", controller).attr("slot", 0))
            }
            Some(Some(Bus::VirtioSerial(controller))) => {
                device.values.take("bus");
                let port = device.values.take("nr");
                let el = El::new("address")
                    .attr("type", "virtio-serial")
                    .attr("controller", controller)
                    .attr("bus", 0);
                Some(el.attr_opt("port", port))
            }
            Some(Some(Bus::Pci(bus))) => {
                device.values.take("bus");
                self.pci_address(device, bus)
            }
            None if device.values.get("addr").is_some() => self.pci_address(device, 0),
            Some(None) if device.values.get("addr").is_some() => {
                let place = [device.values.take("bus"), device.values.take("addr")];
                let place: Vec<String> = place.into_iter().flatten().collect();
                self.remark(format!(
                    "-device {}: placed by the daemon, not at {}",
                    device.driver,
                    place.join(" ")
                ));
                None
            }
            Some(Some(Bus::Scsi(_) | Bus::Sata(_)) | None) | None => None,
        }
    }

    fn pci_address(&mut self, device: &mut Device, bus: u32) -> Option<El> {
        let addr = device.values.take("addr")?;
        let multifunction = device.values.take_truth("multifunction");
        let (slot, function) = addr.split_once('.').unwrap_or((&addr, "0"));
        let hex = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        let (slot, function) = (hex(slot)?, hex(function)?);
        let el = El::new("address")
            .attr("type", "pci")
            .attr("domain", "0x0000")
            .attr("bus", format!("0x{bus:02x}"));
        let el = el.attr("slot", format!("0x{slot:02x}")).attr("function", format!("0x{function:x}"));
        Some(el.attr_opt("multifunction", multifunction.map(on_off)))
    }

    /// `<boot order=…/>`. QEMU counts from 0, the document from 1: where 0 occurs all move up.
    pub(super) fn boot_order(&self, device: &mut Device) -> Option<El> {
        let order = device.values.take_number("bootindex")?.checked_add(self.hints.boot_offset)?;
        Some(El::new("boot").attr("order", order).attr_opt("loadparm", device.values.take("loadparm")))
    }

    /// Adds the address where there is one.
    pub(super) fn place(&mut self, device: &mut Device, el: &mut El) {
        if let Some(index) = device.values.take_number("acpi-index") {
            el.push(El::new("acpi").attr("index", index));
        }
        if let Some(address) = self.address(device) {
            el.push(address);
        }
        device.values.ignore(&["id"]);
    }
}

fn ccw_address(text: &str) -> Option<El> {
    let mut parts = text.split('.');
    let el = El::new("address").attr("type", "ccw").attr("cssid", format!("0x{}", parts.next()?));
    Some(el.attr("ssid", format!("0x{}", parts.next()?)).attr("devno", format!("0x{}", parts.next()?)))
}

fn controller(kind: &'static str, index: u32, model: Option<&str>) -> El {
    El::new("controller").attr("type", kind).attr("index", index).attr_opt("model", model)
}

fn pci_controller(importer: &mut Importer, device: &mut Device) -> Option<El> {
    const MODELS: &[(&str, &str)] = &[
        ("pcie-root-port", "pcie-root-port"),
        ("ioh3420", "pcie-root-port"),
        ("x3130-upstream", "pcie-switch-upstream-port"),
        ("xio3130-downstream", "pcie-switch-downstream-port"),
        ("pci-bridge", "pci-bridge"),
        ("i82801b11-bridge", "dmi-to-pci-bridge"),
        ("pcie-pci-bridge", "pcie-to-pci-bridge"),
        ("pxb", "pci-expander-bus"),
        ("pxb-pcie", "pcie-expander-bus"),
    ];
    let id = device.id().to_owned();
    let index = importer.buses.index("pci", "pci.", &id, 1);
    let (_, model) = MODELS.iter().find(|(driver, _)| *driver == device.base)?;
    let mut el = controller("pci", index, Some(model));
    el.push(El::new("model").attr("name", &device.base));
    let mut target = El::new("target");
    for (key, word) in [("chassis_nr", "chassisNr"), ("chassis", "chassis"), ("bus_nr", "busNr")] {
        target.set_opt(word, device.values.take_number(key));
    }
    target.set_opt("port", device.values.take_number("port").map(|port| format!("0x{port:x}")));
    if let Some(hotplug) = device.values.take_truth("hotplug") {
        target.set("hotplug", on_off(hotplug));
    }
    if let Some(node) = device.values.take_number("numa_node") {
        target.push(El::with_text("node", node));
    }
    el.push_filled(target);
    importer.place(device, &mut el);
    importer.buses.add(&id, Bus::Pci(index));
    Some(el)
}

fn spapr_bridge(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.id().to_owned();
    let index = importer.buses.index("pci", "pci.", &id, 1);
    let mut el = controller("pci", index, Some("pci-root"));
    el.push(El::new("model").attr("name", "spapr-pci-host-bridge"));
    let mut target = El::new("target").attr_opt("index", device.values.take_number("index"));
    if let Some(node) = device.values.take_number("numa_node") {
        target.push(El::with_text("node", node));
    }
    el.push_filled(target);
    device.values.ignore(&["id"]);
    importer.buses.add(format!("{id}.0"), Bus::Pci(index));
    Some(el)
}

fn usb_controller(importer: &mut Importer, device: &mut Device) -> Option<El> {
    const MODELS: &[(&str, &str)] = &[
        ("piix3-usb-uhci", "piix3-uhci"),
        ("piix4-usb-uhci", "piix4-uhci"),
        ("usb-ehci", "ehci"),
        ("ich9-usb-ehci1", "ich9-ehci1"),
        ("ich9-usb-uhci1", "ich9-uhci1"),
        ("ich9-usb-uhci2", "ich9-uhci2"),
        ("ich9-usb-uhci3", "ich9-uhci3"),
        ("vt82c686b-usb-uhci", "vt82c686b-uhci"),
        ("pci-ohci", "pci-ohci"),
        ("nec-usb-xhci", "nec-xhci"),
        ("qemu-xhci", "qemu-xhci"),
    ];
    let (_, model) = MODELS.iter().find(|(driver, _)| *driver == device.base)?;
    let master = device.values.take("masterbus");
    let index = match master.as_deref().and_then(|bus| importer.buses.get(bus)) {
        Some(Bus::Usb(index)) => index,
        _ => {
            let id = device.id().to_owned();
            let index = importer.buses.index("usb", "usb", &id, 0);
            importer.buses.add(format!("{id}.0"), Bus::Usb(index));
            index
        }
    };
    let mut el = controller("usb", index, Some(model));
    if model.ends_with("xhci") {
        el.set_opt("ports", ports(device));
    }
    if let Some(first) = device.values.take_number("firstport") {
        el.push(El::new("master").attr("startport", first));
    }
    importer.place(device, &mut el);
    Some(el)
}

/// libvirt sets both numbers of ports alike.
fn ports(device: &mut Device) -> Option<u64> {
    let (two, three) = (device.values.get("p2"), device.values.get("p3"));
    if two != three {
        return None;
    }
    device.values.take("p3");
    device.values.take_number("p2")
}

fn usb_hub(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let mut el = El::new("hub").attr("type", "usb");
    importer.place(device, &mut el);
    Some(el)
}

fn ccid_controller(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.id().to_owned();
    let index = importer.buses.index("ccid", "ccid", &id, 0);
    let mut el = controller("ccid", index, None);
    importer.place(device, &mut el);
    importer.buses.add(format!("{id}.0"), Bus::Ccid(index));
    Some(el)
}

fn virtio_serial(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.id().to_owned();
    let index = importer.buses.index("virtio-serial", "virtio-serial", &id, 0);
    let mut el = controller("virtio-serial", index, None);
    el.set_opt("ports", device.values.take_number("max_ports"));
    el.set_opt("vectors", device.values.take_number("vectors"));
    let driver = device.virtio_driver();
    el.set_opt("model", device.virtio_model);
    el.push_filled(driver);
    importer.place(device, &mut el);
    importer.buses.add(format!("{id}.0"), Bus::VirtioSerial(index));
    Some(el)
}

fn scsi_controller(importer: &mut Importer, device: &mut Device) -> Option<El> {
    const MODELS: &[(&str, &str)] = &[
        ("virtio-scsi", "virtio-scsi"),
        ("lsi", "lsilogic"),
        ("lsi53c895a", "lsilogic"),
        ("mptsas1068", "lsisas1068"),
        ("megasas", "lsisas1078"),
        ("megasas-gen2", "lsisas1078"),
        ("pvscsi", "vmpvscsi"),
        ("am53c974", "am53c974"),
        ("dc390", "dc390"),
        ("spapr-vscsi", "ibmvscsi"),
    ];
    let id = device.id().to_owned();
    let index = importer.buses.index("scsi", "scsi", &id, 0);
    let (_, model) = MODELS.iter().find(|(driver, _)| *driver == device.base)?;
    let mut el = controller("scsi", index, None);
    let mut driver = El::new("driver");
    driver.set_opt("queues", device.values.take_number("num_queues"));
    driver.set_opt("cmd_per_lun", device.values.take_number("cmd_per_lun"));
    driver.set_opt("max_sectors", device.values.take_number("max_sectors"));
    driver.set_opt("ioeventfd", device.values.take_truth("ioeventfd").map(on_off));
    if let Some(thread) = device.values.take("iothread") {
        driver.set_opt("iothread", importer.iothread(&thread));
    }
    let driver = with_attributes(driver, &device.virtio_options());
    el.set("model", device.virtio_model.unwrap_or(model));
    el.push_filled(driver);
    importer.place(device, &mut el);
    importer.buses.add(format!("{id}.0"), Bus::Scsi(index));
    Some(el)
}

fn sata_controller(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let id = device.id().to_owned();
    let first = u32::from(importer.guest.machine.contains("q35"));
    let index = importer.buses.index("sata", "sata", &id, first);
    let mut el = controller("sata", index, None);
    importer.place(device, &mut el);
    for port in 0..6 {
        importer.buses.add(format!("{id}.{port}"), Bus::Sata(index));
    }
    Some(el)
}

/// The controller itself is implied; old libvirt names its drives here.
fn floppy_controller(importer: &mut Importer, device: &mut Device) -> Option<El> {
    for (key, unit) in [("driveA", 0), ("driveB", 1)] {
        if let Some(id) = device.values.take(key) {
            let el = drive::floppy_of(importer, device, &id, unit)?;
            importer.guest.devices.push(el);
        }
    }
    device.values.ignore(&["id", "bootindexA", "bootindexB"]);
    Some(El::new(""))
}
