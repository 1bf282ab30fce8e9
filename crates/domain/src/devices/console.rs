//! `<console>`: where a guest's text goes.

use ostler_base::{Result, Word, refuse, words};
use ostler_plan::{Part, Props, Resource};
use ostler_vocab::chardev::Source;
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::serial::Serial;
use super::{Build, Device, Info, Kind};
use crate::machine;
use crate::{Head, Setting, WriteMode};

words! {
    /// `<target type='…'>` of consoles.
    pub ConsoleTarget { Serial = "serial", Virtio = "virtio", Sclp = "sclp", Sclplm = "sclplm" }
}

/// A console: the first one may be the first serial port under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// Where its characters go.
    pub device: CharDevice,
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
            device: serial.device.clone(),
            target: Some(ConsoleTarget::Serial),
            port: serial.port,
            info: Info::default(),
        }
    }

    /// The serial port that a console without one asks for.
    pub(crate) fn to_serial(&self) -> Serial {
        Serial::plain(self.device.clone())
    }

    /// Whether it sits on a virtio serial controller.
    pub(crate) fn is_virtio_port(&self) -> bool {
        self.target == Some(ConsoleTarget::Virtio)
    }

    /// Whether it is a serial port under another name.
    pub(crate) fn is_serial(&self) -> bool {
        matches!(self.target, Some(ConsoleTarget::Serial) | None)
    }
}

impl Kind for Console {
    const ELEMENT: &'static str = "console";
    const PLUG: super::Plug = super::Plug::ALWAYS;
    const WORD: &'static str = "chr";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target = el.child("target");
        let kind = target.and_then(|t| t.attr("type"));
        let parsed = match kind {
            None => None,
            Some(word) => match ConsoleTarget::parse(word) {
                Some(target) => Some(target),
                None => refuse!(xml, "unknown target type '{word}' specified for character device"),
            },
        };
        Ok(Console {
            device: CharDevice::parse(el)?,
            target: parsed,
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
        let mut el = El::new("console").attr("type", self.device.source.kind());
        if let Source::Pty { path: Some(path) } = &self.device.source
            && !mode.inactive
            && self.target == Some(ConsoleTarget::Serial)
        {
            el.set("tty", path);
        }
        self.device.format_into(&mut el, mode);
        el.push(El::new("target").attr_opt("type", self.target).attr("port", self.port.unwrap_or(0)));
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        self.target.get_or_insert(machine::of(&head.os).default_console());
        Ok(())
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        if self.is_serial() && nth == 0 { "serial0".to_owned() } else { format!("console{nth}") }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let driver = match self.target {
            Some(ConsoleTarget::Serial) | None => return Ok(()),
            Some(ConsoleTarget::Virtio) => "virtconsole",
            Some(ConsoleTarget::Sclp) => "sclpconsole",
            Some(ConsoleTarget::Sclplm) => "sclplmconsole",
        };
        let alias = self.info.alias();
        let chardev = self.device.add_backend(alias, Port::Serial, "", build)?;
        let mut props = Props::new().with("driver", driver).with("chardev", chardev).with("id", alias);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn shares_place(&self) -> bool {
        self.is_serial()
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        if !self.is_serial() {
            self.device.resources(out);
        }
    }
}
