//! The document `<interface>` of the host: reading and writing.
//!
//! Owns: its words and their order. Never: looks at an interface.

use ostler_base::{Error, OnOff, Origin, Result, Word, YesNo, refuse};
use ostler_vocab::inet::Family;
use ostler_xml::{El, Element};

use super::{ArpValidate, BondMode, Interface, InterfaceType, Kind, Link, MiiCarrier, Monitor, Protocol};
use super::{ProtocolIp, StartMode};
use crate::read::{self, Schema};
use crate::write::open;

const KIND: read::Kind =
    read::Kind { label: "interface_definition", root: "interface", origin: Origin::Interface };

/// Highest MTU.
const MAX_MTU: u32 = 100_000;

impl Interface {
    /// Reads a document.
    pub fn parse(text: &str, schema: Schema) -> Result<Self> {
        KIND.read(text, schema, |el| Interface::from_el(el, None))
    }

    /// Reads an interface, or a port of one.
    fn from_el(el: &Element<'_>, parent: Option<InterfaceType>) -> Result<Self> {
        let kind: InterfaceType = el.require_word("type")?;
        let fits = match parent {
            None => true,
            Some(InterfaceType::Bond) => kind == InterfaceType::Ethernet,
            Some(_) => kind != InterfaceType::Bridge,
        };
        if !fits {
            refuse!(xml, "interface has unsupported type '{kind}'");
        }
        let name = el.attr("name").ok_or_else(|| Error::xml("interface has no name"))?.to_owned();
        let mut interface = Interface {
            name,
            start: None,
            mtu: None,
            protocols: Vec::new(),
            link: None,
            kind: Kind::Ethernet { mac: None },
        };
        if parent.is_none() {
            interface.start = parse_start(el)?;
            interface.mtu = parse_mtu(el)?;
            interface.protocols =
                el.children("protocol").map(|p| Protocol::parse(&p)).collect::<Result<_>>()?;
        }
        if kind != InterfaceType::Bridge {
            interface.link = el.child("link").map(|link| Link::parse(&link)).transpose()?;
        }
        interface.kind = match kind {
            InterfaceType::Ethernet => {
                Kind::Ethernet { mac: el.child("mac").and_then(|mac| text(&mac, "address")) }
            }
            InterfaceType::Bridge => parse_bridge(&inner(el, "bridge")?)?,
            InterfaceType::Bond => parse_bond(&inner(el, "bond")?)?,
            InterfaceType::Vlan => parse_vlan(&inner(el, "vlan")?)?,
        };
        Ok(interface)
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        self.to_el().to_xml()
    }

    fn to_el(&self) -> El {
        let kind = match &self.kind {
            Kind::Ethernet { .. } => InterfaceType::Ethernet,
            Kind::Bridge { .. } => InterfaceType::Bridge,
            Kind::Bond { .. } => InterfaceType::Bond,
            Kind::Vlan { .. } => InterfaceType::Vlan,
        };
        let mut el = El::new("interface").attr("type", kind).attr("name", &self.name);
        el.extend(self.start.map(|start| El::new("start").attr("mode", start)));
        el.extend(self.mtu.map(|mtu| El::new("mtu").attr("size", mtu)));
        el.extend(self.protocols.iter().map(Protocol::to_el));
        if let Some(link) = &self.link {
            el.push_filled(link.to_el());
        }
        match &self.kind {
            Kind::Ethernet { mac } => el.extend(mac.as_ref().map(|mac| El::new("mac").attr("address", mac))),
            Kind::Bridge { stp, delay, ports } => {
                let mut bridge = El::new("bridge");
                bridge.set_opt("stp", stp.map(Word::as_str));
                bridge.set_opt("delay", delay.as_ref());
                bridge.extend(ports.iter().map(Interface::to_el));
                el.push(open(bridge));
            }
            Kind::Bond { mode, monitor, ports } => {
                let mut bond = El::new("bond").attr_opt("mode", mode.map(Word::as_str));
                bond.extend(monitor.as_ref().map(Monitor::to_el));
                bond.extend(ports.iter().map(Interface::to_el));
                el.push(open(bond));
            }
            Kind::Vlan { tag, dev } => {
                el.push(El::new("vlan").attr("tag", tag).child(El::new("interface").attr("name", dev)));
            }
        }
        open(el)
    }
}

fn text(el: &Element<'_>, name: &str) -> Option<String> {
    el.attr(name).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn inner<'a>(el: &Element<'a>, name: &str) -> Result<Element<'a>> {
    el.child(name).ok_or_else(|| Error::xml(format!("{name} interface misses the {name} element")))
}

/// A word of a list; `what` begins the message for another word.
fn word<W: Word>(el: &Element<'_>, name: &str, what: &str) -> Result<Option<W>> {
    match text(el, name) {
        None => Ok(None),
        Some(word) => match W::parse(&word) {
            Some(value) => Ok(Some(value)),
            None => refuse!(xml, "unknown {what} {word}"),
        },
    }
}

fn parse_start(el: &Element<'_>) -> Result<Option<StartMode>> {
    match el.child("start") {
        Some(start) => word(&start, "mode", "interface startmode"),
        None => Ok(None),
    }
}

fn parse_mtu(el: &Element<'_>) -> Result<Option<u32>> {
    let Some(mtu) = el.child("mtu") else { return Ok(None) };
    match mtu.number::<u32>("size")? {
        Some(size) if size > MAX_MTU => {
            refuse!(xml, "value of the 'size' attribute of 'mtu' element must be at most {MAX_MTU}")
        }
        size => Ok(size.filter(|size| *size > 0)),
    }
}

fn parse_bridge(el: &Element<'_>) -> Result<Kind> {
    let stp = match el.attr("stp") {
        None => None,
        Some(word) => Some(
            OnOff::parse(word)
                .ok_or_else(|| Error::xml(format!("bridge interface stp should be on or off got {word}")))?,
        ),
    };
    Ok(Kind::Bridge {
        stp,
        delay: el.attr("delay").map(str::to_owned),
        ports: ports(el, InterfaceType::Bridge)?,
    })
}

fn ports(el: &Element<'_>, parent: InterfaceType) -> Result<Vec<Interface>> {
    el.children("interface").map(|port| Interface::from_el(&port, Some(parent))).collect()
}

fn parse_bond(el: &Element<'_>) -> Result<Kind> {
    let mode = word::<BondMode>(el, "mode", "bonding mode")?;
    let ports = ports(el, InterfaceType::Bond)?;
    let monitor = match (el.child("miimon"), el.child("arpmon")) {
        (Some(mii), _) => Some(parse_mii(&mii)?),
        (None, Some(arp)) => Some(parse_arp(&arp)?),
        (None, None) => None,
    };
    Ok(Kind::Bond { mode, monitor, ports })
}

fn number(el: &Element<'_>, name: &str, words: &str) -> Result<Option<i32>> {
    match text(el, name) {
        None => Ok(None),
        Some(value) => match value.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => refuse!(xml, "bond interface {words}"),
        },
    }
}

fn parse_mii(el: &Element<'_>) -> Result<Monitor> {
    let missing = "miimon freq missing or invalid";
    let freq = number(el, "freq", missing)?;
    Ok(Monitor::Mii {
        freq: freq.ok_or_else(|| Error::xml(format!("bond interface {missing}")))?,
        downdelay: number(el, "downdelay", "miimon downdelay invalid")?.filter(|delay| *delay > 0),
        updelay: number(el, "updelay", "miimon updelay invalid")?.filter(|delay| *delay > 0),
        carrier: word::<MiiCarrier>(el, "carrier", "mii bonding carrier")?,
    })
}

fn parse_arp(el: &Element<'_>) -> Result<Monitor> {
    let missing = "arpmon interval missing or invalid";
    let interval = number(el, "interval", missing)?;
    Ok(Monitor::Arp {
        interval: interval.ok_or_else(|| Error::xml(format!("bond interface {missing}")))?,
        target: text(el, "target").ok_or_else(|| Error::xml("bond interface arpmon target missing"))?,
        validate: word::<ArpValidate>(el, "validate", "arp bonding validate")?,
    })
}

fn parse_vlan(el: &Element<'_>) -> Result<Kind> {
    let tag = text(el, "tag").ok_or_else(|| Error::xml("vlan interface misses the tag attribute"))?;
    let dev = el.child("interface").and_then(|dev| text(&dev, "name"));
    let dev = dev.ok_or_else(|| Error::xml("vlan interface misses name attribute"))?;
    Ok(Kind::Vlan { tag, dev })
}

impl Monitor {
    fn to_el(&self) -> El {
        match self {
            Monitor::Mii { freq, downdelay, updelay, carrier } => El::new("miimon")
                .attr("freq", freq)
                .attr_opt("downdelay", downdelay.as_ref())
                .attr_opt("updelay", updelay.as_ref())
                .attr_opt("carrier", carrier.map(Word::as_str)),
            Monitor::Arp { interval, target, validate } => El::new("arpmon")
                .attr("interval", interval)
                .attr("target", target)
                .attr_opt("validate", validate.map(Word::as_str)),
        }
    }
}

impl Link {
    pub(crate) fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Link { speed: el.number("speed")?.filter(|speed| *speed > 0), state: el.word("state")? })
    }

    pub(crate) fn to_el(self) -> El {
        El::new("link").attr_opt("speed", self.speed).attr_opt("state", self.state.map(Word::as_str))
    }
}

impl Protocol {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let word = el.attr("family").ok_or_else(|| Error::xml("protocol misses the family attribute"))?;
        let Some(family) = Family::parse(word) else {
            refuse!(xml, "unsupported protocol family '{word}'");
        };
        let mut ips = Vec::new();
        for ip in el.children("ip") {
            if let Some(address) = ip.attr("address") {
                let prefix = ip.number::<i32>("prefix")?.filter(|prefix| *prefix != 0);
                ips.push(ProtocolIp { address: address.to_owned(), prefix });
            }
        }
        Ok(Protocol {
            family,
            autoconf: el.child("autoconf").is_some() && family == Family::Ipv6,
            dhcp: el.child("dhcp").map(|dhcp| dhcp.yes_no("peerdns")).transpose()?,
            ips,
            gateway: el.child("route").and_then(|route| text(&route, "gateway")),
        })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("protocol").attr("family", self.family);
        el.extend(self.autoconf.then(|| El::new("autoconf")));
        el.extend(
            self.dhcp.map(|dns: Option<YesNo>| El::new("dhcp").attr_opt("peerdns", dns.map(Word::as_str))),
        );
        el.extend(
            self.ips
                .iter()
                .map(|ip| El::new("ip").attr("address", &ip.address).attr_opt("prefix", ip.prefix)),
        );
        el.extend(self.gateway.as_ref().map(|gateway| El::new("route").attr("gateway", gateway)));
        open(el)
    }
}
