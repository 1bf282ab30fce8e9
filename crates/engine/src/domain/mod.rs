//! One guest.

pub mod admit;
pub mod events;
pub mod status;

pub use admit::{Gate, Job};
pub use status::Status;
