//! Recordings of a monitor: questions and their answers in a text.
//!
//! Owns: the form of such a text, and playing it to a probe. Never: answers what was not recorded.
//!
//! A text holds one conversation, or two where the emulator was started again with translation
//! only. Each begins with `qmp_capabilities`; each command is followed by its reply.

use std::collections::HashMap;

use ostler_base::{Error, Json, Result, refuse};
use serde_json::Deserializer;

use super::Emulator;
use super::probe::{ProbeHost, Prober, Question, Reply, Step};

/// The class that a monitor gives for what it does not know.
const NOT_FOUND: &str = "CommandNotFound";

/// A recorded monitor.
#[derive(Debug, Default)]
pub struct Recording {
    conversations: Vec<Conversation>,
}

/// Replies by command; each with the arguments it was sent with.
type Conversation = HashMap<String, Vec<(Json, Json)>>;

impl Recording {
    /// Reads a recording. Of several replies to the same question the first counts.
    pub fn read(text: &str) -> Result<Self> {
        let mut recording = Recording::default();
        let mut open: Option<(String, Json)> = None;
        for item in Deserializer::from_str(text).into_iter::<Json>() {
            let mut item = item.map_err(|e| Error::internal(format!("malformed recording: {e}")))?;
            let command = item["execute"].as_str().map(str::to_owned);
            match (command, open.take()) {
                (Some(command), None) => {
                    if command == "qmp_capabilities" {
                        recording.conversations.push(Conversation::new());
                    }
                    open = Some((command, item["arguments"].take()));
                }
                (None, Some((command, arguments))) => recording.add(command, arguments, item)?,
                _ => refuse!(internal, "malformed recording: a command or its reply is missing"),
            }
        }
        Ok(recording)
    }

    fn add(&mut self, command: String, arguments: Json, reply: Json) -> Result<()> {
        let Some(conversation) = self.conversations.last_mut() else {
            refuse!(internal, "malformed recording: '{command}' before any greeting");
        };
        let known = conversation.entry(command).or_default();
        if known.iter().all(|(other, _)| *other != arguments) {
            known.push((arguments, reply));
        }
        Ok(())
    }

    /// The reply to a question in a conversation, counted from 0.
    pub fn reply(&self, conversation: usize, question: &Question) -> Reply<'_> {
        let found =
            self.conversations.get(conversation).and_then(|c| c.get(question.command)).and_then(|all| {
                all.iter().find(|(a, _)| question.arguments.as_ref().unwrap_or(&Json::Null) == a)
            });
        match found {
            Some((_, reply)) => match reply.get("return") {
                Some(answer) => Reply::Return(answer),
                None => Reply::Error(reply["error"]["class"].as_str().unwrap_or(NOT_FOUND)),
            },
            None => Reply::Error(NOT_FOUND),
        }
    }

    /// What follows from the recording for the emulator at a path.
    pub fn probe(&self, path: &str, host: ProbeHost) -> Result<Emulator> {
        let (mut prober, mut step) = Prober::begin(path, host);
        let mut conversation = 0;
        loop {
            step = match step {
                Step::Ask(questions) => {
                    let replies: Vec<_> = questions.iter().map(|q| self.reply(conversation, q)).collect();
                    prober.answer(&replies)?
                }
                Step::Restart => {
                    conversation = 1;
                    prober.restarted()
                }
                Step::Done(emulator) => return Ok(*emulator),
            };
        }
    }
}
