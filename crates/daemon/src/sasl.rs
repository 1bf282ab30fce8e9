//! Clients that prove who they are by SASL: the process that speaks to the library for each of
//! them, and the layer that protects what they say afterwards.
//!
//! Owns: the questions to that process. Never: links the library, believes a client's name before
//! the process has confirmed it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use ostler_rpc::{ByteStream, Layer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tracing::{debug, warn};

/// The program that speaks to the library.
const PROGRAM: &str = "ostler-sasl";

/// Where it lies if it is not beside the daemon.
const INSTALLED: &str = "/usr/libexec/ostler";

/// The most bytes of an answer.
const ANSWER_MAX: usize = 4 << 20;

/// How much is protected at once.
const CHUNK: usize = 64 << 10;

/// What is asked of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// This side's address and the client's, as `address;port`; empty for a local client.
    pub addresses: [String; 2],
    /// The strength of what protects the connection already, in bits.
    pub below: u32,
    /// The least strength of a layer, in bits.
    pub min_strength: u32,
    /// The most.
    pub max_strength: u32,
    /// Whether plain passwords may be sent.
    pub plain: bool,
}

/// How far a client has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to be said.
    Goes {
        /// What it is told.
        data: Option<Vec<u8>>,
    },
    /// It has proved who it is.
    Done {
        /// What it is told.
        data: Option<Vec<u8>>,
        /// Its name.
        user: String,
        /// The strength of its layer, in bits; 0: there is none.
        strength: u32,
    },
}

/// The conversation with one client.
#[derive(Debug)]
pub struct Conversation {
    socket: UnixStream,
    /// Ends with this.
    _process: Child,
}

fn program() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(PROGRAM)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| Path::new(INSTALLED).join(PROGRAM))
}

fn broken() -> String {
    "the answer of the process cannot be read".to_owned()
}

fn field(message: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(u32::MAX, |bytes| u32::try_from(bytes.len()).unwrap_or(0));
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(bytes.unwrap_or_default());
}

/// Takes the next field of an answer, which may not be there.
fn take(answer: &mut &[u8]) -> Result<Option<Vec<u8>>, String> {
    let (length, rest) = answer.split_first_chunk().ok_or_else(broken)?;
    let length = u32::from_be_bytes(*length);
    if length == u32::MAX {
        *answer = rest;
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| broken())?;
    let (bytes, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
    *answer = rest;
    Ok(Some(bytes.to_vec()))
}

impl Conversation {
    /// Begins; yields the mechanisms that there are, with commas. The error is for the log.
    pub async fn begin(wanted: &Wanted) -> Result<(Self, String), String> {
        let program = program();
        let failed = |error: io::Error| format!("cannot run {}: {error}", program.display());
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let process = Command::new(&program)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let socket = UnixStream::from_std(ours).map_err(failed)?;
        let mut conversation = Conversation { socket, _process: process };
        let mut question = vec![b'I'];
        field(&mut question, Some(b"libvirt"));
        field(&mut question, Some(b""));
        wanted.addresses.iter().for_each(|address| field(&mut question, Some(address.as_bytes())));
        let numbers = [wanted.below, wanted.min_strength, wanted.max_strength, wanted.plain.into()];
        numbers.iter().for_each(|number| field(&mut question, Some(&number.to_be_bytes())));
        let (_, answer) = conversation.ask(&question).await?;
        let mechanisms = take(&mut &answer[..])?.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok((conversation, mechanisms.ok_or_else(broken)?))
    }

    /// Asks; yields what kind of answer it is, and its fields.
    async fn ask(&mut self, question: &[u8]) -> Result<(u8, Vec<u8>), String> {
        let failed = |error: io::Error| format!("the process does not answer: {error}");
        let length = u32::try_from(question.len()).unwrap_or(0).to_be_bytes();
        self.socket.write_all(&[&length[..], question].concat()).await.map_err(failed)?;
        let length = usize::try_from(self.socket.read_u32().await.map_err(failed)?).unwrap_or(usize::MAX);
        if !(1..=ANSWER_MAX).contains(&length) {
            return Err(broken());
        }
        let mut answer = vec![0; length];
        self.socket.read_exact(&mut answer).await.map_err(failed)?;
        let kind = answer.remove(0);
        if kind == b'!' {
            let why = take(&mut &answer[..])?.unwrap_or_default();
            return Err(String::from_utf8_lossy(&why).into_owned());
        }
        Ok((kind, answer))
    }

    async fn go_on(&mut self, question: &[u8]) -> Result<Progress, String> {
        let (kind, answer) = self.ask(question).await?;
        let mut rest = &answer[..];
        let data = take(&mut rest)?;
        if kind == b'+' {
            return Ok(Progress::Goes { data });
        }
        let user = take(&mut rest)?.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(broken)?;
        let strength = take(&mut rest)?.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        Ok(Progress::Done { data, user, strength: strength.ok_or_else(broken)? })
    }

    /// The client chose a mechanism, and said this.
    pub async fn start(&mut self, mechanism: &str, data: Option<&[u8]>) -> Result<Progress, String> {
        let mut question = vec![b'S'];
        field(&mut question, Some(mechanism.as_bytes()));
        field(&mut question, data);
        self.go_on(&question).await
    }

    /// The client said more.
    pub async fn step(&mut self, data: Option<&[u8]>) -> Result<Progress, String> {
        let mut question = vec![b'T'];
        field(&mut question, data);
        self.go_on(&question).await
    }

    async fn convert(&mut self, kind: u8, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut question = vec![kind];
        field(&mut question, Some(bytes));
        let (_, answer) = self.ask(&question).await?;
        take(&mut &answer[..])?.ok_or_else(broken)
    }

    /// The layer that protects what is said from now on; `begun` is told when it is there.
    pub fn layer(self, begun: impl FnOnce() + Send + 'static) -> Layer {
        Layer::new(move |below| {
            begun();
            let (plain, inner) = tokio::io::duplex(CHUNK);
            let (from_below, to_below) = split(below);
            let (from_plain, to_plain) = split(inner);
            let shared = Arc::new(Mutex::new(self));
            tokio::spawn(protect(shared.clone(), from_plain, to_below));
            tokio::spawn(unprotect(shared, from_below, to_plain));
            Box::new(plain)
        })
    }
}

type Shared = Arc<Mutex<Conversation>>;

/// Protects what is said to the client.
async fn protect(
    conversation: Shared,
    mut from: ReadHalf<tokio::io::DuplexStream>,
    mut to: WriteHalf<Box<dyn ByteStream>>,
) {
    let mut bytes = vec![0; CHUNK];
    let why = loop {
        let count = match from.read(&mut bytes).await {
            Ok(count) if count > 0 => count,
            _ => break "the connection ended".to_owned(),
        };
        let said = bytes.get(..count).unwrap_or_default();
        let token = match conversation.lock().await.convert(b'E', said).await {
            Ok(token) => token,
            Err(why) => break why,
        };
        if let Err(error) = async {
            to.write_all(&token).await?;
            to.flush().await
        }
        .await
        {
            break error.to_string();
        }
    };
    debug!("nothing more is protected: {why}");
    // A connection that is gone already needs no end.
    let _ = to.shutdown().await;
}

/// Takes the protection of what the client says.
async fn unprotect(
    conversation: Shared,
    mut from: ReadHalf<Box<dyn ByteStream>>,
    mut to: WriteHalf<tokio::io::DuplexStream>,
) {
    let mut bytes = vec![0; CHUNK];
    loop {
        let count = match from.read(&mut bytes).await {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        let said = bytes.get(..count).unwrap_or_default();
        let plain = match conversation.lock().await.convert(b'D', said).await {
            Ok(plain) => plain,
            Err(why) => {
                warn!("a client's protection is broken: {why}");
                break;
            }
        };
        if to.write_all(&plain).await.is_err() {
            break;
        }
    }
    // The other end may be gone already.
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let mut message = Vec::new();
        field(&mut message, Some(b"ab"));
        field(&mut message, None);
        let mut rest = &message[..];
        assert_eq!(take(&mut rest), Ok(Some(b"ab".to_vec())));
        assert_eq!(take(&mut rest), Ok(None));
        assert!(take(&mut rest).is_err());
        assert!(take(&mut &[0, 0, 0, 9, 1][..]).is_err());
    }
}
