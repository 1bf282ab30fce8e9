//! Starts an emulator through the launcher.
//!
//! Owns: opening what the plan hands over, and the talk with the launcher. Never: decides numbers or
//! rights.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ostler_base::{Error, Result};
use ostler_launcher::{
    GO, Identity, Limit, LimitKind, Order, PrivateDev, Reach, Report, receive_report, send_order,
};
use ostler_plan::{FdSource, Launch, PassedFd, argv};
use rustix::fs::OFlags;

use crate::net::open_tap;
use crate::{Process, failed, listen_unix, sys};

/// How long the launcher may take for a step; it waits for nobody.
const STEP_WITHIN: Duration = Duration::from_secs(30);

/// A program and how it runs.
#[derive(Debug, Default)]
pub struct Spawn {
    /// The program, by its absolute path.
    pub program: String,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// The whole of its environment.
    pub environment: Vec<(String, String)>,
    /// What it is handed.
    pub fds: Vec<PassedFd>,
    /// What [`FdSource::Given`] names.
    pub given: BTreeMap<String, OwnedFd>,
    /// Its directory; `/` where absent.
    pub directory: Option<String>,
    /// Bits that its new files lack.
    pub umask: u32,
    /// As whom it runs; as the daemon itself where absent.
    pub identity: Option<Identity>,
    /// Its limits.
    pub limits: Vec<Limit>,
    /// Give up every capability for good, even where it runs as root.
    pub drop_capabilities: bool,
    /// Never gain rights by starting a program.
    pub no_new_privs: bool,
    /// How willingly the kernel ends it when memory is short, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Its niceness, -20 to 19.
    pub nice: Option<i32>,
    /// Its own `/dev`; the host's where absent.
    pub private_dev: Option<PrivateDev>,
    /// The only paths that it can reach; all where the list is empty.
    pub reach: Vec<(String, Reach)>,
}

impl Spawn {
    /// What a plan says; identity, limits and rights are added by the caller.
    pub fn of(launch: &Launch) -> Self {
        Spawn {
            program: launch.program.clone(),
            arguments: argv(&launch.parts, launch.form),
            environment: launch.environment.clone(),
            fds: launch.fds.clone(),
            limits: launch
                .locked_memory
                .map(|value| Limit { kind: LimitKind::LockedMemory, value })
                .into_iter()
                .collect(),
            umask: 0o002,
            ..Spawn::default()
        }
    }
}

/// The launcher next to the running program.
pub fn launcher_path() -> Result<PathBuf> {
    let own = env::current_exe().map_err(|error| failed("cannot find the own program", error))?;
    Ok(own.with_file_name("ostler-launcher"))
}

/// A process that is ready to become its program. Dropped, it ends without having been it.
#[derive(Debug)]
pub struct Child {
    process: Option<Process>,
    socket: UnixStream,
    program: String,
}

/// Opens what is handed over, starts the launcher and waits until it is ready. The process has the
/// number that the program will
/// have: time to write it down, to put it into its cgroup, to label. Standard output and error go to
/// `log`.
pub fn spawn(spawn: Spawn, launcher: &Path, log: impl Into<OwnedFd>) -> Result<Child> {
    let opened = spawn.fds.iter().map(|fd| open(fd, &spawn.given)).collect::<Result<Vec<_>>>()?;
    let borrowed: Vec<_> = opened.iter().map(AsFd::as_fd).collect();
    let order = Order {
        fds: spawn.fds.iter().map(|fd| fd.number).collect(),
        program: spawn.program,
        arguments: spawn.arguments,
        environment: spawn.environment,
        directory: spawn.directory,
        umask: spawn.umask,
        identity: spawn.identity,
        limits: spawn.limits,
        drop_capabilities: spawn.drop_capabilities,
        no_new_privs: spawn.no_new_privs,
        oom_score_adj: spawn.oom_score_adj,
        nice: spawn.nice,
        private_dev: spawn.private_dev,
        reach: spawn.reach,
    };
    let what = format!("cannot start launcher '{}'", launcher.display());
    let (ours, theirs) = UnixStream::pair().map_err(|error| failed(&what, error))?;
    ours.set_read_timeout(Some(STEP_WITHIN)).map_err(|error| failed(&what, error))?;
    ours.set_write_timeout(Some(STEP_WITHIN)).map_err(|error| failed(&what, error))?;
    let output = File::from(log.into());
    let errors = output.try_clone().map_err(|error| failed(&what, error))?;
    sys::keep_descriptors();
    let child = Command::new(launcher)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| failed(&what, error))?;
    // Not reaped by anybody else, so the number is still its own.
    let process = Process::hold(child.id())?;
    let program = order.program.clone();
    let child = Child { process, socket: ours, program };
    // One that gave up already has said why.
    let sent = send_order(&child.socket, &order, &borrowed);
    match (receive_report(&child.socket), sent) {
        (Ok(Some(Report::Ready)), Ok(())) => Ok(child),
        (Ok(Some(Report::Failed(failure))), _) => Err(child.told(&failure)),
        (Err(error), _) | (_, Err(error)) => Err(failed(what, error)),
        (Ok(_), Ok(())) => Err(Error::internal(format!("launcher '{}' ended early", launcher.display()))),
    }
}

impl Child {
    /// Its number, and the program's.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// When it started, in clock ticks since boot; the exec does not change it.
    pub fn start_time(&self) -> u64 {
        self.process.as_ref().map_or(0, Process::start_time)
    }

    /// Lets it become its program; fails where that cannot be executed.
    pub fn go(mut self) -> Result<Process> {
        let what = format!("cannot execute binary {}", self.program);
        (&self.socket).write_all(&[GO]).map_err(|error| failed(&what, error))?;
        match receive_report(&self.socket) {
            Ok(None) => {}
            Ok(Some(Report::Failed(failure))) => return Err(self.told(&failure)),
            Ok(Some(Report::Ready)) => return Err(Error::internal("the launcher is ready twice")),
            Err(error) => return Err(failed(what, error)),
        }
        self.process.take().ok_or_else(|| Error::internal(format!("{what}: the launcher is gone")))
    }

    fn told(&self, failure: &ostler_launcher::Failure) -> Error {
        let space = if failure.about.is_empty() { "" } else { " " };
        let what = format!("cannot {}{space}{}", failure.step, failure.about);
        failed(what, io::Error::from_raw_os_error(failure.errno))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(process) = &self.process else { return };
        // It would end by itself once the socket is closed; like this its end is waited for as well.
        let ended = process.signal(rustix::process::Signal::KILL).and_then(|()| process.wait(STEP_WITHIN));
        if let Err(error) = ended {
            tracing::warn!(%error, pid = process.pid(), "cannot end a launcher");
        }
    }
}

/// Opens descriptors that a running emulator is handed.
pub fn open_all(fds: &[PassedFd]) -> Result<Vec<OwnedFd>> {
    fds.iter().map(|fd| open(fd, &BTreeMap::new())).collect()
}

fn open(fd: &PassedFd, given: &BTreeMap<String, OwnedFd>) -> Result<OwnedFd> {
    let options = |file: &mut std::fs::OpenOptions, path: &Path| {
        let opened = file.custom_flags(no_terminal()).open(path);
        opened
            .map(OwnedFd::from)
            .map_err(|error| failed(format_args!("unable to open {}", path.display()), error))
    };
    match &fd.source {
        FdSource::ListenUnix(path) => listen_unix(path).map(OwnedFd::from).map_err(|error| {
            failed(format_args!("failed to bind to UNIX socket '{}'", path.display()), error)
        }),
        FdSource::Append { path, truncate: true } => {
            options(File::options().write(true).create(true).truncate(true).mode(0o600), path)
        }
        FdSource::Append { path, truncate: false } => {
            options(File::options().append(true).create(true).mode(0o600), path)
        }
        FdSource::Open(path) => options(File::options().read(true).write(true), path),
        FdSource::OpenRead(path) => options(File::options().read(true), path),
        FdSource::OpenWrite(path) => options(File::options().write(true), path),
        FdSource::Given(name) => given
            .get(name)
            .ok_or_else(|| Error::internal(format!("no descriptor '{name}' came with the request")))?
            .try_clone()
            .map_err(|error| failed(format_args!("cannot duplicate descriptor '{name}'"), error)),
        FdSource::Tap { name, existing, multi_queue } => open_tap(name, *existing, *multi_queue),
    }
}

/// A terminal that is opened must not become the daemon's own.
fn no_terminal() -> i32 {
    i32::try_from(OFlags::NOCTTY.bits()).unwrap_or_default()
}
