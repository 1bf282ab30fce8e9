//! Learning the addresses of guests from what the host's kernel learns of its neighbours.
//!
//! Owns: the one thread that listens, while anybody waits for an address. Never: reads packets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ostler_base::{Error, MacAddr, Result};
use ostler_host::net::Neighbours;

use super::{Filters, Inner};

/// Who waits for the address of which hardware address.
#[derive(Debug, Default)]
pub(super) struct Learner(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<String, MacAddr>,
    listens: bool,
}

impl Learner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, tells `filters` when the address of an interface's guest is known.
    pub(super) fn wait_for(&self, filters: &Filters, port: &str, mac: MacAddr) -> Result<()> {
        let mut state = self.state();
        state.waiting.insert(port.to_owned(), mac);
        if state.listens {
            return Ok(());
        }
        let neighbours = Neighbours::listen()?;
        let inner = Arc::downgrade(&filters.0);
        let thread = std::thread::Builder::new().name("neighbours".to_owned());
        let started = thread.spawn(move || listen(&inner, &neighbours));
        started.map_err(|error| Error::system(format!("cannot start a thread: {error}")))?;
        state.listens = true;
        Ok(())
    }

    /// Nobody waits for this interface any more.
    pub(super) fn forget(&self, port: &str) {
        self.state().waiting.remove(port);
    }

    /// The interfaces that wait for this hardware address; they wait no more.
    fn take(&self, mac: MacAddr) -> Vec<String> {
        let mut state = self.state();
        let ports: Vec<String> = state
            .waiting
            .iter()
            .filter(|(_, wanted)| **wanted == mac)
            .map(|(port, _)| port.clone())
            .collect();
        state.waiting.retain(|_, wanted| *wanted != mac);
        ports
    }
}

fn listen(inner: &Weak<Inner>, neighbours: &Neighbours) {
    loop {
        let heard = match neighbours.next() {
            Ok(heard) => heard,
            Err(error) => {
                tracing::error!(%error, "addresses of guests are not learnt any more");
                break;
            }
        };
        let Some(inner) = inner.upgrade() else { break };
        let filters = Filters(inner);
        for (mac, address) in heard.into_iter().filter(|(_, address)| address.is_ipv4()) {
            for port in filters.0.learner.take(mac) {
                filters.learnt(&port, &address.to_string());
            }
        }
    }
}
