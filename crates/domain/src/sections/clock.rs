//! `<clock>` and its timers.

use ostler_base::{Error, Result, Word, YesNo, refuse, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

words! {
    /// `<clock offset='…'>`
    pub OffsetWord {
        Utc = "utc", Localtime = "localtime", Variable = "variable", Timezone = "timezone", Absolute = "absolute",
    }
    /// `<clock basis='…'>`
    pub Basis { Utc = "utc", Localtime = "localtime" }
    /// `<timer name='…'>`
    pub TimerName {
        Platform = "platform", Pit = "pit", Rtc = "rtc", Hpet = "hpet", Tsc = "tsc",
        Kvmclock = "kvmclock", Hypervclock = "hypervclock", Armvtimer = "armvtimer",
    }
    /// `<timer tickpolicy='…'>`
    pub TickPolicy { Delay = "delay", Catchup = "catchup", Merge = "merge", Discard = "discard" }
    /// `<timer track='…'>`
    pub Track { Boot = "boot", Guest = "guest", Wall = "wall", Realtime = "realtime" }
    /// `<timer mode='…'>`
    pub TimerMode { Auto = "auto", Native = "native", Emulate = "emulate", Paravirt = "paravirt", Smpsafe = "smpsafe" }
}

/// The clock a guest starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// `offset`, with what belongs to it.
    pub offset: Offset,
    /// `<timer>`s, in order.
    pub timers: Vec<Timer>,
}

/// What the guest's clock shows at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offset {
    /// UTC; an adjustment of the guest's is kept over a reset only where `adjustment='reset'`.
    Utc(Option<String>),
    /// The host's local time.
    Localtime(Option<String>),
    /// So many seconds from a basis; the guest's own adjustments are kept.
    Variable {
        /// `adjustment`, seconds.
        adjustment: i64,
        /// `basis`
        basis: Basis,
    },
    /// The time of a zone.
    Timezone(String),
    /// A moment, seconds since the epoch.
    Absolute(u64),
}

/// `<timer name= present= tickpolicy= …>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// `name`
    pub name: TimerName,
    /// `present`
    pub present: Option<YesNo>,
    /// `tickpolicy`
    pub tick_policy: Option<TickPolicy>,
    /// `track`
    pub track: Option<Track>,
    /// `frequency`, Hz.
    pub frequency: Option<u64>,
    /// `mode`
    pub mode: Option<TimerMode>,
    /// `<catchup threshold= slew= limit=>`
    pub catchup: Option<[Option<u64>; 3]>,
}

/// An adjustment of the guest's own is undone at its next start.
const RESET: &str = "reset";

const CATCHUP: [&str; 3] = ["threshold", "slew", "limit"];

impl Timer {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let catchup = match el.child("catchup") {
            Some(catchup) => {
                let [threshold, slew, limit] = CATCHUP.map(|name| catchup.number::<u64>(name));
                Some([threshold?, slew?, limit?])
            }
            None => None,
        };
        Ok(Timer {
            name: el.require_word("name")?,
            present: el.yes_no("present")?,
            tick_policy: el.word("tickpolicy")?,
            track: el.word("track")?,
            frequency: el.number("frequency")?,
            mode: el.word("mode")?,
            catchup,
        })
    }

    fn format(&self) -> El {
        let mut el = El::new("timer")
            .attr("name", self.name)
            .attr_opt("present", self.present)
            .attr_opt("tickpolicy", self.tick_policy)
            .attr_opt("track", self.track)
            .attr_opt("frequency", self.frequency)
            .attr_opt("mode", self.mode);
        if let Some(values) = &self.catchup {
            let mut catchup = El::new("catchup");
            for (name, value) in CATCHUP.iter().zip(values) {
                catchup.set_opt(*name, *value);
            }
            el.push_filled(catchup);
        }
        el
    }
}

impl Offset {
    fn parse(el: &Element<'_>) -> Result<Self> {
        // `sync` is what the attribute was called at first.
        let word = match el.attr("offset").or_else(|| el.attr("sync")) {
            Some(text) => OffsetWord::parse(text)
                .ok_or_else(|| Error::unsupported(format!("unknown clock offset '{text}'")))?,
            None => OffsetWord::Utc,
        };
        // A number moves the clock from what it is a kind of.
        let moved = |basis: Basis, plain: fn(Option<String>) -> Offset| match el.attr("adjustment") {
            None => Ok(plain(None)),
            Some(RESET) => Ok(plain(Some(RESET.to_owned()))),
            Some(text) => match text.parse() {
                Ok(adjustment) => Ok(Offset::Variable { adjustment, basis }),
                Err(_) => refuse!(xml, "unknown clock adjustment '{text}'"),
            },
        };
        match word {
            OffsetWord::Utc => moved(Basis::Utc, Offset::Utc),
            OffsetWord::Localtime => moved(Basis::Localtime, Offset::Localtime),
            OffsetWord::Variable => {
                let basis = match el.attr("basis") {
                    Some(text) => Basis::parse(text)
                        .ok_or_else(|| Error::unsupported(format!("unknown clock basis '{text}'")))?,
                    None => Basis::Utc,
                };
                let adjustment = el.attr("adjustment").and_then(|text| text.parse().ok());
                Ok(Offset::Variable { adjustment: adjustment.unwrap_or(0), basis })
            }
            OffsetWord::Timezone => match el.attr("timezone") {
                Some(zone) => Ok(Offset::Timezone(zone.to_owned())),
                None => refuse!(internal, "missing 'timezone' attribute for clock with offset='timezone'"),
            },
            OffsetWord::Absolute => match el.number("start")? {
                Some(start) => Ok(Offset::Absolute(start)),
                None => refuse!(internal, "missing 'start' attribute for clock with offset='absolute'"),
            },
        }
    }

    fn format(&self) -> El {
        let el = |word: OffsetWord| El::new("clock").attr("offset", word);
        match self {
            Offset::Utc(kept) => el(OffsetWord::Utc).attr_opt("adjustment", kept.as_ref()),
            Offset::Localtime(kept) => el(OffsetWord::Localtime).attr_opt("adjustment", kept.as_ref()),
            Offset::Variable { adjustment, basis } => {
                el(OffsetWord::Variable).attr("adjustment", adjustment).attr("basis", basis)
            }
            Offset::Timezone(zone) => el(OffsetWord::Timezone).attr("timezone", zone),
            Offset::Absolute(start) => el(OffsetWord::Absolute).attr("start", start),
        }
    }

    /// `base` of `-rtc`; `now` is the time in seconds since the epoch.
    fn base(&self, now: i64) -> String {
        match self {
            Offset::Utc(_) => "utc".to_owned(),
            Offset::Localtime(_) | Offset::Timezone(_) => "localtime".to_owned(),
            Offset::Variable { adjustment, .. } => date_and_time(now.saturating_add(*adjustment)),
            Offset::Absolute(start) => date_and_time(i64::try_from(*start).unwrap_or(i64::MAX)),
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS` in UTC (proleptic Gregorian calendar; days are counted from 1 March).
fn date_and_time(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

impl Clock {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("clock") else {
            return Ok(Clock { offset: Offset::Utc(None), timers: Vec::new() });
        };
        let timers = el.children("timer").map(|t| Timer::parse(&t)).collect::<Result<Vec<_>>>()?;
        Ok(Clock { offset: Offset::parse(&el)?, timers })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = self.offset.format();
        el.extend(self.timers.iter().map(Timer::format));
        root.push(el);
    }

    fn timer(&self, name: TimerName) -> Option<&Timer> {
        self.timers.iter().find(|t| t.name == name)
    }

    /// `hpet=` of `-machine`.
    pub(crate) fn hpet(&self) -> Option<bool> {
        self.timer(TimerName::Hpet).and_then(|t| t.present).map(YesNo::is_true)
    }

    /// The zone that the emulator's environment names.
    pub(crate) fn timezone(&self) -> Option<&str> {
        match &self.offset {
            Offset::Timezone(zone) => Some(zone),
            _ => None,
        }
    }

    /// Words of `-cpu` that timers are.
    pub(crate) fn cpu_words(&self, out: &mut Vec<String>) {
        for timer in &self.timers {
            let state = timer.present.map(|p| if p.is_true() { "on" } else { "off" });
            match (timer.name, state) {
                (TimerName::Kvmclock, Some(state)) => out.push(format!("kvmclock={state}")),
                (TimerName::Hypervclock, Some("on")) => out.push("hv-time=on".to_owned()),
                (TimerName::Tsc, _) => out.extend(timer.frequency.map(|f| format!("tsc-frequency={f}"))),
                (TimerName::Armvtimer, _) => match timer.tick_policy {
                    Some(TickPolicy::Delay) => out.push("kvm-no-adjvtime=off".to_owned()),
                    Some(TickPolicy::Discard) => out.push("kvm-no-adjvtime=on".to_owned()),
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// `-rtc` and what belongs to it; `now` is the time in seconds since the epoch.
    pub(crate) fn parts(&self, has_pit: bool, now: i64, out: &mut Vec<Part>) {
        let mut rtc = Props::new().with("base", self.offset.base(now));
        if let Some(timer) = self.timer(TimerName::Rtc) {
            rtc.set_opt(
                "clock",
                match timer.track {
                    Some(Track::Guest) => Some("vm"),
                    Some(Track::Realtime) => Some("rt"),
                    Some(Track::Wall) => Some("host"),
                    Some(Track::Boot) | None => None,
                },
            );
            rtc.set_opt(
                "driftfix",
                match timer.tick_policy {
                    Some(TickPolicy::Catchup) => Some("slew"),
                    _ => None,
                },
            );
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

#[cfg(test)]
mod tests {
    use super::date_and_time;

    #[test]
    fn dates() {
        assert_eq!(date_and_time(0), "1970-01-01T00:00:00");
        assert_eq!(date_and_time(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(date_and_time(253_402_300_799), "9999-12-31T23:59:59");
        assert_eq!(date_and_time(-1), "1969-12-31T23:59:59");
    }
}
