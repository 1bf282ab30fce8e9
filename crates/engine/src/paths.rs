//! Where everything of an instance lies.
//!
//! Owns: the layout of the reference below one root, and the forms of file names that come from a
//! guest's name. Never: opens, makes or removes anything.

use std::path::{Path, PathBuf};

/// The paths of one instance of the daemon, all below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The paths of an instance below `root`; `/` is the system's own.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Paths { root: root.into() }
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of persistent definitions.
    pub fn definitions(&self) -> PathBuf {
        self.root.join("etc/libvirt/qemu")
    }

    /// The persistent definition of a guest.
    pub fn definition(&self, name: &str) -> PathBuf {
        self.definitions().join(format!("{name}.xml"))
    }

    /// The directory of links to the definitions that are started with the daemon.
    pub fn autostarts(&self) -> PathBuf {
        self.definitions().join("autostart")
    }

    /// The link that marks a guest to be started with the daemon.
    pub fn autostart(&self, name: &str) -> PathBuf {
        self.autostarts().join(format!("{name}.xml"))
    }

    /// The directory of what is known of running guests.
    pub fn run(&self) -> PathBuf {
        self.root.join("run/libvirt/qemu")
    }

    /// The status file of a running guest.
    pub fn status(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.xml"))
    }

    /// The file with the process number of a running guest's emulator.
    pub fn pid(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.pid"))
    }

    /// The directory of state that outlives a boot: sockets, saved guests, NVRAM.
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/libvirt/qemu")
    }

    /// The directory of logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("var/log/libvirt/qemu")
    }

    /// The log of a guest's emulator.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The directory of what can be found out again.
    pub fn cache(&self) -> PathBuf {
        self.root.join("var/cache/libvirt/qemu")
    }

    /// Every directory that has to exist before guests can, with its permission bits.
    pub fn directories(&self) -> [(PathBuf, u32); 6] {
        [
            (self.definitions(), 0o700),
            (self.autostarts(), 0o700),
            (self.run(), 0o755),
            (self.state(), 0o751),
            (self.logs(), 0o755),
            (self.cache(), 0o750),
        ]
    }
}

/// Whether a guest's name can stand in a file name: not empty, no slash, not a dot alone.
pub fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_below_the_root() {
        let paths = Paths::new("/tmp/r");
        assert_eq!(paths.definition("a"), Path::new("/tmp/r/etc/libvirt/qemu/a.xml"));
        assert_eq!(paths.autostart("a"), Path::new("/tmp/r/etc/libvirt/qemu/autostart/a.xml"));
        assert_eq!(paths.status("a"), Path::new("/tmp/r/run/libvirt/qemu/a.xml"));
        assert_eq!(paths.pid("a"), Path::new("/tmp/r/run/libvirt/qemu/a.pid"));
        assert_eq!(paths.log("a"), Path::new("/tmp/r/var/log/libvirt/qemu/a.log"));
        assert!(paths.directories().iter().all(|(path, _)| path.starts_with(paths.root())));
    }

    #[test]
    fn names_of_files() {
        assert!(is_file_name("guest-1"));
        assert!(!is_file_name("a/b") && !is_file_name("..") && !is_file_name(""));
    }
}
