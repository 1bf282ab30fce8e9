//! Who takes rules of the packet filter away.
//!
//! Owns: listening. Never: looks which rules they were.

use std::os::fd::OwnedFd;

use ostler_base::Result;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::BUFFER;
use super::message::messages;
use crate::failed;

/// The group of those who are told of changes of tables.
const GROUP: u32 = 1 << 6;
/// Messages about tables of nft have this in their upper half.
const TABLES: u16 = 10 << 8;
/// Tables, chains and rules that are gone.
const REMOVALS: [u16; 3] = [TABLES | 2, TABLES | 5, TABLES | 8];

/// Hears of every rule, chain and table that is removed.
#[derive(Debug)]
pub struct RulesWatch(OwnedFd);

impl RulesWatch {
    /// Begins to listen.
    pub fn listen() -> Result<Self> {
        let what = "cannot listen for changes of the packet filter";
        let protocol = Some(netlink::NETFILTER);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol);
        let socket = socket.map_err(|error| failed(what, error))?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUP)).map_err(|error| failed(what, error))?;
        Ok(RulesWatch(socket))
    }

    /// Waits for the next change; whether something was removed.
    pub fn next(&self) -> Result<bool> {
        self.receive(RecvFlags::empty()).map(|removed| removed.unwrap_or_default())
    }

    /// Passes over what is told already.
    pub fn drain(&self) -> Result<()> {
        while self.receive(RecvFlags::DONTWAIT)?.is_some() {}
        Ok(())
    }

    fn receive(&self, flags: RecvFlags) -> Result<Option<bool>> {
        let mut buffer = vec![0; BUFFER];
        match recv(&self.0, &mut buffer[..], flags) {
            Ok((length, _)) => {
                buffer.truncate(length);
                let removed = |message: &super::message::Message<'_>| REMOVALS.contains(&message.kind);
                Ok(Some(messages(&buffer).iter().any(removed)))
            }
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            // Some were missed: who knows what they were.
            Err(rustix::io::Errno::NOBUFS) => Ok(Some(true)),
            Err(rustix::io::Errno::INTR) => Ok(Some(false)),
            Err(error) => Err(failed("cannot listen for changes of the packet filter", error)),
        }
    }
}
