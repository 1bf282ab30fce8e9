//! Plans: what has to be done for an operation, as data.

pub mod start;
pub mod variables;
