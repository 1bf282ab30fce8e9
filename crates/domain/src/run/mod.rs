//! The status of a run: what is kept on disk while a guest runs, so that whoever comes next finds it.
//!
//! Owns: the document `<domstatus>` and the words in it. Never: reads or writes a file.

mod block_job;
mod change;
mod job;
mod record;
pub mod status;

pub use block_job::{BlockJob, BlockJobKind, BlockJobState, BlockJobWork, JobChain, JobDisk};
pub use change::RunChange;
pub use job::{AsyncJob, JobRecord, MigratingDisk};
pub use record::{BlockJobs, RunRecord, Taint};
