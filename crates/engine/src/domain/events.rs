//! What an emulator's event means for its guest.
//!
//! Owns: the pure step from (what the guest is doing, event) to (what it is doing now, what must
//! follow). Never: does what must follow.
//!
//! ```text
//!            cont                      stop, watchdog, I/O error
//! Paused ------------> Running -----------------------------------> Paused
//!                        |  ^ WAKEUP
//!                SUSPEND |  |            SHUTDOWN              exit
//!                        v  |        any ---------> Shutdown --------> Shutoff
//!                    PmSuspended
//! ```

use ostler_base::Json;
use ostler_domain::Domain;
use ostler_domain::devices::watchdog::WatchdogAction;
use ostler_domain::run::RunChange;
use ostler_domain::sections::lifecycle::{CrashAction, EndAction};
use ostler_qmp::{EventKind, ScreenEnd, ScreenPhase};

use super::status::{Crashed, Paused, Running, Shutdown, Shutoff, Status};
use crate::events::{self, Lifecycle, What};

/// What happens to the guest when it asks for an end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Its emulator ends.
    Destroy,
    /// It starts anew in the same emulator.
    Restart,
    /// It stays as it is.
    Preserve,
}

/// What a running guest is doing, and what its operations expect next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What it is doing.
    pub status: Status,
    /// Why the processors are about to stop, where an operation stops them.
    pub pausing: Option<Paused>,
    /// Why they are about to run, where an operation starts them.
    pub resuming: Option<Running>,
    /// What follows a shutdown.
    pub on_shutdown: Wish,
    /// What follows a panic.
    pub on_panic: Wish,
    /// Whether a panic is worth a dump of memory first.
    pub dump_on_panic: bool,
    /// Whether the watchdog, when it fires, is worth one; the guest goes on afterwards.
    pub dump_on_watchdog: bool,
    /// The next shutdown is half of a reboot.
    pub rebooting: bool,
    /// The machine is about to be reset after a shutdown: what its processors do meanwhile is no turn.
    pub restarting: bool,
    /// How it will have ended when its process is gone.
    pub ending: Option<Shutoff>,
}

/// What must follow.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write the status file.
    Persist,
    /// Tell clients.
    Tell(What),
    /// End the process.
    Terminate,
    /// Reset the machine and let it run.
    Restart,
    /// Dump the guest's memory, then do what follows.
    Dump(AfterDump),
    /// The definition of the run says something else.
    Change(RunChange),
    /// A device is gone.
    Gone(String),
    /// The guest does not let a device go.
    Stays(String),
    /// A program of the guest opened or closed a channel.
    Channel {
        /// The channel.
        alias: String,
        /// It is open now.
        open: bool,
    },
}

/// What follows a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDump {
    /// The process is ended.
    Terminate,
    /// The machine is reset and runs.
    Restart,
    /// The processors run again.
    Resume,
}

fn turn(lifecycle: Lifecycle) -> Effect {
    Effect::Tell(What::Lifecycle(lifecycle))
}

impl Run {
    /// A guest whose emulator is just starting.
    pub fn starting() -> Self {
        Run {
            status: Status::Paused(Paused::StartingUp),
            pausing: None,
            resuming: None,
            on_shutdown: Wish::Destroy,
            on_panic: Wish::Destroy,
            dump_on_panic: false,
            dump_on_watchdog: false,
            rebooting: false,
            restarting: false,
            ending: None,
        }
    }

    /// The same, with what its definition wants when it ends.
    pub fn of(domain: &Domain) -> Self {
        let lifecycle = &domain.head.lifecycle;
        let on_shutdown = match lifecycle.on_poweroff {
            EndAction::Destroy => Wish::Destroy,
            EndAction::Restart | EndAction::RenameRestart => Wish::Restart,
            EndAction::Preserve => Wish::Preserve,
        };
        let on_panic = match lifecycle.on_crash {
            CrashAction::Destroy | CrashAction::CoredumpDestroy => Wish::Destroy,
            CrashAction::Restart | CrashAction::RenameRestart | CrashAction::CoredumpRestart => Wish::Restart,
            CrashAction::Preserve => Wish::Preserve,
        };
        let dump_on_panic =
            matches!(lifecycle.on_crash, CrashAction::CoredumpDestroy | CrashAction::CoredumpRestart);
        let watchdogs = &domain.devices.watchdogs;
        let dump_on_watchdog = watchdogs.iter().any(|watchdog| watchdog.action == WatchdogAction::Dump);
        Run { on_shutdown, on_panic, dump_on_panic, dump_on_watchdog, ..Self::starting() }
    }

    /// The same run with what the definition wants when it ends, read anew.
    pub(crate) fn with_wishes_of(self, domain: &Domain) -> Self {
        let Run { on_shutdown, on_panic, dump_on_panic, .. } = Run::of(domain);
        Run { on_shutdown, on_panic, dump_on_panic, ..self }
    }

    /// The processors stand still; nothing follows where that was known.
    pub fn paused(&mut self, why: Paused) -> Vec<Effect> {
        if !matches!(self.status, Status::Running(_)) {
            return Vec::new();
        }
        self.status = Status::Paused(why);
        let detail = match why {
            Paused::Migration => events::Suspended::Migrated,
            Paused::IoError => events::Suspended::IoError,
            Paused::Watchdog => events::Suspended::Watchdog,
            Paused::FromSnapshot => events::Suspended::FromSnapshot,
            Paused::ApiError => events::Suspended::ApiError,
            Paused::Postcopy => events::Suspended::Postcopy,
            Paused::PostcopyFailed => events::Suspended::PostcopyFailed,
            Paused::Unknown
            | Paused::User
            | Paused::Save
            | Paused::Dump
            | Paused::ShuttingDown
            | Paused::Snapshot
            | Paused::Crashed
            | Paused::StartingUp => events::Suspended::Paused,
        };
        vec![turn(Lifecycle::Suspended(detail)), Effect::Persist]
    }

    /// The processors run; nothing follows where that was known.
    pub fn resumed(&mut self, why: Running) -> Vec<Effect> {
        if !matches!(self.status, Status::Paused(_) | Status::Crashed(_)) {
            return Vec::new();
        }
        self.status = Status::Running(why);
        let detail = match why {
            Running::Migrated => events::Resumed::Migrated,
            Running::FromSnapshot | Running::Restored => events::Resumed::FromSnapshot,
            Running::Postcopy => events::Resumed::Postcopy,
            Running::PostcopyFailed => events::Resumed::PostcopyFailed,
            Running::Unknown
            | Running::Booted
            | Running::Unpaused
            | Running::MigrationCanceled
            | Running::SaveCanceled
            | Running::Wakeup
            | Running::Crashed => events::Resumed::Unpaused,
        };
        vec![turn(Lifecycle::Resumed(detail)), Effect::Persist]
    }

    fn shut_down(&mut self, guest: bool, reason: &str) -> Vec<Effect> {
        if matches!(self.status, Status::Shutdown(_)) {
            // It says so again when its emulator is asked to end.
            return Vec::new();
        }
        let detail = match (guest, reason) {
            (true, _) => events::ShutDown::Guest,
            (false, "") => events::ShutDown::Finished,
            (false, _) => events::ShutDown::Host,
        };
        if self.ending.is_some() {
            // Whoever ends it sees to the rest.
            self.status = Status::Shutdown(Shutdown::Unknown);
            return vec![turn(Lifecycle::Shutdown(detail))];
        }
        if std::mem::take(&mut self.rebooting) || self.on_shutdown == Wish::Restart {
            // The machine is reset and goes on at once: nobody is told of half a reboot.
            self.restarting = true;
            return vec![Effect::Persist, Effect::Restart];
        }
        self.status = Status::Shutdown(Shutdown::Unknown);
        let mut effects = vec![turn(Lifecycle::Shutdown(detail)), Effect::Persist];
        if self.on_shutdown == Wish::Destroy {
            self.ending = Some(Shutoff::Shutdown);
            effects.push(Effect::Terminate);
        }
        effects
    }

    fn panicked(&mut self) -> Vec<Effect> {
        self.status = Status::Crashed(Crashed::Panicked);
        let mut effects = vec![turn(Lifecycle::Crashed(events::Crashed::Panicked)), Effect::Persist];
        let dump = self.dump_on_panic;
        match self.on_panic {
            Wish::Destroy if dump => effects.push(Effect::Dump(AfterDump::Terminate)),
            Wish::Destroy => {
                self.ending = Some(Shutoff::Crashed);
                effects.push(Effect::Terminate);
            }
            Wish::Restart if dump => effects.push(Effect::Dump(AfterDump::Restart)),
            Wish::Restart => {
                self.resuming = Some(Running::Crashed);
                effects.push(Effect::Restart);
            }
            Wish::Preserve => {}
        }
        effects
    }

    /// The watchdog fired.
    fn barked(&mut self, action: &str) -> Vec<Effect> {
        let mut effects = vec![Effect::Tell(What::Watchdog(watchdog_action(action)))];
        if action == "pause" {
            effects.extend(self.paused(Paused::Watchdog));
        }
        if self.dump_on_watchdog {
            effects.push(Effect::Dump(AfterDump::Resume));
        }
        effects
    }

    /// The machine was reset and runs again, after half a reboot or a panic.
    pub(crate) fn restarted(&mut self) -> Vec<Effect> {
        let half = std::mem::take(&mut self.restarting);
        match self.status {
            Status::Crashed(_) | Status::Paused(_) => self.resumed(Running::Crashed),
            Status::Running(_) if half => {
                self.status = Status::Running(Running::Booted);
                vec![Effect::Persist]
            }
            _ => Vec::new(),
        }
    }
}

/// The number of a watchdog's action in the public headers.
fn watchdog_action(word: &str) -> i32 {
    match word {
        "pause" => 1,
        "reset" => 2,
        "poweroff" => 3,
        "shutdown" => 4,
        "debug" => 5,
        "inject-nmi" => 6,
        _ => 0,
    }
}

/// Whoever brought an event about keeps what follows from it, before it says that it is done.
fn expected(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.retain(|effect| *effect != Effect::Persist);
    effects
}

/// Changes what the guest is doing as the event says; returns what must follow, in order.
pub fn on_event(run: &mut Run, event: EventKind) -> Vec<Effect> {
    match event {
        EventKind::Stop | EventKind::Resume if run.restarting => Vec::new(),
        EventKind::Stop => match run.pausing.take() {
            Some(why) => expected(run.paused(why)),
            None => run.paused(Paused::Unknown),
        },
        EventKind::Resume => match run.resuming.take() {
            Some(why) => expected(run.resumed(why)),
            None => run.resumed(Running::Unpaused),
        },
        EventKind::Shutdown { guest, reason } => run.shut_down(guest, &reason),
        EventKind::Reset { .. } => {
            let mut effects = vec![Effect::Tell(What::Reboot)];
            if std::mem::take(&mut run.rebooting) {
                effects.push(Effect::Persist);
            }
            effects
        }
        EventKind::Suspend => {
            run.status = Status::PmSuspended;
            let suspended = turn(Lifecycle::PmSuspended(events::PmSuspended::Memory));
            vec![Effect::Tell(What::PmSuspend), suspended, Effect::Persist]
        }
        EventKind::SuspendDisk => {
            run.status = Status::PmSuspended;
            let suspended = turn(Lifecycle::PmSuspended(events::PmSuspended::Disk));
            vec![Effect::Tell(What::PmSuspendDisk), suspended, Effect::Persist]
        }
        EventKind::Wakeup if run.status == Status::PmSuspended => {
            run.status = Status::Running(Running::Wakeup);
            let started = turn(Lifecycle::Started(events::Started::Wakeup));
            vec![Effect::Tell(What::PmWakeup), started, Effect::Persist]
        }
        EventKind::Watchdog { action } => run.barked(&action),
        EventKind::GuestPanicked { .. } => run.panicked(),
        EventKind::GuestCrashLoaded => {
            vec![turn(Lifecycle::Crashed(events::Crashed::Crashloaded))]
        }
        EventKind::RtcChange { offset } => {
            vec![
                Effect::Change(RunChange::Clock(offset)),
                Effect::Tell(What::RtcChange(offset)),
                Effect::Persist,
            ]
        }
        EventKind::BalloonChange { actual } => {
            let kib = actual / 1024;
            let change = Effect::Change(RunChange::Memory(kib));
            vec![Effect::Tell(What::BalloonChange(kib)), change, Effect::Persist]
        }
        EventKind::BlockIoError { device, node, qom_path, action, no_space, .. } => {
            // Names of the emulator here; whoever tells knows the disk.
            let error = events::IoError {
                path: node.unwrap_or_default(),
                alias: qom_path.unwrap_or(device),
                action: block_action(&action),
                reason: if no_space { "enospc".to_owned() } else { String::new() },
            };
            let mut effects = vec![Effect::Tell(What::IoError(error))];
            if action == "stop" {
                effects.extend(run.paused(Paused::IoError));
            }
            effects
        }
        EventKind::TrayMoved { id, open } => vec![
            Effect::Tell(What::TrayChange(id.clone(), i32::from(!open))),
            Effect::Change(RunChange::Tray { alias: id, open }),
            Effect::Persist,
        ],
        EventKind::PortChange { id, open } => vec![Effect::Channel { alias: id, open }],
        EventKind::DeviceDeleted { device: Some(alias), .. } => {
            vec![Effect::Gone(alias)]
        }
        EventKind::UnplugRefused { device: Some(alias), .. } => {
            vec![Effect::Tell(What::DeviceRemovalFailed(alias.clone())), Effect::Stays(alias)]
        }
        EventKind::Screen { phase, local, remote } => {
            vec![Effect::Tell(What::Screen(Box::new(screen(phase, &local, &remote))))]
        }
        EventKind::MemorySizeChange { id, size } => {
            vec![Effect::Tell(What::MemoryDeviceSize(id, size / 1024))]
        }
        EventKind::Wakeup
        | EventKind::Powerdown
        | EventKind::DeviceDeleted { device: None, .. }
        | EventKind::UnplugRefused { device: None, .. }
        | EventKind::JobStatusChange { .. }
        | EventKind::Migration { .. }
        | EventKind::MigrationPass { .. } => Vec::new(),
        EventKind::Other { name, data } => other(&name, &data).map(Effect::Tell).into_iter().collect(),
    }
}

/// What clients are told of an event without a type of its own.
fn other(name: &str, data: &Json) -> Option<What> {
    let number = |member: &str| data.get(member).and_then(Json::as_u64);
    match name {
        "BLOCK_WRITE_THRESHOLD" => Some(What::BlockThreshold {
            // A name of the emulator here; whoever tells knows the disk.
            device: data.get("node-name").and_then(Json::as_str)?.to_owned(),
            path: None,
            threshold: number("write-threshold")?,
            excess: number("amount-exceeded")?,
        }),
        "MEMORY_FAILURE" => {
            let place = |member: &str, words: &[&str]| {
                let word = data.get(member).and_then(Json::as_str)?;
                i32::try_from(words.iter().position(|known| *known == word)?).ok()
            };
            let flag = |member: &str| data.get("flags")?.get(member)?.as_bool();
            let bit = |member: &str| u32::from(flag(member) == Some(true));
            Some(What::MemoryFailure {
                recipient: place("recipient", &["hypervisor", "guest"])?,
                action: place("action", &["ignore", "inject", "fatal", "reset"])?,
                flags: bit("action-required") | bit("recursive") << 1,
            })
        }
        _ => None,
    }
}

/// The number of what is done about an error of a disk, in the public headers.
fn block_action(word: &str) -> i32 {
    match word {
        "stop" => 1,
        "report" => 2,
        _ => 0,
    }
}

fn screen(phase: ScreenPhase, local: &ScreenEnd, remote: &ScreenEnd) -> events::Screen {
    let end = |end: &ScreenEnd| events::ScreenAddress {
        family: match end.family.as_str() {
            "ipv6" => 1,
            "unix" => 2,
            _ => 0,
        },
        node: end.host.clone(),
        service: end.service.clone(),
    };
    let names = [("x509dname", &remote.x509_name), ("saslUsername", &remote.sasl_name)];
    let subject = names.into_iter().filter_map(|(kind, name)| Some((kind.to_owned(), name.clone()?)));
    events::Screen {
        phase: match phase {
            ScreenPhase::Connect => 0,
            ScreenPhase::Initialize => 1,
            ScreenPhase::Disconnect => 2,
        },
        local: end(local),
        remote: end(remote),
        auth: local.auth.clone(),
        subject: subject.collect(),
    }
}

/// The event that tells how a guest ended.
pub fn stopped(why: Shutoff) -> What {
    let detail = match why {
        Shutoff::Destroyed => events::Stopped::Destroyed,
        Shutoff::Crashed => events::Stopped::Crashed,
        Shutoff::Migrated => events::Stopped::Migrated,
        Shutoff::Saved => events::Stopped::Saved,
        Shutoff::Failed => events::Stopped::Failed,
        Shutoff::FromSnapshot => events::Stopped::FromSnapshot,
        Shutoff::Unknown | Shutoff::Shutdown | Shutoff::Daemon => events::Stopped::Shutdown,
    };
    What::Lifecycle(Lifecycle::Stopped(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Run {
        Run { status: Status::Running(Running::Booted), ..Run::starting() }
    }

    fn tells(effects: &[Effect]) -> Vec<(i32, i32)> {
        let lifecycle = |effect: &Effect| match effect {
            Effect::Tell(What::Lifecycle(turn)) => Some(turn.numbers()),
            _ => None,
        };
        effects.iter().filter_map(lifecycle).collect()
    }

    #[test]
    fn table_of_events_while_running() {
        let shutdown = |guest, reason: &str| EventKind::Shutdown { guest, reason: reason.into() };
        let panic = EventKind::GuestPanicked { action: "pause".into(), info: None };
        let table = [
            (EventKind::Stop, (3, 0), vec![(3, 0)], false),
            (EventKind::Resume, (1, 1), vec![], false),
            (shutdown(true, "guest-shutdown"), (4, 0), vec![(6, 1)], true),
            (shutdown(false, "host-signal"), (4, 0), vec![(6, 2)], true),
            (shutdown(false, ""), (4, 0), vec![(6, 0)], true),
            (EventKind::Suspend, (7, 0), vec![(7, 0)], false),
            (EventKind::SuspendDisk, (7, 0), vec![(7, 1)], false),
            (EventKind::Wakeup, (1, 1), vec![], false),
            (EventKind::Watchdog { action: "pause".into() }, (3, 6), vec![(3, 3)], false),
            (EventKind::Watchdog { action: "reset".into() }, (1, 1), vec![], false),
            (panic, (6, 1), vec![(8, 0)], true),
            (EventKind::Powerdown, (1, 1), vec![], false),
        ];
        for (event, status, told, ends) in table {
            let mut run = running();
            let effects = on_event(&mut run, event.clone());
            assert_eq!(run.status.numbers(), status, "{event:?}");
            assert_eq!(tells(&effects), told, "{event:?}");
            assert_eq!(effects.contains(&Effect::Terminate), ends, "{event:?}");
            assert_eq!(run.ending.is_some(), ends, "{event:?}");
        }
    }

    #[test]
    fn what_an_operation_expects_gives_the_reason() {
        let mut run = running();
        run.pausing = Some(Paused::User);
        let effects = on_event(&mut run, EventKind::Stop);
        assert_eq!((tells(&effects), effects.len()), (vec![(3, 0)], 1), "the operation keeps it");
        assert_eq!(run.status, Status::Paused(Paused::User));
        assert!(run.paused(Paused::User).is_empty(), "told once");
        run.resuming = Some(Running::Unpaused);
        assert_eq!(tells(&on_event(&mut run, EventKind::Resume)), [(4, 0)]);
        assert_eq!(run.status, Status::Running(Running::Unpaused));
    }

    #[test]
    fn half_of_a_reboot_restarts() {
        let mut run = Run { rebooting: true, ..running() };
        let event = EventKind::Shutdown { guest: true, reason: "guest-shutdown".into() };
        let effects = on_event(&mut run, event.clone());
        assert!(effects.contains(&Effect::Restart) && tells(&effects).is_empty(), "nobody is told of a half");
        assert_eq!(run.ending, None);
        assert!(on_event(&mut run, EventKind::Stop).is_empty());
        assert!(on_event(&mut run, EventKind::Resume).is_empty());
        assert_eq!(tells(&run.restarted()), []);
        assert_eq!(run.status.numbers(), (1, 1));
        assert!(on_event(&mut run, event).contains(&Effect::Terminate), "only one shutdown is");
    }

    #[test]
    fn a_panic_may_be_worth_a_dump() {
        let panic = || EventKind::GuestPanicked { action: "pause".into(), info: None };
        let mut run = Run { dump_on_panic: true, ..running() };
        assert_eq!(on_event(&mut run, panic()).pop(), Some(Effect::Dump(AfterDump::Terminate)));
        assert_eq!(run.ending, None, "not before the dump is made");
        let mut run = Run { dump_on_panic: true, on_panic: Wish::Restart, ..running() };
        assert_eq!(on_event(&mut run, panic()).pop(), Some(Effect::Dump(AfterDump::Restart)));
        assert_eq!(tells(&run.restarted()), [(4, 0)]);
        assert_eq!(run.status.numbers(), (1, 9));
    }

    #[test]
    fn broken_memory() {
        let data = ostler_base::json::json!({"recipient": "guest", "action": "inject", "flags": {"recursive": true}});
        let event = EventKind::Other { name: "MEMORY_FAILURE".into(), data };
        let told = What::MemoryFailure { recipient: 1, action: 1, flags: 2 };
        assert_eq!(on_event(&mut running(), event), [Effect::Tell(told)]);
    }

    #[test]
    fn ends_have_their_event() {
        let ends = [Shutoff::Shutdown, Shutoff::Destroyed, Shutoff::Crashed, Shutoff::Failed];
        let numbers = ends.map(|why| match stopped(why) {
            What::Lifecycle(turn) => turn.numbers(),
            _ => (-1, -1),
        });
        assert_eq!(numbers, [(5, 0), (5, 1), (5, 2), (5, 5)]);
    }
}
