//! Taking over the guests that outlived a daemon.
//!
//! Owns: what is believed of a status file, and what follows where its process is gone. Never:
//! ends a guest that runs and answers.

use std::sync::Arc;
use std::time::Duration;

use ostler_base::{Json, Result, Uuid};
use ostler_domain::run::RunRecord;
use ostler_host::Process;
use ostler_qmp::MonitorError;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::domain::actor;
use crate::domain::events::Run;
use crate::domain::guest::{Lifecycle, Link};
use crate::domain::learn::{Learnt, Reach, learn};
use crate::domain::status::{Paused, Running, Shutdown, Shutoff, Status};
use crate::domain::{Guest, Shown};
use crate::engine::{Engine, blocking};
use crate::files;
use crate::ops::start::{MONITOR_PATIENCE, connect};
use crate::ops::stop;

/// How long an emulator may take to answer a daemon that comes back.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a guest is doing, from what was kept and what its emulator says now.
///
/// The emulator is right about whether the processors run; the reason is kept where it fits.
pub(crate) fn status_seen(kept: Status, answer: &Json) -> Status {
    let running = answer.get("running").and_then(Json::as_bool).unwrap_or_default();
    let word = answer.get("status").and_then(Json::as_str).unwrap_or_default();
    match (word, kept) {
        ("shutdown", _) => Status::Shutdown(Shutdown::Unknown),
        ("suspended", _) => Status::PmSuspended,
        (_, Status::Running(why)) if running => Status::Running(why),
        _ if running => Status::Running(Running::Unknown),
        (_, Status::Paused(_) | Status::Crashed(_)) => kept,
        ("io-error", _) => Status::Paused(Paused::IoError),
        ("watchdog", _) => Status::Paused(Paused::Watchdog),
        ("guest-panicked", _) => Status::Paused(Paused::Crashed),
        _ => Status::Paused(Paused::Unknown),
    }
}

impl Engine {
    /// Takes over every guest that a status file tells of.
    pub(crate) async fn recover(&self) -> Result<()> {
        let directory = self.paths().runs();
        let stems = blocking(move || files::xml_stems(&directory)).await?;
        let mut all = JoinSet::new();
        for stem in stems {
            let engine = self.clone();
            all.spawn(async move {
                let taken = engine.recover_one(&stem).await;
                if let Err(error) = &taken {
                    tracing::error!(name = %stem, %error, "cannot take over a guest");
                }
                taken.is_ok()
            });
        }
        let mut whole = true;
        while let Some(taken) = all.join_next().await {
            whole &= taken.unwrap_or(false);
        }
        // Who cannot read a status file does not know whose directories there are.
        if whole {
            self.sweep().await?;
        }
        Ok(())
    }

    /// Removes what starts have left that nobody could take back, of guests that never ran.
    async fn sweep(&self) -> Result<()> {
        let records = |guest: Arc<Guest>| {
            guest.look(|state| {
                state.record.as_ref().map(|kept| [kept.run_dir.clone(), kept.channel_dir.clone()])
            })
        };
        let used: Vec<String> = self.registry().all().into_iter().filter_map(records).flatten().collect();
        let places = [self.paths().state(), self.paths().runs().join("channel")];
        blocking(move || {
            for (place, begin) in places.iter().zip(["domain-", ""]) {
                for name in files::directories(place)? {
                    let path = place.join(&name);
                    let of_run = name.strip_prefix(begin).is_some_and(|rest| {
                        rest.split_once('-').is_some_and(|(id, _)| id.parse::<u32>().is_ok())
                    });
                    let in_use = used.iter().any(|used| path == std::path::Path::new(used));
                    if of_run && !in_use && ostler_host::connect_unix(&path.join("monitor.sock")).is_err() {
                        tracing::warn!(path = %path.display(), "a start left this behind; it is removed");
                        ostler_host::fs::remove_tree(&path)?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    async fn recover_one(&self, stem: &str) -> Result<()> {
        let path = self.paths().status(stem);
        let Some(text) = blocking(move || files::read(&path)).await? else { return Ok(()) };
        let (mut kept, domain) = RunRecord::parse(&text, &self.setting(None))?;
        kept.flags = self.share(kept.flags.to_vec());
        let id = domain.id().unwrap_or_else(|| self.next_id());
        self.uses_id(id);
        let guest = match self.registry().match_identity(domain.name(), domain.uuid())? {
            Some(guest) => guest,
            None => Guest::transient(domain.name(), domain.uuid()),
        };
        let run = Run { rebooting: kept.rebooting, status: kept.status, ..Run::of(&domain) };
        let shown = Shown::new(domain);
        guest.update(|state| {
            state.run = run;
            state.record = Some(kept.clone());
            state.view.live = Some(shown);
            state.view.id = Some(id);
            state.view.pid = Some(kept.pid);
        });
        self.registry().add(&guest);
        match Process::adopt(kept.pid, kept.start_time)? {
            Some(process) => self.adopt(&guest, Arc::new(process), kept).await,
            None => stop::clean_up(self, &guest, Shutoff::Crashed).await,
        }
        Ok(())
    }

    async fn adopt(&self, guest: &Arc<Guest>, process: Arc<Process>, kept: RunRecord) {
        let view = guest.view();
        let Some(live) = &view.live else { return };
        let seen = tokio::time::timeout(PATIENCE, async {
            let (monitor, events) = connect(kept.monitor.as_ref()).await?;
            let learnt = learn(&monitor, live.domain(), Reach::Returning).await?;
            Ok::<_, MonitorError>((monitor, events, learnt))
        });
        let (monitor, events, learnt) = match seen.await {
            Ok(Ok((.., learnt))) if is_another(&learnt, guest) => {
                // The number was given to another one, which is nobody's business here.
                return stop::clean_up(self, guest, Shutoff::Crashed).await;
            }
            Ok(Ok(seen)) => seen,
            Ok(Err(_)) | Err(_) => {
                // Without its monitor it cannot be looked after; it may be ending just now.
                tracing::error!(name = %guest.view().name, "the monitor does not answer");
                end_unlinked(&process).await;
                return stop::clean_up(self, guest, Shutoff::Crashed).await;
            }
        };
        let status = learnt.status.as_ref().map_or(kept.status, |answer| status_seen(kept.status, answer));
        if status == Status::Paused(Paused::StartingUp) {
            // Nobody knows how far its start came; it never ran.
            end_unlinked(&process).await;
            return stop::clean_up(self, guest, Shutoff::Failed).await;
        }
        let (done, gone) = watch::channel(false);
        let link = Link { monitor: monitor.within(MONITOR_PATIENCE), process, gone };
        guest.update(|state| {
            state.lifecycle = Lifecycle::Live(link.clone());
            state.run.status = status;
            state.learn(&learnt);
            if matches!(status, Status::Shutdown(_)) {
                state.run.ending = Some(Shutoff::Shutdown);
            }
        });
        self.persist(guest).await;
        tokio::spawn(actor::follow(self.clone(), Arc::clone(guest), link.clone(), events, done));
        if let Err(error) = self.follow_known_jobs(guest).await {
            tracing::error!(name = %view.name, %error, "the jobs of a guest are not followed");
        }
        if matches!(status, Status::Shutdown(_)) {
            actor::signal(&link.process, Signal::TERM);
        }
    }
}

/// Whether an emulator says that it runs another guest.
fn is_another(learnt: &Learnt, guest: &Guest) -> bool {
    let uuid = learnt.uuid.as_deref().and_then(Uuid::parse);
    uuid.is_some_and(|uuid| uuid != guest.uuid)
}

/// Ends a process that has no link.
async fn end_unlinked(process: &Process) {
    if let Err(error) = process.stop(Duration::ZERO).await {
        tracing::error!(%error, "an emulator does not end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn the_emulator_is_right_about_running() {
        let booted = Status::Running(Running::Booted);
        let user = Status::Paused(Paused::User);
        let seen =
            |kept, running, word: &str| status_seen(kept, &json!({"running": running, "status": word}));
        assert_eq!(seen(booted, true, "running"), booted);
        assert_eq!(seen(user, true, "running"), Status::Running(Running::Unknown));
        let starting = Status::Paused(Paused::StartingUp);
        assert_eq!(seen(starting, false, "prelaunch"), starting);
        assert_eq!(seen(starting, true, "running"), Status::Running(Running::Unknown));
        assert_eq!(seen(user, false, "paused"), user);
        assert_eq!(seen(booted, false, "paused"), Status::Paused(Paused::Unknown));
        assert_eq!(seen(booted, false, "io-error"), Status::Paused(Paused::IoError));
        assert_eq!(seen(booted, false, "shutdown"), Status::Shutdown(Shutdown::Unknown));
        assert_eq!(seen(booted, false, "suspended"), Status::PmSuspended);
    }
}
