//! Values of attributes: reading and writing.
//!
//! Owns: one reader and one writer for each kind. Never: knows which attribute it is.

use core::net::IpAddr;

use ostler_base::MacAddr;
use ostler_vocab::inet;

use super::attributes::Kind;
use super::vars::VarAccess;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// That of a variable.
    Variable(VarAccess),
    /// A number, and whether it was written in hexadecimal.
    Number(u32, bool),
    /// A hardware address or a mask of such.
    Mac(MacAddr),
    /// An address.
    Ip(IpAddr),
    /// A yes or no.
    Bool(bool),
    /// Any text.
    Text(String),
    /// States of a connection; none at all is a state too.
    State(State),
    /// Flags of TCP.
    TcpFlags {
        /// Which are looked at.
        mask: u8,
        /// Which of them are set.
        flags: u8,
    },
    /// Whether the source (or else the destination) is looked for, for each dimension of the set.
    IpsetFlags(Vec<bool>),
}

/// States of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Of [`STATES`], the bits in order.
    pub bits: u8,
    /// Whether the state does not matter.
    pub none: bool,
}

/// The names of connection states, from bit 0.
pub const STATES: &[&str] = &["NEW", "ESTABLISHED", "RELATED", "INVALID"];
/// The names of TCP flags, from bit 0.
pub const TCP_FLAGS: &[&str] = &["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
/// The bits of all TCP flags.
pub const ALL_TCP_FLAGS: u8 = 0x3f;

/// Names of protocols in Ethernet frames.
const ETHER_TYPES: &[(&str, u32)] =
    &[("ipv4", 0x0800), ("arp", 0x0806), ("rarp", 0x8035), ("ipv6", 0x86dd), ("vlan", 0x8100)];
/// Names of protocols in IP packets.
const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("igmp", 2),
    ("sctp", 132),
    ("icmpv6", 58),
];
/// Names of ARP operations.
const ARP_OPCODES: &[(&str, u32)] = &[
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    ("ARP_NAK", 9),
];

/// Lowest number of a protocol in an Ethernet frame; less is a length.
const MIN_ETHER_TYPE: u32 = 0x600;
/// Most dimensions of a set.
const MAX_IPSET_FLAGS: usize = 6;
/// Longest name of a set, in bytes.
const MAX_IPSET_NAME: usize = 31;

impl Value {
    /// Reads a value; `None` where it is none of its kind.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        if text.starts_with('$') && kind != Kind::Text {
            return VarAccess::parse(text).map(Value::Variable);
        }
        match kind {
            Kind::Mac => MacAddr::parse(text).map(Value::Mac),
            Kind::MacMask => MacAddr::parse(text).filter(is_mask).map(Value::Mac),
            Kind::Ip => inet::parse(text).filter(IpAddr::is_ipv4).map(Value::Ip),
            Kind::Ip6 => inet::parse(text).filter(IpAddr::is_ipv6).map(Value::Ip),
            Kind::IpMask => mask(text, 32),
            Kind::Ip6Mask => mask(text, 128),
            Kind::U8(hex) => number(text, hex, 0xff),
            Kind::U16(hex) => number(text, hex, 0xffff),
            Kind::U32(hex) => number(text, hex, u32::MAX),
            Kind::Dscp => number(text, true, 0x3f),
            Kind::VlanId => number(text, true, 0xfff),
            Kind::Bool => Some(Value::Bool(matches!(text, "true" | "1" | "yes"))),
            Kind::Text => Some(Value::Text(text.to_owned())),
            Kind::EtherType => named(text, ETHER_TYPES, 0xffff, Case::Kept)
                .filter(|value| matches!(value, Value::Number(n, _) if *n >= MIN_ETHER_TYPE)),
            Kind::IpProtocol => named(text, IP_PROTOCOLS, 0xff, Case::Kept),
            Kind::ArpOpcode => named(text, ARP_OPCODES, 0xffff, Case::Ignored),
            Kind::State => State::parse(text).map(Value::State),
            Kind::TcpFlags => tcp_flags(text),
            Kind::IpsetName => ipset_name(text).then(|| Value::Text(text.to_owned())),
            Kind::IpsetFlags => ipset_flags(text),
        }
    }

    /// Writes it.
    pub fn to_text(&self, kind: Kind) -> String {
        match (self, kind) {
            (Value::Number(n, _), Kind::EtherType) if name_of(ETHER_TYPES, *n).is_some() => {
                name_of(ETHER_TYPES, *n).unwrap_or_default().to_owned()
            }
            (Value::Number(n, _), Kind::IpProtocol) if name_of(IP_PROTOCOLS, *n).is_some() => {
                name_of(IP_PROTOCOLS, *n).unwrap_or_default().to_owned()
            }
            (Value::Number(n, _), Kind::ArpOpcode) if name_of(ARP_OPCODES, *n).is_some() => {
                name_of(ARP_OPCODES, *n).unwrap_or_default().to_owned()
            }
            (Value::Number(n, true), _) => format!("0x{n:x}"),
            (Value::Number(n, false), _) => n.to_string(),
            (Value::Variable(access), _) => access.to_string(),
            (Value::Mac(mac), _) => mac.to_string(),
            (Value::Ip(ip), _) => inet::show(ip),
            (Value::Bool(value), _) => value.to_string(),
            (Value::Text(text), _) => text.clone(),
            (Value::State(state), _) => state.to_text(),
            (Value::TcpFlags { mask, flags }, _) => {
                format!("{}/{}", tcp_names(*mask), tcp_names(*flags))
            }
            (Value::IpsetFlags(flags), _) => ipset_words(flags, false),
        }
    }
}

/// Whether letters count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Ignored,
}

fn number(text: &str, may_be_hex: bool, most: u32) -> Option<Value> {
    let (digits, radix, hex) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if may_be_hex => (digits, 16, true),
        Some(_) => return None,
        None => (text, 10, false),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().filter(|n| *n <= most).map(|n| Value::Number(n, hex))
}

fn named(text: &str, names: &[(&str, u32)], most: u32, case: Case) -> Option<Value> {
    let same = |name: &str| match case {
        Case::Kept => name == text,
        Case::Ignored => name.eq_ignore_ascii_case(text),
    };
    match names.iter().find(|(name, _)| same(name)) {
        Some((_, n)) => Some(Value::Number(*n, false)),
        None => number(text, true, most),
    }
}

fn name_of(names: &'static [(&'static str, u32)], number: u32) -> Option<&'static str> {
    names.iter().find(|(_, n)| *n == number).map(|(name, _)| *name)
}

/// The length of a mask: a number, or an address of ones and then zeros.
fn mask(text: &str, most: u32) -> Option<Value> {
    match text.parse::<u32>() {
        Ok(length) => (length <= most).then_some(Value::Number(length, false)),
        Err(_) => {
            let address = inet::parse(text).filter(|a| a.is_ipv4() == (most == 32))?;
            inet::mask_length(&address).map(|length| Value::Number(length, false))
        }
    }
}

/// Whether an address is ones and then zeros.
fn is_mask(mac: &MacAddr) -> bool {
    let bits = mac.0.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte)) << 16;
    bits.leading_ones() == bits.count_ones()
}

impl State {
    fn parse(text: &str) -> Option<Self> {
        let mut state = State::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            if word.eq_ignore_ascii_case("NONE") {
                state.none = true;
                continue;
            }
            let bit = STATES.iter().position(|name| name.eq_ignore_ascii_case(word))?;
            state.bits |= 1 << bit;
        }
        Some(state)
    }

    /// Its words, separated by commas.
    pub fn to_text(self) -> String {
        let names = STATES.iter().enumerate().filter(|(bit, _)| self.bits & (1 << bit) != 0);
        let mut words: Vec<&str> = names.map(|(_, name)| *name).collect();
        if self.none {
            words.push("NONE");
        }
        words.join(",")
    }
}

fn tcp_flags(text: &str) -> Option<Value> {
    let (mask, flags) = text.split_once('/')?;
    Some(Value::TcpFlags { mask: tcp_bits(mask)?, flags: tcp_bits(flags)? })
}

fn tcp_bits(text: &str) -> Option<u8> {
    let mut bits = 0;
    for word in text.split(',') {
        bits |= match word {
            word if word.eq_ignore_ascii_case("ALL") => ALL_TCP_FLAGS,
            word if word.eq_ignore_ascii_case("NONE") => 0,
            word => 1 << TCP_FLAGS.iter().position(|name| name.eq_ignore_ascii_case(word))?,
        };
    }
    Some(bits)
}

/// Names of TCP flags, separated by commas.
pub fn tcp_names(bits: u8) -> String {
    match bits {
        0 => "NONE".to_owned(),
        ALL_TCP_FLAGS => "ALL".to_owned(),
        bits => {
            let names = TCP_FLAGS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
            names.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
        }
    }
}

fn ipset_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:-+ ".contains(&b);
    text.len() <= MAX_IPSET_NAME && text.bytes().all(allowed)
}

fn ipset_flags(text: &str) -> Option<Value> {
    let mut flags = Vec::new();
    for word in text.split(',') {
        match word {
            word if word.eq_ignore_ascii_case("src") => flags.push(true),
            word if word.eq_ignore_ascii_case("dst") => flags.push(false),
            _ => return None,
        }
    }
    (flags.len() <= MAX_IPSET_FLAGS).then_some(Value::IpsetFlags(flags))
}

/// `src` and `dst`, separated by commas; each the other one where packets go the other way.
pub fn ipset_words(flags: &[bool], reversed: bool) -> String {
    let words: Vec<&str> =
        flags.iter().map(|source| if *source != reversed { "src" } else { "dst" }).collect();
    words.join(",")
}
