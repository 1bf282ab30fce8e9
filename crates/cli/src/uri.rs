//! Where a connection URI leads: which socket, and what name is asked for there.
//!
//! Owns: the forms of URIs and the default ones. Never: connects.

use std::path::{Path, PathBuf};

use ostler_base::{Code, Error, Origin, Result};

/// Where to connect, and what to ask for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The directory that the sockets are in, or the socket itself where the URI names it.
    pub(crate) place: Place,
    /// The name for the server; nothing leaves the choice to it.
    pub(crate) name: Option<String>,
}

/// What is known of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its path.
    Socket(PathBuf),
    /// The directory that it is in.
    Directory(PathBuf),
}

impl Place {
    /// The path of the socket: in a directory, that of the one daemon for everything, or that of
    /// the daemon for guests where only that is there.
    pub(crate) fn socket(&self, read_only: bool) -> PathBuf {
        let directory = match self {
            Place::Socket(path) => return path.clone(),
            Place::Directory(directory) => directory,
        };
        let suffix = if read_only { "-sock-ro" } else { "-sock" };
        let [whole, guests] = ["libvirt", "virtqemud"].map(|name| directory.join(format!("{name}{suffix}")));
        if !whole.exists() && guests.exists() { guests } else { whole }
    }
}

/// Query parameters that speak to the client and are not sent on.
const OURS: &[&str] = &["socket", "name", "mode", "command", "netcat", "keyfile", "pkipath", "no_tty"];

/// The parts of a URI.
struct Parts<'a> {
    scheme: &'a str,
    transport: Option<&'a str>,
    host: &'a str,
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
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
        let (host, path) = match place.strip_prefix("//") {
            Some(place) => place.split_at(place.find('/').unwrap_or(place.len())),
            None => ("", place),
        };
        let query = query.split(['&', ';']).filter(|pair| !pair.is_empty());
        let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        Ok(Parts { scheme, transport, host, path, query })
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.query.iter().find(|(key, _)| *key == name).map(|(_, value)| plain(value))
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
}

impl Surroundings<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The URI to connect to, where the command line gives this one. An empty one passes over the
    /// default of this program and takes the one of all programs.
    pub(crate) fn uri(&self, given: Option<&str>) -> Option<String> {
        let own = given.map(str::to_owned).or_else(|| self.variable("VIRSH_DEFAULT_CONNECT_URI"));
        own.filter(|uri| !uri.is_empty()).or_else(|| self.variable("LIBVIRT_DEFAULT_URI"))
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
            let place = Place::Directory(self.directory(!self.root));
            return Ok(Target { place, name: None });
        };
        let parts = Parts::parse(uri)?;
        match (parts.transport, parts.host) {
            (None | Some("unix"), "") => {}
            (Some("unix"), host) => {
                let text = format!("using unix socket and remote server '{host}' is not supported");
                return Err(Error::new(Code::InvalidArg, Origin::Remote, text));
            }
            (transport, _) => {
                let text = format!("transport '{}' of URI '{uri}' is not known", transport.unwrap_or("tls"));
                return Err(Error::new(Code::InvalidArg, Origin::Remote, text));
            }
        }
        let place = match parts.parameter("socket") {
            Some(socket) => Place::Socket(PathBuf::from(socket)),
            None => Place::Directory(self.directory(parts.path == "/session")),
        };
        Ok(Target { place, name: Some(parts.name()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: Option<&str>) -> Result<Target> {
        let variable = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/7".to_owned());
        Surroundings { root: true, variable: &variable }.target(uri)
    }

    #[test]
    fn forms() {
        let system = Place::Directory("/var/run/libvirt".into());
        let session = Place::Directory("/run/user/7/libvirt".into());
        let socket = |path: &str| Place::Socket(path.into());
        let table = [
            (None, system.clone(), None),
            (Some("qemu:///system"), system.clone(), Some("qemu:///system")),
            (Some("qemu:///session"), session.clone(), Some("qemu:///session")),
            (Some("qemu+unix:///system"), system, Some("qemu:///system")),
            (Some("qemu+unix:///session"), session, Some("qemu:///session")),
            (Some("qemu+unix:///system?socket=/a/b"), socket("/a/b"), Some("qemu:///system")),
            (Some("qemu:///system?socket=/a%20b&x=1"), socket("/a b"), Some("qemu:///system?x=1")),
            (Some("qemu+unix:///?name=test:///default&socket=/a"), socket("/a"), Some("test:///default")),
            (Some("qemu:///embed?root=/r&socket=/100%"), socket("/100%"), Some("qemu:///embed?root=/r")),
        ];
        for (uri, place, name) in table {
            let expected = Target { place, name: name.map(str::to_owned) };
            assert_eq!(target(uri).unwrap(), expected, "{uri:?}");
        }
    }

    #[test]
    fn what_is_no_uri_of_ours() {
        let table = [
            ("foo", "no connection driver available for URI 'foo' does not include a driver name"),
            ("/a:b", "no connection driver available for URI '/a:b' does not include a driver name"),
            (
                "qemu+ssh://host/system",
                "invalid argument: transport 'ssh' of URI 'qemu+ssh://host/system' is not known",
            ),
            (
                "qemu://host/system",
                "invalid argument: transport 'tls' of URI 'qemu://host/system' is not known",
            ),
            (
                "qemu+unix://host/system",
                "invalid argument: using unix socket and remote server 'host' is not supported",
            ),
        ];
        for (uri, text) in table {
            assert_eq!(target(Some(uri)).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn defaults() {
        let both = |name: &str| Some(name.to_lowercase());
        let one = |name: &str| Some(if name == "LIBVIRT_DEFAULT_URI" { "x" } else { "" }.to_owned());
        let uri = |variable: &dyn Fn(&str) -> Option<String>, given| {
            Surroundings { root: false, variable }.uri(given)
        };
        assert_eq!(uri(&both, None).as_deref(), Some("virsh_default_connect_uri"));
        assert_eq!(uri(&both, Some("y")).as_deref(), Some("y"));
        assert_eq!(uri(&both, Some("")).as_deref(), Some("libvirt_default_uri"));
        assert_eq!(uri(&one, None).as_deref(), Some("x"));
        assert_eq!(uri(&|_| None, None), None);
        let place = Surroundings { root: false, variable: &both }.target(None).unwrap().place;
        assert_eq!(place, Place::Directory("xdg_runtime_dir/libvirt".into()));
    }
}
