//! The first bytes of an image: what they say is below it.
//!
//! Owns: the headers of qcow, qcow2, QED and VMDK, and telling whether bytes look like a format at
//! all. Never: takes bytes that a guest can write for anything but what the definition says they
//! are: [`looks_like`] only ever leads to a refusal.

use ostler_base::{Error, Result, Word};

use super::place::ImageFormat;

/// How many bytes are enough.
pub const ENOUGH: usize = 64 * 1024;

/// The longest name of an image below, bytes.
const LONGEST_NAME: usize = 4096;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// Bytes that the guest sees, where the header says it.
    pub capacity: Option<u64>,
    /// The name of the image below, as it stands.
    pub backing: Option<String>,
    /// The format of the image below, as it stands.
    pub backing_format: Option<String>,
    /// The file with the content, as it stands.
    pub data_file: Option<String>,
}

/// Reads the header of an image of a format; formats that know nothing of others have none.
pub fn read(format: ImageFormat, bytes: &[u8]) -> Result<Header> {
    let header = match format {
        ImageFormat::Qcow => qcow(bytes),
        ImageFormat::Qcow2 => qcow2(bytes),
        ImageFormat::Qed => qed(bytes),
        ImageFormat::Vmdk => vmdk(bytes),
        _ => return Ok(Header::default()),
    };
    header.ok_or_else(|| {
        Error::operation_failed(format!(
            "the image is not of format '{}': its header does not say so",
            format.as_str()
        ))
    })
}

/// A format that bytes begin like.
pub fn looks_like(bytes: &[u8]) -> Option<ImageFormat> {
    const MAGIC: &[(usize, &[u8], ImageFormat)] = &[
        (0, b"QFI\xfb\0\0\0\x01", ImageFormat::Qcow),
        (0, b"QFI\xfb", ImageFormat::Qcow2),
        (0, b"QED\0", ImageFormat::Qed),
        (0, b"KDMV", ImageFormat::Vmdk),
        (0, b"# Disk DescriptorFile", ImageFormat::Vmdk),
        (0, b"conectix", ImageFormat::Vpc),
        (64, b"\x7f\x10\xda\xbe", ImageFormat::Vdi),
        (0, b"Bochs Virtual HD Image", ImageFormat::Bochs),
        (0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", ImageFormat::Cloop),
        (0, b"WithoutFreeSpace", ImageFormat::Ploop),
        (0, b"WithouFreSpacExt", ImageFormat::Ploop),
    ];
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    MAGIC.iter().find(|(offset, magic, _)| at(*offset, magic)).map(|(_, _, format)| *format)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn big32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn big64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

fn little32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn little64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// A text at a place; none where the place is 0 or the text is empty.
fn text(bytes: &[u8], at: u64, length: u32) -> Option<Option<String>> {
    if at == 0 || length == 0 {
        return Some(None);
    }
    let (at, length) = (usize::try_from(at).ok()?, usize::try_from(length).ok()?);
    if length > LONGEST_NAME {
        return None;
    }
    let slice = bytes.get(at..at.checked_add(length)?)?;
    let end = slice.iter().position(|byte| *byte == 0).unwrap_or(slice.len());
    let name = String::from_utf8(slice.get(..end)?.to_vec()).ok()?;
    Some(Some(name).filter(|name| !name.is_empty()))
}

fn qcow(bytes: &[u8]) -> Option<Header> {
    if !bytes.starts_with(b"QFI\xfb") || big32(bytes, 4)? != 1 {
        return None;
    }
    let backing = text(bytes, big64(bytes, 8)?, big32(bytes, 16)?)?;
    Some(Header { capacity: big64(bytes, 24), backing, ..Header::default() })
}

/// The extension with the format of the image below.
const BACKING_FORMAT: u32 = 0xe279_2aca;
/// The extension with the name of the data file.
const DATA_FILE: u32 = 0x4441_5441;
/// The feature bit that says that the content is in a data file.
const EXTERNAL_DATA: u64 = 1 << 2;

fn qcow2(bytes: &[u8]) -> Option<Header> {
    let version = big32(bytes, 4)?;
    if !bytes.starts_with(b"QFI\xfb") || version < 2 {
        return None;
    }
    let backing = text(bytes, big64(bytes, 8)?, big32(bytes, 16)?)?;
    let mut header = Header { capacity: big64(bytes, 24), backing, ..Header::default() };
    let (mut at, external) = if version >= 3 {
        (usize::try_from(big32(bytes, 100)?).ok()?, big64(bytes, 72)? & EXTERNAL_DATA != 0)
    } else {
        (72, false)
    };
    loop {
        let (kind, length) = (big32(bytes, at)?, big32(bytes, at.checked_add(4)?)?);
        let start = at.checked_add(8)?;
        match kind {
            0 => break,
            BACKING_FORMAT => header.backing_format = text(bytes, u64::try_from(start).ok()?, length)?,
            DATA_FILE if external => header.data_file = text(bytes, u64::try_from(start).ok()?, length)?,
            _ => {}
        }
        let padded = usize::try_from(length).ok()?.checked_next_multiple_of(8)?;
        at = start.checked_add(padded)?;
    }
    Some(header)
}

fn qed(bytes: &[u8]) -> Option<Header> {
    if !bytes.starts_with(b"QED\0") {
        return None;
    }
    let features = little64(bytes, 16)?;
    let backing = match features & 1 {
        0 => None,
        _ => text(bytes, u64::from(little32(bytes, 56)?), little32(bytes, 60)?)?,
    };
    let raw = features & 4 != 0;
    Some(Header {
        capacity: little64(bytes, 48),
        backing_format: backing.as_ref().filter(|_| raw).map(|_| "raw".to_owned()),
        backing,
        data_file: None,
    })
}

fn vmdk(bytes: &[u8]) -> Option<Header> {
    let (capacity, descriptor) = if bytes.starts_with(b"KDMV") {
        let start = usize::try_from(little64(bytes, 28)?.checked_mul(512)?).ok()?;
        (little64(bytes, 12)?.checked_mul(512), bytes.get(start..).unwrap_or_default())
    } else if bytes.starts_with(b"# Disk DescriptorFile") {
        (None, bytes)
    } else {
        return None;
    };
    let descriptor = descriptor.get(..descriptor.len().min(20 * 512))?;
    let text = String::from_utf8_lossy(descriptor);
    let hint = text.split_once("parentFileNameHint=\"").and_then(|(_, rest)| rest.split_once('"'));
    let backing = hint.map(|(name, _)| name.to_owned());
    let backing_format = backing.as_ref().map(|_| "vmdk".to_owned());
    Some(Header { capacity, backing, backing_format, data_file: None })
}
