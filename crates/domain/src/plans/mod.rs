//! Plans: what has to be done for an operation, as data.

mod machine_option;
pub mod start;
pub mod variables;
