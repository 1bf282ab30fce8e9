//! Places on buses other than PCI: channel I/O, memory-mapped virtio, virtio serial ports, USB ports.
//!
//! Owns: what is taken on each of these buses. Never: PCI.

use std::collections::{BTreeMap, BTreeSet};

use ostler_base::{Result, refuse};
use ostler_vocab::address::{Address, CcwAddress, UsbAddress};

use crate::devices::Device;
use crate::devices::controller::{Controller, ControllerType};
use crate::machine::VirtioBus;
use crate::{Draft, Setting, machine};

/// Virtio devices on machines where these do not sit on PCI.
pub(super) fn virtio(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let bus = machine::of(&draft.head.os).virtio_bus();
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
    let turns = draft.devices.turns();
    let mut waiting: Vec<(u8, usize)> = Vec::new();
    for (at, device) in draft.devices.iter().enumerate() {
        if device.is_virtio() && device.info().address.is_none() && !device.info().wants_pci {
            waiting.push((ccw_turn(turns[at]), at));
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

/// The order of kinds on channel I/O, by their turns for PCI.
const CCW_ORDER: &[u8] = &[30, 10, 15, 35, 55, 20, 65, 5, 50, 40, 45, 60, 70];

fn ccw_turn(turn: u8) -> u8 {
    let known = CCW_ORDER.iter().position(|t| *t == turn).and_then(|at| u8::try_from(at).ok());
    known.unwrap_or(u8::MAX)
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
    let sizes: BTreeMap<u32, u32> = draft
        .devices
        .controllers
        .iter()
        .filter(|c| c.kind == ControllerType::VirtioSerial)
        .map(|c| (c.index.unwrap_or(0), c.ports.unwrap_or(31)))
        .collect();
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
        let Some((controller, port)) = found else {
            refuse!(xml, "Unable to find a free virtio-serial port");
        };
        place.controller = controller;
        place.port = port;
        taken.entry(controller).or_default().insert(port);
    }
    Ok(())
}

/// A USB bus: its ports, and the hubs on them by port.
#[derive(Default)]
struct UsbBus {
    ports: u32,
    taken: BTreeSet<Vec<u8>>,
    hubs: BTreeMap<Vec<u8>, u8>,
}

impl UsbBus {
    fn free_port(&self) -> Option<Vec<u8>> {
        let root = (1..=u8::try_from(self.ports).unwrap_or(u8::MAX)).map(|port| vec![port]);
        let behind = self.hubs.iter().flat_map(|(hub, ports)| {
            (1..=*ports).map(|port| {
                let mut path = hub.clone();
                path.push(port);
                path
            })
        });
        root.chain(behind).find(|path| !self.taken.contains(path))
    }
}

/// Ports of a hub of the emulator.
const HUB_PORTS: u8 = 8;

/// USB ports for every device that needs one.
pub(crate) fn usb(draft: &mut Draft) -> Result<()> {
    let mut buses: BTreeMap<u32, UsbBus> = BTreeMap::new();
    for controller in draft.devices.controllers.iter().filter(|c| c.kind == ControllerType::Usb) {
        if let Some(ports) = controller.usb_ports() {
            let bus = buses.entry(controller.index.unwrap_or(0)).or_default();
            bus.ports = bus.ports.max(ports);
        }
    }
    if buses.is_empty() {
        return Ok(());
    }
    let hubs: Vec<UsbAddress> =
        draft.devices.hubs.iter().filter_map(|h| usb_place(h.info())).cloned().collect();
    for hub in hubs.iter().filter(|hub| !hub.port.is_empty()) {
        if let Some(bus) = buses.get_mut(&hub.bus) {
            bus.hubs.insert(hub.port.clone(), HUB_PORTS);
        }
    }
    for device in draft.devices.iter() {
        if let Some(place) = usb_place(device.info()).filter(|place| !place.port.is_empty())
            && let Some(bus) = buses.get_mut(&place.bus)
            && !bus.taken.insert(place.port.clone())
        {
            refuse!(xml, "Duplicate USB address bus {} port {}", place.bus, place.port_text());
        }
    }
    give_usb_ports(draft, &mut buses)
}

fn usb_place(info: &crate::devices::Info) -> Option<&UsbAddress> {
    match &info.address {
        Some(Address::Usb(usb)) => Some(usb),
        _ => None,
    }
}

fn give_usb_ports(draft: &mut Draft, buses: &mut BTreeMap<u32, UsbBus>) -> Result<()> {
    let mut waiting: Vec<bool> = Vec::new();
    for device in draft.devices.iter() {
        let open = match &device.info().address {
            None => true,
            Some(Address::Usb(usb)) => usb.port.is_empty(),
            Some(_) => false,
        };
        waiting.push(device.wants_usb() && open);
    }
    grow_hubs(draft, buses, waiting.iter().filter(|w| **w).count());
    waiting.resize(draft.devices.iter().count(), false);
    for (device, wanted) in draft.devices.iter_mut().zip(waiting) {
        if !wanted {
            continue;
        }
        let said = usb_place(device.info()).map(|usb| usb.bus);
        let place = buses.iter_mut().filter(|(number, _)| said.is_none_or(|said| said == **number)).find_map(
            |(number, bus)| {
                let port = bus.free_port()?;
                bus.taken.insert(port.clone());
                Some(UsbAddress { bus: *number, port })
            },
        );
        let Some(place) = place else { refuse!(internal, "No free USB ports") };
        device.info_mut().address = Some(Address::Usb(place));
    }
    Ok(())
}

/// Hubs, where the devices are more than the ports.
fn grow_hubs(draft: &mut Draft, buses: &mut BTreeMap<u32, UsbBus>, wanted: usize) {
    let free = |buses: &BTreeMap<u32, UsbBus>| -> usize {
        let on =
            |bus: &UsbBus| bus.ports as usize + bus.hubs.len() * usize::from(HUB_PORTS) - bus.taken.len();
        buses.values().map(on).sum()
    };
    while free(buses) < wanted {
        let found = buses.iter_mut().find_map(|(number, bus)| Some((*number, bus.free_port()?, bus)));
        let Some((number, port, bus)) = found else { return };
        bus.taken.insert(port.clone());
        bus.hubs.insert(port.clone(), HUB_PORTS);
        draft.devices.hubs.push(crate::devices::hub::Hub::at(UsbAddress { bus: number, port }));
    }
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
