//! `<serial>` and `<console>`: where a guest's text goes.

use ostler_base::{Result, YesNo, refuse, words};
use ostler_plan::{
    Chardev, ChardevBackend, FdKind, FdSource, LogFile, Part, Props, Resource, ResourceKind, SocketAddress,
};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<target type='…'>` of consoles.
    pub ConsoleTarget { Serial = "serial", Virtio = "virtio" }
    /// `<source mode='…'>`
    pub SocketMode { Connect = "connect", Bind = "bind" }
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
    /// `stdio`
    Stdio,
    /// `file`
    File {
        /// `<source path=…>`
        path: String,
        /// `<source append=…>`
        append: Option<ostler_base::OnOff>,
    },
    /// `unix`
    Unix {
        /// `<source path=…>`
        path: String,
        /// `<source mode=…>`
        mode: SocketMode,
    },
    /// `tcp`
    Tcp {
        /// `<source host=…>`
        host: String,
        /// `<source service=…>`
        service: String,
        /// `<source mode=…>`
        mode: SocketMode,
        /// `<protocol type='telnet'>`
        telnet: bool,
    },
}

/// `<log file= append=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its path.
    pub file: String,
    /// Append, or truncate.
    pub append: Option<ostler_base::OnOff>,
}

impl Source {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let source = el.child("source");
        let attr = |name: &str| source.and_then(|s| s.attr(name)).map(str::to_owned);
        let mode = || -> Result<SocketMode> {
            Ok(source.map(|s| s.word("mode")).transpose()?.flatten().unwrap_or(SocketMode::Connect))
        };
        let missing =
            |what: &str| ostler_base::Error::xml(format!("Missing source {what} attribute for char device"));
        Ok(match el.require("type")? {
            "null" => Source::Null,
            "vc" => Source::Vc,
            "pty" => Source::Pty { path: attr("path") },
            "stdio" => Source::Stdio,
            "file" => Source::File {
                path: attr("path").ok_or_else(|| missing("path"))?,
                append: source.map(|s| s.on_off("append")).transpose()?.flatten(),
            },
            "unix" => Source::Unix { path: attr("path").ok_or_else(|| missing("path"))?, mode: mode()? },
            "tcp" => Source::Tcp {
                host: attr("host").ok_or_else(|| missing("host"))?,
                service: attr("service").ok_or_else(|| missing("service"))?,
                mode: mode()?,
                telnet: el.child("protocol").is_some_and(|p| p.attr("type") == Some("telnet")),
            },
            other => refuse!(unsupported, "character devices of type '{other}' are not supported yet"),
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Source::Null => "null",
            Source::Vc => "vc",
            Source::Pty { .. } => "pty",
            Source::Stdio => "stdio",
            Source::File { .. } => "file",
            Source::Unix { .. } => "unix",
            Source::Tcp { .. } => "tcp",
        }
    }

    fn format(&self, el: &mut El, mode: &WriteMode) {
        match self {
            Source::Null | Source::Vc | Source::Stdio => {}
            Source::Pty { path } => {
                let path = path.as_ref().filter(|_| !mode.inactive);
                el.extend(path.map(|path| El::new("source").attr("path", path)));
            }
            Source::File { path, append } => {
                el.push(El::new("source").attr("path", path).attr_opt("append", *append));
            }
            Source::Unix { path, mode } => el.push(El::new("source").attr("mode", mode).attr("path", path)),
            Source::Tcp { host, service, mode, telnet } => {
                el.push(El::new("source").attr("mode", mode).attr("host", host).attr("service", service));
                el.push(El::new("protocol").attr("type", if *telnet { "telnet" } else { "raw" }));
            }
        }
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        match self {
            Source::File { path, .. } => out.push(Resource::new(path, ResourceKind::Output).writable()),
            Source::Unix { path, mode: SocketMode::Connect } => {
                out.push(Resource::new(path, ResourceKind::Socket).writable());
            }
            _ => {}
        }
    }

    /// The back end; files and listening sockets are opened by the host and passed.
    fn backend(&self, build: &mut Build<'_>, alias: &str) -> ChardevBackend {
        let socket = |address, mode: SocketMode, telnet| ChardevBackend::Socket {
            address,
            server: (mode == SocketMode::Bind).then_some(false),
            telnet,
            tls_creds: None,
            reconnect: None,
            reconnect_ms: false,
        };
        match self {
            Source::Null => ChardevBackend::Null,
            Source::Vc => ChardevBackend::Vc,
            Source::Pty { .. } => ChardevBackend::Pty,
            Source::Stdio => ChardevBackend::Stdio,
            Source::File { path, append } => {
                let append = append.map(ostler_base::OnOff::is_true);
                let file = FdSource::Append { path: path.into(), truncate: append != Some(true) };
                let path = build.add_fd(FdKind::Output, file, &format!("{alias}-source"));
                ChardevBackend::File { path, append: Some(true) }
            }
            Source::Unix { path, mode: SocketMode::Bind } => {
                let fd = build.fds.add(FdKind::Listen, FdSource::ListenUnix(path.into()));
                socket(SocketAddress::Fd(fd.to_string()), SocketMode::Bind, false)
            }
            Source::Unix { path, mode } => socket(SocketAddress::Unix(path.clone()), *mode, false),
            Source::Tcp { host, service, mode, telnet } => {
                socket(SocketAddress::Inet { host: host.clone(), port: service.clone() }, *mode, *telnet)
            }
        }
    }
}

impl Log {
    fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let Some(log) = el.child("log") else { return Ok(None) };
        Ok(Some(Log { file: log.require("file")?.to_owned(), append: log.on_off("append")? }))
    }
}

/// A serial port of an ISA bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    /// `type` and `<source>`
    pub source: Source,
    /// `<log>`
    pub log: Option<Log>,
    /// `<target type=…>`: the kind of bus.
    pub target: Option<String>,
    /// `<target port=…>`, from 0.
    pub port: Option<u32>,
    /// `<target><model name=…>`
    pub model: Option<String>,
    info: Info,
}

impl Kind for Serial {
    const ELEMENT: &'static str = "serial";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target = el.child("target");
        Ok(Serial {
            source: Source::parse(el)?,
            log: Log::parse(el)?,
            target: target.and_then(|t| t.attr("type")).map(str::to_owned),
            port: target.map(|t| t.number("port")).transpose()?.flatten(),
            model: target.and_then(|t| t.child("model")).and_then(|m| m.attr("name")).map(str::to_owned),
            info: Info::default(),
        })
    }
}

impl Device for Serial {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("serial").attr("type", self.source.kind());
        self.source.format(&mut el, mode);
        el.extend(
            self.log.iter().map(|log| El::new("log").attr("file", &log.file).attr_opt("append", log.append)),
        );
        let mut target =
            El::new("target").attr_opt("type", self.target.as_ref()).attr("port", self.port.unwrap_or(0));
        target.extend(self.model.as_ref().map(|model| El::new("model").attr("name", model)));
        el.push(target);
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        if head.os.arch.is_some_and(ostler_base::Arch::is_x86) {
            let target = self.target.get_or_insert_with(|| "isa-serial".to_owned());
            if target == "isa-serial" {
                self.model.get_or_insert_with(|| "isa-serial".to_owned());
            }
        }
        Ok(())
    }

    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        match self.target.as_deref() {
            None | Some("isa-serial") => Ok(()),
            Some(other) => refuse!(unsupported, "serial target type '{other}' is not supported yet"),
        }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("serial{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias().to_owned();
        let backend = self.source.backend(build, &alias);
        let id = format!("char{alias}");
        let mut chardev = Chardev::new(id.as_str(), backend);
        if let Some(log) = &self.log {
            let append = log.append.map(ostler_base::OnOff::is_true);
            let file = FdSource::Append { path: log.file.as_str().into(), truncate: append == Some(false) };
            let path = build.add_fd(FdKind::Log, file, &format!("{alias}-log"));
            chardev.log = Some(LogFile { path, append: Some(true) });
        }
        build.parts.push(Part::Chardev(chardev));
        let driver = self.model.as_deref().unwrap_or("isa-serial");
        let mut props = Props::new().with("driver", driver).with("chardev", id).with("id", alias);
        props.set("index", self.port.unwrap_or(0));
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        self.source.resources(out);
        out.extend(self.log.iter().map(|log| Resource::new(&log.file, ResourceKind::Output).writable()));
    }
}

/// A console: for x86 the first one is the first serial port under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// `type` and `<source>`
    pub source: Source,
    /// `tty`: the old place of a pseudo terminal's path.
    pub tty: Option<YesNo>,
    /// `<target type=…>`
    pub target: Option<ConsoleTarget>,
    /// `<target port=…>`
    pub port: Option<u32>,
    info: Info,
}

impl Console {
    /// The console that a serial port is.
    pub(crate) fn of(serial: &Serial) -> Self {
        Console {
            source: serial.source.clone(),
            tty: None,
            target: Some(ConsoleTarget::Serial),
            port: serial.port,
            info: Info::default(),
        }
    }

    /// The serial port that a console without one asks for.
    pub(crate) fn to_serial(&self) -> Serial {
        Serial {
            source: self.source.clone(),
            log: None,
            target: None,
            port: Some(0),
            model: None,
            info: Info::default(),
        }
    }
}

impl Kind for Console {
    const ELEMENT: &'static str = "console";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target = el.child("target");
        Ok(Console {
            source: Source::parse(el)?,
            tty: None,
            target: target.map(|t| t.word("type")).transpose()?.flatten(),
            port: target.map(|t| t.number("port")).transpose()?.flatten(),
            info: Info::default(),
        })
    }
}

impl Device for Console {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("console").attr("type", self.source.kind());
        if let Source::Pty { path: Some(path) } = &self.source
            && !mode.inactive
        {
            el.set("tty", path);
        }
        self.source.format(&mut el, mode);
        el.push(El::new("target").attr_opt("type", self.target).attr("port", self.port.unwrap_or(0)));
        el
    }

    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        match self.target {
            Some(ConsoleTarget::Virtio) => refuse!(unsupported, "virtio consoles are not supported yet"),
            _ => Ok(()),
        }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        match self.target {
            Some(ConsoleTarget::Serial) | None if nth == 0 => "serial0".to_owned(),
            _ => format!("console{nth}"),
        }
    }

    fn parts(&self, _build: &mut Build<'_>) -> Result<()> {
        Ok(())
    }
}
