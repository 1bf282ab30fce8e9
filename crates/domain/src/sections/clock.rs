//! `<clock>` and its timers.

use ostler_base::{Result, YesNo, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

words! {
    /// `<clock offset='…'>`
    pub ClockOffset { Utc = "utc", Localtime = "localtime" }
    /// `<timer name='…'>`
    pub TimerName {
        Platform = "platform", Pit = "pit", Rtc = "rtc", Hpet = "hpet", Tsc = "tsc",
        Kvmclock = "kvmclock", Hypervclock = "hypervclock", Armvtimer = "armvtimer",
    }
    /// `<timer tickpolicy='…'>`
    pub TickPolicy { Delay = "delay", Catchup = "catchup", Merge = "merge", Discard = "discard" }
}

/// The clock a guest starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// `offset`; the old name of the attribute, `sync`, is read as well.
    pub offset: ClockOffset,
    /// `<timer>`s, in order.
    pub timers: Vec<Timer>,
}

/// `<timer name= present= tickpolicy=>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// `name`
    pub name: TimerName,
    /// `present`
    pub present: Option<YesNo>,
    /// `tickpolicy`
    pub tick_policy: Option<TickPolicy>,
}

impl Clock {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("clock") else {
            return Ok(Clock { offset: ClockOffset::Utc, timers: Vec::new() });
        };
        let offset = el.word("offset")?;
        let sync = el.word("sync")?;
        let timers = el
            .children("timer")
            .map(|t| {
                Ok(Timer {
                    name: t.require_word("name")?,
                    present: t.yes_no("present")?,
                    tick_policy: t.word("tickpolicy")?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Clock { offset: offset.or(sync).unwrap_or(ClockOffset::Utc), timers })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("clock").attr("offset", self.offset);
        el.extend(self.timers.iter().map(|t| {
            El::new("timer")
                .attr("name", t.name)
                .attr_opt("present", t.present)
                .attr_opt("tickpolicy", t.tick_policy)
        }));
        root.push(el);
    }

    fn timer(&self, name: TimerName) -> Option<&Timer> {
        self.timers.iter().find(|t| t.name == name)
    }

    /// `hpet=` of `-machine`.
    pub(crate) fn hpet(&self) -> Option<bool> {
        self.timer(TimerName::Hpet).and_then(|t| t.present).map(YesNo::is_true)
    }

    /// `-rtc` and what belongs to it.
    pub(crate) fn parts(&self, has_pit: bool, out: &mut Vec<Part>) {
        let mut rtc = Props::new().with("base", self.offset.to_string());
        if self.timer(TimerName::Rtc).is_some_and(|t| t.tick_policy == Some(TickPolicy::Catchup)) {
            rtc.set("driftfix", "slew");
        }
        out.push(Part::options("-rtc", None, rtc));
        let pit = self.timer(TimerName::Pit).and_then(|t| t.tick_policy);
        let policy = match pit {
            Some(TickPolicy::Delay) if has_pit => Some("delay"),
            Some(TickPolicy::Discard) if has_pit => Some("discard"),
            _ => None,
        };
        out.extend(policy.map(|p| Part::plain("-global", format!("kvm-pit.lost_tick_policy={p}"))));
    }
}
