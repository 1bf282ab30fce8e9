//! `ostler`: the client. It is called as virsh is, and prints what virsh prints.
//!
//! Owns: the order of things: options, commands, exit code. Never: knows a command.

mod aliases;
mod arguments;
mod commands;
mod connect;
mod failure;
mod globals;
mod help;
mod output;
mod pki;
mod session;
mod shell;
mod ssh;
mod table;
mod uri;
mod version;
mod words;

use std::process::ExitCode;

use arguments::Invocation;
use failure::{Failure, OrSay};
use globals::{Globals, Request};
use session::Session;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into()).collect();
    match words.split_first() {
        Some((command, rest)) if command == "conformance" => ExitCode::from(ostler_offline::main(rest)),
        Some((command, rest)) if command == "pki" => pki(rest),
        _ => client(words),
    }
}

fn pki(words: &[String]) -> ExitCode {
    let session = Session::new(Globals::default());
    match pki::run(words) {
        Ok(made) => {
            session.print(&made);
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            session.complain(&[complaint]);
            ExitCode::FAILURE
        }
    }
}

fn client(words: Vec<String>) -> ExitCode {
    let session = Session::new(Globals::default());
    let request = match globals::parse(words) {
        Ok(request) => request,
        Err(complaint) => {
            session.complain(&[complaint]);
            return ExitCode::FAILURE;
        }
    };
    match request {
        Request::Help => session.print(&help::program()),
        Request::Version => session.print(&format!("{}\n", version::dotted(version::API))),
        Request::LongVersion => session.print(&long_version()),
        Request::Run(globals, words) => return run(Session::new(globals), words),
    }
    ExitCode::SUCCESS
}

fn long_version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    format!("ostler {own}, which speaks as virsh of libvirt {}\n", version::dotted(version::API))
}

/// Runs what the command line says: no argument opens the shell, one is a list of commands, several
/// are one command.
fn run(mut session: Session, words: Vec<String>) -> ExitCode {
    let worked = match words.as_slice() {
        [] => interact(&mut session),
        // The shell of virsh takes nothing for a mistake.
        [nothing] if nothing.is_empty() => false,
        [text] => list(&mut session, text).worked,
        _ => all(&mut session, &[words]).worked,
    };
    session.end();
    if worked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn interact(session: &mut Session) -> bool {
    let opened = session.connect().or_say(|| "failed to connect to the hypervisor".to_owned());
    let ended = opened.and_then(|()| {
        shell::interact(session, |session, line| !list(session, line).leave).map_err(Failure::from)
    });
    ended.map_err(|failure| session.complain(&failure.lines())).is_ok()
}

/// How a list of commands went.
struct Done {
    /// Whether the last one worked.
    worked: bool,
    /// Whether the last one was to leave.
    leave: bool,
}

/// Runs a list of commands.
fn list(session: &mut Session, text: &str) -> Done {
    match words::split(text) {
        Ok(lists) => all(session, &lists),
        Err(complaint) => refuse(session, complaint),
    }
}

fn refuse(session: &Session, complaint: String) -> Done {
    session.complain(&[complaint]);
    Done { worked: false, leave: false }
}

/// Reads all commands, then runs one after the other, whether they fail or not.
fn all(session: &mut Session, lists: &[Vec<String>]) -> Done {
    let read: Result<Vec<_>, _> = lists.iter().map(|words| arguments::parse(words)).collect();
    let commands = match read {
        Ok(commands) => commands,
        Err(complaint) => return refuse(session, complaint),
    };
    let mut worked = true;
    for invocation in commands.iter().flatten() {
        worked = one(session, invocation);
        if matches!(invocation.command.name, "quit" | "exit") {
            return Done { worked, leave: true };
        }
        if !worked && invocation.command.connects && !session.is_connected() {
            break;
        }
        session.remark("\n");
    }
    Done { worked, leave: false }
}

fn one(session: &mut Session, invocation: &Invocation<'_>) -> bool {
    let connected = match invocation.command.connects {
        true => session.connect().or_say(|| "failed to connect to the hypervisor".to_owned()),
        false => Ok(()),
    };
    let outcome: Result<(), Failure> =
        connected.and_then(|()| (invocation.command.run)(session, &invocation.arguments));
    if let Err(failure) = &outcome {
        session.complain(&failure.lines());
    }
    outcome.is_ok()
}
