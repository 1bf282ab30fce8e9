//! `<audio>`: where the guest's sound goes.

use ostler_base::{Result, words};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use super::{Build, Device, Info, Kind};
use crate::machine::Machine;
use crate::{Head, WriteMode};

words! {
    /// `<audio type='…'>`
    pub AudioType { None = "none" }
}

/// An audio back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// `id`: sound devices refer to it; from 1.
    pub id: u32,
    /// `type`
    pub kind: AudioType,
    info: Info,
}

impl Kind for Audio {
    const ELEMENT: &'static str = "audio";

    fn parse(el: &Element<'_>) -> Result<Self> {
        let id = el.nonzero("id")?.ok_or_else(|| el.missing("id"))?;
        Ok(Audio { id, kind: el.require_word("type")?, info: Info::default() })
    }

    fn implied(named: &[Self], _head: &Head, _machine: &dyn Machine) -> Vec<Self> {
        let silent = Audio { id: 1, kind: AudioType::None, info: Info::default() };
        if named.is_empty() { vec![silent] } else { Vec::new() }
    }
}

impl Device for Audio {
    fn info(&self) -> &Info {
        &self.info
    }

    fn info_mut(&mut self) -> &mut Info {
        &mut self.info
    }

    fn format(&self, _mode: &WriteMode) -> El {
        El::new("audio").attr("id", self.id).attr("type", self.kind)
    }

    fn alias(&self, _nth: usize, _head: &Head) -> String {
        String::new()
    }

    fn parts(&self, build: &mut Build<'_>) -> Result<()> {
        let props =
            Props::new().with("id", format!("audio{}", self.id)).with("driver", self.kind.to_string());
        build.parts.push(Part::Audiodev(props));
        Ok(())
    }
}
