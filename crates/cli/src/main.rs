//! `ostler`: the client. It is called as virsh is, and prints what virsh prints.
//!
//! Owns: the order of things: options, commands, exit code. Never: knows a command.

mod arguments;
mod commands;
mod failure;
mod globals;
mod help;
mod output;
mod session;
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
        _ => client(words),
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

/// Runs what the command line says: one argument is a list of commands, several are one command.
fn run(mut session: Session, words: Vec<String>) -> ExitCode {
    if words.is_empty() {
        session.complain(&["a command is needed; see --help."]);
        return ExitCode::FAILURE;
    }
    let lists = match words.as_slice() {
        [nothing] if nothing.is_empty() => return ExitCode::FAILURE,
        [list] => words::split(list),
        _ => Ok(vec![words]),
    };
    let done = lists.and_then(|lists| {
        let read: Result<Vec<_>, _> = lists.iter().map(|words| arguments::parse(words)).collect();
        Ok(all(&mut session, read?.into_iter().flatten()))
    });
    let worked = done.unwrap_or_else(|complaint| {
        session.complain(&[complaint]);
        false
    });
    session.end();
    if worked { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs commands one after the other, whether they fail or not; says whether the last one worked.
fn all<'a>(session: &mut Session, commands: impl Iterator<Item = Invocation<'a>>) -> bool {
    let mut worked = true;
    for invocation in commands {
        worked = one(session, &invocation);
        if matches!(invocation.command.name, "quit" | "exit") {
            break;
        }
        if !worked && invocation.command.connects && !session.is_connected() {
            break;
        }
        session.remark("\n");
    }
    worked
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
