//! Frames: length, header, content; and the error that a reply may carry.
//!
//! Owns: the header, the kinds of message, the limits, how content becomes a frame without being
//! copied. Never: reads or writes a socket.
//!
//! ```text
//! length (4, counts itself) | header (24) | [count of FDs (4)] | content
//! ```
//!
//! FDs follow their frame, each as ancillary data of one byte that belongs to no frame.

mod error;

use std::os::fd::OwnedFd;

use ostler_base::{Error, Result};

use crate::transport::Layer;
use crate::xdr::{Xdr, XdrError, encode, xdr_enum, xdr_structs};

pub use error::WireError;

/// Bytes of the length word.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 24;
/// The smallest number a length word may hold.
pub const FRAME_MIN: usize = LENGTH_BYTES + HEADER_BYTES;
/// The largest number a length word may hold.
pub const FRAME_MAX: usize = LENGTH_BYTES + 33_554_432;
/// The most bytes of content in one frame of a stream that every peer takes.
pub const STREAM_CHUNK_MAX: usize = 262_120;
/// The most FDs with one message.
pub const FDS_MAX: usize = 32;

/// Room kept in front of content for length, header and the count of FDs.
const PREFIX: usize = FRAME_MIN + 4;

xdr_enum! {
    /// What a message is.
    MessageKind {
        /// A client calls.
        Call = 0,
        /// The server answers.
        Reply = 1,
        /// Neither has an answer: events, keepalive.
        Event = 2,
        /// Data, end or error of a stream.
        Stream = 3,
        /// A client calls and passes FDs.
        CallWithFds = 4,
        /// The server answers and passes FDs.
        ReplyWithFds = 5,
        /// A hole in a stream.
        StreamHole = 6,
    }
}

xdr_enum! {
    /// How it went.
    Status {
        /// Well; of a stream: it is complete.
        Ok = 0,
        /// Not; the content is a [`WireError`].
        Error = 1,
        /// More of the stream follows.
        Continue = 2,
    }
}

xdr_structs! {
    SHAPES;

    /// What stands in front of the content. Kind and status are kept as the numbers they came
    /// as: an unknown kind is passed over, an unknown status is answered.
    Header {
        /// The program.
        program: u32,
        /// The program's version.
        version: u32,
        /// The procedure or event.
        procedure: i32,
        /// A [`MessageKind`].
        kind: i32,
        /// Which call it belongs to; 0 for events.
        serial: u32,
        /// A [`Status`].
        status: i32,
    }

    /// A hole in a stream.
    StreamHole {
        /// How many bytes are not there; never less than 0 from an honest peer.
        length: i64,
        /// No flag is known: 0.
        flags: u32,
    }
}

impl Header {
    /// The kind, if there is one with this number.
    pub fn message_kind(&self) -> Option<MessageKind> {
        MessageKind::from_number(self.kind)
    }

    /// The same header with another kind and status: what answers a message.
    pub fn answered(&self, kind: MessageKind, status: Status) -> Self {
        Header { kind: kind as i32, status: status as i32, ..self.clone() }
    }
}

/// A received frame.
#[derive(Debug)]
pub struct Message {
    /// The header.
    pub header: Header,
    /// The content.
    pub content: Vec<u8>,
    /// The FDs that came with it, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// The content of a message that is to be sent: bytes and FDs.
///
/// It is built in the very buffer that goes to the socket.
#[derive(Debug)]
pub struct Payload {
    buffer: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Payload {
    /// No content.
    pub fn empty() -> Self {
        Payload { buffer: vec![0; PREFIX], fds: Vec::new() }
    }

    /// A value. Fails if a part exceeds its bound.
    pub fn of<T: Xdr>(value: &T) -> Result<Self> {
        let mut buffer = Vec::with_capacity(PREFIX + T::MIN.clamp(64, 4096));
        buffer.extend_from_slice(&[0; PREFIX]);
        encode(value, &mut buffer)?;
        Ok(Payload { buffer, fds: Vec::new() })
    }

    /// An error, as a client reads it.
    pub fn error(error: &Error) -> Self {
        let wire = WireError::from(error);
        // WireError clips its texts to what a string may hold, so this cannot fail.
        Self::of(&wire).unwrap_or_else(|_| Self::empty())
    }

    /// Bytes as they are: the data of a stream, or content that was encoded before.
    pub fn raw(bytes: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(PREFIX + bytes.len());
        buffer.extend_from_slice(&[0; PREFIX]);
        buffer.extend_from_slice(bytes);
        Payload { buffer, fds: Vec::new() }
    }

    /// The same content with FDs; more than [`FDS_MAX`] cannot be sent.
    pub fn with_fds(mut self, fds: Vec<OwnedFd>) -> Self {
        self.fds = fds;
        self
    }

    /// Whether FDs go with it.
    pub fn has_fds(&self) -> bool {
        !self.fds.is_empty()
    }

    /// The content.
    pub fn content(&self) -> &[u8] {
        self.buffer.get(PREFIX..).unwrap_or_default()
    }

    /// The frame that carries it. FDs are sent only by the two kinds that have them: a reply with
    /// FDs becomes one.
    ///
    /// Fails when the frame would be larger than peers take, or has too many FDs.
    pub(crate) fn into_frame(mut self, mut header: Header) -> Result<Frame, XdrError> {
        if self.fds.len() > FDS_MAX {
            return Err(XdrError::TooLong { count: self.fds.len(), max: FDS_MAX });
        }
        if !self.fds.is_empty() {
            header.kind = match header.message_kind() {
                Some(MessageKind::Call | MessageKind::CallWithFds) => MessageKind::CallWithFds as i32,
                _ => MessageKind::ReplyWithFds as i32,
            };
        }
        let counted =
            [MessageKind::CallWithFds, MessageKind::ReplyWithFds].iter().any(|k| *k as i32 == header.kind);
        let start = if counted { 0 } else { 4 };
        let length = self.buffer.len() - start;
        if length > FRAME_MAX {
            return Err(XdrError::TooLong { count: length, max: FRAME_MAX });
        }
        let mut front = Vec::with_capacity(PREFIX);
        u32::try_from(length).unwrap_or(u32::MAX).put(&mut front)?;
        header.put(&mut front)?;
        if counted {
            u32::try_from(self.fds.len()).unwrap_or(u32::MAX).put(&mut front)?;
        }
        if let Some(room) = self.buffer.get_mut(start..PREFIX) {
            room.copy_from_slice(&front);
        }
        Ok(Frame { layer: None, buffer: self.buffer, sent: start, fds: self.fds.into() })
    }
}

/// A frame on its way out.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// What everything behind it goes through, both ways.
    pub(crate) layer: Option<Layer>,
    buffer: Vec<u8>,
    /// How much of the buffer has been sent, or is not to be sent.
    sent: usize,
    /// FDs that still have to be sent, after the bytes.
    pub(crate) fds: std::collections::VecDeque<OwnedFd>,
}

impl Frame {
    /// The bytes that still have to be sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.sent..).unwrap_or_default()
    }

    /// Takes note that up to `count` bytes of it went out; returns how many of them were its own.
    pub(crate) fn advance(&mut self, count: usize) -> usize {
        let own = count.min(self.bytes().len());
        self.sent += own;
        own
    }

    /// How much memory it holds back, FDs counted as a kilobyte.
    pub(crate) fn weight(&self) -> usize {
        self.buffer.len() + 1024 * self.fds.len()
    }
}

/// Every structure and enumeration of the frame.
#[cfg(test)]
pub(crate) fn shapes() -> Vec<&'static crate::xdr::Shape> {
    [SHAPES, error::SHAPES, &[MessageKind::SHAPE, Status::SHAPE]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: MessageKind) -> Header {
        Header { program: 1, version: 2, procedure: 3, kind: kind as i32, serial: 4, status: 0 }
    }

    #[test]
    fn frame_layout() {
        let frame = Payload::raw(b"abcd").into_frame(header(MessageKind::Reply)).unwrap();
        let mut expected = vec![0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        expected.extend([0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, b'a', b'b', b'c', b'd']);
        assert_eq!(frame.bytes(), expected);
    }

    #[test]
    fn fds_make_it_a_message_with_fds() {
        let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let frame = Payload::empty().with_fds(vec![fd]).into_frame(header(MessageKind::Reply)).unwrap();
        assert_eq!(frame.bytes().len(), 32);
        assert_eq!(frame.bytes()[16..20], [0, 0, 0, 5]);
        assert_eq!(frame.bytes()[28..], [0, 0, 0, 1]);
    }

    #[test]
    fn too_large_is_refused() {
        let payload = Payload::raw(&vec![0; FRAME_MAX - FRAME_MIN + 1]);
        assert!(payload.into_frame(header(MessageKind::Reply)).is_err());
        let payload = Payload::raw(&vec![0; FRAME_MAX - FRAME_MIN]);
        assert!(payload.into_frame(header(MessageKind::Reply)).is_ok());
    }
}
