//! Commands about the host and the connection.
//!
//! Owns: `capabilities`, `hostname`, `nodeinfo`, `uri`, `version`. Never: changes anything.

use ostler_rpc::programs::remote::procedures::{
    ConnectGetCapabilities, ConnectGetHostname, ConnectGetLibVersion, ConnectGetType, ConnectGetUri,
    ConnectGetVersion, NodeGetInfo,
};

use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::output::Facts;
use crate::session::Session;
use crate::table::{Command, Group, flag};
use crate::version::{API, dotted};

pub(super) const GROUP: Group = Group {
    title: "Host and Hypervisor",
    keyword: "host",
    commands: &[CAPABILITIES, HOSTNAME, NODEINFO, URI, VERSION],
};

const CAPABILITIES: Command = Command {
    name: "capabilities",
    summary: "capabilities",
    description: "Returns capabilities of hypervisor/driver.",
    options: &[],
    connects: true,
    run: capabilities,
};

const HOSTNAME: Command = Command {
    name: "hostname",
    summary: "print the hypervisor hostname",
    description: "",
    options: &[],
    connects: true,
    run: hostname,
};

const NODEINFO: Command = Command {
    name: "nodeinfo",
    summary: "node information",
    description: "Returns basic information about the node.",
    options: &[],
    connects: true,
    run: node_info,
};

const URI: Command = Command {
    name: "uri",
    summary: "print the hypervisor canonical URI",
    description: "",
    options: &[],
    connects: true,
    run: uri,
};

const VERSION: Command = Command {
    name: "version",
    summary: "show version",
    description: "Display the system version information.",
    options: &[flag("daemon", "report daemon version too")],
    connects: true,
    run: version,
};

fn capabilities(session: &mut Session, _arguments: &Arguments<'_>) -> Result<(), Failure> {
    let answer = session.call::<ConnectGetCapabilities>(&());
    let xml = answer.or_say(|| "failed to get capabilities".to_owned())?.capabilities;
    session.print(&xml);
    Ok(())
}

fn hostname(session: &mut Session, _arguments: &Arguments<'_>) -> Result<(), Failure> {
    let answer = session.call::<ConnectGetHostname>(&());
    let name = answer.or_say(|| "failed to get hostname".to_owned())?.hostname;
    session.print(&format!("{name}\n"));
    Ok(())
}

fn uri(session: &mut Session, _arguments: &Arguments<'_>) -> Result<(), Failure> {
    let uri = match session.uri() {
        Some(uri) => uri,
        None => session.call::<ConnectGetUri>(&()).or_say(|| "failed to get URI".to_owned())?.uri,
    };
    session.print(&format!("{uri}\n"));
    Ok(())
}

fn node_info(session: &mut Session, _arguments: &Arguments<'_>) -> Result<(), Failure> {
    let answer = session.call::<NodeGetInfo>(&());
    let info = answer.or_say(|| "failed to get node information".to_owned())?;
    let pairs = vec![
        ("CPU model:", info.model.text()),
        ("CPU(s):", info.cpus.to_string()),
        ("CPU frequency:", format!("{} MHz", info.mhz)),
        ("CPU socket(s):", info.sockets.to_string()),
        ("Core(s) per socket:", info.cores.to_string()),
        ("Thread(s) per core:", info.threads.to_string()),
        ("NUMA cell(s):", info.nodes.to_string()),
        ("Memory size:", format!("{} KiB", info.memory)),
    ];
    session.facts(&Facts { width: 20, pairs });
    Ok(())
}

fn version(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let kind =
        session.call::<ConnectGetType>(&()).or_say(|| "failed to get hypervisor type".to_owned())?.kind;
    let api = dotted(API);
    let mut lines = vec![
        format!("Compiled against library: libvirt {api}"),
        format!("Using library: libvirt {api}"),
        format!("Using API: {kind} {api}"),
    ];
    let answer = session.call::<ConnectGetVersion>(&());
    lines.push(match answer.or_say(|| "failed to get the hypervisor version".to_owned())?.hv_ver {
        0 => format!("Cannot extract running {kind} hypervisor version"),
        number => format!("Running hypervisor: {kind} {}", dotted(number)),
    });
    if arguments.flag("daemon") {
        let answer = session.call::<ConnectGetLibVersion>(&());
        let number = answer.or_say(|| "failed to get the daemon version".to_owned())?.lib_ver;
        lines.push(format!("Running against daemon: {}", dotted(number)));
    }
    session.print(&format!("{}\n", lines.join("\n")));
    Ok(())
}
