//! Watching over the rules of networks.
//!
//! Owns: the one thread that hears of removals. Never: puts rules in itself.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ostler_host::net::RulesWatch;

use super::{Backend, Inner, Networks};

/// How long a reload of somebody else's rules may take, so that ours come after it.
const RELOAD: Duration = Duration::from_millis(200);

impl Networks {
    /// From now on, rules that somebody takes away are put in again.
    pub(super) fn guard(&self) {
        if self.0.setup.backend != Backend::Nftables {
            return;
        }
        let inner = Arc::downgrade(&self.0);
        let watching = RulesWatch::listen().and_then(|watch| {
            let thread = std::thread::Builder::new().name("rules".to_owned());
            let started = thread.spawn(move || listen(&inner, &watch));
            started
                .map(drop)
                .map_err(|error| ostler_base::Error::system(format!("cannot start a thread: {error}")))
        });
        if let Err(error) = watching {
            tracing::debug!(%error, "rules of the packet filter are not watched");
        }
    }
}

fn listen(inner: &Weak<Inner>, watch: &RulesWatch) {
    loop {
        match watch.next() {
            Ok(false) => continue,
            Ok(true) => {}
            Err(error) => {
                tracing::error!(%error, "rules of the packet filter are not watched any more");
                return;
            }
        }
        // Whoever removes rules is likely to have more to say.
        std::thread::sleep(RELOAD);
        if let Err(error) = watch.drain() {
            tracing::debug!(%error, "passed over");
        }
        let Some(inner) = inner.upgrade() else { return };
        Networks(inner).mend_all();
    }
}
