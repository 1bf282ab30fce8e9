//! Descriptors of vhost-user programs: the commands of suite `vhostuser`.

use ostler_base::Result;
use ostler_domain::vhost_user::BackendProgram;

use crate::{Args, Kept, descriptors};

/// `vhostuser-format FILE`: a descriptor as it was understood.
pub(super) fn format(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(BackendProgram::parse(args.input(0)?, &args.read_input(0)?)?.to_json().to_string() + "\n")
}

/// `vhostuser-list --fakehost DIR`: the descriptors that count, in order.
pub(super) fn list(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["fakehost"])?;
    let files = descriptors::files(&args.fake_host()?, "vhost-user")?;
    Ok(files.into_iter().map(|(path, _)| path + "\n").collect())
}
