//! Command lines of QEMU.

use ostler_base::Result;

use crate::{Args, Kept};

/// `from-native FILE.args`
pub(super) fn import(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(ostler_native::import(&args.read_input(0)?)?.xml)
}
