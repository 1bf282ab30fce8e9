//! Addresses that a card has, and ports that are passed on to it.

use ostler_base::{Error, Result, YesNo, refuse, words};
use ostler_vocab::inet;
use ostler_vocab::route::Route;
use ostler_xml::{El, Element};

/// An address inside the guest's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardAddress {
    /// `address`
    pub address: String,
    /// `family`
    pub family: Option<String>,
    /// `prefix`
    pub prefix: Option<u32>,
    /// `peer`: the other end.
    pub peer: Option<String>,
}

/// Addresses and routes of one side of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardAddresses {
    /// `<ip>`
    pub addresses: Vec<CardAddress>,
    /// `<route>`
    pub routes: Vec<Route>,
}

impl CardAddresses {
    pub(super) fn parse(parent: &Element<'_>) -> Result<Self> {
        let mut out = CardAddresses::default();
        for ip in parent.children("ip") {
            let address = ip.attr("address").ok_or_else(|| Error::xml("Missing network address"))?;
            let Some(parsed) = inet::parse(address) else {
                refuse!(xml, "Failed to parse IP address: '{address}'");
            };
            let family = ip.attr("family").map(str::to_owned);
            out.addresses.push(CardAddress {
                address: inet::show(&parsed),
                family: Some(family.unwrap_or_else(|| inet::Family::of(&parsed).to_string())),
                prefix: ip.number("prefix")?.filter(|prefix| *prefix != 0),
                peer: ip.attr("peer").map(str::to_owned),
            });
        }
        for route in parent.children("route") {
            out.routes.push(Route::parse(&route, "Domain interface")?);
        }
        Ok(out)
    }

    pub(super) fn push(&self, el: &mut El) {
        el.extend(self.addresses.iter().map(|ip| {
            El::new("ip")
                .attr("address", &ip.address)
                .attr_opt("family", ip.family.as_ref())
                .attr_opt("prefix", ip.prefix)
                .attr_opt("peer", ip.peer.as_ref())
        }));
        el.extend(self.routes.iter().map(Route::to_el));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.routes.is_empty()
    }
}

words! {
    /// `<portForward proto='…'>`
    pub ForwardProtocol { Tcp = "tcp", Udp = "udp" }
}

/// `<portForward>`: ports of the host that lead to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortForward {
    /// `proto`
    pub protocol: ForwardProtocol,
    /// `address` of the host; all where absent.
    pub address: Option<String>,
    /// `dev` of the host.
    pub device: Option<String>,
    /// `<range>`s; all ports where there are none.
    pub ranges: Vec<PortRange>,
}

/// `<range>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange {
    /// `start`
    pub start: u16,
    /// `end`; `start` where absent.
    pub end: Option<u16>,
    /// `to`: the first port in the guest, where it is another.
    pub to: Option<u16>,
    /// `exclude`
    pub exclude: Option<YesNo>,
}

impl PortForward {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let address = match el.attr("address") {
            Some(text) => match inet::parse(text) {
                Some(address) => Some(inet::show(&address)),
                None => refuse!(xml, "Invalid address '{text}' in <portForward>"),
            },
            None => None,
        };
        let mut ranges = Vec::new();
        for range in el.children("range") {
            ranges.push(PortRange {
                start: range.require_number("start")?,
                end: range.number("end")?.filter(|end| *end != 0),
                to: range.number("to")?.filter(|to| *to != 0),
                exclude: range.yes_no("exclude")?,
            });
        }
        Ok(PortForward {
            protocol: el.require_word("proto")?,
            address,
            device: el.attr("dev").map(str::to_owned),
            ranges,
        })
    }

    pub(super) fn format(&self) -> El {
        let mut el = El::new("portForward")
            .attr("proto", self.protocol)
            .attr_opt("address", self.address.as_ref())
            .attr_opt("dev", self.device.as_ref());
        el.extend(self.ranges.iter().map(|range| {
            El::new("range")
                .attr("start", range.start)
                .attr_opt("end", range.end)
                .attr_opt("to", range.to)
                .attr_opt("exclude", range.exclude)
        }));
        el
    }

    /// As passt's option says it: address, device, then the ranges, those that are left out after `~`.
    pub(super) fn option(&self) -> (String, String) {
        let mut value = String::new();
        if let Some(address) = &self.address {
            value += address;
            if self.device.is_none() {
                value.push('/');
            }
        }
        if let Some(device) = &self.device {
            value += &format!("%{device}/");
        }
        let ranges: Vec<String> = self.ranges.iter().map(PortRange::text).collect();
        if ranges.is_empty() {
            value += "all";
        }
        value += &ranges.join(",");
        (format!("--{}-ports", self.protocol), value)
    }
}

impl PortRange {
    fn text(&self) -> String {
        let span = |start: u16, end: Option<u16>| match end {
            Some(end) => format!("{start}-{end}"),
            None => start.to_string(),
        };
        let mut out = span(self.start, self.end);
        if self.exclude.is_some_and(YesNo::is_true) {
            return format!("~{out}");
        }
        if let Some(to) = self.to {
            let length = self.end.map(|end| end.saturating_sub(self.start));
            out += &format!(":{}", span(to, length.map(|length| to.saturating_add(length))));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passt_is_told() {
        let range = |start, end, to, exclude: bool| PortRange {
            start,
            end,
            to,
            exclude: exclude.then_some(YesNo::Yes),
        };
        let forward = PortForward {
            protocol: ForwardProtocol::Udp,
            address: Some("1.2.3.4".into()),
            device: Some("eth0".into()),
            ranges: vec![range(5000, Some(5020), Some(6000), false), range(5010, Some(5015), None, true)],
        };
        let expected = ("--udp-ports".to_owned(), "1.2.3.4%eth0/5000-5020:6000-6020,~5010-5015".to_owned());
        assert_eq!(forward.option(), expected);
    }
}
