//! How far the long job of a guest is.
//!
//! Owns: the figures of the job that runs and of the last one that did. Never: runs one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ostler_base::{Error, Json, Result};

use crate::params::Param;

/// What a long job does; the numbers of the public headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A guest starts.
    Start = 1,
    /// It is saved to a file.
    Save = 2,
    /// It is restored from one.
    Restore = 3,
    /// Its memory is dumped.
    Dump = 8,
}

impl Operation {
    /// Its name in errors.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Start => "start job",
            Operation::Save => "domain save job",
            Operation::Restore => "restore job",
            Operation::Dump => "domain core dump job",
        }
    }
}

/// Figures of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub operation: Operation,
    /// Bytes in all.
    pub total: u64,
    /// Bytes done.
    pub processed: u64,
    /// Bytes to do.
    pub remaining: u64,
    /// How long parts of it took, milliseconds.
    pub times: Vec<(&'static str, u64)>,
    /// More figures, as the emulator tells them.
    pub more: Vec<(&'static str, u64)>,
    /// Bytes a second.
    pub bps: Option<u64>,
    /// Whether only a dump of memory is made, which cannot be taken back.
    pub memory_only: bool,
    began: Instant,
    ended: Option<Instant>,
}

/// Members of the emulator's `ram` figures, and what clients call them.
const RAM: &[(&str, &str)] = &[
    ("duplicate", "memory_constant"),
    ("normal", "memory_normal"),
    ("normal-bytes", "memory_normal_bytes"),
    ("dirty-pages-rate", "memory_dirty_rate"),
    ("dirty-sync-count", "memory_iteration"),
    ("postcopy-requests", "memory_postcopy_requests"),
    ("page-size", "memory_page_size"),
];

impl Progress {
    /// How long it runs, or ran.
    pub fn elapsed(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).saturating_duration_since(self.began)
    }

    /// Takes over what `query-migrate` tells.
    pub fn note(&mut self, answer: &Json) {
        let Some(ram) = answer.get("ram") else { return };
        let number = |member: &str| ram.get(member).and_then(Json::as_u64);
        self.total = number("total").unwrap_or_default();
        self.processed = number("transferred").unwrap_or_default();
        self.remaining = number("remaining").unwrap_or_default();
        let above = |member: &str| answer.get(member).and_then(Json::as_u64);
        let times = [("downtime", "downtime"), ("setup-time", "setup_time")];
        self.times = times.into_iter().filter_map(|(member, name)| Some((name, above(member)?))).collect();
        self.more = RAM.iter().filter_map(|(member, name)| Some((*name, number(member)?))).collect();
        // Megabits a second, from the emulator; bytes for clients.
        let speed = ram.get("mbps").and_then(Json::as_f64).filter(|speed| speed.is_finite() && *speed > 0.0);
        self.bps = speed.map(|speed| (speed * 125_000.0) as u64);
    }

    /// The figures by name.
    pub fn params(&self) -> Vec<Param> {
        let milliseconds = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut out = vec![Param::new("operation", self.operation as i32)];
        out.push(Param::new("time_elapsed", milliseconds));
        out.extend(self.times.iter().map(|(name, value)| Param::new(*name, *value)));
        for part in ["data", "memory"] {
            for (what, bytes) in
                [("total", self.total), ("processed", self.processed), ("remaining", self.remaining)]
            {
                out.push(Param::new(format!("{part}_{what}"), bytes));
            }
        }
        out.extend(self.bps.map(|bps| Param::new("memory_bps", bps)));
        out.extend(self.more.iter().map(|(name, value)| Param::new(*name, *value)));
        out
    }
}

#[derive(Debug, Default)]
struct Jobs {
    running: Option<Progress>,
    last: Option<Progress>,
    cancelled: bool,
}

/// The long job of a guest, and the one before.
#[derive(Debug, Default)]
pub struct JobBoard(Mutex<Jobs>);

impl JobBoard {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job begins; it ends when the mark is dropped.
    pub fn begin(&self, operation: Operation) -> JobMark<'_> {
        let began = Instant::now();
        let more = Vec::new();
        let progress = Progress {
            operation,
            total: 0,
            processed: 0,
            remaining: 0,
            times: Vec::new(),
            more,
            bps: None,
            memory_only: false,
            began,
            ended: None,
        };
        let mut jobs = self.lock();
        jobs.running = Some(progress);
        jobs.cancelled = false;
        JobMark { board: self, operation, completed: false }
    }

    /// The job that runs.
    pub fn running(&self) -> Option<Progress> {
        self.lock().running.clone()
    }

    /// The last job that was completed; `forget` it then.
    pub fn completed(&self, forget: bool) -> Option<Progress> {
        let mut jobs = self.lock();
        if forget { jobs.last.take() } else { jobs.last.clone() }
    }

    /// Asks the job that runs to end.
    pub fn cancel(&self) -> Result<()> {
        let mut jobs = self.lock();
        match &jobs.running {
            None => Err(Error::operation_invalid("no job is active on the domain")),
            Some(Progress { operation: Operation::Start | Operation::Restore, .. }) => {
                Err(Error::operation_invalid("cannot abort job that starts a domain"))
            }
            Some(Progress { memory_only: true, .. }) => {
                Err(Error::operation_invalid("cannot abort memory-only dump"))
            }
            Some(_) => {
                jobs.cancelled = true;
                Ok(())
            }
        }
    }
}

/// A job that runs.
#[derive(Debug)]
pub struct JobMark<'b> {
    board: &'b JobBoard,
    operation: Operation,
    completed: bool,
}

impl JobMark<'_> {
    /// What it does.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Whether somebody asked it to end.
    pub fn is_cancelled(&self) -> bool {
        self.board.lock().cancelled
    }

    /// Changes the figures.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = &mut self.board.lock().running {
            change(progress);
        }
    }

    /// It did what it was to do.
    pub fn complete(mut self) {
        self.completed = true;
    }
}

impl Drop for JobMark<'_> {
    fn drop(&mut self) {
        let mut jobs = self.board.lock();
        let ended = jobs.running.take().map(|progress| Progress { ended: Some(Instant::now()), ..progress });
        if self.completed {
            jobs.last = ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn a_job_from_begin_to_end() {
        let board = JobBoard::default();
        assert!(board.cancel().is_err());
        let mark = board.begin(Operation::Save);
        let figures = json!({"ram": {"total": 10, "transferred": 4, "remaining": 6, "normal": 1}});
        mark.update(|progress| progress.note(&figures));
        let running = board.running().unwrap();
        assert_eq!((running.total, running.processed, running.remaining), (10, 4, 6));
        assert!(running.params().contains(&Param::new("memory_normal", 1u64)));
        board.cancel().unwrap();
        assert!(mark.is_cancelled());
        drop(mark);
        assert_eq!(board.running(), None);
        assert_eq!(board.completed(false), None);
        board.begin(Operation::Dump).complete();
        assert!(board.completed(true).is_some() && board.completed(false).is_none());
    }
}
