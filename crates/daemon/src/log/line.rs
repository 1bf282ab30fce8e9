//! One message of the log.
//!
//! Owns: its parts and its form as a line. Never: writes it.

use std::fmt::{self, Write};
use std::time::SystemTime;

use ostler_engine::log::timestamp;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::rules::Priority;

/// The names by which filters know the parts of the project, each with the name of its crate.
const SOURCES: &[(&str, &str)] = &[
    ("ostler_engine", "qemu"),
    ("ostler_qmp", "qemu.monitor"),
    ("ostler_host", "util"),
    ("ostler_rpc", "rpc"),
    ("ostler_daemon", "daemon"),
];

/// The name of the source that a message comes from: `rpc.server`.
pub(super) fn source(target: &str) -> String {
    let (first, rest) = target.split_once("::").unwrap_or((target, ""));
    let known = SOURCES.iter().find(|(name, _)| *name == first);
    let mut name = known.map_or(first, |(_, name)| *name).to_owned();
    if !rest.is_empty() {
        name.push('.');
        name.push_str(&rest.replace("::", "."));
    }
    name
}

/// One message.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) priority: Priority,
    pub(super) source: String,
    pub(super) file: &'static str,
    pub(super) number: u32,
    /// The words, and the facts that came with them.
    pub(super) message: String,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut words = Words::default();
        event.record(&mut words);
        words.message.push_str(&words.facts);
        Line {
            priority: Priority::of(*metadata.level()),
            source: source(metadata.target()),
            file: metadata.file().unwrap_or_default(),
            number: metadata.line().unwrap_or(0),
            message: words.message,
        }
    }

    /// The line as files have it, with its end.
    pub(super) fn text(&self) -> String {
        let word = match self.priority {
            Priority::Debug => "debug",
            Priority::Info => "info",
            Priority::Warning => "warning",
            Priority::Error => "error",
        };
        let stamp = timestamp(SystemTime::now());
        let thread = rustix::thread::gettid().as_raw_nonzero();
        format!("{stamp}: {thread}: {word} : {}:{} : {}\n", self.source, self.number, self.message)
    }
}

/// The words of a message and its facts, as they come.
#[derive(Default)]
struct Words {
    message: String,
    facts: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.facts, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources() {
        assert_eq!(source("ostler_rpc::server"), "rpc.server");
        assert_eq!(source("ostler_engine::domain::actor"), "qemu.domain.actor");
        assert_eq!(source("ostler_qmp"), "qemu.monitor");
        assert_eq!(source("zbus::x"), "zbus.x");
    }
}
