//! `<auth>` and `<initiator>` of a network storage source.
//!
//! Owns: who logs in and under which name. Never: sees a password.

use ostler_base::{Error, Origin, Result, Word, words};
use ostler_xml::{El, Element};

use crate::secret_lookup::SecretLookup;

words! {
    /// `<auth type='…'>`
    pub StorageAuthType { Chap = "chap", Ceph = "ceph" }
}

/// `<auth>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageAuth {
    /// The scheme, where it is said here.
    pub kind: Option<StorageAuthType>,
    /// The user.
    pub username: String,
    /// `type` of the `<secret>`, as it stands.
    pub secret_type: Option<String>,
    /// Which secret holds the password.
    pub secret: SecretLookup,
}

impl StorageAuth {
    /// Reads it.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let username = el.attr("username").filter(|u| !u.is_empty());
        let username = username.ok_or_else(|| fault("missing username for auth"))?.to_owned();
        let kind = match el.attr("type") {
            None | Some("none") => None,
            Some(word) => Some(StorageAuthType::parse(word).ok_or_else(|| {
                Error::unsupported(format!("unknown auth type '{word}'")).from_origin(Origin::Storage)
            })?),
        };
        let secret = el.child("secret").ok_or_else(|| fault("Missing <secret> element in auth"))?;
        Ok(StorageAuth {
            kind,
            username,
            secret_type: secret.attr("type").map(str::to_owned),
            secret: SecretLookup::parse(&secret)?,
        })
    }

    /// Writes it.
    pub fn to_el(&self) -> El {
        let mut el =
            El::new("auth").attr_opt("type", self.kind.map(Word::as_str)).attr("username", &self.username);
        let mut secret = El::new("secret").attr_opt("type", self.secret_type.as_ref());
        self.secret.write(&mut secret);
        el.push(secret);
        el
    }
}

/// The name in `<initiator><iqn name='…'/></initiator>` below `el`.
pub fn parse_initiator(el: &Element<'_>) -> Option<String> {
    el.path("initiator/iqn")?.attr("name").filter(|iqn| !iqn.is_empty()).map(str::to_owned)
}

/// `<initiator><iqn name='…'/></initiator>`.
pub fn initiator_to_el(iqn: &str) -> El {
    El::new("initiator").child(El::new("iqn").attr("name", iqn))
}

fn fault(words: &str) -> Error {
    Error::xml(words).from_origin(Origin::Storage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    fn read(text: &str) -> Result<StorageAuth> {
        StorageAuth::parse(&Document::parse(text, "test")?.root())
    }

    #[test]
    fn both_places_of_the_kind() {
        for text in [
            "<auth type='chap' username='u'>\n  <secret usage='s'/>\n</auth>\n",
            "<auth username='u'>\n  <secret type='ceph' usage='s'/>\n</auth>\n",
        ] {
            assert_eq!(read(text).unwrap().to_el().to_xml(), text);
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(read("<auth/>").unwrap_err().to_string(), "XML error: missing username for auth");
        assert_eq!(
            read("<auth type='x' username='u'/>").unwrap_err().to_string(),
            "unsupported configuration: unknown auth type 'x'"
        );
    }

    #[test]
    fn initiators() {
        let text = "<source>\n  <initiator>\n    <iqn name='i'/>\n  </initiator>\n</source>\n";
        let document = Document::parse(text, "test").unwrap();
        let iqn = parse_initiator(&document.root()).unwrap();
        assert_eq!(El::new("source").child(initiator_to_el(&iqn)).to_xml(), text);
    }
}
