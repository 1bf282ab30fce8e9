//! Character device sources: where a guest's characters go.
//!
//! Owns: `type`, `<source>`, `<protocol>` and `<log>` of whatever has one. Never: knows which device
//! the characters belong to.

use ostler_base::{Error, OnOff, Result, Word, YesNo, words};
use ostler_xml::{El, Element};

words! {
    /// `<source mode='…'>`
    pub SocketMode { Connect = "connect", Bind = "bind" }
    /// `<protocol type='…'>`
    pub Protocol { Raw = "raw", Telnet = "telnet", Telnets = "telnets", Tls = "tls" }
    /// `<mouse mode='…'>`
    pub MouseMode { Server = "server", Client = "client" }
    /// `type` of a character device.
    pub SourceType {
        Null = "null", Vc = "vc", Pty = "pty", Dev = "dev", File = "file", Pipe = "pipe", Stdio = "stdio",
        Udp = "udp", Tcp = "tcp", Unix = "unix", SpiceVmc = "spicevmc", SpicePort = "spiceport",
        Nmdm = "nmdm", QemuVdagent = "qemu-vdagent", Dbus = "dbus",
    }
}

/// `<reconnect>`: whether a lost peer is called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// `enabled`
    pub enabled: YesNo,
    /// `timeout`: seconds between attempts.
    pub timeout: Option<u32>,
}

impl Reconnect {
    /// Reads the child of a source.
    pub fn parse(source: &Element<'_>) -> Result<Option<Self>> {
        let Some(el) = source.child("reconnect") else { return Ok(None) };
        let Some(enabled) = el.yes_no("enabled")? else { return Ok(None) };
        let timeout = if enabled.is_true() { el.number("timeout")? } else { None };
        if enabled.is_true() && timeout.is_none() {
            return Err(el.missing("timeout"));
        }
        if timeout == Some(0) {
            return Err(Error::invalid_arg("chardev reconnect source timeout cannot be '0'"));
        }
        if enabled.is_true() && source.attr("mode") == Some(SocketMode::Bind.as_str()) {
            return Err(Error::internal("chardev reconnect is possible only for connect mode"));
        }
        Ok(Some(Reconnect { enabled, timeout }))
    }

    /// The element.
    pub fn format(&self) -> El {
        El::new("reconnect").attr("enabled", self.enabled).attr_opt("timeout", self.timeout)
    }

    /// Seconds between attempts, where there are any.
    pub fn seconds(&self) -> Option<u32> {
        if self.enabled.is_true() { self.timeout } else { Some(0) }
    }
}

/// A host and a service of it, either may be left open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// `host`
    pub host: Option<String>,
    /// `service`
    pub service: Option<String>,
}

impl Peer {
    fn parse(el: &Element<'_>) -> Self {
        let text = |name: &str| el.attr(name).filter(|t| !t.is_empty()).map(str::to_owned);
        Peer { host: text("host"), service: text("service") }
    }

    fn format(&self, mode: SocketMode) -> El {
        El::new("source")
            .attr("mode", mode)
            .attr_opt("host", self.host.as_ref())
            .attr_opt("service", self.service.as_ref())
    }

    fn is_empty(&self) -> bool {
        self.host.is_none() && self.service.is_none()
    }
}

/// Where characters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `null`
    Null,
    /// `vc`
    Vc,
    /// `pty`; the path once it runs.
    Pty {
        /// `<source path=…>`
        path: Option<String>,
    },
    /// `dev`: a device node of the host.
    Dev {
        /// `<source path=…>`
        path: String,
    },
    /// `pipe`: a pair of named pipes.
    Pipe {
        /// `<source path=…>`
        path: String,
    },
    /// `stdio`
    Stdio,
    /// `file`
    File {
        /// `<source path=…>`
        path: String,
        /// `<source append=…>`
        append: Option<OnOff>,
    },
    /// `unix`
    Unix {
        /// `<source path=…>`; made up for channels of a guest where absent.
        path: Option<String>,
        /// `<source mode=…>`
        mode: SocketMode,
        /// `<reconnect>`
        reconnect: Option<Reconnect>,
    },
    /// `tcp`
    Tcp {
        /// `<source host=…>`
        host: String,
        /// `<source service=…>`
        service: String,
        /// `<source mode=…>`
        mode: SocketMode,
        /// `<source tls=…>`
        tls: Option<YesNo>,
        /// `<protocol type=…>`
        protocol: Protocol,
        /// `<reconnect>`
        reconnect: Option<Reconnect>,
    },
    /// `udp`
    Udp {
        /// `<source mode='bind'>`
        bind: Peer,
        /// `<source mode='connect'>`
        connect: Peer,
    },
    /// `spicevmc`
    SpiceVmc,
    /// `spiceport`
    SpicePort {
        /// `<source channel=…>`
        channel: String,
    },
    /// `qemu-vdagent`
    QemuVdagent {
        /// `<clipboard copypaste=…>`
        clipboard: Option<YesNo>,
        /// `<mouse mode=…>`
        mouse: Option<MouseMode>,
    },
    /// `dbus`
    Dbus {
        /// `<source channel=…>`
        channel: String,
    },
}

impl Source {
    /// Reads `type` and `<source>`.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let kind = match el.attr("type") {
            None => SourceType::Pty,
            Some(text) => el.word("type")?.ok_or_else(|| {
                Error::xml(format!("unknown type presented to host for character device: {text}"))
            })?,
        };
        Self::parse_as(kind, el)
    }

    /// Reads `<source>` for a type that is known.
    pub fn parse_as(kind: SourceType, el: &Element<'_>) -> Result<Self> {
        let source = el.child("source");
        let sources = el.children("source").count();
        if kind == SourceType::Udp && sources > 2 {
            return Err(Error::xml("only two source elements are allowed for character device"));
        }
        if kind != SourceType::Udp && sources > 1 {
            return Err(Error::xml("only one source element is allowed for character device"));
        }
        let attr =
            |name: &str| source.and_then(|s| s.attr(name)).filter(|t| !t.is_empty()).map(str::to_owned);
        let required = |name: &str| {
            attr(name).ok_or_else(|| Error::xml(format!("Missing source {name} attribute for char device")))
        };
        let mode = || -> Result<SocketMode> {
            Ok(source.map(|s| s.word("mode")).transpose()?.flatten().unwrap_or(SocketMode::Connect))
        };
        let reconnect = || source.map(|s| Reconnect::parse(&s)).transpose().map(Option::flatten);
        Ok(match kind {
            SourceType::Null => Source::Null,
            SourceType::Vc => Source::Vc,
            SourceType::Stdio => Source::Stdio,
            SourceType::Pty => Source::Pty { path: attr("path") },
            SourceType::Dev => Source::Dev { path: required("path")? },
            SourceType::Pipe => Source::Pipe { path: required("path")? },
            SourceType::File => Source::File {
                path: required("path")?,
                append: source.map(|s| s.on_off("append")).transpose()?.flatten(),
            },
            SourceType::Unix => Source::Unix { path: attr("path"), mode: mode()?, reconnect: reconnect()? },
            SourceType::Tcp => Source::Tcp {
                host: required("host")?,
                service: required("service")?,
                mode: mode()?,
                tls: source.map(|s| s.yes_no("tls")).transpose()?.flatten(),
                protocol: el
                    .child("protocol")
                    .map(|p| p.word("type"))
                    .transpose()?
                    .flatten()
                    .unwrap_or(Protocol::Raw),
                reconnect: reconnect()?,
            },
            SourceType::Udp => udp(el)?,
            SourceType::SpiceVmc => Source::SpiceVmc,
            SourceType::SpicePort => Source::SpicePort { channel: required("channel")? },
            SourceType::Dbus => Source::Dbus { channel: required("channel")? },
            SourceType::QemuVdagent => Source::QemuVdagent {
                clipboard: source
                    .and_then(|s| s.child("clipboard"))
                    .map(|c| c.yes_no("copypaste"))
                    .transpose()?
                    .flatten(),
                mouse: source.and_then(|s| s.child("mouse")).map(|m| m.word("mode")).transpose()?.flatten(),
            },
            SourceType::Nmdm => {
                return Err(Error::unsupported("unsupported chardev type 'nmdm'"));
            }
        })
    }

    /// Its `type`.
    pub fn kind(&self) -> SourceType {
        match self {
            Source::Null => SourceType::Null,
            Source::Vc => SourceType::Vc,
            Source::Pty { .. } => SourceType::Pty,
            Source::Dev { .. } => SourceType::Dev,
            Source::Pipe { .. } => SourceType::Pipe,
            Source::Stdio => SourceType::Stdio,
            Source::File { .. } => SourceType::File,
            Source::Unix { .. } => SourceType::Unix,
            Source::Tcp { .. } => SourceType::Tcp,
            Source::Udp { .. } => SourceType::Udp,
            Source::SpiceVmc => SourceType::SpiceVmc,
            Source::SpicePort { .. } => SourceType::SpicePort,
            Source::QemuVdagent { .. } => SourceType::QemuVdagent,
            Source::Dbus { .. } => SourceType::Dbus,
        }
    }

    /// Writes `<source>` and `<protocol>`; `inactive` leaves out what belongs to a run.
    pub fn format(&self, el: &mut El, inactive: bool) {
        let at = |path: &String| El::new("source").attr("path", path);
        match self {
            Source::Null | Source::Vc | Source::Stdio | Source::SpiceVmc => {}
            Source::Pty { path } => el.extend(path.as_ref().filter(|_| !inactive).map(at)),
            Source::Dev { path } | Source::Pipe { path } => el.push(at(path)),
            Source::File { path, append } => el.push(at(path).attr_opt("append", *append)),
            Source::Unix { path, mode, reconnect } => {
                if path.is_some() || reconnect.is_some() {
                    let mut source = El::new("source").attr("mode", mode).attr_opt("path", path.as_ref());
                    source.extend(reconnect.as_ref().map(Reconnect::format));
                    el.push(source);
                }
            }
            Source::Tcp { host, service, mode, tls, protocol, reconnect } => {
                let mut source = El::new("source")
                    .attr("mode", mode)
                    .attr("host", host)
                    .attr("service", service)
                    .attr_opt("tls", *tls);
                source.extend(reconnect.as_ref().map(Reconnect::format));
                el.push(source);
                el.push(El::new("protocol").attr("type", protocol));
            }
            Source::Udp { bind, connect } => {
                if !bind.is_empty() {
                    el.push(bind.format(SocketMode::Bind));
                }
                if !connect.is_empty() {
                    el.push(connect.format(SocketMode::Connect));
                }
            }
            Source::SpicePort { channel } | Source::Dbus { channel } => {
                el.push(El::new("source").attr("channel", channel));
            }
            Source::QemuVdagent { clipboard, mouse } => {
                let mut source = El::new("source");
                source.extend(clipboard.map(|on| El::new("clipboard").attr("copypaste", on)));
                source.extend(mouse.map(|mode| El::new("mouse").attr("mode", mode)));
                el.push_filled(source);
            }
        }
    }
}

/// Two sources, one for each direction.
fn udp(el: &Element<'_>) -> Result<Source> {
    let (mut bind, mut connect) = (Peer::default(), Peer::default());
    for source in el.children("source") {
        match source.word("mode")? {
            Some(SocketMode::Bind) => bind = Peer::parse(&source),
            Some(SocketMode::Connect) | None => connect = Peer::parse(&source),
        }
    }
    if connect.service.is_none() {
        return Err(Error::xml("Missing source service attribute for char device"));
    }
    Ok(Source::Udp { bind, connect })
}

/// `<log file= append=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its path.
    pub file: String,
    /// Append, or truncate.
    pub append: Option<OnOff>,
}

impl Log {
    /// Reads the child of a character device.
    pub fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let Some(log) = el.child("log") else { return Ok(None) };
        Ok(Some(Log { file: log.require("file")?.to_owned(), append: log.on_off("append")? }))
    }

    /// The element.
    pub fn format(&self) -> El {
        El::new("log").attr("file", &self.file).attr_opt("append", self.append)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    #[test]
    fn forms() {
        for text in [
            "<serial type='tcp'>\n  <source mode='bind' host='::1' service='1' tls='no'/>\n  <protocol type='telnet'/>\n</serial>\n",
            "<serial type='unix'>\n  <source mode='connect' path='/s'>\n    <reconnect enabled='yes' timeout='10'/>\n  </source>\n</serial>\n",
            "<serial type='udp'>\n  <source mode='bind' host='a' service='1'/>\n  <source mode='connect' service='2'/>\n</serial>\n",
        ] {
            let document = Document::parse(text, "t").unwrap();
            let source = Source::parse(&document.root()).unwrap();
            let mut el = El::new("serial").attr("type", source.kind());
            source.format(&mut el, false);
            assert_eq!(el.to_xml(), text);
        }
    }
}
