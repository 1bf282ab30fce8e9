//! Images below an image, as their headers name them.
//!
//! Owns: the two formats in which a guest's administrator keeps chains (qcow2 and QED). A header is read
//! only where the format above says that there is one: what a guest can write is never asked what it is.
//! Never: opens anything for writing, follows more than a bounded number of images, or a network address.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ostler_base::{Result, refuse};
use rustix::fs::OFlags;

use crate::failed;

/// Longest chain.
const DEEPEST: usize = 200;
/// Longest name of an image that a header may have.
const NAME_MAX: u32 = 1023;
/// How much is read in search of a header's extensions.
const HEADER_MAX: usize = 64 << 10;
const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";
const QED_MAGIC: [u8; 4] = *b"QED\0";
/// The extension of qcow2 that names the format below.
const FORMAT_EXTENSION: u32 = 0xe279_2aca;
/// QED: whether there is an image below, and whether it is raw.
const QED_BACKED: u64 = 1;
const QED_RAW: u64 = 4;

/// The image below another.
#[derive(Debug, PartialEq, Eq)]
struct Below {
    name: String,
    format: Option<String>,
}

/// The paths of all images below this one, from the top, each with its format.
///
/// # Errors
/// Names the image: one that cannot be read, whose header does not say what the image below is, or that
/// stands in its own chain.
pub fn chain(top: &Path, format: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    let (mut path, mut format) = (top.to_owned(), format.to_owned());
    loop {
        let below = header(&path, &format).map_err(|error| {
            failed(format_args!("Cannot access storage file '{}'", path.display()), error)
        })?;
        let Some(below) = below else { return Ok(found) };
        let Some(next) = local(&path, &below.name) else { return Ok(found) };
        let Some(next_format) = below.format else {
            refuse!(
                operation_invalid,
                "format of backing image '{}' of image '{}' was not specified in the image metadata; say it with: \
                 qemu-img rebase -u -f {format} -F FORMAT -b '{}' '{}', or name the image in <backingStore>",
                below.name,
                path.display(),
                below.name,
                path.display()
            )
        };
        if next == top || found.iter().any(|(known, _)| *known == next) {
            refuse!(
                operation_invalid,
                "image '{}' stands in its own chain of backing images",
                next.display()
            );
        }
        if found.len() == DEEPEST {
            refuse!(operation_invalid, "image '{}' has more than {DEEPEST} images below it", top.display());
        }
        found.push((next.clone(), next_format.clone()));
        (path, format) = (next, next_format);
    }
}

/// The path that a header names; nothing where it is not a file of this host.
fn local(above: &Path, name: &str) -> Option<PathBuf> {
    let name = name.strip_prefix("file:").unwrap_or(name);
    if name.starts_with("json:") || (name.contains(':') && !name.starts_with('/')) {
        return None;
    }
    Some(above.parent().unwrap_or(Path::new("/")).join(name))
}

fn header(path: &Path, format: &str) -> io::Result<Option<Below>> {
    if !matches!(format, "qcow2" | "qed") {
        return Ok(None);
    }
    let flags = i32::try_from((OFlags::NOCTTY | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(HEADER_MAX as u64).read_to_end(&mut bytes)?;
    let place = if format == "qcow2" { qcow2(&bytes) } else { qed(&bytes) };
    let Some((offset, length, format)) = place? else { return Ok(None) };
    if length == 0 || length > NAME_MAX {
        return Err(invalid("the length of the backing image's name is out of range"));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut name = vec![0; length as usize];
    file.read_exact(&mut name)?;
    let name = String::from_utf8(name).map_err(|_| invalid("the backing image's name is not UTF-8"))?;
    Ok(Some(Below { name, format }))
}

type Place = Option<(u64, u32, Option<String>)>;

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    let end = at.checked_add(N).ok_or_else(|| invalid("a header that is cut off"))?;
    bytes
        .get(at..end)
        .and_then(|part| part.try_into().ok())
        .ok_or_else(|| invalid("a header that is cut off"))
}

fn qcow2(bytes: &[u8]) -> io::Result<Place> {
    let big = |at: usize| Ok::<_, io::Error>(u32::from_be_bytes(array(bytes, at)?));
    if array::<4>(bytes, 0)? != QCOW2_MAGIC {
        return Err(invalid("not an image of format qcow2"));
    }
    let offset = u64::from_be_bytes(array(bytes, 8)?);
    let length = big(16)?;
    if offset == 0 {
        return Ok(None);
    }
    let mut at = if big(4)? == 2 { 72 } else { big(100)? as usize };
    let mut format = None;
    // Extensions end with a zero, or where the name begins.
    while (at as u64) + 8 <= offset && at + 8 <= bytes.len() {
        let (kind, size) = (big(at)?, big(at + 4)? as usize);
        if kind == 0 {
            break;
        }
        if kind == FORMAT_EXTENSION {
            let text = at.checked_add(8 + size).and_then(|end| bytes.get(at + 8..end));
            let text = text.ok_or_else(|| invalid("a header that is cut off"))?;
            format = Some(String::from_utf8_lossy(text).into_owned());
        }
        at = at.checked_add(8 + size.div_ceil(8) * 8).ok_or_else(|| invalid("a header that is cut off"))?;
    }
    Ok(Some((offset, length, format)))
}

fn qed(bytes: &[u8]) -> io::Result<Place> {
    let small = |at: usize| Ok::<_, io::Error>(u32::from_le_bytes(array(bytes, at)?));
    if array::<4>(bytes, 0)? != QED_MAGIC {
        return Err(invalid("not an image of format qed"));
    }
    let features = u64::from_le_bytes(array(bytes, 16)?);
    if features & QED_BACKED == 0 {
        return Ok(None);
    }
    let format = (features & QED_RAW != 0).then(|| "raw".to_owned());
    Ok(Some((small(56)?.into(), small(60)?, format)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;
    use std::fs;

    /// A qcow2 header of version 3 with these below it.
    fn qcow2_image(path: &Path, name: &str, format: Option<&str>) {
        let mut bytes = vec![0u8; 104];
        bytes[..4].copy_from_slice(&QCOW2_MAGIC);
        bytes[4..8].copy_from_slice(&3u32.to_be_bytes());
        bytes[100..104].copy_from_slice(&104u32.to_be_bytes());
        if let Some(format) = format {
            bytes.extend(FORMAT_EXTENSION.to_be_bytes());
            bytes.extend((format.len() as u32).to_be_bytes());
            bytes.extend(format.as_bytes());
            bytes.resize(bytes.len().div_ceil(8) * 8, 0);
        }
        bytes.extend([0; 8]);
        if !name.is_empty() {
            let offset = bytes.len() as u64;
            bytes[8..16].copy_from_slice(&offset.to_be_bytes());
            bytes[16..20].copy_from_slice(&(name.len() as u32).to_be_bytes());
            bytes.extend(name.as_bytes());
        }
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_chain_to_its_end() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.0.join(name);
        qcow2_image(&at("top"), "middle", Some("qcow2"));
        qcow2_image(&at("middle"), &at("base").to_string_lossy(), Some("raw"));
        fs::write(at("base"), "guest data that looks like QFI").unwrap();
        let found = chain(&at("top"), "qcow2").unwrap();
        assert_eq!(found, [(at("middle"), "qcow2".to_owned()), (at("base"), "raw".to_owned())]);
        // A raw image is not asked.
        qcow2_image(&at("evil"), "/etc/shadow", Some("raw"));
        assert_eq!(chain(&at("evil"), "raw").unwrap(), []);
        qcow2_image(&at("remote"), "nbd://host/x", Some("raw"));
        assert_eq!(chain(&at("remote"), "qcow2").unwrap(), []);
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.0.join(name);
        qcow2_image(&at("a"), "b", Some("qcow2"));
        qcow2_image(&at("b"), "a", Some("qcow2"));
        assert!(chain(&at("a"), "qcow2").unwrap_err().detail().contains("own chain"));
        qcow2_image(&at("c"), "base", None);
        let error = chain(&at("c"), "qcow2").unwrap_err();
        assert!(error.detail().contains("qemu-img rebase"), "{error}");
        assert!(chain(&at("none"), "qcow2").is_err());
        for length in 0..104 {
            qcow2_image(&at("cut"), "x", Some("raw"));
            let bytes = fs::read(at("cut")).unwrap();
            fs::write(at("cut"), &bytes[..length]).unwrap();
            assert!(chain(&at("cut"), "qcow2").is_err(), "{length}");
        }
    }
}
