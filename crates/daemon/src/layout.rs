//! Where an instance's files and sockets lie.
//!
//! Owns: the directories of the system instance, a user's instance, and an instance below a root.
//! Never: opens or makes anything.

use std::path::{Path, PathBuf};

/// Which instance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// The system's: it serves every user, by the permissions of its sockets.
    System,
    /// A user's own.
    Session,
}

/// The directories of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Which instance it is.
    pub instance: Instance,
    /// The root that all of it lies below, where one was given.
    pub root: Option<PathBuf>,
    /// Sockets and what is known of running guests.
    pub run: PathBuf,
    /// Configuration.
    pub etc: PathBuf,
    /// State that outlives a boot.
    pub lib: PathBuf,
    /// What can be found out again.
    pub cache: PathBuf,
    /// Logs.
    pub log: PathBuf,
    /// The file with the process number.
    pub pid_file: PathBuf,
}

impl Layout {
    /// The layout below a root: the system's, moved.
    pub fn below(root: &Path) -> Self {
        Layout {
            instance: Instance::System,
            root: Some(root.to_owned()),
            run: root.join("run/libvirt"),
            etc: root.join("etc/libvirt"),
            lib: root.join("var/lib/libvirt"),
            cache: root.join("var/cache/libvirt"),
            log: root.join("var/log/libvirt"),
            pid_file: root.join("run/ostlerd.pid"),
        }
    }

    /// The system's layout.
    pub fn system() -> Self {
        Layout { root: None, ..Self::below(Path::new("/")) }
    }

    /// A user's layout, from the variables that say where a user's files lie.
    ///
    /// `None`: there is no home directory.
    pub fn session(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let home = absolute("HOME")?;
        let config = absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let data = absolute("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
        let cache = absolute("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("libvirt");
        let run = absolute("XDG_RUNTIME_DIR").map_or_else(|| cache.clone(), |path| path.join("libvirt"));
        Some(Layout {
            instance: Instance::Session,
            root: None,
            pid_file: run.join("ostlerd.pid"),
            run,
            etc: config.join("libvirt"),
            lib: data.join("libvirt"),
            log: cache.join("log"),
            cache,
        })
    }

    /// The file of rules of access.
    pub fn rules_file(&self) -> PathBuf {
        self.etc.join("access.rules")
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.etc.join("libvirtd.conf")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_and_root() {
        assert_eq!(Layout::system().run, Path::new("/run/libvirt"));
        assert_eq!(Layout::below(Path::new("/r")).config_file(), Path::new("/r/etc/libvirt/libvirtd.conf"));
    }

    #[test]
    fn session() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/a"));
        let layout = Layout::session(home).unwrap();
        assert_eq!(layout.etc, Path::new("/home/a/.config/libvirt"));
        assert_eq!(layout.run, Path::new("/home/a/.cache/libvirt"));
        let all = |name: &str| Some(PathBuf::from("/x").join(name));
        let layout = Layout::session(all).unwrap();
        assert_eq!(layout.etc, Path::new("/x/XDG_CONFIG_HOME/libvirt"));
        assert_eq!(layout.run, Path::new("/x/XDG_RUNTIME_DIR/libvirt"));
        assert_eq!(Layout::session(|_| None), None);
    }
}
