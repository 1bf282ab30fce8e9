//! Emulators: where they are and what they can do.
//!
//! Owns: the search for a binary, one live probe per binary, and the memory of its result as long
//! as nothing changes that it depends on. Never: decides what follows from an answer; the probe does.

mod cache;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ostler_base::{Arch, Error, Json, Result};
use ostler_caps::emulator::{Emulator, ProbeHost, Prober, Reply, Step};
use ostler_qmp::{Monitor, MonitorError};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use self::cache::{Cache, Mark};
use crate::engine::blocking;
use crate::files;

/// How long a probe may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The result of a probe, made by whoever comes first.
type Slot = Arc<OnceCell<Arc<Emulator>>>;

/// The emulators of a host.
#[derive(Debug)]
pub struct Emulators {
    search: Vec<PathBuf>,
    host: ProbeHost,
    cache: Arc<Cache>,
    known: Mutex<HashMap<PathBuf, (Mark, Slot)>>,
}

impl Emulators {
    /// Emulators that are searched for in these directories, in order; what is found out about them
    /// is kept in `kept`.
    pub fn new(search: Vec<PathBuf>, host: ProbeHost, kept: PathBuf) -> Self {
        let cache = Arc::new(Cache::new(kept, host));
        Emulators { search, host, cache, known: Mutex::new(HashMap::new()) }
    }

    /// The emulator for guests of an architecture, if the host has one.
    pub fn find(&self, arch: Arch) -> Option<PathBuf> {
        let name = format!("qemu-system-{}", program_suffix(arch));
        self.search.iter().map(|directory| directory.join(&name)).find(|path| path.is_file())
    }

    /// What a binary can do; probes it where that is not known. Others that ask meanwhile wait for
    /// the same probe.
    pub async fn get(&self, path: &Path) -> Result<Arc<Emulator>> {
        let (mark, slot) = self.slot(path)?;
        let emulator = slot.get_or_try_init(|| async {
            let (cache, of) = (Arc::clone(&self.cache), path.to_owned());
            if let Some(emulator) = blocking(move || Ok(cache.read(&of, mark))).await? {
                return Ok(Arc::new(emulator));
            }
            let probe = tokio::time::timeout(PATIENCE, probe(path, self.host));
            let emulator = probe.await.map_err(|_| unprobed(path, "no answer in time"))?.map(Arc::new)?;
            let (cache, of, found) = (Arc::clone(&self.cache), path.to_owned(), Arc::clone(&emulator));
            blocking(move || {
                cache.write(&of, mark, &found);
                Ok(())
            })
            .await?;
            Ok(emulator)
        });
        emulator.await.cloned()
    }

    /// What a binary can do, where that is known already.
    pub fn known(&self, path: &Path) -> Option<Arc<Emulator>> {
        self.slot(path).ok()?.1.get().cloned()
    }

    fn slot(&self, path: &Path) -> Result<(Mark, Slot)> {
        let mark = Mark::of(path).map_err(|error| files::failed("Cannot check QEMU binary", path, &error))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(path.to_owned()).or_insert_with(|| (mark, Slot::default()));
        if entry.0 != mark {
            *entry = (mark, Slot::default());
        }
        Ok((mark, Arc::clone(&entry.1)))
    }
}

/// The end of the name of the program that emulates an architecture.
fn program_suffix(arch: Arch) -> String {
    match arch {
        Arch::I686 => "i386".to_owned(),
        Arch::Armv6l | Arch::Armv7l => "arm".to_owned(),
        Arch::Ppc64le => "ppc64".to_owned(),
        other => other.to_string(),
    }
}

fn unprobed(path: &Path, why: &str) -> Error {
    Error::internal(format!("Failed to probe QEMU binary with QMP: {}: {why}", path.display()))
}

async fn probe(path: &Path, host: ProbeHost) -> Result<Emulator> {
    let accelerators = if host.hvf { "kvm:hvf:tcg" } else { "kvm:tcg" };
    let (mut prober, mut step) = Prober::begin(&path.to_string_lossy(), host);
    let (mut child, mut monitor) = start(path, accelerators).await?;
    loop {
        step = match step {
            Step::Ask(questions) => {
                let commands: Vec<_> =
                    questions.into_iter().map(|question| (question.command, question.arguments)).collect();
                let answers = monitor.batch(&commands).await;
                let replies: Result<Vec<_>> = answers.iter().map(reply).collect();
                prober.answer(&replies?)?
            }
            Step::Restart => {
                end(child).await;
                (child, monitor) = start(path, "tcg").await?;
                prober.restarted()
            }
            Step::Done(emulator) => {
                end(child).await;
                return Ok(*emulator);
            }
        };
    }
}

fn reply(answer: &Result<Json, MonitorError>) -> Result<Reply<'_>> {
    match answer {
        Ok(value) => Ok(Reply::Return(value)),
        Err(MonitorError::Qemu { class, .. }) => Ok(Reply::Error(class)),
        Err(other) => Err(other.clone().into()),
    }
}

/// Starts an emulator without a machine whose standard input and output are its monitor.
async fn start(path: &Path, accelerators: &str) -> Result<(Child, Monitor)> {
    let system = |error: std::io::Error| files::failed("Cannot run QEMU binary", path, &error);
    let (ours, theirs) = StdStream::pair().map_err(system)?;
    ours.set_nonblocking(true).map_err(system)?;
    let output = theirs.try_clone().map_err(system)?;
    let child = Command::new(path)
        .args(["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine"])
        .arg(format!("none,accel={accelerators}"))
        .args(["-qmp", "stdio"])
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(system)?;
    let (monitor, events) = Monitor::over(UnixStream::from_std(ours).map_err(system)?)
        .await
        .map_err(|error| unprobed(path, &error.to_string()))?;
    // Nobody wants the events of a probe.
    drop(events);
    Ok((child, monitor))
}

async fn end(mut child: Child) {
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "a probed emulator does not end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs() {
        assert_eq!(program_suffix(Arch::I686), "i386");
        assert_eq!(program_suffix(Arch::X86_64), "x86_64");
    }

    #[tokio::test]
    async fn a_live_probe_is_made_once() {
        let search = vec![PathBuf::from("/usr/bin")];
        let kept = std::env::temp_dir().join(format!("ostler-emulators-{}", std::process::id()));
        let emulators = Emulators::new(search, ProbeHost::default(), kept.clone());
        let Some(path) = emulators.find(Arch::X86_64) else {
            eprintln!("SKIPPED: no qemu-system-x86_64 here");
            return;
        };
        assert!(emulators.known(&path).is_none());
        let (one, two) = tokio::join!(emulators.get(&path), emulators.get(&path));
        let one = one.unwrap();
        assert!(Arc::ptr_eq(&one, &two.unwrap()));
        assert_eq!(one.arch, Arch::X86_64);
        assert!(Arc::ptr_eq(&one, &emulators.known(&path).unwrap()));
        let later = Emulators::new(vec![PathBuf::from("/usr/bin")], ProbeHost::default(), kept.clone());
        let began = std::time::Instant::now();
        assert_eq!(*later.get(&path).await.unwrap(), *one, "kept on disk");
        assert!(began.elapsed() < Duration::from_secs(1));
        std::fs::remove_dir_all(&kept).unwrap();
        let missing = emulators.get(Path::new("/nonexistent/qemu")).await.unwrap_err();
        assert_eq!(
            missing.to_string(),
            "Cannot check QEMU binary '/nonexistent/qemu': No such file or directory"
        );
    }
}
