//! `<smartcard>`: card readers.

use ostler_base::{Result, refuse, words};
use ostler_plan::{Part, Props, Resource};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::{Build, Device, Info, Kind};
use crate::{Head, Setting, WriteMode};

words! {
    /// `<smartcard mode='…'>`
    pub SmartcardMode { Host = "host", HostCertificates = "host-certificates", Passthrough = "passthrough" }
}

/// Where the card is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Card {
    /// In a reader of the host.
    Host,
    /// Made of three certificates of a database.
    Certificates {
        /// `<certificate>`, three.
        names: Vec<String>,
        /// `<database>`
        database: Option<String>,
    },
    /// Elsewhere.
    Passthrough(CharDevice),
}

/// A card reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smartcard {
    /// Where the card is.
    pub card: Card,
    info: Info,
}

/// The database where a definition names none.
const DATABASE: &str = "/etc/pki/nssdb";

impl Kind for Smartcard {
    const ELEMENT: &'static str = "smartcard";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let card = match el.require_word("mode")? {
            SmartcardMode::Host => Card::Host,
            SmartcardMode::Passthrough => Card::Passthrough(CharDevice::parse(el)?),
            SmartcardMode::HostCertificates => {
                let names: Vec<String> = el.children("certificate").map(|c| c.text()).collect();
                if names.len() != 3 {
                    refuse!(xml, "host-certificates mode needs exactly three certificates");
                }
                let database = el.child_text("database");
                if let Some(path) = database.as_ref().filter(|path| !path.starts_with('/')) {
                    refuse!(xml, "expecting absolute path: {path}");
                }
                Card::Certificates { names, database }
            }
        };
        Ok(Smartcard { card, info: Info::default() })
    }
}

impl Device for Smartcard {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        match &self.card {
            Card::Host => El::new("smartcard").attr("mode", SmartcardMode::Host),
            Card::Certificates { names, database } => {
                let mut el = El::new("smartcard").attr("mode", SmartcardMode::HostCertificates);
                el.extend(names.iter().map(|name| El::with_text("certificate", name)));
                el.push_text("database", database.as_ref());
                el
            }
            Card::Passthrough(device) => {
                let mut el = El::new("smartcard")
                    .attr("mode", SmartcardMode::Passthrough)
                    .attr("type", device.source.kind());
                device.format_into(&mut el, mode);
                el
            }
        }
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        self.info.address.get_or_insert(Address::Ccid { controller: 0, slot: 0 });
        Ok(())
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("smartcard{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let mut props = match &self.card {
            Card::Host => Props::new().with("driver", "ccid-card-emulated").with("backend", "nss-emulated"),
            Card::Certificates { names, database } => {
                let mut props =
                    Props::new().with("driver", "ccid-card-emulated").with("backend", "certificates");
                for (nth, name) in names.iter().enumerate() {
                    props.set(&format!("cert{}", nth + 1), name.as_str());
                }
                props.with("db", database.as_deref().unwrap_or(DATABASE))
            }
            Card::Passthrough(device) => {
                let chardev = device.add_backend(alias, Port::Serial, "smartcard", build)?;
                Props::new().with("driver", "ccid-card-passthru").with("chardev", chardev)
            }
        };
        props.set("id", alias);
        if let Some(Address::Ccid { controller, .. }) = self.info.address {
            props.set("bus", format!("ccid{controller}.0"));
        }
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        if let Card::Passthrough(device) = &self.card {
            device.resources(out);
        }
    }
}
