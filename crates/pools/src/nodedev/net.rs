//! Network devices.

use ostler_base::{Error, Result, Word, words};
use ostler_xml::El;

use super::Fields;
use crate::interface::Link;

words! {
    /// `<feature name='…'/>`: what a card does by itself.
    pub NetFeature {
        Rx = "rx", Tx = "tx", Sg = "sg", Tso = "tso", Ufo = "ufo", Gso = "gso", Gro = "gro", Lro = "lro",
        Rxvlan = "rxvlan", Txvlan = "txvlan", Ntuple = "ntuple", Rxhash = "rxhash", Rdma = "rdma",
        Txudptnl = "txudptnl", Switchdev = "switchdev"
    }

    /// `<capability type='…'>` of a network device.
    pub NetType {
        /// Wired.
        Ethernet = "80203",
        /// Wireless.
        Wireless = "80211",
    }
}

/// `<capability type='net'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// Its name.
    pub interface: String,
    /// Its hardware address, as it is written.
    pub address: Option<String>,
    /// Its link.
    pub link: Option<Link>,
    /// What it does by itself, in the order of the list.
    pub features: Vec<NetFeature>,
    /// Its kind.
    pub kind: Option<NetType>,
}

impl Net {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let interface =
            fields.text("interface").ok_or_else(|| fields.fault("no network interface supplied for"))?;
        let mut features = Vec::new();
        for feature in fields.el.children("feature") {
            let name = feature.attr("name");
            let name = name.ok_or_else(|| Error::xml("missing network device feature name"))?;
            features.push(
                NetFeature::parse(name)
                    .ok_or_else(|| Error::xml(format!("unknown network device feature '{name}'")))?,
            );
        }
        features.sort();
        features.dedup();
        let kind = fields.el.child("capability").and_then(|c| c.attr("type"));
        let kind = kind.map(|word| {
            NetType::parse(word).ok_or_else(|| fields.unsupported("invalid network type supplied for"))
        });
        Ok(Net {
            interface,
            address: fields.text("address"),
            link: fields.el.child("link").map(|link| Link::parse(&link)).transpose()?,
            features,
            kind: kind.transpose()?,
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("interface", Some(&self.interface));
        el.push_text("address", self.address.as_ref());
        if let Some(link) = self.link {
            el.push_filled(link.to_el());
        }
        el.extend(self.features.iter().map(|feature| El::new("feature").attr("name", feature)));
        el.extend(self.kind.map(|kind| El::new("capability").attr("type", kind)));
    }
}
