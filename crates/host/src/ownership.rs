//! Files that change hands for a guest, and get their owners back.
//!
//! Owns: remembering. The owner that a file had is kept in its own attributes, in libvirt's form, with a
//! count of the guests that use it, so that the last one gives it back, whichever daemon looks after it;
//! and in a journal of the run, written before anything is changed, for file systems without such
//! attributes and for a daemon that died half-way. Never: decides which files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ostler_base::{Error, Result, refuse};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, XattrFlags, chownat, fstat, open};
use rustix::io::Errno;

use crate::fs::{Durability, read_bounded, remove_file, write_atomic};
use crate::permission::may_read;
use crate::{Identity, failed};
use std::os::fd::{AsRawFd, OwnedFd};

/// The owner before the first guest, as `+UID:+GID`.
const OWNER: &str = "trusted.libvirt.security.dac";
/// How many guests use the file.
const COUNT: &str = "trusted.libvirt.security.ref_dac";
/// When the machine was booted: counts of an earlier run of the machine are void.
const BOOT: &str = "trusted.libvirt.security.timestamp_dac";
/// Longest value of these attributes.
const VALUE_MAX: usize = 128;
/// Longest journal.
const JOURNAL_MAX: u64 = 1 << 20;

/// Counts are read and written in two steps; within this daemon one file has one hand on it at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Whether a file changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Always.
    Always,
    /// Only where the new owner could not read it.
    IfUnreadable,
}

/// A file, pinned: what is done is done to this one, whatever its name stands for meanwhile.
struct Pinned(OwnedFd);

impl Pinned {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Pinned(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
    }

    fn owner(&self) -> io::Result<(u32, u32)> {
        let found = fstat(&self.0)?;
        Ok((found.st_uid, found.st_gid))
    }

    fn give(&self, (uid, gid): (u32, u32)) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        Ok(chownat(&self.0, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?)
    }

    /// A name of the open file; attributes cannot be reached by a pinning descriptor itself.
    fn name(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    fn attribute(&self, name: &str) -> rustix::io::Result<Option<String>> {
        let mut buffer = [0; VALUE_MAX];
        match rustix::fs::getxattr(self.name(), name, &mut buffer[..]) {
            Ok(length) => {
                let value = buffer.get(..length).unwrap_or_default();
                Ok(Some(String::from_utf8_lossy(value).into_owned()))
            }
            Err(Errno::NODATA) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set(&self, name: &str, value: &str) -> rustix::io::Result<()> {
        rustix::fs::setxattr(self.name(), name, value.as_bytes(), XattrFlags::empty())
    }

    fn forget(&self) {
        for name in [COUNT, BOOT, OWNER] {
            match rustix::fs::removexattr(self.name(), name) {
                Ok(()) | Err(Errno::NODATA) => {}
                Err(error) => tracing::warn!(%error, attribute = name, "cannot remove"),
            }
        }
    }

    /// How many guests use it, and whose it was; nothing where nobody does.
    fn remembered(&self, boot: &str) -> rustix::io::Result<Option<(u32, (u32, u32))>> {
        let Some(count) = self.attribute(COUNT)?.and_then(|count| count.parse().ok()).filter(|n| *n > 0)
        else {
            return Ok(None);
        };
        if self.attribute(BOOT)?.is_some_and(|then| then != boot) {
            return Ok(None);
        }
        Ok(self.attribute(OWNER)?.as_deref().and_then(parse_owner).map(|owner| (count, owner)))
    }

    /// One guest more. `false`: this file system does not keep it.
    fn remember(&self, boot: &str, now: (u32, u32), next: (u32, u32)) -> Result<bool, Refusal> {
        match self.remembered(boot) {
            Ok(Some((count, owner))) => {
                if now != next {
                    return Err(Refusal::InUse);
                }
                let set = self.set(COUNT, &count.saturating_add(1).to_string());
                set.map_err(|error| Refusal::System(error.into()))?;
                tracing::debug!(?owner, count, "owner is remembered already");
                Ok(true)
            }
            Ok(None) => {
                let owner = format!("+{}:+{}", now.0, now.1);
                let set = self.set(OWNER, &owner).and_then(|()| self.set(BOOT, boot));
                match set.and_then(|()| self.set(COUNT, "1")) {
                    Ok(()) => Ok(true),
                    Err(error) if unsupported(error) => Ok(false),
                    Err(error) => Err(Refusal::System(error.into())),
                }
            }
            Err(error) if unsupported(error) => Ok(false),
            Err(error) => Err(Refusal::System(error.into())),
        }
    }
}

/// Why an owner cannot be remembered.
enum Refusal {
    /// Another guest uses the file as another user.
    InUse,
    System(io::Error),
}

fn unsupported(error: Errno) -> bool {
    matches!(error, Errno::NOTSUP | Errno::PERM | Errno::NOSYS | Errno::ACCESS | Errno::ROFS)
}

fn parse_owner(text: &str) -> Option<(u32, u32)> {
    let (uid, gid) = text.split_once(':')?;
    Some((uid.trim_start_matches('+').parse().ok()?, gid.trim_start_matches('+').parse().ok()?))
}

/// When the machine was booted, in seconds since the epoch, as text.
fn boot_time() -> String {
    let text = read_bounded(Path::new("/proc/stat"), 16 << 20).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.map_or_else(|| "0".to_owned(), |seconds| seconds.trim().to_owned())
}

/// Gives files to a guest's user. The journal is written before the first one changes hands; on a failure
/// all are given back.
///
/// # Errors
/// Names the file. One that another guest uses as another user is refused.
pub fn take(files: &[(PathBuf, Change)], who: &Identity, remember: bool, journal: &Path) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pinned = Vec::new();
    // The guest's own user first: whoever finds the journal alone has to know.
    let mut lines = format!("{} {} \0", who.uid, who.gid);
    for (path, change) in files {
        let file = match Pinned::open(path) {
            Ok(file) => file,
            // What a start makes has its owner from the beginning.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(format_args!("cannot open '{}'", path.display()), error)),
        };
        let owner = file
            .owner()
            .map_err(|error| failed(format_args!("cannot look at '{}'", path.display()), error))?;
        if *change == Change::IfUnreadable && may_read(&file.name(), who) {
            continue;
        }
        lines.push_str(&format!("{} {} {}\0", owner.0, owner.1, path.display()));
        pinned.push((path, file, owner));
    }
    if pinned.is_empty() {
        return Ok(());
    }
    write_atomic(journal, lines.as_bytes(), 0o600, None, Durability::Volatile)?;
    let (boot, next) = (boot_time(), (who.uid, who.gid));
    for (place, (path, file, owner)) in pinned.iter().enumerate() {
        if let Err(error) = take_one(path, file, *owner, next, remember.then_some(&boot)) {
            for (path, file, owner) in pinned.iter().take(place).rev() {
                give_back_one(path, file, Some(*owner), next, &boot);
            }
            remove_file(journal)?;
            return Err(error);
        }
    }
    Ok(())
}

/// Gives a guest one file more, which the journal of its run learns of first.
///
/// # Errors
/// As [`take`].
pub fn take_more(path: &Path, who: &Identity, remember: bool, journal: &Path) -> Result<()> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = Pinned::open(path)
        .map_err(|error| failed(format_args!("cannot open '{}'", path.display()), error))?;
    let owner =
        file.owner().map_err(|error| failed(format_args!("cannot look at '{}'", path.display()), error))?;
    let known = match read_bounded(journal, JOURNAL_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(format_args!("cannot read '{}'", journal.display()), error)),
    };
    let known = if known.is_empty() { format!("{} {} \0", who.uid, who.gid) } else { known };
    let lines = format!("{known}{} {} {}\0", owner.0, owner.1, path.display());
    write_atomic(journal, lines.as_bytes(), 0o600, None, Durability::Volatile)?;
    let boot = boot_time();
    take_one(path, &file, owner, (who.uid, who.gid), remember.then_some(&boot)).inspect_err(|_| {
        let restored = write_atomic(journal, known.as_bytes(), 0o600, None, Durability::Volatile);
        if let Err(error) = restored {
            tracing::warn!(%error, "a journal of owners names a file too many");
        }
    })
}

fn take_one(
    path: &Path,
    file: &Pinned,
    now: (u32, u32),
    next: (u32, u32),
    boot: Option<&String>,
) -> Result<()> {
    let kept = match boot.map(|boot| file.remember(boot, now, next)) {
        None => false,
        Some(Ok(kept)) => kept,
        Some(Err(Refusal::InUse)) => refuse!(
            operation_invalid,
            "Setting different DAC user or group on {} which is already in use (owner +{}:+{}, wanted +{}:+{})",
            path.display(),
            now.0,
            now.1,
            next.0,
            next.1
        ),
        Some(Err(Refusal::System(error))) => {
            return Err(failed(format_args!("cannot remember the owner of '{}'", path.display()), error));
        }
    };
    if now == next {
        return Ok(());
    }
    file.give(next).map_err(|error| {
        if kept {
            file.forget();
        }
        let what = format!("unable to set user and group to '{}:{}' on '{}'", next.0, next.1, path.display());
        failed(what, error)
    })
}

/// Gives every file of a run back to whose it was; what another guest still uses stays. Without a journal
/// (another daemon started the guest) it is about the files and the user in `known`. What fails is logged,
/// the rest is done all the same.
pub fn give_back(journal: &Path, known: Option<(&[PathBuf], &Identity)>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let text = match read_bounded(journal, JOURNAL_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            tracing::error!(%error, path = %journal.display(), "cannot read who owned a guest's files");
            String::new()
        }
    };
    let mut entries = text.split('\0').filter_map(entry);
    let (guest, files) = match (entries.next(), known) {
        (Some((_, guest)), _) => {
            (guest, entries.map(|(path, owner)| (path, Some(owner))).collect::<Vec<_>>())
        }
        (None, Some((known, who))) => {
            ((who.uid, who.gid), known.iter().map(|path| (path.clone(), None)).collect())
        }
        (None, None) => return,
    };
    let boot = boot_time();
    for (path, owner) in files.into_iter().rev() {
        match Pinned::open(&path) {
            Ok(file) => give_back_one(&path, &file, owner, guest, &boot),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, path = %path.display(), "cannot give a file back"),
        }
    }
    if let Err(error) = remove_file(journal) {
        tracing::warn!(%error, "cannot remove a journal of owners");
    }
}

/// `UID GID PATH`; entries end with a zero, which no path can hold.
fn entry(line: &str) -> Option<(PathBuf, (u32, u32))> {
    let mut parts = line.splitn(3, ' ');
    let owner = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((PathBuf::from(parts.next()?), owner))
}

fn give_back_one(path: &Path, file: &Pinned, journal: Option<(u32, u32)>, guest: (u32, u32), boot: &str) {
    let owner = match file.remembered(boot) {
        Ok(Some((count, _))) if count > 1 => {
            if let Err(error) = file.set(COUNT, &(count - 1).to_string()) {
                tracing::warn!(%error, path = %path.display(), "cannot count a guest less");
            }
            return;
        }
        Ok(Some((_, owner))) => {
            file.forget();
            Some(owner)
        }
        Ok(None) | Err(_) => journal,
    };
    let Some(owner) = owner else { return };
    // Whoever changed it meanwhile meant it.
    if file.owner().is_ok_and(|now| now != guest) {
        return;
    }
    if let Err(error) = file.give(owner) {
        tracing::warn!(%error, path = %path.display(), uid = owner.0, gid = owner.1, "cannot give a file back");
    }
}

/// Whether the daemon may give files away at all.
pub fn can_give() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a directory and everything above it of which the guest's user can be the owner; one that is
/// there gets owner and mode back.
///
/// # Errors
/// Names the directory and the command that mends it.
pub fn keep_directory(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<()> {
    let mend = |error: io::Error| {
        let Some((uid, gid)) = owner else {
            return failed(format_args!("cannot make directory '{}'", path.display()), error);
        };
        Error::system(format!(
            "directory '{0}' cannot be given to uid {uid}, gid {gid}: {1}; mend it with: chown {uid}:{gid} '{0}'",
            path.display(),
            crate::words(&error)
        ))
    };
    fs::create_dir_all(path).map_err(mend)?;
    if let Some((uid, gid)) = owner {
        chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| mend(error.into()))?;
    }
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).map_err(|error| mend(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn who(uid: u32) -> Identity {
        Identity { uid, gid: uid, groups: Vec::new() }
    }

    fn owner(path: &Path) -> (u32, u32) {
        let found = fs::metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    struct Files {
        scratch: Scratch,
        disk: PathBuf,
        iso: PathBuf,
    }

    fn files() -> Option<Files> {
        if !can_give() {
            eprintln!("SKIPPED: not root");
            return None;
        }
        let scratch = Scratch::new();
        let (disk, iso) = (scratch.0.join("disk"), scratch.0.join("iso"));
        for path in [&disk, &iso] {
            fs::write(path, "x").unwrap();
            std::os::unix::fs::chown(path, Some(1234), Some(1235)).unwrap();
        }
        fs::set_permissions(&iso, fs::Permissions::from_mode(0o644)).unwrap();
        Some(Files { scratch, disk, iso })
    }

    #[test]
    fn taken_and_given_back() {
        let Some(f) = files() else { return };
        let journal = f.scratch.0.join("j");
        let list = [(f.disk.clone(), Change::Always), (f.iso.clone(), Change::IfUnreadable)];
        take(&list, &who(4000), true, &journal).unwrap();
        assert_eq!(owner(&f.disk), (4000, 4000));
        assert_eq!(owner(&f.iso), (1234, 1235), "everybody can read it");
        give_back(&journal, None);
        assert_eq!(owner(&f.disk), (1234, 1235));
        assert!(!journal.exists());
        assert_eq!(Pinned::open(&f.disk).unwrap().remembered(&boot_time()), Ok(None));
    }

    #[test]
    fn one_more_later() {
        let Some(f) = files() else { return };
        let journal = f.scratch.0.join("j");
        take(&[(f.disk.clone(), Change::Always)], &who(4000), true, &journal).unwrap();
        take_more(&f.iso, &who(4000), true, &journal).unwrap();
        assert_eq!(owner(&f.iso), (4000, 4000));
        give_back(&journal, None);
        assert_eq!((owner(&f.disk), owner(&f.iso)), ((1234, 1235), (1234, 1235)));
        take_more(&f.iso, &who(4000), true, &journal).unwrap();
        give_back(&journal, None);
        assert_eq!(owner(&f.iso), (1234, 1235));
    }

    #[test]
    fn two_guests_on_one_file() {
        let Some(f) = files() else { return };
        let (one, two) = (f.scratch.0.join("1"), f.scratch.0.join("2"));
        let list = [(f.disk.clone(), Change::Always)];
        take(&list, &who(4000), true, &one).unwrap();
        take(&list, &who(4000), true, &two).unwrap();
        let error = take(&list, &who(5000), true, &f.scratch.0.join("3")).unwrap_err();
        assert!(error.detail().contains("which is already in use"), "{error}");
        assert!(!f.scratch.0.join("3").exists());
        give_back(&one, None);
        assert_eq!(owner(&f.disk), (4000, 4000));
        give_back(&two, None);
        assert_eq!(owner(&f.disk), (1234, 1235));
    }

    #[test]
    fn without_memory_the_journal_knows() {
        let Some(f) = files() else { return };
        let journal = f.scratch.0.join("j");
        take(&[(f.disk.clone(), Change::Always)], &who(4000), false, &journal).unwrap();
        give_back(&journal, None);
        assert_eq!(owner(&f.disk), (1234, 1235));
    }

    #[test]
    fn a_failure_gives_everything_back() {
        let Some(f) = files() else { return };
        let journal = f.scratch.0.join("j");
        take(&[(f.iso.clone(), Change::Always)], &who(5000), true, &f.scratch.0.join("other")).unwrap();
        let list = [(f.disk.clone(), Change::Always), (f.iso.clone(), Change::Always)];
        assert!(take(&list, &who(4000), true, &journal).is_err());
        assert_eq!(owner(&f.disk), (1234, 1235));
        assert!(!journal.exists());
        // A guest that another daemon started: only the attributes tell.
        give_back(&journal, Some((std::slice::from_ref(&f.iso), &who(5000))));
        assert_eq!(owner(&f.iso), (1234, 1235));
    }

    #[test]
    fn a_new_owner_meanwhile_is_respected() {
        let Some(f) = files() else { return };
        let journal = f.scratch.0.join("j");
        take(&[(f.disk.clone(), Change::Always)], &who(4000), true, &journal).unwrap();
        std::os::unix::fs::chown(&f.disk, Some(77), Some(78)).unwrap();
        give_back(&journal, None);
        assert_eq!(owner(&f.disk), (77, 78));
    }
}
