//! `<disk>`: images in files and block devices.

use ostler_base::{Error, OnOff, Result, refuse, words};
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_vocab::address::{Address, DriveAddress};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::devices::controller::ControllerType;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<disk device='…'>`
    pub DiskDevice { Disk = "disk", Cdrom = "cdrom", Floppy = "floppy" }
    /// `<target bus='…'>`
    pub DiskBus { Ide = "ide", Fdc = "fdc", Scsi = "scsi", Virtio = "virtio", Usb = "usb", Sata = "sata" }
    /// `<driver type='…'>`: format of the image.
    pub ImageFormat {
        Raw = "raw", Qcow2 = "qcow2", Qcow = "qcow", Qed = "qed", Vmdk = "vmdk", Vdi = "vdi", Vpc = "vpc",
        Bochs = "bochs", Cloop = "cloop", Dmg = "dmg",
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
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// `device`
    pub device: DiskDevice,
    /// `type` and `<source>`
    pub source: DiskSource,
    /// `<driver type=…>`; raw where absent.
    pub format: Option<ImageFormat>,
    /// `<driver cache=…>`
    pub cache: Option<CacheMode>,
    /// `<driver io=…>`
    pub io: Option<IoMode>,
    /// `<driver discard=…>`
    pub discard: Option<Discard>,
    /// `<target dev=…>`: the name that says its place in the order.
    pub target: String,
    /// `<target bus=…>`; from the name where absent.
    pub bus: Option<DiskBus>,
    /// `<readonly/>`
    pub readonly: bool,
    /// `<shareable/>`
    pub shareable: bool,
    /// `<serial>`
    pub serial: Option<String>,
    info: Info,
}

/// Where its content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskSource {
    /// `type='file'`; no path: an empty drive.
    File(Option<String>),
    /// `type='block'`
    Block(Option<String>),
}

impl DiskSource {
    /// The path, unless the drive is empty.
    pub fn path(&self) -> Option<&str> {
        match self {
            DiskSource::File(path) | DiskSource::Block(path) => path.as_deref(),
        }
    }
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

impl Kind for Disk {
    const ELEMENT: &'static str = "disk";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let device = el.word("device")?.unwrap_or(DiskDevice::Disk);
        let source = el.child("source");
        let path =
            |name: &str| source.and_then(|s| s.attr(name)).filter(|p| !p.is_empty()).map(str::to_owned);
        let source = match el.attr("type").unwrap_or("file") {
            "file" => DiskSource::File(path("file")),
            "block" => DiskSource::Block(path("dev")),
            other => refuse!(unsupported, "disks of type '{other}' are not supported yet"),
        };
        let target = el.child("target");
        let name = target.and_then(|t| t.attr("dev"));
        let name = name.ok_or_else(|| {
            Error::new(ostler_base::Code::NoTarget, ostler_base::Origin::Domain, source.path().unwrap_or(""))
        })?;
        let driver = el.child("driver");
        Ok(Disk {
            device,
            source,
            format: driver.map(|d| d.word("type")).transpose()?.flatten(),
            cache: driver.map(|d| d.word("cache")).transpose()?.flatten(),
            io: driver.map(|d| d.word("io")).transpose()?.flatten(),
            discard: driver.map(|d| d.word("discard")).transpose()?.flatten(),
            target: name.to_owned(),
            bus: target.map(|t| t.word("bus")).transpose()?.flatten(),
            readonly: el.child("readonly").is_some(),
            shareable: el.child("shareable").is_some(),
            serial: el.child_text("serial"),
            info: Info::default(),
        })
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
            DiskBus::Virtio | DiskBus::Usb => None,
        }
    }

    fn drive(&self) -> DriveAddress {
        match self.info.address {
            Some(Address::Drive(drive)) => drive,
            _ => DriveAddress::default(),
        }
    }

    /// Back ends: the storage, and the format on it unless it is raw. The name of the upper one.
    fn blockdevs(&self, path: &str, number: usize, build: &mut Build<'_>) -> String {
        let raw = self.format.is_none_or(|f| f == ImageFormat::Raw);
        let storage = format!("libvirt-{number}-storage");
        let driver = match (&self.source, self.device) {
            (DiskSource::Block(_), DiskDevice::Cdrom) => "host_cdrom",
            (DiskSource::Block(_), _) => "host_device",
            (DiskSource::File(_), _) => "file",
        };
        let mut props = Props::new().with("driver", driver).with("filename", path);
        props.set_opt("aio", self.io.map(|io| io.to_string()));
        props.set("node-name", storage.as_str());
        if raw {
            props.set("read-only", self.readonly);
        } else {
            props.set("auto-read-only", true);
        }
        match self.discard {
            Some(discard) => props.set("discard", discard.to_string()),
            None if !raw => props.set("discard", "unmap"),
            None => {}
        }
        let cache = self.cache.map(|mode| {
            let direct = matches!(mode, CacheMode::None | CacheMode::Directsync);
            Props::new().with("direct", direct).with("no-flush", mode == CacheMode::Unsafe)
        });
        props.set_opt("cache", cache.clone());
        build.parts.push(Part::Blockdev(props));
        if raw {
            return storage;
        }
        let node = format!("libvirt-{number}-format");
        let mut props = Props::new().with("node-name", node.as_str()).with("read-only", self.readonly);
        props.set_opt("discard", self.discard.map(|d| d.to_string()));
        props.set_opt("cache", cache);
        props.set("driver", self.format.map(|f| f.to_string()).unwrap_or_default());
        props.set("file", storage);
        build.parts.push(Part::Blockdev(props));
        node
    }

    /// Properties of the front end that say what and where it is.
    fn front(&self, build: &Build<'_>) -> Result<Props> {
        let drive = self.drive();
        let cdrom = self.device == DiskDevice::Cdrom;
        let controllers = &build.draft.devices.controllers;
        let bus_of = |kind| {
            controllers
                .iter()
                .find(|c| c.kind == kind && c.index == Some(drive.controller))
                .map(|c| c.info().alias().to_owned())
                .ok_or_else(|| {
                    Error::internal(format!("no controller {} for disk '{}'", drive.controller, self.target))
                })
        };
        Ok(match self.bus {
            Some(DiskBus::Ide) => Props::new()
                .with("driver", if cdrom { "ide-cd" } else { "ide-hd" })
                .with("bus", format!("{}.{}", bus_of(ControllerType::Ide)?, drive.bus))
                .with("unit", drive.unit),
            Some(DiskBus::Sata) => Props::new()
                .with("driver", if cdrom { "ide-cd" } else { "ide-hd" })
                .with("bus", format!("{}.{}", bus_of(ControllerType::Sata)?, drive.unit)),
            Some(DiskBus::Scsi) => Props::new()
                .with("driver", if cdrom { "scsi-cd" } else { "scsi-hd" })
                .with("bus", format!("{}.0", bus_of(ControllerType::Scsi)?))
                .with("channel", 0)
                .with("scsi-id", drive.target)
                .with("lun", drive.unit)
                .with("device_id", format!("drive-{}", self.info.alias())),
            Some(DiskBus::Virtio) => {
                let mut props = Props::new().with("driver", "virtio-blk-pci");
                self.info.bus_props(build, &mut props)?;
                props
            }
            bus => {
                let bus = bus.map(|b| b.to_string()).unwrap_or_default();
                refuse!(unsupported, "disks on bus '{bus}' are not supported yet")
            }
        })
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
        let (kind, attribute) = match self.source {
            DiskSource::File(_) => ("file", "file"),
            DiskSource::Block(_) => ("block", "dev"),
        };
        let mut el = El::new("disk").attr("type", kind).attr("device", self.device);
        let driver = El::new("driver")
            .attr("name", "qemu")
            .attr_opt("type", self.format)
            .attr_opt("cache", self.cache)
            .attr_opt("io", self.io)
            .attr_opt("discard", self.discard);
        el.push(driver);
        el.extend(self.source.path().map(|path| El::new("source").attr(attribute, path)));
        el.push(El::new("target").attr("dev", &self.target).attr_opt("bus", self.bus));
        if self.readonly {
            el.push(El::new("readonly"));
        }
        if self.shareable {
            el.push(El::new("shareable"));
        }
        el.push_text("serial", self.serial.as_ref());
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        self.format.get_or_insert(ImageFormat::Raw);
        if self.device == DiskDevice::Cdrom {
            self.readonly = true;
        }
        if self.bus.is_none() {
            let q35 = crate::machine::of(&head.os).builtin_sata();
            self.bus = Some(match &self.target {
                t if t.starts_with("vd") => DiskBus::Virtio,
                t if t.starts_with("fd") => DiskBus::Fdc,
                t if t.starts_with("hd") && q35 => DiskBus::Sata,
                t if t.starts_with("hd") => DiskBus::Ide,
                t if t.starts_with("sd") && self.device != DiskDevice::Disk && q35 => DiskBus::Sata,
                _ => DiskBus::Scsi,
            });
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if target_index(&self.target).is_none() {
            refuse!(internal, "Unknown disk name '{}' and no address specified", self.target);
        }
        if self.device == DiskDevice::Disk && self.source.path().is_none() {
            refuse!(
                unsupported,
                "the disk '{}' has no source; only drives with media to change can be empty",
                self.target
            );
        }
        if draft.devices.disks.iter().filter(|d| d.target == self.target).count() > 1 {
            refuse!(
                unsupported,
                "target '{}' duplicated for disk sources '{}'",
                self.target,
                self.source.path().unwrap_or("(null)")
            );
        }
        if self.shareable && self.format.is_some_and(|f| f != ImageFormat::Raw) {
            refuse!(
                unsupported,
                "shared access for disk '{}' requires use of supported storage format",
                self.target
            );
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.bus == Some(DiskBus::Virtio) { Slot::Pcie } else { Slot::None }
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        let drive = self.drive();
        match self.bus {
            Some(DiskBus::Virtio) | None => {
                format!("virtio-disk{}", target_index(&self.target).unwrap_or(0))
            }
            Some(DiskBus::Scsi) => format!("scsi{}-0-{}-{}", drive.controller, drive.target, drive.unit),
            Some(DiskBus::Usb) => format!("usb-disk{}", target_index(&self.target).unwrap_or(0)),
            Some(bus) => format!("{bus}{}-{}-{}", drive.controller, drive.bus, drive.unit),
        }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let disks = &build.draft.devices.disks;
        let place = disks.iter().position(|d| d.target == self.target).unwrap_or(0);
        let number = disks.len() - place;
        let node = self.source.path().map(|path| self.blockdevs(path, number, build));
        let mut props = self.front(build)?;
        if self.bus == Some(DiskBus::Virtio) && self.shareable {
            props.set("share-rw", true);
        }
        let has_medium = node.is_some();
        props.set_opt("drive", node);
        props.set("id", self.info.alias());
        props.set_opt("bootindex", self.info.boot_index);
        let write_cache =
            self.cache.map(|c| matches!(c, CacheMode::None | CacheMode::Writeback | CacheMode::Unsafe));
        if let Some(on) = write_cache {
            props.set("write-cache", OnOff::from(on).to_string());
        }
        if has_medium {
            props.set_opt("serial", self.serial.as_deref());
        }
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        if let Some(path) = self.source.path() {
            let image = Resource::new(path, ResourceKind::Image);
            let image = if self.readonly { image } else { image.writable() };
            out.push(if self.shareable { image.shared() } else { image });
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
