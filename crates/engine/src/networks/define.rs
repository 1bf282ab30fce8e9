//! Definitions of networks come, change and go.

use std::sync::{Arc, MutexGuard, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use ostler_domain::Entropy as _;
use ostler_host::net::Net;
use ostler_pools::network::Network as Model;
use ostler_pools::network::update::Update;
use ostler_pools::{ReadMode, Schema};

use super::{Inner, Network, Networks, View, invalid};
use crate::engine::Random;
use crate::files;
use crate::objects::Happening;
use crate::paths::is_file_name;

/// Which of the two definitions of a network a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// That of the run.
    pub live: bool,
    /// That of the next start.
    pub config: bool,
}

impl Inner {
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// What a change is for, by the flags of the public interface: 0 current, 1 live, 2 definition.
    pub fn target(&self, flags: u32) -> Result<Target> {
        let current = flags & 3 == 0;
        let active = self.is_active();
        let target = Target {
            live: flags & 1 != 0 || (current && active),
            config: flags & 2 != 0 || (current && !active),
        };
        if target.live && !active {
            return Err(invalid("network is not running"));
        }
        if target.config && !self.is_persistent() {
            return Err(invalid("transient networks do not have any persistent config"));
        }
        Ok(target)
    }
}

impl Networks {
    /// Reads a document as the driver takes it: complete and allowed.
    fn read(&self, xml: &str, schema: Schema) -> Result<Model> {
        let mut mode = ReadMode::new(Random.uuid());
        mode.schema = schema;
        let mut model = Model::parse(xml, &mode)?;
        model.validate()?;
        if !is_file_name(&model.name) {
            let detail = format!("name {} cannot contain '/'", model.name);
            return Err(Error::new(Code::XmlError, Origin::Network, detail));
        }
        if model.forward.mode.is_virtual() {
            self.name_bridge(&mut model)?;
            model.mac.get_or_insert_with(|| Random.mac());
        }
        Ok(model)
    }

    /// Gives the bridge a name that nobody has; refuses the name of another network's bridge.
    pub(super) fn name_bridge(&self, model: &mut Model) -> Result<()> {
        let taken: Vec<String> = self
            .all()
            .iter()
            .filter(|other| other.uuid != model.uuid)
            .flat_map(|other| {
                let view = other.view();
                let bridges = [view.live.as_ref(), view.config.as_ref()];
                bridges
                    .into_iter()
                    .flatten()
                    .filter_map(|model| model.bridge.name.clone())
                    .collect::<Vec<_>>()
            })
            .collect();
        let template = match &model.bridge.name {
            Some(name) if name.contains("%d") => name.clone(),
            Some(name) if taken.contains(name) => {
                let detail = format!("bridge name '{name}' already in use.");
                return Err(Error::new(Code::InternalError, Origin::Network, detail));
            }
            Some(_) => return Ok(()),
            None => "virbr%d".to_owned(),
        };
        let links = Net::open()?.links()?;
        let free = |name: &String| !taken.contains(name) && links.iter().all(|link| link.name != *name);
        let name = (0..=256).map(|number| template.replacen("%d", &number.to_string(), 1)).find(free);
        let full = || {
            let detail = format!("Bridge generation exceeded max id {}", 256);
            Error::new(Code::InternalError, Origin::Network, detail)
        };
        model.bridge.name = Some(name.ok_or_else(full)?);
        Ok(())
    }

    /// Makes a definition, or replaces the one of the same network.
    pub fn define(&self, xml: &str, schema: Schema) -> Result<Arc<Network>> {
        let turn = self.0.turn();
        let model = Arc::new(self.read(xml, schema)?);
        let known = self.0.shelf.match_identity("network", Origin::Network, &model.name, model.uuid)?;
        self.0.write_definition(&model)?;
        let network = match known {
            Some(network) => {
                network.own(|state| state.view.config = Some(model));
                network
            }
            None => {
                let view = View { config: Some(Arc::clone(&model)), ..View::default() };
                let network = Network::new(&model.name, model.uuid, view);
                self.0.shelf.add(&network);
                network
            }
        };
        drop(turn);
        self.tell(&network, Happening::Defined);
        Ok(network)
    }

    /// Starts a network from a definition that is not kept.
    pub fn create(&self, xml: &str, schema: Schema) -> Result<Arc<Network>> {
        let turn = self.0.turn();
        let model = self.read(xml, schema)?;
        let known = self.0.shelf.match_identity("network", Origin::Network, &model.name, model.uuid)?;
        if known.as_ref().is_some_and(|network| network.view().is_active()) {
            return Err(invalid(format!("network is already active as '{}'", model.name)));
        }
        let network = known.unwrap_or_else(|| Network::new(&model.name, model.uuid, View::default()));
        network.own(|state| self.0.bring_up(self, state, model))?;
        self.0.shelf.add(&network);
        drop(turn);
        self.tell(&network, Happening::Started);
        Ok(network)
    }

    /// Removes a definition. A network that runs goes on, and is forgotten when it stops.
    pub fn undefine(&self, network: &Arc<Network>) -> Result<()> {
        let turn = self.0.turn();
        network.own(|state| {
            if !state.view.is_persistent() {
                return Err(invalid("can't undefine transient network"));
            }
            self.0.mark_autostart(&network.name, false)?;
            files::remove(&self.0.definition(&network.name))?;
            state.view.config = None;
            state.view.autostart = false;
            Ok(())
        })?;
        self.forget_unless_needed(network);
        drop(turn);
        self.tell(network, Happening::Undefined);
        Ok(())
    }

    /// Whether a network is started with the daemon.
    pub fn set_autostart(&self, network: &Arc<Network>, autostart: bool) -> Result<()> {
        network.own(|state| {
            if !state.view.is_persistent() {
                return Err(invalid("cannot set autostart for transient network"));
            }
            self.0.mark_autostart(&network.name, autostart)?;
            state.view.autostart = autostart;
            Ok(())
        })
    }

    /// Changes one part of a network: of its run, of its definition or of both. `flags` are those of
    /// [`View::target`].
    pub fn update(
        &self,
        network: &Arc<Network>,
        update: &Update<'_>,
        flags: u32,
        schema: Schema,
    ) -> Result<()> {
        network.own(|state| {
            let target = state.view.target(flags)?;
            let change = |model: Option<&Arc<Model>>, wanted: bool| match model.filter(|_| wanted) {
                None => Ok(None),
                Some(model) => {
                    let changed = model.updated(update, schema)?;
                    changed.check()?;
                    changed.validate()?;
                    Ok::<_, Error>(Some(Arc::new(changed)))
                }
            };
            let config = change(state.view.config.as_ref(), target.config)?;
            let live = change(state.view.live.as_ref(), target.live)?;
            if let Some(config) = config {
                self.0.write_definition(&config)?;
                state.view.config = Some(config);
            }
            match live {
                Some(live) => self.0.change_run(state, live),
                None => Ok(()),
            }
        })
    }
}

impl Inner {
    /// Brings the run of a network in line with a changed document.
    fn change_run(&self, state: &mut super::State, live: Arc<Model>) -> Result<()> {
        if live.forward.mode.is_virtual() {
            let old = state.view.live.as_ref();
            if old.is_some_and(|old| old.forward != live.forward) {
                super::firewall::remove(&state.removal);
                state.removal = super::firewall::apply(&live, self.setup.backend)?;
            }
            self.refresh_dnsmasq(&live)?;
        }
        let removal = state.removal.clone();
        let status = super::files::Status { network: Model::clone(&live), starting: false, removal };
        state.view.live = Some(live);
        self.write_status(&status)
    }
}
