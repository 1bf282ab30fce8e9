//! Rules for `nft`, and the `tc` filter that mends DHCP checksums.
//!
//! Owns: tables, chains and rules in their words. Never: decides which traffic passes.

use ostler_base::Result;
use ostler_vocab::inet::Family;

use super::{Masquerade, Step, Subnet, Treatment, Undo, bridge, subnets, uses_ipv6};
use crate::Command;
use crate::network::Network;

const TABLE: &str = "libvirt_network";
const OUTPUT: &str = "guest_output";
const INPUT: &str = "guest_input";
const CROSS: &str = "guest_cross";
const NAT: &str = "guest_nat";

fn layer(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    }
}

/// Asks for the table.
pub(super) fn questions(family: Family) -> Vec<Command> {
    vec![Command::new("nft", ["list", "table", layer(family), TABLE])]
}

/// Makes the table with its chains where the answer does not show it.
pub(super) fn setup(family: Family, answers: &[&str]) -> Vec<Command> {
    let layer = layer(family);
    if answers.iter().any(|answer| answer.contains(&format!("table {layer} {TABLE} {{"))) {
        return Vec::new();
    }
    let nft = |words: &[&str]| Command::new("nft", words.iter().copied());
    let mut commands = vec![
        nft(&["add", "table", layer, TABLE]),
        nft(&[
            "add",
            "chain",
            layer,
            TABLE,
            "forward",
            "{ type filter hook forward priority 0; policy accept; }",
        ]),
    ];
    for chain in [OUTPUT, INPUT, CROSS] {
        commands.push(nft(&["add", "chain", layer, TABLE, chain]));
        commands.push(nft(&["insert", "rule", layer, TABLE, "forward", "counter", "jump", chain]));
    }
    commands.push(nft(&[
        "add",
        "chain",
        layer,
        TABLE,
        NAT,
        "{ type nat hook postrouting priority 100; policy accept; }",
    ]));
    commands
}

fn insert(family: Family, chain: &'static str, words: &[&str]) -> Step {
    let layer = layer(family);
    let mut command = Command::new("nft", ["-ae", "insert", "rule", layer, TABLE, chain]);
    command.extend(words.iter().copied());
    Step::Run { command, undo: Undo::NftHandle { family: layer, chain } }
}

/// The command that deletes a rule by the number that its insertion printed.
pub fn delete(family: &str, chain: &str, handle: &str) -> Command {
    Command::new("nft", ["delete", "rule", family, TABLE, chain, "handle", handle])
}

/// The rules of one network.
pub(super) fn plan(network: &Network) -> Result<Vec<Step>> {
    let bridge = bridge(network);
    let mut steps = checksum_fix(bridge);
    steps.extend(between_guests(Family::Ipv4, bridge));
    if uses_ipv6(network) {
        steps.extend(between_guests(Family::Ipv6, bridge));
    }
    for subnet in subnets(network)? {
        steps.extend(forwarding(&subnet));
    }
    Ok(steps)
}

/// DHCP replies of the host carry no checksum; old clients drop them. New ones do not mind, so a
/// kernel that cannot mend checksums is good enough.
fn checksum_fix(bridge: &str) -> Vec<Step> {
    let tc = |words: &[&str]| Command::new("tc", words.iter().copied());
    let filter = |verb: &str| {
        tc(&[
            "filter", verb, "dev", bridge, "prio", "2", "protocol", "ip", "parent", "1:", "u32", "match",
            "ip", "dport", "68", "ffff", "action", "csum", "ip", "and", "udp",
        ])
    };
    vec![
        Step::Unless {
            question: tc(&["qdisc", "show", "dev", bridge, "handle", "1:"]),
            command: tc(&["qdisc", "add", "dev", bridge, "root", "handle", "1:", "htb", "default", "2"]),
        },
        Step::Try { command: filter("add"), undo: Undo::Run(filter("del")) },
    ]
}

/// Nothing passes but what goes from guest to guest.
fn between_guests(family: Family, bridge: &str) -> Vec<Step> {
    vec![
        insert(family, OUTPUT, &["iif", bridge, "counter", "reject"]),
        insert(family, INPUT, &["oif", bridge, "counter", "reject"]),
        insert(family, CROSS, &["iif", bridge, "oif", bridge, "counter", "accept"]),
    ]
}

fn forwarding(subnet: &Subnet<'_>) -> Vec<Step> {
    let Subnet { family, net, bridge, dev, treatment } = subnet;
    let ip = layer(*family);
    let from = |dev: &Option<&'_ str>| dev.map(|dev| ["iifname".to_owned(), dev.to_owned()]);
    let to = dev.map(|dev| ["oifname", dev]);
    let mut out = vec![ip, "saddr", net, "iif", bridge];
    out.extend(to.iter().flatten());
    out.extend(["counter", "accept"]);
    let from = from(dev);
    let from: Vec<&str> = from.iter().flatten().map(String::as_str).collect();
    let mut back = Vec::new();
    match treatment {
        Treatment::Routed => {
            back.extend([ip, "daddr", net]);
            back.extend(&from);
            back.extend(["oif", bridge]);
        }
        Treatment::Masqueraded(_) => {
            back.extend(&from);
            back.extend(["oif", bridge, ip, "daddr", net, "ct", "state", "related,established"]);
        }
    }
    back.extend(["counter", "accept"]);
    let mut steps = vec![insert(*family, OUTPUT, &out), insert(*family, INPUT, &back)];
    if let Treatment::Masqueraded(masquerade) = treatment {
        steps.extend([None, Some("udp"), Some("tcp")].map(|p| translation(subnet, masquerade, p)));
        steps.extend(masquerade.spared.iter().map(|destination| spare(subnet, destination)));
    }
    steps
}

fn translation(subnet: &Subnet<'_>, masquerade: &Masquerade, protocol: Option<&str>) -> Step {
    let ip = layer(subnet.family);
    let mut words = Vec::new();
    if let Some(protocol) = protocol {
        words.extend(["meta", "l4proto", protocol]);
    }
    words.extend([ip, "saddr", &subnet.net, ip, "daddr", "!=", &subnet.net]);
    if let Some(dev) = subnet.dev {
        words.extend(["oifname", dev]);
    }
    words.push("counter");
    let (first, last) = masquerade.ports;
    let ports = format!(":{first}-{last}");
    let target;
    match &masquerade.addresses {
        Some(addresses) => {
            target = if protocol.is_some() { format!("{addresses}{ports}") } else { addresses.clone() };
            words.extend(["snat", "to", &target]);
        }
        None => {
            words.push("masquerade");
            if protocol.is_some() {
                words.extend(["to", &ports]);
            }
        }
    }
    insert(subnet.family, NAT, &words)
}

fn spare(subnet: &Subnet<'_>, destination: &str) -> Step {
    let ip = layer(subnet.family);
    let mut words = Vec::new();
    if let Some(dev) = subnet.dev {
        words.extend(["oifname", dev]);
    }
    words.extend([ip, "saddr", &subnet.net, ip, "daddr", destination, "counter", "return"]);
    insert(subnet.family, NAT, &words)
}
