//! Chains of images that definitions leave open: found once, before a run, from headers.
//!
//! Owns: which headers are wanted, and what follows from them. Never: guesses a format: an image
//! has the one that the definition, or the image above it, says.

use std::path::Path;

use ostler_base::{Error, Result, Word, refuse};
use ostler_plan::{Facts, Query};

use super::header::{self, Header};
use super::place::{ImageFormat, Place};
use super::{Backing, Image, parse_backing};
use crate::Draft;

/// The most images in a chain.
const DEEPEST: usize = 200;

/// Asks for the headers of images of which it is not known what is below them.
pub(crate) fn ask_chains(draft: &Draft, out: &mut Vec<Query>) {
    let images =
        draft.devices.disks.iter().filter(|disk| disk.has_nodes()).flat_map(|disk| disk.image.chain());
    out.extend(images.filter_map(open_end).map(|path| Query::Header(path.into())));
}

/// The path of an image whose header says more of the chain.
fn open_end(image: &Image) -> Option<&str> {
    let unknown = image.backing == Backing::Unknown && image.fd_group.is_none();
    let wanted = unknown && (image.format.is_none() || image.can_have_backing());
    match image.actual() {
        Place::File(Some(path)) | Place::Block(Some(path)) if wanted => Some(path),
        _ => None,
    }
}

/// Says of images what is below them, where the headers are known.
pub(crate) fn resolve_chains(draft: &mut Draft, facts: &Facts) -> Result<()> {
    for disk in draft.devices.disks.iter_mut().filter(|disk| disk.has_nodes()) {
        if disk.image.is_empty() {
            continue;
        }
        if disk.image.chain().count() > DEEPEST {
            refuse!(operation_failed, "the chain of images of disk '{}' has no end", disk.target);
        }
        let mut above: Option<String> = None;
        let mut next = Some(&mut disk.image);
        while let Some(image) = next {
            resolve_one(image, above.as_deref(), facts)?;
            above = image.path().map(str::to_owned);
            next = match &mut image.backing {
                Backing::Image(below) => Some(below),
                Backing::Unknown | Backing::End => None,
            };
        }
    }
    Ok(())
}

fn resolve_one(image: &mut Image, above: Option<&str>, facts: &Facts) -> Result<()> {
    let Some(path) = open_end(image).map(str::to_owned) else {
        if image.backing == Backing::Unknown && !image.can_have_backing() && image.local_path().is_some() {
            image.backing = Backing::End;
        }
        return Ok(());
    };
    let Some(bytes) = facts.header(path.as_ref()) else { return Ok(()) };
    if image.format.is_none() {
        // Nobody said the format of this one; what looks like anything but raw bytes is refused.
        if header::looks_like(bytes).is_some() {
            refuse!(
                operation_invalid,
                "format of backing image '{path}' of image '{}' was not specified in the image metadata (See https://libvirt.org/kbase/backing_chains.html for troubleshooting)",
                above.unwrap_or_default()
            );
        }
        image.format = Some(ImageFormat::Raw);
        image.backing = Backing::End;
        return Ok(());
    }
    let format = image.format.unwrap_or(ImageFormat::Raw);
    let said = header::read(format, bytes).map_err(|error| error.with_suffix(&format!(" ('{path}')")))?;
    if let (Some(file), None) = (&said.data_file, &image.data_store) {
        let place = Place::File(Some(beside(&path, file)));
        image.data_store = Some(Box::new(Image {
            format: Some(ImageFormat::Raw),
            backing: Backing::End,
            ..Image::new(place)
        }));
    }
    image.backing = match &said.backing {
        None => Backing::End,
        Some(name) => Backing::Image(Box::new(below(&path, name, &said)?)),
    };
    Ok(())
}

/// The image that a header names.
fn below(path: &str, name: &str, header: &Header) -> Result<Image> {
    let name = if name.contains(':') { name.to_owned() } else { beside(path, name) };
    let mut image = parse_backing(&name)?;
    image.complete();
    image.format = match header.backing_format.as_deref() {
        None => None,
        Some("luks") => Some(ImageFormat::Raw),
        // Some tools write the driver of the storage in place of the format.
        Some("file" | "host_device") => None,
        Some(word) => Some(ImageFormat::parse(word).ok_or_else(|| {
            Error::operation_failed(format!(
                "image '{path}' says of the one below it the unknown format '{word}'"
            ))
        })?),
    };
    Ok(image)
}

/// A name beside a file: relative names begin where the file is.
fn beside(path: &str, name: &str) -> String {
    match Path::new(path).parent() {
        Some(folder) if !name.starts_with('/') => folder.join(name).to_string_lossy().into_owned(),
        _ => name.to_owned(),
    }
}
