//! The clients of one server of the daemon, and how many there may be.
//!
//! Owns: who is here, the limits, and when another may come. Never: speaks to a client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use tokio::sync::watch;

use crate::session::Session;
use crate::workers::{Bounds, Workers};

/// How many clients there are and may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Clients that are here.
    pub all: u32,
    /// Those of them that have yet to say who they are.
    pub anonymous: u32,
    /// The most clients.
    pub most: u32,
    /// The most of those that have yet to say who they are; 0: no limit of their own.
    pub most_anonymous: u32,
}

impl Counts {
    /// Whether another may come.
    pub fn room(self) -> bool {
        self.all < self.most.max(1) && (self.most_anonymous == 0 || self.anonymous < self.most_anonymous)
    }
}

/// Somebody who has come and is not let in yet; counted until this is dropped.
#[derive(Debug)]
pub struct Arriving(Arc<Roster>);

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| {
            counts.all = counts.all.saturating_sub(1);
            counts.anonymous = counts.anonymous.saturating_sub(1);
        });
    }
}

/// The clients of one server.
#[derive(Debug)]
pub struct Roster {
    /// The server's name.
    pub name: &'static str,
    /// Places for calls that wait.
    pub workers: Arc<Workers>,
    clients: Mutex<BTreeMap<u64, Arc<Session>>>,
    counts: watch::Sender<Counts>,
}

impl Roster {
    /// A server without clients.
    pub fn new(name: &'static str, most: u32, most_anonymous: u32, workers: Bounds) -> Self {
        Roster {
            name,
            workers: Workers::new(workers),
            clients: Mutex::default(),
            counts: watch::Sender::new(Counts { all: 0, anonymous: 0, most, most_anonymous }),
        }
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Session>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has come.
    pub fn add(&self, session: &Arc<Session>) {
        let anonymous = u32::from(!session.is_authenticated());
        self.clients().insert(session.connection().id(), session.clone());
        self.counts.send_modify(|counts| {
            counts.all = counts.all.saturating_add(1);
            counts.anonymous = counts.anonymous.saturating_add(anonymous);
        });
    }

    /// Somebody has come who is not let in yet.
    pub fn arriving(self: &Arc<Self>) -> Arriving {
        self.counts.send_modify(|counts| {
            counts.all = counts.all.saturating_add(1);
            counts.anonymous = counts.anonymous.saturating_add(1);
        });
        Arriving(self.clone())
    }

    /// A client has said who it is.
    pub fn known(&self, session: &Session) {
        if session.authenticate() {
            self.counts.send_modify(|counts| counts.anonymous = counts.anonymous.saturating_sub(1));
        }
    }

    /// A client has gone.
    pub fn remove(&self, session: &Session) {
        if self.clients().remove(&session.connection().id()).is_some() {
            self.known(session);
            self.counts.send_modify(|counts| counts.all = counts.all.saturating_sub(1));
        }
    }

    /// Every client, in the order of their coming.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.clients().values().cloned().collect()
    }

    /// A client by its number.
    pub fn client(&self, id: u64) -> Result<Arc<Session>> {
        self.clients().get(&id).cloned().ok_or_else(|| {
            Error::new(Code::NoClient, Origin::Rpc, format!("No client with matching ID '{id}'"))
        })
    }

    /// How many clients there are and may be, and how that changes.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    /// Sets how many there may be; who is here stays.
    pub fn set_limits(&self, most: Option<u32>, most_anonymous: Option<u32>) -> Result<()> {
        let now = *self.counts.borrow();
        let (most, most_anonymous) = (most.unwrap_or(now.most), most_anonymous.unwrap_or(now.most_anonymous));
        if most < most_anonymous {
            let text = "The overall maximum number of clients must not be less than the number of clients waiting for authentication";
            return Err(Error::new(Code::InvalidArg, Origin::Rpc, text));
        }
        self.counts.send_modify(|counts| {
            counts.most = most;
            counts.most_anonymous = most_anonymous;
        });
        Ok(())
    }
}
