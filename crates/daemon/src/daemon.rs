//! The daemon as its handlers see it.
//!
//! Owns: what all clients share. Never: opens a socket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use ostler_engine::Engine;
use ostler_host::node::Node;
use ostler_rpc::connection::SocketKind;
use ostler_rpc::tls::ServerTls;
use tokio::sync::{Notify, watch};

use crate::access::Rules;
use crate::callbacks::Numbers;
use crate::capabilities::Known;
use crate::config::Config;
use crate::emulator::Emulator;
use crate::layout::Layout;
use crate::roster::Roster;
use crate::session::Session;
use crate::workers::Bounds;

/// What all clients share.
#[derive(Debug)]
pub struct Daemon {
    /// Where its files lie.
    pub layout: Layout,
    /// The clients of the programs that are about guests and the host.
    pub clients: Arc<Roster>,
    /// The clients of the administration program.
    pub administrators: Arc<Roster>,
    /// Its settings, as they were read last.
    config: RwLock<Arc<Config>>,
    /// Seconds without a client after which it ends; 0: it does not.
    timeout: watch::Sender<u32>,
    /// TLS, where it is served.
    tls: OnceLock<ServerTls>,
    /// Who may do what, where that is ruled.
    rules: RwLock<Option<Arc<Rules>>>,
    /// Told when it is to end.
    end: Notify,
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
}

impl Daemon {
    /// A daemon without clients.
    pub fn new(layout: Layout, config: Config, engine: Engine) -> Self {
        let workers =
            Bounds { min: config.min_workers, max: config.max_workers, urgent: config.prio_workers };
        let admin = Bounds { min: config.admin_min_workers, max: config.admin_max_workers, urgent: 0 };
        Daemon {
            layout,
            clients: Arc::new(Roster::new(
                "libvirtd",
                config.max_clients,
                config.max_anonymous_clients,
                workers,
            )),
            administrators: Arc::new(Roster::new("admin", config.admin_max_clients, 0, admin)),
            config: RwLock::new(Arc::new(config)),
            timeout: watch::Sender::new(0),
            tls: OnceLock::new(),
            rules: RwLock::default(),
            end: Notify::new(),
            emulator: Emulator::default(),
            engine: Arc::new(engine),
            node: Node::default(),
            known: Known::default(),
            numbers: Numbers::default(),
            listeners: Mutex::default(),
        }
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings, as they were read last.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these settings count.
    pub fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// The rules of access, where there are any.
    pub fn rules(&self) -> Option<Arc<Rules>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these rules count.
    pub fn set_rules(&self, rules: Option<Rules>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules.map(Arc::new);
    }

    /// TLS is served.
    pub fn use_tls(&self, tls: ServerTls) {
        // Where it was before, it stays: it is set once, at the start.
        let _ = self.tls.set(tls);
    }

    /// TLS, where it is served.
    pub fn tls(&self) -> Option<&ServerTls> {
        self.tls.get()
    }

    /// The server that a client of such a socket belongs to.
    pub fn roster(&self, socket: SocketKind) -> &Roster {
        match socket {
            SocketKind::Admin => &self.administrators,
            _ => &self.clients,
        }
    }

    /// The servers, in the order of their names.
    pub fn rosters(&self) -> [&Roster; 2] {
        [&self.administrators, &self.clients]
    }

    /// A client has come.
    pub fn arrived(&self, session: &Arc<Session>) {
        self.roster(session.connection().socket()).add(session);
    }

    /// A client has gone.
    pub fn gone(&self, session: &Session) {
        let connection = session.connection();
        if connection.socket() != SocketKind::Admin {
            self.listeners().remove(&connection.id());
        }
        self.roster(connection.socket()).remove(session);
    }

    /// A client wants events; it is remembered until it goes.
    pub fn listens(&self, session: &Arc<Session>) {
        self.listeners().insert(session.connection().id(), session.clone());
    }

    /// The clients that want events.
    pub fn listening(&self) -> Vec<Arc<Session>> {
        self.listeners().values().cloned().collect()
    }

    /// Seconds without a client after which the daemon ends, and how that changes; 0: it does not.
    pub fn timeout(&self) -> watch::Receiver<u32> {
        self.timeout.subscribe()
    }

    /// Sets after how many seconds without a client the daemon ends; 0: it does not.
    pub fn set_timeout(&self, seconds: u32) {
        self.timeout.send_replace(seconds);
    }

    /// Asks the daemon to end.
    pub fn stop(&self) {
        self.end.notify_one();
    }

    /// Waits until the daemon is to end.
    pub async fn stopped(&self) {
        self.end.notified().await;
    }
}
