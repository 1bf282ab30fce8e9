//! `<domainsnapshot>`
//!
//! Owns: the document, and what each disk of the guest does in it. Never: makes a snapshot.

use ostler_base::{Code, Error, Origin, Result, Uuid, Word, words};
use ostler_plan::{Facts, FileKind, Query};
use ostler_xml::{El, Element};

use super::{Complete, Kind, Moment, Source, document, domain_mode, image, named_disks, parse_domain};
use crate::devices::disk::{Disk, DiskSnapshot, Image, ImageFormat, ImageType, Place};
use crate::sections::cpu;
use crate::{Domain, Draft, WriteMode};
use ostler_caps::cpu::Cpu;

const KIND: Kind = Kind { word: "snapshot", origin: Origin::DomainSnapshot };

words! {
    /// `<state>`: what the guest did when the snapshot was made.
    pub SnapshotState {
        Running = "running", Blocked = "blocked", Paused = "paused", Shutdown = "shutdown",
        Shutoff = "shutoff", Crashed = "crashed", Pmsuspended = "pmsuspended",
        DiskSnapshot = "disk-snapshot",
    }
}

impl SnapshotState {
    /// Whether there is no memory to be kept.
    fn is_offline(self) -> bool {
        matches!(self, SnapshotState::Shutoff | SnapshotState::DiskSnapshot)
    }

    fn is_online(self) -> bool {
        matches!(self, SnapshotState::Running | SnapshotState::Paused)
    }
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// What it has in common with other moments.
    pub moment: Moment,
    /// What the guest did.
    pub state: Option<SnapshotState>,
    /// Where the guest's memory is.
    pub memory: Option<DiskSnapshot>,
    /// The file with the guest's memory.
    pub memory_file: Option<String>,
    /// What each disk does.
    pub disks: Vec<SnapshotDisk>,
    /// The definition that the guest would have had at its next start, where it was another.
    pub inactive_domain: Option<Domain>,
    /// What else is needed to make the guest run again.
    pub cookie: Option<Cookie>,
    /// Whether it is the guest's current one; in stored documents.
    pub current: bool,
}

/// `<disk>`
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotDisk {
    /// The name of the guest's disk, or its path.
    pub name: String,
    /// What the disk does; what the guest's definition says where absent.
    pub how: Option<DiskSnapshot>,
    /// What kind of image is written to from then on.
    pub kind: ImageType,
    /// That image; without a place, where the document does not say it.
    pub image: Image,
    /// Whether a removal of the snapshot has begun.
    pub being_deleted: bool,
}

/// `<cookie>`
#[derive(Debug, Clone, PartialEq)]
pub struct Cookie {
    /// The CPU as the guest sees it.
    pub cpu: Option<Cpu>,
    /// Whether the user network of the guest is in a process of its own.
    pub slirp_helper: bool,
}

/// How a snapshot is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotWriteMode {
    /// With secrets.
    pub secure: bool,
    /// With what only stored documents say.
    pub stored: bool,
    /// The identifier of the guest, for snapshots without its definition.
    pub uuid: Option<Uuid>,
}

impl Snapshot {
    /// Reads a document. `strict` refuses words that nobody reads.
    pub fn parse(text: &str, source: Source, strict: bool, complete: Complete<'_>) -> Result<Self> {
        document(text, "domainsnapshot", "(domain_snapshot)", strict, |root| {
            Snapshot::from_el(root, source, complete)
        })
    }

    fn from_el(root: &Element<'_>, source: Source, complete: Complete<'_>) -> Result<Self> {
        let mut moment = Moment::parse(root, &KIND, source)?;
        let mut state = None;
        let mut inactive_domain = None;
        if !source.is_new() {
            state = Some(parse_state(root)?);
            // Old snapshots say which guest it was and no more.
            if let Some(el) = root.child("domain").filter(|domain| domain.has_attr("type")) {
                moment.domain = Some(parse_domain(&el, complete)?);
            }
            if let Some(el) = root.child("inactiveDomain") {
                inactive_domain = Some(parse_domain(&el, complete)?);
            }
        }
        let offline = state.is_some_and(SnapshotState::is_offline);
        let (memory, memory_file) = parse_memory(root, source, offline)?;
        let disks = root.child("disks");
        let disks = disks.into_iter().flat_map(|disks| disks.elements());
        let disks = disks.map(|el| SnapshotDisk::parse(&el)).collect::<Result<_>>()?;
        let current = match source {
            Source::Stored => is_current(root)?,
            Source::New { .. } | Source::Redefined => false,
        };
        let cookie = root.child("cookie").filter(|_| !offline);
        let cookie = cookie.map(|el| Cookie::parse(&el)).transpose()?;
        Ok(Snapshot { moment, state, memory, memory_file, disks, inactive_domain, cookie, current })
    }

    /// Fails if the name cannot be that of a new snapshot: it becomes that of a file.
    pub fn check_name(&self) -> Result<()> {
        let name = &self.moment.name;
        let reason = match name {
            name if name.contains('/') => "name can't contain '/'",
            name if name.starts_with('.') => "name can't start with '.'",
            _ => return Ok(()),
        };
        let words = format!("invalid snapshot name '{name}': {reason}");
        Err(Error::new(Code::XmlDetail, Origin::Qemu, words))
    }

    /// Fails if it cannot take the place of `known`, a snapshot of the same name of the guest
    /// with this identifier.
    pub fn check_redefinition(&self, uuid: Uuid, known: Option<&Snapshot>) -> Result<()> {
        self.moment.check_uuid(&KIND, uuid)?;
        let Some(known) = known else { return Ok(()) };
        let name = &self.moment.name;
        let online = |snapshot: &Snapshot| snapshot.state.is_some_and(SnapshotState::is_online);
        let disks_only = |snapshot: &Snapshot| snapshot.state == Some(SnapshotState::DiskSnapshot);
        let words = if online(self) != online(known) {
            format!("cannot change between online and offline snapshot state in snapshot {name}")
        } else if disks_only(self) != disks_only(known) {
            format!("cannot change between disk only and full system in snapshot {name}")
        } else {
            return Ok(());
        };
        Err(Error::invalid_arg(words).from_origin(KIND.origin))
    }

    /// Whether something of it is in files of its own, as far as it says so itself.
    pub fn is_external(&self) -> bool {
        let external = Some(DiskSnapshot::External);
        self.memory == external
            || self.state == Some(SnapshotState::DiskSnapshot)
            || self.disks.iter().any(|disk| disk.how == external)
    }

    /// What has to be known before [`Snapshot::align`]: whether images whose names names are made
    /// from are regular files.
    pub fn ask(&self, domain: &Draft) -> Vec<Query> {
        domain
            .devices
            .disks
            .iter()
            .filter_map(|disk| disk.image.path())
            .map(|p| Query::Stat(p.into()))
            .collect()
    }

    /// Says for every disk of the guest what it does: what the snapshot says, or else the guest's
    /// definition, or else `default`. With `uniform`, internal snapshots are of all disks or of
    /// none. Images that external snapshots do not name get names from those that are there.
    pub fn align(
        &mut self,
        domain: &Draft,
        default: DiskSnapshot,
        uniform: bool,
        facts: &Facts,
    ) -> Result<()> {
        let all = &domain.devices.disks;
        if self.disks.len() > all.len() {
            return Err(KIND.unsupported("too many disk snapshot requests for domain"));
        }
        let uniform = uniform && default == DiskSnapshot::Internal;
        let named = named_disks(domain, &KIND, self.disks.iter().map(|disk| disk.name.as_str()))?;
        for (disk, there) in self.disks.iter_mut().zip(named) {
            disk.settle(there, default, uniform)?;
        }
        let mut known = std::mem::take(&mut self.disks);
        for there in all {
            let disk = match known.iter().position(|disk| disk.name == there.target) {
                Some(at) => known.swap_remove(at),
                None => SnapshotDisk::of(there, default),
            };
            self.disks.push(disk);
        }
        self.name_images(all, facts)
    }

    /// Finds names for images; the disks are in the order of the guest's.
    fn name_images(&mut self, all: &[Disk], facts: &Facts) -> Result<()> {
        for (at, there) in all.iter().enumerate() {
            let disk = &self.disks[at];
            if disk.how != Some(DiskSnapshot::External) || disk.image.path().is_some() {
                continue;
            }
            let path = disk.image_name(&there.image, &self.moment.name, facts)?;
            let same = self.disks[..at].iter().find(|other| other.image.path() == Some(&path));
            if let Some(other) = same {
                let (name, other) = (&disk.name, &other.name);
                return Err(KIND.unsupported(format!(
                    "cannot generate external snapshot name for disk '{name}': collision with disk '{other}'"
                )));
            }
            self.disks[at].image.place = Place::File(Some(path));
        }
        Ok(())
    }

    /// The document.
    pub fn to_xml(&self, mode: &SnapshotWriteMode) -> String {
        let mut root = El::new("domainsnapshot");
        root.extend(self.moment.name_els().into_iter().flatten());
        root.push_text("state", self.state);
        root.extend(self.moment.origin_els().into_iter().flatten());
        root.extend(
            self.memory.map(|how| {
                El::new("memory").attr("snapshot", how).attr_opt("file", self.memory_file.as_ref())
            }),
        );
        if !self.disks.is_empty() {
            let mut disks = El::new("disks");
            disks.extend(self.disks.iter().map(SnapshotDisk::to_el));
            root.push(disks);
        }
        let domain_mode = domain_mode(mode.secure);
        match (&self.moment.domain, mode.uuid) {
            (Some(domain), _) => root.push(domain.to_element(&domain_mode)),
            (None, Some(uuid)) => root.push(El::new("domain").child(El::with_text("uuid", uuid))),
            (None, None) => {}
        }
        if let Some(domain) = &self.inactive_domain {
            root.push(domain.to_element_named("inactiveDomain", &domain_mode));
        }
        root.extend(self.cookie.as_ref().map(Cookie::to_el));
        if mode.stored {
            root.push(El::with_text("active", u8::from(self.current)));
        }
        root.to_xml()
    }
}

fn parse_state(root: &Element<'_>) -> Result<SnapshotState> {
    let text = root.child_text("state").filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| KIND.xml("missing state from existing snapshot"))?;
    SnapshotState::parse(&text)
        .ok_or_else(|| KIND.unsupported(format!("Invalid state '{text}' in domain snapshot XML")))
}

fn is_current(root: &Element<'_>) -> Result<bool> {
    let number = root.child_text("active").and_then(|text| text.trim().parse::<i32>().ok());
    number.map(|number| number != 0).ok_or_else(|| KIND.internal("Could not find 'active' element"))
}

fn parse_memory(
    root: &Element<'_>,
    source: Source,
    offline: bool,
) -> Result<(Option<DiskSnapshot>, Option<String>)> {
    let el = root.child("memory");
    let file = el.and_then(|el| el.attr("file")).map(str::to_owned);
    let said = el.map(|el| el.word("snapshot")).transpose()?.flatten();
    let memory = match said {
        Some(DiskSnapshot::Manual) => {
            return Err(KIND.xml("'manual' memory snapshot mode not supported"));
        }
        Some(how) => Some(how),
        None if file.is_some() => Some(DiskSnapshot::External),
        None if source.is_new() => None,
        None if offline => Some(DiskSnapshot::No),
        None => Some(DiskSnapshot::Internal),
    };
    let external = memory == Some(DiskSnapshot::External);
    if let Some(file) = &file {
        if !external {
            return Err(KIND.xml(format!("memory filename '{file}' requires external snapshot")));
        }
    } else if external {
        return Err(KIND.xml("external memory snapshots require a filename"));
    }
    if offline && !matches!(memory, None | Some(DiskSnapshot::No)) {
        return Err(KIND.xml("memory state cannot be saved with offline or disk-only snapshot"));
    }
    match file {
        Some(file) if !file.starts_with('/') => {
            Err(KIND.xml(format!("memory snapshot file path ({file}) must be absolute")))
        }
        file => Ok((memory, file)),
    }
}

impl SnapshotDisk {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(name) = el.attr("name") else {
            return Err(KIND.internal("missing name from disk snapshot element"));
        };
        let how = el.word("snapshot")?;
        let driver = el.child("driver").and_then(|driver| driver.attr("type"));
        let format = driver.map(|word| {
            ImageFormat::parse(word)
                .filter(|format| *format != ImageFormat::None)
                .ok_or_else(|| KIND.unsupported(format!("unknown disk snapshot driver '{word}'")))
        });
        if let Some(kind @ ("volume" | "dir")) = el.attr("type") {
            return Err(KIND.xml(format!("unsupported disk snapshot type '{kind}'")));
        }
        let (kind, image) = image::parse(el, "source", format.transpose()?)?;
        if let Some(path) = relative_path(&image) {
            return Err(KIND.xml(format!("disk snapshot image path '{path}' must be absolute")));
        }
        let said = image.path().is_some() || image.format.is_some();
        Ok(SnapshotDisk {
            name: name.to_owned(),
            how: how.or(said.then_some(DiskSnapshot::External)),
            kind,
            image,
            being_deleted: el.child("snapshotDeleteInProgress").is_some(),
        })
    }

    /// What a disk does that the snapshot does not name.
    fn of(disk: &Disk, default: DiskSnapshot) -> Self {
        let how = if disk.image.is_empty() { DiskSnapshot::No } else { said_by(disk).unwrap_or(default) };
        SnapshotDisk {
            name: disk.target.clone(),
            how: Some(how),
            kind: ImageType::File,
            image: Image::new(Place::File(None)),
            being_deleted: false,
        }
    }

    fn settle(&mut self, disk: &Disk, default: DiskSnapshot, uniform: bool) -> Result<()> {
        let left_out = Some(DiskSnapshot::No);
        let how = match self.how {
            Some(how) => {
                if uniform && how != default && (self.how, said_by(disk)) != (left_out, left_out) {
                    let words = format!("disk '{}' must use snapshot mode '{default}'", self.name);
                    return Err(KIND.unsupported(words));
                }
                how
            }
            None => said_by(disk).filter(|how| !uniform || *how == DiskSnapshot::No).unwrap_or(default),
        };
        if let Some(path) = self.image.path().filter(|_| how != DiskSnapshot::External) {
            let words =
                format!("file '{path}' for disk '{}' requires use of external snapshot mode", self.name);
            return Err(KIND.unsupported(words));
        }
        self.how = Some(how);
        self.name.clone_from(&disk.target);
        Ok(())
    }

    /// A name for the image: that of the image that is there, with the snapshot's in the place of
    /// its suffix.
    fn image_name(&self, there: &Image, snapshot: &str, facts: &Facts) -> Result<String> {
        let name = &self.name;
        if self.kind != ImageType::File {
            return Err(KIND.unsupported(format!(
                "cannot generate external snapshot name for disk '{name}' on a '{}' device",
                self.kind
            )));
        }
        let Some(path) = there.path() else {
            let words = format!("cannot generate external snapshot name for disk '{name}' without source");
            return Err(KIND.unsupported(words));
        };
        if facts.kind(path.as_ref())? != FileKind::File {
            return Err(KIND.unsupported(format!(
                "source for disk '{name}' is not a regular file; refusing to generate external snapshot name"
            )));
        }
        let stem = match path.rsplit_once('.') {
            Some((stem, suffix)) if !suffix.contains('/') => stem,
            _ => path,
        };
        Ok(format!("{stem}.{snapshot}"))
    }

    fn to_el(&self) -> El {
        let mut el = El::new("disk").attr("name", &self.name).attr_opt("snapshot", self.how);
        if self.being_deleted {
            el.push(El::new("snapshotDeleteInProgress"));
        }
        if self.image.path().is_some() || self.image.format.is_some() {
            el.set("type", self.kind);
            el.push_filled(image::driver(&self.image));
            el.push_filled(
                self.image.source_el("source", &WriteMode { inactive: true, ..WriteMode::default() }),
            );
        }
        el
    }
}

/// What a disk does in snapshots that do not say it: those that are not written to are left out.
fn said_by(disk: &Disk) -> Option<DiskSnapshot> {
    disk.snapshot.or(disk.readonly.then_some(DiskSnapshot::No))
}

/// The path of an image of this host that is not absolute.
fn relative_path(image: &Image) -> Option<&str> {
    match &image.place {
        Place::File(path) | Place::Block(path) => path.as_deref().filter(|path| !path.starts_with('/')),
        _ => None,
    }
}

impl Cookie {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(Cookie { cpu: cpu::parse(el)?, slirp_helper: el.child("slirpHelper").is_some() })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("cookie");
        el.extend(self.cpu.as_ref().map(Cpu::format));
        if self.slirp_helper {
            el.push(El::new("slirpHelper"));
        }
        el
    }
}
