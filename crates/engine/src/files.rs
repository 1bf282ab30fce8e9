//! The files of guests: definitions with their header, status files.
//!
//! Owns: their form. Never: decides when they are written.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ostler_base::{Error, Result, Uuid};
use ostler_host::fs as host;
pub use ostler_host::fs::{Durability, remove_file as remove};
use ostler_xml::{Document, El};

use crate::domain::status::Status;

/// Files above this size (bytes) are not read.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Characters that a shell would not take as they are.
const UNSAFE: &[char] = &[
    '\r', '\t', '\n', ' ', '!', '"', '#', '$', '&', '\'', '(', ')', '*', ';', '<', '>', '?', '[', '\\', ']',
    '^', '`', '{', '|', '}', '~',
];

/// The header that tells not to edit a file, then `content`.
pub fn with_header(name: &str, uuid: Uuid, content: &str) -> String {
    let uuid = uuid.to_string();
    let safe = |word: &str| !word.contains(UNSAFE) && !word.contains("--");
    let whom = [name, &uuid].into_iter().find(|word| safe(word)).unwrap_or_default();
    format!(
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n\
         OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n  \
         virsh edit {whom}\nor other application using the libvirt API.\n-->\n\n{content}"
    )
}

/// Replaces a file whole or not at all, readable by the owner only.
pub fn replace(path: &Path, content: &str, durability: Durability) -> Result<()> {
    host::write_atomic(path, content.as_bytes(), 0o600, None, durability)
}

/// Reads a file; `None` where there is none.
pub fn read(path: &Path) -> Result<Option<String>> {
    match host::read_bounded(path, MAX_FILE) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("cannot read", path, &error)),
    }
}

/// Makes a directory and its parents, with these permission bits for those that are new.
pub fn make_directory(path: &Path, mode: u32) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| failed("cannot create directory", path, &error))
}

/// The stems of the XML files of a directory, by name.
pub fn xml_stems(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("cannot open directory", directory, &error)),
    };
    let stem = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".xml").map(str::to_owned);
    let mut stems: Vec<_> = entries.filter_map(|entry| entry.ok().and_then(stem)).collect();
    stems.retain(|stem| !stem.is_empty() && !stem.starts_with('.'));
    stems.sort_unstable();
    Ok(stems)
}

/// The error for a file: what was tried, where, and the system's words.
pub fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    let words = error.to_string();
    let words = words.split_once(" (os error").map_or(words.as_str(), |(words, _)| words);
    Error::system(format!("{what} '{}': {words}", path.display()))
}

/// What a status file tells besides the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What the guest was doing.
    pub status: Status,
    /// The emulator's process.
    pub pid: u32,
    /// When the process started, in the kernel's clock ticks since boot; tells it from another that
    /// got the same number. Absent in files of the reference.
    pub start_time: Option<u64>,
    /// Socket of the monitor.
    pub monitor: String,
    /// The next shutdown is half of a reboot.
    pub rebooting: bool,
}

impl Kept {
    /// The status file around the definition of a running guest, without header.
    pub fn to_xml(&self, definition: &str) -> String {
        let (state, reason) = self.status.words();
        let mut el = El::new("domstatus").attr("state", state).attr("reason", reason).attr("pid", self.pid);
        el.push(El::new("monitor").attr("path", &self.monitor).attr("type", "unix"));
        if let Some(start) = self.start_time {
            el.push(El::new("process").attr("start", start));
        }
        if self.rebooting {
            el.push(El::new("fakereboot"));
        }
        let mut indented = String::with_capacity(definition.len() + 1024);
        for (number, line) in definition.trim_end().lines().enumerate() {
            if number > 0 {
                indented.push_str("\n  ");
            }
            indented.push_str(line);
        }
        el.source(indented);
        el.to_xml()
    }

    /// Reads a status file: what was kept, and the text of the definition.
    pub fn read(text: &str) -> Result<(Kept, String)> {
        let document = Document::parse(text, "domain_status")?;
        let root = document.root();
        if root.name() != "domstatus" {
            return Err(Error::internal(format!(
                "unexpected root element <{}>, expecting <domstatus>",
                root.name()
            )));
        }
        let state = root.require("state")?;
        let reason = root.require("reason")?;
        let status = Status::parse(state, reason)
            .ok_or_else(|| Error::internal(format!("invalid domain state '{state}'")))?;
        let monitor = root.child("monitor").and_then(|monitor| monitor.attr("path"));
        let start_time = match root.child("process") {
            Some(process) => process.number("start")?,
            None => None,
        };
        let definition = root.child("domain").ok_or_else(|| Error::internal("no domain config"))?.source();
        let kept = Kept {
            status,
            pid: root.require_number("pid")?,
            start_time,
            monitor: monitor.ok_or_else(|| Error::internal("no monitor path"))?.to_owned(),
            rebooting: root.child("fakereboot").is_some(),
        };
        Ok((kept, definition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::Running;

    #[test]
    fn headers_name_what_a_shell_takes() {
        let uuid = Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809").unwrap();
        assert!(
            with_header("a", uuid, "<x/>\n")
                .ends_with("  virsh edit a\nor other application using the libvirt API.\n-->\n\n<x/>\n")
        );
        assert!(with_header("a b", uuid, "").contains("virsh edit c7a5fdbd-edaf-9455-926a-d65c16db1809\n"));
        assert!(with_header("a--b", uuid, "").contains("virsh edit c7a5"));
    }

    #[test]
    fn status_file_and_back() {
        let kept = Kept {
            status: Status::Running(Running::Booted),
            pid: 7,
            start_time: Some(99),
            monitor: "/m.sock".into(),
            rebooting: false,
        };
        let text = kept.to_xml("<domain type='qemu' id='1'>\n  <name>a</name>\n</domain>\n");
        assert_eq!(
            text,
            "<domstatus state='running' reason='booted' pid='7'>\n  <monitor path='/m.sock' type='unix'/>\n  \
             <process start='99'/>\n  <domain type='qemu' id='1'>\n    <name>a</name>\n  </domain>\n</domstatus>\n"
        );
        let (read, definition) = Kept::read(&text).unwrap();
        assert_eq!(read, kept);
        assert!(definition.starts_with("<domain type='qemu' id='1'>") && definition.ends_with("</domain>"));
        assert!(Kept::read("<domain/>").is_err());
    }

    #[test]
    fn replaced_whole() {
        let root = std::env::temp_dir().join(format!("ostler-engine-files-{}", std::process::id()));
        make_directory(&root, 0o700).unwrap();
        let path = root.join("a.xml");
        replace(&path, "one", Durability::Volatile).unwrap();
        replace(&path, "two", Durability::Durable).unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(xml_stems(&root).unwrap(), ["a"]);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
