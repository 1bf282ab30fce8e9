//! `virt-ssh-helper`: joins its standard streams with the daemon's socket. A client on another host
//! runs it through a secure shell.
//!
//! Owns: finding the socket, and passing bytes on until either side ends. Never: looks at them.

mod aliases;
mod uri;

use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use aliases::Aliases;
use uri::{Surroundings, Way};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            // There is nobody else to tell.
            let _ = writeln!(io::stderr(), "virt-ssh-helper: {complaint}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut read_only = false;
    let mut uri = None;
    for word in std::env::args().skip(1) {
        match &word[..] {
            "-r" | "--readonly" => read_only = true,
            "-h" | "--help" => {
                let help = "Usage: virt-ssh-helper [-r] URI\n";
                return io::stdout().write_all(help.as_bytes()).map_err(|e| e.to_string());
            }
            "-V" | "--version" => {
                let version = format!("{}\n", env!("CARGO_PKG_VERSION"));
                return io::stdout().write_all(version.as_bytes()).map_err(|e| e.to_string());
            }
            _ if word.starts_with('-') => return Err(format!("option {word} is not known")),
            _ => uri = Some(word),
        }
    }
    let uri = uri.ok_or("expected a URI")?;
    let root = rustix::process::geteuid().is_root();
    let variable = |name: &str| std::env::var(name).ok();
    let aliases = Aliases::load(root, variable).map_err(|e| e.to_string())?;
    let surroundings = Surroundings { root, variable: &variable, aliases: &aliases };
    let uri = surroundings.uri(Some(&uri)).unwrap_or(uri);
    let target = surroundings.target(Some(&uri));
    let Way::Unix(place) = target.map_err(|e| e.to_string())?.way else {
        return Err(format!("{uri} does not lead to a socket of this host"));
    };
    let socket = place.socket(read_only);
    let stream = UnixStream::connect(&socket).map_err(|e| {
        let words = e.to_string();
        let words = words.split_once(" (os error").map_or(words.as_str(), |(words, _)| words);
        format!("no daemon listens at {}: {words}; is it running on this host?", socket.display())
    })?;
    join(&stream).map_err(|e| e.to_string())
}

/// Passes bytes both ways until the daemon ends; the end of input is passed on.
fn join(stream: &UnixStream) -> io::Result<()> {
    let mut to_daemon = stream.try_clone()?;
    std::thread::spawn(move || {
        // A daemon that is gone ends the other direction.
        let _ = io::copy(&mut io::stdin().lock(), &mut to_daemon);
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    let mut from_daemon = stream;
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    io::copy(&mut from_daemon, &mut out).map(|_| ())
}
