//! `<controller>`: buses that other devices sit on.

use ostler_base::{Arch, Error, Result, Word, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::machine::{self, Machine};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<controller type='…'>`
    pub ControllerType {
        Ide = "ide", Fdc = "fdc", Scsi = "scsi", Sata = "sata", VirtioSerial = "virtio-serial",
        Usb = "usb", Pci = "pci",
    }
    /// `<controller type='pci' model='…'>`
    pub PciModel {
        PciRoot = "pci-root", PcieRoot = "pcie-root", PciBridge = "pci-bridge",
        DmiToPciBridge = "dmi-to-pci-bridge", PcieToPciBridge = "pcie-to-pci-bridge",
        PcieRootPort = "pcie-root-port",
    }
}

/// A bus controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// `type`
    pub kind: ControllerType,
    /// `index`; found where absent.
    pub index: Option<u32>,
    /// `model`
    pub model: Option<String>,
    /// `<model name=…>` of PCI controllers: the emulator's device.
    pub model_name: Option<String>,
    /// `<target chassis=…>`
    pub chassis: Option<u32>,
    /// `<target port=…>`
    pub port: Option<u32>,
    /// `<target chassisNr=…>`
    pub chassis_nr: Option<u32>,
    info: Info,
}

impl Controller {
    /// A controller that is there without being asked for.
    pub(crate) fn unasked(kind: ControllerType, index: u32, model: Option<&str>) -> Self {
        Controller {
            kind,
            index: Some(index),
            model: model.map(str::to_owned),
            model_name: None,
            chassis: None,
            port: None,
            chassis_nr: None,
            info: Info::default(),
        }
    }

    /// The PCI model, of PCI controllers.
    pub(crate) fn pci_model(&self) -> Option<PciModel> {
        self.model.as_deref().filter(|_| self.kind == ControllerType::Pci).and_then(PciModel::parse)
    }

    /// Whether it is the PCI bus of a number.
    pub(crate) fn is_pci_bus(&self, bus: u8) -> bool {
        self.kind == ControllerType::Pci && self.index == Some(u32::from(bus))
    }

    /// The name of the bus that it makes.
    pub(crate) fn bus_name(&self) -> String {
        let alias = self.info.alias();
        match (self.kind, self.pci_model()) {
            (ControllerType::Pci, _) => alias.to_owned(),
            _ => format!("{alias}.0"),
        }
    }

    /// Whether the machine itself has it, so that it is no part of the command line.
    fn is_builtin(&self, head: &Head) -> bool {
        let index = self.index.unwrap_or(0);
        match self.kind {
            ControllerType::Pci => matches!(self.pci_model(), Some(PciModel::PciRoot | PciModel::PcieRoot)),
            ControllerType::Fdc => true,
            ControllerType::Ide => index == 0 && machine::of(&head.os).builtin_ide(),
            ControllerType::Sata => index == 0 && machine::of(&head.os).builtin_sata(),
            _ => false,
        }
    }

    fn driver(&self) -> Result<&'static str> {
        Ok(match self.kind {
            ControllerType::Usb => match self.model.as_deref() {
                None | Some("piix3-uhci") => "piix3-usb-uhci",
                Some("piix4-uhci") => "piix4-usb-uhci",
                Some("ehci") => "usb-ehci",
                Some("nec-xhci") => "nec-usb-xhci",
                Some("qemu-xhci") => "qemu-xhci",
                Some(other) => {
                    return Err(Error::unsupported(format!("{other} not supported in this QEMU binary")));
                }
            },
            ControllerType::Sata => "ahci",
            ControllerType::VirtioSerial => "virtio-serial-pci",
            ControllerType::Scsi => "virtio-scsi-pci",
            ControllerType::Pci => match self.pci_model() {
                Some(PciModel::PcieRootPort) => "pcie-root-port",
                Some(PciModel::PciBridge) => "pci-bridge",
                Some(PciModel::DmiToPciBridge) => "i82801b11-bridge",
                Some(PciModel::PcieToPciBridge) => "pcie-pci-bridge",
                Some(PciModel::PciRoot | PciModel::PcieRoot) | None => {
                    return Err(Error::internal("the root of the PCI buses is no device"));
                }
            },
            ControllerType::Ide => {
                return Err(Error::unsupported(
                    "Only a single IDE controller is supported for this machine type",
                ));
            }
            ControllerType::Fdc => {
                return Err(Error::unsupported(
                    "Only a single FDC controller is supported for this machine type",
                ));
            }
        })
    }
}

impl Kind for Controller {
    const ELEMENT: &'static str = "controller";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target = el.child("target");
        let of_target = |name: &str, radix: u32| -> Result<Option<u32>> {
            target.map(|t| t.number_in(name, radix)).transpose().map(Option::flatten)
        };
        Ok(Controller {
            kind: el.require_word("type")?,
            index: el.number("index")?,
            model: el.attr("model").map(str::to_owned),
            model_name: el.child("model").and_then(|m| m.attr("name")).map(str::to_owned),
            chassis: of_target("chassis", 0)?,
            port: of_target("port", 0)?,
            chassis_nr: of_target("chassisNr", 0)?,
            info: Info::default(),
        })
    }

    fn implied(named: &[Self], _head: &Head, machine: &dyn Machine) -> Vec<Self> {
        let none = |kind| !named.iter().any(|c| c.kind == kind);
        let root_there = named.iter().any(|c| c.kind == ControllerType::Pci && c.index.unwrap_or(0) == 0);
        let mut out = Vec::new();
        if machine.default_usb() && none(ControllerType::Usb) {
            out.push(Controller::unasked(ControllerType::Usb, 0, None));
        }
        if machine.builtin_sata() && none(ControllerType::Sata) {
            out.push(Controller::unasked(ControllerType::Sata, 0, None));
        }
        if let Some(root) = machine.pci_root().filter(|_| !root_there) {
            out.push(Controller::unasked(ControllerType::Pci, 0, Some(root.as_str())));
        }
        out
    }
}

impl Device for Controller {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("controller")
            .attr("type", self.kind)
            .attr("index", self.index.unwrap_or(0))
            .attr_opt("model", self.model.as_ref());
        el.extend(self.model_name.as_ref().map(|name| El::new("model").attr("name", name)));
        let target = El::new("target")
            .attr_opt("chassisNr", self.chassis_nr)
            .attr_opt("chassis", self.chassis)
            .attr_opt("port", self.port.map(|port| format!("0x{port:x}")));
        el.push_filled(target);
        el
    }

    fn complete(&mut self, head: &Head, _setting: &Setting<'_>) -> Result<()> {
        let x86 = head.os.arch.is_some_and(Arch::is_x86);
        if self.kind == ControllerType::Usb && self.model.is_none() && x86 {
            self.model = Some("piix3-uhci".to_owned());
        }
        if self.kind == ControllerType::Scsi && self.model.is_none() {
            self.model = Some("virtio-scsi".to_owned());
        }
        if self.kind == ControllerType::Pci && self.model.is_none() {
            return Err(Error::xml("PCI controller model is required"));
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if !self.is_builtin(&draft.head) && self.model.as_deref() != Some("none") {
            self.driver()?;
        }
        Ok(())
    }

    fn slot(&self, draft: &Draft) -> Slot {
        if self.is_builtin(&draft.head) {
            return Slot::None;
        }
        match (self.kind, self.model.as_deref()) {
            (_, Some("none")) | (ControllerType::Pci | ControllerType::Ide | ControllerType::Fdc, _) => {
                Slot::None
            }
            (ControllerType::VirtioSerial | ControllerType::Scsi, _)
            | (ControllerType::Usb, Some("nec-xhci" | "qemu-xhci")) => Slot::Pcie,
            (ControllerType::Usb | ControllerType::Sata, _) => Slot::Pci,
        }
    }

    fn alias(&self, _nth: usize, head: &Head) -> String {
        let index = self.index.unwrap_or(0);
        match (self.kind, self.pci_model()) {
            (ControllerType::Pci, Some(PciModel::PcieRoot)) => "pcie.0".to_owned(),
            (ControllerType::Pci, _) => format!("pci.{index}"),
            (ControllerType::Ide | ControllerType::Sata, _) if self.is_builtin(head) => "ide".to_owned(),
            (ControllerType::Usb, _) if index == 0 => "usb".to_owned(),
            (kind, _) => format!("{kind}{index}"),
        }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if self.is_builtin(&build.draft.head) || self.model.as_deref() == Some("none") {
            return Ok(());
        }
        let mut props = Props::new().with("driver", self.driver()?);
        if self.pci_model() == Some(PciModel::PcieRootPort) {
            props.set_opt("port", self.port);
            props.set_opt("chassis", self.chassis);
        }
        if self.pci_model() == Some(PciModel::PciBridge) {
            props.set_opt("chassis_nr", self.chassis_nr);
        }
        props.set("id", self.info.alias());
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
