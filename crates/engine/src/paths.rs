//! Where everything of an instance lies.
//!
//! Owns: the layout of the reference below one root, and the forms of file names that come from a
//! guest's name. Never: opens, makes or removes anything.

use std::path::{Path, PathBuf};

/// The directories of one instance of the daemon, each the reference's `libvirt` one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Configuration: `/etc/libvirt`.
    pub etc: PathBuf,
    /// What ends with the power: `/run/libvirt`.
    pub run: PathBuf,
    /// State that outlives a boot: `/var/lib/libvirt`.
    pub lib: PathBuf,
    /// Logs: `/var/log/libvirt`.
    pub log: PathBuf,
    /// What can be found out again: `/var/cache/libvirt`.
    pub cache: PathBuf,
}

impl Paths {
    /// The system's layout below a root; `/` is the system itself.
    pub fn below(root: &Path) -> Self {
        Paths {
            etc: root.join("etc/libvirt"),
            run: root.join("run/libvirt"),
            lib: root.join("var/lib/libvirt"),
            log: root.join("var/log/libvirt"),
            cache: root.join("var/cache/libvirt"),
        }
    }

    /// The directory of persistent definitions.
    pub fn definitions(&self) -> PathBuf {
        self.etc.join("qemu")
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
    pub fn runs(&self) -> PathBuf {
        self.run.join("qemu")
    }

    /// The status file of a running guest.
    pub fn status(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.xml"))
    }

    /// The file with the process number of a running guest's emulator.
    pub fn pid(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.pid"))
    }

    /// The file that tells who owned a running guest's files before it.
    pub fn owners(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.owners"))
    }

    /// An empty directory on which a running guest's own `/dev` is put together.
    pub fn dev(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.dev"))
    }

    /// The directory of state that outlives a boot: sockets, saved guests, NVRAM.
    pub fn state(&self) -> PathBuf {
        self.lib.join("qemu")
    }

    /// The directory of saved states that the next start takes.
    pub fn saves(&self) -> PathBuf {
        self.state().join("save")
    }

    /// The saved state that the next start of a guest takes.
    pub fn managed_save(&self, name: &str) -> PathBuf {
        self.saves().join(format!("{name}.save"))
    }

    /// The directory of dumps that nobody asked for but definitions.
    pub fn dumps(&self) -> PathBuf {
        self.state().join("dump")
    }

    /// The link that marks a guest to be started with the next start of the host.
    pub fn autostart_once(&self, name: &str) -> PathBuf {
        self.autostarts().join(format!("{name}.xml.once"))
    }

    /// The directory of logs.
    pub fn logs(&self) -> PathBuf {
        self.log.join("qemu")
    }

    /// The log of a guest's emulator.
    pub fn log_of(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The directory of what can be found out again.
    pub fn probes(&self) -> PathBuf {
        self.cache.join("qemu")
    }

    /// Every directory that has to exist before guests can, with its permission bits.
    pub fn directories(&self) -> [(PathBuf, u32); 7] {
        [
            (self.definitions(), 0o700),
            (self.autostarts(), 0o700),
            (self.runs(), 0o755),
            (self.runs().join("channel"), 0o755),
            (self.state(), 0o751),
            (self.logs(), 0o755),
            (self.probes(), 0o750),
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
        let paths = Paths::below(Path::new("/tmp/r"));
        assert_eq!(paths.definition("a"), Path::new("/tmp/r/etc/libvirt/qemu/a.xml"));
        assert_eq!(paths.autostart("a"), Path::new("/tmp/r/etc/libvirt/qemu/autostart/a.xml"));
        assert_eq!(paths.status("a"), Path::new("/tmp/r/run/libvirt/qemu/a.xml"));
        assert_eq!(paths.pid("a"), Path::new("/tmp/r/run/libvirt/qemu/a.pid"));
        assert_eq!(paths.log_of("a"), Path::new("/tmp/r/var/log/libvirt/qemu/a.log"));
        assert!(paths.directories().iter().all(|(path, _)| path.starts_with("/tmp/r")));
    }

    #[test]
    fn names_of_files() {
        assert!(is_file_name("guest-1"));
        assert!(!is_file_name("a/b") && !is_file_name("..") && !is_file_name(""));
    }
}
