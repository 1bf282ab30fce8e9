//! JSON as plain data: what QEMU's monitor, its JSON options and our own stored facts are made of.

pub use serde_json::{Number, json};

/// A JSON value.
pub type Json = serde_json::Value;
/// A JSON object that keeps the order of its members.
pub type JsonMap = serde_json::Map<String, Json>;
