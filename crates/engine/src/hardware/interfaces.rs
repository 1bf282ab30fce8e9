//! Network interfaces of the host.

use ostler_base::{Code, Error, OnOff, Origin, Result};
use ostler_host::net::{DeviceAddress, Link, Net};
use ostler_pools::interface::{Interface, Kind, Link as LinkWords, LinkState, Protocol, ProtocolIp};
use ostler_vocab::inet::Family;

/// An interface and its document.
#[derive(Debug, Clone)]
pub struct HostInterface {
    /// Its name.
    pub name: String,
    /// Its hardware address, zeros where it has none.
    pub mac: String,
    /// Whether it is switched on.
    pub active: bool,
    /// What it is.
    pub document: Interface,
}

/// Every interface, by name.
pub fn interfaces() -> Result<Vec<HostInterface>> {
    let net = Net::open()?;
    let (links, addresses) = (net.links()?, net.addresses()?);
    let mut all: Vec<HostInterface> = links.iter().map(|link| describe(link, &links, &addresses)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The interface that fits; `what` is how it is asked for.
pub fn interface(what: &str, fits: impl Fn(&HostInterface) -> bool) -> Result<HostInterface> {
    let mut found = interfaces()?.into_iter().filter(|interface| fits(interface));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => {
            let detail = "multiple interfaces with matching MAC address";
            Err(Error::new(Code::MultipleInterfaces, Origin::Interface, detail))
        }
        (None, _) => {
            let detail = format!("couldn't find interface {what}");
            Err(Error::new(Code::NoInterface, Origin::Interface, detail))
        }
    }
}

fn describe(link: &Link, links: &[Link], addresses: &[DeviceAddress]) -> HostInterface {
    let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_else(|| "00:00:00:00:00:00".to_owned());
    let mut document = plain(link);
    document.mtu = Some(link.mtu);
    for (family, is_v4) in [(Family::Ipv4, true), (Family::Ipv6, false)] {
        let own = addresses.iter().filter(|a| a.index == link.index && a.address.is_ipv4() == is_v4);
        let ips: Vec<ProtocolIp> = own
            .map(|a| ProtocolIp { address: a.address.to_string(), prefix: Some(a.prefix.into()) })
            .collect();
        if !ips.is_empty() {
            document.protocols.push(Protocol { family, autoconf: false, dhcp: None, ips, gateway: None });
        }
    }
    if link.kind.as_deref() == Some("bridge") {
        let ports = links.iter().filter(|port| port.master == Some(link.index)).map(plain).collect();
        let setting = |name: &str| {
            let path = format!("{}/class/net/{}/bridge/{name}", super::SYS, link.name);
            ostler_host::fs::read_bounded(path.as_ref(), super::ATTRIBUTE).ok()
        };
        let stp = setting("stp_state").map(|text| OnOff::from(text.trim() != "0"));
        document.link = None;
        document.kind = Kind::Bridge { stp, delay: None, ports };
    }
    HostInterface { name: link.name.clone(), mac, active: link.up, document }
}

fn plain(link: &Link) -> Interface {
    let state = match link.state {
        1 => LinkState::Notpresent,
        2 => LinkState::Down,
        3 => LinkState::Lowerlayerdown,
        4 => LinkState::Testing,
        5 => LinkState::Dormant,
        6 => LinkState::Up,
        _ => LinkState::Unknown,
    };
    Interface {
        name: link.name.clone(),
        start: None,
        mtu: None,
        protocols: Vec::new(),
        link: Some(LinkWords { speed: None, state: Some(state) }),
        kind: Kind::Ethernet { mac: link.mac.map(|mac| mac.to_string()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_described() {
        let lo = interface("with name 'lo'", |interface| interface.name == "lo").unwrap();
        assert_eq!(lo.mac, "00:00:00:00:00:00");
        assert!(lo.document.to_xml().contains("name='lo'"));
        assert_eq!(interface("x", |_| false).unwrap_err().code(), Code::NoInterface);
    }
}
