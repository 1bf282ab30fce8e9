//! Asking polkit whether a process of this host may do something.
//!
//! Owns: how its own program is called, and what each verdict is told as. Never: takes who the
//! process is from the process itself.

use std::process::Stdio;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::connection::Peer;
use tokio::process::Command;
use tracing::warn;

/// The program that asks polkit.
const PROGRAM: &str = "pkcheck";

/// When a process began, in ticks since the start of the host: with its number it cannot be taken
/// for another that had the number before.
fn start_time(stat: &str) -> Option<u64> {
    // The name of the program, which can hold anything, ends with the last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, Origin::Polkit, text)
}

/// Whether a process may do what this action stands for; its user may be asked.
pub async fn check(peer: Peer, action: &str) -> Result<()> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", peer.pid)).ok();
    let Some(start) = stat.as_deref().and_then(start_time) else {
        return Err(refused(Code::AuthFailed, "the client's process is gone"));
    };
    let output = Command::new(PROGRAM)
        .args(["--action-id", action, "--process", &format!("{},{start},{}", peer.pid, peer.uid)])
        .arg("--allow-user-interaction")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.map_err(|e| refused(Code::AuthUnavailable, format!("cannot run {PROGRAM}: {e}")))?;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(refused(Code::AuthFailed, "access denied by policy")),
        Some(2) => {
            let text = format!("no polkit agent available to authenticate action '{action}'");
            Err(refused(Code::AuthUnavailable, text))
        }
        Some(3) => Err(refused(Code::AuthCancelled, "user cancelled authentication process")),
        _ => {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            warn!("{PROGRAM} cannot ask: {words}");
            Err(refused(Code::AuthUnavailable, "polkit cannot be asked"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::start_time;

    #[test]
    fn names_with_brackets() {
        let stat = "7 (a ) 1 b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9";
        assert_eq!(start_time(stat), Some(4711));
        assert_eq!(start_time("7"), None);
    }
}
