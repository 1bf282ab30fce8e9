//! `<controller>`: buses that other devices sit on.

mod qemu;
mod rules;

use ostler_base::{Error, OnOff, Result, Word, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::machine::{self, AddedUsb};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<controller type='…'>`
    pub ControllerType {
        Ide = "ide", Fdc = "fdc", Scsi = "scsi", Sata = "sata", VirtioSerial = "virtio-serial",
        Ccid = "ccid", Usb = "usb", Pci = "pci", Isa = "isa",
    }
    /// `<controller type='pci' model='…'>`
    pub PciModel {
        PciRoot = "pci-root", PcieRoot = "pcie-root", PciBridge = "pci-bridge",
        DmiToPciBridge = "dmi-to-pci-bridge", PcieToPciBridge = "pcie-to-pci-bridge",
        PcieRootPort = "pcie-root-port", PcieSwitchUpstreamPort = "pcie-switch-upstream-port",
        PcieSwitchDownstreamPort = "pcie-switch-downstream-port", PciExpanderBus = "pci-expander-bus",
        PcieExpanderBus = "pcie-expander-bus",
    }
}

/// USB controllers: model, the emulator's device, ports of the bus it makes (none for companions).
const USB_MODELS: &[(&str, &str, Option<u32>)] = &[
    ("piix3-uhci", "piix3-usb-uhci", Some(2)),
    ("piix4-uhci", "piix4-usb-uhci", Some(2)),
    ("ehci", "usb-ehci", Some(6)),
    ("ich9-ehci1", "ich9-usb-ehci1", Some(6)),
    ("ich9-uhci1", "ich9-usb-uhci1", None),
    ("ich9-uhci2", "ich9-usb-uhci2", None),
    ("ich9-uhci3", "ich9-usb-uhci3", None),
    ("vt82c686b-uhci", "vt82c686b-usb-uhci", Some(2)),
    ("pci-ohci", "pci-ohci", Some(3)),
    ("nec-xhci", "nec-usb-xhci", Some(4)),
    ("qemu-xhci", "qemu-xhci", Some(4)),
];

/// SCSI controllers that are no virtio devices: model and the emulator's device.
const SCSI_MODELS: &[(&str, &str)] = &[
    ("lsilogic", "lsi"),
    ("lsisas1068", "mptsas1068"),
    ("lsisas1078", "megasas"),
    ("vmpvscsi", "pvscsi"),
    ("ibmvscsi", "spapr-vscsi"),
    ("am53c974", "am53c974"),
    ("dc390", "dc-390"),
];

/// What the driver of a controller is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControllerDriver {
    /// `queues`
    pub queues: Option<u32>,
    /// `cmd_per_lun`
    pub cmd_per_lun: Option<u32>,
    /// `max_sectors`
    pub max_sectors: Option<u32>,
    /// `ioeventfd`
    pub ioeventfd: Option<OnOff>,
    /// `iothread`
    pub iothread: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
}

impl ControllerDriver {
    fn parse(el: Option<Element<'_>>) -> Result<Self> {
        let Some(driver) = el else { return Ok(Self::default()) };
        Ok(ControllerDriver {
            queues: driver.number("queues")?,
            cmd_per_lun: driver.number("cmd_per_lun")?,
            max_sectors: driver.number("max_sectors")?,
            ioeventfd: driver.on_off("ioeventfd")?,
            iothread: driver.nonzero("iothread")?,
            virtio: VirtioOptions::parse(Some(driver))?,
        })
    }

    fn format(&self) -> El {
        let mut el = El::new("driver")
            .attr_opt("queues", self.queues)
            .attr_opt("cmd_per_lun", self.cmd_per_lun)
            .attr_opt("max_sectors", self.max_sectors)
            .attr_opt("ioeventfd", self.ioeventfd)
            .attr_opt("iothread", self.iothread);
        self.virtio.write(&mut el);
        el
    }
}

/// `<target>` of PCI controllers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PciTarget {
    /// `chassisNr`
    pub chassis_nr: Option<u32>,
    /// `chassis`
    pub chassis: Option<u32>,
    /// `port`
    pub port: Option<u32>,
    /// `busNr`
    pub bus_nr: Option<u32>,
    /// `index`: number of a host bridge.
    pub index: Option<u32>,
    /// `hotplug`
    pub hotplug: Option<OnOff>,
    /// `memReserve`, KiB.
    pub mem_reserve: Option<u64>,
    /// `<node>`
    pub node: Option<u32>,
}

impl PciTarget {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(target) = el.child("target") else { return Ok(Self::default()) };
        let of = |name: &str, most: u32| -> Result<Option<u32>> {
            match target.number_in::<u32>(name, 0)? {
                Some(value) if value > most => Err(Error::xml(format!(
                    "PCI controller {name} '{value}' out of range - must be 0-{most}"
                ))),
                other => Ok(other),
            }
        };
        let node = target.child_text("node").map(|text| text.parse::<u32>());
        Ok(PciTarget {
            chassis_nr: of("chassisNr", 255)?,
            chassis: of("chassis", 255)?,
            port: of("port", 255)?,
            bus_nr: of("busNr", 254)?,
            index: of("index", u32::MAX)?,
            hotplug: target.on_off("hotplug")?,
            mem_reserve: target.number("memReserve")?,
            node: node.transpose().map_err(|_| Error::xml("Invalid target node number in PCI controller"))?,
        })
    }

    fn format(&self) -> El {
        let mut el = El::new("target")
            .attr_opt("chassisNr", self.chassis_nr)
            .attr_opt("chassis", self.chassis)
            .attr_opt("port", self.port.map(|port| format!("0x{port:x}")))
            .attr_opt("busNr", self.bus_nr)
            .attr_opt("index", self.index)
            .attr_opt("hotplug", self.hotplug)
            .attr_opt("memReserve", self.mem_reserve);
        el.push_text("node", self.node);
        el
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
    /// `ports` of USB and virtio serial controllers.
    pub ports: Option<u32>,
    /// `vectors` of virtio serial controllers.
    pub vectors: Option<u32>,
    /// `<driver>`
    pub driver: ControllerDriver,
    /// `<model name=…>` of PCI controllers: the emulator's device.
    pub model_name: Option<String>,
    /// `<target>`
    pub target: PciTarget,
    /// `<pcihole64>`: size of the 64-bit window of a root, KiB.
    pub pcihole64: Option<u64>,
    info: Info,
}

impl Controller {
    /// A controller that is there without being asked for.
    pub(crate) fn unasked(kind: ControllerType, index: u32, model: Option<&str>) -> Self {
        Controller {
            kind,
            index: Some(index),
            model: model.map(str::to_owned),
            ports: None,
            vectors: None,
            driver: ControllerDriver::default(),
            model_name: None,
            target: PciTarget::default(),
            pcihole64: None,
            info: Info::default(),
        }
    }

    /// Its alias, once it has one.
    pub(crate) fn info_alias(&self) -> &str {
        self.info.alias()
    }

    /// The PCI model, of PCI controllers.
    pub(crate) fn pci_model(&self) -> Option<PciModel> {
        self.model.as_deref().filter(|_| self.kind == ControllerType::Pci).and_then(PciModel::parse)
    }

    /// Whether it is the PCI bus of a number.
    pub(crate) fn is_pci_bus(&self, bus: u8) -> bool {
        self.kind == ControllerType::Pci && self.index == Some(u32::from(bus))
    }

    /// Whether it adds to the USB controller of the same number.
    pub(crate) fn is_companion(&self) -> bool {
        self.info.master_port.is_some() || self.companion_function().is_some_and(|function| function != 7)
    }

    /// Whether the board's own place is meant for it.
    pub(crate) fn is_own(&self) -> bool {
        self.kind != ControllerType::Usb || matches!(self.model.as_deref(), None | Some("piix3-uhci"))
    }

    /// What an error calls the board's own controller of its type.
    pub(crate) fn own_name(&self) -> &'static str {
        match self.kind {
            ControllerType::Ide => "Primary IDE controller",
            ControllerType::Sata => "Primary SATA controller",
            _ => "PIIX3 USB controller at index 0",
        }
    }

    /// The function that a controller of an ICH9 set has in the slot of the set.
    pub(crate) fn companion_function(&self) -> Option<u8> {
        match self.model.as_deref()? {
            "ich9-uhci1" => Some(0),
            "ich9-uhci2" => Some(1),
            "ich9-uhci3" => Some(2),
            "ich9-ehci1" => Some(7),
            _ => None,
        }
    }

    fn usb_model(&self) -> Option<&'static (&'static str, &'static str, Option<u32>)> {
        let model = self.model.as_deref().filter(|_| self.kind == ControllerType::Usb)?;
        USB_MODELS.iter().find(|(name, ..)| *name == model)
    }

    /// Ports of the USB bus that it makes.
    pub(crate) fn usb_ports(&self) -> Option<u32> {
        let ports = self.usb_model()?.2?;
        Some(self.ports.unwrap_or(ports))
    }

    /// What the names of its buses begin with: the machine's own controllers do not take aliases.
    pub(crate) fn bus_alias(&self, head: &Head) -> &str {
        let disks = matches!(self.kind, ControllerType::Ide | ControllerType::Sata);
        if disks && self.is_builtin(head) { "ide" } else { self.info.alias() }
    }

    /// The name of the bus that it makes.
    pub(crate) fn bus_name(&self) -> String {
        let alias = self.info.alias();
        let index = self.index.unwrap_or(0);
        match (self.kind, self.pci_model()) {
            // The machine's own bus has the machine's name for it.
            (ControllerType::Pci, Some(PciModel::PciRoot)) if index == 0 && alias.starts_with("ua-") => {
                "pci.0".to_owned()
            }
            (ControllerType::Pci, Some(PciModel::PcieRoot)) if alias.starts_with("ua-") => {
                "pcie.0".to_owned()
            }
            (ControllerType::Pci, Some(PciModel::PciRoot)) if index > 0 => format!("{alias}.0"),
            (ControllerType::Pci, _) => alias.to_owned(),
            _ => format!("{alias}.0"),
        }
    }

    /// Whether the machine itself has it, so that it is no part of the command line.
    fn is_builtin(&self, head: &Head) -> bool {
        let index = self.index.unwrap_or(0);
        match self.kind {
            ControllerType::Pci => match self.pci_model() {
                Some(PciModel::PciRoot) => index == 0,
                Some(PciModel::PcieRoot) => true,
                _ => false,
            },
            ControllerType::Fdc | ControllerType::Isa => true,
            ControllerType::Ide => index == 0 && machine::of(&head.os).builtin_ide(),
            ControllerType::Sata => index == 0 && machine::of(&head.os).builtin_sata(),
            ControllerType::Scsi => self.model.as_deref() == Some("ncr53c90"),
            _ => false,
        }
    }

    /// Whether it is a SCSI controller without channels and units.
    pub(crate) fn is_narrow_scsi(&self) -> bool {
        self.kind == ControllerType::Scsi && self.model.as_deref() == Some("lsilogic")
    }

    fn virtio_model(&self) -> Option<VirtioModel> {
        match (self.kind, self.model.as_deref()) {
            (ControllerType::Scsi, Some("virtio-scsi")) => Some(VirtioModel::Plain),
            (ControllerType::VirtioSerial, None) => Some(VirtioModel::Plain),
            (ControllerType::Scsi | ControllerType::VirtioSerial, Some(model)) => VirtioModel::parse(model),
            _ => None,
        }
    }
}

impl PciModel {
    /// The emulator's device where the definition names none.
    pub(crate) fn default_device(self) -> Option<&'static str> {
        Some(match self {
            PciModel::PcieRootPort => "pcie-root-port",
            PciModel::PciBridge => "pci-bridge",
            PciModel::DmiToPciBridge => "i82801b11-bridge",
            PciModel::PcieToPciBridge => "pcie-pci-bridge",
            PciModel::PcieSwitchUpstreamPort => "x3130-upstream",
            PciModel::PcieSwitchDownstreamPort => "xio3130-downstream",
            PciModel::PciExpanderBus => "pxb",
            PciModel::PcieExpanderBus => "pxb-pcie",
            PciModel::PciRoot | PciModel::PcieRoot => return None,
        })
    }
}

impl Kind for Controller {
    const ELEMENT: &'static str = "controller";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn place_among(self, all: &mut Vec<Self>) {
        let last = all.iter().rposition(|c| c.kind == self.kind && c.index <= self.index);
        all.insert(last.map_or(all.len(), |last| last + 1), self);
    }

    fn is_meant(&self, said: &Self, _whole: &Self) -> bool {
        self.kind == said.kind && self.index.unwrap_or(0) == said.index.unwrap_or(0)
    }

    fn parse(el: &Element<'_>) -> Result<Self> {
        let kind: ControllerType = el.require_word("type")?;
        let pcihole64 = match el.child("pcihole64") {
            Some(hole) => Some(hole.size(1024, u64::MAX / 2)?.div_ceil(1024)),
            None => None,
        };
        let ports = el.number::<u32>("ports")?;
        if kind == ControllerType::Usb && ports == Some(0) {
            refuse!(xml, "Invalid number of ports '0' for USB controller");
        }
        Ok(Controller {
            kind,
            index: el.number("index")?,
            model: el.attr("model").map(str::to_owned),
            ports,
            vectors: el.number("vectors")?,
            driver: ControllerDriver::parse(el.child("driver"))?,
            model_name: el.child("model").and_then(|m| m.attr("name")).map(str::to_owned),
            target: PciTarget::parse(el)?,
            pcihole64,
            info: Info::default(),
        })
    }

    fn implied(devices: &super::Devices, head: &Head, setting: &Setting<'_>) -> Vec<Self> {
        let machine = machine::of(&head.os);
        let there = |kind| devices.controllers.iter().any(|c| c.kind == kind && c.index == Some(0));
        let mut out = Vec::new();
        let usb = match machine.added_usb(setting) {
            AddedUsb::None => None,
            AddedUsb::Default => Some(None),
            AddedUsb::Model(model) => Some(Some(model)),
        };
        if let Some(model) = usb.filter(|_| !there(ControllerType::Usb)) {
            out.push(Controller::unasked(ControllerType::Usb, 0, model));
        }
        if machine.builtin_sata() && !there(ControllerType::Sata) {
            out.push(Controller::unasked(ControllerType::Sata, 0, None));
        }
        if let Some(root) = machine.pci_root().filter(|_| !there(ControllerType::Pci)) {
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
            .attr_opt("model", self.model.as_ref())
            .attr_opt("ports", self.ports)
            .attr_opt("vectors", self.vectors);
        el.extend(self.model_name.as_ref().map(|name| El::new("model").attr("name", name)));
        el.push_filled(self.target.format());
        el.push_filled(self.driver.format());
        el.extend(self.pcihole64.map(|kib| El::with_text("pcihole64", kib).attr("unit", "KiB")));
        el
    }

    fn complete(&mut self, head: &Head, setting: &Setting<'_>) -> Result<()> {
        let machine = machine::of(&head.os);
        self.check_pci_model(head)?;
        match self.kind {
            ControllerType::Scsi if matches!(self.model.as_deref(), None | Some("auto")) => {
                self.model = Some(machine.scsi_model(setting).to_owned());
            }
            ControllerType::Pci if self.model.is_none() => {
                return Err(Error::xml("PCI controller model is required"));
            }
            _ => {}
        }
        if self.info.master_port.is_none() {
            self.info.master_port = match self.companion_function() {
                Some(0) => Some(0),
                Some(1) => Some(2),
                Some(2) => Some(4),
                _ => None,
            };
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        self.driver.virtio.refuse_unless(self.virtio_model().is_some())?;
        // Boards without USB of their own may name a place for one that never comes.
        let unmade = self.kind == ControllerType::Usb && self.model.is_none();
        if let (Some(ports), Some((_, _, Some(most)))) = (self.ports, self.usb_model()) {
            let model = self.model.as_deref().unwrap_or_default();
            let most = if model.ends_with("-xhci") { 15 } else { *most };
            if ports > most {
                refuse!(unsupported, "'{model}' controller only supports up to '{most}' ports");
            }
        }
        let root_with_index = self.pci_model() == Some(PciModel::PciRoot) && self.index.unwrap_or(0) > 0;
        let absent = unmade || self.model.as_deref() == Some("none") || root_with_index;
        if !self.is_builtin(&draft.head) && !absent && self.virtio_model().is_none() {
            self.driver()?;
        }
        self.validate_root(draft)
    }

    fn slot(&self, draft: &Draft) -> Slot {
        if self.is_builtin(&draft.head) {
            return Slot::None;
        }
        if let Some(model) = self.virtio_model() {
            return model.slot();
        }
        if let Some(model) = self.pci_model() {
            let root = matches!(model, PciModel::PciRoot | PciModel::PcieRoot);
            return if root { Slot::None } else { Slot::Bridge(model) };
        }
        match (self.kind, self.model.as_deref()) {
            (_, Some("none" | "ibmvscsi"))
            | (
                ControllerType::Pci
                | ControllerType::Ide
                | ControllerType::Fdc
                | ControllerType::Ccid
                | ControllerType::Isa,
                _,
            ) => Slot::None,
            (ControllerType::Usb, Some("nec-xhci" | "qemu-xhci")) => Slot::Pcie,
            _ => match self.companion_function() {
                Some(function) => Slot::Companion { set: self.index.unwrap_or(0), function },
                None => Slot::Pci,
            },
        }
    }

    fn is_virtio(&self) -> bool {
        self.virtio_model().is_some()
    }

    fn spapr_vio_base(&self) -> Option<u64> {
        (self.model.as_deref() == Some("ibmvscsi")).then_some(0x2000)
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.kind == ControllerType::Ccid).then_some(4)
    }

    fn alias(&self, _nth: usize, head: &Head) -> String {
        let index = self.index.unwrap_or(0);
        match (self.kind, self.pci_model()) {
            (ControllerType::Pci, Some(PciModel::PcieRoot)) => "pcie.0".to_owned(),
            (ControllerType::Pci, Some(PciModel::PciRoot)) if !machine::of(&head.os).numbered_buses() => {
                "pci".to_owned()
            }
            (ControllerType::Pci, _) => format!("pci.{index}"),
            (ControllerType::Ide | ControllerType::Sata, _) if self.is_builtin(head) => "ide".to_owned(),
            (ControllerType::Usb, _) if index == 0 => "usb".to_owned(),
            (kind, _) => format!("{kind}{index}"),
        }
    }

    fn argv_turn(&self) -> u8 {
        // Buses come before what sits on them.
        match self.kind {
            ControllerType::Pci => 0,
            ControllerType::Usb => 1,
            ControllerType::Scsi => 2,
            ControllerType::Ide => 3,
            ControllerType::Sata => 4,
            ControllerType::VirtioSerial => 5,
            _ => 6,
        }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if let (Some(kib), true) = (self.pcihole64, self.is_builtin(&build.draft.head))
            && let Some(bridge) = machine::of(&build.draft.head.os).host_bridge()
        {
            build.parts.push(Part::plain("-global", format!("{bridge}.pci-hole64-size={kib}K")));
        }
        if let (Some(hotplug), Some(PciModel::PciRoot), Some(0)) =
            (self.target.hotplug, self.pci_model(), self.index)
        {
            build.parts.push(Part::plain("-global", format!("PIIX4_PM.acpi-root-pci-hotplug={hotplug}")));
        }
        let s390 = build.draft.head.os.arch.is_some_and(ostler_base::Arch::is_s390);
        let absent = match self.model.as_deref() {
            Some("none") => true,
            None => self.kind == ControllerType::Usb && s390,
            _ => false,
        };
        if self.is_builtin(&build.draft.head) || absent {
            return Ok(());
        }
        self.check_usb(build.setting)?;
        let mut props = Props::new().with("driver", self.driver()?);
        self.driver.virtio.props(&mut props);
        self.own_props(&mut props);
        if let Some(first) = self.info.master_port {
            let same =
                |c: &&Controller| c.kind == ControllerType::Usb && c.index == self.index && !c.is_companion();
            let master = build.draft.devices.controllers.iter().find(same).unwrap_or(self);
            props.set("masterbus", master.bus_name());
            props.set("firstport", first);
        } else {
            props.set("id", self.info.alias());
        }
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn refuse_plug(&self) -> Result<()> {
        match self.kind {
            ControllerType::Scsi => Ok(()),
            other => refuse!(operation_unsupported, "'{other}' controller cannot be hot plugged."),
        }
    }

    fn refuse_unplug(&self) -> Result<()> {
        match self.kind {
            ControllerType::Scsi => Ok(()),
            other => refuse!(operation_unsupported, "'{other}' controller cannot be hot unplugged."),
        }
    }

    fn absent(&self) -> String {
        format!("controller {}:{} not found", self.kind, self.index.unwrap_or(0))
    }
}
