//! The tree of a document and typed readers.
//!
//! Owns: well-formedness errors with line and column, one reader for words, integers, sizes,
//! yes/no and on/off. Never: keeps anything of the document after it is read.

use ostler_base::{Code, Error, OnOff, Origin, Position, Result, Word, YesNo, scale};
use roxmltree::{Node, ParsingOptions};

use crate::strict::{Leftover, Seen};

/// Documents above this size (bytes) are refused unread.
const MAX_DOCUMENT: usize = 16 * 1024 * 1024;
/// Most nodes of a document.
const MAX_NODES: u32 = 500_000;

/// A parsed document.
pub struct Document<'t> {
    tree: roxmltree::Document<'t>,
    seen: Option<Seen>,
}

impl<'t> Document<'t> {
    /// Reads a document. `label` names it in errors (`domain_definition`).
    pub fn parse(text: &'t str, label: &str) -> Result<Self> {
        Ok(Document { tree: tree(text, label)?, seen: None })
    }

    /// The same, and keeps a record of everything that is read from it, for [`Self::leftovers`].
    pub fn parse_strict(text: &'t str, label: &str) -> Result<Self> {
        Ok(Document { tree: tree(text, label)?, seen: Some(Seen::default()) })
    }

    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        Element { node: self.tree.root_element(), seen: self.seen.as_ref() }
    }

    /// Strict mode: the elements and attributes that no reader asked for, in document order.
    /// Empty where the record was not kept.
    pub fn leftovers(&self) -> Vec<Leftover> {
        self.seen.as_ref().map(|seen| seen.leftovers(self.tree.root_element())).unwrap_or_default()
    }
}

fn tree<'t>(text: &'t str, label: &str) -> Result<roxmltree::Document<'t>> {
    if text.len() > MAX_DOCUMENT {
        return Err(Error::new(Code::XmlError, Origin::Xml, format!("({label}): document too large")));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    roxmltree::Document::parse_with_options(text, options).map_err(|error| malformed(text, label, &error))
}

/// `(label):LINE: what\nthe line\n----^`, as the reference's XML library shows it.
fn malformed(text: &str, label: &str, error: &roxmltree::Error) -> Error {
    let place = error.pos();
    let words = error.to_string();
    let what = words.rsplit_once(" at ").map_or(words.as_str(), |(what, _)| what);
    let line: String =
        text.lines().nth(place.row.saturating_sub(1) as usize).unwrap_or("").chars().take(200).collect();
    let dashes = "-".repeat(place.col.saturating_sub(1).min(200) as usize);
    let detail = format!("({label}):{}: {what}\n{line}\n{dashes}^\n", place.row);
    Error::new(Code::XmlDetail, Origin::Xml, detail).at(Position { line: place.row, column: place.col })
}

/// An element of the document.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    pub(crate) node: Node<'a, 'a>,
    seen: Option<&'a Seen>,
}

impl<'a> Element<'a> {
    /// Its name without a namespace prefix.
    pub fn name(&self) -> &'a str {
        self.node.tag_name().name()
    }

    /// The address of its namespace.
    pub fn namespace(&self) -> Option<&'a str> {
        self.node.tag_name().namespace()
    }

    /// Where it begins.
    pub fn position(&self) -> Position {
        let at = self.node.document().text_pos_at(self.node.range().start);
        Position { line: at.row, column: at.col }
    }

    /// Its source text, with namespace declarations that it inherits added to its first tag.
    pub fn source(&self) -> String {
        let text = &self.node.document().input_text()[self.node.range()];
        let own: Vec<_> = inherited_namespaces(self.node, text);
        if own.is_empty() {
            return text.to_owned();
        }
        let end = text.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
        let (head, rest) = text.split_at(end);
        format!("{head}{}{rest}", own.concat())
    }

    /// The value of an attribute.
    pub fn attr(&self, name: &str) -> Option<&'a str> {
        self.note_attr(name);
        self.node.attributes().find(|a| a.name() == name && a.namespace().is_none()).map(|a| a.value())
    }

    /// The attributes without namespace, in document order; all count as read.
    pub fn attrs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        for attribute in self.node.attributes() {
            self.note_attr(attribute.name());
        }
        self.node.attributes().filter(|a| a.namespace().is_none()).map(|a| (a.name(), a.value()))
    }

    /// Whether the attribute is there, whatever its value.
    pub fn has_attr(&self, name: &str) -> bool {
        self.attr(name).is_some()
    }

    /// The first child element of a name, without namespace or in the one of this element.
    pub fn child(&self, name: &str) -> Option<Element<'a>> {
        self.children(name).next()
    }

    /// The first element along a path `a/b/c`.
    pub fn path(&self, path: &str) -> Option<Element<'a>> {
        path.split('/').try_fold(*self, |at, step| at.child(step))
    }

    /// The child elements of a name.
    pub fn children<'n>(&self, name: &'n str) -> impl Iterator<Item = Element<'a>> + use<'a, 'n> {
        self.note_child(name);
        let seen = self.seen;
        let namespace = self.node.tag_name().namespace();
        self.node
            .children()
            .filter(move |n| {
                n.is_element() && n.tag_name().name() == name && n.tag_name().namespace() == namespace
            })
            .map(move |node| Element { node, seen }.noted())
    }

    /// All child elements of this element's namespace, in document order; all count as read.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let seen = self.seen;
        let namespace = self.node.tag_name().namespace();
        self.node
            .children()
            .filter(move |n| n.is_element() && n.tag_name().namespace() == namespace)
            .map(move |node| Element { node, seen }.noted())
    }

    /// The child elements of another namespace.
    pub fn foreign<'n>(&self, namespace: &'n str) -> impl Iterator<Item = Element<'a>> + use<'a, 'n> {
        let seen = self.seen;
        self.node
            .children()
            .filter(move |n| n.is_element() && n.tag_name().namespace() == Some(namespace))
            .map(move |node| Element { node, seen }.noted())
    }

    /// All child elements of whatever namespace; all count as read, with all that is in them.
    /// For content that is kept as it is (metadata).
    pub fn opaque_children(&self) -> Vec<Element<'a>> {
        let children: Vec<_> = self.node.children().filter(Node::is_element).collect();
        if let Some(seen) = self.seen {
            for node in &children {
                seen.whole(*node);
            }
        }
        children.into_iter().map(|node| Element { node, seen: self.seen }).collect()
    }

    /// The text in it, of all depths, as it stands.
    pub fn text(&self) -> String {
        self.node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect()
    }

    /// The text of the first child element of a name; `None` where there is no such child or its
    /// text is empty.
    pub fn child_text(&self, name: &str) -> Option<String> {
        self.child(name).map(|c| c.text()).filter(|t| !t.is_empty())
    }

    fn noted(self) -> Self {
        if let Some(seen) = self.seen {
            seen.element(self.node);
        }
        self
    }

    fn note_attr(&self, name: &str) {
        if let Some(seen) = self.seen {
            seen.asked_attr(self.node, name);
        }
    }

    fn note_child(&self, name: &str) {
        if let Some(seen) = self.seen {
            seen.asked_child(self.node, name);
        }
    }
}

fn inherited_namespaces(node: Node<'_, '_>, source: &str) -> Vec<String> {
    let tag_end = source.find('>').unwrap_or(source.len());
    let tag = &source[..tag_end];
    let mut used: Vec<(Option<&str>, &str)> = Vec::new();
    let parent_spaces: Vec<_> = node.parent().into_iter().flat_map(|p| p.namespaces()).collect();
    for space in parent_spaces {
        if let Some(prefix) = space.name()
            && prefix != "xml"
            && source.contains(&format!("{prefix}:"))
            && !tag.contains(&format!("xmlns:{prefix}="))
        {
            used.push((Some(prefix), space.uri()));
        }
    }
    used.iter()
        .map(|(prefix, uri)| match prefix {
            Some(prefix) => format!(" xmlns:{prefix}=\"{}\"", crate::escape(uri)),
            None => format!(" xmlns=\"{}\"", crate::escape(uri)),
        })
        .collect()
}

/// Integers that attributes can hold.
pub trait Number: Sized {
    /// The words of the error after a value that is no such number.
    const EXPECTED: &'static str;
    /// Reads one; white space around it is allowed.
    fn read(text: &str, radix: u32) -> Option<Self>;
}

macro_rules! numbers {
    ($($t:ty: $expected:literal),+) => { $(
        impl Number for $t {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str, radix: u32) -> Option<Self> {
                let text = text.trim_start();
                let (radix, digits) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                    Some(hex) if radix == 0 || radix == 16 => (16, hex),
                    _ => (if radix == 0 { 10 } else { radix }, text.strip_prefix('+').unwrap_or(text)),
                };
                if digits.starts_with('+') {
                    return None;
                }
                <$t>::from_str_radix(digits, radix).ok()
            }
        }
    )+ };
}
numbers!(u8: "non-negative integer", u16: "non-negative integer", u32: "non-negative integer",
         u64: "non-negative integer", i32: "integer", i64: "integer");

/// Typed attributes. `Ok(None)` always means that the attribute is absent.
impl<'a> Element<'a> {
    /// An attribute that must be there and not be empty.
    pub fn require(&self, name: &str) -> Result<&'a str> {
        self.attr(name).ok_or_else(|| self.missing(name))
    }

    /// A word of a list.
    pub fn word<W: Word>(&self, name: &str) -> Result<Option<W>> {
        self.attr(name).map(|value| W::parse(value).ok_or_else(|| self.invalid(name, value, ""))).transpose()
    }

    /// A word of a list that must be there.
    pub fn require_word<W: Word>(&self, name: &str) -> Result<W> {
        self.word(name)?.ok_or_else(|| self.missing(name))
    }

    /// `yes` or `no`.
    pub fn yes_no(&self, name: &str) -> Result<Option<YesNo>> {
        self.word(name)
    }

    /// `on` or `off`.
    pub fn on_off(&self, name: &str) -> Result<Option<OnOff>> {
        self.word(name)
    }

    /// A decimal integer.
    pub fn number<N: Number>(&self, name: &str) -> Result<Option<N>> {
        self.number_in(name, 10)
    }

    /// An integer that must be there.
    pub fn require_number<N: Number>(&self, name: &str) -> Result<N> {
        self.number(name)?.ok_or_else(|| self.missing(name))
    }

    /// An integer in a base; base 0 takes decimal and `0x…`.
    pub fn number_in<N: Number>(&self, name: &str, radix: u32) -> Result<Option<N>> {
        self.attr(name)
            .map(|value| {
                N::read(value, radix)
                    .ok_or_else(|| self.invalid(name, value, &format!(" Expected {} value", N::EXPECTED)))
            })
            .transpose()
    }

    /// A decimal integer that is not 0.
    pub fn nonzero<N: Number + Default + PartialEq>(&self, name: &str) -> Result<Option<N>> {
        let value = self.number::<N>(name)?;
        if value.as_ref().is_some_and(|v| *v == N::default()) {
            return Err(self.fault(format!(
                "Invalid value for attribute '{name}' in element '{}': Zero is not permitted",
                self.name()
            )));
        }
        Ok(value)
    }

    /// The text as a size with its attribute `unit`, in bytes; without a unit in units of `default` bytes.
    pub fn size(&self, default: u64, limit: u64) -> Result<u64> {
        let text = self.text();
        let value = u64::read(&text, 10)
            .ok_or_else(|| self.fault(format!("Invalid value '{text}' for element '{}'", self.name())))?;
        scale::to_bytes(value, self.attr("unit"), default, limit).map_err(|e| e.at(self.position()))
    }

    /// The error for an attribute that is missing.
    pub fn missing(&self, attribute: &str) -> Error {
        self.fault(format!("Missing required attribute '{attribute}' in element '{}'", self.name()))
    }

    /// The error for an attribute whose value cannot be taken; `more` comes after the full stop.
    pub fn invalid(&self, attribute: &str, value: &str, more: &str) -> Error {
        self.fault(format!(
            "Invalid value for attribute '{attribute}' in element '{}': '{value}'.{more}",
            self.name()
        ))
    }

    /// An XML error at this element.
    pub fn fault(&self, detail: impl Into<String>) -> Error {
        Error::new(Code::XmlError, Origin::Xml, detail).at(self.position())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(text: &str, read: impl FnOnce(Element<'_>) -> T) -> T {
        let document = Document::parse(text, "test").unwrap();
        read(document.root())
    }

    #[test]
    fn typed_attributes() {
        with("<a n='7' h='0x1f' b='yes' s='on' bad='x' neg='-1'/>", |a| {
            assert_eq!(a.number::<u32>("n"), Ok(Some(7)));
            assert_eq!(a.number_in::<u32>("h", 0), Ok(Some(31)));
            assert_eq!(a.number_in::<u16>("h", 16), Ok(Some(31)));
            assert_eq!(a.yes_no("b"), Ok(Some(YesNo::Yes)));
            assert_eq!(a.on_off("s"), Ok(Some(OnOff::On)));
            assert_eq!(a.number::<u32>("absent"), Ok(None));
            assert_eq!(
                a.number::<u32>("neg").unwrap_err().to_string(),
                "XML error: Invalid value for attribute 'neg' in element 'a': '-1'. Expected non-negative integer value"
            );
            assert_eq!(
                a.yes_no("bad").unwrap_err().to_string(),
                "XML error: Invalid value for attribute 'bad' in element 'a': 'x'."
            );
            assert_eq!(
                a.require("gone").unwrap_err().to_string(),
                "XML error: Missing required attribute 'gone' in element 'a'"
            );
        });
    }

    #[test]
    fn malformed_documents_say_where() {
        let error = Document::parse("<a>\n <b></c>\n</a>", "domain_definition").err().unwrap();
        assert_eq!(error.position(), Some(Position { line: 2, column: 5 }));
        assert!(error.to_string().starts_with("(domain_definition):2: "), "{error}");
        assert!(error.to_string().contains("\n <b></c>\n----^"), "{error}");
    }

    #[test]
    fn sizes() {
        with("<m unit='MiB'>2</m>", |m| assert_eq!(m.size(1024, u64::MAX), Ok(2 << 20)));
        with("<m> 3</m>", |m| assert_eq!(m.size(1024, u64::MAX), Ok(3072)));
        with("<m>x</m>", |m| assert!(m.size(1024, u64::MAX).is_err()));
    }

    #[test]
    fn source_keeps_inherited_prefixes() {
        with("<a xmlns:q='urn:q'><m><q:b c='1'>t</q:b></m></a>", |a| {
            let inner = a.child("m").unwrap().opaque_children()[0];
            assert_eq!(inner.source(), "<q:b xmlns:q=\"urn:q\" c='1'>t</q:b>");
        });
    }

    #[test]
    fn a_dtd_is_refused() {
        assert!(Document::parse("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "t").is_err());
    }
}
