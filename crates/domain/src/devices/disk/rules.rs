//! What has to hold of a disk.
//!
//! Owns: the rules and their words. Never: changes a disk.

use ostler_base::{Error, OnOff, Result, Word, refuse};
use ostler_caps::emulator::Flag;
use ostler_vocab::address::Address;
use ostler_vocab::storage_auth::StorageAuthType;
use ostler_vocab::storage_encryption::{EncryptionEngine, EncryptionFormat, StorageEncryption};

use super::{
    CacheMode, Disk, DiskBus, DiskDevice, Image, ImageFormat, IoMode, NetworkImage, Place, Protocol,
    StartupPolicy, target_index,
};
use crate::{Draft, Setting};

/// The longest serial number, bytes.
const LONGEST_SERIAL: usize = 36;

impl Disk {
    /// Checks all rules.
    pub(super) fn check_rules(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        if target_index(&self.target).is_none() {
            refuse!(xml, "Unknown disk name '{}' and no address specified", self.target);
        }
        self.check_source(draft)?;
        self.check_unique(draft)?;
        self.check_host_devices(draft)?;
        self.check_bus()?;
        self.check_address()?;
        self.check_device()?;
        self.check_front()?;
        self.check_driver(draft)?;
        self.check_iotune(draft)?;
        self.check_vhost_user()?;
        if setting.emulator.is_some() {
            self.check_scsi_commands(setting)?;
        }
        self.image.all().try_for_each(|image| check_image(image, setting))
    }

    /// Whether its medium can be changed.
    pub fn has_media_to_change(&self) -> bool {
        matches!(self.device, DiskDevice::Cdrom | DiskDevice::Floppy)
    }

    fn check_source(&self, draft: &Draft) -> Result<()> {
        if !self.has_media_to_change() && self.image.is_empty() {
            refuse!(
                unsupported,
                "the disk '{}' has no source; only drives with media to change can be empty",
                self.target
            );
        }
        let network = matches!(self.image.place, Place::Network(_));
        if let Some(policy) = self.image.startup_policy {
            if network {
                refuse!(xml, "disk startupPolicy '{policy}' is not allowed for disk of 'network' type");
            }
            if policy == StartupPolicy::Requisite && !self.has_media_to_change() {
                refuse!(xml, "'startupPolicy=requisite' is allowed only for cdrom or floppy");
            }
        }
        if self.shareable && self.image.format.is_some_and(|f| f != ImageFormat::Raw) {
            refuse!(
                unsupported,
                "shared access for disk '{}' requires use of supported storage format",
                self.target
            );
        }
        let missing = |filter: &&super::ThrottleFilter| !draft.head.throttle_groups.has(&filter.group);
        if let Some(filter) = self.throttle_filters.iter().find(missing) {
            refuse!(unsupported, "throttle group '{}' not found", filter.group);
        }
        Ok(())
    }

    fn check_unique(&self, draft: &Draft) -> Result<()> {
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
        Ok(())
    }

    /// Host devices are given places before disks are, by their own addresses.
    fn check_host_devices(&self, draft: &Draft) -> Result<()> {
        if self.bus != Some(DiskBus::Scsi) {
            return Ok(());
        }
        let drive = match &self.info.address {
            Some(Address::Drive(drive)) => *drive,
            _ => match self.place_by_name() {
                Some((_, drive)) => drive,
                None => return Ok(()),
            },
        };
        let conflict = draft.devices.hostdevs.iter().any(|hostdev| {
            use crate::devices::Device;
            matches!(&hostdev.info().address, Some(Address::Drive(other)) if *other == drive)
        });
        if conflict {
            refuse!(
                unsupported,
                "using disk target name '{}' conflicts with SCSI host device address controller='{}' bus='{}' target='{}' unit='{}",
                self.target,
                drive.controller,
                drive.bus,
                drive.target,
                drive.unit
            );
        }
        Ok(())
    }

    fn check_bus(&self) -> Result<()> {
        match (self.device, self.bus) {
            (DiskDevice::Floppy, Some(bus)) if bus != DiskBus::Fdc => {
                refuse!(unsupported, "Invalid bus type '{bus}' for floppy disk");
            }
            (device, Some(DiskBus::Fdc)) if device != DiskDevice::Floppy => {
                refuse!(unsupported, "Invalid bus type 'fdc' for {} disk", self.device);
            }
            (DiskDevice::Cdrom | DiskDevice::Floppy, Some(DiskBus::Virtio)) => {
                refuse!(unsupported, "disk type of '{}' does not support ejectable media", self.target);
            }
            (_, Some(bus @ (DiskBus::Xen | DiskBus::Uml | DiskBus::None))) => {
                refuse!(unsupported, "unsupported disk type '{bus}'");
            }
            _ => {}
        }
        if self.bus == Some(DiskBus::Usb) && !matches!(self.info.address, None | Some(Address::Usb(_))) {
            refuse!(internal, "unexpected address type for usb disk");
        }
        self.driver.virtio.refuse_unless(self.bus == Some(DiskBus::Virtio))
    }

    /// Each bus has one type of address.
    fn check_address(&self) -> Result<()> {
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

    fn check_device(&self) -> Result<()> {
        let lun = self.device == DiskDevice::Lun;
        if lun {
            match &self.image.place {
                Place::Block(_) | Place::Volume { .. } => {}
                Place::Network(image) if image.protocol == Protocol::Iscsi => {}
                Place::Network(image) => {
                    refuse!(
                        unsupported,
                        "disk device='lun' is not supported for protocol='{}'",
                        image.protocol
                    );
                }
                _ => refuse!(unsupported, "disk device='lun' is only valid for block type disk source"),
            }
            if self.bus != Some(DiskBus::Scsi) && self.bus != Some(DiskBus::Virtio) {
                let bus = self.bus.map(|b| b.to_string()).unwrap_or_default();
                refuse!(unsupported, "disk device='lun' is not supported for bus='{bus}'");
            }
            if self.image.format.is_some_and(|format| format != ImageFormat::Raw) {
                refuse!(
                    unsupported,
                    "disk device 'lun' using target '{}' must use 'raw' format",
                    self.target
                );
            }
            if self.image.encryption.is_some() {
                refuse!(unsupported, "disk device 'lun' doesn't support encryption");
            }
        } else if self.rawio.is_some() {
            refuse!(unsupported, "rawio can be used only with device='lun'");
        }
        if self.image.reservations.is_some() && !lun {
            refuse!(unsupported, "<reservations/> allowed only for lun devices");
        }
        Ok(())
    }

    /// `device='lun'` of virtio passes SCSI commands on, where the emulator can.
    fn check_scsi_commands(&self, setting: &Setting<'_>) -> Result<()> {
        let virtio = self.bus == Some(DiskBus::Virtio) && self.device == DiskDevice::Lun;
        if virtio && !setting.has(Flag::VirtioBlkPciScsi) {
            refuse!(unsupported, "This QEMU doesn't support SCSI emulation with 'virtio-blk' device");
        }
        Ok(())
    }

    fn check_front(&self) -> Result<()> {
        if self.vendor.is_some() || self.product.is_some() {
            match self.bus {
                Some(DiskBus::Scsi) => {}
                Some(DiskBus::Sata | DiskBus::Ide) if self.vendor.is_none() => {}
                _ => refuse!(unsupported, "Only scsi disk supports vendor and product"),
            }
        }
        let rotating = matches!(self.bus, Some(DiskBus::Scsi | DiskBus::Ide | DiskBus::Sata));
        if self.rotation_rate.is_some() && !rotating {
            refuse!(unsupported, "rotation rate is only valid for SCSI/IDE/SATA bus");
        }
        if self.wwn.is_some() && !rotating {
            refuse!(unsupported, "Only ide and scsi disk support wwn");
        }
        if self.wwn.is_some() && self.device == DiskDevice::Lun {
            refuse!(unsupported, "Setting wwn is not supported for lun device");
        }
        if self.removable.is_some() && !matches!(self.bus, Some(DiskBus::Usb | DiskBus::Scsi)) {
            refuse!(xml, "removable is only valid for usb or scsi disks");
        }
        if self.device == DiskDevice::Lun && self.serial.is_some() {
            refuse!(unsupported, "disk property 'serial' is not supported for lun device");
        }
        if let Some(serial) = self.serial.as_ref().filter(|serial| serial.len() > LONGEST_SERIAL) {
            refuse!(unsupported, "disk serial '{serial}' is longer than {LONGEST_SERIAL} characters");
        }
        if self.tray.is_some() && !self.has_media_to_change() {
            refuse!(xml, "tray is only valid for cdrom and floppy");
        }
        let virtio = self.bus == Some(DiskBus::Virtio);
        if self.geometry.as_ref().is_some_and(|g| g.trans.is_some())
            && (virtio || self.bus == Some(DiskBus::Scsi))
        {
            refuse!(
                unsupported,
                "CHS translation mode can only be set for 'ide' bus not '{}'",
                self.bus.map_or("", DiskBus::as_str)
            );
        }
        if self.model.is_some() && !virtio && self.bus != Some(DiskBus::Usb) {
            refuse!(unsupported, "disk model is only valid for virtio and usb disks");
        }
        Ok(())
    }

    fn check_driver(&self, draft: &Draft) -> Result<()> {
        let driver = &self.driver;
        let virtio = self.bus == Some(DiskBus::Virtio);
        if driver.copy_on_read == Some(OnOff::On) {
            if self.readonly && !self.has_media_to_change() {
                refuse!(unsupported, "copy_on_read is not compatible with read-only disk '{}'", self.target);
            }
            if self.has_media_to_change() {
                refuse!(unsupported, "copy_on_read is not supported with removable disk '{}'", self.target);
            }
        }
        if driver.io == Some(IoMode::Native)
            && !matches!(driver.cache, Some(CacheMode::Directsync | CacheMode::None))
            && !matches!(self.image.place, Place::VhostUser { .. })
        {
            refuse!(
                unsupported,
                "native I/O needs either no disk cache or directsync cache mode, QEMU will fallback to aio=threads"
            );
        }
        if !virtio {
            let bus = self.bus.map(|b| b.to_string()).unwrap_or_default();
            if driver.queues.is_some() {
                refuse!(
                    unsupported,
                    "queues attribute in disk driver element is only supported by virtio-blk"
                );
            }
            if driver.iothread.is_some() || !driver.iothreads.is_empty() {
                refuse!(unsupported, "IOThreads not available for bus {bus} target {}", self.target);
            }
        }
        if driver.iothread.is_some() && !driver.iothreads.is_empty() {
            refuse!(
                xml,
                "disk driver 'iothread' attribute can't be used together with 'iothreads' subelement"
            );
        }
        let wanted = driver.iothread.iter().chain(driver.iothreads.iter().map(|(id, _)| id));
        for id in wanted {
            if !draft.head.iothreads.threads.iter().any(|thread| thread.id == *id) {
                refuse!(unsupported, "Disk iothread '{id}' not defined in iothreadid");
            }
        }
        Ok(())
    }

    fn check_iotune(&self, draft: &Draft) -> Result<()> {
        if self.iotune.group.is_some() && self.iotune.is_unlimited() {
            return Ok(());
        }
        let Some(group) = &self.iotune.group else { return Ok(()) };
        let other = draft.devices.disks.iter().find(|disk| {
            disk.iotune.group.as_ref() == Some(group)
                && !disk.iotune.is_unlimited()
                && disk.iotune != self.iotune
        });
        match other {
            Some(other) => {
                refuse!(unsupported, "different iotunes for disks {} and {}", self.target, other.target)
            }
            None => Ok(()),
        }
    }

    fn check_vhost_user(&self) -> Result<()> {
        if !matches!(self.image.place, Place::VhostUser { .. }) {
            return Ok(());
        }
        if self.bus != Some(DiskBus::Virtio) {
            refuse!(unsupported, "vhostuser disk supports only virtio bus");
        }
        if self.device != DiskDevice::Disk {
            refuse!(unsupported, "vhostuser disk supports only 'disk' device");
        }
        let driver = &self.driver;
        let unusable = [
            (self.transient.is_some(), "transient"),
            (self.readonly, "readonly"),
            (self.serial.is_some(), "serial"),
            (self.shareable, "shareable"),
            (driver.cache.is_some(), "cache"),
            (driver.error_policy.is_some(), "error_policy"),
            (driver.rerror_policy.is_some(), "rerror_policy"),
            (driver.io.is_some(), "io"),
            (driver.ioeventfd.is_some(), "ioeventfd"),
            (driver.copy_on_read.is_some(), "copy_on_read"),
            (driver.discard.is_some(), "discard"),
            (driver.iothread.is_some(), "iothread"),
            (driver.detect_zeroes.is_some(), "detect_zeroes"),
            (!self.iotune.is_unlimited(), "iotune"),
        ];
        match unusable.into_iter().find(|(set, _)| *set) {
            Some((_, what)) => refuse!(unsupported, "{what} is not supported with vhostuser disk"),
            None => Ok(()),
        }
    }
}

fn check_image(image: &Image, setting: &Setting<'_>) -> Result<()> {
    match image.format {
        Some(ImageFormat::Dir) => refuse!(
            unsupported,
            "'directory' storage format is not directly supported by QEMU, use 'dir' disk type instead"
        ),
        Some(ImageFormat::Iso) => {
            refuse!(unsupported, "storage format 'iso' is not directly supported by QEMU, use 'raw' instead")
        }
        Some(format @ (ImageFormat::Cow | ImageFormat::Vhd)) => {
            refuse!(unsupported, "'{format}' storage format is not supported")
        }
        Some(ImageFormat::Fat) if !matches!(image.actual(), Place::Dir(_) | Place::Volume { .. }) => {
            refuse!(unsupported, "storage format 'fat' is supported only with 'dir' storage type")
        }
        _ => {}
    }
    if let Some(encryption) = &image.encryption {
        check_encryption(image, encryption, setting)?;
    }
    if image.metadata_cache.is_some() && image.format != Some(ImageFormat::Qcow2) {
        refuse!(unsupported, "metadata_cache is supported only with qcow2 image format");
    }
    match &image.place {
        Place::Network(network) => check_network(image, network),
        _ => Ok(()),
    }
}

fn check_encryption(image: &Image, encryption: &StorageEncryption, setting: &Setting<'_>) -> Result<()> {
    let rbd = matches!(&image.place, Place::Network(network) if network.protocol == Protocol::Rbd);
    if encryption.engine == Some(EncryptionEngine::Librbd) {
        if !rbd {
            refuse!(unsupported, "librbd encryption is supported only with RBD backed disks");
        }
        if setting.emulator.is_none() {
            return Ok(());
        }
        if !setting.has(Flag::RbdEncryption) {
            refuse!(unsupported, "librbd encryption is not supported by this QEMU binary");
        }
        if encryption.secrets.len() > 1 && !setting.has(Flag::RbdEncryptionLayering) {
            refuse!(unsupported, "librbd encryption layering is not supported by this QEMU binary");
        }
        if encryption.format == EncryptionFormat::LuksAny && !setting.has(Flag::RbdEncryptionLuksAny) {
            refuse!(unsupported, "luks-any encryption is not supported by this QEMU binary");
        }
        return Ok(());
    }
    if !matches!(image.format, None | Some(ImageFormat::Raw | ImageFormat::Qcow2)) {
        refuse!(unsupported, "encryption is supported only with 'raw' and 'qcow2' image format");
    }
    if matches!(encryption.format, EncryptionFormat::Luks2 | EncryptionFormat::LuksAny) {
        refuse!(
            unsupported,
            "'{}' is currently not supported by the 'qemu' encryption engine",
            encryption.format
        );
    }
    if encryption.format == EncryptionFormat::Qcow {
        refuse!(unsupported, "old qcow/qcow2 encryption is not supported");
    }
    Ok(())
}

fn check_network(image: &Image, network: &NetworkImage) -> Result<()> {
    if let Some(auth) = &image.auth {
        let wanted = match network.protocol {
            Protocol::Iscsi => Some(("iscsi", StorageAuthType::Chap)),
            Protocol::Rbd => Some(("ceph", StorageAuthType::Ceph)),
            _ => None,
        };
        if let (Some((wanted, _)), Some(kind)) = (wanted, &auth.secret_type)
            && kind != wanted
        {
            refuse!(unsupported, "invalid secret type '{kind}'");
        }
    }
    let curl = matches!(
        network.protocol,
        Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp
    );
    if !network.cookies.is_empty() && !matches!(network.protocol, Protocol::Http | Protocol::Https) {
        refuse!(unsupported, "http cookies are not supported by '{}' protocol", network.protocol);
    }
    network.cookies.iter().try_for_each(|(name, value)| check_cookie(name, value))?;
    if network.ssl_verify.is_some() && !matches!(network.protocol, Protocol::Https | Protocol::Ftps) {
        refuse!(unsupported, "ssl verification is supported only with HTTPS/FTPS protocol");
    }
    if network.readahead.is_some() && !curl {
        refuse!(unsupported, "readahead is supported only with HTTP(s)/FTP(s) protocols");
    }
    if network.timeout.is_some() && !curl {
        refuse!(unsupported, "timeout is supported only with HTTP(s)/FTP(s) protocols");
    }
    if network.query.is_some() && !matches!(network.protocol, Protocol::Http | Protocol::Https) {
        refuse!(unsupported, "query is supported only with HTTP(S) protocols");
    }
    if network.reconnect_delay.is_some() && network.protocol != Protocol::Nbd {
        refuse!(unsupported, "reconnect delay is supported only with NBD protocol");
    }
    if network.tls_hostname.is_some() && network.protocol != Protocol::Nbd {
        refuse!(unsupported, "tlsHostname field is supported only with NBD protocol");
    }
    Ok(())
}

fn check_cookie(name: &str, value: &str) -> Result<()> {
    let special = |c: char| c.is_ascii_control() || " ()<>@,;:\\\"/[]?={}\t".contains(c);
    if name.is_empty() || name.contains(special) {
        return Err(Error::xml(format!("cookie name '{name}' contains invalid characters")));
    }
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if bare.chars().any(|c| c.is_ascii_control() || "\",;\\ ".contains(c)) {
        return Err(Error::xml(format!("value of cookie '{name}' contains invalid characters")));
    }
    Ok(())
}
