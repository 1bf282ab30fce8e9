//! Storage pools.
//!
//! Owns: the model. Never: knows where a pool's space comes from.

use ostler_base::{Uuid, YesNo, words};
use ostler_vocab::storage_auth::StorageAuth;

use super::Permissions;
use super::adapter::Adapter;
use super::kinds::PoolType;

words! {
    /// `<refresh><volume allocation='…'/></refresh>`: what counts as the size of a volume.
    pub RefreshAllocation { Default = "default", Capacity = "capacity" }
}

/// `<pool>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its kind.
    pub kind: PoolType,
    /// Its name; no slash.
    pub name: String,
    /// Its identifier.
    pub uuid: Uuid,
    /// Its size in bytes; known while it runs.
    pub capacity: u64,
    /// How much of it is taken, in bytes; known while it runs.
    pub allocation: u64,
    /// How much of it is free, in bytes; known while it runs.
    pub available: u64,
    /// `<features><cow state='…'/></features>`: whether files are written in place.
    pub cow: Option<YesNo>,
    /// Where its space comes from.
    pub source: Source,
    /// Where it appears on this host, if it does.
    pub target: Option<Target>,
    /// What counts as the size of a volume.
    pub refresh: Option<RefreshAllocation>,
    /// Options of a file system or an RBD connection, as they are.
    pub options: Options,
}

/// `<source>` of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Hosts that serve it.
    pub hosts: Vec<SourceHost>,
    /// Devices it lies on.
    pub devices: Vec<SourceDevice>,
    /// Directory of the host that serves it.
    pub dir: Option<String>,
    /// Bus adapter.
    pub adapter: Option<Adapter>,
    /// Its name where it comes from.
    pub name: Option<String>,
    /// The name this host logs in under.
    pub initiator: Option<String>,
    /// Its format, a word of its kind.
    pub format: Option<&'static str>,
    /// How to log in.
    pub auth: Option<StorageAuth>,
    /// Version of the NFS protocol; no comma.
    pub protocol_ver: Option<String>,
    /// Who made the device.
    pub vendor: Option<String>,
    /// What the device is called.
    pub product: Option<String>,
}

/// `<host>` of a pool's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHost {
    /// Name or address.
    pub name: String,
    /// Port.
    pub port: Option<u16>,
}

/// `<device>` of a pool's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDevice {
    /// Path, or the name of a target.
    pub path: String,
    /// Whether partitions are called `NAMEpN`.
    pub part_separator: Option<YesNo>,
    /// Free extents, in bytes from the beginning; known while it runs.
    pub free_extents: Vec<(u64, u64)>,
}

/// `<target>` of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Directory of its volumes.
    pub path: String,
    /// Whose that directory is.
    pub permissions: Permissions,
}

/// Options in namespaces of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Options for `mount`.
    pub mount: Vec<String>,
    /// Options for RBD: names and values.
    pub rbd: Vec<(String, String)>,
}

impl Pool {
    /// The name of its volume group, cluster or data set: its own where the source has none.
    pub fn source_name(&self) -> &str {
        self.source.name.as_deref().unwrap_or(&self.name)
    }
}
