//! The order that the launcher carries out, and how the two ends of its socket talk.
//!
//! Owns: the encoding. Never: carries anything out (the program does), or decides what is in an order.
//!
//! ```text
//! daemon -> launcher   u32 length, u32 number of descriptors        little endian, as all numbers
//!                      one byte for up to 64 descriptors each       SCM_RIGHTS, in the order of `fds`
//!                      the order, `length` bytes
//! launcher -> daemon   1                                            ready, or
//!                      2, u32 length, step, errno, path             failed; it exits
//! daemon -> launcher   1                                            go; the end of the stream: exit
//! launcher -> daemon   the end of the stream: the program runs; or 2, … as above
//! ```
//!
//! A text is a u32 length and its bytes; a list a u32 count and its items; what may be absent a byte
//! 0, or 1 and the value; the fields stand in the order of their declaration.

mod channel;
mod code;
mod order;

pub use channel::{FDS_MAX, GO, receive_order, receive_report, send_order, send_report};
pub use order::{Identity, Limit, LimitKind, Node, Order, PrivateDev, Reach};

/// What the launcher says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Everything is in place; it waits for the word to go.
    Ready,
    /// It gave up.
    Failed(Failure),
}

/// Why the launcher gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which step, in words that follow "cannot".
    pub step: String,
    /// The system's number of the error.
    pub errno: i32,
    /// What it was about: a path, a number; may be empty.
    pub about: String,
}
