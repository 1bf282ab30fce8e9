//! Which processors of the host a thread may run on.
//!
//! Owns: the one system call. Never: decides which.

use ostler_base::{IdSet, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::failed;

/// Lets a thread run on these processors only. The kernel refuses a set of which none is there.
pub fn set_affinity(thread: u32, processors: &IdSet) -> Result<()> {
    let mut set = CpuSet::new();
    for processor in processors.iter() {
        let place = usize::try_from(processor).unwrap_or(usize::MAX);
        if place < CpuSet::MAX_CPU {
            set.set(place);
        }
    }
    let pid = i32::try_from(thread).ok().and_then(Pid::from_raw);
    sched_setaffinity(pid, &set)
        .map_err(|error| failed(format_args!("cannot set CPU affinity on process {thread}"), error))
}
