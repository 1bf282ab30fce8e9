//! PCI addresses: a place for every device that needs one, and the buses that takes.
//!
//! Owns: who gets which place, in which order. Never: knows what a device is, only which kind of slot
//! it wants.
//!
//! Places are given out twice. The first time buses are added as they are needed, which tells how
//! many there have to be; then the controllers are made, and everything is placed anew, controllers
//! first.

use std::collections::BTreeMap;

use ostler_base::{Error, Result, Word, refuse};
use ostler_vocab::address::{Address, OrdOnOff, PciAddress};

use super::pci_map::{Demand, Growth, Map, Plug};
use crate::devices::controller::{Controller, ControllerType, PciModel};
use crate::devices::{Device, Slot};
use crate::machine::{self, Usual};
use crate::{Draft, Setting};

/// Finds a place for every device.
pub(super) fn addresses(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let last = pci_controllers(draft).filter_map(|c| c.index).max();
    let Some(last) = last else { return without_buses(draft) };
    let mut map = new_map(draft, setting, Growth::AsNeeded)?;
    chip_set(draft, &mut map)?;
    if pci_controllers(draft).any(|c| c.pci_model() == Some(PciModel::PciRoot)) && !map.is_full() {
        // One slot more than is needed, for a bridge to come.
        map.reserve_next(Demand::of(Plug::Conventional), None)?;
    }
    give(draft, setting, &mut map)?;
    let express = pci_controllers(draft).any(|c| c.pci_model() == Some(PciModel::PcieRoot));
    if last == 0 && map.len() > 1 && express {
        // A definition that leaves its buses to us gets a port more, for a device to be plugged.
        map.reserve_next(Demand::of(Plug::Express), None)?;
    }
    add_controllers(draft, &mut map)?;
    if !machine::of(&draft.head.os).supports_pci() {
        return Ok(());
    }
    let mut map = new_map(draft, setting, Growth::Never)?;
    chip_set(draft, &mut map)?;
    give(draft, setting, &mut map)?;
    mark_shared(draft);
    describe(draft)
}

fn pci_controllers(draft: &Draft) -> impl Iterator<Item = &Controller> {
    draft.devices.controllers.iter().filter(|c| c.kind == ControllerType::Pci)
}

/// No machine without PCI can have a device that needs it; boards of ARM are taken at their word.
fn without_buses(draft: &Draft) -> Result<()> {
    if !draft.head.os.arch.is_some_and(ostler_base::Arch::is_x86) {
        return Ok(());
    }
    let wants = |d: &dyn Device| d.info().address.is_none() && d.slot(draft) != Slot::None;
    if draft.devices.iter().any(wants) { Err(Error::xml("No PCI buses available")) } else { Ok(()) }
}

/// The buses of the definition's controllers, with the places that it names taken.
fn new_map(draft: &Draft, setting: &Setting<'_>, growth: Growth) -> Result<Map> {
    let machine = machine::of(&draft.head.os);
    let express = pci_controllers(draft).any(|c| c.pci_model() == Some(PciModel::PcieRoot));
    let filler = match (machine.numbered_roots(), express) {
        (true, _) => PciModel::PciRoot,
        (false, true) => PciModel::PcieRootPort,
        (false, false) => PciModel::PciBridge,
    };
    let models: Vec<(u32, PciModel)> =
        pci_controllers(draft).filter_map(|c| Some((c.index.unwrap_or(0), c.pci_model()?))).collect();
    let root = if express { PciModel::PcieRoot } else { PciModel::PciRoot };
    let mut map = Map::new(&models, root, filler, growth);
    if machine.numbered_roots() {
        map.keep_apart(0);
    }
    for device in draft.devices.iter().filter(|device| !device.shares_place()) {
        let Some(place) = device.info().pci() else { continue };
        if is_fixed(draft, device, place) {
            continue;
        }
        let demand = demand(draft, setting, device).unwrap_or(Demand::of(Plug::Conventional));
        map.reserve(place, demand, true)?;
    }
    Ok(map)
}

/// Whether it is a controller of the board at the board's own place; these are taken together with
/// the board's other functions.
fn is_fixed(draft: &Draft, device: &dyn Device, place: PciAddress) -> bool {
    let machine = machine::of(&draft.head.os);
    machine.own_functions().iter().any(|(slot, _)| *slot == place.slot)
        && place.bus == 0
        && draft.devices.controllers.iter().any(|c| {
            machine.fixed_place(c.kind, c.index.unwrap_or(0)) == Some((place.slot, place.function))
                && std::ptr::addr_eq(c.info(), device.info())
                && c.kind != ControllerType::Sata
        })
}

/// What a device wants of a bus; `None` for what does not sit on PCI.
fn demand(draft: &Draft, setting: &Setting<'_>, device: &dyn Device) -> Option<Demand> {
    let express = pci_controllers(draft).any(|c| c.pci_model() == Some(PciModel::PcieRoot));
    let modern = if express { Plug::Express } else { Plug::Conventional };
    let slot = device.slot(draft);
    let plug = match slot {
        Slot::None => return None,
        Slot::Pci | Slot::Companion { .. } => Plug::Conventional,
        Slot::Pcie | Slot::Root => modern,
        Slot::Bridge(model) => Plug::Controller(model),
    };
    let apart = machine::of(&draft.head.os).numbered_roots();
    Some(Demand {
        plug,
        on_root: slot == Slot::Root,
        isolation: if apart { device.isolation(setting.host) } else { 0 },
    })
}

/// Places that boards have for their own devices, and for the ones that they usually have.
fn chip_set(draft: &mut Draft, map: &mut Map) -> Result<()> {
    let machine = machine::of(&draft.head.os);
    for controller in &mut draft.devices.controllers {
        own_place(machine, controller, map)?;
    }
    for (slot, function) in machine.own_functions() {
        map.reserve(PciAddress::new(0, *slot, *function), Demand::of(Plug::Conventional), true)?;
    }
    display_place(draft, machine, map)?;
    let Some(slot) = machine.usual_slots(Usual::Sound).first().filter(|slot| !map.in_use(0, **slot)) else {
        return Ok(());
    };
    let card = draft.devices.sounds.iter_mut().find(|s| s.is_ich9() && s.info().address.is_none());
    if let Some(card) = card {
        let place = PciAddress::new(0, *slot, 0);
        map.reserve(place, Demand::of(Plug::Express), true)?;
        card.info_mut().address = Some(Address::Pci(place));
    }
    Ok(())
}

fn own_place(machine: &dyn machine::Machine, controller: &mut Controller, map: &mut Map) -> Result<()> {
    let index = controller.index.unwrap_or(0);
    if let Some((slot, function)) =
        machine.fixed_place(controller.kind, index).filter(|_| controller.is_own())
    {
        let place = PciAddress::new(0, slot, function);
        let same = |said: PciAddress| (said.bus, said.slot, said.function) == (0, slot, function);
        match controller.info().pci() {
            Some(said) if !same(said) => {
                refuse!(internal, "{} must have PCI address 0:0:{slot:x}.{function}", controller.own_name());
            }
            Some(_) => {}
            None => controller.info_mut().address = Some(Address::Pci(place)),
        }
        if controller.kind != ControllerType::Sata {
            map.reserve(place, Demand::of(Plug::Conventional), true)?;
        }
        return Ok(());
    }
    let usual = match (controller.pci_model(), controller.companion_function()) {
        (Some(PciModel::DmiToPciBridge), _) => Usual::DmiBridge,
        (None, Some(0)) => Usual::UsbCompanions,
        _ => return Ok(()),
    };
    let free = machine.usual_slots(usual).iter().find(|slot| !map.in_use(0, **slot));
    if let (Some(slot), None) = (free, &controller.info().address) {
        let mut place = PciAddress::new(0, *slot, 0);
        map.reserve(place, Demand::of(Plug::Express), true)?;
        if usual == Usual::UsbCompanions {
            place.multifunction = Some(OrdOnOff::On);
        }
        controller.info_mut().address = Some(Address::Pci(place));
    }
    Ok(())
}

/// The first display adapter has a place of its own, unless something else was put there.
fn display_place(draft: &mut Draft, machine: &dyn machine::Machine, map: &mut Map) -> Result<()> {
    let Some(slot) = machine.display_slot() else { return Ok(()) };
    let open = |v: &crate::devices::video::Video| v.takes_display_slot() && v.info().address.is_none();
    let Some(video) = draft.devices.videos.first_mut().filter(|v| open(v)) else { return Ok(()) };
    if map.in_use(0, slot) {
        return Ok(());
    }
    let place = PciAddress::new(0, slot, 0);
    map.reserve(place, Demand::of(Plug::Conventional), true)?;
    video.info_mut().address = Some(Address::Pci(place));
    Ok(())
}

/// A device that waits for a place.
struct Waiting {
    turn: u8,
    at: usize,
    demand: Demand,
    set: Option<(u32, u8)>,
}

/// Gives a place to every device that waits for one. Places are kept only when the map does not
/// grow any more.
fn give(draft: &mut Draft, setting: &Setting<'_>, map: &mut Map) -> Result<()> {
    let mut sets: BTreeMap<u32, PciAddress> = BTreeMap::new();
    let mut waiting = Vec::new();
    let turns = draft.devices.turns();
    for (at, device) in draft.devices.iter().enumerate() {
        let slot = device.slot(draft);
        let set = if let Slot::Companion { set, function } = slot { Some((set, function)) } else { None };
        if let (Some((set, _)), Some(place)) = (set, device.info().pci()) {
            sets.entry(set).or_insert(place);
        }
        if device.info().address.is_some() {
            continue;
        }
        if let Some(demand) = demand(draft, setting, device) {
            let turn =
                if matches!(slot, Slot::Bridge(_)) { 0 } else { device.place_turn().unwrap_or(turns[at]) };
            waiting.push(Waiting { turn, at, demand, set });
        }
    }
    waiting.sort_by_key(|w| (w.turn, w.at));
    let mut places: BTreeMap<usize, PciAddress> = BTreeMap::new();
    for Waiting { at, demand, set, .. } in waiting {
        let place = match set {
            Some((set, function)) => companion_place(map, demand, &mut sets, set, function)?,
            None => map.reserve_next(demand, None)?,
        };
        places.insert(at, place);
    }
    if map.grows() {
        return Ok(());
    }
    for (at, device) in draft.devices.iter_mut().enumerate() {
        if let Some(place) = places.get(&at) {
            let zpci = device.info().zpci;
            device.info_mut().address = Some(Address::Pci(PciAddress { zpci, ..*place }));
        }
    }
    Ok(())
}

/// The controllers of an ICH9 set share the slot of the first of them that has one.
fn companion_place(
    map: &mut Map,
    demand: Demand,
    sets: &mut BTreeMap<u32, PciAddress>,
    set: u32,
    function: u8,
) -> Result<PciAddress> {
    let mut place = match sets.get(&set) {
        Some(first) => {
            let place = PciAddress::new(first.bus, first.slot, function);
            map.reserve(place, demand, true)?;
            place
        }
        None => map.reserve_next(demand, Some(function))?,
    };
    if function == 0 {
        place.multifunction = Some(OrdOnOff::On);
    }
    sets.entry(set).or_insert(place);
    Ok(place)
}

/// Makes a controller for every bus that has none, and room for it.
fn add_controllers(draft: &mut Draft, map: &mut Map) -> Result<()> {
    let controllers = &mut draft.devices.controllers;
    for (number, model) in map.models().into_iter().enumerate().skip(1) {
        let index = u32::try_from(number).unwrap_or(u32::MAX);
        if controllers.iter().any(|c| c.kind == ControllerType::Pci && c.index == Some(index)) {
            continue;
        }
        controllers.push(Controller::unasked(ControllerType::Pci, index, Some(model.as_str())));
        if !matches!(model, PciModel::PciRoot | PciModel::PcieRoot) {
            map.reserve_next(Demand::of(Plug::Controller(model)), None)?;
        }
    }
    super::controllers::sort(controllers);
    Ok(())
}

/// Function 0 of a slot that has others says so.
fn mark_shared(draft: &mut Draft) {
    let places: Vec<PciAddress> = draft.devices.iter().filter_map(|d| d.info().pci()).collect();
    for device in draft.devices.iter_mut() {
        if let Some(Address::Pci(pci)) = &mut device.info_mut().address
            && pci.function == 0
            && pci.multifunction.is_none()
            && places.iter().any(|p| (p.bus, p.slot) == (pci.bus, pci.slot) && p.function > 0)
        {
            pci.multifunction = Some(OrdOnOff::On);
        }
    }
}

/// The emulator's device of each PCI controller and its numbers, where they are not said.
fn describe(draft: &mut Draft) -> Result<()> {
    let numbered = machine::of(&draft.head.os).numbered_roots();
    let controllers = &mut draft.devices.controllers;
    for at in 0..controllers.len() {
        let Some(model) = controllers[at].pci_model() else { continue };
        let index = controllers[at].index.unwrap_or(0);
        let bus_nr = next_bus_nr(controllers);
        let root_index = next_root_index(controllers, index);
        let controller = &mut controllers[at];
        let root = (model == PciModel::PciRoot && numbered).then_some("spapr-pci-host-bridge");
        if let Some(name) = model.default_device().or(root) {
            controller.model_name.get_or_insert_with(|| name.to_owned());
        }
        let place = controller.info().pci().unwrap_or_default();
        let target = &mut controller.target;
        let slot = u32::from(place.slot);
        match model {
            PciModel::PciBridge => {
                target.chassis_nr.get_or_insert(index);
                if index <= u32::from(place.bus) {
                    refuse!(
                        unsupported,
                        "PCI controller at index {index} (0x{index:02x}) has bus='0x{:02x}', but index must be larger than bus",
                        place.bus
                    );
                }
            }
            PciModel::PcieRootPort => {
                target.chassis.get_or_insert(index);
                target.port.get_or_insert(slot * 8 + u32::from(place.function));
            }
            PciModel::PcieSwitchDownstreamPort => {
                target.chassis.get_or_insert(index);
                target.port.get_or_insert(slot);
            }
            PciModel::PciExpanderBus | PciModel::PcieExpanderBus if target.bus_nr.is_none() => {
                let Some(free) = bus_nr else {
                    refuse!(
                        unsupported,
                        "No free busNr lower than current lowest busNr is available to auto-assign to bus {}. Must be manually assigned",
                        place.bus
                    );
                };
                target.bus_nr = Some(free);
            }
            PciModel::PciRoot if numbered && target.index.is_none() => {
                let Some(free) = root_index else {
                    refuse!(unsupported, "No usable target index found for {}", place.bus);
                };
                target.index = Some(free);
            }
            _ => {}
        }
    }
    Ok(())
}

/// A number below those of all other expanders, with room for the bridge inside.
fn next_bus_nr(controllers: &[Controller]) -> Option<u32> {
    let lowest = controllers.iter().filter_map(|c| c.target.bus_nr).min().unwrap_or(256);
    lowest.checked_sub(2).filter(|free| *free > 0)
}

/// Root 0 is the machine's own.
fn next_root_index(controllers: &[Controller], index: u32) -> Option<u32> {
    let taken = |wanted: u32| controllers.iter().any(|c| c.target.index == Some(wanted));
    if index == 0 { Some(0) } else { (1..=31).find(|free| !taken(*free)) }
}
