//! How a definition names a secret: by UUID or by what it is used for.
//!
//! Owns: the two attributes. Never: looks a secret up or sees its value.

use ostler_base::{Error, Origin, Result, Uuid};
use ostler_xml::{El, Element};

/// `uuid='…'` or `usage='…'` of a `<secret>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretLookup {
    /// By identifier.
    Uuid(Uuid),
    /// By use.
    Usage(String),
}

impl SecretLookup {
    /// Reads the attributes of a `<secret>`: one of them, not both.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        match (el.attr("uuid"), el.attr("usage")) {
            (None, None) => Err(fault("missing secret uuid or usage attribute")),
            (Some(_), Some(_)) => Err(fault("either secret uuid or usage expected")),
            (Some(text), None) => Uuid::parse(text)
                .map(SecretLookup::Uuid)
                .ok_or_else(|| fault(format!("invalid secret uuid '{text}'"))),
            (None, Some(usage)) => Ok(SecretLookup::Usage(usage.to_owned())),
        }
    }

    /// As a planner asks for it: `uuid:UUID` or `usage:USE`.
    pub fn question(&self) -> String {
        match self {
            SecretLookup::Uuid(uuid) => format!("uuid:{uuid}"),
            SecretLookup::Usage(usage) => format!("usage:{usage}"),
        }
    }

    /// Adds the attribute to a `<secret>`.
    pub fn write(&self, el: &mut El) {
        match self {
            SecretLookup::Uuid(uuid) => el.set("uuid", uuid),
            SecretLookup::Usage(usage) => el.set("usage", usage),
        }
    }
}

fn fault(words: impl Into<String>) -> Error {
    Error::xml(words).from_origin(Origin::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    #[test]
    fn one_of_two() {
        let read = |text: &str| SecretLookup::parse(&Document::parse(text, "test").unwrap().root());
        assert_eq!(read("<secret usage='a b'/>"), Ok(SecretLookup::Usage("a b".into())));
        assert_eq!(read("<secret uuid='x'/>").unwrap_err().to_string(), "XML error: invalid secret uuid 'x'");
        assert_eq!(
            read("<secret/>").unwrap_err().to_string(),
            "XML error: missing secret uuid or usage attribute"
        );
        assert!(read("<secret uuid='x' usage='y'/>").is_err());
    }
}
