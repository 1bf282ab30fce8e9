//! Commands that define domains and tell of their definitions.
//!
//! Owns: `autostart`, `define`, `domid`, `domname`, `domuuid`, `dumpxml`, `undefine`, and the list of
//! the group. Never: starts or stops anything; that is `lifecycle`.

use std::fs::File;
use std::io::Read;

use ostler_rpc::programs::remote::procedures::{
    DomainDefineXml, DomainDefineXmlFlags, DomainGetXmlDesc, DomainHasManagedSaveImage, DomainSetAutostart,
    DomainSetAutostartOnce, DomainUndefineFlags,
};
use ostler_rpc::programs::remote::{
    DomainDefineXmlArgs, DomainDefineXmlFlagsArgs, DomainGetXmlDescArgs, DomainHasManagedSaveImageArgs,
    DomainSetAutostartArgs, DomainSetAutostartOnceArgs, DomainUndefineFlagsArgs,
};

use super::{By, device, domain, lifecycle, look_up, monitor, native};
use crate::arguments::Arguments;
use crate::connect::reason;
use crate::failure::{Failure, OrSay};
use crate::session::Session;
use crate::table::{Command, DOMAIN, Group, flag, needed};

pub(super) const GROUP: Group = Group {
    title: "Domain Management",
    keyword: "domain",
    commands: &[
        device::ATTACH,
        AUTOSTART,
        lifecycle::CREATE,
        DEFINE,
        lifecycle::DESTROY,
        device::DETACH,
        device::DETACH_ALIAS,
        DOMID,
        DOMNAME,
        DOMUUID,
        DUMPXML,
        lifecycle::REBOOT,
        lifecycle::RESET,
        lifecycle::RESUME,
        lifecycle::SHUTDOWN,
        lifecycle::START,
        lifecycle::SUSPEND,
        UNDEFINE,
        device::UPDATE,
        native::FROM_NATIVE,
        native::TO_NATIVE,
    ],
};

const AUTOSTART: Command = Command {
    name: "autostart",
    summary: "autostart a domain",
    description: "Configure a domain to be automatically started at boot.",
    options: &[DOMAIN, flag("disable", "disable autostarting"), flag("once", "control next boot state")],
    connects: true,
    run: autostart,
};

const DEFINE: Command = Command {
    name: "define",
    summary: "define (but don't start) a domain from an XML file",
    description: "Define a domain.",
    options: &[FILE, flag("validate", "validate the XML against the schema")],
    connects: true,
    run: define,
};

const DOMID: Command = Command {
    name: "domid",
    summary: "convert a domain name or UUID to domain id",
    description: "",
    options: &[needed("domain", "domain name or uuid")],
    connects: true,
    run: domid,
};

const DOMNAME: Command = Command {
    name: "domname",
    summary: "convert a domain id or UUID to domain name",
    description: "",
    options: &[needed("domain", "domain id or uuid")],
    connects: true,
    run: domname,
};

const DOMUUID: Command = Command {
    name: "domuuid",
    summary: "convert a domain name or id to domain UUID",
    description: "",
    options: &[needed("domain", "domain id or name")],
    connects: true,
    run: domuuid,
};

const DUMPXML: Command = Command {
    name: "dumpxml",
    summary: "domain information in XML",
    description: "Output the domain information as an XML dump to stdout.",
    options: &[
        DOMAIN,
        flag("inactive", "show inactive defined XML"),
        flag("security-info", "include security sensitive information in XML dump"),
        flag("update-cpu", "update guest CPU according to host CPU"),
        flag("migratable", "provide XML suitable for migrations"),
    ],
    connects: true,
    run: dumpxml,
};

const UNDEFINE: Command = Command {
    name: "undefine",
    summary: "undefine a domain",
    description: "Undefine an inactive domain, or convert persistent to transient.",
    options: &[
        DOMAIN,
        flag("managed-save", "remove domain managed state file"),
        flag("snapshots-metadata", "remove all domain snapshot metadata (vm must be inactive)"),
        flag("checkpoints-metadata", "remove all domain checkpoint metadata (vm must be inactive)"),
        flag("nvram", "remove nvram file"),
        flag("keep-nvram", "keep nvram file"),
        flag("tpm", "remove TPM state"),
        flag("keep-tpm", "keep TPM state"),
    ],
    connects: true,
    run: undefine,
};

/// The file that a definition is in.
pub(super) const FILE: crate::table::Opt = needed("file", "file containing an XML domain description");

const XML_FLAGS: &[(&str, u32)] =
    &[("security-info", 1), ("inactive", 1 << 1), ("update-cpu", 1 << 2), ("migratable", 1 << 3)];

const UNDEFINE_FLAGS: &[(&str, u32)] = &[
    ("managed-save", 1),
    ("snapshots-metadata", 1 << 1),
    ("nvram", 1 << 2),
    ("keep-nvram", 1 << 3),
    ("checkpoints-metadata", 1 << 4),
    ("tpm", 1 << 5),
    ("keep-tpm", 1 << 6),
];

/// The most that is read of a file with a definition.
const FILE_MAX: u64 = 10 * 1024 * 1024;

/// The definition that the option `file` names.
pub(super) fn read_file(path: &str) -> Result<String, Failure> {
    let file = File::open(path)
        .map_err(|error| Failure::new(format!("Failed to open file '{path}': {}", reason(&error))))?;
    let mut text = String::new();
    let read = file.take(FILE_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("Failed to read file '{path}': {}", reason(&error))))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > FILE_MAX) {
        let text = "Value too large for defined data type";
        return Err(Failure::new(format!("Failed to read file '{path}': {text}")));
    }
    Ok(text)
}

fn define(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let path = arguments.needed("file")?;
    let xml = read_file(path)?;
    let answer = match arguments.bits(&[("validate", 1)]) {
        0 => session.call::<DomainDefineXml>(&DomainDefineXmlArgs { xml }).map(|answer| answer.dom),
        flags => {
            let args = DomainDefineXmlFlagsArgs { xml, flags };
            session.call::<DomainDefineXmlFlags>(&args).map(|answer| answer.dom)
        }
    };
    let dom = answer.or_say(|| format!("Failed to define domain from {path}"))?;
    session.remark(&format!("Domain '{}' defined from {path}\n", dom.name));
    Ok(())
}

fn undefine(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    arguments.exclude("nvram", "keep-nvram")?;
    arguments.exclude("tpm", "keep-tpm")?;
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let args = DomainHasManagedSaveImageArgs { dom: dom.clone(), flags: 0 };
    let saved = session.call::<DomainHasManagedSaveImage>(&args)?.result != 0;
    if saved && !arguments.flag("managed-save") {
        return Err(Failure::new("Refusing to undefine while domain managed save image exists"));
    }
    let args = DomainUndefineFlagsArgs { dom, flags: arguments.bits(UNDEFINE_FLAGS) };
    let answer = session.call::<DomainUndefineFlags>(&args);
    answer.or_say(|| format!("Failed to undefine domain '{name}'"))?;
    session.remark(&format!("Domain '{name}' has been undefined\n"));
    Ok(())
}

fn autostart(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let name = arguments.needed("domain")?;
    let dom = domain(session, arguments)?;
    let autostart = i32::from(!arguments.flag("disable"));
    let mark = if autostart == 0 { "unmark" } else { "mark" };
    let (answer, when) = match arguments.flag("once") {
        true => {
            let args = DomainSetAutostartOnceArgs { dom, autostart };
            (session.call::<DomainSetAutostartOnce>(&args), " on next boot")
        }
        false => (session.call::<DomainSetAutostart>(&DomainSetAutostartArgs { dom, autostart }), ""),
    };
    answer.or_say(|| format!("Failed to {mark} domain '{name}' as autostarted{when}"))?;
    session.remark(&format!("Domain '{name}' {mark}ed as autostarted{when}\n"));
    Ok(())
}

fn domid(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = look_up(session, arguments.needed("domain")?, By { id: false, ..By::ANY })?;
    session.print(&monitor::id(&dom).map_or("-\n".to_owned(), |id| format!("{id}\n")));
    Ok(())
}

fn domname(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = look_up(session, arguments.needed("domain")?, By { name: false, ..By::ANY })?;
    session.print(&format!("{}\n", dom.name));
    Ok(())
}

fn domuuid(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = look_up(session, arguments.needed("domain")?, By { uuid: false, ..By::ANY })?;
    session.print(&format!("{}\n", dom.uuid));
    Ok(())
}

fn dumpxml(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let dom = domain(session, arguments)?;
    let args = DomainGetXmlDescArgs { dom, flags: arguments.bits(XML_FLAGS) };
    let xml = session.call::<DomainGetXmlDesc>(&args)?.xml;
    session.print(&xml);
    Ok(())
}
