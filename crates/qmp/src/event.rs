//! Events, typed as far as somebody acts on them.
//!
//! An event that lacks what its type needs is handed on as [`EventKind::Other`]: nothing is guessed.

use ostler_base::Json;

/// When QEMU says it happened; its clock, not to be trusted for order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Since 1970.
    pub seconds: u64,
    /// Beside them, below 1,000,000 from an honest QEMU.
    pub microseconds: u32,
}

/// Something that happened in QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub time: Time,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// `SHUTDOWN`: the machine stops for good.
    Shutdown {
        /// The guest asked for it.
        guest: bool,
        /// QEMU's word for the cause; empty from an emulator that says none.
        reason: String,
    },
    /// `RESET`: the machine starts anew.
    Reset {
        /// The guest asked for it.
        guest: bool,
        /// QEMU's word for the cause; empty from an emulator that says none.
        reason: String,
    },
    /// `POWERDOWN`: the power button was pressed.
    Powerdown,
    /// `STOP`: the processors stand still.
    Stop,
    /// `RESUME`: they run again.
    Resume,
    /// `SUSPEND`: the guest sleeps to memory.
    Suspend,
    /// `SUSPEND_DISK`: the guest sleeps to disk.
    SuspendDisk,
    /// `WAKEUP`: it woke up.
    Wakeup,
    /// `WATCHDOG`: the watchdog bit.
    Watchdog {
        /// What QEMU does about it.
        action: String,
    },
    /// `GUEST_PANICKED`.
    GuestPanicked {
        /// What QEMU does about it.
        action: String,
        /// What the guest told about it.
        info: Option<Json>,
    },
    /// `GUEST_CRASHLOADED`: the guest's crash kernel took over.
    GuestCrashLoaded,
    /// `RTC_CHANGE`: the guest set its clock.
    RtcChange {
        /// Seconds between the clock and its base.
        offset: i64,
    },
    /// `BLOCK_IO_ERROR`.
    BlockIoError {
        /// The back end's name, empty for a node of `-blockdev`.
        device: String,
        /// The node, where there is one.
        node: Option<String>,
        /// The front end's path or name in the object tree, where QEMU tells.
        qom_path: Option<String>,
        /// `read` or `write`.
        operation: String,
        /// `ignore`, `report` or `stop`.
        action: String,
        /// The storage is full.
        no_space: bool,
        /// The system's words.
        reason: String,
    },
    /// `DEVICE_DELETED`: a device is gone.
    DeviceDeleted {
        /// Its identifier, where it had one.
        device: Option<String>,
        /// Its path in the object tree.
        path: String,
    },
    /// `DEVICE_UNPLUG_GUEST_ERROR`: the guest does not let a device go.
    UnplugRefused {
        /// Its identifier, where it had one.
        device: Option<String>,
        /// Its path in the object tree.
        path: String,
    },
    /// `DEVICE_TRAY_MOVED`.
    TrayMoved {
        /// The front end's identifier.
        id: String,
        /// It is open now.
        open: bool,
    },
    /// `BALLOON_CHANGE`.
    BalloonChange {
        /// Bytes the guest has now.
        actual: u64,
    },
    /// `JOB_STATUS_CHANGE`.
    JobStatusChange {
        /// The job.
        id: String,
        /// QEMU's word for its state.
        status: String,
    },
    /// `MIGRATION`.
    Migration {
        /// QEMU's word for its state.
        status: String,
    },
    /// `MIGRATION_PASS`.
    MigrationPass {
        /// Which pass over memory begins.
        pass: u64,
    },
    /// `VSERPORT_CHANGE`: the guest opened or closed a port.
    PortChange {
        /// The port.
        id: String,
        /// It is open now.
        open: bool,
    },
    /// `VNC_*` and `SPICE_*`: a client of a screen came, was let in, or went.
    Screen {
        /// Which of these.
        phase: ScreenPhase,
        /// The emulator's end.
        local: Box<ScreenEnd>,
        /// The client's end.
        remote: Box<ScreenEnd>,
    },
    /// `MEMORY_DEVICE_SIZE_CHANGE`.
    MemorySizeChange {
        /// The device.
        id: String,
        /// Bytes it has now.
        size: u64,
    },
    /// Any other, or one that lacks what its type needs.
    Other {
        /// QEMU's name of it.
        name: String,
        /// Its data; null where it has none.
        data: Json,
    },
}

/// How far a client of a screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenPhase {
    /// It is connected.
    Connect,
    /// It was let in.
    Initialize,
    /// It went.
    Disconnect,
}

/// One end of a connection to a screen; texts are empty where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScreenEnd {
    /// `ipv4`, `ipv6`, `unix`, …
    pub family: String,
    /// The address.
    pub host: String,
    /// The port.
    pub service: String,
    /// How the client proves who it is.
    pub auth: String,
    /// The name in the client's certificate.
    pub x509_name: Option<String>,
    /// The name it logged in under.
    pub sasl_name: Option<String>,
}

impl ScreenEnd {
    fn decode(end: &Json) -> Option<Box<Self>> {
        let word = |member: &str| end.get(member).and_then(Json::as_str).map(str::to_owned);
        Some(Box::new(ScreenEnd {
            family: word("family")?,
            host: word("host")?,
            service: word("service").or_else(|| word("port"))?,
            auth: word("auth").unwrap_or_default(),
            x509_name: word("x509_dname"),
            sasl_name: word("sasl_username"),
        }))
    }
}

impl Event {
    /// Reads a message that has a member `event`.
    pub(crate) fn decode(name: &str, message: &Json) -> Event {
        let data = message.get("data").unwrap_or(&Json::Null);
        let kind = typed(name, data)
            .unwrap_or_else(|| EventKind::Other { name: name.to_owned(), data: data.clone() });
        let stamp =
            |member: &str| message.get("timestamp").and_then(|time| time.get(member)).and_then(Json::as_u64);
        let time = Time {
            seconds: stamp("seconds").unwrap_or_default(),
            microseconds: stamp("microseconds").and_then(|part| u32::try_from(part).ok()).unwrap_or_default(),
        };
        Event { time, kind }
    }
}

fn typed(name: &str, data: &Json) -> Option<EventKind> {
    let word = |member: &str| data.get(member).and_then(Json::as_str).map(str::to_owned);
    let flag = |member: &str| data.get(member).and_then(Json::as_bool);
    let number = |member: &str| data.get(member).and_then(Json::as_u64);
    Some(match name {
        "SHUTDOWN" => EventKind::Shutdown {
            guest: flag("guest").unwrap_or_default(),
            reason: word("reason").unwrap_or_default(),
        },
        "RESET" => EventKind::Reset {
            guest: flag("guest").unwrap_or_default(),
            reason: word("reason").unwrap_or_default(),
        },
        "POWERDOWN" => EventKind::Powerdown,
        "STOP" => EventKind::Stop,
        "RESUME" => EventKind::Resume,
        "SUSPEND" => EventKind::Suspend,
        "SUSPEND_DISK" => EventKind::SuspendDisk,
        "WAKEUP" => EventKind::Wakeup,
        "WATCHDOG" => EventKind::Watchdog { action: word("action")? },
        "GUEST_PANICKED" => {
            EventKind::GuestPanicked { action: word("action")?, info: data.get("info").cloned() }
        }
        "GUEST_CRASHLOADED" => EventKind::GuestCrashLoaded,
        "RTC_CHANGE" => EventKind::RtcChange { offset: data.get("offset").and_then(Json::as_i64)? },
        "BLOCK_IO_ERROR" => EventKind::BlockIoError {
            device: word("device").unwrap_or_default(),
            node: word("node-name"),
            qom_path: word("qom-path"),
            operation: word("operation").unwrap_or_default(),
            action: word("action")?,
            no_space: flag("nospace").unwrap_or_default(),
            reason: word("reason").unwrap_or_default(),
        },
        "DEVICE_DELETED" => EventKind::DeviceDeleted { device: word("device"), path: word("path")? },
        "DEVICE_UNPLUG_GUEST_ERROR" => {
            EventKind::UnplugRefused { device: word("device"), path: word("path")? }
        }
        "DEVICE_TRAY_MOVED" => EventKind::TrayMoved { id: word("id")?, open: flag("tray-open")? },
        "BALLOON_CHANGE" => EventKind::BalloonChange { actual: number("actual")? },
        "JOB_STATUS_CHANGE" => EventKind::JobStatusChange { id: word("id")?, status: word("status")? },
        "MIGRATION" => EventKind::Migration { status: word("status")? },
        "MIGRATION_PASS" => EventKind::MigrationPass { pass: number("pass")? },
        "VNC_CONNECTED" | "SPICE_CONNECTED" => screen(ScreenPhase::Connect, data)?,
        "VNC_INITIALIZED" | "SPICE_INITIALIZED" => screen(ScreenPhase::Initialize, data)?,
        "VNC_DISCONNECTED" | "SPICE_DISCONNECTED" => screen(ScreenPhase::Disconnect, data)?,
        "MEMORY_DEVICE_SIZE_CHANGE" => EventKind::MemorySizeChange { id: word("id")?, size: number("size")? },
        "VSERPORT_CHANGE" => EventKind::PortChange { id: word("id")?, open: flag("open")? },
        _ => return None,
    })
}

fn screen(phase: ScreenPhase, data: &Json) -> Option<EventKind> {
    let end = |member: &str| data.get(member).and_then(ScreenEnd::decode);
    Some(EventKind::Screen { phase, local: end("server")?, remote: end("client")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn what_lacks_a_member_stays_untyped() {
        let whole = json!({"event": "BALLOON_CHANGE", "data": {"actual": 5},
            "timestamp": {"seconds": 7, "microseconds": 8}});
        assert_eq!(
            Event::decode("BALLOON_CHANGE", &whole),
            Event {
                time: Time { seconds: 7, microseconds: 8 },
                kind: EventKind::BalloonChange { actual: 5 }
            }
        );
        let broken = json!({"event": "BALLOON_CHANGE", "data": {"actual": -5}, "timestamp": 3});
        assert_eq!(
            Event::decode("BALLOON_CHANGE", &broken),
            Event {
                time: Time::default(),
                kind: EventKind::Other { name: "BALLOON_CHANGE".into(), data: json!({"actual": -5}) }
            }
        );
    }
}
