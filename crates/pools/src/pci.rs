//! Addresses of PCI functions of the host.
//!
//! Owns: their attributes and text forms. Never: looks at a bus.

use std::fmt;

use ostler_base::{Origin, Result};
use ostler_xml::{El, Element};

/// A PCI function of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PciAddress {
    /// Segment; more than 16 bits behind some bridges.
    pub domain: u32,
    /// Bus, 0 to 255.
    pub bus: u8,
    /// Device, 0 to 31.
    pub slot: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// Reads the attributes `domain`, `bus`, `slot` and `function`, decimal or hexadecimal; what
    /// is missing is 0.
    pub(crate) fn parse(el: &Element<'_>) -> Result<Self> {
        let bounded = |name: &str, most: u8, limit: &str| -> Result<u8> {
            let value = el.number_in::<u32>(name, 0)?.unwrap_or(0);
            u8::try_from(value).ok().filter(|v| *v <= most).ok_or_else(|| {
                el.fault(format!("Invalid PCI address {name}='0x{value:x}', must be <= {limit}"))
                    .from_origin(Origin::None)
            })
        };
        Ok(PciAddress {
            domain: el.number_in("domain", 0)?.unwrap_or(0),
            bus: bounded("bus", 0xff, "0xFF")?,
            slot: bounded("slot", 0x1f, "0x1F")?,
            function: bounded("function", 7, "7")?,
        })
    }

    /// Adds the four attributes.
    pub(crate) fn write(&self, el: &mut El) {
        el.set("domain", format_args!("0x{:04x}", self.domain));
        el.set("bus", format_args!("0x{:02x}", self.bus));
        el.set("slot", format_args!("0x{:02x}", self.slot));
        el.set("function", format_args!("0x{:x}", self.function));
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.slot, self.function)
    }
}
