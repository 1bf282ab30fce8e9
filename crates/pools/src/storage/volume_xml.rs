//! The document `<volume>`: reading and writing.
//!
//! Owns: its words, their order and their rules. Never: makes a volume.

use ostler_base::{Error, Origin, Result, Word, refuse, scale};
use ostler_vocab::storage_encryption::StorageEncryption;
use ostler_xml::{El, Element};

use super::Permissions;
use super::kinds::{FileFormat, PartitionFormat, PoolType, VolumeFormats, VolumeType, row};
use super::volume::{Extent, ImageFeature, Timestamps, Volume, VolumeFile, VolumeFormat};
use crate::Schema;
use crate::read::Kind;
use crate::write::open;

const KIND: Kind = Kind { label: "storage_volume_definition", root: "volume", origin: Origin::Storage };

/// The version of an image that has features and does not say its version.
const FEATURES_COMPAT: &str = "1.1";

/// Whether a definition must say its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityRule {
    /// It must.
    Required,
    /// Not if it has a backing store, whose size it then has.
    RequiredAlone,
    /// It need not: it is a copy of another volume.
    Free,
}

impl Volume {
    /// Reads a definition of a volume in a pool of a kind.
    pub fn parse(text: &str, pool: PoolType, capacity: CapacityRule, schema: Schema) -> Result<Self> {
        KIND.read(text, schema, |el| Volume::from_el(el, row(pool).volume_formats, capacity))
    }

    fn from_el(el: &Element<'_>, formats: VolumeFormats, rule: CapacityRule) -> Result<Self> {
        let Some(name) = el.child_text("name") else {
            refuse!(xml, "missing volume name element");
        };
        let kind = match el.attr("type").filter(|word| !word.is_empty()) {
            None => VolumeType::File,
            Some(word) => VolumeType::parse(word)
                .ok_or_else(|| Error::unsupported(format!("unknown volume type '{word}'")))?,
        };
        let backing = match el.child("backingStore") {
            Some(store) if store.child_text("path").is_some() => Some(parse_backing(&store, formats)?),
            _ => None,
        };
        let capacity = match size(el, "capacity")? {
            Some(bytes) => bytes,
            None if rule == CapacityRule::Free => 0,
            None if rule == CapacityRule::RequiredAlone && backing.is_some() => 0,
            None => refuse!(xml, "missing capacity element"),
        };
        let allocation = size(el, "allocation")?;
        let target = el.child("target");
        Ok(Volume {
            name,
            key: el.child_text("key"),
            kind,
            extents: Vec::new(),
            capacity,
            allocation: allocation.unwrap_or(capacity),
            allocation_given: allocation.is_some(),
            physical: None,
            target: parse_target(target.as_ref(), formats)?,
            nocow: target.is_some_and(|target| target.child("nocow").is_some()),
            backing,
        })
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        let mut el = El::new("volume").attr("type", self.kind);
        el.push_text("name", Some(&self.name));
        el.push_text("key", self.key.as_ref());
        let mut source = El::new("source");
        for extents in self.extents.chunk_by(|a, b| a.device == b.device) {
            let mut device = El::new("device").attr_opt("path", extents.first().map(|e| &e.device));
            device.extend(extents.iter().map(Extent::to_el));
            source.push(device);
        }
        el.push_filled(source);
        let sizes = [
            ("capacity", Some(self.capacity)),
            ("allocation", Some(self.allocation)),
            ("physical", self.physical),
        ];
        for (name, bytes) in sizes {
            if let Some(bytes) = bytes {
                let mut size = El::new(name).attr("unit", "bytes");
                size.text(bytes);
                el.push(size);
            }
        }
        el.push(self.target.to_el("target"));
        el.extend(self.backing.as_ref().map(|backing| backing.to_el("backingStore")));
        el.to_xml()
    }
}

fn size(el: &Element<'_>, name: &str) -> Result<Option<u64>> {
    let Some(child) = el.child(name) else { return Ok(None) };
    let text = child.text();
    if text.is_empty() {
        return Ok(None);
    }
    let Ok(value) = text.trim().parse::<u64>() else {
        return Err(Error::xml("malformed capacity element").at(child.position()));
    };
    scale::to_bytes(value, child.attr("unit"), 1, u64::MAX).map(Some)
}

fn parse_format(el: Option<&Element<'_>>, formats: VolumeFormats) -> Result<Option<VolumeFormat>> {
    let word = el.and_then(|el| el.child("format")).and_then(|f| f.attr("type")).filter(|w| !w.is_empty());
    let format = match (formats, word) {
        (VolumeFormats::None, _) => return Ok(None),
        (VolumeFormats::Raw, _) | (VolumeFormats::Files, None) => Some(VolumeFormat::File(FileFormat::Raw)),
        (VolumeFormats::Files, Some(word)) => FileFormat::parse(word).map(VolumeFormat::File),
        (VolumeFormats::Partitions, word) => {
            PartitionFormat::parse(word.unwrap_or("none")).map(VolumeFormat::Partition)
        }
    };
    match format {
        Some(format) => Ok(Some(format)),
        None => refuse!(unsupported, "unknown volume format type {}", word.unwrap_or_default()),
    }
}

fn parse_backing(el: &Element<'_>, formats: VolumeFormats) -> Result<VolumeFile> {
    Ok(VolumeFile {
        path: el.child_text("path"),
        format: parse_format(Some(el), formats)?,
        permissions: Permissions::parse_below(el)?,
        ..VolumeFile::default()
    })
}

fn parse_target(el: Option<&Element<'_>>, formats: VolumeFormats) -> Result<VolumeFile> {
    let mut target = VolumeFile { format: parse_format(el, formats)?, ..VolumeFile::default() };
    let Some(el) = el else { return Ok(target) };
    target.path = el.child_text("path");
    target.permissions = Permissions::parse_below(el)?;
    target.encryption = el.child("encryption").map(|e| StorageEncryption::parse(&e)).transpose()?;
    target.compat = el.child_text("compat");
    if target.compat.as_ref().is_some_and(|compat| !is_version(compat)) {
        refuse!(xml, "forbidden characters in 'compat' attribute");
    }
    target.cluster_size = el.child("clusterSize").map(|size| cluster_size(&size)).transpose()?;
    if let Some(features) = el.child("features") {
        target.compat.get_or_insert_with(|| FEATURES_COMPAT.to_owned());
        let mut list = Vec::new();
        for child in features.elements() {
            match ImageFeature::parse(child.name()) {
                Some(feature) => list.push(feature),
                None => refuse!(unsupported, "unsupported feature {}", child.name()),
            }
        }
        list.sort();
        list.dedup();
        target.features = Some(list);
    }
    Ok(target)
}

/// Two numbers and a point between them.
fn is_version(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}

fn cluster_size(el: &Element<'_>) -> Result<u64> {
    let text = el.text();
    let Ok(value) = text.trim().parse::<u64>() else {
        return Err(
            el.fault(format!("Invalid value '{text}' for element or attribute './target/clusterSize'"))
        );
    };
    scale::to_bytes(value, el.attr("unit"), 1, u64::MAX)
}

impl Extent {
    fn to_el(&self) -> El {
        El::new("extent").attr("start", self.start).attr("end", self.end)
    }
}

impl VolumeFile {
    fn to_el(&self, name: &'static str) -> El {
        let mut el = El::new(name);
        el.push_text("path", self.path.as_ref());
        el.extend(self.format.map(|format| El::new("format").attr("type", format.as_str())));
        el.extend(self.permissions.to_el());
        el.extend(self.timestamps.map(Timestamps::to_el));
        el.extend(self.encryption.as_ref().map(StorageEncryption::to_el));
        el.push_text("compat", self.compat.as_ref());
        if let Some(bytes) = self.cluster_size.filter(|bytes| *bytes > 0) {
            let mut size = El::new("clusterSize").attr("unit", "B");
            size.text(bytes);
            el.push(size);
        }
        if let Some(features) = &self.features {
            let mut child = El::new("features");
            child.extend(features.iter().map(|feature| El::new(feature.as_str())));
            el.push(child);
        }
        open(el)
    }
}

impl Timestamps {
    fn to_el(self) -> El {
        let mut el = El::new("timestamps");
        let times =
            [("atime", self.atime), ("mtime", self.mtime), ("ctime", self.ctime), ("btime", self.btime)];
        for (name, (seconds, nanoseconds)) in times {
            let text = match nanoseconds {
                0 => seconds.to_string(),
                _ => format!("{seconds}.{nanoseconds:09}"),
            };
            el.push_text(name, Some(text));
        }
        el
    }
}
