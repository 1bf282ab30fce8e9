//! The one owner of what is known of a guest.
//!
//! Owns: the state, changed in short synchronous steps, and the view that every step publishes.
//! Never: holds the state across a wait, or does IO.
//!
//! ```text
//! Off --start--> Starting --cont--> Live --destroy--> Stopping --exit--> Off
//!                    \--failure--> Off \--exit, shutdown-----------------^
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ostler_base::{Error, Origin, Result, Uuid};
use ostler_domain::run::{RunChange, RunRecord};
use ostler_host::Process;
use ostler_qmp::{Agent, Monitor};
use tokio::sync::watch;

use super::admit::Gate;
use super::events::{Effect, Run};
use super::jobs::Jobs;
use super::learn::Learnt;
use super::progress::JobBoard;
use super::status::{Shutoff, Status};
use super::unplug::Unplugs;
use super::view::{Definition, Shown, View};
use crate::console::InUse;
use crate::events::What;
use crate::ops::snapshot::Snapshots;
use crate::stats::Sampler;

/// What an operation on a running guest needs: no link, no talking to an emulator that is gone.
#[derive(Debug, Clone)]
pub struct Link {
    /// The monitor.
    pub monitor: Monitor,
    /// The emulator's process.
    pub process: Arc<Process>,
    /// Becomes true when everything of the run is cleaned up.
    pub gone: watch::Receiver<bool>,
}

/// Where a guest is in its life.
#[derive(Debug)]
pub enum Lifecycle {
    /// It does not run.
    Off,
    /// Its emulator is being started; the process once there is one.
    Starting(Option<Arc<Process>>),
    /// It runs.
    Live(Link),
    /// It is being ended.
    Stopping(Link),
}

/// All that is known of a guest.
#[derive(Debug)]
pub struct State {
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// What its processors do; the last word on it while it does not run.
    pub run: Run,
    /// What is kept of the run besides.
    pub record: Option<RunRecord>,
    /// What is published.
    pub view: View,
}

impl State {
    /// The run is over, or never began.
    pub fn end(&mut self, why: Shutoff) {
        self.lifecycle = Lifecycle::Off;
        self.run = Run { status: Status::Shutoff(why), ..Run::starting() };
        self.record = None;
        self.view.live = None;
        self.view.id = None;
        self.view.pid = None;
    }

    /// The definition of the run says something else from now on.
    pub fn edit(&mut self, changes: &[RunChange]) {
        if let Some(live) = self.view.live.as_ref().filter(|_| !changes.is_empty()) {
            self.view.live = Some(Shown::new(live.domain().changed(changes)));
        }
    }

    /// Takes note of what an emulator said of the run.
    pub(crate) fn learn(&mut self, learnt: &Learnt) {
        if let Some(record) = &mut self.record {
            record.vcpus.clone_from(&learnt.vcpus);
            record.devices.clone_from(&learnt.devices);
        }
        self.edit(&learnt.changes);
    }

    /// What an operation needs of a running guest.
    pub fn link(&self) -> Option<Link> {
        match &self.lifecycle {
            Lifecycle::Live(link) | Lifecycle::Stopping(link) => Some(link.clone()),
            Lifecycle::Off | Lifecycle::Starting(_) => None,
        }
    }
}

/// A guest.
#[derive(Debug)]
pub struct Guest {
    /// Its UUID; never changes.
    pub uuid: Uuid,
    /// Whose turn it is.
    pub gate: Gate,
    /// The connection to the agent in the guest, while there is one. Apart from everything that asks
    /// the emulator.
    pub(crate) agent: tokio::sync::Mutex<Option<Agent>>,
    /// Consoles and channels in use.
    pub(crate) consoles: InUse,
    /// What the emulator said of its counters.
    pub(crate) sampler: Arc<Sampler>,
    /// How far its long job is.
    pub jobs: JobBoard,
    /// Its snapshots, once somebody asked for them.
    pub(crate) snapshots: tokio::sync::Mutex<Option<Snapshots>>,
    /// Jobs of the emulator that somebody follows.
    pub(crate) block_jobs: Jobs,
    /// Who waits for the guest to let go of a device.
    pub(crate) unplugs: Unplugs,
    writing: Mutex<()>,
    state: Mutex<State>,
    view: RwLock<Arc<View>>,
}

impl Guest {
    /// A guest that has a definition on disk and does not run.
    pub fn defined(name: &str, uuid: Uuid, definition: Arc<Definition>, autostart: bool) -> Arc<Self> {
        Self::new(View { persistent: true, autostart, inactive: Some(definition), ..Self::blank(name, uuid) })
    }

    /// A guest that has nothing yet; its run is about to start.
    pub fn transient(name: &str, uuid: Uuid) -> Arc<Self> {
        Self::new(Self::blank(name, uuid))
    }

    fn blank(name: &str, uuid: Uuid) -> View {
        View {
            name: Arc::from(name),
            uuid,
            id: None,
            status: Status::Shutoff(Shutoff::Unknown),
            persistent: false,
            autostart: false,
            autostart_once: false,
            managed_save: false,
            pid: None,
            live: None,
            inactive: None,
        }
    }

    fn new(view: View) -> Arc<Self> {
        let run = Run { status: view.status, ..Run::starting() };
        Arc::new(Guest {
            uuid: view.uuid,
            gate: Gate::default(),
            agent: tokio::sync::Mutex::default(),
            consoles: InUse::default(),
            sampler: Arc::default(),
            jobs: JobBoard::default(),
            snapshots: tokio::sync::Mutex::default(),
            block_jobs: Jobs::default(),
            unplugs: Unplugs::default(),
            writing: Mutex::default(),
            view: RwLock::new(Arc::new(view.clone())),
            state: Mutex::new(State { lifecycle: Lifecycle::Off, run, record: None, view }),
        })
    }

    /// The guest as it is now. Never waits for anybody but a reader or writer of one pointer.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and publishes the view that follows.
    pub fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        self.change(change, |_, result| result)
    }

    /// Changes what the processors do and tells of it at once, so that events go out in the order of
    /// changes whoever makes them; what else must follow is returned.
    pub(crate) fn turn(
        &self,
        change: impl FnOnce(&mut Run) -> Vec<Effect>,
        mut tell: impl FnMut(&View, What),
    ) -> Vec<Effect> {
        self.change(
            |state| {
                let mut effects = change(&mut state.run);
                effects.retain(|effect| match effect {
                    Effect::Change(change) => {
                        state.edit(std::slice::from_ref(change));
                        false
                    }
                    _ => true,
                });
                effects
            },
            |view, effects| {
                let rest = effects.into_iter().filter_map(|effect| match effect {
                    Effect::Tell(what) => {
                        tell(view, what);
                        None
                    }
                    other => Some(other),
                });
                rest.collect()
            },
        )
    }

    /// Changes the state, publishes the view, then looks at it with the state still held.
    fn change<T, R>(&self, change: impl FnOnce(&mut State) -> T, look: impl FnOnce(&View, T) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        state.view.status = state.run.status;
        let view = Arc::new(state.view.clone());
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&view);
        look(&view, result)
    }

    /// Looks at the state.
    pub fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What an operation on a running guest needs; refuses where it does not run.
    pub fn link(&self) -> Result<Link> {
        self.look(State::link).ok_or_else(not_running)
    }

    /// The right to write or remove the status file. To be held on threads that may block only.
    pub(crate) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error for what needs a running guest.
pub fn not_running() -> Error {
    Error::operation_invalid("domain is not running").from_origin(Origin::Domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::Running;

    #[test]
    fn views_are_pictures() {
        let guest = Guest::transient("a", Uuid([1; 16]));
        let before = guest.view();
        guest.update(|state| {
            state.view.id = Some(3);
            state.run.status = Status::Running(Running::Booted);
        });
        assert_eq!(before.id, None);
        assert_eq!(guest.view().id, Some(3));
        assert_eq!(guest.view().status, Status::Running(Running::Booted));
        assert_eq!(
            guest.link().unwrap_err().to_string(),
            "Requested operation is not valid: domain is not running"
        );
        guest.update(|state| state.end(Shutoff::Destroyed));
        assert_eq!(guest.view().status.numbers(), (5, 2));
        assert!(!guest.view().is_active());
    }
}
