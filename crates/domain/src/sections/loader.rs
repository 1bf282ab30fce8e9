//! Firmware of a definition: `<os firmware>`, `<firmware>`, `<loader>` and `<nvram>`.
//!
//! Owns: their form and rules, and the flash memory they become. Never: chooses firmware; that is
//! [`crate::firmware`].

use ostler_base::{Arch, Code, Error, Origin, Result, Word, YesNo, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Part, Props, Query, Resource, ResourceKind};
use ostler_xml::{El, Element};

use crate::devices::Build;
use crate::devices::disk::{Image, ImageFormat, ImageType, Place};
use crate::{Draft, Setting, WriteMode, machine};

words! {
    /// `<os firmware='…'>`
    pub FirmwareType { Bios = "bios", Efi = "efi" }
    /// `<loader type='…'>`
    pub LoaderType { Rom = "rom", Pflash = "pflash" }
    /// `<feature name='…'>`
    pub FirmwareFeature { EnrolledKeys = "enrolled-keys", SecureBoot = "secure-boot" }
}

/// All that a definition says of firmware.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firmware {
    /// `<os firmware=…>`: the kind that is chosen, or was.
    pub kind: Option<FirmwareType>,
    /// `<firmware><feature name='enrolled-keys' enabled=…>`
    pub enrolled_keys: Option<YesNo>,
    /// `<firmware><feature name='secure-boot' enabled=…>`
    pub secure_boot: Option<YesNo>,
    /// `<loader>` and `<nvram>`
    pub loader: Option<Loader>,
}

/// `<loader>` and `<nvram>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loader {
    /// The image.
    pub path: Option<String>,
    /// `readonly`
    pub readonly: Option<YesNo>,
    /// `secure`: only system management mode may write flash memory.
    pub secure: Option<YesNo>,
    /// `type`
    pub kind: Option<LoaderType>,
    /// `stateless`: there are no variables.
    pub stateless: Option<YesNo>,
    /// `format`
    pub format: Option<ImageFormat>,
    /// `<nvram>`, where it says more than a template.
    pub nvram: Option<Nvram>,
    /// `<nvram template=…>`
    pub template: Option<String>,
    /// `<nvram templateFormat=…>`
    pub template_format: Option<ImageFormat>,
}

/// Where the variables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvram {
    /// The image; a file without path is yet to be named.
    pub image: Image,
    /// Whether it stands in a `<source>` of its own and not as text.
    pub detailed: bool,
}

fn detail(text: impl Into<String>) -> Error {
    Error::verbatim(Code::XmlDetail, Origin::Domain, text)
}

/// A format that flash memory can have.
fn flash_format(el: &Element<'_>, name: &str, what: &str) -> Result<Option<ImageFormat>> {
    let format = el.word::<ImageFormat>(name)?.filter(|format| *format != ImageFormat::None);
    match format {
        None | Some(ImageFormat::Raw | ImageFormat::Qcow2) => Ok(format),
        Some(other) => {
            Err(Error::unsupported(format!("Unsupported {what} format '{other}'")).at(el.position()))
        }
    }
}

impl Firmware {
    /// Reads children and attributes of `<os>`.
    pub(crate) fn parse(os: Option<&Element<'_>>) -> Result<Self> {
        let Some(os) = os else { return Ok(Self::default()) };
        let mut firmware = Firmware {
            kind: os.word("firmware")?,
            loader: Loader::parse(os.child("loader"), os.child("nvram"))?,
            ..Self::default()
        };
        for feature in os.child("firmware").into_iter().flat_map(|f| f.children("feature")) {
            let enabled = feature.yes_no("enabled")?.ok_or_else(|| feature.missing("enabled"))?;
            match feature.require_word("name")? {
                FirmwareFeature::EnrolledKeys => firmware.enrolled_keys = Some(enabled),
                FirmwareFeature::SecureBoot => firmware.secure_boot = Some(enabled),
            }
        }
        Ok(firmware)
    }

    /// Adds the attribute to `<os>`.
    pub(crate) fn format_kind(&self, os: &mut El) {
        os.set_opt("firmware", self.kind);
    }

    /// Adds the children to `<os>`.
    pub(crate) fn format(&self, os: &mut El) {
        let mut features = El::new("firmware");
        for (feature, enabled) in [
            (FirmwareFeature::EnrolledKeys, self.enrolled_keys),
            (FirmwareFeature::SecureBoot, self.secure_boot),
        ] {
            features.extend(
                enabled.map(|enabled| El::new("feature").attr("enabled", enabled).attr("name", feature)),
            );
        }
        os.push_filled(features);
        if let Some(loader) = &self.loader {
            loader.format(os);
        }
    }

    /// The loader, to be filled in.
    pub(crate) fn loader_mut(&mut self) -> &mut Loader {
        self.loader.get_or_insert_default()
    }

    /// Whether the guest boots by UEFI.
    pub fn is_uefi(&self) -> bool {
        let flash = |loader: &Loader| loader.kind == Some(LoaderType::Pflash) && loader.path.is_some();
        self.kind == Some(FirmwareType::Efi) || self.loader.as_ref().is_some_and(flash)
    }

    /// Whether something of it is left to be chosen.
    pub fn is_open(&self) -> bool {
        self.kind.is_some() || self.loader.as_ref().is_some_and(|loader| loader.kind != Some(LoaderType::Rom))
    }

    /// Rules that hold before anything can be chosen.
    pub(crate) fn check_request(&self, new: bool) -> Result<()> {
        let yes = Some(YesNo::Yes);
        let no = Some(YesNo::No);
        if self.kind.is_some() {
            if self.enrolled_keys == yes && self.secure_boot == no {
                return Err(detail(format!(
                    "firmware feature '{}' cannot be enabled when firmware feature '{}' is disabled",
                    FirmwareFeature::EnrolledKeys,
                    FirmwareFeature::SecureBoot
                )));
            }
        } else if new && (self.enrolled_keys.is_some() || self.secure_boot.is_some()) {
            return Err(detail(
                "cannot use feature-based firmware autoselection when firmware autoselection is disabled",
            ));
        }
        let Some(loader) = &self.loader else { return Ok(()) };
        if self.kind.is_none() && loader.path.is_none() {
            return Err(detail("no loader path specified and firmware auto selection disabled"));
        }
        if loader.stateless == yes {
            if loader.template.is_some() {
                return Err(detail("NVRAM template is not permitted when loader is stateless"));
            }
            if loader.nvram.is_some() {
                return Err(detail("NVRAM is not permitted when loader is stateless"));
            }
        } else if loader.stateless == no {
            match self.kind {
                None if loader.kind != Some(LoaderType::Pflash) => {
                    return Err(detail("Only pflash loader type permits NVRAM"));
                }
                Some(FirmwareType::Bios) => return Err(detail("Only EFI firmware permits NVRAM")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Rules that hold for a definition that is complete.
    pub(crate) fn validate(&self, draft: &Draft) -> Result<()> {
        self.check_request(draft.abi_update)?;
        let os = &draft.head.os;
        let arch = os.arch.unwrap_or(Arch::X86_64);
        let acpi = draft.head.features.acpi();
        if arch.is_x86() && self.is_uefi() && !acpi {
            refuse!(unsupported, "UEFI requires ACPI on this architecture");
        }
        if arch == Arch::Aarch64 && acpi && !self.is_uefi() {
            refuse!(unsupported, "ACPI requires UEFI on this architecture");
        }
        let Some(loader) = &self.loader else { return Ok(()) };
        if loader.secure == Some(YesNo::Yes) {
            if !machine::of(os).has_secure_flash() {
                refuse!(unsupported, "Secure boot is supported with q35 machine types only");
            }
            if arch != Arch::X86_64 {
                refuse!(unsupported, "Secure boot is supported for x86_64 architecture only");
            }
            let smm = draft.head.features.smm.as_ref().is_some_and(|smm| smm.state.is_true());
            if self.kind.is_none() && !smm {
                refuse!(unsupported, "Secure boot requires SMM feature enabled");
            }
        }
        match &loader.nvram {
            Some(nvram) => nvram.validate(),
            None => Ok(()),
        }
    }

    /// Adds the flash memory or ROM; properties of the machine that refer to it are given back.
    pub(crate) fn parts(&self, build: &mut Build<'_>) -> Result<Props> {
        let mut machine = Props::new();
        let Some(loader) = &self.loader else { return Ok(machine) };
        let Some(path) = &loader.path else { return Ok(machine) };
        if loader.kind == Some(LoaderType::Rom) {
            build.parts.push(Part::plain("-bios", path.as_str()));
            return Ok(machine);
        }
        let mut code = Image::new(Place::File(Some(path.clone())));
        code.format = loader.format;
        let readonly = loader.readonly == Some(YesNo::Yes);
        machine.set("pflash0", flash(&code, "libvirt-pflash0", readonly, true, build)?);
        if let Some(nvram) = &loader.nvram {
            let layered = !build.setting.has(Flag::BlockjobBackingMaskProtocol);
            machine.set("pflash1", flash(&nvram.image, "libvirt-pflash1", false, layered, build)?);
        }
        if loader.secure == Some(YesNo::Yes) {
            let secure =
                Props::new().with("driver", "cfi.pflash01").with("property", "secure").with("value", true);
            build.parts.push(Part::options("-global", None, secure));
        }
        Ok(machine)
    }

    /// What has to be known of the host before the guest starts.
    pub(crate) fn ask(&self, setting: &Setting<'_>, out: &mut Vec<Query>) {
        let Some(loader) = &self.loader else { return };
        out.extend(self.variables().map(|path| Query::Stat(path.into())));
        if let Some(nvram) = &loader.nvram {
            nvram.image.ask_secrets(setting, out);
        }
    }

    /// The file of the variables, where they are one of this host.
    pub fn variables(&self) -> Option<&str> {
        match &self.loader.as_ref()?.nvram.as_ref()?.image.place {
            Place::File(path) => path.as_deref(),
            _ => None,
        }
    }

    /// Everything it touches on the host.
    pub(crate) fn resources(&self, out: &mut Vec<Resource>) {
        let Some(loader) = &self.loader else { return };
        if let Some(path) = &loader.path {
            let resource = Resource::new(path, ResourceKind::Firmware);
            let written = loader.kind == Some(LoaderType::Pflash) && loader.readonly != Some(YesNo::Yes);
            out.push(if written { resource.writable() } else { resource });
        }
        match loader.nvram.as_ref().map(|nvram| &nvram.image.place) {
            // It is made from a template where it is absent.
            Some(Place::File(Some(path))) => out.push(Resource::new(path, ResourceKind::State).writable()),
            Some(Place::Block(Some(path))) => out.push(Resource::new(path, ResourceKind::Image).writable()),
            _ => {}
        }
    }
}

impl Loader {
    fn parse(loader: Option<Element<'_>>, nvram: Option<Element<'_>>) -> Result<Option<Self>> {
        if loader.is_none() && nvram.is_none() {
            return Ok(None);
        }
        let mut out = Loader::default();
        if let Some(el) = loader {
            out.path = Some(el.text()).filter(|path| !path.is_empty());
            out.readonly = el.yes_no("readonly")?;
            out.secure = el.yes_no("secure")?;
            out.kind = el.word("type")?;
            out.stateless = el.yes_no("stateless")?;
            out.format = flash_format(&el, "format", "loader")?;
        }
        if let Some(el) = nvram {
            out.template = el.attr("template").filter(|path| !path.is_empty()).map(str::to_owned);
            out.template_format = flash_format(&el, "templateFormat", "nvram template")?;
            out.nvram = Nvram::parse(&el)?;
        }
        if out.path.is_some() {
            out.kind.get_or_insert(LoaderType::Rom);
        }
        Ok(Some(out))
    }

    fn format(&self, os: &mut El) {
        let mut el = El::new("loader")
            .attr_opt("readonly", self.readonly)
            .attr_opt("secure", self.secure)
            .attr_opt("type", self.kind)
            .attr_opt("stateless", self.stateless)
            .attr_opt("format", self.format);
        if let Some(path) = &self.path {
            el.text(path);
        }
        os.push_filled(el);
        let mut el = El::new("nvram")
            .attr_opt("template", self.template.as_ref())
            .attr_opt("templateFormat", self.template_format);
        if let Some(nvram) = &self.nvram {
            nvram.format(&mut el);
        }
        os.push_filled(el);
    }
}

impl Nvram {
    fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let format = flash_format(el, "format", "nvram")?;
        let Some(kind) = el.word::<ImageType>("type")? else {
            let path = Some(el.text()).filter(|path| !path.trim().is_empty());
            if path.is_none() && format.is_none() {
                return Ok(None);
            }
            let image = Image { format, ..Image::new(Place::File(path)) };
            return Ok(Some(Nvram { image, detailed: false }));
        };
        if el.child("source").is_none() {
            return Err(Error::xml("Missing source element for nvram").at(el.position()));
        }
        let image = Image::from_source(el.child("source"), kind, format)?;
        Ok(Some(Nvram { image, detailed: true }))
    }

    fn format(&self, el: &mut El) {
        if self.detailed {
            el.set("type", self.image.place.kind());
        }
        el.set_opt("format", self.image.format);
        match (&self.image.place, self.detailed) {
            (Place::File(Some(path)), false) => el.text(path),
            (_, true) => el.push_filled(
                self.image.source_el("source", &WriteMode { inactive: true, ..WriteMode::default() }),
            ),
            _ => {}
        }
    }

    /// Whether it is a file or device of this host.
    pub fn is_local(&self) -> bool {
        matches!(self.image.place, Place::File(_) | Place::Block(_))
    }

    fn validate(&self) -> Result<()> {
        let image = &self.image;
        if !self.is_local() && !matches!(image.place, Place::Network(_)) {
            refuse!(unsupported, "unsupported nvram disk type '{}'", image.place.kind());
        }
        if image.slice.is_some() {
            refuse!(unsupported, "slices are not supported with NVRAM");
        }
        if image.reservations.is_some() {
            refuse!(unsupported, "persistent reservations are not supported with NVRAM");
        }
        Ok(())
    }
}

/// Adds the block nodes of flash memory; the name of the upper one.
fn flash(image: &Image, name: &str, readonly: bool, layered: bool, build: &mut Build<'_>) -> Result<String> {
    let storage = format!("{name}-storage");
    let mut props = image.storage_props(&storage, build)?;
    props.set("node-name", storage.as_str());
    let format = image.format.unwrap_or(ImageFormat::Raw);
    if format == ImageFormat::Raw && !layered {
        props.set("read-only", readonly);
        build.parts.push(Part::Blockdev(props));
        return Ok(storage);
    }
    props.set("auto-read-only", true);
    props.set("discard", "unmap");
    build.parts.push(Part::Blockdev(props));
    let node = format!("{name}-format");
    let mut props = Props::new()
        .with("node-name", node.as_str())
        .with("read-only", readonly)
        .with("driver", format.as_str())
        .with("file", storage);
    if format == ImageFormat::Qcow2 {
        props.set("backing", ostler_base::Json::Null);
    }
    build.parts.push(Part::Blockdev(props));
    Ok(node)
}
