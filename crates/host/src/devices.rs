//! Devices of the host that guests get: PCI functions change hands, SCSI units are found.
//!
//! Owns: what is written below `/sys/bus/pci`. Never: decides which device a guest gets.

use std::fs;
use std::path::{Path, PathBuf};

use ostler_base::{Error, Result, refuse};

use crate::failed;

const PCI: &str = "/sys/bus/pci";

/// The driver that gives functions to guests.
const VFIO: &str = "vfio-pci";

/// Takes a PCI function from its driver and gives it to VFIO, or to another driver of its kind.
pub(crate) fn detach_pci(address: &str, driver: Option<&str>) -> Result<()> {
    let driver = driver.unwrap_or(VFIO);
    let device = device(address)?;
    if bound_to(&device).as_deref() == Some(driver) {
        return Ok(());
    }
    if !Path::new(PCI).join("drivers").join(driver).exists() {
        refuse!(operation_failed, "driver '{driver}' for PCI device {address} is not loaded");
    }
    write(&device.join("driver_override"), driver)?;
    unbind(&device, address)?;
    write(&Path::new(PCI).join("drivers_probe"), address)
}

/// Gives a PCI function back to the driver that the host has for it.
pub(crate) fn reattach_pci(address: &str) -> Result<()> {
    let device = device(address)?;
    write(&device.join("driver_override"), "\n")?;
    unbind(&device, address)?;
    write(&Path::new(PCI).join("drivers_probe"), address)
}

/// The node of a unit of a SCSI adapter (`scsi_hostN`), if it has one.
pub(crate) fn scsi_generic(adapter: &str, bus: u32, target: u32, unit: u64) -> Result<Option<PathBuf>> {
    let Some(host) = adapter.strip_prefix("scsi_host").and_then(|number| number.parse::<u32>().ok()) else {
        refuse!(invalid_arg, "cannot parse adapter '{adapter}'");
    };
    let place = format!("/sys/class/scsi_device/{host}:{bus}:{target}:{unit}/device/scsi_generic");
    let Ok(entries) = fs::read_dir(place) else { return Ok(None) };
    let name = entries.flatten().map(|entry| entry.file_name()).next();
    Ok(name.map(|name| Path::new("/dev").join(name)))
}

/// The folder of a PCI function; the address is checked, since it becomes a path.
fn device(address: &str) -> Result<PathBuf> {
    if !address.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.')) || address.contains("..") {
        return Err(Error::invalid_arg(format!("'{address}' is no address of a PCI device")));
    }
    let path = Path::new(PCI).join("devices").join(address);
    if !path.exists() {
        refuse!(operation_failed, "Device {address} not found: could not access {}", path.display());
    }
    Ok(path)
}

fn bound_to(device: &Path) -> Option<String> {
    let driver = fs::read_link(device.join("driver")).ok()?;
    Some(driver.file_name()?.to_str()?.to_owned())
}

fn unbind(device: &Path, address: &str) -> Result<()> {
    let unbind = device.join("driver/unbind");
    if unbind.exists() { write(&unbind, address) } else { Ok(()) }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| failed(format_args!("cannot write to {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_no_paths() {
        for address in ["../../etc", "0000:00:00.0/..", ".."] {
            assert!(detach_pci(address, None).is_err());
        }
        assert!(scsi_generic("scsi_host../x", 0, 0, 0).is_err());
        assert_eq!(scsi_generic("scsi_host999", 0, 0, 0), Ok(None));
    }
}
