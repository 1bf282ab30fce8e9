//! The server's side: one task per connection, which reads, calls the service and writes.
//!
//! Owns: the order of things on a connection, its limits and its end. Never: knows what a
//! procedure does.
//!
//! ```text
//!            +--- frame complete and calls < limit ---> service ---> reply --+
//! wait: read |                                          `--> task --> outbox |
//!      nudge +<------------------------- send what waits <-------------------+
//! ```

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use ostler_base::{Code, Error, Origin};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};

use crate::connection::{About, Connection, Limits, Peer, SocketKind};
use crate::incoming::Arrived;
use crate::keepalive::{self, Due, Keepalive};
use crate::link::{Closed, Link, Wake};
use crate::message::{Frame, Header, MessageKind, Payload, Status};
use crate::programs::keepalive::procedures::{Ping, Pong};
use crate::service::{Call, Outcome, Reply, Serve, Service, Task};
use crate::stream::{self, Stream, StreamEvent, Streams};
use crate::table::{Procedure, Program, Row};
use crate::transport::Transport;

/// Takes connections for a service.
#[derive(Debug)]
pub struct Server<S> {
    service: Arc<S>,
    next_id: AtomicU64,
}

impl<S: Service> Server<S> {
    /// A server of this service.
    pub fn new(service: Arc<S>) -> Self {
        Server { service, next_id: AtomicU64::new(1) }
    }

    /// The service.
    pub fn service(&self) -> &Arc<S> {
        &self.service
    }

    /// Serves a client. The task ends with the connection.
    pub fn serve(
        &self,
        transport: Transport,
        about: About,
        limits: Limits,
    ) -> (Arc<Connection>, JoinHandle<()>) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(id, about, limits, transport.passes_fds());
        let programs = self.service.programs(&connection);
        let session = self.service.open(&connection);
        let link = Link::new(transport, connection.outbox.clone(), limits.message);
        let serving = Serving {
            service: self.service.clone(),
            session,
            programs,
            connection: connection.clone(),
            link,
            calls: Arc::new(AtomicUsize::new(0)),
            keepalive: None,
            waiting: None,
            partial_since: None,
            timer: None,
            why: Closed::Panicked,
        };
        (connection, tokio::spawn(serving.run()))
    }

    /// Serves a client that came over a UNIX socket.
    pub fn serve_unix(
        &self,
        socket: UnixStream,
        kind: SocketKind,
        limits: Limits,
    ) -> std::io::Result<(Arc<Connection>, JoinHandle<()>)> {
        let peer = Peer::of(&socket)?;
        let about = About { socket: kind, peer: Some(peer), address: None, certificate: None };
        Ok(self.serve(Transport::unix(socket), about, limits))
    }
}

/// A connection's task.
struct Serving<S: Service> {
    service: Arc<S>,
    session: Arc<S::Session>,
    programs: &'static [&'static Program],
    connection: Arc<Connection>,
    link: Link,
    /// Calls that are answered later.
    calls: Arc<AtomicUsize>,
    keepalive: Option<Keepalive>,
    /// What kind of message waits for the limits to allow it.
    waiting: Option<MessageKind>,
    /// Since when part of a message is here.
    partial_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    why: Closed,
}

impl<S: Service> Drop for Serving<S> {
    fn drop(&mut self) {
        let _ = self.connection.ended.set(self.why.clone());
        self.connection.outbox.close();
        self.connection.streams.clear();
        self.service.closed(&self.session, &self.why);
    }
}

impl<S: Service> Serving<S> {
    async fn run(mut self) {
        loop {
            let step = match self.handle_arrived() {
                Ok(read) => poll_fn(|cx| self.poll(cx, read)).await,
                Err(why) => Err(why),
            };
            if let Err(why) = step {
                self.why = why;
                return;
            }
        }
    }

    /// Waits for anything: to send, to read, time.
    fn poll(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<Result<(), Closed>> {
        let busy = || self.calls.load(Ordering::Acquire) > 0;
        match self.link.poll(cx, read, busy) {
            Poll::Ready(Ok(Wake::Read)) => {
                if let Some(keepalive) = &mut self.keepalive {
                    keepalive.heard(Instant::now());
                }
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(Wake::Nudged)) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
            Poll::Pending => {}
        }
        // The reason for not reading may be gone since.
        if !read && !self.must_wait(self.waiting) {
            return Poll::Ready(Ok(()));
        }
        self.poll_time(cx, read)
    }

    /// Whether a message of this kind has to wait.
    fn must_wait(&self, kind: Option<MessageKind>) -> bool {
        let connection = &self.connection;
        let held = match kind {
            Some(MessageKind::Call | MessageKind::CallWithFds) => {
                self.calls.load(Ordering::Acquire) >= connection.limits.calls.max(1)
            }
            Some(MessageKind::Stream | MessageKind::StreamHole) => connection.streams.full(),
            _ => false,
        };
        held || connection.outbox.is_ending() || connection.outbox.weight() > connection.limits.unsent
    }

    /// Handles the complete frames that are here, as far as the limits allow. Returns whether
    /// more may be read; if not, the kind that waits is kept.
    fn handle_arrived(&mut self) -> Result<bool, Closed> {
        while let Some(arrived) = self.link.incoming.next()? {
            let kind = arrived.header.message_kind();
            if self.must_wait(kind) {
                self.waiting = kind;
                self.partial_since = None;
                return Ok(false);
            }
            self.handle(kind, &arrived);
            self.link.incoming.consume(&arrived);
            self.partial_since = None;
        }
        self.waiting = None;
        let partial = !self.link.incoming.is_empty();
        self.partial_since = partial.then(|| self.partial_since.unwrap_or_else(Instant::now));
        Ok(!self.must_wait(None))
    }

    fn handle(&mut self, kind: Option<MessageKind>, arrived: &Arrived) {
        let fds = self.link.incoming.take_fds(arrived);
        let content = self.link.incoming.content(arrived);
        let header = arrived.header.clone();
        match kind {
            Some(MessageKind::Call | MessageKind::CallWithFds) => {
                let outcome = match check(self.programs, &header) {
                    Ok((program, row)) => {
                        let connection = &self.connection;
                        let call = Call { connection, program, row, serial: header.serial, content, fds };
                        self.service.call(&self.session, call)
                    }
                    Err(error) => Outcome::Now(Err(error)),
                };
                self.answer(header, outcome);
            }
            Some(MessageKind::Stream | MessageKind::StreamHole) => {
                if let Some(frame) = deliver(&self.connection.streams, &header, content) {
                    self.link.push(frame);
                }
            }
            Some(MessageKind::Event) if keepalive::is(&header, Ping::ROW.number) => {
                self.link.push(keepalive::frame(Pong::ROW.number));
            }
            // Whatever else there may be is passed over, as the protocol has it.
            _ => {}
        }
    }

    fn answer(&mut self, header: Header, outcome: Outcome) {
        match outcome {
            Outcome::Now(result) => {
                let (frame, serve) = reply(&header, result, &self.connection);
                self.link.push(frame);
                if let Some(serving) = serve {
                    tokio::spawn(serving);
                }
            }
            Outcome::Later(task) => {
                self.calls.fetch_add(1, Ordering::AcqRel);
                let pending = Pending {
                    header,
                    connection: self.connection.clone(),
                    calls: self.calls.clone(),
                    answered: false,
                };
                tokio::spawn(async move {
                    let result = task.await;
                    if let Some(serving) = pending.answer(result) {
                        serving.await;
                    }
                });
            }
        }
    }

    /// What time asks for: pings, and an end to what takes too long.
    fn poll_time(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<Result<(), Closed>> {
        if self.keepalive.is_none() && self.connection.is_watched() {
            let watch = self.connection.limits.watch;
            self.keepalive = watch.map(|watch| Keepalive::new(watch, Instant::now()));
        }
        let stalled = self.partial_since.map(|since| since + self.connection.limits.message_time);
        if self.keepalive.is_none() && stalled.is_none() {
            return Poll::Pending;
        }
        loop {
            let now = Instant::now();
            if stalled.is_some_and(|at| at <= now) {
                return Poll::Ready(Err(Closed::Stalled));
            }
            if !read && self.waiting.is_some() {
                // Its answers to pings may be here, unread.
                self.keepalive.iter_mut().for_each(|keepalive| keepalive.heard(now));
            }
            let ping = match self.keepalive.as_mut().map(|keepalive| keepalive.due(now)) {
                Some(Due::Dead) => return Poll::Ready(Err(Closed::Silent)),
                Some(Due::Ping) => {
                    self.link.push(keepalive::frame(Ping::ROW.number));
                    return Poll::Ready(Ok(()));
                }
                Some(Due::At(at)) => Some(at),
                None => None,
            };
            let Some(next) = ping.into_iter().chain(stalled).min() else { return Poll::Pending };
            let next = tokio::time::Instant::from_std(next);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next)));
            // A timer that goes off early is cheaper than one that is moved at each message.
            if timer.is_elapsed() || timer.deadline() > next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// What a client is told that the protocol itself refuses something.
fn refused(text: impl Into<String>) -> Error {
    Error::new(Code::Rpc, Origin::Rpc, text)
}

/// What the protocol itself asks of a call.
fn check(programs: &[&'static Program], header: &Header) -> Result<(&'static Program, &'static Row), Error> {
    let known = |p: &&&Program| p.number == header.program && p.version == header.version;
    let program = programs.iter().find(known).ok_or_else(|| {
        refused(format!("Cannot find program {} version {}", header.program, header.version))
    })?;
    if header.status != Status::Ok as i32 {
        return Err(refused(format!("Unexpected message status {}", header.status)));
    }
    match program.call(header.procedure) {
        Some(row) => Ok((program, row)),
        None => Err(refused(format!("unknown procedure: {}", header.procedure))),
    }
}

/// Hands a stream message to its stream; returns what has to be answered at once.
fn deliver(streams: &Streams, header: &Header, content: &[u8]) -> Option<Frame> {
    let key = stream::key(header);
    if !streams.has(key) {
        return None;
    }
    let event = stream::event(header, content)?;
    let StreamEvent::Abort(error) = &event else {
        streams.deliver(key, event);
        return None;
    };
    let answer = stream::answer_to_abort(header, error);
    streams.deliver(key, event);
    streams.remove(key);
    answer
}

/// The frame of a reply, and the task that serves its stream.
fn reply(
    call: &Header,
    result: Result<Reply, Error>,
    connection: &Arc<Connection>,
) -> (Frame, Option<Task<()>>) {
    let failed = |error: &Error| {
        let header = call.answered(MessageKind::Reply, Status::Error);
        Payload::error(error).into_frame(header)
    };
    let framed = match result {
        Ok(reply) if !connection.passes_fds() && reply.payload.has_fds() => {
            failed(&refused("FDs cannot be passed over this connection"))
        }
        Ok(reply) if reply.stream.is_some() && connection.streams.count() >= connection.limits.streams => {
            failed(&refused("too many streams are open"))
        }
        Ok(Reply { payload, stream }) => {
            match payload.into_frame(call.answered(MessageKind::Reply, Status::Ok)) {
                Ok(mut frame) => {
                    frame.layer = connection.layer_behind(call.procedure);
                    let open =
                        |serve: Serve| serve(Stream::open(call, &connection.outbox, &connection.streams));
                    return (frame, stream.map(open));
                }
                Err(why) => failed(&refused(why.to_string())),
            }
        }
        Err(error) => failed(&error),
    };
    (framed.unwrap_or_default(), None)
}

/// A call that is answered later; if its task dies, the client is told.
struct Pending {
    header: Header,
    connection: Arc<Connection>,
    calls: Arc<AtomicUsize>,
    answered: bool,
}

impl Pending {
    /// Queues the reply; returns what serves its stream.
    fn answer(mut self, result: Result<Reply, Error>) -> Option<Task<()>> {
        let (frame, serve) = reply(&self.header, result, &self.connection);
        self.send(frame);
        serve
    }

    fn send(&mut self, frame: Frame) {
        self.answered = true;
        self.connection.outbox.push_with(frame, || {
            self.calls.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            let error = Error::internal("call was given up").from_origin(Origin::Rpc);
            let (frame, _) = reply(&self.header, Err(error), &self.connection);
            self.send(frame);
        }
    }
}
