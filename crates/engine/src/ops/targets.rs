//! Which definitions a call is about: the one of the run, the one on disk, or both.
//!
//! Owns: what the two flags mean that most calls have. Never: changes a definition.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_domain::Setting;

use crate::domain::guest::not_running;
use crate::domain::{Shown, View};

/// The flag for the definition of the run.
pub const AFFECT_LIVE: u32 = 1;
/// The flag for the definition that the next start takes.
pub const AFFECT_CONFIG: u32 = 2;

/// Which definitions a call changes; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets {
    /// The one of the run.
    pub live: bool,
    /// The one on disk.
    pub config: bool,
}

impl Targets {
    /// What the flags of a call mean for a guest as it is now; other flags are passed over. Without a
    /// flag it is the run's definition where there is one, else the one on disk.
    pub fn of(flags: u32, view: &View) -> Result<Self> {
        let asked = Targets { live: flags & AFFECT_LIVE != 0, config: flags & AFFECT_CONFIG != 0 };
        let targets = match asked {
            Targets { live: false, config: false } => {
                Targets { live: view.is_active(), config: !view.is_active() }
            }
            asked => asked,
        };
        if targets.live && !view.is_active() {
            return Err(not_running());
        }
        if targets.config && !view.persistent {
            return Err(no_config());
        }
        Ok(targets)
    }
}

/// The error for what needs a definition on disk.
pub(crate) fn no_config() -> Error {
    let text = "transient domains do not have any persistent config";
    Error::operation_invalid(text).from_origin(Origin::Domain)
}

impl View {
    /// The one definition that a question with these flags is about.
    pub fn asked(&self, flags: u32, setting: &Setting<'_>) -> Result<Arc<Shown>> {
        if flags & AFFECT_LIVE != 0 && flags & AFFECT_CONFIG != 0 {
            let text = "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive";
            return Err(Error::verbatim(Code::InvalidArg, Origin::Domain, text));
        }
        let targets = Targets::of(flags, self)?;
        match (targets, &self.live, &self.inactive) {
            (Targets { live: true, .. }, Some(live), _) => Ok(Arc::clone(live)),
            (_, _, Some(inactive)) => inactive.get(setting),
            (Targets { live: true, .. }, None, None) => Err(not_running()),
            (_, _, None) => Err(no_config()),
        }
    }
}
