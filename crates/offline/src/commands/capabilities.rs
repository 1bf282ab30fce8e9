//! What an emulator and a host can do: the commands of suite `capabilities`.

use ostler_base::Result;
use ostler_caps::emulator::cache;

use crate::recordings;
use crate::{Args, Kept};

/// `capabilities --flag microcode=N [--flag hvf] FILE.replies`: the capability cache.
pub(crate) fn capabilities(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["microcode=", "hvf"])?;
    let emulator = recordings::derived(args.input(0)?, recordings::host(args)?, kept)?;
    Ok(cache::write(&emulator, cache::Stamps::default()))
}
