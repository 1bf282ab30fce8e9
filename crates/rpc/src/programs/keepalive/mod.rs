//! The program that shows that a peer is alive. Its messages have no content and get no reply:
//! a ping is answered by a pong.
//!
//! Owns: its table. Never: keeps time; [`keepalive`](crate::keepalive) does.

pub mod procedures;

use crate::table::Program;

/// The program.
pub const KEEPALIVE: Program =
    Program { number: 0x6b65_6570, version: 1, name: "keepalive", rows: procedures::ROWS };
