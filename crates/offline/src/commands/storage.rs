//! Storage pools and volumes.

use ostler_base::Result;
use ostler_pools::storage::image::{self, Preallocation, Request};
use ostler_pools::storage::{CapacityRule, Pool, Volume, mount};
use ostler_pools::{Command, Schema};

use super::network::{lines, read_mode};
use crate::args::read;
use crate::{Args, Kept};

/// Where the fake host keeps the passphrases of the new volume and of the one it is a copy of.
const SECRET_FILES: (&str, &str) = ("/path/to/secretFile", "/path/to/inputSecretFile");

/// `pool-xml POOL.xml`
pub(super) fn pool_xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    Ok(Pool::parse(&args.read_input(0)?, &read_mode())?.to_xml())
}

/// `pool-argv POOL.xml`
pub(super) fn pool_argv(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&[])?;
    let command: Command = mount::start(&Pool::parse(&args.read_input(0)?, &read_mode())?)?;
    Ok(lines(&[command]))
}

fn volume(pool: &str, text: &str, capacity: CapacityRule) -> Result<Volume> {
    let pool = Pool::parse(&read(pool)?, &read_mode())?;
    Volume::parse(text, pool.kind, capacity, Schema::Lenient)
}

/// `vol-xml [--flag no-capacity] --pool P VOL.xml`
pub(super) fn vol_xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["flag", "pool"])?;
    args.only_flags(&["no-capacity"])?;
    let rule = if args.flag("no-capacity") { CapacityRule::Free } else { CapacityRule::Required };
    Ok(volume(args.required("pool")?, &args.read_input(0)?, rule)?.to_xml())
}

/// `vol-argv [--flag prealloc-metadata] [--flag parse=opt-capacity] --pool P [--input-pool P
/// --input-vol V] VOL.xml`
pub(super) fn vol_argv(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["flag", "pool", "input-pool", "input-vol"])?;
    args.only_flags(&["prealloc-metadata", "parse=opt-capacity"])?;
    let input = match args.option("input-vol") {
        None => None,
        Some(path) => Some(volume(args.required("input-pool")?, &read(path)?, CapacityRule::Required)?),
    };
    let rule = match &input {
        Some(_) => CapacityRule::Free,
        None if args.flag("parse=opt-capacity") => CapacityRule::RequiredAlone,
        None => CapacityRule::Required,
    };
    let output = volume(args.required("pool")?, &args.read_input(0)?, rule)?;
    let metadata = args.flag("prealloc-metadata");
    let commands = image::create(&Request {
        volume: &output,
        input: input.as_ref(),
        preallocation: if metadata { Preallocation::Metadata } else { Preallocation::None },
        secret_file: SECRET_FILES.0,
        input_secret_file: SECRET_FILES.1,
    })?;
    Ok(lines(&commands))
}
