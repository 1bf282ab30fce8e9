//! `<redirdev>`: USB devices of whoever looks at the screen.

use ostler_base::{Result, words};
use ostler_plan::{Part, Props, Resource};
use ostler_vocab::chardev::{Log, Source};
use ostler_xml::{El, Element};

use super::chardev::{CharDevice, Port};
use super::{Build, Device, Info, Kind};
use crate::{Head, WriteMode};

words! {
    /// `<redirdev bus='…'>`
    pub RedirBus { Usb = "usb" }
}

/// The channel of a display on D-Bus that devices come by.
const DBUS_CHANNEL: &str = "org.qemu.usbredir";

/// A place for a device from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirdev {
    /// Where it comes from.
    pub device: CharDevice,
    info: Info,
}

impl Kind for Redirdev {
    const ELEMENT: &'static str = "redirdev";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        el.word::<RedirBus>("bus")?;
        let unnamed = el.path("source").and_then(|s| s.attr("channel")).is_none();
        let device = if el.attr("type") == Some("dbus") && unnamed {
            CharDevice { source: Source::Dbus { channel: DBUS_CHANNEL.to_owned() }, log: Log::parse(el)? }
        } else {
            CharDevice::parse(el)?
        };
        Ok(Redirdev { device, info: Info::default() })
    }
}

impl Device for Redirdev {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        self.device.format("redirdev", mode).attr("bus", RedirBus::Usb)
    }

    fn usb_turn(&self) -> Option<u8> {
        Some(8)
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("redir{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let alias = self.info.alias();
        let chardev = self.device.add_backend(alias, Port::Serial, "usbredir", build)?;
        let mut props = Props::new().with("driver", "usb-redir").with("chardev", chardev).with("id", alias);
        let filter = build.draft.devices.redirfilters.first();
        props.set_opt("filter", filter.map(super::redirfilter::Redirfilter::option));
        props.set_opt("bootindex", self.info.boot_index);
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        self.device.resources(out);
    }

    fn absent(&self) -> String {
        "no matching redirdev was not found".to_owned()
    }
}
