//! The arguments and results of every procedure: the first two bytes choose it, the rest is read.
//! What can be read is written, and reads the same again.
#![no_main]

#[path = "../bodies/arguments.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| body::run(input));
