//! What readers see of a guest: an immutable picture, replaced whole.
//!
//! Owns: definitions with their text kept, those of inactive guests read when somebody first asks.
//! Never: changes after it was published.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_domain::devices::Device;
use ostler_domain::devices::disk::Disk;
use ostler_domain::{Domain, Draft, ReadMode, Setting, WriteMode};

use super::status::Status;
use crate::events::IoError;
use crate::files;

/// A complete definition and its text.
#[derive(Debug)]
pub struct Shown {
    domain: Domain,
    live: OnceLock<Arc<str>>,
    inactive: OnceLock<Arc<str>>,
}

impl Shown {
    /// Of a definition.
    pub fn new(domain: Domain) -> Arc<Self> {
        Arc::new(Shown { domain, live: OnceLock::new(), inactive: OnceLock::new() })
    }

    /// The definition.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Its text; kept where it is what most ask for.
    pub fn xml(&self, mode: WriteMode) -> Arc<str> {
        let write = || Arc::from(self.domain.to_xml(&mode));
        match mode {
            WriteMode { secure: false, migratable: false, inactive: false } => {
                Arc::clone(self.live.get_or_init(write))
            }
            WriteMode { secure: false, migratable: false, inactive: true } => {
                Arc::clone(self.inactive.get_or_init(write))
            }
            _ => write(),
        }
    }
}

/// The definition that a guest has while it does not run.
#[derive(Debug)]
pub struct Definition {
    path: PathBuf,
    shown: OnceLock<Arc<Shown>>,
}

impl Definition {
    /// One that lies in a file and is read when it is needed.
    pub fn stored(path: PathBuf) -> Arc<Self> {
        Arc::new(Definition { path, shown: OnceLock::new() })
    }

    /// One that is at hand.
    pub fn ready(path: PathBuf, domain: Domain) -> Arc<Self> {
        Arc::new(Definition { path, shown: OnceLock::from(Shown::new(domain)) })
    }

    /// The definition; reads the file the first time.
    pub fn get(&self, setting: &Setting<'_>) -> Result<Arc<Shown>> {
        if let Some(shown) = self.shown.get() {
            return Ok(Arc::clone(shown));
        }
        let text = files::read(&self.path)?.ok_or_else(|| {
            let detail = format!("no domain config file '{}'", self.path.display());
            Error::new(Code::InternalError, Origin::Domain, detail)
        })?;
        let domain = Draft::parse(&text, &ReadMode::default())?.complete(setting)?;
        Ok(Arc::clone(self.shown.get_or_init(|| Shown::new(domain))))
    }
}

/// A guest as it is at one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// Its name.
    pub name: Arc<str>,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its id while it runs.
    pub id: Option<i32>,
    /// What it is doing, and why.
    pub status: Status,
    /// Whether it has a definition on disk.
    pub persistent: bool,
    /// Whether it is started with the daemon.
    pub autostart: bool,
    /// Whether it is started with the next start of the host, and then not again.
    pub autostart_once: bool,
    /// Whether it has a saved state that its next start takes.
    pub managed_save: bool,
    /// Its emulator's process while it runs.
    pub pid: Option<u32>,
    /// The definition of its run.
    pub live: Option<Arc<Shown>>,
    /// The definition that the next start takes; absent for a guest that has only its run.
    pub inactive: Option<Arc<Definition>>,
}

impl View {
    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.id.is_some()
    }

    /// Time its emulator spent on processors, in nanoseconds; 0 where it does not run.
    pub fn cpu_time(&self) -> u64 {
        self.pid.and_then(ostler_host::cpu_time).unwrap_or_default()
    }

    /// Puts the names of the definition where an error of a disk has the emulator's.
    pub(crate) fn name_disk(&self, error: &mut IoError) {
        let (node, front) = (std::mem::take(&mut error.path), std::mem::take(&mut error.alias));
        let Some(live) = &self.live else { return };
        let is_it = |disk: &&Disk| {
            disk.run.qom_name.as_deref().is_some_and(|name| name == front) || disk.has_node(&node)
        };
        if let Some(disk) = live.domain().devices.disks.iter().find(is_it) {
            error.path = disk.image.path().unwrap_or_default().to_owned();
            error.alias = disk.info().alias().to_owned();
        }
    }

    /// Puts the names of the definition where a node of the emulator is named.
    pub(crate) fn name_node(&self, device: &mut String, path: &mut Option<String>) {
        let Some(live) = &self.live else { return };
        if let Some(disk) = live.domain().devices.disks.iter().find(|disk| disk.has_node(device)) {
            device.clone_from(&disk.target);
            *path = disk.image.path().map(str::to_owned);
        }
    }

    /// The definition that most questions are about: of the run, if there is one.
    pub fn current(&self, setting: &Setting<'_>) -> Result<Arc<Shown>> {
        match (&self.live, &self.inactive) {
            (Some(live), _) => Ok(Arc::clone(live)),
            (None, Some(inactive)) => inactive.get(setting),
            (None, None) => Err(Error::internal("domain has no definition")),
        }
    }

    /// The definition as XML. A guest that does not run has only the inactive form.
    pub fn xml(&self, mut mode: WriteMode, setting: &Setting<'_>) -> Result<Arc<str>> {
        mode.inactive |= self.live.is_none();
        match (&self.live, &self.inactive) {
            (Some(_), Some(inactive)) if mode.inactive => Ok(inactive.get(setting)?.xml(mode)),
            _ => Ok(self.current(setting)?.xml(mode)),
        }
    }
}
