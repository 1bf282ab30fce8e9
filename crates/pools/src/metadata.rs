//! `<metadata>`: what applications leave with a definition.
//!
//! Owns: keeping it as it is. Never: reads it.

use ostler_base::Result;
use ostler_xml::{Document, El, Element};

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

    /// The element of a namespace, as an application gave it.
    pub fn get(&self, namespace: &str) -> Option<String> {
        let source =
            self.0.iter().flatten().find(|source| namespace_of(source) == Some(namespace.to_owned()))?;
        let document = Document::parse(source, "metadata").ok()?;
        let root = document.root();
        let whole = root.source();
        let (prefix, _) = whole.trim_start_matches('<').split_once(':')?;
        // The prefix is ours; what is inside is not looked at.
        let bare =
            whole.replacen(&format!("<{prefix}:"), "<", 1).replacen(&declaration(prefix, namespace), "", 1);
        let end = format!("</{prefix}:{}", root.name());
        Some(match bare.rfind(&end) {
            Some(at) => format!("{}</{}", bare.get(..at)?, bare.get(at + prefix.len() + 3..)?),
            None => bare,
        })
    }

    /// Replaces the element of a namespace, or takes it out; `prefix` is what its name gets in front.
    pub fn set(&mut self, namespace: &str, prefix: &str, element: Option<&str>) -> Result<()> {
        let new = element.map(|text| with_prefix(text, namespace, prefix)).transpose()?;
        let mut sources = self.0.take().unwrap_or_default();
        sources.retain(|source| namespace_of(source).as_deref() != Some(namespace));
        sources.extend(new);
        self.0 = Some(sources).filter(|sources| !sources.is_empty());
        Ok(())
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

/// How a prefix is bound to a namespace.
fn declaration(prefix: &str, namespace: &str) -> String {
    format!(" xmlns:{prefix}=\"{}\"", ostler_xml::escape(namespace))
}

fn namespace_of(source: &str) -> Option<String> {
    let document = Document::parse(source, "metadata").ok()?;
    document.root().namespace().map(str::to_owned)
}

/// The element with its name in a namespace.
fn with_prefix(text: &str, namespace: &str, prefix: &str) -> Result<String> {
    let document = Document::parse(text, "metadata")?;
    let root = document.root();
    let (whole, name) = (root.source(), root.name());
    let inner = whole.trim_start_matches('<').trim_start_matches(name);
    let end = format!("</{name}");
    let inner = match inner.rfind(&end) {
        Some(at) => {
            let (content, close) = inner.split_at(at);
            format!("{content}{}", close.replacen(&end, &format!("</{prefix}:{name}"), 1))
        }
        None => inner.to_owned(),
    };
    Ok(format!("<{prefix}:{name}{}{inner}", declaration(prefix, namespace)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_element_of_each_namespace() {
        let mut metadata = Metadata::default();
        metadata.set("http://a/", "a", Some("<x y='1'><x/></x>")).unwrap();
        assert_eq!(metadata.get("http://a/").unwrap(), "<x y='1'><x/></x>");
        metadata.set("http://a/", "b", Some("<z/>")).unwrap();
        assert_eq!(metadata.get("http://a/").unwrap(), "<z/>");
        let mut el = El::new("network");
        metadata.write(&mut el);
        assert!(el.to_xml().contains("<b:z xmlns:b=\"http://a/\"/>"));
        assert!(metadata.set("http://a/", "b", Some("<z>")).is_err());
        metadata.set("http://a/", "b", None).unwrap();
        assert_eq!((metadata.get("http://a/"), metadata == Metadata::default()), (None, true));
    }
}
