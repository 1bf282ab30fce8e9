//! Devices that come, change and go.
//!
//! Owns: the order of steps for a guest that runs and for its definition, the protocol of unplugging,
//! what is taken back where a step fails. Never: knows a kind of device; plans do.
//!
//! ```text
//! plug:   place -> cards -> facts -> actions -> descriptors -> commands -> the run says so -> event
//! unplug: device_del -> DEVICE_DELETED (or not, in time) -> the rest -> the run says so -> event
//! ```

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ostler_base::{Arch, Json, Result, refuse};
use ostler_caps::emulator::Emulator;
use ostler_domain::Domain;
use ostler_domain::plans::attach::{Attach, Candidate};
use ostler_domain::plans::detach::{Detach, next_set, release};
use ostler_domain::plans::stored;
use ostler_domain::plans::update::Update;
use ostler_host::{Asker, Host, RealHost, execute, open_all, take_back};
use ostler_plan::{Action, Command};
use ostler_qmp::{Monitor, MonitorError};

use super::targets::Targets;
use crate::domain::guest::{Link, not_running};
use crate::domain::{Guest, Job, Shown};
use crate::engine::{Engine, blocking};
use crate::events::What;

/// How long a guest may take to let go of a device before the call returns all the same.
const UNPLUG: Duration = Duration::from_secs(5);
/// The same for machines that are slow at it.
const UNPLUG_SLOW: Duration = Duration::from_secs(10);

/// How a device is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant<'a> {
    /// By a document that describes it.
    Described(&'a str),
    /// By its alias.
    Named(&'a str),
}

impl Engine {
    /// The emulator of a definition, probed.
    pub(crate) async fn emulator_of_run(&self, domain: &Domain) -> Result<Arc<Emulator>> {
        let arch: Arch = domain.head.os.arch.unwrap_or(self.host().arch);
        let path = domain.head.emulator.clone().map(PathBuf::from).or_else(|| self.emulators().find(arch));
        match path {
            Some(path) => self.emulators().get(&path).await,
            None => refuse!(unsupported, "no emulator for architecture {arch} on this host"),
        }
    }

    /// The definition as it is after a change; it is not kept yet.
    pub(crate) async fn edited(
        &self,
        guest: &Guest,
        change: impl FnOnce(&Domain, &ostler_domain::Setting<'_>) -> Result<Domain>,
    ) -> Result<Domain> {
        let view = guest.view();
        let Some(inactive) = &view.inactive else { refuse!(internal, "domain has no definition") };
        let shown = inactive.get(&self.setting(None))?;
        let emulator = self.emulator_of_run(shown.domain()).await?;
        change(shown.domain(), &self.setting(Some(&emulator)))
    }

    /// Adds a device.
    pub async fn attach_device(&self, guest: &Arc<Guest>, xml: &str, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainAttachDeviceFlags").await?;
        let targets = Targets::of(flags, &guest.view())?;
        let edited = match targets.config {
            true => Some(self.edited(guest, |domain, setting| stored::attach(domain, xml, setting)).await?),
            false => None,
        };
        if targets.live {
            self.plug_device(guest, xml).await?;
        }
        self.keep(guest, edited).await
    }

    /// Takes a device away.
    pub async fn detach_device(&self, guest: &Arc<Guest>, meant: Meant<'_>, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainDetachDeviceFlags").await?;
        let targets = Targets::of(flags, &guest.view())?;
        let edit = |domain: &Domain, setting: &ostler_domain::Setting<'_>| match meant {
            Meant::Described(xml) => stored::detach(domain, xml, setting),
            Meant::Named(alias) => stored::detach_named(domain, alias),
        };
        let edited = match targets.config {
            true => Some(self.edited(guest, edit).await?),
            false => None,
        };
        if targets.live {
            self.unplug_device(guest, meant).await?;
        }
        self.keep(guest, edited).await
    }

    /// Changes a device.
    pub async fn update_device(&self, guest: &Arc<Guest>, xml: &str, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainUpdateDeviceFlags").await?;
        let targets = Targets::of(flags, &guest.view())?;
        let edited = match targets.config {
            true => Some(self.edited(guest, |domain, setting| stored::update(domain, xml, setting)).await?),
            false => None,
        };
        if targets.live {
            self.change_device(guest, xml).await?;
        }
        self.keep(guest, edited).await
    }

    async fn keep(&self, guest: &Arc<Guest>, edited: Option<Domain>) -> Result<()> {
        match edited {
            Some(domain) => self.keep_config(guest, domain).await,
            None => Ok(()),
        }
    }

    /// The run and what it is planned against.
    async fn run_of(&self, guest: &Guest) -> Result<(Link, Arc<Shown>, Arc<Emulator>)> {
        let link = guest.link()?;
        let live = guest.view().live.clone().ok_or_else(not_running)?;
        let emulator = self.emulator_of_run(live.domain()).await?;
        Ok((link, live, emulator))
    }

    /// Plugs a device into a guest that runs.
    async fn plug_device(&self, guest: &Arc<Guest>, xml: &str) -> Result<()> {
        let (link, live, emulator) = self.run_of(guest).await?;
        let mut candidate = Candidate::new(live.domain(), xml, &self.setting(Some(&emulator)))?;
        let engine = self.clone();
        let alone = candidate.alone();
        let alone = blocking(move || engine.plug_cards(&alone)).await?;
        candidate.take_cards(&alone);
        let plugged = self.plug_candidate(guest, &link.monitor, &emulator, &candidate, &alone).await;
        if plugged.is_err() {
            let engine = self.clone();
            blocking(move || {
                engine.unplug_cards(&alone);
                Ok(())
            })
            .await?;
        }
        plugged
    }

    async fn plug_candidate(
        &self,
        guest: &Arc<Guest>,
        monitor: &Monitor,
        emulator: &Arc<Emulator>,
        candidate: &Candidate,
        cards: &Domain,
    ) -> Result<()> {
        let questions = candidate.ask(&self.setting(Some(emulator)));
        let facts = blocking(move || Asker::default().answer(&questions)).await?;
        let mut plan = candidate.plan(&self.setting(Some(emulator)), &facts, 0)?;
        if plan.uses_sets {
            let sets = monitor.command("query-fdsets", None).await?;
            plan = candidate.plan(&self.setting(Some(emulator)), &facts, next_set(&sets))?;
        }
        let fds = self.prepare_device(&plan, cards).await?;
        match send(monitor, &plan.commands, fds).await {
            Ok(replies) => {
                self.plugged(guest, &plan, &replies).await;
                Ok(())
            }
            Err(error) => {
                self.undo(plan.actions).await;
                Err(error.of_guest(&guest.view().name))
            }
        }
    }

    /// Does on the host what a plan says, and opens what goes along with its commands.
    async fn prepare_device(&self, plan: &Attach, cards: &Domain) -> Result<Vec<OwnedFd>> {
        let mut host = RealHost::new(self.launcher());
        let (engine, actions, fds) = (self.clone(), plan.actions.clone(), plan.fds.clone());
        let cards = cards.clone();
        blocking(move || {
            execute(&actions, &mut host)?;
            let opened = open_all(&fds).and_then(|opened| engine.connect_cards(&cards).map(|()| opened));
            if opened.is_err() {
                take_back(&actions, &mut host);
            }
            opened
        })
        .await
    }

    async fn undo(&self, actions: Vec<Action>) {
        let mut host = RealHost::new(self.launcher());
        let undone = blocking(move || {
            take_back(&actions, &mut host);
            Ok(())
        });
        if let Err(error) = undone.await {
            tracing::warn!(%error, "what was done for a device is left");
        }
    }

    async fn plugged(&self, guest: &Arc<Guest>, plan: &Attach, replies: &[Json]) {
        guest.update(|state| {
            state.view.live = Some(Shown::new(plan.learnt(replies)));
            if let Some(record) = state.record.as_mut().filter(|_| !plan.alias.is_empty()) {
                record.devices.push(plan.alias.clone());
            }
        });
        self.persist(guest).await;
        self.tell(&guest.view(), What::DeviceAdded(plan.alias.clone()));
    }

    /// Asks a guest that runs to let a device go, and waits for it a while. One that is let go later
    /// is seen to then.
    async fn unplug_device(&self, guest: &Arc<Guest>, meant: Meant<'_>) -> Result<()> {
        let (link, live, emulator) = self.run_of(guest).await?;
        let setting = self.setting(Some(&emulator));
        let plan = match meant {
            Meant::Described(xml) => Detach::described(live.domain(), xml, &setting)?,
            Meant::Named(alias) => Detach::named(live.domain(), alias, &setting)?,
        };
        let Some(command) = &plan.unplug else {
            self.unplugged(guest, &link.monitor, plan).await?;
            return Ok(());
        };
        let waiting = guest.unplugs.expect(&plan.alias);
        let name = guest.view().name.clone();
        match link.monitor.command(command.name, command.arguments.clone()).await {
            Ok(_) => {}
            // It went before it was asked.
            Err(error) if error.is_unknown_device() => {
                guest.unplugs.forget(&plan.alias);
                return self.unplugged(guest, &link.monitor, plan).await;
            }
            Err(error) => {
                guest.unplugs.forget(&plan.alias);
                return Err(error.of_guest(&name));
            }
        }
        let slow = live.domain().head.os.arch.is_some_and(Arch::is_ppc);
        let bound = if slow { UNPLUG_SLOW } else { UNPLUG };
        let outcome = tokio::time::timeout(bound, waiting).await;
        guest.unplugs.forget(&plan.alias);
        match outcome {
            Ok(Ok(true)) => self.unplugged(guest, &link.monitor, plan).await,
            Ok(Ok(false)) => {
                refuse!(operation_failed, "unplug of device was rejected by the guest")
            }
            // The run ended meanwhile.
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                tracing::info!(guest = %name, alias = plan.alias, "the guest has not let go of a device yet");
                Ok(())
            }
        }
    }

    /// Takes away what a device used that is gone, and says so.
    async fn unplugged(&self, guest: &Arc<Guest>, monitor: &Monitor, plan: Detach) -> Result<()> {
        let name = guest.view().name.clone();
        for command in &plan.commands {
            let answer = monitor.command(command.name, command.arguments.clone()).await;
            if let Err(error) = answer {
                // The device is gone whatever becomes of the rest.
                tracing::warn!(guest = %name, command = command.name, %error, "something of a device is left");
            }
        }
        if plan.labels.is_some()
            && let Ok(sets) = monitor.command("query-fdsets", None).await
        {
            for command in plan.release(&sets) {
                drop(monitor.command(command.name, command.arguments).await);
            }
        }
        guest.update(|state| {
            state.view.live = Some(Shown::new(plan.domain.clone()));
            if let Some(record) = &mut state.record {
                record.devices.retain(|alias| *alias != plan.alias);
            }
        });
        let (engine, gone, actions) = (self.clone(), plan.gone.clone(), plan.actions.clone());
        blocking(move || {
            engine.unplug_cards(&gone);
            let mut host = RealHost::new(engine.launcher());
            for action in &actions {
                if let Err(error) = host.apply(action) {
                    tracing::warn!(%error, "something of a device is left");
                }
            }
            Ok(())
        })
        .await?;
        self.persist(guest).await;
        self.tell(&guest.view(), What::DeviceRemoved(plan.alias));
        Ok(())
    }

    /// Changes a device of a guest that runs.
    async fn change_device(&self, guest: &Arc<Guest>, xml: &str) -> Result<()> {
        let (link, live, emulator) = self.run_of(guest).await?;
        let update = Update::new(live.domain(), xml, &self.setting(Some(&emulator)))?;
        let questions = update.ask(&self.setting(Some(&emulator)));
        let facts = blocking(move || Asker::default().answer(&questions)).await?;
        let mut plan = update.plan(&self.setting(Some(&emulator)), &facts, 0)?;
        if plan.uses_sets {
            let sets = link.monitor.command("query-fdsets", None).await?;
            plan = update.plan(&self.setting(Some(&emulator)), &facts, next_set(&sets))?;
        }
        let fds = plan.fds.clone();
        let fds = blocking(move || open_all(&fds)).await?;
        let name = guest.view().name.clone();
        send(&link.monitor, &plan.commands, fds).await.map_err(|error| error.of_guest(&name))?;
        if !plan.labels.is_empty()
            && let Ok(sets) = link.monitor.command("query-fdsets", None).await
        {
            for command in release(&plan.labels, &sets) {
                drop(link.monitor.command(command.name, command.arguments).await);
            }
        }
        guest.update(|state| state.view.live = Some(Shown::new(plan.domain.clone())));
        self.persist(guest).await;
        Ok(())
    }
}

/// A device is gone. Where nobody waits for it, what it used is taken away by a task of its own.
pub(crate) fn gone(engine: &Engine, guest: &Arc<Guest>, alias: String) {
    if guest.unplugs.settle(&alias, true) {
        return;
    }
    let (engine, guest) = (engine.clone(), Arc::clone(guest));
    tokio::spawn(async move {
        if let Err(error) = engine.see_to(&guest, &alias).await {
            tracing::warn!(guest = %guest.view().name, %error, alias, "cannot see to a device that is gone");
        }
    });
}

impl Engine {
    async fn see_to(&self, guest: &Arc<Guest>, alias: &str) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "DEVICE_DELETED").await?;
        let (link, live, emulator) = self.run_of(guest).await?;
        if live.domain().devices.iter().all(|device| device.info().alias.as_deref() != Some(alias)) {
            self.tell(&guest.view(), What::DeviceRemoved(alias.to_owned()));
            return Ok(());
        }
        let plan = Detach::named(live.domain(), alias, &self.setting(Some(&emulator)))?;
        self.unplugged(guest, &link.monitor, plan).await
    }
}

/// Sends commands in order with what goes along with each. Where one fails, those before it are taken
/// back, the last first.
async fn send(
    monitor: &Monitor,
    commands: &[Command],
    fds: Vec<OwnedFd>,
) -> std::result::Result<Vec<Json>, MonitorError> {
    let mut fds: Vec<Option<OwnedFd>> = fds.into_iter().map(Some).collect();
    let mut replies = Vec::with_capacity(commands.len());
    for (at, command) in commands.iter().enumerate() {
        let along = command.fd.and_then(|at| fds.get_mut(at)?.take());
        let sent =
            monitor.command_with_fds(command.name, command.arguments.clone(), along.into_iter().collect());
        match sent.await {
            Ok(reply) => replies.push(reply),
            Err(cause) => {
                for (name, arguments) in commands.iter().take(at).rev().filter_map(|c| c.undo.clone()) {
                    if let Err(error) = monitor.command(name, Some(arguments)).await {
                        // A descriptor that was used is not there any more.
                        tracing::debug!(command = name, %error, "cannot take back");
                    }
                }
                return Err(cause);
            }
        }
    }
    Ok(replies)
}
