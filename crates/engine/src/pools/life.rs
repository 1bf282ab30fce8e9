//! Building, starting, refreshing, stopping and deleting pools.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_pools::Schema;
use ostler_pools::storage::Pool as Model;
use ostler_pools::storage::kinds::PoolType;
use ostler_pools::storage::pool::Target;

use super::{Pool, Pools, View, failed, invalid};
use crate::files;
use crate::objects::Happening;

/// The permission bits of a new directory of a pool.
const MODE: u32 = 0o711;

/// Flags of a build: repair, resize, overwrite nothing, overwrite.
pub const BUILD_FLAGS: u32 = 1 | 2 | 4 | 8;
/// Flags of a start: with a build, which overwrites or does not.
pub const CREATE_FLAGS: u32 = 1 | 2 | 4;

/// Flags of a start that ask for a build.
const WITH_BUILD: u32 = 1 | 2 | 4;

/// Refuses a kind of pool that cannot be run here.
fn require_directory(model: &Model) -> Result<&Target> {
    match (&model.target, model.kind) {
        (Some(target), PoolType::Dir) => Ok(target),
        _ => {
            let detail =
                format!("storage pools of type '{}' cannot be used here (pool '{}')", model.kind, model.name);
            Err(Error::new(Code::NoSupport, Origin::Storage, detail))
        }
    }
}

impl Pools {
    /// Makes the place of a pool.
    pub fn build(&self, pool: &Arc<Pool>, flags: u32) -> Result<()> {
        pool.own(|view| {
            if view.is_active() {
                return Err(invalid(format!("storage pool '{}' is already active", pool.name)));
            }
            build(view.current()?, flags)
        })?;
        self.tell(pool, Happening::Created);
        Ok(())
    }

    /// Starts a pool.
    pub fn start(&self, pool: &Arc<Pool>, flags: u32) -> Result<()> {
        pool.own(|view| {
            if view.is_active() {
                return Err(invalid(format!("storage pool '{}' is already active", pool.name)));
            }
            let model = Model::clone(view.current()?);
            self.run(view, model, flags)
        })?;
        self.tell(pool, Happening::Started);
        Ok(())
    }

    fn run(&self, view: &mut View, model: Model, flags: u32) -> Result<()> {
        require_directory(&model)?;
        if flags & WITH_BUILD != 0 {
            build(&model, (flags & (2 | 4)) << 2 & BUILD_FLAGS)?;
        }
        self.0.refresh(view, model)?;
        let live = Arc::clone(view.current()?);
        let written = self.0.write_status(&live);
        if written.is_err() {
            view.live = None;
            view.volumes = Arc::default();
        }
        written
    }

    /// Starts a pool from a definition that is not kept.
    pub fn create(&self, xml: &str, flags: u32) -> Result<Arc<Pool>> {
        let turn = self.turn();
        let model = self.read(xml, Schema::Lenient)?;
        let known = self.0.shelf.match_identity("pool", Origin::Storage, &model.name, model.uuid)?;
        if known.as_ref().is_some_and(|pool| pool.view().is_active()) {
            return Err(invalid(format!("pool is already active as '{}'", model.name)));
        }
        let pool = known.unwrap_or_else(|| Pool::new(&model.name, model.uuid, View::default()));
        pool.own(|view| self.run(view, model, flags))?;
        self.0.shelf.add(&pool);
        drop(turn);
        self.tell(&pool, Happening::Started);
        Ok(pool)
    }

    /// Looks anew for the volumes of a pool. One whose place is gone stops.
    pub fn refresh(&self, pool: &Arc<Pool>) -> Result<()> {
        let refreshed = pool.own(|view| {
            let Some(live) = view.live.clone() else { return Err(pool.not_active()) };
            self.0.refresh(view, Model::clone(&live)).inspect_err(|_| {
                view.live = None;
                view.volumes = Arc::default();
            })
        });
        match refreshed {
            Ok(()) => {
                self.tell(pool, Happening::Refreshed);
                Ok(())
            }
            Err(error) if pool.view().is_active() => Err(error),
            Err(error) => {
                files::remove(&self.0.status(&pool.name))?;
                self.forget_unless_needed(pool);
                Err(error)
            }
        }
    }

    /// Stops a pool; nothing of what is in it changes.
    pub fn destroy(&self, pool: &Arc<Pool>) -> Result<()> {
        let turn = self.turn();
        pool.own(|view| {
            if !view.is_active() {
                return Err(pool.not_active());
            }
            files::remove(&self.0.status(&pool.name))?;
            view.live = None;
            view.volumes = Arc::default();
            Ok(())
        })?;
        self.forget_unless_needed(pool);
        drop(turn);
        self.tell(pool, Happening::Stopped);
        Ok(())
    }

    /// Removes the place of a pool, which must be empty.
    pub fn delete(&self, pool: &Arc<Pool>) -> Result<()> {
        pool.own(|view| {
            if view.is_active() {
                return Err(invalid(format!("storage pool '{}' is still active", pool.name)));
            }
            let target = require_directory(view.current()?)?;
            fs::remove_dir(&target.path)
                .map_err(|error| failed("failed to remove pool", &target.path, &error))
        })?;
        self.tell(pool, Happening::Deleted);
        Ok(())
    }

    /// Starts every pool that is marked to start with the daemon.
    pub fn autostart(&self) {
        for pool in self.all() {
            let view = pool.view();
            if view.autostart
                && !view.is_active()
                && let Err(error) = self.start(&pool, 0)
            {
                tracing::error!(name = pool.name, %error, "cannot start a storage pool with the daemon");
            }
        }
    }
}

/// Makes a pool's directory and its parents; one that is there gets mode and owner where they are
/// said.
fn build(model: &Model, flags: u32) -> Result<()> {
    let target = require_directory(model)?;
    if flags & (4 | 8) != 0 {
        let detail =
            format!("unsupported flags (0x{:x}) in function virStorageBackendBuildLocal", flags & (4 | 8));
        return Err(Error::verbatim(Code::InvalidArg, Origin::Storage, detail));
    }
    let path = Path::new(&target.path);
    let fault = |error: &std::io::Error| failed("cannot create directory", &target.path, error);
    let is_new = !path.exists();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| fault(&error))?;
    }
    let mode = target.permissions.mode.unwrap_or(MODE);
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other.map_err(|error| fault(&error))?,
    }
    if is_new || target.permissions.mode.is_some() {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| fault(&error))?;
    }
    let (owner, group) = (target.permissions.owner, target.permissions.group);
    let now = fs::metadata(path).map_err(|error| fault(&error))?;
    if owner.is_some_and(|owner| owner != now.uid()) || group.is_some_and(|group| group != now.gid()) {
        std::os::unix::fs::chown(path, owner, group)
            .map_err(|error| failed("cannot chown", &target.path, &error))?;
    }
    Ok(())
}
