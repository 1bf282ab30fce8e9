//! The groups of bulk counters, in their order.
//!
//! Owns: the names, and which of them are there. Pure but for the counters of the host.

use ostler_domain::Domain;
use ostler_domain::devices::disk::{Backing, Disk, Image};
use ostler_domain::devices::interface::{Interface, InterfaceSource};
use ostler_host::usage::{self, LinkCounters};

use super::sample::{Count, Node, Sample};
use super::{Known, Stat, StatValue, counters, node_of};

/// Groups, by their bit in the public headers.
pub mod group {
    /// What the guest is doing.
    pub const STATE: u32 = 1;
    /// Time on processors.
    pub const CPU_TOTAL: u32 = 2;
    /// Memory.
    pub const BALLOON: u32 = 4;
    /// Virtual CPUs.
    pub const VCPU: u32 = 8;
    /// Network cards.
    pub const INTERFACE: u32 = 16;
    /// Disks.
    pub const BLOCK: u32 = 32;
    /// Events of the processors; there are none.
    pub const PERF: u32 = 64;
    /// Threads for disks.
    pub const IOTHREAD: u32 = 128;
    /// Bandwidth of memory; there is none.
    pub const MEMORY: u32 = 256;
    /// How fast memory is written to.
    pub const DIRTYRATE: u32 = 512;
    /// The accelerator's counters of the machine.
    pub const VM: u32 = 1024;
    /// All of them.
    pub const ALL: u32 = 2047;
}

/// The tag of the memory that the balloon leaves.
pub(super) const ACTUAL_BALLOON: i32 = 6;
/// The tag of the memory that the emulator has.
const RESIDENT: i32 = 7;

/// The balloon's counters: the emulator's name, tag, name in bulk counters, and what they are
/// divided by.
const MEMORY: &[(&str, i32, &str, u64)] = &[
    ("stat-swap-in", 0, "swap_in", 1024),
    ("stat-swap-out", 1, "swap_out", 1024),
    ("stat-major-faults", 2, "major_fault", 1),
    ("stat-minor-faults", 3, "minor_fault", 1),
    ("stat-free-memory", 4, "unused", 1024),
    ("stat-total-memory", 5, "available", 1024),
    ("last-update", 9, "last-update", 1),
    ("stat-available-memory", 8, "usable", 1024),
    ("stat-disk-caches", 10, "disk_caches", 1024),
    ("stat-htlb-pgalloc", 11, "hugetlb_pgalloc", 1),
    ("stat-htlb-pgfail", 12, "hugetlb_pgfail", 1),
];

/// Puts counters together.
#[derive(Default)]
struct Out(Vec<Stat>);

impl Out {
    fn add(&mut self, name: impl Into<String>, value: StatValue) {
        self.0.push((name.into(), value));
    }

    fn long(&mut self, name: impl Into<String>, value: u64) {
        self.add(name, StatValue::Ullong(value));
    }

    fn count(&mut self, name: impl Into<String>, value: usize) {
        self.add(name, StatValue::Uint(u32::try_from(value).unwrap_or(u32::MAX)));
    }

    fn counts(&mut self, before: &str, counts: &[(String, Count)]) {
        for (name, count) in counts {
            let value = match count {
                Count::Number(number) => StatValue::Ullong(*number),
                Count::Flag(flag) => StatValue::Bool(*flag),
            };
            self.add(format!("{before}.{name}"), value);
        }
    }
}

/// All counters of these groups.
pub(super) fn all(known: &Known<'_>, domain: &Domain, groups: u32) -> Vec<Stat> {
    type Part = fn(&Known<'_>, &Domain, &mut Out);
    const PARTS: &[(u32, Part)] = &[
        (group::STATE, state),
        (group::CPU_TOTAL, cpu),
        (group::BALLOON, balloon),
        (group::VCPU, vcpu),
        (group::INTERFACE, interface),
        (group::BLOCK, block),
        (group::IOTHREAD, iothread),
        (group::DIRTYRATE, dirty),
        (group::VM, machine),
    ];
    let mut out = Out::default();
    for (_, part) in PARTS.iter().filter(|(of, _)| groups & of != 0) {
        part(known, domain, &mut out);
    }
    out.0
}

fn state(known: &Known<'_>, _domain: &Domain, out: &mut Out) {
    let (state, reason) = known.view.status.numbers();
    out.add("state.state", StatValue::Int(state));
    out.add("state.reason", StatValue::Int(reason));
}

fn cpu(known: &Known<'_>, _domain: &Domain, out: &mut Out) {
    let Some(times) = known.view.pid.and_then(usage::process_times) else { return };
    out.long("cpu.time", times.total());
    out.long("cpu.user", times.user);
    out.long("cpu.system", times.system);
    out.count("cpu.cache.monitor.count", 0);
    let vcpus = known.sample.iter().flat_map(|sample| &sample.vcpus);
    let sum = |name: &str| {
        let found = vcpus.clone().flat_map(|(_, counts)| counts).filter(|(of, _)| of == name);
        found.fold(0_u64, |sum, (_, count)| match count {
            Count::Number(number) => sum.saturating_add(*number),
            Count::Flag(_) => sum,
        })
    };
    out.long("cpu.haltpoll.success.time", sum("halt_poll_success_ns.sum"));
    out.long("cpu.haltpoll.fail.time", sum("halt_poll_fail_ns.sum"));
}

/// What is known of memory beside its size: tag, name and value.
pub(super) fn memory(
    sample: Option<&Sample>,
    pid: Option<u32>,
) -> impl Iterator<Item = (i32, &'static str, u64)> {
    let said: &[(String, u64)] = sample.map_or(&[], |sample| &sample.balloon);
    let of_guest = MEMORY.iter().filter_map(|(name, tag, word, unit)| {
        let (_, value) = said.iter().find(|(of, _)| of == name)?;
        Some((*tag, *word, value / unit))
    });
    let of_guest: Vec<_> = of_guest.collect();
    let resident = pid.and_then(usage::resident_kib).map(|kib| (RESIDENT, "rss", kib));
    of_guest.into_iter().chain(resident)
}

fn balloon(known: &Known<'_>, domain: &Domain, out: &mut Out) {
    let sizes = &domain.head.memory;
    out.long("balloon.current", sizes.current);
    out.long("balloon.maximum", sizes.total);
    if known.view.is_active() {
        for (_, name, value) in memory(known.sample.as_deref(), known.view.pid) {
            out.long(format!("balloon.{name}"), value);
        }
    }
}

fn vcpu(known: &Known<'_>, domain: &Domain, out: &mut Out) {
    out.add("vcpu.current", StatValue::Uint(domain.head.vcpus.current));
    out.add("vcpu.maximum", StatValue::Uint(domain.head.vcpus.maximum));
    let Some(pid) = known.view.pid else { return };
    for (number, thread) in &known.vcpus {
        let usage = usage::thread_usage(pid, *thread).unwrap_or_default();
        let name = format!("vcpu.{number}");
        out.add(format!("{name}.state"), StatValue::Int(1));
        out.long(format!("{name}.time"), usage.times.total());
        out.long(format!("{name}.wait"), usage.wait);
        out.long(format!("{name}.delay"), usage.delay);
        if let Some(counts) = known.sample.as_ref().and_then(|sample| sample.vcpu(*number)) {
            out.counts(&name, counts);
        }
    }
}

/// What went through a card, as the guest sees it: it receives what the host sends.
pub(super) fn card_counters(card: &Interface, target: &str) -> Option<LinkCounters> {
    let here = usage::link_counters(target)?;
    let shares_view = matches!(card.source, InterfaceSource::Direct { .. });
    Some(match shares_view {
        true => here,
        false => LinkCounters { received: here.sent, sent: here.received },
    })
}

fn interface(known: &Known<'_>, domain: &Domain, out: &mut Out) {
    if !known.view.is_active() {
        return;
    }
    let cards = &domain.devices.interfaces;
    out.count("net.count", cards.len());
    for (nth, card) in cards.iter().enumerate() {
        let Some((target, _)) = &card.target else { continue };
        out.add(format!("net.{nth}.name"), StatValue::Text(target.clone()));
        let Some(counters) = card_counters(card, target) else { continue };
        for (side, values) in [("rx", counters.received), ("tx", counters.sent)] {
            for (what, value) in ["bytes", "pkts", "errs", "drop"].into_iter().zip(values) {
                out.long(format!("net.{nth}.{side}.{what}"), value);
            }
        }
    }
}

/// The node of the topmost image of a disk.
pub(super) fn top_node<'a>(sample: &'a Sample, disk: &Disk) -> Option<&'a Node> {
    node(sample, &disk.image)
}

fn node<'a>(sample: &'a Sample, image: &Image) -> Option<&'a Node> {
    let name = node_of(image)?;
    sample.nodes.iter().find(|node| node.name == name)
}

fn block(known: &Known<'_>, domain: &Domain, out: &mut Out) {
    // The number of entries comes first, and is known last.
    let place = out.0.len();
    let mut entry = 0;
    for (nth, disk) in domain.devices.disks.iter().enumerate() {
        match known.view.is_active() {
            true => entry = running_disk(known, disk, entry, out),
            false => {
                let size = known.sizes.get(nth).copied().flatten().unwrap_or_default();
                let name = name_image(disk, &disk.image, entry, out);
                let sizes = [
                    ("allocation", size.allocation),
                    ("capacity", size.capacity),
                    ("physical", size.physical),
                ];
                for (what, value) in sizes.into_iter().filter(|(_, value)| *value != 0) {
                    out.long(format!("{name}.{what}"), value);
                }
                entry += 1;
            }
        }
    }
    let count = StatValue::Uint(u32::try_from(entry).unwrap_or(u32::MAX));
    out.0.insert(place, ("block.count".to_owned(), count));
}

fn name_image(disk: &Disk, image: &Image, entry: usize, out: &mut Out) -> String {
    let name = format!("block.{entry}");
    out.add(format!("{name}.name"), StatValue::Text(disk.target.clone()));
    if let Some(path) = image.path() {
        out.add(format!("{name}.path"), StatValue::Text(path.to_owned()));
    }
    if let Some(index) = image.index {
        out.add(format!("{name}.backingIndex"), StatValue::Uint(index));
    }
    name
}

fn running_disk(known: &Known<'_>, disk: &Disk, mut entry: usize, out: &mut Out) -> usize {
    let sample = known.sample.as_deref();
    let counted = sample.and_then(|sample| counters(sample, disk));
    let mut image = Some(&disk.image);
    let mut depth = 0;
    while let Some(current) = image {
        let name = name_image(disk, current, entry, out);
        if let Some(counted) = counted.filter(|_| depth == 0) {
            for (what, [requests, bytes, times]) in [("rd", counted.reads), ("wr", counted.writes)] {
                out.long(format!("{name}.{what}.reqs"), requests);
                out.long(format!("{name}.{what}.bytes"), bytes);
                out.long(format!("{name}.{what}.times"), times);
            }
            let [requests, times] = counted.flushes;
            out.long(format!("{name}.fl.reqs"), requests);
            out.long(format!("{name}.fl.times"), times);
        }
        if let Some(node) = sample.and_then(|sample| node(sample, current)) {
            let highest = counted.and_then(|counted| counted.highest.get(depth)).copied();
            out.long(format!("{name}.allocation"), highest.unwrap_or_default());
            out.long(format!("{name}.capacity"), node.capacity);
            out.long(format!("{name}.physical"), node.physical);
            if node.threshold > 0 {
                out.long(format!("{name}.threshold"), node.threshold);
            }
        }
        entry += 1;
        depth += 1;
        image = match &current.backing {
            Backing::Image(below) if known.backing => Some(below),
            _ => None,
        };
    }
    entry
}

fn iothread(known: &Known<'_>, domain: &Domain, out: &mut Out) {
    let Some(sample) = known.sample.as_deref().filter(|_| known.view.is_active()) else { return };
    if domain.head.iothreads.threads.is_empty() {
        return;
    }
    out.count("iothread.count", sample.iothreads.len());
    for (number, values) in &sample.iothreads {
        for (what, value) in ["poll-max-ns", "poll-grow", "poll-shrink"].into_iter().zip(values) {
            out.long(format!("iothread.{number}.{what}"), *value);
        }
    }
}

fn dirty(known: &Known<'_>, _domain: &Domain, out: &mut Out) {
    let sample = known.sample.as_deref().filter(|_| known.view.is_active());
    let Some(rate) = sample.and_then(|sample| sample.dirty.as_ref()) else { return };
    let status = match rate.status.as_str() {
        "measuring" => 1,
        "measured" => 2,
        _ => 0,
    };
    out.add("dirtyrate.calc_status", StatValue::Int(status));
    out.add("dirtyrate.calc_start_time", StatValue::Llong(rate.start));
    out.add("dirtyrate.calc_period", StatValue::Int(i32::try_from(rate.period).unwrap_or(i32::MAX)));
    out.add("dirtyrate.calc_mode", StatValue::Text(rate.mode.clone()));
    if let Some(megabytes) = rate.rate.filter(|_| status == 2) {
        out.add("dirtyrate.megabytes_per_second", StatValue::Llong(megabytes));
        for (vcpu, megabytes) in &rate.vcpus {
            let name = format!("dirtyrate.vcpu.{vcpu}.megabytes_per_second");
            out.long(name, u64::try_from(*megabytes).unwrap_or_default());
        }
    }
}

fn machine(known: &Known<'_>, _domain: &Domain, out: &mut Out) {
    if let Some(sample) = known.sample.as_deref().filter(|_| known.view.is_active()) {
        out.counts("vm", &sample.machine);
    }
}
