//! `<sound>`: sound cards.

use ostler_base::{Result, YesNo, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<sound model='…'>`
    pub SoundModel {
        Sb16 = "sb16", Es1370 = "es1370", Pcspk = "pcspk", Ac97 = "ac97", Ich6 = "ich6", Ich9 = "ich9",
        Usb = "usb", Ich7 = "ich7", Virtio = "virtio",
    }
    /// `<codec type='…'>`
    pub CodecType { Duplex = "duplex", Micro = "micro", Output = "output" }
}

/// A sound card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// `model`
    pub model: SoundModel,
    /// `multichannel`
    pub multichannel: Option<YesNo>,
    /// `streams` of virtio cards.
    pub streams: Option<u32>,
    /// `<codec type=…>` of HDA controllers.
    pub codecs: Vec<CodecType>,
    /// `<audio id=…>`: the back end.
    pub audio: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Sound {
    fn is_hda(&self) -> bool {
        matches!(self.model, SoundModel::Ich6 | SoundModel::Ich9)
    }

    fn backend(&self, draft: &Draft) -> Option<String> {
        let first = || draft.devices.audios.iter().map(|a| a.id).min();
        self.audio.or_else(first).map(|id| format!("audio{id}"))
    }

    fn codecs(&self, build: &mut Build<'_>) {
        let default = [CodecType::Duplex];
        let codecs = if self.codecs.is_empty() { &default[..] } else { &self.codecs };
        let alias = self.info.alias();
        for (cad, codec) in codecs.iter().enumerate() {
            let mut props = Props::new()
                .with("driver", format!("hda-{codec}"))
                .with("id", format!("{alias}-codec{cad}"))
                .with("bus", format!("{alias}.0"))
                .with("cad", cad);
            props.set_opt("audiodev", self.backend(build.draft));
            build.parts.push(Part::Device(props));
        }
    }
}

impl Kind for Sound {
    const ELEMENT: &'static str = "sound";
    const PLUG: super::Plug = super::Plug::STORED;

    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Sound {
            model: el.require_word("model")?,
            multichannel: el.yes_no("multichannel")?,
            streams: el.nonzero("streams")?,
            codecs: el.children("codec").map(|c| c.require_word("type")).collect::<Result<_>>()?,
            audio: el.child("audio").map(|a| a.number("id")).transpose()?.flatten(),
            virtio: VirtioOptions::parse(el.child("driver"))?,
            info: Info::default(),
        })
    }
}

impl Sound {
    /// Whether it is the card of an ICH9 chip set.
    pub(crate) fn is_ich9(&self) -> bool {
        self.model == SoundModel::Ich9
    }
}

impl Device for Sound {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("sound")
            .attr("model", self.model)
            .attr_opt("multichannel", self.multichannel)
            .attr_opt("streams", self.streams);
        el.extend(self.codecs.iter().map(|codec| El::new("codec").attr("type", codec)));
        el.extend(self.audio.map(|id| El::new("audio").attr("id", id)));
        el
    }

    fn format_last(&self, el: &mut El) {
        self.virtio.push(el);
    }

    fn machine_props(&self, draft: &Draft, _setting: &Setting<'_>, props: &mut Props) {
        if self.model == SoundModel::Pcspk {
            props.set_opt("pcspk-audiodev", self.backend(draft));
        }
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        if self.model == SoundModel::Virtio {
            self.streams.get_or_insert(2);
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        match self.model {
            SoundModel::Sb16 | SoundModel::Pcspk | SoundModel::Usb => Slot::None,
            SoundModel::Virtio => Slot::Pcie,
            _ => Slot::Pci,
        }
    }

    fn is_virtio(&self) -> bool {
        self.model == SoundModel::Virtio
    }

    fn usb_turn(&self) -> Option<u8> {
        (self.model == SoundModel::Usb).then_some(7)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("sound{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let driver = match self.model {
            SoundModel::Pcspk => return Ok(()),
            SoundModel::Sb16 => "sb16".to_owned(),
            SoundModel::Es1370 => "ES1370".to_owned(),
            SoundModel::Ac97 => "AC97".to_owned(),
            SoundModel::Ich6 => "intel-hda".to_owned(),
            SoundModel::Ich9 | SoundModel::Ich7 => "ich9-intel-hda".to_owned(),
            SoundModel::Usb => "usb-audio".to_owned(),
            SoundModel::Virtio => VirtioModel::Plain.driver("virtio-sound", &self.info)?,
        };
        let mut props = Props::new().with("driver", driver);
        self.virtio.props(&mut props);
        props.set("id", self.info.alias());
        if !self.is_hda() {
            props.set_opt("audiodev", self.backend(build.draft));
        }
        props.set_opt("multi", self.multichannel.map(YesNo::is_true));
        props.set_opt("streams", self.streams);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        if self.is_hda() {
            self.codecs(build);
        }
        Ok(())
    }
}
