//! The command line that a definition would be started with.
//!
//! Owns: a plan that is made and thrown away. Never: makes anything on the host.

use ostler_base::Result;
use ostler_domain::{Setting, plans};
use ostler_host::Asker;
use ostler_plan::Numbering;

use super::define::Strictness;
use super::start::FIRST_FD;
use crate::engine::{Engine, blocking};
use crate::log;

impl Engine {
    /// What a start of this definition would run, as a shell takes it.
    pub async fn command_line(&self, xml: &str) -> Result<String> {
        let domain = self.read(xml, Strictness::Lenient).await?;
        let emulator = self.emulator_for(xml).await?;
        let engine = self.clone();
        blocking(move || {
            let host_model = match &emulator {
                Some(emulator) => engine.host_model(emulator, &domain)?,
                None => None,
            };
            let setting = Setting { host_model: host_model.as_ref(), ..engine.setting(emulator.as_deref()) };
            let mut asker = Asker::default();
            let settled = plans::start::settle(&domain, &asker.answer(&plans::start::ask_first(&domain))?)?;
            let facts = asker.answer(&plans::start::ask(&settled, &setting))?;
            let (_, launch) = plans::start::plan(&settled, &setting, &facts, Numbering::From(FIRST_FD))?;
            Ok(log::command(&launch.vector()))
        })
        .await
    }
}
