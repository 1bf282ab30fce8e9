//! Bytes that have arrived, cut into frames.
//!
//! Owns: the read buffer and the FDs that wait for their frame. Never: trusts a length; memory
//! grows with what has arrived, not with what was announced.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use crate::message::{FDS_MAX, FRAME_MAX, FRAME_MIN, Header, LENGTH_BYTES, MessageKind};
use crate::transport::Transport;
use crate::xdr::Xdr;

/// The size of the buffer at rest: a frame of most calls and answers fits.
const RESTING: usize = 4096;

/// The peer broke the framing; nothing more can be read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

/// A complete frame in the buffer.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) header: Header,
    /// Where the content stands; see [`Incoming::content`].
    content: Range<usize>,
    /// How many FDs came with it.
    fds: usize,
    /// Where the next frame begins.
    end: usize,
}

/// The read side of a connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Always initialised; `start..end` is what has arrived and was not consumed.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    fds: VecDeque<OwnedFd>,
    /// The largest length word taken.
    max: usize,
}

impl Incoming {
    /// Takes frames whose length word is at most `max` (and at most [`FRAME_MAX`]).
    pub(crate) fn new(max: usize) -> Self {
        let max = max.clamp(FRAME_MIN, FRAME_MAX);
        Incoming { buffer: Vec::new(), start: 0, end: 0, fds: VecDeque::new(), max }
    }

    fn arrived(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether part of a frame, or a frame not yet consumed, is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads once. 0 is the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let space = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = ready!(transport.poll_read(cx, space, &mut self.fds))?;
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Makes room for the rest of the frame that has begun, or for a small one; the buffer
    /// grows to at most four times its size.
    fn make_room(&mut self) {
        let have = self.end - self.start;
        let frame = match self.arrived().first_chunk() {
            Some(word) => {
                usize::try_from(u32::from_be_bytes(*word)).unwrap_or(FRAME_MAX).min(self.max) + FDS_MAX
            }
            None => 0,
        };
        if self.start > 0 && (self.buffer.len() - self.end < RESTING / 2 || frame > have) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = have;
        }
        if self.buffer.len() == self.end || frame > self.buffer.len() {
            let size = frame.min(4 * self.buffer.len()).max(have + RESTING);
            self.buffer.resize(size.max(RESTING), 0);
        }
    }

    /// The frame at the front, if it is complete.
    pub(crate) fn next(&self) -> Result<Option<Arrived>, Broken> {
        let bytes = self.arrived();
        let Some(word) = bytes.first_chunk() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*word)).unwrap_or(usize::MAX);
        if !(FRAME_MIN..=self.max).contains(&length) {
            return Err(Broken("length of a message out of bounds"));
        }
        let Some(frame) = bytes.get(LENGTH_BYTES..length) else { return Ok(None) };
        let mut rest = frame;
        let header = Header::get(&mut rest).map_err(|_| Broken("no header"))?;
        let mut fds = 0;
        if matches!(header.message_kind(), Some(MessageKind::CallWithFds | MessageKind::ReplyWithFds)) {
            let count = u32::get(&mut rest).map_err(|_| Broken("no count of FDs"))?;
            fds = usize::try_from(count).unwrap_or(usize::MAX);
            if fds > FDS_MAX {
                return Err(Broken("too many FDs"));
            }
        }
        if bytes.len() < length + fds {
            return Ok(None);
        }
        if self.fds.len() < fds {
            return Err(Broken("a byte that should carry an FD did not"));
        }
        let end = self.start + length;
        Ok(Some(Arrived { header, content: end - rest.len()..end, fds, end: end + fds }))
    }

    /// The content of a frame that [`next`](Self::next) returned and nothing consumed since.
    pub(crate) fn content(&self, arrived: &Arrived) -> &[u8] {
        self.buffer.get(arrived.content.clone()).unwrap_or_default()
    }

    /// Takes the FDs of a frame.
    pub(crate) fn take_fds(&mut self, arrived: &Arrived) -> Vec<OwnedFd> {
        self.fds.drain(..arrived.fds.min(self.fds.len())).collect()
    }

    /// Goes on to the next frame. FDs that no frame wants are closed; the buffer of a large frame
    /// is given back.
    pub(crate) fn consume(&mut self, arrived: &Arrived) {
        self.start = arrived.end.min(self.end);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
            self.fds.clear();
            if self.buffer.len() > 16 * RESTING {
                self.buffer = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Payload;
    use std::io::Write;

    fn header(kind: MessageKind) -> Header {
        Header { program: 1, version: 1, procedure: 7, kind: kind as i32, serial: 5, status: 0 }
    }

    fn fed(bytes: &[u8]) -> Incoming {
        let mut incoming = Incoming::new(FRAME_MAX);
        incoming.make_room();
        incoming.buffer.resize(bytes.len().max(RESTING), 0);
        (&mut incoming.buffer[..]).write_all(bytes).unwrap();
        incoming.end = bytes.len();
        incoming
    }

    #[test]
    fn frames_one_after_the_other() {
        let one = Payload::raw(b"abcd").into_frame(header(MessageKind::Call)).unwrap();
        let two = Payload::raw(b"efgh").into_frame(header(MessageKind::Call)).unwrap();
        let mut incoming = fed(&[one.bytes(), two.bytes(), &[0, 0]].concat());
        for expected in [b"abcd", b"efgh"] {
            let arrived = incoming.next().unwrap().unwrap();
            assert_eq!(incoming.content(&arrived), expected);
            assert_eq!(arrived.header.procedure, 7);
            incoming.consume(&arrived);
        }
        assert!(incoming.next().unwrap().is_none());
        assert!(!incoming.is_empty());
    }

    #[test]
    fn lengths_out_of_bounds_break() {
        for length in [0u32, 4, 27, 33_554_437, u32::MAX] {
            assert!(fed(&length.to_be_bytes()).next().is_err(), "{length}");
        }
        for length in [28u32, 33_554_436] {
            assert!(fed(&length.to_be_bytes()).next().unwrap().is_none(), "{length}");
        }
    }

    #[test]
    fn announced_memory_is_not_made() {
        let mut incoming = fed(&33_554_436u32.to_be_bytes());
        incoming.make_room();
        assert!(incoming.buffer.len() <= 4 * RESTING, "{}", incoming.buffer.len());
    }

    #[test]
    fn counts_of_fds() {
        let frame = |count: u32| {
            let mut bytes = 32u32.to_be_bytes().to_vec();
            header(MessageKind::CallWithFds).put(&mut bytes).unwrap();
            bytes.extend(count.to_be_bytes());
            bytes
        };
        assert!(fed(&frame(0)).next().unwrap().is_some());
        assert!(fed(&frame(1)).next().unwrap().is_none());
        assert!(fed(&frame(33)).next().is_err());
        let mut without_fd = frame(1);
        without_fd.push(0);
        assert!(fed(&without_fd).next().is_err());
        let short = Payload::empty().into_frame(header(MessageKind::Call)).unwrap();
        let mut bytes = short.bytes().to_vec();
        bytes[19] = 4;
        assert!(fed(&bytes).next().is_err());
    }
}
