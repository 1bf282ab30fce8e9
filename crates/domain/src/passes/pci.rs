//! PCI addresses: a place for every device that needs one, and the buses that takes.
//!
//! Owns: the map of what is taken. Never: knows what a device is, only which kind of slot it wants.

use std::collections::BTreeMap;

use ostler_base::{Error, Result, Word, refuse};
use ostler_vocab::address::{Address, OrdOnOff, PciAddress};

use crate::devices::controller::{Controller, ControllerType, PciModel};
use crate::devices::{Device, Slot};
use crate::{Draft, Setting, machine};

/// A bus: what it is, and which functions of its slots are taken.
struct Bus {
    model: PciModel,
    taken: BTreeMap<u8, u8>,
}

impl Bus {
    fn new(model: PciModel) -> Self {
        Bus { model, taken: BTreeMap::new() }
    }

    /// First and last slot that devices can use.
    fn slots(&self) -> (u8, u8) {
        match self.model {
            PciModel::PciRoot | PciModel::PcieRoot | PciModel::PciBridge | PciModel::PcieToPciBridge => {
                (1, 31)
            }
            PciModel::DmiToPciBridge
            | PciModel::PciExpanderBus
            | PciModel::PcieExpanderBus
            | PciModel::PcieSwitchUpstreamPort => (0, 31),
            PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => (0, 0),
        }
    }

    /// Whether a device that wants this kind of slot is put here of itself.
    fn takes(&self, want: Slot) -> bool {
        match self.model {
            PciModel::PciRoot => true,
            PciModel::PciBridge | PciModel::PcieToPciBridge => want == Slot::Pci,
            PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => want == Slot::Pcie,
            PciModel::PcieRoot
            | PciModel::DmiToPciBridge
            | PciModel::PciExpanderBus
            | PciModel::PcieExpanderBus
            | PciModel::PcieSwitchUpstreamPort => false,
        }
    }

    fn free_slot(&self) -> Option<u8> {
        let (first, last) = self.slots();
        (first..=last).find(|slot| !self.taken.contains_key(slot))
    }

    fn take(&mut self, slot: u8, function: Option<u8>) -> bool {
        let bits = function.map_or(u8::MAX, |f| 1 << f);
        let taken = self.taken.entry(slot).or_default();
        let free = *taken & bits == 0;
        *taken |= bits;
        free
    }
}

/// All buses, by number.
struct Map {
    buses: Vec<Bus>,
    root: PciModel,
}

/// Finds a place for every device.
pub(super) fn addresses(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let machine = machine::of(&draft.head.os);
    let Some(root) = machine.pci_root() else { return Ok(()) };
    fixed_places(draft);
    display_place(draft);
    let managed = draft.devices.controllers.iter().filter(|c| c.kind == ControllerType::Pci).count() == 1;
    let mut map = Map { buses: buses(&draft.devices.controllers, root), root };
    for (slot, function) in machine.taken_slots() {
        map.buses[0].take(*slot, *function);
    }
    reserve(draft, &mut map)?;
    let before = map.buses.len();
    let mut places = Vec::new();
    let turns = draft.devices.turns();
    let mut waiting: Vec<(u8, usize, Slot)> = Vec::new();
    for (at, device) in draft.devices.iter().enumerate() {
        let want = device.slot(draft);
        if want != Slot::None && device.info().address.is_none() {
            waiting.push((turns[at], at, want));
        }
    }
    waiting.sort_by_key(|(turn, at, _)| (*turn, *at));
    for (_, at, want) in waiting {
        places.push((at, map.place(want)?));
    }
    let ports = draft.devices.controllers.iter().any(|c| c.pci_model() == Some(PciModel::PcieRootPort));
    let grown = map.buses.len() > before;
    for (at, device) in draft.devices.iter_mut().enumerate() {
        if let Some((_, place)) = places.iter().find(|(place_at, _)| *place_at == at) {
            device.info_mut().address = Some(Address::Pci(*place));
        }
    }
    companions(draft);
    // A definition that leaves its buses to us gets one port more, for a device to be plugged.
    if managed && grown && !ports && root == PciModel::PcieRoot {
        map.add(PciModel::PcieRootPort);
    }
    add_controllers(draft, &map)
}

/// The controllers of an ICH9 set share the slot of the first of them that has one.
fn companions(draft: &mut Draft) {
    let controllers = &mut draft.devices.controllers;
    let slots: Vec<(u32, PciAddress)> = controllers
        .iter()
        .filter(|c| c.companion_function().is_some())
        .filter_map(|c| Some((c.index.unwrap_or(0), c.info().pci()?)))
        .collect();
    for controller in controllers.iter_mut() {
        let Some(function) = controller.companion_function() else { continue };
        let index = controller.index.unwrap_or(0);
        let Some((_, slot)) = slots.iter().find(|(of, _)| *of == index) else { continue };
        let said = controller.info().pci().filter(|pci| pci.function != 0 || function == 0);
        let mut place = said.unwrap_or_else(|| PciAddress::new(slot.bus, slot.slot, function));
        if function == 0 {
            place.multifunction.get_or_insert(OrdOnOff::On);
        }
        controller.info_mut().address = Some(Address::Pci(place));
    }
}

fn fixed_places(draft: &mut Draft) {
    let machine = machine::of(&draft.head.os);
    for controller in &mut draft.devices.controllers {
        let place = machine.fixed_place(controller.kind, controller.index.unwrap_or(0));
        let own_chip =
            controller.kind != ControllerType::Usb || controller.model.as_deref() == Some("piix3-uhci");
        if let (Some((slot, function)), None, true) = (place, &controller.info().address, own_chip) {
            controller.info_mut().address = Some(Address::Pci(PciAddress::new(0, slot, function)));
        }
    }
}

/// The first display adapter has a place of its own, unless something else was put there.
fn display_place(draft: &mut Draft) {
    let Some(slot) = machine::of(&draft.head.os).display_slot() else { return };
    let taken =
        draft.devices.iter().filter_map(|d| d.info().pci()).any(|pci| (pci.bus, pci.slot) == (0, slot));
    if let Some(video) = draft.devices.videos.iter_mut().find(|v| v.takes_display_slot())
        && video.info().address.is_none()
        && !taken
    {
        video.info_mut().address = Some(Address::Pci(PciAddress::new(0, slot, 0)));
    }
}

fn buses(controllers: &[Controller], root: PciModel) -> Vec<Bus> {
    let mut buses = vec![Bus::new(root)];
    let pci = controllers.iter().filter(|c| c.kind == ControllerType::Pci);
    for controller in pci {
        let index = controller.index.unwrap_or(0) as usize;
        while buses.len() <= index.min(255) {
            let filler =
                if root == PciModel::PcieRoot { PciModel::PcieRootPort } else { PciModel::PciBridge };
            buses.push(Bus::new(filler));
        }
        if let (Some(bus), Some(model)) = (buses.get_mut(index), controller.pci_model()) {
            bus.model = model;
        }
    }
    buses
}

/// Takes the places that the definition names.
fn reserve(draft: &Draft, map: &mut Map) -> Result<()> {
    let machine = machine::of(&draft.head.os);
    let fixed = |device: &dyn Device| {
        device.info().pci().is_some_and(|pci| {
            draft.devices.controllers.iter().any(|c| {
                machine.fixed_place(c.kind, c.index.unwrap_or(0)) == Some((pci.slot, pci.function))
                    && c.info().pci() == Some(pci)
            }) && pci.bus == 0
        })
    };
    for device in draft.devices.iter() {
        let Some(pci) = device.info().pci() else { continue };
        if fixed(device) {
            continue;
        }
        if pci.domain != 0 {
            refuse!(xml, "Invalid PCI address {pci}. Only PCI domain 0 is available");
        }
        map.grow_to(pci.bus);
        let bus = &mut map.buses[usize::from(pci.bus)];
        let (first, last) = bus.slots();
        if pci.slot < first || pci.slot > last {
            let bound = if pci.slot < first {
                format!("slot must be >= {first}")
            } else {
                format!("slot must be <= {last}")
            };
            refuse!(xml, "Invalid PCI address {pci}. {bound}");
        }
        // Function 0 that does not share its slot takes all of it.
        let whole = pci.function == 0 && pci.multifunction != Some(OrdOnOff::On);
        if !bus.take(pci.slot, (!whole).then_some(pci.function)) {
            refuse!(xml, "Attempted double use of PCI Address '{pci}'");
        }
    }
    Ok(())
}

impl Map {
    fn grow_to(&mut self, bus: u8) {
        while self.buses.len() <= usize::from(bus) {
            let model =
                if self.root == PciModel::PcieRoot { PciModel::PcieRootPort } else { PciModel::PciBridge };
            self.buses.push(Bus::new(model));
        }
    }

    fn place(&mut self, want: Slot) -> Result<PciAddress> {
        loop {
            let found = self.buses.iter().enumerate().find_map(|(number, bus)| {
                bus.takes(want).then(|| bus.free_slot()).flatten().map(|slot| (number, slot))
            });
            if let Some((number, slot)) = found {
                self.buses[number].take(slot, None);
                let number =
                    u8::try_from(number).map_err(|_| Error::internal("No more available PCI slots"))?;
                return Ok(PciAddress::new(number, slot, 0));
            }
            let bridge = self.buses.iter().any(|b| b.model == PciModel::PcieToPciBridge);
            match (self.root, want) {
                (PciModel::PcieRoot, Slot::Pcie) => self.add(PciModel::PcieRootPort),
                (PciModel::PcieRoot, _) if !bridge => {
                    self.add(PciModel::PcieRootPort);
                    self.add(PciModel::PcieToPciBridge);
                }
                (PciModel::PciRoot, _) => self.add(PciModel::PciBridge),
                _ => return Err(Error::internal("No more available PCI slots")),
            }
            if self.buses.len() > 255 {
                return Err(Error::internal("No more available PCI slots"));
            }
        }
    }

    fn add(&mut self, model: PciModel) {
        self.buses.push(Bus::new(model));
    }
}

/// Makes a controller for every bus that has none, and finds a place for each that has no place.
fn add_controllers(draft: &mut Draft, map: &Map) -> Result<()> {
    for (number, bus) in map.buses.iter().enumerate().skip(1) {
        let index = u32::try_from(number).unwrap_or(u32::MAX);
        let controllers = &mut draft.devices.controllers;
        if !controllers.iter().any(|c| c.kind == ControllerType::Pci && c.index == Some(index)) {
            controllers.push(Controller::unasked(ControllerType::Pci, index, Some(bus.model.as_str())));
        }
    }
    super::controllers::sort(&mut draft.devices.controllers);
    let mut root = Bus::new(map.root);
    root.taken = map.buses[0].taken.clone();
    let mut bridged: Vec<u8> = Vec::new();
    // Ports share a slot, eight functions each; they come after the first slot that is free.
    let mut port_place: Option<(u8, u8)> = None;
    let controllers = &mut draft.devices.controllers;
    for controller in controllers.iter_mut() {
        let (Some(model), index) = (controller.pci_model(), controller.index.unwrap_or(0)) else { continue };
        if index == 0 {
            continue;
        }
        if controller.info().address.is_none() {
            let place = match model {
                PciModel::PcieRootPort => next_port(&mut root, &mut port_place),
                PciModel::PcieToPciBridge => parent_port(map, &bridged).map(|bus| PciAddress::new(bus, 0, 0)),
                PciModel::PciBridge
                | PciModel::DmiToPciBridge
                | PciModel::PciExpanderBus
                | PciModel::PcieExpanderBus
                | PciModel::PcieSwitchUpstreamPort
                | PciModel::PcieSwitchDownstreamPort => root.free_slot().map(|slot| {
                    root.take(slot, None);
                    PciAddress::new(0, slot, 0)
                }),
                PciModel::PciRoot | PciModel::PcieRoot => None,
            };
            let place = place.ok_or_else(|| Error::internal("No more available PCI slots"))?;
            if model == PciModel::PcieToPciBridge {
                bridged.push(place.bus);
            }
            controller.info_mut().address = Some(Address::Pci(place));
        }
        describe(controller, model, index);
    }
    mark_shared(controllers);
    Ok(())
}

fn next_port(root: &mut Bus, place: &mut Option<(u8, u8)>) -> Option<PciAddress> {
    let (slot, function) = match *place {
        Some((slot, function)) if function < 7 => (slot, function + 1),
        _ => (root.free_slot()?, 0),
    };
    root.take(slot, Some(function));
    *place = Some((slot, function));
    Some(PciAddress::new(0, slot, function))
}

/// The port just before the bridge, which was made for it.
fn parent_port(map: &Map, used: &[u8]) -> Option<u8> {
    let bridge = map.buses.iter().position(|b| b.model == PciModel::PcieToPciBridge)?;
    let port = bridge.checked_sub(1).and_then(|bus| u8::try_from(bus).ok())?;
    (!used.contains(&port)).then_some(port)
}

/// The emulator's device and its numbers, where they are not said.
fn describe(controller: &mut Controller, model: PciModel, index: u32) {
    let Some(name) = model.default_device() else { return };
    controller.model_name.get_or_insert_with(|| name.to_owned());
    if model == PciModel::PciBridge {
        controller.target.chassis_nr.get_or_insert(index);
    }
    if matches!(model, PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort) {
        controller.target.chassis.get_or_insert(index);
        if let Some(place) = controller.info().pci() {
            controller.target.port.get_or_insert(u32::from(place.slot) * 8 + u32::from(place.function));
        }
    }
}

/// Function 0 of a slot that has others says so.
fn mark_shared(controllers: &mut [Controller]) {
    let places: Vec<PciAddress> = controllers.iter().filter_map(|c| c.info().pci()).collect();
    for controller in controllers.iter_mut().filter(|c| c.kind == ControllerType::Pci) {
        if let Some(Address::Pci(pci)) = &mut controller.info_mut().address
            && pci.function == 0
            && pci.multifunction.is_none()
            && places.iter().any(|p| (p.bus, p.slot) == (pci.bus, pci.slot) && p.function > 0)
        {
            pci.multifunction = Some(OrdOnOff::On);
        }
    }
}
