//! Vital product data: what a PCI card says of itself.

use ostler_base::{Error, Result, refuse};
use ostler_xml::{El, Element};

/// `<capability type='vpd'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpd {
    /// What it is called.
    pub name: String,
    /// Fields that cannot be changed.
    pub readonly: Option<ReadOnly>,
    /// Fields that the owner writes.
    pub readwrite: Option<ReadWrite>,
}

/// `<fields access='readonly'>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOnly {
    /// Engineering change level.
    pub change_level: Option<String>,
    /// Manufacture identifier.
    pub manufacture_id: Option<String>,
    /// Part number.
    pub part_number: Option<String>,
    /// Serial number.
    pub serial_number: Option<String>,
    /// Fields of the vendor.
    pub vendor_fields: Vec<VpdField>,
}

/// `<fields access='readwrite'>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadWrite {
    /// The owner's tag.
    pub asset_tag: Option<String>,
    /// Fields of the vendor.
    pub vendor_fields: Vec<VpdField>,
    /// Fields of the system.
    pub system_fields: Vec<VpdField>,
}

/// A field that has a letter or digit for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpdField {
    /// The letter or digit.
    pub index: char,
    /// The value.
    pub value: String,
}

impl Vpd {
    pub(super) fn parse(el: &Element<'_>) -> Result<Self> {
        let name = el.child_text("name").ok_or_else(|| {
            Error::xml("Could not read a device name from the <name> element").at(el.position())
        })?;
        let mut vpd = Vpd { name, readonly: None, readwrite: None };
        for fields in el.children("fields") {
            match fields.attr("access") {
                Some("readonly") => {
                    vpd.readonly = Some(ReadOnly {
                        change_level: fields.child_text("change_level"),
                        manufacture_id: fields.child_text("manufacture_id"),
                        part_number: fields.child_text("part_number"),
                        serial_number: fields.child_text("serial_number"),
                        vendor_fields: indexed(&fields, "vendor_field")?,
                    });
                }
                Some("readwrite") => {
                    vpd.readwrite = Some(ReadWrite {
                        asset_tag: fields.child_text("asset_tag"),
                        vendor_fields: indexed(&fields, "vendor_field")?,
                        system_fields: indexed(&fields, "system_field")?,
                    });
                }
                Some(other) => refuse!(xml, "Unsupported VPD field access type '{other}'"),
                None => return Err(fields.missing("access")),
            }
        }
        Ok(vpd)
    }

    pub(super) fn to_el(&self) -> El {
        let mut el = El::new("capability").attr("type", "vpd");
        el.push_text("name", Some(&self.name));
        if let Some(fields) = &self.readonly {
            let mut child = El::new("fields").attr("access", "readonly");
            child.push_text("change_level", fields.change_level.as_ref());
            child.push_text("manufacture_id", fields.manufacture_id.as_ref());
            child.push_text("part_number", fields.part_number.as_ref());
            child.push_text("serial_number", fields.serial_number.as_ref());
            child.extend(fields.vendor_fields.iter().map(|field| field.to_el("vendor_field")));
            el.push(child);
        }
        if let Some(fields) = &self.readwrite {
            let mut child = El::new("fields").attr("access", "readwrite");
            child.push_text("asset_tag", fields.asset_tag.as_ref());
            child.extend(fields.vendor_fields.iter().map(|field| field.to_el("vendor_field")));
            child.extend(fields.system_fields.iter().map(|field| field.to_el("system_field")));
            el.push(child);
        }
        el
    }
}

fn indexed(el: &Element<'_>, name: &str) -> Result<Vec<VpdField>> {
    let mut fields = Vec::new();
    for child in el.children(name) {
        let text = child.attr("index").unwrap_or_default();
        let mut characters = text.chars();
        let (Some(index), None) = (characters.next(), characters.next()) else {
            refuse!(xml, "'{name}' 'index' value '{text}' malformed");
        };
        fields.push(VpdField { index, value: child.text() });
    }
    Ok(fields)
}

impl VpdField {
    fn to_el(&self, name: &'static str) -> El {
        let mut el = El::new(name).attr("index", self.index);
        el.text(&self.value);
        el
    }
}
