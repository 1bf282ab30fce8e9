//! What processes, threads, network devices and image files use.
//!
//! Owns: reading these counters. Never: keeps one for later.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::Pid;
use rustix::thread::CpuSet;

use crate::fs::read_bounded;

/// A file of `/proc` or `/sys` is never longer.
const TEXT_MAX: u64 = 64 << 10;

/// Time on processors, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTimes {
    /// For the process itself.
    pub user: u64,
    /// In the kernel for it.
    pub system: u64,
}

impl CpuTimes {
    /// Both together.
    pub fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

/// What a thread uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThreadUsage {
    /// Time on processors.
    pub times: CpuTimes,
    /// The processor it was on last.
    pub cpu: i32,
    /// Time it was ready and had to wait, nanoseconds.
    pub delay: u64,
    /// Time it waited for others, nanoseconds; 0 where the kernel does not count.
    pub wait: u64,
}

/// What went through a network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounters {
    /// Bytes, packets, errors, drops that came in.
    pub received: [u64; 4],
    /// The same that went out.
    pub sent: [u64; 4],
}

/// The size of an image file, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageSize {
    /// What it takes of its file system.
    pub allocation: u64,
    /// How far it reaches.
    pub physical: u64,
    /// How much the guest sees.
    pub capacity: u64,
}

fn nanoseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// The fields of a `stat` file after the name, which may hold anything.
fn stat(path: &str) -> Option<Vec<u64>> {
    let text = read_bounded(Path::new(path), TEXT_MAX).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

fn times(fields: &[u64]) -> Option<CpuTimes> {
    Some(CpuTimes { user: nanoseconds(*fields.get(11)?), system: nanoseconds(*fields.get(12)?) })
}

/// Time that a process spent on processors with all its threads; `None` where it is gone.
pub fn process_times(pid: u32) -> Option<CpuTimes> {
    times(&stat(&format!("/proc/{pid}/stat"))?)
}

/// Memory that a process has in RAM, KiB.
pub fn resident_kib(pid: u32) -> Option<u64> {
    let fields = stat(&format!("/proc/{pid}/stat"))?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    fields.get(21)?.checked_mul(page / 1024)
}

/// What a thread of a process uses; `None` where it is gone.
pub fn thread_usage(pid: u32, thread: u32) -> Option<ThreadUsage> {
    let directory = format!("/proc/{pid}/task/{thread}");
    let fields = stat(&format!("{directory}/stat"))?;
    let delay = read_bounded(Path::new(&format!("{directory}/schedstat")), TEXT_MAX).ok();
    let delay = delay.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse().ok());
    Some(ThreadUsage {
        times: times(&fields)?,
        cpu: fields.get(36).and_then(|cpu| i32::try_from(*cpu).ok()).unwrap_or_default(),
        delay: delay.unwrap_or_default(),
        wait: waited(&directory).unwrap_or_default(),
    })
}

/// Milliseconds with six decimals, in one of two words of different kernels.
fn waited(directory: &str) -> Option<u64> {
    let text = read_bounded(Path::new(&format!("{directory}/sched")), TEXT_MAX).ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("se.statistics.wait_sum") || line.starts_with("wait_sum"))?;
    let (whole, part) = line.rsplit_once(':')?.1.trim().split_once('.')?;
    let (whole, part): (u64, u64) = (whole.parse().ok()?, part.parse().ok()?);
    whole.checked_mul(1_000_000)?.checked_add(part)
}

/// The processors that a thread may run on, by number; `None` where it is gone.
pub fn affinity(thread: u32) -> Option<Vec<usize>> {
    let pid = Pid::from_raw(i32::try_from(thread).ok()?)?;
    let set = rustix::thread::sched_getaffinity(Some(pid)).ok()?;
    Some((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// What went through a network device of the host; `None` where there is none of this name.
pub fn link_counters(name: &str) -> Option<LinkCounters> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    let directory = Path::new("/sys/class/net").join(name).join("statistics");
    let read = |side: &str, what: &str| -> Option<u64> {
        let text = read_bounded(&directory.join(format!("{side}_{what}")), 64).ok()?;
        text.trim().parse().ok()
    };
    let all = |side: &str| -> Option<[u64; 4]> {
        Some([read(side, "bytes")?, read(side, "packets")?, read(side, "errors")?, read(side, "dropped")?])
    };
    Some(LinkCounters { received: all("rx")?, sent: all("tx")? })
}

/// The size of an image in a file or on a device. `qcow2` says that its header tells what the guest
/// sees.
pub fn image_size(path: &Path, qcow2: bool) -> io::Result<ImageSize> {
    use std::os::unix::fs::FileTypeExt;
    let facts = fs::metadata(path)?;
    if facts.file_type().is_block_device() {
        let size = block_size(path)?;
        let capacity = if qcow2 { virtual_size(path)?.unwrap_or(size) } else { size };
        return Ok(ImageSize { allocation: size, physical: size, capacity });
    }
    let capacity = if qcow2 { virtual_size(path)?.unwrap_or(facts.len()) } else { facts.len() };
    Ok(ImageSize { allocation: facts.blocks().saturating_mul(512), physical: facts.len(), capacity })
}

fn block_size(path: &Path) -> io::Result<u64> {
    use std::io::Seek;
    File::open(path)?.seek(io::SeekFrom::End(0))
}

/// What the header of a qcow2 image says; `None` where it is no such image.
fn virtual_size(path: &Path) -> io::Result<Option<u64>> {
    let mut header = [0; 32];
    match File::open(path)?.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let size = header.get(24..32).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    Ok(size.filter(|_| header.starts_with(b"QFI\xfb")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tests::Scratch;

    #[test]
    fn of_this_process() {
        let pid = std::process::id();
        assert!(process_times(pid).is_some() && resident_kib(pid).unwrap() > 100);
        assert!(thread_usage(pid, pid).is_some());
        assert!(!affinity(pid).unwrap().is_empty());
        assert_eq!(process_times(u32::MAX), None);
        assert!(link_counters("lo").is_some());
        assert_eq!(link_counters("../lo"), None);
    }

    #[test]
    fn sizes_of_images() {
        let scratch = Scratch::new();
        let raw = scratch.0.join("raw");
        std::fs::write(&raw, vec![1; 8192]).unwrap();
        let size = image_size(&raw, false).unwrap();
        assert_eq!((size.physical, size.capacity), (8192, 8192));
        let mut header = b"QFI\xfb".to_vec();
        header.resize(24, 0);
        header.extend(4096_u64.to_be_bytes());
        let qcow = scratch.0.join("qcow");
        std::fs::write(&qcow, &header).unwrap();
        assert_eq!(image_size(&qcow, true).unwrap().capacity, 4096);
        assert_eq!(image_size(&raw, true).unwrap().capacity, 8192, "no such image after all");
        assert!(image_size(&scratch.0.join("no"), false).is_err());
    }
}
