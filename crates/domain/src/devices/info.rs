//! What all devices have: `<alias>`, `<address>`, `<boot order>`, `<rom>`, `<acpi>`, `<master>`.

use ostler_base::{Error, OnOff, Result, YesNo};
use ostler_caps::emulator::Flag;
use ostler_plan::Props;
use ostler_vocab::address::{Address, OrdOnOff, PciAddress, UsbAddress, Zpci};
use ostler_xml::{El, Element};

use super::Build;
use super::controller::ControllerType;
use crate::{ReadMode, WriteMode};

/// Alias, address and boot order of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// `<alias name=…>`: the device's identifier in the emulator. One that begins with `ua-` is the
    /// user's own and part of the definition; any other belongs to a run.
    pub alias: Option<String>,
    /// `<address>`
    pub address: Option<Address>,
    /// The definition asks for a PCI address and leaves to us which.
    pub wants_pci: bool,
    /// What the function of such an address is called on s390, as far as it is said.
    pub zpci: Option<Zpci>,
    /// `<boot order=…>`, from 1.
    pub boot: Option<u32>,
    /// `<boot loadparm=…>`: what the boot loader of an s390 guest is told.
    pub loadparm: Option<String>,
    /// The place in the boot order that follows from this and from `<os><boot dev=…>`.
    pub boot_index: Option<u32>,
    /// `<rom>`: the option ROM of a PCI function.
    pub rom: Rom,
    /// `<acpi index=…>`: the number that the guest's names of cards follow.
    pub acpi_index: Option<u32>,
    /// `<master startport=…>`: first port of the USB controller that this is a companion of.
    pub master_port: Option<u32>,
}

/// `<rom>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rom {
    /// `enabled`
    pub enabled: Option<YesNo>,
    /// `bar`: whether the guest sees it.
    pub bar: Option<OnOff>,
    /// `file`
    pub file: Option<String>,
}

impl Rom {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Rom {
            enabled: el.yes_no("enabled")?,
            bar: el.on_off("bar")?,
            file: el.attr("file").map(str::to_owned),
        })
    }

    fn format(&self) -> El {
        El::new("rom")
            .attr_opt("enabled", self.enabled)
            .attr_opt("bar", self.bar)
            .attr_opt("file", self.file.as_ref())
    }
}

impl Info {
    pub(crate) fn parse(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let alias = el.child("alias").map(|a| a.require("name")).transpose()?;
        let user = |alias: &&str| alias.starts_with("ua-");
        let address = match el.child("address") {
            Some(address) if address.attr("type").is_some() => Address::parse(&address)?,
            _ => None,
        };
        let boot = el.child("boot");
        let order = match boot {
            Some(boot) => Some(boot.nonzero("order")?.ok_or_else(|| boot.missing("order"))?),
            None => None,
        };
        let loadparm = boot.and_then(|b| b.attr("loadparm")).map(str::to_uppercase);
        if let Some(text) = &loadparm {
            check_loadparm(text)?;
        }
        let empty = matches!(&address, Some(Address::Pci(pci)) if pci.is_empty());
        let zpci = match &address {
            Some(Address::Pci(pci)) => pci.zpci,
            _ => None,
        };
        Ok(Info {
            alias: alias.filter(|a| mode.live || user(a)).map(str::to_owned),
            address: address.filter(|_| !empty),
            wants_pci: empty,
            zpci,
            boot: order,
            loadparm,
            boot_index: None,
            rom: el.child("rom").map(|r| Rom::parse(&r)).transpose()?.unwrap_or_default(),
            acpi_index: el
                .child("acpi")
                .map(|a| a.number("index"))
                .transpose()?
                .flatten()
                .filter(|i| *i != 0),
            master_port: el.child("master").map(|m| m.number("startport")).transpose()?.flatten(),
        })
    }

    pub(crate) fn format(&self, el: &mut El, mode: &WriteMode) {
        el.extend(
            self.boot.map(|order| {
                El::new("boot").attr("order", order).attr_opt("loadparm", self.loadparm.as_ref())
            }),
        );
        let alias = self.alias.as_deref().filter(|alias| !mode.inactive || alias.starts_with("ua-"));
        el.extend(alias.map(|alias| El::new("alias").attr("name", alias)));
        el.extend(self.master_port.map(|port| El::new("master").attr("startport", port)));
        el.push_filled(self.rom.format());
        el.extend(self.acpi_index.map(|index| El::new("acpi").attr("index", index)));
        match &self.address {
            Some(address) => el.push(address.format()),
            None if self.wants_pci => el.push(El::new("address").attr("type", "pci")),
            None => {}
        }
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

    /// The `type` of the address as an error says it.
    pub(crate) fn address_type(&self) -> &'static str {
        match &self.address {
            None => "none",
            Some(Address::Pci(_)) => "pci",
            Some(Address::Drive(_)) => "drive",
            Some(Address::Usb(_)) => "usb",
            Some(Address::VirtioSerial(_)) => "virtio-serial",
            Some(Address::Isa(_)) => "isa",
            Some(Address::Ccid { .. }) => "ccid",
            Some(Address::SpaprVio(_)) => "spapr-vio",
            Some(Address::VirtioMmio) => "virtio-mmio",
            Some(Address::Ccw(_)) => "ccw",
            Some(Address::Dimm { .. }) => "dimm",
            Some(Address::Unassigned) => "unassigned",
        }
    }

    /// Adds what says where the device sits.
    pub fn bus_props(&self, build: &mut Build<'_>, props: &mut Props) -> Result<()> {
        match &self.address {
            Some(Address::Pci(pci)) => {
                self.zpci_part(build, *pci);
                props.set("bus", pci_bus(build, *pci)?);
                props.set_opt("multifunction", pci.multifunction.map(|m| m == OrdOnOff::On));
                props.set("addr", pci_place(*pci));
                props.set_opt("acpi-index", self.acpi_index);
                self.rom_props(props);
            }
            Some(Address::Ccw(ccw)) => {
                props.set("devno", ccw.to_string());
                let knows = build.setting.has(Flag::VirtioCcwLoadparm);
                props.set_opt("loadparm", self.loadparm.as_deref().filter(|_| knows));
            }
            Some(Address::Usb(usb)) => usb_props(build, usb, props)?,
            Some(Address::SpaprVio(reg)) => props.set_opt("reg", *reg),
            Some(Address::Isa(isa)) => {
                props.set_opt("iobase", isa.iobase);
                props.set_opt("irq", isa.irq);
            }
            Some(Address::VirtioSerial(port)) => {
                let bus = serial_controller(build, ControllerType::VirtioSerial, port.controller);
                props.set("bus", format!("{bus}.{}", port.bus));
                props.set("nr", port.port);
            }
            Some(Address::Ccid { controller, slot }) => {
                let bus = serial_controller(build, ControllerType::Ccid, *controller);
                props.set("bus", format!("{bus}.0"));
                props.set("slot", *slot);
            }
            Some(Address::Drive(_) | Address::VirtioMmio | Address::Dimm { .. } | Address::Unassigned)
            | None => {}
        }
        Ok(())
    }

    /// The device that says what a function is called on s390; it comes before the function.
    fn zpci_part(&self, build: &mut Build<'_>, pci: PciAddress) {
        let Some(Zpci { uid: Some(uid), fid: Some(fid) }) = pci.zpci else { return };
        let props = Props::new()
            .with("driver", "zpci")
            .with("uid", uid)
            .with("fid", fid)
            .with("target", self.alias())
            .with("id", format!("zpci{uid}"));
        build.parts.push(ostler_plan::Part::Device(props));
    }

    fn rom_props(&self, props: &mut Props) {
        if self.rom.enabled == Some(YesNo::No) {
            props.set("romfile", "");
            return;
        }
        props.set_opt("rombar", self.rom.bar.map(|bar| u8::from(bar.is_true())));
        props.set_opt("romfile", self.rom.file.as_deref());
    }
}

/// At most eight letters, digits, dots and blanks.
fn check_loadparm(text: &str) -> Result<()> {
    if text.is_empty() || text.len() > 8 {
        return Err(Error::internal(format!("loadparm value '{text}' must be between 1 and 8 characters"))
            .from_origin(ostler_base::Origin::Domain));
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == ' ') {
        return Err(Error::internal(format!(
            "invalid loadparm value '{text}', expecting chars in set of [a-zA-Z0-9.] and blank spaces"
        ))
        .from_origin(ostler_base::Origin::Domain));
    }
    Ok(())
}

/// The alias of a controller, also where nobody made it.
fn serial_controller(build: &Build<'_>, kind: ControllerType, index: u32) -> String {
    let same = |c: &&super::controller::Controller| c.kind == kind && c.index.unwrap_or(0) == index;
    let found = build.draft.devices.controllers.iter().find(same).map(|c| c.info_alias().to_owned());
    found.filter(|alias| !alias.is_empty()).unwrap_or_else(|| format!("{kind}{index}"))
}

/// The name of the bus that an address is on.
fn pci_bus(build: &Build<'_>, pci: PciAddress) -> Result<String> {
    let bus = build.draft.devices.controllers.iter().find(|c| c.is_pci_bus(pci.bus));
    let bus =
        bus.ok_or_else(|| Error::internal(format!("Could not find PCI controller with index {}", pci.bus)))?;
    Ok(bus.bus_name())
}

/// The bus of a USB controller and the port on it.
fn usb_props(build: &Build<'_>, usb: &UsbAddress, props: &mut Props) -> Result<()> {
    let controllers = &build.draft.devices.controllers;
    let bus = controllers
        .iter()
        .find(|c| c.kind == ControllerType::Usb && c.index == Some(usb.bus))
        .ok_or_else(|| Error::internal(format!("could not find usb controller with index {}", usb.bus)))?;
    props.set("bus", bus.bus_name());
    props.set_opt("port", (!usb.port.is_empty()).then(|| usb.port_text()));
    Ok(())
}

/// `0xSLOT` or `0xSLOT.0xFUNCTION`.
fn pci_place(pci: PciAddress) -> String {
    match pci.function {
        0 => format!("0x{:x}", pci.slot),
        function => format!("0x{:x}.0x{function:x}", pci.slot),
    }
}
