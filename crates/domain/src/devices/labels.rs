//! `<seclabel>` inside a device: a label of its own for what the device opens on the host.
//!
//! Owns: the element. Never: labels anything.

use ostler_base::{Error, Result, YesNo};
use ostler_xml::{El, Element};

/// `<seclabel>` of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLabel {
    /// `model`: which kind of labels.
    pub model: Option<String>,
    /// `relabel`: whether it is labelled at all.
    pub relabel: YesNo,
    /// `labelskip`: that labelling it failed in an earlier run, and is not tried again.
    pub skip: bool,
    /// `<label>`
    pub label: Option<String>,
}

impl DeviceLabel {
    /// Reads all that an element has; each model may be there once.
    pub fn parse_all(el: &Element<'_>) -> Result<Vec<Self>> {
        let mut out: Vec<DeviceLabel> = Vec::new();
        for seclabel in el.children("seclabel") {
            let label = Self::parse(&seclabel)?;
            if out.iter().any(|known| known.model == label.model) {
                let model = label.model.unwrap_or_default();
                return Err(Error::xml(format!("seclabel for model {model} is already provided")));
            }
            out.push(label);
        }
        Ok(out)
    }

    fn parse(el: &Element<'_>) -> Result<Self> {
        let label = DeviceLabel {
            model: el.attr("model").map(str::to_owned),
            relabel: el.yes_no("relabel")?.unwrap_or(YesNo::Yes),
            skip: el.yes_no("labelskip")?.is_some_and(YesNo::is_true),
            label: el.child_text("label"),
        };
        if label.label.is_some() && !label.relabel.is_true() {
            let model = label.model.as_deref().unwrap_or("NULL");
            let detail = format!("Cannot specify a label if relabelling is turned off. model={model}");
            return Err(Error::xml(detail));
        }
        Ok(label)
    }

    /// Writes it.
    pub fn to_el(&self) -> El {
        let mut el = El::new("seclabel").attr_opt("model", self.model.as_ref());
        if self.skip {
            el.set("labelskip", YesNo::Yes);
        } else {
            el.set("relabel", self.relabel);
        }
        el.push_text("label", self.label.as_ref());
        el
    }
}
