//! `<input>`: pointers and keyboards.

use ostler_base::{Result, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::machine::Machine;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<input type='…'>`
    pub InputType { Mouse = "mouse", Tablet = "tablet", Keyboard = "keyboard" }
    /// `<input bus='…'>`
    pub InputBus { Ps2 = "ps2", Usb = "usb", Virtio = "virtio" }
}

/// A pointer or keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// `type`
    pub kind: InputType,
    /// `bus`; PS/2 for mice and keyboards of x86, USB otherwise.
    pub bus: Option<InputBus>,
    info: Info,
}

impl Kind for Input {
    const ELEMENT: &'static str = "input";

    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Input { kind: el.require_word("type")?, bus: el.word("bus")?, info: Info::default() })
    }

    fn implied(devices: &super::Devices, _head: &Head, machine: &dyn Machine) -> Vec<Self> {
        let named = &devices.inputs;
        let missing = |kind: &InputType| {
            !named.iter().any(|i| i.kind == *kind && matches!(i.bus, None | Some(InputBus::Ps2)))
        };
        let builtin = |kind| Input { kind, bus: Some(InputBus::Ps2), info: Info::default() };
        let kinds = if machine.builtin_ps2() { &[InputType::Mouse, InputType::Keyboard][..] } else { &[] };
        kinds.iter().copied().filter(missing).map(builtin).collect()
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
        El::new("input").attr("type", self.kind).attr_opt("bus", self.bus)
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        let ps2 = self.kind != InputType::Tablet && head.os.arch.is_some_and(ostler_base::Arch::is_x86);
        self.bus.get_or_insert(if ps2 { InputBus::Ps2 } else { InputBus::Usb });
        Ok(())
    }

    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if self.bus == Some(InputBus::Ps2) && self.kind == InputType::Tablet {
            refuse!(internal, "ps2 bus does not support {} input device", self.kind);
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.bus == Some(InputBus::Virtio) { Slot::Pcie } else { Slot::None }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("input{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let driver = match (self.bus, self.kind) {
            (Some(InputBus::Usb), InputType::Mouse) => "usb-mouse",
            (Some(InputBus::Usb), InputType::Tablet) => "usb-tablet",
            (Some(InputBus::Usb), InputType::Keyboard) => "usb-kbd",
            (Some(InputBus::Virtio), InputType::Mouse) => "virtio-mouse-pci",
            (Some(InputBus::Virtio), InputType::Tablet) => "virtio-tablet-pci",
            (Some(InputBus::Virtio), InputType::Keyboard) => "virtio-keyboard-pci",
            (Some(InputBus::Ps2) | None, _) => return Ok(()),
        };
        let mut props = Props::new().with("driver", driver).with("id", self.info.alias());
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
