//! What all devices have: `<alias>`, `<address>`, `<boot order>`.

use ostler_base::{Error, Result};
use ostler_plan::Props;
use ostler_vocab::address::{Address, OrdOnOff, PciAddress};
use ostler_xml::{El, Element};

use super::Build;
use crate::{ReadMode, WriteMode};

/// Alias, address and boot order of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// `<alias name=…>`: the device's identifier in the emulator. One that begins with `ua-` is the
    /// user's own and part of the definition; any other belongs to a run.
    pub alias: Option<String>,
    /// `<address>`
    pub address: Option<Address>,
    /// `<boot order=…>`, from 1.
    pub boot: Option<u32>,
    /// The place in the boot order that follows from this and from `<os><boot dev=…>`.
    pub boot_index: Option<u32>,
}

impl Info {
    pub(crate) fn parse(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let alias = el.child("alias").map(|a| a.require("name")).transpose()?;
        let user = |alias: &&str| alias.starts_with("ua-");
        let address = match el.child("address") {
            Some(address) if address.attr("type").is_some() => Address::parse(&address)?,
            _ => None,
        };
        let boot = match el.child("boot") {
            Some(boot) => Some(boot.nonzero("order")?.ok_or_else(|| boot.missing("order"))?),
            None => None,
        };
        Ok(Info {
            alias: alias.filter(|a| mode.live || user(a)).map(str::to_owned),
            address: address.filter(|a| !matches!(a, Address::Pci(pci) if pci.is_empty())),
            boot,
            boot_index: None,
        })
    }

    pub(crate) fn format(&self, el: &mut El, mode: &WriteMode) {
        el.extend(self.boot.map(|order| El::new("boot").attr("order", order)));
        let alias = self.alias.as_deref().filter(|alias| !mode.inactive || alias.starts_with("ua-"));
        el.extend(alias.map(|alias| El::new("alias").attr("name", alias)));
        el.extend(self.address.as_ref().map(Address::format));
    }

    /// The alias, which every device has once a run is planned.
    pub fn alias(&self) -> &str {
        self.alias.as_deref().unwrap_or_default()
    }

    /// The PCI address, if it is one.
    pub fn pci(&self) -> Option<PciAddress> {
        match self.address {
            Some(Address::Pci(pci)) => Some(pci),
            _ => None,
        }
    }

    /// Adds `bus`, `multifunction` and `addr` for a PCI address.
    pub fn bus_props(&self, build: &Build<'_>, props: &mut Props) -> Result<()> {
        let Some(pci) = self.pci() else { return Ok(()) };
        props.set("bus", pci_bus(build, pci)?);
        match pci.multifunction {
            Some(OrdOnOff::On) => props.set("multifunction", true),
            Some(OrdOnOff::Off) | None => {}
        }
        props.set("addr", pci_place(pci));
        Ok(())
    }
}

/// The name of the bus that an address is on.
fn pci_bus(build: &Build<'_>, pci: PciAddress) -> Result<String> {
    let bus = build.draft.devices.controllers.iter().find(|c| c.is_pci_bus(pci.bus));
    let bus =
        bus.ok_or_else(|| Error::internal(format!("Could not find PCI controller with index {}", pci.bus)))?;
    Ok(bus.bus_name())
}

/// `0xSLOT` or `0xSLOT.0xFUNCTION`.
fn pci_place(pci: PciAddress) -> String {
    match pci.function {
        0 => format!("0x{:x}", pci.slot),
        function => format!("0x{:x}.0x{function:x}", pci.slot),
    }
}
