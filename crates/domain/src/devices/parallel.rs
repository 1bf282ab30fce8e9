//! `<parallel>`: parallel ports.

use ostler_base::{Result, refuse};
use ostler_plan::{Part, Props, Resource};
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::{Build, Device, Info, Kind};
use crate::machine;
use crate::{Draft, Head, Setting, WriteMode};

/// A parallel port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parallel {
    /// Where its characters go.
    pub device: CharDevice,
    /// `<target port=…>`, from 0.
    pub port: Option<u32>,
    info: Info,
}

impl Kind for Parallel {
    const ELEMENT: &'static str = "parallel";
    const PLUG: super::Plug = super::Plug::ALWAYS;
    const WORD: &'static str = "chr";

    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Parallel {
            device: CharDevice::parse(el)?,
            port: el.child("target").map(|t| t.number("port")).transpose()?.flatten(),
            info: Info::default(),
        })
    }
}

impl Device for Parallel {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        self.device.format("parallel", mode).child(El::new("target").attr("port", self.port.unwrap_or(0)))
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if !machine::of(&draft.head.os).has_isa() {
            refuse!(unsupported, "parallel ports are not supported");
        }
        Ok(())
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("parallel{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let chardev = self.device.add_backend(alias, Port::Parallel, "", build)?;
        let mut props =
            Props::new().with("driver", "isa-parallel").with("chardev", chardev).with("id", alias);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        self.device.resources(out);
    }
}
