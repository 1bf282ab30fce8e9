//! How a guest is confined, decided from what it touches: as whom it runs, which files change hands for
//! it, which devices it may open, which paths it can reach at all.
//!
//! Owns: the decisions, as plain data. Never: carries one out, or knows which device of the guest a
//! resource belongs to: every layer reads the one list of resources, so none can forget a device.

mod dac;
mod devices;
mod plan;
mod reach;

pub use dac::{Accounts, DacLabel, Identity};
pub use devices::{COMMON_DEVICES, DeviceRule};
pub use plan::{Confinement, Policy, Taking, plan};
pub use reach::{Reach, ReachRule};
