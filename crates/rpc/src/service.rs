//! What a server calls for each call, and what it is told in return.
//!
//! Owns: the shape of the seam between the wire and the daemon. Never: decides anything.

use std::fmt;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;

use ostler_base::Result;

use crate::connection::Connection;
use crate::link::Closed;
use crate::message::Payload;
use crate::stream::Stream;
use crate::table::{Procedure, Program, Row};
use crate::xdr::{Xdr, decode};

/// A future that owns all it needs.
pub type Task<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What a server does with the calls that reach it.
///
/// The checks of the protocol (lengths, program, version, procedure, status) are behind it; rights
/// are not: they are the service's first duty.
pub trait Service: Send + Sync + 'static {
    /// What the service keeps for each connection: who the client is, its event registrations.
    type Session: Send + Sync + 'static;

    /// The programs that a client finds here; asked once for each connection.
    fn programs(&self, connection: &Connection) -> &'static [&'static Program];

    /// A client has come.
    fn open(&self, connection: &Arc<Connection>) -> Arc<Self::Session>;

    /// A client calls. This runs on the connection's own task: it must not block. What has to
    /// wait is returned as [`Outcome::Later`].
    fn call(&self, session: &Arc<Self::Session>, call: Call<'_>) -> Outcome;

    /// A client has gone. Called once, after the last call; tasks of earlier calls may go on.
    fn closed(&self, _session: &Arc<Self::Session>, _why: &Closed) {}
}

/// A call of a client.
#[derive(Debug)]
pub struct Call<'a> {
    /// The connection it came over.
    pub connection: &'a Arc<Connection>,
    /// The program.
    pub program: &'static Program,
    /// The procedure.
    pub row: &'static Row,
    /// The number that the client gave the call.
    pub serial: u32,
    /// The encoded arguments.
    pub content: &'a [u8],
    /// The FDs that came with it, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

impl Call<'_> {
    /// The arguments of procedure `P`, which the caller knows it to be. The error is for the
    /// client.
    pub fn args<P: Procedure>(&self) -> Result<P::Args> {
        decode(self.content)
    }
}

/// How a call is answered.
pub enum Outcome {
    /// With this, at once.
    Now(Result<Reply>),
    /// With what this future yields. It runs in a task of its own, and to its end even if the
    /// client goes.
    Later(Task<Result<Reply>>),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Now(result) => f.debug_tuple("Now").field(result).finish(),
            Outcome::Later(_) => f.write_str("Later"),
        }
    }
}

/// What serves a stream once its reply is on its way.
pub(crate) type Serve = Box<dyn FnOnce(Stream) -> Task<()> + Send>;

/// The answer to a call.
pub struct Reply {
    pub(crate) payload: Payload,
    pub(crate) stream: Option<Serve>,
}

impl Reply {
    /// An answer without content.
    pub fn empty() -> Self {
        Payload::empty().into()
    }

    /// A value. Fails where it does not fit its layout.
    pub fn of<T: Xdr>(value: &T) -> Result<Self> {
        Payload::of(value).map(Reply::from)
    }

    /// The same answer with FDs; at most [`FDS_MAX`](crate::message::FDS_MAX), and only over UNIX
    /// sockets.
    pub fn with_fds(mut self, fds: Vec<OwnedFd>) -> Self {
        self.payload = self.payload.with_fds(fds);
        self
    }

    /// The same answer, which opens a stream: `serve` runs in a task of its own once the answer
    /// is on its way.
    pub fn with_stream<F>(mut self, serve: impl FnOnce(Stream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.stream = Some(Box::new(move |stream| Box::pin(serve(stream))));
        self
    }
}

impl From<Payload> for Reply {
    fn from(payload: Payload) -> Self {
        Reply { payload, stream: None }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("bytes", &self.payload.content().len())
            .field("stream", &self.stream.is_some())
            .finish()
    }
}
