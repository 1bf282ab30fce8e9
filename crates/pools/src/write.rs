//! What the writers of all documents share.
//!
//! Owns: the two views of an object. Never: knows what is in a document.

use ostler_xml::El;

/// Which view of an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// The running one, with what exists only while it runs.
    Live,
    /// The definition.
    Inactive,
}

/// The element with an opening and a closing tag, also where nothing is in it.
pub(crate) fn open(mut el: El) -> El {
    if !el.has_content() {
        el.text("");
    }
    el
}
