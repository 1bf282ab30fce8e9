//! `<input>`: pointers and keyboards.

use ostler_base::{Error, OnOff, Result, refuse, words};
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::sections::features::Switched;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<input type='…'>`
    pub InputType {
        Mouse = "mouse", Tablet = "tablet", Keyboard = "keyboard", Passthrough = "passthrough",
        Evdev = "evdev",
    }
    /// `<input bus='…'>`
    pub InputBus { Ps2 = "ps2", Usb = "usb", Xen = "xen", Parallels = "parallels", Virtio = "virtio", None = "none" }
    /// `<source grab='…'>`
    pub Grab { All = "all" }
    /// `<source grabToggle='…'>`
    pub GrabToggle {
        CtrlCtrl = "ctrl-ctrl", AltAlt = "alt-alt", ShiftShift = "shift-shift", MetaMeta = "meta-meta",
        Scrolllock = "scrolllock", CtrlScrolllock = "ctrl-scrolllock",
    }
}

/// `<source>`: a device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSource {
    /// `evdev` or `dev`
    pub path: String,
    /// `grab`
    pub grab: Option<Grab>,
    /// `grabToggle`
    pub toggle: Option<GrabToggle>,
    /// `repeat`
    pub repeat: Option<ostler_base::OnOff>,
}

/// A pointer or keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// `type`
    pub kind: InputType,
    /// `bus`; PS/2 for mice and keyboards of x86, USB otherwise.
    pub bus: Option<InputBus>,
    /// `model`
    pub model: Option<VirtioModel>,
    /// `<source>`
    pub source: Option<InputSource>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Input {
    fn of(kind: InputType, bus: Option<InputBus>) -> Self {
        let virtio = VirtioOptions::default();
        Input { kind, bus, model: None, source: None, virtio, info: Info::default() }
    }

    /// Only what is passed from the host has forms for old and for new guests.
    fn validate_virtio(&self, _setting: &Setting<'_>) -> Result<()> {
        if matches!(self.model, Some(VirtioModel::Transitional | VirtioModel::NonTransitional))
            && self.kind != InputType::Passthrough
        {
            refuse!(
                unsupported,
                "virtio (non-)transitional models are not supported for input type={}",
                self.kind
            );
        }
        Ok(())
    }
}

impl Kind for Input {
    const ELEMENT: &'static str = "input";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        let kind: InputType = el.require_word("type")?;
        let attribute = match kind {
            InputType::Evdev => Some("dev"),
            InputType::Passthrough => Some("evdev"),
            _ => None,
        };
        let source = match attribute {
            Some(attribute) => {
                let missing = || Error::xml(format!("missing {attribute} path for input device passthrough"));
                let source = el.child("source").ok_or_else(missing)?;
                Some(InputSource {
                    path: source.attr(attribute).ok_or_else(missing)?.to_owned(),
                    grab: source.word("grab")?,
                    toggle: source.word("grabToggle")?,
                    repeat: source.on_off("repeat")?,
                })
            }
            None => None,
        };
        let virtio = VirtioOptions::parse(el.child("driver"))?;
        Ok(Input {
            kind,
            bus: el.word("bus")?,
            model: el.word("model")?,
            source,
            virtio,
            info: Info::default(),
        })
    }

    fn implied(devices: &super::Devices, head: &Head, _setting: &Setting<'_>) -> Vec<Self> {
        let machine = crate::machine::of(&head.os);
        let named = &devices.inputs;
        let missing = |kind: &InputType| {
            !named.iter().any(|i| i.kind == *kind && matches!(i.bus, None | Some(InputBus::Ps2)))
        };
        let builtin = |kind| Input::of(kind, Some(InputBus::Ps2));
        let ps2 = head.features.switched(Switched::Ps2) != Some(OnOff::Off);
        let kinds =
            if machine.builtin_ps2() && ps2 { &[InputType::Mouse, InputType::Keyboard][..] } else { &[] };
        let mut out: Vec<Self> = kinds.iter().copied().filter(missing).map(builtin).collect();
        if machine.usb_inputs() && !devices.graphics.is_empty() && !devices.has_no_usb() {
            // One pointer is enough.
            let like =
                |kind, i: &Input| i.kind == kind || (kind == InputType::Mouse && i.kind == InputType::Tablet);
            let there =
                |kind| named.iter().any(|i| like(kind, i) && matches!(i.bus, None | Some(InputBus::Usb)));
            let wanted = [InputType::Keyboard, InputType::Mouse].into_iter().filter(|kind| !there(*kind));
            out.extend(wanted.map(|kind| Input::of(kind, Some(InputBus::Usb))));
        }
        out
    }
}

impl Device for Input {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let bus = self.bus.filter(|_| self.kind != InputType::Evdev);
        let mut el =
            El::new("input").attr("type", self.kind).attr_opt("bus", bus).attr_opt("model", self.model);
        self.virtio.push(&mut el);
        el.extend(self.source.as_ref().map(|source| {
            let attribute = if self.kind == InputType::Evdev { "dev" } else { "evdev" };
            El::new("source")
                .attr(attribute, &source.path)
                .attr_opt("grab", source.grab)
                .attr_opt("grabToggle", source.toggle)
                .attr_opt("repeat", source.repeat)
        }));
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        let x86 = head.os.arch.is_some_and(ostler_base::Arch::is_x86);
        self.bus.get_or_insert(match self.kind {
            InputType::Evdev => InputBus::None,
            InputType::Passthrough => InputBus::Virtio,
            InputType::Mouse | InputType::Keyboard if x86 => InputBus::Ps2,
            _ => InputBus::Usb,
        });
        Ok(())
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        if self.bus == Some(InputBus::Usb) && draft.devices.has_no_usb() {
            refuse!(unsupported, "Can't add USB input device. USB bus is disabled");
        }
        if self.bus == Some(InputBus::Virtio) {
            self.validate_virtio(setting)?;
        }
        if self.bus == Some(InputBus::Ps2) && self.kind == InputType::Tablet {
            refuse!(internal, "ps2 bus does not support {} input device", self.kind);
        }
        self.virtio.refuse_unless(self.bus == Some(InputBus::Virtio))
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match self.bus {
            Some(InputBus::Virtio) => self.model.unwrap_or(VirtioModel::Plain).slot(),
            _ => Slot::None,
        }
    }

    fn is_virtio(&self) -> bool {
        self.bus == Some(InputBus::Virtio)
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.bus == Some(InputBus::Usb)).then_some(5)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("input{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if let (InputType::Evdev, Some(source)) = (self.kind, &self.source) {
            let mut props = Props::new()
                .with("qom-type", "input-linux")
                .with("id", self.info.alias())
                .with("evdev", source.path.as_str());
            props.set_opt("repeat", source.repeat.map(ostler_base::OnOff::is_true));
            props.set_opt("grab_all", source.grab.map(|_| true));
            props.set_opt("grab-toggle", source.toggle.map(|keys| keys.to_string()));
            build.parts.push(Part::Object(props));
            return Ok(());
        }
        let virtio = |base: &str| self.model.unwrap_or(VirtioModel::Plain).driver(base, &self.info);
        let driver = match (self.bus, self.kind) {
            (Some(InputBus::Usb), InputType::Mouse) => "usb-mouse".to_owned(),
            (Some(InputBus::Usb), InputType::Tablet) => "usb-tablet".to_owned(),
            (Some(InputBus::Usb), InputType::Keyboard) => "usb-kbd".to_owned(),
            (Some(InputBus::Virtio), InputType::Mouse) => virtio("virtio-mouse")?,
            (Some(InputBus::Virtio), InputType::Tablet) => virtio("virtio-tablet")?,
            (Some(InputBus::Virtio), InputType::Keyboard) => virtio("virtio-keyboard")?,
            (Some(InputBus::Virtio), InputType::Passthrough) => virtio("virtio-input-host")?,
            _ => return Ok(()),
        };
        let mut props = Props::new().with("driver", driver);
        self.virtio.props(&mut props);
        props.set("id", self.info.alias());
        props.set_opt("evdev", self.source.as_ref().map(|source| source.path.as_str()));
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        out.extend(self.source.iter().map(|s| Resource::new(&s.path, ResourceKind::Device).writable()));
    }

    fn absent(&self) -> String {
        "matching input device not found".to_owned()
    }
}
