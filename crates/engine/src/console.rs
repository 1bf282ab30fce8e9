//! Consoles and channels of guests, as streams of bytes.
//!
//! Owns: which device a name means, and that one at a time uses it. Never: looks at a byte.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use ostler_domain::Domain;
use ostler_domain::devices::channel::ChannelTarget;
use ostler_domain::devices::{CharDevice, Device};
use ostler_host::{Terminal, connect_unix, open_terminal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::domain::Guest;
use crate::domain::guest::not_running;

/// What to do where another uses the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intrusion {
    /// Refuse.
    Refuse,
    /// End the other's use.
    Force,
}

/// Devices in use: who uses each is told when another takes it.
pub(crate) type InUse = Arc<Mutex<HashMap<String, watch::Sender<bool>>>>;

#[derive(Debug)]
enum Line {
    Terminal(Terminal),
    Socket(
        tokio::sync::Mutex<tokio::net::unix::OwnedReadHalf>,
        tokio::sync::Mutex<tokio::net::unix::OwnedWriteHalf>,
    ),
}

/// A console or channel in use; dropped, it is free again.
#[derive(Debug)]
pub struct Console {
    line: Line,
    place: String,
    lost: watch::Receiver<bool>,
    in_use: InUse,
}

impl Drop for Console {
    fn drop(&mut self) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        // One who was put out must not free the place of who came after.
        if !*self.lost.borrow() {
            in_use.remove(&self.place);
        }
    }
}

impl Console {
    /// Waits until there are bytes, and reads them; none at the end.
    pub async fn read(&self, space: &mut [u8]) -> std::io::Result<usize> {
        match &self.line {
            Line::Terminal(terminal) => terminal.read(space).await,
            Line::Socket(read, _) => read.lock().await.read(space).await,
        }
    }

    /// Writes all of these bytes.
    pub async fn write_all(&self, mut bytes: &[u8]) -> std::io::Result<()> {
        match &self.line {
            Line::Socket(_, write) => write.lock().await.write_all(bytes).await,
            Line::Terminal(terminal) => {
                while !bytes.is_empty() {
                    let taken = terminal.write(bytes).await?;
                    bytes = bytes.get(taken..).unwrap_or_default();
                }
                Ok(())
            }
        }
    }

    /// Waits until another takes the device.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // Without a sender nobody can take it.
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The devices that a console can be, in the order in which one without a name is found.
fn consoles(domain: &Domain) -> impl Iterator<Item = (&str, &CharDevice)> {
    let devices = &domain.devices;
    let consoles = devices.consoles.iter().map(|d| (d.info().alias(), &d.device));
    let serials = devices.serials.iter().map(|d| (d.info().alias(), &d.device));
    consoles.chain(serials).chain(devices.parallels.iter().map(|d| (d.info().alias(), &d.device)))
}

impl Guest {
    /// Takes a console, by alias; the first there is where none is named.
    pub fn open_console(&self, name: Option<&str>, intrusion: Intrusion) -> Result<Console> {
        let live = self.view().live.clone().ok_or_else(not_running)?;
        let found = consoles(live.domain()).find(|(alias, _)| name.is_none_or(|name| name == *alias));
        let (alias, device) = found.ok_or_else(|| {
            Error::internal(format!("cannot find console device '{}'", name.unwrap_or("default")))
        })?;
        if let Some(path) = device.terminal() {
            return self.take(path, intrusion, "console", |path| Ok(Line::Terminal(open_terminal(path)?)));
        }
        match device.socket() {
            Some(path) => self.take(path, intrusion, "console", open_socket),
            None => Err(Error::internal(format!("character device {alias} is not using a PTY"))),
        }
    }

    /// Takes a channel, by alias or by its name in the guest; the first there is where none is named.
    pub fn open_channel(&self, name: Option<&str>, intrusion: Intrusion) -> Result<Console> {
        let live = self.view().live.clone().ok_or_else(not_running)?;
        let called = |target: &ChannelTarget, wanted: &str| matches!(target, ChannelTarget::Virtio { name: Some(name), .. } if name == wanted);
        let mut channels = live.domain().devices.channels.iter();
        let found = channels.find(|channel| {
            name.is_none_or(|name| channel.info().alias() == name || called(&channel.target, name))
        });
        let channel = found
            .ok_or_else(|| Error::internal(format!("cannot find channel {}", name.unwrap_or("(null)"))))?;
        let Some(path) = channel.device.socket() else {
            let name = name.unwrap_or_else(|| channel.info().alias());
            return Err(Error::internal(format!("channel {name} is not using a UNIX socket")));
        };
        self.take(path, intrusion, "channel", open_socket)
    }

    fn take(
        &self,
        path: &str,
        intrusion: Intrusion,
        what: &str,
        open: impl FnOnce(&Path) -> Result<Line>,
    ) -> Result<Console> {
        let mut in_use = self.consoles.lock().unwrap_or_else(PoisonError::into_inner);
        match in_use.get(path) {
            Some(_) if intrusion == Intrusion::Refuse => {
                let text = format!("Active {what} session exists for this domain");
                return Err(Error::new(Code::OperationFailed, Origin::Qemu, text));
            }
            Some(other) => drop(other.send_replace(true)),
            None => {}
        }
        let line = open(Path::new(path))?;
        let (sender, lost) = watch::channel(false);
        in_use.insert(path.to_owned(), sender);
        Ok(Console { line, place: path.to_owned(), lost, in_use: Arc::clone(&self.consoles) })
    }
}

fn open_socket(path: &Path) -> Result<Line> {
    let connected = connect_unix(path).and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    let stream = connected.map_err(|error| crate::files::failed("cannot connect to socket", path, &error))?;
    let (read, write) = stream.into_split();
    Ok(Line::Socket(tokio::sync::Mutex::new(read), tokio::sync::Mutex::new(write)))
}
