//! What a caller may see of many objects.
//!
//! Owns: leaving out the rest. Never: lists anything.

use std::sync::Arc;

use ostler_base::{Result, Uuid};
use ostler_rpc::access::Need;
use ostler_rpc::table::Procedure;

use super::{Caller, Rules, Subject, caller};
use crate::daemon::Daemon;
use crate::dispatch::Find;
use crate::session::Session;

/// What calls are about whose answer leaves out what the caller may not see.
#[derive(Debug, Clone)]
pub struct Visible(Option<(Arc<Rules>, Caller, Need)>);

impl Visible {
    /// What a client may see, where this is what it needs to see an object.
    pub fn to(daemon: &Daemon, session: &Session, need: Option<Need>) -> Self {
        Visible(daemon.rules().zip(need).map(|(rules, need)| (rules, caller(session), need)))
    }

    /// Whether an object may be seen.
    pub fn shows(&self, name: &str, uuid: Uuid) -> bool {
        self.0.as_ref().is_none_or(|(rules, caller, need)| {
            let subject = Subject { name: Some(name.to_owned()), uuid: Some(uuid) };
            rules.allow(caller, need, &subject)
        })
    }
}

impl<P: Procedure> Find<P> for Visible {
    const FILTERS: bool = true;

    fn find(daemon: &Daemon, session: &Session, _args: &P::Args) -> Result<Self> {
        Ok(Visible::to(daemon, session, P::ROW.rule.filter))
    }
}
