//! USB devices and their interfaces.

use ostler_base::Result;
use ostler_xml::El;

use super::Fields;

/// `<capability type='usb_device'>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbDevice {
    /// Bus number.
    pub bus: u32,
    /// Number on the bus.
    pub device: u32,
    /// Number and name of the product.
    pub product: (u32, Option<String>),
    /// Number and name of the vendor.
    pub vendor: (u32, Option<String>),
}

/// `<capability type='usb'>`: an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbInterface {
    /// Its number.
    pub number: u32,
    /// Its class.
    pub class: u32,
    /// Its subclass.
    pub subclass: u32,
    /// Its protocol.
    pub protocol: u32,
    /// What it says of itself.
    pub description: Option<String>,
}

impl UsbDevice {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        Ok(UsbDevice {
            bus: fields.required("bus", 0, "USB bus number")?,
            device: fields.required("device", 0, "USB device number")?,
            vendor: fields.id("vendor", "USB vendor ID")?,
            product: fields.id("product", "USB product ID")?,
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("bus", Some(self.bus));
        el.push_text("device", Some(self.device));
        el.push(id("product", &self.product));
        el.push(id("vendor", &self.vendor));
    }
}

/// `<NAME id='0x…'>text</NAME>`
pub(super) fn id(name: &'static str, (id, text): &(u32, Option<String>)) -> El {
    let mut el = El::new(name).attr("id", format_args!("0x{id:04x}"));
    if let Some(text) = text {
        el.text(text);
    }
    el
}

impl UsbInterface {
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self> {
        Ok(UsbInterface {
            number: fields.required("number", 0, "USB interface number")?,
            class: fields.required("class", 0, "USB interface class")?,
            subclass: fields.required("subclass", 0, "USB interface subclass")?,
            protocol: fields.required("protocol", 0, "USB interface protocol")?,
            description: fields.text("description"),
        })
    }

    pub(super) fn write(&self, el: &mut El) {
        el.push_text("number", Some(self.number));
        el.push_text("class", Some(self.class));
        el.push_text("subclass", Some(self.subclass));
        el.push_text("protocol", Some(self.protocol));
        el.push_text("description", self.description.as_ref());
    }
}
