//! What the first bytes of an image say: its format, its size, the file behind it.
//!
//! Owns: looking at bytes that anybody may have written, without believing more than is there. Never:
//! opens a file, or decides what a guest may read.

use ostler_base::Word;

use super::kinds::FileFormat;
use super::volume::ImageFeature;

/// How many bytes of an image are looked at.
pub const LOOKED_AT: usize = 64 * 1024;

/// The longest name of a file behind an image.
const LONGEST_NAME: usize = 1023;

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its format; raw where nothing is recognised.
    pub format: FileFormat,
    /// The size of what is in it, in bytes; `None` where it is that of the file.
    pub capacity: Option<u64>,
    /// The file behind it, as it is written there.
    pub backing: Option<String>,
    /// The format of that file, where it is said.
    pub backing_format: Option<FileFormat>,
    /// Whether it is encrypted by LUKS.
    pub luks: bool,
    /// Version of its format.
    pub compat: Option<&'static str>,
    /// Size of its clusters in bytes.
    pub cluster_size: Option<u64>,
    /// What only newer images can do.
    pub features: Vec<ImageFeature>,
}

impl Probed {
    fn of(format: FileFormat, capacity: Option<u64>) -> Self {
        Probed {
            format,
            capacity,
            backing: None,
            backing_format: None,
            luks: false,
            compat: None,
            cluster_size: None,
            features: Vec::new(),
        }
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    be64(bytes, at).map(u64::swap_bytes)
}

/// Where a format puts its mark, the mark, and where it says its size as little-endian bytes, in units.
type Mark = (usize, &'static [u8], FileFormat, Option<(usize, u64)>);

const MARKS: &[Mark] = &[
    (0, b"vhdxfile", FileFormat::Vhd, None),
    (0, b"KDMV", FileFormat::Vmdk, Some((12, 512))),
    (0, b"QED\0", FileFormat::Qed, Some((48, 1))),
    (64, &[0x7f, 0x10, 0xda, 0xbe], FileFormat::Vdi, Some((368, 1))),
    (0x8001, b"CD001", FileFormat::Iso, None),
    (0, b"WithoutFreeSpace", FileFormat::Ploop, None),
    (0, b"WithouFreSpacExt", FileFormat::Ploop, None),
];

/// Looks at the first bytes of an image.
pub fn probe(bytes: &[u8]) -> Probed {
    if bytes.starts_with(b"QFI\xfb") {
        return qcow(bytes).unwrap_or_else(|| Probed::of(FileFormat::Raw, None));
    }
    if bytes.starts_with(b"LUKS\xba\xbe") {
        return Probed { luks: true, ..Probed::of(FileFormat::Raw, None) };
    }
    if bytes.starts_with(b"conectix") {
        return Probed::of(FileFormat::Vpc, be64(bytes, 40));
    }
    let known =
        MARKS.iter().find(|(at, mark, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    match known {
        None => Probed::of(FileFormat::Raw, None),
        Some((_, _, format, size)) => {
            let capacity = size.and_then(|(at, unit)| le64(bytes, at)?.checked_mul(unit));
            Probed::of(*format, capacity)
        }
    }
}

fn qcow(bytes: &[u8]) -> Option<Probed> {
    let version = be32(bytes, 4)?;
    let format = if version == 1 { FileFormat::Qcow } else { FileFormat::Qcow2 };
    let mut probed = Probed::of(format, be64(bytes, 24));
    let (place, length) = (usize::try_from(be64(bytes, 8)?).ok()?, usize::try_from(be32(bytes, 16)?).ok()?);
    if place > 0 && (1..=LONGEST_NAME).contains(&length) {
        let name = bytes.get(place..place.checked_add(length)?)?;
        probed.backing = Some(String::from_utf8_lossy(name).into_owned());
    }
    if format == FileFormat::Qcow {
        return Some(probed);
    }
    probed.cluster_size = 1_u64.checked_shl(be32(bytes, 20)?).filter(|size| (512..=2 << 20).contains(size));
    probed.luks = be32(bytes, 32)? == 2;
    probed.compat = Some(if version >= 3 { "1.1" } else { "0.10" });
    let mut extensions = 72;
    if version >= 3 {
        if be64(bytes, 80)? & 1 != 0 {
            probed.features.push(ImageFeature::LazyRefcounts);
        }
        if be64(bytes, 72)? & 16 != 0 {
            probed.features.push(ImageFeature::ExtendedL2);
        }
        extensions = usize::try_from(be32(bytes, 100)?).ok()?;
    }
    probed.backing_format = backing_format(bytes, extensions);
    Some(probed)
}

/// The extension of the header that says the format of the file behind.
fn backing_format(bytes: &[u8], mut at: usize) -> Option<FileFormat> {
    loop {
        let (kind, length) = (be32(bytes, at)?, usize::try_from(be32(bytes, at.checked_add(4)?)?).ok()?);
        let start = at.checked_add(8)?;
        match kind {
            0 => return None,
            0xe279_2aca => {
                let word = bytes.get(start..start.checked_add(length)?)?;
                return FileFormat::parse(std::str::from_utf8(word).ok()?);
            }
            _ => at = start.checked_add(length.checked_next_multiple_of(8)?)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[8..16].copy_from_slice(&200_u64.to_be_bytes());
        bytes[16..20].copy_from_slice(&5_u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&16_u32.to_be_bytes());
        bytes[24..32].copy_from_slice(&4096_u64.to_be_bytes());
        bytes[87] = 1;
        bytes[100..104].copy_from_slice(&112_u32.to_be_bytes());
        bytes[112..128].copy_from_slice(b"\xe2\x79\x2a\xca\0\0\0\x03raw\0\0\0\0\0");
        bytes[200..205].copy_from_slice(b"/a.im");
        bytes
    }

    #[test]
    fn what_a_qcow2_says() {
        let probed = probe(&image());
        assert_eq!((probed.format, probed.capacity), (FileFormat::Qcow2, Some(4096)));
        assert_eq!(probed.backing.as_deref(), Some("/a.im"));
        assert_eq!((probed.backing_format, probed.compat), (Some(FileFormat::Raw), Some("1.1")));
        assert_eq!(
            (probed.cluster_size, &probed.features[..]),
            (Some(65_536), &[ImageFeature::LazyRefcounts][..])
        );
    }

    #[test]
    fn rubbish_is_raw_or_half_read() {
        let whole = image();
        for length in 0..whole.len() {
            probe(&whole[..length]);
        }
        assert_eq!(probe(b"hello").format, FileFormat::Raw);
        let mut endless = whole;
        endless[112..120].copy_from_slice(&[1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(probe(&endless).backing_format, None);
        assert!(probe(b"LUKS\xba\xbe").luks);
    }
}
