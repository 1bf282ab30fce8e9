//! What a daemon that starts finds: definitions, and networks that run.
//!
//! Owns: that a network which ran goes on as it was, and one that was half way up is taken down.

use std::sync::Arc;

use ostler_base::{Result, Uuid};
use ostler_host::net::Net;
use ostler_pools::ReadMode;
use ostler_pools::network::Network as Model;

use super::files::{Status, read_port};
use super::{Network, Networks, View, firewall, ports};
use crate::files;

impl Networks {
    pub(super) fn load(&self) -> Result<()> {
        for stem in files::xml_stems(&self.0.definitions())? {
            if let Err(error) = self.load_definition(&stem) {
                tracing::error!(name = stem, %error, "cannot load a network");
            }
        }
        for stem in files::xml_stems(&self.0.runs())? {
            if let Err(error) = self.take_over(&stem) {
                tracing::error!(name = stem, %error, "cannot take over a network");
            }
        }
        Ok(())
    }

    fn load_definition(&self, stem: &str) -> Result<()> {
        let path = self.0.definition(stem);
        let text = files::read(&path)?.unwrap_or_default();
        let mut model = Model::parse(&text, &ReadMode::new(Uuid([0; 16])))?;
        if model.name != stem || model.uuid == Uuid([0; 16]) {
            tracing::error!(path = %path.display(), "the file's name or UUID is not its network's");
            return Ok(());
        }
        if model.forward.mode.is_virtual() && model.bridge.name.is_none() {
            self.name_bridge(&mut model)?;
            self.0.write_definition(&model)?;
        }
        let autostart = self.0.autostart(stem).symlink_metadata().is_ok();
        let view = View { config: Some(Arc::new(model)), autostart, ..View::default() };
        let uuid = view.config.as_ref().map_or(Uuid([0; 16]), |model| model.uuid);
        self.0.shelf.add(&Network::new(stem, uuid, view));
        Ok(())
    }

    fn take_over(&self, stem: &str) -> Result<()> {
        let text = files::read(&self.0.status(stem))?.unwrap_or_default();
        let status = Status::read(&text)?;
        if status.starting || !is_there(&status.network)? {
            tracing::warn!(name = stem, "a network was not whole, and is taken down");
            self.0.take_down(&status.network, &status.removal);
            return Ok(());
        }
        let known = self.0.shelf.by_uuid(status.network.uuid);
        let network = known.unwrap_or_else(|| Network::new(stem, status.network.uuid, View::default()));
        network.own(|state| {
            let mut model = status.network;
            for port in files::xml_stems(&self.0.ports(stem))? {
                let path = self.0.ports(stem).join(format!("{port}.xml"));
                match read_port(&path) {
                    Ok(Some(port)) => {
                        ports::count(&mut model, port.plug.as_ref(), |connections| {
                            connections.saturating_add(1)
                        });
                        state.view.ports.insert(port.uuid, Arc::new(port));
                    }
                    Ok(None) => {}
                    Err(error) => tracing::error!(path = %path.display(), %error, "cannot load a port"),
                }
            }
            state.removal = status.removal;
            state.view.live = Some(Arc::new(model));
            Ok::<_, ostler_base::Error>(())
        })?;
        self.0.shelf.add(&network);
        self.mend(&network);
        Ok(())
    }

    /// Puts right what somebody else took away from a running network: its rules of the packet
    /// filter, its dnsmasq.
    pub fn mend(&self, network: &Network) {
        let mended = network.own(|state| {
            let Some(live) = state.view.live.clone().filter(|live| live.forward.mode.is_virtual()) else {
                return Ok(());
            };
            if !firewall::is_whole(&state.removal) {
                tracing::warn!(
                    network = network.name,
                    "rules of the packet filter are gone; they are put in again"
                );
                firewall::remove(&state.removal);
                state.removal = firewall::apply(&live, self.0.setup.backend)?;
                let removal = state.removal.clone();
                self.0.write_status(&Status { network: Model::clone(&live), starting: false, removal })?;
            }
            self.0.refresh_dnsmasq(&live)
        });
        if let Err(error) = mended {
            tracing::error!(network = network.name, %error, "a network cannot be put right");
        }
    }

    /// [`Networks::mend`] for every network that runs.
    pub fn mend_all(&self) {
        self.all().iter().filter(|network| network.view().is_active()).for_each(|network| self.mend(network));
    }
}

/// Whether the device of a running network is there.
fn is_there(model: &Model) -> Result<bool> {
    match &model.bridge.name {
        Some(bridge) if model.forward.mode.is_virtual() => Ok(Net::open()?.link(bridge)?.is_some()),
        _ => Ok(true),
    }
}
