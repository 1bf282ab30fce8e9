//! Tap devices: a descriptor for a guest, a network device for the host.
//!
//! Owns: opening them. A tap goes away when its last descriptor is closed. Never: connects one.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use ostler_base::{Error, Result};

use super::Net;
use super::link::is_link_name;
use crate::{failed, sys};

/// The device that taps come from.
pub const DEVICE: &str = "/dev/net/tun";

/// Opens a tap with this name, or another queue of it; a macvtap that is there already is opened by
/// its own device node.
pub fn open_tap(name: &str, existing: bool, multi_queue: bool) -> Result<OwnedFd> {
    if !is_link_name(name) {
        return Err(Error::unsupported(format!("'{name}' cannot be the name of a network device")));
    }
    let found = Net::open()?.link(name)?;
    if let Some(link) = found.as_ref().filter(|link| link.kind.as_deref() == Some("macvtap")) {
        return open_macvtap(link.index);
    }
    if existing && found.is_none() {
        return Err(Error::operation_failed(format!("tap device '{name}' does not exist")));
    }
    let open = |path: &str| {
        File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| failed(format_args!("Unable to open {path}, is tun module loaded?"), error))
    };
    let file = open(DEVICE)?;
    sys::attach_tap(&file, name, multi_queue)
        .map_err(|error| failed(format_args!("Unable to create tap device {name}"), error))?;
    Ok(file.into())
}

/// The node of a macvtap: made by udev; where there is none (a container, a namespace), the kernel
/// still says its number.
fn open_macvtap(index: u32) -> Result<OwnedFd> {
    let path = format!("/dev/tap{index}");
    let opened = File::options().read(true).write(true).open(Path::new(&path));
    opened
        .map(OwnedFd::from)
        .map_err(|error| failed(format_args!("cannot open macvtap tap device {path}"), error))
}
