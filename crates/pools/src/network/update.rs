//! Changes of one part of a network.
//!
//! Owns: which section takes which command, and which entry is meant. Never: applies the change
//! to a bridge or to dnsmasq.

use ostler_base::{Error, MacAddr, Origin, Result, Word, refuse, words};
use ostler_vocab::inet;
use ostler_xml::Element;

use super::dns::{Completeness, DnsHost, Srv, Txt};
use super::forward::Pooled;
use super::ip::{DhcpHost, DhcpRange, Ip};
use super::{Network, PortGroup};
use crate::read::{Kind, Schema};

words! {
    /// What is done (`virNetworkUpdateCommand`, from 1).
    pub UpdateCommand {
        Modify = "modify", Delete = "delete", AddLast = "add-last", AddFirst = "add-first"
    }

    /// Which part (`virNetworkUpdateSection`, from 1).
    pub UpdateSection {
        Bridge = "bridge", Domain = "domain", Ip = "ip", IpDhcpHost = "ip-dhcp-host",
        IpDhcpRange = "ip-dhcp-range", Forward = "forward", ForwardInterface = "forward-interface",
        ForwardPf = "forward-pf", PortGroup = "portgroup", DnsHost = "dns-host", DnsTxt = "dns-txt",
        DnsSrv = "dns-srv"
    }
}

const KIND: Kind = Kind { label: "network_update_xml", root: "", origin: Origin::Network };

/// A change: what, where, and the element that says more.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// What is done.
    pub command: UpdateCommand,
    /// Which part.
    pub section: UpdateSection,
    /// Which of several `<ip>` elements, from 0; `None` for the first that fits.
    pub parent_index: Option<usize>,
    /// The element.
    pub xml: &'a str,
}

impl Network {
    /// The network after a change. It may break a rule of the whole: see [`Network::check`].
    pub fn updated(&self, update: &Update<'_>, schema: Schema) -> Result<Network> {
        let mut network = self.clone();
        KIND.read(update.xml, schema, |el| network.apply(update, el))?;
        Ok(network)
    }

    fn apply(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        use UpdateSection::*;
        match update.section {
            IpDhcpHost => self.update_dhcp_host(update, el),
            IpDhcpRange => self.update_dhcp_range(update, el),
            ForwardInterface => self.update_interface(update, el),
            PortGroup => self.update_portgroup(update, el),
            DnsHost => self.update_dns_host(update, el),
            DnsTxt => self.update_txt(update, el),
            DnsSrv => self.update_srv(update, el),
            Bridge | Domain | Ip | Forward | ForwardPf => Err(Error::operation_unsupported(format!(
                "can't update '{}' section of network '{}'",
                update.section.label(),
                self.name
            ))),
        }
    }

    fn expect(&self, el: &Element<'_>, name: &str) -> Result<()> {
        if el.name() != name {
            refuse!(
                xml,
                "unexpected element <{}>, expecting <{name}>, while updating network '{}'",
                el.name(),
                self.name
            );
        }
        Ok(())
    }

    /// The `<ip>` that a change of DHCP is about: the one that is named, else the one that hands
    /// out addresses already, else the first, IPv4 before IPv6.
    fn ip_for_dhcp(&self, index: Option<usize>) -> Result<usize> {
        if let Some(index) = index {
            if index >= self.ips.len() {
                refuse!(
                    operation_invalid,
                    "couldn't update dhcp host entry - no <ip> element found at index {index} in network '{}'",
                    self.name
                );
            }
            return Ok(index);
        }
        let first = |fits: fn(&Ip) -> bool| self.ips.iter().position(fits);
        first(|ip| ip.dhcp.is_used())
            .or_else(|| first(|ip| ip.address.is_ipv4()))
            .or_else(|| first(|ip| ip.address.is_ipv6()))
            .ok_or_else(|| {
                Error::operation_invalid(format!(
                    "couldn't update dhcp host entry - no <ip> element found in network '{}'",
                    self.name
                ))
            })
    }

    /// Addresses are handed out for one address of each family only.
    fn check_single_dhcp(&self, index: usize) -> Result<()> {
        let v4 = self.ips[index].address.is_ipv4();
        let other = self
            .ips
            .iter()
            .enumerate()
            .any(|(i, ip)| i != index && ip.address.is_ipv4() == v4 && ip.dhcp.is_used());
        if other {
            refuse!(
                operation_invalid,
                "dhcp is supported only for a single {} address on each network",
                if v4 { "IPv4" } else { "IPv6" }
            );
        }
        Ok(())
    }

    fn update_dhcp_host(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        self.expect(el, "host")?;
        let completeness = match update.command {
            UpdateCommand::Delete => Completeness::Partial,
            _ => Completeness::Whole,
        };
        let index = self.ip_for_dhcp(update.parent_index)?;
        let ipv6 = self.ips[index].address.is_ipv6();
        let host = DhcpHost::parse(el, &self.name, ipv6, completeness)?;
        if host.ip.is_some_and(|ip| ip.is_ipv6() != ipv6) && update.command != UpdateCommand::Delete {
            refuse!(
                operation_invalid,
                "the address family of a host entry IP must match the address family of the dhcp element's parent"
            );
        }
        match update.command {
            UpdateCommand::Modify => self.modify_dhcp_host(index, host),
            UpdateCommand::Delete => {
                let hosts = &mut self.ips[index].dhcp.hosts;
                let place = hosts.iter().position(|known| matches_all(&host, known)).ok_or_else(|| {
                    Error::operation_invalid(format!(
                        "couldn't locate a matching dhcp host entry in network '{}'",
                        self.name
                    ))
                })?;
                hosts.remove(place);
                Ok(())
            }
            UpdateCommand::AddFirst | UpdateCommand::AddLast => {
                self.check_single_dhcp(index)?;
                let hosts = &mut self.ips[index].dhcp.hosts;
                if hosts.iter().any(|known| matches_any(&host, known)) {
                    let (mac, name, ip) = shown(&host);
                    refuse!(
                        operation_invalid,
                        "there is an existing dhcp host entry in network '{}' that matches \"<host mac='{mac}' name='{name}' ip='{ip}'/>\"",
                        self.name
                    );
                }
                add(hosts, host, update.command);
                Ok(())
            }
        }
    }

    fn modify_dhcp_host(&mut self, index: usize, host: DhcpHost) -> Result<()> {
        let hosts = &mut self.ips[index].dhcp.hosts;
        let Some(known) = hosts.iter_mut().find(|known| matches_any(&host, known)) else {
            let (mac, name, ip) = shown(&host);
            refuse!(
                operation_invalid,
                "couldn't locate an existing dhcp host entry with \"mac='{mac}'\" \"name='{name}'\" \"ip='{ip}'\" in network '{}'",
                self.name
            );
        };
        *known = host;
        Ok(())
    }

    fn update_dhcp_range(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        self.expect(el, "range")?;
        let index = self.ip_for_dhcp(update.parent_index)?;
        if update.command == UpdateCommand::Modify {
            refuse!(operation_unsupported, "dhcp ranges cannot be modified, only added or deleted");
        }
        let range = DhcpRange::parse(el, &self.name, &self.ips[index])?;
        let ranges = &self.ips[index].dhcp.ranges;
        let place = ranges.iter().position(|known| known.start == range.start && known.end == range.end);
        match (update.command, place) {
            (UpdateCommand::Delete, Some(place)) => {
                self.ips[index].dhcp.ranges.remove(place);
            }
            (UpdateCommand::Delete, None) => refuse!(
                operation_invalid,
                "couldn't locate a matching dhcp range entry in network '{}'",
                self.name
            ),
            (_, Some(_)) => refuse!(
                operation_invalid,
                "there is an existing dhcp range entry in network '{}' that matches \"<range start='{}' end='{}'/>\"",
                self.name,
                inet::show(&range.start),
                inet::show(&range.end)
            ),
            (_, None) => {
                self.check_single_dhcp(index)?;
                add(&mut self.ips[index].dhcp.ranges, range, update.command);
            }
        }
        Ok(())
    }

    fn update_interface(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        self.expect(el, "interface")?;
        if update.command == UpdateCommand::Modify {
            refuse!(
                operation_unsupported,
                "forward interface entries cannot be modified, only added or deleted"
            );
        }
        let dev = el.attr("dev").ok_or_else(|| Error::xml("missing dev attribute in <interface> element"))?;
        let name = &self.name;
        let super::forward::Pool::Interfaces(pool) = &mut self.forward.pool else {
            refuse!(
                operation_invalid,
                "couldn't find an interface entry in network '{name}' matching <interface dev='{dev}'>"
            );
        };
        let place = pool.iter().position(|known| known.dev == dev);
        match (update.command, place) {
            (UpdateCommand::Delete, None) => refuse!(
                operation_invalid,
                "couldn't find an interface entry in network '{name}' matching <interface dev='{dev}'>"
            ),
            (UpdateCommand::Delete, Some(place)) => {
                let users = pool[place].connections;
                if users > 0 {
                    refuse!(
                        operation_invalid,
                        "unable to delete interface '{dev}' in network '{name}'. It is currently being used by {users} domains."
                    );
                }
                pool.remove(place);
            }
            (_, Some(_)) => refuse!(
                operation_invalid,
                "there is an existing interface entry in network '{name}' that matches \"<interface dev='{dev}'>\""
            ),
            (_, None) => add(pool, Pooled { dev: dev.to_owned(), connections: 0 }, update.command),
        }
        Ok(())
    }

    fn update_portgroup(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        self.expect(el, "portgroup")?;
        let group = PortGroup::parse(el)?;
        let place = self.portgroups.iter().position(|known| known.name == group.name);
        let adds = matches!(update.command, UpdateCommand::AddFirst | UpdateCommand::AddLast);
        if place.is_none() && !adds {
            refuse!(
                operation_invalid,
                "couldn't find a portgroup entry in network '{}' matching <portgroup name='{}'>",
                self.name,
                group.name
            );
        }
        if place.is_some() && adds {
            refuse!(
                operation_invalid,
                "there is an existing portgroup entry in network '{}' that matches \"<portgroup name='{}'>\"",
                self.name,
                group.name
            );
        }
        let other_default =
            self.portgroups.iter().enumerate().any(|(i, known)| Some(i) != place && known.is_default());
        if group.is_default() && other_default && update.command != UpdateCommand::Delete {
            refuse!(
                operation_invalid,
                "a different portgroup entry in network '{}' is already set as the default. Only one default is allowed.",
                self.name
            );
        }
        match (update.command, place) {
            (UpdateCommand::Delete, Some(place)) => _ = self.portgroups.remove(place),
            (UpdateCommand::Modify, Some(place)) => self.portgroups[place] = group,
            (command, _) => add(&mut self.portgroups, group, command),
        }
        Ok(())
    }

    fn update_dns_host(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        self.expect(el, "host")?;
        let deletes = update.command == UpdateCommand::Delete;
        let modifies = update.command == UpdateCommand::Modify;
        let host = DnsHost::parse(el, &self.name, completeness(deletes || modifies))?;
        if modifies && host.ip.is_some() && host.names.is_empty() {
            DnsHost::parse(el, &self.name, Completeness::Whole)?;
        }
        let known = &mut self.dns.hosts;
        // Any name in common tells which entry is to go; others are known by their address.
        let meant = |known: &DnsHost| {
            (host.ip.is_some() && host.ip == known.ip)
                || (deletes && host.names.iter().any(|name| known.names.contains(name)))
        };
        let places: Vec<usize> = (0..known.len()).filter(|place| meant(&known[*place])).collect();
        let name = &self.name;
        match (update.command, &places[..]) {
            (UpdateCommand::Delete | UpdateCommand::Modify, []) => {
                refuse!(operation_invalid, "couldn't locate a matching DNS HOST record in network {name}")
            }
            (UpdateCommand::Delete, [place]) => _ = known.remove(*place),
            (UpdateCommand::Modify, [place]) => known[*place] = host,
            (UpdateCommand::Delete | UpdateCommand::Modify, _) => {
                refuse!(operation_invalid, "multiple matching DNS HOST records were found in network {name}")
            }
            (command, []) => add(known, host, command),
            _ => refuse!(
                operation_invalid,
                "there is already at least one DNS HOST record with a matching field in network {name}"
            ),
        }
        Ok(())
    }

    fn update_txt(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        self.expect(el, "txt")?;
        let adds = matches!(update.command, UpdateCommand::AddFirst | UpdateCommand::AddLast);
        let txt = Txt::parse(el, &self.name, completeness(!adds))?;
        let network = &self.name;
        let known = &mut self.dns.txts;
        let place = known.iter().position(|known| known.name == txt.name);
        match (update.command, place) {
            (UpdateCommand::Delete | UpdateCommand::Modify, None) => {
                refuse!(operation_invalid, "couldn't locate a matching DNS TXT record in network {network}")
            }
            (UpdateCommand::Delete, Some(place)) => _ = known.remove(place),
            (UpdateCommand::Modify, Some(_)) if txt.value.is_none() => {
                refuse!(operation_invalid, "missing value of modifying DNS TXT record in network {network}")
            }
            (UpdateCommand::Modify, Some(place)) => known[place] = txt,
            (_, Some(_)) => refuse!(
                operation_invalid,
                "there is already a DNS TXT record with name '{}' in network {network}",
                txt.name
            ),
            (command, None) => add(known, txt, command),
        }
        Ok(())
    }

    fn update_srv(&mut self, update: &Update<'_>, el: &Element<'_>) -> Result<()> {
        if update.command == UpdateCommand::Modify {
            refuse!(operation_unsupported, "DNS SRV records cannot be modified, only added or deleted");
        }
        self.expect(el, "srv")?;
        let deletes = update.command == UpdateCommand::Delete;
        let srv = Srv::parse(el, &self.name, completeness(deletes))?;
        let network = &self.name;
        let known = &mut self.dns.srvs;
        let places: Vec<usize> = known
            .iter()
            .enumerate()
            .filter(|(_, known)| srv.describes(known))
            .map(|(place, _)| place)
            .collect();
        match (deletes, &places[..]) {
            (true, []) => {
                refuse!(operation_invalid, "couldn't locate a matching DNS SRV record in network {network}")
            }
            (true, [place]) => _ = known.remove(*place),
            (true, _) => refuse!(
                operation_invalid,
                "multiple DNS SRV records matching all specified fields were found in network {network}"
            ),
            (false, []) => add(known, srv, update.command),
            (false, _) => refuse!(
                operation_invalid,
                "there is already at least one DNS SRV record matching all specified fields in network {network}"
            ),
        }
        Ok(())
    }
}

fn completeness(partial: bool) -> Completeness {
    if partial { Completeness::Partial } else { Completeness::Whole }
}

fn add<T>(list: &mut Vec<T>, item: T, command: UpdateCommand) {
    match command {
        UpdateCommand::AddFirst => list.insert(0, item),
        _ => list.push(item),
    }
}

/// Whether every attribute that is given is the same in the other.
fn matches_all(given: &DhcpHost, known: &DhcpHost) -> bool {
    (given.mac.is_none() || same_mac(given, known))
        && (given.name.is_none() || given.name == known.name)
        && (given.ip.is_none() || given.ip == known.ip)
}

/// Whether one attribute of both is the same.
fn matches_any(given: &DhcpHost, known: &DhcpHost) -> bool {
    same_mac(given, known)
        || (given.name.is_some() && given.name == known.name)
        || (given.ip.is_some() && given.ip == known.ip)
}

fn same_mac(given: &DhcpHost, known: &DhcpHost) -> bool {
    let mac = |host: &DhcpHost| host.mac.as_deref().and_then(MacAddr::parse);
    mac(given).is_some() && mac(given) == mac(known)
}

/// The three attributes of a host in messages: hardware address, name and address.
fn shown(host: &DhcpHost) -> (&str, &str, String) {
    let mac = host.mac.as_deref().unwrap_or("unknown");
    let name = host.name.as_deref().unwrap_or("(null)");
    (mac, name, host.ip.as_ref().map_or_else(|| "unknown".to_owned(), inet::show))
}

impl UpdateCommand {
    /// The command with a number on the wire.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::WORDS.get(usize::try_from(number).ok()?.checked_sub(1)?).map(|(_, command)| *command)
    }
}

impl UpdateSection {
    /// What it is called in messages.
    fn label(self) -> &'static str {
        if self == UpdateSection::ForwardPf { "forward pf" } else { self.as_str() }
    }

    /// The section with a number on the wire.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::WORDS.get(usize::try_from(number).ok()?.checked_sub(1)?).map(|(_, section)| *section)
    }
}
