//! Bytes of a client, as they come, into a whole server with a service that reads the arguments of
//! every call.
#![no_main]

#[path = "../bodies/frames.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| body::run(input));
