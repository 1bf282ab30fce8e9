//! `<dns>`: what the name server of a network answers.
//!
//! Owns: forwarders and records. Never: resolves anything.

use core::net::IpAddr;

use ostler_base::{Code, Error, Origin, Result, Word, YesNo, refuse};
use ostler_vocab::inet;
use ostler_xml::{El, Element};

use crate::write::open;

/// Longest name of a service, in bytes: what fits in a message after everything else.
const MAX_SERVICE: usize = 482;

/// `<dns>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    /// Whether there is a name server at all; absent means yes.
    pub enable: Option<YesNo>,
    /// Whether names without dots are asked upstream.
    pub forward_plain_names: Option<YesNo>,
    /// Upstream servers.
    pub forwarders: Vec<Forwarder>,
    /// TXT records.
    pub txts: Vec<Txt>,
    /// SRV records.
    pub srvs: Vec<Srv>,
    /// Names of addresses.
    pub hosts: Vec<DnsHost>,
}

/// `<forwarder>`: at least one of both is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarder {
    /// The domain it is asked for; absent: every one.
    pub domain: Option<String>,
    /// The server; absent: the host's own.
    pub addr: Option<IpAddr>,
}

/// `<txt>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txt {
    /// The name; no spaces.
    pub name: String,
    /// The text.
    pub value: Option<String>,
}

/// `<srv>`; what is absent is also a wildcard where a record is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Srv {
    /// The service.
    pub service: Option<String>,
    /// The protocol.
    pub protocol: Option<String>,
    /// The domain.
    pub domain: Option<String>,
    /// The host that offers it.
    pub target: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// Its priority.
    pub priority: Option<u16>,
    /// Its weight.
    pub weight: Option<u16>,
}

/// `<host>` in `<dns>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsHost {
    /// The address.
    pub ip: Option<IpAddr>,
    /// Its names.
    pub names: Vec<String>,
}

/// Refuses a record with a text that stands for itself.
macro_rules! refuse_record {
    ($($words:tt)+) => {
        return Err(Error::new(Code::XmlDetail, Origin::Network, format!($($words)+)))
    };
}

/// Whether an element is part of a definition or only says which record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// It must be complete.
    Whole,
    /// What it says must match; the rest is free.
    Partial,
}

impl Dns {
    /// Whether a name server runs.
    pub fn is_enabled(&self) -> bool {
        self.enable != Some(YesNo::No)
    }

    pub(crate) fn parse(el: &Element<'_>, network: &str) -> Result<Self> {
        let dns = Dns {
            enable: el.yes_no("enable")?,
            forward_plain_names: el.yes_no("forwardPlainNames")?,
            forwarders: el.children("forwarder").map(|f| forwarder(&f, network)).collect::<Result<_>>()?,
            hosts: all(el, "host", |h| DnsHost::parse(h, network, Completeness::Whole))?,
            srvs: all(el, "srv", |s| Srv::parse(s, network, Completeness::Whole))?,
            txts: all(el, "txt", |t| Txt::parse(t, network, Completeness::Whole))?,
        };
        let records = dns.forwarders.len() + dns.hosts.len() + dns.srvs.len() + dns.txts.len();
        if dns.enable == Some(YesNo::No) && records > 0 {
            refuse!(xml, "Extra data in disabled network '{network}'");
        }
        Ok(dns)
    }

    pub(crate) fn to_el(&self) -> El {
        let mut el = El::new("dns")
            .attr_opt("enable", self.enable.map(Word::as_str))
            .attr_opt("forwardPlainNames", self.forward_plain_names.map(Word::as_str));
        el.extend(self.forwarders.iter().map(|f| {
            El::new("forwarder")
                .attr_opt("domain", f.domain.as_ref())
                .attr_opt("addr", f.addr.as_ref().map(inet::show))
        }));
        el.extend(
            self.txts
                .iter()
                .map(|t| El::new("txt").attr("name", &t.name).attr_opt("value", t.value.as_ref())),
        );
        el.extend(self.srvs.iter().map(Srv::to_el));
        el.extend(self.hosts.iter().map(DnsHost::to_el));
        el
    }
}

fn all<T>(el: &Element<'_>, name: &str, read: impl Fn(&Element<'_>) -> Result<T>) -> Result<Vec<T>> {
    el.children(name).map(|child| read(&child).map_err(|e| e.at(child.position()))).collect()
}

fn forwarder(el: &Element<'_>, network: &str) -> Result<Forwarder> {
    let addr = el.attr("addr").map(|text| {
        inet::parse(text).ok_or_else(|| {
            Error::xml(format!("Invalid forwarder IP address '{text}' in network '{network}'"))
                .at(el.position())
        })
    });
    let domain = el.attr("domain").map(str::to_owned);
    if addr.is_none() && domain.is_none() {
        refuse!(xml, "Invalid forwarder element, must contain at least one of addr or domain");
    }
    Ok(Forwarder { domain, addr: addr.transpose()? })
}

impl Txt {
    pub(crate) fn parse(el: &Element<'_>, network: &str, completeness: Completeness) -> Result<Self> {
        let Some(name) = el.attr("name") else {
            refuse_record!("missing required name attribute in DNS TXT record of network {network}");
        };
        if name.contains(' ') {
            refuse_record!("prohibited character in DNS TXT record name '{name}' of network {network}");
        }
        let value = el.attr("value").map(str::to_owned);
        if value.is_none() && completeness == Completeness::Whole {
            refuse_record!(
                "missing required value attribute in DNS TXT record named '{name}' of network {network}"
            );
        }
        Ok(Txt { name: name.to_owned(), value })
    }
}

impl Srv {
    pub(crate) fn parse(el: &Element<'_>, network: &str, completeness: Completeness) -> Result<Self> {
        let whole = completeness == Completeness::Whole;
        let text = |name: &str| el.attr(name).map(str::to_owned);
        let (service, protocol, target) = (text("service"), text("protocol"), text("target"));
        match &service {
            None if whole => {
                refuse_record!("missing required service attribute in DNS SRV record of network '{network}'")
            }
            Some(name) => check_service(name, network)?,
            None => {}
        }
        match &protocol {
            None if whole => refuse_record!(
                "missing required protocol attribute in DNS SRV record '{}' of network '{network}'",
                service.unwrap_or_default()
            ),
            Some(name) if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+/".contains(&b)) => {
                refuse_record!(
                    "invalid character in protocol attribute '{name}' in DNS SRV record of network '{network}'"
                )
            }
            _ => {}
        }
        let number = |name: &str, invalid: &str, least: u16| -> Result<Option<u16>> {
            let Some(value) = el.attr(name).filter(|v| !v.is_empty()) else { return Ok(None) };
            let service = service.as_deref().unwrap_or("(null)");
            if target.is_none() {
                refuse_record!(
                    "DNS SRV {name} attribute not permitted without target for service '{service}' in network '{network}'"
                );
            }
            match value.trim().parse::<u16>() {
                Ok(number) if number >= least => Ok(Some(number)),
                _ => refuse_record!(
                    "{invalid} DNS SRV {name} attribute for service '{service}' in network '{network}'"
                ),
            }
        };
        let port = number("port", "invalid", 1)?;
        let priority = number("priority", "Invalid", 0)?;
        let weight = number("weight", "invalid", 0)?;
        Ok(Srv { domain: text("domain"), service, protocol, target, port, priority, weight })
    }

    /// Whether a record has everything that this one says.
    pub(crate) fn describes(&self, record: &Srv) -> bool {
        fn same<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        same(&self.service, &record.service)
            && same(&self.protocol, &record.protocol)
            && same(&self.domain, &record.domain)
            && same(&self.target, &record.target)
            && same(&self.port, &record.port)
            && same(&self.priority, &record.priority)
            && same(&self.weight, &record.weight)
    }

    fn to_el(&self) -> El {
        let shown = |number: Option<u16>| number.filter(|n| *n > 0);
        El::new("srv")
            .attr_opt("service", self.service.as_ref())
            .attr_opt("protocol", self.protocol.as_ref())
            .attr_opt("domain", self.domain.as_ref())
            .attr_opt("target", self.target.as_ref())
            .attr_opt("port", shown(self.port))
            .attr_opt("priority", shown(self.priority))
            .attr_opt("weight", shown(self.weight))
    }
}

fn check_service(name: &str, network: &str) -> Result<()> {
    if name.len() > MAX_SERVICE {
        refuse_record!(
            "service attribute '{name}' in network '{network}' is too long, limit is {MAX_SERVICE} bytes"
        );
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+/*".contains(&b)) {
        refuse_record!(
            "invalid character in service attribute '{name}' in DNS SRV record of network '{network}'"
        );
    }
    Ok(())
}

impl DnsHost {
    pub(crate) fn parse(el: &Element<'_>, network: &str, completeness: Completeness) -> Result<Self> {
        let whole = completeness == Completeness::Whole;
        let mut names = Vec::new();
        for child in el.children("hostname") {
            let name = child.text();
            if name.is_empty() {
                refuse_record!("Missing hostname in network '{network}' DNS HOST record");
            }
            names.push(name);
        }
        if names.is_empty() && whole {
            refuse_record!("Missing hostname in network '{network}' DNS HOST record");
        }
        let ip = match el.attr("ip") {
            None if whole => refuse_record!("Missing IP address in network '{network}' DNS HOST record"),
            None => None,
            Some(text) => match inet::parse(text) {
                Some(ip) => Some(ip),
                None => refuse_record!("Invalid IP address in network '{network}' DNS HOST record"),
            },
        };
        if names.is_empty() && ip.is_none() {
            refuse_record!("Missing ip and hostname in network '{network}' DNS HOST record");
        }
        Ok(DnsHost { ip, names })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("host").attr_opt("ip", self.ip.as_ref().map(inet::show));
        el.extend(self.names.iter().map(|name| El::with_text("hostname", name)));
        open(el)
    }
}
