//! Events of domains, as they happen.
//!
//! Owns: `event`, and how an event reads. Never: decides what an event means.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostler_rpc::programs::remote::procedures::{
    ConnectDomainEventCallbackDeregisterAny, ConnectDomainEventCallbackRegisterAny,
    DomainEventCallbackBalloonChange, DomainEventCallbackControlError, DomainEventCallbackDeviceAdded,
    DomainEventCallbackDeviceRemovalFailed, DomainEventCallbackDeviceRemoved, DomainEventCallbackLifecycle,
    DomainEventCallbackPmsuspend, DomainEventCallbackPmsuspendDisk, DomainEventCallbackPmwakeup,
    DomainEventCallbackReboot, DomainEventCallbackRtcChange,
};
use ostler_rpc::programs::remote::{
    ConnectDomainEventCallbackDeregisterAnyArgs, ConnectDomainEventCallbackRegisterAnyArgs, DomainRef,
};
use ostler_rpc::{Event, Events};
use tokio::time::{Instant, sleep_until};

use super::{By, look_up};
use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::session::{Session, print};
use crate::table::{Command, Group, Kind, flag, named};

pub(super) const GROUP: Group = Group { title: "Domain Events", keyword: "events", commands: &[EVENT] };

const EVENT: Command = Command {
    name: "event",
    summary: "Domain Events",
    description: "List event types, or wait for domain events to occur",
    options: &[
        named("domain", Kind::Text, "filter by domain name, id or uuid"),
        named("event", Kind::Text, "which event type to wait for"),
        flag("all", "wait for all events instead of just one type"),
        flag("loop", "loop until timeout or interrupt, rather than one-shot"),
        named("timeout", Kind::Number, "timeout seconds"),
        flag("list", "list valid event types"),
        flag("timestamp", "show timestamp for each printed event"),
    ],
    connects: true,
    run: event,
};

/// A type of event.
struct Type {
    name: &'static str,
    number: i32,
    /// What to print after the name, if the event is of this type.
    read: fn(&Event) -> Option<String>,
}

/// What is said of an event about a domain, with nothing more or with one thing more.
macro_rules! about {
    ($event:ident) => {
        |event| Some(plain(&event.read::<$event>()?.msg.dom))
    };
    ($event:ident, $field:ident $unit:literal) => {
        |event| event.read::<$event>().map(|it| with(&it.msg.dom, format_args!("{}{}", it.msg.$field, $unit)))
    };
}

/// Every type.
const TYPES: &[Type] = &[
    Type { name: "lifecycle", number: 0, read: lifecycle },
    Type { name: "reboot", number: 1, read: about!(DomainEventCallbackReboot) },
    Type { name: "rtc-change", number: 2, read: about!(DomainEventCallbackRtcChange, offset "") },
    Type { name: "control-error", number: 7, read: about!(DomainEventCallbackControlError) },
    Type { name: "pm-wakeup", number: 11, read: about!(DomainEventCallbackPmwakeup) },
    Type { name: "pm-suspend", number: 12, read: about!(DomainEventCallbackPmsuspend) },
    Type { name: "balloon-change", number: 13, read: about!(DomainEventCallbackBalloonChange, actual "KiB") },
    Type { name: "pm-suspend-disk", number: 14, read: about!(DomainEventCallbackPmsuspendDisk) },
    Type { name: "device-removed", number: 15, read: about!(DomainEventCallbackDeviceRemoved, dev_alias "") },
    Type { name: "device-added", number: 19, read: device_added },
    Type { name: "device-removal-failed", number: 22, read: device_removal_failed },
];

fn plain(dom: &DomainRef) -> String {
    format!("for domain '{}'", dom.name)
}

fn with(dom: &DomainRef, more: impl Display) -> String {
    format!("for domain '{}': {more}", dom.name)
}

fn device_added(event: &Event) -> Option<String> {
    event.read::<DomainEventCallbackDeviceAdded>().map(|it| with(&it.dom, it.dev_alias))
}

fn device_removal_failed(event: &Event) -> Option<String> {
    event.read::<DomainEventCallbackDeviceRemovalFailed>().map(|it| with(&it.dom, it.dev_alias))
}

/// What happened to a domain, by number, and how.
const LIFECYCLE: &[(&str, &[&str])] = &[
    ("Defined", &["Added", "Updated", "Renamed", "Snapshot"]),
    ("Undefined", &["Removed", "Renamed"]),
    ("Started", &["Booted", "Migrated", "Restored", "Snapshot", "Event wakeup"]),
    (
        "Suspended",
        &[
            "Paused",
            "Migrated",
            "I/O Error",
            "Watchdog",
            "Restored",
            "Snapshot",
            "API error",
            "Post-copy",
            "Post-copy Error",
        ],
    ),
    ("Resumed", &["Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error"]),
    ("Stopped", &["Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"]),
    ("Shutdown", &["Finished", "Finished after guest request", "Finished after host request"]),
    ("PMSuspended", &["Memory", "Disk"]),
    ("Crashed", &["Panicked", "Crashloaded"]),
];

fn lifecycle(event: &Event) -> Option<String> {
    let message = event.read::<DomainEventCallbackLifecycle>()?.msg;
    let row = usize::try_from(message.event).ok().and_then(|number| LIFECYCLE.get(number));
    let (what, how) = row.map_or(("unknown", "unknown"), |(what, hows)| {
        let how = usize::try_from(message.detail).ok().and_then(|number| hows.get(number));
        (*what, *how.unwrap_or(&"unknown"))
    });
    Some(with(&message.dom, format_args!("{what} {how}")))
}

/// The line for an event, if it is one of these types.
fn line(types: &[&Type], event: &Event) -> Option<String> {
    let text = |of: &&Type| (of.read)(event).map(|text| format!("event '{}' {text}\n", of.name));
    types.iter().find_map(text)
}

/// A moment as `2026-11-25 13:14:09.141+0000`.
fn stamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let thousandths = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{thousandths:03}+0000")
}

/// Year, month and day of the day that comes this many days after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

/// The types that the options choose.
fn chosen(arguments: &Arguments<'_>) -> Result<Vec<&'static Type>, Failure> {
    if arguments.flag("all") {
        return Ok(TYPES.iter().collect());
    }
    let Some(name) = arguments.text("event")? else {
        return Err(Failure::new("one of --list, --all, or --event <type> is required"));
    };
    let found = TYPES.iter().find(|of| of.name == name);
    found.map(|of| vec![of]).ok_or_else(|| Failure::new(format!("unknown event type {name}")))
}

fn event(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    for (one, other) in [("all", "event"), ("list", "all"), ("list", "event")] {
        arguments.exclude(one, other)?;
    }
    if arguments.flag("list") {
        TYPES.iter().for_each(|of| session.print(&format!("{}\n", of.name)));
        return Ok(());
    }
    let types = chosen(arguments)?;
    let timeout = arguments.positive("timeout")?;
    let dom = match arguments.text("domain")? {
        Some(word) => Some(look_up(session, word, By::ANY)?),
        None => None,
    };
    let mut callbacks = Vec::new();
    for of in &types {
        let args = ConnectDomainEventCallbackRegisterAnyArgs { event_id: of.number, dom: dom.clone() };
        callbacks.push(session.call::<ConnectDomainEventCallbackRegisterAny>(&args)?.callback_id);
    }
    let watch = Watch {
        types,
        timestamp: arguments.flag("timestamp"),
        many: arguments.flag("loop"),
        until: timeout.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds.into()))),
    };
    let (count, end) = watch.run(session)?;
    if let Some(end) = end {
        session.print(&format!("{end}\n"));
    }
    session.print(&format!("events received: {count}\n"));
    for callback_id in callbacks {
        let args = ConnectDomainEventCallbackDeregisterAnyArgs { callback_id };
        session.call::<ConnectDomainEventCallbackDeregisterAny>(&args)?;
    }
    if count == 0 { Err(Failure::silent()) } else { Ok(()) }
}

/// A wait for events.
struct Watch {
    types: Vec<&'static Type>,
    timestamp: bool,
    many: bool,
    until: Option<Instant>,
}

impl Watch {
    /// Prints events until it is time to stop; says how many there were and what ended the wait.
    fn run(&self, session: &mut Session) -> Result<(u32, Option<&'static str>), Failure> {
        let ended = session.with_events(async |events| self.wait(events).await);
        ended.or_say(|| "cannot wait for events".to_owned())
    }

    async fn wait(&self, events: &mut Events) -> (u32, Option<&'static str>) {
        let time = async {
            match self.until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(time);
        let mut count = 0;
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = &mut time => return (count, Some("event loop timed out")),
                _ = tokio::signal::ctrl_c() => return (count, Some("event loop interrupted")),
            };
            let Some(event) = event else { return (count, Some("event loop interrupted")) };
            let Some(line) = line(&self.types, &event) else { continue };
            count += 1;
            print(&format!("{}{line}", self.prefix()));
            if !self.many {
                return (count, None);
            }
        }
    }

    fn prefix(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.timestamp { format!("{}: ", stamp(now)) } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::Uuid;
    use ostler_rpc::programs::remote::{
        DomainEventBalloonChangeMsg, DomainEventCallbackBalloonChangeMsg, DomainEventCallbackLifecycleMsg,
        DomainEventLifecycleMsg,
    };
    use ostler_rpc::xdr::encode;
    use ostler_rpc::{Procedure, Xdr};

    fn read<P: Procedure<Args: Xdr>>(content: &P::Args) -> Option<String> {
        let mut event = Event { program: P::PROGRAM.number, procedure: P::ROW.number, content: Vec::new() };
        encode(content, &mut event.content).unwrap();
        line(&TYPES.iter().collect::<Vec<_>>(), &event)
    }

    #[test]
    fn lines() {
        let dom = || DomainRef { name: "a".to_owned(), uuid: Uuid::default(), id: 1 };
        let lifecycle = |event, detail| {
            let msg = DomainEventLifecycleMsg { dom: dom(), event, detail };
            read::<DomainEventCallbackLifecycle>(&DomainEventCallbackLifecycleMsg { callback_id: 0, msg })
        };
        let said = |text: &str| Some(format!("event {text}\n"));
        assert_eq!(lifecycle(3, 2), said("'lifecycle' for domain 'a': Suspended I/O Error"));
        assert_eq!(lifecycle(3, 99), said("'lifecycle' for domain 'a': Suspended unknown"));
        assert_eq!(lifecycle(-1, 0), said("'lifecycle' for domain 'a': unknown unknown"));
        let msg = DomainEventBalloonChangeMsg { dom: dom(), actual: 7 };
        let balloon = DomainEventCallbackBalloonChangeMsg { callback_id: 0, msg };
        let text = read::<DomainEventCallbackBalloonChange>(&balloon);
        assert_eq!(text, said("'balloon-change' for domain 'a': 7KiB"));
    }

    #[test]
    fn moments() {
        let table = [
            (0, "1970-01-01 00:00:00.007+0000"),
            (951_782_400, "2000-02-29 00:00:00.007+0000"),
            (1_795_612_449, "2026-11-25 13:14:09.007+0000"),
            (4_107_542_399, "2100-02-28 23:59:59.007+0000"),
            (4_107_542_400, "2100-03-01 00:00:00.007+0000"),
        ];
        for (seconds, text) in table {
            assert_eq!(stamp(Duration::new(seconds, 7_000_000)), text);
        }
    }
}
