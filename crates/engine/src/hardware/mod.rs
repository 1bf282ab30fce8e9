//! The devices and interfaces of the host, as its kernel shows them.
//!
//! Owns: looking, each time somebody asks. Never: changes a device. Everything here blocks for as long
//! as sysfs takes.

mod devices;
mod interfaces;
mod pci;

pub use devices::{device, devices, is};
pub use interfaces::{HostInterface, interface, interfaces};

use std::path::{Path, PathBuf};

/// Where the kernel shows devices.
const SYS: &str = "/sys";

/// Bytes of an attribute that are read at most.
const ATTRIBUTE: u64 = 64 * 1024;

/// An attribute of a device; `None` where it has none or an empty one.
fn attribute(device: &Path, name: &str) -> Option<String> {
    let text = ostler_host::fs::read_bounded(&device.join(name), ATTRIBUTE).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// An attribute that is a number, in hexadecimal where it begins with `0x`.
fn number(device: &Path, name: &str) -> Option<u64> {
    let text = attribute(device, name)?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The name of what a link of a device leads to.
fn linked(device: &Path, name: &str) -> Option<String> {
    let target = std::fs::read_link(device.join(name)).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

/// The entries of a directory, by name.
fn entries(directory: PathBuf) -> Vec<PathBuf> {
    let read = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = read.map(|entry| entry.path()).collect();
    all.sort();
    all
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
