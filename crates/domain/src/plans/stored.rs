//! Devices that come, change and go in a definition that no guest runs by.
//!
//! Owns: which device is meant, what the definition is afterwards. Never: writes it.

use ostler_base::{Result, refuse};

use super::attach::read_device;
use super::detach::missing;
use crate::{Domain, Setting};

/// The definition with a device more.
pub fn attach(definition: &Domain, xml: &str, setting: &Setting<'_>) -> Result<Domain> {
    let said = read_device(xml)?;
    let (word, plug) = said.kind();
    if !plug.stored {
        refuse!(operation_unsupported, "persistent attach of device '{word}' is not supported");
    }
    let disk =
        said.disks.first().filter(|new| definition.devices.disks.iter().any(|d| d.target == new.target));
    if let Some(disk) = disk {
        refuse!(operation_invalid, "target {} already exists", disk.target);
    }
    let mut draft = definition.clone().into_draft();
    draft.abi_update = true;
    draft.devices.merge(said);
    draft.complete(setting)
}

/// The definition without the device that a document describes.
pub fn detach(definition: &Domain, xml: &str, setting: &Setting<'_>) -> Result<Domain> {
    let said = read_device(xml)?;
    let (word, plug) = said.kind();
    if !plug.stored {
        refuse!(operation_unsupported, "persistent detach of device '{word}' is not supported");
    }
    match definition.devices.find(&said, &definition.head, setting)? {
        Some(at) => Ok(without(definition, at)),
        None => Err(missing(&said)),
    }
}

/// The definition without the device that has an alias of the user's own.
pub fn detach_named(definition: &Domain, alias: &str) -> Result<Domain> {
    let at = definition.devices.iter().position(|device| device.info().alias.as_deref() == Some(alias));
    match at {
        Some(at) => Ok(without(definition, at)),
        None => refuse!(internal, "no device found with alias {alias}"),
    }
}

fn without(definition: &Domain, at: usize) -> Domain {
    let mut draft = definition.clone().into_draft();
    drop(draft.devices.split_off_at(at));
    Domain::of_run(draft)
}

/// The definition with a device as a document describes it, in the place of the one that is meant.
pub fn update(definition: &Domain, xml: &str, setting: &Setting<'_>) -> Result<Domain> {
    let mut said = read_device(xml)?;
    let (word, _) = said.kind();
    if !matches!(word, "disk" | "graphics" | "interface") {
        refuse!(unsupported, "persistent update of device '{word}' is not supported");
    }
    let screen = said.graphics.first().map(|screen| screen.kind);
    let at = match screen {
        Some(kind) => definition.devices.place_of_screen(kind),
        None => definition.devices.find(&said, &definition.head, setting)?,
    };
    let Some(at) = at else { return Err(missing(&said)) };
    let mut draft = definition.clone().into_draft();
    draft.abi_update = true;
    let old = draft.devices.split_off_at(at);
    for (new, old) in said.iter_mut().zip(old.iter()) {
        let (info, kept) = (new.info_mut(), old.info());
        if info.alias.is_none() {
            info.alias.clone_from(&kept.alias);
        }
        if info.address.is_none() {
            info.address.clone_from(&kept.address);
        }
    }
    draft.devices.merge(said);
    draft.complete(setting)
}
