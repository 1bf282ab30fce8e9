//! `<networkport>`: the place that one interface of a guest takes in a network.
//!
//! Owns: the document. Never: plugs anything.

use ostler_base::{Error, MacAddr, Origin, Result, Uuid, Word, YesNo, refuse, words};
use ostler_vocab::bandwidth::{Bandwidth, BandwidthUse};
use ostler_vocab::virtualport::VirtualPort;
use ostler_vocab::vlan::Vlan;
use ostler_xml::{El, Element};

use super::MacTableManager;
use super::forward::Driver;
use crate::PciAddress;
use crate::read::{Kind, Schema};

words! {
    /// `<plug type='direct' mode='…'>`
    pub DirectMode {
        Vepa = "vepa", Private = "private", Bridge = "bridge", Passthrough = "passthrough"
    }
}

const KIND: Kind = Kind { label: "networkport_definition", root: "networkport", origin: Origin::Network };

/// `<networkport>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its identifier.
    pub uuid: Uuid,
    /// Name of the guest.
    pub owner_name: String,
    /// Identifier of the guest.
    pub owner_uuid: Uuid,
    /// Port group.
    pub group: Option<String>,
    /// Hardware address of the guest's card.
    pub mac: MacAddr,
    /// How it presents itself to a switch.
    pub virtualport: Option<VirtualPort>,
    /// Shaping.
    pub bandwidth: Option<Bandwidth>,
    /// VLAN.
    pub vlan: Option<Vlan>,
    /// Whether it sees other isolated ports.
    pub isolated: Option<YesNo>,
    /// Whether the guest's receive filters are believed.
    pub trust_guest_rx_filters: Option<YesNo>,
    /// What it is plugged into.
    pub plug: Option<Plug>,
}

/// `<plug>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plug {
    /// The bridge of a virtual network.
    Network(BridgePlug),
    /// A bridge of the host.
    Bridge(BridgePlug),
    /// A macvtap on a device.
    Direct {
        /// The device.
        dev: String,
        /// The mode.
        mode: DirectMode,
    },
    /// A PCI function for the guest alone.
    HostdevPci {
        /// Which.
        address: PciAddress,
        /// Whether its driver is changed for us.
        managed: Option<YesNo>,
        /// Which driver.
        driver: Option<Driver>,
    },
}

/// A bridge and who keeps its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgePlug {
    /// Its name.
    pub bridge: String,
    /// Who keeps its table.
    pub mac_table_manager: Option<MacTableManager>,
}

impl Port {
    /// Reads a document.
    pub fn parse(text: &str, schema: Schema) -> Result<Self> {
        KIND.read(text, schema, Port::from_el)
    }

    fn from_el(el: &Element<'_>) -> Result<Self> {
        let uuid = |text: Option<String>, missing: &str| match text {
            None => Err(Error::xml(missing)),
            Some(text) => {
                Uuid::parse(&text).ok_or_else(|| Error::xml(format!("Unable to parse UUID '{text}'")))
            }
        };
        let own = uuid(el.child_text("uuid"), "network port has no uuid")?;
        let owner = el.child("owner");
        let owned = |name: &str| owner.as_ref().and_then(|owner| owner.child_text(name));
        let owner_name = owned("name").ok_or_else(|| Error::xml("network port has no owner name"))?;
        let owner_uuid = uuid(owned("uuid"), "network port has no owner UUID")?;
        let Some(mac) = el.child("mac").and_then(|mac| mac.attr("address")) else {
            refuse!(xml, "network port has no mac");
        };
        let Some(mac) = MacAddr::parse(mac) else {
            refuse!(xml, "Unable to parse MAC '{mac}'");
        };
        let bandwidth = el.child("bandwidth");
        Ok(Port {
            uuid: own,
            owner_name,
            owner_uuid,
            group: el.child_text("group"),
            mac,
            virtualport: el.child("virtualport").map(|v| VirtualPort::parse(&v)).transpose()?,
            bandwidth: bandwidth
                .map(|b| Bandwidth::parse(&b, BandwidthUse::WithFloorAndClass))
                .transpose()?,
            vlan: el.child("vlan").map(|v| Vlan::parse(&v)).transpose()?,
            isolated: yes_no(el.child("port"), "isolated")?,
            trust_guest_rx_filters: yes_no(el.child("rxfilters"), "trustGuest")?,
            plug: match el.child("plug") {
                Some(plug) => Plug::parse(&plug)?,
                None => None,
            },
        })
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        let mut el = El::new("networkport");
        el.push_text("uuid", Some(self.uuid));
        let mut owner = El::new("owner");
        owner.push_text("name", Some(&self.owner_name));
        owner.push_text("uuid", Some(self.owner_uuid));
        el.push(owner);
        el.push_text("group", self.group.as_ref());
        el.push(El::new("mac").attr("address", self.mac));
        el.extend(self.virtualport.as_ref().and_then(VirtualPort::to_el));
        el.extend(self.bandwidth.as_ref().map(Bandwidth::to_el));
        el.extend(self.vlan.as_ref().map(Vlan::to_el));
        el.extend(self.isolated.map(|isolated| El::new("port").attr("isolated", isolated)));
        el.extend(self.trust_guest_rx_filters.map(|trust| El::new("rxfilters").attr("trustGuest", trust)));
        el.extend(self.plug.as_ref().map(Plug::to_el));
        el.to_xml()
    }
}

fn yes_no(el: Option<Element<'_>>, name: &str) -> Result<Option<YesNo>> {
    el.map_or(Ok(None), |el| el.yes_no(name))
}

impl Plug {
    fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        Ok(Some(match el.attr("type") {
            None | Some("none") => return Ok(None),
            Some("network") => Plug::Network(BridgePlug::parse(el)?),
            Some("bridge") => Plug::Bridge(BridgePlug::parse(el)?),
            Some("direct") => {
                let Some(dev) = el.attr("dev") else {
                    refuse!(xml, "Missing network port link device name");
                };
                let mode = match el.attr("mode") {
                    None => DirectMode::Vepa,
                    Some(word) => DirectMode::parse(word).ok_or_else(|| {
                        Error::xml(format!("Invalid mode setting '{word}' in network port"))
                    })?,
                };
                Plug::Direct { dev: dev.to_owned(), mode }
            }
            Some("hostdev-pci") => {
                let Some(address) = el.child("address") else {
                    refuse!(xml, "Missing network port PCI address");
                };
                Plug::HostdevPci {
                    address: PciAddress::parse(&address)?,
                    managed: el.yes_no("managed")?,
                    driver: el.child("driver").map(|driver| Driver::parse(&driver)).transpose()?,
                }
            }
            Some(word) => return Err(el.invalid("type", word, "")),
        }))
    }

    fn to_el(&self) -> El {
        match self {
            Plug::Network(plug) => plug.to_el("network"),
            Plug::Bridge(plug) => plug.to_el("bridge"),
            Plug::Direct { dev, mode } => {
                El::new("plug").attr("type", "direct").attr("dev", dev).attr("mode", mode)
            }
            Plug::HostdevPci { address, managed, driver } => {
                let mut el = El::new("plug").attr("type", "hostdev-pci");
                el.set_opt("managed", managed.map(Word::as_str));
                if let Some(driver) = driver {
                    el.push_filled(driver.to_el());
                }
                let mut child = El::new("address");
                address.write(&mut child);
                el.child(child)
            }
        }
    }
}

impl BridgePlug {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let Some(bridge) = el.attr("bridge") else {
            refuse!(xml, "Missing network port bridge name");
        };
        let mac_table_manager = match el.attr("macTableManager") {
            None => None,
            Some(word) => Some(MacTableManager::parse(word).ok_or_else(|| {
                Error::xml(format!("Invalid macTableManager setting '{word}' in network port"))
            })?),
        };
        Ok(BridgePlug { bridge: bridge.to_owned(), mac_table_manager })
    }

    fn to_el(&self, kind: &str) -> El {
        El::new("plug")
            .attr("type", kind)
            .attr("bridge", &self.bridge)
            .attr_opt("macTableManager", self.mac_table_manager.map(Word::as_str))
    }
}
