//! `<channel>`: ways between host and guest that are no console.

use ostler_base::{Error, Result, refuse, words};
use ostler_plan::{Part, Props, Resource};
use ostler_vocab::address::{Address, VirtioSerialAddress};
use ostler_vocab::chardev::{SocketMode, Source};
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::{Build, Device, Info, Kind};
use crate::{Draft, Head, Setting, WriteMode};

words! {
    /// `<target state='…'>`: whether a program of the guest listens.
    pub ChannelState { Connected = "connected", Disconnected = "disconnected" }
}

/// Where a channel ends in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelTarget {
    /// A port of a virtio serial controller.
    Virtio {
        /// Its name in the guest.
        name: Option<String>,
        /// Of a run.
        state: Option<ChannelState>,
    },
    /// An address of the user mode network.
    Guestfwd {
        /// IPv4 address.
        address: String,
        /// TCP port.
        port: u16,
    },
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Where its characters go.
    pub device: CharDevice,
    /// `<target>`
    pub target: ChannelTarget,
    info: Info,
}

/// The name that a channel of a SPICE agent has.
const AGENT: &str = "com.redhat.spice.0";

impl Kind for Channel {
    const ELEMENT: &'static str = "channel";
    const PLUG: super::Plug = super::Plug::ALWAYS;
    const WORD: &'static str = "chr";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target =
            el.child("target").ok_or_else(|| Error::xml("character device target type must be specified"))?;
        let parsed = match target.attr("type") {
            Some("virtio") => {
                ChannelTarget::Virtio { name: target.attr("name").map(str::to_owned), state: None }
            }
            Some("guestfwd") => {
                let address = target
                    .attr("address")
                    .ok_or_else(|| Error::xml("guestfwd channel does not define a target address"))?;
                if address.parse::<std::net::Ipv4Addr>().is_err() {
                    refuse!(unsupported, "guestfwd channel only supports IPv4 addresses");
                }
                let port = target
                    .number("port")?
                    .ok_or_else(|| Error::xml("guestfwd channel does not define a target port"))?;
                ChannelTarget::Guestfwd { address: address.to_owned(), port }
            }
            Some(word) => refuse!(xml, "unknown target type '{word}' specified for character device"),
            None => refuse!(xml, "target type must be specified for channel device"),
        };
        Ok(Channel { device: CharDevice::parse(el)?, target: parsed, info: Info::default() })
    }

    fn parse_run(&mut self, el: &Element<'_>) -> Result<()> {
        if let (ChannelTarget::Virtio { state, .. }, Some(target)) = (&mut self.target, el.child("target")) {
            *state = target.word("state")?;
        }
        Ok(())
    }
}

impl Channel {
    /// The place of a port, of channels that have one.
    pub(crate) fn virtio_place(&mut self) -> Option<&mut VirtioSerialAddress> {
        if matches!(self.target, ChannelTarget::Guestfwd { .. }) {
            return None;
        }
        match self.info.address.get_or_insert(Address::VirtioSerial(VirtioSerialAddress::default())) {
            Address::VirtioSerial(place) => Some(place),
            _ => None,
        }
    }
}

impl Device for Channel {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = self.device.format("channel", mode);
        let target = match &self.target {
            ChannelTarget::Virtio { name, state } => El::new("target")
                .attr("type", "virtio")
                .attr_opt("name", name.as_ref())
                .attr_opt("state", state.filter(|_| !mode.inactive)),
            ChannelTarget::Guestfwd { address, port } => {
                El::new("target").attr("type", "guestfwd").attr("address", address).attr("port", port)
            }
        };
        el.push(target);
        el
    }

    fn complete(&mut self, _head: &Head, setting: &Setting<'_>) -> Result<()> {
        let ChannelTarget::Virtio { name, .. } = &mut self.target else { return Ok(()) };
        if matches!(self.device.source, Source::SpiceVmc | Source::QemuVdagent { .. }) {
            name.get_or_insert_with(|| AGENT.to_owned());
        }
        // Paths of our own making belong to a run.
        if let Source::Unix { path, .. } = &mut self.device.source
            && path.as_ref().is_some_and(|p| setting.config.is_own_channel(p, name.as_deref()))
        {
            *path = None;
        }
        Ok(())
    }

    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if let (Source::Unix { path: None, .. }, ChannelTarget::Guestfwd { .. }) =
            (&self.device.source, &self.target)
        {
            refuse!(xml, "Missing source path attribute for char device");
        }
        Ok(())
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("channel{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let mut device = self.device.clone();
        if let (Source::Unix { path: path @ None, mode, .. }, ChannelTarget::Virtio { name, .. }) =
            (&mut device.source, &self.target)
        {
            let (draft, name) = (build.draft, name.as_deref().unwrap_or_default());
            *path = Some(build.setting.config.channel_path(draft.head.identity.id, draft.name(), name));
            *mode = SocketMode::Bind;
        }
        let chardev = device.add_backend(alias, Port::Serial, "vdagent", build)?;
        match &self.target {
            ChannelTarget::Virtio { name, .. } => {
                let mut props = Props::new().with("driver", "virtserialport");
                self.info.bus_props(build, &mut props)?;
                props.set("chardev", chardev);
                props.set("id", alias);
                props.set_opt("name", name.as_deref());
                build.parts.push(Part::Device(props));
            }
            ChannelTarget::Guestfwd { address, port } => {
                let forward = Props::new().with("str", format!("tcp:{address}:{port}-chardev:{chardev}"));
                let props = Props::new()
                    .with("type", "user")
                    .with("guestfwd", vec![forward.to_json()])
                    .with("id", alias);
                build.parts.push(Part::Netdev(props));
            }
        }
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        self.device.resources(out);
    }
}
