//! `<nvram>` below `<devices>`: the small memory of a POWER machine that keeps its content.

use ostler_base::{Result, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::Part;
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode, machine};

/// The memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvram {
    info: Info,
}

impl Kind for Nvram {
    const ELEMENT: &'static str = "nvram";

    fn parse(_el: &Element<'_>) -> Result<Self> {
        Ok(Nvram { info: Info::default() })
    }
}

impl Device for Nvram {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        El::new("nvram")
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        if draft.devices.nvrams.len() > 1 {
            refuse!(xml, "only a single nvram device is supported");
        }
        if !machine::of(&draft.head.os).numbered_roots() {
            refuse!(unsupported, "nvram device is only supported for PPC64");
        }
        if setting.emulator.is_some() && !setting.has(Flag::Nvram) {
            refuse!(unsupported, "nvram device is not supported by this QEMU binary");
        }
        if !matches!(self.info.address, None | Some(Address::SpaprVio(_))) {
            refuse!(xml, "nvram address type must be spaprvio");
        }
        Ok(())
    }

    fn spapr_vio_base(&self) -> Option<u64> {
        Some(0x3000)
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        "nvram".to_owned()
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        if let Some(Address::SpaprVio(Some(reg))) = self.info.address {
            build.parts.push(Part::plain("-global", format!("spapr-nvram.reg=0x{reg:x}")));
        }
        Ok(())
    }
}
