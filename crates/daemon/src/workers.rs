//! How many calls that wait may go on at the same time on a server of the daemon.
//!
//! Owns: the places for them, and who gets the next one. Never: runs a call.
//!
//! A call that is answered at once takes no place. Urgent calls have places of their own besides:
//! where every other place is taken by calls that wait for a guest, they still go on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use tokio::sync::oneshot;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// As many stand ready: this is told, nothing is spent on it.
    pub min: u32,
    /// The most calls.
    pub max: u32,
    /// The most urgent calls besides.
    pub urgent: u32,
}

/// How the places are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Calls that go on in ordinary places.
    pub busy: u32,
    /// Calls that wait for a place.
    pub waiting: u32,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Ordinary,
    Urgent,
}

#[derive(Debug)]
struct State {
    bounds: Bounds,
    busy: u32,
    urgent: u32,
    waiting: VecDeque<(bool, oneshot::Sender<Worker>)>,
}

impl State {
    /// Takes a free place.
    fn take(&mut self, urgent: bool) -> Option<Place> {
        if self.busy < self.bounds.max.max(1) {
            self.busy += 1;
            Some(Place::Ordinary)
        } else if urgent && self.urgent < self.bounds.urgent {
            self.urgent += 1;
            Some(Place::Urgent)
        } else {
            None
        }
    }

    fn give_back(&mut self, place: Place) {
        match place {
            Place::Ordinary => self.busy = self.busy.saturating_sub(1),
            Place::Urgent => self.urgent = self.urgent.saturating_sub(1),
        }
    }
}

/// The places of one server.
#[derive(Debug)]
pub struct Workers(Mutex<State>);

/// A place, for as long as it is kept.
#[derive(Debug)]
pub struct Worker {
    workers: Option<Arc<Workers>>,
    place: Place,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.lock().give_back(self.place);
            workers.hand_on();
        }
    }
}

impl Workers {
    /// Places by these bounds.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        let state = State { bounds, busy: 0, urgent: 0, waiting: VecDeque::new() };
        Arc::new(Workers(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place.
    pub async fn take(self: &Arc<Self>, urgent: bool) -> Worker {
        loop {
            let turn = {
                let mut state = self.lock();
                if let Some(place) = state.take(urgent) {
                    return self.worker(place);
                }
                let (sender, turn) = oneshot::channel();
                state.waiting.push_back((urgent, sender));
                turn
            };
            // The other end is kept until a place is found for it.
            if let Ok(worker) = turn.await {
                return worker;
            }
        }
    }

    fn worker(self: &Arc<Self>, place: Place) -> Worker {
        Worker { workers: Some(self.clone()), place }
    }

    /// Gives free places to those who wait, in their order; who no longer waits is passed over.
    fn hand_on(self: &Arc<Self>) {
        let mut state = self.lock();
        let mut at = 0;
        while let Some(urgent) = state.waiting.get(at).map(|(urgent, _)| *urgent) {
            let Some(place) = state.take(urgent) else {
                at += 1;
                continue;
            };
            let Some((_, sender)) = state.waiting.remove(at) else { return };
            if let Err(mut unwanted) = sender.send(self.worker(place)) {
                unwanted.workers = None;
                state.give_back(place);
            }
        }
    }

    /// The bounds.
    pub fn bounds(&self) -> Bounds {
        self.lock().bounds
    }

    /// How the places are used.
    pub fn usage(&self) -> Usage {
        let state = self.lock();
        Usage { busy: state.busy, waiting: u32::try_from(state.waiting.len()).unwrap_or(u32::MAX) }
    }

    /// Sets the bounds. Calls that go on keep their places.
    pub fn set(self: &Arc<Self>, bounds: Bounds) -> Result<()> {
        if bounds.min > bounds.max {
            let text = "minWorkers cannot be larger than maxWorkers";
            return Err(Error::new(Code::InvalidArg, Origin::None, text));
        }
        self.lock().bounds = bounds;
        self.hand_on();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BOUNDS: Bounds = Bounds { min: 1, max: 2, urgent: 1 };

    async fn soon<T>(work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(50), work).await.ok()
    }

    #[tokio::test]
    async fn urgent_calls_have_places_of_their_own() {
        let workers = Workers::new(BOUNDS);
        let first = workers.take(false).await;
        let _second = workers.take(true).await;
        assert!(soon(workers.take(false)).await.is_none());
        let _urgent = soon(workers.take(true)).await.unwrap();
        assert!(soon(workers.take(true)).await.is_none());
        let waiting = tokio::spawn({
            let workers = workers.clone();
            async move { workers.take(false).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        // Those who gave up are still in the queue, and are passed over.
        drop(first);
        let third = soon(waiting).await.unwrap().unwrap();
        assert_eq!(workers.usage(), Usage { busy: 2, waiting: 0 });
        drop(third);
        assert_eq!(workers.usage().busy, 1);
    }

    #[tokio::test]
    async fn more_places_are_used_at_once() {
        let workers = Workers::new(BOUNDS);
        let _kept = (workers.take(false).await, workers.take(false).await);
        let waiting = tokio::spawn({
            let workers = workers.clone();
            async move { workers.take(false).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(workers.usage(), Usage { busy: 2, waiting: 1 });
        workers.set(Bounds { max: 3, ..BOUNDS }).unwrap();
        assert!(soon(waiting).await.is_some());
        let error = workers.set(Bounds { min: 9, ..BOUNDS }).unwrap_err();
        assert_eq!(error.to_string(), "invalid argument: minWorkers cannot be larger than maxWorkers");
    }
}
