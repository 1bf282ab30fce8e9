//! `<bandwidth>`: traffic shaping of a port or a network.
//!
//! Owns: rates and their limits. Never: knows queueing disciplines.

use ostler_base::{Code, Error, Origin, Result};
use ostler_xml::{El, Element};

/// Highest average, peak and floor, in KiB a second: what still fits in bytes.
const MAX_SPEED: u64 = u64::MAX / 1024 + 1;
/// Highest burst, in KiB.
const MAX_BURST: u64 = (u32::MAX >> 10) as u64;

/// Which parts of `<bandwidth>` have a meaning where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandwidthUse {
    /// Averages, peaks and bursts.
    Plain,
    /// A guaranteed floor as well.
    WithFloor,
    /// A floor and the class that a running network gave it.
    WithFloorAndClass,
}

/// `<inbound>` or `<outbound>`; 0 stands for absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// KiB a second on average.
    pub average: u64,
    /// KiB a second at most.
    pub peak: u64,
    /// KiB a second that are guaranteed.
    pub floor: u64,
    /// KiB that may be sent at peak speed.
    pub burst: u64,
}

/// `<bandwidth>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// The class of a running port.
    pub class_id: Option<u32>,
    /// To the guest.
    pub inbound: Option<Rate>,
    /// From the guest.
    pub outbound: Option<Rate>,
}

impl Bandwidth {
    /// Reads it.
    pub fn parse(el: &Element<'_>, place: BandwidthUse) -> Result<Self> {
        let class_id = el.nonzero::<u32>("classID")?;
        if class_id.is_some() && place != BandwidthUse::WithFloorAndClass {
            return Err(detail("classID attribute not supported on <bandwidth> in this usage context"));
        }
        let floor = place != BandwidthUse::Plain;
        let inbound = el.child("inbound").map(|rate| Rate::parse(&rate, floor)).transpose()?;
        let outbound = el.child("outbound").map(|rate| Rate::parse(&rate, false)).transpose()?;
        Ok(Bandwidth { class_id, inbound, outbound })
    }

    /// Writes it.
    pub fn to_el(&self) -> El {
        let mut el = El::new("bandwidth").attr_opt("classID", self.class_id);
        for (name, rate) in [("inbound", &self.inbound), ("outbound", &self.outbound)] {
            if let Some(rate) = rate {
                el.push_filled(rate.to_el(name));
            }
        }
        el
    }
}

impl Rate {
    fn parse(el: &Element<'_>, may_have_floor: bool) -> Result<Self> {
        let average = limited(el, "average", MAX_SPEED)?;
        let floor = limited(el, "floor", MAX_SPEED)?;
        let peak = limited(el, "peak", MAX_SPEED)?;
        let burst = limited(el, "burst", MAX_BURST)?;
        if average.is_none() && floor.is_none() {
            return Err(detail("Missing mandatory average or floor attributes"));
        }
        if (peak.is_some() || burst.is_some()) && average.is_none() {
            return Err(unsupported("'peak' and 'burst' require 'average' attribute"));
        }
        if floor.is_some() && !may_have_floor {
            return Err(unsupported("floor attribute is not supported for this config"));
        }
        let or_zero = Option::unwrap_or_default;
        Ok(Rate {
            average: or_zero(average),
            peak: or_zero(peak),
            floor: or_zero(floor),
            burst: or_zero(burst),
        })
    }

    fn to_el(self, name: &'static str) -> El {
        let mut el = El::new(name);
        if self.average == 0 && self.floor == 0 {
            return el;
        }
        for (name, value) in
            [("average", self.average), ("peak", self.peak), ("floor", self.floor), ("burst", self.burst)]
        {
            if value != 0 {
                el.set(name, value);
            }
        }
        el
    }
}

fn limited(el: &Element<'_>, name: &str, limit: u64) -> Result<Option<u64>> {
    match el.number::<u64>(name)? {
        Some(value) if value > limit => Err(Error::new(
            Code::Overflow,
            Origin::None,
            format!("value '{value}' is too big for '{name}' parameter, maximum is '{limit}'"),
        )
        .at(el.position())),
        value => Ok(value),
    }
}

fn detail(words: &str) -> Error {
    Error::new(Code::XmlDetail, Origin::None, words)
}

fn unsupported(words: &str) -> Error {
    Error::unsupported(words).from_origin(Origin::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    fn read(text: &str, place: BandwidthUse) -> Result<Bandwidth> {
        Bandwidth::parse(&Document::parse(text, "test")?.root(), place)
    }

    #[test]
    fn rates() {
        let text = "<bandwidth classID='7'><inbound average='1' peak='2' floor='3' burst='4'/><outbound \
                    average='0' peak='5'/></bandwidth>";
        let read = read(text, BandwidthUse::WithFloorAndClass).unwrap();
        assert_eq!(
            read.to_el().to_xml(),
            "<bandwidth classID='7'>\n  <inbound average='1' peak='2' floor='3' burst='4'/>\n</bandwidth>\n"
        );
    }

    #[test]
    fn refusals() {
        for (inside, words) in [
            ("<inbound/>", "Missing mandatory average or floor attributes"),
            (
                "<inbound floor='1'/>",
                "unsupported configuration: floor attribute is not supported for this config",
            ),
            (
                "<inbound floor='1' peak='2'/>",
                "unsupported configuration: 'peak' and 'burst' require 'average' attribute",
            ),
            (
                "<inbound average='1' burst='4194304'/>",
                "numerical overflow: value '4194304' is too big for 'burst' parameter, maximum is '4194303'",
            ),
        ] {
            let error = read(&format!("<bandwidth>{inside}</bandwidth>"), BandwidthUse::Plain).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
        assert!(read("<bandwidth classID='1'/>", BandwidthUse::WithFloor).is_err());
    }
}
