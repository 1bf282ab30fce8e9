//! What the readers of all documents share.
//!
//! Owns: how a document is read, the check of its root, the origin of its errors. Never: knows
//! what is in it.

use core::net::IpAddr;

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_vocab::inet;
use ostler_xml::{Document, Element};

/// Whether words that nobody reads are passed over or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// They are ignored.
    Lenient,
    /// The first one is an error (`--validate`).
    Strict,
}

/// How a document is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadMode {
    /// What happens to unknown words.
    pub schema: Schema,
    /// The identifier for a definition that gives none; made up by the caller.
    pub fresh_uuid: Uuid,
}

impl ReadMode {
    /// Lenient, with an identifier for definitions that give none.
    pub fn new(fresh_uuid: Uuid) -> Self {
        ReadMode { schema: Schema::Lenient, fresh_uuid }
    }

    /// The same, and refuses unknown words.
    pub fn strict(self) -> Self {
        ReadMode { schema: Schema::Strict, ..self }
    }
}

/// What a kind of document is called and who reports its errors.
pub(crate) struct Kind {
    /// Name of the document in syntax errors.
    pub(crate) label: &'static str,
    /// The outermost element; empty where the reader checks it.
    pub(crate) root: &'static str,
    /// The driver that reports.
    pub(crate) origin: Origin,
}

impl Kind {
    /// Reads a document of this kind.
    pub(crate) fn read<T>(
        &self,
        text: &str,
        schema: Schema,
        reader: impl FnOnce(&Element<'_>) -> Result<T>,
    ) -> Result<T> {
        let document = match schema {
            Schema::Lenient => Document::parse(text, self.label),
            Schema::Strict => Document::parse_strict(text, self.label),
        };
        let document = document.map_err(|error| error.from_origin(self.origin))?;
        let root = document.root();
        if !self.root.is_empty() && root.name() != self.root {
            return Err(root
                .fault(format!("expecting root element of '{}', not '{}'", self.root, root.name()))
                .from_origin(Origin::Xml));
        }
        let read = reader(&root).map_err(|error| reported_by(error, self.origin))?;
        match document.leftovers().first() {
            Some(left) => Err(left.error()),
            None => Ok(read),
        }
    }
}

/// The error as this driver reports it. The short constructors of [`Error`] speak for the domain
/// parser and the QEMU driver; in this crate they stand for whichever driver reads the document.
pub(crate) fn reported_by(error: Error, origin: Origin) -> Error {
    match error.origin() {
        Origin::Domain | Origin::Qemu => error.from_origin(origin),
        _ => error,
    }
}

/// The UUID in the element `<uuid>`, or the fresh one.
pub(crate) fn uuid(el: &Element<'_>, mode: &ReadMode, malformed: impl FnOnce() -> Error) -> Result<Uuid> {
    match el.child_text("uuid") {
        None => Ok(mode.fresh_uuid),
        Some(text) => Uuid::parse(&text).ok_or_else(|| malformed().at(el.position())),
    }
}

/// Refuses a text that has one of some characters in it; `what` is what it is.
pub(crate) fn refuse_characters(what: &str, text: &str, bad: &str, origin: Origin) -> Result<()> {
    match text.chars().find(|c| bad.contains(*c)) {
        Some(c) => Err(Error::new(Code::XmlDetail, origin, format!("invalid char in {what}: {c}"))),
        None => Ok(()),
    }
}

/// Reads a numeric address, or says why not as the reference does.
pub(crate) fn address(text: &str) -> Result<IpAddr> {
    inet::parse(text).ok_or_else(|| {
        let words = format!("Cannot parse socket address '{text}': Name or service not known");
        Error::new(Code::SystemError, Origin::None, words)
    })
}
