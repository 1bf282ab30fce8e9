//! `<pstore>`: where a guest's kernel leaves its last words.

use ostler_base::{Error, Result, refuse, scale::KIB, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_vocab::address::Address;
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<pstore backend='…'>`
    pub PstoreBackend { AcpiErst = "acpi-erst" }
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pstore {
    /// `backend`
    pub backend: PstoreBackend,
    /// `<path>`: its file; one of the guest's name where absent.
    pub path: Option<String>,
    /// `<size>`, KiB.
    pub size: u64,
    info: Info,
}

impl Kind for Pstore {
    const ELEMENT: &'static str = "pstore";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let size = el.child("size").ok_or_else(|| Error::xml("missing element or attribute './size[1]'"))?;
        Ok(Pstore {
            backend: el.require_word("backend")?,
            path: el.child_text("path"),
            size: size.size(KIB, u64::MAX / 2)?.div_ceil(KIB),
            info: Info::default(),
        })
    }
}

impl Device for Pstore {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("pstore").attr("backend", self.backend);
        el.push_text("path", self.path.as_ref());
        el.child(El::with_text("size", self.size).attr("unit", "KiB"))
    }

    fn complete(&mut self, head: &Head, setting: &Setting<'_>) -> Result<()> {
        let own = || format!("{}/{}_PSTORE.raw", setting.config.nvram_dir, head.identity.name);
        self.path.get_or_insert_with(own);
        Ok(())
    }

    fn validate(&self, draft: &Draft, setting: &Setting<'_>) -> Result<()> {
        if draft.devices.pstores.len() > 1 {
            refuse!(xml, "only a single pstore device is supported");
        }
        if setting.emulator.is_some() && !setting.has(Flag::AcpiErst) {
            refuse!(unsupported, "acpi-erst backend of pstore device is not supported by this QEMU binary");
        }
        if !matches!(self.info.address, None | Some(Address::Pci(_))) {
            refuse!(unsupported, "acpi-erst backend of pstore device needs a PCI address");
        }
        if self.size == 0 || !self.size.is_multiple_of(4) {
            refuse!(xml, "size of pstore device must be a multiple of 4 KiB");
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        Slot::Pci
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("pstore{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let object = format!("mem{alias}");
        build.parts.push(Part::Object(
            Props::new()
                .with("qom-type", "memory-backend-file")
                .with("id", object.as_str())
                .with_opt("mem-path", self.path.as_deref())
                .with("size", self.size.saturating_mul(KIB))
                .with("share", true),
        ));
        let mut props = Props::new().with("driver", "acpi-erst").with("id", alias).with("memdev", object);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        out.extend(self.path.iter().map(|path| Resource::new(path, ResourceKind::Output).writable()));
    }
}
