//! Commands that start and stop domains.
//!
//! Owns: `create`, `destroy`, `reboot`, `reset`, `resume`, `shutdown`, `start`, `suspend`. Never:
//! defines anything.

use ostler_rpc::programs::remote::procedures::{
    DomainCreate, DomainCreateWithFlags, DomainCreateXml, DomainDestroy, DomainDestroyFlags, DomainReboot,
    DomainReset, DomainResume, DomainShutdown, DomainShutdownFlags, DomainSuspend,
};
use ostler_rpc::programs::remote::{
    DomainCreateArgs, DomainCreateWithFlagsArgs, DomainCreateXmlArgs, DomainDestroyArgs,
    DomainDestroyFlagsArgs, DomainRebootArgs, DomainResetArgs, DomainResumeArgs, DomainShutdownArgs,
    DomainShutdownFlagsArgs, DomainSuspendArgs,
};

use super::domain::{FILE, read_file};
use super::{domain, monitor};
use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::session::Session;
use crate::table::{Command, DOMAIN, Kind, Opt, flag, needed, placed};

pub(super) const CREATE: Command = Command {
    name: "create",
    summary: "create a domain from an XML file",
    description: "Create a domain.",
    options: &[
        FILE,
        PAUSED,
        AUTODESTROY,
        flag("validate", "validate the XML against the schema"),
        RESET_NVRAM,
    ],
    connects: true,
    run: create,
};

pub(super) const DESTROY: Command = Command {
    name: "destroy",
    summary: "destroy (stop) a domain",
    description: "Forcefully stop a given domain, but leave its resources intact.",
    options: &[DOMAIN, flag("graceful", "terminate gracefully"), flag("remove-logs", "remove domain logs")],
    connects: true,
    run: destroy,
};

pub(super) const REBOOT: Command = Command {
    name: "reboot",
    summary: "reboot a domain",
    description: "Run a reboot command in the target domain.",
    options: &[DOMAIN, MODE],
    connects: true,
    run: reboot,
};

pub(super) const RESET: Command = Command {
    name: "reset",
    summary: "reset a domain",
    description: "Reset the target domain as if by power button",
    options: &[DOMAIN],
    connects: true,
    run: reset,
};

pub(super) const RESUME: Command = Command {
    name: "resume",
    summary: "resume a domain",
    description: "Resume a previously suspended domain.",
    options: &[DOMAIN],
    connects: true,
    run: resume,
};

pub(super) const SHUTDOWN: Command = Command {
    name: "shutdown",
    summary: "gracefully shutdown a domain",
    description: "Run shutdown in the target domain.",
    options: &[DOMAIN, MODE],
    connects: true,
    run: shutdown,
};

pub(super) const START: Command = Command {
    name: "start",
    summary: "start a (previously defined) inactive domain",
    description: "Start a domain, either from the last managedsave\n    state, or via a fresh boot if no managedsave state\n    is present.",
    options: &[
        needed("domain", "name of the inactive domain"),
        PAUSED,
        AUTODESTROY,
        flag("bypass-cache", "avoid file system cache when loading"),
        flag("force-boot", "force fresh boot by discarding any managed save"),
        RESET_NVRAM,
    ],
    connects: true,
    run: start,
};

pub(super) const SUSPEND: Command = Command {
    name: "suspend",
    summary: "suspend a domain",
    description: "Suspend a running domain.",
    options: &[DOMAIN],
    connects: true,
    run: suspend,
};

const PAUSED: Opt = flag("paused", "leave the guest paused after creation");
const AUTODESTROY: Opt = flag("autodestroy", "automatically destroy the guest when virsh disconnects");
const RESET_NVRAM: Opt = flag("reset-nvram", "re-initialize NVRAM from its pristine template");
const MODE: Opt = placed("mode", Kind::Text, "shutdown mode: acpi|agent|initctl|signal|paravirt");

const START_FLAGS: &[(&str, u32)] = &[
    ("paused", 1),
    ("autodestroy", 1 << 1),
    ("bypass-cache", 1 << 2),
    ("force-boot", 1 << 3),
    ("validate", 1 << 4),
    ("reset-nvram", 1 << 5),
];

const DESTROY_FLAGS: &[(&str, u32)] = &[("graceful", 1), ("remove-logs", 1 << 1)];

/// Ways to ask a guest to stop; of one bit each, by their place.
const MODES: &[&str] = &["acpi", "agent", "initctl", "signal", "paravirt"];

/// The bits of `--mode`. The two commands that take it name the words a little differently.
fn mode(arguments: &Arguments<'_>, before_last: &str) -> Result<u32, Failure> {
    let mut bits = 0;
    for word in arguments.text("mode")?.iter().flat_map(|text| text.split(',')) {
        let place = MODES.iter().position(|mode| *mode == word);
        let complaint = || {
            let text = format!("Unknown mode {word} value, expecting 'acpi', 'agent', 'initctl', 'signal'");
            Failure::new(format!("{text}{before_last} or 'paravirt'"))
        };
        bits |= 1 << place.ok_or_else(complaint)?;
    }
    Ok(bits)
}

fn create(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let path = arguments.needed("file")?;
    let args = DomainCreateXmlArgs { xml_desc: read_file(path)?, flags: arguments.bits(START_FLAGS) };
    let answer = session.call::<DomainCreateXml>(&args);
    let dom = answer.or_say(|| format!("Failed to create domain from {path}"))?.dom;
    session.remark(&format!("Domain '{}' created from {path}\n", dom.name));
    Ok(())
}

fn start(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = domain(session, arguments)?;
    if monitor::id(&dom).is_some() {
        return Err(Failure::new("Domain is already active"));
    }
    let name = dom.name.clone();
    let answer = match arguments.bits(START_FLAGS) {
        0 => session.call::<DomainCreate>(&DomainCreateArgs { dom }),
        flags => session.call::<DomainCreateWithFlags>(&DomainCreateWithFlagsArgs { dom, flags }).map(|_| ()),
    };
    answer.or_say(|| format!("Failed to start domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' started\n"));
    Ok(())
}

fn destroy(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let answer = match arguments.bits(DESTROY_FLAGS) {
        0 => session.call::<DomainDestroy>(&DomainDestroyArgs { dom }),
        flags => session.call::<DomainDestroyFlags>(&DomainDestroyFlagsArgs { dom, flags }),
    };
    answer.or_say(|| format!("Failed to destroy domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' destroyed\n"));
    Ok(())
}

fn suspend(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let answer = session.call::<DomainSuspend>(&DomainSuspendArgs { dom });
    answer.or_say(|| format!("Failed to suspend domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' suspended\n"));
    Ok(())
}

fn resume(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let answer = session.call::<DomainResume>(&DomainResumeArgs { dom });
    answer.or_say(|| format!("Failed to resume domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' resumed\n"));
    Ok(())
}

fn reset(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let answer = session.call::<DomainReset>(&DomainResetArgs { dom, flags: 0 });
    answer.or_say(|| format!("Failed to reset domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' was reset\n"));
    Ok(())
}

fn reboot(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let flags = mode(arguments, "")?;
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let answer = session.call::<DomainReboot>(&DomainRebootArgs { dom, flags });
    answer.or_say(|| format!("Failed to reboot domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' is being rebooted\n"));
    Ok(())
}

fn shutdown(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let flags = mode(arguments, ",")?;
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let answer = match flags {
        0 => session.call::<DomainShutdown>(&DomainShutdownArgs { dom }),
        flags => session.call::<DomainShutdownFlags>(&DomainShutdownFlagsArgs { dom, flags }),
    };
    answer.or_say(|| format!("Failed to shutdown domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' is being shutdown\n"));
    Ok(())
}
