//! Where messages go: the standard error stream, files, the system's log and its journal.
//!
//! Owns: the form that each of them wants. Never: decides what is written.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use ostler_base::{Code, Error, Origin, Result};

use super::line::Line;
use super::rules::Priority;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The standard error stream.
    Stderr,
    /// The end of a file.
    File(PathBuf),
    /// The system's log, under this name.
    Syslog(String),
    /// The system's journal.
    Journal,
}

/// The socket of the system's log.
const SYSLOG: &str = "/dev/log";
/// The socket of the journal.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// The facility of daemons.
const FACILITY: u8 = 3 << 3;

/// An open place.
#[derive(Debug)]
pub(super) enum Sink {
    Stderr,
    File(File),
    Syslog(UnixDatagram, String),
    Journal(UnixDatagram),
}

impl Sink {
    /// Opens a place. The log and the journal need not be there yet.
    pub(super) fn open(place: &Place) -> Result<Self> {
        let datagrams = || {
            let socket = UnixDatagram::unbound().and_then(|s| s.set_nonblocking(true).map(|()| s));
            socket.map_err(|e| failed("cannot make a socket".to_owned(), &e))
        };
        Ok(match place {
            Place::Stderr => Sink::Stderr,
            Place::File(path) => {
                let file = append(path).map_err(|e| failed(format!("failed to open {}", path.display()), &e));
                Sink::File(file?)
            }
            Place::Syslog(name) => Sink::Syslog(datagrams()?, name.clone()),
            Place::Journal => Sink::Journal(datagrams()?),
        })
    }

    /// Writes a message. One that cannot be written is lost: there is nobody to tell.
    pub(super) fn write(&self, line: &Line) {
        let _ = match self {
            Sink::Stderr => std::io::stderr().write_all(line.text().as_bytes()),
            Sink::File(file) => (&mut &*file).write_all(line.text().as_bytes()),
            Sink::Syslog(socket, name) => {
                let level = FACILITY | severity(line.priority);
                let text = format!("<{level}>{name}[{}]: {}", std::process::id(), line.message);
                socket.send_to(text.as_bytes(), SYSLOG).map(|_| ())
            }
            Sink::Journal(socket) => socket.send_to(&entry(line), JOURNAL).map(|_| ()),
        };
    }
}

fn failed(text: String, error: &std::io::Error) -> Error {
    let words = error.to_string();
    let words = words.split_once(" (os error").map_or(words.as_str(), |(words, _)| words);
    Error::new(Code::SystemError, Origin::None, format!("{text}: {words}"))
}

/// The number of a priority in the system's log.
fn severity(priority: Priority) -> u8 {
    match priority {
        Priority::Error => 3,
        Priority::Warning => 4,
        Priority::Info => 6,
        Priority::Debug => 7,
    }
}

/// A message as the journal takes it: `NAME=value` lines; what has lines of its own is preceded by
/// its length.
fn entry(line: &Line) -> Vec<u8> {
    let mut out = Vec::new();
    let fields = [
        ("MESSAGE", line.message.clone()),
        ("PRIORITY", severity(line.priority).to_string()),
        ("LIBVIRT_SOURCE", line.source.clone()),
        ("CODE_FILE", line.file.to_owned()),
        ("CODE_LINE", line.number.to_string()),
        ("SYSLOG_FACILITY", (FACILITY >> 3).to_string()),
    ];
    for (name, value) in fields {
        out.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            out.push(b'\n');
            out.extend_from_slice(&u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
        } else {
            out.push(b'=');
        }
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
    out
}

fn append(path: &Path) -> std::io::Result<File> {
    let options = |options: &mut OpenOptions| options.append(true).create(true).mode(0o600).open(path);
    match options(&mut OpenOptions::new()) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && path.parent().is_some_and(is_log_directory) => {
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            options(&mut OpenOptions::new())
        }
        other => other,
    }
}

/// Only the directory of the daemon's own logs is made; any other has to be there.
fn is_log_directory(path: &Path) -> bool {
    path.ends_with("libvirt") || path.ends_with("log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_takes() {
        let line = Line {
            priority: Priority::Warning,
            source: "rpc.server".to_owned(),
            file: "a.rs",
            number: 7,
            message: "two\nlines".to_owned(),
        };
        let entry = entry(&line);
        assert!(entry.starts_with(b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY=4\n"));
    }

    #[test]
    fn files_are_appended_to() {
        let path = std::env::temp_dir().join(format!("ostler-log-{}", std::process::id()));
        std::fs::write(&path, "old\n").unwrap();
        let line = Line {
            priority: Priority::Info,
            source: "daemon".to_owned(),
            file: "a.rs",
            number: 7,
            message: "new".to_owned(),
        };
        Sink::open(&Place::File(path.clone())).unwrap().write(&line);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("old\n") && text.ends_with(": info : daemon:7 : new\n"), "{text}");
        std::fs::remove_file(path).unwrap();
        let error = Sink::open(&Place::File("/no/such/directory".into())).unwrap_err();
        assert_eq!(error.to_string(), "failed to open /no/such/directory: No such file or directory");
    }
}
