//! What a card has while its guest runs: a port of a network and a device of the host.
//!
//! Owns: where that stands in the document. Never: makes any of it.

use ostler_base::{Result, Uuid};
use ostler_xml::{El, Element};

use super::source::{DirectMode, HostCard, InterfaceType};

/// Names of devices that a host makes for a run.
const OWN_NAMES: &[&str] = &["vnet", "macvtap", "macvlan"];

/// Whether the name of a device is of our own making, and belongs to a run.
pub(super) fn is_own_name(name: &str) -> bool {
    OWN_NAMES.iter().any(|prefix| name.starts_with(prefix))
}

/// What a card has while its guest runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardRun {
    /// Its port in the network that it names.
    pub port: Option<Uuid>,
    /// What the network plugged it into.
    pub plugged: Option<Plugged>,
    /// Whether the host cannot move the packets in its kernel, and nobody insists.
    pub without_vhost: bool,
}

/// What a network plugs a card into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugged {
    /// A bridge.
    Bridge(String),
    /// A device of the host.
    Direct {
        /// Its name.
        device: String,
        /// How it treats its neighbours.
        mode: DirectMode,
    },
    /// A device of the host for this guest alone.
    Hostdev(HostCard),
}

impl CardRun {
    pub(super) fn parse(kind: InterfaceType, el: &Element<'_>) -> Result<Self> {
        let Some(source) = el.child("source").filter(|_| kind == InterfaceType::Network) else {
            return Ok(CardRun::default());
        };
        let bridge = source.attr("bridge").map(|bridge| Plugged::Bridge(bridge.to_owned()));
        let direct = match (source.attr("dev"), source.word("mode")?) {
            (Some(device), Some(mode)) => Some(Plugged::Direct { device: device.to_owned(), mode }),
            _ => None,
        };
        Ok(CardRun {
            port: source.attr("portid").and_then(Uuid::parse),
            plugged: bridge.or(direct),
            without_vhost: false,
        })
    }

    pub(super) fn write(&self, source: &mut El) {
        source.set_opt("portid", self.port);
        match &self.plugged {
            Some(Plugged::Bridge(bridge)) => source.set("bridge", bridge),
            Some(Plugged::Direct { device, mode }) => {
                source.set("dev", device);
                source.set("mode", mode);
            }
            Some(Plugged::Hostdev(_)) | None => {}
        }
    }
}

/// `<filterref>`: the packet filter of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRef {
    /// `filter`
    pub name: String,
    /// `<parameter>`: name and value, by name.
    pub parameters: Vec<(String, String)>,
}

impl FilterRef {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let parameter = |el: Element<'_>| Some((el.attr("name")?.to_owned(), el.attr("value")?.to_owned()));
        let mut parameters: Vec<_> = el.children("parameter").filter_map(parameter).collect();
        parameters.sort_by(|a: &(String, String), b| a.0.cmp(&b.0));
        Ok(FilterRef { name: el.require("filter")?.to_owned(), parameters })
    }

    pub(super) fn format(&self) -> El {
        let mut el = El::new("filterref").attr("filter", &self.name);
        el.extend(
            self.parameters
                .iter()
                .map(|(name, value)| El::new("parameter").attr("name", name).attr("value", value)),
        );
        el
    }
}
