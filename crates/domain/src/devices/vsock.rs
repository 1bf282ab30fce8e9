//! `<vsock>`: sockets between host and guest.

use ostler_base::{Result, YesNo, refuse};
use ostler_plan::{FdKind, FdSource, Part, Props, Resource, ResourceKind};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind, Slot, VirtioModel, VirtioOptions};
use crate::{Draft, Head, Setting, WriteMode};

/// The first number that the host tries for a guest without one.
const FIRST_CID: u32 = 42;

/// A socket device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vsock {
    /// `model`
    pub model: Option<VirtioModel>,
    /// `<cid auto=…>`
    pub auto: Option<YesNo>,
    /// `<cid address=…>`: the guest's number, from 3.
    pub cid: Option<u32>,
    /// Options of virtio devices.
    pub virtio: VirtioOptions,
    info: Info,
}

impl Kind for Vsock {
    const ELEMENT: &'static str = "vsock";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        let cid = el.child("cid");
        let number: Option<u32> = cid.map(|c| c.number("address")).transpose()?.flatten();
        if let Some(number) = number.filter(|number| *number < 3) {
            refuse!(xml, "guest CIDs must be >= 3, '{number}' is reserved");
        }
        Ok(Vsock {
            model: el.word("model")?,
            auto: cid.map(|c| c.yes_no("auto")).transpose()?.flatten(),
            cid: number,
            virtio: VirtioOptions::parse(el.child("driver"))?,
            info: Info::default(),
        })
    }
}

impl Device for Vsock {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, mode: &WriteMode) -> El {
        let cid = self.cid.filter(|_| self.auto != Some(YesNo::Yes) || !mode.inactive);
        let mut el = El::new("vsock").attr_opt("model", self.model);
        el.push_filled(El::new("cid").attr_opt("auto", self.auto).attr_opt("address", cid));
        self.virtio.push(&mut el);
        el
    }

    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        self.model.get_or_insert(VirtioModel::Plain);
        if self.auto.is_none() {
            self.auto = Some(YesNo::from(self.cid.is_none()));
        }
        Ok(())
    }

    fn validate(&self, draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        if draft.devices.vsocks.len() > 1 {
            refuse!(xml, "only a single vsock device is supported");
        }
        Ok(())
    }

    fn slot(&self, _draft: &Draft) -> Slot {
        self.model.unwrap_or(VirtioModel::Plain).slot()
    }

    fn is_virtio(&self) -> bool {
        true
    }

    fn alias(&self, nth: usize, _head: &Head) -> String {
        format!("vsock{nth}")
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let fd = build.fds.add(FdKind::VhostVsock, FdSource::Open("/dev/vhost-vsock".into()));
        let model = self.model.unwrap_or(VirtioModel::Plain);
        let mut props = Props::new().with("driver", model.driver("vhost-vsock", &self.info)?);
        self.virtio.props(&mut props);
        props.set("id", self.info.alias());
        props.set("guest-cid", self.cid.unwrap_or(FIRST_CID));
        props.set("vhostfd", fd.to_string());
        self.info.bus_props(build, &mut props)?;
        build.parts.push(Part::Device(props));
        Ok(())
    }

    fn resources(&self, out: &mut Vec<Resource>) {
        out.push(Resource::new("/dev/vhost-vsock", ResourceKind::Device).writable().shared());
    }

    fn absent(&self) -> String {
        "matching vsock device not found".to_owned()
    }
}
