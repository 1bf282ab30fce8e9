//! The life of guests: one owner per guest, operations, events, status files, recovery.
//!
//! Owns: which guests there are, what each is doing, and every step between. Never: knows a client,
//! a wire or a procedure.

pub mod domain;
pub mod events;
pub mod files;
pub mod paths;

pub use paths::Paths;
