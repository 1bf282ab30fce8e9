//! The host itself as a device.

use ostler_base::{Result, Uuid};
use ostler_xml::El;

use super::Fields;
use crate::write::open;

/// `<capability type='system'>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// What it is sold as.
    pub product: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its identifier.
    pub uuid: Uuid,
    /// Who made its firmware.
    pub firmware_vendor: Option<String>,
    /// The firmware's version.
    pub firmware_version: Option<String>,
    /// The firmware's date.
    pub firmware_release_date: Option<String>,
}

impl System {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        let text = |path: &str| fields.el.path(path).map(|el| el.text()).filter(|text| !text.is_empty());
        let uuid = text("hardware/uuid").ok_or_else(|| fields.fault("no system UUID supplied for"))?;
        Ok(System {
            product: fields.text("product"),
            vendor: text("hardware/vendor"),
            version: text("hardware/version"),
            serial: text("hardware/serial"),
            uuid: Uuid::parse(&uuid).ok_or_else(|| fields.fault("malformed uuid element for"))?,
            firmware_vendor: text("firmware/vendor"),
            firmware_version: text("firmware/version"),
            firmware_release_date: text("firmware/release_date"),
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("product", self.product.as_ref());
        let mut hardware = El::new("hardware");
        hardware.push_text("vendor", self.vendor.as_ref());
        hardware.push_text("version", self.version.as_ref());
        hardware.push_text("serial", self.serial.as_ref());
        hardware.push_text("uuid", Some(self.uuid));
        el.push(hardware);
        let mut firmware = El::new("firmware");
        firmware.push_text("vendor", self.firmware_vendor.as_ref());
        firmware.push_text("version", self.firmware_version.as_ref());
        firmware.push_text("release_date", self.firmware_release_date.as_ref());
        el.push(open(firmware));
    }
}
