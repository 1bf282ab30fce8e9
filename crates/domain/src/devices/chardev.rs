//! Character back ends of the domain: what a source becomes in the emulator.
//!
//! Owns: the way from a source to a back end, with its log, credentials and descriptors. Never: the
//! front end.

use ostler_base::{OnOff, Result, YesNo, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::{
    Chardev, ChardevBackend, FdKind, FdSource, LogFile, Part, Props, Resource, ResourceKind, SocketAddress,
};
use ostler_vocab::chardev::{Log, MouseMode, Peer, Protocol, Reconnect, SocketMode, Source};
use ostler_xml::{El, Element};

use super::Build;
use crate::WriteMode;

/// What all character devices have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharDevice {
    /// `type` and `<source>`
    pub source: Source,
    /// `<log>`
    pub log: Option<Log>,
}

/// Which driver of the host a `dev` source takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// A serial port.
    Serial,
    /// A parallel port.
    Parallel,
}

impl CharDevice {
    pub(crate) fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(CharDevice { source: Source::parse(el)?, log: Log::parse(el)? })
    }

    /// The socket that it listens at or connects to, of those that have one.
    pub fn socket(&self) -> Option<&str> {
        match &self.source {
            Source::Unix { path, .. } => path.as_deref(),
            _ => None,
        }
    }

    /// The pseudo terminal that a run gave it.
    pub fn terminal(&self) -> Option<&str> {
        match &self.source {
            Source::Pty { path } => path.as_deref(),
            _ => None,
        }
    }

    /// An element of this name with type, source and log.
    pub(crate) fn format(&self, name: &'static str, mode: &WriteMode) -> El {
        let mut el = El::new(name).attr("type", self.source.kind());
        self.format_into(&mut el, mode);
        el
    }

    /// Source and log.
    pub(crate) fn format_into(&self, el: &mut El, mode: &WriteMode) {
        self.source.format(el, mode.inactive);
        el.extend(self.log.as_ref().map(Log::format));
    }

    pub(crate) fn resources(&self, out: &mut Vec<Resource>) {
        match &self.source {
            Source::File { path, .. } => out.push(Resource::new(path, ResourceKind::Output).writable()),
            Source::Unix { path: Some(path), mode: SocketMode::Connect, .. } => {
                out.push(Resource::new(path, ResourceKind::Socket).writable());
            }
            Source::Dev { path } => out.push(Resource::new(path, ResourceKind::Device).writable()),
            Source::Pipe { path } => {
                for end in ["in", "out"] {
                    out.push(Resource::new(format!("{path}.{end}"), ResourceKind::Socket).writable());
                }
            }
            _ => {}
        }
        out.extend(self.log.iter().map(|log| Resource::new(&log.file, ResourceKind::Output).writable()));
    }

    /// Adds the back end `char…` of a front end; its identifier.
    pub(crate) fn add_backend(
        &self,
        alias: &str,
        port: Port,
        spice_name: &str,
        build: &mut Build<'_>,
    ) -> Result<String> {
        let id = format!("char{alias}");
        let backend = self.backend(&id, alias, port, spice_name, build)?;
        let mut chardev = Chardev::new(id.as_str(), backend);
        if let Some(log) = &self.log {
            let append = log.append.map(OnOff::is_true);
            let file = FdSource::Append { path: log.file.as_str().into(), truncate: append == Some(false) };
            let path = build.add_fd(FdKind::Log, file, &format!("{alias}-log"));
            chardev.log = Some(LogFile { path, append: Some(true) });
        }
        build.parts.push(Part::Chardev(chardev));
        Ok(id)
    }

    /// The back end; files and listening sockets are opened by the host and passed.
    fn backend(
        &self,
        id: &str,
        alias: &str,
        port: Port,
        spice_name: &str,
        build: &mut Build<'_>,
    ) -> Result<ChardevBackend> {
        Ok(match &self.source {
            Source::Null => ChardevBackend::Null,
            Source::Vc => ChardevBackend::Vc,
            Source::Pty { .. } => ChardevBackend::Pty,
            Source::Stdio => ChardevBackend::Stdio,
            Source::Dev { path } if port == Port::Parallel => ChardevBackend::Parallel(path.clone()),
            Source::Dev { path } => ChardevBackend::Serial(path.clone()),
            Source::Pipe { path } => ChardevBackend::Pipe(path.clone()),
            Source::File { path, append } => {
                let append = append.map(OnOff::is_true);
                let file = FdSource::Append { path: path.into(), truncate: append != Some(true) };
                let path = build.add_fd(FdKind::Output, file, &format!("{alias}-source"));
                ChardevBackend::File { path, append: Some(true) }
            }
            Source::Unix { path: None, .. } => {
                refuse!(internal, "Missing source path attribute for char device")
            }
            Source::Tcp { protocol: protocol @ (Protocol::Telnets | Protocol::Tls), .. } => {
                refuse!(unsupported, "tcp chardev protocol '{protocol}' not supported")
            }
            Source::Unix { mode: SocketMode::Bind, reconnect: Some(reconnect), .. }
                if reconnect.enabled.is_true() =>
            {
                refuse!(internal, "chardev reconnect is possible only for connect mode")
            }
            Source::Unix { path, mode: SocketMode::Bind, .. } => {
                let path = path.clone().unwrap_or_default();
                let fd = build.fds.add(FdKind::Listen, FdSource::ListenUnix(path.into()));
                socket(build, SocketAddress::Fd(fd.to_string()), SocketMode::Bind, None)
            }
            Source::Unix { path, mode, reconnect } => {
                let address = SocketAddress::Unix(path.clone().unwrap_or_default());
                socket(build, address, *mode, reconnect.as_ref())
            }
            Source::Tcp { host, service, mode, tls, protocol, reconnect } => {
                let address = SocketAddress::Inet { host: host.clone(), port: service.clone() };
                let creds = self.tls_credentials(id, *mode, *tls, build);
                let mut made = socket(build, address, *mode, reconnect.as_ref());
                if let ChardevBackend::Socket { telnet, tls_creds, .. } = &mut made {
                    *telnet = *protocol == Protocol::Telnet;
                    *tls_creds = creds;
                }
                made
            }
            Source::Udp { bind, connect } => udp(bind, connect),
            Source::SpiceVmc => ChardevBackend::SpiceVmc(spice_name.to_owned()),
            Source::SpicePort { channel } => ChardevBackend::SpicePort(channel.clone()),
            Source::Dbus { channel } => ChardevBackend::Dbus(channel.clone()),
            Source::QemuVdagent { clipboard, mouse } => ChardevBackend::QemuVdagent {
                mouse: mouse.map(|mode| mode == MouseMode::Client),
                clipboard: clipboard.map(YesNo::is_true),
            },
        })
    }

    /// The object with the credentials of an encrypted connection; its identifier.
    fn tls_credentials(
        &self,
        id: &str,
        mode: SocketMode,
        tls: Option<YesNo>,
        build: &mut Build<'_>,
    ) -> Option<String> {
        let config = &build.setting.config.chardev_tls;
        if !tls.map_or(config.enabled, YesNo::is_true) {
            return None;
        }
        let server = mode == SocketMode::Bind;
        let name = format!("obj{id}_tls0");
        let props = Props::new()
            .with("qom-type", "tls-creds-x509")
            .with("id", name.as_str())
            .with("dir", config.cert_dir.as_str())
            .with("endpoint", if server { "server" } else { "client" })
            .with("verify-peer", if server { config.verify } else { true });
        build.parts.push(Part::Object(props));
        Some(name)
    }
}

fn socket(
    build: &Build<'_>,
    address: SocketAddress,
    mode: SocketMode,
    reconnect: Option<&Reconnect>,
) -> ChardevBackend {
    ChardevBackend::Socket {
        address,
        server: (mode == SocketMode::Bind).then_some(false),
        telnet: false,
        tls_creds: None,
        reconnect: reconnect.and_then(Reconnect::seconds).map(u64::from),
        reconnect_ms: build.setting.has(Flag::ChardevReconnectMiliseconds),
    }
}

fn udp(bind: &Peer, connect: &Peer) -> ChardevBackend {
    let text = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
    ChardevBackend::Udp {
        remote: (text(&connect.host, ""), text(&connect.service, "")),
        local: Some((text(&bind.host, ""), text(&bind.service, "0"))),
    }
}
