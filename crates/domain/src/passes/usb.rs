//! USB ports for devices, and the hubs that make more of them.
//!
//! Owns: what is taken on each USB bus. Never: which devices are USB devices (they say so).

use std::collections::BTreeMap;

use ostler_base::{Error, Result, refuse};
use ostler_vocab::address::{Address, UsbAddress};

use crate::Draft;
use crate::devices::controller::ControllerType;
use crate::devices::hub::Hub;
use crate::devices::{Device, Info};

/// Ports of a hub of the emulator.
const HUB_PORTS: u8 = 8;

/// Ports: of a controller or of a hub on one of them.
#[derive(Debug, Default)]
struct Ports {
    count: u8,
    taken: Vec<u8>,
    hubs: BTreeMap<u8, Ports>,
}

impl Ports {
    fn new(count: u8) -> Self {
        Ports { count, ..Ports::default() }
    }

    /// The first free port: here before behind the hubs.
    fn free(&self) -> Option<Vec<u8>> {
        if let Some(port) = (1..=self.count).find(|port| !self.taken.contains(port)) {
            return Some(vec![port]);
        }
        self.hubs.iter().find_map(|(port, hub)| {
            let mut path = hub.free()?;
            path.insert(0, *port);
            Some(path)
        })
    }

    /// The ports that the last number of a path is one of.
    fn behind(&mut self, place: &UsbAddress) -> Result<&mut Ports> {
        let mut at = self;
        let hubs = place.port.len().saturating_sub(1);
        for port in &place.port[..hubs] {
            at = at.hubs.get_mut(port).ok_or_else(|| {
                Error::xml(format!(
                    "there is no hub at port {port} in USB address bus: {} port: {}",
                    place.bus,
                    place.port_text()
                ))
            })?;
        }
        Ok(at)
    }

    fn take(&mut self, place: &UsbAddress) -> Result<()> {
        let ports = self.behind(place)?;
        let port = place.port.last().copied().unwrap_or_default();
        if port > ports.count {
            refuse!(xml, "requested USB port {} not present on USB bus {}", place.port_text(), place.bus);
        }
        if ports.taken.contains(&port) {
            refuse!(xml, "Duplicate USB address bus {} port {}", place.bus, place.port_text());
        }
        ports.taken.push(port);
        Ok(())
    }

    fn add_hub(&mut self, place: &UsbAddress) -> Result<()> {
        let ports = self.behind(place)?;
        let port = place.port.last().copied().unwrap_or_default();
        if port > ports.count {
            refuse!(xml, "requested USB port {} not present on USB bus {}", place.port_text(), place.bus);
        }
        if ports.hubs.contains_key(&port) {
            refuse!(xml, "Duplicate USB hub on bus {} port {}", place.bus, place.port_text());
        }
        ports.hubs.insert(port, Ports::new(HUB_PORTS));
        Ok(())
    }
}

type Buses = BTreeMap<u32, Ports>;

/// USB ports for every device that needs one.
pub(crate) fn ports(draft: &mut Draft) -> Result<()> {
    let mut buses = buses(draft);
    add_hubs(draft, &buses);
    if buses.is_empty() {
        return Ok(());
    }
    let placed: Vec<UsbAddress> = draft
        .devices
        .hubs
        .iter()
        .filter_map(|h| place(h.info()))
        .filter(|p| !p.port.is_empty())
        .cloned()
        .collect();
    // Hubs nearer to the root first, since others may sit behind them.
    let mut by_depth: Vec<&UsbAddress> = placed.iter().collect();
    by_depth.sort_by_key(|place| place.port.len());
    for hub in by_depth {
        bus_of(&mut buses, hub.bus)?.add_hub(hub)?;
    }
    let order = order(draft);
    let mut open = Vec::new();
    let devices: Vec<&dyn Device> = draft.devices.iter().collect();
    for at in &order {
        match place(devices[*at].info()) {
            Some(place) if !place.port.is_empty() => bus_of(&mut buses, place.bus)?.take(place)?,
            said => open.push((*at, devices[*at].usb_turn() == Some(0), said.map(|place| place.bus))),
        }
    }
    // Hubs first: what comes after them may sit behind them.
    open.sort_by_key(|(_, hub, _)| !*hub);
    let mut found = BTreeMap::new();
    for (at, hub, bus) in open {
        let place = assign(&mut buses, bus)?;
        if hub {
            bus_of(&mut buses, place.bus)?.add_hub(&place)?;
        }
        found.insert(at, place);
    }
    for (at, device) in draft.devices.iter_mut().enumerate() {
        if let Some(place) = found.remove(&at) {
            device.info_mut().address = Some(Address::Usb(place));
        }
    }
    Ok(())
}

fn place(info: &Info) -> Option<&UsbAddress> {
    match &info.address {
        Some(Address::Usb(usb)) => Some(usb),
        _ => None,
    }
}

/// The places of USB devices in the document, in their turns.
fn order(draft: &Draft) -> Vec<usize> {
    let usb = |d: &dyn Device| matches!(d.info().address, None | Some(Address::Usb(_)));
    let mut order: Vec<(u8, usize)> = draft
        .devices
        .iter()
        .enumerate()
        .filter(|(_, d)| usb(*d))
        .filter_map(|(at, d)| Some((d.usb_turn()?, at)))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}

fn buses(draft: &Draft) -> Buses {
    let mut buses = Buses::new();
    for controller in draft.devices.controllers.iter().filter(|c| c.kind == ControllerType::Usb) {
        if let Some(ports) = controller.usb_ports() {
            let ports = u8::try_from(ports).unwrap_or(u8::MAX);
            buses.entry(controller.index.unwrap_or(0)).or_insert_with(|| Ports::new(ports));
        }
    }
    buses
}

fn bus_of(buses: &mut Buses, number: u32) -> Result<&mut Ports> {
    buses.get_mut(&number).ok_or_else(|| {
        Error::xml(format!("USB bus {number} requested but no controller with that index is present"))
    })
}

fn assign(buses: &mut Buses, said: Option<u32>) -> Result<UsbAddress> {
    if let Some(number) = said {
        bus_of(buses, number)?;
    }
    let found = buses
        .iter()
        .filter(|(number, _)| said.is_none_or(|said| said == **number))
        .find_map(|(number, ports)| Some(UsbAddress { bus: *number, port: ports.free()? }));
    let Some(place) = found else { refuse!(internal, "No free USB ports") };
    bus_of(buses, place.bus)?.take(&place)?;
    Ok(place)
}

/// Hubs, where the devices are more than the ports.
fn add_hubs(draft: &mut Draft, buses: &Buses) {
    let devices = order(draft).len();
    let of_hubs = draft.devices.hubs.len() * usize::from(HUB_PORTS);
    let ports = buses.values().map(|bus| usize::from(bus.count)).sum::<usize>() + of_hubs;
    if buses.is_empty() || devices <= ports {
        return;
    }
    // Each hub takes a port and gives eight.
    let missing = (devices - ports + 1).div_ceil(usize::from(HUB_PORTS) - 1);
    draft.devices.hubs.extend((0..missing).map(|_| Hub::default()));
}
