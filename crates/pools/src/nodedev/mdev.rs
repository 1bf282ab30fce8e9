//! Mediated devices, and the types of them that a device offers.

use ostler_base::{Error, Origin, Result, Uuid, refuse};
use ostler_xml::{El, Element};

use super::Fields;
use crate::WriteMode;

/// `<capability type='mdev'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mdev {
    /// Its identifier.
    pub uuid: Option<Uuid>,
    /// The address of the device it is on, as the host's tools write it.
    pub parent_addr: Option<String>,
    /// Its IOMMU group.
    pub iommu_group: u32,
    /// How it runs.
    pub active: MdevConfig,
    /// How it is defined.
    pub defined: MdevConfig,
    /// Whether it starts with the host.
    pub autostart: bool,
}

/// How a mediated device is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MdevConfig {
    /// Its type.
    pub kind: String,
    /// Its attributes in order: names and values.
    pub attributes: Vec<(String, String)>,
}

/// `<type>` in `<capability type='mdev_types'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MdevType {
    /// The type.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// How guests use it.
    pub device_api: String,
    /// How many of it can be made.
    pub available_instances: u32,
}

impl Mdev {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let el = &fields.el;
        let kind = el.child("type").and_then(|t| t.attr("id")).filter(|id| !id.is_empty());
        let kind = kind.ok_or_else(|| fields.unsupported("missing type id attribute for"))?.to_owned();
        let uuid = fields.text("uuid").map(|text| {
            Uuid::parse(&text)
                .ok_or_else(|| Error::internal(format!("Invalid uuid '{text}' for new mdev device")))
        });
        let group = el.child("iommuGroup").and_then(|g| g.attr("number")).filter(|n| !n.is_empty());
        let iommu_group = match group {
            None => 0,
            Some(text) => super::fields::parse(text, 10)
                .ok_or_else(|| fields.fault("invalid iommuGroup number attribute for"))?,
        };
        let mut attributes = Vec::new();
        for attribute in el.children("attr") {
            let (Some(name), Some(value)) = (attribute.attr("name"), attribute.attr("value")) else {
                refuse!(xml, "mdev attribute missing name or value");
            };
            attributes.push((name.to_owned(), value.to_owned()));
        }
        // Known from the host, not from the document.
        el.child("parent_addr");
        let config = MdevConfig { kind, attributes };
        Ok(Mdev {
            uuid: uuid.transpose()?,
            parent_addr: None,
            iommu_group,
            active: config.clone(),
            defined: config,
            autostart: false,
        })
    }

    pub(super) fn write(&self, el: &mut El, mode: WriteMode) {
        let config = match mode {
            WriteMode::Live => &self.active,
            WriteMode::Inactive => &self.defined,
        };
        el.push(El::new("type").attr("id", &config.kind));
        el.push_text("uuid", self.uuid);
        el.push_text("parent_addr", self.parent_addr.as_ref());
        el.push(El::new("iommuGroup").attr("number", self.iommu_group));
        el.extend(
            config
                .attributes
                .iter()
                .map(|(name, value)| El::new("attr").attr("name", name).attr("value", value)),
        );
    }
}

/// The name of a mediated device: its identifier and where it is, in characters that names have.
pub fn name(uuid: &Uuid, parent_addr: &str) -> String {
    let text = format!("mdev_{uuid}_{parent_addr}");
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Reads the types below a capability, if it offers any.
pub(super) fn parse_types(el: &Element<'_>) -> Result<Vec<MdevType>> {
    match el.children("capability").find(|c| c.attr("type") == Some("mdev_types")) {
        Some(types) => types.children("type").map(|t| MdevType::parse(&t)).collect(),
        None => Ok(Vec::new()),
    }
}

/// Writes the types, if there are any.
pub(super) fn write_types(el: &mut El, types: &[MdevType]) {
    if types.is_empty() {
        return;
    }
    let mut child = El::new("capability").attr("type", "mdev_types");
    child.extend(types.iter().map(MdevType::to_el));
    el.push(child);
}

impl MdevType {
    fn parse(el: &Element<'_>) -> Result<Self> {
        let fault = |words: String| Error::xml(words).from_origin(Origin::Nodedev).at(el.position());
        let id = el.attr("id").filter(|id| !id.is_empty());
        let id = id
            .ok_or_else(|| fault("missing 'id' attribute for mediated device's <type> element".to_owned()))?;
        let device_api = el
            .child_text("deviceAPI")
            .ok_or_else(|| fault(format!("missing device API for mediated device type '{id}'")))?;
        let instances = el.child_text("availableInstances");
        let available_instances =
            instances.and_then(|text| super::fields::parse(&text, 10)).ok_or_else(|| {
                fault(format!("missing number of available instances for mediated device type '{id}'"))
            })?;
        Ok(MdevType { id: id.to_owned(), name: el.child_text("name"), device_api, available_instances })
    }

    fn to_el(&self) -> El {
        let mut el = El::new("type").attr("id", &self.id);
        el.push_text("name", self.name.as_ref());
        el.push_text("deviceAPI", Some(&self.device_api));
        el.push_text("availableInstances", Some(self.available_instances));
        el
    }
}
