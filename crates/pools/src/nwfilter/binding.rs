//! `<filterbinding>`: which filter an interface of a guest has.
//!
//! Owns: the document. Never: applies a filter.

use ostler_base::{Error, MacAddr, Origin, Result, Uuid, refuse};
use ostler_xml::{El, Element};

use super::FilterRef;
use super::vars::Variables;
use crate::read::{Kind, Schema};

const KIND: Kind =
    Kind { label: "nwfilterbinding_definition", root: "filterbinding", origin: Origin::Nwfilter };

/// `<filterbinding>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Name of the guest.
    pub owner_name: String,
    /// Identifier of the guest.
    pub owner_uuid: Uuid,
    /// The interface on the host.
    pub portdev: String,
    /// The device that a macvtap is on.
    pub linkdev: Option<String>,
    /// Hardware address of the guest's card.
    pub mac: MacAddr,
    /// The filter, and values for its variables.
    pub filterref: FilterRef,
}

impl Binding {
    /// Reads a document.
    pub fn parse(text: &str, schema: Schema) -> Result<Self> {
        KIND.read(text, schema, Binding::from_el)
    }

    fn from_el(el: &Element<'_>) -> Result<Self> {
        let name = |element: &str| {
            el.child(element)
                .and_then(|child| child.attr("name"))
                .filter(|n| !n.is_empty())
                .map(str::to_owned)
        };
        let fault = |words: &str| Error::internal(words);
        let portdev = name("portdev").ok_or_else(|| fault("filter binding has no port dev name"))?;
        let linkdev = name("linkdev");
        let Some(mac) = el.child("mac").and_then(|mac| mac.attr("address")) else {
            return Err(fault("filter binding has no MAC address"));
        };
        let Some(mac) = MacAddr::parse(mac) else {
            refuse!(internal, "Unable to parse MAC '{mac}'");
        };
        let Some(filter) = el.child("filterref").and_then(|f| f.attr("filter")).filter(|f| !f.is_empty())
        else {
            return Err(fault("filter binding has no filter reference"));
        };
        let parameters = el.child("filterref").map(|f| Variables::parse(&f)).unwrap_or_default();
        let owner = el.child("owner");
        let owned = |name: &str| owner.as_ref().and_then(|owner| owner.child_text(name));
        let owner_name = owned("name").ok_or_else(|| fault("filter binding has no owner name"))?;
        let owner_uuid = owned("uuid").ok_or_else(|| fault("filter binding has no owner UUID"))?;
        let Some(owner_uuid) = Uuid::parse(&owner_uuid) else {
            refuse!(xml, "malformed uuid element");
        };
        Ok(Binding {
            owner_name,
            owner_uuid,
            portdev,
            linkdev,
            mac,
            filterref: FilterRef { filter: filter.to_owned(), parameters },
        })
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        let mut el = El::new("filterbinding");
        let mut owner = El::new("owner");
        owner.push_text("name", Some(&self.owner_name));
        owner.push_text("uuid", Some(self.owner_uuid));
        el.push(owner);
        el.push(El::new("portdev").attr("name", &self.portdev));
        el.extend(self.linkdev.as_ref().map(|dev| El::new("linkdev").attr("name", dev)));
        el.push(El::new("mac").attr("address", self.mac));
        el.push(self.filterref.to_el());
        el.to_xml()
    }
}
