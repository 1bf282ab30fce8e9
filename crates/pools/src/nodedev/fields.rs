//! Readers of elements with one value in them.
//!
//! Owns: their errors, which name the device. Never: knows a device.

use ostler_base::{Error, Result};
use ostler_xml::Element;

use super::Purpose;

/// A `<capability>` and the device it belongs to.
pub(super) struct Fields<'a> {
    pub(super) el: Element<'a>,
    pub(super) purpose: Purpose,
    device: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(el: Element<'a>, device: &'a str, purpose: Purpose) -> Self {
        Fields { el, purpose, device }
    }

    /// The same device, another element.
    pub(super) fn within(&self, el: Element<'a>) -> Fields<'a> {
        Fields { el, purpose: self.purpose, device: self.device }
    }

    /// The error with these words and the device's name after them.
    pub(super) fn fault(&self, words: &str) -> Error {
        Error::internal(format!("{words} '{}'", self.device)).at(self.el.position())
    }

    /// The same for a value that is not known here.
    pub(super) fn unsupported(&self, words: &str) -> Error {
        Error::unsupported(format!("{words} '{}'", self.device)).at(self.el.position())
    }

    /// The text of a child that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.el.child_text(name)
    }

    /// A number in a child; base 0 takes decimal and `0x…`. `what` names it in errors.
    pub(super) fn number(&self, name: &str, radix: u32, what: &str) -> Result<Option<u32>> {
        self.text(name).map(|text| self.parse(&text, radix, what)).transpose()
    }

    /// A number that must be there.
    pub(super) fn required(&self, name: &str, radix: u32, what: &str) -> Result<u32> {
        self.number(name, radix, what)?.ok_or_else(|| self.fault(&format!("no {what} supplied for")))
    }

    /// A size in bytes in a child that must be there.
    pub(super) fn size(&self, name: &str, what: &str) -> Result<u64> {
        let text = self.text(name).ok_or_else(|| self.fault(&format!("no {what} supplied for")))?;
        text.trim().parse().map_err(|_| self.fault(&format!("invalid {what} supplied for")))
    }

    /// `<NAME id='0x…'>text</NAME>`: a hexadecimal number and what it means.
    pub(super) fn id(&self, name: &str, what: &str) -> Result<(u32, Option<String>)> {
        let child = self.el.child(name);
        let id = child.as_ref().and_then(|child| child.attr("id")).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| self.fault(&format!("no {what} supplied for")))?;
        Ok((self.parse(id, 16, what)?, self.text(name)))
    }

    /// A number, decimal or hexadecimal, that must be there; it is named as it is written.
    pub(super) fn value(&self, name: &str) -> Result<u32> {
        let text = self.text(name);
        let text = text.ok_or_else(|| self.unsupported(&format!("missing {name} value for")))?;
        parse(&text, 0).ok_or_else(|| self.unsupported(&format!("invalid {name} value '{text}' for")))
    }

    fn parse(&self, text: &str, radix: u32, what: &str) -> Result<u32> {
        parse(text, radix).ok_or_else(|| self.fault(&format!("invalid {what} supplied for")))
    }
}

/// A number; base 0 takes decimal and `0x…`, base 16 takes `0x` as well.
pub(super) fn parse(text: &str, radix: u32) -> Option<u32> {
    let text = text.trim();
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hex, radix) {
        (Some(digits), 0 | 16) => (digits, 16),
        (_, 0) => (text, 10),
        (_, radix) => (text, radix),
    };
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}
