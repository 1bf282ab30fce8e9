//! `<blockjob>`: a job of the emulator's block layer that goes on.

use ostler_base::{Error, Result, Word, words};
use ostler_xml::{El, Element};

use super::job::hex;
use crate::devices::disk::{Image, image_from_run, image_to_run};

words! {
    /// `<blockjob type='…'>`
    pub BlockJobKind {
        None = "", Pull = "pull", Copy = "copy", Commit = "commit", ActiveCommit = "active-commit",
        Backup = "backup", SnapshotSave = "snapshot-save", SnapshotDelete = "snapshot-delete",
        Create = "create", Broken = "broken",
    }
    /// `<blockjob state='…'>`
    pub BlockJobState {
        Completed = "completed", Failed = "failed", Cancelled = "cancelled", Ready = "ready", New = "new",
        Running = "running", Concluded = "concluded", Aborting = "aborting", Pivoting = "pivoting",
        Pending = "pending",
    }
}

/// A chain of images that belongs to no disk of the guest any more.
#[derive(Debug, Clone, PartialEq)]
pub struct JobChain {
    /// The images.
    pub disk: Option<Image>,
    /// The copy that is made of them.
    pub mirror: Option<Image>,
}

/// Which images a job is about.
#[derive(Debug, Clone, PartialEq)]
pub enum JobDisk {
    /// Those of a disk of the guest.
    Disk {
        /// Its name.
        target: String,
        /// Whether the copy of the disk belongs to this job.
        mirror: bool,
    },
    /// Others.
    Chains(Box<JobChain>),
    /// None.
    None,
}

/// What a job does, by the names of nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockJobWork {
    /// Draws the content of images below into the topmost.
    Pull {
        /// The image that stays below.
        base: Option<String>,
    },
    /// Copies a chain.
    Copy {
        /// `shallownew`
        shallow_new: bool,
    },
    /// Writes an image into one below it.
    Commit {
        /// What is written to.
        base: Option<String>,
        /// What is written.
        top: Option<String>,
        /// What stands above that.
        top_parent: Option<String>,
        /// Whether the files of images that went are removed.
        delete: bool,
    },
    /// Makes an image.
    Create {
        /// The storage of it, not the format.
        storage: bool,
        /// The image.
        image: Option<Image>,
    },
    /// Copies what a disk holds now.
    Backup {
        /// The bitmap that says what changed.
        bitmap: Option<String>,
        /// Where it goes.
        store: Option<Image>,
    },
    /// Nothing more is known of it.
    Other,
}

/// `<blockjob>`
#[derive(Debug, Clone, PartialEq)]
pub struct BlockJob {
    /// `name`
    pub name: String,
    /// `type`
    pub kind: BlockJobKind,
    /// `state`
    pub state: BlockJobState,
    /// `newstate`: what the emulator told and nobody has acted on.
    pub new_state: Option<BlockJobState>,
    /// `brokentype`: what a job was that cannot be understood any more.
    pub broken_kind: Option<BlockJobKind>,
    /// `jobflags` of the call.
    pub flags: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Which images it is about.
    pub disk: JobDisk,
    /// What it does.
    pub work: BlockJobWork,
}

fn word<W: Word>(el: &Element<'_>, name: &str) -> Result<Option<W>> {
    let Some(text) = el.attr(name) else { return Ok(None) };
    let found = W::parse(text);
    found.map(Some).ok_or_else(|| Error::internal(format!("invalid {name} '{text}' of a block job")))
}

impl BlockJob {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let kind = word(el, "type")?.unwrap_or(BlockJobKind::None);
        let image = |name: &str| el.child(name).map(|el| image_from_run(&el)).transpose();
        let node = |name: &str| el.child(name).and_then(|el| el.attr("node")).map(str::to_owned);
        let disk = match (el.child("disk"), el.child("chains")) {
            (Some(disk), _) => JobDisk::Disk {
                target: disk.require("dst")?.to_owned(),
                mirror: disk.attr("mirror") == Some("yes"),
            },
            (None, Some(chains)) => {
                let image = |name: &str| chains.child(name).map(|el| image_from_run(&el)).transpose();
                JobDisk::Chains(Box::new(JobChain { disk: image("disk")?, mirror: image("mirror")? }))
            }
            (None, None) => JobDisk::None,
        };
        let work = match kind {
            BlockJobKind::Pull => BlockJobWork::Pull { base: node("base") },
            BlockJobKind::Copy => BlockJobWork::Copy { shallow_new: el.attr("shallownew") == Some("yes") },
            BlockJobKind::Commit | BlockJobKind::ActiveCommit => BlockJobWork::Commit {
                base: node("base"),
                top: node("top"),
                top_parent: node("topparent"),
                delete: el.child("deleteCommittedImages").is_some(),
            },
            BlockJobKind::Create => BlockJobWork::Create {
                storage: el.child("create").and_then(|el| el.attr("mode")) == Some("storage"),
                image: image("src")?,
            },
            BlockJobKind::Backup => BlockJobWork::Backup {
                bitmap: el.child("bitmap").and_then(|el| el.attr("name")).map(str::to_owned),
                store: image("store")?,
            },
            _ => BlockJobWork::Other,
        };
        Ok(BlockJob {
            name: el.require("name")?.to_owned(),
            kind,
            state: word(el, "state")?.unwrap_or(BlockJobState::New),
            new_state: word(el, "newstate")?,
            broken_kind: word(el, "brokentype")?,
            flags: hex(el, "jobflags")?,
            error: el.child_text("errmsg"),
            disk,
            work,
        })
    }

    pub(super) fn to_el(&self) -> El {
        let mut el = El::new("blockjob")
            .attr("name", &self.name)
            .attr("type", self.kind)
            .attr("state", self.state)
            .attr_opt("newstate", self.new_state)
            .attr_opt("brokentype", self.broken_kind)
            .attr_opt("jobflags", self.flags.map(|flags| format!("{flags:#x}")));
        if matches!(self.work, BlockJobWork::Copy { shallow_new: true }) {
            el.set("shallownew", "yes");
        }
        el.push_text("errmsg", self.error.as_ref());
        match &self.disk {
            JobDisk::Disk { target, mirror } => {
                let mirror = mirror.then_some("yes");
                el.push(El::new("disk").attr("dst", target).attr_opt("mirror", mirror));
            }
            JobDisk::Chains(chains) => {
                let mut both = El::new("chains");
                both.extend(chains.disk.iter().map(|image| image_to_run("disk", image, true)));
                both.extend(chains.mirror.iter().map(|image| image_to_run("mirror", image, true)));
                el.push(both);
            }
            JobDisk::None => {}
        }
        self.work.format(&mut el);
        el
    }
}

impl BlockJobWork {
    fn format(&self, el: &mut El) {
        let node = |name: &'static str, node: &Option<String>| {
            node.as_ref().map(|node| El::new(name).attr("node", node))
        };
        match self {
            BlockJobWork::Pull { base } => el.extend(node("base", base)),
            BlockJobWork::Commit { base, top, top_parent, delete } => {
                el.extend(node("base", base));
                el.extend(node("top", top));
                el.extend(node("topparent", top_parent));
                el.extend(delete.then(|| El::new("deleteCommittedImages")));
            }
            BlockJobWork::Create { storage, image } => {
                el.extend(storage.then(|| El::new("create").attr("mode", "storage")));
                el.extend(image.iter().map(|image| image_to_run("src", image, false)));
            }
            BlockJobWork::Backup { bitmap, store } => {
                el.extend(bitmap.iter().map(|name| El::new("bitmap").attr("name", name)));
                el.extend(store.iter().map(|image| image_to_run("store", image, false)));
            }
            BlockJobWork::Copy { .. } | BlockJobWork::Other => {}
        }
    }
}
