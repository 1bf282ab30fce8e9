//! Storage volumes.
//!
//! Owns: the model. Never: opens one.

use ostler_base::{Word, words};
use ostler_vocab::storage_encryption::StorageEncryption;

use super::Permissions;
use super::kinds::{FileFormat, PartitionFormat, VolumeType};

words! {
    /// An element of `<features>`: what only newer images can do.
    pub ImageFeature { LazyRefcounts = "lazy_refcounts", ExtendedL2 = "extended_l2" }
}

/// `<volume>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name; never empty.
    pub name: String,
    /// What finds it again.
    pub key: Option<String>,
    /// What it is.
    pub kind: VolumeType,
    /// Where its data lie; known while its pool runs.
    pub extents: Vec<Extent>,
    /// Its size in bytes.
    pub capacity: u64,
    /// How much of it is taken, in bytes; its size where that is not said.
    pub allocation: u64,
    /// Whether the document said how much of it is taken.
    pub allocation_given: bool,
    /// The size of its file in bytes; known while its pool runs.
    pub physical: Option<u64>,
    /// Its own file.
    pub target: VolumeFile,
    /// Whether its file is written in place (`<nocow/>`).
    pub nocow: bool,
    /// The file that holds what it does not.
    pub backing: Option<VolumeFile>,
}

/// A piece of a device that a volume lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The device.
    pub device: String,
    /// First byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// `<target>` or `<backingStore>` of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeFile {
    /// Its path.
    pub path: Option<String>,
    /// Its format, in pools that have formats.
    pub format: Option<VolumeFormat>,
    /// Whose it is.
    pub permissions: Permissions,
    /// When it was used; known while its pool runs.
    pub timestamps: Option<Timestamps>,
    /// How it is encrypted.
    pub encryption: Option<StorageEncryption>,
    /// Version of its format: two numbers and a point.
    pub compat: Option<String>,
    /// Size of its clusters in bytes.
    pub cluster_size: Option<u64>,
    /// What only newer images can do; `None` where nothing is said.
    pub features: Option<Vec<ImageFeature>>,
}

/// The format of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeFormat {
    /// Of a file.
    File(FileFormat),
    /// Of a partition.
    Partition(PartitionFormat),
}

impl VolumeFormat {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            VolumeFormat::File(format) => format.as_str(),
            VolumeFormat::Partition(format) => format.as_str(),
        }
    }
}

/// When a file was used: seconds since the epoch and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// Read.
    pub atime: (i64, u32),
    /// Written.
    pub mtime: (i64, u32),
    /// Changed in its attributes.
    pub ctime: (i64, u32),
    /// Made; 0 where the file system does not know.
    pub btime: (i64, u32),
}
