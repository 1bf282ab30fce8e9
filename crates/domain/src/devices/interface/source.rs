//! `<source>` of network cards: what a card is connected to.

use ostler_base::{Error, Result, YesNo, refuse, words};
use ostler_vocab::address::PciAddress;
use ostler_vocab::chardev::Reconnect;
use ostler_xml::{El, Element};

use super::super::hostdev::PciBackend;

words! {
    /// `<interface type='…'>`
    pub InterfaceType {
        User = "user", Ethernet = "ethernet", VhostUser = "vhostuser", Server = "server",
        Client = "client", Mcast = "mcast", Udp = "udp", Network = "network", Bridge = "bridge",
        Internal = "internal", Direct = "direct", Hostdev = "hostdev", Vdpa = "vdpa", Null = "null",
        Vds = "vds",
    }
    /// `<source mode='…'>` of vhost-user cards.
    pub VhostUserMode { Client = "client", Server = "server" }
    /// `<source mode='…'>` of direct cards.
    pub DirectMode { Vepa = "vepa", Private = "private", Bridge = "bridge", Passthrough = "passthrough" }
}

/// An address and a port; none of the address: all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// `address`
    pub address: Option<String>,
    /// `port`
    pub port: u16,
}

/// What a card is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceSource {
    /// The emulator's own network, or passt's.
    User {
        /// `dev` of the host, for passt.
        device: Option<String>,
    },
    /// A tap device and nothing else.
    Ethernet,
    /// Another process that moves the packets.
    VhostUser {
        /// `path`; absent where passt is that process.
        path: Option<String>,
        /// `mode`
        mode: VhostUserMode,
        /// `<reconnect>`
        reconnect: Option<Reconnect>,
        /// `dev` of the host, for passt.
        device: Option<String>,
    },
    /// Other emulators: `server`, `client`, `mcast`, `udp`.
    Socket {
        /// `type`
        kind: InterfaceType,
        /// `address` and `port`
        remote: Endpoint,
        /// `<local>` of UDP.
        local: Option<Endpoint>,
    },
    /// A virtual network.
    Network {
        /// `network`
        network: String,
        /// `portgroup`
        portgroup: Option<String>,
    },
    /// A bridge of the host.
    Bridge(String),
    /// A name that guests share.
    Internal(String),
    /// A card of the host.
    Direct {
        /// `dev`
        device: String,
        /// `mode`
        mode: Option<DirectMode>,
    },
    /// A card of the host that the guest has to itself.
    Hostdev(HostCard),
    /// A vDPA device.
    Vdpa(String),
    /// Nothing.
    Null,
}

/// A card of the host that a guest has to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCard {
    /// `<address type='pci'>`
    pub address: PciAddress,
    /// `managed`
    pub managed: Option<YesNo>,
    /// `<driver name=…>`
    pub backend: Option<PciBackend>,
    /// `<driver model=…>`
    pub driver: Option<String>,
}

impl HostCard {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let source = el.child("source");
        let Some(address) = source.and_then(|s| s.child("address")) else {
            refuse!(xml, "'address' must be specified for hostdev source");
        };
        match address.attr("type") {
            None | Some("pci") => {}
            Some("usb") => refuse!(unsupported, "network cards on USB of the host are not supported"),
            Some(other) => refuse!(xml, "unknown address type '{other}'"),
        }
        let driver = el.child("driver");
        Ok(HostCard {
            address: PciAddress::parse(&address)?,
            managed: el.yes_no("managed")?,
            backend: driver.and_then(|d| d.attr("name")).map(|_| driver_word(driver)).transpose()?.flatten(),
            driver: driver.and_then(|d| d.attr("model")).map(str::to_owned),
        })
    }

    /// The elements that say it.
    fn format(&self) -> Vec<El> {
        let driver = El::new("driver").attr_opt("name", self.backend).attr_opt("model", self.driver.as_ref());
        let pci = &self.address;
        let address = El::new("address")
            .attr("type", "pci")
            .attr("domain", format_args!("0x{:04x}", pci.domain))
            .attr("bus", format_args!("0x{:02x}", pci.bus))
            .attr("slot", format_args!("0x{:02x}", pci.slot))
            .attr("function", format_args!("0x{:x}", pci.function));
        let source = El::new("source").child(address);
        if driver.is_bare() { vec![source] } else { vec![driver, source] }
    }
}

fn driver_word(driver: Option<Element<'_>>) -> Result<Option<PciBackend>> {
    driver.map(|d| d.word("name")).transpose().map(Option::flatten)
}

impl InterfaceSource {
    /// Reads it. With passt another process needs no path.
    pub(super) fn parse(kind: InterfaceType, passt: bool, el: &Element<'_>) -> Result<Self> {
        let source = el.child("source");
        let text =
            |name: &str| source.and_then(|s| s.attr(name)).filter(|t| !t.is_empty()).map(str::to_owned);
        let missing =
            |name: &str| Error::xml(format!("Missing required attribute '{name}' in element 'source'"));
        let required = |name: &str| text(name).ok_or_else(|| missing(name));
        Ok(match kind {
            InterfaceType::User => InterfaceSource::User { device: text("dev") },
            InterfaceType::Ethernet => InterfaceSource::Ethernet,
            InterfaceType::Null => InterfaceSource::Null,
            InterfaceType::Vds => refuse!(unsupported, "Unsupported network type vds"),
            InterfaceType::VhostUser => vhost_user(source, passt)?,
            InterfaceType::Server | InterfaceType::Client | InterfaceType::Mcast | InterfaceType::Udp => {
                let Some(source) = source else { refuse!(xml, "No <source> element in <interface>") };
                let remote = Endpoint { address: text("address"), port: source.require_number("port")? };
                if remote.address.is_none() && kind != InterfaceType::Server {
                    refuse!(xml, "No <source> 'address' attribute specified with socket interface");
                }
                let local = match source.child("local") {
                    Some(local) if kind == InterfaceType::Udp => Some(Endpoint {
                        address: local.attr("address").map(str::to_owned),
                        port: local.require_number("port")?,
                    }),
                    None if kind == InterfaceType::Udp => {
                        refuse!(xml, "No <local> element specified with socket interface")
                    }
                    _ => None,
                };
                InterfaceSource::Socket { kind, remote, local }
            }
            InterfaceType::Network => {
                InterfaceSource::Network { network: required("network")?, portgroup: text("portgroup") }
            }
            InterfaceType::Bridge => InterfaceSource::Bridge(required("bridge")?),
            InterfaceType::Internal => InterfaceSource::Internal(required("name")?),
            InterfaceType::Direct => InterfaceSource::Direct {
                device: required("dev")?,
                mode: source.map(|s| s.word("mode")).transpose()?.flatten(),
            },
            InterfaceType::Hostdev => InterfaceSource::Hostdev(HostCard::parse(el)?),
            InterfaceType::Vdpa => InterfaceSource::Vdpa(required("dev")?),
        })
    }

    /// Its `type`.
    pub(crate) fn kind(&self) -> InterfaceType {
        match self {
            InterfaceSource::User { .. } => InterfaceType::User,
            InterfaceSource::Ethernet => InterfaceType::Ethernet,
            InterfaceSource::VhostUser { .. } => InterfaceType::VhostUser,
            InterfaceSource::Socket { kind, .. } => *kind,
            InterfaceSource::Network { .. } => InterfaceType::Network,
            InterfaceSource::Bridge(_) => InterfaceType::Bridge,
            InterfaceSource::Internal(_) => InterfaceType::Internal,
            InterfaceSource::Direct { .. } => InterfaceType::Direct,
            InterfaceSource::Hostdev(_) => InterfaceType::Hostdev,
            InterfaceSource::Vdpa(_) => InterfaceType::Vdpa,
            InterfaceSource::Null => InterfaceType::Null,
        }
    }

    /// The elements that say it; the first `<source>` may be bare.
    pub(super) fn format(&self) -> Vec<El> {
        let source = El::new("source");
        vec![match self {
            InterfaceSource::Ethernet | InterfaceSource::Null => source,
            InterfaceSource::User { device } => source.attr_opt("dev", device.as_ref()),
            InterfaceSource::VhostUser { path: None, device, .. } => source.attr_opt("dev", device.as_ref()),
            InterfaceSource::VhostUser { path, mode, reconnect, device } => {
                let mut source = source
                    .attr("type", "unix")
                    .attr_opt("path", path.as_ref())
                    .attr("mode", mode)
                    .attr_opt("dev", device.as_ref());
                source.extend(reconnect.as_ref().map(Reconnect::format));
                source
            }
            InterfaceSource::Socket { remote, local, .. } => {
                let place =
                    |el: El, at: &Endpoint| el.attr_opt("address", at.address.as_ref()).attr("port", at.port);
                let mut source = place(source, remote);
                source.extend(local.as_ref().map(|local| place(El::new("local"), local)));
                source
            }
            InterfaceSource::Network { network, portgroup } => {
                source.attr("network", network).attr_opt("portgroup", portgroup.as_ref())
            }
            InterfaceSource::Bridge(name) => source.attr("bridge", name),
            InterfaceSource::Internal(name) => source.attr("name", name),
            InterfaceSource::Direct { device, mode } => {
                source.attr("dev", device).attr("mode", mode.unwrap_or(DirectMode::Vepa))
            }
            InterfaceSource::Hostdev(card) => return card.format(),
            InterfaceSource::Vdpa(device) => source.attr("dev", device),
        }]
    }
}

fn vhost_user(source: Option<Element<'_>>, passt: bool) -> Result<InterfaceSource> {
    let attr = |name: &str| source.and_then(|s| s.attr(name)).filter(|t| !t.is_empty()).map(str::to_owned);
    let (path, device) = (attr("path"), attr("dev"));
    if passt && path.is_none() {
        let mode = VhostUserMode::Client;
        return Ok(InterfaceSource::VhostUser { path, mode, reconnect: None, device });
    }
    let Some(source) = source else { refuse!(xml, "No <source> element in <interface>") };
    match source.attr("type") {
        Some("unix") => {}
        None => refuse!(xml, "Missing required attribute 'type' in element 'source'"),
        Some(kind) => refuse!(unsupported, "Type='{kind}' unsupported for <interface type='vhostuser'>"),
    }
    if path.is_none() {
        refuse!(xml, "Missing required attribute 'path' in element 'source'");
    }
    let mode: VhostUserMode = source.require_word("mode")?;
    let reconnect = if mode == VhostUserMode::Client { Reconnect::parse(&source)? } else { None };
    if mode == VhostUserMode::Server && source.child("reconnect").is_some() {
        refuse!(xml, "'reconnect' attribute unsupported 'server' mode for <interface type='vhostuser'>");
    }
    Ok(InterfaceSource::VhostUser { path, mode, reconnect, device })
}
