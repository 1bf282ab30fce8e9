//! Bringing a network up and taking it down.
//!
//! Owns: the order of steps and what takes them back. The status file is there before the first
//! step, so that a daemon that died on the way takes everything back when it comes again.
//!
//! ```text
//! check -> status -> bridge -> rules -> addresses -> up -> routes -> forwarding -> dnsmasq -> status
//! ```

use std::sync::Arc;

use ostler_base::{Code, Error, OnOff, Origin, Result};
use ostler_host::net::{BridgeOptions, Link, Net, RouteEntry, read_setting, write_setting};
use ostler_pools::network::Network as Model;
use ostler_pools::network::dnsmasq::is_needed;
use ostler_pools::network::forward::ForwardMode;

use super::files::Status;
use super::{Inner, Network, Networks, State, firewall, invalid};
use crate::files;
use crate::objects::Happening;

/// Ports that translated connections come from where the network says none.
const NAT_PORTS: (u16, u16) = (1024, 65_535);

impl Networks {
    /// Starts a network.
    pub fn start(&self, network: &Arc<Network>) -> Result<()> {
        network.own(|state| {
            if state.view.is_active() {
                return Err(invalid("network is already active"));
            }
            let model = Model::clone(state.view.current()?);
            self.0.bring_up(self, state, model)
        })?;
        self.tell(network, Happening::Started);
        Ok(())
    }

    /// Stops a network. One without a definition is forgotten.
    pub fn destroy(&self, network: &Arc<Network>) -> Result<()> {
        let turn = self.0.turn();
        network.own(|state| {
            let Some(live) = state.view.live.take() else { return Err(network.not_active()) };
            self.0.take_down(&live, &state.removal);
            state.removal.clear();
            state.view.ports.clear();
            Ok(())
        })?;
        self.forget_unless_needed(network);
        drop(turn);
        self.tell(network, Happening::Stopped);
        Ok(())
    }

    /// Starts every network that is marked to start with the daemon: once, until the next boot.
    pub fn autostart(&self) {
        let mark = self.0.runs().join("autostarted");
        if mark.exists() {
            return;
        }
        for network in self.all() {
            let view = network.view();
            if view.autostart
                && !view.is_active()
                && let Err(error) = self.start(&network)
            {
                tracing::error!(name = network.name, %error, "cannot start a network with the daemon");
            }
        }
        let marked = files::make_directory(&self.0.runs(), 0o755)
            .and_then(|()| files::replace(&mark, "", files::Durability::Volatile));
        if let Err(error) = marked {
            tracing::warn!(%error, "cannot note that networks were started");
        }
    }
}

impl Inner {
    pub(super) fn bring_up(&self, networks: &Networks, state: &mut State, mut model: Model) -> Result<()> {
        model.validate()?;
        if model.forward.mode.is_virtual() {
            networks.name_bridge(&mut model)?;
        }
        if model.forward.mode == ForwardMode::Nat {
            model.forward.nat.ports.get_or_insert(NAT_PORTS);
        }
        let mut status = Status { network: model, starting: true, removal: Vec::new() };
        if is_needed(&status.network) {
            super::dnsmasq::require()?;
        }
        if status.network.forward.mode.is_virtual() {
            check_host(&status.network)?;
        }
        self.write_status(&status)?;
        let virtual_one = status.network.forward.mode.is_virtual();
        let started = if virtual_one { self.climb(&mut status) } else { Ok(()) };
        status.starting = false;
        if let Err(error) = started.and_then(|()| self.write_status(&status)) {
            self.take_down(&status.network, &status.removal);
            return Err(error);
        }
        state.removal = status.removal;
        state.view.live = Some(Arc::new(status.network));
        Ok(())
    }

    fn climb(&self, status: &mut Status) -> Result<()> {
        let net = Net::open()?;
        let model = &status.network;
        let name = model.bridge.name.clone().unwrap_or_default();
        let bridge = net.add_bridge(&name, &bridge_options(model))?;
        ipv6_settings(model, &name)?;
        status.removal = firewall::apply(model, self.setup.backend)?;
        self.write_status(status)?;
        let model = &status.network;
        for ip in &model.ips {
            let prefix = ip.effective_prefix().and_then(|prefix| u8::try_from(prefix).ok());
            let Some(prefix) = prefix else {
                let detail = format!("bridge '{name}' has an invalid netmask or IP address");
                return Err(Error::new(Code::InternalError, Origin::Network, detail));
            };
            net.add_address(&bridge, ip.address, prefix)?;
        }
        net.set_up(&bridge, true)?;
        add_routes(&net, model, &bridge)?;
        let out = matches!(model.forward.mode, ForwardMode::Nat | ForwardMode::Route | ForwardMode::Open);
        if out {
            forward_packets(model)?;
        }
        super::tables::shape_network(model)?;
        self.start_dnsmasq(model)
    }

    /// Takes everything of a run back, last first. What fails is logged, the rest is done all the same.
    pub(super) fn take_down(&self, model: &Model, removal: &[ostler_pools::Command]) {
        let virtual_one = model.forward.mode.is_virtual();
        let bridge = model.bridge.name.as_deref().filter(|_| virtual_one);
        if virtual_one {
            self.stop_dnsmasq(model);
            firewall::remove(removal);
        }
        let removed = match bridge {
            Some(bridge) => Net::open().and_then(|net| net.remove_link(bridge)),
            None => Ok(()),
        };
        let ports = ostler_host::fs::remove_tree(&self.runs().join(&model.name));
        let status = files::remove(&self.status(&model.name));
        for error in [removed, ports, status].into_iter().filter_map(Result::err) {
            tracing::warn!(network = model.name, %error, "something of a network is left");
        }
    }
}

fn bridge_options(model: &Model) -> BridgeOptions {
    BridgeOptions {
        mac: model.mac,
        mtu: model.mtu,
        stp: model.bridge.stp != Some(OnOff::Off),
        delay: model.bridge.delay,
    }
}

/// Without an IPv6 address the host has nothing to say on the bridge; it never takes an address from
/// a guest.
fn ipv6_settings(model: &Model, bridge: &str) -> Result<()> {
    let settings =
        [("disable_ipv6", if model.has_ipv6() { "0" } else { "1" }), ("accept_ra", "0"), ("autoconf", "0")];
    settings.iter().try_for_each(|(key, value)| write_setting(&format!("ipv6/conf/{bridge}/{key}"), value))
}

fn add_routes(net: &Net, model: &Model, bridge: &Link) -> Result<()> {
    for route in &model.routes {
        let prefix = route.effective_prefix().and_then(|prefix| u8::try_from(prefix).ok());
        let Some(prefix) = prefix else {
            let detail =
                format!("network '{}' has an invalid netmask or IP address in route definition", model.name);
            return Err(Error::new(Code::InternalError, Origin::Network, detail));
        };
        let metric = route.metric.unwrap_or(1);
        net.add_route(bridge, route.address, prefix, route.gateway, metric)?;
    }
    Ok(())
}

/// Lets the host pass packets on, for the families that the network has.
fn forward_packets(model: &Model) -> Result<()> {
    let switches = [(model.has_ipv4(), "ipv4/ip_forward"), (model.has_ipv6(), "ipv6/conf/all/forwarding")];
    for (_, switch) in switches.iter().filter(|(used, _)| *used) {
        if read_setting(switch).as_deref() != Some("1") {
            write_setting(switch, "1")?;
        }
    }
    Ok(())
}

/// Refuses a bridge that is there already, and a subnet that the host has a route to.
fn check_host(model: &Model) -> Result<()> {
    let net = Net::open()?;
    let refuse = |detail| Err(Error::new(Code::InternalError, Origin::Network, detail));
    let name = model.bridge.name.as_deref().unwrap_or_default();
    let (routes, links) = (net.routes()?, net.links()?);
    if links.iter().any(|link| link.name == name) {
        return refuse(format!("bridge name '{name}' already in use."));
    }
    for ip in &model.ips {
        let (Some(own), Some(prefix)) = (ip.network(), ip.effective_prefix()) else { continue };
        let same = |route: &&RouteEntry| route.destination == Some(own) && u32::from(route.prefix) == prefix;
        if let Some(clash) = routes.iter().find(same) {
            let device = links.iter().find(|link| link.index == clash.index);
            let device = device.map_or("(none)", |link| link.name.as_str());
            return refuse(format!("Network is already in use by interface {device}"));
        }
    }
    Ok(())
}
