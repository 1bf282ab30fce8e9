//! `<seclabel>`: how a guest is confined.

use ostler_base::{Code, Error, Origin, Result, YesNo, refuse, words};
use ostler_xml::{El, Element};

use crate::{ReadMode, Setting, WriteMode};

words! {
    /// `<seclabel type='…'>`
    pub LabelType { None = "none", Dynamic = "dynamic", Static = "static" }
}

/// The model of hosts that confine nothing.
const UNCONFINED: &str = "none";

/// One `<seclabel>`; a guest has at most one for each model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seclabel {
    /// `type`
    pub kind: LabelType,
    /// `model`: selinux, apparmor, dac, none; the driver's first where absent.
    pub model: Option<String>,
    /// `relabel`: whether the guest's files are labelled for it.
    pub relabel: bool,
    /// `<label>` of the process; of a dynamic label known while it runs.
    pub label: Option<String>,
    /// `<imagelabel>`; known while it runs.
    pub image_label: Option<String>,
    /// `<baselabel>` that a dynamic label is made of.
    pub base_label: Option<String>,
}

impl Seclabel {
    fn parse(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let kind = el.word("type")?.unwrap_or(LabelType::Dynamic);
        let model = el.attr("model").map(str::to_owned);
        let kind = if model.as_deref() == Some(UNCONFINED) { LabelType::None } else { kind };
        let said = el.yes_no("relabel")?;
        let relabel = match (kind, said) {
            (LabelType::Dynamic, Some(YesNo::No)) => {
                return Err(Error::unsupported("dynamic label type must use resource relabeling")
                    .from_origin(Origin::Domain));
            }
            (LabelType::None, Some(YesNo::Yes)) => {
                return Err(Error::unsupported(
                    "resource relabeling is not compatible with 'none' label type",
                )
                .from_origin(Origin::Domain));
            }
            (LabelType::Dynamic, _) => true,
            (LabelType::None, _) => false,
            (LabelType::Static, said) => said.is_some_and(YesNo::is_true),
        };
        let label = el.child_text("label");
        if kind == LabelType::Static && label.is_none() {
            return Err(Error::xml("security label is missing"));
        }
        let of_run = |name: &str| el.child_text(name).filter(|_| mode.live);
        Ok(Seclabel {
            kind,
            model,
            relabel,
            label: label.filter(|_| kind == LabelType::Static || mode.live),
            image_label: of_run("imagelabel"),
            base_label: el.child_text("baselabel").filter(|_| kind != LabelType::None),
        })
    }

    fn format(&self, mode: &WriteMode) -> El {
        let mut el = El::new("seclabel").attr("type", self.kind);
        el.set_opt("model", self.model.as_ref());
        if self.kind != LabelType::None {
            el.set("relabel", YesNo::from(self.relabel));
        }
        let run = !mode.inactive;
        let label = self.label.as_ref().filter(|_| run || self.kind == LabelType::Static);
        el.push_text("label", label);
        el.push_text("imagelabel", self.image_label.as_ref().filter(|_| run));
        el.push_text("baselabel", self.base_label.as_ref());
        el
    }
}

/// All labels of a document.
pub(crate) fn parse(root: &Element<'_>, mode: &ReadMode) -> Result<Vec<Seclabel>> {
    let mut labels: Vec<Seclabel> = Vec::new();
    for el in root.children("seclabel") {
        let label = Seclabel::parse(&el, mode)?;
        if labels.iter().any(|l| l.model == label.model) {
            let model = label.model.unwrap_or_default();
            let detail = format!("seclabel for model {model} is already provided");
            return Err(Error::new(Code::XmlDetail, Origin::Domain, detail));
        }
        labels.push(label);
    }
    if labels.len() > 1 && labels.iter().any(|label| label.model.is_none()) {
        refuse!(xml, "missing security model when using multiple labels");
    }
    Ok(labels)
}

/// A label without model is of the host's first.
pub(crate) fn complete(labels: &mut [Seclabel], setting: &Setting<'_>) {
    for label in labels.iter_mut().filter(|label| label.model.is_none()) {
        let model = setting.host.security_model.clone();
        if model == UNCONFINED {
            (label.kind, label.relabel, label.base_label) = (LabelType::None, false, None);
        }
        label.model = Some(model);
    }
}

/// Adds all labels to a document.
pub(crate) fn format(labels: &[Seclabel], root: &mut El, mode: &WriteMode) {
    root.extend(labels.iter().map(|label| label.format(mode)));
}
