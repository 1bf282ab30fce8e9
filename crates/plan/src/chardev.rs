//! Character back ends: one value, `-chardev` options and `chardev-add` arguments.

use ostler_base::{Json, JsonMap, json::json};

use crate::Props;

/// A character back end.
#[derive(Debug, Clone, PartialEq)]
pub struct Chardev {
    /// Its identifier.
    pub id: String,
    /// Where the characters go.
    pub backend: ChardevBackend,
    /// A file that keeps a copy of what the guest says.
    pub log: Option<LogFile>,
}

/// The copy of what the guest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Path, or `/dev/fdset/N`.
    pub path: String,
    /// Append, or truncate; absent: QEMU's default.
    pub append: Option<bool>,
}

/// Where the characters go.
#[derive(Debug, Clone, PartialEq)]
pub enum ChardevBackend {
    /// Nowhere.
    Null,
    /// A text console of the display.
    Vc,
    /// A new pseudo terminal.
    Pty,
    /// The emulator's standard streams.
    Stdio,
    /// A file that is written.
    File {
        /// Path, or `/dev/fdset/N`.
        path: String,
        /// Append, or truncate; absent: QEMU's default.
        append: Option<bool>,
    },
    /// A pair of named pipes.
    Pipe(String),
    /// A device node of a serial port.
    Serial(String),
    /// A device node of a parallel port.
    Parallel(String),
    /// Datagrams.
    Udp {
        /// Where to send: host and port.
        remote: (String, String),
        /// Where from: host and port, either may be empty.
        local: Option<(String, String)>,
    },
    /// A stream socket.
    Socket {
        /// Its address.
        address: SocketAddress,
        /// Listen (and whether to wait for a peer before the guest runs), or connect.
        server: Option<bool>,
        /// Speak the telnet protocol.
        telnet: bool,
        /// Object with TLS credentials.
        tls_creds: Option<String>,
        /// Seconds between attempts to connect again.
        reconnect: Option<u64>,
        /// Whether `reconnect` is written in milliseconds.
        reconnect_ms: bool,
    },
    /// A SPICE agent or smart card channel.
    SpiceVmc(String),
    /// A named SPICE port.
    SpicePort(String),
    /// QEMU's own SPICE agent.
    QemuVdagent {
        /// Mouse mode.
        mouse: Option<bool>,
        /// Clipboard.
        clipboard: Option<bool>,
    },
    /// A D-Bus display channel.
    Dbus(String),
}

/// Address of a stream socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddress {
    /// A socket that is already open.
    Fd(String),
    /// A UNIX socket.
    Unix(String),
    /// Host and port.
    Inet {
        /// Name or address.
        host: String,
        /// Port number or service.
        port: String,
    },
}

impl Chardev {
    /// A back end without a log file.
    pub fn new(id: impl Into<String>, backend: ChardevBackend) -> Self {
        Chardev { id: id.into(), backend, log: None }
    }

    /// The value of `-chardev`.
    pub fn to_options(&self) -> String {
        let mut props = Props::new().with("backend", self.kind()).with("id", self.id.as_str());
        self.backend.options(&mut props);
        if let Some(log) = &self.log {
            props.set("logfile", log.path.as_str());
            props.set_opt("logappend", log.append);
        }
        props.to_options(Some("backend"))
    }

    /// The arguments of `chardev-add`.
    pub fn to_json(&self) -> Json {
        let mut data = match self.backend.data() {
            Json::Object(data) => data,
            _ => JsonMap::new(),
        };
        if let Some(log) = &self.log {
            data.insert("logfile".to_owned(), json!(log.path));
            if let Some(append) = log.append {
                data.insert("logappend".to_owned(), json!(append));
            }
        }
        json!({ "id": self.id, "backend": { "type": self.kind(), "data": data } })
    }

    fn kind(&self) -> &'static str {
        match &self.backend {
            ChardevBackend::Null => "null",
            ChardevBackend::Vc => "vc",
            ChardevBackend::Pty => "pty",
            ChardevBackend::Stdio => "stdio",
            ChardevBackend::File { .. } => "file",
            ChardevBackend::Pipe(_) => "pipe",
            ChardevBackend::Serial(_) => "serial",
            ChardevBackend::Parallel(_) => "parallel",
            ChardevBackend::Udp { .. } => "udp",
            ChardevBackend::Socket { .. } => "socket",
            ChardevBackend::SpiceVmc(_) => "spicevmc",
            ChardevBackend::SpicePort(_) => "spiceport",
            ChardevBackend::QemuVdagent { .. } => "qemu-vdagent",
            ChardevBackend::Dbus(_) => "dbus",
        }
    }
}

impl ChardevBackend {
    fn options(&self, props: &mut Props) {
        match self {
            ChardevBackend::Null | ChardevBackend::Vc | ChardevBackend::Pty | ChardevBackend::Stdio => {}
            ChardevBackend::File { path, append } => {
                props.set("path", path.as_str());
                props.set_opt("append", *append);
            }
            ChardevBackend::Pipe(path) | ChardevBackend::Serial(path) | ChardevBackend::Parallel(path) => {
                props.set("path", path.as_str());
            }
            ChardevBackend::Udp { remote, local } => {
                props.set("host", remote.0.as_str());
                props.set("port", remote.1.as_str());
                if let Some((host, port)) = local {
                    props.set("localaddr", host.as_str());
                    props.set("localport", port.as_str());
                }
            }
            ChardevBackend::Socket { address, server, telnet, tls_creds, reconnect, reconnect_ms } => {
                match address {
                    SocketAddress::Fd(fd) => props.set("fd", fd.as_str()),
                    SocketAddress::Unix(path) => props.set("path", path.as_str()),
                    SocketAddress::Inet { host, port } => {
                        props.set("host", host.as_str());
                        props.set("port", port.as_str());
                    }
                }
                if *telnet {
                    props.set("telnet", true);
                }
                if let Some(wait) = server {
                    props.set("server", true);
                    if !wait {
                        props.set("wait", false);
                    }
                }
                props.set_opt("tls-creds", tls_creds.as_deref());
                if let Some((name, value)) = reconnect_option(*reconnect, *reconnect_ms) {
                    props.set(name, value);
                }
            }
            ChardevBackend::SpiceVmc(name) | ChardevBackend::SpicePort(name) | ChardevBackend::Dbus(name) => {
                props.set("name", name.as_str());
            }
            ChardevBackend::QemuVdagent { mouse, clipboard } => {
                props.set("name", "vdagent");
                props.set_opt("clipboard", *clipboard);
                props.set_opt("mouse", *mouse);
            }
        }
    }

    fn data(&self) -> Json {
        match self {
            ChardevBackend::Null | ChardevBackend::Vc | ChardevBackend::Pty | ChardevBackend::Stdio => {
                json!({})
            }
            ChardevBackend::File { path, append } => {
                Props::new().with("out", path.as_str()).with_opt("append", *append).into()
            }
            ChardevBackend::Pipe(path) | ChardevBackend::Serial(path) | ChardevBackend::Parallel(path) => {
                json!({ "device": path })
            }
            ChardevBackend::Udp { remote, local } => Props::new()
                .with("remote", inet(&remote.0, &remote.1))
                .with_opt("local", local.as_ref().filter(|l| !is_any(l)).map(|(host, port)| inet(host, port)))
                .into(),
            ChardevBackend::Socket { address, server, telnet, tls_creds, reconnect, reconnect_ms } => {
                let address = match address {
                    SocketAddress::Fd(fd) => json!({ "type": "fd", "data": { "str": fd } }),
                    SocketAddress::Unix(path) => json!({ "type": "unix", "data": { "path": path } }),
                    SocketAddress::Inet { host, port } => inet(host, port),
                };
                let over_tcp = address["type"] == "inet";
                let mut props = Props::new().with("addr", address);
                props.set_opt("wait", *server);
                if *telnet || over_tcp {
                    props.set("telnet", *telnet);
                }
                props.set("server", server.is_some());
                props.set_opt("tls-creds", tls_creds.as_deref());
                if let Some((name, value)) = reconnect_option(*reconnect, *reconnect_ms) {
                    props.set(name, value);
                }
                props.into()
            }
            ChardevBackend::SpiceVmc(name) => json!({ "type": name }),
            ChardevBackend::SpicePort(name) => json!({ "fqdn": name }),
            ChardevBackend::Dbus(name) => json!({ "name": name }),
            ChardevBackend::QemuVdagent { mouse, clipboard } => {
                Props::new().with_opt("clipboard", *clipboard).with_opt("mouse", *mouse).into()
            }
        }
    }
}

fn reconnect_option(seconds: Option<u64>, milliseconds: bool) -> Option<(&'static str, u64)> {
    let seconds = seconds?;
    Some(if milliseconds { ("reconnect-ms", seconds.saturating_mul(1000)) } else { ("reconnect", seconds) })
}

/// Whether a local end is left to the kernel.
fn is_any((host, port): &(String, String)) -> bool {
    host.is_empty() && port == "0"
}

fn inet(host: &str, port: &str) -> Json {
    json!({ "type": "inet", "data": { "host": host, "port": port } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_in_both_forms() {
        let socket = ChardevBackend::Socket {
            address: SocketAddress::Unix("/s".into()),
            server: Some(false),
            telnet: false,
            tls_creds: None,
            reconnect: None,
            reconnect_ms: false,
        };
        let chardev = Chardev::new("charserial0", socket);
        assert_eq!(chardev.to_options(), "socket,id=charserial0,path=/s,server=on,wait=off");
        assert_eq!(
            chardev.to_json(),
            json!({"id": "charserial0", "backend": {"type": "socket", "data":
                {"addr": {"type": "unix", "data": {"path": "/s"}}, "wait": false, "server": true}}})
        );
    }
}
