//! `<rule>`
//!
//! Owns: a rule and what has to hold between its attributes. Never: knows other rules.

use ostler_base::{Result, Word, YesNo, refuse};
use ostler_xml::{El, Element};

use super::attributes::{Kind, Layer, Protocol, attributes};
use super::value::{State, Value};
use super::vars::VarAccess;
use super::{Action, Direction, PRIORITIES, RULE_PRIORITY};

/// Protocols in IP packets that have ports: TCP, UDP, DCCP and SCTP.
const PROTOCOLS_WITH_PORTS: &[u32] = &[6, 17, 33, 132];

/// `<rule>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What happens to a packet that matches.
    pub action: Action,
    /// Which packets are looked at.
    pub direction: Direction,
    /// Its place among others: -1000 to 1000.
    pub priority: i32,
    /// Whether replies to what it allows are allowed too.
    pub state_match: bool,
    /// The protocol; `None` for a rule that matches every packet.
    pub protocol: Option<Protocol>,
    /// What has to match, in the order of the protocol's attributes.
    pub items: Vec<Item>,
}

/// An attribute of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The value.
    pub value: Value,
    /// Whether it must not match.
    pub negated: bool,
}

impl Rule {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let priority: i32 = el.number("priority")?.unwrap_or(RULE_PRIORITY);
        let state_match = el.attr("statematch");
        let mut rule = Rule {
            action: el.require_word("action")?,
            direction: el.require_word("direction")?,
            priority: if in_range(priority) { priority } else { RULE_PRIORITY },
            state_match: !state_match.is_some_and(|text| text == "0" || text.eq_ignore_ascii_case("false")),
            protocol: None,
            items: Vec::new(),
        };
        for child in el.elements() {
            let Some(protocol) = Protocol::parse(child.name()) else { continue };
            if *rule.protocol.get_or_insert(protocol) == protocol {
                rule.read_items(&child, protocol)?;
            }
        }
        if let Some(protocol) = rule.protocol {
            rule.settle(protocol);
            rule.check_ports(protocol)?;
        }
        Ok(rule)
    }

    /// Reads the attributes of one element. Several elements of the same protocol add up.
    fn read_items(&mut self, el: &Element<'_>, protocol: Protocol) -> Result<()> {
        let negated = el.attr("match").is_some_and(|word| word == YesNo::No.as_str());
        for attribute in attributes(protocol) {
            let Some(text) = el.attr(attribute.name) else { continue };
            let Some(value) = Value::parse(attribute.kind, text) else {
                refuse!(internal, "{} has illegal value {text}", attribute.name);
            };
            let item = Item { name: attribute.name, kind: attribute.kind, value, negated };
            match self.items.iter_mut().find(|known| known.name == item.name) {
                Some(known) => *known = item,
                None => self.items.push(item),
            }
        }
        Ok(())
    }

    /// Puts the items in order and settles what is negated.
    fn settle(&mut self, protocol: Protocol) {
        let mut items = Vec::new();
        for attribute in attributes(protocol) {
            if let Some(at) = self.items.iter().position(|item| item.name == attribute.name) {
                items.push(self.items.swap_remove(at));
            }
        }
        self.items = items;
        for attribute in attributes(protocol) {
            let Some(leader) = attribute.follows else { continue };
            let negated = self.item(leader).is_some_and(|item| item.negated);
            if let Some(item) = self.items.iter_mut().find(|item| item.name == attribute.name) {
                item.negated = negated;
            }
        }
        if !matches!(protocol, Protocol::All | Protocol::AllIpv6) {
            self.settle_set();
        }
    }

    /// A set of addresses without flags is looked through for the source, and flags without a set
    /// say nothing.
    fn settle_set(&mut self) {
        let Some(at) = self.items.iter().position(|item| item.name == "ipset") else {
            self.items.retain(|item| item.name != "ipsetflags");
            return;
        };
        if self.item("ipsetflags").is_none() {
            let flags = Item {
                name: "ipsetflags",
                kind: Kind::IpsetFlags,
                value: Value::IpsetFlags(vec![true]),
                negated: false,
            };
            self.items.insert(at + 1, flags);
        }
    }

    fn check_ports(&self, protocol: Protocol) -> Result<()> {
        let label = match protocol {
            Protocol::Ip => "IP",
            Protocol::Ipv6 => "IPv6",
            _ => return Ok(()),
        };
        let has_ports = self.items.iter().any(|item| item.name.contains("port"));
        let known = match self.value("protocol") {
            Some(Value::Number(number, _)) => PROTOCOLS_WITH_PORTS.contains(number),
            Some(_) => true,
            None => false,
        };
        if has_ports && !known {
            refuse!(
                internal,
                "{label} rule with port specification requires protocol specification with protocol to be either one of tcp(6), udp(17), dccp(33), or sctp(132)"
            );
        }
        Ok(())
    }

    /// An attribute.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    /// The value of an attribute.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.item(name).map(|item| &item.value)
    }

    /// The states of connections that it names.
    pub fn state(&self) -> Option<State> {
        match self.value("state") {
            Some(Value::State(state)) if state.bits != 0 || state.none => Some(*state),
            _ => None,
        }
    }

    /// The accesses to variables, in order.
    pub fn accesses(&self) -> Vec<&VarAccess> {
        let variables = self.items.iter().filter_map(|item| match &item.value {
            Value::Variable(access) => Some(access),
            _ => None,
        });
        let mut accesses: Vec<&VarAccess> = Vec::new();
        for access in variables {
            if !accesses.contains(&access) {
                accesses.push(access);
            }
        }
        accesses
    }

    /// Which program carries it out; rules without a protocol are Ethernet rules.
    pub fn layer(&self) -> Layer {
        self.protocol.map_or(Layer::Ethernet, Protocol::layer)
    }

    pub(super) fn to_el(&self) -> El {
        let mut el = El::new("rule")
            .attr("action", self.action)
            .attr("direction", self.direction)
            .attr("priority", self.priority);
        if !self.state_match {
            el.set("statematch", false);
        }
        if let Some(protocol) = self.protocol {
            let (negated, matching): (Vec<&Item>, Vec<&Item>) =
                self.items.iter().partition(|item| item.negated);
            if !matching.is_empty() || negated.is_empty() {
                el.push(with_items(El::new(protocol.as_str()), &matching));
            }
            if !negated.is_empty() {
                el.push(with_items(El::new(protocol.as_str()).attr("match", "no"), &negated));
            }
        }
        el
    }
}

fn in_range(priority: i32) -> bool {
    (PRIORITIES.0..=PRIORITIES.1).contains(&priority)
}

fn with_items(mut el: El, items: &[&Item]) -> El {
    for item in items {
        el.set(item.name, item.value.to_text(item.kind));
    }
    el
}

#[cfg(test)]
mod tests {
    use ostler_base::Uuid;

    use crate::ReadMode;
    use crate::nwfilter::Filter;

    fn written(protocols: &str) -> String {
        let text = format!("<filter name='f'><rule action='drop' direction='in'>{protocols}</rule></filter>");
        let xml = Filter::parse(&text, &ReadMode::new(Uuid([7; 16]))).unwrap().to_xml();
        let lines = xml.lines().map(str::trim).filter(|line| line.ends_with("/>"));
        lines.collect::<Vec<_>>().concat()
    }

    fn refused(protocols: &str) -> bool {
        let text = format!("<filter name='f'><rule action='drop' direction='in'>{protocols}</rule></filter>");
        Filter::parse(&text, &ReadMode::new(Uuid([7; 16]))).is_err()
    }

    #[test]
    fn masks_follow_their_addresses() {
        assert_eq!(
            written(
                "<mac match='no' srcmacaddr='1:2:3:4:5:6'/><mac srcmacmask='ff:ff:ff:0:0:0' protocolid='arp'/>"
            ),
            "<mac protocolid='arp'/><mac match='no' srcmacaddr='01:02:03:04:05:06' srcmacmask='ff:ff:ff:00:00:00'/>"
        );
        assert_eq!(written("<arp match='no' arpsrcipmask='24'/>"), "<arp match='no' arpsrcipmask='24'/>");
        assert_eq!(written("<tcp match='no' dstportstart='5'/>"), "<tcp dstportstart='5'/>");
    }

    #[test]
    fn only_the_first_protocol_counts() {
        assert_eq!(written("<tcp/><udp/>"), "<tcp/>");
    }

    #[test]
    fn sets_of_addresses() {
        assert_eq!(written("<tcp ipset='a'/>"), "<tcp ipset='a' ipsetflags='src'/>");
        assert_eq!(written("<tcp ipsetflags='src'/>"), "<tcp/>");
        assert_eq!(written("<all ipsetflags='dst,SRC'/>"), "<all ipsetflags='dst,src'/>");
    }

    #[test]
    fn values_out_of_bounds() {
        for bad in [
            "<tcp dscp='64'/>",
            "<tcp srcportstart='65536'/>",
            "<tcp srcipaddr='::1'/>",
            "<tcp-ipv6 srcipmask='129'/>",
            "<mac protocolid='0x5ff'/>",
            "<mac srcmacmask='ff:0:ff:0:0:0'/>",
            "<vlan vlanid='4096'/>",
            "<ip srcportstart='5'/>",
            "<ip protocol='icmp' srcportstart='5'/>",
            "<all connlimit-above='0x10'/>",
            "<all ipset='a/b' ipsetflags='src'/>",
            "<all state='OLD'/>",
            "<tcp flags='SYN'/>",
        ] {
            assert!(refused(bad), "{bad}");
        }
        assert!(!refused("<ip protocol='17' srcportstart='0x10'/>"));
    }
}
