//! `<panic>`: how a guest says that it crashed.

use ostler_base::{Result, refuse, words};
use ostler_plan::{Part, Props};
use ostler_vocab::address::{Address, IsaAddress};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<panic model='…'>`
    pub PanicModel { Isa = "isa", Pseries = "pseries", Hyperv = "hyperv", S390 = "s390", Pvpanic = "pvpanic" }
}

/// A panic notifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// `model`; the machine's own where absent.
    pub model: Option<PanicModel>,
    info: Info,
}

impl Kind for Panic {
    const ELEMENT: &'static str = "panic";

    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Panic { model: el.word("model")?, info: Info::default() })
    }

    fn implied(devices: &super::Devices, head: &Head, _setting: &Setting<'_>) -> Vec<Self> {
        let machine = crate::machine::of(&head.os);
        let builtin = machine.builtin_panic().filter(|_| devices.panics.is_empty());
        builtin.map(|model| Panic { model: Some(model), info: Info::default() }).into_iter().collect()
    }
}

impl Panic {
    /// Whether it is the crash registers of Hyper-V.
    pub(crate) fn is_hyperv(&self) -> bool {
        self.model == Some(PanicModel::Hyperv)
    }
}

impl Device for Panic {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        El::new("panic").attr_opt("model", self.model)
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        if self.model.is_none() {
            let x86 = head.os.arch.is_some_and(ostler_base::Arch::is_x86);
            let machine = crate::machine::of(&head.os);
            self.model = machine.default_panic().or(x86.then_some(PanicModel::Isa));
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        let x86 = draft.head.os.arch.is_some_and(ostler_base::Arch::is_x86);
        match self.model {
            Some(PanicModel::Isa) if !x86 => {
                refuse!(
                    unsupported,
                    "panic device of model 'isa' is only supported for i686 and x86_64 guests"
                )
            }
            Some(PanicModel::Isa) if !matches!(self.info.address, None | Some(Address::Isa(_))) => {
                refuse!(unsupported, "panic address type doesn't match panic model 'isa'")
            }
            Some(PanicModel::Hyperv) if !x86 => {
                refuse!(unsupported, "only i686 and x86_64 guests support panic device of model 'hyperv'")
            }
            Some(PanicModel::Pseries | PanicModel::S390)
                if self.info.address.is_some() || self.info.wants_pci =>
            {
                let model = self.model.map(|m| m.to_string()).unwrap_or_default();
                refuse!(unsupported, "setting the panic device address is not supported for model '{model}'")
            }
            Some(PanicModel::Pseries | PanicModel::S390) if x86 => {
                let model = self.model.map(|m| m.to_string()).unwrap_or_default();
                refuse!(unsupported, "panic device of model '{model}' is not supported for this guest")
            }
            _ => Ok(()),
        }
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.model == Some(PanicModel::Pvpanic) { Slot::Root } else { Slot::None }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        match self.model {
            // The firmware of the machine.
            Some(PanicModel::Pseries | PanicModel::S390) => String::new(),
            _ => format!("panic{nth}"),
        }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        match self.model {
            Some(PanicModel::Isa) => {
                let mut props = Props::new().with("driver", "pvpanic");
                if let Some(Address::Isa(IsaAddress { iobase, .. })) = self.info.address {
                    props.set_opt("ioport", iobase);
                }
                build.parts.push(Part::Device(props));
            }
            Some(PanicModel::Pvpanic) => {
                let mut props = Props::new().with("driver", "pvpanic-pci");
                self.info.bus_props(build, &mut props)?;
                build.parts.push(Part::Device(props));
            }
            // Enlightenment of the CPU or a part of the firmware: no device.
            Some(PanicModel::Hyperv | PanicModel::Pseries | PanicModel::S390) | None => {}
        }
        Ok(())
    }
}
