//! Which call may start while others run.
//!
//! Owns: the one rule, and the gate that applies it. The rule is pure and its test holds the whole
//! matrix. Never: knows what a call does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ostler_base::{Code, Error, Origin, Result};
use tokio::sync::Notify;

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
        (Job::Destroy, Some(Job::Query | Job::Suspend | Job::Modify | Job::Start)) => Admission::Run,
        (Job::Destroy, Some(Job::Destroy)) => Admission::Wait,
        (Job::Query | Job::Suspend | Job::Modify | Job::Start, Some(_)) => Admission::Wait,
    }
}

#[derive(Debug, Default)]
struct Turns {
    turn: Option<(Job, &'static str)>,
    destroyer: bool,
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
    beside: bool,
}

impl Gate {
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
        let beside = turns.turn.is_some();
        if beside {
            turns.destroyer = true;
        } else {
            turns.turn = Some((job, api));
        }
        Ok(Pass { gate: self, beside })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut turns = self.gate.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if self.beside {
            turns.destroyer = false;
        } else {
            turns.turn = None;
        }
        drop(turns);
        self.gate.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_matrix() {
        use Job::*;
        let all = [Query, Destroy, Suspend, Modify, Start];
        for job in all {
            assert_eq!(admit(job, None), Admission::Run);
            for running in all {
                let expected =
                    if job == Destroy && running != Destroy { Admission::Run } else { Admission::Wait };
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
}
