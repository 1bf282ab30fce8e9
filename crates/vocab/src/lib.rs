//! The XML vocabulary that domains, networks and storage share.
//!
//! Owns: addresses, character device and storage sources, VLANs, bandwidth and the like: each
//! with its reader and writer. Never: knows which device or network uses them.

pub mod bandwidth;
pub mod chardev;
pub mod inet;
pub mod route;
pub mod secret_lookup;
pub mod storage_auth;
pub mod storage_encryption;
pub mod virtualport;
pub mod vlan;

pub mod address;
