//! Changing a definition: of the run, on disk, or both.
//!
//! Owns: that a changed definition is completed and checked like a new one, and is on disk before it
//! is shown. Never: knows what is changed.

use std::path::Path;
use std::sync::Arc;

use ostler_base::Result;
use ostler_caps::emulator::Emulator;
use ostler_domain::{Domain, Draft};

use super::targets::{Targets, no_config};
use crate::domain::guest::not_running;
use crate::domain::view::Definition;
use crate::domain::{Guest, Shown};
use crate::engine::Engine;

impl Engine {
    /// Changes the definitions that `targets` says, the same way. Nothing is changed where the change
    /// does not fit one of them.
    pub(crate) async fn edit(
        &self,
        guest: &Arc<Guest>,
        targets: Targets,
        change: impl Fn(&mut Draft) -> Result<()>,
    ) -> Result<()> {
        let next = if targets.config { Some(self.drafted(guest, &change).await?) } else { None };
        if targets.live {
            self.edit_live(guest, &change).await?;
        }
        if let Some(domain) = next {
            self.keep_config(guest, domain).await?;
        }
        Ok(())
    }

    /// Changes the definition that the next start takes.
    pub(crate) async fn edit_config(
        &self,
        guest: &Arc<Guest>,
        change: impl Fn(&mut Draft) -> Result<()>,
    ) -> Result<()> {
        self.edit(guest, Targets { live: false, config: true }, change).await
    }

    /// The definition on disk, changed and checked, but not kept yet.
    pub(crate) async fn drafted(
        &self,
        guest: &Arc<Guest>,
        change: impl FnOnce(&mut Draft) -> Result<()>,
    ) -> Result<Domain> {
        let inactive = guest.view().inactive.clone().ok_or_else(no_config)?;
        let mut draft = inactive.get(&self.setting(None))?.domain().clone().into_draft();
        change(&mut draft)?;
        let emulator = self.emulator_of(&draft).await;
        complete(self, draft, emulator.as_deref())
    }

    /// Keeps a definition that [`Engine::drafted`] made: first on disk, then in view.
    pub(crate) async fn keep_config(&self, guest: &Arc<Guest>, domain: Domain) -> Result<()> {
        let path = self.store(&domain).await?;
        let definition = Definition::ready(path, domain);
        guest.update(|state| state.view.inactive = Some(definition));
        Ok(())
    }

    /// Changes the definition of the run, whatever else changes it meanwhile.
    pub(crate) async fn edit_live(
        &self,
        guest: &Arc<Guest>,
        change: impl FnOnce(&mut Draft) -> Result<()>,
    ) -> Result<()> {
        let live = guest.view().live.clone().ok_or_else(not_running)?;
        let emulator = self.emulator_of(live.domain()).await;
        guest.update(|state| -> Result<()> {
            let live = state.view.live.as_ref().ok_or_else(not_running)?;
            let mut draft = live.domain().clone().into_draft();
            change(&mut draft)?;
            state.view.live = Some(Shown::new(complete(self, draft, emulator.as_deref())?));
            Ok(())
        })?;
        self.persist(guest).await;
        Ok(())
    }

    /// The emulator that a definition names; `None` where it cannot be had now.
    async fn emulator_of(&self, draft: &Draft) -> Option<Arc<Emulator>> {
        self.emulators().get(Path::new(draft.head.emulator.as_ref()?)).await.ok()
    }
}

fn complete(engine: &Engine, mut draft: Draft, emulator: Option<&Emulator>) -> Result<Domain> {
    // What the guest sees was chosen when it was defined.
    draft.abi_update = false;
    draft.complete(&engine.setting(emulator))
}
