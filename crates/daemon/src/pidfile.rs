//! The file with the daemon's process number, locked while it runs.
//!
//! Owns: that one instance is alone. Never: removes a file that another one holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

/// The locked file; it goes when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Held open: the lock ends with it.
    _file: File,
}

impl PidFile {
    /// Takes the file. The error is a message for the user; it names who holds it.
    pub fn take(path: &Path) -> Result<Self, String> {
        let failed = |e: io::Error| format!("cannot write PID file {}: {e}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        loop {
            let mut file = open(path).map_err(failed)?;
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => return Err(held(path, file)),
                Err(e) => return Err(failed(e.into())),
            }
            // Whoever ended in between took the file away with it: the lock would be on nothing.
            if !is_still_at(&file, path) {
                continue;
            }
            file.set_len(0).map_err(failed)?;
            writeln!(file, "{}", std::process::id()).map_err(failed)?;
            return Ok(PidFile { path: path.to_owned(), _file: file });
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It is of no use without the lock; what cannot be removed is overwritten next time.
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(no_follow)
        .open(path)
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn held(path: &Path, file: File) -> String {
    let mut text = String::new();
    let pid = file.take(16).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    let who = pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
    format!("a daemon runs here already: {who} holds {}", path.display())
}
