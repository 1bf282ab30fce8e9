//! `<disk>`: images in files, block devices, on servers.

mod blockdev;
mod driver;
mod front;
mod iotune;
mod mirror;
mod rules;
mod run;

use ostler_base::{Arch, Error, OnOff, Result, YesNo, refuse, words};
use ostler_plan::{Part, Query, Resource, ResourceKind};
use ostler_vocab::address::{Address, DriveAddress};
use ostler_vocab::storage_auth::StorageAuth;
use ostler_vocab::storage_encryption::StorageEncryption;
use ostler_xml::{Document, El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel};
use crate::blocks::metadata_cache;
use crate::devices::controller::ControllerType;
use crate::{Draft, Head, Setting, WriteMode};

pub use crate::blocks::{
    Backing, Image, ImageFormat, ImageHost, ImageType, NetworkImage, Place, Protocol, StartupPolicy,
    Transport, VolumeMode,
};
pub use driver::DiskDriver;
pub use iotune::{IoTune, ThrottleFilter};
pub use mirror::{Mirror, MirrorJob, MirrorState};
pub use run::{DiskRun, ImageRun, NodeRole, RunSecret, name_chain};
pub(crate) use run::{image_from_run, image_to_run, name_nodes, name_nodes_from};

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
    /// `<iotune>`
    pub iotune: IoTune,
    /// `<throttlefilters>`, from the bottom.
    pub throttle_filters: Vec<ThrottleFilter>,
    /// `<mirror>`, while a job copies it.
    pub mirror: Option<Mirror>,
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

/// Reads the image that a document with one `<disk>` describes.
pub fn image_from_document(text: &str) -> Result<Image> {
    let document = Document::parse(text, "disk_definition")?;
    let root = document.root();
    if root.name() != "disk" {
        refuse!(xml, "unexpected root element <{}>, expecting <disk>", root.name());
    }
    parse_image(&root)
}

/// Reads the image of a disk: type, driver, source and what is below.
pub fn parse_image(el: &Element<'_>) -> Result<Image> {
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
    image.metadata_cache = metadata_cache(driver)?;
    Ok(image)
}

/// The bus that a name of the target says, for definitions that say none.
fn bus_by_name(name: &str) -> Option<DiskBus> {
    match name.get(..2)? {
        "fd" => Some(DiskBus::Fdc),
        "sd" => Some(DiskBus::Scsi),
        "hd" => Some(DiskBus::Ide),
        "vd" => Some(DiskBus::Virtio),
        _ => None,
    }
}

impl Kind for Disk {
    const ELEMENT: &'static str = "disk";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn place_among(self, all: &mut Vec<Self>) {
        // Names of one length sort as their numbers do.
        let order = |disk: &Self| (disk.target.len(), disk.target.clone());
        let same = |disk: &Self| disk.bus == self.bus;
        let last = all.iter().rposition(|disk| same(disk) && order(disk) <= order(&self));
        let at = last.map(|last| last + 1).or_else(|| all.iter().position(same));
        all.insert(at.unwrap_or(all.len()), self);
    }

    fn is_meant(&self, said: &Self, _whole: &Self) -> bool {
        self.target == said.target
    }

    /// Disks of one bus stand in the order of their names.
    fn arrange(all: &mut Vec<Self>) {
        let place =
            |disk: &Disk| (disk.bus.or_else(|| bus_by_name(&disk.target)), target_index(&disk.target));
        let mut arranged: Vec<Disk> = Vec::with_capacity(all.len());
        for disk in all.drain(..) {
            let (bus, index) = place(&disk);
            let mut at = None;
            for (nth, other) in arranged.iter().enumerate().rev() {
                let (other_bus, other_index) = place(other);
                if other_bus == bus && other_index > index {
                    at = Some(nth);
                } else if other_bus == bus && at.is_none() {
                    at = Some(nth + 1);
                }
            }
            let at = at.unwrap_or(arranged.len());
            arranged.insert(at, disk);
        }
        *all = arranged;
    }

    fn forget_run(&mut self) {
        self.mirror = None;
        self.image.for_each(&mut |image| {
            image.index = None;
            image.labels.retain(|label| !label.skip);
        });
    }

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
            iotune: el.child("iotune").map(|tune| IoTune::parse(&tune)).transpose()?.unwrap_or_default(),
            throttle_filters: ThrottleFilter::parse_all(el)?,
            mirror: el.child("mirror").map(|mirror| Mirror::parse(&mirror)).transpose()?,
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

    /// Its alias, if it is on a SCSI controller of this number that has no channels.
    pub(crate) fn alias_on_narrow_scsi(&mut self, controller: u32) {
        let drive = self.drive();
        if self.bus == Some(DiskBus::Scsi) && drive.controller == controller {
            let alias = format!("scsi{controller}-{}-{}", drive.bus, drive.unit);
            self.info.alias.get_or_insert(alias);
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
}

impl Device for Disk {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("disk")
            .attr("type", self.image.place.kind())
            .attr("device", self.device)
            .attr_opt("model", self.model)
            .attr_opt("rawio", self.rawio)
            .attr_opt("snapshot", self.snapshot.filter(|how| *how != DiskSnapshot::No || !self.readonly));
        el.push(self.driver.format(&self.image));
        let image = &self.image;
        el.extend(image.auth.as_ref().filter(|_| !image.auth_inside).map(StorageAuth::to_el));
        image.format_source(&mut el, mode);
        image.backing.format(&mut el, mode);
        el.extend(self.mirror.as_ref().filter(|_| !mode.inactive).map(|mirror| mirror.to_el(mode)));
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
            .attr_opt("removable", self.removable.filter(|_| self.bus == Some(DiskBus::Usb)))
            .attr_opt("rotation_rate", self.rotation_rate);
        el.push(target);
        let mut iotune = El::new("iotune");
        self.iotune.format(&mut iotune);
        el.push_filled(iotune);
        el.extend(iotune::filters_el(&self.throttle_filters));
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
        if !matches!(self.image.place, Place::VhostUser { .. } | Place::Volume { .. }) {
            self.image.format.get_or_insert(ImageFormat::Raw);
        }
        if self.device == DiskDevice::Cdrom {
            self.readonly = true;
        }
        if matches!(self.image.place, Place::VhostUser { .. }) {
            self.snapshot.get_or_insert(DiskSnapshot::No);
        }
        self.complete_bus(head);
        if let Some(mirror) = &mut self.mirror {
            mirror.image.format.get_or_insert(ImageFormat::Raw);
        }
        self.image.complete();
        if self.model == Some(VirtioModel::Plain) {
            self.model = None;
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        self.check_rules(draft, setting)
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

    fn ask(&self, setting: &Setting<'_>, out: &mut Vec<Query>) {
        blockdev::ask(&self.image, &setting.config.storage, out);
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if self.bus == Some(DiskBus::Sd) {
            return self.legacy_drive(build);
        }
        // One whose content others share is added when the emulator is there.
        if self.transient == Some(Some(YesNo::Yes)) {
            return Ok(());
        }
        self.floppy_controller(build);
        let power = build.draft.head.os.arch.is_some_and(Arch::is_ppc64);
        if self.device == DiskDevice::Floppy && power {
            refuse!(unsupported, "PowerPC pseries machines do not support floppy device");
        }
        let node = self.back(build)?;
        let props = self.front(node, build)?;
        if let Some(props) = props {
            build.parts.push(Part::Device(props));
        }
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        for (depth, image) in self.image.chain().enumerate() {
            for image in [Some(image), image.data_store.as_deref()].into_iter().flatten() {
                let (Place::File(Some(path)) | Place::Block(Some(path)) | Place::VhostVdpa(path)) =
                    image.actual()
                else {
                    continue;
                };
                if image.fd_group.is_some() {
                    continue;
                }
                let resource = Resource::new(path, ResourceKind::Image);
                let mut resource = if self.readonly || depth > 0 { resource } else { resource.writable() };
                resource.below = depth > 0 && !self.readonly;
                out.push(if self.shareable { resource.shared() } else { resource });
            }
        }
    }

    fn refuse_plug(&self) -> Result<()> {
        match self.bus {
            Some(DiskBus::Virtio | DiskBus::Scsi | DiskBus::Usb) => Ok(()),
            other => {
                let bus = other.map(|bus| bus.to_string()).unwrap_or_default();
                refuse!(operation_unsupported, "disk bus '{bus}' cannot be hotplugged.")
            }
        }
    }

    fn refuse_unplug(&self) -> Result<()> {
        match self.bus {
            Some(DiskBus::Virtio | DiskBus::Scsi | DiskBus::Usb) => Ok(()),
            _ => refuse!(operation_unsupported, "This type of disk cannot be hot unplugged"),
        }
    }

    fn after_plug(&self) -> &'static [&'static str] {
        &["query-block"]
    }

    fn absent(&self) -> String {
        format!("disk {} not found", self.target)
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
