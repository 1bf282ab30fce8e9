//! Questions to the host, and the answers a planner works with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ostler_base::{Error, IdSet, Result};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    /// What is at a path?
    Stat(PathBuf),
    /// Where is a program?
    Program(String),
    /// The value of a secret, by `uuid:UUID` or `usage:USE`, encrypted with the key of the run.
    Secret(String),
    /// A render node of a graphics card.
    RenderNode,
    /// Which TPM versions can the software TPM do (`1.2`, `2.0`)?
    SwtpmVersions,
    /// Which optional features (command line) does a helper program have? By its path.
    ProgramFeatures(String),
    /// Which NUMA nodes does the host have?
    NumaNodes,
    /// On which NUMA nodes are these CPUs of the host?
    NodesOfCpus(IdSet),
    /// Which NUMA nodes fit best a guest with so many vCPUs and so much memory (KiB)?
    AdvisedNodes(u32, u64),
    /// The descriptors (QEMU's interchange format) in folders, each a file with its text; a file takes
    /// the place of one of the same name in a folder before, an empty one that of nothing.
    Descriptors(Vec<PathBuf>),
    /// A text that is no secret of the host's, encrypted with the key of the run.
    Seal(String),
    /// Descriptors that a client handed in, by their name; or the descriptor of a vDPA disk, by its path.
    Passed(String),
    /// Where a volume lies: pool and name.
    Volume(String, String),
    /// The first bytes of an image.
    Header(PathBuf),
    /// The node (`/dev/sgN`) of a unit of a SCSI adapter of the host.
    ScsiGeneric {
        /// `scsi_hostN`
        adapter: String,
        /// Channel.
        bus: u32,
        /// Target.
        target: u32,
        /// Unit.
        unit: u64,
    },
    /// The node of the group that a PCI function is in, by its address, as VFIO takes it.
    IommuGroup(String),
    /// A free TCP port for this use out of a range (first, last).
    FreePort(String, u16, u16),
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A block device.
    Block,
    /// A block device that is a CD-ROM drive.
    Cdrom,
    /// A character device.
    Character,
    /// A socket, pipe or anything else.
    Other,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Query::Stat`].
    Kind(FileKind),
    /// To questions for a path: it, if there is one.
    Path(Option<PathBuf>),
    /// To [`Query::Secret`].
    Sealed {
        /// What is encrypted, in base 64.
        data: String,
        /// The initialisation vector, in base 64.
        iv: String,
    },
    /// To questions for a list.
    Words(Vec<String>),
    /// To questions for nodes.
    Ids(IdSet),
    /// To [`Query::Descriptors`]: paths and texts, in order of precedence.
    Files(Vec<(PathBuf, String)>),
    /// To [`Query::FreePort`].
    Port(u16),
    /// To [`Query::Passed`].
    Passed(Passed),
    /// To [`Query::Volume`]: the type of its disks, and where it is.
    Volume(VolumePlace),
    /// To [`Query::Header`].
    Bytes(Vec<u8>),
    /// To anything: why there is no answer; matters to those only who use it.
    Failed(Error),
}

/// Descriptors that were handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Whether they may be written to, whatever they are used for.
    pub writable: bool,
    /// One for each: its number in the emulator, where that is fixed.
    pub numbers: Vec<Option<u32>>,
}

/// Where a volume lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlace {
    /// The type of the volume: `file`, `block`, `dir`, `network`, `netdir`, `ploop`.
    pub kind: String,
    /// Its path or, on a server, its name there.
    pub path: String,
    /// The type of the pool: `dir`, `iscsi`, `iscsi-direct`, …
    pub pool_kind: String,
    /// The server of the pool: name and port.
    pub host: Option<(String, Option<u32>)>,
    /// The device of the pool: the target on the server.
    pub device: Option<String>,
    /// Who logs in, and the secret of the type `iscsi` with the password, as [`Query::Secret`] has it.
    pub login: Option<(String, String)>,
    /// The initiator's name.
    pub initiator: Option<String>,
}

/// The answers to everything that was asked.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    answers: BTreeMap<Query, Answer>,
    /// Whether a question that nobody asked has an empty answer.
    blank: bool,
}

static FILE: Answer = Answer::Kind(FileKind::File);
static NOWHERE: Answer = Answer::Path(None);
static NOTHING_SEALED: Answer = Answer::Sealed { data: String::new(), iv: String::new() };
static NO_WORDS: Answer = Answer::Words(Vec::new());
static NO_PORT: Answer = Answer::Port(0);

/// The answer that says least.
fn blank(query: &Query) -> Option<&'static Answer> {
    match query {
        Query::Stat(_) => Some(&FILE),
        Query::Program(_) | Query::RenderNode | Query::ScsiGeneric { .. } | Query::IommuGroup(_) => {
            Some(&NOWHERE)
        }
        Query::Secret(_) => Some(&NOTHING_SEALED),
        Query::SwtpmVersions | Query::ProgramFeatures(_) => Some(&NO_WORDS),
        Query::FreePort(..) => Some(&NO_PORT),
        _ => None,
    }
}

impl Facts {
    /// Takes an answer down.
    pub fn add(&mut self, query: Query, answer: Answer) {
        self.answers.insert(query, answer);
    }

    /// Empty answers to whatever is asked: for plans that only the names of parts are wanted of.
    pub fn blank() -> Self {
        Facts { blank: true, ..Facts::default() }
    }

    fn get(&self, query: &Query) -> Result<&Answer> {
        match self.answers.get(query).or_else(|| blank(query).filter(|_| self.blank)) {
            Some(Answer::Failed(error)) => Err(error.clone()),
            Some(answer) => Ok(answer),
            None => Err(Error::internal(format!("the planner uses a fact it did not ask for: {query:?}"))),
        }
    }

    /// What is at a path.
    pub fn kind(&self, path: &Path) -> Result<FileKind> {
        match self.get(&Query::Stat(path.to_owned()))? {
            Answer::Kind(kind) => Ok(*kind),
            other => Err(mismatch(other)),
        }
    }

    /// Whether a path is known to be a CD-ROM drive of the host.
    pub fn is_cdrom(&self, path: &str) -> bool {
        matches!(self.get(&Query::Stat(path.into())), Ok(Answer::Kind(FileKind::Cdrom)))
    }

    /// The answer to a question for a path.
    pub fn path(&self, query: &Query) -> Result<Option<&Path>> {
        match self.get(query)? {
            Answer::Path(path) => Ok(path.as_deref()),
            other => Err(mismatch(other)),
        }
    }

    /// Where a program is.
    pub fn program(&self, name: &str) -> Result<Option<&Path>> {
        self.path(&Query::Program(name.to_owned()))
    }

    /// The answer to a question for a list of words.
    pub fn words(&self, query: &Query) -> Result<&[String]> {
        match self.get(query)? {
            Answer::Words(words) => Ok(words),
            other => Err(mismatch(other)),
        }
    }

    /// The answer to a question for nodes.
    pub fn ids(&self, query: &Query) -> Result<&IdSet> {
        match self.get(query)? {
            Answer::Ids(ids) => Ok(ids),
            other => Err(mismatch(other)),
        }
    }

    /// A secret: what is encrypted and the initialisation vector.
    pub fn secret(&self, lookup: &str) -> Result<(&str, &str)> {
        match self.get(&Query::Secret(lookup.to_owned()))? {
            Answer::Sealed { data, iv } => Ok((data, iv)),
            other => Err(mismatch(other)),
        }
    }

    /// The answer to a question for files.
    pub fn files(&self, query: &Query) -> Result<&[(PathBuf, String)]> {
        match self.get(query)? {
            Answer::Files(files) => Ok(files),
            other => Err(mismatch(other)),
        }
    }

    /// A text that was encrypted, with its initialisation vector.
    pub fn sealed(&self, text: &str) -> Result<(&str, &str)> {
        match self.get(&Query::Seal(text.to_owned()))? {
            Answer::Sealed { data, iv } => Ok((data, iv)),
            other => Err(mismatch(other)),
        }
    }

    /// Descriptors that were handed in.
    pub fn passed(&self, name: &str) -> Result<&Passed> {
        match self.get(&Query::Passed(name.to_owned()))? {
            Answer::Passed(passed) => Ok(passed),
            other => Err(mismatch(other)),
        }
    }

    /// Where a volume lies.
    pub fn volume(&self, pool: &str, name: &str) -> Result<&VolumePlace> {
        match self.get(&Query::Volume(pool.to_owned(), name.to_owned()))? {
            Answer::Volume(place) => Ok(place),
            other => Err(mismatch(other)),
        }
    }

    /// The first bytes of an image; `None` where that was not asked.
    pub fn header(&self, path: &Path) -> Option<&[u8]> {
        match self.answers.get(&Query::Header(path.to_owned())) {
            Some(Answer::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The answer to a question for a port.
    pub fn port(&self, query: &Query) -> Result<u16> {
        match self.get(query)? {
            Answer::Port(port) => Ok(*port),
            other => Err(mismatch(other)),
        }
    }
}

fn mismatch(answer: &Answer) -> Error {
    Error::internal(format!("the host answered a question with something of another kind: {answer:?}"))
}
