//! Whole connections: our server with our client, with raw bytes, and our client with the
//! reference.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod behaviour;
mod demo;
mod hostile;
mod layer;
mod raw;
mod reference;
mod smoke;
mod streams;
