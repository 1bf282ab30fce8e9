//! Storage pools: one owner each, their definitions, their runs, their volumes.
//!
//! Owns: which pools there are and what is in each. Never: knows a client. Everything here blocks but
//! reading a [`View`]; call it from a thread that may.
//!
//! Pools of directories run; the other kinds can be defined, and say that they cannot be started.

mod contents;
mod define;
mod files;
mod life;
mod refresh;
mod volumes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_pools::storage::Pool as Model;
pub use ostler_pools::storage::Volume;
use ostler_pools::storage::kinds::PoolType;

pub use contents::{Contents, Piece};
pub use life::{BUILD_FLAGS, CREATE_FLAGS};
pub use volumes::{CREATE_FROM_FLAGS, CREATE_VOLUME_FLAGS, DELETE_FLAGS, RESIZE_FLAGS};

use crate::objects::{Happening, Subject, Teller};
use crate::paths::Paths;
use crate::shelf::{Labelled, Shelf};

/// The pools of a host. Clones share them.
#[derive(Debug, Clone)]
pub struct Pools(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    paths: Paths,
    shelf: Shelf<Pool>,
    /// Whose turn it is to change which pools there are.
    turn: Mutex<()>,
    teller: Teller,
}

/// A pool.
#[derive(Debug)]
pub struct Pool {
    name: String,
    uuid: Uuid,
    state: Mutex<View>,
    view: RwLock<Arc<View>>,
}

/// A pool as it is at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What it runs by, with its sizes; absent where it does not run.
    pub live: Option<Arc<Model>>,
    /// The definition that the next start takes; absent for a pool that has only its run.
    pub config: Option<Arc<Model>>,
    /// Whether it is started with the daemon.
    pub autostart: bool,
    /// Its volumes by name; none where it does not run.
    pub volumes: Arc<BTreeMap<String, Arc<Volume>>>,
}

impl Labelled for Pool {
    fn name(&self) -> &str {
        &self.name
    }

    fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl View {
    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.live.is_some()
    }

    /// Whether it has a definition on disk.
    pub fn is_persistent(&self) -> bool {
        self.config.is_some()
    }

    /// The definition that most questions are about: of the run, if there is one.
    pub fn current(&self) -> Result<&Arc<Model>> {
        let current = self.live.as_ref().or(self.config.as_ref());
        current.ok_or_else(|| Error::internal("pool has no definition").from_origin(Origin::Storage))
    }

    /// Its kind.
    pub fn kind(&self) -> PoolType {
        self.current().map_or(PoolType::Dir, |model| model.kind)
    }

    /// The document; of the definition where that is asked for.
    pub fn xml(&self, inactive: bool) -> Result<String> {
        match &self.config {
            Some(config) if inactive => Ok(config.to_xml()),
            _ => Ok(self.current()?.to_xml()),
        }
    }
}

impl Pool {
    fn new(name: &str, uuid: Uuid, view: View) -> Arc<Self> {
        Arc::new(Pool {
            name: name.to_owned(),
            uuid,
            view: RwLock::new(Arc::new(view.clone())),
            state: Mutex::new(view),
        })
    }

    /// The pool as it is now; never waits.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something as the pool's only owner, then publishes what came of it.
    fn own<R>(&self, work: impl FnOnce(&mut View) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state.clone());
        result
    }

    /// What it runs by; refuses where it does not run.
    pub fn live(&self) -> Result<Arc<Model>> {
        self.view().live.clone().ok_or_else(|| self.not_active())
    }

    /// The volume with this name in a pool that runs.
    pub fn volume(&self, name: &str) -> Result<Arc<Volume>> {
        self.live()?;
        self.view()
            .volumes
            .get(name)
            .cloned()
            .ok_or_else(|| no_volume(format!("no storage vol with matching name '{name}'")))
    }

    fn not_active(&self) -> Error {
        invalid(format!("storage pool '{}' is not active", self.name))
    }
}

impl Pools {
    /// Reads which pools are defined, and which of them run.
    pub fn open(paths: &Paths, teller: Teller) -> Result<Self> {
        let pools = Pools(Arc::new(Inner {
            paths: paths.clone(),
            shelf: Shelf::default(),
            turn: Mutex::default(),
            teller,
        }));
        pools.load()?;
        Ok(pools)
    }

    /// Every pool, in the order of UUIDs.
    pub fn all(&self) -> Vec<Arc<Pool>> {
        self.0.shelf.all()
    }

    /// The pool with this UUID.
    pub fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Pool>> {
        self.0
            .shelf
            .by_uuid(uuid)
            .ok_or_else(|| missing(format!("no storage pool with matching uuid '{uuid}'")))
    }

    /// The pool with this name.
    pub fn by_name(&self, name: &str) -> Result<Arc<Pool>> {
        self.0
            .shelf
            .by_name(name)
            .ok_or_else(|| missing(format!("no storage pool with matching name '{name}'")))
    }

    /// The pool whose volumes lie in this directory.
    pub fn by_target(&self, path: &str) -> Result<Arc<Pool>> {
        let wanted = path.trim_end_matches('/');
        let target = |pool: &Arc<Pool>| {
            let view = pool.view();
            let path = view.live.as_ref()?.target.as_ref().map(|target| target.path.clone());
            path.filter(|path| path.trim_end_matches('/') == wanted)
        };
        let found = self.all().into_iter().find(|pool| target(pool).is_some());
        found.ok_or_else(|| missing(format!("no storage pool with matching target path '{path}'")))
    }

    /// The volume that has this path or key, with its pool.
    pub fn volume_by(&self, what: &str, fits: impl Fn(&Volume) -> bool) -> Result<(Arc<Pool>, Arc<Volume>)> {
        for pool in self.all() {
            if let Some(volume) = pool.view().volumes.values().find(|volume| fits(volume)) {
                return Ok((Arc::clone(&pool), Arc::clone(volume)));
            }
        }
        Err(no_volume(format!("no storage vol with matching {what}")))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, pool: &Pool, what: Happening) {
        self.0.teller.tell(Subject::Pool { name: pool.name.clone(), uuid: pool.uuid }, what);
    }

    /// Forgets a pool that neither runs nor has a definition.
    fn forget_unless_needed(&self, pool: &Pool) {
        let view = pool.view();
        if !view.is_active() && !view.is_persistent() {
            self.0.shelf.remove(pool.uuid);
        }
    }
}

fn missing(detail: String) -> Error {
    Error::new(Code::NoStoragePool, Origin::Storage, detail)
}

fn no_volume(detail: String) -> Error {
    Error::new(Code::NoStorageVol, Origin::Storage, detail)
}

/// The error of something that a pool's state does not allow.
fn invalid(detail: impl Into<String>) -> Error {
    Error::new(Code::OperationInvalid, Origin::Storage, detail)
}

/// A system call that failed.
fn failed(what: &str, path: &str, error: &std::io::Error) -> Error {
    crate::files::failed(what, std::path::Path::new(path), error).from_origin(Origin::Storage)
}
