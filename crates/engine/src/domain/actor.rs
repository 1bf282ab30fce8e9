//! The task of a running guest: its events and the end of its process.
//!
//! Owns: that events are taken in order, and that the end of the process is seen by exactly one.
//! Never: waits for an operation.

use std::sync::Arc;
use std::time::Duration;

use ostler_base::Result;
use ostler_host::{Exit, Process};
use ostler_qmp::{Event, EventKind, MonitorError};
use rustix::process::Signal;
use tokio::sync::{mpsc, watch};

use super::events::{AfterDump, Effect, Run, on_event};
use super::guest::{Guest, Link};
use crate::domain::status::{Running, Shutoff};
use crate::engine::Engine;
use crate::events::What;
use crate::ops;

/// How long the last events of a process that ended are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Follows a run to its end. `gone` tells when everything of it is cleaned up.
pub(crate) async fn follow(
    engine: Engine,
    guest: Arc<Guest>,
    link: Link,
    mut events: mpsc::Receiver<Event>,
    gone: watch::Sender<bool>,
) {
    let mut ended = std::pin::pin!(link.process.ended());
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(event) => take(&engine, &guest, event).await,
                None => {
                    if let MonitorError::Protocol(what) = link.monitor.ended().await {
                        tracing::error!(guest = %guest.view().name, %what, "the monitor is of no use");
                        engine.tell(&guest.view(), What::ControlError);
                    }
                    report(ended.await);
                    break;
                }
            },
            exit = &mut ended => {
                report(exit);
                let drain = async {
                    while let Some(event) = events.recv().await {
                        take(&engine, &guest, event).await;
                    }
                };
                if tokio::time::timeout(LAST_WORDS, drain).await.is_err() {
                    tracing::warn!(guest = %guest.view().name, "the monitor stays open after its process ended");
                }
                break;
            }
        }
    }
    let why = guest.look(|state| state.run.ending.unwrap_or(Shutoff::Crashed));
    ops::stop::clean_up(&engine, &guest, why).await;
    gone.send_replace(true);
}

fn report(exit: Result<Exit>) {
    match exit {
        Ok(exit) => tracing::debug!(?exit, "an emulator ended"),
        Err(error) => tracing::error!(%error, "an emulator is not followed any more"),
    }
}

async fn take(engine: &Engine, guest: &Arc<Guest>, event: Event) {
    if let EventKind::JobStatusChange { id, status } = &event.kind {
        guest.block_jobs.tell(id, status);
    }
    let effects = engine.turn(guest, |run| on_event(run, event.kind));
    carry_out(engine, guest, effects).await;
}

/// Does what must follow, in order. What is to be told usually was, with the change itself.
pub(crate) async fn carry_out(engine: &Engine, guest: &Arc<Guest>, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::Tell(what) => engine.tell(&guest.view(), what),
            Effect::Persist => engine.persist(guest).await,
            Effect::Change(change) => guest.update(|state| state.edit(&[change])),
            Effect::Channel { alias, open } => crate::agent::channel_moved(engine, guest, alias, open).await,
            Effect::Gone(alias) => ops::devices::gone(engine, guest, alias),
            Effect::Stays(alias) => drop(guest.unplugs.settle(&alias, false)),
            Effect::Terminate => {
                if let Ok(link) = guest.link() {
                    signal(&link.process, Signal::TERM);
                }
            }
            Effect::Restart => {
                if let Ok(link) = guest.link() {
                    // On a task of its own: the answers come after events that this one takes.
                    tokio::spawn(restart(engine.clone(), Arc::clone(guest), link));
                }
            }
            Effect::Dump(after) => {
                // It takes long, and its end is told by an event.
                tokio::spawn(dump(engine.clone(), Arc::clone(guest), after));
            }
        }
    }
}

/// Sends a signal; that it cannot be sent is logged.
pub(crate) fn signal(process: &Process, signal: Signal) {
    if let Err(error) = process.signal(signal) {
        tracing::warn!(%error, "a process cannot be told");
    }
}

async fn restart(engine: Engine, guest: Arc<Guest>, link: Link) {
    let answers = link.monitor.batch(&[("system_reset", None), ("cont", None)]).await;
    match answers.into_iter().find_map(Result::err) {
        Some(error) => {
            tracing::warn!(guest = %guest.view().name, %error, "cannot start the guest anew");
            signal(&link.process, Signal::TERM);
        }
        None => {
            // What must follow besides is to keep it, below.
            engine.turn(&guest, Run::restarted);
        }
    }
    engine.persist(&guest).await;
}

/// Keeps the guest's memory for whoever looks for the cause, then goes on.
async fn dump(engine: Engine, guest: Arc<Guest>, after: AfterDump) {
    if let Err(error) = engine.dump_by_itself(&guest).await {
        tracing::warn!(guest = %guest.view().name, %error, "cannot dump the guest's memory");
    }
    let Ok(link) = guest.link() else { return };
    match after {
        AfterDump::Terminate => {
            guest.update(|state| {
                state.run.ending.get_or_insert(Shutoff::Crashed);
            });
            signal(&link.process, Signal::TERM);
        }
        AfterDump::Restart => {
            guest.update(|state| state.run.resuming = Some(Running::Crashed));
            restart(engine, guest, link).await;
        }
        AfterDump::Resume => {
            if let Err(error) = engine.run_processors(&guest, Running::Unpaused).await {
                tracing::warn!(guest = %guest.view().name, %error, "cannot let the guest go on");
            }
            engine.persist(&guest).await;
        }
    }
}
