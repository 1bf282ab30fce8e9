//! The host itself: carries out actions.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use ostler_base::{Error, Result};
use ostler_launcher::Identity;
use ostler_plan::{Action, Owner};
use rustix::fs::inotify;
use rustix::pipe::PipeFlags;

use crate::devices::{detach_pci, reattach_pci};
use crate::fs::{
    Durability, Existing, copy_file, make_dir, read_bounded, remove_file, remove_tree, write_atomic,
};
use crate::process::wait_readable;
use crate::query::find_program;
use crate::{Exit, Host, Process, Spawn, failed, spawn, sys};

/// How long a service may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a service may take to end before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Start times are whole clock ticks since a boot that is known to the second.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);
/// How much of a program's last words goes into an error.
const WORDS_MAX: usize = 1024;
/// How long a program may take that is run to its end.
const RUN_WITHIN: Duration = Duration::from_secs(60);

/// Carries out actions on this host.
#[derive(Debug)]
pub struct RealHost {
    launcher: PathBuf,
    output: Option<File>,
    services: BTreeMap<PathBuf, Process>,
}

impl RealHost {
    /// A host that starts services through this launcher.
    pub fn new(launcher: &Path) -> Self {
        RealHost { launcher: launcher.to_owned(), output: None, services: BTreeMap::new() }
    }

    /// The same; what services say goes to this file.
    pub fn with_output(mut self, output: File) -> Self {
        self.output = Some(output);
        self
    }

    fn start(
        &mut self,
        name: &str,
        argv: &[String],
        owner: Option<Owner>,
        ready: &Path,
        pid_file: &Path,
    ) -> Result<()> {
        let (program, arguments) = split(name, argv)?;
        let output = match &self.output {
            Some(output) => output.try_clone(),
            None => File::options().write(true).open("/dev/null"),
        };
        let output = output.map_err(|error| failed(format_args!("cannot log the {name}"), error))?;
        remove_file(ready)?;
        remove_file(pid_file)?;
        let watch = watch(ready)
            .map_err(|error| failed(format_args!("cannot watch '{}'", ready.display()), error))?;
        let order = Spawn {
            program,
            arguments: arguments.to_vec(),
            environment: environment().collect(),
            umask: 0o007,
            identity: owner.map(|Owner { uid, gid }| Identity { uid, gid, groups: vec![gid] }),
            ..Spawn::default()
        };
        let process = spawn(order, &self.launcher, output)?.go()?;
        let started = await_path(name, ready, &watch, &process).and_then(|()| {
            // In the hands of the service: it may want to write it itself.
            let number = format!("{}\n", process.pid());
            write_atomic(pid_file, number.as_bytes(), 0o644, owner, Durability::Volatile)
        });
        match started {
            Ok(()) => {
                self.services.insert(pid_file.to_owned(), process);
                Ok(())
            }
            Err(cause) => {
                if let Err(error) = process.terminate(STOP_WITHIN) {
                    tracing::warn!(%error, service = name, "cannot stop");
                }
                remove_file(pid_file)?;
                Err(cause)
            }
        }
    }

    fn stop(&mut self, pid_file: &Path) -> Result<()> {
        let process = match self.services.remove(pid_file) {
            Some(process) => Some(process),
            None => recorded(pid_file)?,
        };
        if let Some(process) = process {
            process.terminate(STOP_WITHIN)?;
        }
        remove_file(pid_file)
    }
}

impl Host for RealHost {
    fn apply(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::MakeDir { path, mode, owner } => make_dir(path, *mode, *owner, Existing::Adjust),
            Action::KeepDir { path, mode, owner } => make_dir(path, *mode, *owner, Existing::Keep),
            Action::RemoveTree { path } => remove_tree(path),
            Action::WriteFile { path, content, mode, owner } => {
                write_atomic(path, content, *mode, *owner, Durability::Volatile)
            }
            Action::CopyFile { from, to, mode, owner, replace } => {
                let existing = if *replace { Existing::Adjust } else { Existing::Keep };
                copy_file(from, to, *mode, *owner, existing)
            }
            Action::WriteRandom { path, length, mode, owner } => {
                let bytes = random(*length).map_err(|error| failed("cannot get random bytes", error))?;
                write_atomic(path, &bytes, *mode, *owner, Durability::Volatile)
            }
            Action::RemoveFile { path } => remove_file(path),
            Action::Run { name, argv, owner } => run(name, argv, *owner),
            Action::StartService { name, argv, owner, ready, pid_file } => {
                self.start(name, argv, *owner, ready, pid_file)
            }
            Action::DetachPci { address, driver } => detach_pci(address, driver.as_deref()),
            Action::ReattachPci { address } => reattach_pci(address),
            Action::StopService { pid_file, .. } => self.stop(pid_file),
        }
    }
}

fn split<'a>(name: &str, argv: &'a [String]) -> Result<(String, &'a [String])> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Error::internal(format!("the {name} has no program")))?;
    let found = find_program(program)
        .ok_or_else(|| Error::operation_unsupported(format!("Unable to find '{program}' binary in $PATH")))?;
    Ok((found.to_string_lossy().into_owned(), arguments))
}

/// What helpers get of the environment: where programs are, and no translated words.
fn environment() -> impl Iterator<Item = (String, String)> {
    let path = std::env::var("PATH").ok().map(|path| ("PATH".to_owned(), path));
    path.into_iter().chain([("LC_ALL".to_owned(), "C".to_owned())])
}

fn run(name: &str, argv: &[String], owner: Option<Owner>) -> Result<()> {
    let (program, arguments) = split(name, argv)?;
    let what = || format!("cannot execute binary {program}");
    let (spoken, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(what(), e))?;
    rustix::io::ioctl_fionbio(&spoken, true).map_err(|error| failed(what(), error))?;
    let mut command = Command::new(&program);
    command.args(arguments).env_clear().envs(environment()).current_dir("/").stdin(Stdio::null());
    command.stderr(theirs.try_clone().map_err(|error| failed(what(), error))?).stdout(theirs);
    if let Some(Owner { uid, gid }) = owner {
        // Leaving root leaves its further groups as well.
        command.uid(uid).gid(gid);
    }
    sys::keep_descriptors();
    let child = command.spawn().map_err(|error| failed(what(), error))?;
    // Our end of what it writes to must not keep the pipe open.
    drop(command);
    let process = Process::hold(child.id())?;
    let process = process.ok_or_else(|| Error::internal(format!("'{program}' is not found again")))?;
    let words = listen(&spoken, &process, Instant::now().checked_add(RUN_WITHIN));
    let Some(exit) = process.wait(Duration::ZERO)? else {
        process.terminate(Duration::ZERO)?;
        let seconds = RUN_WITHIN.as_secs();
        return Err(Error::internal(format!("{name}: '{program}' did not end within {seconds} seconds")));
    };
    if exit == Exit::Code(0) {
        return Ok(());
    }
    let status = match exit {
        Exit::Code(code) => format!("exit status: {code}"),
        Exit::Signal(signal) => format!("signal: {signal}"),
        Exit::Unknown => "unknown end".to_owned(),
    };
    let words = String::from_utf8_lossy(&words);
    Err(Error::internal(format!("{name}: '{program}' failed ({status}): {}", words.trim())))
}

/// The last words of a process, until it has ended or the deadline comes. However much it says, only
/// the end is kept.
fn listen(spoken: &OwnedFd, process: &Process, deadline: Option<Instant>) -> Vec<u8> {
    let mut words = Vec::new();
    let mut space = [0; 4096];
    loop {
        match rustix::io::read(spoken, &mut space) {
            // Nobody holds the other end any more; that the process ends is still waited for.
            Ok(0) => {
                let left = deadline.map_or(RUN_WITHIN, |at| at.saturating_duration_since(Instant::now()));
                drop(process.wait(left));
                return words;
            }
            Ok(length) => {
                words.extend_from_slice(space.get(..length).unwrap_or_default());
                let excess = words.len().saturating_sub(WORDS_MAX);
                words.drain(..excess);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                // One that ended may have left others that hold the pipe open: they are not waited for.
                let woken = wait_readable(&[spoken.as_fd(), process.fd()], deadline).unwrap_or(false);
                if !woken || (!process.is_alive() && is_empty(spoken)) {
                    return words;
                }
            }
            Err(_) => return words,
        }
    }
}

/// Whether nothing can be read at once.
fn is_empty(fd: &OwnedFd) -> bool {
    !wait_readable(&[fd.as_fd()], Some(Instant::now())).unwrap_or(true)
}

fn random(length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

/// Watches the directory that a path will appear in.
fn watch(path: &Path) -> io::Result<std::os::fd::OwnedFd> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    inotify::add_watch(&watch, directory, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO)?;
    Ok(watch)
}

/// Waits until the path is there; fails where the process ends first, or takes too long.
fn await_path(name: &str, ready: &Path, watch: &OwnedFd, process: &Process) -> Result<()> {
    let deadline = Instant::now().checked_add(READY_WITHIN);
    loop {
        if fs::symlink_metadata(ready).is_ok() {
            return Ok(());
        }
        if let Some(exit) = process.wait(Duration::ZERO)? {
            return Err(Error::internal(format!("the {name} ended before it was ready: {exit:?}")));
        }
        let woken = wait_readable(&[watch.as_fd(), process.fd()], deadline)
            .map_err(|error| failed(format_args!("cannot wait for the {name}"), error))?;
        if !woken {
            return Err(Error::internal(format!("the {name} is not ready: no '{}'", ready.display())));
        }
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(watch, &mut space);
        while reader.next().is_ok() {}
    }
}

/// The process that a file names, unless its number was given to another one after the file was written.
fn recorded(pid_file: &Path) -> Result<Option<Process>> {
    let what = format!("cannot read '{}'", pid_file.display());
    let text = match read_bounded(pid_file, 64) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(what, error)),
    };
    let written = fs::metadata(pid_file).and_then(|metadata| metadata.modified());
    let written = written.map_err(|error| failed(what, error))?;
    let Ok(pid) = text.trim().parse() else { return Ok(None) };
    let process = Process::adopt(pid, None)?;
    Ok(process.filter(|process| started(process).is_some_and(|start| start <= written + CLOCKS_DIFFER)))
}

fn started(process: &Process) -> Option<SystemTime> {
    let stat = read_bounded(Path::new("/proc/stat"), 16 << 20).ok()?;
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let since = process.start_time().checked_div(rustix::param::clock_ticks_per_second())?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(boot))?.checked_add(Duration::from_secs(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;
    use crate::{execute, take_back};

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn files_come_and_go() {
        let scratch = Scratch::new();
        let top = scratch.0.join("top");
        let actions = [
            Action::MakeDir { path: top.clone(), mode: 0o700, owner: None },
            Action::WriteFile { path: top.join("a"), content: b"x".to_vec(), mode: 0o600, owner: None },
            Action::WriteRandom { path: top.join("key"), length: 32, mode: 0o600, owner: None },
        ];
        let mut host = RealHost::new(Path::new("/nonexistent"));
        execute(&actions, &mut host).unwrap();
        let key = fs::read(top.join("key")).unwrap();
        assert!(key.len() == 32 && key.iter().any(|byte| *byte != 0));
        take_back(&actions, &mut host);
        assert!(!top.exists());
    }

    #[test]
    fn a_program_that_fails_has_the_last_word() {
        let mut host = RealHost::new(Path::new("/nonexistent"));
        let mut run =
            |argv: &[&str]| host.apply(&Action::Run { name: "job".into(), argv: words(argv), owner: None });
        run(&["true"]).unwrap();
        let error = run(&["sh", "-c", "echo because >&2; exit 3"]).unwrap_err();
        assert!(error.detail().ends_with("failed (exit status: 3): because"), "{error}");
        let error =
            run(&["sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo end; exit 1"]).unwrap_err();
        assert!(error.detail().ends_with("xend") && error.detail().len() < 2000, "bounded");
        run(&["sh", "-c", "sleep 30 & exit 0"]).unwrap();
        assert!(run(&["no-such-program-here"]).unwrap_err().detail().contains("Unable to find"));
        assert!(run(&[]).is_err());
    }

    #[test]
    fn a_number_written_before_a_process_began_is_not_its_own() {
        let scratch = Scratch::new();
        let file = scratch.0.join("pid");
        assert!(recorded(&file).unwrap().is_none());
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        assert!(recorded(&file).unwrap().is_some());
        let old = SystemTime::now() - Duration::from_secs(1_000_000);
        File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        assert!(recorded(&file).unwrap().is_none());
        fs::write(&file, "rubbish").unwrap();
        assert!(recorded(&file).unwrap().is_none());
    }
}
