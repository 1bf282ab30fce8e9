//! The program between fork and exec of an emulator.
//!
//! Owns: everything that has to happen inside the new process: descriptors at their numbers, its own
//! session,
//! limits, identity, capabilities. It says *ready*, waits for *go* and becomes the emulator: same process
//! number. If the daemon goes away before that, it exits; afterwards nothing ties the two together.
//! Never: opens what the emulator uses, or decides anything. One thread, nothing but its order.

mod dev;
mod reach;

use std::convert::Infallible;
use std::fmt::Display;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use ostler_launcher::{Failure, GO, LimitKind, Order, Report, receive_order, send_report};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Gid, Resource, Rlimit, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Flag of `/proc/self/fdinfo` for a descriptor that an exec closes.
const CLOSES_ON_EXEC: u32 = 0o2_000_000;

/// Why the launcher ends without becoming the emulator.
enum End {
    /// The daemon is gone or changed its mind.
    Dismissed,
    /// A step failed.
    Failed(Failure),
}

/// Names the step at which something failed.
trait Step<T> {
    fn step(self, step: &str, about: impl Display) -> Result<T, End>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &str, about: impl Display) -> Result<T, End> {
        self.map_err(|error| {
            let errno = error.into().raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
            End::Failed(Failure { step: step.to_owned(), errno, about: about.to_string() })
        })
    }
}

fn main() -> ExitCode {
    let Ok(socket) = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map(UnixStream::from) else {
        return ExitCode::FAILURE;
    };
    let (order, fds) = match refuse_leaks().and_then(|()| receive_order(&socket).step("read the order", "")) {
        Ok(received) => received,
        Err(end) => return report(&socket, end),
    };
    // From here on the socket is out of the way of the numbers that were ordered.
    let above = order.fds.iter().max().copied().unwrap_or(2).saturating_add(1);
    let high = match fcntl_dupfd_cloexec(&socket, raw(above)).step("move the socket", above) {
        Ok(high) => UnixStream::from(high),
        Err(end) => return report(&socket, end),
    };
    drop(socket);
    match run(&high, &order, fds, above) {
        Ok(never) => match never {},
        Err(end) => report(&high, end),
    }
}

fn report(socket: &UnixStream, end: End) -> ExitCode {
    if let End::Failed(failure) = end {
        // Nobody else can be told.
        drop(send_report(socket, &Report::Failed(failure)));
    }
    ExitCode::FAILURE
}

fn run(socket: &UnixStream, order: &Order, fds: Vec<OwnedFd>, above: u32) -> Result<Infallible, End> {
    place(order, fds, above)?;
    prepare(order)?;
    send_report(socket, &Report::Ready).map_err(|_| End::Dismissed)?;
    let (mut word, mut reader) = ([0], socket);
    match reader.read(&mut word) {
        Ok(1) if word == [GO] => {}
        _ => return Err(End::Dismissed),
    }
    let directory = order.directory.as_deref().unwrap_or("/");
    let error = Command::new(&order.program)
        .args(&order.arguments)
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .exec();
    Err(error).step("execute binary", &order.program)
}

fn raw(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The daemon keeps everything to itself but the three standard descriptors. One that would reach the
/// emulator
/// unasked is a leak of rights: better no guest than that.
fn refuse_leaks() -> Result<(), End> {
    for entry in fs::read_dir("/proc/self/fd").step("list descriptors", "/proc/self/fd")? {
        let entry = entry.step("list descriptors", "/proc/self/fd")?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if matches!(name.as_str(), "0" | "1" | "2") {
            continue;
        }
        // One that is gone again was the listing's own.
        let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{name}")) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).unwrap_or_default();
        if flags & CLOSES_ON_EXEC == 0 {
            Err(io::Error::from(Errno::BADF)).step("accept a descriptor that was not ordered", &name)?;
        }
    }
    Ok(())
}

/// Puts each descriptor at its number: first all of them above every number, so that none is in the way.
fn place(order: &Order, fds: Vec<OwnedFd>, above: u32) -> Result<(), End> {
    let mut high = Vec::with_capacity(fds.len());
    for fd in fds {
        high.push(fcntl_dupfd_cloexec(&fd, raw(above)).step("move a descriptor", above)?);
    }
    for (fd, number) in high.iter().zip(&order.fds) {
        let placed = fcntl_dupfd_cloexec(fd, raw(*number)).step("place a descriptor", number)?;
        fcntl_setfd(&placed, FdFlags::empty()).step("place a descriptor", number)?;
        // It stays open for the emulator, whatever number it got: on the wrong one nothing is started.
        if placed.into_raw_fd() != raw(*number) {
            Err(io::Error::from(Errno::BUSY)).step("place a descriptor", number)?;
        }
    }
    Ok(())
}

fn prepare(order: &Order) -> Result<(), End> {
    rustix::process::setsid().step("make a session", "")?;
    for limit in &order.limits {
        let resource = match limit.kind {
            LimitKind::Core => Resource::Core,
            LimitKind::FileSize => Resource::Fsize,
            LimitKind::LockedMemory => Resource::Memlock,
            LimitKind::OpenFiles => Resource::Nofile,
            LimitKind::Processes => Resource::Nproc,
        };
        let value = Rlimit { current: limit.value, maximum: limit.value };
        rustix::process::setrlimit(resource, value).step("set a limit", format_args!("{:?}", limit.kind))?;
    }
    if let Some(score) = order.oom_score_adj {
        let path = "/proc/self/oom_score_adj";
        fs::write(path, score.to_string()).step("write", path)?;
    }
    if let Some(nice) = order.nice {
        rustix::process::setpriority_process(None, nice).step("set the niceness", nice)?;
    }
    if let Some(private) = &order.private_dev {
        dev::make_private(private, order.identity.as_ref())?;
    }
    // Before the user changes where that is possible: it needs the right, or the promise never to gain one.
    let root = rustix::process::geteuid().is_root();
    if root {
        reach::restrict(&order.reach)?;
    }
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(order.umask));
    if order.drop_capabilities && rustix::process::geteuid().is_root() {
        empty_bounding_set()?;
    }
    if let Some(identity) = &order.identity {
        let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        rustix::thread::set_thread_groups(&groups).step("set supplementary groups", "")?;
        let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
        rustix::thread::set_thread_res_gid(gid, gid, gid).step("change to group", identity.gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).step("change to user", identity.uid)?;
    }
    if order.drop_capabilities {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets).step("give up capabilities", "")?;
    }
    if order.no_new_privs {
        rustix::thread::set_no_new_privs(true).step("give up new privileges", "")?;
    }
    if !root {
        reach::restrict(&order.reach)?;
    }
    Ok(())
}

/// Root gets back at exec what the bounding set holds.
fn empty_bounding_set() -> Result<(), End> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Past the last one that this kernel has.
            Err(Errno::INVAL) => break,
            Err(error) => Err(error).step("give up capability", number)?,
        }
    }
    Ok(())
}
