//! `<adapter>`: the host bus adapter of a SCSI pool or of a SCSI disk handed to a guest.
//!
//! Owns: the element and its rules. Never: looks for an adapter.

use ostler_base::{Code, Error, Origin, Result, Word, YesNo, refuse, words};
use ostler_xml::{El, Element};

use crate::PciAddress;

words! {
    /// `<adapter type='…'>`
    AdapterType { ScsiHost = "scsi_host", FcHost = "fc_host" }
}

/// `<adapter>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapter {
    /// A SCSI host by name.
    ScsiHost {
        /// Its name.
        name: String,
    },
    /// A SCSI host by the PCI function it belongs to.
    ScsiHostAt {
        /// The function.
        address: PciAddress,
        /// Which one of that function.
        unique_id: u32,
    },
    /// A virtual Fibre Channel port.
    FcHost(FcHost),
}

/// A virtual Fibre Channel port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FcHost {
    /// The port it is made on, by name.
    pub parent: Option<String>,
    /// The port it is made on, by node name; together with the port name.
    pub parent_wwnn: Option<String>,
    /// The port it is made on, by port name; together with the node name.
    pub parent_wwpn: Option<String>,
    /// The port it is made on, by fabric.
    pub parent_fabric_wwn: Option<String>,
    /// Whether it goes away with the pool.
    pub managed: Option<YesNo>,
    /// Its node name.
    pub wwnn: String,
    /// Its port name.
    pub wwpn: String,
}

impl Adapter {
    /// Reads it.
    pub(crate) fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let text = |name: &str| el.attr(name).map(str::to_owned);
        match el.word::<AdapterType>("type")? {
            Some(AdapterType::FcHost) => FcHost::parse(el).map(|host| Some(Adapter::FcHost(host))),
            Some(AdapterType::ScsiHost) => parse_scsi_host(el).map(Some),
            None => {
                if ["wwnn", "wwpn", "parent"].iter().any(|name| el.has_attr(name)) {
                    refuse!(
                        xml,
                        "Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the adapter 'type'"
                    );
                }
                if el.child("parentaddr").is_some() {
                    refuse!(xml, "Use of 'parentaddr' element requires use of the adapter 'type'");
                }
                Ok(text("name").map(|name| Adapter::ScsiHost { name }))
            }
        }
    }

    /// Writes it.
    pub(crate) fn to_el(&self) -> El {
        let el = El::new("adapter");
        match self {
            Adapter::ScsiHost { name } => el.attr("type", AdapterType::ScsiHost).attr("name", name),
            Adapter::ScsiHostAt { address, unique_id } => {
                let mut place = El::new("address");
                address.write(&mut place);
                el.attr("type", AdapterType::ScsiHost)
                    .child(El::new("parentaddr").attr("unique_id", unique_id).child(place))
            }
            Adapter::FcHost(host) => el
                .attr("type", AdapterType::FcHost)
                .attr_opt("parent", host.parent.as_ref())
                .attr_opt("parent_wwnn", host.parent_wwnn.as_ref())
                .attr_opt("parent_wwpn", host.parent_wwpn.as_ref())
                .attr_opt("parent_fabric_wwn", host.parent_fabric_wwn.as_ref())
                .attr_opt("managed", host.managed.map(Word::as_str))
                .attr("wwnn", &host.wwnn)
                .attr("wwpn", &host.wwpn),
        }
    }
}

fn parse_scsi_host(el: &Element<'_>) -> Result<Adapter> {
    let name = el.attr("name").map(str::to_owned);
    let Some(parent) = el.child("parentaddr") else {
        return match name {
            Some(name) => Ok(Adapter::ScsiHost { name }),
            None => refuse!(xml, "Either 'name' or 'parent' must be specified for the 'scsi_host' adapter"),
        };
    };
    let Some(address) = parent.child("address") else {
        refuse!(xml, "Missing scsi_host PCI address element");
    };
    let Ok(Some(unique_id)) = parent.number::<u32>("unique_id") else {
        refuse!(xml, "Missing or invalid scsi adapter 'unique_id' value");
    };
    let address = PciAddress::parse(&address)?;
    if name.is_some() {
        refuse!(xml, "Both 'name' and 'parent' cannot be specified for the 'scsi_host' adapter");
    }
    Ok(Adapter::ScsiHostAt { address, unique_id })
}

impl FcHost {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let text = |name: &str| el.attr(name).map(str::to_owned);
        let managed = el.yes_no("managed")?;
        let (Some(wwnn), Some(wwpn)) = (text("wwnn"), text("wwpn")) else {
            refuse!(xml, "'wwnn' and 'wwpn' must be specified for adapter type 'fchost'");
        };
        let host = FcHost {
            parent: text("parent"),
            parent_wwnn: text("parent_wwnn"),
            parent_wwpn: text("parent_wwpn"),
            parent_fabric_wwn: text("parent_fabric_wwn"),
            managed,
            wwnn,
            wwpn,
        };
        check_wwn(Some(&host.wwnn))?;
        check_wwn(Some(&host.wwpn))?;
        match (&host.parent_wwnn, &host.parent_wwpn) {
            (Some(node), None) => {
                refuse!(xml, "when providing parent_wwnn='{node}', the parent_wwpn must also be provided")
            }
            (None, Some(port)) => {
                refuse!(xml, "when providing parent_wwpn='{port}', the parent_wwnn must also be provided")
            }
            _ => {}
        }
        check_wwn(host.parent_wwnn.as_ref())?;
        check_wwn(host.parent_wwpn.as_ref())?;
        check_wwn(host.parent_fabric_wwn.as_ref())?;
        Ok(host)
    }
}

/// World wide names are 16 hexadecimal digits.
pub(crate) fn check_wwn(name: Option<&String>) -> Result<()> {
    match name.filter(|n| n.len() != 16 || !n.bytes().all(|b| b.is_ascii_hexdigit())) {
        Some(bad) => Err(Error::new(Code::InternalError, Origin::None, format!("Malformed wwn: {bad}"))),
        None => Ok(()),
    }
}
