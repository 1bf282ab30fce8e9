//! `<rng>`: random numbers for the guest.

use ostler_base::{Result, refuse, words};
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_vocab::chardev::{Source, SourceType};
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::{Draft, Head, WriteMode};

words! {
    /// `<backend model='…'>` of random number generators.
    pub RngBackendModel { Random = "random", Egd = "egd", Builtin = "builtin" }
}

/// Where the numbers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RngBackend {
    /// A device of the host.
    Random {
        /// Its path.
        path: String,
    },
    /// A daemon that speaks the protocol of EGD.
    Egd(CharDevice),
    /// The emulator itself.
    Builtin,
}

/// A source of random numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    /// `model`
    pub model: VirtioModel,
    /// `<rate bytes= period=>`: bytes, and milliseconds.
    pub rate: Option<(u32, Option<u32>)>,
    /// `<backend>`
    pub backend: RngBackend,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Kind for Rng {
    const ELEMENT: &'static str = "rng";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(backend) = el.child("backend") else { refuse!(xml, "missing RNG device backend") };
        let parsed = match backend.require_word("model")? {
            RngBackendModel::Random => {
                let path = backend.text();
                let path = if path.is_empty() { "/dev/random".to_owned() } else { path };
                RngBackend::Random { path }
            }
            RngBackendModel::Builtin => RngBackend::Builtin,
            RngBackendModel::Egd => {
                let kind: SourceType = backend.require_word("type")?;
                let source = Source::parse_as(kind, &backend)?;
                RngBackend::Egd(CharDevice { source, log: None })
            }
        };
        let rate = match el.child("rate") {
            Some(rate) => Some((rate.require_number("bytes")?, rate.nonzero("period")?)),
            None => None,
        };
        let virtio = VirtioOptions::parse(el.child("driver"))?;
        Ok(Rng { model: el.require_word("model")?, rate, backend: parsed, virtio, info: Info::default() })
    }
}

impl Device for Rng {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("rng").attr("model", self.model);
        el.extend(
            self.rate.map(|(bytes, period)| El::new("rate").attr("bytes", bytes).attr_opt("period", period)),
        );
        el.push(match &self.backend {
            RngBackend::Random { path } => El::with_text("backend", path).attr("model", "random"),
            RngBackend::Builtin => El::new("backend").attr("model", "builtin"),
            RngBackend::Egd(device) => {
                let mut backend = El::new("backend").attr("model", "egd").attr("type", device.source.kind());
                device.format_into(&mut backend, mode);
                backend
            }
        });
        self.virtio.push(&mut el);
        el
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        self.model.slot()
    }

    fn is_virtio(&self) -> bool {
        true
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("rng{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let id = format!("obj{alias}");
        let object = match &self.backend {
            RngBackend::Random { path } => Props::new()
                .with("qom-type", "rng-random")
                .with("id", id.as_str())
                .with("filename", path.as_str()),
            RngBackend::Builtin => Props::new().with("qom-type", "rng-builtin").with("id", id.as_str()),
            RngBackend::Egd(device) => {
                let chardev = device.add_backend(alias, Port::Serial, "", build)?;
                Props::new().with("qom-type", "rng-egd").with("id", id.as_str()).with("chardev", chardev)
            }
        };
        build.parts.push(Part::Object(object));
        let mut props = Props::new().with("driver", self.model.driver("virtio-rng", &self.info)?);
        self.virtio.props(&mut props);
        props.set("rng", id);
        props.set("id", alias);
        if let Some((bytes, period)) = self.rate {
            props.set("max-bytes", bytes);
            props.set("period", period.unwrap_or(1000));
        }
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        match &self.backend {
            RngBackend::Random { path } => out.push(Resource::new(path, ResourceKind::Device).shared()),
            RngBackend::Egd(device) => device.resources(out),
            RngBackend::Builtin => {}
        }
    }

    fn absent(&self) -> String {
        "no matching RNG device was found".to_owned()
    }
}
