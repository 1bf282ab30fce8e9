//! `<redirfilter>`: which USB devices may be redirected.

use ostler_base::{Result, YesNo, refuse};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Head, WriteMode};

/// A rule; what is absent matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbRule {
    /// `class`
    pub class: Option<u8>,
    /// `vendor`
    pub vendor: Option<u16>,
    /// `product`
    pub product: Option<u16>,
    /// `version`: binary coded decimal.
    pub version: Option<u16>,
    /// `allow`
    pub allow: YesNo,
}

/// The rules, the first that matches counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirfilter {
    /// `<usbdev>`
    pub rules: Vec<UsbRule>,
    info: Info,
}

impl Redirfilter {
    /// The rules as the emulator takes them.
    pub(crate) fn option(&self) -> String {
        let number = |value: Option<u16>| value.map_or("-1".to_owned(), |value| format!("0x{value:04X}"));
        let rule = |rule: &UsbRule| {
            let class = rule.class.map_or("-1".to_owned(), |class| format!("0x{class:02X}"));
            let allow = u8::from(rule.allow.is_true());
            let (vendor, product) = (number(rule.vendor), number(rule.product));
            format!("{class}:{vendor}:{product}:{}:{allow}", number(rule.version))
        };
        self.rules.iter().map(rule).collect::<Vec<_>>().join("|")
    }
}

/// `MAJOR.MINOR`, two decimal digits each at most.
fn version(text: &str) -> Option<u16> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let (major, minor): (u16, u16) = (major.parse().ok()?, minor.parse().ok()?);
    let coded = |value: u16| ((value / 10) << 4) | (value % 10);
    // `9.4` is what `9.40` is.
    let minor =
        if text.split_once('.').is_some_and(|(_, minor)| minor.len() == 1) { minor * 10 } else { minor };
    (major < 100 && minor < 100).then(|| (coded(major) << 8) | coded(minor))
}

impl Kind for Redirfilter {
    const ELEMENT: &'static str = "redirfilter";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let rule = |r: Element<'_>| -> Result<UsbRule> {
            let any = |name: &str| r.attr(name).is_none_or(|text| text == "-1");
            let number = |name: &str| if any(name) { Ok(None) } else { r.number_in::<u16>(name, 0) };
            let class = if any("class") { None } else { r.number_in::<u8>("class", 0)? };
            let version = match r.attr("version").filter(|text| *text != "-1") {
                Some(text) => match version(text) {
                    Some(version) => Some(version),
                    None => refuse!(xml, "Cannot parse USB device version {text}"),
                },
                None => None,
            };
            let Some(allow) = r.yes_no("allow")? else { refuse!(xml, "usb filter rule has no 'allow'") };
            Ok(UsbRule { class, vendor: number("vendor")?, product: number("product")?, version, allow })
        };
        Ok(Redirfilter {
            rules: el.children("usbdev").map(rule).collect::<Result<_>>()?,
            info: Info::default(),
        })
    }
}

impl Device for Redirfilter {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("redirfilter");
        el.extend(self.rules.iter().map(|rule| {
            let version = rule.version.map(|v| {
                let decimal = |byte: u16| (byte >> 4) * 10 + (byte & 0xf);
                format!("{}.{:02}", decimal(v >> 8), decimal(v & 0xff))
            });
            El::new("usbdev")
                .attr_opt("class", rule.class.map(|class| format!("0x{class:02X}")))
                .attr_opt("vendor", rule.vendor.map(|vendor| format!("0x{vendor:04X}")))
                .attr_opt("product", rule.product.map(|product| format!("0x{product:04X}")))
                .attr_opt("version", version)
                .attr("allow", rule.allow)
        }));
        el
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        String::new()
    }

    fn parts(&self, _build: &mut Build<'_>) -> Result<()> {
        Ok(())
    }
}
