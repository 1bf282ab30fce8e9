//! What the daemon keeps for each client.
//!
//! Owns: whether it has opened a connection, what it may do, which events it wants. Never: answers
//! a call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_rpc::connection::{Connection, SocketKind};

use crate::callbacks::Callbacks;

/// A client's session.
#[derive(Debug)]
pub struct Session {
    connection: Arc<Connection>,
    read_only: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The URI that it opened, while it is open.
    uri: Option<String>,
    callbacks: Callbacks,
}

impl Session {
    /// A session that has not opened anything yet.
    pub fn new(connection: Arc<Connection>) -> Self {
        let read_only = AtomicBool::new(connection.socket() == SocketKind::ReadOnly);
        Session { connection, read_only, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether it may only look.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// From now on it may only look.
    pub fn make_read_only(&self) {
        self.read_only.store(true, Ordering::Relaxed);
    }

    /// Whether it has opened a connection.
    pub fn is_open(&self) -> bool {
        self.state().uri.is_some()
    }

    /// The URI that it opened.
    pub fn uri(&self) -> Option<String> {
        self.state().uri.clone()
    }

    /// It opens `uri`. `false`: it had opened one before, which stays.
    pub fn open(&self, uri: String) -> bool {
        let mut state = self.state();
        let free = state.uri.is_none();
        if free {
            state.uri = Some(uri);
        }
        free
    }

    /// It closes what it opened; no event reaches it any more.
    pub fn close(&self) {
        *self.state() = State::default();
    }

    /// Looks at or changes which events it wants.
    pub fn with_callbacks<T>(&self, work: impl FnOnce(&mut Callbacks) -> T) -> T {
        work(&mut self.state().callbacks)
    }
}
