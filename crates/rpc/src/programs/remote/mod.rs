//! The main program: everything that virsh and the language bindings call.
//!
//! Owns: its structures, grouped by what they are about, and its table. Never: carries a call out.
#![expect(
    missing_docs,
    reason = "fields carry the names of the protocol; the public functions' manual tells what they mean"
)]

mod devices;
mod domain;
mod events;
mod host;
pub mod limits;
mod moves;
mod network;
mod objects;
pub mod procedures;
mod storage;
mod tuning;

pub use devices::*;
pub use domain::*;
pub use events::*;
pub use host::*;
pub use moves::*;
pub use network::*;
pub use objects::*;
pub use storage::*;
pub use tuning::*;

use crate::table::Program;
use crate::xdr::xdr_enum;

/// The main program.
pub const REMOTE: Program =
    Program { number: 0x2000_8086, version: 1, name: "remote", rows: procedures::ROWS };

xdr_enum! {
    /// How a client may prove who it is.
    AuthType {
        /// Not at all.
        None = 0,
        /// SASL.
        Sasl = 1,
        /// polkit, by the process on the other end of the socket.
        Polkit = 2,
    }
}

/// Every structure of the program.
#[cfg(test)]
pub(crate) const SHAPES: &[&[&crate::xdr::Shape]] = &[
    objects::SHAPES,
    host::SHAPES,
    domain::SHAPES,
    tuning::SHAPES,
    moves::SHAPES,
    events::SHAPES,
    network::SHAPES,
    storage::SHAPES,
    devices::SHAPES,
];
