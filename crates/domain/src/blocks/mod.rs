//! Block storage: images, chains of images, and what they become in the emulator.
//!
//! Owns: the one model of an image that disks, snapshots, backups and copies share; its block
//! nodes; its name inside other images; what blockdev-create is told; the algebra of dirty bitmaps;
//! the command lines of nbdkit. Never: opens an image, or knows what a disk's front end is.
//!
//! ```text
//! <source> --parse--> Image --chain--> layers --props--> block nodes
//!                       ^                 \--backing string--> name inside other images
//!                       \---------------------parse---------------/
//! ```

pub mod bitmaps;
mod chain;
pub mod create;
mod format;
pub mod header;
mod image;
pub mod naming;
pub mod nbdkit;
mod network;
pub mod nodes;
mod place;
mod pseudo;
mod server;
mod storage;
pub mod surgery;
mod target;
#[cfg(test)]
mod tests;
mod volumes;

pub(crate) use chain::{ask_chains, resolve_chains};
pub use format::{PassedAccess, Surroundings, format_props, slice_props, storage_props};
pub use image::{Backing, Image, Slice};
pub(crate) use image::{metadata_cache, metadata_cache_el, parse_nested};
pub(crate) use naming::fd_sets;
pub use naming::{NodeNames, next_number};
pub use network::{ImageHost, NetworkImage};
pub(crate) use place::on;
pub use place::{ImageFormat, ImageType, Place, Protocol, StartupPolicy, Transport, VolumeMode};
pub use pseudo::parse_backing;
pub use storage::Depth;
pub use target::{backing_string, nested_props, plain_name};
pub(crate) use volumes::{ask_volumes, resolve_volumes};
