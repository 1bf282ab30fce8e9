//! `<metadata>`: what applications leave with a definition.
//!
//! Owns: keeping it as it is. Never: reads it.

use ostler_xml::{El, Element};

/// The children of `<metadata>` as source text, one of each namespace; `None` where there
/// was nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(Option<Vec<String>>);

impl Metadata {
    /// Reads the element `<metadata>` below `el`, if there is one.
    pub(crate) fn parse(el: &Element<'_>) -> Self {
        let mut kept: Vec<(Option<&str>, String)> = Vec::new();
        let Some(metadata) = el.child("metadata") else { return Metadata(None) };
        let children = metadata.opaque_children();
        if children.is_empty() {
            return Metadata(None);
        }
        for child in children {
            let Some(namespace) = child.namespace() else { continue };
            if kept.iter().all(|(known, _)| *known != Some(namespace)) {
                kept.push((Some(namespace), child.source()));
            }
        }
        Metadata(Some(kept.into_iter().map(|(_, source)| source).collect()))
    }

    /// Writes the element, if there was one.
    pub(crate) fn write(&self, out: &mut El) {
        let Some(sources) = &self.0 else { return };
        let mut el = El::new("metadata");
        for source in sources {
            el.source(source.clone());
        }
        out.push(el);
    }
}
