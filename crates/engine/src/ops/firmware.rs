//! Firmware of guests: what the host offers, and the files that keep its variables.
//!
//! Owns: when descriptors are read anew, what becomes of variables when a guest starts anew or its
//! definition goes. Never: chooses firmware.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_base::{Error, Result, refuse};
use ostler_domain::firmware::Firmwares;
use ostler_domain::{Domain, Draft, plans};
use ostler_host::{Asker, RealHost, execute};
use ostler_plan::Query;

use super::define::Strictness;
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};

/// What becomes of the file with a guest's variables when its definition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variables {
    /// It must not be there.
    Absent,
    /// It stays.
    Keep,
    /// It goes as well.
    Remove,
}

impl Engine {
    /// Reads the descriptors of the host anew, where a definition leaves firmware to be chosen.
    pub(crate) async fn renew_firmwares(&self, draft: &Draft) -> Result<()> {
        if draft.head.os.firmware.is_open() { self.read_firmwares().await } else { Ok(()) }
    }

    /// Reads the descriptors of the host anew.
    pub async fn read_firmwares(&self) -> Result<()> {
        let query = Query::Descriptors(self.descriptors().to_vec());
        let engine = self.clone();
        blocking(move || {
            let facts = Asker::default().answer(std::slice::from_ref(&query))?;
            let files = facts.files(&query)?;
            let named: Vec<_> = files.iter().map(|(path, text)| (path.to_string_lossy(), text)).collect();
            let (firmwares, errors) =
                Firmwares::read(named.iter().map(|(path, text)| (path.as_ref(), text.as_str())));
            for error in errors {
                tracing::warn!(%error, "a firmware descriptor is passed over");
            }
            engine.host().firmwares.replace(&firmwares);
            Ok(())
        })
        .await
    }

    /// Makes the variables of a guest that does not run as new.
    pub async fn reset_variables(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainCreateWithFlags").await?;
        let view = guest.view();
        if view.is_active() {
            refuse!(operation_invalid, "domain is already running");
        }
        let shown = view.current(&self.setting(None))?;
        self.reset_variables_of(shown.domain().clone()).await
    }

    /// The same for a guest that is about to be made from a definition.
    pub async fn reset_variables_in(&self, xml: &str, strictness: Strictness) -> Result<()> {
        self.reset_variables_of(self.read(xml, strictness).await?).await
    }

    async fn reset_variables_of(&self, domain: Domain) -> Result<()> {
        let actions = plans::variables::reset(&domain, &self.setting(None))?;
        let mut host = RealHost::new(self.launcher());
        blocking(move || execute(&actions, &mut host)).await
    }

    /// Sees to the variables of a definition that is about to go.
    pub(crate) async fn part_with_variables(&self, domain: &Domain, wish: Variables) -> Result<()> {
        let Some(path) = domain.head.os.firmware.variables().map(PathBuf::from) else { return Ok(()) };
        blocking(move || {
            if wish == Variables::Keep || !path.exists() {
                return Ok(());
            }
            if wish == Variables::Absent {
                refuse!(operation_invalid, "cannot undefine domain with nvram");
            }
            std::fs::remove_file(&path).map_err(|error| {
                Error::system(format!("failed to remove nvram: {}: {error}", path.display()))
            })
        })
        .await
    }
}
