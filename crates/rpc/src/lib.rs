//! The wire.

pub mod access;
pub mod message;
pub mod programs;
pub mod table;
pub mod xdr;
