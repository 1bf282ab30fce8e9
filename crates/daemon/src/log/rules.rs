//! Filters and outputs as settings and administrators write them.
//!
//! Owns: that grammar, both ways. Never: opens an output.

use std::fmt;
use std::path::PathBuf;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::tls::fits;

use super::output::Place;

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// For those who look for a fault.
    Debug = 1,
    /// What happens.
    Info = 2,
    /// What may be wrong.
    Warning = 3,
    /// What went wrong.
    Error = 4,
}

impl Priority {
    /// A priority by its number in the settings: 1 says most, 4 least.
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Priority::Debug),
            2 => Some(Priority::Info),
            3 => Some(Priority::Warning),
            4 => Some(Priority::Error),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::from_number)
    }
}

/// Which messages of which sources are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The least important that are.
    pub priority: Priority,
    /// What the source's name has to fit: `*` stands for anything, `?` for one character.
    pub pattern: String,
}

impl Filter {
    /// Whether it is about this source.
    pub fn matches(&self, source: &str) -> bool {
        fits(&self.pattern, source)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.priority as u8, self.pattern)
    }
}

/// An output, and the least important messages that go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The least important.
    pub priority: Priority,
    /// Where they go.
    pub place: Place,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let priority = self.priority as u8;
        match &self.place {
            Place::Stderr => write!(f, "{priority}:stderr"),
            Place::Journal => write!(f, "{priority}:journald"),
            Place::Syslog(name) => write!(f, "{priority}:syslog:{name}"),
            Place::File(path) => write!(f, "{priority}:file:{}", path.display()),
        }
    }
}

fn wrong(text: String) -> Error {
    Error::new(Code::InvalidArg, Origin::None, text)
}

/// The filters of a list like `1:qemu 3:util`.
pub fn parse_filters(text: &str) -> Result<Vec<Filter>> {
    text.split_ascii_whitespace().map(parse_filter).collect()
}

fn parse_filter(text: &str) -> Result<Filter> {
    let (number, name) =
        text.split_once(':').ok_or_else(|| wrong(format!("Malformed format for filter '{text}'")))?;
    let priority = Priority::parse(number)
        .ok_or_else(|| wrong(format!("Invalid priority '{number}' for filter '{text}'")))?;
    // A sign once asked for the way a call came, which is not kept any more.
    let name = name.strip_prefix('+').unwrap_or(name);
    if name.is_empty() {
        return Err(wrong(format!("Invalid match string '{name}'")));
    }
    Ok(Filter { priority, pattern: format!("*{name}*") })
}

/// The outputs of a list like `3:stderr 1:file:/var/log/x`.
pub fn parse_outputs(text: &str) -> Result<Vec<Output>> {
    text.split_ascii_whitespace().map(parse_output).collect()
}

fn parse_output(text: &str) -> Result<Output> {
    let (number, place) =
        text.split_once(':').ok_or_else(|| wrong(format!("Malformed format for log output '{text}'")))?;
    let priority = Priority::parse(number)
        .ok_or_else(|| wrong(format!("Invalid log priority '{number}' for log output '{text}'")))?;
    let (kind, rest) = match place.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (place, None),
    };
    let place = match (kind, rest) {
        ("stderr", None) => Place::Stderr,
        ("journald", None) => Place::Journal,
        ("syslog", Some(name)) if !name.is_empty() => Place::Syslog(name.to_owned()),
        ("file", Some(path)) if !path.is_empty() => {
            Place::File(std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)))
        }
        ("stderr" | "journald" | "syslog" | "file", _) => {
            return Err(wrong(format!(
                "Log output '{text}' does not meet the format requirements for destination type '{kind}'"
            )));
        }
        _ => return Err(wrong(format!("Invalid log destination '{kind}' for log output '{text}'"))),
    };
    Ok(Output { priority, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let shown = |text: &str| match parse_outputs(text) {
            Ok(outputs) => outputs.iter().map(Output::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        let all = "3:syslog:x 1:file:/a/b 4:stderr 2:journald";
        assert_eq!(shown(all), all);
        let cases = [
            ("z", "invalid argument: Malformed format for log output 'z'"),
            ("0:stderr", "invalid argument: Invalid log priority '0' for log output '0:stderr'"),
            ("3:foo", "invalid argument: Invalid log destination 'foo' for log output '3:foo'"),
            (
                "3:file",
                "invalid argument: Log output '3:file' does not meet the format requirements for destination type 'file'",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected);
        }
        let shown = |text: &str| match parse_filters(text) {
            Ok(filters) => filters.iter().map(Filter::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        let cases = [
            ("1:qemu  3:+util", "1:*qemu* 3:*util*"),
            ("x", "invalid argument: Malformed format for filter 'x'"),
            ("5:x", "invalid argument: Invalid priority '5' for filter '5:x'"),
            ("1:", "invalid argument: Invalid match string ''"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected);
        }
    }
}
