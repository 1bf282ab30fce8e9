//! Elements that belong to an application: put into its namespace, and taken out again.
//!
//! Owns: the one rewriting of a client's own elements. Never: looks into what they say.

use std::fmt::Write;

use ostler_base::{Code, Error, Origin, Result};
use roxmltree::{Node, NodeType};

use crate::Document;

/// What happens to the elements without a namespace, or in one namespace.
#[derive(Clone, Copy)]
enum Move<'a> {
    /// They get a prefix.
    Into { prefix: &'a str },
    /// They lose it.
    OutOf { uri: &'a str },
}

/// The outermost element of a document, with everything in it that has no namespace put into
/// `uri` under `prefix`. `label` names the document in errors.
pub fn into_namespace(text: &str, label: &str, prefix: &str, uri: &str) -> Result<String> {
    if uri.is_empty()
        || prefix.is_empty()
        || prefix.contains(|c: char| !c.is_alphanumeric() && !"-_.".contains(c))
    {
        return Err(Error::new(Code::InternalError, Origin::Xml, "failed to create a new XML namespace"));
    }
    let document = Document::parse(text, label)?;
    let mut out = String::with_capacity(text.len() + 64);
    let declaration = format!(" xmlns:{prefix}=\"{}\"", attribute(uri));
    write_element(document.root().node, Move::Into { prefix }, &declaration, &mut out);
    Ok(out)
}

/// An element (its source text) that is in the namespace `uri`, taken out of it; `None` where it is
/// in another.
pub fn out_of_namespace(source: &str, uri: &str) -> Option<String> {
    let document = Document::parse(source, "metadata").ok()?;
    let root = document.root();
    if root.namespace() != Some(uri) {
        return None;
    }
    let mut out = String::with_capacity(source.len());
    write_element(root.node, Move::OutOf { uri }, "", &mut out);
    Some(out)
}

/// Whether an element (its source text) is in the namespace `uri`.
pub fn is_in_namespace(source: &str, uri: &str) -> bool {
    Document::parse(source, "metadata").is_ok_and(|document| document.root().namespace() == Some(uri))
}

fn write_element(node: Node<'_, '_>, change: Move<'_>, declaration: &str, out: &mut String) {
    let name = name(node, change);
    let _ = write!(out, "<{name}{declaration}");
    let inherited = node.parent().map(|parent| parent.namespaces().collect::<Vec<_>>()).unwrap_or_default();
    for space in node.namespaces() {
        let taken_out = matches!(change, Move::OutOf { uri } if uri == space.uri());
        if inherited.contains(&space) || taken_out || space.name() == Some("xml") {
            continue;
        }
        let prefix = space.name().map(|prefix| format!(":{prefix}")).unwrap_or_default();
        let _ = write!(out, " xmlns{prefix}=\"{}\"", attribute(space.uri()));
    }
    for given in node.attributes() {
        let prefix = given.namespace().and_then(|uri| node.lookup_prefix(uri));
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).map(|prefix| format!("{prefix}:"));
        let _ =
            write!(out, " {}{}=\"{}\"", prefix.unwrap_or_default(), given.name(), attribute(given.value()));
    }
    if !node.has_children() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for child in node.children() {
        match child.node_type() {
            NodeType::Element => write_element(child, change, "", out),
            NodeType::Text => out.push_str(&content(child.text().unwrap_or_default())),
            NodeType::Comment => {
                let _ = write!(out, "<!--{}-->", child.text().unwrap_or_default());
            }
            NodeType::PI | NodeType::Root => {}
        }
    }
    let _ = write!(out, "</{name}>");
}

fn name(node: Node<'_, '_>, change: Move<'_>) -> String {
    let tag = node.tag_name();
    let own = tag.namespace().and_then(|uri| node.lookup_prefix(uri)).filter(|prefix| !prefix.is_empty());
    let prefix = match (change, tag.namespace()) {
        (Move::Into { prefix }, None) => Some(prefix),
        (Move::OutOf { uri }, Some(space)) if space == uri => None,
        _ => own,
    };
    match prefix {
        Some(prefix) => format!("{prefix}:{}", tag.name()),
        None => tag.name().to_owned(),
    }
}

fn content(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

fn attribute(text: &str) -> String {
    content(text).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_and_out() {
        let given = r#"<a><b>x &amp; &lt;</b> t<c y="1"/><o:d xmlns:o="urn:o" o:z="2"/></a>"#;
        let inside = into_namespace(given, "(metadata_xml)", "k", "urn:x").unwrap();
        assert_eq!(
            inside,
            r#"<k:a xmlns:k="urn:x"><k:b>x &amp; &lt;</k:b> t<k:c y="1"/><o:d xmlns:o="urn:o" o:z="2"/></k:a>"#
        );
        assert!(is_in_namespace(&inside, "urn:x") && !is_in_namespace(&inside, "urn:o"));
        assert_eq!(out_of_namespace(&inside, "urn:x").as_deref(), Some(given));
        assert_eq!(out_of_namespace(&inside, "urn:y"), None);
        assert!(into_namespace(given, "x", "", "urn:x").is_err());
        assert!(into_namespace("<a>", "x", "k", "urn:x").is_err());
    }
}
