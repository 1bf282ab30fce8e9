//! `<domain type= id=>`, `<name>`, `<uuid>`, `<title>`, `<description>`, `<metadata>`.

use ostler_base::{Code, Error, Origin, Result, Uuid, Word, refuse, words};
use ostler_caps::emulator::Accelerator;
use ostler_plan::{Part, Props};
use ostler_xml::{El, Element, into_namespace, is_in_namespace, out_of_namespace};

use crate::{ReadMode, WriteMode};

words! {
    /// `<domain type='…'>`: what runs the guest's instructions.
    pub DomainKind { Qemu = "qemu", Kvm = "kvm", Hvf = "hvf" }
}

impl DomainKind {
    /// What runs the guest's instructions.
    pub fn accelerator(self) -> Accelerator {
        match self {
            DomainKind::Qemu => Accelerator::Tcg,
            DomainKind::Kvm => Accelerator::Kvm,
            DomainKind::Hvf => Accelerator::Hvf,
        }
    }
}

/// What a guest is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `<domain type='…'>`
    pub kind: DomainKind,
    /// Number of the run; absent when it is not running.
    pub id: Option<i32>,
    /// `<name>`: unique, not empty, without `/`.
    pub name: String,
    /// `<uuid>`; one is made up where it is absent.
    pub uuid: Option<Uuid>,
    /// `<genid>`: a number that changes when the guest is not the same any more; `None` inside: to be
    /// made up.
    pub genid: Option<Option<Uuid>>,
    /// `<title>`: one line.
    pub title: Option<String>,
    /// `<description>`
    pub description: Option<String>,
    /// Elements in `<metadata>`, as they stand.
    pub metadata: Vec<String>,
}

/// Types of guests that other drivers run.
pub const OF_OTHERS: &[&str] = &[
    "kqemu",
    "xen",
    "lxc",
    "uml",
    "openvz",
    "test",
    "vmware",
    "hyperv",
    "vbox",
    "phyp",
    "parallels",
    "bhyve",
    "vz",
];

/// The attribute `type`.
pub(crate) fn kind(root: &Element<'_>) -> Result<DomainKind> {
    let Some(value) = root.attr("type") else { refuse!(internal, "missing domain type attribute") };
    if let Some(kind) = DomainKind::parse(value) {
        return Ok(kind);
    }
    if !OF_OTHERS.contains(&value) {
        refuse!(unsupported, "invalid domain type {value}");
    }
    match root.path("devices/emulator") {
        Some(emulator) => {
            refuse!(unsupported, "Emulator '{}' does not support virt type '{value}'", emulator.text())
        }
        None => refuse!(unsupported, "could not find an emulator for virt type '{value}'"),
    }
}

/// The element `<name>`, checked.
pub(crate) fn name(root: &Element<'_>) -> Result<String> {
    let name = root.child_text("name").ok_or_else(|| Error::new(Code::NoName, Origin::Domain, ""))?;
    check_name(&name).map(|()| name)
}

/// Refuses a name that could not be a file's.
pub(crate) fn check_name(name: &str) -> Result<()> {
    match name.chars().find(|c| matches!(c, '/' | '\n')) {
        Some('\n') => refuse!(xml, "name {name} cannot contain '\\n'"),
        Some(c) => refuse!(xml, "name {name} cannot contain '{c}'"),
        None if name.is_empty() => Err(Error::new(Code::NoName, Origin::Domain, "")),
        None if name == "." || name == ".." => refuse!(xml, "name {name} cannot be a directory"),
        None => Ok(()),
    }
}

/// The element `<uuid>`.
pub(crate) fn uuid(root: &Element<'_>) -> Result<Option<Uuid>> {
    let Some(text) = root.child_text("uuid") else { return Ok(None) };
    let malformed = || Error::new(Code::InternalError, Origin::Domain, "malformed uuid element");
    Uuid::parse(&text).map(Some).ok_or_else(malformed)
}

fn genid(el: &Element<'_>) -> Result<Option<Uuid>> {
    let text = el.text();
    if text.is_empty() {
        return Ok(None);
    }
    let malformed = || Error::new(Code::InternalError, Origin::Domain, "malformed genid element");
    Uuid::parse(&text).map(Some).ok_or_else(malformed)
}

/// Elements of applications: one of each namespace, none without.
fn metadata(root: &Element<'_>) -> Vec<String> {
    let children = root.child("metadata").map(|m| m.opaque_children()).unwrap_or_default();
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for child in &children {
        if let Some(namespace) = child.namespace()
            && !seen.contains(&namespace)
        {
            seen.push(namespace);
            out.push(child.source());
        }
    }
    out
}

impl Identity {
    /// The device that tells the guest its generation.
    pub(crate) fn parts(&self, out: &mut Vec<Part>) {
        if let Some(genid) = self.genid.flatten() {
            let props =
                Props::new().with("driver", "vmgenid").with("guid", genid.to_string()).with("id", "vmgenid0");
            out.push(Part::Device(props));
        }
    }

    /// Puts an application's element into `<metadata>` in place of the one of the same namespace;
    /// without `text` that one is only removed.
    pub fn set_element(&mut self, text: Option<&str>, prefix: &str, uri: &str) -> Result<()> {
        let new = text.map(|text| into_namespace(text, "metadata_xml", prefix, uri)).transpose()?;
        self.metadata.retain(|source| !is_in_namespace(source, uri));
        self.metadata.extend(new);
        Ok(())
    }

    /// The application's element of this namespace, as it was given.
    pub fn element(&self, uri: &str) -> Option<String> {
        self.metadata.iter().find_map(|source| out_of_namespace(source, uri))
    }

    pub(crate) fn parse(root: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let id = root.attr("id");
        let title = root.child_text("title");
        if title.as_ref().is_some_and(|t| t.contains('\n')) {
            return Err(Error::xml("Domain title can't contain newlines"));
        }
        Ok(Identity {
            kind: kind(root)?,
            id: id.filter(|_| mode.live).and_then(|id| id.parse().ok()),
            name: name(root)?,
            uuid: uuid(root)?,
            genid: root.child("genid").map(|g| genid(&g)).transpose()?,
            title,
            description: root.child_text("description"),
            metadata: metadata(root),
        })
    }

    pub(crate) fn format(&self, root: &mut El, mode: &WriteMode) {
        root.set("type", self.kind);
        root.set_opt("id", self.id.filter(|_| !mode.inactive));
        root.push(El::with_text("name", &self.name));
        root.push(El::with_text("uuid", self.uuid.unwrap_or_default()));
        root.extend(self.genid.map(|genid| match genid {
            Some(uuid) => El::with_text("genid", uuid),
            None => El::new("genid"),
        }));
        root.push_text("title", self.title.as_ref());
        root.push_text("description", self.description.as_ref());
        let mut metadata = El::new("metadata");
        for source in &self.metadata {
            metadata.source(source.as_str());
        }
        root.push_filled(metadata);
    }
}
