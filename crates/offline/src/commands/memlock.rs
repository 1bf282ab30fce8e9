//! `memlock`: how much memory an emulator may lock.

use ostler_base::Result;
use ostler_domain::memlock::{LockedMemory, locked_memory};

use crate::{Args, Kept};

/// `memlock --replies F --fakehost DIR DOMAIN.xml`: the limit in bytes, 0 for none set, or `unlimited`.
pub(super) fn memlock(args: &Args, kept: &mut Kept) -> Result<String> {
    super::domain::with_draft(args, kept, |draft, setting| {
        Ok(match locked_memory(&*draft.complete(setting)?) {
            LockedMemory::Inherited => "0\n".to_owned(),
            LockedMemory::Bytes(bytes) => format!("{bytes}\n"),
            LockedMemory::Unlimited => "unlimited\n".to_owned(),
        })
    })
}
