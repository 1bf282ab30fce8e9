//! Carries out plans on the host and answers their questions.
//!
//! Owns: everything that touches the host: files, processes, sockets, what `/proc` and `/sys` tell.
//! Never: decides
//! anything, knows XML or a device. Everything here blocks but [`Process::ended`] and
//! [`Process::stop`]; call it from
//! a blocking thread.
//!
//! A start, from end to end:
//!
//! ```no_run
//! # fn example(launch: ostler_plan::Launch, questions: Vec<ostler_plan::Query>) ->
//! ostler_base::Result<()> {
//! use std::fs::File;
//! use std::time::Duration;
//! use ostler_host::{Asker, RealHost, Spawn, execute, launcher_path, spawn, take_back};
//!
//! let facts = Asker::default().answer(&questions)?; // goes into the planner
//! let launcher = launcher_path()?;
//! let mut host = RealHost::new(&launcher);
//! execute(&launch.actions, &mut host)?; // all of them, or none and the first cause
//! let log = File::options().append(true).create(true).open("/var/log/guest.log").unwrap();
//! let child = spawn(Spawn::of(&launch), &launcher, log)
//!     .inspect_err(|_| take_back(&launch.actions, &mut host))?;
//! let (pid, start_time) = (child.pid(), child.start_time()); // into the status file; cgroup, labels
//! let process = child.go()?; // the emulator runs, or the error says why not
//! let exit = process.terminate(Duration::from_secs(10))?; // or `process.stop(…).await`
//! # Ok(()) }
//! ```
//!
//! After a restart of the daemon `Process::adopt(pid, start_time)` finds the same process or nothing.

mod affinity;
pub mod cgroup;
mod command;
mod devices;
mod exec;
pub mod fs;
pub mod kvm;
pub mod net;
pub mod node;
pub mod ownership;
mod permission;
mod process;
mod query;
mod real;
mod socket;
mod spawn;
mod sys;
mod terminal;
pub mod usage;

use std::fmt::Display;
use std::io;

use ostler_base::Error;

pub use affinity::set_affinity;
pub use command::{Program, find_program_path};
pub use exec::{Host, RecordingHost, execute, take_back};
pub use ostler_launcher::{Identity, Limit, LimitKind, Node, PrivateDev, Reach};
pub use permission::check_way;
pub use process::{Exit, Process, cpu_time};
pub use query::Asker;
pub use real::RealHost;
pub use socket::{connect_unix, listen_unix};
pub use spawn::{Child, Spawn, launcher_path, open_all, spawn};
pub use sys::{Readable, Terminal};
pub use terminal::open_terminal;

/// An error of the system: what could not be done, and the system's own words.
pub(crate) fn failed(what: impl Display, error: impl Into<io::Error>) -> Error {
    Error::system(format!("{what}: {}", words(&error.into())))
}

/// The system's words without the number that the standard library adds.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}
