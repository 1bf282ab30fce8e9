//! Controllers on the command line.

use ostler_base::{Error, OnOff, Result};
use ostler_plan::Props;

use super::{Controller, ControllerType, PciModel, SCSI_MODELS};
use crate::devices::VirtioModel;

impl Controller {
    pub(super) fn driver(&self) -> Result<String> {
        let simple = match self.kind {
            ControllerType::Usb => match (self.usb_model(), self.model.as_deref()) {
                (Some((_, device, _)), _) => device,
                (None, Some(other)) => {
                    return Err(Error::unsupported(format!("{other} not supported in this QEMU binary")));
                }
                (None, None) => return Err(Error::unsupported("no model provided for USB controller")),
            },
            ControllerType::Sata => "ahci",
            ControllerType::Ccid => "usb-ccid",
            ControllerType::VirtioSerial => {
                return self.virtio_model().unwrap_or(VirtioModel::Plain).driver("virtio-serial", &self.info);
            }
            ControllerType::Scsi => {
                if let Some(model) = self.virtio_model() {
                    return model.driver("virtio-scsi", &self.info);
                }
                let model = self.model.as_deref().unwrap_or_default();
                match SCSI_MODELS.iter().find(|(name, _)| *name == model) {
                    Some((_, device)) => device,
                    None => {
                        return Err(Error::unsupported(format!("Unsupported controller model: {model}")));
                    }
                }
            }
            ControllerType::Pci => return self.pci_driver(),
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
            ControllerType::Isa => return Err(Error::internal("the ISA bus is no device")),
        };
        Ok(simple.to_owned())
    }

    fn pci_driver(&self) -> Result<String> {
        let default = match self.pci_model() {
            Some(model) => model.default_device(),
            None => None,
        };
        self.model_name
            .clone()
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| Error::internal("the root of the PCI buses is no device"))
    }

    /// Properties that only one type of controller has.
    pub(super) fn own_props(&self, props: &mut Props) {
        match self.kind {
            ControllerType::Scsi => {
                props.set_opt("iothread", self.driver.iothread.map(|nth| format!("iothread{nth}")));
                props.set_opt("num_queues", self.driver.queues);
                props.set_opt("cmd_per_lun", self.driver.cmd_per_lun);
                props.set_opt("max_sectors", self.driver.max_sectors);
                props.set_opt("ioeventfd", self.driver.ioeventfd.map(OnOff::is_true));
            }
            ControllerType::VirtioSerial => {
                props.set_opt("max_ports", self.ports);
                props.set_opt("vectors", self.vectors);
            }
            ControllerType::Usb if self.model.as_deref().is_some_and(|model| model.ends_with("-xhci")) => {
                props.set_opt("p2", self.ports);
                props.set_opt("p3", self.ports);
            }
            ControllerType::Pci => self.pci_props(props),
            _ => {}
        }
    }

    fn pci_props(&self, props: &mut Props) {
        let target = &self.target;
        match self.pci_model() {
            Some(PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort) => {
                props.set_opt("port", target.port);
                props.set_opt("chassis", target.chassis);
                props.set_opt("hotplug", target.hotplug.map(OnOff::is_true));
                props.set_opt("mem-reserve", target.mem_reserve.map(|kib| kib.saturating_mul(1024)));
            }
            Some(PciModel::PciBridge) => {
                props.set_opt("chassis_nr", target.chassis_nr);
                props.set_opt("mem-reserve", target.mem_reserve.map(|kib| kib.saturating_mul(1024)));
            }
            Some(PciModel::PciExpanderBus | PciModel::PcieExpanderBus) => {
                props.set_opt("bus_nr", target.bus_nr);
                props.set_opt("numa_node", target.node);
            }
            Some(PciModel::PciRoot) => {
                props.set_opt("index", target.index);
                props.set_opt("numa_node", target.node);
            }
            _ => {}
        }
    }
}
