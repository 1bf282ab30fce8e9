//! An image that a server has.
//!
//! Owns: what `<source>` says of it, and the ports of protocols. Never: talks to a server.

use ostler_base::{Error, Result, YesNo};
use ostler_vocab::storage_auth::{initiator_to_el, parse_initiator};
use ostler_xml::{El, Element};

use super::place::{Protocol, Transport};

/// `<host>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHost {
    /// `transport`; TCP where absent.
    pub transport: Option<Transport>,
    /// `name`
    pub name: Option<String>,
    /// `port`
    pub port: Option<u32>,
    /// `socket`
    pub socket: Option<String>,
}

/// An image that a server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkImage {
    /// `protocol`
    pub protocol: Protocol,
    /// `name`
    pub name: Option<String>,
    /// `query`
    pub query: Option<String>,
    /// `tls`
    pub tls: Option<YesNo>,
    /// `tlsHostname`
    pub tls_hostname: Option<String>,
    /// `<host>`
    pub hosts: Vec<ImageHost>,
    /// `<snapshot name=…>`
    pub snapshot: Option<String>,
    /// `<config file=…>`
    pub config: Option<String>,
    /// `<initiator>`
    pub initiator: Option<String>,
    /// `<ssl verify=…>`
    pub ssl_verify: Option<YesNo>,
    /// `<cookie name=…>`: name and value.
    pub cookies: Vec<(String, String)>,
    /// `<readahead size=…>`
    pub readahead: Option<u64>,
    /// `<timeout seconds=…>`
    pub timeout: Option<u64>,
    /// `<reconnect delay=…>`
    pub reconnect_delay: Option<u32>,
    /// `<knownHosts path=…>`
    pub known_hosts: Option<String>,
    /// `<identity>`: attributes as they stand.
    pub identity: Vec<(&'static str, String)>,
    /// Whether the server's key is taken as it comes; said by names inside images only.
    pub no_host_key_check: bool,
}

/// Attributes of `<identity>`, of NFS and SSH.
const IDENTITY: &[&str] = &["user", "group", "username", "keyfile", "agentsock"];

impl ImageHost {
    /// One that is reached by TCP.
    pub fn tcp(name: String, port: Option<u32>) -> Self {
        ImageHost { transport: None, name: Some(name), port, socket: None }
    }
}

impl Protocol {
    /// The port of servers that do not say it.
    pub fn port(self) -> Option<u32> {
        match self {
            Protocol::Http => Some(80),
            Protocol::Https => Some(443),
            Protocol::Ftp => Some(21),
            Protocol::Ftps => Some(990),
            Protocol::Tftp => Some(69),
            Protocol::Sheepdog => Some(7000),
            Protocol::Nbd => Some(10_809),
            Protocol::Ssh => Some(22),
            Protocol::Iscsi => Some(3260),
            Protocol::Gluster => Some(24_007),
            Protocol::Vxhs => Some(9999),
            Protocol::Rbd | Protocol::Nfs => None,
        }
    }
}

impl NetworkImage {
    /// One of which only the protocol is known.
    pub fn new(protocol: Protocol) -> Self {
        NetworkImage {
            protocol,
            name: None,
            query: None,
            tls: None,
            tls_hostname: None,
            hosts: Vec::new(),
            snapshot: None,
            config: None,
            initiator: None,
            ssl_verify: None,
            cookies: Vec::new(),
            readahead: None,
            timeout: None,
            reconnect_delay: None,
            known_hosts: None,
            identity: Vec::new(),
            no_host_key_check: false,
        }
    }

    /// Whether there is no medium.
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_none() && self.hosts.is_empty()
    }

    pub(super) fn parse(source: &Element<'_>) -> Result<Self> {
        let child = |name: &str, attribute: &str| {
            source.child(name).and_then(|c| c.attr(attribute)).map(str::to_owned)
        };
        let number = |name: &str, attribute: &str| -> Result<Option<u64>> {
            source.child(name).map(|c| c.number(attribute)).transpose().map(Option::flatten)
        };
        let protocol = match source.attr("protocol") {
            Some(_) => source.require_word("protocol")?,
            None => return Err(Error::xml("missing network source protocol type")),
        };
        let host = |h: Element<'_>| -> Result<ImageHost> {
            Ok(ImageHost {
                transport: h.word("transport")?,
                name: h.attr("name").map(str::to_owned),
                port: h.number("port")?,
                socket: h.attr("socket").map(str::to_owned),
            })
        };
        let cookies = source.child("cookies");
        let cookie =
            |c: Element<'_>| -> Result<(String, String)> { Ok((c.require("name")?.to_owned(), c.text())) };
        let identity = source.child("identity");
        Ok(NetworkImage {
            protocol,
            name: source.attr("name").map(str::to_owned),
            query: source.attr("query").map(str::to_owned),
            tls: source.yes_no("tls")?,
            tls_hostname: source.attr("tlsHostname").map(str::to_owned),
            hosts: source.children("host").map(host).collect::<Result<_>>()?,
            snapshot: child("snapshot", "name"),
            config: child("config", "file"),
            initiator: parse_initiator(source),
            ssl_verify: source.child("ssl").map(|s| s.yes_no("verify")).transpose()?.flatten(),
            cookies: cookies
                .into_iter()
                .flat_map(|c| c.children("cookie"))
                .map(cookie)
                .collect::<Result<_>>()?,
            readahead: number("readahead", "size")?,
            timeout: number("timeout", "seconds")?,
            reconnect_delay: source.child("reconnect").map(|r| r.number("delay")).transpose()?.flatten(),
            known_hosts: child("knownHosts", "path"),
            identity: IDENTITY
                .iter()
                .filter_map(|name| Some((*name, identity?.attr(name)?.to_owned())))
                .collect(),
            no_host_key_check: false,
        })
    }

    pub(super) fn format(&self, source: &mut El) {
        source.set("protocol", self.protocol);
        source.set_opt("name", self.name.as_ref());
        source.set_opt("query", self.query.as_ref());
        source.set_opt("tls", self.tls);
        source.set_opt("tlsHostname", self.tls_hostname.as_ref());
        source.extend(self.hosts.iter().map(|host| {
            El::new("host")
                .attr_opt("transport", host.transport.filter(|t| *t != Transport::Tcp))
                .attr_opt("name", host.name.as_ref())
                .attr_opt("port", host.port)
                .attr_opt("socket", host.socket.as_ref())
        }));
        source.extend(self.snapshot.as_ref().map(|name| El::new("snapshot").attr("name", name)));
        source.extend(self.config.as_ref().map(|file| El::new("config").attr("file", file)));
        source.extend(self.initiator.as_ref().map(|iqn| initiator_to_el(iqn)));
        source.extend(self.ssl_verify.map(|verify| El::new("ssl").attr("verify", verify)));
        if !self.cookies.is_empty() {
            let mut cookies = El::new("cookies");
            cookies.extend(
                self.cookies.iter().map(|(name, value)| El::with_text("cookie", value).attr("name", name)),
            );
            source.push(cookies);
        }
        source.extend(self.readahead.map(|size| El::new("readahead").attr("size", size)));
        source.extend(self.timeout.map(|seconds| El::new("timeout").attr("seconds", seconds)));
        source.extend(self.known_hosts.as_ref().map(|path| El::new("knownHosts").attr("path", path)));
        let mut identity = El::new("identity");
        for (name, value) in &self.identity {
            identity.set(*name, value);
        }
        source.push_filled(identity);
        source.extend(self.reconnect_delay.map(|delay| El::new("reconnect").attr("delay", delay)));
    }

    /// Fills in what protocols have where nothing is said.
    pub(crate) fn complete(&mut self) {
        if self.protocol == Protocol::Iscsi
            && let Some(name) = &mut self.name
            && !name.contains('/')
        {
            name.push_str("/0");
        }
        let Some(port) = self.protocol.port() else { return };
        for host in &mut self.hosts {
            if !matches!(host.transport, Some(Transport::Unix)) {
                host.port.get_or_insert(port);
            }
        }
    }
}
