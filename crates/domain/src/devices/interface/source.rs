//! `<source>` of network cards: what a card is connected to.

use ostler_base::{Error, Result, YesNo, refuse, words};
use ostler_vocab::chardev::Reconnect;
use ostler_xml::{El, Element};

words! {
    /// `<interface type='…'>`
    pub InterfaceType {
        User = "user", Ethernet = "ethernet", VhostUser = "vhostuser", Server = "server",
        Client = "client", Mcast = "mcast", Udp = "udp", Network = "network", Bridge = "bridge",
        Internal = "internal", Direct = "direct", Vdpa = "vdpa",
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
    /// The emulator's own network.
    User,
    /// A tap device and nothing else.
    Ethernet,
    /// Another process that moves the packets.
    VhostUser {
        /// `path`
        path: String,
        /// `mode`
        mode: VhostUserMode,
        /// `<reconnect>`
        reconnect: Option<Reconnect>,
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
    /// A vDPA device.
    Vdpa(String),
}

impl InterfaceSource {
    /// Reads it.
    pub(super) fn parse(kind: InterfaceType, el: &Element<'_>) -> Result<Self> {
        let source = el.child("source");
        let text =
            |name: &str| source.and_then(|s| s.attr(name)).filter(|t| !t.is_empty()).map(str::to_owned);
        let missing =
            |name: &str| Error::xml(format!("Missing required attribute '{name}' in element 'source'"));
        let required = |name: &str| text(name).ok_or_else(|| missing(name));
        Ok(match kind {
            InterfaceType::User => InterfaceSource::User,
            InterfaceType::Ethernet => InterfaceSource::Ethernet,
            InterfaceType::VhostUser => {
                let Some(source) = source else { refuse!(xml, "No <source> element in <interface>") };
                InterfaceSource::VhostUser {
                    path: required("path")?,
                    mode: source.require_word("mode")?,
                    reconnect: Reconnect::parse(&source)?,
                }
            }
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
            InterfaceType::Vdpa => InterfaceSource::Vdpa(required("dev")?),
        })
    }

    /// Its `type`.
    pub(crate) fn kind(&self) -> InterfaceType {
        match self {
            InterfaceSource::User => InterfaceType::User,
            InterfaceSource::Ethernet => InterfaceType::Ethernet,
            InterfaceSource::VhostUser { .. } => InterfaceType::VhostUser,
            InterfaceSource::Socket { kind, .. } => *kind,
            InterfaceSource::Network { .. } => InterfaceType::Network,
            InterfaceSource::Bridge(_) => InterfaceType::Bridge,
            InterfaceSource::Internal(_) => InterfaceType::Internal,
            InterfaceSource::Direct { .. } => InterfaceType::Direct,
            InterfaceSource::Vdpa(_) => InterfaceType::Vdpa,
        }
    }

    /// The element, where there is one.
    pub(super) fn format(&self) -> El {
        let source = El::new("source");
        match self {
            InterfaceSource::User | InterfaceSource::Ethernet => source,
            InterfaceSource::VhostUser { path, mode, reconnect } => {
                let mut source = source.attr("type", "unix").attr("path", path).attr("mode", mode);
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
            InterfaceSource::Vdpa(device) => source.attr("dev", device),
        }
    }
}

/// `<driver>` of network cards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardDriver {
    /// Attributes that are kept as they stand: `name`, `txmode`.
    pub words: Vec<(&'static str, String)>,
    /// On/off switches by their attribute.
    pub switches: Vec<(&'static str, ostler_base::OnOff)>,
    /// Numbers by their attribute.
    pub numbers: Vec<(&'static str, u32)>,
    /// `<host>` and `<guest>`: offloads, by side and attribute.
    pub offloads: Vec<(&'static str, &'static str, ostler_base::OnOff)>,
}

const WORDS: &[&str] = &["name", "txmode"];
const SWITCHES: &[&str] = &["ioeventfd", "event_idx"];
const NUMBERS: &[&str] = &["queues", "rx_queue_size", "tx_queue_size"];
const RSS: &[&str] = &["rss", "rss_hash_report"];
const OFFLOADS: &[(&str, &[&str])] = &[
    ("host", &["csum", "gso", "tso4", "tso6", "ecn", "ufo", "mrg_rxbuf"]),
    ("guest", &["csum", "tso4", "tso6", "ecn", "ufo"]),
];

impl CardDriver {
    pub(super) fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(driver) = el else { return Ok(Self::default()) };
        let mut out = Self::default();
        for name in WORDS {
            out.words.extend(driver.attr(name).map(|value| (*name, value.to_owned())));
        }
        for name in SWITCHES.iter().chain(RSS) {
            out.switches.extend(driver.on_off(name)?.map(|value| (*name, value)));
        }
        for name in NUMBERS {
            out.numbers.extend(driver.nonzero(name)?.map(|value| (*name, value)));
        }
        for (side, names) in OFFLOADS {
            let Some(child) = driver.child(side) else { continue };
            for name in *names {
                out.offloads.extend(child.on_off(name)?.map(|value| (*side, *name, value)));
            }
        }
        Ok(out)
    }

    pub(super) fn format(&self) -> El {
        let mut el = El::new("driver");
        for (name, value) in &self.words {
            el.set(*name, value);
        }
        for (name, value) in &self.switches {
            el.set(*name, value);
        }
        for (name, value) in &self.numbers {
            el.set(*name, value);
        }
        for (side, _) in OFFLOADS {
            let mut child = El::new(*side);
            for (_, name, value) in self.offloads.iter().filter(|(of, ..)| of == side) {
                child.set(*name, value);
            }
            el.push_filled(child);
        }
        el
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.words.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// A switch as the emulator takes it.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.switches.iter().find(|(n, _)| *n == name).map(|(_, value)| value.is_true())
    }
}

/// `<teaming>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teaming {
    /// `type`
    pub kind: TeamingType,
    /// `persistent`: alias of the other card.
    pub persistent: Option<String>,
}

words! {
    /// `<teaming type='…'>`
    pub TeamingType { Persistent = "persistent", Transient = "transient" }
    /// `<link state='…'>`
    pub LinkState { Up = "up", Down = "down" }
}

/// Whether a word says yes.
pub(super) fn yes(value: Option<YesNo>) -> bool {
    value.is_some_and(YesNo::is_true)
}
