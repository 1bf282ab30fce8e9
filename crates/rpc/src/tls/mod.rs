//! TLS on both sides, as clients and servers of the reference expect it.
//!
//! Owns: certificates, names, versions and ciphers. Never: reads a message of the protocol.

mod client;
mod der;
mod files;
mod pattern;
mod priority;
mod server;

pub use client::{ClientRules, connect};
pub use files::Files;
pub use pattern::fits;
pub use server::{Accepted, Rules, ServerTls};
