//! The crate against recordings, sysfs trees and facts of the reference.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its data and fails by panicking"
)]

mod documents;
mod emulators;

use std::path::PathBuf;

/// A folder of the shared material; `None`, and a word about it, where it is absent.
fn shared(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is absent", path.display());
    None
}
