//! The version of an emulator, without a probe of everything it can do.
//!
//! Owns: how it is asked for, and that it is asked once for each file. Never: starts a guest.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use ostler_base::{Error, Result};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Mutex;

/// How long an emulator may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of its answer that are read.
const ANSWER_MAX: u64 = 4096;

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

/// The version of the file that was asked last.
#[derive(Debug, Default)]
pub struct Emulator(Mutex<Option<(Stamp, u64)>>);

impl Emulator {
    /// The version of an emulator: a million for each major number, a thousand for each minor one.
    pub async fn version(&self, path: &Path) -> Result<u64> {
        let missing = |e| Error::system(format!("Cannot check QEMU binary {}: {e}", path.display()));
        let data = std::fs::metadata(path).map_err(missing)?;
        let stamp = Stamp { path: path.to_owned(), length: data.len(), modified: data.modified().ok() };
        let mut known = self.0.lock().await;
        if let Some((asked, version)) = &*known
            && *asked == stamp
        {
            return Ok(*version);
        }
        let version = ask(path).await?;
        *known = Some((stamp, version));
        Ok(version)
    }
}

async fn ask(path: &Path) -> Result<u64> {
    let failed =
        |why: String| Error::internal(format!("cannot ask {} for its version: {why}", path.display()));
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    let mut answer = Vec::new();
    let reading = async {
        if let Some(out) = child.stdout.take() {
            out.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        }
        child.wait().await
    };
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(_)) => {}
        Ok(Err(e)) => return Err(failed(e.to_string())),
        Err(_) => return Err(failed("no answer".to_owned())),
    }
    let answer = String::from_utf8_lossy(&answer);
    parse_version(&answer).ok_or_else(|| failed("it answered with something else".to_owned()))
}

/// The number in a text like `QEMU emulator version 10.0.2 (Debian …)`.
fn parse_version(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("version ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let mut parts = rest.get(..end)?.split('.').map(|part| part.parse::<u64>().ok().filter(|n| *n < 1000));
    let (major, minor) = (parts.next()??, parts.next()??);
    let micro = parts.next().flatten().unwrap_or(0);
    Some(major * 1_000_000 + minor * 1000 + micro)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let text = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-1~bpo12+1)\nCopyright (c)";
        assert_eq!(parse_version(text), Some(10_000_002));
        assert_eq!(parse_version("QEMU emulator version 9.1"), Some(9_001_000));
        assert_eq!(parse_version("QEMU emulator version 11.1.50"), Some(11_001_050));
        assert_eq!(parse_version("no"), None);
        assert_eq!(parse_version("version x.y"), None);
    }
}
