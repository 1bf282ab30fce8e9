//! Streams: data beside the calls of a connection, opened by a call's reply.
//!
//! Owns: what both ends of a stream share, and the server's end. Never: reads or writes what the
//! data belongs to.
//!
//! ```text
//! client                          server
//! call           ------------->   handler answers with a stream
//!                <-------------   reply
//! data, holes    <------------>   data, holes
//!                <-------------   empty data: the end of what the server sends
//! ok: finish     ------------->   finish() or fail()
//!                <-------------   ok, or an error
//! error: abort   ------------->   the task is told
//!                <-------------   ok
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::message::{Frame, Header, MessageKind, Payload, STREAM_CHUNK_MAX, Status, StreamHole, WireError};
use crate::outbox::Outbox;
use crate::xdr::decode;

/// A connection is not read while a stream holds more than this many bytes that its task has not
/// taken.
const INBOX_ROOM: usize = 4 << 20;

/// What arrives on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// Bytes; never empty.
    Data(Vec<u8>),
    /// A hole of so many bytes.
    Hole(u64),
    /// The server has sent everything.
    End,
    /// To a server: the client is done; answer with [`Stream::finish`] or [`Stream::fail`].
    /// To a client: the server agrees that the stream is complete.
    Finish,
    /// The other side gave up. A server has nothing to answer any more.
    Abort(Error),
    /// The connection is gone.
    Gone,
}

/// Which stream of a connection: program, procedure, serial.
pub(crate) type Key = (u32, i32, u32);

/// The key of the stream that a message is about.
pub(crate) fn key(header: &Header) -> Key {
    (header.program, header.procedure, header.serial)
}

#[derive(Debug)]
struct Entry {
    events: UnboundedSender<StreamEvent>,
    held: Arc<AtomicUsize>,
}

/// The open streams of a connection.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<HashMap<Key, Entry>>);

impl Streams {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stream holds more than its task should leave it.
    pub(crate) fn full(&self) -> bool {
        self.lock().values().any(|entry| entry.held.load(Ordering::Relaxed) > INBOX_ROOM)
    }

    /// Whether this one is open.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.lock().contains_key(&key)
    }

    /// Hands an event to its stream.
    pub(crate) fn deliver(&self, key: Key, event: StreamEvent) {
        if let Some(entry) = self.lock().get(&key) {
            entry.held.fetch_add(weight(&event), Ordering::Relaxed);
            // The task may be gone already; then nobody wants it.
            let _ = entry.events.send(event);
        }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn remove(&self, key: Key) {
        self.lock().remove(&key);
    }

    /// Removes a stream, if it is this one: a client may have reused its serial. Whether it was.
    fn remove_own(&self, key: Key, held: &Arc<AtomicUsize>) -> bool {
        let mut streams = self.lock();
        let own = streams.get(&key).is_some_and(|entry| Arc::ptr_eq(&entry.held, held));
        if own {
            streams.remove(&key);
        }
        own
    }

    /// The connection is gone: every stream hears so.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }
}

fn weight(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::Data(bytes) => bytes.len() + 64,
        _ => 64,
    }
}

/// What a stream message of either kind says; `None` for one that says nothing.
pub(crate) fn event(header: &Header, content: &[u8]) -> Option<StreamEvent> {
    match (header.message_kind()?, Status::from_number(header.status)) {
        (MessageKind::StreamHole, _) => {
            Some(hole(content).map_or_else(StreamEvent::Abort, StreamEvent::Hole))
        }
        (MessageKind::Stream, Some(Status::Continue)) if content.is_empty() => Some(StreamEvent::End),
        (MessageKind::Stream, Some(Status::Continue)) => Some(StreamEvent::Data(content.to_vec())),
        (MessageKind::Stream, Some(Status::Ok)) => Some(StreamEvent::Finish),
        (MessageKind::Stream, Some(Status::Error)) => {
            // A client gives no reason.
            let wire = decode::<WireError>(content);
            let error = wire.map_or_else(|_| failed("stream aborted at client request"), Error::from);
            Some(StreamEvent::Abort(error))
        }
        (MessageKind::Stream, None) => {
            let text = format!("stream aborted with unexpected status {}", header.status);
            Some(StreamEvent::Abort(failed(text)))
        }
        _ => None,
    }
}

fn hole(content: &[u8]) -> Result<u64> {
    let hole = decode::<StreamHole>(content)?;
    u64::try_from(hole.length).map_err(|_| failed("stream hole of negative length"))
}

fn failed(text: impl Into<String>) -> Error {
    Error::new(Code::Rpc, Origin::Streams, text)
}

/// What a server answers to a message that ends a stream from the client's side: a plain abort is
/// confirmed, anything else is refused.
pub(crate) fn answer_to_abort(header: &Header, error: &Error) -> Option<Frame> {
    let (status, payload) = match Status::from_number(header.status) {
        Some(Status::Error) if header.message_kind() == Some(MessageKind::Stream) => {
            (Status::Ok, Payload::empty())
        }
        _ => (Status::Error, Payload::error(error)),
    };
    payload.into_frame(header.answered(MessageKind::Stream, status)).ok()
}

/// One end of a stream. Sending and receiving go on side by side.
#[derive(Debug)]
pub struct Stream {
    header: Header,
    outbox: Arc<Outbox>,
    streams: Arc<Streams>,
    events: tokio::sync::Mutex<UnboundedReceiver<StreamEvent>>,
    held: Arc<AtomicUsize>,
    /// Whether the other side has been told how it ended.
    done: bool,
}

impl Stream {
    /// Opens the stream of a call.
    pub(crate) fn open(call: &Header, outbox: &Arc<Outbox>, streams: &Arc<Streams>) -> Self {
        let (sender, events) = unbounded_channel();
        let held = Arc::new(AtomicUsize::new(0));
        streams.lock().insert(key(call), Entry { events: sender, held: held.clone() });
        Stream {
            header: call.answered(MessageKind::Stream, Status::Continue),
            outbox: outbox.clone(),
            streams: streams.clone(),
            events: tokio::sync::Mutex::new(events),
            held,
            done: false,
        }
    }

    fn push(&self, kind: MessageKind, status: Status, payload: Payload) {
        // Nothing that is pushed here exceeds what a frame may hold.
        if let Ok(frame) = payload.into_frame(self.header.answered(kind, status)) {
            self.outbox.push(frame);
        }
    }

    /// Sends bytes, in as many messages as they need; waits while the peer does not take them.
    /// `false` when the connection is gone.
    pub async fn send(&self, bytes: &[u8]) -> bool {
        for chunk in bytes.chunks(STREAM_CHUNK_MAX) {
            self.outbox.room().await;
            self.push(MessageKind::Stream, Status::Continue, Payload::raw(chunk));
        }
        !self.outbox.is_closed()
    }

    /// Sends a hole of `length` bytes; `false` when the connection is gone.
    pub async fn send_hole(&self, length: u64) -> bool {
        self.outbox.room().await;
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if let Ok(payload) = Payload::of(&StreamHole { length, flags: 0 }) {
            self.push(MessageKind::StreamHole, Status::Continue, payload);
        }
        !self.outbox.is_closed()
    }

    /// Tells that everything has been sent (a server to a client).
    pub fn send_end(&self) {
        self.push(MessageKind::Stream, Status::Continue, Payload::empty());
    }

    /// What arrives next. After [`StreamEvent::Abort`] and [`StreamEvent::Gone`] nothing does.
    pub async fn receive(&self) -> StreamEvent {
        let event = self.events.lock().await.recv().await.unwrap_or(StreamEvent::Gone);
        let weight = weight(&event);
        let before = self.held.fetch_sub(weight.min(self.held.load(Ordering::Relaxed)), Ordering::Relaxed);
        if before > INBOX_ROOM && before - weight <= INBOX_ROOM {
            self.outbox.nudge();
        }
        event
    }

    /// Says that the stream is complete: to a client's [`StreamEvent::Finish`], or of a client's
    /// own accord.
    pub fn finish(mut self) {
        self.push(MessageKind::Stream, Status::Ok, Payload::empty());
        self.done = true;
    }

    /// Gives up, and says why.
    pub fn fail(mut self, error: &Error) {
        self.push(MessageKind::Stream, Status::Error, Payload::error(error));
        self.done = true;
    }

    /// Sends the finishing or aborting word of a client, which then waits for the server's.
    pub(crate) fn say(&self, status: Status) {
        self.push(MessageKind::Stream, status, Payload::empty());
    }

    /// Nothing has to be told any more.
    pub(crate) fn settle(&mut self) {
        self.done = true;
    }
}

impl Drop for Stream {
    /// A stream that is dropped without a word has failed.
    fn drop(&mut self) {
        let open = self.streams.remove_own(key(&self.header), &self.held);
        if !self.done && open {
            let error = Error::internal("stream was given up").from_origin(Origin::Rpc);
            self.push(MessageKind::Stream, Status::Error, Payload::error(&error));
        }
        self.outbox.nudge();
    }
}
