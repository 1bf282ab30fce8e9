//! The handlers of every procedure: one file for each group of procedures, each with its list.
//!
//! Owns: the table by number. Never: more than a few lines for a procedure; the work is elsewhere.

mod admin;
mod authenticate;
mod capabilities;
mod connect;
mod domain;
mod events;
mod hypervisor_cpu;
mod interface;
mod native;
mod network;
mod node;
mod node_changes;
mod nodedev;
mod nwfilter;
mod secret;
mod storage;

use ostler_base::{Code, Error, Origin, Result};
use ostler_pools::Schema;
use ostler_rpc::table::Program;
use ostler_rpc::xdr::List;

use crate::dispatch::{Entry, Table, table};

static REMOTE: Table = table(&[
    &[
        authenticate::HANDLERS,
        capabilities::HANDLERS,
        connect::HANDLERS,
        events::HANDLERS,
        hypervisor_cpu::HANDLERS,
        native::HANDLERS,
        node::HANDLERS,
        node_changes::HANDLERS,
        interface::HANDLERS,
        nodedev::HANDLERS,
        nwfilter::HANDLERS,
        secret::HANDLERS,
    ],
    &network::HANDLERS,
    &storage::HANDLERS,
    domain::HANDLERS,
]);
static ADMIN: Table = table(&[&admin::HANDLERS]);
static QEMU: Table = table(&[&[domain::direct::HANDLERS, domain::agent::direct::HANDLERS]]);

/// The handler of a program's procedure, if there is one.
pub fn of(program: &Program, number: i32) -> Option<Entry> {
    let table = match program.name {
        "remote" => &REMOTE,
        "admin" => &ADMIN,
        "qemu" => &QEMU,
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

/// How a document is read, by the flag that asks for the strict way.
pub(crate) fn schema(flags: u32, strict: u32) -> Schema {
    if flags & strict != 0 { Schema::Strict } else { Schema::Lenient }
}

/// Runs what may block on a thread of its own.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::internal("a step ended before it was done")),
    }
}

/// Whether an object passes the filters of a list: of each pair of flags (holds, does not hold), one
/// that is so is enough, and a pair of which none is set lets all pass.
pub(crate) fn passes(flags: u32, pairs: &[(bool, u32, u32)]) -> bool {
    pairs.iter().all(|(is, yes, no)| flags & (yes | no) == 0 || flags & (if *is { *yes } else { *no }) != 0)
}

/// A count as the wire has it.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How many names a client has room for.
pub(crate) fn room(most: i32) -> usize {
    usize::try_from(most).unwrap_or_default()
}

/// The list that a client asked for, and how many there are: without `need_results` only that.
pub(crate) fn listed<T, const MAX: usize>(all: Vec<T>, need_results: i32) -> (List<T, MAX>, u32) {
    let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
    (if need_results != 0 { all.into() } else { List::default() }, number)
}

/// A handler that answers at once: `answer!(Object; Procedure, |daemon, object, args| result)`.
macro_rules! answer {
    ($on:ty; $procedure:ident, |$daemon:pat_param, $object:pat_param, $args:pat_param| $body:expr) => {
        impl $crate::dispatch::Answer<call::$procedure> for $crate::daemon::Daemon {
            type On = $on;

            fn answer(
                &self,
                _session: &std::sync::Arc<$crate::session::Session>,
                on: $crate::access::Allowed<$on>,
                $args: <call::$procedure as ostler_rpc::table::Procedure>::Args,
            ) -> ostler_base::Result<<call::$procedure as ostler_rpc::table::Procedure>::Ret> {
                let ($daemon, $object) = (self, &*on);
                $body
            }
        }
    };
}

/// The same for what may block: it runs on a thread of its own.
macro_rules! act {
    ($on:ty; $procedure:ident, |$daemon:pat_param, $object:pat_param, $args:pat_param| $body:expr) => {
        impl $crate::dispatch::Act<call::$procedure> for $crate::daemon::Daemon {
            type On = $on;

            async fn act(
                self: std::sync::Arc<Self>,
                _session: std::sync::Arc<$crate::session::Session>,
                on: $crate::access::Allowed<$on>,
                args: <call::$procedure as ostler_rpc::table::Procedure>::Args,
            ) -> ostler_base::Result<<call::$procedure as ostler_rpc::table::Procedure>::Ret> {
                let work = move || {
                    let ($daemon, $object, $args) = (&*self, &*on, args);
                    $body
                };
                $crate::handlers::on_thread(work).await
            }
        }
    };
}

pub(crate) use {act, answer};
