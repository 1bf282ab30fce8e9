//! PCI functions.

use ostler_base::{Error, Result, Word, refuse, words};
use ostler_xml::{El, Element};

use super::mdev::{MdevType, parse_types, write_types};
use super::usb::id;
use super::{Fields, Vpd};
use crate::PciAddress;

words! {
    /// `speed='…'` of a PCI Express link, in GT a second.
    pub LinkSpeed { Gen1 = "2.5", Gen2 = "5", Gen3 = "8", Gen4 = "16", Gen5 = "32", Gen6 = "64" }

    /// What a function is that is no endpoint.
    pub BridgeType { Pci = "pci-bridge", Cardbus = "cardbus-bridge" }
}

/// `<capability type='pci'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pci {
    /// Class, subclass and interface: 24 bits.
    pub class: Option<u32>,
    /// Where it is.
    pub address: PciAddress,
    /// Number and name of the product.
    pub product: (u32, Option<String>),
    /// Number and name of the vendor.
    pub vendor: (u32, Option<String>),
    /// The function that it is a virtual one of.
    pub phys_function: Option<PciAddress>,
    /// The virtual functions it can have.
    pub virt_functions: Option<VirtFunctions>,
    /// What bridge it is.
    pub bridge: Option<BridgeType>,
    /// Mediated devices that it offers.
    pub mdev_types: Vec<MdevType>,
    /// What it says of itself.
    pub vpd: Option<Vpd>,
    /// The functions that can only be handed out together with it.
    pub iommu_group: Option<IommuGroup>,
    /// The NUMA node it is near to.
    pub numa_node: Option<i32>,
    /// Its PCI Express links.
    pub express: Option<Express>,
}

/// `<capability type='virt_functions'>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtFunctions {
    /// How many there can be.
    pub max_count: Option<u32>,
    /// Those that there are.
    pub addresses: Vec<PciAddress>,
}

/// `<iommuGroup>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IommuGroup {
    /// Its number.
    pub number: u32,
    /// Its functions.
    pub addresses: Vec<PciAddress>,
}

/// `<pci-express>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Express {
    /// What it can do.
    pub capability: Option<Link>,
    /// What it does now.
    pub status: Option<Link>,
}

/// `<link>` of `<pci-express>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Port number.
    pub port: Option<u32>,
    /// Speed.
    pub speed: Option<LinkSpeed>,
    /// Lanes.
    pub width: u32,
}

impl Pci {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let narrow = |name: &str, what: &str| -> Result<u8> {
            let value = fields.required(name, 0, what)?;
            u8::try_from(value).map_err(|_| fields.fault(&format!("invalid {what} supplied for")))
        };
        let el = &fields.el;
        let mut pci = Pci {
            class: fields.number("class", 16, "PCI class")?,
            address: PciAddress {
                domain: fields.required("domain", 0, "PCI domain ID")?,
                bus: narrow("bus", "PCI bus ID")?,
                slot: narrow("slot", "PCI slot ID")?,
                function: narrow("function", "PCI function ID")?,
            },
            vendor: fields.id("vendor", "PCI vendor ID")?,
            product: fields.id("product", "PCI product ID")?,
            phys_function: None,
            virt_functions: None,
            bridge: None,
            mdev_types: parse_types(el)?,
            vpd: None,
            iommu_group: el.child("iommuGroup").map(|group| IommuGroup::parse(&group)).transpose()?,
            numa_node: None,
            express: el.child("pci-express").map(|express| Express::parse(&express)).transpose()?,
        };
        for child in el.children("capability") {
            pci.read_capability(&child)?;
        }
        if let Some(node) = el.child("numa").and_then(|numa| numa.attr("node")).filter(|n| !n.is_empty()) {
            let node = node.trim().parse::<i32>();
            let node = node.map_err(|_| fields.fault("invalid NUMA node ID supplied for"))?;
            pci.numa_node = Some(node).filter(|node| *node >= 0);
        }
        Ok(pci)
    }

    fn read_capability(&mut self, el: &Element<'_>) -> Result<()> {
        let Some(kind) = el.attr("type") else {
            refuse!(xml, "Missing capability type");
        };
        match kind {
            "phys_function" => {
                let address = el.child("address");
                let address =
                    address.ok_or_else(|| Error::xml("Missing address in 'phys_function' capability"))?;
                self.phys_function = Some(PciAddress::parse(&address)?);
            }
            "virt_functions" => {
                let max_count = el.number::<u32>("maxCount");
                let max_count = max_count.map_err(|_| Error::xml("Malformed 'maxCount' parameter"))?;
                self.virt_functions = Some(VirtFunctions {
                    max_count: max_count.filter(|n| *n > 0),
                    addresses: addresses(el)?,
                });
            }
            "vpd" => self.vpd = Some(Vpd::parse(el)?),
            other => self.bridge = BridgeType::parse(other).or(self.bridge),
        }
        Ok(())
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("class", self.class.map(|class| format!("0x{class:06x}")));
        el.push_text("domain", Some(self.address.domain));
        el.push_text("bus", Some(self.address.bus));
        el.push_text("slot", Some(self.address.slot));
        el.push_text("function", Some(self.address.function));
        el.push(id("product", &self.product));
        el.push(id("vendor", &self.vendor));
        if let Some(address) = &self.phys_function {
            el.push(El::new("capability").attr("type", "phys_function").child(address_el(address)));
        }
        if let Some(functions) = &self.virt_functions {
            let mut child = El::new("capability")
                .attr("type", "virt_functions")
                .attr_opt("maxCount", functions.max_count);
            child.extend(functions.addresses.iter().map(address_el));
            el.push(child);
        }
        el.extend(self.bridge.map(|bridge| El::new("capability").attr("type", bridge)));
        write_types(el, &self.mdev_types);
        el.extend(self.vpd.as_ref().map(Vpd::to_el));
        if let Some(group) = &self.iommu_group {
            let mut child = El::new("iommuGroup").attr("number", group.number);
            child.extend(group.addresses.iter().map(address_el));
            el.push(child);
        }
        el.extend(self.numa_node.map(|node| El::new("numa").attr("node", node)));
        el.extend(self.express.as_ref().map(Express::to_el));
    }
}

fn addresses(el: &Element<'_>) -> Result<Vec<PciAddress>> {
    el.children("address").map(|address| PciAddress::parse(&address)).collect()
}

fn address_el(address: &PciAddress) -> El {
    let mut el = El::new("address");
    address.write(&mut el);
    el
}

impl IommuGroup {
    fn parse(el: &Element<'_>) -> Result<Self> {
        Ok(IommuGroup { number: el.require_number("number")?, addresses: addresses(el)? })
    }
}

impl Express {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let mut express = Express::default();
        for link in el.children("link") {
            let read = Link {
                port: link.number("port")?,
                speed: link.word("speed")?,
                width: link.require_number("width")?,
            };
            match link.attr("validity") {
                Some("cap") => express.capability = Some(read),
                Some("sta") => express.status = Some(Link { port: None, ..read }),
                _ => {}
            }
        }
        Ok(express)
    }

    fn to_el(&self) -> El {
        let mut el = El::new("pci-express");
        for (validity, link) in [("cap", &self.capability), ("sta", &self.status)] {
            if let Some(link) = link {
                el.push(
                    El::new("link")
                        .attr("validity", validity)
                        .attr_opt("port", link.port)
                        .attr_opt("speed", link.speed.map(Word::as_str))
                        .attr("width", link.width),
                );
            }
        }
        el
    }
}
