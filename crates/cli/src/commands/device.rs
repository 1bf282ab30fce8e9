//! Devices that come, change and go.
//!
//! Owns: `attach-device`, `detach-device`, `detach-device-alias`, `update-device`. Never: makes a document.

use ostler_rpc::programs::remote::procedures::{
    DomainAttachDeviceFlags, DomainDetachDeviceAlias, DomainDetachDeviceFlags, DomainUpdateDeviceFlags,
};
use ostler_rpc::programs::remote::{
    DomainAttachDeviceFlagsArgs, DomainDetachDeviceAliasArgs, DomainDetachDeviceFlagsArgs,
    DomainUpdateDeviceFlagsArgs,
};

use super::domain;
use super::domain::read_file;
use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::session::Session;
use crate::table::{Command, DOMAIN, Opt, flag, needed};

const FILE: Opt = needed("file", "XML file");
const PERSISTENT: Opt = flag("persistent", "make live change persistent");
const CONFIG: Opt = flag("config", "affect next boot");
const LIVE: Opt = flag("live", "affect running domain");
const CURRENT: Opt = flag("current", "affect current domain");
const FORCE: Opt = flag("force", "force device update");

/// Which of the two a change is for; without any the current state.
const TARGETS: &[(&str, u32)] = &[("live", 1), ("config", 2)];
const BOTH: u32 = 3;
const FORCED: u32 = 4;

pub(super) const ATTACH: Command = Command {
    name: "attach-device",
    summary: "attach device from an XML file",
    description: "Attach device from an XML <file>.",
    options: &[DOMAIN, FILE, PERSISTENT, CONFIG, LIVE, CURRENT],
    connects: true,
    run: attach,
};

pub(super) const DETACH: Command = Command {
    name: "detach-device",
    summary: "detach device from an XML file",
    description: "Detach device from an XML <file>",
    options: &[DOMAIN, FILE, PERSISTENT, CONFIG, LIVE, CURRENT],
    connects: true,
    run: detach,
};

pub(super) const DETACH_ALIAS: Command = Command {
    name: "detach-device-alias",
    summary: "detach device from an alias",
    description: "Detach device identified by the given alias from a domain",
    options: &[DOMAIN, needed("alias", "device alias"), CONFIG, LIVE, CURRENT],
    connects: true,
    run: detach_alias,
};

pub(super) const UPDATE: Command = Command {
    name: "update-device",
    summary: "update device from an XML file",
    description: "Update device from an XML <file>.",
    options: &[DOMAIN, FILE, PERSISTENT, CONFIG, LIVE, CURRENT, FORCE],
    connects: true,
    run: update,
};

fn flags(arguments: &Arguments<'_>) -> Result<u32, Failure> {
    for (one, other) in [("current", "live"), ("current", "config"), ("persistent", "current")] {
        arguments.exclude(one, other)?;
    }
    let chosen = arguments.bits(TARGETS);
    Ok(if arguments.flag("persistent") { chosen | BOTH } else { chosen })
}

fn attach(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let (flags, file) = (flags(arguments)?, arguments.needed("file")?);
    let dom = domain(session, arguments)?;
    let args = DomainAttachDeviceFlagsArgs { dom, xml: read_file(file)?, flags };
    session
        .call::<DomainAttachDeviceFlags>(&args)
        .or_say(|| format!("Failed to attach device from {file}"))?;
    session.remark("Device attached successfully\n");
    Ok(())
}

fn detach(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let (flags, file) = (flags(arguments)?, arguments.needed("file")?);
    let dom = domain(session, arguments)?;
    let args = DomainDetachDeviceFlagsArgs { dom, xml: read_file(file)?, flags };
    session
        .call::<DomainDetachDeviceFlags>(&args)
        .or_say(|| format!("Failed to detach device from {file}"))?;
    session.remark("Device detached successfully\n");
    Ok(())
}

fn detach_alias(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let (flags, alias) = (flags(arguments)?, arguments.needed("alias")?);
    let dom = domain(session, arguments)?;
    let args = DomainDetachDeviceAliasArgs { dom, alias: alias.to_owned(), flags };
    session
        .call::<DomainDetachDeviceAlias>(&args)
        .or_say(|| format!("Failed to detach device with alias {alias}"))?;
    session.remark("Device detach request sent successfully\n");
    Ok(())
}

fn update(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let (mut flags, file) = (flags(arguments)?, arguments.needed("file")?);
    if arguments.flag("force") {
        flags |= FORCED;
    }
    let dom = domain(session, arguments)?;
    let args = DomainUpdateDeviceFlagsArgs { dom, xml: read_file(file)?, flags };
    session
        .call::<DomainUpdateDeviceFlags>(&args)
        .or_say(|| format!("Failed to update device from {file}"))?;
    session.remark("Device updated successfully\n");
    Ok(())
}
