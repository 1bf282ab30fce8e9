//! `<hub>`: more USB ports.

use ostler_base::{Result, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<hub type='…'>`
    pub HubType { Usb = "usb" }
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// `type`
    pub kind: HubType,
    info: Info,
}

impl Default for Hub {
    fn default() -> Self {
        Hub { kind: HubType::Usb, info: Info::default() }
    }
}

impl Kind for Hub {
    const ELEMENT: &'static str = "hub";

    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Hub { kind: el.require_word("type")?, info: Info::default() })
    }
}

impl Device for Hub {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        El::new("hub").attr("type", self.kind)
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if draft.devices.has_no_usb() {
            refuse!(unsupported, "Can't add USB hub: USB is disabled for this domain");
        }
        Ok(())
    }

    fn usb_turn(&self) -> Option<u8> {
        Some(0)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("hub{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let mut props = Props::new().with("driver", "usb-hub").with("id", self.info.alias());
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
