//! Controllers that devices need, their numbers, and the places of disks on them. Serial ports
//! and the consoles that they are.

use ostler_base::{Result, refuse};
use ostler_vocab::address::{Address, DriveAddress};

use crate::devices::Device;
use crate::devices::console::{Console, ConsoleTarget};
use crate::devices::controller::{Controller, ControllerType};
use crate::{Draft, Setting};

/// The first console and the first serial port are one: whichever is missing is made of the other.
pub(super) fn consoles(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let devices = &mut draft.devices;
    if devices.consoles.iter().skip(1).any(|c| c.target == Some(ConsoleTarget::Serial)) {
        refuse!(unsupported, "Only the first console can be a serial port");
    }
    match (devices.consoles.first_mut(), devices.serials.first()) {
        (Some(console), None) if console.is_serial() => {
            devices.serials.push(console.to_serial());
            console.target = Some(ConsoleTarget::Serial);
        }
        (Some(console), Some(serial)) if console.is_serial() => *console = Console::of(serial),
        (_, Some(serial)) if serial.can_be_console() => devices.consoles.insert(0, Console::of(serial)),
        _ => {}
    }
    number_ports(devices.serials.iter_mut().map(|s| &mut s.port).collect());
    number_ports(devices.parallels.iter_mut().map(|p| &mut p.port).collect());
    for (nth, console) in devices.consoles.iter_mut().enumerate() {
        console.port = Some(u32::try_from(nth).unwrap_or(u32::MAX));
    }
    if let (Some(console), Some(serial)) = (devices.consoles.first_mut(), devices.serials.first())
        && console.is_serial()
    {
        console.port = serial.port;
    }
    Ok(())
}

/// Ports without a number come after all that have one.
fn number_ports(mut ports: Vec<&mut Option<u32>>) {
    for at in 0..ports.len() {
        if ports[at].is_none() {
            let last = ports.iter().filter_map(|port| **port).max();
            *ports[at] = Some(last.map_or(0, |last| last.saturating_add(1)));
        }
    }
}

/// A controller for each disk on a bus that has none.
pub(super) fn for_disks(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    for disk in &draft.devices.disks {
        let Some((kind, named)) = disk.place_by_name() else { continue };
        let index = match disk.info().address {
            Some(Address::Drive(drive)) => drive.controller,
            _ => named.controller,
        };
        let controllers = &mut draft.devices.controllers;
        let first = controllers.iter().filter(|c| c.kind == kind).count();
        let missing = !controllers.iter().any(|c| c.kind == kind && c.index.unwrap_or(0) == index);
        if missing && first <= index as usize {
            let mut controller = Controller::unasked(kind, index, None);
            controller.complete(&draft.head, setting)?;
            controllers.push(controller);
        }
    }
    scsi_hostdevs(draft, setting)
}

/// Units for SCSI devices of the host, and the controllers that they need.
fn scsi_hostdevs(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let mut taken: Vec<DriveAddress> = draft.devices.hostdevs.iter().filter_map(|h| h.drive()).collect();
    for disk in draft.devices.disks.iter().filter(|d| d.bus == Some(crate::devices::disk::DiskBus::Scsi)) {
        match (&disk.info().address, disk.place_by_name()) {
            (Some(Address::Drive(drive)), _) => taken.push(*drive),
            (_, Some((_, drive))) => taken.push(drive),
            _ => {}
        }
    }
    for hostdev in draft.devices.hostdevs.iter_mut().filter(|h| h.is_scsi()) {
        if hostdev.drive().is_none() {
            let free = (0..).map(|unit: u32| DriveAddress {
                controller: unit / 7,
                unit: unit % 7,
                ..Default::default()
            });
            let place = free.into_iter().find(|place| !taken.contains(place)).unwrap_or_default();
            taken.push(place);
            hostdev.info_mut().address = Some(Address::Drive(place));
        }
        let index = hostdev.drive().unwrap_or_default().controller;
        let controllers = &mut draft.devices.controllers;
        for index in 0..=index.min(255) {
            let there = |c: &Controller| c.kind == ControllerType::Scsi && c.index.unwrap_or(0) == index;
            if !controllers.iter().any(there) {
                // Like the ones that are there.
                let like = controllers.iter().rfind(|c| c.kind == ControllerType::Scsi);
                let model = like.and_then(|c| c.model.clone());
                let mut controller = Controller::unasked(ControllerType::Scsi, index, model.as_deref());
                controller.complete(&draft.head, setting)?;
                controllers.push(controller);
            }
        }
    }
    Ok(())
}

/// The model of USB controllers that have none.
pub(super) fn usb_models(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let machine = crate::machine::of(&draft.head.os);
    let usb = draft.devices.controllers.iter_mut().filter(|c| c.kind == ControllerType::Usb);
    for controller in usb.filter(|c| c.model.is_none()) {
        // What has a place is there.
        let placed = controller.info().address.is_some();
        let model = machine.usb_model(setting, draft.abi_update);
        controller.model = model.filter(|model| !placed || *model != "none").map(str::to_owned);
    }
    Ok(())
}

/// Numbers for controllers that have none; no number twice for a type. Controllers of a type stand
/// together, by number.
pub(super) fn indexes(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let controllers = &mut draft.devices.controllers;
    for at in 0..controllers.len() {
        if controllers[at].index.is_none() {
            controllers[at].index = set_index(controllers, at).or_else(|| free_index(controllers, at));
        }
    }
    sort(controllers);
    for (at, controller) in controllers.iter().enumerate() {
        let same = |c: &Controller| c.kind == controller.kind && c.index == controller.index;
        let alone = |c: &&Controller| !c.is_companion();
        if alone(&controller) && controllers[..at].iter().filter(alone).any(same) {
            let (kind, index) = (controller.kind, controller.index.unwrap_or(0));
            refuse!(xml, "Multiple '{kind}' controllers with index '{index}'");
        }
    }
    Ok(())
}

fn free_index(controllers: &[Controller], at: usize) -> Option<u32> {
    let same = controllers.iter().filter(|c| c.kind == controllers[at].kind);
    let taken: Vec<u32> = same.filter_map(|c| c.index).collect();
    (0..).find(|index| !taken.contains(index))
}

/// A member of an ICH9 set joins the set before it, unless that has one like it.
fn set_index(controllers: &[Controller], at: usize) -> Option<u32> {
    controllers[at].companion_function()?;
    let before = controllers[..at].iter().rev().find(|c| c.kind == ControllerType::Usb)?;
    before.companion_function()?;
    let like = |c: &Controller| c.index == before.index && c.model == controllers[at].model;
    before.index.filter(|_| !controllers.iter().any(like))
}

/// Brings controllers of a type together, by number, at the place of the first of them; companions
/// come after what they add to.
pub(super) fn sort(controllers: &mut [Controller]) {
    let firsts: Vec<ControllerType> = controllers.iter().map(|c| c.kind).collect();
    let rank = |kind| firsts.iter().position(|k| *k == kind);
    controllers.sort_by_key(|c| (rank(c.kind), c.index, c.is_companion()));
}

/// Places of disks by their names, where they are not said.
pub(super) fn drive_addresses(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let devices = &mut draft.devices;
    for disk in &mut devices.disks {
        if disk.info().address.is_none()
            && let Some((_, place)) = disk.place_by_name()
        {
            disk.info_mut().address = Some(Address::Drive(place));
        }
    }
    let places: Vec<_> = devices.disks.iter().map(|d| (d.bus, d.info().address.clone(), &d.target)).collect();
    for (at, (bus, address, _)) in places.iter().enumerate() {
        let Some(Address::Drive(drive)) = address else { continue };
        if let Some((.., first)) = places[..at].iter().find(|(b, a, _)| b == bus && a == address) {
            refuse!(
                unsupported,
                "Found duplicate drive address for disk with target name '{first}' controller='{}' bus='{}' target='{}' unit='{}'",
                drive.controller,
                drive.bus,
                drive.target,
                drive.unit
            );
        }
    }
    Ok(())
}
