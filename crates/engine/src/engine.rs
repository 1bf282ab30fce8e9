//! The engine: every guest of a host, and what they share.
//!
//! Owns: set-up, what is shared by all guests, and telling of events. Never: a step of an operation.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ostler_base::{Error, MacAddr, Result, Uuid};
use ostler_caps::cpu::HostModel;
use ostler_caps::emulator::{Accelerator, Emulator, ProbeHost};
use ostler_confine::Policy;
use ostler_domain::run::RunRecord;
use ostler_domain::{Domain, DriverConfig, Entropy, HostFacts, Setting, stored_identity};
use tokio::sync::broadcast;

use crate::cards::Names;
use crate::domain::events::{Effect, Run};
use crate::domain::guest::Lifecycle;
use crate::domain::view::Definition;
use crate::domain::{Guest, View};
use crate::emulators::Emulators;
use crate::events::{Event, What};
use crate::files::{self, Durability};
use crate::filters::Filters;
use crate::image::Packing;
use crate::networks::{self, Networks};
use crate::objects::{ObjectEvent, Teller};
use crate::pools::Pools;
use crate::secrets::Secrets;
use crate::stats::Kinds;
use crate::{Paths, Registry};

/// How many events a slow listener may be behind before it misses some.
const EVENTS_KEPT: usize = 4096;

/// Tells what `host-model` stands for.
pub trait HostModels: Debug + Send + Sync {
    /// What it stands for with an emulator and accelerator; `None` where that is not known.
    fn host_model(&self, emulator: &Emulator, accelerator: Accelerator) -> Result<Option<HostModel>>;
}

/// What an engine is made of.
#[derive(Debug)]
pub struct Setup {
    /// Where its files lie.
    pub paths: Paths,
    /// The host.
    pub host: HostFacts,
    /// The driver's configuration.
    pub config: DriverConfig,
    /// Directories that emulators are searched for in.
    pub search: Vec<PathBuf>,
    /// What probes have to know of the host.
    pub probe: ProbeHost,
    /// The program between fork and exec of an emulator.
    pub launcher: PathBuf,
    /// What `host-model` stands for.
    pub host_models: Box<dyn HostModels>,
    /// Directories of firmware descriptors, the distribution's first.
    pub descriptors: Vec<PathBuf>,
    /// What networks have to know of the host.
    pub networks: networks::Setup,
    /// How guests are confined.
    pub policy: Policy,
    /// How guests are saved and dumped.
    pub saving: SaveConfig,
}

/// How guests are saved and dumped.
#[derive(Debug, Clone)]
pub struct SaveConfig {
    /// How the state of a saved guest is packed.
    pub save_packing: Packing,
    /// How a dump of all of an emulator's state is packed.
    pub dump_packing: Packing,
    /// Where dumps go that nobody asked for but definitions; the instance's own place where absent.
    pub dump_dir: Option<PathBuf>,
}

impl Default for SaveConfig {
    fn default() -> Self {
        SaveConfig { save_packing: Packing::Raw, dump_packing: Packing::Raw, dump_dir: None }
    }
}

/// The engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    paths: Paths,
    host: HostFacts,
    config: DriverConfig,
    emulators: Emulators,
    launcher: PathBuf,
    host_models: Box<dyn HostModels>,
    descriptors: Vec<PathBuf>,
    networks: Networks,
    pools: Pools,
    secrets: Secrets,
    filters: Filters,
    names: Names,
    policy: Policy,
    teller: Teller,
    saving: SaveConfig,
    registry: Registry,
    definitions: tokio::sync::Mutex<()>,
    events: broadcast::Sender<Event>,
    next_id: AtomicI32,
    flags: Mutex<Vec<Weak<[String]>>>,
    kinds: Arc<Mutex<Kinds>>,
}

/// Identifiers from the kernel's random bytes.
#[derive(Debug)]
pub(crate) struct Random;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole once the kernel has gathered enough, long before a daemon runs.
    if let Err(error) = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()) {
        tracing::error!(%error, "the kernel gives no random bytes");
    }
    bytes
}

impl Entropy for Random {
    fn uuid(&self) -> Uuid {
        Uuid::from_random(random())
    }

    fn mac(&self) -> MacAddr {
        MacAddr::from_random(random())
    }

    fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}

/// Runs what may block on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::internal("a step ended before it was done")),
    }
}

impl Engine {
    /// Makes the directories, reads which guests are defined, and takes over those that run.
    pub async fn open(setup: Setup) -> Result<Engine> {
        let (teller, paths) = (Teller::default(), setup.paths.clone());
        let told = teller.clone();
        let kept = setup.paths.probes().join("capabilities");
        let (networks, filters, pools, secrets) = blocking(move || {
            let networks = Networks::open(&paths, setup.networks, told.clone())?;
            let (pools, secrets) = (Pools::open(&paths, told.clone())?, Secrets::open(&paths, told)?);
            Ok((networks, Filters::open(&paths)?, pools, secrets))
        })
        .await?;
        let engine = Engine(Arc::new(Inner {
            paths: setup.paths,
            host: setup.host,
            config: setup.config,
            emulators: Emulators::new(setup.search, setup.probe, kept),
            launcher: setup.launcher,
            host_models: setup.host_models,
            policy: setup.policy,
            descriptors: setup.descriptors,
            networks,
            pools,
            secrets,
            filters,
            names: Names::default(),
            teller,
            saving: setup.saving,
            registry: Registry::default(),
            definitions: tokio::sync::Mutex::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            next_id: AtomicI32::new(1),
            flags: Mutex::default(),
            kinds: Arc::default(),
        }));
        let loader = engine.clone();
        blocking(move || loader.load()).await?;
        engine.recover().await?;
        let orphans = engine.clone();
        blocking(move || {
            orphans.networks().release_orphans(|owner| orphans.runs(owner));
            Ok(())
        })
        .await?;
        Ok(engine)
    }

    /// Where its files lie.
    pub fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// The host.
    pub fn host(&self) -> &HostFacts {
        &self.0.host
    }

    /// The driver's configuration.
    pub fn config(&self) -> &DriverConfig {
        &self.0.config
    }

    /// The emulators.
    pub fn emulators(&self) -> &Emulators {
        &self.0.emulators
    }

    /// The guests.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The networks.
    pub fn networks(&self) -> &Networks {
        &self.0.networks
    }

    /// The storage pools.
    pub fn pools(&self) -> &Pools {
        &self.0.pools
    }

    /// The secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// The packet filters.
    pub fn filters(&self) -> &Filters {
        &self.0.filters
    }

    /// The names of devices for network cards.
    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    /// From now on, everything that happens to networks, pools and secrets.
    pub fn subscribe_objects(&self) -> broadcast::Receiver<ObjectEvent> {
        self.0.teller.subscribe()
    }

    /// Whether the guest with this UUID runs.
    fn runs(&self, uuid: Uuid) -> bool {
        self.registry().by_uuid(uuid).is_some_and(|guest| guest.view().is_active())
    }

    /// How guests are confined.
    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The program between fork and exec of an emulator.
    pub(crate) fn launcher(&self) -> &std::path::Path {
        &self.0.launcher
    }

    /// Directories of firmware descriptors, the distribution's first.
    pub fn descriptors(&self) -> &[PathBuf] {
        &self.0.descriptors
    }

    /// How guests are saved and dumped.
    pub(crate) fn saving(&self) -> &SaveConfig {
        &self.0.saving
    }

    /// Whose turn it is to change which definitions there are.
    pub(crate) fn definitions(&self) -> &tokio::sync::Mutex<()> {
        &self.0.definitions
    }

    /// What definitions are completed against and plans are made from.
    pub fn setting<'a>(&'a self, emulator: Option<&'a Emulator>) -> Setting<'a> {
        Setting::new(emulator, &self.0.host, &self.0.config, &Random)
    }

    /// What `host-model` stands for with an emulator, for a guest's accelerator.
    pub(crate) fn host_model(&self, emulator: &Emulator, domain: &Domain) -> Result<Option<HostModel>> {
        self.0.host_models.host_model(emulator, domain.head.identity.kind.accelerator())
    }

    /// From now on, everything that happens.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Tells everybody who listens.
    pub(crate) fn tell(&self, view: &View, mut what: What) {
        if let What::IoError(error) = &mut what {
            view.name_disk(error);
        }
        if let What::BlockThreshold { device, path, .. } = &mut what {
            view.name_node(device, path);
        }
        let event = Event { name: view.name.to_string(), uuid: view.uuid, id: view.id, what };
        // Nobody listens: nobody is told.
        drop(self.0.events.send(event));
    }

    /// Changes what the processors of a guest do and tells of it; what else must follow is returned.
    pub(crate) fn turn(&self, guest: &Guest, change: impl FnOnce(&mut Run) -> Vec<Effect>) -> Vec<Effect> {
        guest.turn(change, |view, what| self.tell(view, what))
    }

    /// An id for a run that starts.
    pub(crate) fn next_id(&self) -> i32 {
        self.0.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes note that an id is in use.
    pub(crate) fn uses_id(&self, id: i32) {
        self.0.next_id.fetch_max(id.saturating_add(1), Ordering::Relaxed);
    }

    /// Writes the status file of a guest as it is now; nothing where it does not run.
    pub(crate) async fn persist(&self, guest: &Arc<Guest>) {
        let (engine, guest) = (self.clone(), Arc::clone(guest));
        let written = blocking(move || engine.write_status(&guest)).await;
        if let Err(error) = written {
            tracing::warn!(%error, "cannot keep the state of a guest");
        }
    }

    /// The same, on a thread that may block.
    pub(crate) fn write_status(&self, guest: &Guest) -> Result<()> {
        // Held until the file is there, so that an older state never replaces a newer one.
        let _turn = guest.writing();
        let kept = guest.look(|state| {
            let process = match &state.lifecycle {
                Lifecycle::Off => None,
                Lifecycle::Starting(process) => process.clone(),
                Lifecycle::Live(link) | Lifecycle::Stopping(link) => Some(Arc::clone(&link.process)),
            };
            let record = RunRecord {
                status: state.run.status,
                rebooting: state.run.rebooting,
                ..state.record.clone()?
            };
            Some((process?, record, state.view.live.clone()?))
        });
        let Some((process, mut record, live)) = kept else { return Ok(()) };
        record.pid = process.pid();
        record.start_time = Some(process.start_time());
        let domain = live.domain();
        let text = files::with_header(domain.name(), domain.uuid(), &record.to_xml(domain));
        files::replace(&self.paths().status(domain.name()), &text, Durability::Volatile)
    }

    /// Kinds of the accelerator's counters, which are the same for all guests.
    pub(crate) fn counter_kinds(&self) -> &Arc<Mutex<Kinds>> {
        &self.0.kinds
    }

    /// One list for all who have the same.
    pub(crate) fn share(&self, list: Vec<String>) -> Arc<[String]> {
        let mut lists = self.0.flags.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|known| known.strong_count() > 0);
        let known = lists.iter().filter_map(Weak::upgrade).find(|known| **known == *list);
        known.unwrap_or_else(|| {
            let list = Arc::from(list);
            lists.push(Arc::downgrade(&list));
            list
        })
    }

    fn load(&self) -> Result<()> {
        for (path, mode) in self.paths().directories() {
            files::make_directory(&path, mode)?;
        }
        self.give_directories()?;
        self.take_back_orphans()?;
        let stems = files::xml_stems(&self.paths().definitions())?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let share = stems.len().div_ceil(workers).max(1);
        std::thread::scope(|scope| {
            for part in stems.chunks(share) {
                scope.spawn(move || part.iter().for_each(|stem| self.load_one(stem)));
            }
        });
        Ok(())
    }

    fn load_one(&self, stem: &str) {
        let path = self.paths().definition(stem);
        let outline = files::read(&path).and_then(|text| stored_identity(&text.unwrap_or_default()));
        match outline {
            Ok((name, Some(uuid))) if name == stem => {
                let autostart = self.paths().autostart(stem).exists();
                let guest = Guest::defined(stem, uuid, Definition::stored(path), autostart);
                guest.update(|state| {
                    state.view.autostart_once = self.paths().autostart_once(stem).exists();
                    state.view.managed_save = self.paths().managed_save(stem).exists();
                });
                match self.registry().match_identity(stem, uuid) {
                    Ok(_) => self.registry().add(&guest),
                    Err(error) => tracing::error!(%error, name = stem, "cannot load a definition"),
                }
            }
            Ok(_) => tracing::error!(path = %path.display(), "the file's name or UUID is not its guest's"),
            Err(error) => tracing::error!(path = %path.display(), %error, "cannot load a definition"),
        }
    }
}
