//! `<lease>`: locks that a guest holds while it runs.

use ostler_base::{Error, Result};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::{Head, WriteMode};

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `<lockspace>`
    pub lockspace: Option<String>,
    /// `<key>`
    pub key: String,
    /// `<target path=…>`
    pub path: String,
    /// `<target offset=…>`
    pub offset: Option<u64>,
    info: Info,
}

impl Kind for Lease {
    const ELEMENT: &'static str = "lease";
    const PLUG: super::Plug = super::Plug::ALWAYS;

    fn parse(el: &Element<'_>) -> Result<Self> {
        let target = el.child("target");
        let path = target.and_then(|t| t.attr("path")).map(str::to_owned);
        Ok(Lease {
            lockspace: el.child_text("lockspace"),
            key: el.child_text("key").ok_or_else(|| Error::xml("Missing 'key' element for lease"))?,
            path: path.ok_or_else(|| Error::xml("Missing 'target' element for lease"))?,
            offset: target.map(|t| t.nonzero("offset")).transpose()?.flatten(),
            info: Info::default(),
        })
    }
}

impl Device for Lease {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        let mut el = El::new("lease");
        el.push_text("lockspace", self.lockspace.as_ref());
        el.push_text("key", Some(&self.key));
        el.child(El::new("target").attr("path", &self.path).attr_opt("offset", self.offset))
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        String::new()
    }

    fn parts(&self, _build: &mut Build<'_>) -> Result<()> {
        Ok(())
    }
}
