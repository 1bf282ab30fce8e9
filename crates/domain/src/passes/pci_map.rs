//! The map of PCI buses: what each takes, what is taken.
//!
//! Owns: the rules of what plugs into what. Never: looks at a definition.

use std::collections::BTreeMap;

use ostler_base::{Code, Error, Origin, Result};
use ostler_vocab::address::PciAddress;

use crate::devices::controller::PciModel;

/// What is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plug {
    /// A conventional card.
    Conventional,
    /// A PCI Express card.
    Express,
    /// A bus behind this one.
    Controller(PciModel),
}

impl Plug {
    fn is_endpoint(self) -> bool {
        !matches!(self, Plug::Controller(_))
    }

    /// What an error calls it.
    fn name(self) -> &'static str {
        match self {
            Plug::Conventional => "standard PCI device",
            Plug::Express => "PCI Express device",
            Plug::Controller(model) => ostler_base::Word::as_str(model),
        }
    }
}

/// What a device wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// What it is.
    pub(super) plug: Plug,
    /// Only the root bus will do.
    pub(super) on_root: bool,
    /// Devices of different numbers share no bus where that can be avoided.
    pub(super) isolation: u32,
}

impl Demand {
    /// A demand without conditions.
    pub(super) fn of(plug: Plug) -> Self {
        Demand { plug, on_root: false, isolation: 0 }
    }
}

/// Whether buses can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// Whenever there is no room.
    AsNeeded,
    /// No more.
    Never,
}

#[derive(Debug, Default, Clone)]
struct Functions {
    taken: u8,
    shared: bool,
}

#[derive(Debug, Clone)]
struct Bus {
    model: PciModel,
    /// A port that was added for a bridge and is for nothing else.
    for_bridge: bool,
    slots: BTreeMap<u8, Functions>,
    isolation: u32,
    /// Whether its isolation number stays.
    locked: bool,
}

impl Bus {
    fn new(model: PciModel) -> Self {
        Bus { model, for_bridge: false, slots: BTreeMap::new(), isolation: 0, locked: false }
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

    /// Whether devices are put here of themselves, and not only where a definition says so.
    fn is_automatic(&self) -> bool {
        matches!(
            self.model,
            PciModel::PciRoot
                | PciModel::PciBridge
                | PciModel::PciExpanderBus
                | PciModel::PcieToPciBridge
                | PciModel::PcieRootPort
                | PciModel::PcieSwitchDownstreamPort
        ) && !self.for_bridge
    }

    fn takes(&self, plug: Plug) -> bool {
        use PciModel::*;
        if self.for_bridge {
            return plug == Plug::Controller(PcieToPciBridge);
        }
        match self.model {
            PciRoot => {
                matches!(plug, Plug::Conventional | Plug::Controller(PciBridge | PciExpanderBus))
            }
            PciBridge | PciExpanderBus | PcieToPciBridge | DmiToPciBridge => {
                matches!(plug, Plug::Conventional | Plug::Controller(PciBridge))
            }
            PcieRoot => matches!(
                plug,
                Plug::Express | Plug::Controller(PcieRootPort | DmiToPciBridge | PcieExpanderBus)
            ),
            PcieRootPort | PcieSwitchDownstreamPort => {
                matches!(plug, Plug::Express | Plug::Controller(PcieSwitchUpstreamPort | PcieToPciBridge))
            }
            PcieSwitchUpstreamPort => plug == Plug::Controller(PcieSwitchDownstreamPort),
            PcieExpanderBus => matches!(plug, Plug::Controller(PcieRootPort | DmiToPciBridge)),
        }
    }

    /// The same where a definition names the place: either kind of card goes where one of them
    /// does, and a bridge goes where a card does.
    fn takes_by_name(&self, plug: Plug) -> bool {
        let cards = self.takes(Plug::Conventional) || self.takes(Plug::Express);
        self.takes(plug) || (cards && (plug.is_endpoint() || plug == Plug::Controller(PciModel::PciBridge)))
    }

    fn is_empty(&self) -> bool {
        self.slots.values().all(|functions| functions.taken == 0)
    }

    /// A free slot, or a free function of a slot that ports share.
    fn free(&self, plug: Plug, function: Option<u8>) -> Option<(u8, u8)> {
        let (first, last) = self.slots();
        let shares = plug == Plug::Controller(PciModel::PcieRootPort);
        (first..=last).find_map(|slot| match self.slots.get(&slot) {
            None => Some((slot, function.unwrap_or(0))),
            Some(functions) if shares && functions.shared => {
                (0..8).find(|f| functions.taken & (1 << f) == 0).map(|f| (slot, f))
            }
            Some(_) => None,
        })
    }
}

/// All buses, by number.
pub(super) struct Map {
    buses: Vec<Bus>,
    filler: PciModel,
    growth: Growth,
}

/// Buses there can be.
const MOST: usize = 256;

impl Map {
    /// The buses of these controllers (number and model); numbers between that have none are of the
    /// model `filler`.
    pub(super) fn new(
        controllers: &[(u32, PciModel)],
        root: PciModel,
        filler: PciModel,
        growth: Growth,
    ) -> Self {
        let last = controllers.iter().map(|(number, _)| *number as usize).max().unwrap_or(0);
        let mut buses = vec![Bus::new(filler); last.min(MOST - 1) + 1];
        buses[0] = Bus::new(root);
        for (number, model) in controllers {
            if let Some(bus) = buses.get_mut(*number as usize) {
                bus.model = *model;
            }
        }
        Map { buses, filler, growth }
    }

    /// The devices of a bus are never those that want to be alone.
    pub(super) fn keep_apart(&mut self, number: usize) {
        self.buses[number].locked = true;
    }

    /// How many buses there are.
    pub(super) fn len(&self) -> usize {
        self.buses.len()
    }

    /// Whether buses can be added.
    pub(super) fn grows(&self) -> bool {
        self.growth == Growth::AsNeeded
    }

    /// The models of all buses, by number.
    pub(super) fn models(&self) -> Vec<PciModel> {
        self.buses.iter().map(|bus| bus.model).collect()
    }

    /// Whether no slot is free on any bus.
    pub(super) fn is_full(&self) -> bool {
        self.buses.iter().all(|bus| {
            let (first, last) = bus.slots();
            (first..=last).all(|slot| bus.slots.contains_key(&slot))
        })
    }

    /// Whether a slot has a device.
    pub(super) fn in_use(&self, bus: usize, slot: u8) -> bool {
        self.buses.get(bus).is_some_and(|bus| bus.slots.contains_key(&slot))
    }

    /// Takes a place that is known; one that a definition names is judged less strictly.
    pub(super) fn reserve(&mut self, place: PciAddress, demand: Demand, named: bool) -> Result<()> {
        let fault = |detail: String| {
            let code = if named { Code::XmlError } else { Code::InternalError };
            Error::new(code, Origin::Domain, detail)
        };
        if self.grows() {
            self.grow_to(usize::from(place.bus), demand.plug)?;
        }
        if place.domain != 0 {
            return Err(fault(format!("Invalid PCI address {place}. Only PCI domain 0 is available")));
        }
        let Some(bus) = self.buses.get_mut(usize::from(place.bus)) else {
            let last = self.buses.len() - 1;
            return Err(fault(format!(
                "Invalid PCI address {place}. Only PCI buses up to {last} are available"
            )));
        };
        if demand.on_root && place.bus != 0 {
            return Err(fault(format!(
                "The device at PCI address {place} needs to be an integrated device (bus=0)"
            )));
        }
        let takes = if named { bus.takes_by_name(demand.plug) } else { bus.takes(demand.plug) };
        if !takes {
            return Err(fault(format!(
                "The device at PCI address {place} cannot be plugged into the PCI controller with index='{}'. It requires a controller that accepts a {}.",
                place.bus,
                demand.plug.name()
            )));
        }
        let (first, last) = bus.slots();
        if place.slot < first {
            return Err(fault(format!("Invalid PCI address {place}. slot must be >= {first}")));
        }
        if place.slot > last {
            return Err(fault(format!("Invalid PCI address {place}. slot must be <= {last}")));
        }
        let empty = bus.is_empty();
        let functions = bus.slots.entry(place.slot).or_default();
        let bit = 1 << place.function;
        if functions.taken & bit != 0 {
            return Err(fault(format!("Attempted double use of PCI Address {place}")));
        }
        functions.shared |= functions.taken == 0 && demand.plug == Plug::Controller(PciModel::PcieRootPort);
        functions.taken |= bit;
        if empty && !bus.locked {
            bus.isolation = demand.isolation;
        } else if bus.isolation != demand.isolation && named {
            bus.isolation = 0;
        }
        Ok(())
    }

    /// Takes the next free place for a demand.
    pub(super) fn reserve_next(&mut self, demand: Demand, function: Option<u8>) -> Result<PciAddress> {
        let place = self.find(demand, function)?;
        self.reserve(place, demand, false)?;
        Ok(place)
    }

    fn find(&mut self, demand: Demand, function: Option<u8>) -> Result<PciAddress> {
        let fits = |number: usize, bus: &Bus| {
            let automatic = bus.is_automatic() || (demand.on_root && number == 0);
            (!demand.on_root || number == 0)
                && (automatic || !demand.plug.is_endpoint())
                && bus.takes(demand.plug)
        };
        let on = |number: usize, bus: &Bus| {
            let (slot, function) = fits(number, bus).then(|| bus.free(demand.plug, function)).flatten()?;
            Some(PciAddress::new(u8::try_from(number).ok()?, slot, function))
        };
        let mut same = self.buses.iter().enumerate().filter(|(_, b)| b.isolation == demand.isolation);
        if let Some(place) = same.find_map(|(number, bus)| on(number, bus)) {
            return Ok(place);
        }
        let mut empty = self.buses.iter().enumerate().filter(|(_, b)| b.is_empty() && !b.locked);
        if let Some(place) = empty.find_map(|(number, bus)| on(number, bus)) {
            return Ok(place);
        }
        if !self.grows() {
            return Err(Error::internal("No more available PCI slots"));
        }
        self.grow_to(self.buses.len(), demand.plug)?;
        let number = self.buses.len() - 1;
        let bus = u8::try_from(number).map_err(|_| Error::internal("No more available PCI slots"))?;
        Ok(PciAddress::new(bus, self.buses[number].slots().0, function.unwrap_or(0)))
    }

    /// Adds buses until there is one of this number, of the kind that a device can be plugged into.
    fn grow_to(&mut self, number: usize, plug: Plug) -> Result<()> {
        if number < self.buses.len() {
            return Ok(());
        }
        if number >= MOST {
            return Err(Error::internal("No more available PCI slots"));
        }
        let model = match plug {
            Plug::Conventional if self.filler == PciModel::PciRoot => PciModel::PciRoot,
            Plug::Conventional => {
                let bridged = self.buses.iter().any(|b| b.takes(Plug::Controller(PciModel::PciBridge)));
                if !bridged {
                    // The first conventional card of a PCI Express machine.
                    let mut port = Bus::new(PciModel::PcieRootPort);
                    port.for_bridge = true;
                    self.buses.push(port);
                    self.buses.push(Bus::new(PciModel::PcieToPciBridge));
                }
                PciModel::PciBridge
            }
            Plug::Express | Plug::Controller(PciModel::PcieSwitchUpstreamPort) => PciModel::PcieRootPort,
            Plug::Controller(model) => {
                return Err(Error::internal(format!(
                    "a PCI slot is needed to connect a PCI controller model='{model}', but none is available, and it cannot be automatically added"
                )));
            }
        };
        while self.buses.len() <= number {
            self.buses.push(Bus::new(model));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn express() -> Map {
        Map::new(&[(0, PciModel::PcieRoot)], PciModel::PcieRoot, PciModel::PcieRootPort, Growth::AsNeeded)
    }

    #[test]
    fn ports_and_bridges_are_added() {
        let mut map = express();
        let first = map.reserve_next(Demand::of(Plug::Express), None).unwrap();
        assert_eq!((first.bus, first.slot), (1, 0));
        let card = map.reserve_next(Demand::of(Plug::Conventional), None).unwrap();
        assert_eq!((card.bus, card.slot), (3, 1));
        assert_eq!(map.models()[2], PciModel::PcieRootPort);
        assert_eq!(map.models()[3], PciModel::PcieToPciBridge);
    }

    #[test]
    fn twice_the_same_place() {
        let mut map = express();
        let place = PciAddress::new(0, 3, 0);
        map.reserve(place, Demand::of(Plug::Express), true).unwrap();
        let error = map.reserve(place, Demand::of(Plug::Express), true).unwrap_err();
        assert_eq!(error.message(), "XML error: Attempted double use of PCI Address 0000:00:03.0");
    }

    #[test]
    fn ports_share_slots() {
        let mut map = express();
        let port = Demand::of(Plug::Controller(PciModel::PcieRootPort));
        let places: Vec<_> = (0..9).map(|_| map.reserve_next(port, None).unwrap()).collect();
        assert_eq!((places[7].slot, places[7].function), (1, 7));
        assert_eq!((places[8].slot, places[8].function), (2, 0));
    }
}
