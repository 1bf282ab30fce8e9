//! What a command is: the rows that parsing, `help` and the reference page are made from.
//!
//! Owns: the types of a row. Never: holds a command itself.

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::session::Session;

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: it is there or not.
    Flag,
    /// A text.
    Text,
    /// A number.
    Number,
    /// Every word that is left.
    Rest,
}

impl Kind {
    /// What stands for its value in help and in complaints.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Kind::Flag => "",
            Kind::Text | Kind::Rest => "<string>",
            Kind::Number => "<number>",
        }
    }
}

/// An option of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    /// Its name, without the dashes.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Whether the command needs it.
    pub(crate) required: bool,
    /// Whether its value may stand without its name.
    pub(crate) positional: bool,
    /// One line on what it is for.
    pub(crate) help: &'static str,
}

/// An option that is there or not.
pub(crate) const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt { name, kind: Kind::Flag, required: false, positional: false, help }
}

/// An option with a value, which has to be named.
pub(crate) const fn named(name: &'static str, kind: Kind, help: &'static str) -> Opt {
    Opt { name, kind, required: false, positional: false, help }
}

/// An option with a value, which may be left out, and need not be named.
pub(crate) const fn placed(name: &'static str, kind: Kind, help: &'static str) -> Opt {
    Opt { name, kind, required: false, positional: true, help }
}

/// A text that the command needs; it need not be named.
pub(crate) const fn needed(name: &'static str, help: &'static str) -> Opt {
    Opt { name, kind: Kind::Text, required: true, positional: true, help }
}

/// The domain that a command is about.
pub(crate) const DOMAIN: Opt = needed("domain", "domain name, id or uuid");

/// What carries a command out.
pub(crate) type Run = fn(&mut Session, &Arguments<'_>) -> Result<(), Failure>;

/// A command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command {
    /// Its name.
    pub(crate) name: &'static str,
    /// One line on what it does.
    pub(crate) summary: &'static str,
    /// More about it; may be empty.
    pub(crate) description: &'static str,
    /// Its options, in the order in which values without a name are taken.
    pub(crate) options: &'static [Opt],
    /// Whether it needs a connection.
    pub(crate) connects: bool,
    /// What carries it out.
    pub(crate) run: Run,
}

impl Command {
    /// The option with this name.
    pub(crate) fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// Commands that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its name for people.
    pub(crate) title: &'static str,
    /// Its name for `help`.
    pub(crate) keyword: &'static str,
    /// Its commands.
    pub(crate) commands: &'static [Command],
}
