//! The shell: one line after the other, with history, and completion from the table of commands.
//!
//! Owns: the prompt and what can be completed. Never: runs a command itself.

use ostler_base::Result;
use rustyline::completion::Completer;
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use crate::commands;
use crate::session::Session;

const WELCOME: &str = "Welcome to ostler, the virtualization interactive terminal.\n\n\
    Type:  'help' for help with commands\n       'quit' to quit\n\n";

/// Completes names of commands and of options.
struct Names;

impl Completer for Names {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(line.get(..at).unwrap_or(line)))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

/// What the last word of `line` can become, and where that word begins.
fn candidates(line: &str) -> (usize, Vec<String>) {
    let blank = |c: char| c.is_whitespace() || c == ';';
    let start = line.rfind(blank).map_or(0, |at| at + 1);
    let word = &line[start..];
    let command = line.rfind([';', '\n']).map_or(line, |at| &line[at + 1..]).trim_start();
    let all: Vec<String> = match command.split_once(char::is_whitespace) {
        None => commands::all().map(|command| command.name.to_owned()).collect(),
        Some((name, _)) => {
            let options = commands::find(name).map_or(&[][..], |command| command.options);
            options.iter().map(|option| format!("--{}", option.name)).collect()
        }
    };
    (start, all.into_iter().filter(|name| name.starts_with(word)).collect())
}

/// Reads lines and hands each to `run`, until that says to stop, or the input ends. Fails where no
/// lines can be read.
pub(crate) fn interact(session: &mut Session, run: fn(&mut Session, &str) -> bool) -> Result<()> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let broken = |error: ReadlineError| ostler_base::Error::internal(format!("cannot read lines: {error}"));
    let mut editor: Editor<Names, MemHistory> =
        Editor::with_history(config, MemHistory::new()).map_err(broken)?;
    editor.set_helper(Some(Names));
    session.remark(WELCOME);
    let prompt = if session.globals.read_only { "ostler > " } else { "ostler # " };
    loop {
        match editor.readline(prompt) {
            Ok(line) if run(session, &line) => {}
            Ok(_) | Err(ReadlineError::Eof | ReadlineError::Interrupted) => break,
            Err(error) => return Err(broken(error)),
        }
    }
    session.remark("\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completion() {
        let table: &[(&str, usize, &[&str])] = &[
            ("domu", 0, &["domuuid"]),
            ("  li", 2, &["list"]),
            ("list;domn", 5, &["domname"]),
            ("list --na", 5, &["--name"]),
            ("list --all; autostart --", 22, &["--domain", "--disable", "--once"]),
            ("autostart dom --o", 14, &["--once"]),
            ("nothing --o", 8, &[]),
        ];
        for (line, start, expected) in table {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(candidates(line), (*start, expected), "{line}");
        }
        assert_eq!(candidates("").1.len(), commands::all().count());
    }
}
