//! Which addresses the kernel finds its neighbours at.
//!
//! Owns: listening. Never: asks a neighbour.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use ostler_base::{MacAddr, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use super::message::{attributes, messages};
use super::{BUFFER, address};
use crate::failed;

const NEW_NEIGHBOUR: u16 = 28;
/// The group of those who are told of neighbours.
const GROUP: u32 = 1 << 2;
/// Length of the fixed part of a message.
const FIXED: usize = 12;
const ADDRESS: u16 = 1;
const HARDWARE: u16 = 2;

/// Hears of every neighbour that the kernel finds.
#[derive(Debug)]
pub struct Neighbours(OwnedFd);

impl Neighbours {
    /// Begins to listen.
    pub fn listen() -> Result<Self> {
        let what = "cannot listen for neighbours";
        // Protocol 0 is that of routes and devices.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
        let socket = socket.map_err(|error| failed(what, error))?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUP)).map_err(|error| failed(what, error))?;
        Ok(Neighbours(socket))
    }

    /// Waits for the next ones: hardware address and address.
    pub fn next(&self) -> Result<Vec<(MacAddr, IpAddr)>> {
        let mut buffer = vec![0; BUFFER];
        let length = match recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            // Some were missed; others will come.
            Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(failed("cannot listen for neighbours", error)),
        };
        buffer.truncate(length);
        let all = messages(&buffer).into_iter().filter(|message| message.kind == NEW_NEIGHBOUR);
        Ok(all
            .filter_map(|message| {
                let parts = attributes(message.body, FIXED);
                let find = |kind| parts.iter().find(|(k, _)| *k == kind).map(|(_, value)| *value);
                let mac = <[u8; 6]>::try_from(find(HARDWARE)?).ok().map(MacAddr)?;
                Some((mac, address(find(ADDRESS)?)?))
            })
            .collect())
    }
}
