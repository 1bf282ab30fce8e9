//! Programs that are run and waited for.
//!
//! Owns: their environment, what they are given to read, and what they say. Never: decides which to
//! run.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ostler_base::{Error, Result};

use crate::query::find_program;
use crate::{failed, sys};

/// How much of a program's last words goes into an error.
const WORDS_MAX: usize = 1024;

/// A program to be run.
#[derive(Debug, Default, Clone)]
pub struct Program {
    /// Its name (looked up in `PATH`), or its absolute path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it reads; nothing where absent.
    pub input: Option<String>,
    /// Variables besides `PATH` and `LC_ALL`.
    pub environment: Vec<(String, String)>,
}

/// The path of a program by its name in `PATH`.
pub fn find_program_path(name: &str) -> Option<PathBuf> {
    find_program(name)
}

impl Program {
    /// A program that reads nothing.
    pub fn new<A: Into<String>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Program {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            ..Program::default()
        }
    }

    /// Runs it and waits for its end; what it said on its standard output. Its last words on standard
    /// error are the error where it fails.
    pub fn run(&self) -> Result<String> {
        let path = find_program(&self.program).ok_or_else(|| {
            Error::operation_unsupported(format!("Unable to find '{}' binary in $PATH", self.program))
        })?;
        let what = || format!("cannot execute binary {}", path.display());
        sys::keep_descriptors();
        let mut command = Command::new(&path);
        command.args(&self.arguments).env_clear().current_dir("/");
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("LC_ALL", "C");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(what(), error))?;
        if let (Some(input), Some(mut pipe)) = (&self.input, child.stdin.take()) {
            // One that does not read to the end says why by its exit.
            let _ = pipe.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| failed(what(), error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let spoken = if output.stderr.trim_ascii().is_empty() { &output.stdout } else { &output.stderr };
        let start = spoken.len().saturating_sub(WORDS_MAX);
        let words = String::from_utf8_lossy(spoken.get(start..).unwrap_or_default());
        let status = match output.status.code() {
            Some(code) => format!("exit status {code}"),
            None => output.status.to_string(),
        };
        Err(Error::internal(format!(
            "Child process ({}) unexpected {status}: {}",
            self.line(&path.to_string_lossy()),
            words.trim()
        )))
    }

    fn line(&self, program: &str) -> String {
        let mut line = program.to_owned();
        for word in &self.arguments {
            line.push(' ');
            line.push_str(word);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_and_out() {
        let mut program = Program::new("sh", ["-c", "cat; echo $X"]);
        program.input = Some("a ".into());
        program.environment.push(("X".into(), "b".into()));
        assert_eq!(program.run().unwrap(), "a b\n");
        let error = Program::new("sh", ["-c", "echo why >&2; exit 3"]).run().unwrap_err();
        assert!(error.detail().ends_with("unexpected exit status 3: why"), "{error}");
        assert!(Program::new("no-such-program", [""; 0]).run().is_err());
    }
}
