//! The words after a command's name, held against the command's options.
//!
//! Owns: which word is the value of which option. Never: reads a value's meaning beyond its number.

use crate::commands;
use crate::failure::Failure;
use crate::table::{Command, Kind, Opt};

/// The options of one call of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments<'a> {
    given: Vec<(&'static str, &'a str)>,
}

/// A command and its options.
#[derive(Debug, Clone)]
pub(crate) struct Invocation<'a> {
    /// The command.
    pub(crate) command: &'static Command,
    /// Its options.
    pub(crate) arguments: Arguments<'a>,
}

/// Reads one command. Fails with a complaint.
pub(crate) fn parse(words: &[String]) -> Result<Option<Invocation<'_>>, String> {
    let Some((name, rest)) = words.split_first() else {
        return Ok(None);
    };
    let command = commands::find(name).ok_or_else(|| format!("unknown command: '{name}'"))?;
    let arguments = Reading { command, given: Vec::new() }.all(rest)?;
    Ok(Some(Invocation { command, arguments }))
}

struct Reading<'a> {
    command: &'static Command,
    given: Vec<(&'static str, &'a str)>,
}

impl<'a> Reading<'a> {
    fn all(mut self, words: &'a [String]) -> Result<Arguments<'a>, String> {
        let mut rest = words.iter();
        let mut options = true;
        while let Some(word) = rest.next() {
            match word.strip_prefix("--").filter(|_| options) {
                Some("") => options = false,
                Some(named) => self.named(named, &mut rest)?,
                None => self.placed(word)?,
            }
        }
        let missing = self.command.options.iter().find(|o| o.required && !self.has(o.name));
        match missing {
            Some(option) => Err(format!("command '{}' requires <{}> option", self.command.name, option.name)),
            None => Ok(Arguments { given: self.given }),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    fn named(&mut self, named: &'a str, rest: &mut impl Iterator<Item = &'a String>) -> Result<(), String> {
        let (name, value) = match named.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (named, None),
        };
        let option = self
            .command
            .option(name)
            .ok_or_else(|| format!("command '{}' doesn't support option --{name}", self.command.name))?;
        if option.kind != Kind::Rest && self.has(name) {
            return Err(format!("option --{name} already seen"));
        }
        let value = match (option.kind, value) {
            (Kind::Flag, Some(_)) => return Err(format!("invalid '=' after option --{name}")),
            (Kind::Flag, None) => "",
            (_, Some(value)) => value,
            (kind, None) => {
                rest.next().ok_or_else(|| format!("expected syntax: --{name} {}", kind.placeholder()))?
            }
        };
        self.given.push((option.name, value));
        Ok(())
    }

    fn placed(&mut self, word: &'a str) -> Result<(), String> {
        let free = |option: &&Opt| option.positional && (option.kind == Kind::Rest || !self.has(option.name));
        let option = self.command.options.iter().find(free);
        let option = option.ok_or_else(|| format!("unexpected data '{word}'"))?;
        self.given.push((option.name, word));
        Ok(())
    }
}

impl<'a> Arguments<'a> {
    /// Every value of this option, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// Whether the option is there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of an option. An empty one is refused.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        match self.all(name).next() {
            Some("") => Err(Failure::new(format!("Failed to get option '{name}': Option argument is empty"))),
            other => Ok(other),
        }
    }

    /// The value of an option that the command needs.
    pub(crate) fn needed(&self, name: &str) -> Result<&'a str, Failure> {
        self.text(name)?.ok_or_else(|| Failure::new(format!("Failed to get option '{name}'")))
    }

    /// The value of an option that takes a number above zero.
    pub(crate) fn positive(&self, name: &str) -> Result<Option<u32>, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| {
            Failure::new(format!("Numeric value '{text}' for <{name}> option is malformed or out of range"))
        })
    }

    /// The bits of those options of `table` that are there.
    pub(crate) fn bits(&self, table: &[(&str, u32)]) -> u32 {
        table.iter().filter(|(name, _)| self.flag(name)).fold(0, |all, (_, bit)| all | bit)
    }

    /// Refuses two options that do not go together.
    pub(crate) fn exclude(&self, one: &str, other: &str) -> Result<(), Failure> {
        if self.flag(one) && self.flag(other) {
            let text = format!("Options --{one} and --{other} are mutually exclusive");
            return Err(Failure::new(text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(&'static str, String)>, String> {
        let words: Vec<String> = line.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect();
        let invocation = parse(&words)?.unwrap();
        Ok(invocation.arguments.given.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn options_and_values() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("list", &[]),
            ("list --all --name", &[("all", ""), ("name", "")]),
            ("start dom", &[("domain", "dom")]),
            ("start --domain dom", &[("domain", "dom")]),
            ("start --domain=dom --paused", &[("domain", "dom"), ("paused", "")]),
            ("start --paused dom", &[("paused", ""), ("domain", "dom")]),
            ("start -- --paused", &[("domain", "--paused")]),
            ("start --domain=", &[("domain", "")]),
            ("start -1", &[("domain", "-1")]),
            ("shutdown dom acpi", &[("domain", "dom"), ("mode", "acpi")]),
            ("shutdown --mode acpi dom", &[("mode", "acpi"), ("domain", "dom")]),
            (
                "echo a --shell b -- --xml",
                &[("string", "a"), ("shell", ""), ("string", "b"), ("string", "--xml")],
            ),
        ];
        for (line, expected) in table {
            let expected: Vec<(&str, String)> = expected.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn complaints() {
        let table = [
            ("foo", "unknown command: 'foo'"),
            ("start", "command 'start' requires <domain> option"),
            ("start --foo", "command 'start' doesn't support option --foo"),
            ("start --domain", "expected syntax: --domain <string>"),
            ("event --timeout", "expected syntax: --timeout <number>"),
            ("list --all=3", "invalid '=' after option --all"),
            ("list extra", "unexpected data 'extra'"),
            ("list --al", "command 'list' doesn't support option --al"),
            ("define a b", "unexpected data 'b'"),
            ("define --file a --file b", "option --file already seen"),
            ("define a --file b", "option --file already seen"),
        ];
        for (line, complaint) in table {
            assert_eq!(read(line).unwrap_err(), complaint, "{line}");
        }
    }

    #[test]
    fn values() {
        let words: Vec<String> = ["event", "--timeout", "0", "--event="].map(str::to_owned).to_vec();
        let arguments = parse(&words).unwrap().unwrap().arguments;
        let said = |failure: Failure| failure.lines().join("\n");
        assert_eq!(
            said(arguments.positive("timeout").unwrap_err()),
            "Numeric value '0' for <timeout> option is malformed or out of range"
        );
        assert_eq!(
            said(arguments.text("event").unwrap_err()),
            "Failed to get option 'event': Option argument is empty"
        );
    }
}
