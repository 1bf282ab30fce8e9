//! Definitions of pools come, change and go; what a daemon that starts finds.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_domain::Entropy as _;
use ostler_pools::storage::Pool as Model;
use ostler_pools::{ReadMode, Schema};

use super::files::read_status;
use super::{Pool, Pools, View, invalid};
use crate::engine::Random;
use crate::files;
use crate::objects::Happening;
use crate::paths::is_file_name;

impl Pools {
    pub(super) fn read(&self, xml: &str, schema: Schema) -> Result<Model> {
        let mut mode = ReadMode::new(Random.uuid());
        mode.schema = schema;
        let model = Model::parse(xml, &mode)?;
        if !is_file_name(&model.name) {
            let detail = format!("name {} cannot contain '/'", model.name);
            return Err(Error::new(Code::XmlError, Origin::Storage, detail));
        }
        self.check_target(&model)?;
        Ok(model)
    }

    /// Two pools do not share a directory.
    fn check_target(&self, model: &Model) -> Result<()> {
        let Some(target) = &model.target else { return Ok(()) };
        for other in self.all().iter().filter(|other| other.uuid != model.uuid) {
            let view = other.view();
            let same = [view.live.as_ref(), view.config.as_ref()]
                .into_iter()
                .flatten()
                .any(|known| known.target.as_ref().is_some_and(|known| known.path == target.path));
            if same && view.kind() == model.kind {
                let detail = format!("Storage source conflict with pool: '{}'", other.name);
                return Err(Error::new(Code::OperationFailed, Origin::Storage, detail));
            }
        }
        Ok(())
    }

    /// Makes a definition, or replaces the one of the same pool.
    pub fn define(&self, xml: &str, schema: Schema) -> Result<Arc<Pool>> {
        let turn = self.turn();
        let model = Arc::new(self.read(xml, schema)?);
        let known = self.0.shelf.match_identity("pool", Origin::Storage, &model.name, model.uuid)?;
        self.0.write_definition(&model)?;
        let pool = match known {
            Some(pool) => {
                pool.own(|view| view.config = Some(model));
                pool
            }
            None => {
                let view = View { config: Some(Arc::clone(&model)), ..View::default() };
                let pool = Pool::new(&model.name, model.uuid, view);
                self.0.shelf.add(&pool);
                pool
            }
        };
        drop(turn);
        self.tell(&pool, Happening::Defined);
        Ok(pool)
    }

    /// Removes the definition of a pool that does not run.
    pub fn undefine(&self, pool: &Arc<Pool>) -> Result<()> {
        let turn = self.turn();
        pool.own(|view| {
            if view.is_active() {
                return Err(invalid(format!("storage pool '{}' is still active", pool.name)));
            }
            self.0.mark_autostart(&pool.name, false)?;
            files::remove(&self.0.definition(&pool.name))?;
            view.config = None;
            view.autostart = false;
            Ok(())
        })?;
        self.forget_unless_needed(pool);
        drop(turn);
        self.tell(pool, Happening::Undefined);
        Ok(())
    }

    /// Whether a pool is started with the daemon.
    pub fn set_autostart(&self, pool: &Arc<Pool>, autostart: bool) -> Result<()> {
        pool.own(|view| {
            if !view.is_persistent() {
                let detail = "pool has no config file";
                return Err(Error::new(Code::InvalidArg, Origin::Storage, detail));
            }
            self.0.mark_autostart(&pool.name, autostart)?;
            view.autostart = autostart;
            Ok(())
        })
    }

    pub(super) fn load(&self) -> Result<()> {
        for stem in files::xml_stems(&self.0.definitions())? {
            if let Err(error) = self.load_definition(&stem) {
                tracing::error!(name = stem, %error, "cannot load a storage pool");
            }
        }
        for stem in files::xml_stems(&self.0.runs())? {
            if let Err(error) = self.take_over(&stem) {
                tracing::error!(name = stem, %error, "cannot take over a storage pool");
            }
        }
        Ok(())
    }

    fn load_definition(&self, stem: &str) -> Result<()> {
        let text = files::read(&self.0.definition(stem))?.unwrap_or_default();
        let model = Model::parse(&text, &ReadMode::new(Uuid([0; 16])))?;
        if model.name != stem || model.uuid == Uuid([0; 16]) {
            return Err(Error::internal("the file's name or UUID is not its pool's"));
        }
        let autostart = self.0.autostart(stem).symlink_metadata().is_ok();
        let uuid = model.uuid;
        let view = View { config: Some(Arc::new(model)), autostart, ..View::default() };
        self.0.shelf.add(&Pool::new(stem, uuid, view));
        Ok(())
    }

    /// A pool that ran goes on, if its place is still there.
    fn take_over(&self, stem: &str) -> Result<()> {
        let text = files::read(&self.0.status(stem))?.unwrap_or_default();
        let model = read_status(&text, &ReadMode::new(Uuid([0; 16])))?;
        let uuid = model.uuid;
        let pool = self.0.shelf.by_uuid(uuid).unwrap_or_else(|| Pool::new(stem, uuid, View::default()));
        let refreshed = pool.own(|view| self.0.refresh(view, model));
        if let Err(error) = refreshed {
            tracing::warn!(name = stem, %error, "a storage pool does not run any more");
            files::remove(&self.0.status(stem))?;
            if !pool.view().is_persistent() {
                return Ok(());
            }
        }
        self.0.shelf.add(&pool);
        Ok(())
    }
}
