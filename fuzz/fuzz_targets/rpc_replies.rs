//! Bytes of a server, as they come, to a client that waits for a reply, an event and a stream.
#![no_main]

#[path = "../bodies/replies.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &[u8]| body::run(input));
