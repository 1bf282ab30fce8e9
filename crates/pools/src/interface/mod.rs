//! Network interfaces of the host.
//!
//! Owns: their documents. Never: configures one.

mod xml;

use ostler_base::{OnOff, YesNo, words};

words! {
    /// `<start mode='…'>`: when it is brought up.
    pub StartMode { None = "none", Onboot = "onboot", Hotplug = "hotplug" }

    /// `<link state='…'>`
    pub LinkState {
        Unknown = "unknown", Notpresent = "notpresent", Down = "down", Lowerlayerdown = "lowerlayerdown",
        Testing = "testing", Dormant = "dormant", Up = "up"
    }

    /// `<bond mode='…'>`
    pub BondMode {
        BalanceRr = "balance-rr", ActiveBackup = "active-backup", BalanceXor = "balance-xor",
        Broadcast = "broadcast", Ieee8023ad = "802.3ad", BalanceTlb = "balance-tlb",
        BalanceAlb = "balance-alb"
    }

    /// `<miimon carrier='…'>`
    pub MiiCarrier { Ioctl = "ioctl", Netif = "netif" }

    /// `<arpmon validate='…'>`
    pub ArpValidate { Active = "active", Backup = "backup", All = "all" }

    /// `<interface type='…'>`
    pub(crate) InterfaceType { Ethernet = "ethernet", Bridge = "bridge", Bond = "bond", Vlan = "vlan" }
}

/// `<interface>` of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// When it is brought up; only of an outermost one.
    pub start: Option<StartMode>,
    /// Its MTU in bytes, at most 100000; only of an outermost one.
    pub mtu: Option<u32>,
    /// Its addresses; only of an outermost one.
    pub protocols: Vec<Protocol>,
    /// Its link; not of a bridge.
    pub link: Option<Link>,
    /// What it is.
    pub kind: Kind,
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A card.
    Ethernet {
        /// Its hardware address, as it is written.
        mac: Option<String>,
    },
    /// A bridge.
    Bridge {
        /// Spanning tree protocol.
        stp: Option<OnOff>,
        /// Forward delay, as it is written.
        delay: Option<String>,
        /// Its ports.
        ports: Vec<Interface>,
    },
    /// Several cards as one.
    Bond {
        /// How they share the work.
        mode: Option<BondMode>,
        /// How failures are seen.
        monitor: Option<Monitor>,
        /// The cards.
        ports: Vec<Interface>,
    },
    /// One VLAN of another interface.
    Vlan {
        /// The tag, as it is written.
        tag: String,
        /// The other interface.
        dev: String,
    },
}

/// How a bond sees failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Monitor {
    /// By the link of each card.
    Mii {
        /// Milliseconds between looks.
        freq: i32,
        /// Milliseconds until a link counts as down.
        downdelay: Option<i32>,
        /// Milliseconds until a link counts as up.
        updelay: Option<i32>,
        /// How the link is looked at.
        carrier: Option<MiiCarrier>,
    },
    /// By asking another host.
    Arp {
        /// Milliseconds between questions.
        interval: i32,
        /// The other host.
        target: String,
        /// Which replies count.
        validate: Option<ArpValidate>,
    },
}

/// `<protocol>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// The family.
    pub family: ostler_vocab::inet::Family,
    /// Whether it configures itself; IPv6 only.
    pub autoconf: bool,
    /// Whether it asks for addresses, and whether it takes name servers too.
    pub dhcp: Option<Option<YesNo>>,
    /// Fixed addresses.
    pub ips: Vec<ProtocolIp>,
    /// The default route.
    pub gateway: Option<String>,
}

/// `<ip>` in `<protocol>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolIp {
    /// The address, as it is written.
    pub address: String,
    /// Its prefix, where it is said and not 0.
    pub prefix: Option<i32>,
}

/// `<link>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Mbit a second.
    pub speed: Option<u32>,
    /// Its state.
    pub state: Option<LinkState>,
}
