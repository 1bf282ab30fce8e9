//! `<ip>`: an address of the host in a network, and the addresses it hands out.
//!
//! Owns: addresses, DHCP ranges and hosts. Never: hands out anything.

use core::net::IpAddr;

use ostler_base::{Code, Error, MacAddr, Origin, Result, Word, YesNo, refuse, words};
use ostler_vocab::inet::{self, Family};
use ostler_xml::{El, Element};

use crate::network::dns::Completeness;
use crate::read::address;
use crate::write::open;

/// How far the last address of a DHCP range may be from the first.
const MAX_RANGE: u128 = 65_535;
/// The shortest lease, in seconds.
const MIN_LEASE: u64 = 120;

words! {
    /// `<lease unit='…'>`
    pub LeaseUnit { Seconds = "seconds", Minutes = "minutes", Hours = "hours" }
}

/// `<ip>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// The family, where it is said; an IPv6 address always says it.
    pub family: Option<Family>,
    /// The host's address.
    pub address: IpAddr,
    /// Its mask; never together with a prefix, only for IPv4.
    pub netmask: Option<IpAddr>,
    /// Its prefix; not 0.
    pub prefix: Option<u32>,
    /// Whether reverse lookups for it stay in the network.
    pub local_ptr: Option<YesNo>,
    /// Directory that is served by TFTP.
    pub tftp_root: Option<String>,
    /// DHCP.
    pub dhcp: Dhcp,
}

/// `<dhcp>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dhcp {
    /// Addresses for anybody.
    pub ranges: Vec<DhcpRange>,
    /// Addresses for known guests.
    pub hosts: Vec<DhcpHost>,
    /// What network booting begins with; IPv4 only.
    pub bootp: Option<Bootp>,
}

/// `<range>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpRange {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
    /// How long they are lent.
    pub lease: Option<Lease>,
}

/// `<host>` in `<dhcp>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpHost {
    /// Hardware address, as it was written.
    pub mac: Option<String>,
    /// DHCP unique identifier.
    pub id: Option<String>,
    /// Host name.
    pub name: Option<String>,
    /// The address it gets.
    pub ip: Option<IpAddr>,
    /// For how long.
    pub lease: Option<Lease>,
}

/// `<lease>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Duration; 0 is forever.
    pub expiry: u64,
    /// In which unit.
    pub unit: LeaseUnit,
}

/// `<bootp>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootp {
    /// The file.
    pub file: String,
    /// Where it is, if not here.
    pub server: Option<IpAddr>,
}

impl Dhcp {
    /// Whether addresses are handed out.
    pub fn is_used(&self) -> bool {
        !self.ranges.is_empty() || !self.hosts.is_empty()
    }
}

impl Ip {
    /// The prefix that holds: as given, of the netmask, or the natural one. `None` where the
    /// netmask has holes, or the address belongs to no class.
    pub fn effective_prefix(&self) -> Option<u32> {
        match (self.prefix, &self.netmask) {
            (Some(prefix), _) => Some(prefix),
            (None, Some(netmask)) => inet::mask_length(netmask),
            (None, None) => inet::natural_prefix(&self.address),
        }
    }

    /// The mask that holds.
    pub fn effective_netmask(&self) -> Option<IpAddr> {
        self.netmask.or_else(|| inet::mask(&self.address, self.effective_prefix()?))
    }

    /// The network that the address is in.
    pub fn network(&self) -> Option<IpAddr> {
        inet::network(&self.address, self.effective_prefix()?)
    }

    pub(crate) fn parse(el: &Element<'_>, network: &str) -> Result<Self> {
        let Some(text) = el.attr("address").filter(|a| !a.is_empty()) else {
            refuse!(xml, "Missing required address attribute in network '{network}'");
        };
        let Some(address) = inet::parse(text) else {
            refuse!(xml, "Invalid address '{text}' in network '{network}'");
        };
        let netmask = match el.attr("netmask").filter(|t| !t.is_empty()) {
            None => None,
            Some(mask) => match inet::parse(mask) {
                Some(parsed) => Some((mask, parsed)),
                None => refuse!(xml, "Invalid netmask '{mask}' in network '{network}'"),
            },
        };
        let prefix = el.number("prefix")?.filter(|prefix| *prefix > 0);
        let family = check_family(el.attr("family").filter(|t| !t.is_empty()), text, &address, network)?;
        check_mask(text, &address, netmask, prefix, network)?;
        let mut ip = Ip {
            family,
            address,
            netmask: netmask.map(|(_, parsed)| parsed),
            prefix,
            local_ptr: el.yes_no("localPtr")?,
            tftp_root: None,
            dhcp: Dhcp::default(),
        };
        if let Some(dhcp) = el.child("dhcp") {
            ip.read_dhcp(&dhcp, network)?;
        }
        if let Some(tftp) = el.child("tftp") {
            if address.is_ipv6() {
                refuse!(unsupported, "Unsupported <tftp> element in an IPv6 element in network '{network}'");
            }
            ip.tftp_root = tftp.attr("root").filter(|r| !r.is_empty()).map(str::to_owned);
        }
        Ok(ip)
    }

    fn read_dhcp(&mut self, el: &Element<'_>, network: &str) -> Result<()> {
        for range in el.children("range") {
            let range = DhcpRange::parse(&range, network, self).map_err(|e| e.at(range.position()))?;
            self.dhcp.ranges.push(range);
        }
        for host in el.children("host") {
            let host = DhcpHost::parse(&host, network, self.address.is_ipv6(), Completeness::Whole)
                .map_err(|e| e.at(host.position()))?;
            self.dhcp.hosts.push(host);
        }
        if let Some(bootp) = el.children("bootp").last().filter(|_| self.address.is_ipv4()) {
            let server = bootp.attr("server").map(address).transpose()?;
            self.dhcp.bootp = Some(Bootp { file: bootp.require("file")?.to_owned(), server });
        }
        Ok(())
    }

    pub(crate) fn to_el(&self) -> El {
        let mut el = El::new("ip")
            .attr_opt("family", self.family.map(Word::as_str))
            .attr("address", inet::show(&self.address))
            .attr_opt("netmask", self.netmask.as_ref().map(inet::show))
            .attr_opt("prefix", self.prefix)
            .attr_opt("localPtr", self.local_ptr.map(Word::as_str));
        if let Some(root) = &self.tftp_root {
            el.push(El::new("tftp").attr("root", root));
        }
        if self.dhcp.is_used() {
            let mut dhcp = El::new("dhcp");
            dhcp.extend(self.dhcp.ranges.iter().map(DhcpRange::to_el));
            dhcp.extend(self.dhcp.hosts.iter().map(DhcpHost::to_el));
            if let Some(bootp) = &self.dhcp.bootp {
                dhcp.push(
                    El::new("bootp")
                        .attr("file", &bootp.file)
                        .attr_opt("server", bootp.server.as_ref().map(inet::show)),
                );
            }
            el.push(dhcp);
        }
        open(el)
    }
}

fn check_family(word: Option<&str>, text: &str, address: &IpAddr, network: &str) -> Result<Option<Family>> {
    let family = match word {
        None => None,
        Some(word) => match Family::parse(word) {
            Some(family) => Some(family),
            None => refuse!(xml, "Unrecognized family '{word}' in network '{network}'"),
        },
    };
    match (family, address) {
        (None | Some(Family::Ipv4), IpAddr::V6(_)) => refuse!(
            unsupported,
            "{} family specified for non-IPv4 address '{text}' in network '{network}'",
            family.map_or("no", Word::as_str)
        ),
        (Some(Family::Ipv6), IpAddr::V4(_)) => {
            refuse!(
                unsupported,
                "Family 'ipv6' specified for non-IPv6 address '{text}' in network '{network}'"
            )
        }
        _ => Ok(family),
    }
}

fn check_mask(
    text: &str,
    address: &IpAddr,
    netmask: Option<(&str, IpAddr)>,
    prefix: Option<u32>,
    network: &str,
) -> Result<()> {
    match (address, netmask) {
        (IpAddr::V6(_), Some(_)) => {
            refuse!(unsupported, "netmask not allowed for IPv6 address '{text}' in network '{network}'")
        }
        (IpAddr::V4(_), Some((mask, IpAddr::V6(_)))) => refuse!(
            unsupported,
            "Invalid netmask '{mask}' for address '{text}' in network '{network}' (both must be IPv4)"
        ),
        (IpAddr::V4(_), Some(_)) if prefix.is_some() => {
            refuse!(unsupported, "Network '{network}' IP address cannot have both a prefix and a netmask")
        }
        _ => {}
    }
    match prefix {
        Some(prefix) if prefix > Family::of(address).bits() => {
            let version = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            refuse!(unsupported, "Invalid {version} prefix '{prefix}' in network '{network}'")
        }
        _ => Ok(()),
    }
}

impl DhcpRange {
    pub(crate) fn parse(el: &Element<'_>, network: &str, ip: &Ip) -> Result<Self> {
        let end = |name: &str| {
            let text = el.attr(name).ok_or_else(|| {
                Error::xml(format!("Missing '{name}' attribute in dhcp range for network '{network}'"))
            })?;
            address(text)
        };
        let (start, end) = (end("start")?, end("end")?);
        let lease = Lease::parse(el)?;
        range_size(&start, &end, Some(ip))?;
        Ok(DhcpRange { start, end, lease })
    }

    /// How many addresses it has.
    pub fn size(&self) -> u32 {
        range_size(&self.start, &self.end, None).unwrap_or(0)
    }

    fn to_el(&self) -> El {
        let mut el =
            El::new("range").attr("start", inet::show(&self.start)).attr("end", inet::show(&self.end));
        el.extend(self.lease.map(Lease::to_el));
        el
    }
}

/// How many addresses are from the first to the last, which must lie in the network of `ip` if
/// that is given, and be at most 65536.
pub(crate) fn range_size(start: &IpAddr, end: &IpAddr, ip: Option<&Ip>) -> Result<u32> {
    let range = format!("range {} - {}", inet::show(start), inet::show(end));
    let fault = |words: String| Error::new(Code::InternalError, Origin::None, words);
    if start.is_ipv4() != end.is_ipv4() {
        return Err(fault(format!("mismatch of address family in {range}")));
    }
    if let Some(ip) = ip {
        check_inside(start, end, ip, &range).map_err(fault)?;
    }
    let number = |address: &IpAddr| match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    match number(end).checked_sub(number(start)) {
        None if start.is_ipv4() => Err(fault(format!("{range} is reversed "))),
        None => Err(fault(format!("{range} start larger than end"))),
        Some(size) if size > MAX_RANGE => Err(fault(format!("{range} is too large (> 65535)"))),
        Some(size) => Ok(u32::try_from(size).map_or(u32::MAX, |size| size + 1)),
    }
}

fn check_inside(start: &IpAddr, end: &IpAddr, ip: &Ip, range: &str) -> Result<(), String> {
    let shown = inet::show(&ip.address);
    if start.is_ipv4() != ip.address.is_ipv4() {
        return Err(format!("mismatch of address family in {range} for network {shown}"));
    }
    let Some(prefix) = ip.effective_prefix() else {
        return Err(format!("bad prefix -1 for network {shown} when checking {range}"));
    };
    let network = ip.network();
    if inet::network(start, prefix) != network || inet::network(end, prefix) != network {
        return Err(format!("{range} is not entirely within network {shown}/{prefix}"));
    }
    if start.is_ipv6() {
        return Ok(());
    }
    if Some(*start) == network {
        return Err(format!("start of {range} in network {shown}/{prefix} is the network address"));
    }
    if Some(*end) == inet::broadcast(&ip.address, prefix) {
        return Err(format!("end of {range} in network {shown}/{prefix} is the broadcast address"));
    }
    Ok(())
}

impl DhcpHost {
    pub(crate) fn parse(
        el: &Element<'_>,
        network: &str,
        ipv6: bool,
        completeness: Completeness,
    ) -> Result<Self> {
        let text = |name: &str| el.attr(name).map(str::to_owned);
        let (mac, id, name) = (text("mac"), text("id"), text("name"));
        if let Some(mac) = &mac {
            check_mac(mac, network, ipv6)?;
        }
        if let Some((id, bad)) = id
            .as_ref()
            .and_then(|id| id.chars().find(|c| !c.is_ascii_hexdigit() && *c != ':').map(|bad| (id, bad)))
        {
            refuse!(xml, "Invalid character '{bad}' in id '{id}' of network '{network}'");
        }
        if let Some(name) = name.as_ref().filter(|n| !n.starts_with(|c: char| c.is_ascii_alphanumeric())) {
            refuse!(xml, "Cannot use host name '{name}' in network '{network}'");
        }
        let ip = match el.attr("ip") {
            None => None,
            Some(text) => match inet::parse(text) {
                Some(ip) => Some(ip),
                None => refuse!(xml, "Invalid IP address in static host definition for network '{network}'"),
            },
        };
        let host = DhcpHost { mac, id, name, ip, lease: Lease::parse(el)? };
        host.check(network, ipv6, completeness)?;
        Ok(host)
    }

    fn check(&self, network: &str, ipv6: bool, completeness: Completeness) -> Result<()> {
        if completeness == Completeness::Partial {
            if self.mac.is_none() && self.name.is_none() && self.ip.is_none() {
                refuse!(
                    xml,
                    "At least one of name, mac, or ip attribute must be specified for static host definition in network '{network}'"
                );
            }
            return Ok(());
        }
        if ipv6 && self.id.is_none() && self.name.is_none() {
            refuse!(xml, "Static host definition in IPv6 network '{network}' must have id or name attribute");
        }
        if !ipv6 && self.mac.is_none() && self.name.is_none() {
            refuse!(
                xml,
                "Static host definition in IPv4 network '{network}' must have mac or name attribute"
            );
        }
        if self.ip.is_none() {
            refuse!(xml, "Missing IP address in static host definition for network '{network}'");
        }
        Ok(())
    }

    fn to_el(&self) -> El {
        let mut el = El::new("host")
            .attr_opt("mac", self.mac.as_ref())
            .attr_opt("id", self.id.as_ref())
            .attr_opt("name", self.name.as_ref())
            .attr_opt("ip", self.ip.as_ref().map(inet::show));
        el.extend(self.lease.map(Lease::to_el));
        el
    }
}

fn check_mac(text: &str, network: &str, ipv6: bool) -> Result<()> {
    if ipv6 {
        refuse!(
            xml,
            "Invalid to specify MAC address '{text}' in network '{network}' IPv6 static host definition"
        );
    }
    match MacAddr::parse(text) {
        None => refuse!(xml, "Cannot parse MAC address '{text}' in network '{network}'"),
        Some(mac) if mac.is_multicast() => {
            refuse!(xml, "expected unicast mac address, found multicast '{text}' in network '{network}'")
        }
        Some(_) => Ok(()),
    }
}

impl Lease {
    fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let Some(lease) = el.child("lease") else { return Ok(None) };
        let Some(expiry) = lease.number::<u64>("expiry")? else { return Ok(None) };
        let unit = lease.word("unit")?.unwrap_or(LeaseUnit::Minutes);
        let lease = Lease { expiry, unit };
        if expiry > 0 && lease.seconds() < MIN_LEASE {
            refuse!(unsupported, "The minimum lease time should be greater than 2 minutes");
        }
        Ok(Some(lease))
    }

    fn seconds(self) -> u64 {
        let factor = match self.unit {
            LeaseUnit::Seconds => 1,
            LeaseUnit::Minutes => 60,
            LeaseUnit::Hours => 3600,
        };
        self.expiry.saturating_mul(factor)
    }

    fn to_el(self) -> El {
        let el = El::new("lease").attr("expiry", self.expiry);
        if self.expiry == 0 { el } else { el.attr("unit", self.unit) }
    }
}
