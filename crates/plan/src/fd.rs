//! Descriptors that an emulator is handed.
//!
//! Owns: what each descriptor is and under which number the emulator finds it. The number is part
//! of the plan, so a plan can be printed and logged whole; the launcher puts each descriptor there.

use std::path::PathBuf;

/// What a descriptor is for; decides its number where a host has fixed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FdKind {
    /// A listening UNIX socket (monitor, character device).
    Listen,
    /// Output file of a character device.
    Output,
    /// Log file of a character device.
    Log,
    /// A tap device that the guest owns alone (`ethernet`).
    Tap,
    /// A tap device on a bridge or network, or a macvtap.
    NetTap,
    /// `/dev/vhost-net`.
    VhostNet,
    /// `/dev/vhost-scsi`.
    VhostScsi,
    /// `/dev/vhost-vsock`.
    VhostVsock,
    /// A vDPA network device.
    VhostVdpa,
    /// Socket of a vhost-user video process.
    VhostUserVideo,
    /// A TPM of the host.
    Tpm,
    /// Its cancel file.
    TpmCancel,
    /// Incoming migration.
    Migration,
    /// Anything that a client handed in.
    Client,
}

/// How the host gets a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FdSource {
    /// Bind and listen on a path.
    ListenUnix(PathBuf),
    /// Open a file for writing, creating it.
    Append {
        /// Its path.
        path: PathBuf,
        /// Empty it first.
        truncate: bool,
    },
    /// Open a device node or file for reading and writing.
    Open(PathBuf),
    /// Open a file for reading only.
    OpenRead(PathBuf),
    /// Open a file for writing only; it must exist.
    OpenWrite(PathBuf),
    /// A tap device.
    Tap {
        /// Its name; made by the host where it ends in `%d`.
        name: String,
        /// Whether it must exist already.
        existing: bool,
        /// Whether several descriptors are opened on it.
        multi_queue: bool,
    },
    /// A descriptor that came with the request, by its name there.
    Given(String),
}

/// A descriptor with its number in the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedFd {
    /// Number in the emulator.
    pub number: u32,
    /// What it is for.
    pub kind: FdKind,
    /// How to get it.
    pub source: FdSource,
}

/// Which number a descriptor gets.
#[derive(Debug, Clone, Copy)]
pub enum Numbering {
    /// One after another from a first number on.
    From(u32),
    /// By a fixed rule: of the kind, and how many of this kind the device has already.
    Fixed(fn(FdKind, u32) -> u32),
}

/// The descriptors of a plan, growing.
#[derive(Debug, Clone)]
pub struct PassedFds {
    numbering: Numbering,
    fds: Vec<PassedFd>,
    /// How many there were when the device began.
    before: usize,
    sets: u32,
}

impl PassedFds {
    /// None yet.
    pub fn new(numbering: Numbering) -> Self {
        PassedFds { numbering, fds: Vec::new(), before: 0, sets: 0 }
    }

    /// What comes now is another device's.
    pub fn begin_device(&mut self) {
        self.before = self.fds.len();
    }

    /// Adds one; its number.
    pub fn add(&mut self, kind: FdKind, source: FdSource) -> u32 {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let number = match self.numbering {
            Numbering::From(first) => first.saturating_add(count(self.fds.len())),
            Numbering::Fixed(rule) => {
                let own = &self.fds[self.before..];
                rule(kind, count(own.iter().filter(|fd| fd.kind == kind).count()))
            }
        };
        self.fds.push(PassedFd { number, kind, source });
        number
    }

    /// Adds one whose number is fixed.
    pub fn add_fixed(&mut self, number: u32, kind: FdKind, source: FdSource) {
        self.fds.push(PassedFd { number, kind, source });
    }

    /// Takes the first numbers of sets away, which are given out elsewhere.
    pub fn reserve_sets(&mut self, count: u32) {
        self.sets = self.sets.max(count);
    }

    /// The number of the next `-add-fd` set.
    pub fn next_set(&mut self) -> u32 {
        let set = self.sets;
        self.sets += 1;
        set
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<PassedFd> {
        self.fds
    }
}
