//! Command lines of QEMU turned into domain XML (`domxml-from-native qemu-argv`).
//!
//! Owns: what each option of QEMU, of every age, says in the words of the document. What has no place
//! there goes to `qemu:commandline` unchanged, with a remark; nothing is left out without one.
//! Never: looks at the host, starts anything, or decides what the daemon makes of the document.

mod guest;
mod import;
mod line;
mod shell;
mod values;

pub use import::{Imported, import};
pub use shell::{quote, split};
