//! Which firmware a definition gets.
//!
//! Owns: the order of the search: descriptors first, then the list of images without descriptors,
//! for those who name an image themselves. Never: fails a definition that was accepted before;
//! what cannot be had is told when it is to start.

use ostler_base::Word;
use ostler_base::{Error, OnOff, Result, YesNo, refuse};

use super::{Descriptor, Feature, FlashMode, Interface, Mapping};
use crate::devices::disk::{Image, ImageFormat, Place};
use crate::sections::features::Smm;
use crate::sections::loader::{Firmware, FirmwareType, Loader, LoaderType, Nvram};
use crate::{Draft, Head, Setting};

/// Fills in firmware. For a definition that is read again, nothing that cannot be had is an error.
pub(crate) fn choose(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let firmware = &mut draft.head.os.firmware;
    if *firmware == Firmware::default() {
        return Ok(());
    }
    let formats = firmware.loader.as_ref().map(|l| (l.format, l.nvram.as_ref().and_then(|n| n.image.format)));
    // Definitions of old could only mean raw images.
    if !draft.abi_update && firmware.kind.is_some() && matches!(formats, None | Some((None, None))) {
        firmware.loader_mut().format = Some(ImageFormat::Raw);
    }
    let mut filled = draft.head.clone();
    match fill(&mut filled, setting, draft.abi_update) {
        Ok(()) => draft.head = filled,
        Err(error) if draft.abi_update => return Err(error),
        Err(_) => {}
    }
    Ok(())
}

/// The same for a definition that is to start: what cannot be had is an error.
pub(crate) fn at_start(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    fill(&mut draft.head, setting, false)
}

fn fill(head: &mut Head, setting: &Setting<'_>, new: bool) -> Result<()> {
    let firmware = &mut head.os.firmware;
    firmware.check_request(new)?;
    if firmware.kind.is_none() {
        let Some(loader) = &mut firmware.loader else { return Ok(()) };
        if loader.kind == Some(LoaderType::Rom) {
            loader.format.get_or_insert(ImageFormat::Raw);
            return Ok(());
        }
    }
    let descriptors = setting.host.firmwares.current();
    match descriptors.iter().find(|descriptor| matches(descriptor, head)) {
        Some(descriptor) => take(head, descriptor)?,
        None => match head.os.firmware.kind {
            Some(kind) => {
                let detail = format!(
                    "Unable to find '{kind}' firmware that is compatible with the current configuration"
                );
                return Err(Error::operation_failed(detail));
            }
            None => without_descriptor(head, setting),
        },
    }
    name_variables(head, setting, new);
    Ok(())
}

fn wanted(head: &Head) -> Option<Interface> {
    let firmware = &head.os.firmware;
    Some(match (firmware.kind, firmware.loader.as_ref().and_then(|loader| loader.kind)) {
        (Some(FirmwareType::Bios), _) | (None, Some(LoaderType::Rom)) => Interface::Bios,
        (Some(FirmwareType::Efi), _) | (None, Some(LoaderType::Pflash)) => Interface::Uefi,
        (None, None) => return None,
    })
}

fn matches(descriptor: &Descriptor, head: &Head) -> bool {
    let firmware = &head.os.firmware;
    let machine = head.os.machine.as_deref().unwrap_or_default();
    let asks =
        |wish: Option<YesNo>, feature| wish.is_none_or(|wish| wish.is_true() == descriptor.has(feature));
    let needs = |wish: Option<YesNo>, feature| wish != Some(YesNo::Yes) || descriptor.has(feature);
    wanted(head).is_some_and(|interface| descriptor.interfaces.contains(&interface))
        && matches_paths(descriptor, head)
        && head.os.arch.is_some_and(|arch| descriptor.fits(arch, machine))
        && needs(head.lifecycle.suspend_to_mem, Feature::AcpiS3)
        && needs(head.lifecycle.suspend_to_disk, Feature::AcpiS4)
        && asks(firmware.secure_boot, Feature::SecureBoot)
        && asks(firmware.enrolled_keys, Feature::EnrolledKeys)
        && matches_smm(descriptor, head)
        && matches_flash(descriptor, firmware.loader.as_ref())
}

/// What the definition names itself must be what the descriptor names.
fn matches_paths(descriptor: &Descriptor, head: &Head) -> bool {
    let loader = head.os.firmware.loader.as_ref();
    let same = |named: Option<&String>, path: &str| named.is_none_or(|named| named == path);
    let image = loader.and_then(|loader| loader.path.as_ref());
    match &descriptor.mapping {
        Mapping::Flash { executable, nvram_template, .. } => {
            let template = loader.and_then(|loader| loader.template.as_ref());
            same(image, &executable.filename)
                && nvram_template.as_ref().is_none_or(|t| same(template, &t.filename))
        }
        Mapping::Memory(path) => same(image, path),
        Mapping::Kernel(path) => same(head.os.kernel.as_ref(), path),
    }
}

fn matches_smm(descriptor: &Descriptor, head: &Head) -> bool {
    let secure = head.os.firmware.loader.as_ref().and_then(|loader| loader.secure);
    if descriptor.has(Feature::RequiresSmm) {
        let off = head.features.smm.as_ref().is_some_and(|smm| smm.state == OnOff::Off);
        !off && secure != Some(YesNo::No)
    } else {
        secure != Some(YesNo::Yes)
    }
}

fn matches_flash(descriptor: &Descriptor, loader: Option<&Loader>) -> bool {
    // Flash memory that is written whole cannot be shared, so no descriptor stands for one.
    let written = loader.is_some_and(|loader| loader.readonly == Some(YesNo::No));
    if written {
        return false;
    }
    let stateless = loader.is_some_and(|loader| loader.stateless == Some(YesNo::Yes));
    let Mapping::Flash { mode, executable, nvram_template } = &descriptor.mapping else {
        let rom = |loader: &Loader| {
            loader.kind != Some(LoaderType::Pflash) && matches!(loader.format, None | Some(ImageFormat::Raw))
        };
        return loader.is_none_or(rom);
    };
    let as_wished = |format: &str, wish: Option<ImageFormat>| match ImageFormat::parse(format) {
        Some(format @ (ImageFormat::Raw | ImageFormat::Qcow2)) => wish.is_none_or(|wish| wish == format),
        _ => false,
    };
    let expected = if stateless { FlashMode::Stateless } else { FlashMode::Split };
    let nvram = loader.and_then(|loader| loader.nvram.as_ref()).and_then(|nvram| nvram.image.format);
    let template = loader.and_then(|loader| loader.template_format).or(nvram);
    *mode == expected
        && as_wished(&executable.format, loader.and_then(|loader| loader.format))
        && nvram_template.as_ref().is_none_or(|t| as_wished(&t.format, template))
}

/// Takes what a descriptor names over into the definition.
fn take(head: &mut Head, descriptor: &Descriptor) -> Result<()> {
    let firmware = &mut head.os.firmware;
    match &descriptor.mapping {
        Mapping::Flash { executable, nvram_template, .. } => {
            let loader = firmware.loader_mut();
            loader.kind = Some(LoaderType::Pflash);
            loader.readonly = Some(YesNo::Yes);
            loader.format = Some(format(&executable.format)?);
            loader.path = Some(executable.filename.clone());
            // Variables on a server are neither made nor reset here.
            let local = loader.nvram.as_ref().is_none_or(Nvram::is_local);
            let template = nvram_template.as_ref().filter(|_| local);
            loader.template = template.map(|template| template.filename.clone());
            loader.template_format = template.map(|template| format(&template.format)).transpose()?;
        }
        Mapping::Memory(path) => {
            let loader = firmware.loader_mut();
            loader.kind = Some(LoaderType::Rom);
            loader.format = Some(ImageFormat::Raw);
            loader.path = Some(path.clone());
        }
        Mapping::Kernel(path) => head.os.kernel = Some(path.clone()),
    }
    if descriptor.has(Feature::RequiresSmm) {
        let tseg = head.features.smm.as_ref().and_then(|smm| smm.tseg);
        head.features.smm = Some(Smm { state: OnOff::On, tseg });
        firmware.loader_mut().secure = Some(YesNo::Yes);
    }
    if firmware.kind.is_none() {
        firmware.kind = descriptor.interfaces.iter().find_map(|interface| match interface {
            Interface::Bios => Some(FirmwareType::Bios),
            Interface::Uefi => Some(FirmwareType::Efi),
            Interface::OpenFirmware | Interface::Uboot => None,
        });
    }
    if firmware.kind.is_some() {
        firmware.secure_boot = Some(descriptor.has(Feature::SecureBoot).into());
        // Nobody knows what keys variables hold that did not come from a template.
        let unknown = firmware.loader.as_ref().is_some_and(|loader| {
            loader.kind == Some(LoaderType::Pflash)
                && loader.stateless != Some(YesNo::Yes)
                && loader.template.is_none()
        });
        firmware.enrolled_keys = (!unknown).then(|| descriptor.has(Feature::EnrolledKeys).into());
    }
    Ok(())
}

fn format(word: &str) -> Result<ImageFormat> {
    match ImageFormat::parse(word) {
        Some(format) => Ok(format),
        None => refuse!(internal, "unknown flash format '{word}'"),
    }
}

/// Looks an image up that no descriptor names; what nobody knows is taken for raw.
fn without_descriptor(head: &mut Head, setting: &Setting<'_>) {
    let Some(loader) = &mut head.os.firmware.loader else { return };
    let raw = matches!(loader.format, None | Some(ImageFormat::Raw));
    if loader.readonly != Some(YesNo::No) && loader.stateless != Some(YesNo::Yes) && raw {
        let known = setting.config.loaders.iter().find(|(image, _)| Some(image) == loader.path.as_ref());
        if let Some((_, template)) = known {
            loader.readonly = Some(YesNo::Yes);
            loader.template.get_or_insert_with(|| template.clone());
            loader.template_format = Some(ImageFormat::Raw);
        }
    }
    loader.format.get_or_insert(ImageFormat::Raw);
}

/// Gives variables that have none a file.
fn name_variables(head: &mut Head, setting: &Setting<'_>, new: bool) {
    let name = &head.identity.name;
    let Some(loader) = &mut head.os.firmware.loader else { return };
    let split = loader.kind == Some(LoaderType::Pflash)
        && loader.readonly == Some(YesNo::Yes)
        && loader.stateless != Some(YesNo::Yes);
    if !split {
        return;
    }
    if let Some(nvram) = &mut loader.nvram {
        if nvram.image.format.is_none() {
            nvram.image.format = loader.format;
        }
        if !nvram.image.is_empty() {
            return;
        }
    }
    let format = loader.format;
    // Templates of the newer name bring it along, but not for definitions that have a file already.
    let like_template = new && loader.template.as_ref().is_some_and(|path| path.ends_with(".raw"));
    let ending = match format {
        Some(ImageFormat::Raw) if like_template => ".raw",
        Some(ImageFormat::Raw) => ".fd",
        Some(ImageFormat::Qcow2) => ".qcow2",
        _ => "",
    };
    let path = format!("{}/{name}_VARS{ending}", setting.config.nvram_dir);
    let image = Image { format, ..Image::new(Place::File(Some(path))) };
    loader.nvram = Some(Nvram { image, detailed: false });
}
