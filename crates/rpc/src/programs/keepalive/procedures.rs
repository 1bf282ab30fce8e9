//! The messages that show that a peer is alive.
//!
//! Owns: number, types, rights, order of urgency and stream of each. Never: carries one out.

use crate::table::{call, procedures};

procedures! {
    super::KEEPALIVE;

    1 Ping(()) -> () => call("", &[]).read_only();
    2 Pong(()) -> () => call("", &[]).read_only();
}
