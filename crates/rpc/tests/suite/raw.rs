//! A client of bytes, for what no honest client sends.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use ostler_rpc::message::{Header, WireError};
use ostler_rpc::xdr::{Xdr, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(crate) const REMOTE: u32 = 0x2000_8086;

pub(crate) struct Raw(pub(crate) UnixStream);

pub(crate) fn header(procedure: i32, kind: i32, serial: u32, status: i32) -> Header {
    Header { program: REMOTE, version: 1, procedure, kind, serial, status }
}

/// A frame whose length word may lie.
pub(crate) fn frame(header: &Header, content: &[u8], length: Option<u32>) -> Vec<u8> {
    let honest = u32::try_from(28 + content.len()).unwrap();
    let mut bytes = length.unwrap_or(honest).to_be_bytes().to_vec();
    header.put(&mut bytes).unwrap();
    bytes.extend_from_slice(content);
    bytes
}

impl Raw {
    pub(crate) async fn connect(path: &Path) -> Raw {
        Raw(UnixStream::connect(path).await.unwrap())
    }

    pub(crate) async fn send(&mut self, header: &Header, content: &[u8]) {
        self.0.write_all(&frame(header, content, None)).await.unwrap();
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut word = [0; 4];
        self.0.read_exact(&mut word).await.ok()?;
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(word)).unwrap() - 4];
        self.0.read_exact(&mut bytes).await.ok()?;
        let mut rest = &bytes[..];
        let header = Header::get(&mut rest).unwrap();
        Some((header, rest.to_vec()))
    }

    /// The next frame if it comes soon.
    pub(crate) async fn soon(&mut self) -> Option<(Header, Vec<u8>)> {
        tokio::time::timeout(Duration::from_millis(100), self.receive()).await.ok().flatten()
    }

    /// Whether the other side closes soon.
    pub(crate) async fn ends(&mut self) -> bool {
        let read = async {
            let mut bytes = [0; 4096];
            while self.0.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        };
        tokio::time::timeout(Duration::from_secs(5), read).await.is_ok()
    }

    /// Whether a plain call is answered.
    pub(crate) async fn works(&mut self) -> bool {
        self.send(&header(157, 0, 77, 0), b"").await;
        matches!(self.receive().await, Some((reply, _)) if reply.serial == 77 && reply.status == 0)
    }

    /// The error that the next frame is.
    pub(crate) async fn error(&mut self) -> (Header, String) {
        let (header, content) = self.receive().await.unwrap();
        assert_eq!(header.status, 1);
        let error: WireError = decode(&content).unwrap();
        assert_eq!((error.code, error.domain), (39, 7));
        (header, error.message.unwrap())
    }

    /// Sends one byte with these FDs.
    pub(crate) async fn send_fds(&mut self, byte: u8, fds: &[OwnedFd]) {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let mut room = vec![std::mem::MaybeUninit::uninit(); 4096];
        let mut control = SendAncillaryBuffer::new(&mut room);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        self.0.writable().await.unwrap();
        let slices = [std::io::IoSlice::new(std::slice::from_ref(&byte))];
        sendmsg(&self.0, &slices, &mut control, SendFlags::NOSIGNAL).unwrap();
    }
}
