//! What a connection URI says: which way leads to the server, and what name is asked for there.
//!
//! Owns: the forms of URIs, their parameters, the default ones and their aliases. Never: connects.

use std::path::{Path, PathBuf};

use ostler_base::{Code, Error, Origin, Result, Word, words};

use crate::aliases::Aliases;

words! {
    /// How a server is reached, as the scheme of a URI says it behind the plus sign.
    Transport {
        Unix = "unix",
        Tls = "tls",
        Tcp = "tcp",
        Ssh = "ssh",
        Libssh = "libssh",
        Libssh2 = "libssh2",
        Ext = "ext",
    }

    /// Which socket is meant.
    pub(crate) Mode {
        /// That of the daemon for guests where it is there, else that of the one for everything.
        Auto = "auto",
        /// That of the daemon for everything.
        Legacy = "legacy",
        /// That of the daemon for guests.
        Direct = "direct",
    }

    /// How the socket is reached on the far side of a secure shell.
    pub(crate) Proxy {
        /// By the helper where it is there, else by netcat.
        Auto = "auto",
        /// By netcat.
        Netcat = "netcat",
        /// By the helper.
        Native = "native",
    }
}

/// Where to connect, and what to ask for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// How to get there.
    pub(crate) way: Way,
    /// The name for the server; nothing leaves the choice to it.
    pub(crate) name: Option<String>,
    /// The user that the URI names.
    pub(crate) user: Option<String>,
}

/// How to get to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// A socket of this host.
    Unix(Place),
    /// TCP, in the clear.
    Tcp(Server),
    /// TLS.
    Tls(Server, Tls),
    /// A secure shell that reaches a socket on its far side.
    Ssh(Ssh),
    /// A program that speaks for the server.
    Program(String),
}

/// A server of another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
}

/// What a URI says about certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The directory that all files are in; nothing: the usual ones.
    pub(crate) directory: Option<PathBuf>,
    /// Whether the server need not prove who it is.
    pub(crate) unverified: bool,
    /// Which ciphers may be used.
    pub(crate) priority: String,
}

/// What a URI says about a secure shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ssh {
    /// The other host.
    pub(crate) host: String,
    /// The port of its shell, if it is not the usual one.
    pub(crate) port: Option<u16>,
    /// Who to be there.
    pub(crate) user: Option<String>,
    /// The program to run instead of `ssh`.
    pub(crate) command: Option<String>,
    /// The file with the key.
    pub(crate) keyfile: Option<String>,
    /// Whether the other host need not prove who it is.
    pub(crate) unverified: bool,
    /// Whether nobody can be asked for a password.
    pub(crate) no_tty: bool,
    /// How the socket is reached.
    pub(crate) proxy: Proxy,
    /// The netcat to run there, if not the usual one.
    pub(crate) netcat: Option<String>,
    /// The socket there.
    pub(crate) place: Place,
    /// The URI for the helper.
    pub(crate) uri: String,
}

/// What is known of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its path.
    Socket(PathBuf),
    /// The directory that it is in, which of those there is meant, and whether it is the user's own.
    Directory(PathBuf, Mode, bool),
}

impl Place {
    /// The path of the socket.
    pub(crate) fn socket(&self, read_only: bool) -> PathBuf {
        let (directory, mode, own) = match self {
            Place::Socket(path) => return path.clone(),
            Place::Directory(directory, mode, own) => (directory, *mode, *own),
        };
        let suffix = if read_only && !own { "-sock-ro" } else { "-sock" };
        let [whole, guests] = ["libvirt", "virtqemud"].map(|name| directory.join(format!("{name}{suffix}")));
        match mode {
            Mode::Legacy => whole,
            Mode::Direct => guests,
            Mode::Auto if guests.exists() => guests,
            Mode::Auto => whole,
        }
    }
}

/// Query parameters that speak to the client and are not sent on.
const OURS: &[&str] = &[
    "name",
    "command",
    "socket",
    "auth",
    "sshauth",
    "netcat",
    "keyfile",
    "pkipath",
    "known_hosts",
    "known_hosts_verify",
    "tls_priority",
    "mode",
    "proxy",
    "no_sanity",
    "no_verify",
    "no_tty",
];

/// The parts of a URI.
struct Parts<'a> {
    scheme: &'a str,
    transport: Option<&'a str>,
    user: Option<String>,
    host: &'a str,
    port: Option<u16>,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Origin::Remote, text)
}

impl<'a> Parts<'a> {
    fn parse(uri: &'a str) -> Result<Self> {
        let scheme = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        };
        let (before, after) = uri.split_once(':').filter(|(before, _)| scheme(before)).ok_or_else(|| {
            let text = format!("URI '{uri}' does not include a driver name");
            Error::new(Code::NoConnect, Origin::None, text)
        })?;
        let (scheme, transport) = match before.split_once('+') {
            Some((scheme, transport)) => (scheme, Some(transport)),
            None => (before, None),
        };
        let after = after.split_once('#').map_or(after, |(kept, _)| kept);
        let (place, query) = after.split_once('?').unwrap_or((after, ""));
        let (server, path) = match place.strip_prefix("//") {
            Some(place) => place.split_at(place.find('/').unwrap_or(place.len())),
            None => ("", place),
        };
        let (user, server) = match server.rsplit_once('@') {
            Some((user, server)) => (Some(plain(user)), server),
            None => (None, server),
        };
        let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
        };
        let port = port.filter(|port| !port.is_empty()).map(|port| {
            port.parse().map_err(|_| invalid(format!("port '{port}' of URI '{uri}' is no port number")))
        });
        let query = query.split(['&', ';']).filter(|pair| !pair.is_empty());
        let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        Ok(Parts { scheme, transport, user, host, port: port.transpose()?, path, query })
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.query.iter().find(|(key, _)| *key == name).map(|(_, value)| plain(value))
    }

    fn flag(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| !matches!(&value[..], "" | "0"))
    }

    fn host(&self) -> String {
        if self.host.is_empty() { "localhost".to_owned() } else { plain(self.host) }
    }

    fn server(&self, usual: u16) -> Server {
        Server { host: self.host(), port: self.port.unwrap_or(usual) }
    }

    /// The URI as the server knows it: without the way that leads to it.
    fn name(&self) -> String {
        if let Some(name) = self.parameter("name") {
            return name;
        }
        let kept = self.query.iter().filter(|(key, _)| !OURS.contains(key));
        let kept: Vec<String> = kept.map(|(key, value)| format!("{key}={value}")).collect();
        let mark = if kept.is_empty() { "" } else { "?" };
        format!("{}://{}{mark}{}", self.scheme, self.path, kept.join("&"))
    }
}

/// `text` with its `%XX` read.
fn plain(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a target depends on besides the URI.
pub(crate) struct Surroundings<'a> {
    /// Whether the user is root.
    pub(crate) root: bool,
    /// The environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// What the user's file says.
    pub(crate) aliases: &'a Aliases,
}

impl Surroundings<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The URI to connect to, where the command line gives this one. An empty one passes over the
    /// default of this program and takes the one of all programs.
    pub(crate) fn uri(&self, given: Option<&str>) -> Option<String> {
        let own = given.map(str::to_owned).or_else(|| self.variable("VIRSH_DEFAULT_CONNECT_URI"));
        let own = own.filter(|uri| !uri.is_empty()).or_else(|| self.variable("LIBVIRT_DEFAULT_URI"));
        own.map(|uri| self.aliases.resolve(&uri)).or_else(|| self.aliases.default.clone())
    }

    fn directory(&self, session: bool) -> PathBuf {
        if !session {
            return PathBuf::from("/var/run/libvirt");
        }
        let runtime = self.variable("XDG_RUNTIME_DIR").or_else(|| self.variable("XDG_CACHE_HOME"));
        let base = runtime.map(PathBuf::from);
        let base =
            base.unwrap_or_else(|| Path::new(&self.variable("HOME").unwrap_or_default()).join(".cache"));
        base.join("libvirt")
    }

    /// Where `uri` leads.
    pub(crate) fn target(&self, uri: Option<&str>) -> Result<Target> {
        let Some(uri) = uri else {
            let place = Place::Directory(self.directory(!self.root), Mode::Auto, !self.root);
            return Ok(Target { way: Way::Unix(place), name: None, user: None });
        };
        let parts = Parts::parse(uri)?;
        let transport = match parts.transport {
            None if parts.host.is_empty() => Transport::Unix,
            None => Transport::Tls,
            Some(word) => Transport::parse(word).ok_or_else(|| {
                invalid("remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)")
            })?,
        };
        let way = match transport {
            Transport::Unix if !parts.host.is_empty() => {
                let host = parts.host;
                let text = format!("using unix socket and remote server '{host}' is not supported.");
                return Err(invalid(text));
            }
            Transport::Unix => Way::Unix(self.place(&parts, parts.path == "/session")?),
            Transport::Tcp => Way::Tcp(parts.server(16509)),
            Transport::Tls => {
                let tls = Tls {
                    directory: parts.parameter("pkipath").map(PathBuf::from),
                    unverified: parts.flag("no_verify"),
                    priority: parts.parameter("tls_priority").unwrap_or_default(),
                };
                Way::Tls(parts.server(16514), tls)
            }
            Transport::Ssh | Transport::Libssh | Transport::Libssh2 => Way::Ssh(self.ssh(&parts)?),
            Transport::Ext => {
                let missing = || invalid("remote_open: for 'ext' transport, command is required");
                Way::Program(parts.parameter("command").ok_or_else(missing)?)
            }
        };
        Ok(Target { way, name: Some(parts.name()), user: parts.user })
    }

    fn place(&self, parts: &Parts<'_>, session: bool) -> Result<Place> {
        let mode = match parts.parameter("mode") {
            Some(word) => {
                Mode::parse(&word).ok_or_else(|| invalid(format!("Unknown remote mode '{word}'")))?
            }
            None => Mode::Auto,
        };
        Ok(match parts.parameter("socket") {
            Some(socket) => Place::Socket(PathBuf::from(socket)),
            None => Place::Directory(self.directory(session), mode, session),
        })
    }

    fn ssh(&self, parts: &Parts<'_>) -> Result<Ssh> {
        let proxy = match parts.parameter("proxy") {
            Some(word) => {
                Proxy::parse(&word).ok_or_else(|| invalid(format!("Unknown proxy type '{word}'")))?
            }
            None => Proxy::Auto,
        };
        // A user's own socket lies where only the other side knows: netcat cannot find it.
        let session = parts.path == "/session";
        let place = match self.place(parts, false)? {
            Place::Directory(directory, Mode::Auto, own) => Place::Directory(directory, Mode::Legacy, own),
            other => other,
        };
        if session && proxy == Proxy::Netcat && parts.parameter("socket").is_none() {
            return Err(invalid(
                "Connecting to session instance without socket path is not supported by the 'netcat' proxy",
            ));
        }
        Ok(Ssh {
            host: parts.host(),
            port: parts.port,
            user: parts.user.clone(),
            command: parts.parameter("command"),
            keyfile: parts.parameter("keyfile"),
            unverified: parts.flag("no_verify"),
            no_tty: parts.flag("no_tty"),
            proxy,
            netcat: parts.parameter("netcat"),
            place,
            uri: parts.name(),
        })
    }
}

#[cfg(test)]
mod tests;
