//! The handle of a client's connection: who it is, and what can be sent to it at any time.
//!
//! Owns: identity, limits, the way to its queue. Never: reads from it; its task does.

use std::fmt;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use ostler_base::{Error, Result};

use crate::keepalive::Watch;
use crate::link::Closed;
use crate::message::{FRAME_MAX, Header, MessageKind, Payload, Status};
use crate::outbox::{End, Outbox};
use crate::stream::Streams;
use crate::table::{Procedure, Program};
use crate::transport::Layer;

/// What a connection may ask of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls that go on at the same time; further ones wait unread. At least 1.
    pub calls: usize,
    /// Streams that are open at the same time; calls that would open another are refused.
    pub streams: usize,
    /// The largest number that the length word of a message may hold; at most [`FRAME_MAX`].
    pub message: usize,
    /// Replies and stream data that wait to be sent before nothing more is read, in bytes.
    pub unsent: usize,
    /// Events that find more than this waiting end the connection, in bytes.
    pub events: usize,
    /// How long a message may take from its first byte to its last.
    pub message_time: Duration,
    /// How a client that asked for it is watched; `None`: not.
    pub watch: Option<Watch>,
}

impl Default for Limits {
    /// Five calls, 256 streams, messages as large as the protocol has them, 1 MiB of replies, 16 MiB of
    /// events, ten minutes for a message, a ping every five seconds.
    fn default() -> Self {
        Limits {
            calls: 5,
            streams: 256,
            message: FRAME_MAX,
            unsent: 1 << 20,
            events: 16 << 20,
            message_time: Duration::from_secs(600),
            watch: Some(Watch::default()),
        }
    }
}

/// Where a client came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// The UNIX socket for everything.
    ReadWrite,
    /// The UNIX socket for looking only.
    ReadOnly,
    /// The UNIX socket of the administration program.
    Admin,
    /// TCP without TLS.
    Tcp,
    /// TLS.
    Tls,
}

/// The process at the other end of a UNIX socket when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process id.
    pub pid: i32,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

impl Peer {
    /// What the kernel says about a connected UNIX socket.
    pub fn of(socket: impl AsFd) -> std::io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        Ok(Peer {
            pid: credentials.pid.as_raw_nonzero().get(),
            uid: credentials.uid.as_raw(),
            gid: credentials.gid.as_raw(),
        })
    }
}

/// What is known about a client before it says anything.
#[derive(Debug, Clone)]
pub struct About {
    /// Where it came in.
    pub socket: SocketKind,
    /// Its process, if it is on this host.
    pub peer: Option<Peer>,
    /// Its address as text (`192.0.2.7:51234`); of a UNIX socket, nothing.
    pub address: Option<String>,
    /// The distinguished name in the certificate that it has shown, if it has shown one.
    pub certificate: Option<String>,
}

/// A client's connection, for as long as anyone is interested in it.
pub struct Connection {
    id: u64,
    about: About,
    since: SystemTime,
    passes_fds: bool,
    pub(crate) limits: Limits,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) streams: Arc<Streams>,
    watched: AtomicBool,
    pub(crate) ended: OnceLock<Closed>,
    /// The layer that begins behind the reply to this procedure.
    layer: Mutex<Option<(i32, Layer)>>,
}

impl Connection {
    pub(crate) fn new(id: u64, about: About, limits: Limits, passes_fds: bool) -> Arc<Self> {
        Arc::new(Connection {
            id,
            about,
            since: SystemTime::now(),
            passes_fds,
            limits,
            outbox: Arc::default(),
            streams: Arc::default(),
            watched: AtomicBool::new(false),
            ended: OnceLock::new(),
            layer: Mutex::default(),
        })
    }

    /// Its number, from 1, of this server only.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where it came in.
    pub fn socket(&self) -> SocketKind {
        self.about.socket
    }

    /// Its process, if it is on this host.
    pub fn peer(&self) -> Option<Peer> {
        self.about.peer
    }

    /// Its address as text, if it has one.
    pub fn address(&self) -> Option<&str> {
        self.about.address.as_deref()
    }

    /// The distinguished name in its certificate, if it has shown one.
    pub fn certificate(&self) -> Option<&str> {
        self.about.certificate.as_deref()
    }

    /// When it came in.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Whether FDs can be passed over it, either way.
    pub fn passes_fds(&self) -> bool {
        self.passes_fds
    }

    /// Sends an event. Of a closed connection it is dropped; a client with too many unread events
    /// is closed. Fails where the content does not fit its layout.
    pub fn send_event<P: Procedure>(&self, content: &P::Args) -> Result<()> {
        self.send_encoded_event(P::PROGRAM, P::ROW.number, Payload::of(content)?)
    }

    /// Sends an event whose content is encoded already.
    pub fn send_encoded_event(
        &self,
        program: &'static Program,
        procedure: i32,
        content: Payload,
    ) -> Result<()> {
        if self.outbox.weight() > self.limits.events {
            self.outbox.end(End::TooSlow);
            return Ok(());
        }
        let header = Header {
            program: program.number,
            version: program.version,
            procedure,
            kind: MessageKind::Event as i32,
            serial: 0,
            status: Status::Ok as i32,
        };
        let frame = content.into_frame(header).map_err(|why| Error::internal(why.to_string()))?;
        self.outbox.push(frame);
        Ok(())
    }

    /// Asks the client from now on whether it is alive (it said that it would answer).
    pub fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
        self.outbox.nudge();
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Behind the next reply to a procedure of this number everything goes through a layer. The call
    /// that asks for it must be the one that is being answered.
    pub fn protect_behind(&self, procedure: i32, layer: Layer) {
        *self.layer.lock().unwrap_or_else(PoisonError::into_inner) = Some((procedure, layer));
    }

    /// The layer that begins behind a reply to this procedure.
    pub(crate) fn layer_behind(&self, procedure: i32) -> Option<Layer> {
        let mut layer = self.layer.lock().unwrap_or_else(PoisonError::into_inner);
        layer.take_if(|(wanted, _)| *wanted == procedure).map(|(_, layer)| layer)
    }

    /// Ends the connection at once.
    pub fn close(&self) {
        self.outbox.end(End::Now);
    }

    /// Ends the connection when the calls that go on have been answered and all that waits has been
    /// sent. Further calls are not looked at.
    pub fn close_after_sending(&self) {
        self.outbox.end(End::AfterSending);
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.outbox.is_closed()
    }

    /// Waits until it has ended.
    pub async fn closed(&self) {
        self.outbox.closed().await;
    }

    /// Why it has ended, once it has.
    pub fn reason(&self) -> Option<&Closed> {
        self.ended.get()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("about", &self.about).finish_non_exhaustive()
    }
}
