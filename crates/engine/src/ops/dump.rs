//! A guest's memory in a file, for whoever looks for what went wrong.
//!
//! Owns: the two ways a dump is made, and what the guest does meanwhile and afterwards. Never: leaves
//! a guest paused that ran.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ostler_base::json::json;
use ostler_base::{Error, Result, refuse};

use super::pump::Cache;
use super::transfer::{self, Failure};
use crate::domain::guest::Link;
use crate::domain::progress::{JobMark, Operation};
use crate::domain::status::{Paused, Running, Shutoff, Status};
use crate::domain::{Guest, Job};
use crate::engine::Engine;
use crate::events::What;
use crate::{files, log};

/// How often a dump is looked after.
const GLANCE: Duration = Duration::from_millis(50);

/// What a dump is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The emulator's whole state, as a saved guest's.
    State,
    /// Memory only, in this format of `dump-guest-memory`.
    Memory(&'static str),
}

/// What becomes of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// It goes on meanwhile.
    pub live: bool,
    /// It is ended afterwards.
    pub crash: bool,
    /// It is reset afterwards.
    pub reset: bool,
}

impl Engine {
    /// Dumps a guest's memory into a file.
    pub async fn dump(
        &self,
        guest: &Arc<Guest>,
        path: &Path,
        content: Content,
        course: Course,
        cache: Cache,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Long, "remoteDispatchDomainCoreDumpWithFormat").await?;
        let link = guest.link()?;
        let ran = matches!(guest.view().status, Status::Running(_));
        if ran && !course.live {
            self.pause(guest, Paused::Dump).await?;
        }
        let mark = guest.jobs.begin(Operation::Dump);
        let dumped = self.write_dump(&link, &mark, path, content, cache).await;
        let figures = guest.jobs.running();
        if dumped.is_ok() {
            mark.complete();
            if content == Content::State
                && let Some(figures) = figures
            {
                self.tell(&guest.view(), What::JobCompleted(figures.params()));
            }
        } else {
            drop(mark);
        }
        if dumped.is_ok() && course.crash {
            return super::stop::end_as(guest, Shutoff::Crashed).await;
        }
        if dumped.is_ok() && course.reset {
            link.monitor
                .command("system_reset", None)
                .await
                .map_err(|error| error.of_guest(&guest.view().name))?;
        }
        if ran && matches!(guest.view().status, Status::Paused(_)) {
            self.run_processors(guest, Running::Unpaused).await?;
        }
        self.persist(guest).await;
        dumped.map_err(|error| error.of_guest(guest))
    }

    /// The dump that nobody asked for but the definition, under a name that says when.
    pub(crate) async fn dump_by_itself(&self, guest: &Arc<Guest>) -> Result<()> {
        let view = guest.view();
        let moment: String = log::timestamp(std::time::SystemTime::now()).chars().take(19).collect();
        let short: String = view.name.chars().take(20).collect();
        let name = format!("{}-{short}-{}", view.id.unwrap_or_default(), moment.replace(' ', "-"));
        let directory = self.saving().dump_dir.clone().unwrap_or_else(|| self.paths().dumps());
        files::make_directory(&directory, 0o755)?;
        let path: PathBuf = directory.join(name);
        let _pass = guest.gate.enter(Job::Long, "automatic dump").await?;
        let link = guest.link()?;
        let mark = guest.jobs.begin(Operation::Dump);
        let written = self.write_dump(&link, &mark, &path, Content::State, Cache::Keep).await;
        written.map_err(|error| error.of_guest(guest))
    }

    async fn write_dump(
        &self,
        link: &Link,
        mark: &JobMark<'_>,
        path: &Path,
        content: Content,
        cache: Cache,
    ) -> Result<(), Failure> {
        let packing = self.saving().dump_packing;
        let (file, new) = transfer::create(path)?;
        let written = match content {
            Content::State => transfer::out(link, mark, file, path, packing, cache).await,
            Content::Memory(format) => dump_memory(link, mark, file, format).await,
        };
        if written.is_err() && new {
            files::remove(path)?;
        }
        written
    }
}

/// The emulator writes memory into the file itself: some formats have a table at their front that is
/// written last.
async fn dump_memory(
    link: &Link,
    mark: &JobMark<'_>,
    file: File,
    format: &'static str,
) -> Result<(), Failure> {
    mark.update(|progress| progress.memory_only = true);
    let named = json!({"fdname": "dump"});
    link.monitor.command_with_fds("getfd", Some(named.clone()), vec![file.into()]).await?;
    let arguments = json!({"paging": false, "protocol": "fd:dump", "detach": true, "format": format});
    if let Err(error) = link.monitor.command("dump-guest-memory", Some(arguments)).await {
        // Where the dump never began, the descriptor is still the emulator's.
        drop(link.monitor.command("closefd", Some(named)).await);
        return Err(error.into());
    }
    watch_dump(link, mark).await
}

async fn watch_dump(link: &Link, mark: &JobMark<'_>) -> Result<(), Failure> {
    loop {
        let answer = link.monitor.command("query-dump", None).await?;
        let number =
            |member: &str| answer.get(member).and_then(ostler_base::Json::as_u64).unwrap_or_default();
        let (completed, total) = (number("completed"), number("total"));
        mark.update(|progress| {
            progress.total = total;
            progress.processed = completed;
            progress.remaining = total.saturating_sub(completed);
        });
        match answer.get("status").and_then(ostler_base::Json::as_str) {
            Some("active") => tokio::time::sleep(GLANCE).await,
            Some("completed") => return Ok(()),
            _ => {
                let text = "domain core dump job: memory-only dump failed";
                return Err(Failure::Other(Error::operation_failed(text)));
            }
        }
    }
}

/// The format of a dump by its number in the public headers; `memory`: of a dump of memory only.
pub fn content(format: u32, memory: bool) -> Result<Content> {
    const FORMATS: [&str; 5] = ["elf", "kdump-zlib", "kdump-lzo", "kdump-snappy", "win-dmp"];
    let format = usize::try_from(format).ok().and_then(|number| FORMATS.get(number));
    match format {
        Some(format) if memory => Ok(Content::Memory(format)),
        Some(&"elf") => Ok(Content::State),
        Some(_) => {
            refuse!(operation_unsupported, "kdump-compressed format is only supported with memory-only dump")
        }
        None => refuse!(invalid_arg, "unknown dump format"),
    }
}
