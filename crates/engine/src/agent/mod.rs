//! The agent in a guest: whether it is there, and what it is asked.
//!
//! Owns: the connection of each guest, the errors for an agent that is not to be had, the events that
//! it came and went. Never: holds up anything but other calls to the same agent.

pub mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ostler_base::{Code, Error, Json, Origin, Result};
use ostler_domain::devices::Device;
use ostler_domain::devices::channel::{Channel, ChannelState, ChannelTarget};
use ostler_domain::run::{RunChange, Taint};
use ostler_host::connect_unix;
use ostler_qmp::{Agent, AgentError, MonitorError};
use tokio::net::UnixStream;

use crate::domain::{Guest, Status, View};
use crate::engine::Engine;
use crate::events::What;

/// The name of the channel that the agent listens at.
const CHANNEL: &str = "org.qemu.guest_agent.0";

/// How long an agent may take to turn a guest off.
pub const SHUTDOWN_WITHIN: Duration = Duration::from_secs(60);

/// Of a guest's agent: it is waited for as long as it takes.
pub const BLOCK: i32 = -2;
/// Of a guest's agent: it is waited for as long as the driver finds right.
pub const DEFAULT: i32 = -1;
/// Of a call: it does not wait.
pub const NO_WAIT: i32 = 0;
/// What the driver finds right.
const DEFAULT_BOUND: Duration = Duration::from_secs(5);

/// How a guest is turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By its agent, or by the button.
    Any,
    /// By the power button.
    Button,
    /// By its agent.
    Agent,
    /// By its agent, and where that fails by the button.
    Both,
}

fn channel(view: &View) -> Option<&Channel> {
    let of_agent = |channel: &&Channel| matches!(&channel.target, ChannelTarget::Virtio { name: Some(name), .. } if name == CHANNEL);
    view.live.as_ref()?.domain().devices.channels.iter().find(of_agent)
}

/// The socket of an agent that is connected, or why there is none.
fn socket(view: &View) -> Result<PathBuf> {
    if !matches!(view.status, Status::Running(_)) {
        return Err(Error::operation_invalid("domain is not running"));
    }
    let refused = |code, text| Error::new(code, Origin::Qemu, text);
    let not_configured = || refused(Code::ArgumentUnsupported, "QEMU guest agent is not configured");
    let channel = channel(view).ok_or_else(not_configured)?;
    let path = channel.device.socket().ok_or_else(not_configured)?;
    match &channel.target {
        ChannelTarget::Virtio { state: Some(ChannelState::Disconnected), .. } => {
            Err(refused(Code::AgentUnresponsive, "QEMU guest agent is not connected"))
        }
        _ => Ok(path.into()),
    }
}

/// A program of the guest opened or closed a channel: the definition says so, and clients are told
/// where it was the agent.
pub(crate) async fn channel_moved(engine: &Engine, guest: &Arc<Guest>, alias: String, open: bool) {
    let is_agent = channel(&guest.view()).is_some_and(|channel| channel.info().alias() == alias);
    guest.update(|state| state.edit(&[RunChange::Channel { alias, open }]));
    if is_agent {
        if !open {
            // A call that waits sees the end by itself; whoever holds the line gives it back closed.
            if let Ok(mut line) = guest.agent.try_lock() {
                *line = None;
            }
        }
        engine.tell(&guest.view(), What::Agent(if open { 1 } else { 2 }, 2));
    }
    engine.persist(guest).await;
}

impl Engine {
    /// Whether the agent of a guest can be asked; the error says why not.
    pub fn agent_is_there(&self, guest: &Guest) -> Result<()> {
        socket(&guest.view()).map(drop)
    }

    /// Whether a guest has an agent that is connected, for choices that need none.
    pub fn has_agent(&self, guest: &Guest) -> bool {
        socket(&guest.view()).is_ok()
    }

    /// Asks the agent of a guest. Calls to one agent take turns; nothing else waits for them.
    pub async fn ask_agent(
        &self,
        guest: &Arc<Guest>,
        command: &str,
        arguments: Option<&Json>,
    ) -> Result<Json> {
        self.ask_agent_within(guest, command, arguments, self.agent_bound(guest)).await
    }

    /// How long the agent of a guest is waited for; `None`: as long as it takes.
    pub fn agent_bound(&self, guest: &Guest) -> Option<Duration> {
        match guest.look(|state| state.record.as_ref().map_or(BLOCK, |kept| kept.agent_timeout)) {
            BLOCK => None,
            DEFAULT => Some(DEFAULT_BOUND),
            seconds => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        }
    }

    /// After a guest's clock was set: interrupts of the old one are not made up for. Emulators that
    /// have no such clock say so, and nothing is lost.
    pub async fn forget_lost_ticks(&self, guest: &Arc<Guest>) -> Result<()> {
        let monitor = guest.link()?.monitor;
        match monitor.command("rtc-reset-reinjection", None).await {
            Ok(_) | Err(MonitorError::Qemu { .. }) => Ok(()),
            Err(error) => Err(error.of_guest(&guest.view().name)),
        }
    }

    /// Takes note that a guest was told something that nobody here knows.
    pub async fn taint_by_agent(&self, guest: &Arc<Guest>) {
        let new = guest.update(|state| match &mut state.record {
            Some(record) if !record.taints.contains(&Taint::CustomGaCommand) => {
                record.taints.push(Taint::CustomGaCommand);
                record.taints.sort_unstable_by_key(|taint| *taint as u8);
                true
            }
            _ => false,
        });
        if new {
            tracing::warn!(guest = %guest.view().name, "tainted: custom-ga-command");
            self.persist(guest).await;
        }
    }

    /// The same with a bound of its own.
    pub async fn ask_agent_within(
        &self,
        guest: &Arc<Guest>,
        command: &str,
        arguments: Option<&Json>,
        bound: Option<Duration>,
    ) -> Result<Json> {
        Ok(self.agent_answer(guest, command, arguments, bound).await??)
    }

    /// The same, with what the agent itself refused as a value: an older one may not know a command.
    pub async fn agent_answer(
        &self,
        guest: &Arc<Guest>,
        command: &str,
        arguments: Option<&Json>,
        bound: Option<Duration>,
    ) -> Result<Result<Json, AgentError>> {
        socket(&guest.view())?;
        let mut line = guest.agent.lock().await;
        // It may have gone while others had their turn.
        let path = socket(&guest.view())?;
        let mut agent = match line.take() {
            Some(agent) => agent,
            None => connect(&path)?,
        };
        let gone = async {
            if let Ok(mut link) = guest.link() {
                drop(link.gone.wait_for(|gone| *gone).await);
            }
        };
        let answer = tokio::select! {
            answer = agent.command(command, arguments, bound) => answer,
            () = gone => Err(AgentError::Gone),
        };
        if !matches!(answer, Err(AgentError::Gone)) {
            *line = Some(agent);
        }
        Ok(answer)
    }

    /// How long the agent of a guest is waited for from now on: seconds, [`BLOCK`], [`DEFAULT`] or
    /// [`NO_WAIT`].
    pub async fn set_agent_timeout(&self, guest: &Arc<Guest>, seconds: i32) -> Result<()> {
        if seconds < BLOCK {
            return Err(Error::invalid_arg(format!(
                "guest agent timeout '{seconds}' is less than the minimum '{BLOCK}'"
            )));
        }
        guest.link()?;
        guest.update(|state| {
            if let Some(record) = &mut state.record {
                record.agent_timeout = seconds;
            }
        });
        self.persist(guest).await;
        Ok(())
    }

    /// Turns a guest off, or starts it anew: by its agent, by the power button, or by the agent and
    /// then the button. Without a wish the agent is asked where there is one.
    pub async fn shut_down(&self, guest: &Arc<Guest>, way: Way, again: bool) -> Result<()> {
        let by_agent = match way {
            Way::Button => false,
            Way::Agent | Way::Both => true,
            Way::Any => self.has_agent(guest),
        };
        if by_agent {
            let asked = self.agent_shutdown(guest, if again { "reboot" } else { "powerdown" }).await;
            if asked.is_ok() || way == Way::Agent {
                return asked;
            }
        }
        if again { self.reboot(guest).await } else { self.shutdown(guest).await }
    }

    /// Has the agent turn the guest off, or start it anew. Done when the guest does so, or the
    /// agent has said that it will.
    async fn agent_shutdown(&self, guest: &Arc<Guest>, mode: &'static str) -> Result<()> {
        let arguments = ostler_base::json::json!({"mode": mode});
        // No answer is the good answer: the agent ends with the guest.
        let bound = Some(SHUTDOWN_WITHIN);
        match self.agent_answer(guest, "guest-shutdown", Some(&arguments), bound).await? {
            Ok(_) | Err(AgentError::Gone) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn connect(path: &std::path::Path) -> Result<Agent> {
    let connected = connect_unix(path).and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    let stream = connected.map_err(|error| {
        tracing::warn!(path = %path.display(), %error, "cannot connect to a guest agent");
        Error::new(Code::AgentUnresponsive, Origin::Qemu, "QEMU guest agent is not available due to an error")
    })?;
    let mut first = [0; 4];
    rustix::rand::getrandom(&mut first[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::system(format!("the kernel gives no random bytes: {error}")))?;
    // Small enough that every agent takes it for a number.
    Ok(Agent::over(stream, u32::from_ne_bytes(first) >> 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::guest::Guest;
    use ostler_base::Uuid;

    #[test]
    fn reasons_that_there_is_no_agent() {
        let guest = Guest::transient("a", Uuid([1; 16]));
        let error = socket(&guest.view()).unwrap_err();
        assert_eq!(error.to_string(), "Requested operation is not valid: domain is not running");
    }
}
