//! Devices: made, found, changed, removed.
//!
//! Owns: the requests for them. Never: remembers one.

use ostler_base::{MacAddr, Result, words};

use super::message::{Message, Request, attributes, number, text};
use super::{ACK, CREATE, DUMP, EXCLUSIVE, Net, REPLACE, REQUEST};
use crate::failed;

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_QUEUE: u16 = 36;

/// Length of the fixed part of a request for a device.
const FIXED: usize = 16;

const UP: u32 = 1;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const STATE: u16 = 16;
const INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
/// Settings of a port of a bridge, for which the family is that of bridges.
const PORT_SETTINGS: u16 = 12;
const NESTED: u16 = 0x8000;
const FAMILY_BRIDGE: u8 = 7;

words! {
    /// How a macvtap treats its neighbours.
    pub MacvtapMode {
        Private = "private", Vepa = "vepa", Bridge = "bridge", Passthrough = "passthru"
    }
}

/// A device as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address; `None` for devices that have none.
    pub mac: Option<MacAddr>,
    /// Its largest packet, in bytes.
    pub mtu: u32,
    /// What kind of virtual device it is, in the kernel's word; `None` for real ones.
    pub kind: Option<String>,
    /// Number of the bridge or bond it belongs to.
    pub master: Option<u32>,
    /// Whether it is switched on.
    pub up: bool,
    /// Number of the kernel for its state: 6 is up, 2 down.
    pub state: u8,
}

/// Settings of a new bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BridgeOptions {
    /// Its hardware address.
    pub mac: Option<MacAddr>,
    /// Its largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Whether it speaks the spanning tree protocol.
    pub stp: bool,
    /// Seconds until a new port forwards.
    pub delay: u64,
}

fn fixed(family: u8, index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 0];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(change.to_ne_bytes());
    bytes
}

fn read(message: &Message<'_>) -> Option<Link> {
    let all = attributes(message.body, FIXED);
    let find = |kind: u16| all.iter().find(|(k, _)| *k == kind).map(|(_, value)| *value);
    let info = find(INFO).map(|value| attributes(value, 0)).unwrap_or_default();
    Some(Link {
        index: number(message.body, 4)?,
        name: text(find(NAME)?),
        mac: find(ADDRESS).and_then(|value| <[u8; 6]>::try_from(value).ok()).map(MacAddr),
        mtu: find(MTU).and_then(|value| number(value, 0)).unwrap_or_default(),
        kind: info.iter().find(|(kind, _)| *kind == INFO_KIND).map(|(_, value)| text(value)),
        master: find(MASTER).and_then(|value| number(value, 0)),
        up: number(message.body, 8)? & UP != 0,
        state: find(STATE).and_then(|value| value.first().copied()).unwrap_or_default(),
    })
}

impl Net {
    /// Every device.
    pub fn links(&self) -> Result<Vec<Link>> {
        let request = Request::new(GET_LINK, REQUEST | DUMP, &[0; FIXED]);
        self.gather(request, read).map_err(|error| failed("cannot list network devices", error))
    }

    /// The device with this name; `None` where there is none.
    pub fn link(&self, name: &str) -> Result<Option<Link>> {
        if !is_link_name(name) {
            return Ok(None);
        }
        let request = Request::new(GET_LINK, REQUEST | ACK, &[0; FIXED]).text(NAME, name);
        match self.gather(request, read) {
            Ok(links) => Ok(links.into_iter().next()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(failed(format_args!("cannot look at network device '{name}'"), error)),
        }
    }

    /// The device with this name, which must be there.
    pub fn require_link(&self, name: &str) -> Result<Link> {
        self.link(name)?.ok_or_else(|| {
            failed(
                format_args!("Unable to get index for interface {name}"),
                std::io::Error::from_raw_os_error(libc::ENODEV),
            )
        })
    }

    /// Makes a bridge; fails where a device has its name.
    pub fn add_bridge(&self, name: &str, options: &BridgeOptions) -> Result<Link> {
        let mut request =
            Request::new(NEW_LINK, REQUEST | ACK | CREATE | EXCLUSIVE, &[0; FIXED]).text(NAME, name);
        if let Some(mac) = options.mac {
            request = request.attr(ADDRESS, &mac.0);
        }
        if let Some(mtu) = options.mtu {
            request = request.u32(MTU, mtu);
        }
        // The kernel counts in hundredths, and takes no less than two seconds with the protocol.
        let delay = u32::try_from(options.delay.saturating_mul(100)).unwrap_or(u32::MAX);
        let delay = if options.stp { delay.max(200) } else { delay };
        let request = request.nest(INFO | NESTED, |info| {
            info.text(INFO_KIND, "bridge")
                .nest(INFO_DATA | NESTED, |data| data.u32(1, delay).u32(5, u32::from(options.stp)))
        });
        let what = format_args!("error creating bridge interface {name}");
        self.ask(request).map_err(|error| failed(what, error))?;
        self.require_link(name)
    }

    /// Makes a macvtap on a device.
    pub fn add_macvtap(
        &self,
        name: &str,
        parent: &Link,
        mode: MacvtapMode,
        mac: Option<MacAddr>,
    ) -> Result<Link> {
        let mut request = Request::new(NEW_LINK, REQUEST | ACK | CREATE | EXCLUSIVE, &[0; FIXED])
            .text(NAME, name)
            .u32(PARENT, parent.index);
        if let Some(mac) = mac {
            request = request.attr(ADDRESS, &mac.0);
        }
        let number = match mode {
            MacvtapMode::Private => 1,
            MacvtapMode::Vepa => 2,
            MacvtapMode::Bridge => 4,
            MacvtapMode::Passthrough => 8,
        };
        let request = request.nest(INFO | NESTED, |info| {
            info.text(INFO_KIND, "macvtap").nest(INFO_DATA | NESTED, |data| data.u32(1, number))
        });
        let what = format_args!("error creating macvtap interface {name}@{}", parent.name);
        self.ask(request).map_err(|error| failed(what, error))?;
        self.require_link(name)
    }

    /// Removes a device; none there is no error.
    pub fn remove_link(&self, name: &str) -> Result<()> {
        let Some(link) = self.link(name)? else { return Ok(()) };
        let request = Request::new(DEL_LINK, REQUEST | ACK, &fixed(0, link.index, 0, 0));
        match self.ask(request) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            other => other.map_err(|error| failed(format_args!("error removing interface {name}"), error)),
        }
    }

    fn change(&self, link: &Link, what: &str, change: impl FnOnce(Request) -> Request) -> Result<()> {
        let request = change(Request::new(NEW_LINK, REQUEST | ACK, &fixed(0, link.index, 0, 0)));
        self.ask(request).map_err(|error| failed(format_args!("cannot set {what} of {}", link.name), error))
    }

    /// Switches a device on or off.
    pub fn set_up(&self, link: &Link, up: bool) -> Result<()> {
        let flags = if up { UP } else { 0 };
        let request = Request::new(NEW_LINK, REQUEST | ACK, &fixed(0, link.index, flags, UP));
        let what = format_args!("cannot set link {} {}", link.name, if up { "up" } else { "down" });
        self.ask(request).map_err(|error| failed(what, error))
    }

    /// Makes a device a port of a bridge, or of none.
    pub fn set_master(&self, link: &Link, bridge: Option<&Link>) -> Result<()> {
        let request = Request::new(NEW_LINK, REQUEST | ACK, &fixed(0, link.index, 0, 0))
            .u32(MASTER, bridge.map_or(0, |bridge| bridge.index));
        let name = bridge.map_or("", |bridge| &bridge.name);
        let what = format_args!("Unable to add bridge {name} port {}", link.name);
        self.ask(request).map_err(|error| failed(what, error))
    }

    /// Gives a device a hardware address.
    pub fn set_mac(&self, link: &Link, mac: MacAddr) -> Result<()> {
        self.change(link, "the hardware address", |request| request.attr(ADDRESS, &mac.0))
    }

    /// Sets the largest packet of a device, in bytes.
    pub fn set_mtu(&self, link: &Link, mtu: u32) -> Result<()> {
        self.change(link, "the MTU", |request| request.u32(MTU, mtu))
    }

    /// Whether a port of a bridge is kept apart from other such ports.
    pub fn set_isolated(&self, link: &Link, isolated: bool) -> Result<()> {
        self.set_port(link, 33, isolated)
    }

    /// Whether a bridge learns addresses from a port, and floods it with frames for addresses it does
    /// not know.
    pub fn set_learning(&self, link: &Link, learns: bool) -> Result<()> {
        self.set_port(link, 8, learns)?;
        self.set_port(link, 9, learns)
    }

    /// Makes a device send at once, without a queue of its own; a kernel that cannot keeps its queue.
    pub fn set_no_queue(&self, link: &Link) {
        let mut fixed = vec![0; 4];
        fixed.extend(link.index.to_ne_bytes());
        fixed.extend(0u32.to_ne_bytes());
        fixed.extend(u32::MAX.to_ne_bytes());
        fixed.extend(0u32.to_ne_bytes());
        let request = Request::new(NEW_QUEUE, REQUEST | ACK | CREATE | REPLACE, &fixed).text(1, "noqueue");
        if let Err(error) = self.ask(request) {
            tracing::debug!(%error, device = link.name, "keeps its queue");
        }
    }

    fn set_port(&self, link: &Link, setting: u16, on: bool) -> Result<()> {
        let request = Request::new(NEW_LINK, REQUEST | ACK, &fixed(FAMILY_BRIDGE, link.index, 0, 0))
            .nest(PORT_SETTINGS | NESTED, |port| port.attr(setting, &[u8::from(on)]));
        let what = format_args!("cannot set bridge port flags of {}", link.name);
        self.ask(request).map_err(|error| failed(what, error))
    }
}

/// Whether a text can be the name of a device: 1 to 15 bytes, no slash, no space.
pub(crate) fn is_link_name(name: &str) -> bool {
    let bad = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte == 0;
    !name.is_empty() && name.len() < 16 && name != "." && name != ".." && !name.bytes().any(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_there() {
        let net = Net::open().unwrap();
        let lo = net.require_link("lo").unwrap();
        assert_eq!((lo.name.as_str(), lo.kind.as_deref()), ("lo", None));
        assert!(net.links().unwrap().contains(&lo));
        assert_eq!(net.link("no-such-device0").unwrap(), None);
        assert!(net.require_link("a b").unwrap_err().detail().ends_with("interface a b: No such device"));
    }

    #[test]
    fn names_of_devices() {
        assert!(is_link_name("virbr0") && is_link_name("vnet%d"));
        assert!(!is_link_name("") && !is_link_name("a/b") && !is_link_name("0123456789abcdef"));
    }
}
