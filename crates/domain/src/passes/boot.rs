//! What is booted first.

use ostler_base::{Error, Origin, Result};

use crate::devices::Device;
use crate::devices::disk::DiskDevice;
use crate::sections::os::BootDevice;
use crate::{Draft, Setting};

/// Hard disk, where nothing is said; either `<os><boot>` or `<boot order>`, not both.
pub(super) fn defaults(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let per_device = draft.devices.iter().any(|d| d.info().boot.is_some());
    let boot = &mut draft.head.os.boot;
    match (per_device, boot.is_empty()) {
        (true, false) => {
            Err(Error::unsupported("per-device boot elements cannot be used together with os/boot elements")
                .from_origin(Origin::Domain))
        }
        (false, true) => {
            boot.push(BootDevice::Hd);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The boot index of each device: its own order, or the place of its kind in `<os><boot>` for the
/// first device of the kind.
pub(super) fn order(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let place = |wanted: BootDevice, boot: &[BootDevice]| {
        boot.iter().position(|b| *b == wanted).and_then(|at| u32::try_from(at + 1).ok())
    };
    for device in draft.devices.iter_mut() {
        let own = device.info().boot;
        device.info_mut().boot_index = own;
    }
    let boot = draft.head.os.boot.clone();
    let kinds = [
        (BootDevice::Hd, DiskDevice::Disk),
        (BootDevice::Cdrom, DiskDevice::Cdrom),
        (BootDevice::Fd, DiskDevice::Floppy),
    ];
    for (wanted, kind) in kinds {
        let suits =
            |device: DiskDevice| device == kind || (device, kind) == (DiskDevice::Lun, DiskDevice::Disk);
        let first = draft.devices.disks.iter_mut().find(|d| suits(d.device));
        if let (Some(disk), Some(index)) = (first, place(wanted, &boot)) {
            disk.info_mut().boot_index = Some(index);
        }
    }
    if let (Some(card), Some(index)) =
        (draft.devices.interfaces.first_mut(), place(BootDevice::Network, &boot))
    {
        card.info_mut().boot_index = Some(index);
    }
    Ok(())
}
