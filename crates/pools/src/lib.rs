//! Networks, storage, secrets, filters, node devices, interfaces: models and plans.
//!
//! Owns: their documents and what has to be done for them, as data. Never: does it.

mod command;
pub mod interface;
mod metadata;
pub mod network;
pub mod nodedev;
pub mod nwfilter;
mod pci;
mod read;
pub mod secret;
pub mod storage;
mod write;

pub use command::Command;
pub use metadata::Metadata;
pub use pci::PciAddress;
pub use read::{ReadMode, Schema};
pub use write::WriteMode;
