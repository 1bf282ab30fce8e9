//! What one run of the program holds: its options, its connection, its way to the terminal.
//!
//! Owns: when to connect and what is printed where. Never: knows a command.

use std::io::{self, Write};

use ostler_base::{Code, Error, Json, Origin, Result};
use ostler_rpc::programs::remote::procedures::ConnectClose;
use ostler_rpc::{Client, Events, Procedure};
use tokio::runtime::Runtime;

use crate::aliases::Aliases;
use crate::connect::greet;
use crate::globals::Globals;
use crate::output::{Facts, Table};
use crate::uri::{Surroundings, Target};

/// A connection and what drives it.
#[derive(Debug)]
struct Link {
    runtime: Runtime,
    client: Client,
    events: Events,
}

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Session {
    /// What the command line says to all commands.
    pub(crate) globals: Globals,
    link: Option<Link>,
}

impl Session {
    /// A run without a connection yet.
    pub(crate) fn new(globals: Globals) -> Self {
        Session { globals, link: None }
    }

    /// Connects, if that has not happened.
    pub(crate) fn connect(&mut self) -> Result<()> {
        self.link().map(|_| ())
    }

    /// The URI that was asked for, on the command line or by the environment.
    pub(crate) fn uri(&self) -> Option<String> {
        surroundings(&aliases().ok()?).uri(self.globals.uri.as_deref())
    }

    fn link(&mut self) -> Result<&mut Link> {
        let link = match self.link.take() {
            Some(link) => link,
            None => {
                let aliases = aliases()?;
                let surroundings = surroundings(&aliases);
                let uri = surroundings.uri(self.globals.uri.as_deref());
                open(surroundings.target(uri.as_deref())?, self.globals.read_only)?
            }
        };
        Ok(self.link.insert(link))
    }

    /// Calls a procedure. What a read-only connection may not do is refused here.
    pub(crate) fn call<P: Procedure>(&mut self, args: &P::Args) -> Result<P::Ret> {
        let rule = &P::ROW.rule;
        if self.globals.read_only && !rule.allows_read_only(P::condition(args)) {
            let text = format!("read only access prevents {}", rule.api);
            return Err(Error::new(Code::OperationDenied, Origin::None, text));
        }
        let link = self.link()?;
        link.runtime.block_on(link.client.call::<P>(args))
    }

    /// Runs `work` over the connection's events.
    pub(crate) fn with_events<T>(&mut self, work: impl AsyncFnOnce(&mut Events) -> T) -> Result<T> {
        let link = self.link()?;
        Ok(link.runtime.block_on(work(&mut link.events)))
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Says good-bye to the server, if there is one.
    pub(crate) fn end(mut self) {
        if self.link.is_some() {
            // A server that is gone has nothing to be told.
            let _ = self.call::<ConnectClose>(&());
        }
    }

    /// Prints what a command is about.
    pub(crate) fn print(&self, text: &str) {
        print(text);
    }

    /// Prints what only people need.
    pub(crate) fn remark(&self, text: &str) {
        if !self.globals.quiet && !self.globals.json {
            self.print(text);
        }
    }

    /// Prints what is not as one might think, beside what a command is about.
    pub(crate) fn warn(&self, line: &str) {
        // There is nobody else to tell.
        let _ = writeln!(io::stderr(), "warning: {line}");
    }

    /// Prints complaints.
    pub(crate) fn complain<S: AsRef<str>>(&self, lines: &[S]) {
        for line in lines {
            // There is nobody else to tell.
            let _ = writeln!(io::stderr(), "error: {}", line.as_ref());
        }
    }

    /// Prints a table.
    pub(crate) fn table(&self, table: &Table) {
        match self.globals.json {
            true => self.json(&table.json()),
            false => self.print(&table.text(!self.globals.quiet)),
        }
    }

    /// Prints the rows of a table with nothing but a blank between values.
    pub(crate) fn words(&self, table: &Table) {
        match self.globals.json {
            true => self.json(&table.json()),
            false => self.print(&table.words()),
        }
    }

    /// Prints facts.
    pub(crate) fn facts(&self, facts: &Facts) {
        match self.globals.json {
            true => self.json(&facts.json()),
            false => self.print(&facts.text()),
        }
    }

    fn json(&self, json: &Json) {
        self.print(&format!("{json}\n"));
    }
}

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    // A reader that went away wants no more.
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

fn aliases() -> Result<Aliases> {
    Aliases::load(rustix::process::geteuid().is_root(), |name| std::env::var(name).ok())
}

fn surroundings(aliases: &Aliases) -> Surroundings<'_> {
    let root = rustix::process::geteuid().is_root();
    Surroundings { root, variable: &|name| std::env::var(name).ok(), aliases }
}

fn open(target: Target, read_only: bool) -> Result<Link> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|e| Error::new(Code::SystemError, Origin::Rpc, format!("cannot wait for input: {e}")))?;
    let (client, events) = runtime.block_on(greet(target, read_only))?;
    Ok(Link { runtime, client, events })
}
