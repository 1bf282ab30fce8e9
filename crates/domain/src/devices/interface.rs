//! `<interface>`: network cards. User mode networking for now.

use ostler_base::{Error, MacAddr, Result, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::machine;
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<interface type='…'>`
    pub InterfaceType { User = "user" }
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `type`
    pub kind: InterfaceType,
    /// `<mac address=…>`; made up where absent.
    pub mac: Option<MacAddr>,
    /// `<model type=…>`: `virtio` or a card that the emulator knows; the machine's own where absent.
    pub model: Option<String>,
    info: Info,
}

impl Kind for Interface {
    const ELEMENT: &'static str = "interface";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let mac = match el.child("mac").map(|m| m.require("address")).transpose()? {
            Some(text) => {
                let mac = MacAddr::parse(text)
                    .ok_or_else(|| Error::xml(format!("unable to parse mac address '{text}'")))?;
                if mac.is_multicast() {
                    refuse!(xml, "expected unicast mac address, found multicast '{text}'");
                }
                Some(mac)
            }
            None => None,
        };
        let model = el.child("model").and_then(|m| m.attr("type")).map(str::to_owned);
        Ok(Interface { kind: el.require_word("type")?, mac, model, info: Info::default() })
    }
}

impl Device for Interface {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("interface").attr("type", self.kind);
        el.extend(self.mac.map(|mac| El::new("mac").attr("address", mac)));
        el.extend(self.model.as_ref().map(|model| El::new("model").attr("type", model)));
        el
    }

    fn complete(&mut self, head: &Head, setting: &Setting<'_>) -> Result<()> {
        self.mac.get_or_insert_with(|| setting.entropy.mac());
        if self.model.is_none() {
            self.model = machine::of(&head.os).default_network_card(setting).map(str::to_owned);
        }
        Ok(())
    }

    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match &self.model {
            Some(model) if !model.chars().all(known) => {
                Err(Error::xml("Model name contains invalid characters"))
            }
            _ => Ok(()),
        }
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match self.model.as_deref() {
            Some("virtio" | "virtio-non-transitional" | "e1000e" | "igb") => Slot::Pcie,
            _ => Slot::Pci,
        }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("net{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let backend = format!("host{alias}");
        build.parts.push(Part::Netdev(Props::new().with("type", "user").with("id", backend.as_str())));
        let driver = match self.model.as_deref() {
            None => return Ok(()),
            Some("virtio") => "virtio-net-pci".to_owned(),
            Some("virtio-transitional") => "virtio-net-pci-transitional".to_owned(),
            Some("virtio-non-transitional") => "virtio-net-pci-non-transitional".to_owned(),
            Some(card) => card.to_owned(),
        };
        let mut props = Props::new()
            .with("driver", driver)
            .with("netdev", backend)
            .with("id", alias)
            .with("mac", self.mac.unwrap_or_default().to_string());
        props.set_opt("bootindex", self.info.boot_index);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
