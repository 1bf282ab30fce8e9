//! `<address …/>`: where a device sits.

use std::fmt;

use ostler_base::{OnOff, Result};
use ostler_xml::{El, Element};

/// Where a device sits on its bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `type='pci'`
    Pci(PciAddress),
    /// `type='drive'`
    Drive(DriveAddress),
    /// `type='usb'`
    Usb(UsbAddress),
    /// `type='virtio-serial'`
    VirtioSerial(VirtioSerialAddress),
    /// `type='isa'`
    Isa(IsaAddress),
    /// `type='ccid'`
    Ccid {
        /// Controller index.
        controller: u32,
        /// Slot on it.
        slot: u32,
    },
    /// `type='spapr-vio'`: the register, once it is assigned.
    SpaprVio(Option<u64>),
    /// `type='virtio-mmio'`
    VirtioMmio,
}

/// Function of a device on a PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PciAddress {
    /// 0 to 0xffff; guests have domain 0 only.
    pub domain: u16,
    /// Index of the PCI controller.
    pub bus: u8,
    /// 0 to 0x1f.
    pub slot: u8,
    /// 0 to 7.
    pub function: u8,
    /// Whether other functions share the slot (function 0 says so).
    pub multifunction: Option<Multifunction>,
}

/// `multifunction='on|off'`.
pub type Multifunction = OrdOnOff;

/// [`OnOff`] with an order, so that addresses can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrdOnOff {
    /// `on`
    On,
    /// `off`
    Off,
}

impl From<OnOff> for OrdOnOff {
    fn from(value: OnOff) -> Self {
        if value.is_true() { OrdOnOff::On } else { OrdOnOff::Off }
    }
}

impl fmt::Display for OrdOnOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == OrdOnOff::On { "on" } else { "off" })
    }
}

/// A unit on a disk controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DriveAddress {
    /// Controller index.
    pub controller: u32,
    /// Bus (channel) on it.
    pub bus: u32,
    /// Target on the bus.
    pub target: u32,
    /// Unit of the target.
    pub unit: u32,
}

/// A port on a USB bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UsbAddress {
    /// Index of the controller.
    pub bus: u32,
    /// Port numbers from the root on, each 1 to 255; empty: any.
    pub port: Vec<u8>,
}

/// A port of a virtio serial controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct VirtioSerialAddress {
    /// Controller index.
    pub controller: u32,
    /// Bus on it.
    pub bus: u32,
    /// Port on the bus; 0: any.
    pub port: u32,
}

/// ISA resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct IsaAddress {
    /// First port.
    pub iobase: Option<u32>,
    /// Interrupt.
    pub irq: Option<u32>,
}

impl PciAddress {
    /// An address without the multifunction flag.
    pub fn new(bus: u8, slot: u8, function: u8) -> Self {
        PciAddress { domain: 0, bus, slot, function, multifunction: None }
    }

    /// Whether it names a place: all zero means that one has to be found.
    pub fn is_empty(&self) -> bool {
        (self.domain, self.bus, self.slot, self.function) == (0, 0, 0, 0)
    }

    /// Reads the attributes of an `<address type='pci'>`; without a bus or slot the address is empty.
    fn parse(el: &Element<'_>) -> Result<Self> {
        let bounded = |name: &str, most: u32| -> Result<u32> {
            let value = el.number_in::<u32>(name, 0)?.unwrap_or(0);
            if value > most {
                return Err(
                    el.fault(format!("Invalid PCI address {name}='0x{value:02x}', must be <= 0x{most:02x}"))
                );
            }
            Ok(value)
        };
        let (domain, bus) = (bounded("domain", 0xffff)?, bounded("bus", 0xff)?);
        let (slot, function) = (bounded("slot", 0x1f)?, bounded("function", 7)?);
        let narrow = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        Ok(PciAddress {
            domain: u16::try_from(domain).unwrap_or(u16::MAX),
            bus: narrow(bus),
            slot: narrow(slot),
            function: narrow(function),
            multifunction: el.on_off("multifunction")?.map(Into::into),
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PciAddress { domain, bus, slot, function, .. } = self;
        write!(f, "{domain:04x}:{bus:02x}:{slot:02x}.{function}")
    }
}

impl UsbAddress {
    /// The port as it is written: numbers joined by dots.
    pub fn port_text(&self) -> String {
        self.port.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
    }
}

impl Address {
    /// Reads `<address type='…'>`; `None` for a type of other places (they have readers of their own).
    pub fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let number = |name: &str| -> Result<u32> { Ok(el.number::<u32>(name)?.unwrap_or(0)) };
        Ok(Some(match el.require("type")? {
            "pci" => Address::Pci(PciAddress::parse(el)?),
            "drive" => Address::Drive(DriveAddress {
                controller: number("controller")?,
                bus: number("bus")?,
                target: number("target")?,
                unit: number("unit")?,
            }),
            "usb" => Address::Usb(UsbAddress { bus: number("bus")?, port: usb_port(el)? }),
            "virtio-serial" => Address::VirtioSerial(VirtioSerialAddress {
                controller: number("controller")?,
                bus: number("bus")?,
                port: number("port")?,
            }),
            "isa" => Address::Isa(IsaAddress {
                iobase: el.number_in("iobase", 16)?,
                irq: el.number_in("irq", 16)?,
            }),
            "ccid" => Address::Ccid { controller: number("controller")?, slot: number("slot")? },
            "spapr-vio" => Address::SpaprVio(el.number_in("reg", 16)?),
            "virtio-mmio" => Address::VirtioMmio,
            other => return Err(el.fault(format!("unknown address type '{other}'"))),
        }))
    }

    /// The element.
    pub fn format(&self) -> El {
        let el = |kind: &str| El::new("address").attr("type", kind);
        match self {
            Address::Pci(pci) => el("pci")
                .attr("domain", format_args!("0x{:04x}", pci.domain))
                .attr("bus", format_args!("0x{:02x}", pci.bus))
                .attr("slot", format_args!("0x{:02x}", pci.slot))
                .attr("function", format_args!("0x{:x}", pci.function))
                .attr_opt("multifunction", pci.multifunction),
            Address::Drive(drive) => el("drive")
                .attr("controller", drive.controller)
                .attr("bus", drive.bus)
                .attr("target", drive.target)
                .attr("unit", drive.unit),
            Address::Usb(usb) => {
                let port = (!usb.port.is_empty()).then(|| usb.port_text());
                el("usb").attr("bus", usb.bus).attr_opt("port", port)
            }
            Address::VirtioSerial(serial) => el("virtio-serial")
                .attr("controller", serial.controller)
                .attr("bus", serial.bus)
                .attr("port", serial.port),
            Address::Isa(isa) => el("isa")
                .attr_opt("iobase", isa.iobase.map(|base| format!("0x{base:x}")))
                .attr_opt("irq", isa.irq.map(|irq| format!("0x{irq:x}"))),
            Address::Ccid { controller, slot } => {
                el("ccid").attr("controller", controller).attr("slot", slot)
            }
            Address::SpaprVio(reg) => el("spapr-vio").attr_opt("reg", reg.map(|reg| format!("0x{reg:08x}"))),
            Address::VirtioMmio => el("virtio-mmio"),
        }
    }
}

fn usb_port(el: &Element<'_>) -> Result<Vec<u8>> {
    let Some(text) = el.attr("port") else { return Ok(Vec::new()) };
    let ports: Option<Vec<u8>> = text.split('.').map(|p| p.parse().ok()).collect();
    ports.filter(|ports| ports.len() <= 7).ok_or_else(|| el.fault("Cannot parse <address> 'port' attribute"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    fn round(text: &str) -> String {
        let document = Document::parse(text, "t").unwrap();
        Address::parse(&document.root()).unwrap().unwrap().format().to_xml()
    }

    #[test]
    fn forms() {
        for text in [
            "<address type='pci' domain='0x0000' bus='0x01' slot='0x1f' function='0x2' multifunction='on'/>\n",
            "<address type='drive' controller='0' bus='1' target='0' unit='1'/>\n",
            "<address type='usb' bus='0' port='1.2'/>\n",
            "<address type='isa' iobase='0x505'/>\n",
        ] {
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn out_of_range() {
        let document = Document::parse("<address type='pci' slot='0x20'/>", "t").unwrap();
        let error = Address::parse(&document.root()).unwrap_err();
        assert_eq!(error.to_string(), "XML error: Invalid PCI address slot='0x20', must be <= 0x1f");
    }
}
