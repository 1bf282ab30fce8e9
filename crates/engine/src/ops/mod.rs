//! The operations, one file per verb or group of verbs that share a step.
//!
//! Owns: the steps of each and what takes them back. Never: changes what a guest is doing but
//! through its owner.

pub mod autostart;
pub mod block;
pub mod cards;
pub mod control;
pub mod define;
pub mod describe;
pub mod devices;
pub mod direct;
pub mod disks;
pub mod dump;
mod edit;
pub mod firmware;
pub mod iothreads;
pub mod keys;
pub mod memory;
mod native;
pub mod pin;
pub mod pump;
pub mod rename;
pub mod save;
pub mod screen;
pub mod snapshot;
pub mod start;
pub mod stop;
pub mod targets;
mod transfer;
pub mod tuning;
pub mod vcpus;
