//! Virtual networks.
//!
//! Owns: the commands that begin with `net-`. Never: makes a document.

use ostler_base::{Json, Uuid};
use ostler_rpc::programs::remote::NetworkRef;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    ConnectListAllNetworksArgs, NetworkCreateArgs, NetworkCreateXmlArgs, NetworkDefineXmlArgs,
    NetworkDestroyArgs, NetworkGetAutostartArgs, NetworkGetBridgeNameArgs, NetworkGetDhcpLeasesArgs,
    NetworkGetXmlDescArgs, NetworkIsActiveArgs, NetworkIsPersistentArgs, NetworkLookupByNameArgs,
    NetworkLookupByUuidArgs, NetworkSetAutostartArgs, NetworkUndefineArgs,
};

use super::domain::read_file;
use crate::arguments::Arguments;
use crate::failure::{Failure, OrSay};
use crate::output::{Facts, Table};
use crate::session::Session;
use crate::table::{Command, Group, Kind, Opt, flag, named, needed};

pub(super) const GROUP: Group = Group {
    title: "Networking",
    keyword: "network",
    commands: &[AUTOSTART, CREATE, DEFINE, DESTROY, LEASES, XML, INFO, LIST, NAME, START, UNDEFINE, UUID],
};

const NETWORK: Opt = needed("network", "network name or uuid");
const FILE: Opt = needed("file", "file containing an XML network description");

/// A command with a network as its first option.
const fn about(
    name: &'static str,
    summary: &'static str,
    options: &'static [Opt],
    run: crate::table::Run,
) -> Command {
    Command { name, summary, description: "", options, connects: true, run }
}

const AUTOSTART: Command = about(
    "net-autostart",
    "autostart a network",
    &[NETWORK, flag("disable", "disable autostarting")],
    autostart,
);
const CREATE: Command = about("net-create", "create a network from an XML file", &[FILE], create);
const DEFINE: Command = about(
    "net-define",
    "define an inactive persistent virtual network or modify an existing persistent one from an XML file",
    &[FILE],
    define,
);
const DESTROY: Command = about("net-destroy", "destroy (stop) a network", &[NETWORK], destroy);
const LEASES: Command = about(
    "net-dhcp-leases",
    "print lease info for a given network",
    &[NETWORK, named("mac", Kind::Text, "MAC address")],
    leases,
);
const XML: Command = about(
    "net-dumpxml",
    "network information in XML",
    &[NETWORK, flag("inactive", "show inactive defined XML")],
    xml,
);
const INFO: Command = about("net-info", "network information", &[NETWORK], info);
const LIST: Command = about(
    "net-list",
    "list networks",
    &[
        flag("inactive", "list inactive networks"),
        flag("all", "list inactive & active networks"),
        flag("persistent", "list persistent networks"),
        flag("transient", "list transient networks"),
        flag("autostart", "list networks with autostart enabled"),
        flag("no-autostart", "list networks with autostart disabled"),
        flag("uuid", "list uuid's only"),
        flag("name", "list network names only"),
        flag("table", "list table (default)"),
    ],
    list,
);
const NAME: Command = about("net-name", "convert a network UUID to network name", &[NETWORK], name);
const START: Command = about("net-start", "start a (previously defined) inactive network", &[NETWORK], start);
const UNDEFINE: Command = about("net-undefine", "undefine a persistent network", &[NETWORK], undefine);
const UUID: Command = about("net-uuid", "convert a network name to network UUID", &[NETWORK], uuid);

/// The network that a command is about, by UUID or by name.
fn network(session: &mut Session, arguments: &Arguments<'_>) -> Result<NetworkRef, Failure> {
    let word = arguments.needed("network")?;
    if let Some(uuid) = Uuid::parse(word)
        && let Ok(found) = session.call::<call::NetworkLookupByUuid>(&NetworkLookupByUuidArgs { uuid })
    {
        return Ok(found.net);
    }
    let args = NetworkLookupByNameArgs { name: word.to_owned() };
    let found = session.call::<call::NetworkLookupByName>(&args);
    Ok(found.or_say(|| format!("failed to get network '{word}'"))?.net)
}

fn autostart(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let (name, off) = (net.name.clone(), arguments.flag("disable"));
    let args = NetworkSetAutostartArgs { net, autostart: i32::from(!off) };
    let words = if off { "unmark" } else { "mark" };
    session
        .call::<call::NetworkSetAutostart>(&args)
        .or_say(|| format!("failed to {words} network {name} as autostarted"))?;
    session.remark(&format!("Network {name} {words}ed as autostarted\n"));
    Ok(())
}

fn create(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let file = arguments.needed("file")?;
    let made = session.call::<call::NetworkCreateXml>(&NetworkCreateXmlArgs { xml: read_file(file)? });
    let name = made.or_say(|| format!("Failed to create network from {file}"))?.net.name;
    session.remark(&format!("Network {name} created from {file}\n"));
    Ok(())
}

fn define(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let file = arguments.needed("file")?;
    let made = session.call::<call::NetworkDefineXml>(&NetworkDefineXmlArgs { xml: read_file(file)? });
    let name = made.or_say(|| format!("Failed to define network from {file}"))?.net.name;
    session.remark(&format!("Network {name} defined from {file}\n"));
    Ok(())
}

fn destroy(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let name = net.name.clone();
    session
        .call::<call::NetworkDestroy>(&NetworkDestroyArgs { net })
        .or_say(|| format!("Failed to destroy network {name}"))?;
    session.remark(&format!("Network {name} destroyed\n"));
    Ok(())
}

fn start(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let name = net.name.clone();
    session
        .call::<call::NetworkCreate>(&NetworkCreateArgs { net })
        .or_say(|| format!("Failed to start network {name}"))?;
    session.remark(&format!("Network {name} started\n"));
    Ok(())
}

fn undefine(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let name = net.name.clone();
    session
        .call::<call::NetworkUndefine>(&NetworkUndefineArgs { net })
        .or_say(|| format!("Failed to undefine network {name}"))?;
    session.remark(&format!("Network {name} has been undefined\n"));
    Ok(())
}

fn xml(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let flags = u32::from(arguments.flag("inactive"));
    let xml = session.call::<call::NetworkGetXmlDesc>(&NetworkGetXmlDescArgs { net, flags })?.xml;
    session.print(&xml);
    Ok(())
}

fn name(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    session.print(&format!("{}\n", net.name));
    Ok(())
}

fn uuid(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    session.print(&format!("{}\n", net.uuid));
    Ok(())
}

fn is_active(session: &mut Session, net: &NetworkRef) -> Result<bool, Failure> {
    Ok(session.call::<call::NetworkIsActive>(&NetworkIsActiveArgs { net: net.clone() })?.active != 0)
}

fn is_persistent(session: &mut Session, net: &NetworkRef) -> Result<bool, Failure> {
    let args = NetworkIsPersistentArgs { net: net.clone() };
    Ok(session.call::<call::NetworkIsPersistent>(&args)?.persistent != 0)
}

/// `yes` or `no`; networks that are not kept have no autostart.
fn autostarts(session: &mut Session, net: &NetworkRef) -> &'static str {
    let answer = session.call::<call::NetworkGetAutostart>(&NetworkGetAutostartArgs { net: net.clone() });
    answer.map_or("no autostart", |answer| yes_no(answer.autostart != 0))
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn info(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let mut pairs = vec![("Name:", net.name.clone()), ("UUID:", net.uuid.to_string())];
    pairs.push(("Active:", yes_no(is_active(session, &net)?).to_owned()));
    pairs.push(("Persistent:", yes_no(is_persistent(session, &net)?).to_owned()));
    pairs.push(("Autostart:", autostarts(session, &net).to_owned()));
    if let Ok(answer) = session.call::<call::NetworkGetBridgeName>(&NetworkGetBridgeNameArgs { net }) {
        pairs.push(("Bridge:", answer.name));
    }
    session.facts(&Facts { width: 15, pairs });
    Ok(())
}

fn list(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    const INACTIVE: u32 = 1;
    const ACTIVE: u32 = 2;
    const FILTERS: &[(&str, u32)] =
        &[("persistent", 1 << 2), ("transient", 1 << 3), ("autostart", 1 << 4), ("no-autostart", 1 << 5)];
    for only in ["name", "uuid"] {
        arguments.exclude("table", only)?;
    }
    let states = match (arguments.flag("all"), arguments.flag("inactive")) {
        (true, _) => ACTIVE | INACTIVE,
        (false, true) => INACTIVE,
        (false, false) => ACTIVE,
    };
    let args = ConnectListAllNetworksArgs { need_results: 1, flags: arguments.bits(FILTERS) | states };
    let answer = session.call::<call::ConnectListAllNetworks>(&args);
    let mut nets = answer.or_say(|| "Failed to list networks".to_owned())?.nets.0;
    nets.sort_by_key(|net| net.name.to_lowercase());
    if arguments.flag("uuid") || arguments.flag("name") {
        let word =
            |net: &NetworkRef| if arguments.flag("uuid") { net.uuid.to_string() } else { net.name.clone() };
        let rows = nets.iter().map(|net| vec![Json::from(word(net))]).collect();
        session.words(&Table { columns: vec!["Name"], rows });
        return Ok(());
    }
    let mut table = Table { columns: vec!["Name", "State", "Autostart", "Persistent"], rows: Vec::new() };
    for net in &nets {
        let state = if is_active(session, net).unwrap_or(false) { "active" } else { "inactive" };
        let kept = yes_no(is_persistent(session, net).unwrap_or(false));
        let auto = autostarts(session, net);
        table.rows.push([net.name.as_str(), state, auto, kept].map(Json::from).to_vec());
    }
    session.table(&table);
    Ok(())
}

fn leases(session: &mut Session, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let net = network(session, arguments)?;
    let (name, mac) = (net.name.clone(), arguments.text("mac")?.map(str::to_owned));
    let args = NetworkGetDhcpLeasesArgs { net, mac, need_results: 1, flags: 0 };
    let answer = session.call::<call::NetworkGetDhcpLeases>(&args);
    let leases = answer.or_say(|| format!("Failed to get leases info for {name}"))?.leases.0;
    let columns =
        vec!["Expiry Time", "MAC address", "Protocol", "IP address", "Hostname", "Client ID or DUID"];
    let rows = leases.iter().map(|lease| {
        let text = |value: &Option<String>| Json::from(value.clone().unwrap_or_else(|| "-".to_owned()));
        vec![
            Json::from(time(lease.expirytime)),
            text(&lease.mac),
            Json::from(if lease.kind == 0 { "ipv4" } else { "ipv6" }),
            Json::from(format!("{}/{}", lease.ipaddr, lease.prefix)),
            text(&lease.hostname),
            text(&lease.clientid),
        ]
    });
    session.table(&Table { columns, rows: rows.collect() });
    Ok(())
}

/// `YYYY-MM-DD HH:MM:SS`, in UTC.
fn time(seconds: i64) -> String {
    let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years.
    let days = day + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(1_709_210_096), "2024-02-29 12:34:56");
    }
}
