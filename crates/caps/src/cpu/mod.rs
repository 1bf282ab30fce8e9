//! CPU models: data and arithmetic.
