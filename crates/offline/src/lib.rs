//! Planning without a host: `ostler conformance …`.
//!
//! Owns: the fake host that answers what planners ask, and a thin command per kind of document.
//! Never: a rule of its own; every result comes from the crates that the daemon uses. Reads the
//! files named in its arguments and nothing else.

mod args;
mod batch;
mod cards;
mod commands;
mod descriptors;
mod fake;
mod host_cpu;
mod kept;
mod recordings;
mod script;
mod volumes;

pub use args::Args;
pub use kept::Kept;

use ostler_base::{Error, Result};

/// Runs `COMMAND ARGUMENTS…` and gives what it prints.
pub fn run(command: &str, arguments: &[String], kept: &mut Kept) -> Result<String> {
    let (_, run) = commands::COMMANDS
        .iter()
        .find(|(name, _)| *name == command)
        .ok_or_else(|| Error::invalid_arg(format!("unknown command '{command}'")))?;
    run(&Args::parse(arguments)?, kept)
}

/// `ostler conformance ARGUMENTS…`: the exit status.
pub fn main(arguments: &[String]) -> u8 {
    match arguments.split_first() {
        Some((command, [])) if command == "batch" => {
            batch::serve(std::io::stdin().lock(), std::io::stdout().lock())
        }
        Some((command, rest)) => match run(command, rest, &mut Kept::default()) {
            Ok(text) => {
                print!("{text}");
                0
            }
            Err(error) => {
                eprintln!("error: {error}");
                1
            }
        },
        None => {
            eprintln!("error: conformance needs a command");
            1
        }
    }
}
