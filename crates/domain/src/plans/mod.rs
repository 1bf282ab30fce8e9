//! Plans: what has to be done for an operation, as data.

pub mod attach;
pub mod detach;
mod files;
mod machine_option;
pub mod start;
pub mod stored;
pub mod update;
pub mod variables;
pub mod vcpus;
