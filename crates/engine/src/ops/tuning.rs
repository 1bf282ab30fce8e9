//! Shares and limits of a guest, as named values.
//!
//! Owns: the names in each group, their types and bounds, and where they stand in a definition. Never:
//! writes a file of a control group.

use std::sync::Arc;

use ostler_base::{Code, Error, IdSet, Origin, Result, Word, refuse};
use ostler_domain::sections::cputune::Knob;
use ostler_domain::sections::numatune::{NumaMemory, NumaMode};
use ostler_domain::sections::tuning::{BlockDevice, DeviceLimit, MemoryLimit, Tuning};
use ostler_domain::{Domain, Draft};

use super::targets::Targets;
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::events::What;
use crate::params::{Param, Value};

/// A group of named values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Time on processors.
    Scheduler,
    /// Memory of the host.
    Memory,
    /// Disks of the host.
    Blocks,
    /// Nodes of the host's memory.
    Numa,
}

/// A limit of memory that is none, KiB.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// Bounds of a period and of a quota, microseconds.
const PERIOD: (i64, i64) = (1000, 1_000_000);
const QUOTA: (i64, i64) = (1000, 17_592_186_044_415);

/// Names of scheduler values, in the order in which clients get them.
const SCHEDULER: [(&str, Knob); 9] = [
    ("cpu_shares", Knob::Shares),
    ("vcpu_period", Knob::Period),
    ("vcpu_quota", Knob::Quota),
    ("emulator_period", Knob::EmulatorPeriod),
    ("emulator_quota", Knob::EmulatorQuota),
    ("global_period", Knob::GlobalPeriod),
    ("global_quota", Knob::GlobalQuota),
    ("iothread_period", Knob::IothreadPeriod),
    ("iothread_quota", Knob::IothreadQuota),
];

const MEMORY: [(&str, MemoryLimit); 3] = [
    ("hard_limit", MemoryLimit::Hard),
    ("soft_limit", MemoryLimit::Soft),
    ("swap_hard_limit", MemoryLimit::SwapHard),
];

const DEVICES: [(&str, DeviceLimit); 5] = [
    ("device_weight", DeviceLimit::Weight),
    ("device_read_iops_sec", DeviceLimit::ReadIops),
    ("device_write_iops_sec", DeviceLimit::WriteIops),
    ("device_read_bytes_sec", DeviceLimit::ReadBytes),
    ("device_write_bytes_sec", DeviceLimit::WriteBytes),
];

impl Group {
    /// How many values the scheduler has.
    pub const SCHEDULER_VALUES: usize = SCHEDULER.len();

    /// Why the values of a run cannot be had.
    fn unmounted(self) -> Error {
        Error::operation_invalid(match self {
            Group::Scheduler => "cgroup CPU controller is not mounted",
            Group::Memory => "cgroup memory controller is not mounted",
            Group::Blocks => "blkio cgroup isn't mounted",
            Group::Numa => "cgroup cpuset controller is not mounted",
        })
    }

    /// The values in a definition.
    fn read(self, domain: &Domain) -> Vec<Param> {
        let head = &domain.head;
        match self {
            Group::Scheduler => SCHEDULER.iter().map(|(name, knob)| scheduler(domain, name, *knob)).collect(),
            Group::Memory => {
                let limits = &head.tuning.memory_limits;
                let size = |limit| limits.iter().find(|(known, _)| *known == limit).map(|(_, size)| *size);
                let param = |(name, limit): &(&str, _)| Param::new(*name, size(*limit).unwrap_or(UNLIMITED));
                MEMORY.iter().map(param).collect()
            }
            Group::Blocks => {
                let weight = Param::new("weight", head.tuning.block_weight.unwrap_or_default());
                let devices = DEVICES.iter().map(|(name, limit)| devices(&head.tuning, name, *limit));
                std::iter::once(weight).chain(devices).collect()
            }
            Group::Numa => {
                let memory = head.numatune.memory.as_ref();
                let mode = memory.map_or(0, |memory| memory.mode as i32);
                let nodes = memory.and_then(|memory| memory.nodeset.as_ref()).map(ToString::to_string);
                vec![Param::new("numa_mode", mode), Param::new("numa_nodeset", nodes.unwrap_or_default())]
            }
        }
    }

    /// Puts values into a definition.
    fn write(self, params: &[Param], draft: &mut Draft) -> Result<()> {
        let head = &mut draft.head;
        match self {
            Group::Scheduler => {
                for (knob, value) in knobs(params)? {
                    let kept = &mut head.cputune.knobs;
                    kept.retain(|(known, _)| *known != knob);
                    if value != 0 || knob == Knob::Shares {
                        kept.push((knob, value));
                    }
                    kept.sort_by_key(|(knob, _)| *knob as i32);
                }
                Ok(())
            }
            Group::Memory => write_memory(params, &mut head.tuning),
            Group::Blocks => params.iter().try_for_each(|param| write_blocks(param, &mut head.tuning)),
            Group::Numa => {
                let mut mode = head.numatune.memory.as_ref().map_or(NumaMode::Strict, |memory| memory.mode);
                let mut nodes = head.numatune.memory.as_ref().and_then(|memory| memory.nodeset.clone());
                for param in params {
                    match (param.name.as_str(), &param.value) {
                        ("numa_mode", Value::Int(number)) => mode = numa_mode(*number)?,
                        ("numa_nodeset", Value::String(text)) => nodes = Some(nodeset(text)?),
                        _ => return Err(unknown(param, &["numa_mode", "numa_nodeset"])),
                    }
                }
                head.numatune.memory = Some(NumaMemory { mode, nodeset: nodes });
                Ok(())
            }
        }
    }
}

fn scheduler(domain: &Domain, name: &str, knob: Knob) -> Param {
    let knobs = &domain.head.cputune.knobs;
    let value = knobs.iter().find(|(known, _)| *known == knob).map_or(0, |(_, value)| *value);
    match knob {
        Knob::Quota | Knob::EmulatorQuota | Knob::GlobalQuota | Knob::IothreadQuota => {
            Param::new(name, value)
        }
        _ => Param::new(name, u64::try_from(value).unwrap_or_default()),
    }
}

fn devices(tuning: &Tuning, name: &str, limit: DeviceLimit) -> Param {
    let one = |device: &BlockDevice| {
        let value = device.limits.iter().find(|(known, _)| *known == limit)?.1;
        Some(format!("{},{value}", device.path))
    };
    Param::new(name, tuning.block_devices.iter().filter_map(one).collect::<Vec<_>>().join(","))
}

/// The error for a value that no group has, or that has another type.
fn unknown(param: &Param, names: &[&str]) -> Error {
    if names.contains(&param.name.as_str()) {
        let text = format!("invalid type for parameter '{}'", param.name);
        return Error::new(Code::InvalidArg, Origin::None, text);
    }
    Error::new(Code::ArgumentUnsupported, Origin::None, format!("parameter '{}' not supported", param.name))
}

/// Scheduler values, typed and in their bounds.
fn knobs(params: &[Param]) -> Result<Vec<(Knob, i64)>> {
    let names = SCHEDULER.map(|(name, _)| name);
    let one = |param: &Param| {
        let found = SCHEDULER.iter().find(|(name, _)| *name == param.name);
        let (name, knob) = found.ok_or_else(|| unknown(param, &names))?;
        let (value, bounds) = match (&param.value, knob) {
            (Value::Ullong(value), Knob::Shares) => {
                return Ok((*knob, i64::try_from(*value).unwrap_or(i64::MAX)));
            }
            (
                Value::Ullong(value),
                Knob::Period | Knob::EmulatorPeriod | Knob::GlobalPeriod | Knob::IothreadPeriod,
            ) => (i64::try_from(*value).unwrap_or(i64::MAX), PERIOD),
            (
                Value::Llong(value),
                Knob::Quota | Knob::EmulatorQuota | Knob::GlobalQuota | Knob::IothreadQuota,
            ) => (*value, QUOTA),
            _ => return Err(unknown(param, &names)),
        };
        let (least, most) = bounds;
        if (value > 0 && value < least) || value > most {
            refuse!(invalid_arg, "value of '{name}' is out of range [{least}, {most}]");
        }
        Ok((*knob, value))
    };
    params.iter().map(one).collect()
}

fn write_memory(params: &[Param], tuning: &mut Tuning) -> Result<()> {
    let names = MEMORY.map(|(name, _)| name);
    let limits = &mut tuning.memory_limits;
    for param in params {
        let found = MEMORY.iter().find(|(name, _)| *name == param.name);
        let (Some((_, limit)), Value::Ullong(size)) = (found, &param.value) else {
            return Err(unknown(param, &names));
        };
        limits.retain(|(known, _)| known != limit);
        if *size < UNLIMITED {
            limits.push((*limit, *size));
        }
    }
    limits.sort_by_key(|(limit, _)| *limit as i32);
    let size = |limit| limits.iter().find(|(known, _)| *known == limit).map_or(UNLIMITED, |(_, size)| *size);
    if size(MemoryLimit::Hard) > size(MemoryLimit::SwapHard) {
        let text = "memory hard_limit tunable value must be lower than or equal to swap_hard_limit";
        return Err(Error::invalid_arg(text).from_origin(Origin::Domain));
    }
    Ok(())
}

fn write_blocks(param: &Param, tuning: &mut Tuning) -> Result<()> {
    let found = DEVICES.iter().find(|(name, _)| *name == param.name);
    match (found, &param.value) {
        (None, Value::Uint(weight)) if param.name == "weight" => {
            tuning.block_weight = Some(*weight).filter(|weight| *weight != 0);
            Ok(())
        }
        (Some((_, limit)), Value::String(text)) => {
            for (path, value) in pairs(&param.name, text)? {
                let place = tuning.block_devices.iter().position(|device| device.path == path);
                let place = place.unwrap_or_else(|| {
                    tuning.block_devices.push(BlockDevice { path: path.to_owned(), limits: Vec::new() });
                    tuning.block_devices.len() - 1
                });
                if let Some(device) = tuning.block_devices.get_mut(place) {
                    device.limits.retain(|(known, _)| known != limit);
                    if value != 0 {
                        device.limits.push((*limit, value));
                    }
                    device.limits.sort_by_key(|(limit, _)| *limit as i32);
                }
            }
            tuning.block_devices.retain(|device| !device.limits.is_empty());
            Ok(())
        }
        _ => {
            let mut names = DEVICES.map(|(name, _)| name).to_vec();
            names.push("weight");
            Err(unknown(param, &names))
        }
    }
}

/// `PATH,NUMBER,PATH,NUMBER…`
fn pairs<'t>(name: &str, text: &'t str) -> Result<Vec<(&'t str, u64)>> {
    let bad = || Error::invalid_arg(format!("unable to parse blkio device '{name}' '{text}'"));
    let words: Vec<&str> = text.split(',').collect();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if !words.len().is_multiple_of(2) {
        return Err(bad());
    }
    let pair = |pair: &[&'t str]| match pair {
        [path, number] => Ok((*path, number.parse().map_err(|_| bad())?)),
        _ => Err(bad()),
    };
    words.chunks(2).map(pair).collect()
}

fn numa_mode(number: i32) -> Result<NumaMode> {
    let known = NumaMode::WORDS.iter().find(|(_, mode)| *mode as i32 == number);
    let unknown = || Error::invalid_arg(format!("unsupported numatune mode: '{number}'"));
    known.map(|(_, mode)| *mode).ok_or_else(unknown)
}

fn nodeset(text: &str) -> Result<IdSet> {
    let set = IdSet::parse(text);
    let set = set.ok_or_else(|| Error::invalid_arg(format!("Failed to parse bitmap '{text}'")))?;
    if set.is_empty() {
        refuse!(operation_invalid, "Invalid nodeset of 'numatune': {text}");
    }
    Ok(set)
}

/// Values of single threads: these have no control group of their own.
fn is_of_threads(name: &str) -> bool {
    ["vcpu_", "emulator_", "iothread_"].iter().any(|thread| name.starts_with(thread))
}

/// What the kernel has where a definition says nothing.
fn by_kernel(param: Param) -> Param {
    let value = match (param.name.as_str(), &param.value) {
        ("cpu_shares", Value::Ullong(0)) => Value::Ullong(1024),
        (name, Value::Ullong(0)) if name.ends_with("_period") => Value::Ullong(100_000),
        (name, Value::Llong(0)) if name.ends_with("_quota") => Value::Llong(-1),
        ("weight", Value::Uint(0)) => Value::Uint(100),
        _ => return param,
    };
    Param { value, ..param }
}

impl Engine {
    /// The values of a group.
    pub fn tuned(&self, guest: &Guest, group: Group, flags: u32) -> Result<Vec<Param>> {
        let view = guest.view();
        let shown = view.asked(flags, &self.setting(None))?;
        let params = group.read(shown.domain());
        if group == Group::Numa || !Targets::of(flags, &view)?.live {
            return Ok(params);
        }
        if !self.has_control_groups() {
            return Err(group.unmounted());
        }
        Ok(params.into_iter().map(by_kernel).collect())
    }

    /// Sets values of a group.
    pub async fn tune(&self, guest: &Arc<Guest>, group: Group, params: &[Param], flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetParameters").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        let change = |draft: &mut Draft| group.write(params, draft);
        if targets.config {
            self.drafted(guest, change).await?;
        }
        if let Some(live) = view.live.clone().filter(|_| targets.live) {
            let memory = live.domain().head.numatune.memory.as_ref();
            let mode = memory.map_or(NumaMode::Strict, |memory| memory.mode);
            if group == Group::Numa && matches!(mode, NumaMode::Strict) {
                refuse!(operation_invalid, "can't change nodeset for strict mode for running domain");
            }
            if group == Group::Numa || !self.has_control_groups() {
                return Err(group.unmounted());
            }
            if let Some(param) = params.iter().find(|param| is_of_threads(&param.name)) {
                refuse!(operation_unsupported, "'{}' of a running guest cannot be changed", param.name);
            }
            if let Some(param) = params.iter().find(|param| param.name.starts_with("device_")) {
                refuse!(operation_unsupported, "'{}' of a running guest cannot be changed", param.name);
            }
            let mut draft = live.domain().clone().into_draft();
            change(&mut draft)?;
            let engine = self.clone();
            blocking(move || engine.limit_run(&draft)).await?;
        }
        self.edit(guest, targets, change).await?;
        if targets.live && group == Group::Scheduler {
            let told = params
                .iter()
                .map(|param| Param { name: format!("cputune.{}", param.name), value: param.value.clone() });
            self.tell(&guest.view(), What::Tunable(told.collect()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_types_and_bounds() {
        let good = [Param::new("vcpu_quota", -1i64), Param::new("cpu_shares", 512u64)];
        assert_eq!(knobs(&good).unwrap(), [(Knob::Quota, -1), (Knob::Shares, 512)]);
        let text = |param: Param| knobs(&[param]).unwrap_err().detail().to_owned();
        assert_eq!(
            text(Param::new("vcpu_quota", 5i64)),
            "value of 'vcpu_quota' is out of range [1000, 17592186044415]"
        );
        assert_eq!(text(Param::new("vcpu_quota", 5u32)), "invalid type for parameter 'vcpu_quota'");
        assert_eq!(text(Param::new("nothing", 5u32)), "parameter 'nothing' not supported");
    }

    #[test]
    fn devices_come_in_pairs() {
        assert_eq!(
            pairs("device_weight", "/dev/a,100,/dev/b,200").unwrap(),
            [("/dev/a", 100), ("/dev/b", 200)]
        );
        assert!(pairs("device_weight", "/dev/a").is_err() && pairs("device_weight", "/dev/a,x").is_err());
        let mut tuning = Tuning::default();
        write_blocks(&Param::new("device_weight", "/dev/a,100"), &mut tuning).unwrap();
        assert_eq!(
            devices(&tuning, "device_weight", DeviceLimit::Weight),
            Param::new("device_weight", "/dev/a,100")
        );
        write_blocks(&Param::new("device_weight", "/dev/a,0"), &mut tuning).unwrap();
        assert!(tuning.block_devices.is_empty());
    }

    #[test]
    fn swap_holds_memory() {
        let mut tuning = Tuning::default();
        let both = [Param::new("hard_limit", 100u64), Param::new("swap_hard_limit", 50u64)];
        assert!(write_memory(&both, &mut tuning).unwrap_err().detail().starts_with("memory hard_limit"));
        let none = [Param::new("hard_limit", u64::MAX), Param::new("swap_hard_limit", u64::MAX)];
        write_memory(&none, &mut tuning).unwrap();
        assert!(tuning.memory_limits.is_empty());
    }
}
