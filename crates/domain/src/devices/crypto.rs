//! `<crypto>`: a card that encrypts.

use ostler_base::{Result, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<crypto model='…'>`
    pub CryptoModel { Virtio = "virtio" }
    /// `<crypto type='…'>`
    pub CryptoType { Qemu = "qemu" }
    /// `<backend model='…'>`
    pub CryptoBackend { Builtin = "builtin", Lkcf = "lkcf" }
}

/// A card that encrypts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// `model`
    pub model: CryptoModel,
    /// `type`
    pub kind: CryptoType,
    /// `<backend model=…>`: who does the work.
    pub backend: CryptoBackend,
    /// `<backend queues=…>`
    pub queues: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Kind for Crypto {
    const ELEMENT: &'static str = "crypto";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let (model, kind) = (el.require_word("model")?, el.require_word("type")?);
        let Some(backend) = el.child("backend") else { refuse!(xml, "missing crypto device backend") };
        Ok(Crypto {
            model,
            kind,
            backend: backend.require_word("model")?,
            queues: backend.number::<u32>("queues")?.filter(|queues| *queues != 0),
            virtio: VirtioOptions::parse(el.child("driver"))?,
            info: Info::default(),
        })
    }
}

impl Device for Crypto {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let backend = El::new("backend").attr("model", self.backend).attr_opt("queues", self.queues);
        let mut el = El::new("crypto").attr("model", self.model).attr("type", self.kind).child(backend);
        self.virtio.push(&mut el);
        el
    }

    fn validate(&self, _draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        if setting.emulator.is_none() {
            return Ok(());
        }
        if !setting.has(Flag::VirtioCrypto) {
            refuse!(unsupported, "crypto model {} is not supported", self.model);
        }
        if self.backend == CryptoBackend::Lkcf && !setting.has(Flag::CryptodevBackendLkcf) {
            refuse!(unsupported, "crypto backend {} is not supported", self.backend);
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        Slot::Pci
    }

    fn is_virtio(&self) -> bool {
        true
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("crypto{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let object = format!("obj{alias}");
        build.parts.push(Part::Object(
            Props::new()
                .with("qom-type", format!("cryptodev-backend-{}", self.backend))
                .with("id", object.as_str())
                .with_opt("queues", self.queues),
        ));
        let driver = VirtioModel::Plain.driver("virtio-crypto", &self.info)?;
        let mut props = Props::new().with("driver", driver);
        self.virtio.props(&mut props);
        props.set("cryptodev", object);
        props.set("id", alias);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }
}
