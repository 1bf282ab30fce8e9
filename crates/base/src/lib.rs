//! Words, units, ids, bitmaps and errors: what every other crate speaks in.
//!
//! Owns: plain values and their text forms. Never: touches the host, knows XML, JSON on a wire,
//! or any device.

pub mod arch;
pub mod base64;
pub mod conf;
pub mod error;
pub mod ids;
pub mod json;
pub mod mac;
pub mod scale;
pub mod sha256;
pub mod uuid;
pub mod words;

pub use arch::Arch;
pub use error::{Code, Error, Level, Origin, Position, Result};
pub use ids::IdSet;
pub use json::{Json, JsonMap};
pub use mac::MacAddr;
pub use uuid::Uuid;
pub use words::{OnOff, Word, YesNo};
