//! `ostler`: the client.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "conformance" => ExitCode::from(ostler_offline::main(rest)),
        _ => {
            eprintln!("error: unknown command");
            ExitCode::from(1)
        }
    }
}
