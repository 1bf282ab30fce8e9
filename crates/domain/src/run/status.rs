//! What a guest is doing and why, in the numbers and words of the public interface.
//!
//! Owns: states, reasons, their numbers on the wire and their words in status files. Never: decides
//! which one a guest is in.

use ostler_base::words;

macro_rules! reasons {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {
        words! { $($(#[$meta])* pub $name { $($variant = $word),+ })+ }
        $(impl $name {
            /// The number in the public headers.
            pub fn number(self) -> i32 {
                self as i32
            }
        })+
    };
}

reasons! {
    /// Why a guest runs.
    Running {
        Unknown = "unknown", Booted = "booted", Migrated = "migrated", Restored = "restored",
        FromSnapshot = "from snapshot", Unpaused = "unpaused",
        MigrationCanceled = "migration canceled", SaveCanceled = "save canceled",
        Wakeup = "wakeup", Crashed = "crashed", Postcopy = "post-copy",
        PostcopyFailed = "post-copy failed",
    }

    /// Why a guest stands still.
    Paused {
        Unknown = "unknown", User = "user", Migration = "migration", Save = "save", Dump = "dump",
        IoError = "ioerror", Watchdog = "watchdog", FromSnapshot = "from snapshot",
        ShuttingDown = "shutdown", Snapshot = "snapshot", Crashed = "panicked",
        StartingUp = "starting up", Postcopy = "post-copy", PostcopyFailed = "post-copy failed",
        ApiError = "api error",
    }

    /// Why a guest is about to end.
    Shutdown { Unknown = "unknown", User = "user" }

    /// Why a guest does not run.
    Shutoff {
        Unknown = "unknown", Shutdown = "shutdown", Destroyed = "destroyed", Crashed = "crashed",
        Migrated = "migrated", Saved = "saved", Failed = "failed",
        FromSnapshot = "from snapshot", Daemon = "daemon",
    }

    /// Why a guest counts as crashed.
    Crashed { Unknown = "unknown", Panicked = "panicked" }
}

/// What a guest is doing, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody knows.
    None,
    /// Its processors run.
    Running(Running),
    /// It waits for a resource; never reported by QEMU.
    Blocked,
    /// Its processors stand still.
    Paused(Paused),
    /// It has shut down and its emulator is about to end.
    Shutdown(Shutdown),
    /// It does not run.
    Shutoff(Shutoff),
    /// It panicked.
    Crashed(Crashed),
    /// It suspended itself to memory.
    PmSuspended,
}

impl Status {
    /// State and reason, by number.
    pub fn numbers(self) -> (i32, i32) {
        match self {
            Status::None => (0, 0),
            Status::Running(why) => (1, why.number()),
            Status::Blocked => (2, 0),
            Status::Paused(why) => (3, why.number()),
            Status::Shutdown(why) => (4, why.number()),
            Status::Shutoff(why) => (5, why.number()),
            Status::Crashed(why) => (6, why.number()),
            Status::PmSuspended => (7, 0),
        }
    }

    /// State and reason, by the words of a status file.
    pub fn words(self) -> (&'static str, &'static str) {
        use ostler_base::Word;
        match self {
            Status::None => ("nostate", "unknown"),
            Status::Running(why) => ("running", why.as_str()),
            Status::Blocked => ("blocked", "unknown"),
            Status::Paused(why) => ("paused", why.as_str()),
            Status::Shutdown(why) => ("shutdown", why.as_str()),
            Status::Shutoff(why) => ("shutoff", why.as_str()),
            Status::Crashed(why) => ("crashed", why.as_str()),
            Status::PmSuspended => ("pmsuspended", "unknown"),
        }
    }

    /// The status that two words of a status file stand for; a reason that is not known is
    /// `unknown`.
    pub fn parse(state: &str, reason: &str) -> Option<Self> {
        use ostler_base::Word;
        Some(match state {
            "nostate" => Status::None,
            "running" => Status::Running(Running::parse(reason).unwrap_or(Running::Unknown)),
            "blocked" => Status::Blocked,
            "paused" => Status::Paused(Paused::parse(reason).unwrap_or(Paused::Unknown)),
            "shutdown" => Status::Shutdown(Shutdown::parse(reason).unwrap_or(Shutdown::Unknown)),
            "shutoff" => Status::Shutoff(Shutoff::parse(reason).unwrap_or(Shutoff::Unknown)),
            "crashed" => Status::Crashed(Crashed::parse(reason).unwrap_or(Crashed::Unknown)),
            "pmsuspended" => Status::PmSuspended,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::Word;

    #[test]
    fn words_and_back() {
        let mut all = vec![Status::None, Status::Blocked, Status::PmSuspended];
        all.extend(Running::WORDS.iter().map(|(_, why)| Status::Running(*why)));
        all.extend(Paused::WORDS.iter().map(|(_, why)| Status::Paused(*why)));
        all.extend(Shutoff::WORDS.iter().map(|(_, why)| Status::Shutoff(*why)));
        for status in all {
            let (state, reason) = status.words();
            assert_eq!(Status::parse(state, reason), Some(status));
        }
        assert_eq!(Status::parse("asleep", "unknown"), None);
    }

    #[test]
    fn numbers_of_the_headers() {
        assert_eq!(Status::Running(Running::PostcopyFailed).numbers(), (1, 11));
        assert_eq!(Status::Paused(Paused::ApiError).numbers(), (3, 14));
        assert_eq!(Status::Shutoff(Shutoff::Daemon).numbers(), (5, 8));
    }
}
