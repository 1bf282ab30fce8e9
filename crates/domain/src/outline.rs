//! The identity of a definition and the emulator it wants, without reading the rest.

use ostler_base::{Arch, Result, Uuid};
use ostler_xml::Document;

use crate::sections::identity::{self, DomainKind};
use crate::sections::os;

/// What a definition is called and what runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Its UUID, where it has one.
    pub uuid: Option<Uuid>,
    /// What runs the guest's instructions.
    pub kind: DomainKind,
    /// The guest's architecture, where it says.
    pub arch: Option<Arch>,
    /// The machine type, where it says.
    pub machine: Option<String>,
    /// The emulator, where it says.
    pub emulator: Option<String>,
}

/// The name and UUID of a definition. Of a document as it is stored, only the beginning is looked
/// at: what is wrong with the rest shows when the rest is wanted.
pub fn stored_identity(xml: &str) -> Result<(String, Option<Uuid>)> {
    let quick = ostler_xml::leading_texts(xml, "domain", ["name", "uuid"]);
    if let Some([name, uuid]) = quick
        && let (Ok(()), Some(uuid)) = (identity::check_name(name), Uuid::parse(uuid))
    {
        return Ok((name.to_owned(), Some(uuid)));
    }
    let Outline { name, uuid, .. } = Outline::read(xml)?;
    Ok((name, uuid))
}

impl Outline {
    /// Reads the outline of a document.
    pub fn read(xml: &str) -> Result<Self> {
        let document = Document::parse(xml, "domain_definition")?;
        let root = document.root();
        let kind = identity::kind(&root)?;
        let os_type = root.path("os/type");
        Ok(Outline {
            name: identity::name(&root)?,
            uuid: identity::uuid(&root)?,
            kind,
            arch: os_type.map(|t| os::arch(&t)).transpose()?.flatten(),
            machine: os_type.and_then(|t| t.attr("machine")).map(str::to_owned),
            emulator: root.child("devices").and_then(|d| d.child_text("emulator")),
        })
    }
}
