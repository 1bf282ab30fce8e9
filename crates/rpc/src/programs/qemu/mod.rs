//! The QEMU program: monitor commands and events of its own.
//!
//! Owns: its structures and its table. Never: carries a call out.
#![expect(
    missing_docs,
    reason = "fields carry the names of the protocol; the public functions' manual tells what they mean"
)]

pub mod procedures;
mod structs;

pub use structs::*;

use crate::table::Program;

/// The program.
pub const QEMU: Program = Program { number: 0x2000_8087, version: 1, name: "qemu", rows: procedures::ROWS };
