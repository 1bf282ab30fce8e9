//! Jobs of an emulator that somebody follows.
//!
//! Owns: who is told of a job's state. Never: knows what a job does.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Those who follow jobs, by the names of these.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<HashMap<String, watch::Sender<String>>>);

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, the state of a job, in the emulator's words; empty until it is told.
    pub fn follow(&self, name: &str) -> watch::Receiver<String> {
        let (sender, receiver) = watch::channel(String::new());
        self.lock().insert(name.to_owned(), sender);
        receiver
    }

    /// The state of a job that somebody follows already; the sender goes when that one lets go.
    pub fn again(&self, name: &str) -> Option<watch::Receiver<String>> {
        self.lock().get(name).map(watch::Sender::subscribe)
    }

    /// Tells of a state. A job that somebody waits for stays concluded until it is forgotten.
    pub fn tell(&self, name: &str, state: &str) {
        if let Some(sender) = self.lock().get(name) {
            sender.send_if_modified(|known| {
                let changed = known != state && !(known == "concluded" && state == "null");
                if changed {
                    state.clone_into(known);
                }
                changed
            });
        }
    }

    /// Nobody follows it any more.
    pub fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// The run is over: whoever waits is told so.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_stays() {
        let jobs = Jobs::default();
        let job = jobs.follow("a");
        for state in ["created", "running", "concluded", "null"] {
            jobs.tell("a", state);
        }
        assert_eq!(*job.borrow(), "concluded");
        jobs.clear();
        assert!(job.has_changed().is_err());
    }
}
