//! Ports: the places that cards of guests take in a network.
//!
//! Owns: which device a port is plugged into, and that each is in its file before anybody relies on
//! it. Never: connects a device.

use std::sync::Arc;

use ostler_base::{Code, Error, MacAddr, Origin, Result, Uuid, YesNo};
use ostler_domain::Entropy as _;
use ostler_pools::Schema;
use ostler_pools::network::Network as Model;
use ostler_pools::network::forward::{ForwardMode, Pool, Pooled};
use ostler_pools::network::port::{BridgePlug, DirectMode, Plug, Port};
use ostler_vocab::bandwidth::Bandwidth;
use ostler_vocab::virtualport::VirtualPort;
use ostler_vocab::vlan::Vlan;

use super::{Network, Networks, State};
use crate::engine::Random;
use crate::files;

/// What a card asks of a network.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Name of the network.
    pub network: String,
    /// The port group it names.
    pub group: Option<String>,
    /// Name of the guest.
    pub owner_name: String,
    /// UUID of the guest.
    pub owner_uuid: Uuid,
    /// Hardware address of the card.
    pub mac: MacAddr,
    /// Limits that the card itself says.
    pub bandwidth: Option<Bandwidth>,
    /// VLAN that the card itself says.
    pub vlan: Option<Vlan>,
    /// What the card itself says to a switch.
    pub virtualport: Option<VirtualPort>,
    /// Whether the card is kept apart from others like it.
    pub isolated: Option<YesNo>,
    /// Whether the guest's receive filters are believed.
    pub trust_guest_rx_filters: Option<YesNo>,
}

/// What a card got.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its port.
    pub port: Arc<Port>,
    /// MTU of the network, in bytes.
    pub mtu: Option<u32>,
}

impl Networks {
    /// Gives a card a port in a running network.
    pub fn claim(&self, claim: Claim) -> Result<Claimed> {
        let network = self.by_name(&claim.network)?;
        let port = Port {
            uuid: Random.uuid(),
            owner_name: claim.owner_name,
            owner_uuid: claim.owner_uuid,
            group: claim.group,
            mac: claim.mac,
            virtualport: claim.virtualport,
            bandwidth: claim.bandwidth,
            vlan: claim.vlan,
            isolated: claim.isolated,
            trust_guest_rx_filters: claim.trust_guest_rx_filters,
            plug: None,
        };
        network.own(|state| {
            let port = self.plug(&network, state, port)?;
            let mtu = state.view.live.as_ref().and_then(|live| live.mtu);
            Ok(Claimed { port, mtu })
        })
    }

    /// Makes a port that a client describes.
    pub fn create_port(&self, network: &Arc<Network>, xml: &str, schema: Schema) -> Result<Arc<Port>> {
        let port = Port::parse(xml, schema)?;
        network.own(|state| {
            if state.view.ports.contains_key(&port.uuid) {
                return Err(Error::new(Code::NetworkPortExist, Origin::Network, port.uuid.to_string()));
            }
            self.plug(network, state, port)
        })
    }

    fn plug(&self, network: &Network, state: &mut State, mut port: Port) -> Result<Arc<Port>> {
        let Some(live) = state.view.live.clone() else { return Err(network.not_active()) };
        let mut model = Model::clone(&live);
        inherit(&mut port, &model)?;
        port.plug = Some(choose(&mut model)?);
        self.0.write_port(&model, &port)?;
        let port = Arc::new(port);
        state.view.ports.insert(port.uuid, Arc::clone(&port));
        state.view.live = Some(Arc::new(model));
        if let Err(error) = self.0.write_mac_table(state) {
            tracing::warn!(network = network.name, %error, "cannot note a hardware address");
        }
        Ok(port)
    }

    /// Takes a port back; one that is gone already is no error.
    pub fn release(&self, network: &str, port: Uuid) {
        let Ok(network) = self.by_name(network) else { return };
        if let Err(error) = self.delete_port(&network, port)
            && error.code() != Code::NoNetworkPort
        {
            tracing::warn!(network = network.name, %error, "a port of a network is left");
        }
    }

    /// Takes a port away.
    pub fn delete_port(&self, network: &Network, port: Uuid) -> Result<()> {
        network.own(|state| {
            let Some(gone) = state.view.ports.remove(&port) else { return Err(no_port(port)) };
            if let Some(live) = &mut state.view.live {
                let model = Arc::make_mut(live);
                count(model, gone.plug.as_ref(), |connections| connections.saturating_sub(1));
            }
            files::remove(&self.0.port(&network.name, port))?;
            self.0.write_mac_table(state)
        })
    }

    /// Takes back the ports of guests that do not run any more.
    pub fn release_orphans(&self, runs: impl Fn(Uuid) -> bool) {
        for network in self.all() {
            for port in network.view().ports.values().filter(|port| !runs(port.owner_uuid)) {
                self.release(&network.name, port.uuid);
            }
        }
    }
}

impl super::View {
    /// The port with this UUID.
    pub fn port(&self, uuid: Uuid) -> Result<&Arc<Port>> {
        self.ports.get(&uuid).ok_or_else(|| no_port(uuid))
    }
}

fn no_port(uuid: Uuid) -> Error {
    let detail = format!("Network port with UUID {uuid} does not exist");
    Error::new(Code::NoNetworkPort, Origin::Network, detail)
}

/// What the card does not say comes from its port group, then from the network.
fn inherit(port: &mut Port, model: &Model) -> Result<()> {
    let group = model.portgroup(port.group.as_deref());
    if let Some(group) = group {
        port.group.get_or_insert_with(|| group.name.clone());
        port.bandwidth = port.bandwidth.take().or_else(|| group.bandwidth.clone());
        port.vlan = port.vlan.take().or_else(|| group.vlan.clone());
        port.trust_guest_rx_filters = port.trust_guest_rx_filters.or(group.trust_guest_rx_filters);
    }
    port.vlan = port.vlan.take().or_else(|| model.vlan.clone());
    port.isolated = port.isolated.or(model.port_isolated);
    port.trust_guest_rx_filters = port.trust_guest_rx_filters.or(model.trust_guest_rx_filters);
    let others = [model.virtualport.as_ref(), group.and_then(|group| group.virtualport.as_ref())];
    for other in others.into_iter().flatten() {
        match &mut port.virtualport {
            Some(own) => own.merge(other)?,
            None => port.virtualport = Some(other.clone()),
        }
    }
    Ok(())
}

/// What a new port is plugged into; its device counts it.
fn choose(model: &mut Model) -> Result<Plug> {
    let mode = model.forward.mode;
    let plug = BridgePlug {
        bridge: model.bridge.name.clone().unwrap_or_default(),
        mac_table_manager: model.bridge.mac_table_manager,
    };
    if mode.is_virtual() {
        return Ok(Plug::Network(plug));
    }
    if mode == ForwardMode::Bridge && model.bridge.name.is_some() {
        return Ok(Plug::Bridge(plug));
    }
    let alone = matches!(mode, ForwardMode::Passthrough | ForwardMode::Hostdev);
    let (managed, driver) = (Some(YesNo::from(model.forward.managed)), model.forward.driver.clone());
    let name = model.name.clone();
    let direct = match mode {
        ForwardMode::Private => DirectMode::Private,
        ForwardMode::Vepa => DirectMode::Vepa,
        ForwardMode::Passthrough => DirectMode::Passthrough,
        _ => DirectMode::Bridge,
    };
    match &mut model.forward.pool {
        Pool::Interfaces(list) => {
            let dev = take(list, alone, &name)?;
            Ok(Plug::Direct { dev, mode: direct })
        }
        Pool::Pci(list) => Ok(Plug::HostdevPci { address: take(list, alone, &name)?, managed, driver }),
    }
}

/// The device with the fewest ports; a device that serves one port only must be free.
fn take<T: Clone>(list: &mut [Pooled<T>], alone: bool, network: &str) -> Result<T> {
    let fault = |detail: String| Error::new(Code::InternalError, Origin::Network, detail);
    if list.is_empty() {
        return Err(fault(format!(
            "network '{network}' uses a direct mode, but has no forward dev and no interface pool"
        )));
    }
    let free = list.iter_mut().filter(|device| !alone || device.connections == 0);
    let device = free.min_by_key(|device| device.connections).ok_or_else(|| {
        fault(format!("network '{network}' requires exclusive access to interfaces, but none are available"))
    })?;
    device.connections = device.connections.saturating_add(1);
    Ok(device.dev.clone())
}

/// Changes how many ports the device of a plug has.
pub(super) fn count(model: &mut Model, plug: Option<&Plug>, change: impl Fn(u32) -> u32) {
    match (plug, &mut model.forward.pool) {
        (Some(Plug::Direct { dev, .. }), Pool::Interfaces(list)) => {
            list.iter_mut().filter(|device| device.dev == *dev).for_each(|device| {
                device.connections = change(device.connections);
            });
        }
        (Some(Plug::HostdevPci { address, .. }), Pool::Pci(list)) => {
            list.iter_mut().filter(|device| device.dev == *address).for_each(|device| {
                device.connections = change(device.connections);
            });
        }
        _ => {}
    }
}
