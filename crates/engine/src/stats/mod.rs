//! Counters of guests: bulk, and those that calls of their own ask for.
//!
//! Owns: which group needs what, and that many guests are asked side by side. Never: waits for an
//! emulator longer than its sampler does.

mod groups;
mod sample;

use std::path::Path;
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_domain::devices::Device;
use ostler_domain::devices::disk::{Disk, ImageFormat, NodeRole};
use ostler_domain::devices::memballoon::BalloonModel;
use ostler_domain::sections::identity::DomainKind;
use ostler_host::usage::{self, ImageSize, LinkCounters, ThreadUsage};

use crate::domain::guest::not_running;
use crate::domain::{Guest, View};
use crate::engine::{Engine, blocking};
pub use groups::group;
use sample::{DiskCounters, Sample, ask};
pub(crate) use sample::{Kinds, Sampler};

/// The value of a counter, with its type in the public interface.
#[derive(Debug, Clone, PartialEq)]
pub enum StatValue {
    /// A signed 32-bit number.
    Int(i32),
    /// An unsigned 32-bit number.
    Uint(u32),
    /// A signed 64-bit number.
    Llong(i64),
    /// An unsigned 64-bit number.
    Ullong(u64),
    /// A flag.
    Bool(bool),
    /// A text.
    Text(String),
}

/// A counter by its name in the public interface.
pub type Stat = (String, StatValue);

/// How bulk counters are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Detail {
    /// Images below the topmost are listed as well.
    pub backing: bool,
    /// Emulators are not asked; what they said last has to do.
    pub no_wait: bool,
}

/// Counters of a disk, or of all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockCounters {
    /// Requests, bytes, nanoseconds of reads.
    pub reads: [u64; 3],
    /// The same of writes.
    pub writes: [u64; 3],
    /// Requests and nanoseconds of flushes.
    pub flushes: [u64; 2],
}

/// A virtual CPU and its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VcpuState {
    /// Its number.
    pub number: u32,
    /// What its thread uses.
    pub usage: ThreadUsage,
    /// The processors of the host that it may run on.
    pub affinity: Vec<usize>,
}

/// What the parts of a guest's counters are made of.
pub(crate) struct Known<'a> {
    view: &'a View,
    sample: Option<Arc<Sample>>,
    vcpus: Vec<(u32, u32)>,
    backing: bool,
    /// Sizes of images of a guest that does not run, for each disk.
    sizes: Vec<Option<ImageSize>>,
}

/// The questions that groups need answered.
fn questions(view: &View, groups: u32) -> u32 {
    let Some(live) = &view.live else { return 0 };
    let domain = live.domain();
    let kvm = domain.head.identity.kind == DomainKind::Kvm;
    let pairs = [
        (group::BLOCK, ask::BLOCK, !domain.devices.disks.is_empty()),
        (group::BALLOON, ask::BALLOON, true),
        (group::IOTHREAD, ask::IOTHREADS, !domain.head.iothreads.threads.is_empty()),
        (group::VCPU | group::CPU_TOTAL, ask::VCPUS, kvm),
        (group::VM, ask::MACHINE, kvm),
        (group::DIRTYRATE, ask::DIRTY, true),
    ];
    let wanted = pairs.iter().filter(|(of, _, sense)| groups & of != 0 && *sense);
    wanted.fold(0, |all, (_, question, _)| all | question)
}

/// The balloon's name in the emulator's object tree.
fn balloon_path(view: &View) -> Option<String> {
    let balloon = view.live.as_ref()?.domain().devices.memballoons.first()?;
    let there = balloon.model != BalloonModel::None;
    there.then(|| format!("/machine/peripheral/{}", balloon.info().alias()))
}

fn is_qcow2(disk: &Disk) -> bool {
    disk.image.format == Some(ImageFormat::Qcow2)
}

fn unknown_disk(path: &str) -> Error {
    Error::invalid_arg(format!("invalid path: {path}"))
}

/// The disk that a path or a target names.
fn find_disk<'a>(view: &'a View, path: &str) -> Option<&'a Disk> {
    let disks = &view.live.as_ref()?.domain().devices.disks;
    let by_path = |disk: &&Disk| disk.target == path || disk.image.path() == Some(path);
    disks.iter().find(by_path)
}

fn counters<'a>(sample: &'a Sample, disk: &Disk) -> Option<&'a DiskCounters> {
    let name = disk.run.qom_name.as_deref().unwrap_or_default();
    let is_it = |front: &str| front == name || front == disk.info().alias();
    sample.disks.iter().find(|counters| is_it(&counters.front))
}

impl Engine {
    async fn sample(&self, guest: &Guest, view: &View, wanted: u32) -> Option<Arc<Sample>> {
        let monitor = guest.link().ok()?.monitor;
        let balloon = balloon_path(view);
        guest.sampler.sample(&monitor, wanted, balloon.as_deref(), self.counter_kinds()).await
    }

    /// The counters of a guest, by groups.
    pub async fn stats(&self, guest: &Arc<Guest>, groups: u32, detail: Detail) -> Vec<Stat> {
        let view = guest.view();
        let wanted = questions(&view, groups);
        let sample = match detail.no_wait || wanted == 0 {
            true => guest.sampler.last(),
            false => self.sample(guest, &view, wanted).await,
        };
        let vcpus = guest.look(|state| state.record.as_ref().map(|kept| kept.vcpus.clone()));
        let setting = self.setting(None);
        let current = view.current(&setting).ok();
        let sizes = match (&current, view.is_active()) {
            (Some(shown), false) if groups & group::BLOCK != 0 => {
                let paths: Vec<_> = shown.domain().devices.disks.iter().map(place).collect();
                let sizes = move || Ok(paths.into_iter().map(size).collect());
                blocking(sizes).await.unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let known =
            Known { view: &view, sample, vcpus: vcpus.unwrap_or_default(), backing: detail.backing, sizes };
        match current {
            Some(shown) => groups::all(&known, shown.domain(), groups),
            None => Vec::new(),
        }
    }

    /// The counters of many guests, asked side by side; in the order of the guests.
    pub async fn stats_of(
        &self,
        guests: Vec<Arc<Guest>>,
        groups: u32,
        detail: Detail,
    ) -> Vec<(Arc<View>, Vec<Stat>)> {
        let mut all = tokio::task::JoinSet::new();
        for (turn, guest) in guests.into_iter().enumerate() {
            let engine = self.clone();
            all.spawn(async move {
                let stats = engine.stats(&guest, groups, detail).await;
                (turn, guest.view(), stats)
            });
        }
        let mut out = all.join_all().await;
        out.sort_by_key(|(turn, ..)| *turn);
        out.into_iter().map(|(_, view, stats)| (view, stats)).collect()
    }

    /// What is known of a guest's memory: tag of the public interface, and value.
    pub async fn memory_stats(&self, guest: &Arc<Guest>) -> Result<Vec<(i32, u64)>> {
        let view = guest.view();
        let live = view.live.clone().ok_or_else(not_running)?;
        let sample = self.sample(guest, &view, ask::BALLOON).await;
        let mut out = Vec::new();
        if balloon_path(&view).is_some() {
            out.push((groups::ACTUAL_BALLOON, live.domain().head.memory.current));
        }
        out.extend(groups::memory(sample.as_deref(), view.pid).map(|(tag, _, value)| (tag, value)));
        Ok(out)
    }

    /// The counters of a disk, by path or target; of all together where the name is empty.
    pub async fn block_counters(&self, guest: &Arc<Guest>, path: &str) -> Result<BlockCounters> {
        let view = guest.view();
        let live = view.live.clone().ok_or_else(not_running)?;
        let one = find_disk(&view, path);
        if one.is_none() && !path.is_empty() {
            return Err(unknown_disk(path));
        }
        let sample = self.sample(guest, &view, ask::BLOCK).await.unwrap_or_default();
        let disks: Vec<&Disk> = match one {
            Some(disk) => vec![disk],
            None => live.domain().devices.disks.iter().collect(),
        };
        let mut sum = BlockCounters::default();
        for found in disks.into_iter().filter_map(|disk| counters(&sample, disk)) {
            let pairs = sum.reads.iter_mut().zip(found.reads);
            let pairs = pairs.chain(sum.writes.iter_mut().zip(found.writes));
            for (sum, one) in pairs.chain(sum.flushes.iter_mut().zip(found.flushes)) {
                *sum = sum.saturating_add(one);
            }
        }
        Ok(sum)
    }

    /// The sizes of a disk's image, by path or target.
    pub async fn block_info(&self, guest: &Arc<Guest>, path: &str) -> Result<ImageSize> {
        let view = guest.view();
        let shown = view.current(&self.setting(None))?;
        let named = |disk: &&Disk| disk.target == path || disk.image.path() == Some(path);
        let disk = shown.domain().devices.disks.iter().find(named);
        let disk =
            disk.ok_or_else(|| Error::invalid_arg(format!("invalid path {path} not assigned to domain")))?;
        if disk.image.is_empty() {
            let detail = format!("disk '{path}' does not currently have a source assigned");
            return Err(Error::invalid_arg(detail));
        }
        let sample = match view.is_active() {
            true => self.sample(guest, &view, ask::BLOCK).await,
            false => None,
        };
        let wanted = place(disk);
        let here = blocking(move || Ok(size(wanted))).await?;
        let node = sample.as_ref().and_then(|sample| groups::top_node(sample, disk));
        match (node, here) {
            (None, Some(here)) => Ok(here),
            (None, None) => {
                let path = disk.image.path().unwrap_or(path);
                Err(Error::system(format!("cannot stat file '{path}': No such file or directory")))
            }
            (Some(node), here) => {
                let block = here.is_some_and(|here| here.allocation == here.physical) && is_qcow2(disk);
                let highest =
                    sample.as_ref().and_then(|sample| counters(sample, disk)?.highest.first().copied());
                let allocation = highest.filter(|highest| block && *highest > 0).unwrap_or(node.physical);
                let physical = here.map_or(node.physical, |here| here.physical);
                Ok(ImageSize { allocation, physical, capacity: node.capacity })
            }
        }
    }

    /// The counters of a network card, by the name of its device on the host or its address; as the
    /// guest sees them.
    pub fn interface_counters(&self, guest: &Guest, name: &str) -> Result<LinkCounters> {
        let view = guest.view();
        let live = view.live.as_ref().ok_or_else(not_running)?;
        let mut cards = live.domain().devices.interfaces.iter();
        let named = |mac: &Option<ostler_base::MacAddr>| mac.is_some_and(|mac| mac.to_string() == name);
        let card = cards
            .find(|card| named(&card.mac) || card.target.as_ref().is_some_and(|(target, _)| target == name));
        let unknown = || Error::invalid_arg(format!("'{name}' is not a known interface"));
        let card = card.ok_or_else(unknown)?;
        let (target, _) = card.target.as_ref().ok_or_else(unknown)?;
        groups::card_counters(card, target)
            .ok_or_else(|| Error::internal(format!("Interface not found: {target}")))
    }

    /// The virtual CPUs of a guest that runs.
    pub fn vcpu_states(&self, guest: &Guest) -> Result<Vec<VcpuState>> {
        let pid = guest.view().pid.ok_or_else(not_running)?;
        let threads = guest.look(|state| state.record.as_ref().map(|kept| kept.vcpus.clone()));
        let one = |(number, thread): (u32, u32)| VcpuState {
            number,
            usage: usage::thread_usage(pid, thread).unwrap_or_default(),
            affinity: usage::affinity(thread).unwrap_or_default(),
        };
        Ok(threads.unwrap_or_default().into_iter().map(one).collect())
    }

    /// Disks that stand still because of an error: target, and 1 for an error that is not known, 2
    /// where there is no room.
    pub async fn disk_errors(&self, guest: &Arc<Guest>) -> Result<Vec<(String, i32)>> {
        let view = guest.view();
        let live = view.live.clone().ok_or_else(not_running)?;
        let sample = self.sample(guest, &view, ask::BLOCK).await.unwrap_or_default();
        let error = |disk: &Disk| match counters(&sample, disk)?.status.as_deref()? {
            "failed" => Some((disk.target.clone(), 1)),
            "nospace" => Some((disk.target.clone(), 2)),
            _ => None,
        };
        Ok(live.domain().devices.disks.iter().filter_map(error).collect())
    }

    /// Times of all processors together that a guest spent: the sum, in the emulator, in the kernel.
    pub fn cpu_times(&self, guest: &Guest) -> Result<usage::CpuTimes> {
        let pid = guest.view().pid.ok_or_else(not_running)?;
        let gone = || Error::new(Code::InternalError, Origin::Qemu, "cannot get cpuacct usage");
        usage::process_times(pid).ok_or_else(gone)
    }
}

/// Where the topmost image of a disk is, of those that are on this host; and whether it is qcow2.
fn place(disk: &Disk) -> Option<(String, bool)> {
    use ostler_domain::devices::disk::Place;
    match &disk.image.place {
        Place::File(Some(path)) | Place::Block(Some(path)) => Some((path.clone(), is_qcow2(disk))),
        _ => None,
    }
}

fn size(place: Option<(String, bool)>) -> Option<ImageSize> {
    let (path, qcow2) = place?;
    usage::image_size(Path::new(&path), qcow2).ok()
}

/// The node that stands for an image.
fn node_of(image: &ostler_domain::devices::disk::Image) -> Option<&str> {
    let run = image.run.as_ref()?;
    run.node(NodeRole::Format).or_else(|| run.node(NodeRole::Storage))
}
