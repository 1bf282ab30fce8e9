//! Network devices of the host: bridges, taps, macvtaps, addresses, routes.
//!
//! Owns: talking to the kernel about them, in the network namespace of this process. Never: decides
//! on a name, or knows what a device is for. Everything blocks, but never for long.

mod link;
mod message;
mod neighbours;
mod rules;
mod tap;

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use ostler_base::{MacAddr, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

pub use link::{BridgeOptions, Link, MacvtapMode};
pub use neighbours::Neighbours;
pub use rules::RulesWatch;
pub use tap::{DEVICE as TUN_DEVICE, open_tap};

use crate::failed;
use message::{Request, attributes, messages, number};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// Answers are read into a buffer of this size.
const BUFFER: usize = 64 * 1024;

/// A talk with the kernel about network devices.
#[derive(Debug)]
pub struct Net {
    socket: OwnedFd,
}

/// An address of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAddress {
    /// Number of the device.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// How many of its bits name the network.
    pub prefix: u8,
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteEntry {
    /// Where to; `None` for the default route.
    pub destination: Option<IpAddr>,
    /// Bits of the destination that count.
    pub prefix: u8,
    /// Number of the device; 0 where there is none.
    pub index: u32,
}

fn bytes(address: &IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (FAMILY_V4, v4.octets().to_vec()),
        IpAddr::V6(v6) => (FAMILY_V6, v6.octets().to_vec()),
    }
}

fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

impl Net {
    /// Opens the talk.
    pub fn open() -> Result<Self> {
        // Protocol 0 is that of routes and devices.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
        let socket = socket.map_err(|error| failed("cannot open a netlink socket", error))?;
        Ok(Net { socket })
    }

    fn send(&self, request: Request) -> std::io::Result<()> {
        sendto(&self.socket, &request.finish(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    fn receive(&self) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; BUFFER];
        let (length, _) = recv(&self.socket, &mut buffer[..], RecvFlags::empty())?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Sends a request and waits for the kernel's word.
    fn ask(&self, request: Request) -> std::io::Result<()> {
        self.send(request)?;
        loop {
            for message in messages(&self.receive()?) {
                if message.kind == ERROR {
                    return outcome(message.body);
                }
            }
        }
    }

    /// Sends a request and gathers what `read` makes of each message of the answer.
    fn gather<T>(
        &self,
        request: Request,
        mut read: impl FnMut(&message::Message<'_>) -> Option<T>,
    ) -> std::io::Result<Vec<T>> {
        self.send(request)?;
        let mut all = Vec::new();
        loop {
            let bytes = self.receive()?;
            for message in messages(&bytes) {
                match message.kind {
                    ERROR => return outcome(message.body).map(|()| all),
                    DONE => return Ok(all),
                    _ => all.extend(read(&message)),
                }
            }
        }
    }

    /// Gives a device an address.
    pub fn add_address(&self, link: &Link, address: IpAddr, prefix: u8) -> Result<()> {
        let (family, value) = bytes(&address);
        let mut fixed = vec![family, prefix, 0, 0];
        fixed.extend(link.index.to_ne_bytes());
        let mut request = Request::new(NEW_ADDRESS, REQUEST | ACK | CREATE | EXCLUSIVE, &fixed)
            .attr(2, &value)
            .attr(1, &value);
        if let IpAddr::V4(v4) = address
            && let Some(host) = u32::MAX.checked_shr(prefix.into())
            && prefix < 31
        {
            request = request.attr(4, &(v4.to_bits() | host).to_be_bytes());
        }
        self.ask(request).map_err(|error| {
            failed(format_args!("error adding IP address {address} to {}", link.name), error)
        })
    }

    /// Every address of every device.
    pub fn addresses(&self) -> Result<Vec<DeviceAddress>> {
        let request = Request::new(GET_ADDRESS, REQUEST | DUMP, &[0; 8]);
        let read = |message: &message::Message<'_>| {
            let all = attributes(message.body, 8);
            // The device's own address where it is said, else that of the other end.
            let value = [2, 1].into_iter().find_map(|kind| all.iter().find(|(k, _)| *k == kind))?.1;
            Some(DeviceAddress {
                index: number(message.body, 4)?,
                address: address(value)?,
                prefix: *message.body.get(1)?,
            })
        };
        self.gather(request, read).map_err(|error| failed("cannot list addresses", error))
    }

    /// Adds a route into a network behind a gateway.
    pub fn add_route(
        &self,
        link: &Link,
        destination: IpAddr,
        prefix: u8,
        gateway: IpAddr,
        metric: u32,
    ) -> Result<()> {
        let (family, value) = bytes(&destination);
        // Table main, by an administrator, everywhere, unicast.
        let fixed = [family, prefix, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        let mut request = Request::new(NEW_ROUTE, REQUEST | ACK | CREATE | REPLACE, &fixed)
            .attr(1, &value)
            .u32(4, link.index)
            .attr(5, &bytes(&gateway).1);
        if metric > 0 {
            request = request.u32(6, metric);
        }
        let what = format_args!("error adding route {destination}/{prefix} by {gateway} to {}", link.name);
        self.ask(request).map_err(|error| failed(what, error))
    }

    /// The routes of the main table of IPv4.
    pub fn routes(&self) -> Result<Vec<RouteEntry>> {
        let fixed = [FAMILY_V4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let request = Request::new(GET_ROUTE, REQUEST | DUMP, &fixed);
        let read = |message: &message::Message<'_>| {
            let main = message.body.get(4) == Some(&254);
            let all = attributes(message.body, 12);
            let find = |kind| all.iter().find(|(k, _)| *k == kind).map(|(_, value)| *value);
            main.then_some(())?;
            Some(RouteEntry {
                destination: find(1).and_then(address),
                prefix: *message.body.get(1)?,
                index: find(4).and_then(|value| number(value, 0)).unwrap_or_default(),
            })
        };
        self.gather(request, read).map_err(|error| failed("cannot list routes", error))
    }
}

/// What the kernel says of a request.
fn outcome(body: &[u8]) -> std::io::Result<()> {
    let code = number(body, 0).map_or(0, u32::cast_signed);
    match code.checked_neg() {
        Some(0) => Ok(()),
        Some(number) => Err(std::io::Error::from_raw_os_error(number)),
        None => Err(std::io::Error::from(std::io::ErrorKind::InvalidData)),
    }
}

/// The hardware address that a tap gets: the guest's with a first byte that no other device has.
pub fn tap_mac(guest: MacAddr) -> MacAddr {
    let mut mac = guest;
    mac.0[0] = 0xfe;
    mac
}

/// Writes a setting of the kernel below `/proc/sys/net`; one that this kernel does not have is no
/// error.
pub fn write_setting(path: &str, value: &str) -> Result<()> {
    let file = Path::new("/proc/sys/net").join(path);
    match std::fs::write(&file, value) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|error| failed(format_args!("cannot write '{}'", file.display()), error)),
    }
}

/// Reads a setting of the kernel below `/proc/sys/net`.
pub fn read_setting(path: &str) -> Option<String> {
    let text = crate::fs::read_bounded(&Path::new("/proc/sys/net").join(path), 4096).ok()?;
    Some(text.trim().to_owned())
}
