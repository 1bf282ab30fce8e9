//! Processes, held by a descriptor, so that a number that was given to another one later is never
//! mistaken.
//!
//! Owns: waiting, ending, reaping. Never: starts one ([`crate::spawn()`] does).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ostler_base::{Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::{Readable, failed, fs};

/// How long a process may take to vanish after it was killed; longer, and the kernel is stuck with it.
const KILLED_WITHIN: Duration = Duration::from_secs(30);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was not our child: only that it ended is known.
    Unknown,
}

/// A process. Dropping it neither ends nor reaps it.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    start_time: u64,
    fd: OwnedFd,
    exit: Mutex<Option<Exit>>,
}

/// What the kernel counts of a process.
struct Counts {
    /// Clock ticks in user and kernel mode.
    ticks: u64,
    /// Clock ticks since boot when it started.
    start_time: u64,
}

fn counts(pid: u32) -> Option<Counts> {
    let text = fs::read_bounded(Path::new(&format!("/proc/{pid}/stat")), 4096).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let number = |index: usize| rest.split(' ').nth(index)?.parse::<u64>().ok();
    Some(Counts { ticks: number(11)?.checked_add(number(12)?)?, start_time: number(19)? })
}

/// Time that a process spent on processors, in nanoseconds; `None` where it is gone.
pub fn cpu_time(pid: u32) -> Option<u64> {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    counts(pid)?.ticks.checked_mul(1_000_000_000)?.checked_div(per_second)
}

impl Process {
    /// Holds a process by its number. With a start time (clock ticks since boot, as
    /// [`Process::start_time`] gave it)
    /// only the one that started then; `None` where there is none any more.
    pub fn adopt(pid: u32, start_time: Option<u64>) -> Result<Option<Self>> {
        let same = |process: &Process| start_time.is_none_or(|start| start == process.start_time);
        Ok(Self::hold(pid)?.filter(|process| same(process) && process.is_alive()))
    }

    /// The same; one that has ended and waits to be reaped counts as well.
    pub(crate) fn hold(pid: u32) -> Result<Option<Self>> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| Error::internal(format!("{pid} is no process number")))?;
        let fd = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(failed(format_args!("cannot hold process {pid}"), error)),
        };
        // The descriptor came first: what is read now is of its process, or of none.
        let counts = counts(pid);
        Ok(counts.map(|found| Process {
            pid: number,
            start_time: found.start_time,
            fd,
            exit: Mutex::new(None),
        }))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        u32::try_from(self.pid.as_raw_pid()).unwrap_or_default()
    }

    /// When it started, in clock ticks since boot: with the number it names one process for ever.
    pub fn start_time(&self) -> u64 {
        self.start_time
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        matches!(wait_readable(&[self.fd.as_fd()], Some(Instant::now())), Ok(false))
    }

    /// Waits until it has ended, without a thread. Any number may wait. Needs a running tokio.
    pub async fn ended(&self) -> Result<Exit> {
        let what = || format!("cannot wait for process {}", self.pid());
        let fd = self.fd.try_clone().map_err(|error| failed(what(), error))?;
        let readable = Readable::new(fd).map_err(|error| failed(what(), error))?;
        readable.ready().await.map_err(|error| failed(what(), error))?;
        Ok(self.reap())
    }

    /// Waits until it has ended, at most so long; blocks. `None` where it still runs.
    pub fn wait(&self, bound: Duration) -> Result<Option<Exit>> {
        let deadline = Instant::now().checked_add(bound);
        match wait_readable(&[self.fd.as_fd()], deadline) {
            Ok(true) => Ok(Some(self.reap())),
            Ok(false) => Ok(None),
            Err(error) => Err(failed(format_args!("cannot wait for process {}", self.pid()), error)),
        }
    }

    /// Sends a signal; to one that has ended it does nothing.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(failed(format_args!("failed to send signal to process {}", self.pid()), error)),
        }
    }

    /// Ends it: asks first, and kills it after `patience`. Returns as soon as it is gone; blocks.
    pub fn terminate(&self, patience: Duration) -> Result<Exit> {
        self.signal(Signal::TERM)?;
        if let Some(exit) = self.wait(patience)? {
            return Ok(exit);
        }
        self.signal(Signal::KILL)?;
        self.wait(KILLED_WITHIN)?.ok_or_else(|| self.stuck())
    }

    /// [`Process::terminate`] without blocking a thread. Needs a running tokio.
    pub async fn stop(&self, patience: Duration) -> Result<Exit> {
        self.signal(Signal::TERM)?;
        if let Ok(exit) = tokio::time::timeout(patience, self.ended()).await {
            return exit;
        }
        self.signal(Signal::KILL)?;
        tokio::time::timeout(KILLED_WITHIN, self.ended()).await.unwrap_or_else(|_| Err(self.stuck()))
    }

    fn stuck(&self) -> Error {
        Error::operation_failed(format!("failed to kill process {}: it does not end", self.pid()))
    }

    /// Takes the status of one that has ended; the first call gets it, the others remember.
    fn reap(&self) -> Exit {
        let mut exit = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        *exit.get_or_insert_with(|| {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let status = waitid(WaitId::PidFd(self.fd.as_fd()), options).ok().flatten();
            let code = status.as_ref().and_then(|status| status.exit_status()).map(Exit::Code);
            let signal = || status.as_ref().and_then(|status| status.terminating_signal()).map(Exit::Signal);
            code.or_else(signal).unwrap_or(Exit::Unknown)
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until one of the descriptors is readable; false where the deadline came first.
pub(crate) fn wait_readable(fds: &[BorrowedFd<'_>], deadline: Option<Instant>) -> io::Result<bool> {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, left.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[expect(clippy::zombie_processes, reason = "the process under test reaps it")]
    fn sleeper() -> Process {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        Process::adopt(child.id(), None).unwrap().unwrap()
    }

    #[test]
    fn an_end_is_quick_and_seen_once_and_for_all() {
        let process = sleeper();
        assert!(process.is_alive());
        assert_eq!(process.wait(Duration::ZERO).unwrap(), None);
        let start = Instant::now();
        assert_eq!(process.terminate(Duration::from_secs(5)).unwrap(), Exit::Signal(15));
        assert!(start.elapsed() < Duration::from_millis(100));
        assert_eq!(process.wait(Duration::ZERO).unwrap(), Some(Exit::Signal(15)));
        assert_eq!(process.terminate(Duration::ZERO).unwrap(), Exit::Signal(15));
        assert!(Process::adopt(process.pid(), None).unwrap().is_none());
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "the process under test reaps it")]
    fn the_deaf_are_killed() {
        let mut command = Command::new("sh");
        let child = command.args(["-c", "trap '' TERM; echo; while :; do sleep 60; done"]);
        let mut child = child.stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let process = Process::adopt(child.id(), None).unwrap().unwrap();
        assert_eq!(process.terminate(Duration::from_millis(20)).unwrap(), Exit::Signal(9));
    }

    #[test]
    fn a_number_used_again_is_not_the_same_process() {
        let process = sleeper();
        let (pid, start) = (process.pid(), process.start_time());
        assert!(Process::adopt(pid, Some(start)).unwrap().is_some());
        assert!(Process::adopt(pid, Some(start + 1)).unwrap().is_none());
        assert!(Process::adopt(0, None).is_err());
        assert!(Process::adopt(u32::MAX, None).is_err());
        assert!(cpu_time(pid).is_some());
        process.terminate(Duration::from_secs(5)).unwrap();
        assert!(cpu_time(pid).is_none());
    }

    #[tokio::test]
    async fn all_who_wait_are_told() {
        let process = sleeper();
        let ended = tokio::time::timeout(Duration::from_millis(5), process.ended()).await;
        assert!(ended.is_err());
        let (first, second, stopped) =
            tokio::join!(process.ended(), process.ended(), process.stop(Duration::from_secs(5)));
        assert_eq!(
            (first, second, stopped),
            (Ok(Exit::Signal(15)), Ok(Exit::Signal(15)), Ok(Exit::Signal(15)))
        );
    }
}
