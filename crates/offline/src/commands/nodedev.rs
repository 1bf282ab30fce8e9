//! Devices of the host, and mediated devices.

use ostler_base::{Error, Result, Uuid};
use ostler_pools::nodedev::mdev::Mdev;
use ostler_pools::nodedev::mdevctl::{self, Affected, Listed};
use ostler_pools::nodedev::{Capability, NodeDevice, Purpose};
use ostler_pools::{Command, Schema, WriteMode};

use super::network::lines;
use crate::{Args, Kept};

/// The devices of the fake host that mediated devices are on: names and addresses.
const PARENTS: &[(&str, &str)] =
    &[("pci_0000_00_02_0", "0000:00:02.0"), ("ap_matrix", "matrix"), ("css_0_0_0052", "0.0.0052")];

/// Bytes in a block of the fake host's disks, and of its removable media.
const BLOCK_SIZES: (u64, u64) = (512, 2048);

fn device(args: &Args, at: usize) -> Result<NodeDevice> {
    NodeDevice::parse(&args.read_input(at)?, Purpose::Existing, Schema::Lenient)
}

/// `nodedev-xml [--flag inactive] DEV.xml`
pub(super) fn xml(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["inactive"])?;
    let mut device = device(args, 0)?;
    for capability in &mut device.capabilities {
        if let Capability::Storage(storage) = capability {
            match &storage.removable {
                None => storage.set_block_size(BLOCK_SIZES.0),
                Some(medium) if medium.media_available => storage.set_block_size(BLOCK_SIZES.1),
                Some(_) => {}
            }
        }
    }
    Ok(device.to_xml(if args.flag("inactive") { WriteMode::Inactive } else { WriteMode::Live }))
}

/// `nodedev-mdevctl --op OP [--part argv|stdin] FILE…`
pub(super) fn mdevctl(args: &Args, _: &mut Kept) -> Result<String> {
    args.only(&["op", "part"])?;
    let commands = match args.required("op")? {
        "parse-list" => return parse_list(args),
        "list-defined" => vec![mdevctl::list(Listed::Defined)],
        "list-active" => vec![mdevctl::list(Listed::Active)],
        "modify-sequence" => modify_sequence(args)?,
        op => by_device(op, &device(args, 0)?)?,
    };
    match args.option("part") {
        None | Some("argv") => Ok(lines(&commands)),
        Some("stdin") => {
            Ok(commands.iter().filter_map(|c| c.stdin.clone()).map(|text| text + "\n").collect())
        }
        Some(other) => Err(Error::invalid_arg(format!("unknown --part '{other}'; allowed: argv, stdin"))),
    }
}

fn parse_list(args: &Args) -> Result<String> {
    let name = |address: &str| {
        PARENTS.iter().find(|(_, known)| *known == address).map(|(name, _)| (*name).to_owned())
    };
    let devices = mdevctl::parse_list(&args.read_input(0)?, name)?;
    Ok(devices.iter().map(|device| device.to_xml(WriteMode::Inactive)).collect())
}

fn mdev(device: &NodeDevice) -> Result<(&Mdev, &'static str)> {
    let mdev = device.mdev().ok_or_else(|| Error::invalid_arg("not a mediated device"))?;
    let parent = device.parent.as_deref().unwrap_or_default();
    let address = PARENTS.iter().find(|(name, _)| *name == parent).map(|(_, address)| *address);
    let address =
        address.ok_or_else(|| Error::internal(format!("unable to find parent device '{parent}'")))?;
    Ok((mdev, address))
}

fn by_device(op: &str, device: &NodeDevice) -> Result<Vec<Command>> {
    let (mdev, parent) = mdev(device)?;
    let uuid = || -> Result<&Uuid> {
        mdev.uuid.as_ref().ok_or_else(|| Error::invalid_arg("the device has no uuid"))
    };
    Ok(match op {
        "create" => vec![mdevctl::create(mdev, parent)],
        "define" => vec![mdevctl::define(mdev, parent)],
        "start" => vec![mdevctl::start(uuid()?)],
        "stop" => vec![mdevctl::stop(uuid()?)],
        "undefine" => vec![mdevctl::undefine(uuid()?)],
        "autostart-on-then-off" => {
            vec![mdevctl::set_autostart(uuid()?, true), mdevctl::set_autostart(uuid()?, false)]
        }
        other => return Err(Error::invalid_arg(format!("unknown --op '{other}'"))),
    })
}

/// `A B`: the definition becomes A; the running device B, then A; both become B.
fn modify_sequence(args: &Args) -> Result<Vec<Command>> {
    let (a, b) = (device(args, 0)?, device(args, 1)?);
    let steps = [(&a, Affected::Defined), (&b, Affected::Live), (&a, Affected::Live), (&b, Affected::Both)];
    steps
        .into_iter()
        .map(|(device, affected)| mdev(device).map(|(mdev, parent)| mdevctl::modify(mdev, parent, affected)))
        .collect()
}
