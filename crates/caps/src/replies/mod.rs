//! Replies of a running emulator's monitor, read into plain data.
//!
//! Owns: which parts of a reply matter and how several fit together. Never: asks, or remembers an
//! earlier reply.

pub mod jobs;
pub mod vcpus;

use ostler_base::{Error, Json, Result};

/// Most entries of a list that are looked at.
const MAX_ENTRIES: usize = 65_536;

fn entries<'j>(reply: &'j Json, command: &str) -> Result<impl Iterator<Item = &'j Json>> {
    let list =
        reply.as_array().ok_or_else(|| Error::internal(format!("{command} reply data was not an array")))?;
    Ok(list.iter().take(MAX_ENTRIES))
}

fn text(item: &Json, key: &str) -> Option<String> {
    item[key].as_str().map(str::to_owned)
}

fn number(item: &Json, key: &str) -> Option<u32> {
    item[key].as_u64().and_then(|n| u32::try_from(n).ok())
}
