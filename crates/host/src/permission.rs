//! What a user may do with a file, by the rules of the kernel: mode bits and access lists.
//!
//! Owns: the answer, and the message that names what bars the way. Never: changes anything.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ostler_base::{Error, Result};
use ostler_plan::Access;

use crate::{Identity, failed};

/// Search of a directory, as a permission bit.
const SEARCH: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;

/// The attribute that holds an access list.
const LIST: &str = "system.posix_acl_access";
const LIST_MAX: usize = 8192;

/// Owner, group, mode and access list of a file.
pub(crate) struct Rights {
    uid: u32,
    gid: u32,
    mode: u32,
    list: Vec<Entry>,
}

/// An entry of an access list.
struct Entry {
    tag: u16,
    bits: u32,
    id: u32,
}

impl Entry {
    const USER: u16 = 0x02;
    const GROUP_OWNER: u16 = 0x04;
    const GROUP: u16 = 0x08;
    const MASK: u16 = 0x10;

    fn all(bytes: &[u8]) -> Vec<Entry> {
        let entries = bytes.get(4..).unwrap_or_default().chunks_exact(8);
        let entry = |chunk: &[u8]| {
            let [a, b, c, d, e, f, g, h] = chunk.try_into().ok()?;
            let (tag, bits) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            Some(Entry { tag, bits: u32::from(bits), id: u32::from_le_bytes([e, f, g, h]) })
        };
        entries.filter_map(entry).collect()
    }
}

impl Rights {
    /// Those of a file; a link is followed.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let found = fs::metadata(path)?;
        let mut buffer = vec![0; LIST_MAX];
        let length = rustix::fs::getxattr(path, LIST, &mut buffer[..]).unwrap_or(0);
        let list = Entry::all(buffer.get(..length).unwrap_or_default());
        Ok(Rights { uid: found.uid(), gid: found.gid(), mode: found.permissions().mode(), list })
    }

    /// Whether a user that is not root may do all of this.
    pub(crate) fn allow(&self, who: &Identity, wanted: u32) -> bool {
        let grants = |bits: u32| bits & wanted == wanted;
        if who.uid == self.uid {
            return grants(self.mode >> 6);
        }
        let mask = self.list.iter().find(|entry| entry.tag == Entry::MASK).map_or(7, |entry| entry.bits);
        if let Some(entry) = self.list.iter().find(|entry| entry.tag == Entry::USER && entry.id == who.uid) {
            return grants(entry.bits & mask);
        }
        let member = |gid: u32| who.gid == gid || who.groups.contains(&gid);
        if self.list.is_empty() {
            return grants(if member(self.gid) { self.mode >> 3 } else { self.mode });
        }
        let groups = self.list.iter().filter(|entry| match entry.tag {
            Entry::GROUP_OWNER => member(self.gid),
            Entry::GROUP => member(entry.id),
            _ => false,
        });
        let mut groups = groups.peekable();
        if groups.peek().is_some() {
            return groups.any(|entry| grants(entry.bits & mask));
        }
        grants(self.mode)
    }
}

/// Whether a user may read a file whose directories let it through.
pub(crate) fn may_read(path: &Path, who: &Identity) -> bool {
    Rights::of(path).is_ok_and(|rights| rights.allow(who, READ))
}

/// What bars a user's way to a file: a directory that it cannot search, or the file itself.
///
/// # Errors
/// Names the file, the user, what bars the way, and the command that opens it.
pub fn check_way(path: &Path, who: &Identity, access: Access) -> Result<()> {
    if who.uid == 0 {
        return Ok(());
    }
    let real = fs::canonicalize(path)
        .map_err(|error| failed(format_args!("Cannot access storage file '{}'", path.display()), error))?;
    let refused = |why: String| {
        Err(Error::system(format!(
            "Cannot access storage file '{}' (as uid:{}, gid:{}): Permission denied: {why}",
            path.display(),
            who.uid,
            who.gid
        )))
    };
    let directories: Vec<PathBuf> = real.ancestors().skip(1).map(Path::to_owned).collect();
    for directory in directories.iter().rev() {
        let rights = Rights::of(directory).map_err(|error| {
            failed(format_args!("cannot look at directory '{}'", directory.display()), error)
        })?;
        if !rights.allow(who, SEARCH) {
            let name = directory.display();
            return refused(format!(
                "directory '{name}' may not be searched (x) by this user; mend it with: setfacl -m u:{}:x '{name}'   \
                 or: chmod o+x '{name}'",
                who.uid
            ));
        }
    }
    let wanted = if access == Access::ReadWrite { READ | WRITE } else { READ };
    let rights = Rights::of(&real)
        .map_err(|error| failed(format_args!("Cannot access storage file '{}'", path.display()), error))?;
    if rights.allow(who, wanted) {
        return Ok(());
    }
    let (word, bits) = if access == Access::ReadWrite { ("written", "rw") } else { ("read", "r") };
    refused(format!(
        "the file may not be {word} by this user; mend it with: setfacl -m u:{}:{bits} '{}'",
        who.uid,
        real.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(mode: u32, list: Vec<Entry>) -> Rights {
        Rights { uid: 10, gid: 20, mode, list }
    }

    fn who(uid: u32, gid: u32, groups: &[u32]) -> Identity {
        Identity { uid, gid, groups: groups.to_vec() }
    }

    #[test]
    fn mode_bits() {
        let of = |mode| rights(mode, Vec::new());
        assert!(of(0o400).allow(&who(10, 1, &[]), READ));
        assert!(!of(0o077).allow(&who(10, 20, &[]), READ), "the owner's own bits decide");
        assert!(of(0o040).allow(&who(1, 20, &[]), READ) && of(0o040).allow(&who(1, 1, &[20]), READ));
        assert!(!of(0o604).allow(&who(1, 20, &[]), READ), "a member's group bits decide");
        assert!(of(0o004).allow(&who(1, 1, &[]), READ) && !of(0o004).allow(&who(1, 1, &[]), READ | WRITE));
    }

    #[test]
    fn access_lists() {
        let entry = |tag, bits, id| Entry { tag, bits, id };
        let list = || {
            vec![
                entry(0x01, 6, u32::MAX),
                entry(Entry::USER, 5, 7),
                entry(Entry::GROUP_OWNER, 4, u32::MAX),
                entry(Entry::GROUP, 6, 30),
                entry(Entry::MASK, 5, u32::MAX),
                entry(0x20, 0, u32::MAX),
            ]
        };
        let rights = rights(0o650, list());
        assert!(rights.allow(&who(7, 1, &[]), SEARCH), "a named user");
        assert!(!rights.allow(&who(1, 30, &[]), WRITE), "the mask");
        assert!(rights.allow(&who(1, 30, &[]), READ), "a named group");
        assert!(!rights.allow(&who(1, 1, &[]), READ), "others");
    }

    #[test]
    fn the_message_names_what_bars_the_way() {
        let scratch = crate::fs::tests::Scratch::new();
        let inner = scratch.0.join("closed");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("disk"), "x").unwrap();
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        let nobody = who(65534, 65534, &[]);
        let error = check_way(&inner.join("disk"), &nobody, Access::Read).unwrap_err();
        assert!(error.detail().contains("(as uid:65534, gid:65534): Permission denied"), "{error}");
        assert!(error.detail().contains(&format!("chmod o+x '{}'", inner.display())), "{error}");
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o701)).unwrap();
        fs::set_permissions(inner.join("disk"), fs::Permissions::from_mode(0o604)).unwrap();
        check_way(&inner.join("disk"), &nobody, Access::Read).unwrap();
        assert!(check_way(&inner.join("disk"), &nobody, Access::ReadWrite).is_err());
        check_way(&inner.join("disk"), &who(0, 0, &[]), Access::ReadWrite).unwrap();
    }
}
