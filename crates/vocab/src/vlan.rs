//! `<vlan>`: the VLAN tags of a port.
//!
//! Owns: the tags and the rule that several of them make a trunk. Never: knows which kind of
//! connection can have tags.

use ostler_base::{Error, Origin, Result, Word, words};
use ostler_xml::{El, Element};

/// The highest tag.
const MAX_TAG: u16 = 4095;

words! {
    /// `nativeMode` of a `<tag>`: how frames of the native VLAN travel.
    pub NativeMode { Tagged = "tagged", Untagged = "untagged" }
}

/// `<tag>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanTag {
    /// The number, 0 to 4095.
    pub id: u16,
    /// Set on the native VLAN of a trunk.
    pub native_mode: Option<NativeMode>,
}

/// `<vlan>`: one tag at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// Whether it carries several VLANs.
    pub trunk: bool,
    /// The tags, in document order.
    pub tags: Vec<VlanTag>,
}

impl Vlan {
    /// Reads it.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let mut tags: Vec<VlanTag> = Vec::new();
        for tag in el.children("tag") {
            let id: u32 = tag.require_number("id")?;
            let Some(id) = u16::try_from(id).ok().filter(|id| *id <= MAX_TAG) else {
                return Err(fault(format!("vlan tag id {id} too large (maximum {MAX_TAG})")));
            };
            let native_mode = tag.word::<NativeMode>("nativeMode")?;
            if native_mode.is_some() && tags.iter().any(|t| t.native_mode.is_some()) {
                return Err(fault("duplicate native vlan setting"));
            }
            tags.push(VlanTag { id, native_mode });
        }
        if tags.is_empty() {
            let words = "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement";
            return Err(fault(words));
        }
        let trunk = trunk(el.attr("trunk"), &tags)?;
        Ok(Vlan { trunk, tags })
    }

    /// Writes it.
    pub fn to_el(&self) -> El {
        let mut el = El::new("vlan").attr_opt("trunk", self.trunk.then_some("yes"));
        el.extend(self.tags.iter().map(|tag| {
            El::new("tag").attr("id", tag.id).attr_opt("nativeMode", tag.native_mode.map(Word::as_str))
        }));
        el
    }
}

fn trunk(asked: Option<&str>, tags: &[VlanTag]) -> Result<bool> {
    let native = tags.iter().any(|t| t.native_mode.is_some());
    match asked {
        None => Ok(tags.len() > 1 || native),
        Some("yes") => Ok(true),
        Some(word) if tags.len() > 1 => Err(fault(format!(
            "invalid \"trunk='{word}'\" in <vlan> - trunk='yes' is required for more than one vlan tag"
        ))),
        Some(_) if native => Err(fault(
            "invalid configuration in <vlan> - \"trunk='no'\" is not allowed with a native vlan id",
        )),
        Some("no") => Ok(false),
        Some(word) => Err(fault(format!("invalid \"trunk='{word}'\" in <vlan> - must be yes or no"))),
    }
}

fn fault(words: impl Into<String>) -> Error {
    Error::xml(words).from_origin(Origin::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    fn read(text: &str) -> Result<Vlan> {
        Vlan::parse(&Document::parse(text, "test")?.root())
    }

    #[test]
    fn several_tags_make_a_trunk() {
        let vlan = read("<vlan><tag id='1'/><tag id='2' nativeMode='untagged'/></vlan>").unwrap();
        assert_eq!(
            vlan.to_el().to_xml(),
            "<vlan trunk='yes'>\n  <tag id='1'/>\n  <tag id='2' nativeMode='untagged'/>\n</vlan>\n"
        );
        assert!(!read("<vlan><tag id='1'/></vlan>").unwrap().trunk);
    }

    #[test]
    fn refusals() {
        for (text, words) in [
            ("<vlan/>", "missing tag id"),
            ("<vlan><tag id='4096'/></vlan>", "vlan tag id 4096 too large (maximum 4095)"),
            ("<vlan><tag id='70000'/></vlan>", "vlan tag id 70000 too large (maximum 4095)"),
            ("<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>", "is required for more than one vlan tag"),
            (
                "<vlan trunk='no'><tag id='1' nativeMode='tagged'/></vlan>",
                "not allowed with a native vlan id",
            ),
            ("<vlan trunk='x'><tag id='1'/></vlan>", "must be yes or no"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(words), "{text}");
        }
    }
}
