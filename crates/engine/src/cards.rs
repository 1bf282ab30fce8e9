//! The host's side of a guest's network cards: ports of networks, taps, bridges.
//!
//! Owns: that each card of a run has what it names, and that nothing of it is left afterwards. Never:
//! opens a tap (a start hands descriptors over; the tap goes with the last of them).
//!
//! ```text
//! plug (port, name, macvtap) -> tap is opened -> connect (address, bridge, limits) -> … -> unplug
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

use ostler_base::{Code, Error, MacAddr, Result, refuse};
use ostler_domain::Domain;
use ostler_domain::devices::interface::{CardRun, DirectMode, Interface, InterfaceSource, Plugged};
use ostler_host::Program;
use ostler_host::net::{Link, MacvtapMode, Net, tap_mac};
use ostler_pools::network::port::{DirectMode as PortMode, Plug, Port};
use ostler_pools::network::shaping::Device;
use ostler_pools::nwfilter::FilterRef as FilterUse;
use ostler_pools::nwfilter::binding::Binding;
use ostler_pools::nwfilter::vars::Variables;

use crate::engine::Engine;
use crate::networks::{Claim, Claimed, shape};

/// The device by which the kernel moves the packets of cards.
const VHOST: &str = "/dev/vhost-net";

/// Most names that are tried for a device.
const NAMES_MAX: u32 = 65_536;

/// The next number of a device that is made for a card: no number comes again while the daemon runs,
/// so that nobody takes a new device for one that just went.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taps: AtomicU32,
    macvtaps: AtomicU32,
}

impl Names {
    fn free(count: &AtomicU32, prefix: &str, net: &Net) -> Result<String> {
        for _ in 0..NAMES_MAX {
            let name = format!("{prefix}{}", count.fetch_add(1, Ordering::Relaxed));
            if net.link(&name)?.is_none() {
                return Ok(name);
            }
        }
        refuse!(internal, "no name is free for a network device '{prefix}%d'")
    }
}

/// What a card is connected to, whoever decided it.
enum Wire<'a> {
    /// A bridge, and the port of a network where it has one.
    Bridge(&'a str),
    /// A macvtap on a device.
    Direct(&'a str, DirectMode),
    /// Whatever the user does with the tap.
    Loose,
    /// Nothing of the host's.
    None,
}

fn wire(card: &Interface) -> Wire<'_> {
    match (&card.source, &card.run.plugged) {
        (InterfaceSource::Bridge(bridge), _) => Wire::Bridge(bridge),
        (InterfaceSource::Direct { device, mode }, _) => {
            Wire::Direct(device, mode.unwrap_or(DirectMode::Vepa))
        }
        (InterfaceSource::Ethernet, _) => Wire::Loose,
        (InterfaceSource::Network { .. }, Some(Plugged::Bridge(bridge))) => Wire::Bridge(bridge),
        (InterfaceSource::Network { .. }, Some(Plugged::Direct { device, mode })) => {
            Wire::Direct(device, *mode)
        }
        _ => Wire::None,
    }
}

impl Engine {
    /// Gives every card its port and the name of its device. Where one cannot have them, none has.
    pub(crate) fn plug_cards(&self, domain: &Domain) -> Result<Domain> {
        let mut plugged = domain.clone();
        let outcome = plugged.change_cards(|card| self.plug(domain, card));
        if outcome.is_err() {
            self.unplug_cards(&plugged);
        }
        outcome.map(|()| plugged)
    }

    fn plug(&self, domain: &Domain, card: &mut Interface) -> Result<()> {
        let vhost = card.backend.vhost.as_deref().unwrap_or(VHOST);
        let without_vhost = card.driver.name.is_none() && !std::path::Path::new(vhost).exists();
        card.run = CardRun { without_vhost, ..CardRun::default() };
        if let InterfaceSource::Network { network, portgroup } = &card.source {
            let claimed = self.networks().claim(claim(domain, card, network, portgroup.as_ref()))?;
            card.mtu = card.mtu.or(claimed.mtu);
            // Noted before anything can fail: what is noted is given back.
            card.run.port = Some(claimed.port.uuid);
            card.run.plugged = Some(plugged(&claimed)?);
        }
        let named = card.target.as_ref().is_some_and(|(name, _)| !name.contains("%d"));
        match wire(card) {
            Wire::Bridge(_) | Wire::Loose if named => Ok(()),
            Wire::Bridge(_) | Wire::Loose => {
                let name = Names::free(&self.names().taps, "vnet", &Net::open()?)?;
                card.target = Some((name, card.target.as_ref().and_then(|(_, managed)| *managed)));
                Ok(())
            }
            Wire::Direct(device, mode) => {
                let net = Net::open()?;
                let name = match &card.target {
                    Some((name, _)) if named => name.clone(),
                    _ => Names::free(&self.names().macvtaps, "macvtap", &net)?,
                };
                let parent = net.require_link(device)?;
                net.add_macvtap(&name, &parent, macvtap_mode(mode), card.mac)?;
                card.target = Some((name, None));
                Ok(())
            }
            Wire::None => Ok(()),
        }
    }

    /// Connects the devices of cards, which are open: addresses, bridges, limits; then they are up.
    pub(crate) fn connect_cards(&self, domain: &Domain) -> Result<()> {
        let mut net = None;
        for card in &domain.devices.interfaces {
            if matches!(wire(card), Wire::None) {
                continue;
            }
            let net = match &net {
                Some(net) => net,
                None => net.insert(Net::open()?),
            };
            self.connect(net, domain, card)?;
        }
        Ok(())
    }

    fn connect(&self, net: &Net, domain: &Domain, card: &Interface) -> Result<()> {
        let Some((name, _)) = &card.target else { return Ok(()) };
        let link = net.require_link(name)?;
        let port = self.port_of(card);
        match wire(card) {
            Wire::Bridge(bridge) => {
                let bridge = net.require_link(bridge)?;
                dress(net, card, &link, Some(&bridge))?;
                net.set_master(&link, Some(&bridge))?;
                self.filter(domain, card, name)?;
                if card
                    .isolated
                    .or(port.as_ref().and_then(|port| port.isolated))
                    .is_some_and(|on| on.is_true())
                {
                    net.set_isolated(&link, true)?;
                }
            }
            Wire::Loose => {
                dress(net, card, &link, None)?;
                self.filter(domain, card, name)?;
                if let Some(script) =
                    card.script.as_deref().filter(|script| !script.is_empty() && *script != "no")
                {
                    Program::new(script, [name.as_str()]).run()?;
                }
            }
            Wire::Direct(..) | Wire::None => {}
        }
        net.set_up(&link, true)?;
        let bandwidth =
            port.as_ref().and_then(|port| port.bandwidth.clone()).or_else(|| card.bandwidth.clone());
        match &bandwidth {
            Some(bandwidth) => shape(name, Device::Port, bandwidth),
            None => {
                net.set_no_queue(&link);
                Ok(())
            }
        }
    }

    /// Gives a device the packet filter that its card names.
    fn filter(&self, domain: &Domain, card: &Interface, device: &str) -> Result<()> {
        let Some(filter) = &card.filter else { return Ok(()) };
        let mut parameters = Variables::new();
        filter.parameters.iter().for_each(|(name, value)| parameters.add(name, value));
        self.filters().bind(Binding {
            owner_name: domain.name().to_owned(),
            owner_uuid: domain.uuid(),
            portdev: device.to_owned(),
            linkdev: None,
            mac: card.mac.unwrap_or_default(),
            filterref: FilterUse { filter: filter.name.clone(), parameters },
        })
    }

    fn port_of(&self, card: &Interface) -> Option<std::sync::Arc<Port>> {
        let InterfaceSource::Network { network, .. } = &card.source else { return None };
        let view = self.networks().by_name(network).ok()?.view();
        view.port(card.run.port?).ok().cloned()
    }

    /// Gives back what cards had; what is gone already is no error.
    pub(crate) fn unplug_cards(&self, domain: &Domain) {
        for card in &domain.devices.interfaces {
            if let (Wire::Direct(..), Some((name, _))) = (wire(card), &card.target) {
                let removed = Net::open().and_then(|net| net.remove_link(name));
                if let Err(error) = removed {
                    tracing::warn!(guest = domain.name(), %error, "a network device is left");
                }
            }
            if let (Some(_), Some((name, _))) = (&card.filter, &card.target)
                && let Err(error) = self.filters().unbind(name)
                && error.code() != Code::NoNwfilterBinding
            {
                tracing::warn!(guest = domain.name(), %error, "rules of an interface are left");
            }
            if let (InterfaceSource::Network { network, .. }, Some(port)) = (&card.source, card.run.port) {
                self.networks().release(network, port);
            }
        }
    }
}

/// What every tap gets: an address of its own, a size that fits, nothing that waits in it.
fn dress(net: &Net, card: &Interface, link: &Link, bridge: Option<&Link>) -> Result<()> {
    net.set_mac(link, tap_mac(card.mac.unwrap_or_default()))?;
    match card.mtu.or(bridge.map(|bridge| bridge.mtu)) {
        Some(mtu) if mtu != link.mtu => net.set_mtu(link, mtu),
        _ => Ok(()),
    }
}

fn claim(domain: &Domain, card: &Interface, network: &str, portgroup: Option<&String>) -> Claim {
    Claim {
        network: network.to_owned(),
        group: portgroup.cloned(),
        owner_name: domain.name().to_owned(),
        owner_uuid: domain.uuid(),
        mac: card.mac.unwrap_or(MacAddr([0; 6])),
        bandwidth: card.bandwidth.clone(),
        vlan: card.vlan.clone(),
        virtualport: card.virtualport.clone(),
        isolated: card.isolated,
        trust_guest_rx_filters: card.trust_filters,
    }
}

fn plugged(claimed: &Claimed) -> Result<Plugged> {
    match &claimed.port.plug {
        Some(Plug::Network(plug) | Plug::Bridge(plug)) => Ok(Plugged::Bridge(plug.bridge.clone())),
        Some(Plug::Direct { dev, mode }) => {
            let mode = match mode {
                PortMode::Vepa => DirectMode::Vepa,
                PortMode::Private => DirectMode::Private,
                PortMode::Bridge => DirectMode::Bridge,
                PortMode::Passthrough => DirectMode::Passthrough,
            };
            Ok(Plugged::Direct { device: dev.clone(), mode })
        }
        Some(Plug::HostdevPci { address, .. }) => Err(Error::operation_unsupported(format!(
            "PCI device '{address}' of a network cannot be given to a guest"
        ))),
        None => Err(Error::internal("a port of a network is plugged into nothing")),
    }
}

fn macvtap_mode(mode: DirectMode) -> MacvtapMode {
    match mode {
        DirectMode::Vepa => MacvtapMode::Vepa,
        DirectMode::Private => MacvtapMode::Private,
        DirectMode::Bridge => MacvtapMode::Bridge,
        DirectMode::Passthrough => MacvtapMode::Passthrough,
    }
}
