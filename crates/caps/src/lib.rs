//! What an emulator, a CPU and a machine type can do.
//!
//! Owns: capability flags and how they follow from what QEMU answers; CPU models and their
//! arithmetic; the capabilities documents. Never: talks to a QEMU or looks at the host.

pub mod cpu;
pub mod domcaps;
pub mod emulator;
pub mod guest_caps;
pub mod host_caps;
pub mod replies;
pub mod schema;
