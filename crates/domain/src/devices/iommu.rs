//! `<iommu>`: what stands between the guest's devices and its memory.

use ostler_base::{OnOff, Result, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Part, Props};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Devices, Info, Kind, Slot};
use crate::machine::{self, IommuKind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<iommu model='…'>`
    pub IommuModel { Intel = "intel", Smmuv3 = "smmuv3", Virtio = "virtio" }
}

/// `<driver>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IommuDriver {
    /// `intremap`: interrupts go through it.
    pub intremap: Option<OnOff>,
    /// `caching_mode`
    pub caching_mode: Option<OnOff>,
    /// `eim`: interrupts for more than 255 processors.
    pub eim: Option<OnOff>,
    /// `iotlb`: devices may keep translations.
    pub iotlb: Option<OnOff>,
    /// `aw_bits`: width of addresses.
    pub aw_bits: Option<u32>,
    /// `dma_translation`
    pub dma_translation: Option<OnOff>,
}

/// An IOMMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iommu {
    /// `model`
    pub model: IommuModel,
    /// `<driver>`
    pub driver: IommuDriver,
    info: Info,
}

/// Processors that interrupts reach without extended interrupt mode.
const PROCESSORS_WITHOUT_EIM: u32 = 255;

/// Whether a guest has more processors than interrupts reach without an IOMMU in extended mode.
pub(crate) fn needs_eim(head: &Head) -> bool {
    machine::of(&head.os).iommus().contains(&IommuKind::Intel) && head.vcpus.maximum > PROCESSORS_WITHOUT_EIM
}

impl Kind for Iommu {
    const ELEMENT: &'static str = "iommu";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let driver = match el.child("driver") {
            Some(driver) => IommuDriver {
                intremap: driver.on_off("intremap")?,
                caching_mode: driver.on_off("caching_mode")?,
                eim: driver.on_off("eim")?,
                iotlb: driver.on_off("iotlb")?,
                aw_bits: driver.number("aw_bits")?,
                dma_translation: driver.on_off("dma_translation")?,
            },
            None => IommuDriver::default(),
        };
        Ok(Iommu { model: el.require_word("model")?, driver, info: Info::default() })
    }

    fn implied(devices: &Devices, head: &Head, setting: &Setting<'_>) -> Vec<Self> {
        let able = [Flag::IntelIommu, Flag::IntelIommuIntremap, Flag::IntelIommuEim];
        if !needs_eim(head) || !devices.iommus.is_empty() || !able.iter().all(|flag| setting.has(*flag)) {
            return Vec::new();
        }
        let driver = IommuDriver { intremap: Some(OnOff::On), eim: Some(OnOff::On), ..Default::default() };
        vec![Iommu { model: IommuModel::Intel, driver, info: Info::default() }]
    }
}

impl Iommu {
    /// Extended interrupt mode for new guests that need it.
    pub(crate) fn extend(&mut self, setting: &Setting<'_>) {
        if self.model != IommuModel::Intel {
            return;
        }
        if setting.has(Flag::IntelIommuIntremap) {
            self.driver.intremap.get_or_insert(OnOff::On);
        }
        if setting.has(Flag::IntelIommuEim) {
            self.driver.eim.get_or_insert(OnOff::On);
        }
    }

    /// Flags that options of the Intel model need, and what an error calls them.
    fn needed(&self) -> [(bool, Flag, &'static str); 6] {
        let driver = &self.driver;
        [
            (driver.intremap.is_some(), Flag::IntelIommuIntremap, "interrupt remapping"),
            (driver.caching_mode.is_some(), Flag::IntelIommuCachingMode, "caching mode"),
            (driver.eim.is_some(), Flag::IntelIommuEim, "eim"),
            (driver.iotlb.is_some(), Flag::IntelIommuDeviceIotlb, "device IOTLB"),
            (driver.aw_bits.is_some(), Flag::IntelIommuAwBits, "aw_bits"),
            (driver.dma_translation.is_some(), Flag::IntelIommuDmaTranslation, "dma translation"),
        ]
    }

    fn check_model(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        let model = self.model;
        let kinds = machine::of(&draft.head.os).iommus();
        let (kind, machines, flags): (_, _, &[Flag]) = match model {
            IommuModel::Intel => (IommuKind::Intel, "Q35 machines", &[Flag::IntelIommu]),
            IommuModel::Smmuv3 => (IommuKind::Smmuv3, "ARM Virt machines", &[Flag::MachineVirtIommu]),
            IommuModel::Virtio => (
                IommuKind::Virtio,
                "Q35 and ARM Virt machines",
                &[Flag::VirtioIommuPci, Flag::VirtioIommuBootBypass],
            ),
        };
        if !kinds.contains(&kind) {
            refuse!(unsupported, "IOMMU device: '{model}' is only supported with {machines}");
        }
        if setting.emulator.is_some() && !flags.iter().all(|flag| setting.has(*flag)) {
            refuse!(unsupported, "IOMMU device: '{model}' is not supported with this QEMU binary");
        }
        Ok(())
    }
}

impl Device for Iommu {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let driver = &self.driver;
        let mut el = El::new("iommu").attr("model", self.model);
        el.push_filled(
            El::new("driver")
                .attr_opt("intremap", driver.intremap)
                .attr_opt("caching_mode", driver.caching_mode)
                .attr_opt("eim", driver.eim)
                .attr_opt("iotlb", driver.iotlb)
                .attr_opt("aw_bits", driver.aw_bits)
                .attr_opt("dma_translation", driver.dma_translation),
        );
        el
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        let (model, address) = (self.model, &self.info.address);
        if draft.devices.iommus.len() > 1 {
            refuse!(xml, "only a single IOMMU device is supported");
        }
        if model != IommuModel::Intel && self.driver != IommuDriver::default() {
            refuse!(xml, "iommu model '{model}' doesn't support additional attributes");
        }
        if model != IommuModel::Virtio && address.is_some() {
            refuse!(xml, "iommu model '{model}' can't have address");
        }
        self.check_model(draft, setting)?;
        if model == IommuModel::Virtio {
            if !draft.head.features.acpi() {
                refuse!(unsupported, "IOMMU device: '{model}' requires ACPI");
            }
            if !matches!(address, None | Some(Address::Pci(_))) {
                refuse!(unsupported, "IOMMU device: '{model}' needs a PCI address");
            }
        }
        if setting.emulator.is_some() {
            for (said, flag, what) in self.needed() {
                if said && !setting.has(flag) {
                    refuse!(unsupported, "iommu: {what} is not supported with this QEMU binary");
                }
            }
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        if self.model == IommuModel::Virtio { Slot::Root } else { Slot::None }
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("iommu{nth}")
    }

    fn machine_props(&self, _draft: &Draft, _setting: &Setting<'_>, props: &mut Props) {
        if self.model == IommuModel::Smmuv3 {
            props.set("iommu", "smmuv3");
        }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let driver = match self.model {
            IommuModel::Intel => "intel-iommu",
            IommuModel::Virtio => "virtio-iommu",
            IommuModel::Smmuv3 => return Ok(()),
        };
        let own = &self.driver;
        let mut props = Props::new().with("driver", driver).with("id", self.info.alias());
        props.set_opt("intremap", own.intremap.map(|on| on.to_string()));
        props.set_opt("caching-mode", own.caching_mode.map(OnOff::is_true));
        props.set_opt("eim", own.eim.map(|on| on.to_string()));
        props.set_opt("device-iotlb", own.iotlb.map(OnOff::is_true));
        props.set_opt("aw-bits", own.aw_bits.filter(|bits| *bits != 0));
        props.set_opt("dma-translation", own.dma_translation.map(OnOff::is_true));
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
