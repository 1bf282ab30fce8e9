//! Tasks of the project: `cargo xtask tidy`, `cargo xtask corpus`.
//!
//! Owns: rules about the tree that no compiler checks. Never: part of a product.

mod corpus;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let faults = match words.split_first() {
        Some((&"tidy", [])) => tidy::check(root),
        Some((&"corpus", options)) => corpus::run(root, options),
        _ => vec!["usage: cargo xtask tidy | corpus [--update] [SUITE]...".to_owned()],
    };
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
