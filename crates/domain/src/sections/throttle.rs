//! `<throttlegroups>`: limits that filters of several disks share.
//!
//! Owns: the list. Never: a limit ([`IoTune`]).

use ostler_base::{Error, Result, refuse};
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element};

use crate::devices::disk::IoTune;

/// `<throttlegroups>`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThrottleGroups {
    /// The groups; each has a name.
    pub groups: Vec<IoTune>,
}

impl ThrottleGroups {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let Some(el) = root.child("throttlegroups") else { return Ok(Self::default()) };
        let mut out = Self::default();
        for group in el.children("throttlegroup") {
            let tune = IoTune::parse(&group)?;
            let Some(name) = &tune.group else {
                return Err(Error::xml("throttle group name is mandatory"));
            };
            if out.has(name) {
                refuse!(xml, "duplicate group name '{name}' found");
            }
            out.groups.push(tune);
        }
        Ok(out)
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut el = El::new("throttlegroups");
        el.extend(self.groups.iter().map(|group| {
            let mut el = El::new("throttlegroup");
            group.format(&mut el);
            el
        }));
        root.push_filled(el);
    }

    /// Whether there is one of a name.
    pub fn has(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.group.as_deref() == Some(name))
    }

    pub(crate) fn parts(&self, out: &mut Vec<Part>) {
        out.extend(self.groups.iter().map(|group| {
            let name = group.group.as_deref().unwrap_or_default();
            let props = Props::new()
                .with("qom-type", "throttle-group")
                .with("id", format!("throttle-{name}"))
                .with("limits", group.limits());
            Part::Object(props)
        }));
    }
}
