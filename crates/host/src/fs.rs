//! Files: whole or not at all, never through a link at the last name.
//!
//! Owns: how files and directories are made and removed. Never: knows what is in them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ostler_base::Result;
use ostler_plan::Owner;
use rustix::fs::{Gid, Mode, OFlags, Uid};

use crate::failed;

/// Whether a file is there after the machine lost its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The file and its name are on the disk before the call returns.
    Durable,
    /// They are in the page cache: enough for what does not outlive the machine's run.
    Volatile,
}

/// Writes a file: a new one in the same directory takes its name, so that a reader sees the old content
/// or the new
/// one, and a link there is replaced, not followed.
pub fn write_atomic(
    path: &Path,
    content: &[u8],
    mode: u32,
    owner: Option<Owner>,
    durability: Durability,
) -> Result<()> {
    let temporary = temporary(path);
    let written = write_new(&temporary, content, mode, owner, durability)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| if durability == Durability::Durable { sync_parent(path) } else { Ok(()) });
    written.map_err(|error| {
        // It may never have come to be, or have its name already.
        drop(fs::remove_file(&temporary));
        failed(format_args!("cannot write file '{}'", path.display()), error)
    })
}

/// Copies a file under another name, whole or not at all. Where another has the name already, it keeps
/// it or gives it up.
pub fn copy_file(from: &Path, to: &Path, mode: u32, owner: Option<Owner>, existing: Existing) -> Result<()> {
    let temporary = temporary(to);
    let copy = || -> io::Result<()> {
        let mut source = File::open(from)?;
        let mut target = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        io::copy(&mut source, &mut target)?;
        own(&target, mode, owner)?;
        target.sync_all()?;
        match existing {
            Existing::Adjust => fs::rename(&temporary, to)?,
            Existing::Keep => match fs::hard_link(&temporary, to) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => fs::remove_file(&temporary)?,
            },
        }
        sync_parent(to)
    };
    copy().map_err(|error| {
        // It may never have come to be, or have its name already.
        drop(fs::remove_file(&temporary));
        failed(format_args!("cannot copy '{}' to '{}'", from.display(), to.display()), error)
    })
}

/// A name next to `path` that no other call uses.
fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{count}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_new(
    path: &Path,
    content: &[u8],
    mode: u32,
    owner: Option<Owner>,
    durability: Durability,
) -> io::Result<()> {
    drop(fs::remove_file(path));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    own(&file, mode, owner)?;
    if durability == Durability::Durable { file.sync_all() } else { Ok(()) }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// First the owner: a change of it may clear bits of the mode.
fn own(file: &File, mode: u32, owner: Option<Owner>) -> io::Result<()> {
    if let Some(Owner { uid, gid }) = owner {
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// What becomes of a directory that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It gets mode and owner.
    Adjust,
    /// It stays as it is.
    Keep,
}

/// Makes a directory; its parents must exist. A link in its place is an error.
pub fn make_dir(path: &Path, mode: u32, owner: Option<Owner>, existing: Existing) -> Result<()> {
    let make = || -> io::Result<()> {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if existing == Existing::Keep && fs::metadata(path)?.is_dir() {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        own(&File::from(rustix::fs::open(path, flags, Mode::empty())?), mode, owner)
    };
    make().map_err(|error| failed(format_args!("cannot create directory '{}'", path.display()), error))
}

/// Removes a directory with everything in it, or whatever else stands there; follows no link. None is
/// no error.
pub fn remove_tree(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    absent_is_fine(removed)
        .map_err(|error| failed(format_args!("cannot remove directory '{}'", path.display()), error))
}

/// Removes a file; none is no error.
pub fn remove_file(path: &Path) -> Result<()> {
    absent_is_fine(fs::remove_file(path))
        .map_err(|error| failed(format_args!("cannot remove file '{}'", path.display()), error))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Reads a text of at most `limit` bytes; a longer one is an error.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= limit => Ok(text),
        _ => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory that goes away with its owner.
    pub(crate) struct Scratch(pub(crate) PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            let path = temporary(&std::env::temp_dir().join("ostler-host"));
            fs::create_dir(&path).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_link_is_replaced_and_nothing_is_left_over() {
        let scratch = Scratch::new();
        let (precious, link) = (scratch.0.join("precious"), scratch.0.join("link"));
        fs::write(&precious, "old").unwrap();
        symlink(&precious, &link).unwrap();
        for durability in [Durability::Durable, Durability::Volatile] {
            write_atomic(&link, b"new", 0o640, None, durability).unwrap();
        }
        assert_eq!(
            (fs::read(&precious).unwrap(), fs::read(&link).unwrap()),
            (b"old".to_vec(), b"new".to_vec())
        );
        assert_eq!(mode(&link), 0o640);
        let error =
            write_atomic(&scratch.0.join("no/file"), b"", 0o600, None, Durability::Volatile).unwrap_err();
        assert!(error.to_string().ends_with("no/file': No such file or directory"), "{error}");
        assert!(write_atomic(&scratch.0, b"", 0o600, None, Durability::Volatile).is_err());
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 2);
    }

    #[test]
    fn directories_are_made_and_removed_without_following() {
        let scratch = Scratch::new();
        let (real, link, kept) = (scratch.0.join("real"), scratch.0.join("link"), scratch.0.join("kept"));
        make_dir(&real, 0o711, None, Existing::Adjust).unwrap();
        assert_eq!(mode(&real), 0o711);
        make_dir(&real, 0o750, None, Existing::Adjust).unwrap();
        make_dir(&real, 0o700, None, Existing::Keep).unwrap();
        assert_eq!(mode(&real), 0o750);
        fs::write(real.join("file"), "").unwrap();
        symlink(&real, &link).unwrap();
        assert!(make_dir(&link, 0o700, None, Existing::Adjust).is_err());
        fs::create_dir(&kept).unwrap();
        symlink(&real, kept.join("inner")).unwrap();
        remove_tree(&kept).unwrap();
        remove_tree(&link).unwrap();
        assert!(real.join("file").exists() && !link.exists());
        remove_tree(&real).unwrap();
        remove_tree(&real).unwrap();
        remove_file(&real).unwrap();
    }

    #[test]
    fn copies_keep_or_replace() {
        let scratch = Scratch::new();
        let (from, to) = (scratch.0.join("from"), scratch.0.join("to"));
        fs::write(&from, "1").unwrap();
        copy_file(&from, &to, 0o640, None, Existing::Keep).unwrap();
        assert_eq!((fs::read(&to).unwrap(), mode(&to)), (b"1".to_vec(), 0o640));
        fs::write(&from, "2").unwrap();
        copy_file(&from, &to, 0o640, None, Existing::Keep).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"1");
        copy_file(&from, &to, 0o640, None, Existing::Adjust).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"2");
        assert!(copy_file(&scratch.0.join("no"), &to, 0o640, None, Existing::Adjust).is_err());
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 2);
    }

    #[test]
    fn a_long_file_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.0.join("f");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), "12345");
        assert!(read_bounded(&path, 4).is_err());
    }
}
