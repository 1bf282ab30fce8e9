//! What an emulator says about its guest's counters: asked in one write, kept for the time in which
//! it does not answer.
//!
//! Owns: the questions, the compact form of the answers, the patience with a silent emulator. Never:
//! asks again while an answer is overdue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ostler_base::{Json, json::json};
use ostler_qmp::{Arguments, Monitor};

/// How long an answer is waited for until what was known before has to do.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions that can be asked, each a bit.
pub(super) mod ask {
    pub(crate) const BLOCK: u32 = 1;
    pub(crate) const BALLOON: u32 = 2;
    pub(crate) const IOTHREADS: u32 = 4;
    pub(crate) const VCPUS: u32 = 8;
    pub(crate) const MACHINE: u32 = 16;
    pub(crate) const DIRTY: u32 = 32;
}

/// Counters of one front end of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DiskCounters {
    /// Its alias or name in the object tree.
    pub(crate) front: String,
    /// Requests, bytes, nanoseconds of reads.
    pub(crate) reads: [u64; 3],
    /// The same of writes.
    pub(crate) writes: [u64; 3],
    /// Requests and nanoseconds of flushes.
    pub(crate) flushes: [u64; 2],
    /// The highest byte written, of the image and of those below it, from the top.
    pub(crate) highest: Vec<u64>,
    /// Why it stands still: `ok`, `failed`, `nospace`.
    pub(crate) status: Option<String>,
}

/// A node of the block layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) capacity: u64,
    pub(crate) physical: u64,
    pub(crate) threshold: u64,
}

/// What a counter of the accelerator holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Number(u64),
    Flag(bool),
}

/// A thread for disks: number, then poll-max-ns, poll-grow, poll-shrink.
pub(crate) type IoThread = (u32, [u64; 3]);

/// The rate at which a guest writes to its memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DirtyRate {
    pub(crate) status: String,
    pub(crate) start: i64,
    pub(crate) period: i64,
    pub(crate) mode: String,
    pub(crate) rate: Option<i64>,
    pub(crate) vcpus: Vec<(i64, i64)>,
}

/// What an emulator said last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sample {
    pub(crate) disks: Vec<DiskCounters>,
    pub(crate) nodes: Vec<Node>,
    /// The balloon's counters by the emulator's names, and when the guest gave them.
    pub(crate) balloon: Vec<(String, u64)>,
    pub(crate) iothreads: Vec<IoThread>,
    /// Names of virtual CPUs in the object tree, by their number.
    pub(crate) paths: Vec<(u32, String)>,
    /// Counters of the accelerator for each of them, by name with its kind.
    pub(crate) vcpus: Vec<(String, Vec<(String, Count)>)>,
    /// The same for the machine.
    pub(crate) machine: Vec<(String, Count)>,
    pub(crate) dirty: Option<DirtyRate>,
}

/// Kinds of the accelerator's counters: target, name, the ending that tells the kind.
pub(crate) type Kinds = Vec<(String, String, &'static str)>;

/// The samples of one guest.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    last: Mutex<Option<Arc<Sample>>>,
    overdue: AtomicBool,
}

impl Sampler {
    /// What was said last.
    pub(crate) fn last(&self) -> Option<Arc<Sample>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets a run.
    pub(crate) fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.overdue.store(false, Ordering::Relaxed);
    }

    /// Asks what `wanted` says, in one write. Where the emulator does not answer in time, what it
    /// said before; where an answer is overdue already, the same at once.
    pub(crate) async fn sample(
        self: &Arc<Self>,
        monitor: &Monitor,
        wanted: u32,
        balloon: Option<&str>,
        kinds: &Arc<Mutex<Kinds>>,
    ) -> Option<Arc<Sample>> {
        let questions = questions(wanted, balloon, kinds);
        if questions.is_empty() || self.overdue.load(Ordering::Relaxed) {
            return self.last();
        }
        let (sampler, monitor, kinds) = (Arc::clone(self), monitor.clone(), Arc::clone(kinds));
        let mut asking = tokio::spawn(async move {
            let answers = monitor.batch(&questions).await;
            let mut sample = sampler.last().map(|last| (*last).clone()).unwrap_or_default();
            for ((name, arguments), answer) in questions.iter().zip(answers) {
                if let Ok(answer) = answer {
                    sample.take(name, arguments.as_ref(), &answer, &kinds);
                }
            }
            *sampler.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(sample));
            sampler.overdue.store(false, Ordering::Relaxed);
        });
        if tokio::time::timeout(PATIENCE, &mut asking).await.is_err() {
            self.overdue.store(!asking.is_finished(), Ordering::Relaxed);
        }
        self.last()
    }
}

fn questions(wanted: u32, balloon: Option<&str>, kinds: &Mutex<Kinds>) -> Vec<(&'static str, Arguments)> {
    let mut out: Vec<(&'static str, Arguments)> = Vec::new();
    if wanted & ask::BLOCK != 0 {
        out.push(("query-blockstats", None));
        out.push(("query-named-block-nodes", Some(json!({"flat": true}))));
        out.push(("query-block", None));
    }
    if let Some(path) = balloon.filter(|_| wanted & ask::BALLOON != 0) {
        out.push(("qom-get", Some(json!({"path": path, "property": "guest-stats"}))));
    }
    if wanted & ask::IOTHREADS != 0 {
        out.push(("query-iothreads", None));
    }
    let counters = wanted & (ask::VCPUS | ask::MACHINE);
    if counters != 0 && kinds.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
        out.push(("query-stats-schemas", Some(json!({"provider": "kvm"}))));
    }
    if wanted & ask::VCPUS != 0 {
        out.push(("query-cpus-fast", None));
        out.push(("query-stats", Some(json!({"target": "vcpu"}))));
    }
    if wanted & ask::MACHINE != 0 {
        out.push(("query-stats", Some(json!({"target": "vm"}))));
    }
    if wanted & ask::DIRTY != 0 {
        out.push(("query-dirty-rate", None));
    }
    out
}

fn list(answer: &Json) -> impl Iterator<Item = &Json> {
    answer.as_array().into_iter().flatten()
}

fn word<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

fn number(object: &Json, name: &str) -> u64 {
    object.get(name).and_then(Json::as_u64).unwrap_or_default()
}

fn signed(object: &Json, name: &str) -> i64 {
    object.get(name).and_then(Json::as_i64).unwrap_or_default()
}

impl Sample {
    /// The accelerator's counters of a virtual CPU.
    pub(crate) fn vcpu(&self, number: u32) -> Option<&[(String, Count)]> {
        let (_, path) = self.paths.iter().find(|(of, _)| *of == number)?;
        self.vcpus.iter().find(|(of, _)| of == path).map(|(_, counts)| counts.as_slice())
    }

    fn take(&mut self, question: &str, arguments: Option<&Json>, answer: &Json, kinds: &Mutex<Kinds>) {
        match question {
            "query-blockstats" => self.disks = list(answer).map(disk).collect(),
            "query-named-block-nodes" => self.nodes = list(answer).filter_map(node).collect(),
            "query-block" => {
                for drive in list(answer) {
                    let front = front(drive);
                    let disk = self.disks.iter_mut().find(|disk| disk.front == front);
                    if let (Some(disk), Some(status)) = (disk, word(drive, "io-status")) {
                        disk.status = Some(status.to_owned());
                    }
                }
            }
            "qom-get" => self.balloon = balloon(answer),
            "query-iothreads" => {
                let name = |thread: &Json| word(thread, "id")?.strip_prefix("iothread")?.parse().ok();
                let poll = |thread: &Json| {
                    ["poll-max-ns", "poll-grow", "poll-shrink"].map(|name| number(thread, name))
                };
                self.iothreads =
                    list(answer).filter_map(|thread| Some((name(thread)?, poll(thread)))).collect();
            }
            "query-stats-schemas" => {
                *kinds.lock().unwrap_or_else(PoisonError::into_inner) = schema(answer);
            }
            "query-stats" => {
                let target = arguments.and_then(|arguments| word(arguments, "target")).unwrap_or_default();
                let kinds = kinds.lock().unwrap_or_else(PoisonError::into_inner);
                let of_kvm = list(answer).filter(|stats| word(stats, "provider") == Some("kvm"));
                let counts = |stats| counters(stats, target, &kinds);
                let path = |stats| word(stats, "qom-path").unwrap_or_default().to_owned();
                if target == "vcpu" {
                    self.vcpus = of_kvm.map(|stats| (path(stats), counts(stats))).collect();
                } else {
                    self.machine = of_kvm.flat_map(counts).collect();
                }
            }
            "query-cpus-fast" => {
                let number = |cpu: &Json| u32::try_from(cpu.get("cpu-index")?.as_u64()?).ok();
                let path = |cpu: &Json| Some((number(cpu)?, word(cpu, "qom-path")?.to_owned()));
                self.paths = list(answer).filter_map(path).collect();
            }
            "query-dirty-rate" => self.dirty = Some(dirty(answer)),
            _ => {}
        }
    }
}

/// The name of a front end: that of the object tree where there is one.
fn front(drive: &Json) -> String {
    let name = word(drive, "qdev").or_else(|| word(drive, "device")).unwrap_or_default();
    name.to_owned()
}

fn disk(drive: &Json) -> DiskCounters {
    let none = Json::Null;
    let stats = drive.get("stats").unwrap_or(&none);
    let of = |names: [&str; 3]| names.map(|name| number(stats, name));
    let mut highest = Vec::new();
    let mut image = Some(drive);
    while let Some(current) = image {
        let below = current.pointer("/parent/stats").or_else(|| current.get("stats"));
        highest.push(below.map(|stats| number(stats, "wr_highest_offset")).unwrap_or_default());
        image = current.get("backing");
    }
    DiskCounters {
        front: front(drive),
        reads: of(["rd_operations", "rd_bytes", "rd_total_time_ns"]),
        writes: of(["wr_operations", "wr_bytes", "wr_total_time_ns"]),
        flushes: ["flush_operations", "flush_total_time_ns"].map(|name| number(stats, name)),
        highest,
        status: None,
    }
}

fn node(node: &Json) -> Option<Node> {
    let image = node.get("image")?;
    let capacity = number(image, "virtual-size");
    let physical = image.get("actual-size").and_then(Json::as_u64).unwrap_or(capacity);
    let threshold = number(node, "write_threshold");
    Some(Node { name: word(node, "node-name")?.to_owned(), capacity, physical, threshold })
}

fn balloon(answer: &Json) -> Vec<(String, u64)> {
    let stats = answer.get("stats").and_then(Json::as_object);
    let known = stats.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)));
    // A guest that says nothing has all bits set.
    let mut out: Vec<_> = known.filter(|(_, value)| *value != u64::MAX).collect();
    out.push(("last-update".to_owned(), number(answer, "last-update")));
    out
}

fn schema(answer: &Json) -> Kinds {
    let mut out = Kinds::new();
    for target in list(answer).filter(|target| word(target, "provider") == Some("kvm")) {
        let of = word(target, "target").unwrap_or_default();
        for stat in target.get("stats").into_iter().flat_map(list) {
            let kind = match word(stat, "type") {
                Some("cumulative") => "sum",
                Some("instant") => "cur",
                Some("peak") => "max",
                _ => continue,
            };
            out.push((of.to_owned(), word(stat, "name").unwrap_or_default().to_owned(), kind));
        }
    }
    out
}

fn counters(stats: &Json, target: &str, kinds: &Kinds) -> Vec<(String, Count)> {
    let one = |stat: &Json| {
        let name = word(stat, "name")?;
        let (.., kind) = kinds.iter().find(|(of, known, _)| of == target && known == name)?;
        let count = match stat.get("value")? {
            Json::Bool(flag) => Count::Flag(*flag),
            value => Count::Number(value.as_u64()?),
        };
        // The emulator separates words by hyphens in some names.
        Some((format!("{}.{kind}", name.replace('-', "_")), count))
    };
    stats.get("stats").into_iter().flat_map(list).filter_map(one).collect()
}

fn dirty(answer: &Json) -> DirtyRate {
    let vcpus = answer.get("vcpu-dirty-rate").into_iter().flat_map(list);
    DirtyRate {
        status: word(answer, "status").unwrap_or_default().to_owned(),
        start: signed(answer, "start-time"),
        period: signed(answer, "calc-time"),
        mode: word(answer, "mode").unwrap_or("page-sampling").to_owned(),
        rate: answer.get("dirty-rate").and_then(Json::as_i64),
        vcpus: vcpus.map(|vcpu| (signed(vcpu, "id"), signed(vcpu, "dirty-rate"))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_counters() {
        let kinds = Mutex::new(Kinds::new());
        let mut sample = Sample::default();
        let mut take = |question: &str, arguments: Option<Json>, answer: Json| {
            sample.take(question, arguments.as_ref(), &answer, &kinds);
        };
        take(
            "query-blockstats",
            None,
            json!([{"qdev": "/machine/peripheral/a", "stats": {"rd_operations": 2, "rd_bytes": 3},
                "parent": {"stats": {"wr_highest_offset": 9}},
                "backing": {"stats": {}, "parent": {"stats": {"wr_highest_offset": 4}}}}]),
        );
        take("query-block", None, json!([{"qdev": "/machine/peripheral/a", "io-status": "nospace"}]));
        take(
            "query-named-block-nodes",
            None,
            json!([{"node-name": "n", "image": {"virtual-size": 10}, "write_threshold": 0}, {}]),
        );
        take("qom-get", None, json!({"stats": {"stat-swap-in": 5, "stat-x": u64::MAX}, "last-update": 7}));
        take(
            "query-stats-schemas",
            None,
            json!([{"provider": "kvm", "target": "vcpu", "stats": [{"name": "exits", "type": "cumulative"},
                {"name": "wait-hist", "type": "log2-histogram"}, {"name": "blocking", "type": "instant"}]}]),
        );
        take(
            "query-stats",
            Some(json!({"target": "vcpu"})),
            json!([{"provider": "kvm", "qom-path": "/cpu0", "stats": [{"name": "exits", "value": 4}, {"name": "wait-hist", "value": [1]},
                {"name": "blocking", "value": true}]}]),
        );
        take("query-cpus-fast", None, json!([{"cpu-index": 0, "qom-path": "/cpu0"}]));
        assert_eq!(sample.disks[0].reads, [2, 3, 0]);
        assert_eq!(sample.disks[0].highest, [9, 4]);
        assert_eq!(sample.disks[0].status.as_deref(), Some("nospace"));
        assert_eq!(sample.nodes, [Node { name: "n".into(), capacity: 10, physical: 10, threshold: 0 }]);
        assert_eq!(sample.balloon, [("stat-swap-in".to_owned(), 5), ("last-update".to_owned(), 7)]);
        let expected =
            [("exits.sum".to_owned(), Count::Number(4)), ("blocking.cur".to_owned(), Count::Flag(true))];
        assert_eq!(sample.vcpu(0), Some(&expected[..]));
    }
}
