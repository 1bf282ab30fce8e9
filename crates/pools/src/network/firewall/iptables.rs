//! Rules for `iptables` and `ip6tables`.
//!
//! Owns: chains and rules in their words. Never: decides which traffic passes.

use ostler_base::Result;
use ostler_vocab::inet::Family;

use super::{Masquerade, Step, Subnet, Treatment, Undo, bridge, subnets, uses_ipv6};
use crate::Command;
use crate::network::Network;

/// Table, built-in chain and our chain that it jumps to.
const CHAINS: &[(&str, &str, &str)] = &[
    ("filter", "INPUT", "LIBVIRT_INP"),
    ("filter", "OUTPUT", "LIBVIRT_OUT"),
    ("filter", "FORWARD", "LIBVIRT_FWO"),
    ("filter", "FORWARD", "LIBVIRT_FWI"),
    ("filter", "FORWARD", "LIBVIRT_FWX"),
    ("nat", "POSTROUTING", "LIBVIRT_PRT"),
    ("mangle", "POSTROUTING", "LIBVIRT_PRT"),
];

fn program(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

fn command(family: Family, words: &[&str]) -> Command {
    Command::new(program(family), ["-w"].iter().chain(words).copied())
}

const TABLES: &[&str] = &["filter", "nat", "mangle"];

/// Asks which chains and jumps are there, table by table.
pub(super) fn questions(family: Family) -> Vec<Command> {
    TABLES.iter().map(|table| command(family, &["--table", table, "--list-rules"])).collect()
}

/// Makes the chains and jumps that the answers do not show.
pub(super) fn setup(family: Family, answers: &[&str]) -> Vec<Command> {
    let mut commands = Vec::new();
    for (table, parent, chain) in CHAINS {
        let place = TABLES.iter().position(|t| t == table);
        let answer = place.and_then(|place| answers.get(place)).copied().unwrap_or_default();
        let shows = |rule: String| answer.lines().any(|line| line.trim() == rule);
        if !shows(format!("-N {chain}")) {
            commands.push(command(family, &["--table", table, "--new-chain", chain]));
        }
        if !shows(format!("-A {parent} -j {chain}")) {
            commands.push(command(family, &["--table", table, "--insert", parent, "--jump", chain]));
        }
    }
    commands
}

/// A rule that is inserted, and deleted to take it back.
fn insert(family: Family, table: &str, chain: &str, words: &[&str]) -> Step {
    let rule = |verb: &str| {
        let mut rule = command(family, &["--table", table, verb, chain]);
        rule.extend(words.iter().copied());
        rule
    };
    Step::Run { command: rule("--insert"), undo: Undo::Run(rule("--delete")) }
}

/// The rules of one network.
pub(super) fn plan(network: &Network) -> Result<Vec<Step>> {
    let bridge = bridge(network);
    let mut steps = services_v4(network, bridge);
    steps.extend(between_guests(Family::Ipv4, bridge));
    if uses_ipv6(network) {
        steps.extend(between_guests(Family::Ipv6, bridge));
    }
    if network.has_ipv6() {
        steps.extend(name_service(Family::Ipv6, bridge));
        steps.push(open_port(Family::Ipv6, bridge, Way::In, "udp", "547"));
        steps.push(open_port(Family::Ipv6, bridge, Way::Out, "udp", "546"));
    }
    for subnet in subnets(network)? {
        steps.extend(forwarding(&subnet));
    }
    if network.ips.iter().any(|ip| ip.address.is_ipv4() && ip.dhcp.is_used()) {
        steps.push(checksum_fix(bridge));
    }
    Ok(steps)
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

/// Lets packets reach a service of the host, or leave it.
fn open_port(family: Family, bridge: &str, way: Way, protocol: &str, port: &str) -> Step {
    let (chain, device) = match way {
        Way::In => ("LIBVIRT_INP", "--in-interface"),
        Way::Out => ("LIBVIRT_OUT", "--out-interface"),
    };
    let words = [device, bridge, "--protocol", protocol, "--destination-port", port, "--jump", "ACCEPT"];
    insert(family, "filter", chain, &words)
}

fn services_v4(network: &Network, bridge: &str) -> Vec<Step> {
    let open = |way, protocol, port| open_port(Family::Ipv4, bridge, way, protocol, port);
    let mut steps = vec![
        open(Way::In, "tcp", "67"),
        open(Way::In, "udp", "67"),
        open(Way::Out, "tcp", "68"),
        open(Way::Out, "udp", "68"),
    ];
    steps.extend(name_service(Family::Ipv4, bridge));
    let served = |ip: &&super::Ip| ip.address.is_ipv4() && (ip.dhcp.is_used() || ip.tftp_root.is_some());
    if network.ips.iter().find(served).is_some_and(|ip| ip.tftp_root.is_some()) {
        steps.push(open(Way::In, "udp", "69"));
        steps.push(open(Way::Out, "udp", "69"));
    }
    steps
}

fn name_service(family: Family, bridge: &str) -> Vec<Step> {
    [(Way::In, "tcp"), (Way::In, "udp"), (Way::Out, "tcp"), (Way::Out, "udp")]
        .map(|(way, protocol)| open_port(family, bridge, way, protocol, "53"))
        .into()
}

/// Nothing passes but what goes from guest to guest.
fn between_guests(family: Family, bridge: &str) -> Vec<Step> {
    vec![
        insert(family, "filter", "LIBVIRT_FWO", &["--in-interface", bridge, "--jump", "REJECT"]),
        insert(family, "filter", "LIBVIRT_FWI", &["--out-interface", bridge, "--jump", "REJECT"]),
        insert(
            family,
            "filter",
            "LIBVIRT_FWX",
            &["--in-interface", bridge, "--out-interface", bridge, "--jump", "ACCEPT"],
        ),
    ]
}

fn forwarding(subnet: &Subnet<'_>) -> Vec<Step> {
    let Subnet { family, net, bridge, dev, treatment } = subnet;
    let mut out = vec!["--source", net, "--in-interface", bridge];
    let mut back = vec!["--destination", net];
    if let Some(dev) = dev {
        out.extend(["--out-interface", dev]);
        back.extend(["--in-interface", dev]);
    }
    out.extend(["--jump", "ACCEPT"]);
    back.extend(["--out-interface", bridge]);
    if matches!(treatment, Treatment::Masqueraded(_)) {
        back.extend(["--match", "conntrack", "--ctstate", "ESTABLISHED,RELATED"]);
    }
    back.extend(["--jump", "ACCEPT"]);
    let mut steps =
        vec![insert(*family, "filter", "LIBVIRT_FWO", &out), insert(*family, "filter", "LIBVIRT_FWI", &back)];
    if let Treatment::Masqueraded(masquerade) = treatment {
        steps.extend([None, Some("udp"), Some("tcp")].map(|p| translation(subnet, masquerade, p)));
        steps.extend(masquerade.spared.iter().map(|destination| spare(subnet, destination)));
    }
    steps
}

fn translation(subnet: &Subnet<'_>, masquerade: &Masquerade, protocol: Option<&str>) -> Step {
    let mut words = vec!["--source", &subnet.net];
    if let Some(protocol) = protocol {
        words.extend(["-p", protocol]);
    }
    words.extend(["!", "--destination", &subnet.net]);
    if let Some(dev) = subnet.dev {
        words.extend(["--out-interface", dev]);
    }
    let (first, last) = masquerade.ports;
    let ports = format!("{first}-{last}");
    let target;
    match &masquerade.addresses {
        Some(addresses) => {
            target = if protocol.is_some() { format!("{addresses}:{ports}") } else { addresses.clone() };
            words.extend(["--jump", "SNAT", "--to-source", &target]);
        }
        None => {
            words.extend(["--jump", "MASQUERADE"]);
            if protocol.is_some() {
                words.extend(["--to-ports", &ports]);
            }
        }
    }
    insert(subnet.family, "nat", "LIBVIRT_PRT", &words)
}

fn spare(subnet: &Subnet<'_>, destination: &str) -> Step {
    let mut words = Vec::new();
    if let Some(dev) = subnet.dev {
        words.extend(["--out-interface", dev]);
    }
    words.extend(["--source", &subnet.net, "--destination", destination, "--jump", "RETURN"]);
    insert(subnet.family, "nat", "LIBVIRT_PRT", &words)
}

/// DHCP replies of the host carry no checksum; old clients drop them. Not every kernel can mend it.
fn checksum_fix(bridge: &str) -> Step {
    let words = [
        "--out-interface",
        bridge,
        "--protocol",
        "udp",
        "--destination-port",
        "68",
        "--jump",
        "CHECKSUM",
        "--checksum-fill",
    ];
    match insert(Family::Ipv4, "mangle", "LIBVIRT_PRT", &words) {
        Step::Run { command, undo } => Step::Try { command, undo },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_made() {
        let filter = "-P INPUT ACCEPT\n-N LIBVIRT_INP\n-A INPUT -j LIBVIRT_INP\n-N LIBVIRT_OUT\n";
        let made: Vec<String> =
            setup(Family::Ipv6, &[filter, "", ""]).iter().map(Command::to_shell).collect();
        assert_eq!(made.len(), 11);
        assert_eq!(made[0], "ip6tables -w --table filter --insert OUTPUT --jump LIBVIRT_OUT");
    }
}
