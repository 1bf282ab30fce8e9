//! Orders, descriptors and reports over the socket, for both ends. Everything here blocks.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::code::{BYTES_MAX, Bytes, Cursor, invalid};
use crate::{Failure, Order, Report};

/// The byte that lets the launcher go on.
pub const GO: u8 = 1;

/// The most descriptors that go with an order.
pub const FDS_MAX: usize = 1024;

const READY: u8 = 1;
const FAILED: u8 = 2;
const FDS_AT_ONCE: usize = 64;
const REPORT_MAX: usize = 64 << 10;

/// Sends an order with its descriptors; `fds` in the order of `order.fds`.
pub fn send_order(socket: &UnixStream, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = order.encode()?;
    if bytes.len() > BYTES_MAX || fds.len() > FDS_MAX || fds.len() != order.fds.len() {
        return Err(invalid("an order that is too long"));
    }
    let mut head = Bytes::default();
    head.count(bytes.len())?;
    head.count(fds.len())?;
    let mut socket_writer = socket;
    socket_writer.write_all(&head.0)?;
    for chunk in fds.chunks(FDS_AT_ONCE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(chunk)) {
            return Err(invalid("too many descriptors at once"));
        }
        sendmsg(socket.as_fd(), &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    }
    socket_writer.write_all(&bytes)
}

/// Receives an order with its descriptors, which close on exec.
pub fn receive_order(socket: &UnixStream) -> io::Result<(Order, Vec<OwnedFd>)> {
    let mut head = [0; 8];
    let mut reader = socket;
    reader.read_exact(&mut head)?;
    let mut head = Cursor(&head);
    let size = |value: u32| usize::try_from(value).map_err(|_| invalid("an order that is too long"));
    let (length, count) = (size(head.number()?)?, size(head.number()?)?);
    if length > BYTES_MAX || count > FDS_MAX {
        return Err(invalid("an order that is too long"));
    }
    let mut fds = Vec::new();
    while fds.len() < count {
        let before = fds.len();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        if fds.len() == before {
            return Err(invalid("descriptors are missing"));
        }
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    let order = Order::decode(&bytes)?;
    if order.fds.len() != fds.len() {
        return Err(invalid("descriptors are missing"));
    }
    Ok((order, fds))
}

/// Says how it went.
pub fn send_report(mut socket: &UnixStream, report: &Report) -> io::Result<()> {
    match report {
        Report::Ready => socket.write_all(&[READY]),
        Report::Failed(failure) => {
            let mut body = Bytes::default();
            body.text(&failure.step)?;
            body.signed(failure.errno);
            body.text(&failure.about)?;
            let mut out = Bytes(vec![FAILED]);
            out.count(body.0.len())?;
            out.0.extend_from_slice(&body.0);
            socket.write_all(&out.0)
        }
    }
}

/// Hears how it went; `None` where the other end closed: after the word to go, the program runs.
pub fn receive_report(mut socket: &UnixStream) -> io::Result<Option<Report>> {
    let mut kind = [0];
    if socket.read(&mut kind)? == 0 {
        return Ok(None);
    }
    match kind {
        [READY] => Ok(Some(Report::Ready)),
        [FAILED] => {
            let mut length = [0; 4];
            socket.read_exact(&mut length)?;
            let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
            if length > REPORT_MAX {
                return Err(invalid("a report that is too long"));
            }
            let mut body = vec![0; length];
            socket.read_exact(&mut body)?;
            let mut from = Cursor(&body);
            let failure = Failure { step: from.text()?, errno: from.signed()?, about: from.text()? };
            from.end()?;
            Ok(Some(Report::Failed(failure)))
        }
        _ => Err(invalid("an unknown report")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_with_many_descriptors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let order = Order { fds: (100..250).collect(), ..Order::default() };
        let sender = std::thread::spawn(move || {
            let fds = vec![null.as_fd(); 150];
            send_order(&ours, &order, &fds).unwrap();
            (ours, order)
        });
        let (received, fds) = receive_order(&theirs).unwrap();
        let (ours, order) = sender.join().unwrap();
        assert_eq!((received, fds.len()), (order, 150));
        let failed = Report::Failed(Failure { step: "do it".into(), errno: 13, about: "/x".into() });
        for report in [Report::Ready, failed] {
            send_report(&theirs, &report).unwrap();
            assert_eq!(receive_report(&ours).unwrap(), Some(report));
        }
        drop(theirs);
        assert_eq!(receive_report(&ours).unwrap(), None);
    }

    #[test]
    fn an_order_without_its_descriptors_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&ours).write_all(&[4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert!(receive_order(&theirs).is_err());
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&ours).write_all(&[0xff; 8]).unwrap();
        assert!(receive_order(&theirs).is_err());
        drop(ours);
        assert!(receive_order(&theirs).is_err());
    }
}
