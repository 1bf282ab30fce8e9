//! Storage and format nodes of one image.
//!
//! Owns: which nodes an image needs, and what each is told. Never: the order in which they are added.

use ostler_base::{Error, Json, Result, Word, refuse};
use ostler_plan::Props;
use ostler_vocab::storage_encryption::EncryptionFormat;

use super::naming::NodeNames;
use super::place::{ImageFormat, Place};
use super::storage::Depth;
use super::{Backing, Image};
use crate::devices::disk::{CacheMode, DetectZeroes, Discard, IoMode, NodeRole};

/// The longest name of a node.
const LONGEST_NAME: usize = 31;

/// What is said of an image by the disk that it belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether the image is never written.
    pub readonly: bool,
    /// `cache`
    pub cache: Option<CacheMode>,
    /// `io`
    pub io: Option<IoMode>,
    /// `discard`
    pub discard: Option<Discard>,
    /// `discard_no_unref`; of the topmost image.
    pub discard_no_unref: Option<bool>,
    /// `detect_zeroes`; of the topmost image.
    pub detect_zeroes: Option<DetectZeroes>,
    /// Whether the guest takes it for a floppy.
    pub floppy: bool,
    /// Whether it is a drive of the host with media to change.
    pub host_cdrom: bool,
    /// Whether every image has a node for its format, since the emulator wants it for block jobs.
    pub layered: bool,
    /// Descriptors that were passed: whether there is one alone, and whether it is writable.
    pub fd: Option<PassedAccess>,
}

/// What passed descriptors of an image allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassedAccess {
    /// There is one; the emulator cannot change between reading and writing.
    pub single: bool,
    /// It is open for writing, whatever the image is.
    pub writable: bool,
}

impl Surroundings {
    /// The same for an image below.
    pub fn below(self) -> Self {
        Surroundings { readonly: true, discard_no_unref: None, detect_zeroes: None, fd: None, ..self }
    }

    /// The same for the file with the content of an image.
    pub(crate) fn of_data(self) -> Self {
        Surroundings { discard_no_unref: None, detect_zeroes: None, fd: None, host_cdrom: false, ..self }
    }

    fn cache_props(&self) -> Option<Props> {
        self.cache.map(|mode| {
            let direct = matches!(mode, CacheMode::None | CacheMode::Directsync);
            Props::new().with("direct", direct).with("no-flush", mode == CacheMode::Unsafe)
        })
    }
}

impl Image {
    /// Whether a node for the format stands above the one of the storage.
    pub fn needs_format(&self, around: &Surroundings) -> bool {
        let encrypted = self.encryption.is_some() && !self.by_librbd();
        let written = around.readonly && around.fd.is_some_and(|fd| fd.writable);
        let directory = matches!(self.actual(), Place::Dir(_));
        around.layered || !self.is_raw() || encrypted || self.slice.is_some() || written || directory
    }

    /// Whether it is bytes without a format.
    pub fn is_raw(&self) -> bool {
        matches!(self.format, None | Some(ImageFormat::Raw | ImageFormat::Fat))
    }

    /// Whether images can be below one of this format.
    pub fn can_have_backing(&self) -> bool {
        use ImageFormat::{Cow, Qcow, Qcow2, Qed, Vmdk};
        matches!(self.format, Some(Qcow | Qcow2 | Qed | Vmdk | Cow))
    }

    /// The name of its topmost node in a run.
    pub fn top_node(&self) -> Option<&str> {
        let run = self.run.as_ref()?;
        run.node(NodeRole::Format).or_else(|| run.node(NodeRole::Storage))
    }
}

/// The node that shows a part of the storage to the node of a format.
pub fn slice_props(image: &Image, names: &NodeNames) -> Option<Props> {
    let slice = image.slice.filter(|_| !image.is_raw())?;
    Some(
        Props::new()
            .with("driver", "raw")
            .with("node-name", names.slice.as_str())
            .with("offset", slice.offset)
            .with("size", slice.size)
            .with("file", names.storage.as_str())
            .with("auto-read-only", true)
            .with("discard", "unmap"),
    )
}

fn check_name(name: &str) -> Result<()> {
    if name.len() > LONGEST_NAME {
        return Err(Error::internal(format!("node-name '{name}' too long for qemu")));
    }
    Ok(())
}

/// The storage node of an image; `format` says whether one for the format stands above it.
pub fn storage_props(image: &Image, names: &NodeNames, around: &Surroundings, format: bool) -> Result<Props> {
    check_name(&names.storage)?;
    let mut props = image.place_props(names, around, Depth::Full)?;
    props.set("node-name", names.storage.as_str());
    let fixed = around.fd.filter(|fd| fd.single);
    match (format, fixed) {
        (true, None) => props.set("auto-read-only", true),
        (true, Some(fd)) => props.set("read-only", around.readonly && !fd.writable),
        (false, _) => props.set("read-only", around.readonly),
    }
    if format {
        // Whether anything is discarded is decided above.
        props.set("discard", "unmap");
    } else {
        props.set_opt("discard", around.discard.map(|discard| discard.to_string()));
        props.set_opt("detect-zeroes", around.detect_zeroes.map(|mode| mode.to_string()));
    }
    props.set_opt("cache", around.cache_props());
    Ok(props)
}

/// The format node of an image: above the node `file`, with `below` as the node of the image below
/// it and `data` as that of its data.
pub fn format_props(
    image: &Image,
    names: &NodeNames,
    around: &Surroundings,
    file: &str,
    below: Option<&str>,
    data: Option<&str>,
) -> Result<Props> {
    check_name(&names.format)?;
    let mut props = Props::new().with("node-name", names.format.as_str()).with("read-only", around.readonly);
    props.set_opt("discard", around.discard.map(|discard| discard.to_string()));
    props.set_opt("detect-zeroes", around.detect_zeroes.map(|mode| mode.to_string()));
    props.set_opt("cache", around.cache_props());
    driver_props(image, &names.keys, &mut props)?;
    props.set_opt("discard-no-unref", around.discard_no_unref);
    props.set_opt("data-file", data);
    props.set("file", file);
    match (&image.backing, below) {
        (_, Some(below)) => props.set("backing", below),
        (Backing::End, None) if image.can_have_backing() => props.set("backing", Json::Null),
        _ => {}
    }
    Ok(props)
}

fn driver_props(image: &Image, keys: &[String], props: &mut Props) -> Result<()> {
    let key = keys.first().map(String::as_str);
    let encryption = image.encryption.as_ref().filter(|_| !image.by_librbd());
    match image.format {
        None | Some(ImageFormat::Raw | ImageFormat::Fat) => {
            let luks = encryption.is_some_and(|e| e.format == EncryptionFormat::Luks);
            props.set("driver", if luks { "luks" } else { "raw" });
            props.set_opt("key-secret", key.filter(|_| luks));
            if let Some(slice) = image.slice {
                props.set("offset", slice.offset);
                props.set("size", slice.size);
            }
        }
        Some(ImageFormat::Qcow | ImageFormat::Qcow2) => {
            props.set("driver", image.format.map(Word::as_str).unwrap_or_default());
            if let Some(encryption) = encryption {
                let kind = match encryption.format {
                    EncryptionFormat::Qcow | EncryptionFormat::Default => "aes",
                    _ => "luks",
                };
                props.set("encrypt", Props::new().with("format", kind).with_opt("key-secret", key));
            }
            props.set_opt(
                "cache-size",
                image.metadata_cache.filter(|_| image.format == Some(ImageFormat::Qcow2)),
            );
        }
        Some(ImageFormat::Ploop) => props.set("driver", "parallels"),
        Some(
            format @ (ImageFormat::Bochs
            | ImageFormat::Cloop
            | ImageFormat::Dmg
            | ImageFormat::Vpc
            | ImageFormat::Vdi
            | ImageFormat::Qed
            | ImageFormat::Vmdk),
        ) => props.set("driver", format.as_str()),
        Some(format) => refuse!(internal, "invalid storage type '{format}' for a block node"),
    }
    Ok(())
}
