//! `<forward>`: how a network reaches the outside.
//!
//! Owns: the mode, the pool of host devices, address translation. Never: knows which devices the
//! host has.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::HashSet;

use ostler_base::{Code, Error, Origin, Result, Word, YesNo, refuse, words};
use ostler_vocab::inet;
use ostler_xml::{El, Element};

use crate::network::ip;
use crate::{PciAddress, WriteMode};

words! {
    /// `<forward mode='…'>`; a network without `<forward>` is isolated.
    pub ForwardMode {
        /// Isolated.
        None = "none",
        Nat = "nat", Route = "route", Open = "open", Bridge = "bridge", Private = "private",
        Vepa = "vepa", Passthrough = "passthrough", Hostdev = "hostdev"
    }

    /// `<driver name='…'>` of a pool of PCI functions.
    pub HostdevDriver { Kvm = "kvm", Vfio = "vfio", Xen = "xen" }
}

impl ForwardMode {
    /// Whether the network makes a bridge of its own, with addresses and services of the host.
    pub fn is_virtual(self) -> bool {
        matches!(self, ForwardMode::None | ForwardMode::Nat | ForwardMode::Route | ForwardMode::Open)
    }
}

/// `<forward>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The mode; `None` for an isolated network.
    pub mode: ForwardMode,
    /// Whether PCI functions are bound to their driver by us; only for [`ForwardMode::Hostdev`].
    pub managed: bool,
    /// `<driver>` for PCI functions.
    pub driver: Option<Driver>,
    /// The physical function whose virtual functions are the pool.
    pub pf: Option<String>,
    /// Address translation.
    pub nat: Nat,
    /// The devices.
    pub pool: Pool,
}

/// `<driver>` in `<forward>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Kind of driver.
    pub name: Option<HostdevDriver>,
    /// Name of a kernel module.
    pub model: Option<String>,
}

/// The host devices that a network uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pool {
    /// Network devices by name.
    Interfaces(Vec<Pooled<String>>),
    /// PCI functions.
    Pci(Vec<Pooled<PciAddress>>),
}

/// A device of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooled<T> {
    /// Which.
    pub dev: T,
    /// How many ports use it now.
    pub connections: u32,
}

/// `<nat>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nat {
    /// Whether IPv6 is translated too.
    pub ipv6: Option<YesNo>,
    /// First and last source address; absent: the address of the outgoing device.
    pub addresses: Option<(Ipv4Addr, Ipv4Addr)>,
    /// First and last source port.
    pub ports: Option<(u16, u16)>,
}

impl Forward {
    /// That of an isolated network.
    pub fn none() -> Self {
        Forward {
            mode: ForwardMode::None,
            managed: false,
            driver: None,
            pf: None,
            nat: Nat::default(),
            pool: Pool::Interfaces(Vec::new()),
        }
    }

    /// The names of the devices of the pool, without PCI functions.
    pub fn interfaces(&self) -> &[Pooled<String>] {
        match &self.pool {
            Pool::Interfaces(interfaces) => interfaces,
            Pool::Pci(_) => &[],
        }
    }

    /// The device that traffic leaves through: the only one, or the first of the pool.
    pub fn dev(&self) -> Option<&str> {
        match &self.pf {
            Some(_) => None,
            None => self.interfaces().first().map(|i| i.dev.as_str()),
        }
    }

    /// Whether there is a device in the pool, of either kind.
    pub fn has_devices(&self) -> bool {
        match &self.pool {
            Pool::Interfaces(list) => !list.is_empty(),
            Pool::Pci(list) => !list.is_empty(),
        }
    }

    pub(crate) fn parse(el: &Element<'_>, network: &str) -> Result<Self> {
        let mode = match el.attr("mode") {
            None | Some("") => ForwardMode::Nat,
            Some(word) => ForwardMode::parse(word).ok_or_else(|| {
                Error::unsupported(format!("unknown forwarding type '{word}'")).at(el.position())
            })?,
        };
        let mut forward = Forward { mode, ..Forward::none() };
        forward.managed = el.attr("managed") == Some("yes");
        forward.driver = el.child("driver").map(|d| Driver::parse(&d)).transpose()?;
        if let Some(nat) = only(el, "nat", || {
            format!("Only one <nat> element is allowed in <forward> of network {network}")
        })? {
            if mode != ForwardMode::Nat {
                refuse!(
                    xml,
                    "The <nat> element can only be used when <forward> 'mode' is 'nat' in network {network}"
                );
            }
            forward.nat = Nat::parse(&nat, network)?;
        }
        forward.read_devices(el, network)?;
        Ok(forward)
    }

    fn read_devices(&mut self, el: &Element<'_>, network: &str) -> Result<()> {
        let dev = el.attr("dev").filter(|d| !d.is_empty());
        let interfaces: Vec<_> = el.children("interface").collect();
        let addresses: Vec<_> = el.children("address").collect();
        let pf = el.children("pf").collect::<Vec<_>>();
        if dev.is_some() && (!addresses.is_empty() || !pf.is_empty()) {
            refuse!(
                xml,
                "the <forward> 'dev' attribute cannot be used when <address> or <pf> sub-elements are present in network {network}"
            );
        }
        if !interfaces.is_empty() || (addresses.is_empty() && pf.is_empty()) {
            self.pool = Pool::Interfaces(parse_interfaces(&interfaces, dev, network)?);
            return Ok(());
        }
        if !addresses.is_empty() {
            self.pool = Pool::Pci(parse_addresses(&addresses, network)?);
            return Ok(());
        }
        let [pf] = &pf[..] else {
            refuse!(xml, "Only one <pf> element is allowed in <forward> of network {network}");
        };
        self.pf = Some(pf.attr("dev").map(str::to_owned).ok_or_else(|| {
            Error::xml(format!("Missing required dev attribute in <pf> element of network '{network}'"))
        })?);
        Ok(())
    }

    pub(crate) fn to_el(&self, mode: WriteMode) -> Option<El> {
        if self.mode == ForwardMode::None {
            return None;
        }
        let mut el = El::new("forward").attr_opt("dev", self.dev()).attr("mode", self.mode);
        if self.mode == ForwardMode::Hostdev {
            el.set("managed", YesNo::from(self.managed));
        }
        if let Some(driver) = &self.driver {
            el.push_filled(driver.to_el());
        }
        el.push_filled(self.nat.to_el());
        if let Some(pf) = &self.pf {
            el.push(El::new("pf").attr("dev", pf));
        }
        if self.pf.is_none() || mode == WriteMode::Live {
            self.write_pool(&mut el, mode);
        }
        Some(el)
    }

    fn write_pool(&self, el: &mut El, mode: WriteMode) {
        let connections = |count: u32| (mode == WriteMode::Live && count > 0).then_some(count);
        match &self.pool {
            Pool::Interfaces(list) => el.extend(list.iter().map(|i| {
                El::new("interface").attr("dev", &i.dev).attr_opt("connections", connections(i.connections))
            })),
            Pool::Pci(list) => el.extend(list.iter().map(|p| {
                let mut address = El::new("address").attr("type", "pci");
                p.dev.write(&mut address);
                address.attr_opt("connections", connections(p.connections))
            })),
        }
    }
}

impl Driver {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Driver { name: el.word("name")?, model: el.attr("model").map(str::to_owned) })
    }

    pub(super) fn to_el(&self) -> El {
        El::new("driver").attr_opt("name", self.name.map(Word::as_str)).attr_opt("model", self.model.as_ref())
    }
}

fn only<'a>(el: &Element<'a>, name: &str, words: impl FnOnce() -> String) -> Result<Option<Element<'a>>> {
    let mut found = el.children(name);
    let first = found.next();
    if found.next().is_some() {
        return Err(Error::xml(words()).at(el.position()));
    }
    Ok(first)
}

fn parse_interfaces(list: &[Element<'_>], dev: Option<&str>, network: &str) -> Result<Vec<Pooled<String>>> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for el in list {
        let name = el.attr("dev").ok_or_else(|| {
            Error::xml(format!(
                "Missing required dev attribute in <forward> <interface> element of network {network}"
            ))
            .at(el.position())
        })?;
        if let Some(dev) = dev.filter(|dev| names.is_empty() && *dev != name) {
            refuse!(
                xml,
                "<forward dev='{dev}'> must match first <interface dev='{name}'/> in network {network}"
            );
        }
        if !seen.insert(name) {
            refuse!(xml, "interface '{name}' can only be listed once in network {network}");
        }
        names.push(name.to_owned());
    }
    if names.is_empty() {
        names.extend(dev.map(str::to_owned));
    }
    Ok(names.into_iter().map(|dev| Pooled { dev, connections: 0 }).collect())
}

fn parse_addresses(list: &[Element<'_>], network: &str) -> Result<Vec<Pooled<PciAddress>>> {
    let mut seen = HashSet::new();
    let mut pool = Vec::new();
    for el in list {
        match el.attr("type") {
            None => refuse!(xml, "missing address type in network {network}"),
            Some("pci") => {}
            Some(other) if ADDRESS_TYPES.contains(&other) => {
                refuse!(xml, "unsupported address type '{other}' in network {network}")
            }
            Some(other) => refuse!(unsupported, "unknown address type '{other}' in network {network}"),
        }
        let dev = PciAddress::parse(el)?;
        if !seen.insert(dev) {
            refuse!(xml, "PCI device '{dev}' can only be listed once in network {network}");
        }
        pool.push(Pooled { dev, connections: 0 });
    }
    Ok(pool)
}

/// Words that are types of addresses elsewhere, but not here.
const ADDRESS_TYPES: &[&str] = &["none", "netdev"];

impl Nat {
    fn parse(el: &Element<'_>, network: &str) -> Result<Self> {
        let mut nat = Nat { ipv6: el.yes_no("ipv6")?, ..Nat::default() };
        let words = |what: &str| {
            format!("Only one <{what}> element is allowed in <nat> in <forward> in network {network}")
        };
        if let Some(range) = only(el, "address", || words("address"))? {
            nat.addresses = Some(parse_nat_addresses(&range, network)?);
        }
        if let Some(range) = only(el, "port", || words("port"))? {
            let port = |name: &str, least: u16| {
                range.number::<u16>(name).ok().flatten().filter(|p| *p >= least).ok_or_else(|| {
                    let words = format!(
                        "Missing or invalid '{name}' attribute in <port> in <nat> in <forward> in network {network}"
                    );
                    Error::new(Code::XmlDetail, Origin::Network, words).at(range.position())
                })
            };
            let start = port("start", 0)?;
            nat.ports = Some((start, port("end", start)?)).filter(|ports| *ports != (0, 0));
        }
        Ok(nat)
    }

    fn to_el(&self) -> El {
        let mut el = El::new("nat").attr_opt("ipv6", self.ipv6.map(Word::as_str));
        if let Some((start, end)) = &self.addresses {
            el.push(El::new("address").attr("start", start).attr("end", end));
        }
        if let Some((start, end)) = &self.ports {
            el.push(El::new("port").attr("start", start).attr("end", end));
        }
        el
    }
}

fn parse_nat_addresses(el: &Element<'_>, network: &str) -> Result<(Ipv4Addr, Ipv4Addr)> {
    let place = "in <address> element in <nat> in <forward> in network";
    let text = |name: &str| {
        el.attr(name).filter(|t| !t.is_empty()).ok_or_else(|| {
            Error::xml(format!("missing '{name}' attribute {place} {network}")).at(el.position())
        })
    };
    let read = |name: &str, text: &str| match inet::parse(text) {
        Some(IpAddr::V4(v4)) => Ok(v4),
        _ => Err(Error::xml(format!(
            "Bad ipv4 {name} address '{text}' in <nat> in <forward> in network '{network}'"
        ))
        .at(el.position())),
    };
    let (start, end) = (text("start")?, text("end")?);
    let (start, end) = (read("start", start)?, read("end", end)?);
    ip::range_size(&IpAddr::V4(start), &IpAddr::V4(end), None)?;
    Ok((start, end))
}
