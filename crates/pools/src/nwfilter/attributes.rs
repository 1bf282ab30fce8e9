//! The protocols of rules and their attributes: one table.
//!
//! Owns: which protocol has which attributes, in an order that also tells in which order
//! variables are gone through. Never: reads a value.

use ostler_base::{Word, words};

words! {
    /// The element in `<rule>`.
    pub Protocol {
        Mac = "mac", Vlan = "vlan", Stp = "stp", Arp = "arp", Rarp = "rarp", Ip = "ip", Ipv6 = "ipv6",
        Tcp = "tcp", Icmp = "icmp", Igmp = "igmp", Udp = "udp", Udplite = "udplite", Esp = "esp",
        Ah = "ah", Sctp = "sctp", All = "all", TcpIpv6 = "tcp-ipv6", Icmpv6 = "icmpv6",
        UdpIpv6 = "udp-ipv6", UdpliteIpv6 = "udplite-ipv6", EspIpv6 = "esp-ipv6", AhIpv6 = "ah-ipv6",
        SctpIpv6 = "sctp-ipv6", AllIpv6 = "all-ipv6"
    }
}

/// Which program carries a rule out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// `ebtables`
    Ethernet,
    /// `iptables`
    Ipv4,
    /// `ip6tables`
    Ipv6,
}

impl Protocol {
    /// Which program carries its rules out.
    pub fn layer(self) -> Layer {
        use Protocol::*;
        match self {
            Mac | Vlan | Stp | Arp | Rarp | Ip | Ipv6 => Layer::Ethernet,
            Tcp | Icmp | Igmp | Udp | Udplite | Esp | Ah | Sctp | All => Layer::Ipv4,
            TcpIpv6 | Icmpv6 | UdpIpv6 | UdpliteIpv6 | EspIpv6 | AhIpv6 | SctpIpv6 | AllIpv6 => Layer::Ipv6,
        }
    }

    /// Its name without the family: what `iptables -p` is told, except for ICMPv6.
    pub fn base_name(self) -> &'static str {
        let name = self.as_str();
        name.strip_suffix("-ipv6").unwrap_or(name)
    }
}

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A hardware address.
    Mac,
    /// A mask of hardware addresses: ones, then zeros.
    MacMask,
    /// An IPv4 address.
    Ip,
    /// An IPv4 mask: a length or an address.
    IpMask,
    /// An IPv6 address.
    Ip6,
    /// An IPv6 mask: a length or an address.
    Ip6Mask,
    /// A number up to 255; `true` where it may be hexadecimal.
    U8(bool),
    /// A number up to 65535; `true` where it may be hexadecimal.
    U16(bool),
    /// A number up to 4294967295; `true` where it may be hexadecimal.
    U32(bool),
    /// A yes or no.
    Bool,
    /// Any text.
    Text,
    /// The protocol in an Ethernet frame: 0x600 to 0xffff, or a name.
    EtherType,
    /// A VLAN: 0 to 4095.
    VlanId,
    /// The protocol in an IP packet: a number or a name.
    IpProtocol,
    /// An ARP operation: a number or a name.
    ArpOpcode,
    /// Differentiated services: 0 to 63.
    Dscp,
    /// States of a connection.
    State,
    /// Flags of TCP: mask and flags.
    TcpFlags,
    /// Name of a set of addresses.
    IpsetName,
    /// Which address of a packet is looked for in a set.
    IpsetFlags,
}

/// An attribute: its name, what it holds, and the attribute whose negation it shares.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// It is negated exactly if that one is.
    pub follows: Option<&'static str>,
}

const fn own(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind, follows: None }
}

const fn following(name: &'static str, kind: Kind, leader: &'static str) -> Attribute {
    Attribute { name, kind, follows: Some(leader) }
}

/// A list of lists of attributes.
pub type Table = &'static [&'static [Attribute]];

const COMMENT: &[Attribute] = &[own("comment", Kind::Text)];

/// The masks of rules for one protocol of Ethernet follow their addresses; in other rules they
/// stand for themselves.
const ETHERNET: &[Attribute] = &[
    own("srcmacaddr", Kind::Mac),
    following("srcmacmask", Kind::MacMask, "srcmacaddr"),
    own("dstmacaddr", Kind::Mac),
    following("dstmacmask", Kind::MacMask, "dstmacaddr"),
];

const ETHERNET_AROUND: &[Attribute] = &[
    own("srcmacaddr", Kind::Mac),
    own("srcmacmask", Kind::MacMask),
    own("dstmacaddr", Kind::Mac),
    own("dstmacmask", Kind::MacMask),
];

const STP: &[Attribute] = &[
    own("srcmacaddr", Kind::Mac),
    following("srcmacmask", Kind::MacMask, "srcmacaddr"),
    own("type", Kind::U8(true)),
    own("flags", Kind::U8(true)),
    own("root-priority", Kind::U16(true)),
    following("root-priority-hi", Kind::U16(true), "root-priority"),
    own("root-address", Kind::Mac),
    following("root-address-mask", Kind::MacMask, "root-address"),
    own("root-cost", Kind::U32(true)),
    following("root-cost-hi", Kind::U32(true), "root-cost"),
    own("sender-priority", Kind::U16(true)),
    following("sender-priority-hi", Kind::U16(true), "sender-priority"),
    own("sender-address", Kind::Mac),
    following("sender-address-mask", Kind::MacMask, "sender-address"),
    own("port", Kind::U16(true)),
    following("port-hi", Kind::U16(true), "port"),
    own("age", Kind::U16(true)),
    following("age-hi", Kind::U16(true), "age"),
    own("max-age", Kind::U16(true)),
    following("max-age-hi", Kind::U16(true), "max-age"),
    own("hello-time", Kind::U16(true)),
    following("hello-time-hi", Kind::U16(true), "hello-time"),
    own("forward-delay", Kind::U16(true)),
    following("forward-delay-hi", Kind::U16(true), "forward-delay"),
];

const ARP: &[Attribute] = &[
    own("hwtype", Kind::U16(true)),
    own("protocoltype", Kind::U16(true)),
    own("opcode", Kind::ArpOpcode),
    own("arpsrcmacaddr", Kind::Mac),
    own("arpdstmacaddr", Kind::Mac),
    own("arpsrcipaddr", Kind::Ip),
    own("arpsrcipmask", Kind::IpMask),
    own("arpdstipaddr", Kind::Ip),
    own("arpdstipmask", Kind::IpMask),
    own("gratuitous", Kind::Bool),
];

const PORTS: &[Attribute] = &[
    own("srcportstart", Kind::U16(true)),
    following("srcportend", Kind::U16(true), "srcportstart"),
    following("dstportstart", Kind::U16(true), "srcportstart"),
    following("dstportend", Kind::U16(true), "srcportstart"),
];

const PORTS_WITHIN: &[Attribute] = &[
    own("srcportstart", Kind::U16(true)),
    own("srcportend", Kind::U16(true)),
    own("dstportstart", Kind::U16(true)),
    own("dstportend", Kind::U16(true)),
];

const IP: &[Attribute] = &[
    own("srcipaddr", Kind::Ip),
    following("srcipmask", Kind::IpMask, "srcipaddr"),
    own("dstipaddr", Kind::Ip),
    following("dstipmask", Kind::IpMask, "dstipaddr"),
    own("protocol", Kind::IpProtocol),
];

const IP6: &[Attribute] = &[
    own("srcipaddr", Kind::Ip6),
    following("srcipmask", Kind::Ip6Mask, "srcipaddr"),
    own("dstipaddr", Kind::Ip6),
    following("dstipmask", Kind::Ip6Mask, "dstipaddr"),
    own("protocol", Kind::IpProtocol),
];

const ICMP_RANGES: &[Attribute] = &[
    own("type", Kind::U8(true)),
    following("typeend", Kind::U8(true), "type"),
    following("code", Kind::U8(true), "type"),
    following("codeend", Kind::U8(true), "type"),
];

const INNER_IP: &[Attribute] = &[
    own("srcmacaddr", Kind::Mac),
    own("srcipaddr", Kind::Ip),
    following("srcipmask", Kind::IpMask, "srcipaddr"),
    own("dstipaddr", Kind::Ip),
    following("dstipmask", Kind::IpMask, "dstipaddr"),
    own("srcipfrom", Kind::Ip),
    following("srcipto", Kind::Ip, "srcipfrom"),
    own("dstipfrom", Kind::Ip),
    following("dstipto", Kind::Ip, "dstipfrom"),
    own("dscp", Kind::Dscp),
    own("connlimit-above", Kind::U16(false)),
    own("state", Kind::State),
    own("ipset", Kind::IpsetName),
    own("ipsetflags", Kind::IpsetFlags),
];

const INNER_IP6: &[Attribute] = &[
    own("srcmacaddr", Kind::Mac),
    own("srcipaddr", Kind::Ip6),
    following("srcipmask", Kind::Ip6Mask, "srcipaddr"),
    own("dstipaddr", Kind::Ip6),
    following("dstipmask", Kind::Ip6Mask, "dstipaddr"),
    own("srcipfrom", Kind::Ip6),
    following("srcipto", Kind::Ip6, "srcipfrom"),
    own("dstipfrom", Kind::Ip6),
    following("dstipto", Kind::Ip6, "dstipfrom"),
    own("dscp", Kind::Dscp),
    own("connlimit-above", Kind::U16(false)),
    own("state", Kind::State),
    own("ipset", Kind::IpsetName),
    own("ipsetflags", Kind::IpsetFlags),
];

const TCP: &[Attribute] = &[own("option", Kind::U8(true)), own("flags", Kind::TcpFlags)];

const ICMP: &[Attribute] = &[own("type", Kind::U8(true)), following("code", Kind::U8(true), "type")];

const DSCP: &[Attribute] = &[own("dscp", Kind::Dscp)];
const ETHER_TYPE: &[Attribute] = &[own("protocolid", Kind::EtherType)];
const VLAN: &[Attribute] = &[own("vlanid", Kind::VlanId), own("encap-protocol", Kind::EtherType)];

/// The attributes of a protocol.
pub fn table(protocol: Protocol) -> Table {
    use Protocol::*;
    match protocol {
        Mac => &[ETHERNET, ETHER_TYPE, COMMENT],
        Vlan => &[ETHERNET, VLAN, COMMENT],
        Protocol::Stp => &[STP, COMMENT],
        Arp | Rarp => &[ETHERNET_AROUND, ARP, COMMENT],
        Ip => &[ETHERNET_AROUND, IP, PORTS_WITHIN, DSCP, COMMENT],
        Ipv6 => &[ETHERNET_AROUND, IP6, PORTS_WITHIN, ICMP_RANGES, COMMENT],
        Tcp => &[INNER_IP, PORTS, TCP, COMMENT],
        Udp | Sctp => &[INNER_IP, PORTS, COMMENT],
        Icmp => &[INNER_IP, ICMP, COMMENT],
        Igmp | All | Esp | Ah | Udplite => &[INNER_IP, COMMENT],
        TcpIpv6 => &[INNER_IP6, PORTS, TCP, COMMENT],
        UdpIpv6 | SctpIpv6 => &[INNER_IP6, PORTS, COMMENT],
        Icmpv6 => &[INNER_IP6, ICMP, COMMENT],
        AllIpv6 | EspIpv6 | AhIpv6 | UdpliteIpv6 => &[INNER_IP6, COMMENT],
    }
}

/// The attributes of a protocol, in order.
pub fn attributes(protocol: Protocol) -> impl Iterator<Item = &'static Attribute> {
    table(protocol).iter().flat_map(|list| list.iter())
}
