//! What a guest touches on the host, named once.
//!
//! Ownership, SELinux, AppArmor, device cgroup, private `/dev` and audit all read this list; none of
//! them knows what device a resource belongs to.

use std::path::PathBuf;

/// How it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and written.
    ReadWrite,
}

/// With whom it is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One guest only.
    Exclusive,
    /// Several guests write it.
    Shared,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A regular file or block device that holds a disk's content.
    Image,
    /// A kernel, firmware, ROM or table that is only read.
    Firmware,
    /// A file that the guest writes and that outlives a run; made where it is absent.
    State,
    /// A device node.
    Device,
    /// A directory.
    Directory,
    /// A socket that the emulator connects to.
    Socket,
    /// A log or output file.
    Output,
    /// A file of the daemon's own making (keys, state).
    Private,
}

/// One thing a guest touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: ResourceKind,
    /// How it is used.
    pub access: Access,
    /// With whom it is shared.
    pub sharing: Sharing,
    /// Whether protectors must leave its labels alone (`relabel='no'`).
    pub keep_label: bool,
    /// Whether it is only read now, but a job on the guest's disk may write it: an image below another.
    pub below: bool,
}

impl Resource {
    /// A resource that one guest reads.
    pub fn new(path: impl Into<PathBuf>, kind: ResourceKind) -> Self {
        Resource {
            path: path.into(),
            kind,
            access: Access::Read,
            sharing: Sharing::Exclusive,
            keep_label: false,
            below: false,
        }
    }

    /// The same, written as well.
    pub fn writable(mut self) -> Self {
        self.access = Access::ReadWrite;
        self
    }

    /// The same, shared among guests.
    pub fn shared(mut self) -> Self {
        self.sharing = Sharing::Shared;
        self
    }
}
