//! What happens to guests, as clients are told.
//!
//! Owns: lifecycle events with their numbers in the public headers. Never: knows a client or a wire.

use ostler_base::Uuid;

use crate::params::Param;

macro_rules! details {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident),+ $(,)? })+) => {
        $($(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names of the public headers")]
        pub enum $name { $($variant),+ })+
    };
}

details! {
    /// How a definition came to be.
    Defined { Added, Updated, Renamed, FromSnapshot }
    /// How a definition went.
    Undefined { Removed, Renamed }
    /// How a guest started.
    Started { Booted, Migrated, Restored, FromSnapshot, Wakeup }
    /// Why a guest stands still.
    Suspended {
        Paused, Migrated, IoError, Watchdog, Restored, FromSnapshot, ApiError, Postcopy, PostcopyFailed,
    }
    /// Why a guest goes on.
    Resumed { Unpaused, Migrated, FromSnapshot, Postcopy, PostcopyFailed }
    /// Why a guest ended.
    Stopped { Shutdown, Destroyed, Crashed, Migrated, Saved, Failed, FromSnapshot }
    /// Who asked for a shutdown.
    ShutDown { Finished, Guest, Host }
    /// How deep a guest sleeps.
    PmSuspended { Memory, Disk }
    /// How a guest crashed.
    Crashed { Panicked, Crashloaded }
}

/// A lifecycle event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// It was defined.
    Defined(Defined),
    /// Its definition was removed.
    Undefined(Undefined),
    /// It started.
    Started(Started),
    /// It was paused.
    Suspended(Suspended),
    /// It goes on.
    Resumed(Resumed),
    /// It ended.
    Stopped(Stopped),
    /// It shut down; its emulator is about to end.
    Shutdown(ShutDown),
    /// It put itself to sleep.
    PmSuspended(PmSuspended),
    /// It panicked.
    Crashed(Crashed),
}

impl Lifecycle {
    /// Event and detail, by number.
    pub fn numbers(self) -> (i32, i32) {
        match self {
            Lifecycle::Defined(detail) => (0, detail as i32),
            Lifecycle::Undefined(detail) => (1, detail as i32),
            Lifecycle::Started(detail) => (2, detail as i32),
            Lifecycle::Suspended(detail) => (3, detail as i32),
            Lifecycle::Resumed(detail) => (4, detail as i32),
            Lifecycle::Stopped(detail) => (5, detail as i32),
            Lifecycle::Shutdown(detail) => (6, detail as i32),
            Lifecycle::PmSuspended(detail) => (7, detail as i32),
            Lifecycle::Crashed(detail) => (8, detail as i32),
        }
    }
}

/// One end of a connection to a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenAddress {
    /// 0: IPv4, 1: IPv6, 2: UNIX socket.
    pub family: i32,
    /// The address.
    pub node: String,
    /// The port.
    pub service: String,
}

/// A client of a screen came, was let in, or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// 0: it came, 1: it was let in, 2: it went.
    pub phase: i32,
    /// The emulator's end.
    pub local: ScreenAddress,
    /// The client's end.
    pub remote: ScreenAddress,
    /// How it proved who it is.
    pub auth: String,
    /// Who it is: kind and name.
    pub subject: Vec<(String, String)>,
}

/// Reading or writing a disk failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoError {
    /// The image.
    pub path: String,
    /// The disk.
    pub alias: String,
    /// 0: nothing, 1: the guest stands still, 2: the guest is told.
    pub action: i32,
    /// `enospc`, or empty.
    pub reason: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Its life took a turn.
    Lifecycle(Lifecycle),
    /// It was reset.
    Reboot,
    /// Its clock was set: seconds from UTC.
    RtcChange(i64),
    /// Its watchdog fired; the number of the action in the public headers.
    Watchdog(i32),
    /// Its balloon moved: KiB that it has now.
    BalloonChange(u64),
    /// Reading or writing a disk failed.
    IoError(IoError),
    /// Something with a client of its screen.
    Screen(Box<Screen>),
    /// A tray moved: the drive, and 0 where it is open now, 1 where it is closed.
    TrayChange(String, i32),
    /// It woke up.
    PmWakeup,
    /// It sleeps to memory.
    PmSuspend,
    /// It sleeps to disk.
    PmSuspendDisk,
    /// A device is gone.
    DeviceRemoved(String),
    /// The guest does not let a device go.
    DeviceRemovalFailed(String),
    /// Its agent: 1 connected, 2 disconnected; and why: 1 the guest started, 2 the channel changed.
    Agent(i32, i32),
    /// A memory device has so many KiB now.
    MemoryDeviceSize(String, u64),
    /// The connection to its monitor is of no use any more.
    ControlError,
    /// A job on a disk took a turn.
    BlockJob {
        /// The disk's image.
        path: String,
        /// The disk's name in the guest.
        disk: String,
        /// Which kind of job.
        kind: i32,
        /// Which turn.
        status: i32,
    },
    /// The medium of a disk changed.
    DiskChange {
        /// The image that was there.
        old: Option<String>,
        /// The image that is there now.
        new: Option<String>,
        /// The disk's alias.
        alias: String,
        /// 0: it was missing at the start; 1: it was dropped.
        reason: i32,
    },
    /// A device came.
    DeviceAdded(String),
    /// Something that can be tuned was.
    Tunable(Vec<Param>),
    /// A pass over memory began.
    MigrationIteration(i32),
    /// A job is over, with these figures.
    JobCompleted(Vec<Param>),
    /// What is said of it changed.
    MetadataChange {
        /// 0 description, 1 title, 2 an element.
        kind: i32,
        /// The element's namespace.
        uri: Option<String>,
    },
    /// More was written to an image than somebody wanted to know.
    BlockThreshold {
        /// The disk, by its name in the guest, or a layer of its chain.
        device: String,
        /// The image.
        path: Option<String>,
        /// The mark, bytes.
        threshold: u64,
        /// How far it was passed, bytes.
        excess: u64,
    },
    /// Memory of the host or the guest is broken.
    MemoryFailure {
        /// 0 the hypervisor, 1 the guest.
        recipient: i32,
        /// What became of it.
        action: i32,
        /// Bit 0: an action is required; bit 1: it happened again.
        flags: u32,
    },
    /// The guest chose an address for a card.
    NicMacChange {
        /// Its alias.
        alias: String,
        /// The address before.
        old: String,
        /// The address now.
        new: String,
    },
}

/// Something that happened to a guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its id while it runs.
    pub id: Option<i32>,
    /// What happened.
    pub what: What,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_headers() {
        assert_eq!(Lifecycle::Suspended(Suspended::PostcopyFailed).numbers(), (3, 8));
        assert_eq!(Lifecycle::Stopped(Stopped::FromSnapshot).numbers(), (5, 6));
        assert_eq!(Lifecycle::Shutdown(ShutDown::Host).numbers(), (6, 2));
        assert_eq!(Lifecycle::Crashed(Crashed::Panicked).numbers(), (8, 0));
    }
}
