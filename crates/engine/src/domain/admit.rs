//! Which call may start while others run.
//!
//! Owns: the one rule, and the gate that applies it. The rule is pure and its test holds the whole
//! matrix. Never: knows what a call does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ostler_base::{Code, Error, Origin, Result};
use tokio::sync::Notify;

use super::guest::Guest;

/// How long a call waits for its turn, as in the reference.
const PATIENCE: Duration = Duration::from_secs(30);

/// What kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Asks the emulator and changes nothing.
    Query,
    /// Ends the guest.
    Destroy,
    /// Stops or continues the processors.
    Suspend,
    /// Changes the guest or its definition.
    Modify,
    /// Brings the guest up; takes long.
    Start,
    /// Saves or dumps the guest; takes long, and the guest can be asked meanwhile.
    Long,
}

/// The answer of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may start.
    Run,
    /// Not yet.
    Wait,
}

/// Whether a call may start while another runs.
///
/// Ending a guest never waits: whoever hangs, hangs on the emulator that it ends. Everything else
/// takes turns.
pub fn admit(job: Job, running: Option<Job>) -> Admission {
    match (job, running) {
        (_, None) => Admission::Run,
        (Job::Destroy, Some(Job::Query | Job::Suspend | Job::Modify | Job::Start | Job::Long)) => {
            Admission::Run
        }
        (Job::Query, Some(Job::Long)) => Admission::Run,
        (Job::Destroy, Some(Job::Destroy)) => Admission::Wait,
        (Job::Query | Job::Suspend | Job::Modify | Job::Start | Job::Long, Some(_)) => Admission::Wait,
    }
}

#[derive(Debug, Default)]
struct Turns {
    turn: Option<(Job, &'static str)>,
    /// How many ask beside a long call.
    askers: usize,
    destroyer: bool,
}

/// Where a call has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Turn,
    Asker,
    Destroyer,
}

/// The gate of one guest.
#[derive(Debug, Default)]
pub struct Gate {
    turns: Mutex<Turns>,
    left: Notify,
}

/// The right to go on; given back when dropped.
#[derive(Debug)]
pub struct Pass<'g> {
    gate: &'g Gate,
    place: Place,
}

/// The same, with a guest that it belongs to.
#[derive(Debug)]
pub struct OwnedPass {
    guest: Arc<Guest>,
    place: Place,
}

impl Gate {
    /// Waits for the turn of a call, as [`Gate::enter`] does, at the gate of a guest.
    pub async fn enter_owned(guest: &Arc<Guest>, job: Job, api: &'static str) -> Result<OwnedPass> {
        let pass = guest.gate.enter(job, api).await?;
        let place = pass.place;
        // The right is not given back, it moves.
        std::mem::forget(pass);
        Ok(OwnedPass { guest: Arc::clone(guest), place })
    }

    fn leave(&self, place: Place) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        match place {
            Place::Turn => turns.turn = None,
            Place::Asker => turns.askers = turns.askers.saturating_sub(1),
            Place::Destroyer => turns.destroyer = false,
        }
        drop(turns);
        self.left.notify_waiters();
    }

    /// Waits for the turn of a call, named `api` in the message of others that wait in vain.
    pub async fn enter(&self, job: Job, api: &'static str) -> Result<Pass<'_>> {
        let mut holder = "none";
        let turn = async {
            loop {
                let left = self.left.notified();
                tokio::pin!(left);
                left.as_mut().enable();
                match self.try_enter(job, api) {
                    Ok(pass) => return pass,
                    Err(api) => holder = api,
                }
                left.await;
            }
        };
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(pass) => Ok(pass),
            Err(_) => Err(Error::new(
                Code::OperationTimeout,
                Origin::Qemu,
                format!("cannot acquire state change lock (held by monitor={holder})"),
            )),
        }
    }

    fn try_enter(&self, job: Job, api: &'static str) -> Result<Pass<'_>, &'static str> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let running = if turns.destroyer { Some(Job::Destroy) } else { turns.turn.map(|(job, _)| job) };
        if admit(job, running) == Admission::Wait {
            return Err(turns.turn.map_or("remoteDispatchDomainDestroy", |(_, api)| api));
        }
        let place = match (job, turns.turn.is_some()) {
            (Job::Destroy, _) => Place::Destroyer,
            (_, true) => Place::Asker,
            (_, false) => Place::Turn,
        };
        match place {
            Place::Turn => turns.turn = Some((job, api)),
            Place::Asker => turns.askers = turns.askers.saturating_add(1),
            Place::Destroyer => turns.destroyer = true,
        }
        Ok(Pass { gate: self, place })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.leave(self.place);
    }
}

impl Drop for OwnedPass {
    fn drop(&mut self) {
        self.guest.gate.leave(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_matrix() {
        use Job::*;
        let all = [Query, Destroy, Suspend, Modify, Start, Long];
        for job in all {
            assert_eq!(admit(job, None), Admission::Run);
            for running in all {
                let ends = job == Destroy && running != Destroy;
                let asks = job == Query && running == Long;
                let expected = if ends || asks { Admission::Run } else { Admission::Wait };
                assert_eq!(admit(job, Some(running)), expected, "{job:?} during {running:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_in_vain_names_the_holder() {
        let gate = Gate::default();
        let held = gate.enter(Job::Modify, "remoteDispatchDomainSetMemory").await.unwrap();
        let error = gate.enter(Job::Suspend, "x").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Timed out during operation: cannot acquire state change lock (held by monitor=remoteDispatchDomainSetMemory)"
        );
        let destroy = gate.enter(Job::Destroy, "d").await.unwrap();
        drop(held);
        assert!(gate.try_enter(Job::Query, "q").is_err());
        drop(destroy);
        assert!(gate.try_enter(Job::Query, "q").is_ok());
    }

    #[test]
    fn questions_beside_a_long_call_leave_its_turn_alone() {
        let gate = Gate::default();
        let long = gate.try_enter(Job::Long, "save").unwrap();
        let first = gate.try_enter(Job::Query, "q").unwrap();
        let second = gate.try_enter(Job::Query, "q").unwrap();
        drop(first);
        assert_eq!(gate.try_enter(Job::Modify, "m").err(), Some("save"));
        drop(second);
        drop(long);
        assert!(gate.try_enter(Job::Modify, "m").is_ok());
    }
}
