//! The wire, whole: XDR, every structure and procedure, frames, streams, keepalive, a server and
//! a client. Only this crate knows XDR.
//!
//! Owns: what bytes mean and how connections behave. Never: decides who may do what, or does it.
//!
//! # Serving
//!
//! A daemon implements [`Service`]: a session per client and a function that is handed each call
//! once the protocol itself has nothing against it. What can be answered at once is
//! ([`Outcome::Now`]): on the connection's own task, one read and one write. What has to wait is
//! a future in a task of its own ([`Outcome::Later`]).
//!
//! ```
//! use std::sync::Arc;
//!
//! use ostler_base::{Error, Origin, Result};
//! use ostler_rpc::programs::remote::procedures::{
//!     ConnectGetLibVersion, DomainReboot,
//! };
//! use ostler_rpc::programs::remote::{ConnectGetLibVersionRet, REMOTE};
//! use ostler_rpc::{Call, Connection, Limits, Outcome, Procedure, Program, Reply, Server, Service};
//! use ostler_rpc::{SocketKind, Stream, StreamEvent};
//!
//! struct Daemon;
//!
//! /// What the daemon keeps for a client.
//! struct Session {
//!     connection: Arc<Connection>,
//! }
//!
//! impl Service for Daemon {
//!     type Session = Session;
//!
//!     fn programs(&self, _connection: &Connection) -> &'static [&'static Program] {
//!         &[&REMOTE]
//!     }
//!
//!     fn open(&self, connection: &Arc<Connection>) -> Arc<Session> {
//!         Arc::new(Session { connection: connection.clone() })
//!     }
//!
//!     fn call(&self, session: &Arc<Session>, call: Call<'_>) -> Outcome {
//!         let read_only = session.connection.socket() == SocketKind::ReadOnly;
//!         match call.row.number {
//!             n if n == ConnectGetLibVersion::ROW.number => {
//!                 Outcome::Now(Reply::of(&ConnectGetLibVersionRet { lib_ver: 11_003_000 }))
//!             }
//!             n if n == DomainReboot::ROW.number => {
//!                 let args = match call.args::<DomainReboot>() {
//!                     Ok(args) => args,
//!                     Err(error) => return Outcome::Now(Err(error)),
//!                 };
//!                 // Rights stand in the row; some depend on an argument.
//!                 let condition = DomainReboot::condition(&args);
//!                 if read_only && !call.row.rule.allows_read_only(condition) {
//!                     return Outcome::Now(Err(Error::no_support(call.row.rule.api)));
//!                 }
//!                 Outcome::Later(Box::pin(async move { reboot(&args.dom.name).await }))
//!             }
//!             _ => Outcome::Now(Err(Error::no_support(call.row.rule.api))),
//!         }
//!     }
//! }
//!
//! async fn reboot(_name: &str) -> Result<Reply> {
//!     Ok(Reply::empty())
//! }
//!
//! /// An answer that opens a stream: the closure runs once the answer is on its way.
//! fn download(bytes: Vec<u8>) -> Reply {
//!     Reply::empty().with_stream(|stream: Stream| async move {
//!         stream.send(&bytes).await;
//!         stream.send_end();
//!         if stream.receive().await == StreamEvent::Finish {
//!             stream.finish();
//!         }
//!     })
//! }
//!
//! # async fn accept(listener: tokio::net::UnixListener) -> std::io::Result<()> {
//! let server = Server::new(Arc::new(Daemon));
//! loop {
//!     let (socket, _) = listener.accept().await?;
//!     let (connection, _task) = server.serve_unix(socket, SocketKind::ReadWrite, Limits::default())?;
//!     println!("client {} is {:?}", connection.id(), connection.peer());
//! }
//! # }
//! ```
//!
//! Through the [`Connection`] the daemon sends events at any time
//! ([`Connection::send_event`] with a type such as
//! [`DomainEventCallbackLifecycle`](programs::remote::procedures::DomainEventCallbackLifecycle)),
//! has it watched ([`Connection::watch`], when a client says that it answers keepalive messages),
//! and ends it ([`Connection::close_after_sending`] for the call that closes it).
//!
//! Handlers that know their procedure only by its row find everything there: rights, urgency,
//! public name ([`table::Rule`]), layouts, and functions that read and write the arguments.

pub mod access;
pub mod client;
pub mod connection;
mod incoming;
pub mod keepalive;
mod link;
pub mod message;
mod outbox;
pub mod programs;
pub mod server;
pub mod service;
pub mod stream;
pub mod table;
pub mod tls;
pub mod transport;
pub mod xdr;

pub use client::{Client, ClientStream, Event, Events};
pub use connection::{About, Connection, Limits, Peer, SocketKind};
pub use link::Closed;
pub use message::Payload;
pub use server::Server;
pub use service::{Call, Outcome, Reply, Service, Task};
pub use stream::{Stream, StreamEvent};
pub use table::{Procedure, Program, Row};
pub use transport::{ByteStream, Layer, Transport};
pub use xdr::Xdr;
