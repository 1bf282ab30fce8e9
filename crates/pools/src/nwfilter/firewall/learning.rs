//! What passes while the address of a guest is not known yet.
//!
//! Owns: the fixed rules of that time. Never: learns the address.

use ostler_base::MacAddr;

use super::ebtables::{BRIDGE_BROADCAST, WAYS, Way, ebtables, root};
use super::{Set, Step, remove};

/// Everything that a guest sends from its own hardware address over IPv4 and ARP; for the time in
/// which its address is learnt from what it sends.
pub fn own_address_only(interface: &str, mac: &MacAddr) -> Vec<Step> {
    let mac = mac.to_string();
    let rules: [&[&str]; 4] = [
        &["-s", "!", &mac, "-j", "DROP"],
        &["-p", "IPv4", "-j", "ACCEPT"],
        &["-p", "ARP", "-j", "ACCEPT"],
        &["-j", "DROP"],
    ];
    replace(interface, &[Way::In], rules.iter().map(|rule| (Way::In, rule.to_vec())).collect())
}

/// DHCP, and nothing else; from `servers` only, if there are some.
pub fn dhcp_only(interface: &str, mac: &MacAddr, servers: &[String]) -> Vec<Step> {
    const UDP: [&str; 4] = ["-p", "ipv4", "--ip-protocol", "udp"];
    let mac = mac.to_string();
    let mut request = vec!["-s", &mac];
    request.extend(UDP);
    request.extend(["--ip-sport", "68", "--ip-dport", "67", "-j", "ACCEPT"]);
    let mut rules = vec![(Way::In, request), (Way::In, vec!["-j", "DROP"])];
    let any = [None];
    let sources: Vec<Option<&String>> =
        if servers.is_empty() { any.to_vec() } else { servers.iter().map(Some).collect() };
    for source in sources {
        for receiver in [mac.as_str(), BRIDGE_BROADCAST] {
            let mut reply = vec!["-d", receiver];
            reply.extend(UDP);
            if let Some(server) = source {
                reply.extend(["--ip-src", server]);
            }
            reply.extend(["--ip-sport", "67", "--ip-dport", "68", "-j", "ACCEPT"]);
            rules.push((Way::Out, reply));
        }
    }
    rules.push((Way::Out, vec!["-j", "DROP"]));
    replace(interface, &WAYS, rules)
}

/// Nothing at all.
pub fn nothing(interface: &str) -> Vec<Step> {
    replace(interface, &WAYS, WAYS.map(|way| (way, vec!["-j", "DROP"])).to_vec())
}

/// Removes what is in force, and puts these rules in its place.
fn replace(interface: &str, ways: &[Way], rules: Vec<(Way, Vec<&str>)>) -> Vec<Step> {
    let new = |way: Way| root(way, Set::New, interface);
    let mut steps = remove(interface);
    steps.extend(ways.iter().map(|way| Step::Run(ebtables(["-N", &new(*way)]))));
    for (way, words) in &rules {
        let chain = new(*way);
        let words = ["-A", &chain].into_iter().chain(words.iter().copied());
        steps.push(Step::Run(ebtables(words)));
    }
    for way in ways {
        let (hook, option) = way.hook();
        steps.push(Step::Run(ebtables(["-A", hook, option, interface, "-j", &new(*way)])));
    }
    for way in ways {
        let current = root(*way, Set::Current, interface);
        steps.push(Step::Run(ebtables(["-E", &new(*way), &current])));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(steps: &[Step]) -> Vec<String> {
        let words = steps.iter().map(|step| step.command().args[3..].join(" "));
        words.filter(|line| !line.contains("-D ") && !line.contains("vnet0 -")).collect()
    }

    fn mac() -> MacAddr {
        MacAddr::parse("52:54:00:00:00:01").unwrap()
    }

    #[test]
    fn one_pair_of_rules_for_each_server() {
        let count = |servers: &[&str]| {
            let servers: Vec<String> = servers.iter().map(|s| (*s).to_owned()).collect();
            let steps = dhcp_only("vnet0", &mac(), &servers);
            steps.iter().filter(|step| step.command().args.contains(&"67".to_owned())).count()
        };
        assert_eq!([count(&[]), count(&["192.0.2.1"]), count(&["192.0.2.1", "192.0.2.2"])], [3, 3, 5]);
    }

    #[test]
    fn rules_are_linked_before_they_get_their_names() {
        let lines = shown(&nothing("vnet0"));
        assert!(lines.ends_with(&[
            "-E libvirt-J-vnet0 libvirt-I-vnet0".to_owned(),
            "-E libvirt-P-vnet0 libvirt-O-vnet0".to_owned(),
        ]));
        let steps = own_address_only("vnet0", &mac());
        assert_eq!(steps.iter().filter(|step| matches!(step, Step::Run(_))).count(), 7);
    }
}
