//! QEMU's monitor: commands and events over a UNIX socket.
//!
//! Owns: JSON on that socket, request numbers, the typed events, and what can go wrong. Never: knows
//! what a
//! command is for, keeps the state of a guest, or trusts what comes back. Replies are bounded in
//! size, decoded by type, and cannot make it panic.
//!
//! ```no_run
//! # async fn example() -> Result<(), ostler_qmp::MonitorError> {
//! use std::time::Duration;
//! use ostler_qmp::{EventKind, Monitor};
//!
//! let (monitor, mut events) = Monitor::connect("/run/guest/monitor.sock".as_ref()).await?;
//! let status = monitor.command("query-status", None).await?;
//! // One write for several commands; an answer for each.
//! let answers = monitor.batch(&[("query-cpus-fast", None), ("query-iothreads", None)]).await;
//! // The same connection, with a bound for each call.
//! monitor.within(Duration::from_secs(30)).command("cont", None).await?;
//! while let Some(event) = events.recv().await {
//!     if let EventKind::Shutdown { guest, .. } = event.kind { break }
//! }
//! # Ok(()) }
//! ```
//!
//! The event channel ends when the connection does; [`Monitor::ended`] waits for the same. A receiver
//! that is not wanted can be dropped. One that is kept must be drained: after [`EVENTS_QUEUED`] events
//! nothing more is read, answers included.

mod agent;
mod error;
mod event;
mod monitor;
mod wire;

pub use agent::{Agent, AgentError};
pub use error::MonitorError;
pub use event::{Event, EventKind, ScreenEnd, ScreenPhase, Time};
pub use monitor::{Arguments, EVENTS_QUEUED, Monitor};
pub use wire::{Greeting, LINE_LIMIT, Version};
