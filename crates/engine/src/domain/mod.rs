//! One guest: what it is doing, who may do what with it, and what its events mean.

pub(crate) mod actor;
pub mod admit;
pub mod events;
pub mod guest;
pub mod jobs;
pub(crate) mod learn;
pub mod progress;
mod unplug;
pub mod view;

pub use admit::{Gate, Job};
pub use guest::Guest;
pub use ostler_domain::run::status::{self, Status};
pub use view::{Shown, View};
