//! `<domainbackup>`
//!
//! Owns: the document, and what is done with each disk of the guest. Never: makes a backup.

use std::collections::BTreeSet;

use ostler_base::{Origin, Result, Word, YesNo, words};
use ostler_vocab::storage_encryption::EncryptionFormat;
use ostler_xml::{El, Element};

use super::{Kind, disk_els, document, image, misfit};
use crate::devices::disk::{Image, ImageFormat, ImageRun, ImageType, Place};
use crate::{Draft, WriteMode};

const KIND: Kind = Kind { word: "backup", origin: Origin::Domain };

words! {
    /// `<server transport='…'>`
    pub ServerTransport { Tcp = "tcp", Unix = "unix", Fd = "fd" }
    /// `<domainbackup mode='…'>`: who moves the data.
    pub BackupMode { Push = "push", Pull = "pull" }
    /// `<disk backupmode='…'>`
    pub DiskBackupMode { Full = "full", Incremental = "incremental" }
    /// `<disk state='…'>`, in status documents.
    pub DiskBackupState {
        Running = "running", Complete = "complete", Failed = "failed", Cancelling = "cancelling",
        Cancelled = "cancelled",
    }
}

/// A backup.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// Who moves the data: the emulator, or others that fetch it.
    pub mode: BackupMode,
    /// The checkpoint since which changes are wanted.
    pub incremental: Option<String>,
    /// Where others fetch the data.
    pub server: Option<Server>,
    /// The disks.
    pub disks: Vec<BackupDisk>,
    /// The emulator's object with the credentials of the server.
    pub tls_alias: Option<String>,
    /// The emulator's object with the password of these.
    pub tls_secret_alias: Option<String>,
}

/// `<server>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `transport`
    pub transport: ServerTransport,
    /// `tls`
    pub tls: Option<YesNo>,
    /// `name`: the address that is listened at; of TCP.
    pub name: Option<String>,
    /// `port`; of TCP.
    pub port: Option<u16>,
    /// `socket`; of UNIX sockets.
    pub socket: Option<String>,
    /// `fdgroup`: the name of descriptors that a client passed.
    pub fd_group: Option<String>,
}

/// `<disk>`
#[derive(Debug, Clone, PartialEq)]
pub struct BackupDisk {
    /// The name of the guest's disk.
    pub name: String,
    /// What is done with it; `None`: nothing.
    pub job: Option<DiskBackup>,
}

/// What is done with a disk.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskBackup {
    /// Whether all or only changes are wanted.
    pub mode: Option<DiskBackupMode>,
    /// The checkpoint since which changes are wanted.
    pub incremental: Option<String>,
    /// The name under which others fetch it.
    pub export_name: Option<String>,
    /// The name under which others learn what changed.
    pub export_bitmap: Option<String>,
    /// How far it is.
    pub state: Option<DiskBackupState>,
    /// Where the data goes, or where what the guest overwrites is kept in the meantime.
    pub store: Image,
}

impl Backup {
    /// Reads a document that asks for a backup; words that nobody reads are refused.
    pub fn parse(text: &str) -> Result<Self> {
        document(text, "domainbackup", "(domain_backup)", true, |root| Backup::from_el(root, false))
    }

    /// Reads what the driver stored of a running backup.
    pub fn parse_stored(text: &str) -> Result<Self> {
        document(text, "domainbackup", "(domain_backup)", false, |root| Backup::from_el(root, true))
    }

    fn from_el(root: &Element<'_>, stored: bool) -> Result<Self> {
        let mode = match root.attr("mode") {
            None => BackupMode::Push,
            Some(word) => BackupMode::parse(word)
                .ok_or_else(|| KIND.unsupported(format!("unknown backup mode '{word}'")))?,
        };
        let server = root.child("server").map(|el| Server::parse(&el, mode)).transpose()?;
        if mode == BackupMode::Pull && server.is_none() {
            return Err(misfit(root, "a backup that others fetch needs <server>"));
        }
        let disks = disk_els(root)?;
        let disks = disks.map(|el| BackupDisk::parse(&el, mode, stored)).collect::<Result<_>>()?;
        let objects = root.path("privateData/objects").filter(|_| stored);
        let secret = |el: &Element<'_>| el.attr("type") == Some("tlskey");
        let alias = |el: Element<'_>| el.attr("alias").map(str::to_owned);
        Ok(Backup {
            mode,
            incremental: root.child_text("incremental").filter(|name| !name.is_empty()),
            server,
            disks,
            tls_alias: objects.and_then(|o| o.child("TLSx509")).and_then(alias),
            tls_secret_alias: objects.and_then(|o| o.children("secret").find(secret)).and_then(alias),
        })
    }

    /// Says for every disk of the guest what is done with it: nothing with those that the backup
    /// does not name, unless it names none. Images without a name get the disk's, with `suffix`.
    pub fn align(&mut self, domain: &Draft, suffix: &str) -> Result<()> {
        let all = &domain.devices.disks;
        if all.is_empty() {
            return Err(KIND.unsupported("domain must have at least one disk to perform backup"));
        }
        let every = self.disks.is_empty();
        let mut seen = BTreeSet::new();
        for disk in &mut self.disks {
            let there = all.iter().find(|there| there.target == disk.name);
            let there = there.ok_or_else(|| KIND.unsupported(format!("no disk named '{}'", disk.name)))?;
            if !seen.insert(disk.name.clone()) {
                return Err(KIND.unsupported(format!("disk '{}' specified twice", disk.name)));
            }
            if let Some(job) = &mut disk.job {
                job.check_since(&disk.name, self.incremental.as_deref())?;
                job.name_store(&disk.name, &there.image, suffix)?;
            }
        }
        for there in all.iter().filter(|there| !seen.contains(&there.target)) {
            let mut job = DiskBackup::new(Image::new(Place::File(None)));
            let wanted = every && !there.image.is_empty() && !there.readonly;
            if wanted {
                job.name_store(&there.target, &there.image, suffix)?;
            }
            self.disks.push(BackupDisk { name: there.target.clone(), job: wanted.then_some(job) });
        }
        for job in self.disks.iter_mut().filter_map(|disk| disk.job.as_mut()) {
            let since = job.incremental.as_ref().or(self.incremental.as_ref());
            let mode = match since {
                Some(_) => DiskBackupMode::Incremental,
                None => DiskBackupMode::Full,
            };
            if *job.mode.get_or_insert(mode) == DiskBackupMode::Incremental {
                job.incremental = since.cloned();
            }
        }
        Ok(())
    }

    /// The document; `stored` with what only the driver says.
    pub fn to_xml(&self, stored: bool) -> String {
        let mut root = El::new("domainbackup").attr("mode", self.mode);
        root.push_text("incremental", self.incremental.as_ref());
        root.extend(self.server.as_ref().map(Server::to_el));
        let mut disks = El::new("disks");
        disks.extend(self.disks.iter().map(|disk| disk.to_el(self.mode, stored)));
        root.push_filled(disks);
        if stored {
            let mut objects = El::new("objects");
            let secret = |alias| El::new("secret").attr("type", "tlskey").attr("alias", alias);
            objects.extend(self.tls_secret_alias.as_ref().map(secret));
            objects.extend(self.tls_alias.as_ref().map(|alias| El::new("TLSx509").attr("alias", alias)));
            if objects.has_content() {
                root.push(El::new("privateData").child(objects));
            }
        }
        root.to_xml()
    }
}

impl Server {
    fn parse(el: &Element<'_>, mode: BackupMode) -> Result<Self> {
        if mode != BackupMode::Pull {
            return Err(KIND.unsupported("use of <server> requires pull mode backup"));
        }
        let transport = el.word("transport")?.unwrap_or(ServerTransport::Tcp);
        let of = |wanted: ServerTransport, name: &'static str| match transport == wanted {
            true => el.require(name).map(|text| Some(text.to_owned())),
            false => Ok(None),
        };
        let server = Server {
            transport,
            tls: el.yes_no("tls")?,
            name: of(ServerTransport::Tcp, "name")?,
            port: if transport == ServerTransport::Tcp { el.number("port")? } else { None },
            socket: of(ServerTransport::Unix, "socket")?,
            fd_group: of(ServerTransport::Fd, "fdgroup")?,
        };
        match &server.socket {
            Some(path) if !path.starts_with('/') => {
                Err(KIND.xml(format!("backup socket path '{path}' must be absolute")))
            }
            _ => Ok(server),
        }
    }

    fn to_el(&self) -> El {
        El::new("server")
            .attr("transport", self.transport)
            .attr_opt("tls", self.tls)
            .attr_opt("name", self.name.as_ref())
            .attr_opt("port", self.port.filter(|port| *port != 0))
            .attr_opt("socket", self.socket.as_ref())
            .attr_opt("fdgroup", self.fd_group.as_ref())
    }
}

/// The element that says where the image of a disk is.
fn place(mode: BackupMode) -> &'static str {
    match mode {
        BackupMode::Push => "target",
        BackupMode::Pull => "scratch",
    }
}

impl BackupDisk {
    fn parse(el: &Element<'_>, mode: BackupMode, stored: bool) -> Result<Self> {
        let name = el.attr("name").ok_or_else(|| KIND.xml("missing name from disk backup element"))?;
        let wanted = el.yes_no("backup")?.is_none_or(YesNo::is_true);
        let job = if wanted { Some(DiskBackup::parse(el, mode, stored)?) } else { None };
        Ok(BackupDisk { name: name.to_owned(), job })
    }

    fn to_el(&self, mode: BackupMode, stored: bool) -> El {
        let mut el = El::new("disk").attr("name", &self.name).attr("backup", YesNo::from(self.job.is_some()));
        if let Some(job) = &self.job {
            job.format(&mut el, mode, stored);
        }
        el
    }
}

impl DiskBackup {
    fn new(store: Image) -> Self {
        DiskBackup {
            mode: None,
            incremental: None,
            export_name: None,
            export_bitmap: None,
            state: None,
            store,
        }
    }

    fn parse(el: &Element<'_>, mode: BackupMode, stored: bool) -> Result<Self> {
        if let Some(kind) = el.attr("type").filter(|kind| !["file", "block"].contains(kind)) {
            return Err(KIND.xml(format!("unsupported disk backup type '{kind}'")));
        }
        let pull = mode == BackupMode::Pull;
        let text = |name: &str| el.attr(name).map(str::to_owned);
        let format: Option<ImageFormat> = el.child("driver").map(|d| d.word("type")).transpose()?.flatten();
        let (kind, mut store) = image::parse(el, place(mode), format)?;
        if kind == ImageType::Block && store.is_empty() {
            store.place = Place::Block(None);
        }
        store.index = if stored { el.number("index")? } else { None };
        if let Some(source) = el.child(place(mode)).filter(|_| stored) {
            store.run = Some(Box::new(ImageRun::parse(&source)?));
        }
        let backup = DiskBackup {
            mode: el.word("backupmode")?,
            incremental: text("incremental"),
            export_name: if pull { text("exportname") } else { None },
            export_bitmap: if pull { text("exportbitmap") } else { None },
            state: if stored { Some(el.require_word("state")?) } else { None },
            store,
        };
        if stored { Ok(backup) } else { backup.check(el, mode) }
    }

    /// What has to hold in documents of clients.
    fn check(self, el: &Element<'_>, mode: BackupMode) -> Result<Self> {
        if self.mode == Some(DiskBackupMode::Full) && self.incremental.is_some() {
            return Err(misfit(el, "a full backup is not since anything"));
        }
        if mode == BackupMode::Pull && self.store.format.is_some_and(|format| format != ImageFormat::Qcow2) {
            return Err(misfit(el, "what is overwritten while others fetch is kept in qcow2"));
        }
        if self.store.path().is_some_and(|path| !path.starts_with('/')) {
            return Err(misfit(el, "the path of an image is absolute"));
        }
        let encryption = self.store.encryption.as_ref();
        if encryption.is_some_and(|encryption| encryption.format != EncryptionFormat::Luks) {
            return Err(misfit(el, "images of backups are encrypted with luks"));
        }
        Ok(self)
    }

    fn check_since(&self, name: &str, incremental: Option<&str>) -> Result<()> {
        let known = self.incremental.is_some() || incremental.is_some();
        if self.mode == Some(DiskBackupMode::Incremental) && !known {
            return Err(KIND.unsupported(format!(
                "'incremental' backup mode of disk '{name}' requires setting 'incremental' field for disk or backup"
            )));
        }
        Ok(())
    }

    /// Gives the image a name, if it has none.
    fn name_store(&mut self, name: &str, there: &Image, suffix: &str) -> Result<()> {
        if there.is_empty() {
            return Err(KIND.unsupported(format!("disk '{name}' has no media")));
        }
        if self.store.is_empty() {
            let Place::File(Some(path)) = &there.place else {
                let words = format!("refusing to generate file name for disk '{name}'");
                return Err(KIND.unsupported(words));
            };
            self.store.place = Place::File(Some(format!("{path}.{suffix}")));
        }
        Ok(())
    }

    fn format(&self, el: &mut El, mode: BackupMode, stored: bool) {
        el.set_opt("state", self.state.filter(|_| stored));
        el.set("type", self.store.place.kind());
        el.set_opt("backupmode", self.mode);
        el.set_opt("incremental", self.incremental.as_ref());
        el.set_opt("exportname", self.export_name.as_ref());
        el.set_opt("exportbitmap", self.export_bitmap.as_ref());
        el.set_opt("index", self.store.index);
        el.push_filled(image::driver(&self.store));
        let mut store = self.store.clone();
        store.index = None;
        let mut source = store.source_el(place(mode), &WriteMode { inactive: true, ..WriteMode::default() });
        if let Some(run) = store.run.as_ref().filter(|_| stored) {
            run.write(&mut source);
        }
        el.push_filled(source);
    }
}
