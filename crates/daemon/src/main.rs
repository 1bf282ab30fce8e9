//! `ostlerd`: the daemon that looks after guests, at libvirtd's sockets.
//!
//! Owns: the process: its options, its way to the background, its exit code. Never: serves.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use ostler_daemon::options::{self, Options};
use ostler_daemon::serve;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = Options::parse(arguments.iter().cloned()).and_then(|options| start(options, &arguments));
    match outcome {
        Ok(code) => code,
        Err(message) => {
            // Where nobody reads it, nothing is lost but the message.
            let _ = writeln!(io::stderr(), "ostlerd: {message}");
            ExitCode::FAILURE
        }
    }
}

fn start(mut options: Options, arguments: &[OsString]) -> Result<ExitCode, String> {
    if options.help {
        return say(&options::help());
    }
    if options.version {
        return say(&format!("ostlerd {}\n", env!("CARGO_PKG_VERSION")));
    }
    for path in [&mut options.config, &mut options.pid_file, &mut options.root] {
        absolute(path)?;
    }
    if options.daemon {
        if !options.report_ready {
            return detach(arguments);
        }
        rustix::process::setsid().map_err(|e| format!("cannot leave the terminal: {e}"))?;
        std::env::set_current_dir("/").map_err(|e| format!("cannot go to /: {e}"))?;
    }
    serve::run(&options).map(|()| ExitCode::SUCCESS)
}

fn say(text: &str) -> Result<ExitCode, String> {
    let said = io::stdout().write_all(text.as_bytes());
    said.map(|()| ExitCode::SUCCESS).map_err(|e| format!("cannot write: {e}"))
}

fn absolute(path: &mut Option<PathBuf>) -> Result<(), String> {
    if let Some(given) = path {
        let whole = std::path::absolute(&*given).map_err(|e| format!("{}: {e}", given.display()))?;
        *given = whole;
    }
    Ok(())
}

/// Starts the daemon as a process of its own and waits until clients can connect to it, or until
/// it has said why not.
fn detach(arguments: &[OsString]) -> Result<ExitCode, String> {
    let failed = |e: io::Error| format!("cannot start in the background: {e}");
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(arguments)
        .arg("--report-ready")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
    }
    if line == "ready\n" {
        return Ok(ExitCode::SUCCESS);
    }
    let ended = child.wait().map_err(failed)?;
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
