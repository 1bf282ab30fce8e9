//! Ending a guest, and what is left to do when its process is gone.
//!
//! Owns: the way from a signal to a clean host. Never: sleeps; ends are told by the process itself.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ostler_base::{Error, Result, Word};
use ostler_caps::emulator::Emulator;
use ostler_domain::{Domain, plans};
use ostler_host::{Host, RealHost};
use rustix::process::Signal;

use crate::domain::events::stopped;
use crate::domain::guest::{Lifecycle, Link, not_running};
use crate::domain::status::Shutoff;
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::{files, log};

/// How long an emulator may take to end when it is asked.
const COURTESY: Duration = Duration::from_secs(10);
/// How long the kernel may take to end it.
const FORCE: Duration = Duration::from_secs(30);

/// How far a destroy may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Asks, and ends what does not listen.
    Force,
    /// Asks only.
    Graceful,
}

/// Asks a process to end and waits until everything of the run is cleaned up.
async fn end(link: &Link, manner: Manner) -> Result<()> {
    let mut gone = link.gone.clone();
    link.process.signal(Signal::TERM)?;
    if tokio::time::timeout(COURTESY, gone.wait_for(|gone| *gone)).await.is_ok() {
        return Ok(());
    }
    let stuck = |signal| {
        Error::system(format!(
            "Failed to terminate process {} with {signal}: Device or resource busy",
            link.process.pid()
        ))
    };
    if manner == Manner::Graceful {
        return Err(stuck("SIGTERM"));
    }
    link.process.signal(Signal::KILL)?;
    match tokio::time::timeout(FORCE, gone.wait_for(|gone| *gone)).await {
        Ok(_) => Ok(()),
        Err(_) => Err(stuck("SIGKILL")),
    }
}

/// Ends a guest for this reason.
pub(crate) async fn end_as(guest: &Arc<Guest>, why: Shutoff) -> Result<()> {
    let link = guest.update(|state| {
        state.run.ending = Some(why);
        state.link()
    });
    match link {
        Some(link) => end(&link, Manner::Force).await,
        None => Ok(()),
    }
}

/// Ends a guest that cannot go on, for this reason.
pub(crate) async fn end_now(guest: &Arc<Guest>, why: Shutoff) {
    if let Err(error) = end_as(guest, why).await {
        tracing::error!(name = %guest.view().name, %error, "a guest does not end");
    }
}

impl Engine {
    /// Ends a guest.
    pub async fn destroy(&self, guest: &Arc<Guest>, manner: Manner) -> Result<()> {
        let pass = guest.gate.enter(Job::Destroy, "remoteDispatchDomainDestroy").await?;
        if let Some(process) = guest.update(|state| match &state.lifecycle {
            Lifecycle::Starting(process) => {
                state.run.ending = Some(Shutoff::Destroyed);
                Some(process.clone())
            }
            _ => None,
        }) {
            if let Some(process) = process {
                process.signal(Signal::KILL)?;
            }
            // Its start sees the end, and cleans up before it gives its turn away.
            drop(pass);
            let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainDestroy").await?;
            return if guest.view().is_active() { self.destroy_live(guest, manner).await } else { Ok(()) };
        }
        self.destroy_live(guest, manner).await
    }

    /// Removes the log of a guest's emulator.
    pub async fn remove_log(&self, guest: &Arc<Guest>) -> Result<()> {
        let path = self.paths().log_of(&guest.view().name);
        blocking(move || files::remove(&path)).await
    }

    async fn destroy_live(&self, guest: &Arc<Guest>, manner: Manner) -> Result<()> {
        let link = guest.update(|state| {
            let link = state.link()?;
            if manner == Manner::Force {
                state.lifecycle = Lifecycle::Stopping(link.clone());
            }
            state.run.ending.get_or_insert(Shutoff::Destroyed);
            Some(link)
        });
        end(&link.ok_or_else(not_running)?, manner).await
    }

    /// Takes back what a start of this definition made on the host. Blocks; what fails is logged,
    /// the rest is done all the same.
    pub(crate) fn fold_up(&self, domain: &Domain, emulator: Option<&Emulator>, reason: &str) {
        self.take_back_files(domain);
        let actions = plans::start::leftovers(domain, &self.setting(emulator));
        let name = domain.name();
        let closing = log::closing(SystemTime::now(), reason);
        let path = self.paths().log_of(name);
        let logged = File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(closing.as_bytes()))
            .map_err(|error| files::failed("cannot write log", &path, &error));
        let removed = [self.paths().status(name), self.paths().pid(name)].map(|path| files::remove(&path));
        self.unplug_cards(domain);
        let mut host = RealHost::new(self.launcher());
        let undone = actions.iter().map(|action| host.apply(action));
        for error in undone.chain(removed).chain([logged]).filter_map(Result::err) {
            tracing::warn!(guest = name, %error, "something of a guest is left");
        }
    }
}

/// What is left to do when the process of a run is gone: clean up, tell, forget.
pub(crate) async fn clean_up(engine: &Engine, guest: &Arc<Guest>, why: Shutoff) {
    let before = guest.view();
    guest.block_jobs.clear();
    let (worker, owner) = (engine.clone(), Arc::clone(guest));
    let done = blocking(move || {
        let _turn = owner.writing();
        let live = owner.look(|state| state.view.live.clone());
        if let Some(live) = live {
            let domain = live.domain();
            let path = domain.head.emulator.as_deref().map(std::path::Path::new);
            let emulator = path.and_then(|path| worker.emulators().known(path));
            worker.fold_up(domain, emulator.as_deref(), why.as_str());
        }
        owner.update(|state| state.end(why));
        owner.sampler.clear();
        Ok(())
    });
    if let Err(error) = done.await {
        tracing::error!(name = %before.name, %error, "cannot clean up after a guest");
        guest.update(|state| state.end(why));
    }
    if let Some(id) = before.id {
        engine.registry().ended(id);
    }
    engine.forget_transient(guest).await;
    engine.tell(&guest.view(), stopped(why));
}
