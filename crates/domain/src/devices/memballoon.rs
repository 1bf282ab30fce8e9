//! `<memballoon>`: takes memory back from a running guest.

use ostler_base::{OnOff, Result, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<memballoon model='…'>`
    pub BalloonModel {
        Virtio = "virtio", Xen = "xen", None = "none",
        Transitional = "virtio-transitional", NonTransitional = "virtio-non-transitional",
    }
}

/// A memory balloon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memballoon {
    /// `model`; `none` means that there is none.
    pub model: BalloonModel,
    /// `autodeflate`: give memory back before the guest runs out.
    pub autodeflate: Option<OnOff>,
    /// `freePageReporting`
    pub free_page_reporting: Option<OnOff>,
    /// `<stats period=…>`, seconds.
    pub stats_period: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Kind for Memballoon {
    const ELEMENT: &'static str = "memballoon";

    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Memballoon {
            model: el.require_word("model")?,
            autodeflate: el.on_off("autodeflate")?,
            free_page_reporting: el.on_off("freePageReporting")?,
            stats_period: el
                .child("stats")
                .map(|s| s.number("period"))
                .transpose()?
                .flatten()
                .filter(|period| *period != 0),
            virtio: VirtioOptions::parse(el.child("driver"))?,
            info: Info::default(),
        })
    }

    fn implied(devices: &super::Devices, head: &Head, _setting: &Setting<'_>) -> Vec<Self> {
        let machine = crate::machine::of(&head.os);
        let named = &devices.memballoons;
        let virtio = Memballoon {
            model: BalloonModel::Virtio,
            autodeflate: None,
            free_page_reporting: None,
            stats_period: None,
            virtio: VirtioOptions::default(),
            info: Info::default(),
        };
        if named.is_empty() && machine.default_balloon() { vec![virtio] } else { Vec::new() }
    }
}

impl Device for Memballoon {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("memballoon")
            .attr("model", self.model)
            .attr_opt("autodeflate", self.autodeflate)
            .attr_opt("freePageReporting", self.free_page_reporting);
        el.extend(self.stats_period.map(|period| El::new("stats").attr("period", period)));
        el
    }

    fn format_last(&self, el: &mut El) {
        self.virtio.push(el);
    }

    fn complete(&mut self, _head: &crate::Head, _setting: &Setting<'_>) -> Result<()> {
        // One that is not there has neither name nor place.
        if self.model == BalloonModel::None {
            self.info = Info::default();
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match self.model {
            BalloonModel::Virtio | BalloonModel::NonTransitional => Slot::Pcie,
            BalloonModel::Transitional => Slot::Pci,
            BalloonModel::Xen | BalloonModel::None => Slot::None,
        }
    }

    fn is_virtio(&self) -> bool {
        !matches!(self.model, BalloonModel::Xen | BalloonModel::None)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        if self.model == BalloonModel::None { String::new() } else { format!("balloon{nth}") }
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let model = match self.model {
            BalloonModel::None | BalloonModel::Xen => return Ok(()),
            BalloonModel::Virtio => VirtioModel::Plain,
            BalloonModel::Transitional => VirtioModel::Transitional,
            BalloonModel::NonTransitional => VirtioModel::NonTransitional,
        };
        let mut props = Props::new().with("driver", model.driver("virtio-balloon", &self.info)?);
        self.virtio.props(&mut props);
        props.set("id", self.info.alias());
        self.info.bus_props(build, &mut props)?;
        props.set_opt("deflate-on-oom", self.autodeflate.map(OnOff::is_true));
        props.set_opt("free-page-reporting", self.free_page_reporting.map(OnOff::is_true));
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
