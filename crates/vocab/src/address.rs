//! `<address …/>`: where a device sits.

use std::fmt;

use ostler_base::{Error, OnOff, Result};
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
    /// `type='ccw'`
    Ccw(CcwAddress),
    /// `type='dimm'`
    Dimm {
        /// Slot of the memory device.
        slot: Option<u32>,
        /// Where it is mapped.
        base: Option<u64>,
    },
    /// `type='unassigned'`: part of the definition, not of the guest.
    Unassigned,
}

/// A device of a channel subsystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CcwAddress {
    /// Channel subsystem, 0 to 0xfe; virtual devices sit on 0xfe.
    pub cssid: u8,
    /// Subchannel set, 0 to 3.
    pub ssid: u8,
    /// Device number.
    pub devno: u16,
}

impl fmt::Display for CcwAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:04x}", self.cssid, self.ssid, self.devno)
    }
}

/// `<zpci uid= fid=/>`: what a PCI function is called on s390.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Zpci {
    /// User identifier, 1 to 0xffff.
    pub uid: Option<u16>,
    /// Function identifier.
    pub fid: Option<u32>,
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
    /// `<zpci>`
    pub zpci: Option<Zpci>,
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
        PciAddress { domain: 0, bus, slot, function, multifunction: None, zpci: None }
    }

    /// Reads `DOMAIN:BUS:SLOT.FUNCTION`, all hexadecimal.
    pub fn parse_text(text: &str) -> Option<Self> {
        let (domain, rest) = text.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        let small = |text: &str| u8::from_str_radix(text, 16).ok();
        Some(PciAddress {
            domain: u16::from_str_radix(domain, 16).ok()?,
            ..PciAddress::new(
                small(bus)?,
                small(slot).filter(|s| *s < 32)?,
                small(function).filter(|f| *f < 8)?,
            )
        })
    }

    /// Whether it names a place: all zero means that one has to be found.
    pub fn is_empty(&self) -> bool {
        (self.domain, self.bus, self.slot, self.function) == (0, 0, 0, 0)
    }

    /// Reads `DDDD:BB:SS.F`, all hexadecimal.
    pub fn from_text(text: &str) -> Option<Self> {
        let (domain, rest) = text.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (slot, function) = rest.split_once('.')?;
        let byte = |text: &str, most: u8| u8::from_str_radix(text, 16).ok().filter(|value| *value <= most);
        let domain = u16::from_str_radix(domain, 16).ok()?;
        let (bus, slot, function) = (byte(bus, u8::MAX)?, byte(slot, 0x1f)?, byte(function, 7)?);
        Some(PciAddress { domain, ..PciAddress::new(bus, slot, function) })
    }

    /// Reads the attributes of an `<address type='pci'>`; without a bus or slot the address is empty.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let bounded = |name: &str, most: u32| -> Result<u32> {
            let value = el.number_in::<u32>(name, 0)?.unwrap_or(0);
            if value <= most {
                return Ok(value);
            }
            Err(match name {
                "function" => {
                    el.fault(format!("Invalid PCI address function=0x{value:x}, must be <= {most}"))
                }
                "bus" => {
                    el.fault(format!("Invalid PCI address bus='0x{value:02x}', must be <= 0x{most:02X}"))
                }
                _ => el.fault(format!("Invalid PCI address {name}='0x{value:x}', must be <= 0x{most:x}")),
            })
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
            zpci: el.child("zpci").map(|z| Zpci::parse(&z)).transpose()?,
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PciAddress { domain, bus, slot, function, .. } = self;
        write!(f, "{domain:04x}:{bus:02x}:{slot:02x}.{function}")
    }
}

impl Zpci {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let uid = match el.number_in::<u32>("uid", 16)? {
            Some(uid) => Some(u16::try_from(uid).ok().filter(|uid| *uid > 0).ok_or_else(|| {
                el.fault(format!("Invalid PCI address uid='0x{uid:04x}', must be > 0x0000 and <= 0xffff"))
            })?),
            None => None,
        };
        Ok(Zpci { uid, fid: el.number_in("fid", 16)? })
    }

    fn format(self) -> El {
        El::new("zpci")
            .attr_opt("uid", self.uid.map(|uid| format!("0x{uid:04x}")))
            .attr_opt("fid", self.fid.map(|fid| format!("0x{fid:08x}")))
    }
}

impl CcwAddress {
    /// The first place of the virtual channel subsystem with this device number.
    pub fn virtual_device(devno: u16) -> Self {
        CcwAddress { cssid: 0xfe, ssid: 0, devno }
    }

    /// `None` where no part of the address is said.
    fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let part = |name: &str| el.number_in::<u32>(name, 0);
        let (cssid, ssid, devno) = (part("cssid")?, part("ssid")?, part("devno")?);
        let (Some(cssid), Some(ssid), Some(devno)) = (cssid, ssid, devno) else {
            if cssid.or(ssid).or(devno).is_some() {
                return Err(el.fault("Invalid partial specification for virtio ccw address"));
            }
            return Ok(None);
        };
        let fault = || {
            el.fault(format!("Invalid specification for virtio ccw address: cssid='0x{cssid:x}' ssid='0x{ssid:x}' devno='0x{devno:04x}'"))
        };
        let cssid = u8::try_from(cssid).ok().filter(|c| *c <= 0xfe).ok_or_else(fault)?;
        let ssid = u8::try_from(ssid).ok().filter(|s| *s <= 3).ok_or_else(fault)?;
        let devno = u16::try_from(devno).map_err(|_| fault())?;
        Ok(Some(CcwAddress { cssid, ssid, devno }))
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
            "ccw" => return Ok(CcwAddress::parse(el)?.map(Address::Ccw)),
            "dimm" => Address::Dimm { slot: el.number_in("slot", 0)?, base: el.number_in("base", 16)? },
            "unassigned" => Address::Unassigned,
            other => return Err(el.fault(format!("unknown address type '{other}'"))),
        }))
    }

    /// The element.
    pub fn format(&self) -> El {
        let el = |kind: &str| El::new("address").attr("type", kind);
        match self {
            Address::Pci(pci) => {
                let mut out = el("pci")
                    .attr("domain", format_args!("0x{:04x}", pci.domain))
                    .attr("bus", format_args!("0x{:02x}", pci.bus))
                    .attr("slot", format_args!("0x{:02x}", pci.slot))
                    .attr("function", format_args!("0x{:x}", pci.function))
                    .attr_opt("multifunction", pci.multifunction);
                out.extend(pci.zpci.map(Zpci::format));
                out
            }
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
            Address::Ccw(ccw) => el("ccw")
                .attr("cssid", format_args!("0x{:x}", ccw.cssid))
                .attr("ssid", format_args!("0x{:x}", ccw.ssid))
                .attr("devno", format_args!("0x{:04x}", ccw.devno)),
            Address::Dimm { slot, base } => {
                el("dimm").attr_opt("slot", *slot).attr_opt("base", base.map(|base| format!("0x{base:x}")))
            }
            Address::Unassigned => el("unassigned"),
        }
    }
}

fn usb_port(el: &Element<'_>) -> Result<Vec<u8>> {
    let Some(text) = el.attr("port") else { return Ok(Vec::new()) };
    let ports: Option<Vec<u8>> = text.split('.').map(|p| p.parse().ok()).collect();
    ports
        .filter(|ports| ports.len() <= 4)
        .ok_or_else(|| Error::internal("Cannot parse <address> 'port' attribute"))
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
