//! What the driver of a card is told: `<driver>`, `<teaming>`.

use ostler_base::{Error, OnOff, Result, words};
use ostler_xml::{El, Element};

words! {
    /// `<teaming type='…'>`
    pub TeamingType { Persistent = "persistent", Transient = "transient" }
    /// `<link state='…'>`
    pub LinkState { Up = "up", Down = "down" }
    /// `<driver name='…'>`: who moves the packets.
    pub CardBackend { Qemu = "qemu", Vhost = "vhost" }
    /// `<driver txmode='…'>`
    pub TxMode { Iothread = "iothread", Timer = "timer" }
}

/// `<driver>` of network cards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardDriver {
    /// `name`
    pub name: Option<CardBackend>,
    /// `txmode`
    pub tx_mode: Option<TxMode>,
    /// On/off switches by their attribute.
    pub switches: Vec<(&'static str, OnOff)>,
    /// Numbers by their attribute.
    pub numbers: Vec<(&'static str, u32)>,
    /// `<host>` and `<guest>`: offloads, by side and attribute.
    pub offloads: Vec<(&'static str, &'static str, OnOff)>,
}

const SWITCHES: &[&str] = &["ioeventfd", "event_idx"];
const NUMBERS: &[&str] = &["queues", "rx_queue_size", "tx_queue_size"];
const RSS: &[&str] = &["rss", "rss_hash_report"];
const OFFLOADS: &[(&str, &[&str])] = &[
    ("host", &["csum", "gso", "tso4", "tso6", "ecn", "ufo", "mrg_rxbuf"]),
    ("guest", &["csum", "tso4", "tso6", "ecn", "ufo"]),
];

impl CardDriver {
    pub(super) fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(driver) = el else { return Ok(Self::default()) };
        let mut out =
            CardDriver { name: driver.word("name")?, tx_mode: driver.word("txmode")?, ..Self::default() };
        for name in SWITCHES.iter().chain(RSS) {
            out.switches.extend(driver.on_off(name)?.map(|value| (*name, value)));
        }
        for name in NUMBERS {
            let value = driver.nonzero(name)?.filter(|value| *name != "queues" || *value > 1);
            out.numbers.extend(value.map(|value| (*name, value)));
        }
        for (side, names) in OFFLOADS {
            let Some(child) = driver.child(side) else { continue };
            for name in *names {
                out.offloads.extend(child.on_off(name)?.map(|value| (*side, *name, value)));
            }
        }
        Ok(out)
    }

    pub(super) fn format(&self) -> El {
        let mut el = El::new("driver").attr_opt("name", self.name).attr_opt("txmode", self.tx_mode);
        let (rss, plain): (Vec<_>, Vec<_>) = self.switches.iter().partition(|(name, _)| RSS.contains(name));
        for (name, value) in plain {
            el.set(name, value);
        }
        for (name, value) in &self.numbers {
            el.set(*name, value);
        }
        for (name, value) in rss {
            el.set(name, value);
        }
        for (side, _) in OFFLOADS {
            let mut child = El::new(*side);
            for (_, name, value) in self.offloads.iter().filter(|(of, ..)| of == side) {
                child.set(*name, value);
            }
            el.push_filled(child);
        }
        el
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// A switch as the emulator takes it.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.switches.iter().find(|(n, _)| *n == name).map(|(_, value)| value.is_true())
    }
}

/// `<teaming>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teaming {
    /// `type`
    pub kind: TeamingType,
    /// `persistent`: alias of the other card.
    pub persistent: Option<String>,
}

impl Teaming {
    pub(crate) fn parse(parent: &Element<'_>) -> Result<Option<Self>> {
        let Some(el) = parent.child("teaming") else { return Ok(None) };
        let kind = el.require_word("type")?;
        let persistent = el.attr("persistent").map(str::to_owned);
        if kind == TeamingType::Transient && persistent.is_none() {
            return Err(Error::xml("missing required persistent attribute in <teaming type='transient'>"));
        }
        if kind == TeamingType::Persistent && persistent.is_some() {
            return Err(Error::xml("persistent attribute not allowed in <teaming type='persistent'>"));
        }
        Ok(Some(Teaming { kind, persistent }))
    }

    pub(crate) fn format(&self) -> El {
        El::new("teaming").attr("type", self.kind).attr_opt("persistent", self.persistent.as_ref())
    }
}
