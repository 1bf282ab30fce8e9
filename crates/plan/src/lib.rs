//! Plans as plain data: parts of a command line, actions with their way back, resources, questions
//! and facts, descriptors to pass.
//!
//! Owns: the types, the two renderings of parts, the plan checker. Never: does what a plan says.

mod action;
mod chardev;
mod check;
mod fd;
mod hot;
mod part;
mod props;
mod query;
mod resource;

pub use action::{Action, Owner};
pub use chardev::{Chardev, ChardevBackend, LogFile, SocketAddress};
pub use check::check;
pub use fd::{FdKind, FdSource, Numbering, PassedFd, PassedFds};
pub use hot::{Command, hot_add, hot_numbering, hot_remove, json_args, set_labels};
pub use part::{Form, Part, argv};
pub use props::Props;
pub use query::{Answer, Facts, FileKind, Passed, Query, VolumePlace};
pub use resource::{Access, Resource, ResourceKind, Sharing};

/// What has to be done before an emulator runs, and how it is run.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Variables of its environment, in order.
    pub environment: Vec<(String, String)>,
    /// The emulator.
    pub program: String,
    /// Its command line.
    pub parts: Vec<Part>,
    /// How parts are written on it.
    pub form: Form,
    /// Descriptors it is handed, by number.
    pub fds: Vec<PassedFd>,
    /// What is done before, in order.
    pub actions: Vec<Action>,
    /// What it touches.
    pub resources: Vec<Resource>,
    /// How much memory it may lock: bytes, or `None` within for all there is; what it inherits where
    /// absent.
    pub locked_memory: Option<Option<u64>>,
}

impl Launch {
    /// The whole vector: variables as `NAME=VALUE`, program, arguments.
    pub fn vector(&self) -> Vec<String> {
        let variables = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        variables.chain([self.program.clone()]).chain(argv(&self.parts, self.form)).collect()
    }
}
