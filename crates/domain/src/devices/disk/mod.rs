//! `<disk>`: images in files, block devices, on servers.

mod blockdev;
mod front;
mod run;
mod source;

use ostler_base::{Arch, Error, OnOff, Result, YesNo, refuse, words};
use ostler_plan::{Part, Query, Resource, ResourceKind};
use ostler_vocab::address::{Address, DriveAddress};
use ostler_vocab::storage_auth::StorageAuth;
use ostler_vocab::storage_encryption::{EncryptionEngine, StorageEncryption};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::devices::controller::ControllerType;
use crate::{Draft, Head, Setting, WriteMode};

pub use run::{DiskRun, ImageRun};
pub(crate) use run::{image_from_run, image_to_run, name_nodes};
pub use source::{
    Backing, Image, ImageFormat, ImageHost, ImageType, NetworkImage, Place, Protocol, StartupPolicy,
    Transport, VolumeMode,
};

words! {
    /// `<disk device='…'>`
    pub DiskDevice { Disk = "disk", Cdrom = "cdrom", Floppy = "floppy", Lun = "lun" }
    /// `<target bus='…'>`
    pub DiskBus {
        Ide = "ide", Fdc = "fdc", Scsi = "scsi", Virtio = "virtio", Xen = "xen", Usb = "usb",
        Uml = "uml", Sata = "sata", Sd = "sd", None = "none",
    }
    /// `<driver cache='…'>`
    pub CacheMode {
        None = "none", Writethrough = "writethrough", Writeback = "writeback",
        Directsync = "directsync", Unsafe = "unsafe",
    }
    /// `<driver discard='…'>`
    pub Discard { Unmap = "unmap", Ignore = "ignore" }
    /// `<driver io='…'>`
    pub IoMode { Native = "native", Threads = "threads", IoUring = "io_uring" }
    /// `<driver error_policy='…'>`
    pub ErrorPolicy { Stop = "stop", Report = "report", Ignore = "ignore", Enospace = "enospace" }
    /// `<driver detect_zeroes='…'>`
    pub DetectZeroes { Off = "off", On = "on", Unmap = "unmap" }
    /// `<target tray='…'>`
    pub Tray { Closed = "closed", Open = "open" }
    /// `snapshot='…'`: what a snapshot does with the disk.
    pub DiskSnapshot { No = "no", Internal = "internal", External = "external", Manual = "manual" }
}

/// Elements of `<iotune>`, in their order. All are numbers but the group's name.
const IOTUNE: &[&str] = &[
    "total_bytes_sec",
    "read_bytes_sec",
    "write_bytes_sec",
    "total_iops_sec",
    "read_iops_sec",
    "write_iops_sec",
    "total_bytes_sec_max",
    "read_bytes_sec_max",
    "write_bytes_sec_max",
    "total_iops_sec_max",
    "read_iops_sec_max",
    "write_iops_sec_max",
    "size_iops_sec",
    "group_name",
    "total_bytes_sec_max_length",
    "read_bytes_sec_max_length",
    "write_bytes_sec_max_length",
    "total_iops_sec_max_length",
    "read_iops_sec_max_length",
    "write_iops_sec_max_length",
];

/// `<driver>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskDriver {
    /// `cache`
    pub cache: Option<CacheMode>,
    /// `error_policy`
    pub error_policy: Option<ErrorPolicy>,
    /// `rerror_policy`
    pub rerror_policy: Option<ErrorPolicy>,
    /// `io`
    pub io: Option<IoMode>,
    /// `ioeventfd`
    pub ioeventfd: Option<OnOff>,
    /// `event_idx`
    pub event_idx: Option<OnOff>,
    /// `copy_on_read`
    pub copy_on_read: Option<OnOff>,
    /// `discard`
    pub discard: Option<Discard>,
    /// `discard_no_unref`
    pub discard_no_unref: Option<OnOff>,
    /// `detect_zeroes`
    pub detect_zeroes: Option<DetectZeroes>,
    /// `iothread`
    pub iothread: Option<u32>,
    /// `<iothreads>`: number of each thread with the queues it serves.
    pub iothreads: Vec<(u32, Vec<u32>)>,
    /// `queues`
    pub queues: Option<u32>,
    /// `queue_size`
    pub queue_size: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
}

impl DiskDriver {
    fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(driver) = el else { return Ok(Self::default()) };
        let thread = |t: Element<'_>| -> Result<(u32, Vec<u32>)> {
            let queues = t.children("queue").map(|q| q.require_number("id")).collect::<Result<_>>()?;
            Ok((t.require_number("id")?, queues))
        };
        Ok(DiskDriver {
            cache: match driver.attr("cache") {
                Some("default") => None,
                _ => driver.word("cache")?,
            },
            error_policy: driver.word("error_policy")?,
            rerror_policy: driver.word("rerror_policy")?,
            io: match driver.attr("io") {
                Some("default") => None,
                _ => driver.word("io")?,
            },
            ioeventfd: driver.on_off("ioeventfd")?,
            event_idx: driver.on_off("event_idx")?,
            copy_on_read: driver.on_off("copy_on_read")?,
            discard: driver.word("discard")?,
            discard_no_unref: driver.on_off("discard_no_unref")?,
            detect_zeroes: driver.word("detect_zeroes")?,
            iothread: driver.nonzero("iothread")?,
            iothreads: driver
                .child("iothreads")
                .into_iter()
                .flat_map(|t| t.children("iothread"))
                .map(thread)
                .collect::<Result<_>>()?,
            queues: driver.nonzero("queues")?,
            queue_size: driver.nonzero("queue_size")?,
            virtio: VirtioOptions::parse(Some(driver))?,
        })
    }

    fn format(&self, image: &Image) -> El {
        let mut el = El::new("driver")
            .attr("name", "qemu")
            .attr_opt("type", image.format)
            .attr_opt("cache", self.cache)
            .attr_opt("error_policy", self.error_policy)
            .attr_opt("rerror_policy", self.rerror_policy)
            .attr_opt("io", self.io)
            .attr_opt("ioeventfd", self.ioeventfd)
            .attr_opt("event_idx", self.event_idx)
            .attr_opt("copy_on_read", self.copy_on_read)
            .attr_opt("discard", self.discard)
            .attr_opt("iothread", self.iothread)
            .attr_opt("detect_zeroes", self.detect_zeroes)
            .attr_opt("queues", self.queues)
            .attr_opt("queue_size", self.queue_size)
            .attr_opt("discard_no_unref", self.discard_no_unref);
        self.virtio.write(&mut el);
        if !self.iothreads.is_empty() {
            let mut threads = El::new("iothreads");
            threads.extend(self.iothreads.iter().map(|(id, queues)| {
                let mut thread = El::new("iothread").attr("id", id);
                thread.extend(queues.iter().map(|queue| El::new("queue").attr("id", queue)));
                thread
            }));
            el.push(threads);
        }
        el.extend(image.metadata_cache.map(|bytes| {
            let size = El::with_text("max_size", bytes).attr("unit", "bytes");
            El::new("metadata_cache").child(size)
        }));
        el
    }
}

/// `<blockio>`, bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockIo {
    /// `logical_block_size`
    pub logical: Option<u32>,
    /// `physical_block_size`
    pub physical: Option<u32>,
    /// `discard_granularity`
    pub discard_granularity: Option<u32>,
}

/// `<geometry>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// `cyls`
    pub cyls: u32,
    /// `heads`
    pub heads: u32,
    /// `secs`
    pub secs: u32,
    /// `trans`
    pub trans: Option<String>,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// `device`
    pub device: DiskDevice,
    /// `model`
    pub model: Option<VirtioModel>,
    /// `rawio`
    pub rawio: Option<YesNo>,
    /// `snapshot`
    pub snapshot: Option<DiskSnapshot>,
    /// What its content is.
    pub image: Image,
    /// `<driver>`
    pub driver: DiskDriver,
    /// `<blockio>`
    pub blockio: BlockIo,
    /// `<geometry>`
    pub geometry: Option<Geometry>,
    /// `<target dev=…>`: the name that says its place in the order.
    pub target: String,
    /// `<target bus=…>`; from the name where absent.
    pub bus: Option<DiskBus>,
    /// `<target tray=…>`
    pub tray: Option<Tray>,
    /// `<target removable=…>`
    pub removable: Option<OnOff>,
    /// `<target rotation_rate=…>`
    pub rotation_rate: Option<u32>,
    /// `<iotune>`, as it stands.
    pub iotune: Vec<(&'static str, String)>,
    /// `<readonly/>`
    pub readonly: bool,
    /// `<shareable/>`
    pub shareable: bool,
    /// `<transient/>`, with its `shareBacking`.
    pub transient: Option<Option<YesNo>>,
    /// `<serial>`
    pub serial: Option<String>,
    /// `<wwn>`
    pub wwn: Option<String>,
    /// `<vendor>`
    pub vendor: Option<String>,
    /// `<product>`
    pub product: Option<String>,
    /// What only a run knows.
    pub run: DiskRun,
    info: Info,
}

/// The place in the order that a name like `vdab` says, from 0; `None` for other names.
pub(crate) fn target_index(name: &str) -> Option<u32> {
    let prefix = ["fd", "hd", "vd", "sd", "xvd", "ubd"].into_iter().find(|p| name.starts_with(p))?;
    let letters = &name[prefix.len()..];
    let letters = letters.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() || !letters.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    letters
        .bytes()
        .try_fold(0u32, |index, b| index.checked_mul(26)?.checked_add(u32::from(b - b'a') + 1))
        .map(|index| index - 1)
}

/// Text of up to so many printable characters.
fn identification(el: &Element<'_>, name: &str, most: usize) -> Result<Option<String>> {
    let Some(text) = el.child_text(name) else { return Ok(None) };
    if text.len() > most {
        refuse!(unsupported, "disk {name} is more than {most} characters");
    }
    if !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        refuse!(xml, "disk {name} is not printable string");
    }
    Ok(Some(text))
}

fn parse_image(el: &Element<'_>) -> Result<Image> {
    let kind = match el.attr("type") {
        Some(_) => el.require_word("type")?,
        None => ImageType::File,
    };
    let driver = el.child("driver");
    let format = driver.map(|d| d.word("type")).transpose()?.flatten();
    let mut image = Image::parse(el, kind, format)?;
    if let Some(auth) = el.child("auth") {
        if image.auth.is_some() {
            refuse!(unsupported, "an <auth> definition already found for disk source");
        }
        image.auth = Some(StorageAuth::parse(&auth)?);
    }
    if let Some(encryption) = el.child("encryption") {
        if image.encryption.is_some() {
            refuse!(unsupported, "an <encryption> definition already found for disk source");
        }
        image.encryption = Some(StorageEncryption::parse(&encryption)?);
    }
    image.metadata_cache = match driver.and_then(|d| d.path("metadata_cache/max_size")) {
        Some(size) => Some(size.size(1, u64::MAX / 2)?),
        None => None,
    };
    Ok(image)
}

fn parse_iotune(el: &Element<'_>) -> Result<Vec<(&'static str, String)>> {
    let Some(iotune) = el.child("iotune") else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for name in IOTUNE {
        let Some(text) = iotune.child_text(name) else { continue };
        if *name != "group_name" && text.parse::<u64>().is_err() {
            refuse!(xml, "disk iotune field '{name}' must be an integer");
        }
        if text != "0" {
            out.push((*name, text));
        }
    }
    Ok(out)
}

impl Kind for Disk {
    const ELEMENT: &'static str = "disk";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let image = parse_image(el)?;
        let target = el.child("target");
        let name = target.and_then(|t| t.attr("dev"));
        let name = name.ok_or_else(|| {
            let path = image.path().unwrap_or("");
            Error::new(ostler_base::Code::NoTarget, ostler_base::Origin::Domain, path)
        })?;
        let blockio = match el.child("blockio") {
            Some(b) => BlockIo {
                logical: b.number("logical_block_size")?,
                physical: b.number("physical_block_size")?,
                discard_granularity: b.number("discard_granularity")?,
            },
            None => BlockIo::default(),
        };
        let geometry = match el.child("geometry") {
            Some(g) => Some(Geometry {
                cyls: g.require_number("cyls")?,
                heads: g.require_number("heads")?,
                secs: g.require_number("secs")?,
                trans: g.attr("trans").map(str::to_owned),
            }),
            None => None,
        };
        let transient = el.child("transient");
        Ok(Disk {
            device: el.word("device")?.unwrap_or(DiskDevice::Disk),
            model: el.word("model")?,
            rawio: el.yes_no("rawio")?,
            snapshot: el.word("snapshot")?,
            image,
            driver: DiskDriver::parse(el.child("driver"))?,
            blockio,
            geometry,
            target: name.to_owned(),
            bus: target.map(|t| t.word("bus")).transpose()?.flatten(),
            tray: target.map(|t| t.word("tray")).transpose()?.flatten(),
            removable: target.map(|t| t.on_off("removable")).transpose()?.flatten(),
            rotation_rate: target.map(|t| t.nonzero("rotation_rate")).transpose()?.flatten(),
            iotune: parse_iotune(el)?,
            readonly: el.child("readonly").is_some(),
            shareable: el.child("shareable").is_some(),
            transient: transient.map(|t| t.yes_no("shareBacking")).transpose()?,
            serial: el.child_text("serial"),
            wwn: el.child_text("wwn"),
            vendor: identification(el, "vendor", 8)?,
            product: identification(el, "product", 16)?,
            run: DiskRun::default(),
            info: Info::default(),
        })
    }

    fn parse_run(&mut self, el: &Element<'_>) -> Result<()> {
        self.read_run(el)
    }
}

impl Disk {
    /// The controller and unit that the name says, for buses that have them.
    pub(crate) fn place_by_name(&self) -> Option<(ControllerType, DriveAddress)> {
        let index = target_index(&self.target)?;
        let drive = |controller, bus, unit| DriveAddress { controller, bus, target: 0, unit };
        match self.bus? {
            DiskBus::Ide => Some((ControllerType::Ide, drive(index / 4, (index % 4) / 2, index % 2))),
            DiskBus::Sata => Some((ControllerType::Sata, drive(index / 6, 0, index % 6))),
            DiskBus::Scsi => Some((ControllerType::Scsi, drive(index / 7, 0, index % 7))),
            DiskBus::Fdc => Some((ControllerType::Fdc, drive(index / 2, 0, index % 2))),
            _ => None,
        }
    }

    fn drive(&self) -> DriveAddress {
        match self.info.address {
            Some(Address::Drive(drive)) => drive,
            _ => DriveAddress::default(),
        }
    }

    fn complete_bus(&mut self, head: &Head) {
        if self.bus.is_some() {
            return;
        }
        let machine = crate::machine::of(&head.os);
        let q35 = machine.builtin_sata();
        self.bus = Some(match &self.target {
            _ if self.device == DiskDevice::Floppy => DiskBus::Fdc,
            t if t.starts_with("vd") => DiskBus::Virtio,
            t if t.starts_with("fd") => DiskBus::Fdc,
            t if t.starts_with("hd") && q35 => DiskBus::Sata,
            t if t.starts_with("hd") => DiskBus::Ide,
            t if t.starts_with("sd") && self.device != DiskDevice::Disk && q35 => DiskBus::Sata,
            _ => DiskBus::Scsi,
        });
    }

    fn validate_format(&self) -> Result<()> {
        for image in self.image.chain() {
            match image.format {
                Some(ImageFormat::Dir) => refuse!(
                    unsupported,
                    "'directory' storage format is not directly supported by QEMU, use 'dir' disk type instead"
                ),
                Some(ImageFormat::Iso) => refuse!(
                    unsupported,
                    "storage format 'iso' is not directly supported by QEMU, use 'raw' instead"
                ),
                Some(format @ (ImageFormat::Cow | ImageFormat::Ploop | ImageFormat::Vhd)) => {
                    refuse!(unsupported, "'{format}' storage format is not supported");
                }
                _ => {}
            }
            let plain = matches!(image.format, None | Some(ImageFormat::Raw | ImageFormat::Qcow2));
            if image.encryption.is_some() && !plain {
                refuse!(unsupported, "encryption is supported only with 'raw' and 'qcow2' image format");
            }
        }
        Ok(())
    }

    /// Each bus has one type of address.
    fn validate_address(&self) -> Result<()> {
        if self.target.starts_with(|c: char| c.is_ascii_alphabetic())
            && self.target.ends_with(|c: char| c.is_ascii_digit())
        {
            refuse!(
                unsupported,
                "invalid disk target '{}', partitions can't appear in disk targets",
                self.target
            );
        }
        let drive = matches!(self.bus, Some(DiskBus::Ide | DiskBus::Fdc | DiskBus::Scsi | DiskBus::Sata));
        let fits = match &self.info.address {
            None => true,
            Some(Address::Drive(_)) => drive,
            Some(_) => !drive,
        };
        if !fits {
            let bus = self.bus.map(|b| b.to_string()).unwrap_or_default();
            refuse!(
                unsupported,
                "Invalid address type '{}' for the disk '{}' with the bus type '{bus}'",
                self.info.address_type(),
                self.target
            );
        }
        Ok(())
    }

    fn validate_lun(&self) -> Result<()> {
        let network = |image: &NetworkImage| image.protocol == Protocol::Iscsi;
        let suits = match &self.image.place {
            Place::Block(_) | Place::Volume { .. } => true,
            Place::Network(image) => network(image),
            _ => false,
        };
        if self.device == DiskDevice::Lun && !suits {
            refuse!(unsupported, "disk device='lun' is only valid for block type disk source");
        }
        if self.vendor.is_some() || self.product.is_some() {
            match self.bus {
                Some(DiskBus::Scsi) => {}
                Some(DiskBus::Sata | DiskBus::Ide) if self.vendor.is_none() => {}
                _ => refuse!(unsupported, "Only scsi disk supports vendor and product"),
            }
        }
        Ok(())
    }
}

impl Device for Disk {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("disk")
            .attr("type", self.image.place.kind())
            .attr("device", self.device)
            .attr_opt("model", self.model)
            .attr_opt("rawio", self.rawio)
            .attr_opt("snapshot", self.snapshot);
        el.push(self.driver.format(&self.image));
        let image = &self.image;
        el.extend(image.auth.as_ref().filter(|_| !image.auth_inside).map(StorageAuth::to_el));
        image.format_source(&mut el);
        image.backing.format(&mut el);
        el.extend(self.geometry.as_ref().map(|g| {
            El::new("geometry")
                .attr("cyls", g.cyls)
                .attr("heads", g.heads)
                .attr("secs", g.secs)
                .attr_opt("trans", g.trans.as_ref())
        }));
        let blockio = El::new("blockio")
            .attr_opt("logical_block_size", self.blockio.logical)
            .attr_opt("physical_block_size", self.blockio.physical)
            .attr_opt("discard_granularity", self.blockio.discard_granularity);
        el.push_filled(blockio);
        let removable_medium = matches!(self.device, DiskDevice::Cdrom | DiskDevice::Floppy);
        let target = El::new("target")
            .attr("dev", &self.target)
            .attr_opt("bus", self.bus)
            .attr_opt("tray", self.tray.filter(|tray| removable_medium && *tray == Tray::Open))
            .attr_opt("removable", self.removable)
            .attr_opt("rotation_rate", self.rotation_rate);
        el.push(target);
        let mut iotune = El::new("iotune");
        for (name, value) in &self.iotune {
            iotune.push(El::with_text(*name, value));
        }
        el.push_filled(iotune);
        if self.readonly {
            el.push(El::new("readonly"));
        }
        if self.shareable {
            el.push(El::new("shareable"));
        }
        el.extend(self.transient.map(|share| El::new("transient").attr_opt("shareBacking", share)));
        el.push_text("serial", self.serial.as_ref());
        el.push_text("wwn", self.wwn.as_ref());
        el.push_text("vendor", self.vendor.as_ref());
        el.push_text("product", self.product.as_ref());
        let encryption = image.encryption.as_ref().filter(|_| !image.encryption_inside);
        el.extend(encryption.map(StorageEncryption::to_el));
        el
    }

    fn format_run(&self, el: &mut El) {
        self.write_run(el);
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        let raw = !matches!(self.image.place, Place::VhostUser { .. });
        if raw {
            self.image.format.get_or_insert(ImageFormat::Raw);
        }
        if self.device == DiskDevice::Cdrom {
            self.readonly = true;
        }
        self.complete_bus(head);
        let mut image = Some(&mut self.image);
        while let Some(current) = image {
            if let Place::Network(network) = &mut current.place {
                network.fill_ports();
            }
            if let Some(encryption) = &mut current.encryption {
                encryption.engine.get_or_insert(EncryptionEngine::Qemu);
            }
            image = match &mut current.backing {
                Backing::Image(below) => Some(below),
                Backing::Unknown | Backing::End => None,
            };
        }
        if self.model == Some(VirtioModel::Plain) {
            self.model = None;
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if target_index(&self.target).is_none() {
            refuse!(xml, "Unknown disk name '{}' and no address specified", self.target);
        }
        if self.device == DiskDevice::Disk && self.image.is_empty() {
            refuse!(
                unsupported,
                "the disk '{}' has no source; only drives with media to change can be empty",
                self.target
            );
        }
        let same: Vec<&Disk> = draft.devices.disks.iter().filter(|d| d.target == self.target).collect();
        if let [first, second, ..] = same[..] {
            refuse!(
                xml,
                "target '{}' duplicated for disk sources '{}' and '{}'",
                self.target,
                first.image.path().unwrap_or("(null)"),
                second.image.path().unwrap_or("(null)")
            );
        }
        if self.shareable && self.image.format.is_some_and(|f| f != ImageFormat::Raw) {
            refuse!(
                unsupported,
                "shared access for disk '{}' requires use of supported storage format",
                self.target
            );
        }
        let pseries = draft.head.os.arch.is_some_and(Arch::is_ppc64);
        if self.device == DiskDevice::Floppy && pseries {
            refuse!(unsupported, "PowerPC pseries machines do not support floppy device");
        }
        if self.bus == Some(DiskBus::Usb) && !matches!(self.info.address, None | Some(Address::Usb(_))) {
            refuse!(internal, "unexpected address type for usb disk");
        }
        self.driver.virtio.refuse_unless(self.bus == Some(DiskBus::Virtio))?;
        self.validate_address()?;
        self.validate_lun()?;
        self.validate_format()
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match (self.bus, self.model) {
            (Some(DiskBus::Virtio), model) => model.unwrap_or(VirtioModel::Plain).slot(),
            _ => Slot::None,
        }
    }

    fn is_virtio(&self) -> bool {
        self.bus == Some(DiskBus::Virtio)
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.bus == Some(DiskBus::Usb)).then_some(2)
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        let drive = self.drive();
        match self.bus {
            Some(DiskBus::Scsi) => format!("scsi{}-0-{}-{}", drive.controller, drive.target, drive.unit),
            Some(bus @ (DiskBus::Usb | DiskBus::Virtio | DiskBus::Sd)) => {
                format!("{bus}-disk{}", target_index(&self.target).unwrap_or(0))
            }
            None => format!("virtio-disk{}", target_index(&self.target).unwrap_or(0)),
            Some(bus) => format!("{bus}{}-{}-{}", drive.controller, drive.bus, drive.unit),
        }
    }

    fn ask(&self, out: &mut Vec<Query>) {
        out.extend(blockdev::secrets(&self.image).map(|(_, lookup)| Query::Secret(lookup)));
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let node = self.back(build)?;
        let props = self.front(node, build)?;
        if let Some(props) = props {
            build.parts.push(Part::Device(props));
        }
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        for (depth, image) in self.image.chain().enumerate() {
            let (Place::File(Some(path)) | Place::Block(Some(path)) | Place::VhostVdpa(path)) = &image.place
            else {
                continue;
            };
            let resource = Resource::new(path, ResourceKind::Image);
            let resource = if self.readonly || depth > 0 { resource } else { resource.writable() };
            out.push(if self.shareable { resource.shared() } else { resource });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::target_index;

    #[test]
    fn names_say_the_order() {
        assert_eq!(target_index("vda"), Some(0));
        assert_eq!(target_index("sdz"), Some(25));
        assert_eq!(target_index("vdaa"), Some(26));
        assert_eq!(target_index("hdc1"), Some(2));
        assert_eq!(target_index("vd"), None);
        assert_eq!(target_index("vdA"), None);
    }
}
