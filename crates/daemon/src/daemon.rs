//! The daemon as its handlers see it.
//!
//! Owns: what all clients share. Never: opens a socket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_engine::Engine;
use ostler_host::node::Node;
use tokio::sync::watch;

use crate::callbacks::Numbers;
use crate::capabilities::Known;
use crate::config::Config;
use crate::emulator::Emulator;
use crate::layout::Layout;
use crate::qemu_conf::QemuConf;
use crate::session::Session;

/// What all clients share.
#[derive(Debug)]
pub struct Daemon {
    /// Where its files lie.
    pub layout: Layout,
    /// Its settings.
    pub config: Config,
    /// What is known of the emulator that is used where a guest names none.
    pub emulator: Emulator,
    /// The guests.
    pub engine: Arc<Engine>,
    /// The host.
    pub node: Node,
    /// What is known of what it can do.
    pub known: Known,
    /// The numbers of event registrations.
    pub numbers: Numbers,
    /// Clients that want events.
    listeners: Mutex<HashMap<u64, Arc<Session>>>,
    /// How many clients there are.
    clients: watch::Sender<u32>,
}

impl Daemon {
    /// A daemon without clients.
    pub fn new(layout: Layout, config: Config, qemu: &QemuConf, engine: Engine) -> Self {
        Daemon {
            layout,
            config,
            emulator: Emulator::default(),
            engine: Arc::new(engine),
            node: Node::default(),
            known: Known::new(qemu),
            numbers: Numbers::default(),
            listeners: Mutex::default(),
            clients: watch::Sender::new(0),
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has come.
    pub fn arrived(&self) {
        self.clients.send_modify(|count| *count = count.saturating_add(1));
    }

    /// A client has gone.
    pub fn gone(&self, session: &Session) {
        self.listeners().remove(&session.connection().id());
        self.clients.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// A client wants events; it is remembered until it goes.
    pub fn listens(&self, session: &Arc<Session>) {
        self.listeners().insert(session.connection().id(), session.clone());
    }

    /// The clients that want events.
    pub fn listening(&self) -> Vec<Arc<Session>> {
        self.listeners().values().cloned().collect()
    }

    /// How many clients there are, and how that changes.
    pub fn clients(&self) -> watch::Receiver<u32> {
        self.clients.subscribe()
    }
}
