//! `ostler-sasl`: speaks to Cyrus SASL for one client of the daemon, in a process of its own.
//!
//! Owns: the questions that the daemon asks over its standard input, which is a socket, and their
//! answers. Never: opens a connection, keeps anything when the client has gone.
//!
//! A message either way is its length in four bytes, most significant first, then one byte that says
//! what it is, then fields, each preceded by its length; the length 0xffffffff is a field that is
//! not there.

mod cyrus;
mod message;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use cyrus::{Progress, Server};
use message::{Fields, Message};

fn main() -> ExitCode {
    cyrus::confine();
    let socket = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
    match socket.and_then(|socket| serve(&socket).inspect_err(|_| drop(socket.shutdown(Shutdown::Both)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers until the daemon ends the connection.
fn serve(mut socket: &UnixStream) -> io::Result<()> {
    let mut server = None;
    let mut length = [0; 4];
    loop {
        match socket.read_exact(&mut length) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(1..=message::MAX).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        socket.read_exact(&mut bytes)?;
        let answer =
            answer(&mut server, &bytes).unwrap_or_else(|why| Message::new(b'!').text(Some(why.as_bytes())));
        socket.write_all(&answer.bytes())?;
    }
}

/// Answers one question; the error is for the daemon's log.
fn answer(server: &mut Option<Server>, bytes: &[u8]) -> Result<Message, String> {
    let broken = || "the question cannot be read".to_owned();
    let (kind, rest) = bytes.split_first().ok_or_else(broken)?;
    let mut fields = Fields(rest);
    if *kind == b'I' {
        let names = [fields.text().ok_or_else(broken)?, fields.text().ok_or_else(broken)?];
        let (local, remote) = (fields.text().ok_or_else(broken)?, fields.text().ok_or_else(broken)?);
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = fields.number().ok_or_else(broken)?;
        }
        let plain = fields.number().ok_or_else(broken)? != 0;
        let [application, host] = names;
        let (made, mechanisms) = Server::new(&application, &host, [&local, &remote], numbers, plain)?;
        *server = Some(made);
        return Ok(Message::new(b'.').text(Some(mechanisms.as_bytes())));
    }
    let server = server.as_mut().ok_or_else(|| "nothing was begun".to_owned())?;
    match kind {
        b'S' => {
            let mechanism = fields.text().ok_or_else(broken)?;
            let data = fields.bytes().ok_or_else(broken)?;
            server.start(&mechanism, data).map(|progress| told(&progress))
        }
        b'T' => {
            let data = fields.bytes().ok_or_else(broken)?;
            server.step(data).map(|progress| told(&progress))
        }
        b'E' => {
            let bytes = fields.bytes().flatten().ok_or_else(broken)?;
            server.encode(bytes).map(|bytes| Message::new(b'.').text(Some(&bytes)))
        }
        b'D' => {
            let bytes = fields.bytes().flatten().ok_or_else(broken)?;
            server.decode(bytes).map(|bytes| Message::new(b'.').text(Some(&bytes)))
        }
        _ => Err(broken()),
    }
}

/// How far it has come: more is to be said, or the client's name and the strength of its layer.
fn told(progress: &Progress) -> Message {
    match progress {
        Progress::Goes { data } => Message::new(b'+').text(data.as_deref()),
        Progress::Done { data, user, strength } => {
            Message::new(b'.').text(data.as_deref()).text(Some(user.as_bytes())).number(*strength)
        }
    }
}
