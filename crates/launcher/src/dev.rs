//! A `/dev` of the program's own: a small file system with the nodes that were ordered and nothing else.
//!
//! Owns: the mount namespace. File systems below the host's `/dev` (terminals, shared memory, huge pages)
//! are bound into it. Never: touches the host's `/dev`.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use ostler_launcher::{Identity, PrivateDev};
use rustix::fs::{CWD, FileType, Mode, Stat, mknodat, statat, symlink};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change, mount_move,
};
use rustix::process::{Gid, Uid};
use rustix::thread::UnshareFlags;

use crate::{End, Step};

const DEV: &str = "/dev";
/// How many links are followed on the way to a node.
const LINKS_MAX: usize = 16;
/// Links that programs expect.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Gives this process a `/dev` of its own.
pub(crate) fn make_private(order: &PrivateDev, identity: Option<&Identity>) -> Result<(), End> {
    leave_name_space()?;
    let root = "/";
    mount_change(root, MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .step("change mounts of", root)?;
    let staging = Path::new(&order.staging);
    fs::create_dir_all(staging).step("make directory", staging.display())?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devfs", staging, "tmpfs", flags, Some(c"mode=755,size=64k")).step("mount", staging.display())?;
    for below in mounts_below(DEV)? {
        let place = staging.join(&below);
        let source = Path::new(DEV).join(&below);
        let made = if source.is_dir() { fs::create_dir_all(&place) } else { touch(&place) };
        made.step("make", place.display())?;
        mount_bind_recursive(&source, &place).step("bind", source.display())?;
    }
    for node in &order.nodes {
        let owner = identity.filter(|_| node.assigned);
        make_node(staging, Path::new(&node.path), owner)?;
    }
    for (name, target) in LINKS {
        symlink(*target, staging.join(name)).step("make link", name)?;
    }
    mount_move(staging, DEV).step("mount", DEV)
}

/// One thread, no shared table of descriptors: what makes the call unsafe for others is not here.
#[expect(deprecated, reason = "its other form is unsafe for file tables only, which are not parted here")]
fn leave_name_space() -> Result<(), End> {
    rustix::thread::unshare(UnshareFlags::NEWNS).step("leave the mount namespace", "")
}

fn touch(place: &Path) -> io::Result<()> {
    fs::File::create_new(place).map(drop)
}

/// Mount points below a directory, relative to it, outer ones first and only these: what lies below one
/// comes with it.
fn mounts_below(directory: &str) -> Result<Vec<PathBuf>, End> {
    let path = "/proc/self/mountinfo";
    let text = fs::read_to_string(path).step("read", path)?;
    let mut below: Vec<PathBuf> = Vec::new();
    for line in text.lines() {
        let Some(point) = line.split(' ').nth(4) else { continue };
        let Ok(rest) = Path::new(point).strip_prefix(directory) else { continue };
        let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
        if rest.as_os_str().is_empty()
            || !plain
            || point.contains('\\')
            || below.iter().any(|b| rest.starts_with(b))
        {
            continue;
        }
        below.push(rest.to_owned());
    }
    Ok(below)
}

/// Makes a node like the host's, and the links that lead to it.
fn make_node(staging: &Path, path: &Path, owner: Option<&Identity>) -> Result<(), End> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(below) = path.strip_prefix(DEV) else { return Ok(()) };
        let place = staging.join(below);
        // What is not there need not be in a copy of it; what is there was made for another.
        let Ok(found) = statat(CWD, &path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
        if fs::symlink_metadata(&place).is_ok() {
            return Ok(());
        }
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).step("make directory", parent.display())?;
        }
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => {
                let target = fs::read_link(&path).step("read link", path.display())?;
                symlink(&target, &place).step("make link", place.display())?;
                let parent = path.parent().unwrap_or(Path::new(DEV));
                path = plain(&parent.join(target));
            }
            kind @ (FileType::CharacterDevice | FileType::BlockDevice) => {
                return copy_node(&place, kind, &found, owner);
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// A path without `..` and `.`, by its words.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

fn copy_node(place: &Path, kind: FileType, found: &Stat, owner: Option<&Identity>) -> Result<(), End> {
    let about = || place.display();
    let mode = Mode::from_raw_mode(found.st_mode & 0o777);
    mknodat(CWD, place, kind, mode, found.st_rdev).step("make node", about())?;
    let (uid, gid) = owner.map_or((found.st_uid, found.st_gid), |owner| (owner.uid, owner.gid));
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chown(place, Some(uid), Some(gid)).step("change the owner of", about())?;
    // The mode again: what the process masks was taken from it.
    let mode = if owner.is_some() { mode | Mode::RUSR | Mode::WUSR } else { mode };
    rustix::fs::chmod(place, mode).step("change the mode of", about())
}
