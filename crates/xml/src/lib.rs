//! Reading and writing XML. The only crate that knows angle brackets.
//!
//! Owns: the tree with positions, the typed readers of attributes, the record of what was read
//! (strict mode), the writer with the reference's layout. Never: knows what an element means.

mod namespaced;
mod peek;
mod read;
mod strict;
mod write;

pub use namespaced::{into_namespace, is_in_namespace, out_of_namespace};
pub use peek::leading_texts;
pub use read::{Document, Element, Number};
pub use strict::Leftover;
pub use write::{El, escape};
