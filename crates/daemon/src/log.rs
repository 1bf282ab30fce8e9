//! Where the daemon's own messages go.
//!
//! Owns: the levels and outputs that the settings name. Never: writes a message.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The standard error stream.
    Stderr,
    /// The end of a file.
    File(PathBuf),
}

/// A level by its number in the settings: 1 says most, 4 least.
fn level(number: u32) -> LevelFilter {
    match number {
        0 | 1 => LevelFilter::DEBUG,
        2 => LevelFilter::INFO,
        3 => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    }
}

/// The first output of a list like `3:stderr 1:file:/var/log/x` that exists here, and its level.
fn parse(outputs: &str) -> Option<(LevelFilter, Output)> {
    outputs.split_ascii_whitespace().find_map(|output| {
        let (number, place) = output.split_once(':')?;
        let output = match place.split_once(':') {
            None if place == "stderr" => Output::Stderr,
            Some(("file", path)) if path.starts_with('/') => Output::File(path.into()),
            _ => return None,
        };
        Some((level(number.parse().ok()?), output))
    })
}

/// What the settings ask for; `default` is where messages go if they name no output that exists.
pub fn choose(
    log_level: u32,
    outputs: Option<&str>,
    verbose: bool,
    default: Output,
) -> (LevelFilter, Output) {
    let asked = level(log_level);
    let (own, output) = outputs.and_then(parse).unwrap_or((asked, default));
    // The less talkative of the two counts, as an output only filters what is said.
    let quiet = own.min(asked);
    (if verbose { quiet.max(LevelFilter::INFO) } else { quiet }, output)
}

/// Sends messages there from now on. The error is a message for the user.
pub fn begin(filter: LevelFilter, output: &Output) -> Result<(), String> {
    let builder = tracing_subscriber::fmt().with_max_level(filter).with_ansi(false);
    let done = match output {
        Output::Stderr => builder.with_writer(std::io::stderr).try_init(),
        Output::File(path) => builder.with_writer(Mutex::new(append(path)?)).try_init(),
    };
    done.map_err(|e| format!("cannot begin to log: {e}"))
}

fn append(path: &Path) -> Result<std::fs::File, String> {
    let failed = |e: std::io::Error| format!("cannot open log file {}: {e}", path.display());
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        let file = Output::File("/x/y".into());
        assert_eq!(parse("1:syslog:libvirtd 3:file:/x/y"), Some((LevelFilter::WARN, file.clone())));
        assert_eq!(parse("1:stderr"), Some((LevelFilter::DEBUG, Output::Stderr)));
        assert_eq!(parse("1:journald x"), None);
        assert_eq!(choose(3, None, false, Output::Stderr), (LevelFilter::WARN, Output::Stderr));
        assert_eq!(choose(3, None, true, Output::Stderr), (LevelFilter::INFO, Output::Stderr));
        assert_eq!(choose(1, Some("2:file:/x/y"), false, Output::Stderr), (LevelFilter::INFO, file));
    }
}
