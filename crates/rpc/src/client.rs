//! The client's side: calls, events and streams over one connection, on the same tables.
//!
//! Owns: which reply belongs to which call, and the answers to keepalive messages. Never: decides
//! which calls make sense.
//!
//! ```no_run
//! use ostler_rpc::Client;
//! use ostler_rpc::programs::remote::procedures::{ConnectGetLibVersion, ConnectOpen};
//! use ostler_rpc::programs::remote::ConnectOpenArgs;
//!
//! # async fn example() -> ostler_base::Result<()> {
//! let (client, _events) = Client::connect("/run/libvirt/libvirt-sock").await?;
//! let args = ConnectOpenArgs { name: Some("qemu:///system".into()), flags: 0 };
//! client.call::<ConnectOpen>(&args).await?;
//! println!("{}", client.call::<ConnectGetLibVersion>(&()).await?.lib_ver);
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::future::poll_fn;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use ostler_base::{Code, Error, Origin, Result};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use crate::keepalive::{self, Due, Keepalive, Watch};
use crate::link::{Closed, Link, Wake};
use crate::message::{FRAME_MAX, Header, Message, MessageKind, Payload, Status, WireError};
use crate::outbox::{End, Outbox};
use crate::programs::keepalive::procedures::{Ping, Pong};
use crate::stream::{self, Stream, StreamEvent, Streams};
use crate::table::Procedure;
use crate::transport::Transport;
use crate::xdr::decode;

/// An event as it arrived.
#[derive(Debug, Clone)]
pub struct Event {
    /// The program.
    pub program: u32,
    /// The event's number.
    pub procedure: i32,
    /// Its encoded content.
    pub content: Vec<u8>,
}

impl Event {
    /// The content, if this is event `P` and it can be read.
    pub fn read<P: Procedure>(&self) -> Option<P::Args> {
        let it = self.program == P::PROGRAM.number && self.procedure == P::ROW.number;
        it.then(|| decode(&self.content).ok()).flatten()
    }
}

/// The events of a connection, in order; ends with the connection.
pub type Events = mpsc::UnboundedReceiver<Event>;

/// What the connection's task and its callers share.
#[derive(Debug, Default)]
struct Shared {
    outbox: Arc<Outbox>,
    streams: Arc<Streams>,
    pending: Mutex<HashMap<u32, oneshot::Sender<Message>>>,
    ended: OnceLock<Closed>,
    watch: OnceLock<Watch>,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Message>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to a server. It ends when this is dropped; streams and calls end with it.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    serial: AtomicU32,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.outbox.end(End::AfterSending);
    }
}

fn gone() -> Error {
    Error::new(Code::InternalError, Origin::Rpc, "client socket is closed")
}

impl Client {
    /// Connects to a UNIX socket.
    pub async fn connect(path: impl AsRef<Path>) -> Result<(Client, Events)> {
        let path = path.as_ref();
        let socket = UnixStream::connect(path).await.map_err(|error| {
            let text = format!("Failed to connect socket to '{}': {error}", path.display());
            Error::new(Code::SystemError, Origin::Rpc, text)
        })?;
        Ok(Self::over(Transport::unix(socket)))
    }

    /// Speaks over a transport that is connected already.
    pub fn over(transport: Transport) -> (Client, Events) {
        let shared = Arc::new(Shared::default());
        let (sender, events) = mpsc::unbounded_channel();
        let link = Link::new(transport, shared.outbox.clone(), FRAME_MAX);
        tokio::spawn(Receiving { shared: shared.clone(), link, events: sender }.run());
        (Client { shared, serial: AtomicU32::new(1) }, events)
    }

    /// Asks the server from now on whether it is alive. Only servers that know keepalive messages
    /// answer (feature 10).
    pub fn watch(&self, watch: Watch) {
        let _ = self.shared.watch.set(watch);
        self.shared.outbox.nudge();
    }

    fn header<P: Procedure>(&self) -> Header {
        Header {
            program: P::PROGRAM.number,
            version: P::PROGRAM.version,
            procedure: P::ROW.number,
            kind: MessageKind::Call as i32,
            serial: self.serial.fetch_add(1, Ordering::Relaxed),
            status: Status::Ok as i32,
        }
    }

    async fn exchange<P: Procedure>(
        &self,
        header: Header,
        args: &P::Args,
        fds: Vec<OwnedFd>,
    ) -> Result<(P::Ret, Vec<OwnedFd>)> {
        let serial = header.serial;
        let frame = Payload::of(args)?.with_fds(fds).into_frame(header);
        let frame = frame.map_err(|why| Error::new(Code::Rpc, Origin::Rpc, why.to_string()))?;
        let (sender, answer) = oneshot::channel();
        self.shared.pending().insert(serial, sender);
        self.shared.outbox.push(frame);
        if self.shared.outbox.is_closed() {
            return Err(gone());
        }
        let answer = answer.await.map_err(|_| gone())?;
        match Status::from_number(answer.header.status) {
            Some(Status::Ok) => Ok((decode(&answer.content)?, answer.fds)),
            Some(Status::Error) => Err(decode::<WireError>(&answer.content)?.into()),
            _ => {
                let text = format!("Unexpected message status {}", answer.header.status);
                Err(Error::new(Code::Rpc, Origin::Rpc, text))
            }
        }
    }

    /// Calls a procedure.
    pub async fn call<P: Procedure>(&self, args: &P::Args) -> Result<P::Ret> {
        self.exchange::<P>(self.header::<P>(), args, Vec::new()).await.map(|(ret, _)| ret)
    }

    /// Calls a procedure that takes FDs, or gives some.
    pub async fn call_with_fds<P: Procedure>(
        &self,
        args: &P::Args,
        fds: Vec<OwnedFd>,
    ) -> Result<(P::Ret, Vec<OwnedFd>)> {
        self.exchange::<P>(self.header::<P>(), args, fds).await
    }

    /// Calls a procedure that opens a stream.
    pub async fn call_with_stream<P: Procedure>(&self, args: &P::Args) -> Result<(P::Ret, ClientStream)> {
        let header = self.header::<P>();
        let mut stream = Stream::open(&header, &self.shared.outbox, &self.shared.streams);
        match self.exchange::<P>(header, args, Vec::new()).await {
            Ok((ret, _)) => Ok((ret, ClientStream(stream))),
            Err(error) => {
                stream.settle();
                Err(error)
            }
        }
    }

    /// Ends the connection once what waits has been sent.
    pub fn close(&self) {
        self.shared.outbox.end(End::AfterSending);
    }

    /// Waits until the connection has ended; says why.
    pub async fn closed(&self) -> Closed {
        self.shared.outbox.closed().await;
        self.shared.ended.get().cloned().unwrap_or(Closed::ByUs)
    }
}

/// The client's end of a stream.
#[derive(Debug)]
pub struct ClientStream(Stream);

impl Deref for ClientStream {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.0
    }
}

impl ClientStream {
    /// Says that all is sent, or received; waits until the server agrees. What it still sent is
    /// passed over.
    pub async fn finish(self) -> Result<()> {
        self.end(Status::Ok).await
    }

    /// Gives up; waits until the server knows.
    pub async fn abort(self) {
        // The answer to this is an error by design.
        let _ = self.end(Status::Error).await;
    }

    async fn end(mut self, status: Status) -> Result<()> {
        self.0.say(status);
        self.0.settle();
        loop {
            match self.0.receive().await {
                StreamEvent::Finish => return Ok(()),
                StreamEvent::Abort(error) => return Err(error),
                StreamEvent::Gone => return Err(gone()),
                StreamEvent::Data(_) | StreamEvent::Hole(_) | StreamEvent::End => {}
            }
        }
    }
}

/// The connection's task.
struct Receiving {
    shared: Arc<Shared>,
    link: Link,
    events: mpsc::UnboundedSender<Event>,
}

impl Receiving {
    async fn run(mut self) {
        let why = self.receive().await;
        let _ = self.shared.ended.set(why);
        self.shared.outbox.close();
        self.shared.streams.clear();
        self.shared.pending().clear();
    }

    async fn receive(&mut self) -> Closed {
        let mut keepalive: Option<Keepalive> = None;
        loop {
            let now = Instant::now();
            if keepalive.is_none() {
                keepalive = self.shared.watch.get().map(|watch| Keepalive::new(*watch, now));
            }
            let due = match keepalive.as_mut().map(|k| k.due(now)) {
                Some(Due::Dead) => return Closed::Silent,
                Some(Due::Ping) => {
                    self.say(Ping::ROW.number);
                    continue;
                }
                Some(Due::At(at)) => Some(at),
                None => None,
            };
            let read = !self.shared.streams.full();
            let time = async {
                match due {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                step = poll_fn(|cx| self.poll(cx, read)) => step,
                () = time => Ok(Wake::Nudged),
            };
            match step {
                Ok(Wake::Read) => keepalive.iter_mut().for_each(|k| k.heard(Instant::now())),
                Ok(Wake::Nudged) => {}
                Err(why) => return why,
            }
            if let Err(broken) = self.handle_arrived() {
                return broken;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<Result<Wake, Closed>> {
        match self.link.poll(cx, read, || false) {
            // The streams that kept this from reading have been emptied.
            Poll::Pending if !read && !self.shared.streams.full() => Poll::Ready(Ok(Wake::Nudged)),
            other => other,
        }
    }

    fn handle_arrived(&mut self) -> Result<(), Closed> {
        while let Some(arrived) = self.link.incoming.next()? {
            let fds = self.link.incoming.take_fds(&arrived);
            let content = self.link.incoming.content(&arrived);
            let header = arrived.header.clone();
            match header.message_kind() {
                Some(MessageKind::Reply | MessageKind::ReplyWithFds) => {
                    if let Some(caller) = self.shared.pending().remove(&header.serial) {
                        // A caller that no longer waits does not want it.
                        let _ = caller.send(Message { header, content: content.to_vec(), fds });
                    }
                }
                Some(MessageKind::Event) if keepalive::is(&header, Ping::ROW.number) => {
                    self.say(Pong::ROW.number);
                }
                Some(MessageKind::Event) if !keepalive::is(&header, Pong::ROW.number) => {
                    let content = content.to_vec();
                    let event = Event { program: header.program, procedure: header.procedure, content };
                    // Whoever dropped the receiver does not want events.
                    let _ = self.events.send(event);
                }
                Some(MessageKind::Stream | MessageKind::StreamHole) => {
                    if let Some(event) = stream::event(&header, content) {
                        self.shared.streams.deliver(stream::key(&header), event);
                    }
                }
                _ => {}
            }
            self.link.incoming.consume(&arrived);
        }
        Ok(())
    }

    fn say(&mut self, procedure: i32) {
        self.link.push(keepalive::frame(procedure));
    }
}
