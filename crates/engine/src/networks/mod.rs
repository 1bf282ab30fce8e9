//! Virtual networks: one owner each, their definitions, their runs, their ports.
//!
//! Owns: which networks there are and what each is doing. Never: knows a client. Everything here
//! blocks but reading a [`View`]; call it from a thread that may.
//!
//! ```text
//! inactive --start--> active --destroy--> inactive
//!     ^ define            \--(no definition: forgotten)
//! ```

mod define;
mod dnsmasq;
mod files;
mod firewall;
mod guard;
mod leases;
mod metadata;
mod ports;
mod recover;
mod start;
mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_pools::network::Network as Model;
pub use ostler_pools::network::firewall::Backend;
pub use ostler_pools::network::port::Port;
use ostler_pools::{Command, WriteMode};

pub use define::Target;
pub use leases::{Entry, Lease};
pub use metadata::{MetadataChange, MetadataKind};
pub use ports::{Claim, Claimed};
pub use tables::shape;

use crate::objects::{Happening, Subject, Teller};
use crate::paths::Paths;
use crate::shelf::{Labelled, Shelf};

/// What networks have to know of their host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which program makes rules of the packet filter.
    pub backend: Backend,
    /// The program that dnsmasq tells of leases.
    pub lease_program: PathBuf,
}

/// The networks of a host. Clones share them.
#[derive(Debug, Clone)]
pub struct Networks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    paths: Paths,
    setup: Setup,
    shelf: Shelf<Network>,
    /// Whose turn it is to change which networks there are.
    turn: Mutex<()>,
    teller: Teller,
}

/// A network.
#[derive(Debug)]
pub struct Network {
    name: String,
    uuid: Uuid,
    state: Mutex<State>,
    view: RwLock<Arc<View>>,
}

/// A network as it is at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What it runs by; absent where it does not run.
    pub live: Option<Arc<Model>>,
    /// The definition that the next start takes; absent for a network that has only its run.
    pub config: Option<Arc<Model>>,
    /// Whether it is started with the daemon.
    pub autostart: bool,
    /// Its ports, by UUID.
    pub ports: BTreeMap<Uuid, Arc<Port>>,
}

/// What its owner knows.
#[derive(Debug, Default)]
struct State {
    view: View,
    /// What takes the rules of the packet filter back, in this order.
    removal: Vec<Command>,
}

impl Labelled for Network {
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
        current.ok_or_else(|| Error::internal("network has no definition").from_origin(Origin::Network))
    }

    /// The document; of the definition where that is asked for.
    pub fn xml(&self, inactive: bool) -> Result<String> {
        match (&self.live, &self.config) {
            (Some(live), None) if inactive => Ok(live.to_el(WriteMode::Inactive, 0).to_xml()),
            (Some(live), _) if !inactive => Ok(live.to_el(WriteMode::Live, self.ports.len()).to_xml()),
            _ => {
                let config = self.config.as_ref().map_or_else(|| self.current(), Ok)?;
                Ok(config.to_el(WriteMode::Inactive, 0).to_xml())
            }
        }
    }
}

impl Network {
    fn new(name: &str, uuid: Uuid, view: View) -> Arc<Self> {
        Arc::new(Network {
            name: name.to_owned(),
            uuid,
            view: RwLock::new(Arc::new(view.clone())),
            state: Mutex::new(State { view, removal: Vec::new() }),
        })
    }

    /// The network as it is now; never waits.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something as the network's only owner, then publishes what came of it.
    fn own<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut state);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state.view.clone());
        result
    }

    fn subject(&self) -> Subject {
        Subject::Network { name: self.name.clone(), uuid: self.uuid }
    }

    fn not_active(&self) -> Error {
        let detail = format!("network '{}' is not active", self.name);
        Error::new(Code::OperationInvalid, Origin::Network, detail)
    }
}

impl Networks {
    /// Reads which networks are defined and takes over those that run.
    pub fn open(paths: &Paths, setup: Setup, teller: Teller) -> Result<Self> {
        let networks = Networks(Arc::new(Inner {
            paths: paths.clone(),
            setup,
            shelf: Shelf::default(),
            turn: Mutex::default(),
            teller,
        }));
        networks.load()?;
        networks.guard();
        Ok(networks)
    }

    /// Every network, in the order of UUIDs.
    pub fn all(&self) -> Vec<Arc<Network>> {
        self.0.shelf.all()
    }

    /// The network with this UUID.
    pub fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Network>> {
        self.0.shelf.by_uuid(uuid).ok_or_else(|| missing(format!("no network with matching uuid '{uuid}'")))
    }

    /// The network with this name.
    pub fn by_name(&self, name: &str) -> Result<Arc<Network>> {
        self.0.shelf.by_name(name).ok_or_else(|| missing(format!("no network with matching name '{name}'")))
    }

    fn tell(&self, network: &Network, what: Happening) {
        self.0.teller.tell(network.subject(), what);
    }

    /// Forgets a network that neither runs nor has a definition.
    fn forget_unless_needed(&self, network: &Network) {
        let view = network.view();
        if !view.is_active() && !view.is_persistent() {
            self.0.shelf.remove(network.uuid);
        }
    }
}

fn missing(detail: String) -> Error {
    Error::new(Code::NoNetwork, Origin::Network, detail)
}

/// The error of something that a network's state does not allow.
fn invalid(detail: impl Into<String>) -> Error {
    Error::new(Code::OperationInvalid, Origin::Network, detail)
}
