//! Secrets.

use ostler_base::Result;
use ostler_pools::secret::Secret;

use super::network::read_mode;
use crate::{Args, Kept};

/// `secret-xml SECRET.xml`
pub(super) fn xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(Secret::parse(&args.read_input(0)?, &read_mode())?.to_xml())
}
