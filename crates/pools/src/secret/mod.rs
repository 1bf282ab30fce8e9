//! Secrets: what is known about them, never their values.
//!
//! Owns: the document. Never: sees a value.

use ostler_base::{Code, Error, Origin, Result, Uuid, Word, YesNo, words};
use ostler_xml::{El, Element};

use crate::ReadMode;
use crate::read::{self, Kind};

words! {
    /// `<usage type='…'>`: what a secret is used for (`virSecretUsageType`).
    pub UsageType {
        None = "none", Volume = "volume", Ceph = "ceph", Iscsi = "iscsi", Tls = "tls", Vtpm = "vtpm"
    }
}

const KIND: Kind = Kind { label: "definition_of_secret", root: "secret", origin: Origin::Secret };

/// `<secret>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its identifier.
    pub uuid: Uuid,
    /// Whether its value is kept in memory only.
    pub ephemeral: bool,
    /// Whether its value is never given back to clients.
    pub private: bool,
    /// Any text for people.
    pub description: Option<String>,
    /// What it is used for.
    pub usage: Option<Usage>,
}

/// `<usage>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The kind; never [`UsageType::None`].
    pub kind: UsageType,
    /// Which one of its kind: a path, a name or a target.
    pub id: String,
}

impl UsageType {
    /// The element that holds the identifier.
    fn element(self) -> &'static str {
        match self {
            UsageType::Volume => "volume",
            UsageType::Iscsi => "target",
            UsageType::None | UsageType::Ceph | UsageType::Tls | UsageType::Vtpm => "name",
        }
    }
}

impl Secret {
    /// Reads a definition.
    pub fn parse(text: &str, mode: &ReadMode) -> Result<Self> {
        KIND.read(text, mode.schema, |el| Secret::from_el(el, mode))
    }

    fn from_el(el: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let yes = |name: &str| match el.attr(name).map(YesNo::parse) {
            None => Ok(false),
            Some(Some(value)) => Ok(value.is_true()),
            Some(None) => Err(Error::xml(format!("invalid value of '{name}'"))),
        };
        Ok(Secret {
            ephemeral: yes("ephemeral")?,
            private: yes("private")?,
            uuid: read::uuid(el, mode, || Error::internal("malformed uuid element"))?,
            description: el.child_text("description"),
            usage: el.child("usage").map(|usage| Usage::parse(&usage)).transpose()?.flatten(),
        })
    }

    /// What it is used for, as clients see it: kind and identifier.
    pub fn usage_id(&self) -> (UsageType, &str) {
        self.usage.as_ref().map_or((UsageType::None, ""), |usage| (usage.kind, &usage.id))
    }

    /// Refuses a new definition under the same identifier that changes what may not change.
    pub fn check_redefinition(&self, new: &Secret) -> Result<()> {
        if self.usage != new.usage {
            let (_, id) = self.usage_id();
            let words = format!("a secret with UUID {} is already defined for use with {id}", self.uuid);
            return Err(Error::internal(words).from_origin(Origin::Secret));
        }
        if self.private && !new.private {
            return Err(Error::new(
                Code::OperationDenied,
                Origin::Secret,
                "cannot change private flag on existing secret",
            ));
        }
        Ok(())
    }

    /// Writes it.
    pub fn to_xml(&self) -> String {
        let mut el = El::new("secret")
            .attr("ephemeral", YesNo::from(self.ephemeral))
            .attr("private", YesNo::from(self.private));
        el.push_text("uuid", Some(self.uuid));
        el.push_text("description", self.description.as_ref());
        if let Some(usage) = &self.usage {
            let mut child = El::new("usage").attr("type", usage.kind);
            child.push_text(usage.kind.element(), Some(&usage.id));
            el.push(child);
        }
        el.to_xml()
    }
}

impl Usage {
    fn parse(el: &Element<'_>) -> Result<Option<Self>> {
        let kind: UsageType = el.require_word("type")?;
        if kind == UsageType::None {
            return Ok(None);
        }
        let id = el.child_text(kind.element()).ok_or_else(|| missing(kind))?;
        Ok(Some(Usage { kind, id }))
    }
}

fn missing(kind: UsageType) -> Error {
    let (label, what) = match kind {
        UsageType::None | UsageType::Volume => ("volume", "volume path"),
        UsageType::Ceph => ("Ceph", "name"),
        UsageType::Iscsi => ("iSCSI", "target"),
        UsageType::Tls => ("TLS", "name"),
        UsageType::Vtpm => ("vTPM", "name"),
    };
    Error::internal(format!("{label} usage specified, but {what} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inside: &str, attributes: &str) -> Secret {
        let text = format!("<secret {attributes}>{inside}</secret>");
        Secret::parse(&text, &ReadMode::new(Uuid([7; 16]))).unwrap()
    }

    #[test]
    fn a_secret_keeps_its_use_and_its_privacy() {
        let usage = "<usage type='ceph'><name>n</name></usage>";
        let secret = read(usage, "private='yes'");
        assert_eq!(secret.usage_id(), (UsageType::Ceph, "n"));
        assert!(secret.check_redefinition(&read(usage, "private='yes' ephemeral='yes'")).is_ok());
        let other = secret.check_redefinition(&read("", "private='yes'")).unwrap_err();
        assert!(other.to_string().ends_with("is already defined for use with n"), "{other}");
        let public = secret.check_redefinition(&read(usage, "")).unwrap_err();
        assert_eq!(public.code(), Code::OperationDenied);
    }
}
