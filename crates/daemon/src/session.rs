//! What the daemon keeps for each client.
//!
//! Owns: whether it has said who it is and opened a connection, what it may do, which events it
//! wants. Never: answers a call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_base::Uuid;
use ostler_rpc::connection::{Connection, SocketKind};

use crate::auth::Way;
use crate::callbacks::Callbacks;
use crate::sasl::Conversation;

/// A client's session.
#[derive(Debug)]
pub struct Session {
    connection: Arc<Connection>,
    way: Way,
    authenticated: AtomicBool,
    read_only: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The URI that it opened, while it is open.
    uri: Option<String>,
    callbacks: Callbacks,
    /// Runs of guests that end with it, by UUID and id.
    runs: Vec<(Uuid, i32)>,
    /// It has gone.
    gone: bool,
    /// The name that SASL knows it by.
    user: Option<String>,
    /// What it is saying to prove that.
    conversation: Option<Conversation>,
}

impl Session {
    /// A session that has not opened anything yet, of a client that has to go this way first.
    pub fn new(connection: Arc<Connection>, way: Way) -> Self {
        let read_only = AtomicBool::new(connection.socket() == SocketKind::ReadOnly);
        let authenticated = AtomicBool::new(way == Way::None);
        Session { connection, way, authenticated, read_only, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What it has to do, or had to, before it may call anything else.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Whether it has done that.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Acquire)
    }

    /// It has done that. `false`: it had before.
    pub(crate) fn authenticate(&self) -> bool {
        !self.authenticated.swap(true, Ordering::AcqRel)
    }

    /// The name that SASL knows it by.
    pub fn user(&self) -> Option<String> {
        self.state().user.clone()
    }

    /// SASL knows it by this name.
    pub fn set_user(&self, user: String) {
        self.state().user = Some(user);
    }

    /// What it is saying to prove who it is goes on with its next call; an earlier one ends.
    pub fn keep_conversation(&self, conversation: Conversation) {
        self.state().conversation = Some(conversation);
    }

    /// What it is saying to prove who it is.
    pub fn take_conversation(&self) -> Option<Conversation> {
        self.state().conversation.take()
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
        let mut state = self.state();
        state.uri = None;
        state.callbacks = Callbacks::default();
    }

    /// A run of a guest is to end with it. `false`: it has gone already.
    pub fn owns(&self, uuid: Uuid, id: i32) -> bool {
        let mut state = self.state();
        if !state.gone {
            state.runs.push((uuid, id));
        }
        !state.gone
    }

    /// It has gone; the runs that end with it.
    pub fn leave(&self) -> Vec<(Uuid, i32)> {
        let mut state = self.state();
        state.gone = true;
        std::mem::take(&mut state.runs)
    }

    /// Looks at or changes which events it wants.
    pub fn with_callbacks<T>(&self, work: impl FnOnce(&mut Callbacks) -> T) -> T {
        work(&mut self.state().callbacks)
    }
}
