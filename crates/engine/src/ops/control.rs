//! Suspend, resume, shut down, reboot, reset: what the monitor does in one command.

use std::sync::Arc;

use ostler_base::{Result, refuse};

use crate::domain::status::{Paused, Running, Status};
use crate::domain::{Guest, Job};
use crate::engine::Engine;

impl Engine {
    /// Stops the processors. A guest that stands still already stays as it is.
    pub async fn suspend(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Suspend, "remoteDispatchDomainSuspend").await?;
        let link = guest.link()?;
        match guest.view().status {
            Status::PmSuspended => refuse!(operation_invalid, "domain is pmsuspended"),
            Status::Paused(_) => return Ok(()),
            _ => {}
        }
        guest.update(|state| state.run.pausing = Some(Paused::User));
        let answer = link.monitor.command("stop", None).await;
        self.turn(guest, |run| {
            run.pausing = None;
            if answer.is_ok() { run.paused(Paused::User) } else { Vec::new() }
        });
        answer.map_err(|error| error.of_guest(&guest.view().name))?;
        self.persist(guest).await;
        Ok(())
    }

    /// Lets the processors run.
    pub async fn resume(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Suspend, "remoteDispatchDomainResume").await?;
        guest.link()?;
        match guest.view().status {
            Status::PmSuspended => refuse!(operation_invalid, "domain is pmsuspended"),
            Status::Running(_) => refuse!(operation_invalid, "domain is already running"),
            Status::Paused(_) | Status::Crashed(_) => {
                self.run_processors(guest, Running::Unpaused).await?;
                self.persist(guest).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lets the processors run, for this reason, and tells of it. The caller writes the status file.
    pub(crate) async fn run_processors(&self, guest: &Arc<Guest>, why: Running) -> Result<()> {
        let link = guest.link()?;
        guest.update(|state| state.run.resuming = Some(why));
        let answer = link.monitor.command("cont", None).await;
        self.turn(guest, |run| {
            run.resuming = None;
            if answer.is_ok() { run.resumed(why) } else { Vec::new() }
        });
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
    }

    /// Presses the power button.
    pub async fn shutdown(&self, guest: &Arc<Guest>) -> Result<()> {
        self.press(guest, "remoteDispatchDomainShutdown", false).await
    }

    /// Presses the power button, and starts the guest anew when it has shut down.
    pub async fn reboot(&self, guest: &Arc<Guest>) -> Result<()> {
        self.press(guest, "remoteDispatchDomainReboot", true).await
    }

    async fn press(&self, guest: &Arc<Guest>, api: &'static str, rebooting: bool) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, api).await?;
        let link = guest.link()?;
        let before = guest.update(|state| std::mem::replace(&mut state.run.rebooting, rebooting));
        if before != rebooting {
            self.persist(guest).await;
        }
        let answer = link.monitor.command("system_powerdown", None).await;
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
    }

    /// Resets the machine as its button would.
    pub async fn reset(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainReset").await?;
        let link = guest.link()?;
        let answer = link.monitor.command("system_reset", None).await;
        answer.map_err(|error| error.of_guest(&guest.view().name))?;
        guest.update(|state| {
            state.run.rebooting = false;
            if matches!(state.run.status, Status::Crashed(_)) {
                state.run.status = Status::Paused(Paused::Crashed);
            }
        });
        Ok(())
    }
}
