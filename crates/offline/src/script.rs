//! A monitor that answers from a script: each command must be the one that comes next.

use ostler_base::{Error, Json, Result};
use ostler_plan::Command;

/// What a script says of one command.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The command that must come.
    pub command: String,
    /// Devices that are gone before it is answered.
    pub gone: Vec<String>,
    /// The answer.
    pub reply: Json,
}

/// A monitor.
#[derive(Debug)]
pub(crate) struct Script {
    lines: std::vec::IntoIter<Line>,
    /// Names of the commands that came.
    pub sent: Vec<String>,
    /// Devices that are gone.
    pub gone: Vec<String>,
}

impl Script {
    pub(crate) fn new(lines: Vec<Line>) -> Self {
        Script { lines: lines.into_iter(), sent: Vec::new(), gone: Vec::new() }
    }

    /// Takes a command; what it returns.
    pub(crate) fn send(&mut self, name: &str) -> Result<Json> {
        let Some(line) = self.lines.next() else {
            return Err(Error::internal(format!("the script has no answer to '{name}'")));
        };
        if line.command != name {
            let detail = format!("the script expects '{}', got '{name}'", line.command);
            return Err(Error::internal(detail));
        }
        self.sent.push(name.to_owned());
        self.gone.extend(line.gone);
        match line.reply.get("return") {
            Some(value) => Ok(value.clone()),
            None => {
                let desc = line.reply["error"]["desc"].as_str().unwrap_or_default();
                Err(Error::internal(format!("unable to execute QEMU command '{name}': {desc}")))
            }
        }
    }

    /// Sends commands in order; what they return.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Result<Vec<Json>> {
        commands.iter().map(|command| self.send(command.name)).collect()
    }
}
