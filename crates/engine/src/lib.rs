//! The life of guests and networks: one owner for each, operations, events, status files, recovery.
//!
//! Owns: which guests there are, what each is doing, and every step between. Never: knows a client,
//! a wire or a procedure.

pub mod agent;
mod cards;
mod confine;
pub mod console;
pub mod domain;
pub mod emulators;
mod engine;
pub mod events;
pub mod files;
pub mod filters;
pub mod hardware;
pub mod image;
pub mod log;
pub mod networks;
pub mod objects;
pub mod ops;
pub mod params;
pub mod paths;
pub mod pools;
mod recover;
pub mod registry;
pub mod secrets;
pub mod shelf;
pub mod stats;

pub use domain::{Guest, View};
pub use engine::{Engine, HostModels, SaveConfig, Setup};
pub use networks::Networks;
pub use ops::define::Strictness;
pub use ops::devices::Meant;
pub use ops::firmware::Variables;
pub use ops::start::Processors;
pub use ops::stop::Manner;
pub use paths::Paths;
pub use registry::Registry;
