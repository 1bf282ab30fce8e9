//! `<watchdog>`: acts when the guest no longer moves.

use ostler_base::{Arch, Result, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<watchdog model='…'>`
    pub WatchdogModel { I6300esb = "i6300esb", Ib700 = "ib700", Diag288 = "diag288", Itco = "itco" }
    /// `<watchdog action='…'>`
    pub WatchdogAction {
        Reset = "reset", Shutdown = "shutdown", Poweroff = "poweroff", Pause = "pause", Dump = "dump",
        None = "none", InjectNmi = "inject-nmi",
    }
}

/// A watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// `model`
    pub model: WatchdogModel,
    /// `action`; the same for all watchdogs of a guest.
    pub action: WatchdogAction,
    info: Info,
}

impl Kind for Watchdog {
    const ELEMENT: &'static str = "watchdog";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        let action = el.word("action")?.unwrap_or(WatchdogAction::Reset);
        Ok(Watchdog { model: el.require_word("model")?, action, info: Info::default() })
    }

    fn implied(devices: &super::Devices, head: &Head, _setting: &Setting<'_>) -> Vec<Self> {
        let machine = crate::machine::of(&head.os);
        let named = &devices.watchdogs;
        let there = named.iter().any(|w| w.model == WatchdogModel::Itco);
        let action = named.first().map_or(WatchdogAction::Reset, |w| w.action);
        let itco = Watchdog { model: WatchdogModel::Itco, action, info: Info::default() };
        if machine.builtin_tco() && !there { vec![itco] } else { Vec::new() }
    }
}

impl Device for Watchdog {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        El::new("watchdog").attr("model", self.model).attr("action", self.action)
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        let watchdogs = &draft.devices.watchdogs;
        if watchdogs.iter().any(|w| w.action != self.action) {
            refuse!(xml, "all watchdogs must have the same 'action' value");
        }
        let same = watchdogs.iter().filter(|w| w.model == self.model).count();
        let (model, s390) = (self.model, draft.head.os.arch.is_some_and(Arch::is_s390));
        match model {
            WatchdogModel::Diag288 if !s390 => {
                refuse!(unsupported, "{model} is only supported on s390 guests")
            }
            WatchdogModel::Itco if !crate::machine::of(&draft.head.os).builtin_tco() => {
                refuse!(unsupported, "{model} model of watchdog is only part of q35 machine")
            }
            WatchdogModel::I6300esb if s390 => {
                refuse!(unsupported, "{model} model of watchdog can go only on PCI bus")
            }
            WatchdogModel::I6300esb => Ok(()),
            _ if same > 1 => refuse!(unsupported, "only one watchdog of model '{model}' is supported"),
            _ => Ok(()),
        }
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.model == WatchdogModel::I6300esb { Slot::Pci } else { Slot::None }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("watchdog{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if self.model == WatchdogModel::Itco {
            build.parts.push(Part::plain("-global", "ICH9-LPC.noreboot=off"));
        } else {
            let mut props = Props::new().with("driver", self.model.to_string()).with("id", self.info.alias());
            self.info.bus_props(build, &mut props)?;
            build.parts.push(Part::Device(props));
        }
        // One action for all of them, said once.
        if build.draft.devices.watchdogs.last().is_some_and(|last| last.info.alias == self.info.alias) {
            let action = match self.action {
                // The daemon dumps the paused guest.
                WatchdogAction::Dump => WatchdogAction::Pause,
                other => other,
            };
            build.parts.push(Part::plain("-watchdog-action", action.to_string()));
        }
        Ok(())
    }

    fn absent(&self) -> String {
        "watchdog device not present in domain configuration".to_owned()
    }
}
