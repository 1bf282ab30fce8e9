//! Commands that a client writes for the emulator itself.
//!
//! Owns: the form of command and answer. Never: looks into either; whoever calls must know what it does.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ostler_base::json::json;
use ostler_base::{Error, Json, Result};
use ostler_qmp::MonitorError;

use crate::domain::{Guest, Job};
use crate::engine::Engine;

/// In whose words a command is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// The machine's: JSON.
    Machine,
    /// A human's.
    Human,
}

impl Engine {
    /// Carries out a command of a client; the answer in the same words.
    pub async fn command(
        &self,
        guest: &Arc<Guest>,
        text: &str,
        words: Words,
        fds: Vec<OwnedFd>,
    ) -> Result<String> {
        let _pass = guest.gate.enter(Job::Modify, "qemuDispatchDomainMonitorCommand").await?;
        let link = guest.link()?;
        let name = &guest.view().name;
        if words == Words::Human {
            let arguments = Some(json!({"command-line": text}));
            let answer = link.monitor.command_with_fds("human-monitor-command", arguments, fds).await;
            let answer = answer.map_err(|error| error.of_guest(name))?;
            return answer.as_str().map(str::to_owned).ok_or_else(|| {
                Error::internal(format!("unexpected reply from human-monitor-command (vm='{name}')"))
            });
        }
        let bad = |why: String| Error::internal(format!("cannot parse json {text}: {why}"));
        let request: Json = text.parse().map_err(|error| bad(format!("{error}")))?;
        let Some(execute) = request.get("execute").and_then(Json::as_str) else {
            return Err(bad("there is no member 'execute'".to_owned()));
        };
        let arguments = request.get("arguments").cloned();
        // The number that the connection gave the command is its own affair.
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let id = format!("libvirt-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        match link.monitor.command_with_fds(execute, arguments, fds).await {
            Ok(value) => Ok(json!({"return": value, "id": id}).to_string()),
            Err(MonitorError::Qemu { class, desc, .. }) => {
                Ok(json!({"id": id, "error": {"class": class, "desc": desc}}).to_string())
            }
            Err(other) => Err(other.of_guest(name)),
        }
    }
}
