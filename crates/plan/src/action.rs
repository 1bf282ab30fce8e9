//! What a host is told to do, and what takes it back.

use std::path::PathBuf;

/// User and group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One thing to do. Plain data: it can be printed, compared, saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a directory; its parents must exist. One that exists already gets mode and owner.
    MakeDir {
        /// Where.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Whose; the daemon's own where absent.
        owner: Option<Owner>,
    },
    /// Make a directory that outlives the run; one that exists already stays as it is.
    KeepDir {
        /// Where; its parents must exist.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Whose; the daemon's own where absent.
        owner: Option<Owner>,
    },
    /// Remove a directory with everything in it; never follows a link.
    RemoveTree {
        /// Which.
        path: PathBuf,
    },
    /// Write a file anew.
    WriteFile {
        /// Where.
        path: PathBuf,
        /// What.
        content: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// Whose; the daemon's own where absent.
        owner: Option<Owner>,
    },
    /// Copy a file that exists. Where another has the name already, it stays, unless it is to be
    /// replaced.
    CopyFile {
        /// Which.
        from: PathBuf,
        /// Where to.
        to: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Whose; the daemon's own where absent.
        owner: Option<Owner>,
        /// Take the place of a file that is there already; its content is lost for good.
        replace: bool,
    },
    /// Fill a file with random bytes (a key that nobody else has to know).
    WriteRandom {
        /// Where.
        path: PathBuf,
        /// How many bytes.
        length: usize,
        /// Permission bits.
        mode: u32,
        /// Whose.
        owner: Option<Owner>,
    },
    /// Remove a file; none there is no error.
    RemoveFile {
        /// Which.
        path: PathBuf,
    },
    /// Run a program and wait for its end; its last words are the error where it fails.
    Run {
        /// What it does, for the error.
        name: String,
        /// Program (looked up in `PATH`) and arguments.
        argv: Vec<String>,
        /// As whom.
        owner: Option<Owner>,
    },
    /// Start a process that serves the emulator, and wait until it is ready.
    StartService {
        /// What it is called in errors and under which it is stopped again.
        name: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// As whom.
        owner: Option<Owner>,
        /// The path whose appearance says that it is ready.
        ready: PathBuf,
        /// Where it keeps its process number.
        pid_file: PathBuf,
    },
    /// Take a PCI function from its driver and give it to VFIO.
    DetachPci {
        /// `0000:00:01.0`
        address: String,
        /// The driver that gets it, where it is another than `vfio-pci`.
        driver: Option<String>,
    },
    /// Give a PCI function back to the host.
    ReattachPci {
        /// `0000:00:01.0`
        address: String,
    },
    /// Stop such a process.
    StopService {
        /// What it is called.
        name: String,
        /// Where it keeps its process number.
        pid_file: PathBuf,
    },
}

impl Action {
    /// What takes this action back; `None` where nothing has to be.
    pub fn undo(&self) -> Option<Action> {
        match self {
            Action::MakeDir { path, .. } => Some(Action::RemoveTree { path: path.clone() }),
            Action::WriteFile { path, .. } | Action::WriteRandom { path, .. } => {
                Some(Action::RemoveFile { path: path.clone() })
            }
            Action::StartService { name, pid_file, .. } => {
                Some(Action::StopService { name: name.clone(), pid_file: pid_file.clone() })
            }
            Action::CopyFile { to, replace: false, .. } => Some(Action::RemoveFile { path: to.clone() }),
            Action::DetachPci { address, .. } => Some(Action::ReattachPci { address: address.clone() }),
            // What a run leaves behind on purpose, and what is itself the way back.
            Action::KeepDir { .. } | Action::Run { .. } | Action::CopyFile { .. } => None,
            Action::ReattachPci { .. } => None,
            Action::RemoveTree { .. } | Action::RemoveFile { .. } | Action::StopService { .. } => None,
        }
    }
}
