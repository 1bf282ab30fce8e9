//! `<cputune>`: how much of which host CPUs a guest's threads get.
//!
//! Owns: the XML and its rules. Never: touches a control group.

mod resctrl;

use std::collections::BTreeMap;

use ostler_base::{Code, Error, IdSet, Origin, Result, refuse, words};
use ostler_xml::{El, Element, Number};

pub use resctrl::{CacheAllocation, CacheType, Monitor, Resctrl};

use super::iothreads::IoThreads;

words! {
    /// `<vcpusched scheduler='…'>`
    pub Policy { Batch = "batch", Idle = "idle", Fifo = "fifo", Rr = "rr" }
    /// The children that are one number: shares, and periods and quotas in microseconds.
    pub Knob {
        Shares = "shares", Period = "period", Quota = "quota", GlobalPeriod = "global_period",
        GlobalQuota = "global_quota", EmulatorPeriod = "emulator_period",
        EmulatorQuota = "emulator_quota", IothreadPeriod = "iothread_period",
        IothreadQuota = "iothread_quota",
    }
}

/// A scheduler; real-time ones have a priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduler {
    /// `scheduler`
    pub policy: Policy,
    /// `priority`
    pub priority: Option<i32>,
}

/// `<cputune>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cputune {
    /// Children that are one number, in the order of the list.
    pub knobs: Vec<(Knob, i64)>,
    /// `<vcpupin>`: host CPUs by vCPU.
    pub vcpupin: BTreeMap<u32, IdSet>,
    /// `<emulatorpin>`
    pub emulatorpin: Option<IdSet>,
    /// `<iothreadpin>`: host CPUs by I/O thread.
    pub iothreadpin: BTreeMap<u32, IdSet>,
    /// `<vcpusched>` by vCPU.
    pub vcpusched: BTreeMap<u32, Scheduler>,
    /// `<iothreadsched>` by I/O thread.
    pub iothreadsched: BTreeMap<u32, Scheduler>,
    /// `<emulatorsched>`
    pub emulatorsched: Option<Scheduler>,
    /// `<cachetune>` and `<memorytune>`.
    pub resctrl: Vec<Resctrl>,
}

/// Bounds of a period; microseconds.
const PERIOD: (i64, i64) = (1000, 1_000_000);
/// Bounds of a quota; microseconds.
const QUOTA: (i64, i64) = (1000, 18_446_744_073_709_551);

impl Knob {
    fn name(self) -> String {
        ostler_base::Word::as_str(self).replace('_', " ")
    }

    fn parse(self, text: &str) -> Result<i64> {
        let name = ostler_base::Word::as_str(self);
        let bad = || Error::xml(format!("can't parse cputune {} value", self.name()));
        let value = i64::read(text, 10).ok_or_else(bad)?;
        let bounds = match self {
            Knob::Shares if value < 0 => return Err(bad()),
            Knob::Shares => return Ok(value),
            Knob::Period | Knob::GlobalPeriod | Knob::EmulatorPeriod | Knob::IothreadPeriod => PERIOD,
            Knob::Quota | Knob::GlobalQuota | Knob::EmulatorQuota | Knob::IothreadQuota => QUOTA,
        };
        if value < 0 && bounds == PERIOD {
            return Err(bad());
        }
        if value > 0 && !(bounds.0..=bounds.1).contains(&value) {
            let (least, most) = bounds;
            refuse!(unsupported, "Value of cputune '{name}' must be in range [{least}, {most}]");
        }
        Ok(value)
    }
}

impl Scheduler {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let policy: Policy = el.require_word("scheduler")?;
        let real_time = matches!(policy, Policy::Fifo | Policy::Rr);
        let priority = if real_time { Some(el.require_number("priority")?) } else { None };
        Ok(Scheduler { policy, priority })
    }

    fn set(self, el: El) -> El {
        el.attr("scheduler", self.policy).attr_opt("priority", self.priority)
    }
}

fn cpuset(el: &Element<'_>) -> Result<IdSet> {
    let name = el.name();
    let Some(text) = el.attr("cpuset") else { refuse!(internal, "missing cpuset for {name}") };
    match IdSet::parse(text) {
        Some(set) if set.is_empty() => refuse!(unsupported, "Invalid value of 'cpuset': {text}"),
        Some(set) => Ok(set),
        None => Err(Error::invalid_arg(format!("Failed to parse bitmap '{text}'"))),
    }
}

/// `<vcpusched vcpus=…>` and `<iothreadsched iothreads=…>`.
fn schedulers(
    el: &Element<'_>,
    name: &str,
    attribute: &str,
    known: impl Fn(u32) -> Result<()>,
) -> Result<BTreeMap<u32, Scheduler>> {
    let mut out = BTreeMap::new();
    for child in el.children(name) {
        let Some(text) = child.attr(attribute) else {
            refuse!(xml, "Missing attribute '{attribute}' in element '{name}'");
        };
        let set = IdSet::parse(text)
            .ok_or_else(|| Error::invalid_arg(format!("Failed to parse bitmap '{text}'")))?;
        if set.is_empty() {
            refuse!(xml, "'{attribute}' scheduler bitmap '{text}' is empty");
        }
        let scheduler = Scheduler::parse(&child)?;
        for id in set.iter() {
            known(id)?;
            if out.insert(id, scheduler).is_some() {
                let detail = format!("'{name}' attributes '{attribute}' must not overlap");
                return Err(Error::new(Code::XmlDetail, Origin::Domain, detail));
            }
        }
    }
    Ok(out)
}

impl Cputune {
    /// `vcpus`: most vCPUs of the guest.
    pub(crate) fn parse(root: &Element<'_>, vcpus: u32, iothreads: &IoThreads) -> Result<Self> {
        let Some(el) = root.child("cputune") else { return Ok(Self::default()) };
        let mut knobs = Vec::new();
        for (name, knob) in <Knob as ostler_base::Word>::WORDS {
            if let Some(text) = el.child_text(name) {
                knobs.push((*knob, knob.parse(&text)?));
            }
        }
        let mut vcpupin = BTreeMap::new();
        for pin in el.children("vcpupin") {
            let id: u32 = pin.require_number("vcpu")?;
            let set = cpuset(&pin)?;
            if id < vcpus && vcpupin.insert(id, set).is_some() {
                refuse!(internal, "duplicate vcpupin for vcpu '{id}'");
            }
        }
        let has_thread = |id: u32| iothreads.threads.iter().any(|thread| thread.id == id);
        let mut iothreadpin = BTreeMap::new();
        for pin in el.children("iothreadpin") {
            let id: u32 = pin.require_number("iothread")?;
            if !has_thread(id) {
                refuse!(unsupported, "Cannot find 'iothread' : {id}");
            }
            if iothreadpin.insert(id, cpuset(&pin)?).is_some() {
                refuse!(xml, "duplicate iothreadpin for same iothread '{id}'");
            }
        }
        if el.children("emulatorpin").count() > 1 {
            refuse!(xml, "only one emulatorpin is supported");
        }
        if el.children("emulatorsched").count() > 1 {
            refuse!(xml, "only one emulatorsched is supported");
        }
        Ok(Cputune {
            knobs,
            vcpupin,
            emulatorpin: el.child("emulatorpin").map(|pin| cpuset(&pin)).transpose()?,
            iothreadpin,
            vcpusched: schedulers(&el, "vcpusched", "vcpus", |id| {
                if id >= vcpus {
                    refuse!(unsupported, "vCPU '{id}' is not present in domain definition");
                }
                Ok(())
            })?,
            iothreadsched: schedulers(&el, "iothreadsched", "iothreads", |id| {
                if !has_thread(id) {
                    refuse!(unsupported, "Cannot find 'iothread' : {id}");
                }
                Ok(())
            })?,
            emulatorsched: el.child("emulatorsched").map(|s| Scheduler::parse(&s)).transpose()?,
            resctrl: resctrl::parse(&el, vcpus)?,
        })
    }

    /// Whether any thread is bound to host CPUs.
    pub(crate) fn has_pins(&self) -> bool {
        !self.vcpupin.is_empty() || self.emulatorpin.is_some() || !self.iothreadpin.is_empty()
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("cputune");
        el.extend(
            self.knobs.iter().map(|(knob, value)| El::with_text(ostler_base::Word::as_str(*knob), value)),
        );
        el.extend(
            self.vcpupin.iter().map(|(id, set)| El::new("vcpupin").attr("vcpu", id).attr("cpuset", set)),
        );
        el.extend(self.emulatorpin.iter().map(|set| El::new("emulatorpin").attr("cpuset", set)));
        el.extend(
            self.iothreadpin
                .iter()
                .map(|(id, set)| El::new("iothreadpin").attr("iothread", id).attr("cpuset", set)),
        );
        el.extend(self.emulatorsched.map(|s| s.set(El::new("emulatorsched"))));
        el.extend(self.vcpusched.iter().map(|(id, s)| s.set(El::new("vcpusched").attr("vcpus", id))));
        el.extend(
            self.iothreadsched.iter().map(|(id, s)| s.set(El::new("iothreadsched").attr("iothreads", id))),
        );
        resctrl::format(&self.resctrl, &mut el);
        root.push_filled(el);
    }
}
