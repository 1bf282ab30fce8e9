//! Rules as commands.

use ostler_base::Uuid;

use super::{Step, apply, remove, rollback, subchains_to_remove, switch};
use crate::ReadMode;
use crate::nwfilter::Filter;
use crate::nwfilter::instance::instances;
use crate::nwfilter::vars::Variables;

fn filter(name: &str, attributes: &str, body: &str) -> Filter {
    let text = format!("<filter name='{name}' {attributes}>{body}</filter>");
    Filter::parse(&text, &ReadMode::new(Uuid([7; 16]))).unwrap()
}

fn lines(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| format!("{} {}", step.command().program, step.command().args.join(" "))).collect()
}

/// What is appended to chains of the interface, without the words that all commands have.
fn rules(attributes: &str, body: &str) -> Vec<String> {
    let filter = filter("f", attributes, body);
    let steps = apply(&instances(&filter, &Variables::new(), &|_| None).unwrap(), "vnet0").unwrap();
    let appended =
        lines(&steps).into_iter().filter_map(|line| line.split_once("-A ").map(|(_, r)| r.to_owned()));
    appended.filter(|line| !line.contains("-j libvirt") && !line.contains("physdev")).collect()
}

#[test]
fn frames_of_both_ways() {
    assert_eq!(
        rules(
            "",
            "<rule action='accept' direction='inout'><mac srcmacaddr='1:2:3:4:5:6' match='no'/></rule>"
        ),
        [
            "libvirt-J-vnet0 -d ! 01:02:03:04:05:06 -j ACCEPT",
            "libvirt-P-vnet0 -s ! 01:02:03:04:05:06 -j ACCEPT",
        ]
    );
    let stp = "<rule action='drop' direction='inout'><stp srcmacaddr='1:2:3:4:5:6'/></rule>";
    let filter = filter("f", "", stp);
    let rules = instances(&filter, &Variables::new(), &|_| None).unwrap();
    assert!(apply(&rules, "vnet0").is_err());
}

#[test]
fn packets_in_all_chains() {
    assert_eq!(
        rules("", "<rule action='accept' direction='out'><tcp dstportstart='22'/></rule>"),
        [
            "FJ-vnet0 -p tcp --dport 22 -m conntrack --ctstate NEW,ESTABLISHED -m conntrack --ctdir Original -j RETURN",
            "FP-vnet0 -p tcp --sport 22 -m conntrack --ctstate ESTABLISHED -m conntrack --ctdir Reply -j ACCEPT",
            "HJ-vnet0 -p tcp --dport 22 -m conntrack --ctstate NEW,ESTABLISHED -m conntrack --ctdir Original -j RETURN",
        ]
    );
    assert_eq!(
        rules(
            "",
            "<rule action='drop' direction='in' statematch='0'><udp-ipv6 srcipaddr='::1' connlimit-above='3'/></rule>"
        ),
        ["FP-vnet0 -p udp --source ::1 -m connlimit --connlimit-above 3 -j DROP"]
    );
}

#[test]
fn a_chain_comes_before_its_rules() {
    let lines = rules(
        "chain='arp-late' priority='900'",
        "<rule action='drop' direction='out' priority='1'><arp gratuitous='true'/></rule>",
    );
    assert_eq!(
        lines,
        [
            "libvirt-J-vnet0 -p 0x0806 -j J-vnet0-arp-late",
            "J-vnet0-arp-late -p 0x806 --arp-gratuitous -j DROP",
        ]
    );
}

#[test]
fn rules_of_the_first_chain_come_first_then_by_priority() {
    let rule = |priority: i32, option: u8| {
        format!(
            "<rule action='drop' direction='out' priority='{priority}'><mac protocolid='0x60{option}'/></rule>"
        )
    };
    let inner = filter("inner", "chain='mac-x'", &rule(-900, 1));
    let outer = filter("outer", "", &(rule(10, 2) + "<filterref filter='inner'/>" + &rule(5, 3)));
    let find = |name: &str| (name == "inner").then_some(&inner);
    let steps = apply(&instances(&outer, &Variables::new(), &find).unwrap(), "vnet0").unwrap();
    let order: Vec<String> = lines(&steps)
        .iter()
        .filter_map(|l| l.split_once("-p 0x60").map(|(_, r)| r[..1].to_owned()))
        .collect();
    assert_eq!(order, ["3", "2", "1"]);
}

#[test]
fn what_is_made_is_taken_away() {
    for (steps, letters) in [(rollback("vnet0"), ["-J-", "-P-"]), (remove("vnet0"), ["-I-", "-O-"])] {
        let lines = lines(&steps);
        for letter in letters {
            assert!(lines.iter().any(|line| line.ends_with(&format!("-X libvirt{letter}vnet0"))));
        }
        assert!(steps.iter().all(|step| !matches!(step, Step::Run(_))));
    }
    let renamed = lines(&switch("vnet0")).iter().filter(|line| line.contains(" -E ")).count();
    assert_eq!(renamed, 8);
}

#[test]
fn only_chains_of_the_interface_are_followed() {
    let listing = "Bridge chain: libvirt-J-vnet0, entries: 3, policy: ACCEPT\n\
                   -p IPv4 -j J-vnet0-ipv4\n-p ARP -j J-vnet1-arp\n-j ACCEPT\n";
    let steps = subchains_to_remove("vnet0", listing);
    assert_eq!(steps.len(), 3);
    assert!(lines(&steps).iter().all(|line| line.ends_with("J-vnet0-ipv4")));
}
