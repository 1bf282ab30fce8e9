//! Who may do what: the one place that turns an object into [`Allowed`].
//!
//! Owns: the checks that come before every handler. Never: carries out anything.
//!
//! The socket that a client came through and the row of the procedure decide. Access drivers that
//! ask for more are refused in the configuration until there are any.

mod origin;

use std::ops::Deref;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::table::Rule;

use crate::session::Session;

pub use origin::of_function;

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

/// Checks the call, then finds its object.
pub fn authorize<T>(
    session: &Session,
    rule: &Rule,
    condition: u32,
    before_open: bool,
    find: impl FnOnce() -> Result<T>,
) -> Result<Allowed<T>> {
    check(session, rule, condition, before_open)?;
    Ok(Allowed { object: find()? })
}
