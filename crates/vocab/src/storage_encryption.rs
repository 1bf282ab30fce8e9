//! `<encryption>` of a disk source or a volume.
//!
//! Owns: format, engine, secrets and cipher. Never: sees a passphrase.

use ostler_base::{Error, Origin, Result, Word, words};
use ostler_xml::{El, Element};

use crate::secret_lookup::SecretLookup;

words! {
    /// `<encryption format='…'>`
    pub EncryptionFormat {
        Default = "default", Qcow = "qcow", Luks = "luks", Luks2 = "luks2", LuksAny = "luks-any"
    }

    /// `<encryption engine='…'>`: who encrypts.
    pub EncryptionEngine { Qemu = "qemu", Librbd = "librbd" }

    /// `<secret type='…'>` in `<encryption>`
    pub EncryptionSecretType { Passphrase = "passphrase" }
}

/// `<secret>` in `<encryption>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionSecret {
    /// What it is.
    pub kind: EncryptionSecretType,
    /// Which one.
    pub lookup: SecretLookup,
}

/// `<cipher>`: how the payload is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionCipher {
    /// Algorithm.
    pub name: String,
    /// Key length in bits.
    pub size: u32,
    /// Mode of operation.
    pub mode: Option<String>,
    /// Hash of the key derivation.
    pub hash: Option<String>,
}

/// `<ivgen>`: how initialisation vectors are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionIvgen {
    /// Generator.
    pub name: String,
    /// Hash, for generators that use one.
    pub hash: Option<String>,
}

/// `<encryption>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageEncryption {
    /// On-disk format.
    pub format: EncryptionFormat,
    /// Who encrypts, where that is said.
    pub engine: Option<EncryptionEngine>,
    /// The keys, in document order.
    pub secrets: Vec<EncryptionSecret>,
    /// Cipher of a LUKS volume to be made.
    pub cipher: Option<EncryptionCipher>,
    /// Vector generator of a LUKS volume to be made; only with a cipher.
    pub ivgen: Option<EncryptionIvgen>,
}

impl StorageEncryption {
    /// Reads it.
    pub fn parse(el: &Element<'_>) -> Result<Self> {
        let word = el.attr("format").ok_or_else(|| fault("unknown volume encryption format"))?;
        let format = EncryptionFormat::parse(word)
            .ok_or_else(|| unsupported(format!("unknown volume encryption format type {word}")))?;
        let engine = el.word("engine")?;
        let secrets = el.children("secret").map(|s| secret(&s)).collect::<Result<_>>()?;
        let luks = format == EncryptionFormat::Luks;
        let cipher = el.child("cipher").filter(|_| luks).map(|c| parse_cipher(&c)).transpose()?;
        let ivgen = match el.child("ivgen").filter(|_| luks) {
            Some(_) if cipher.is_none() => return Err(fault("ivgen element found, but cipher is missing")),
            Some(ivgen) => Some(parse_ivgen(&ivgen)?),
            None => None,
        };
        Ok(StorageEncryption { format, engine, secrets, cipher, ivgen })
    }

    /// Writes it.
    pub fn to_el(&self) -> El {
        let mut el = El::new("encryption")
            .attr("format", self.format)
            .attr_opt("engine", self.engine.map(Word::as_str));
        for secret in &self.secrets {
            let mut child = El::new("secret").attr("type", secret.kind);
            secret.lookup.write(&mut child);
            el.push(child);
        }
        if let Some(cipher) = &self.cipher {
            el.push(
                El::new("cipher")
                    .attr("name", &cipher.name)
                    .attr("size", cipher.size)
                    .attr_opt("mode", cipher.mode.as_ref())
                    .attr_opt("hash", cipher.hash.as_ref()),
            );
        }
        if let Some(ivgen) = &self.ivgen {
            el.push(El::new("ivgen").attr("name", &ivgen.name).attr_opt("hash", ivgen.hash.as_ref()));
        }
        el
    }
}

fn secret(el: &Element<'_>) -> Result<EncryptionSecret> {
    let word = el.attr("type").ok_or_else(|| fault("unknown volume encryption secret type"))?;
    let kind = EncryptionSecretType::parse(word)
        .ok_or_else(|| unsupported(format!("unknown volume encryption secret type {word}")))?;
    Ok(EncryptionSecret { kind, lookup: SecretLookup::parse(el)? })
}

fn parse_cipher(el: &Element<'_>) -> Result<EncryptionCipher> {
    let name = el.attr("name").ok_or_else(|| fault("cipher info missing 'name' attribute"))?;
    Ok(EncryptionCipher {
        name: name.to_owned(),
        size: el.require_number("size")?,
        mode: el.attr("mode").map(str::to_owned),
        hash: el.attr("hash").map(str::to_owned),
    })
}

fn parse_ivgen(el: &Element<'_>) -> Result<EncryptionIvgen> {
    let name = el.attr("name").ok_or_else(|| fault("missing ivgen info name string"))?;
    Ok(EncryptionIvgen { name: name.to_owned(), hash: el.attr("hash").map(str::to_owned) })
}

fn fault(words: &str) -> Error {
    Error::xml(words).from_origin(Origin::Storage)
}

fn unsupported(words: String) -> Error {
    Error::unsupported(words).from_origin(Origin::Storage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_xml::Document;

    fn read(text: &str) -> Result<StorageEncryption> {
        StorageEncryption::parse(&Document::parse(text, "test")?.root())
    }

    #[test]
    fn luks_with_cipher() {
        let text = "<encryption format='luks' engine='qemu'>\n  <secret type='passphrase' usage='u'/>\n  \
                    <cipher name='serpent' size='256' mode='cbc' hash='sha256'/>\n  <ivgen name='plain64' \
                    hash='sha256'/>\n</encryption>\n";
        assert_eq!(read(text).unwrap().to_el().to_xml(), text);
    }

    #[test]
    fn refusals() {
        for (text, words) in [
            ("<encryption/>", "XML error: unknown volume encryption format"),
            (
                "<encryption format='x'/>",
                "unsupported configuration: unknown volume encryption format type x",
            ),
            (
                "<encryption format='luks'><ivgen name='a'/></encryption>",
                "XML error: ivgen element found, but cipher is missing",
            ),
            (
                "<encryption format='luks'><secret type='y'/></encryption>",
                "unsupported configuration: unknown volume encryption secret type y",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), words);
        }
    }
}
