//! Suspend, resume, shut down, reboot, reset: what the monitor does in one command.

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Origin, Result, Word, refuse};
use ostler_domain::Domain;
use ostler_domain::sections::lifecycle::{CrashAction, EndAction};

use super::targets::Targets;

use crate::domain::guest::not_running;
use crate::domain::status::{Paused, Running, Status};
use crate::domain::{Guest, Job};
use crate::engine::Engine;

impl Engine {
    /// Stops the processors. A guest that stands still already stays as it is.
    pub async fn suspend(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Suspend, "remoteDispatchDomainSuspend").await?;
        guest.link()?;
        match guest.view().status {
            Status::PmSuspended => refuse!(operation_invalid, "domain is pmsuspended"),
            Status::Paused(_) => return Ok(()),
            _ => {}
        }
        self.pause(guest, Paused::User).await?;
        self.persist(guest).await;
        Ok(())
    }

    /// Stops the processors, for this reason, and tells of it. The caller writes the status file.
    pub(crate) async fn pause(&self, guest: &Arc<Guest>, why: Paused) -> Result<()> {
        let link = guest.link()?;
        guest.update(|state| state.run.pausing = Some(why));
        let answer = link.monitor.command("stop", None).await;
        self.turn(guest, |run| {
            run.pausing = None;
            if answer.is_ok() { run.paused(why) } else { Vec::new() }
        });
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
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
        if !guest.view().is_active() {
            // The one call whose refusal comes from here.
            return Err(not_running().from_origin(Origin::Qemu));
        }
        self.press(guest, "remoteDispatchDomainShutdown", false).await
    }

    /// Presses the power button, and starts the guest anew when it has shut down.
    pub async fn reboot(&self, guest: &Arc<Guest>) -> Result<()> {
        self.press(guest, "remoteDispatchDomainReboot", true).await
    }

    async fn press(&self, guest: &Arc<Guest>, api: &'static str, rebooting: bool) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, api).await?;
        let link = guest.link()?;
        let live = guest.view().live.clone();
        // A guest that ends when it reboots has no use for half a reboot.
        let rebooting = rebooting && !live.is_some_and(|live| ends_at_reboot(live.domain()));
        let before = guest.update(|state| std::mem::replace(&mut state.run.rebooting, rebooting));
        if before != rebooting {
            self.persist(guest).await;
        }
        let answer = link.monitor.command("system_powerdown", None).await;
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
    }

    /// Interrupts the guest in a way that it cannot mask.
    pub async fn inject_nmi(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainInjectNMI").await?;
        let answer = guest.link()?.monitor.command("inject-nmi", None).await;
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
    }

    /// Wakes a guest that put itself to sleep.
    pub async fn wake_up(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainPMWakeup").await?;
        let answer = guest.link()?.monitor.command("system_wakeup", None).await;
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
    }

    /// Changes what is done when the guest ends by itself.
    pub async fn set_end(&self, guest: &Arc<Guest>, end: End, action: CrashAction, flags: u32) -> Result<()> {
        let plain = EndAction::parse(action.as_str());
        if end != End::Crash && plain.is_none() {
            let event = if end == End::Reboot { "reboot" } else { "poweroff" };
            let text = format!("Lifecycle event '{event}' doesn't support '{action}' action");
            return Err(Error::unsupported(text).from_origin(Origin::Domain));
        }
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetLifecycleAction").await?;
        let targets = Targets::of(flags, &guest.view())?;
        if targets.live
            && end == End::Reboot
            && let Some(plain) = plain
        {
            let word = if plain == EndAction::Destroy { "shutdown" } else { "reset" };
            let answer = guest.link()?.monitor.command("set-action", Some(json!({"reboot": word}))).await;
            answer.map_err(|error| error.of_guest(&guest.view().name))?;
        }
        self.edit(guest, targets, |draft| {
            let lifecycle = &mut draft.head.lifecycle;
            match (end, plain) {
                (End::Poweroff, Some(action)) => lifecycle.on_poweroff = action,
                (End::Reboot, Some(action)) => lifecycle.on_reboot = action,
                (End::Crash, _) => lifecycle.on_crash = action,
                // Refused above.
                (End::Poweroff | End::Reboot, None) => {}
            }
            Ok(())
        })
        .await?;
        guest.update(|state| {
            if let Some(live) = &state.view.live {
                state.run = state.run.clone().with_wishes_of(live.domain());
            }
        });
        Ok(())
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

/// How a guest ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It powers off.
    Poweroff,
    /// It reboots.
    Reboot,
    /// It crashes.
    Crash,
}

/// Whether a guest is to end when it reboots.
pub(crate) fn ends_at_reboot(domain: &Domain) -> bool {
    matches!(domain.head.lifecycle.on_reboot, EndAction::Destroy | EndAction::Preserve)
}
