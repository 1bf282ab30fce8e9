//! Threads of a guest that serve disks: added, changed, removed.
//!
//! Owns: the two places that each change is made in. Never: moves a disk to another thread.

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Code, Error, Json, Origin, Result, refuse};
use ostler_domain::Draft;
use ostler_domain::sections::iothreads::{IoThread, Pool};

use super::targets::Targets;
use crate::domain::guest::not_running;
use crate::domain::{Guest, Job};
use crate::engine::Engine;
use crate::params::{Param, Value};

/// What is done with a thread.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It comes.
    Add,
    /// It goes.
    Remove,
    /// It waits in another way.
    Set(Vec<Param>),
}

/// Names of values: in calls, and in the emulator's objects; the first three are of its waiting.
const VALUES: [(&str, &str); 5] = [
    ("poll_max_ns", "poll-max-ns"),
    ("poll_grow", "poll-grow"),
    ("poll_shrink", "poll-shrink"),
    ("thread_pool_min", "thread-pool-min"),
    ("thread_pool_max", "thread-pool-max"),
];

fn wrong(text: String) -> Error {
    Error::invalid_arg(text).from_origin(Origin::Domain)
}

/// The place of a value in the list, and the value.
fn value(param: &Param) -> Result<(usize, u64)> {
    let Some(place) = VALUES.iter().position(|(name, _)| *name == param.name) else {
        let text = format!("parameter '{}' not supported", param.name);
        return Err(Error::new(Code::ArgumentUnsupported, Origin::None, text));
    };
    let number = match &param.value {
        Value::Ullong(number) => Some(*number),
        Value::Uint(number) => Some(u64::from(*number)),
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let bad =
        || Error::new(Code::InvalidArg, Origin::None, format!("invalid value of parameter '{}'", param.name));
    Ok((place, number.ok_or_else(bad)?))
}

/// Makes a change in a definition.
fn write(draft: &mut Draft, id: u32, change: &Change) -> Result<()> {
    let used = draft.devices.disks.iter().find(|disk| {
        disk.driver.iothread == Some(id) || disk.driver.iothreads.iter().any(|(thread, _)| *thread == id)
    });
    let used = used.map(|disk| disk.target.clone());
    let threads = &mut draft.head.iothreads.threads;
    let place = threads.iter().position(|thread| thread.id == id);
    match (change, place) {
        (Change::Add, Some(_)) => {
            return Err(wrong(format!("an IOThread is already using iothread_id '{id}'")));
        }
        (Change::Add, None) => {
            threads.push(IoThread { id, named: true, pool: Pool::default(), poll: None });
        }
        (_, None) => return Err(wrong(format!("cannot find IOThread '{id}' in iothreadids list"))),
        (Change::Remove, Some(place)) => {
            if let Some(disk) = used {
                refuse!(invalid_arg, "cannot remove IOThread {id} since it is being used by disk '{disk}'");
            }
            threads.remove(place);
            draft.head.cputune.iothreadpin.remove(&id);
            draft.head.cputune.iothreadsched.remove(&id);
        }
        (Change::Set(params), Some(place)) => {
            let Some(thread) = threads.get_mut(place) else { return Ok(()) };
            for param in params {
                let (place, number) = value(param)?;
                let small = u32::try_from(number).ok();
                match (place, thread.poll.get_or_insert_default().get_mut(place)) {
                    (_, Some(slot)) => *slot = Some(number),
                    (3, None) => thread.pool.min = small,
                    (_, None) => thread.pool.max = small,
                }
            }
            thread.poll = thread.poll.filter(|poll| poll.iter().any(Option::is_some));
            if thread.pool.min.zip(thread.pool.max).is_some_and(|(min, max)| min > max) {
                refuse!(invalid_arg, "thread_pool_min must be smaller or equal to thread_pool_max");
            }
        }
    }
    Ok(())
}

/// The commands that make a change in the emulator.
fn commands(id: u32, change: &Change) -> Result<Vec<(&'static str, Json)>> {
    let name = format!("iothread{id}");
    Ok(match change {
        Change::Add => vec![("object-add", json!({"qom-type": "iothread", "id": name}))],
        Change::Remove => vec![("object-del", json!({"id": name}))],
        Change::Set(params) => {
            let one = |param: &Param| {
                let (place, number) = value(param)?;
                let property = VALUES.get(place).map(|(_, property)| *property).unwrap_or_default();
                let path = format!("/objects/{name}");
                Ok(("qom-set", json!({"path": path, "property": property, "value": number})))
            };
            params.iter().map(one).collect::<Result<_>>()?
        }
    })
}

impl Engine {
    /// Adds, changes or removes a thread for disks.
    pub async fn change_iothread(
        &self,
        guest: &Arc<Guest>,
        id: u32,
        change: Change,
        flags: u32,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainIOThread").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        if id == 0 {
            refuse!(invalid_arg, "invalid value of 0 for iothread_id");
        }
        if targets.config {
            self.drafted(guest, |draft| write(draft, id, &change)).await?;
        }
        if targets.live {
            let live = view.live.clone().ok_or_else(not_running)?;
            write(&mut live.domain().clone().into_draft(), id, &change)?;
            let link = guest.link()?;
            for (command, arguments) in commands(id, &change)? {
                let answer = link.monitor.command(command, Some(arguments)).await;
                answer.map_err(|error| error.of_guest(&view.name))?;
            }
        }
        self.edit(guest, targets, |draft| write(draft, id, &change)).await
    }
}
