//! Channel devices, subchannels and crypto adapters of s390.

use ostler_base::{Error, Result, Word, words};
use ostler_xml::El;

use super::Fields;
use super::mdev::{MdevType, parse_types, write_types};

words! {
    /// `<state>` of a channel device.
    pub CcwState { Offline = "offline", Online = "online" }

    /// `<capability type='…'>` of a group of channel devices.
    pub CcwgroupType { Generic = "qeth_generic", Layer2 = "qeth_layer2", Layer3 = "qeth_layer3" }
}

/// Address of a channel device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CcwAddress {
    /// Channel subsystem.
    pub cssid: u32,
    /// Subchannel set.
    pub ssid: u32,
    /// Device number.
    pub devno: u32,
}

/// `<capability type='ccw'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ccw {
    /// Whether it is in use.
    pub state: Option<CcwState>,
    /// Its address.
    pub address: CcwAddress,
    /// The group it belongs to.
    pub group_device: Option<String>,
}

/// `<capability type='css'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Css {
    /// Its address.
    pub address: CcwAddress,
    /// The address of its channel device.
    pub channel_dev_addr: Option<CcwAddress>,
    /// Mediated devices that it offers.
    pub mdev_types: Vec<MdevType>,
}

/// `<capability type='ccwgroup'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ccwgroup {
    /// Whether it is in use.
    pub state: Option<CcwState>,
    /// Its address.
    pub address: CcwAddress,
    /// Its devices: what they are in it, and their names.
    pub members: Vec<(String, String)>,
    /// What it is.
    pub kind: Option<Qeth>,
}

/// A network card made of channel devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qeth {
    /// Which layer it works on.
    pub kind: CcwgroupType,
    /// What card it is.
    pub card_type: Option<String>,
    /// Its channel path.
    pub chpid: Option<String>,
}

impl CcwAddress {
    fn parse(fields: &Fields<'_>) -> Result<Self> {
        Ok(CcwAddress {
            cssid: fields.value("cssid")?,
            ssid: fields.value("ssid")?,
            devno: fields.value("devno")?,
        })
    }

    fn write(&self, el: &mut El) {
        el.push_text("cssid", Some(format!("0x{:x}", self.cssid)));
        el.push_text("ssid", Some(format!("0x{:x}", self.ssid)));
        el.push_text("devno", Some(format!("0x{:04x}", self.devno)));
    }
}

fn parse_state(fields: &Fields<'_>) -> Result<Option<CcwState>> {
    fields
        .text("state")
        .map(|word| {
            CcwState::parse(&word).ok_or_else(|| fields.unsupported(&format!("unknown state '{word}' for")))
        })
        .transpose()
}

impl Ccw {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let member = fields.el.children("capability").find(|c| c.attr("type") == Some("ccwgroup_member"));
        let group = member.map(|member| {
            let fields = fields.within(member);
            fields.text("group_device").ok_or_else(|| fields.unsupported("missing group_device value for"))
        });
        Ok(Ccw {
            state: parse_state(fields)?,
            address: CcwAddress::parse(fields)?,
            group_device: group.transpose()?,
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("state", self.state);
        self.address.write(el);
        if let Some(group) = &self.group_device {
            let mut child = El::new("capability").attr("type", "ccwgroup_member");
            child.push_text("group_device", Some(group));
            el.push(child);
        }
    }
}

impl Css {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let channel = fields.el.child("channel_dev_addr");
        Ok(Css {
            address: CcwAddress::parse(fields)?,
            channel_dev_addr: channel.map(|el| CcwAddress::parse(&fields.within(el))).transpose()?,
            mdev_types: parse_types(&fields.el)?,
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        self.address.write(el);
        if let Some(address) = &self.channel_dev_addr {
            let mut child = El::new("channel_dev_addr");
            address.write(&mut child);
            el.push(child);
        }
        write_types(el, &self.mdev_types);
    }
}

impl Ccwgroup {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let mut members = Vec::new();
        let devices = fields.el.child("members");
        for device in devices.iter().flat_map(|members| members.children("ccw_device")) {
            let Some(place) = device.attr("ref").filter(|place| !place.is_empty()) else {
                let fault = fields.fault("Missing ref property on ccw_device in members for");
                return Err(Error::xml(fault.detail()));
            };
            members.push((place.to_owned(), device.text()));
        }
        let kind = match fields.el.child("capability") {
            None => None,
            Some(child) => Some(Qeth {
                kind: child.require_word("type")?,
                card_type: child.child_text("card_type"),
                chpid: child.child_text("chpid"),
            }),
        };
        Ok(Ccwgroup { state: parse_state(fields)?, address: CcwAddress::parse(fields)?, members, kind })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("state", self.state);
        self.address.write(el);
        if !self.members.is_empty() {
            let mut members = El::new("members");
            for (place, name) in &self.members {
                let mut device = El::new("ccw_device").attr("ref", place);
                device.text(name);
                members.push(device);
            }
            el.push(members);
        }
        if let Some(qeth) = &self.kind {
            let mut child = El::new("capability").attr("type", qeth.kind);
            child.push_text("card_type", qeth.card_type.as_ref());
            child.push_text("chpid", qeth.chpid.as_ref());
            el.push(child);
        }
    }
}

/// The number of a crypto adapter.
pub(super) fn parse_adapter(fields: &Fields<'_>) -> Result<u32> {
    fields.value("ap-adapter")
}

/// The number of a domain of a crypto adapter.
pub(super) fn parse_domain(fields: &Fields<'_>) -> Result<u8> {
    let number = fields.value("ap-domain")?;
    u8::try_from(number).map_err(|_| {
        let text = fields.text("ap-domain").unwrap_or_default();
        fields.unsupported(&format!("ap-domain value '{text}' is out of range for"))
    })
}

/// Writes the numbers of an adapter and of a domain.
pub(super) fn write_ap(el: &mut El, adapter: u32, domain: Option<u8>) {
    el.push_text("ap-adapter", Some(format!("0x{adapter:02x}")));
    el.push_text("ap-domain", domain.map(|domain| format!("0x{domain:04x}")));
}
