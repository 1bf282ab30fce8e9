//! What frames travel over: a UNIX socket, which can pass FDs, or any byte stream.
//!
//! Owns: the system calls. Never: knows what the bytes mean. A security layer (TLS, SASL) is a
//! byte stream around another one.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use crate::message::FDS_MAX;

/// A byte stream both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

type Bytes = Box<dyn ByteStream>;

/// What puts a security layer around a byte stream.
pub struct Layer(Box<dyn FnOnce(Bytes) -> Bytes + Send>);

impl Layer {
    /// A layer; `wrap` is given what is below it.
    pub fn new(wrap: impl FnOnce(Box<dyn ByteStream>) -> Box<dyn ByteStream> + Send + 'static) -> Self {
        Layer(Box::new(wrap))
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Layer")
    }
}

/// What a connection's frames travel over.
pub struct Transport(Kind);

enum Kind {
    Unix(UnixStream),
    Stream(Box<dyn ByteStream>),
}

impl Transport {
    /// A connected UNIX socket; FDs can be passed over it.
    pub fn unix(socket: UnixStream) -> Self {
        Transport(Kind::Unix(socket))
    }

    /// Any byte stream; FDs cannot be passed over it.
    pub fn stream(stream: impl ByteStream) -> Self {
        Transport(Kind::Stream(Box::new(stream)))
    }

    /// Puts a layer around it. FDs cannot be passed any more.
    pub(crate) fn wrap(&mut self, layer: Layer) {
        let nothing = Kind::Stream(Box::new(tokio::io::empty()));
        let below: Box<dyn ByteStream> = match std::mem::replace(&mut self.0, nothing) {
            Kind::Unix(socket) => Box::new(socket),
            Kind::Stream(stream) => stream,
        };
        self.0 = Kind::Stream((layer.0)(below));
    }

    /// Whether FDs can be passed.
    pub fn passes_fds(&self) -> bool {
        matches!(self.0, Kind::Unix(_))
    }

    /// Reads into `space`, which must not be empty; FDs that arrive are added to `fds`. 0 is the
    /// end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        space: &mut [u8],
        fds: &mut VecDeque<OwnedFd>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Unix(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                let mut count = None;
                let tried = socket.try_io(Interest::READABLE, || {
                    let (bytes, came) = receive(socket, space, fds)?;
                    count = Some(bytes);
                    // A short read emptied the socket: saying so now saves the read that would
                    // find it out. Where FDs came, it was they who cut it short.
                    let emptied = bytes < space.len() && came == 0;
                    if emptied { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
                });
                match (count, tried) {
                    (Some(count), _) => return Poll::Ready(Ok(count)),
                    (None, Err(error)) if !goes_on(&error) => return Poll::Ready(Err(error)),
                    _ => {}
                }
            },
            Kind::Stream(stream) => {
                let mut buffer = ReadBuf::new(space);
                ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Writes some of `slices`.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Unix(socket) => poll_send(socket, cx, slices, None),
            Kind::Stream(stream) => {
                let count = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, slices))?;
                // Layers may hold bytes back until they are told to go.
                let _ = Pin::new(stream).poll_flush(cx)?;
                Poll::Ready(Ok(count))
            }
        }
    }

    /// Sends one FD with a byte of its own.
    pub(crate) fn poll_send_fd(&mut self, cx: &mut Context<'_>, fd: &OwnedFd) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Unix(socket) => poll_send(socket, cx, &[IoSlice::new(&[0])], Some(fd)).map_ok(|_| ()),
            Kind::Stream(_) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::Unsupported, "no FDs over this transport")))
            }
        }
    }

    /// Drives what a layer holds back; pending while the peer does not take it.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Unix(_) => Poll::Ready(Ok(())),
            Kind::Stream(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

/// Whether a system call is only to be tried again.
fn goes_on(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// One read of a UNIX socket: how many bytes, and how many FDs, which are close-on-exec. What is
/// more than a message may carry is closed.
fn receive(socket: &UnixStream, space: &mut [u8], fds: &mut VecDeque<OwnedFd>) -> io::Result<(usize, usize)> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = recvmsg(socket.as_fd(), &mut [IoSliceMut::new(space)], &mut control, flags)?;
    let mut came = 0;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for fd in rights {
                came += 1;
                if fds.len() < FDS_MAX {
                    fds.push_back(fd);
                }
            }
        }
    }
    Ok((got.bytes, came))
}

fn poll_send(
    socket: &UnixStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    fd: Option<&OwnedFd>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, || send(socket, slices, fd)) {
            Err(error) if goes_on(&error) => {}
            result => return Poll::Ready(result),
        }
    }
}

fn send(socket: &UnixStream, slices: &[IoSlice<'_>], fd: Option<&OwnedFd>) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    match (slices, fd) {
        ([slice], None) => Ok(rustix::net::send(socket.as_fd(), slice, flags)?),
        (slices, None) => Ok(sendmsg(socket.as_fd(), slices, &mut control, flags)?),
        (slices, Some(fd)) => {
            let rights = [fd.as_fd()];
            control.push(SendAncillaryMessage::ScmRights(&rights));
            Ok(sendmsg(socket.as_fd(), slices, &mut control, flags)?)
        }
    }
}
