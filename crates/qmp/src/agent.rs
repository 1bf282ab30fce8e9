//! The agent that runs inside a guest: commands over the socket of a channel.
//!
//! Owns: keeping question and answer together on a line that has no request numbers, bounds on what
//! a guest may say. Never: trusts it. An answer that came too late is passed over by the next call.

use std::fmt;
use std::time::Duration;

use ostler_base::{Code, Error, Json, JsonMap, Origin, json::json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout_at};

use crate::MonitorError;
use crate::wire::read_line;

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 10 << 20;
/// How many lines that are no answer are passed over in one call.
const STRAYS_MAX: usize = 1024;
/// How long the agent may take to say that it is there.
const SYNC_WITHIN: Duration = Duration::from_secs(5);

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentError {
    /// The channel was closed.
    Gone,
    /// The agent did not say that it is there, within so long.
    NotThere(Duration),
    /// The agent is there, but did not answer within so long.
    Timeout(Duration),
    /// It refused the command.
    Refused {
        /// The command.
        command: String,
        /// Its class of the error.
        class: String,
        /// Its words.
        desc: String,
    },
    /// What came back is no answer.
    Malformed(String),
}

impl AgentError {
    /// Whether the agent does not know the command, or was told not to carry it out.
    pub fn is_unknown_command(&self) -> bool {
        matches!(self, AgentError::Refused { class, .. } if class == "CommandNotFound" || class == "CommandDisabled")
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentError::Gone => f.write_str("Guest agent disappeared while executing command"),
            AgentError::NotThere(bound) => {
                write!(
                    f,
                    "guest agent didn't respond to synchronization within '{}' seconds",
                    bound.as_secs()
                )
            }
            AgentError::Timeout(bound) => {
                write!(f, "guest agent didn't respond to command within '{}' seconds", bound.as_secs())
            }
            AgentError::Refused { command, desc, .. } => {
                write!(f, "unable to execute QEMU agent command '{command}': {desc}")
            }
            AgentError::Malformed(what) => write!(f, "malformed return value of the guest agent: {what}"),
        }
    }
}

impl std::error::Error for AgentError {}

impl From<AgentError> for Error {
    fn from(error: AgentError) -> Error {
        let code = match error {
            AgentError::Gone | AgentError::NotThere(_) | AgentError::Timeout(_) => Code::AgentUnresponsive,
            AgentError::Refused { .. } | AgentError::Malformed(_) => Code::InternalError,
        };
        Error::new(code, Origin::Qemu, error.to_string())
    }
}

/// A connection to an agent. It may stay open for as long as the channel does.
#[derive(Debug)]
pub struct Agent {
    source: BufReader<OwnedReadHalf>,
    sink: OwnedWriteHalf,
    line: Vec<u8>,
    /// What the next synchronisation is known by; not to be guessed by an old answer.
    next: u64,
}

impl Agent {
    /// Over a stream that is connected already. Needs a running tokio.
    pub fn over(stream: UnixStream, first: u32) -> Self {
        let (read, write) = stream.into_split();
        Agent { source: BufReader::new(read), sink: write, line: Vec::new(), next: u64::from(first) + 1 }
    }

    /// Carries out a command; the value that the agent returns. Without a bound the answer is waited
    /// for as long as the channel is open; that the agent is there is always asked first.
    pub async fn command(
        &mut self,
        name: &str,
        arguments: Option<&Json>,
        bound: Option<Duration>,
    ) -> Result<Json, AgentError> {
        self.synchronise(bound.map_or(SYNC_WITHIN, |bound| bound.min(SYNC_WITHIN))).await?;
        self.send(name, arguments).await?;
        let deadline = bound.and_then(|bound| Instant::now().checked_add(bound));
        loop {
            let answer = match (deadline, bound) {
                (Some(deadline), Some(bound)) => {
                    timeout_at(deadline, self.receive()).await.unwrap_or(Err(AgentError::Timeout(bound)))?
                }
                _ => self.receive().await?,
            };
            let Some(mut answer) = answer else {
                return Err(AgentError::Malformed("a line that is no JSON object".to_owned()));
            };
            if let Some(error) = answer.get("error") {
                let word = |member: &str| error.get(member).and_then(Json::as_str).map(str::to_owned);
                return Err(AgentError::Refused {
                    command: name.to_owned(),
                    class: word("class").unwrap_or_default(),
                    desc: word("desc").unwrap_or_else(|| "unknown QEMU command error".to_owned()),
                });
            }
            if let Some(value) = answer.shift_remove("return") {
                return Ok(value);
            }
            // Neither value nor error: an event, which agents do not send.
        }
    }

    async fn synchronise(&mut self, bound: Duration) -> Result<(), AgentError> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.send("guest-sync", Some(&json!({"id": id}))).await?;
        let answered = async {
            for _ in 0..STRAYS_MAX {
                let answer = self.receive().await?;
                let said = answer.as_ref().and_then(|answer| answer.get("return")).and_then(Json::as_u64);
                if said == Some(id) {
                    return Ok(());
                }
            }
            Err(AgentError::Malformed("too much that is no answer".to_owned()))
        };
        tokio::time::timeout(bound, answered).await.unwrap_or(Err(AgentError::NotThere(bound)))
    }

    async fn send(&mut self, name: &str, arguments: Option<&Json>) -> Result<(), AgentError> {
        let name = Json::from(name);
        let text = match arguments {
            Some(arguments) => format!("{{\"execute\":{name},\"arguments\":{arguments}}}\n"),
            None => format!("{{\"execute\":{name}}}\n"),
        };
        self.sink.write_all(text.as_bytes()).await.map_err(|_| AgentError::Gone)
    }

    /// The next line that holds anything; `None` where it is no JSON object.
    async fn receive(&mut self) -> Result<Option<JsonMap>, AgentError> {
        loop {
            match read_line(&mut self.source, &mut self.line, ANSWER_LIMIT).await {
                Ok(true) => {}
                Ok(false) | Err(MonitorError::Gone) => return Err(AgentError::Gone),
                Err(error) => return Err(AgentError::Malformed(error.to_string())),
            }
            // An agent marks the start of an answer by a byte that is no text.
            let start = self.line.iter().rposition(|byte| *byte == 0xff).map_or(0, |at| at + 1);
            let text = std::str::from_utf8(self.line.get(start..).unwrap_or_default()).map(str::trim);
            match text {
                Ok("") => {}
                Ok(text) => {
                    return Ok(match text.parse::<Json>() {
                        Ok(Json::Object(members)) => Some(members),
                        _ => None,
                    });
                }
                Err(_) => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

    /// An agent that says these lines for each command that is no synchronisation.
    fn scripted(said: &'static [&'static str], strays: &'static str) -> Agent {
        let (ours, theirs) = UnixStream::pair().unwrap();
        tokio::spawn(async move {
            let (read, mut write) = theirs.into_split();
            let mut lines = BufReader::new(read).lines();
            let mut turn = said.iter();
            write.write_all(strays.as_bytes()).await.unwrap();
            while let Ok(Some(line)) = lines.next_line().await {
                let asked: Json = line.parse().unwrap();
                let answer = match asked["execute"].as_str() {
                    Some("guest-sync") => format!("{{\"return\": {}}}\n", asked["arguments"]["id"]),
                    _ => match turn.next() {
                        Some(&"") => continue,
                        Some(text) => format!("{text}\n"),
                        None => return,
                    },
                };
                if write.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        Agent::over(ours, 7)
    }

    #[tokio::test]
    async fn answers_refusals_and_rubbish() {
        let said = &[
            "{\"return\": {\"a\": 1}}",
            "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}",
            "[]",
        ];
        let mut agent = scripted(said, "left over\n{\"return\": 3}\n");
        assert_eq!(agent.command("guest-ping", None, None).await, Ok(json!({"a": 1})));
        let error = agent.command("guest-x", None, None).await.unwrap_err();
        assert!(error.is_unknown_command());
        assert_eq!(
            Error::from(error).to_string(),
            "internal error: unable to execute QEMU agent command 'guest-x': no"
        );
        assert!(matches!(agent.command("guest-y", None, None).await, Err(AgentError::Malformed(_))));
        assert_eq!(agent.command("guest-z", None, None).await, Err(AgentError::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_bounded() {
        let mut agent = scripted(&["", "{\"return\": 5}"], "");
        let bound = Some(Duration::from_secs(2));
        let late = agent.command("guest-a", None, bound).await.unwrap_err();
        assert_eq!(late, AgentError::Timeout(Duration::from_secs(2)));
        assert_eq!(agent.command("guest-b", None, bound).await, Ok(json!(5)));
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let silent = Agent::over(ours, 0).command("guest-a", None, None).await.unwrap_err();
        assert_eq!(
            Error::from(silent).to_string(),
            "Guest agent is not responding: guest agent didn't respond to synchronization within '5' seconds"
        );
    }
}
