//! Who waits for a guest to let go of a device.
//!
//! Owns: the waiting. Never: what follows when a device is gone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Devices that somebody waits for, by alias.
#[derive(Debug, Default)]
pub(crate) struct Unplugs(Mutex<HashMap<String, oneshot::Sender<bool>>>);

impl Unplugs {
    fn all(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait: true when the device is gone, false when the guest refuses.
    pub(crate) fn expect(&self, alias: &str) -> oneshot::Receiver<bool> {
        let (done, waiting) = oneshot::channel();
        self.all().insert(alias.to_owned(), done);
        waiting
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self, alias: &str) {
        self.all().remove(alias);
    }

    /// The device is gone, or stays; whether somebody waited for that.
    pub(crate) fn settle(&self, alias: &str, gone: bool) -> bool {
        self.all().remove(alias).is_some_and(|done| done.send(gone).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let unplugs = Unplugs::default();
        let waiting = unplugs.expect("a");
        assert!(!unplugs.settle("b", true));
        assert!(unplugs.settle("a", true));
        assert_eq!(waiting.await, Ok(true));
        let late = unplugs.expect("a");
        unplugs.forget("a");
        assert!(!unplugs.settle("a", false));
        assert!(late.await.is_err());
    }
}
