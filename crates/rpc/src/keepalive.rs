//! When to ask a silent peer whether it is alive, and when to give it up.
//!
//! Owns: the counting. Never: reads a clock or sends.
//!
//! ```text
//! heard --interval--> ping --interval--> ping … (count times) --interval--> dead
//!   ^------------------- anything heard -------------------/
//! ```

use std::time::{Duration, Instant};

use crate::message::{Frame, Header, MessageKind, Payload, Status};
use crate::programs::keepalive::KEEPALIVE;

/// How a peer is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How long a peer may be silent before it is asked.
    pub interval: Duration,
    /// How many times it is asked before it is given up.
    pub count: u32,
}

impl Default for Watch {
    /// Five times, every five seconds: given up after 30 s of silence.
    fn default() -> Self {
        Watch { interval: Duration::from_secs(5), count: 5 }
    }
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time.
    At(Instant),
    /// Ask now.
    Ping,
    /// Give it up.
    Dead,
}

/// The state of a watch.
#[derive(Debug)]
pub(crate) struct Keepalive {
    watch: Watch,
    /// When something was heard or asked last.
    last: Instant,
    asked: u32,
}

impl Keepalive {
    pub(crate) fn new(watch: Watch, now: Instant) -> Self {
        Keepalive { watch, last: now, asked: 0 }
    }

    /// Something was heard.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last = now;
        self.asked = 0;
    }

    /// What is due; a ping is counted as sent.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let at = self.last + self.watch.interval;
        if now < at {
            Due::At(at)
        } else if self.asked < self.watch.count {
            self.asked += 1;
            self.last = now;
            Due::Ping
        } else {
            Due::Dead
        }
    }
}

/// A message of the keepalive program.
pub(crate) fn frame(procedure: i32) -> Frame {
    let header = Header {
        program: KEEPALIVE.number,
        version: KEEPALIVE.version,
        procedure,
        kind: MessageKind::Event as i32,
        serial: 0,
        status: Status::Ok as i32,
    };
    // Nothing about an empty message exceeds a bound.
    Payload::empty().into_frame(header).unwrap_or_default()
}

/// Whether a message is this one of the keepalive program.
pub(crate) fn is(header: &Header, procedure: i32) -> bool {
    header.program == KEEPALIVE.number && header.version == KEEPALIVE.version && header.procedure == procedure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_pings_then_dead_after_thirty_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut keepalive = Keepalive::new(Watch::default(), start);
        assert_eq!(keepalive.due(at(4)), Due::At(at(5)));
        for seconds in [5, 10, 15, 20, 25] {
            assert_eq!(keepalive.due(at(seconds)), Due::Ping);
            assert_eq!(keepalive.due(at(seconds)), Due::At(at(seconds + 5)));
        }
        assert_eq!(keepalive.due(at(30)), Due::Dead);
    }

    #[test]
    fn anything_heard_starts_anew() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut keepalive = Keepalive::new(Watch { count: 1, ..Watch::default() }, start);
        assert_eq!(keepalive.due(at(5)), Due::Ping);
        keepalive.heard(at(6));
        assert_eq!(keepalive.due(at(10)), Due::At(at(11)));
        assert_eq!(keepalive.due(at(11)), Due::Ping);
        assert_eq!(keepalive.due(at(16)), Due::Dead);
    }
}
