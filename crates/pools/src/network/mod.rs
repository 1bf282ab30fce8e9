//! Virtual networks.
//!
//! Owns: the definition of a network (`xml`, `forward`, `dns`, `ip`), its rules, changes of its
//! parts while it runs (`update`), what dnsmasq and the packet filter have to be told (`dnsmasq`,
//! `firewall`), and the port that an interface takes in it (`port`). Never: makes a bridge.

pub mod dns;
pub mod dnsmasq;
pub mod firewall;
pub mod forward;
pub mod ip;
pub mod leases;
pub mod port;
mod rules;
pub mod shaping;
pub mod update;
mod xml;

use ostler_base::{MacAddr, OnOff, Uuid, YesNo, words};
use ostler_vocab::bandwidth::Bandwidth;
use ostler_vocab::route::Route;
use ostler_vocab::virtualport::VirtualPort;
use ostler_vocab::vlan::Vlan;

use crate::Metadata;
use dns::Dns;
use forward::Forward;
use ip::Ip;

/// The namespace of options that are handed to dnsmasq as they are.
pub const DNSMASQ_NAMESPACE: &str = "http://libvirt.org/schemas/network/dnsmasq/1.0";

words! {
    /// `<bridge macTableManager='…'>`: who keeps the bridge's table of hardware addresses.
    pub MacTableManager { Kernel = "kernel", Libvirt = "libvirt" }
}

/// `<network>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name; never empty, no slash.
    pub name: String,
    /// Its identifier.
    pub uuid: Uuid,
    /// One line for people.
    pub title: Option<String>,
    /// Any text for people.
    pub description: Option<String>,
    /// What applications left here.
    pub metadata: Metadata,
    /// Whether guests may talk IPv6 among themselves where the network has no IPv6 address.
    pub ipv6: Option<YesNo>,
    /// Whether guests' receive filters are believed.
    pub trust_guest_rx_filters: Option<YesNo>,
    /// How it reaches the outside.
    pub forward: Forward,
    /// The bridge it is made of.
    pub bridge: Bridge,
    /// MTU of the bridge, in bytes.
    pub mtu: Option<u32>,
    /// Hardware address of the bridge.
    pub mac: Option<MacAddr>,
    /// The DNS domain of its guests.
    pub domain: Option<Domain>,
    /// What its name server answers.
    pub dns: Dns,
    /// VLAN of its ports.
    pub vlan: Option<Vlan>,
    /// Shaping of the whole network.
    pub bandwidth: Option<Bandwidth>,
    /// `<port isolated='…'>`: whether its ports see each other.
    pub port_isolated: Option<YesNo>,
    /// Addresses of the host in it.
    pub ips: Vec<Ip>,
    /// Routes into it.
    pub routes: Vec<Route>,
    /// How its ports present themselves to a switch.
    pub virtualport: Option<VirtualPort>,
    /// Named sets of port settings.
    pub portgroups: Vec<PortGroup>,
    /// Lines for dnsmasq's configuration, as they are.
    pub dnsmasq_options: Vec<String>,
}

/// `<bridge>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its name; one is found where it is missing or has a `%d`.
    pub name: Option<String>,
    /// Zone of the firewall daemon.
    pub zone: Option<String>,
    /// Spanning tree protocol; absent means on.
    pub stp: Option<OnOff>,
    /// Forward delay in seconds.
    pub delay: u64,
    /// Who keeps its table.
    pub mac_table_manager: Option<MacTableManager>,
}

/// `<domain>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The domain.
    pub name: String,
    /// Whether questions about it stay in the network.
    pub local_only: Option<YesNo>,
    /// Whether the host's resolver is told about it.
    pub register: Option<YesNo>,
}

/// `<portgroup>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGroup {
    /// Its name.
    pub name: String,
    /// Whether it holds for interfaces that name none.
    pub default: Option<YesNo>,
    /// Whether guests' receive filters are believed.
    pub trust_guest_rx_filters: Option<YesNo>,
    /// VLAN of the port.
    pub vlan: Option<Vlan>,
    /// How the port presents itself.
    pub virtualport: Option<VirtualPort>,
    /// Shaping of the port.
    pub bandwidth: Option<Bandwidth>,
}

impl PortGroup {
    /// Whether it holds for interfaces that name none.
    pub fn is_default(&self) -> bool {
        self.default == Some(YesNo::Yes)
    }
}

impl Network {
    /// The port group of an interface: the named one, or the default where none is named.
    pub fn portgroup(&self, name: Option<&str>) -> Option<&PortGroup> {
        self.portgroups.iter().find(|group| match name {
            Some(name) => group.name == name,
            None => group.is_default(),
        })
    }

    /// Whether it has an address of a family.
    pub fn has_ipv4(&self) -> bool {
        self.ips.iter().any(|ip| ip.address.is_ipv4())
    }

    /// Whether it has an IPv6 address.
    pub fn has_ipv6(&self) -> bool {
        self.ips.iter().any(|ip| ip.address.is_ipv6())
    }
}
