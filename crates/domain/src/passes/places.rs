//! Places on buses other than PCI and USB: channel I/O, memory-mapped virtio, POWER's virtual bus,
//! virtio serial ports, slots for memory and for smart cards.
//!
//! Owns: what is taken on each of these buses. Never: PCI.

use std::collections::{BTreeMap, BTreeSet};

use ostler_base::{Result, refuse};
use ostler_vocab::address::{Address, CcwAddress};

use crate::devices::Device;
use crate::devices::controller::{Controller, ControllerType};
use crate::machine::VirtioBus;
use crate::{Draft, Setting, machine};

/// Virtio devices on machines where these do not sit on PCI.
pub(super) fn virtio(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let machine = machine::of(&draft.head.os);
    let mmio = |d: &dyn Device| matches!(d.info().address, Some(Address::VirtioMmio));
    let bus = match machine.virtio_bus() {
        // Boards that have both: one device over memory shows what is meant for all.
        VirtioBus::Pci if machine.has_virtio_mmio() && draft.devices.iter().any(mmio) => VirtioBus::Mmio,
        bus => bus,
    };
    let open = |device: &&mut dyn Device| {
        device.is_virtio() && device.info().address.is_none() && !device.info().wants_pci
    };
    match bus {
        VirtioBus::Pci => Ok(()),
        VirtioBus::Mmio => {
            draft
                .devices
                .iter_mut()
                .filter(open)
                .for_each(|d| d.info_mut().address = Some(Address::VirtioMmio));
            Ok(())
        }
        VirtioBus::Ccw => channel_io(draft),
    }
}

fn channel_io(draft: &mut Draft) -> Result<()> {
    let mut taken = BTreeSet::new();
    for device in draft.devices.iter() {
        if let Some(Address::Ccw(ccw)) = device.info().address
            && !taken.insert(ccw)
        {
            refuse!(internal, "The CCW devno '{ccw}' is in use already ");
        }
    }
    let visits = draft.devices.visits();
    let mut waiting: Vec<(u8, usize)> = Vec::new();
    for (at, device) in draft.devices.iter().enumerate() {
        if device.is_virtio() && device.info().address.is_none() && !device.info().wants_pci {
            waiting.push((visits[at], at));
        }
    }
    waiting.sort_unstable();
    let mut places = BTreeMap::new();
    for (_, at) in waiting {
        let free = (0..=u16::MAX).map(CcwAddress::virtual_device).find(|place| !taken.contains(place));
        let Some(place) = free else { refuse!(internal, "There are no more free CCW devnos.") };
        taken.insert(place);
        places.insert(at, place);
    }
    for (at, device) in draft.devices.iter_mut().enumerate() {
        if let Some(place) = places.get(&at) {
            device.info_mut().address = Some(Address::Ccw(*place));
        }
    }
    Ok(())
}

/// No register of POWER's virtual bus twice, and none that the bus has not. The console that is a
/// serial port shares the port's.
fn check_registers(draft: &Draft) -> Result<()> {
    let mut seen = BTreeSet::new();
    for device in draft.devices.iter().filter(|d| d.spapr_vio_base().is_some()) {
        let Some(Address::SpaprVio(Some(reg))) = device.info().address else { continue };
        if reg > 0xffff_ffff {
            refuse!(unsupported, "spapr-vio reg='0x{reg:x}' exceeds maximum possible value (0xffffffff)");
        }
        if !seen.insert(reg) {
            refuse!(xml, "spapr-vio address 0x{reg:x} already in use");
        }
    }
    Ok(())
}

/// Registers of devices on the virtual bus of POWER: each kind counts from a base of its own. The
/// console that is a serial port is where the port is.
pub(super) fn spapr_vio(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let taken = |draft: &Draft| -> BTreeSet<u64> {
        let reg = |d: &dyn Device| match d.info().address {
            Some(Address::SpaprVio(reg)) => reg,
            _ => None,
        };
        draft.devices.iter().filter_map(reg).collect()
    };
    check_registers(draft)?;
    let mut used = taken(draft);
    for device in draft.devices.iter_mut() {
        let Some(base) = device.spapr_vio_base() else { continue };
        let open = matches!(device.info().address, None | Some(Address::SpaprVio(None)));
        if open {
            let free = (0..).map(|nth: u64| base + nth * 0x1000).find(|reg| !used.contains(reg));
            used.extend(free);
            device.info_mut().address = Some(Address::SpaprVio(free));
        }
    }
    let address = draft.devices.serials.first().and_then(|serial| serial.info().address.clone());
    if let Some(console) = draft.devices.consoles.first_mut().filter(|console| console.is_serial()) {
        console.info_mut().address = address;
    }
    Ok(())
}

/// Ports of virtio serial controllers for channels, and the controllers that they need.
pub(super) fn virtio_serial(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let mut taken: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for device in draft.devices.iter() {
        if let Some(Address::VirtioSerial(place)) = device.info().address
            && place.port != 0
            && !taken.entry(place.controller).or_default().insert(place.port)
        {
            refuse!(
                xml,
                "virtio serial port {} on controller {} is already occupied",
                place.port,
                place.controller
            );
        }
    }
    let mut sizes: BTreeMap<u32, u32> = draft
        .devices
        .controllers
        .iter()
        .filter(|c| c.kind == ControllerType::VirtioSerial)
        .map(|c| (c.index.unwrap_or(0), c.ports.unwrap_or(31)))
        .collect();
    let mut added = Vec::new();
    for channel in &mut draft.devices.channels {
        let Some(place) = channel.virtio_place() else { continue };
        if place.port != 0 {
            continue;
        }
        let said = place.controller;
        let mut candidates: Vec<u32> = sizes.keys().copied().filter(|index| *index >= said).collect();
        if candidates.is_empty() {
            candidates.push(said);
        }
        let found = candidates.iter().find_map(|controller| {
            let most = sizes.get(controller).copied().unwrap_or(31);
            let used = taken.get(controller);
            let port = (1..most).find(|port| !used.is_some_and(|used| used.contains(port)))?;
            Some((*controller, port))
        });
        let (controller, port) = found.unwrap_or_else(|| {
            // All are full: one more.
            let next = sizes.keys().max().map_or(0, |last| last.saturating_add(1));
            sizes.insert(next, 31);
            added.push(next);
            (next, 1)
        });
        place.controller = controller;
        place.port = port;
        taken.entry(controller).or_default().insert(port);
    }
    let controllers = &mut draft.devices.controllers;
    controllers.extend(added.into_iter().map(|i| Controller::unasked(ControllerType::VirtioSerial, i, None)));
    super::controllers::sort(controllers);
    Ok(())
}

/// Controllers for channels, virtio consoles and card readers.
pub(super) fn serial_controllers(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let devices = &mut draft.devices;
    let mut wanted: BTreeSet<u32> =
        devices.channels.iter_mut().filter_map(|c| c.virtio_place()).map(|place| place.controller).collect();
    if devices.consoles.iter().any(crate::devices::console::Console::is_virtio_port) {
        wanted.insert(0);
    }
    let ccid = devices.controllers.iter().any(|c| c.kind == ControllerType::Ccid);
    if !devices.smartcards.is_empty() && !ccid {
        devices.controllers.push(Controller::unasked(ControllerType::Ccid, 0, None));
    }
    for index in wanted {
        let there = |c: &Controller| c.kind == ControllerType::VirtioSerial && c.index.unwrap_or(0) == index;
        if !devices.controllers.iter().any(there) {
            devices.controllers.push(Controller::unasked(ControllerType::VirtioSerial, index, None));
        }
    }
    Ok(())
}
