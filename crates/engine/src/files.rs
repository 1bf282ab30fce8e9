//! The files of guests.
//!
//! Owns: their form. Never: decides when they are written.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use ostler_base::{Error, Result, Uuid};
use ostler_host::fs as host;
pub use ostler_host::fs::{Durability, remove_file as remove};

/// Files above this size (bytes) are not read.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Characters that a shell would not take as they are.
const UNSAFE: &[char] = &[
    '\r', '\t', '\n', ' ', '!', '"', '#', '$', '&', '\'', '(', ')', '*', ';', '<', '>', '?', '[', '\\', ']',
    '^', '`', '{', '|', '}', '~',
];

/// The header that tells not to edit a file, then `content`.
pub fn with_header(name: &str, uuid: Uuid, content: &str) -> String {
    with_header_for("edit", name, uuid, content)
}

/// The same, for an object that this command of `virsh` edits.
pub fn with_header_for(command: &str, name: &str, uuid: Uuid, content: &str) -> String {
    let uuid = uuid.to_string();
    let safe = |word: &str| !word.contains(UNSAFE) && !word.contains("--");
    let whom = [name, &uuid].into_iter().find(|word| safe(word)).unwrap_or_default();
    format!(
        "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n\
         OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n  \
         virsh {command} {whom}\nor other application using the libvirt API.\n-->\n\n{content}"
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

/// Puts a log that has become too long aside: `LOG.0` is the newest of those kept, `LOG.2` the oldest.
pub fn rotate(path: &Path) -> Result<()> {
    /// A log that is longer is put aside, bytes.
    const LOG_MAX: u64 = 2 << 20;
    /// How many are kept.
    const KEPT: u32 = 3;
    match fs::metadata(path) {
        Ok(facts) if facts.len() > LOG_MAX => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("cannot look at log", path, &error)),
    }
    let aside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        std::path::PathBuf::from(name)
    };
    let moves = (1..KEPT).rev().map(|to| (aside(to - 1), aside(to)));
    for (from, to) in moves.chain([(path.to_owned(), aside(0))]) {
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("cannot put log aside", &from, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The names of the directories in a directory.
pub fn directories(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("cannot open directory", directory, &error)),
    };
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let names = entries.flatten().filter(is_directory);
    Ok(names.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The stems of the XML files of a directory, by name.
pub fn xml_stems(directory: &Path) -> Result<Vec<String>> {
    stems(directory, ".xml")
}

/// Removes an empty directory; none there is no error, another failure is logged.
pub(crate) fn remove_directory(path: &Path) {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove");
        }
        _ => {}
    }
}

/// The stems of the files of a directory that end in `suffix`, by name.
pub(crate) fn stems(directory: &Path, suffix: &str) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("cannot open directory", directory, &error)),
    };
    let stem = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(suffix).map(str::to_owned);
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn long_logs_are_put_aside() {
        let root = std::env::temp_dir().join(format!("ostler-engine-logs-{}", std::process::id()));
        make_directory(&root, 0o700).unwrap();
        let path = root.join("a.log");
        rotate(&path).unwrap();
        for turn in 0..5_u8 {
            fs::write(&path, vec![b'0' + turn; (2 << 20) + 1]).unwrap();
            rotate(&path).unwrap();
        }
        fs::write(&path, "short").unwrap();
        rotate(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        let first = |number: u8| fs::read(root.join(format!("a.log.{number}"))).unwrap()[0];
        assert_eq!([0, 1, 2].map(first), *b"432");
        assert!(!root.join("a.log.3").exists());
        fs::remove_dir_all(&root).unwrap();
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
