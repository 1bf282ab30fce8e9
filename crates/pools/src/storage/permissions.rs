//! `<permissions>` of a pool's or a volume's file.
//!
//! Owns: the element. Never: changes a file.

use ostler_base::{Error, Result};
use ostler_xml::{El, Element};

/// Highest mode: the permission bits of owner, group and others.
const MAX_MODE: u32 = 0o777;

/// `<permissions>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Permission bits, at most 0777.
    pub mode: Option<u32>,
    /// User.
    pub owner: Option<u32>,
    /// Group.
    pub group: Option<u32>,
    /// Security label.
    pub label: Option<String>,
}

impl Permissions {
    /// Reads the element `<permissions>` below `el`; nothing is set where there is none.
    pub(crate) fn parse_below(el: &Element<'_>) -> Result<Self> {
        let Some(el) = el.child("permissions") else { return Ok(Permissions::default()) };
        let mode = el.child_text("mode").map(|text| {
            let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= MAX_MODE);
            mode.ok_or_else(|| Error::xml("malformed octal mode").at(el.position()))
        });
        Ok(Permissions {
            mode: mode.transpose()?,
            owner: id(&el, "owner")?,
            group: id(&el, "group")?,
            label: el.child_text("label"),
        })
    }

    /// Writes the element, unless nothing is set.
    pub(crate) fn to_el(&self) -> Option<El> {
        let mut el = El::new("permissions");
        el.push_text("mode", self.mode.map(|mode| format!("0{mode:o}")));
        el.push_text("owner", self.owner);
        el.push_text("group", self.group);
        el.push_text("label", self.label.as_ref());
        (!el.is_bare()).then_some(el)
    }
}

/// A user or group; -1 stands for none, also where it is written without a sign.
fn id(el: &Element<'_>, name: &str) -> Result<Option<u32>> {
    let Some(child) = el.child(name) else { return Ok(None) };
    match child.text().parse::<i64>().map(|id| (id, u32::try_from(id))) {
        Ok((-1, _)) | Ok((_, Ok(u32::MAX))) => Ok(None),
        Ok((_, Ok(id))) => Ok(Some(id)),
        _ => Err(Error::xml(format!("malformed {name} element")).at(child.position())),
    }
}
