//! One end of a connection: frames in, frames out, over a transport. Server and client share it.
//!
//! Owns: the order of what goes out and when to read. Never: knows a procedure.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::incoming::{Broken, Incoming};
use crate::message::Frame;
use crate::outbox::{End, Outbox};
use crate::transport::{Layer, Transport};

/// How many frames one write takes.
const GATHERED: usize = 16;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The peer ended it.
    ByPeer,
    /// This side ended it.
    ByUs,
    /// The peer broke the framing.
    Framing(&'static str),
    /// The peer was silent for too long.
    Silent,
    /// The peer did not complete a frame in time.
    Stalled,
    /// The peer does not take its events.
    TooSlow,
    /// A handler panicked.
    Panicked,
    /// The system says.
    Io(io::ErrorKind),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::ByPeer => f.write_str("closed by the peer"),
            Closed::ByUs => f.write_str("closed"),
            Closed::Framing(what) => f.write_str(what),
            Closed::Silent => f.write_str("no answer to keepalive messages"),
            Closed::Stalled => f.write_str("message not completed in time"),
            Closed::TooSlow => f.write_str("events are not read"),
            Closed::Panicked => f.write_str("a call was given up"),
            Closed::Io(kind) => write!(f, "{kind}"),
        }
    }
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match error.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof => Closed::ByPeer,
            kind => Closed::Io(kind),
        }
    }
}

impl From<Broken> for Closed {
    fn from(broken: Broken) -> Self {
        Closed::Framing(broken.0)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Bytes arrived.
    Read,
    /// Something else may have changed.
    Nudged,
}

/// One end of a connection.
pub(crate) struct Link {
    transport: Transport,
    pub(crate) incoming: Incoming,
    out: VecDeque<Frame>,
    outbox: Arc<Outbox>,
    flushed: bool,
}

impl Link {
    pub(crate) fn new(transport: Transport, outbox: Arc<Outbox>, max: usize) -> Self {
        Link { transport, incoming: Incoming::new(max), out: VecDeque::new(), outbox, flushed: true }
    }

    /// Queues a frame behind everything that was queued before, by whomever.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.outbox.collect(None, &mut self.out);
        self.outbox.own(&frame);
        self.out.push_back(frame);
    }

    /// Sends what can be sent, then waits: for bytes if `read`, for others to queue frames, for
    /// the end, which waits while `busy`: more is to be sent.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        read: bool,
        busy: impl FnOnce() -> bool,
    ) -> Poll<Result<Wake, Closed>> {
        let had = self.outbox.weight();
        let end = self.outbox.collect(Some(cx), &mut self.out);
        match end {
            Some(End::Now) => return Poll::Ready(Err(Closed::ByUs)),
            Some(End::TooSlow) => return Poll::Ready(Err(Closed::TooSlow)),
            Some(End::AfterSending) | None => {}
        }
        let sending = self.poll_send(cx)?;
        if sending.is_ready() && end.is_some() && !busy() {
            return Poll::Ready(Err(Closed::ByUs));
        }
        if read && self.poll_fill(cx)?.is_ready() {
            return Poll::Ready(Ok(Wake::Read));
        }
        // Less waits than before: reading may be allowed now.
        if !read && self.outbox.weight() < had { Poll::Ready(Ok(Wake::Nudged)) } else { Poll::Pending }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if ready!(self.incoming.poll_read(cx, &mut self.transport))? == 0 {
            return Poll::Ready(Err(Closed::ByPeer));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        while let Some(front) = self.out.front_mut() {
            if !front.bytes().is_empty() {
                let count = ready!(self.poll_write(cx))?;
                self.flushed = false;
                self.advance(count);
            } else if let Some(fd) = front.fds.front() {
                ready!(self.transport.poll_send_fd(cx, fd))?;
                front.fds.pop_front();
            }
            while let Some(frame) = self.out.pop_front_if(|f| f.bytes().is_empty() && f.fds.is_empty()) {
                self.outbox.sent(&frame);
                if let Some(layer) = frame.layer {
                    self.put_on(layer)?;
                }
            }
        }
        if !self.flushed {
            ready!(self.transport.poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Everything goes through a layer from now on. What came before, and was not asked for, could be
    /// anybody's: it must not be taken for what comes through the layer.
    fn put_on(&mut self, layer: Layer) -> Result<(), Closed> {
        if !self.incoming.is_empty() {
            return Err(Closed::Framing("data came before the security layer was there"));
        }
        self.transport.wrap(layer);
        Ok(())
    }

    /// One write of as many frames as go together: FDs follow their own frame at once, a layer
    /// begins behind its own.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); GATHERED];
        let mut count = 0;
        for (slot, frame) in slices.iter_mut().zip(&self.out) {
            *slot = IoSlice::new(frame.bytes());
            count += 1;
            if !frame.fds.is_empty() || frame.layer.is_some() {
                break;
            }
        }
        match self.transport.poll_write(cx, slices.get(..count).unwrap_or_default()) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        }
    }

    fn advance(&mut self, mut count: usize) {
        for frame in &mut self.out {
            count -= frame.advance(count);
        }
    }
}
