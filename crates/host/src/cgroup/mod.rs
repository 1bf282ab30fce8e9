//! The control groups of guests, in both of the kernel's forms.
//!
//! Owns: making a group, putting a process into it, which devices it may open, limits, removing it. A
//! controller that is not mounted, or that this host keeps to itself, is passed over with a warning: the
//! other layers hold. Never: decides a limit.
//!
//! ```text
//! v1   /sys/fs/cgroup/CONTROLLER/PARENT/NAME    a tree for each controller
//! v2   /sys/fs/cgroup/PARENT/NAME               one tree; devices by a program in the kernel
//! ```

mod filter;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use ostler_base::Result;

use crate::{failed, sys};
use filter::program;

/// Controllers of the old form in which a guest gets a group.
const CONTROLLERS: &[&str] = &["cpu", "cpuacct", "cpuset", "memory", "devices", "blkio", "freezer"];
/// Controllers that the new form passes on to the groups of guests.
const PASSED_ON: &[&str] = &["cpu", "cpuset", "memory", "io", "pids"];
/// The number of the kernel's driver of pseudo-terminals.
const TERMINALS: u32 = 136;

/// A limit of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupLimit {
    /// Share of the CPUs against other groups.
    CpuShares(u64),
    /// Time on CPUs within a period, both in microseconds; the time negative for no limit.
    CpuQuota {
        /// How much.
        quota: i64,
        /// Within how much.
        period: u64,
    },
    /// Memory, in KiB.
    Memory(u64),
    /// Memory above which it is taken back first, in KiB.
    SoftMemory(u64),
    /// Memory and swap together, in KiB.
    MemoryAndSwap(u64),
    /// Share of block devices against other groups.
    BlockWeight(u64),
}

/// A device that a group may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permit {
    block: bool,
    major: u32,
    /// Every one where absent.
    minor: Option<u32>,
    write: bool,
}

impl Permit {
    /// That of a node; nothing where there is none.
    fn of(path: &Path, write: bool) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let (block, character) = (found.file_type().is_block_device(), found.file_type().is_char_device());
        let device = found.rdev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        (block || character).then_some(Permit { block, major, minor: Some(minor), write })
    }

    /// As the old form's files have it.
    fn line(&self) -> String {
        let kind = if self.block { 'b' } else { 'c' };
        let minor = self.minor.map_or_else(|| "*".to_owned(), |minor| minor.to_string());
        // Nodes are not made by guests, but the reference allows it, and so may whoever reads the list.
        let access = if self.write { "rwm" } else { "rm" };
        format!("{kind} {}:{minor} {access}", self.major)
    }
}

/// Where the trees are mounted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trees {
    /// Controller and place.
    old: Vec<(&'static str, PathBuf)>,
    new: Option<PathBuf>,
}

impl Trees {
    fn of_this_host() -> Self {
        Self::read(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    fn read(mounts: &str) -> Self {
        let mut trees = Trees::default();
        for line in mounts.lines() {
            let Some((front, back)) = line.split_once(" - ") else { continue };
            let Some(place) = front.split(' ').nth(4) else { continue };
            let mut back = back.split(' ');
            let (kind, options) = (back.next().unwrap_or_default(), back.nth(1).unwrap_or_default());
            match kind {
                "cgroup2" => trees.new = trees.new.or_else(|| Some(place.into())),
                "cgroup" => {
                    let mounted: BTreeSet<&str> = options.split(',').collect();
                    let mine = CONTROLLERS.iter().filter(|name| mounted.contains(*name));
                    trees.old.extend(mine.map(|name| (*name, PathBuf::from(place))));
                }
                _ => {}
            }
        }
        trees
    }

    fn old(&self, controller: &str) -> Option<&Path> {
        self.old.iter().find(|(name, _)| *name == controller).map(|(_, place)| place.as_path())
    }
}

/// The group of a guest.
#[derive(Debug)]
pub struct Group {
    trees: Trees,
    /// Below the root of each tree.
    place: PathBuf,
}

impl Group {
    /// The group of this name below `parent`; it need not exist.
    pub fn named(parent: &str, name: &str) -> Self {
        let plain: String = name.chars().map(|c| if c == '/' { '_' } else { c }).collect();
        Group { trees: Trees::of_this_host(), place: Path::new(parent).join(plain) }
    }

    fn places(&self) -> impl Iterator<Item = PathBuf> {
        let roots: BTreeSet<&Path> =
            self.trees.old.iter().map(|(_, root)| root.as_path()).chain(self.trees.new.as_deref()).collect();
        roots.into_iter().map(|root| root.join(&self.place))
    }

    /// Makes the group and puts a process into it. On a failure nothing of it is left.
    ///
    /// # Errors
    /// Only where there is a tree that can be written and the process cannot be put into it.
    pub fn enter(&self, pid: u32) -> Result<()> {
        let entered = self.try_enter(pid);
        if entered.is_err() {
            self.remove();
        }
        entered
    }

    fn try_enter(&self, pid: u32) -> Result<()> {
        if let Some(root) = &self.trees.new {
            self.pass_on(root);
        }
        for place in self.places() {
            if let Err(error) = fs::create_dir_all(&place) {
                tracing::warn!(%error, path = %place.display(), "no control group here");
                continue;
            }
            self.fill_cpuset(&place);
            let file = place.join("cgroup.procs");
            fs::write(&file, pid.to_string()).map_err(|error| {
                failed(format_args!("cannot put process {pid} into '{}'", place.display()), error)
            })?;
        }
        Ok(())
    }

    /// A set of CPUs that is new has none, and takes no process until it has those of its parent.
    fn fill_cpuset(&self, place: &Path) {
        let Some(root) = self.trees.old("cpuset").filter(|root| place.starts_with(root)) else { return };
        let mut above = root.to_owned();
        for part in self.place.components() {
            let below = above.join(part);
            for name in ["cpuset.cpus", "cpuset.mems"] {
                let empty = fs::read_to_string(below.join(name)).is_ok_and(|text| text.trim().is_empty());
                if empty && let Ok(value) = fs::read_to_string(above.join(name)) {
                    write_or_warn(&below.join(name), value.trim());
                }
            }
            above = below;
        }
    }

    /// Lets the groups of guests have limits of their own.
    fn pass_on(&self, root: &Path) {
        let available = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        let mut place = root.to_owned();
        for part in self.place.parent().into_iter().flat_map(Path::components) {
            for name in
                PASSED_ON.iter().filter(|name| available.split_whitespace().any(|known| known == **name))
            {
                // A group with processes of its own refuses; the limits of its children fail then.
                drop(fs::write(place.join("cgroup.subtree_control"), format!("+{name}")));
            }
            place.push(part);
            drop(fs::create_dir(&place));
        }
    }

    /// From now on only these nodes can be opened; `true` for those that may be written.
    ///
    /// # Errors
    /// Where a tree for it is there and does not take it.
    pub fn only_devices(&self, devices: &[(PathBuf, bool)]) -> Result<()> {
        let mut permits: BTreeSet<Permit> =
            devices.iter().filter_map(|(path, write)| Permit::of(path, *write)).collect();
        permits.insert(Permit { block: false, major: TERMINALS, minor: None, write: true });
        if let Some(root) = self.trees.old("devices") {
            let place = root.join(&self.place);
            if place.is_dir() {
                return old_devices(&place, &permits);
            }
        }
        let Some(place) =
            self.trees.new.as_ref().map(|root| root.join(&self.place)).filter(|place| place.is_dir())
        else {
            return Ok(());
        };
        let what =
            |error: io::Error| failed(format_args!("cannot confine devices of '{}'", place.display()), error);
        let directory = fs::File::open(&place).map_err(what)?;
        let permits: Vec<Permit> = permits.into_iter().collect();
        let loaded = sys::load_device_filter(&program(&permits)).map_err(what)?;
        sys::attach_device_filter(&directory, &loaded).map_err(what)
    }

    /// Sets limits.
    ///
    /// # Errors
    /// Names the file of the limit that is not taken, or the controller that is not there.
    pub fn limit(&self, limits: &[GroupLimit]) -> Result<()> {
        for limit in limits {
            let old = self.trees.old(controller(*limit)).map(|root| root.join(&self.place));
            let (place, files) = match (old.filter(|place| place.is_dir()), &self.trees.new) {
                (Some(place), _) => (place, old_files(*limit)),
                (None, Some(root)) => (root.join(&self.place), new_files(*limit)),
                (None, None) => (PathBuf::new(), Vec::new()),
            };
            for (name, value) in &files {
                let file = place.join(name);
                fs::write(&file, value).map_err(|error| {
                    failed(format_args!("cannot write '{value}' to '{}'", file.display()), error)
                })?;
            }
            if files.is_empty() {
                tracing::warn!(?limit, "no controller for this limit is mounted");
            }
        }
        Ok(())
    }

    /// Removes the group, with those below it. What still has processes stays and is logged.
    pub fn remove(&self) {
        for place in self.places() {
            if let Err(error) = remove_tree(&place) {
                tracing::warn!(%error, path = %place.display(), "cannot remove a control group");
            }
            // The last guest's group takes its parent along; another's keeps it.
            drop(place.parent().map(fs::remove_dir));
        }
    }
}

/// A group has no files of its own that could be removed; only groups below it can.
fn remove_tree(place: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(place)
}

fn write_or_warn(file: &Path, value: &str) {
    if let Err(error) = fs::write(file, value) {
        tracing::warn!(%error, path = %file.display(), value, "cannot write");
    }
}

fn old_devices(place: &Path, permits: &BTreeSet<Permit>) -> Result<()> {
    let write = |name: &str, value: &str| {
        let file = place.join(name);
        fs::write(&file, value)
            .map_err(|error| failed(format_args!("cannot write '{value}' to '{}'", file.display()), error))
    };
    write("devices.deny", "a")?;
    permits.iter().try_for_each(|permit| write("devices.allow", &permit.line()))
}

fn controller(limit: GroupLimit) -> &'static str {
    match limit {
        GroupLimit::CpuShares(_) | GroupLimit::CpuQuota { .. } => "cpu",
        GroupLimit::Memory(_) | GroupLimit::SoftMemory(_) | GroupLimit::MemoryAndSwap(_) => "memory",
        GroupLimit::BlockWeight(_) => "blkio",
    }
}

fn bytes(kib: u64) -> String {
    kib.saturating_mul(1024).to_string()
}

fn old_files(limit: GroupLimit) -> Vec<(&'static str, String)> {
    match limit {
        GroupLimit::CpuShares(shares) => vec![("cpu.shares", shares.to_string())],
        GroupLimit::CpuQuota { quota, period } => {
            vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.max(-1).to_string())]
        }
        GroupLimit::Memory(kib) => vec![("memory.limit_in_bytes", bytes(kib))],
        GroupLimit::SoftMemory(kib) => vec![("memory.soft_limit_in_bytes", bytes(kib))],
        GroupLimit::MemoryAndSwap(kib) => vec![("memory.memsw.limit_in_bytes", bytes(kib))],
        GroupLimit::BlockWeight(weight) => vec![("blkio.weight", weight.to_string())],
    }
}

fn new_files(limit: GroupLimit) -> Vec<(&'static str, String)> {
    match limit {
        GroupLimit::CpuShares(shares) => vec![("cpu.weight", shares.clamp(1, 10_000).to_string())],
        GroupLimit::CpuQuota { quota, period } if quota < 0 => vec![("cpu.max", format!("max {period}"))],
        GroupLimit::CpuQuota { quota, period } => vec![("cpu.max", format!("{quota} {period}"))],
        GroupLimit::Memory(kib) => vec![("memory.max", bytes(kib))],
        GroupLimit::SoftMemory(kib) => vec![("memory.high", bytes(kib))],
        GroupLimit::MemoryAndSwap(kib) => vec![("memory.swap.max", bytes(kib))],
        GroupLimit::BlockWeight(weight) => vec![("io.weight", format!("default {weight}"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn trees_of_both_forms() {
        let trees = Trees::read(
            "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(trees.old("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
        assert_eq!(trees.old("memory"), None);
        assert_eq!(trees.new.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn permits() {
        let null = Permit::of(Path::new("/dev/null"), true).unwrap();
        assert_eq!(null.line(), "c 1:3 rwm");
        assert_eq!(Permit::of(Path::new("/etc/passwd"), true), None);
        assert_eq!(Permit { minor: None, write: false, ..null }.line(), "c 1:* rm");
    }

    /// A shell that waits to be put into the group, then tries devices.
    fn tries(group: &Group) -> String {
        let script = "read go; for d in null zero urandom; do head -c 1 /dev/$d >/dev/null 2>&1 && echo $d; done; true";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        group.enter(child.id()).unwrap();
        group.only_devices(&[("/dev/null".into(), true), ("/dev/urandom".into(), false)]).unwrap();
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_process_opens_its_devices_and_no_other() {
        let name = format!("test-{}", std::process::id());
        let whole = Group::named("ostler-test", &name);
        let writable = |trees: &Trees| {
            let root = trees.new.as_deref().or(trees.old("devices"));
            root.is_some_and(|root| fs::create_dir_all(root.join("ostler-test")).is_ok())
        };
        if !writable(&whole.trees) {
            eprintln!("SKIPPED: no control groups here");
            return;
        }
        let Trees { old, new } = Trees::of_this_host();
        let forms = [Trees { old, new: None }, Trees { old: Vec::new(), new }];
        for trees in forms {
            if trees.new.is_none() && trees.old("devices").is_none() {
                continue;
            }
            let group = Group { trees, place: whole.place.clone() };
            assert_eq!(tries(&group), "null\nurandom\n", "{group:?}");
            group.limit(&[GroupLimit::CpuShares(512)]).ok();
            group.remove();
            assert!(group.places().all(|place| !place.exists()), "{group:?}");
        }
    }
}
