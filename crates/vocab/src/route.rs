//! `<route>`: a static route of a network, an interface or a guest.
//!
//! Owns: its attributes and their rules. Never: knows whether its gateway can be reached.

use core::net::IpAddr;

use ostler_base::{Error, Result, Word};
use ostler_xml::{El, Element};

use crate::inet::{self, Family};

/// `<route>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The family, where it is said; an IPv6 route always says it.
    pub family: Option<Family>,
    /// The network it leads to.
    pub address: IpAddr,
    /// Its mask; never together with a prefix, and only for IPv4.
    pub netmask: Option<IpAddr>,
    /// Its prefix: at most 32 or 128.
    pub prefix: Option<u32>,
    /// The way.
    pub gateway: IpAddr,
    /// Its cost, not 0.
    pub metric: Option<u32>,
}

impl Route {
    /// Reads it. `owner` names what it belongs to in errors.
    pub fn parse(el: &Element<'_>, owner: &str) -> Result<Self> {
        let fault = |words: String| Error::xml(format!("{owner}: {words}")).at(el.position());
        let family = el.attr("family");
        let prefix: Option<u32> = el.number("prefix")?;
        let metric = el.nonzero("metric")?;
        let missing = |what: &str| fault(format!("Missing required {what} attribute in route definition"));
        let address_text = el.attr("address").ok_or_else(|| missing("address"))?;
        let gateway_text = el.attr("gateway").ok_or_else(|| missing("gateway"))?;
        let read = |what: &str, text: &str| {
            inet::parse(text).ok_or_else(|| fault(format!("Bad {what} address '{text}' in route definition")))
        };
        let address = read("network", address_text)?;
        let netmask = el.attr("netmask").map(|text| read("netmask", text)).transpose()?;
        let gateway = read("gateway", gateway_text)?;
        let family = parse_family(family, &address, &gateway, address_text).map_err(fault)?;
        let route = Route { family, address, netmask, prefix, gateway, metric };
        route.check(address_text).map_err(fault)?;
        Ok(route)
    }

    fn check(&self, address: &str) -> Result<(), String> {
        let bits = Family::of(&self.address).bits();
        if self.netmask.is_some() && self.address.is_ipv6() {
            return Err(format!(
                "Specifying netmask invalid for IPv6 address '{address}' in route definition"
            ));
        }
        if self.netmask.is_some() && self.prefix.is_some() {
            return Err("Route definition cannot have both a prefix and a netmask".to_owned());
        }
        if let Some(prefix) = self.prefix.filter(|p| *p > bits) {
            return Err(format!("Invalid prefix {prefix} specified in route definition, must be 0 - {bits}"));
        }
        let network = match &self.netmask {
            Some(netmask) => inet::apply_mask(&self.address, netmask),
            None => inet::network(&self.address, self.prefix.unwrap_or(0)),
        };
        if network != Some(self.address) {
            return Err(format!("Address '{address}' in route definition is not a network address"));
        }
        Ok(())
    }

    /// The prefix that holds: as given, of the netmask, or 0 for the default route. `None` where
    /// the netmask has holes.
    pub fn effective_prefix(&self) -> Option<u32> {
        match (self.prefix, &self.netmask) {
            (Some(prefix), _) => Some(prefix),
            (None, Some(netmask)) => inet::mask_length(netmask),
            (None, None) => Some(0),
        }
    }

    /// Writes it.
    pub fn to_el(&self) -> El {
        El::new("route")
            .attr_opt("family", self.family.map(Word::as_str))
            .attr("address", inet::show(&self.address))
            .attr_opt("netmask", self.netmask.as_ref().map(inet::show))
            .attr_opt("prefix", self.prefix)
            .attr("gateway", inet::show(&self.gateway))
            .attr_opt("metric", self.metric)
    }
}

/// Refusals quote the network's address, also where the gateway is wrong, as the reference does.
fn parse_family(
    word: Option<&str>,
    address: &IpAddr,
    gateway: &IpAddr,
    text: &str,
) -> Result<Option<Family>, String> {
    let family = match word {
        None => None,
        Some(word) => Some(
            Family::parse(word).ok_or_else(|| format!("Unrecognized family '{word}' in route definition"))?,
        ),
    };
    let expected = family.unwrap_or(Family::Ipv4);
    for (what, value) in [("address", address), ("gateway", gateway)] {
        if Family::of(value) == expected {
            continue;
        }
        return Err(match (family, what) {
            (None, _) => format!("No family specified for non-IPv4 {what} '{text}' in route definition"),
            (Some(Family::Ipv4), _) => {
                format!("IPv4 family specified for non-IPv4 {what} '{text}' in route definition")
            }
            (Some(Family::Ipv6), "address") => {
                format!("ipv6 family specified for non-IPv6 address '{text}' in route definition")
            }
            (Some(Family::Ipv6), _) => {
                let gateway = inet::show(gateway);
                format!("ipv6 specified for non-IPv6 gateway address '{gateway}' in route definition")
            }
        });
    }
    Ok(family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    fn read(attributes: &str) -> Result<Route> {
        let text = format!("<route {attributes}/>");
        Route::parse(&Document::parse(&text, "test")?.root(), "net")
    }

    #[test]
    fn forms() {
        for attributes in [
            "address='10.0.0.0' prefix='8' gateway='10.9.9.7' metric='3'",
            "family='ipv6' address='2001:db8::' prefix='32' gateway='fe80::1'",
            "address='0.0.0.0' gateway='10.9.9.7'",
        ] {
            assert_eq!(read(attributes).unwrap().to_el().to_xml(), format!("<route {attributes}/>\n"));
        }
        assert_eq!(
            read("address='10.0.0.0' netmask='255.0.0.0' gateway='10.9.9.7'").unwrap().effective_prefix(),
            Some(8)
        );
    }

    #[test]
    fn refusals() {
        for (attributes, words) in [
            ("", "Missing required address attribute in route definition"),
            ("address='10.0.0.0'", "Missing required gateway attribute in route definition"),
            (
                "address='10.0.0.1' prefix='8' gateway='1.1.1.1'",
                "Address '10.0.0.1' in route definition is not a network address",
            ),
            (
                "address='10.0.0.0' prefix='8' gateway='::1'",
                "No family specified for non-IPv4 gateway '10.0.0.0' in route definition",
            ),
            (
                "address='10.0.0.0' prefix='33' gateway='1.1.1.1'",
                "Invalid prefix 33 specified in route definition, must be 0 - 32",
            ),
            (
                "family='ipv7' address='10.0.0.0' gateway='1.1.1.1'",
                "Unrecognized family 'ipv7' in route definition",
            ),
        ] {
            assert_eq!(read(attributes).unwrap_err().to_string(), format!("XML error: net: {words}"));
        }
    }
}
