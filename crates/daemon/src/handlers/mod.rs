//! The handlers of every procedure: one file for each group of procedures, each with its list.
//!
//! Owns: the table by number. Never: more than a few lines for a procedure; the work is elsewhere.

mod admin;
mod capabilities;
mod connect;
mod domain;
mod events;
mod hypervisor_cpu;
mod native;
mod node;
mod node_changes;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::table::Program;

use crate::dispatch::{Entry, Table, table};

static REMOTE: Table = table(&[
    capabilities::HANDLERS,
    connect::HANDLERS,
    events::HANDLERS,
    hypervisor_cpu::HANDLERS,
    native::HANDLERS,
    node::HANDLERS,
    node_changes::HANDLERS,
    domain::HANDLERS[0],
    domain::HANDLERS[1],
    domain::HANDLERS[2],
]);
static ADMIN: Table = table(&admin::HANDLERS);

/// The handler of a program's procedure, if there is one.
pub fn of(program: &Program, number: i32) -> Option<Entry> {
    let table = match program.name {
        "remote" => &REMOTE,
        "admin" => &ADMIN,
        _ => return None,
    };
    table.get(usize::try_from(number).ok()?).copied().flatten()
}

/// Refuses flags that a function does not know.
pub(crate) fn only_flags(flags: u32, known: u32, function: &str, origin: Origin) -> Result<()> {
    match flags & !known {
        0 => Ok(()),
        other => {
            let text = format!("unsupported flags (0x{other:x}) in function {function}");
            Err(Error::verbatim(Code::InvalidArg, origin, text))
        }
    }
}
