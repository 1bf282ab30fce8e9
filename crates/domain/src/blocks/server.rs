//! What the emulator is told of a server.
//!
//! Owns: the properties of the storage node of a network image. Never: a secret's value.

use ostler_base::{Error, Json, Result, Word, YesNo, refuse};
use ostler_plan::Props;

use super::Image;
use super::naming::NodeNames;
use super::network::{ImageHost, NetworkImage};
use super::place::{Protocol, Transport};
use super::storage::Depth;

/// How much the library of Gluster tells of what it does.
const GLUSTER_DEBUG: u32 = 4;

impl NetworkImage {
    /// The properties of the storage node, without its name.
    pub(super) fn props(&self, image: &Image, names: &NodeNames, depth: Depth) -> Result<Props> {
        let full = depth == Depth::Full;
        let auth = image.auth.as_ref().filter(|_| full);
        let user = auth.map(|auth| auth.username.as_str());
        let secret = auth.and(names.auth.as_deref());
        let name = self.name.as_deref().unwrap_or_default();
        Ok(match self.protocol {
            Protocol::Nbd => Props::new()
                .with("driver", "nbd")
                .with("server", socket_address(self.one_host()?)?)
                .with_opt("export", self.name.as_deref())
                .with_opt("tls-creds", names.tls.as_deref().filter(|_| full))
                .with_opt("tls-hostname", self.tls_hostname.as_deref().filter(|_| full))
                .with_opt("reconnect-delay", self.reconnect_delay.filter(|delay| full && *delay != 0)),
            Protocol::Rbd => self.rbd(name, user, secret),
            Protocol::Gluster => self.gluster(name, full)?,
            Protocol::Iscsi => self.iscsi(name, user, secret)?,
            Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp => {
                self.curl(user, secret, names.cookies.as_deref().filter(|_| full))?
            }
            Protocol::Ssh => Props::new()
                .with("driver", "ssh")
                .with("path", name)
                .with("server", inet(self.one_host()?))
                .with_opt("user", self.identity("username").or(user))
                .with_opt(
                    "host-key-check",
                    self.no_host_key_check.then(|| Props::new().with("mode", "none")),
                ),
            Protocol::Nfs => self.nfs(name)?,
            Protocol::Vxhs | Protocol::Sheepdog => {
                refuse!(
                    unsupported,
                    "'{}' protocol is no longer supported by any hypervisor driver",
                    self.protocol
                )
            }
        })
    }

    fn one_host(&self) -> Result<&ImageHost> {
        match &self.hosts[..] {
            [host] => Ok(host),
            _ => Err(Error::internal(format!("protocol '{}' accepts only one host", self.protocol))),
        }
    }

    pub(super) fn identity(&self, name: &str) -> Option<&str> {
        self.identity.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    fn nfs(&self, name: &str) -> Result<Props> {
        let host = self.one_host()?.name.as_deref().unwrap_or_default();
        let server = Props::new().with("host", host).with("type", "inet");
        let number =
            |key| self.identity(key).and_then(|text| text.trim_start_matches('+').parse::<u64>().ok());
        Ok(Props::new()
            .with("driver", "nfs")
            .with("server", server)
            .with("path", name)
            .with_opt("user", number("user"))
            .with_opt("group", number("group")))
    }

    fn rbd(&self, name: &str, user: Option<&str>, secret: Option<&str>) -> Props {
        let (pool, image) = name.split_once('/').unwrap_or((name, ""));
        let (space, image) = match image.split_once('/') {
            Some((space, image)) => (Some(space), image),
            None => (None, image),
        };
        let servers: Vec<Json> = self.hosts.iter().map(|host| inet(host).into()).collect();
        let secure = secret.map(|_| vec![Json::from("cephx"), Json::from("none")]);
        Props::new()
            .with("driver", "rbd")
            .with("pool", pool)
            .with_opt("namespace", space)
            .with("image", image)
            .with_opt("snapshot", self.snapshot.as_deref())
            .with_opt("conf", self.config.as_deref())
            .with_opt("server", Some(servers).filter(|servers| !servers.is_empty()))
            .with_opt("user", user)
            .with_opt("auth-client-required", secure)
            .with_opt("key-secret", secret)
    }

    fn gluster(&self, name: &str, full: bool) -> Result<Props> {
        let (volume, path) = name.split_once('/').unwrap_or((name, ""));
        let servers = self.hosts.iter().map(|host| socket_address(host).map(Json::from));
        Ok(Props::new()
            .with("driver", "gluster")
            .with("volume", volume)
            .with("path", path)
            .with("server", servers.collect::<Result<Vec<Json>>>()?)
            .with_opt("debug", full.then_some(GLUSTER_DEBUG)))
    }

    fn iscsi(&self, name: &str, user: Option<&str>, secret: Option<&str>) -> Result<Props> {
        let host = self.one_host()?;
        let (target, lun) = name.rsplit_once('/').unwrap_or((name, "0"));
        let Ok(lun) = lun.parse::<u32>() else {
            refuse!(internal, "cannot parse target for lunno '{name}'");
        };
        Ok(Props::new()
            .with("driver", "iscsi")
            .with("portal", format!("{}:{}", bracketed(host), host.port.unwrap_or(3260)))
            .with("target", target)
            .with("lun", lun)
            .with("transport", "tcp")
            .with_opt("user", user)
            .with_opt("password-secret", secret)
            .with_opt("initiator-name", self.initiator.as_deref()))
    }

    fn curl(&self, user: Option<&str>, secret: Option<&str>, cookies: Option<&str>) -> Result<Props> {
        Ok(Props::new()
            .with("driver", self.protocol.as_str())
            .with("url", self.url()?)
            .with_opt("username", user)
            .with_opt("password-secret", secret)
            .with_opt("sslverify", self.ssl_verify.map(YesNo::is_true))
            .with_opt("cookie-secret", cookies)
            .with_opt("readahead", self.readahead.filter(|size| *size != 0))
            .with_opt("timeout", self.timeout.filter(|seconds| *seconds != 0)))
    }

    /// The address of an image on a server that has addresses.
    pub(super) fn url(&self) -> Result<String> {
        let host = self.one_host()?;
        let port = host.port.filter(|port| *port != 0).map(|port| format!(":{port}")).unwrap_or_default();
        let path = match self.name.as_deref().map(escape) {
            Some(path) if path.starts_with('/') => path,
            Some(path) => format!("/{path}"),
            None => String::new(),
        };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(format!("{}://{}{port}{path}{query}", self.protocol, bracketed(host)))
    }

    /// The cookies as a server gets them.
    pub(crate) fn cookie_header(&self) -> Option<String> {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(pairs.join("; ")).filter(|text| !text.is_empty())
    }
}

/// The name of a host as an address holds it.
fn bracketed(host: &ImageHost) -> String {
    let name = host.name.as_deref().unwrap_or_default();
    if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
}

fn inet(host: &ImageHost) -> Props {
    Props::new()
        .with("host", host.name.as_deref().unwrap_or_default())
        .with("port", host.port.unwrap_or(0).to_string())
}

fn socket_address(host: &ImageHost) -> Result<Props> {
    match host.transport {
        None | Some(Transport::Tcp) => {
            let mut props = Props::new().with("type", "inet");
            props.extend(inet(host));
            Ok(props)
        }
        Some(Transport::Unix) => {
            Ok(Props::new().with("type", "unix").with("path", host.socket.as_deref().unwrap_or_default()))
        }
        Some(transport) => {
            Err(Error::internal(format!("transport protocol '{transport}' is not yet supported")))
        }
    }
}

/// A path inside an address: whatever is special there becomes `%XX`.
fn escape(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'/' | b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b'@' | b'&' | b'='
            | b'+' | b'$' | b',' | b';' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
