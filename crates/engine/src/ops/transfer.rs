//! The emulator's state on its way out to a file or in from one.
//!
//! Owns: the two commands that start it, and looking after it to its end. Never: knows what the file
//! is for.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ostler_base::json::json;
use ostler_base::{Code, Error, Json, Origin, Result};
use ostler_qmp::MonitorError;

use super::pump::{self, Cache};
use crate::domain::Guest;
use crate::domain::guest::Link;
use crate::domain::progress::{JobMark, Progress};
use crate::files;
use crate::image::Packing;

/// How often a transfer is looked after, at first and at most.
const GLANCES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];
/// Bytes a second: no bound.
const UNBOUNDED: i64 = i64::MAX & !0xf_ffff;

/// Why it did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The emulator does not answer, or says no.
    Monitor(MonitorError),
    /// Anything else.
    Other(Error),
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        Failure::Monitor(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Other(error)
    }
}

impl Failure {
    /// As a client is told.
    pub(crate) fn of_guest(self, guest: &Arc<Guest>) -> Error {
        match self {
            Failure::Monitor(error) => error.of_guest(&guest.view().name),
            Failure::Other(error) => error,
        }
    }
}

/// Opens a file to write a guest's state into, empty; whether it is new.
pub(crate) fn create(path: &Path) -> Result<(File, bool)> {
    let new = !path.exists();
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    let file = file.map_err(|error| files::failed("Failed to create file", path, &error))?;
    Ok((file, new))
}

/// Moves the emulator's state into a file, from where the file stands.
pub(crate) async fn out(
    link: &Link,
    mark: &JobMark<'_>,
    file: File,
    path: &Path,
    packing: Packing,
    cache: Cache,
) -> Result<(), Failure> {
    let (source, target) = pump::pipe()?;
    let named = json!({"fdname": "migrate"});
    link.monitor
        .command(
            "migrate-set-parameters",
            Some(json!({"max-bandwidth": UNBOUNDED, "downtime-limit": 2_000_000})),
        )
        .await?;
    link.monitor.command_with_fds("getfd", Some(named.clone()), vec![target]).await?;
    let started = link.monitor.command("migrate", Some(json!({"uri": "fd:migrate"}))).await;
    if let Err(error) = started {
        drop(link.monitor.command("closefd", Some(named)).await);
        return Err(error.into());
    }
    let mut moving = std::pin::pin!(pump::into_file(source, file, path, packing, cache));
    let mut watching = std::pin::pin!(watch(link, mark));
    tokio::select! {
        watched = &mut watching => {
            // What the emulator wrote last is still on its way.
            watched?;
            Ok(moving.await?)
        }
        moved = &mut moving => {
            if let Err(error) = moved {
                // The cause is here; that the emulator sees its pipe broken follows from it.
                drop(link.monitor.command("migrate_cancel", None).await);
                return Err(error.into());
            }
            watching.await
        }
    }
}

/// Moves the state in a file, from where it stands, into an emulator that waits for it.
pub(crate) async fn into(
    link: &Link,
    mark: &JobMark<'_>,
    file: File,
    path: &Path,
    packing: Packing,
    cache: Cache,
) -> Result<(), Failure> {
    let (source, target) = pump::pipe()?;
    link.monitor.command_with_fds("getfd", Some(json!({"fdname": "migrate"})), vec![source]).await?;
    link.monitor.command("migrate-incoming", Some(json!({"uri": "fd:migrate"}))).await?;
    let mut moving = std::pin::pin!(pump::from_file(file, path, target, packing, cache));
    let mut watching = std::pin::pin!(watch(link, mark));
    tokio::select! {
        watched = &mut watching => watched,
        moved = &mut moving => {
            let watched = watching.await;
            match (watched, moved) {
                // A program that cannot unpack knows better than an emulator that misses its end.
                (Err(_), Err(error)) => Err(error.into()),
                (watched, _) => watched,
            }
        }
    }
}

/// Looks after a transfer to its end.
async fn watch(link: &Link, mark: &JobMark<'_>) -> Result<(), Failure> {
    let [mut pause, longest] = GLANCES;
    let mut cancelled = false;
    loop {
        let answer = link.monitor.command("query-migrate", None).await?;
        mark.update(|progress| progress.note(&answer));
        let name = || mark.operation().name();
        match answer.get("status").and_then(Json::as_str).unwrap_or("none") {
            "completed" => return Ok(()),
            "cancelled" => {
                let text = format!("{}: canceled by client", name());
                return Err(Error::new(Code::OperationAborted, Origin::Qemu, text).into());
            }
            "failed" => {
                let why = answer.get("error-desc").and_then(Json::as_str).unwrap_or("unexpectedly failed");
                return Err(Error::operation_failed(format!("{}: {why}", name())).into());
            }
            _ => {}
        }
        if mark.is_cancelled() && !cancelled {
            cancelled = true;
            link.monitor.command("migrate_cancel", None).await?;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// What clients are told of a job that is completed.
pub(crate) fn figures(progress: Option<Progress>) -> Vec<crate::params::Param> {
    progress.map(|progress| progress.params()).unwrap_or_default()
}
