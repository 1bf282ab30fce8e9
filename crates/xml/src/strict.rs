//! The record of what was read, and what is left over.
//!
//! Owns: which elements and attributes a reader asked for, by name. Never: decides whether a
//! leftover is an error; the caller does.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use ostler_base::{Code, Error, Origin, Position};
use roxmltree::{Node, NodeId};

#[derive(Default)]
struct Asked {
    attrs: BTreeSet<String>,
    children: BTreeSet<String>,
}

/// What was asked of each element.
#[derive(Default)]
pub(crate) struct Seen {
    asked: RefCell<HashMap<NodeId, Asked>>,
    elements: RefCell<HashSet<NodeId>>,
    whole: RefCell<HashSet<NodeId>>,
}

/// An element or attribute that no reader asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it stands.
    pub at: Position,
    /// The element around it.
    pub parent: String,
    /// Its name; an attribute's begins with `@`.
    pub name: String,
    /// The names that could stand there.
    pub allowed: Vec<String>,
}

impl Leftover {
    /// The error for it: the reference's code for a document that fails validation, then the
    /// place and the words that are allowed there.
    pub fn error(&self) -> Error {
        let Position { line, column } = self.at;
        let (kind, name) = match self.name.strip_prefix('@') {
            Some(attribute) => ("attribute", attribute),
            None => ("element", self.name.as_str()),
        };
        let allowed = if self.allowed.is_empty() { "none".to_owned() } else { self.allowed.join(", ") };
        let detail = format!(
            "line {line}, column {column}: {kind} '{name}' is not known in element '{}'; allowed there: {allowed}",
            self.parent
        );
        Error::new(Code::XmlInvalidSchema, Origin::Xml, detail).at(self.at)
    }
}

impl Seen {
    pub(crate) fn asked_attr(&self, node: Node<'_, '_>, name: &str) {
        self.asked.borrow_mut().entry(node.id()).or_default().attrs.insert(name.to_owned());
    }

    pub(crate) fn asked_child(&self, node: Node<'_, '_>, name: &str) {
        self.asked.borrow_mut().entry(node.id()).or_default().children.insert(name.to_owned());
    }

    pub(crate) fn element(&self, node: Node<'_, '_>) {
        self.elements.borrow_mut().insert(node.id());
    }

    pub(crate) fn whole(&self, node: Node<'_, '_>) {
        self.whole.borrow_mut().insert(node.id());
    }

    pub(crate) fn leftovers(&self, root: Node<'_, '_>) -> Vec<Leftover> {
        let mut out = Vec::new();
        self.collect(root, &mut out);
        out
    }

    fn collect(&self, node: Node<'_, '_>, out: &mut Vec<Leftover>) {
        if self.whole.borrow().contains(&node.id()) {
            return;
        }
        let asked = self.asked.borrow();
        let empty = Asked::default();
        let asked_here = asked.get(&node.id()).unwrap_or(&empty);
        for attribute in node.attributes().filter(|a| a.namespace().is_none()) {
            if !asked_here.attrs.contains(attribute.name()) {
                let start = attribute.range().start;
                out.push(leftover(node, start, format!("@{}", attribute.name()), &asked_here.attrs));
            }
        }
        for child in node.children().filter(Node::is_element) {
            let read =
                self.elements.borrow().contains(&child.id()) || self.whole.borrow().contains(&child.id());
            if read {
                self.collect(child, out);
            } else {
                let name = child.tag_name().name().to_owned();
                out.push(leftover(node, child.range().start, name, &asked_here.children));
            }
        }
    }
}

fn leftover(parent: Node<'_, '_>, start: usize, name: String, allowed: &BTreeSet<String>) -> Leftover {
    let at = parent.document().text_pos_at(start);
    Leftover {
        at: Position { line: at.row, column: at.col },
        parent: parent.tag_name().name().to_owned(),
        name,
        allowed: allowed.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;

    #[test]
    fn unread_words_are_named_with_place_and_choice() {
        let text = "<a x='1' y='2'>\n  <b/><c/>\n</a>";
        let document = Document::parse_strict(text, "t").unwrap();
        let root = document.root();
        let _ = (root.attr("x"), root.attr("z"), root.child("b"), root.child("d"));
        let left = document.leftovers();
        assert_eq!(left.len(), 2);
        assert_eq!(left[0].name, "@y");
        assert_eq!(left[0].allowed, ["x", "z"]);
        assert_eq!(
            left[1].error().to_string(),
            "XML document failed to validate against schema: line 2, column 7: element 'c' is not known in \
             element 'a'; allowed there: b, d"
        );
    }

    #[test]
    fn everything_read_leaves_nothing() {
        let document = Document::parse_strict("<a x='1'><b/></a>", "t").unwrap();
        let root = document.root();
        let _ = (root.attr("x"), root.child("b"));
        assert!(document.leftovers().is_empty());
    }
}
