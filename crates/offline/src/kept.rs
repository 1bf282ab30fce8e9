//! What is kept between the cases of a batch: what was derived from recordings, by path.

use crate::recordings::Emulators;

/// Derived from files that several cases share.
#[derive(Default)]
pub struct Kept {
    pub(crate) emulators: Emulators,
}
