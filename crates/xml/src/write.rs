//! The writer, with the reference's layout: indent 2, single quotes, `<x/>` for empty elements.
//!
//! Owns: escaping and layout. Never: decides what is written.

use std::borrow::Cow;
use std::fmt::{Display, Write};

/// An element to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct El {
    name: Cow<'static, str>,
    attrs: Vec<(Cow<'static, str>, String)>,
    content: Vec<Content>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    El(El),
    Text(String),
    Source(String),
    Comment(String),
}

impl El {
    /// An element without attributes or content.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        El { name: name.into(), attrs: Vec::new(), content: Vec::new() }
    }

    /// An element with text in it.
    pub fn with_text(name: impl Into<Cow<'static, str>>, text: impl Display) -> Self {
        let mut el = El::new(name);
        el.text(text);
        el
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of an attribute that was added.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attrs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Adds an attribute and gives the element back.
    pub fn attr(mut self, name: impl Into<Cow<'static, str>>, value: impl Display) -> Self {
        self.set(name, value);
        self
    }

    /// Adds an attribute where there is a value, and gives the element back.
    pub fn attr_opt(mut self, name: impl Into<Cow<'static, str>>, value: Option<impl Display>) -> Self {
        self.set_opt(name, value);
        self
    }

    /// Adds a child and gives the element back.
    pub fn child(mut self, child: El) -> Self {
        self.push(child);
        self
    }

    /// The first child element of a name, to be added to.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut El> {
        self.content.iter_mut().find_map(|part| match part {
            Content::El(el) if el.name == name => Some(el),
            _ => None,
        })
    }

    /// Adds an attribute.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Display) {
        self.attrs.push((name.into(), value.to_string()));
    }

    /// Adds an attribute where there is a value.
    pub fn set_opt(&mut self, name: impl Into<Cow<'static, str>>, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Adds a child.
    pub fn push(&mut self, child: El) {
        self.content.push(Content::El(child));
    }

    /// Adds a child unless it has neither attributes nor content.
    pub fn push_filled(&mut self, child: El) {
        if !child.is_bare() {
            self.push(child);
        }
    }

    /// Adds children.
    pub fn extend(&mut self, children: impl IntoIterator<Item = El>) {
        self.content.extend(children.into_iter().map(Content::El));
    }

    /// Adds a child with text, where there is a text.
    pub fn push_text(&mut self, name: impl Into<Cow<'static, str>>, text: Option<impl Display>) {
        if let Some(text) = text {
            self.push(El::with_text(name, text));
        }
    }

    /// Adds text.
    pub fn text(&mut self, text: impl Display) {
        self.content.push(Content::Text(text.to_string()));
    }

    /// Adds XML source that is written as it stands, on lines of its own.
    pub fn source(&mut self, source: impl Into<String>) {
        self.content.push(Content::Source(source.into()));
    }

    /// Adds a comment.
    pub fn comment(&mut self, text: impl Into<String>) {
        self.content.push(Content::Comment(text.into()));
    }

    /// Whether it has neither attributes nor content.
    pub fn is_bare(&self) -> bool {
        self.attrs.is_empty() && self.content.is_empty()
    }

    /// Whether it has content: children or text.
    pub fn has_content(&self) -> bool {
        !self.content.is_empty()
    }

    /// The text of the document with this root, ended by a newline.
    pub fn to_xml(&self) -> String {
        self.to_xml_indented(0)
    }

    /// The same with every line moved right by `indent` spaces.
    pub fn to_xml_indented(&self, indent: usize) -> String {
        let mut out = String::new();
        self.write(&mut out, indent);
        out
    }

    fn write(&self, out: &mut String, indent: usize) {
        let name = &self.name;
        pad(out, indent);
        let _ = write!(out, "<{name}");
        for (name, value) in &self.attrs {
            let _ = write!(out, " {name}='{}'", escape(value));
        }
        if self.content.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        if let [Content::Text(text)] = &self.content[..] {
            out.push_str(&escape(text));
        } else {
            out.push('\n');
            for part in &self.content {
                part.write(out, indent + 2);
            }
            pad(out, indent);
        }
        let _ = writeln!(out, "</{name}>");
    }
}

impl Content {
    fn write(&self, out: &mut String, indent: usize) {
        match self {
            Content::El(el) => el.write(out, indent),
            Content::Text(text) => {
                pad(out, indent);
                out.push_str(&escape(text));
                out.push('\n');
            }
            Content::Source(source) => {
                pad(out, indent);
                out.push_str(source);
                out.push('\n');
            }
            Content::Comment(text) => {
                pad(out, indent);
                let _ = writeln!(out, "<!-- {text} -->");
            }
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A text in which the five special characters are entities; control characters that XML cannot
/// hold are left out.
pub fn escape(text: &str) -> Cow<'_, str> {
    let special =
        |c: char| matches!(c, '<' | '>' | '&' | '\'' | '"') || (c < ' ' && !matches!(c, '\n' | '\t' | '\r'));
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            c if special(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let mut el = El::new("a").attr("x", 1).attr_opt("y", None::<u8>).child(El::with_text("b", "t<'"));
        el.push_filled(El::new("empty"));
        el.push(El::new("c").child(El::new("d").attr("z", "\"")));
        assert_eq!(
            el.to_xml(),
            "<a x='1'>\n  <b>t&lt;&apos;</b>\n  <c>\n    <d z='&quot;'/>\n  </c>\n</a>\n"
        );
    }
}
