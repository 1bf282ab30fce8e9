//! The packet filter's rules of a network: put in, looked after, taken out.
//!
//! Owns: that a network's rules are there while it runs and gone afterwards; rules of nft go in and
//! out in one transaction. Never: decides which traffic passes.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use ostler_host::Program;
use ostler_pools::Command;
use ostler_pools::network::Network as Model;
use ostler_pools::network::firewall::{self, Backend, Step, Undo};
use ostler_vocab::inet::Family;

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

fn run(command: &Command) -> Result<String> {
    let mut program = Program::new(&command.program, command.args.iter().map(String::as_str));
    program.input.clone_from(&command.stdin);
    program.run()
}

fn apply_one(command: &Command) -> Result<String> {
    run(command).map_err(|error| {
        let detail = format!("Failed to apply firewall command '{}': {}", command.to_shell(), said(&error));
        Error::new(Code::InternalError, Origin::Firewall, detail)
    })
}

/// What a program said, without the line that ran it.
fn said(error: &Error) -> String {
    error
        .detail()
        .split_once("exit status ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or_else(|| error.detail().to_owned(), |(_, words)| words.to_owned())
}

/// Puts the rules of a network in; what takes them back, in this order. Where one cannot be put in,
/// none is left.
pub(super) fn apply(network: &Model, backend: Backend) -> Result<Vec<Command>> {
    let steps = firewall::plan(network, backend)?;
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let _turn = turn();
    let mut shared = Vec::new();
    for family in FAMILIES {
        let answers: Vec<String> = firewall::setup_questions(backend, family)
            .iter()
            .map(|question| run(question).unwrap_or_default())
            .collect();
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        shared.extend(firewall::setup(backend, family, &answers));
    }
    let mut done = Done::default();
    match done.all(&shared, &steps) {
        Ok(()) => Ok(done.removal()),
        Err(error) => {
            take_out(&done.removal());
            Err(error)
        }
    }
}

/// What was done, first to last: how each is taken back.
#[derive(Default)]
struct Done(Vec<Command>);

/// Rules of nft that wait for the end of their transaction.
#[derive(Default)]
struct Batch {
    script: String,
    undos: Vec<Option<(&'static str, &'static str)>>,
}

impl Batch {
    fn add(&mut self, command: &Command, undo: Option<(&'static str, &'static str)>) {
        let words = command.args.iter().filter(|word| !word.starts_with('-'));
        let line = words.map(String::as_str).collect::<Vec<_>>().join(" ");
        // Only rules have a number that is asked for.
        if line.starts_with("insert rule") {
            self.undos.push(undo);
        }
        // A text that grows takes everything.
        let _ = writeln!(self.script, "{line}");
    }
}

impl Done {
    fn removal(&self) -> Vec<Command> {
        self.0.iter().rev().cloned().collect()
    }

    fn all(&mut self, shared: &[Command], steps: &[Step]) -> Result<()> {
        let mut batch = Batch::default();
        for command in shared {
            match command.program.as_str() {
                "nft" => batch.add(command, None),
                _ => _ = apply_one(command)?,
            }
        }
        for step in steps {
            match step {
                Step::Run { command, undo: Undo::NftHandle { family, chain } } => {
                    batch.add(command, Some((*family, *chain)));
                }
                Step::Run { command, undo } => {
                    apply_one(command)?;
                    self.note(undo);
                }
                Step::Try { command, undo } => match run(command) {
                    Ok(_) => self.note(undo),
                    Err(error) => {
                        tracing::warn!(command = command.to_shell(), why = said(&error), "passed over");
                    }
                },
                Step::Unless { question, command } => {
                    if run(question).unwrap_or_default().trim().is_empty() {
                        apply_one(command)?;
                    }
                }
            }
        }
        self.commit(&batch)
    }

    fn note(&mut self, undo: &Undo) {
        if let Undo::Run(command) = undo {
            self.0.push(command.clone());
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<()> {
        if batch.script.is_empty() {
            return Ok(());
        }
        let mut command = Command::new("nft", ["-ae", "-f", "-"]);
        command.stdin = Some(batch.script.clone());
        let echo = apply_one(&command)?;
        let rules = echo.lines().filter(|line| line.trim_start().starts_with("insert rule"));
        for (line, undo) in rules.zip(&batch.undos) {
            let handle = line.rsplit_once("# handle ").map(|(_, handle)| handle.trim());
            if let (Some((family, chain)), Some(handle)) = (undo, handle) {
                self.0.push(firewall::delete_nft_rule(family, chain, handle));
            }
        }
        Ok(())
    }
}

/// Takes rules out, and shared chains with the last of them. What is gone already is no fault; what
/// cannot be taken out is logged.
pub(super) fn remove(removal: &[Command]) {
    let _turn = turn();
    take_out(removal);
}

fn take_out(removal: &[Command]) {
    let (rules, others): (Vec<_>, Vec<_>) = removal.iter().partition(|command| command.program == "nft");
    let mut left = present(&tables(&rules));
    let mut script = String::new();
    for rule in &rules {
        // A text that grows takes everything.
        if place(rule).is_some_and(|place| left.remove(&place)) {
            let _ = writeln!(script, "{}", rule.args.join(" "));
        }
    }
    for (family, table) in tables(&rules) {
        // What is left jumps to chains that are empty now.
        if left.iter().all(|place| place.family != family || place.chain == "forward")
            && left.iter().any(|place| place.family == family)
        {
            let _ = writeln!(script, "delete table {family} {table}");
        }
    }
    if !script.is_empty() {
        let mut command = Command::new("nft", ["-f", "-"]);
        command.stdin = Some(script);
        report(run(&command));
    }
    for command in others {
        // Rules go with their device, or were flushed by somebody.
        if let Err(error) = run(command) {
            tracing::debug!(%error, "a rule of the packet filter is gone already");
        }
    }
}

fn report(outcome: Result<String>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "cannot take rules of the packet filter back");
    }
}

/// Whether all rules that these commands would take out are there. Rules of iptables are believed to be.
pub(super) fn is_whole(removal: &[Command]) -> bool {
    let rules: Vec<_> = removal.iter().filter(|command| command.program == "nft").collect();
    let present = present(&tables(&rules));
    rules.iter().all(|rule| place(rule).is_some_and(|place| present.contains(&place)))
}

/// Networks share chains: one at a time changes them.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a rule is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    family: String,
    chain: String,
    handle: String,
}

/// Where the rule is that a command deletes.
fn place(command: &Command) -> Option<Place> {
    let word = |at: usize| command.args.get(at).cloned();
    Some(Place { family: word(2)?, chain: word(4)?, handle: word(6)? })
}

/// The tables of both families, if there are rules of either.
fn tables(rules: &[&Command]) -> Vec<(&'static str, String)> {
    let table = rules.iter().find_map(|rule| rule.args.get(3).cloned());
    table.map_or_else(Vec::new, |table| vec![("ip", table.clone()), ("ip6", table)])
}

/// Every rule of these tables.
fn present(tables: &[(&'static str, String)]) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for (family, table) in tables {
        let listed = run(&Command::new("nft", ["-a", "list", "table", family, table])).unwrap_or_default();
        let mut chain = "";
        for line in listed.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("chain ") {
                chain = rest.split(' ').next().unwrap_or_default();
            } else if let Some((_, handle)) =
                line.rsplit_once("# handle ").filter(|_| !line.starts_with("table "))
            {
                let (family, chain) = ((*family).to_owned(), chain.to_owned());
                found.insert(Place { family, chain, handle: handle.to_owned() });
            }
        }
    }
    found
}
