//! Bringing a guest up.
//!
//! Owns: the order of steps and what takes them back. Each step leaves what the next needs; the
//! status file is there before the emulator is.
//!
//! ```text
//! ask -> plan -> prepare -> spawn -> keep -> go -> connect -> cont
//!                   \---------\-------\-----\--------\--------> undo, backwards
//! ```

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ostler_base::json::json;
use ostler_base::{Error, Origin, Result, refuse};
use ostler_caps::emulator::Emulator;
use ostler_confine::Confinement;
use ostler_domain::run::RunRecord;
use ostler_domain::{Domain, Setting, plans};
use ostler_host::{Asker, Process, RealHost, connect_unix, execute, spawn, take_back};
use ostler_plan::{Launch, Numbering, Part, argv};
use ostler_qmp::{Event, Monitor, MonitorError};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use super::define::Strictness;
use super::pump::Cache;
use super::save::Image;
use super::transfer;
use crate::domain::actor;
use crate::domain::admit::{Gate, OwnedPass};
use crate::domain::events::Run;
use crate::domain::guest::{Lifecycle, Link};
use crate::domain::learn::{Learnt, Reach, learn};
use crate::domain::progress::Operation;
use crate::domain::status::{Paused, Running, Shutoff};
use crate::domain::{Guest, Job, Shown, Status, View};
use crate::engine::{Engine, blocking};
use crate::events::{self, What};
use crate::files::Durability;
use crate::{confine, files, log};

/// The first descriptor that an emulator is handed.
pub(crate) const FIRST_FD: u32 = 3;

/// How much of what an emulator said last is shown to a client, bytes.
const LAST_WORDS: u64 = 4096;

/// What the processors do once the guest is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processors {
    /// They run.
    Run,
    /// They stand still.
    Stay,
}

/// How a start goes about a saved state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It is taken, where there is one.
    Take(Cache),
    /// It is thrown away: the guest boots.
    Drop,
}

/// How a run begins.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// The guest boots.
    Boot(Processors),
    /// It goes on from what a file holds.
    Restore(Image, Cache),
}

/// What tells an emulator to wait for a state.
const WAIT_FOR_STATE: (&str, &str) = ("-incoming", "defer");

/// How long an emulator may take for one command: longer, and it hangs.
pub(crate) const MONITOR_PATIENCE: Duration = Duration::from_secs(30);

/// An emulator on its way up.
struct Climb {
    process: Arc<Process>,
    log: PathBuf,
    /// Where in the log its own words begin.
    mark: u64,
}

impl Engine {
    /// Starts a guest that is defined.
    pub async fn start(&self, guest: &Arc<Guest>, processors: Processors, saved: Saved) -> Result<Arc<View>> {
        let _pass = guest.gate.enter(Job::Start, "remoteDispatchDomainCreate").await?;
        let view = guest.view();
        if view.is_active() {
            refuse!(operation_invalid, "domain is already running");
        }
        match saved {
            Saved::Drop if view.managed_save => self.forget_managed(guest).await?,
            Saved::Take(cache) => {
                if let Some(mut image) = self.managed_image(guest).await? {
                    image.head.running &= processors == Processors::Run;
                    let domain = self.parsed(&image.head.definition).await?;
                    let started = self.bring_up(guest, &domain, Beginning::Restore(image, cache)).await?;
                    self.forget_managed(guest).await?;
                    return Ok(started);
                }
            }
            Saved::Drop => {}
        }
        let shown = view.current(&self.setting(None))?;
        self.bring_up(guest, shown.domain(), Beginning::Boot(processors)).await
    }

    /// Starts a guest from a definition that is not kept.
    pub async fn create(
        &self,
        xml: &str,
        strictness: Strictness,
        processors: Processors,
    ) -> Result<Arc<View>> {
        let domain = self.read(xml, strictness).await?;
        // Whoever starts may wait for long: what is active already is told at once.
        self.refuse_active(self.registry().match_identity(domain.name(), domain.uuid())?.as_ref())?;
        let (guest, pass) = self.claim(&domain, "remoteDispatchDomainCreateXML").await?;
        self.refuse_active(Some(&guest))?;
        let started = self.bring_up(&guest, &domain, Beginning::Boot(processors)).await;
        drop(pass);
        if started.is_err() {
            self.forget_transient(&guest).await;
        }
        started
    }

    fn refuse_active(&self, guest: Option<&Arc<Guest>>) -> Result<()> {
        let Some(view) = guest.map(|guest| guest.view()).filter(|view| view.is_active()) else {
            return Ok(());
        };
        let error = Error::operation_invalid(format!("domain is already active as '{}'", view.name));
        Err(error.from_origin(Origin::Domain))
    }

    /// The guest that a definition is of, made where it is not known yet, with the right to start it.
    pub(crate) async fn claim(&self, domain: &Domain, api: &'static str) -> Result<(Arc<Guest>, OwnedPass)> {
        loop {
            let guest = self.find_or_add(domain).await?;
            let pass = Gate::enter_owned(&guest, Job::Start, api).await?;
            if self.registry().holds(&guest) {
                return Ok((guest, pass));
            }
            // It went while we waited for our turn; its name and UUID may be another's by now.
        }
    }

    async fn find_or_add(&self, domain: &Domain) -> Result<Arc<Guest>> {
        let _turn = self.definitions().lock().await;
        if let Some(guest) = self.registry().match_identity(domain.name(), domain.uuid())? {
            return Ok(guest);
        }
        let guest = Guest::transient(domain.name(), domain.uuid());
        self.registry().add(&guest);
        Ok(guest)
    }

    /// Forgets a guest that does not run and is not defined.
    pub(crate) async fn forget_transient(&self, guest: &Arc<Guest>) {
        let _turn = self.definitions().lock().await;
        let view = guest.view();
        if !view.persistent && !view.is_active() && self.registry().holds(guest) {
            self.registry().remove(guest.uuid);
        }
    }

    pub(crate) async fn bring_up(
        &self,
        guest: &Arc<Guest>,
        domain: &Domain,
        beginning: Beginning,
    ) -> Result<Arc<View>> {
        let path = domain.head.emulator.clone().map(PathBuf::from);
        let path = path.or_else(|| self.emulators().find(domain.head.os.arch.unwrap_or(self.host().arch)));
        let Some(path) = path else {
            refuse!(unsupported, "no emulator for architecture {} on this host", self.host().arch)
        };
        let emulator = self.emulators().get(&path).await?;
        let whole;
        let domain = if domain.head.emulator.is_some() {
            domain
        } else {
            // A file that somebody else wrote, read before any emulator was known.
            let mut draft = domain.clone().into_draft();
            draft.head.emulator = Some(path.to_string_lossy().into_owned());
            whole = draft.complete(&self.setting(Some(&emulator)))?;
            &whole
        };
        self.renew_firmwares(domain).await?;
        let id = self.next_id();
        let shown = Shown::new(domain.with_id(Some(id)));
        guest.update(|state| {
            state.lifecycle = Lifecycle::Starting(None);
            state.run = Run::of(domain);
            state.view.live = Some(Arc::clone(&shown));
            state.view.id = Some(id);
        });
        self.registry().runs(id, guest.uuid);
        let waits = matches!(beginning, Beginning::Restore(..));
        if let Err(error) = self.climb(guest, &shown, &emulator, waits).await {
            self.registry().ended(id);
            guest.update(|state| state.end(state.run.ending.unwrap_or(Shutoff::Failed)));
            return Err(error);
        }
        let begun = match self.prepare(guest, domain).await {
            Ok(()) => match beginning {
                Beginning::Boot(processors) => self.boot(guest, processors).await,
                Beginning::Restore(image, cache) => self.go_on(guest, image, cache).await,
            },
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            super::stop::end_now(guest, Shutoff::Failed).await;
            return Err(error);
        }
        self.persist(guest).await;
        Ok(guest.view())
    }

    /// What an emulator is told before its guest runs.
    async fn prepare(&self, guest: &Arc<Guest>, domain: &Domain) -> Result<()> {
        let link = guest.link()?;
        let name = domain.name();
        if super::control::ends_at_reboot(domain) {
            let action = Some(json!({"reboot": "shutdown"}));
            link.monitor.command("set-action", action).await.map_err(|error| error.of_guest(name))?;
        }
        Ok(())
    }

    async fn boot(&self, guest: &Arc<Guest>, processors: Processors) -> Result<()> {
        self.set_balloon_up(guest).await?;
        if processors == Processors::Run {
            self.run_processors(guest, Running::Booted).await?;
        }
        self.tell(&guest.view(), What::Lifecycle(events::Lifecycle::Started(events::Started::Booted)));
        if processors == Processors::Stay {
            self.stands_still(guest, Paused::User, events::Suspended::Paused);
        }
        Ok(())
    }

    /// The state in a file becomes the guest's.
    async fn go_on(&self, guest: &Arc<Guest>, image: Image, cache: Cache) -> Result<()> {
        let link = guest.link()?;
        let mark = guest.jobs.begin(Operation::Restore);
        let Image { file, path, head, .. } = image;
        let moved = transfer::into(&link, &mark, file, &path, head.packing, cache).await;
        moved.map_err(|error| error.of_guest(guest))?;
        drop(mark);
        self.tell(&guest.view(), What::Lifecycle(events::Lifecycle::Started(events::Started::Restored)));
        if head.running {
            self.run_processors(guest, Running::Restored).await
        } else {
            self.stands_still(guest, Paused::Migration, events::Suspended::Restored);
            Ok(())
        }
    }

    /// A guest that never ran stays as it is.
    fn stands_still(&self, guest: &Arc<Guest>, why: Paused, told: events::Suspended) {
        guest.update(|state| state.run.status = Status::Paused(why));
        self.tell(&guest.view(), What::Lifecycle(events::Lifecycle::Suspended(told)));
    }

    /// From nothing to a guest whose monitor answers.
    async fn climb(
        &self,
        guest: &Arc<Guest>,
        shown: &Arc<Shown>,
        emulator: &Arc<Emulator>,
        waits: bool,
    ) -> Result<()> {
        let (engine, climber) = (self.clone(), Arc::clone(guest));
        let (definition, known) = (Arc::clone(shown), Arc::clone(emulator));
        let climb = blocking(move || engine.spawn(&climber, definition.domain(), &known, waits)).await?;
        let monitor = PathBuf::from(self.config().monitor_path(shown.domain().id(), shown.domain().name()));
        let connected = tokio::select! {
            connected = reach(guest, &monitor) => connected,
            _ = climb.process.ended() => Err(MonitorError::Gone),
        };
        match connected {
            Ok((monitor, events, learnt)) => {
                let (done, gone) = watch::channel(false);
                let monitor = monitor.within(MONITOR_PATIENCE);
                let link = Link { monitor, process: Arc::clone(&climb.process), gone };
                guest.update(|state| {
                    state.lifecycle = Lifecycle::Live(link.clone());
                    state.learn(&learnt);
                });
                tokio::spawn(actor::follow(self.clone(), Arc::clone(guest), link, events, done));
                Ok(())
            }
            Err(error) => {
                climb.process.stop(Duration::ZERO).await?;
                let (engine, name) = (self.clone(), shown.domain().name().to_owned());
                let (definition, known) = (guest.view().live.clone(), Arc::clone(emulator));
                blocking(move || {
                    let said = last_words(&climb.log, climb.mark);
                    if let Some(definition) = definition {
                        engine.fold_up(definition.domain(), Some(&known), "failed");
                    }
                    Err(match error {
                        MonitorError::Gone => Error::internal(format!(
                            "QEMU unexpectedly closed the monitor (vm='{name}'){}{said}",
                            if said.is_empty() { "" } else { ": " }
                        )),
                        other => other.of_guest(&name),
                    })
                })
                .await
            }
        }
    }

    /// Plans and prepares, and lets the emulator go. Blocks.
    fn spawn(&self, guest: &Guest, domain: &Domain, emulator: &Emulator, waits: bool) -> Result<Climb> {
        let plugged = self.plug_cards(domain)?;
        let climbed = self.spawn_plugged(guest, &plugged, emulator, waits);
        if climbed.is_err() {
            self.unplug_cards(&plugged);
        }
        climbed
    }

    fn spawn_plugged(
        &self,
        guest: &Guest,
        domain: &Domain,
        emulator: &Emulator,
        waits: bool,
    ) -> Result<Climb> {
        let host_model = self.host_model(emulator, domain)?;
        let setting = Setting { host_model: host_model.as_ref(), ..self.setting(Some(emulator)) };
        let mut asker = Asker::default();
        let mut domain = domain.clone();
        loop {
            let questions = plans::start::ask_first(&domain);
            if questions.is_empty() {
                break;
            }
            domain = plans::start::settle(&domain, &asker.answer(&questions)?)?;
        }
        let domain = &domain;
        let facts = asker.answer(&plans::start::ask(domain, &setting))?;
        let (live, mut launch) = plans::start::plan(domain, &setting, &facts, Numbering::From(FIRST_FD))?;
        if waits {
            let (option, value) = WAIT_FOR_STATE;
            launch.parts.push(Part::plain(option, value));
        }
        let confinement = self.confinement(&live, &launch)?;
        let label = confine::shown(&confinement, &live);
        let live = live.with_label(label);
        let mut record = RunRecord::new(&live, self.config(), 0, Status::Paused(Paused::StartingUp));
        record.flags = self.share(emulator.flags.iter().map(|flag| flag.name().to_owned()).collect());
        record.last_fdset = last_set(&launch);
        record.original_cpu.clone_from(&domain.head.cpu);
        guest.update(|state| {
            state.record = Some(record);
            state.view.live = Some(Shown::new(live));
        });
        let mut host = RealHost::new(self.launcher());
        execute(&launch.actions, &mut host)?;
        let climbed = self.let_go(guest, domain, &launch, &confinement);
        if climbed.is_err() {
            take_back(&launch.actions, &mut host);
            self.fold_up(domain, Some(emulator), "failed");
        }
        climbed
    }

    fn let_go(
        &self,
        guest: &Guest,
        domain: &Domain,
        launch: &Launch,
        confinement: &Confinement,
    ) -> Result<Climb> {
        self.hand_over(domain, confinement)?;
        let path = self.paths().log_of(domain.name());
        let failed = |error: std::io::Error| files::failed("cannot write log", &path, &error);
        files::rotate(&path)?;
        let mut output = File::options().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        output.write_all(log::opening(SystemTime::now(), &launch.vector()).as_bytes()).map_err(failed)?;
        let mark = output.metadata().map_err(failed)?.len();
        let staging = self.paths().dev(domain.name());
        let child = spawn(confine::confined(launch, confinement, &staging), self.launcher(), output)?;
        let process = Process::adopt(child.pid(), Some(child.start_time()))?;
        let process = Arc::new(process.ok_or_else(|| Error::internal("the launcher ended early"))?);
        self.enter_group(domain, confinement, process.pid())?;
        let destroyed = guest.update(|state| {
            state.lifecycle = Lifecycle::Starting(Some(Arc::clone(&process)));
            state.view.pid = Some(process.pid());
            state.run.ending.is_some()
        });
        if destroyed {
            refuse!(operation_failed, "domain '{}' was destroyed while it was starting", domain.name());
        }
        let number = format!("{}\n", process.pid());
        files::replace(&self.paths().pid(domain.name()), &number, Durability::Volatile)?;
        self.write_status(guest)?;
        self.connect_cards(domain)?;
        child.go()?;
        Ok(Climb { process, log: path, mark })
    }
}

/// Connects to a monitor and asks what the run is like.
async fn reach(guest: &Guest, path: &Path) -> Result<(Monitor, mpsc::Receiver<Event>, Learnt), MonitorError> {
    let (monitor, events) = connect(path).await?;
    let live = guest.view().live.clone().ok_or(MonitorError::Gone)?;
    let learnt = learn(&monitor, live.domain(), Reach::Fresh).await?;
    Ok((monitor, events, learnt))
}

/// The highest number of a set of descriptors that an emulator is given.
fn last_set(launch: &Launch) -> u32 {
    let words = argv(&launch.parts, launch.form);
    let sets = words.iter().filter_map(|word| word.strip_prefix("set=")?.split(',').next()?.parse().ok());
    sets.max().unwrap_or(0)
}

/// Connects to a monitor. Its socket listens already, so only the greeting is waited for.
pub(crate) async fn connect(path: &Path) -> Result<(Monitor, mpsc::Receiver<Event>), MonitorError> {
    let connected = connect_unix(path).and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    match connected {
        Ok(stream) => Monitor::over(stream).await,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot connect to a monitor");
            Err(MonitorError::Gone)
        }
    }
}

/// What stands in a log from a mark on, its end where that is too much.
fn last_words(path: &Path, mark: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(mark.max(length.saturating_sub(LAST_WORDS))))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_begin_at_the_mark() {
        let path = std::env::temp_dir().join(format!("ostler-engine-words-{}", std::process::id()));
        fs::write(&path, "header\nqemu: no\n").unwrap();
        assert_eq!(last_words(&path, 7), "qemu: no");
        fs::write(&path, "x".repeat(10_000)).unwrap();
        assert_eq!(last_words(&path, 0).len(), 4096);
        fs::remove_file(&path).unwrap();
        assert_eq!(last_words(&path, 0), "");
    }
}
