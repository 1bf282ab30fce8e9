//! The document `<network>`: reading and writing.
//!
//! Owns: its words and their order. Never: knows what the host allows.

use ostler_base::{Code, Error, MacAddr, OnOff, Origin, Result, Word, YesNo, refuse};
use ostler_vocab::bandwidth::{Bandwidth, BandwidthUse};
use ostler_vocab::route::Route;
use ostler_vocab::virtualport::VirtualPort;
use ostler_vocab::vlan::Vlan;
use ostler_xml::{El, Element};

use super::forward::{Forward, ForwardMode};
use super::ip::Ip;
use super::{Bridge, DNSMASQ_NAMESPACE, Dns, Domain, MacTableManager, Network, PortGroup};
use crate::read::{self, Kind};
use crate::write::open;
use crate::{Metadata, ReadMode, WriteMode};

const KIND: Kind = Kind { label: "network_definition", root: "network", origin: Origin::Network };

impl Network {
    /// Reads a definition.
    pub fn parse(text: &str, mode: &ReadMode) -> Result<Self> {
        KIND.read(text, mode.schema, |el| Network::from_el(el, mode))
    }

    fn from_el(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let name = el.child_text("name").ok_or_else(|| Error::new(Code::NoName, Origin::Network, ""))?;
        let malformed = || Error::internal("malformed uuid element");
        let uuid = read::uuid(el, mode, malformed)?;
        read::refuse_characters("name", &name, "/", Origin::Network)?;
        let title = el.child_text("title");
        if title.as_ref().is_some_and(|t| t.contains('\n')) {
            refuse!(xml, "Network title can't contain newlines");
        }
        let ipv6 = parse_ipv6(el, &name)?;
        let trust_guest_rx_filters = el.yes_no("trustGuestRxFilters")?;
        // A count that only a running network shows.
        el.attr("connections");
        let ips = read_all(el, "ip", |ip| Ip::parse(ip, &name))?;
        let network = Network {
            uuid,
            title,
            description: el.child_text("description"),
            domain: el.child("domain").map(|d| parse_domain(&d, &name)).transpose()?.flatten(),
            bridge: parse_bridge(el.child("bridge").as_ref(), &name)?,
            mac: el.child("mac").map(|mac| parse_mac(&mac, &name)).transpose()?.flatten(),
            mtu: el.child("mtu").map(|mtu| parse_mtu(&mtu, &name)).transpose()?.flatten(),
            dns: el.child("dns").map(|dns| Dns::parse(&dns, &name)).transpose()?.unwrap_or_default(),
            virtualport: el.child("virtualport").map(|v| parse_virtualport(&v)).transpose()?,
            bandwidth: el
                .child("bandwidth")
                .map(|b| Bandwidth::parse(&b, BandwidthUse::Plain))
                .transpose()?,
            vlan: el.child("vlan").map(|v| Vlan::parse(&v)).transpose()?,
            port_isolated: match el.child("port") {
                Some(port) => port.yes_no("isolated")?,
                None => None,
            },
            portgroups: read_all(el, "portgroup", PortGroup::parse)?,
            routes: read_all(el, "route", |route| Route::parse(route, &name))?,
            forward: match el.child("forward") {
                Some(forward) => Forward::parse(&forward, &name)?,
                None => Forward::none(),
            },
            ips,
            metadata: Metadata::parse(el),
            dnsmasq_options: parse_dnsmasq_options(el)?,
            ipv6,
            trust_guest_rx_filters,
            name,
        };
        network.check()?;
        Ok(network)
    }

    /// Writes it. A live one shows how many ports use it and its devices.
    pub fn to_xml(&self, mode: WriteMode) -> String {
        self.to_el(mode, 0).to_xml()
    }

    /// Writes it, with the number of ports of a running network.
    pub fn to_el(&self, mode: WriteMode, connections: usize) -> El {
        let mut el = El::new("network");
        if !self.dnsmasq_options.is_empty() {
            el.set("xmlns:dnsmasq", DNSMASQ_NAMESPACE);
        }
        if mode == WriteMode::Live && connections > 0 {
            el.set("connections", connections);
        }
        el.set_opt("ipv6", self.ipv6.filter(|v| v.is_true()).map(Word::as_str));
        el.set_opt("trustGuestRxFilters", self.trust_guest_rx_filters.map(Word::as_str));
        el.push_text("name", Some(&self.name));
        el.push_text("uuid", Some(self.uuid));
        el.push_text("title", self.title.as_ref());
        el.push_text("description", self.description.as_ref());
        self.metadata.write(&mut el);
        el.extend(self.forward.to_el(mode));
        el.extend(self.bridge.to_el(self.forward.mode));
        el.extend(self.mtu.map(|mtu| El::new("mtu").attr("size", mtu)));
        el.extend(self.mac.map(|mac| El::new("mac").attr("address", mac)));
        el.extend(self.domain.as_ref().map(Domain::to_el));
        el.push_filled(self.dns.to_el());
        el.extend(self.vlan.as_ref().map(Vlan::to_el));
        el.extend(self.bandwidth.as_ref().map(|b| open(b.to_el())));
        el.extend(self.port_isolated.map(|isolated| El::new("port").attr("isolated", isolated)));
        el.extend(self.ips.iter().map(Ip::to_el));
        el.extend(self.routes.iter().map(Route::to_el));
        el.extend(self.virtualport.as_ref().and_then(VirtualPort::to_el));
        el.extend(self.portgroups.iter().map(PortGroup::to_el));
        if !self.dnsmasq_options.is_empty() {
            let mut options = El::new("dnsmasq:options");
            options.extend(self.dnsmasq_options.iter().map(|o| El::new("dnsmasq:option").attr("value", o)));
            el.push(options);
        }
        el
    }
}

fn read_all<T>(el: &Element<'_>, name: &str, reader: impl Fn(&Element<'_>) -> Result<T>) -> Result<Vec<T>> {
    el.children(name).map(|child| reader(&child).map_err(|e| e.at(child.position()))).collect()
}

fn parse_ipv6(el: &Element<'_>, network: &str) -> Result<Option<YesNo>> {
    match el.attr("ipv6").filter(|word| !word.is_empty()) {
        None => Ok(None),
        Some(word) => match YesNo::parse(word) {
            Some(value) => Ok(Some(value)),
            None => refuse!(xml, "Invalid ipv6 setting '{word}' in network '{network}'"),
        },
    }
}

fn parse_domain(el: &Element<'_>, network: &str) -> Result<Option<Domain>> {
    let Some(name) = el.attr("name") else { return Ok(None) };
    let domain = Domain {
        name: name.to_owned(),
        local_only: el.yes_no("localOnly")?,
        register: el.yes_no("register")?,
    };
    if domain.register == Some(YesNo::Yes) && domain.local_only != Some(YesNo::Yes) {
        refuse!(
            unsupported,
            "attribute 'register=yes' in <domain> element requires 'localOnly=yes' in network {network}"
        );
    }
    Ok(Some(domain))
}

impl Domain {
    fn to_el(&self) -> El {
        El::new("domain")
            .attr("name", &self.name)
            .attr_opt("localOnly", self.local_only.map(Word::as_str))
            .attr_opt("register", self.register.map(Word::as_str))
    }
}

fn parse_bridge(el: Option<&Element<'_>>, network: &str) -> Result<Bridge> {
    let mut bridge = Bridge { name: None, zone: None, stp: None, delay: 0, mac_table_manager: None };
    let Some(el) = el else { return Ok(bridge) };
    let text = |name: &str| el.attr(name).filter(|t| !t.is_empty()).map(str::to_owned);
    bridge.name = text("name");
    bridge.zone = text("zone");
    bridge.stp = el.attr("stp").filter(|t| !t.is_empty()).map(|stp| OnOff::from(stp != "off"));
    if let Some(delay) = el.attr("delay").filter(|t| !t.is_empty()) {
        bridge.delay = delay
            .trim()
            .parse()
            .map_err(|_| Error::xml(format!("Invalid delay value in network '{network}'")))?;
    }
    if let Some(word) = text("macTableManager") {
        let manager = MacTableManager::parse(&word).ok_or_else(|| {
            Error::xml(format!("Invalid macTableManager setting '{word}' in network '{network}'"))
        });
        bridge.mac_table_manager = Some(manager?);
    }
    Ok(bridge)
}

impl Bridge {
    fn to_el(&self, mode: ForwardMode) -> Option<El> {
        let shown = mode.is_virtual()
            || (mode == ForwardMode::Bridge && (self.name.is_some() || self.mac_table_manager.is_some()));
        if !shown {
            return None;
        }
        let mut el =
            El::new("bridge").attr_opt("name", self.name.as_ref()).attr_opt("zone", self.zone.as_ref());
        if mode.is_virtual() {
            el.set("stp", self.stp.unwrap_or(OnOff::On));
            el.set("delay", self.delay);
        }
        Some(el.attr_opt("macTableManager", self.mac_table_manager.map(Word::as_str)))
    }
}

fn parse_mac(el: &Element<'_>, network: &str) -> Result<Option<MacAddr>> {
    let Some(text) = el.attr("address").filter(|t| !t.is_empty()) else { return Ok(None) };
    match MacAddr::parse(text) {
        None => refuse!(xml, "Invalid bridge mac address '{text}' in network '{network}'"),
        Some(mac) if mac.is_multicast() => {
            refuse!(xml, "Invalid multicast bridge mac address '{text}' in network '{network}'")
        }
        Some(mac) => Ok(Some(mac)),
    }
}

fn parse_mtu(el: &Element<'_>, network: &str) -> Result<Option<u32>> {
    let Some(text) = el.attr("size").filter(|t| !t.is_empty()) else { return Ok(None) };
    match text.trim().parse::<u32>() {
        Ok(size) => Ok(Some(size).filter(|s| *s > 0)),
        Err(_) => refuse!(xml, "Invalid mtu size '{text}' in network '{network}'"),
    }
}

fn parse_virtualport(el: &Element<'_>) -> Result<VirtualPort> {
    let port = VirtualPort::parse(el)?;
    match port.kind {
        Some(_) => Ok(port),
        None => Err(Error::xml("missing required virtualport type").from_origin(Origin::None)),
    }
}

fn parse_dnsmasq_options(el: &Element<'_>) -> Result<Vec<String>> {
    let sets = el.foreign(DNSMASQ_NAMESPACE).filter(|child| child.name() == "options");
    let mut values = Vec::new();
    for option in sets.flat_map(|set| set.children("option").collect::<Vec<_>>()) {
        match option.attr("value") {
            Some(value) => values.push(value.to_owned()),
            None => return Err(Error::internal("No dnsmasq options value specified").at(option.position())),
        }
    }
    Ok(values)
}

impl PortGroup {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let name = el
            .attr("name")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Error::xml("Missing required name attribute in portgroup"))?
            .to_owned();
        Ok(PortGroup {
            name,
            default: el.attr("default").map(|word| YesNo::from(word.eq_ignore_ascii_case("yes"))),
            trust_guest_rx_filters: el.yes_no("trustGuestRxFilters")?,
            virtualport: el.child("virtualport").map(|v| VirtualPort::parse(&v)).transpose()?,
            bandwidth: el
                .child("bandwidth")
                .map(|b| Bandwidth::parse(&b, BandwidthUse::Plain))
                .transpose()?,
            vlan: el.child("vlan").map(|v| Vlan::parse(&v)).transpose()?,
        })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("portgroup").attr("name", &self.name);
        el.set_opt("default", self.is_default().then_some("yes"));
        el.set_opt("trustGuestRxFilters", self.trust_guest_rx_filters.map(Word::as_str));
        el.extend(self.vlan.as_ref().map(Vlan::to_el));
        el.extend(self.virtualport.as_ref().and_then(VirtualPort::to_el));
        el.extend(self.bandwidth.as_ref().map(|b| open(b.to_el())));
        open(el)
    }
}
