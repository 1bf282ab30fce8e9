//! `<source>` of host devices: which device of the host.

use ostler_base::{Error, Result, YesNo, refuse, words};
use ostler_vocab::address::PciAddress;
use ostler_vocab::storage_auth::{StorageAuth, initiator_to_el, parse_initiator};
use ostler_xml::{El, Element};

use crate::devices::disk::StartupPolicy;

words! {
    /// `<hostdev type='…'>`
    pub HostdevType { Usb = "usb", Pci = "pci", Scsi = "scsi", ScsiHost = "scsi_host", Mdev = "mdev" }
    /// `<source guestReset='…'>`
    pub GuestReset { Off = "off", Uninitialized = "uninitialized", On = "on" }
}

/// Which device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostdevSource {
    /// A PCI function.
    Pci {
        /// `<address>`
        address: PciAddress,
        /// `writeFiltering`
        write_filtering: Option<YesNo>,
    },
    /// A USB device.
    Usb(UsbSource),
    /// A unit of a SCSI adapter.
    Scsi {
        /// `<adapter name=…>`
        adapter: String,
        /// `<address bus= target= unit=>`
        address: (u32, u32, u64),
    },
    /// A unit on the network.
    Iscsi(Box<IscsiSource>),
    /// A target of vhost-scsi.
    ScsiHost {
        /// `wwpn`
        wwpn: String,
    },
    /// A mediated device.
    Mdev {
        /// `<address uuid=…>`
        uuid: String,
    },
}

/// A USB device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbSource {
    /// `<vendor id=…>`
    pub vendor: Option<u16>,
    /// `<product id=…>`
    pub product: Option<u16>,
    /// `<address bus= device=>`
    pub address: Option<(u32, u32)>,
    /// `startupPolicy`
    pub startup_policy: Option<StartupPolicy>,
    /// `guestReset`
    pub guest_reset: Option<GuestReset>,
}

/// A SCSI unit on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IscsiSource {
    /// `name`: target and unit.
    pub name: String,
    /// `<host name= port=>`
    pub host: (String, u16),
    /// `<auth>`
    pub auth: Option<StorageAuth>,
    /// `<initiator>`
    pub initiator: Option<String>,
}

/// The port of iSCSI.
const ISCSI_PORT: u16 = 3260;

impl UsbSource {
    fn parse(source: &Element<'_>) -> Result<Self> {
        let id = |name: &str| -> Result<Option<u16>> {
            source.child(name).map(|c| c.number_in("id", 0)).transpose().map(Option::flatten)
        };
        let (vendor, product) = (id("vendor")?, id("product")?);
        if vendor.is_some() != product.is_some() {
            refuse!(xml, "missing {}", if vendor.is_some() { "product" } else { "vendor" });
        }
        if vendor == Some(0) {
            refuse!(xml, "vendor cannot be 0.");
        }
        let address = match source.child("address") {
            Some(a) => Some((a.require_number("bus")?, a.require_number("device")?)),
            None => None,
        };
        Ok(UsbSource {
            vendor,
            product,
            address,
            startup_policy: source.word("startupPolicy")?,
            guest_reset: source.word("guestReset")?,
        })
    }

    fn format(&self) -> El {
        let id = |name: &'static str, value: u16| El::new(name).attr("id", format_args!("0x{value:04x}"));
        let mut el = El::new("source")
            .attr_opt("startupPolicy", self.startup_policy)
            .attr_opt("guestReset", self.guest_reset);
        el.extend(self.vendor.map(|vendor| id("vendor", vendor)));
        el.extend(self.product.map(|product| id("product", product)));
        el.extend(
            self.address.map(|(bus, device)| El::new("address").attr("bus", bus).attr("device", device)),
        );
        el
    }
}

impl IscsiSource {
    fn parse(source: &Element<'_>) -> Result<Self> {
        let Some(name) = source.attr("name").filter(|name| !name.is_empty()) else {
            refuse!(xml, "missing iSCSI hostdev source path name");
        };
        let hosts: Vec<_> = source.children("host").collect();
        let [host] = hosts.as_slice() else {
            refuse!(xml, "only one source host address may be specified for the iSCSI hostdev");
        };
        let Some(host_name) = host.attr("name") else { refuse!(xml, "missing the source host name") };
        // A name without a unit means the first one.
        let name = if name.contains('/') { name.to_owned() } else { format!("{name}/0") };
        Ok(IscsiSource {
            name,
            host: (host_name.to_owned(), host.number("port")?.unwrap_or(ISCSI_PORT)),
            auth: source.child("auth").map(|auth| StorageAuth::parse(&auth)).transpose()?,
            initiator: parse_initiator(source),
        })
    }

    fn format(&self) -> El {
        let (name, port) = &self.host;
        let mut el = El::new("source").attr("protocol", "iscsi").attr("name", &self.name);
        el.push(El::new("host").attr("name", name).attr("port", port));
        el.extend(self.auth.as_ref().map(StorageAuth::to_el));
        el.extend(self.initiator.as_ref().map(|iqn| initiator_to_el(iqn)));
        el
    }

    /// Target and unit.
    pub(super) fn target(&self) -> (&str, u64) {
        match self.name.rsplit_once('/') {
            Some((target, unit)) => (target, unit.parse().unwrap_or(0)),
            None => (&self.name, 0),
        }
    }
}

impl HostdevSource {
    /// Its `type`.
    pub fn kind(&self) -> HostdevType {
        match self {
            HostdevSource::Pci { .. } => HostdevType::Pci,
            HostdevSource::Usb(_) => HostdevType::Usb,
            HostdevSource::Scsi { .. } | HostdevSource::Iscsi(_) => HostdevType::Scsi,
            HostdevSource::ScsiHost { .. } => HostdevType::ScsiHost,
            HostdevSource::Mdev { .. } => HostdevType::Mdev,
        }
    }

    pub(super) fn parse(kind: HostdevType, source: &Element<'_>) -> Result<Self> {
        let address = source.child("address");
        Ok(match kind {
            HostdevType::Pci => {
                let Some(address) = address else {
                    refuse!(xml, "'address' must be specified for hostdev source")
                };
                HostdevSource::Pci {
                    address: PciAddress::parse(&address)?,
                    write_filtering: source.yes_no("writeFiltering")?,
                }
            }
            HostdevType::Usb => HostdevSource::Usb(UsbSource::parse(source)?),
            HostdevType::Scsi => match source.attr("protocol") {
                Some("iscsi") => HostdevSource::Iscsi(Box::new(IscsiSource::parse(source)?)),
                None | Some("adapter") => {
                    let Some(adapter) = source.child("adapter") else {
                        refuse!(xml, "'adapter' must be specified for scsi hostdev source");
                    };
                    let Some(place) = address else {
                        refuse!(xml, "'address' must be specified for scsi hostdev source");
                    };
                    let all = ["bus", "target", "unit"].iter().all(|name| place.has_attr(name));
                    if !all {
                        refuse!(
                            xml,
                            "'bus', 'target', and 'unit' must be specified for scsi hostdev source address"
                        );
                    }
                    HostdevSource::Scsi {
                        adapter: adapter.require("name")?.to_owned(),
                        address: (
                            place.require_number("bus")?,
                            place.require_number("target")?,
                            place.require_number("unit")?,
                        ),
                    }
                }
                Some(other) => refuse!(xml, "unknown SCSI subsystem protocol '{other}'"),
            },
            HostdevType::ScsiHost => match source.attr("protocol") {
                Some("vhost") => {
                    let Some(wwpn) = source.attr("wwpn") else {
                        refuse!(xml, "Missing required attribute 'wwpn' in element 'source'");
                    };
                    if !wwpn.starts_with("naa.") {
                        refuse!(xml, "malformed 'wwpn' value");
                    }
                    HostdevSource::ScsiHost { wwpn: wwpn.to_owned() }
                }
                other => refuse!(xml, "Unknown SCSI_host subsystem protocol '{}'", other.unwrap_or_default()),
            },
            HostdevType::Mdev => {
                let Some(address) = address else { refuse!(xml, "Missing <address> element") };
                let Some(uuid) = address.attr("uuid") else {
                    refuse!(unsupported, "Missing 'uuid' attribute for element <address>");
                };
                if ostler_base::Uuid::parse(uuid).is_none() {
                    return Err(Error::xml("Cannot parse uuid attribute of element <address>"));
                }
                HostdevSource::Mdev { uuid: uuid.to_owned() }
            }
        })
    }

    pub(super) fn format(&self) -> El {
        let mut source = El::new("source");
        match self {
            HostdevSource::Usb(usb) => return usb.format(),
            HostdevSource::Iscsi(iscsi) => return iscsi.format(),
            HostdevSource::Pci { address: pci, write_filtering } => {
                source.set_opt("writeFiltering", *write_filtering);
                source.push(
                    El::new("address")
                        .attr("domain", format_args!("0x{:04x}", pci.domain))
                        .attr("bus", format_args!("0x{:02x}", pci.bus))
                        .attr("slot", format_args!("0x{:02x}", pci.slot))
                        .attr("function", format_args!("0x{:x}", pci.function)),
                );
            }
            HostdevSource::Scsi { adapter, address: (bus, target, unit) } => {
                source.push(El::new("adapter").attr("name", adapter));
                source.push(El::new("address").attr("bus", bus).attr("target", target).attr("unit", unit));
            }
            HostdevSource::ScsiHost { wwpn } => {
                source.set("protocol", "vhost");
                source.set("wwpn", wwpn);
            }
            HostdevSource::Mdev { uuid } => source.push(El::new("address").attr("uuid", uuid)),
        }
        source
    }
}
