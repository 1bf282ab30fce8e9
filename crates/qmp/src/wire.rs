//! Lines and messages.
//!
//! Owns: the bound on a line, and what each kind of message looks like. Never: keeps state between
//! messages.

use ostler_base::{Json, JsonMap};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::{Event, MonitorError};

/// The longest line that is read, in bytes.
pub const LINE_LIMIT: usize = 64 << 20;

/// A line buffer larger than this is given back after use.
const LINE_KEPT: usize = 256 << 10;

/// The version of an emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub micro: u32,
}

/// What QEMU says first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Greeting {
    /// Its version.
    pub version: Version,
    /// The package it comes from; may be empty.
    pub package: String,
    /// What the monitor offers (`oob`).
    pub capabilities: Vec<String>,
}

/// A refusal: class and description.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) class: String,
    pub(crate) desc: String,
}

/// What a command ended with.
pub(crate) type Outcome = Result<Json, Refusal>;

/// A message from QEMU.
#[derive(Debug)]
pub(crate) enum Message {
    Event(Event),
    Answer {
        id: u64,
        outcome: Outcome,
    },
    /// An answer to nothing that was asked.
    Stray,
}

/// Reads the next line into `line`, without its end; false at the end of the stream. What stands
/// after the last line end is not a line.
pub(crate) async fn read_line<R: AsyncBufRead + Unpin>(
    source: &mut R,
    line: &mut Vec<u8>,
    limit: usize,
) -> Result<bool, MonitorError> {
    line.clear();
    if line.capacity() > LINE_KEPT {
        line.shrink_to(LINE_KEPT);
    }
    loop {
        let chunk = source.fill_buf().await.map_err(|_| MonitorError::Gone)?;
        if chunk.is_empty() {
            return Ok(false);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        if line.len().saturating_add(taken.len()) > limit {
            return Err(MonitorError::Protocol(format!("a line of more than {limit} bytes")));
        }
        line.extend_from_slice(taken);
        let used = taken.len() + usize::from(end.is_some());
        source.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn object(line: &[u8]) -> Result<JsonMap, MonitorError> {
    let text = std::str::from_utf8(line)
        .map_err(|_| MonitorError::Protocol("a line that is not UTF-8".to_owned()))?;
    match text.parse::<Json>() {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(MonitorError::Protocol("a message that is no object".to_owned())),
        Err(error) => Err(MonitorError::Protocol(format!("a message that is no JSON: {error}"))),
    }
}

/// Reads the first message.
pub(crate) fn greeting(line: &[u8]) -> Result<Greeting, MonitorError> {
    let message = object(line)?;
    let hello = message.get("QMP").ok_or_else(|| MonitorError::Protocol("no greeting".to_owned()))?;
    let number = |name: &str| {
        let value = hello.pointer(&format!("/version/qemu/{name}")).and_then(Json::as_u64);
        value.and_then(|value| u32::try_from(value).ok())
    };
    let words = hello.get("capabilities").and_then(Json::as_array);
    let package = hello.pointer("/version/package").and_then(Json::as_str).unwrap_or_default();
    Ok(Greeting {
        version: Version {
            major: number("major").unwrap_or_default(),
            minor: number("minor").unwrap_or_default(),
            micro: number("micro").unwrap_or_default(),
        },
        package: package.to_owned(),
        capabilities: words.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect(),
    })
}

/// Reads any later message.
pub(crate) fn decode(line: &[u8]) -> Result<Message, MonitorError> {
    let mut message = object(line)?;
    if let Some(name) = message.get("event") {
        let Some(name) = name.as_str().map(str::to_owned) else {
            return Err(MonitorError::Protocol("an event without a name".to_owned()));
        };
        return Ok(Message::Event(Event::decode(&name, &Json::Object(message))));
    }
    let Some(id) = message.get("id").and_then(Json::as_u64) else { return Ok(Message::Stray) };
    if let Some(error) = message.get("error") {
        let word = |member: &str| error.get(member).and_then(Json::as_str).unwrap_or_default().to_owned();
        return Ok(Message::Answer {
            id,
            outcome: Err(Refusal { class: word("class"), desc: word("desc") }),
        });
    }
    match message.shift_remove("return") {
        Some(value) => Ok(Message::Answer { id, outcome: Ok(value) }),
        None => Err(MonitorError::Protocol("an answer that is neither a value nor an error".to_owned())),
    }
}

/// Writes a request: as few bytes as there can be, for QEMU reads each with a system call of its own.
pub(crate) fn request(out: &mut Vec<u8>, id: u64, command: &str, arguments: Option<&Json>) {
    let command = Json::from(command);
    let text = match arguments {
        Some(arguments) => format!("{{\"execute\":{command},\"arguments\":{arguments},\"id\":{id}}}\n"),
        None => format!("{{\"execute\":{command},\"id\":{id}}}\n"),
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn requests_are_short() {
        let mut out = Vec::new();
        request(&mut out, 3, "cont", None);
        request(&mut out, 4, "qom-get", Some(&json!({"path": "/a b", "property": "p"})));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "{\"execute\":\"cont\",\"id\":3}\n\
             {\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/a b\",\"property\":\"p\"},\"id\":4}\n"
        );
    }

    #[test]
    fn nothing_hostile_panics() {
        let deep = "[".repeat(100_000);
        for line in [
            "",
            "{",
            "[]",
            "{\"event\":3}",
            "{\"id\":1}",
            "\u{1}",
            "{\"id\":1,\"return\":\"\\ud800\"}",
            &deep,
        ] {
            assert!(matches!(decode(line.as_bytes()), Err(MonitorError::Protocol(_))), "{line}");
            assert!(greeting(line.as_bytes()).is_err());
        }
        assert!(decode(&[0xff, 0xfe]).is_err());
        assert!(matches!(decode(b"{\"return\":{}}"), Ok(Message::Stray)));
        assert!(matches!(decode(b"{\"id\":-1,\"return\":{}}"), Ok(Message::Stray)));
        let huge = br#"{"QMP":{"version":{"qemu":{"major":99999999999999999999}},"capabilities":3}}"#;
        assert_eq!(greeting(huge).unwrap(), Greeting::default());
    }
}
