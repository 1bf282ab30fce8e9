//! Packet filters: definitions, and which interface of a guest has which.
//!
//! Owns: that the rules of an interface are those of its filter as it is defined now, and gone with
//! the interface. Never: knows a client. Everything here blocks but reading; call it from a thread
//! that may.

mod bindings;
mod builtin;
mod learn;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_domain::Entropy as _;
pub use ostler_pools::nwfilter::Filter;
pub use ostler_pools::nwfilter::binding::Binding;
use ostler_pools::nwfilter::instance::check_no_loop;
use ostler_pools::{ReadMode, Schema};

use crate::engine::Random;
use crate::files::{self, Durability};
use crate::paths::{Paths, is_file_name};
use bindings::Bound;

/// The filters of a host. Clones share them.
#[derive(Debug, Clone)]
pub struct Filters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    definitions: PathBuf,
    bindings: PathBuf,
    filters: RwLock<BTreeMap<String, Arc<Filter>>>,
    bound: RwLock<BTreeMap<String, Arc<Bound>>>,
    /// Whose turn it is to change a filter or the rules of an interface.
    turn: Mutex<()>,
    learner: learn::Learner,
}

fn missing(detail: String) -> Error {
    Error::new(Code::NoNwfilter, Origin::Nwfilter, detail)
}

fn failed(detail: impl Into<String>) -> Error {
    Error::new(Code::OperationFailed, Origin::Nwfilter, detail)
}

impl Filters {
    /// Reads which filters are defined (the built-in ones are, where there was no place for any yet),
    /// and which interfaces have one.
    pub fn open(paths: &Paths) -> Result<Self> {
        let filters = Filters(Arc::new(Inner {
            definitions: paths.etc.join("nwfilter"),
            bindings: paths.run.join("nwfilter-binding"),
            filters: RwLock::default(),
            bound: RwLock::default(),
            turn: Mutex::default(),
            learner: learn::Learner::default(),
        }));
        if !filters.0.definitions.exists() {
            for filter in builtin::filters(|| Random.uuid())? {
                filters.0.store(&filter, Durability::Volatile)?;
            }
        }
        for stem in files::xml_stems(&filters.0.definitions)? {
            if let Err(error) = filters.load(&stem) {
                tracing::error!(name = stem, %error, "cannot load a packet filter");
            }
        }
        filters.take_over()?;
        Ok(filters)
    }

    fn load(&self, stem: &str) -> Result<()> {
        let path = self.0.definition(stem);
        let text = files::read(&path)?.unwrap_or_default();
        let none = Uuid([0; 16]);
        let mut filter = Filter::parse(&text, &ReadMode::new(none))?;
        if filter.uuid == none {
            // Those that a package brings have none; theirs stays from now on.
            filter.uuid = Random.uuid();
            self.0.store(&filter, Durability::Durable)?;
        }
        if filter.name != stem {
            return Err(failed("the file's name is not its filter's"));
        }
        self.put(filter);
        Ok(())
    }

    fn put(&self, filter: Filter) -> Arc<Filter> {
        let filter = Arc::new(filter);
        let mut all = self.0.filters.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(filter.name.clone(), Arc::clone(&filter));
        filter
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every filter, by name.
    pub fn all(&self) -> Vec<Arc<Filter>> {
        self.0.filters.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The filter with this name.
    pub fn by_name(&self, name: &str) -> Result<Arc<Filter>> {
        let all = self.0.filters.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned().ok_or_else(|| missing(format!("no nwfilter with matching name '{name}'")))
    }

    /// The filter with this UUID.
    pub fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Filter>> {
        let found = self.all().into_iter().find(|filter| filter.uuid == uuid);
        found.ok_or_else(|| missing(format!("no nwfilter with matching uuid '{uuid}'")))
    }

    /// Makes a filter, or replaces one; interfaces that have it get the new rules. Where one cannot,
    /// the old filter stays.
    pub fn define(&self, xml: &str, schema: Schema) -> Result<Arc<Filter>> {
        let _turn = self.turn();
        let known_name = |filter: &Filter| self.by_name(&filter.name).ok();
        let mut mode = ReadMode::new(Uuid([0; 16]));
        mode.schema = schema;
        let mut filter = Filter::parse(xml, &mode)?;
        let known = known_name(&filter);
        if filter.uuid == Uuid([0; 16]) {
            filter.uuid = known.as_ref().map_or_else(|| Random.uuid(), |known| known.uuid);
        }
        self.check(&filter, known.as_deref())?;
        if known.as_deref() == Some(&filter) {
            return self.by_name(&filter.name);
        }
        let filter = self.put(filter);
        if let Err(error) = self.renew_all().and_then(|()| self.0.store(&filter, Durability::Durable)) {
            match known {
                Some(known) => _ = self.put(Filter::clone(&known)),
                None => _ = self.take(&filter.name),
            }
            if let Err(again) = self.renew_all() {
                tracing::error!(error = %again, "cannot put the old rules of a filter back");
            }
            return Err(error);
        }
        Ok(filter)
    }

    fn check(&self, filter: &Filter, known: Option<&Filter>) -> Result<()> {
        if !is_file_name(&filter.name) {
            return Err(Error::new(
                Code::XmlError,
                Origin::Nwfilter,
                format!("name {} cannot contain '/'", filter.name),
            ));
        }
        if let Ok(other) = self.by_uuid(filter.uuid)
            && other.name != filter.name
        {
            return Err(failed(format!(
                "filter with same UUID but different name ('{}') already exists",
                other.name
            )));
        }
        if let Some(known) = known.filter(|known| known.uuid != filter.uuid) {
            return Err(failed(format!("filter '{}' already exists with uuid {}", known.name, known.uuid)));
        }
        let all = self.all();
        check_no_loop(filter, &|name| all.iter().find(|other| other.name == name).map(|other| &**other))
    }

    fn take(&self, name: &str) -> Option<Arc<Filter>> {
        self.0.filters.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Forgets a filter that nobody uses.
    pub fn undefine(&self, name: &str) -> Result<()> {
        let _turn = self.turn();
        self.by_name(name)?;
        let included = self.all().iter().any(|other| other.includes().any(|used| used.filter == name));
        if included || self.bindings().iter().any(|binding| binding.filterref.filter == name) {
            return Err(Error::new(Code::OperationInvalid, Origin::Nwfilter, "nwfilter is in use"));
        }
        files::remove(&self.0.definition(name))?;
        self.take(name);
        Ok(())
    }
}

impl Inner {
    fn definition(&self, name: &str) -> PathBuf {
        self.definitions.join(format!("{name}.xml"))
    }

    fn store(&self, filter: &Filter, durability: Durability) -> Result<()> {
        files::make_directory(&self.definitions, 0o700)?;
        let text = files::with_header_for("nwfilter-edit", &filter.name, filter.uuid, &filter.to_xml());
        files::replace(&self.definition(&filter.name), &text, durability)
    }
}
