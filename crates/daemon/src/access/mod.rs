//! Who may do what: the one place that turns an object into [`Allowed`].
//!
//! Owns: the checks that come before every handler. Never: carries out anything.
//!
//! The socket that a client came through and the row of the procedure decide; where the settings ask
//! for it, the file of rules too.

mod origin;
pub mod polkit;
mod rules;
mod visible;

use std::ops::Deref;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::access::Need;
use ostler_rpc::table::Rule;

use crate::daemon::Daemon;
use crate::session::Session;

pub use origin::of_function;
pub use rules::{Caller, Rules, Subject};
pub use visible::Visible;

/// Proof that the caller may do with this object what it asks for. Only this module makes one.
#[derive(Debug)]
pub struct Allowed<T> {
    object: T,
}

impl<T> Allowed<T> {
    /// The object.
    pub fn into_inner(self) -> T {
        self.object
    }
}

impl<T> Deref for Allowed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

/// The refusal of a call that needs an open connection.
///
/// The reference words it by whether the hypervisor's own driver would have served the call.
fn not_open(rule: &Rule) -> Error {
    const HYPERVISOR: &[Origin] =
        &[Origin::None, Origin::Domain, Origin::DomainSnapshot, Origin::DomainCheckpoint];
    let own = HYPERVISOR.contains(&of_function(rule.api));
    let text = if own { "hypervisor connection not open" } else { "connection not open" };
    Error::internal(text).from_origin(Origin::Rpc)
}

/// Checks whether `session` may make a call at all: it has opened a connection, unless the call may
/// come `before_open`, and its socket allows the call.
pub fn check(session: &Session, rule: &Rule, condition: u32, before_open: bool) -> Result<()> {
    if !before_open && !session.is_open() {
        return Err(not_open(rule));
    }
    if session.is_read_only() && !rule.allows_read_only(condition) {
        let text = format!("read only access prevents {}", rule.api);
        return Err(Error::new(Code::OperationDenied, of_function(rule.api), text));
    }
    Ok(())
}

/// Who calls, as rules know it.
pub fn caller(session: &Session) -> Caller {
    let connection = session.connection();
    Caller {
        uid: connection.peer().map(|peer| peer.uid),
        gid: connection.peer().map(|peer| peer.gid),
        sasl: session.user(),
        certificate: connection.certificate().map(str::to_owned),
    }
}

/// Checks whether the rules allow what the call needs. Where its answer holds many objects and is not
/// filtered, everything has to be allowed to be seen.
pub fn permit(
    daemon: &Daemon,
    session: &Session,
    rule: &Rule,
    condition: u32,
    subject: &Subject,
    filtered: bool,
) -> Result<()> {
    let Some(rules) = daemon.rules() else { return Ok(()) };
    let caller = caller(session);
    let allowed = |need: &Need| rules.allow(&caller, need, subject);
    if rule.needs(condition).all(allowed) && (filtered || rule.filter.iter().all(allowed)) {
        return Ok(());
    }
    Err(Error::new(Code::AccessDenied, Origin::Access, "'rules' denied access"))
}

/// Checks the call, finds its object, checks what may be done with it. `filtered`: the object leaves
/// out what the caller may not see.
pub fn authorize<T>(
    (daemon, session): (&Daemon, &Session),
    (rule, condition): (&Rule, u32),
    before_open: bool,
    find: impl FnOnce() -> Result<T>,
    subject: impl FnOnce(&T) -> Subject,
    filtered: bool,
) -> Result<Allowed<T>> {
    check(session, rule, condition, before_open)?;
    let object = find()?;
    permit(daemon, session, rule, condition, &subject(&object), filtered)?;
    Ok(Allowed { object })
}
