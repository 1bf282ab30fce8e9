//! Interfaces of the host.

use ostler_base::Result;
use ostler_pools::Schema;
use ostler_pools::interface::Interface;

use crate::{Args, Kept};

/// `interface-xml INTERFACE.xml`
pub(super) fn xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(Interface::parse(&args.read_input(0)?, Schema::Lenient)?.to_xml())
}
