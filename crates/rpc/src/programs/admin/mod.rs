//! The administration program: the daemon itself, its clients and its log.
//!
//! Owns: its structures and its table. Never: carries a call out.
#![expect(
    missing_docs,
    reason = "fields carry the names of the protocol; the public functions' manual tells what they mean"
)]

pub mod limits;
pub mod procedures;
mod structs;

pub use structs::*;

use crate::table::Program;

/// The program.
pub const ADMIN: Program = Program { number: 0x0690_0690, version: 1, name: "admin", rows: procedures::ROWS };
