//! `<serial>`: serial ports.

use ostler_base::{Result, Word, refuse, words};
use ostler_plan::{Part, Props, Resource};
use ostler_vocab::address::{Address, IsaAddress};
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::{Build, Device, Info, Kind, Slot};
use crate::machine;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<target type='…'>` of serial ports: the kind of bus.
    pub SerialTarget {
        Isa = "isa-serial", Usb = "usb-serial", Pci = "pci-serial", SpaprVio = "spapr-vio-serial",
        System = "system-serial", Sclp = "sclp-serial", IsaDebug = "isa-debug",
    }
    /// `<model name='…'>` of serial ports.
    pub SerialModel {
        IsaSerial = "isa-serial", UsbSerial = "usb-serial", PciSerial = "pci-serial",
        SpaprVty = "spapr-vty", Pl011 = "pl011", SclpConsole = "sclpconsole",
        SclplmConsole = "sclplmconsole", Uart16550a = "16550a", IsaDebugcon = "isa-debugcon",
    }
}

impl SerialModel {
    /// The targets that it goes with.
    fn target(self) -> SerialTarget {
        match self {
            SerialModel::IsaSerial => SerialTarget::Isa,
            SerialModel::UsbSerial => SerialTarget::Usb,
            SerialModel::PciSerial => SerialTarget::Pci,
            SerialModel::SpaprVty => SerialTarget::SpaprVio,
            SerialModel::Pl011 | SerialModel::Uart16550a => SerialTarget::System,
            SerialModel::SclpConsole | SerialModel::SclplmConsole => SerialTarget::Sclp,
            SerialModel::IsaDebugcon => SerialTarget::IsaDebug,
        }
    }

    /// The model of a target that has but one.
    fn of(target: SerialTarget) -> Option<Self> {
        Some(match target {
            SerialTarget::Isa => SerialModel::IsaSerial,
            SerialTarget::Usb => SerialModel::UsbSerial,
            SerialTarget::Pci => SerialModel::PciSerial,
            SerialTarget::SpaprVio => SerialModel::SpaprVty,
            SerialTarget::IsaDebug => SerialModel::IsaDebugcon,
            SerialTarget::Sclp => SerialModel::SclpConsole,
            SerialTarget::System => return None,
        })
    }
}

/// A serial port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    /// Where its characters go.
    pub device: CharDevice,
    /// `<target type=…>`: the kind of bus.
    pub target: Option<SerialTarget>,
    /// `<target port=…>`, from 0.
    pub port: Option<u32>,
    /// `<target><model name=…>`
    pub model: Option<SerialModel>,
    info: Info,
}

impl Serial {
    /// A serial port of which only the source is known.
    pub(crate) fn plain(device: CharDevice) -> Self {
        Serial { device, target: None, port: None, model: None, info: Info::default() }
    }

    /// Whether a console is made of it where there is none.
    pub(crate) fn can_be_console(&self) -> bool {
        !matches!(self.target, Some(SerialTarget::Pci | SerialTarget::Usb | SerialTarget::IsaDebug))
    }
}

impl Kind for Serial {
    const ELEMENT: &'static str = "serial";
    const PLUG: super::Plug = super::Plug::ALWAYS;
    const WORD: &'static str = "chr";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target = el.child("target");
        let kind = match target.and_then(|t| t.attr("type")) {
            None | Some("serial") => None,
            Some("usb") => Some(SerialTarget::Usb),
            Some("pci") => Some(SerialTarget::Pci),
            Some(word) => match SerialTarget::parse(word) {
                Some(target) => Some(target),
                None => refuse!(xml, "unknown target type '{word}' specified for character device"),
            },
        };
        Ok(Serial {
            device: CharDevice::parse(el)?,
            target: kind,
            port: target.map(|t| t.number("port")).transpose()?.flatten(),
            model: match target.and_then(|t| t.child("model")) {
                Some(model) => model.word("name")?,
                None => None,
            },
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
        let mut el = self.device.format("serial", mode);
        let mut target = El::new("target").attr_opt("type", self.target).attr("port", self.port.unwrap_or(0));
        target.extend(self.model.map(|model| El::new("model").attr("name", model)));
        el.push(target);
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        // What was once the only word for a serial port still says nothing more than that.
        if self.target == Some(SerialTarget::Isa) {
            self.target = None;
        }
        if self.target.is_none() {
            self.target = match &self.info.address {
                Some(Address::Usb(_)) => Some(SerialTarget::Usb),
                Some(Address::Pci(_)) => Some(SerialTarget::Pci),
                Some(Address::SpaprVio(_)) => Some(SerialTarget::SpaprVio),
                _ => machine::of(&head.os).default_serial().map(|(target, _)| target),
            };
        }
        if self.model.is_none() {
            let of_machine = machine::of(&head.os)
                .default_serial()
                .filter(|(target, _)| Some(*target) == self.target)
                .map(|(_, model)| model);
            self.model = of_machine.or_else(|| self.target.and_then(SerialModel::of));
        }
        if self.target == Some(SerialTarget::IsaDebug) && self.info.address.is_none() {
            self.info.address = Some(Address::Isa(IsaAddress { iobase: Some(0xe9), irq: None }));
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        let (Some(target), Some(model)) = (self.target, self.model) else { return Ok(()) };
        if model.target() != target {
            refuse!(unsupported, "Target model '{model}' requires target type '{}'", model.target());
        }
        let os = &draft.head.os;
        let own = machine::of(os).default_serial().map(|(own, _)| own);
        let fits = match target {
            SerialTarget::Isa | SerialTarget::IsaDebug => machine::of(os).has_isa(),
            SerialTarget::SpaprVio | SerialTarget::System | SerialTarget::Sclp => own == Some(target),
            SerialTarget::Usb | SerialTarget::Pci => true,
        };
        if !fits {
            refuse!(
                unsupported,
                "Serial device with target type '{target}' and target model '{model}' not compatible with guest architecture or machine type"
            );
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.target == Some(SerialTarget::Pci) { Slot::Pci } else { Slot::None }
    }

    fn spapr_vio_base(&self) -> Option<u64> {
        (self.target == Some(SerialTarget::SpaprVio)).then_some(0x3000_0000)
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.target == Some(SerialTarget::Usb)).then_some(6)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("serial{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let chardev = self.device.add_backend(alias, Port::Serial, "", build)?;
        let Some(model) = self.model.filter(|_| self.target != Some(SerialTarget::System)) else {
            build.parts.push(Part::plain("-serial", format!("chardev:{chardev}")));
            return Ok(());
        };
        let mut props =
            Props::new().with("driver", model.as_str()).with("chardev", chardev).with("id", alias);
        if self.target == Some(SerialTarget::Isa) {
            props.set_opt("index", self.port);
        }
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        self.device.resources(out);
    }
}
