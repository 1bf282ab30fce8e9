//! Rules for `ebtables`: Ethernet frames.
//!
//! Owns: its chains and its options. Never: decides which rules there are.

use std::collections::BTreeMap;

use ostler_base::{Error, Origin, Result};

use super::words::{Words, expand};
use super::{Set, Step};
use crate::Command;
use crate::nwfilter::attributes::Protocol;
use crate::nwfilter::instance::Instance;
use crate::nwfilter::{Action, Direction, ROOT};

/// The group that bridges talk in (spanning tree).
const BRIDGE_GROUP: &str = "01:80:c2:00:00:00";

/// The address that reaches everybody.
pub(super) const BRIDGE_BROADCAST: &str = "ff:ff:ff:ff:ff:ff";

/// The protocols that the names of chains begin with, and how frames get into such a chain.
const CHAIN_MATCHES: &[(&str, &[&str])] = &[
    ("ipv4", &["-p", "0x0800"]),
    ("ipv6", &["-p", "0x86dd"]),
    ("arp", &["-p", "0x0806"]),
    ("rarp", &["-p", "0x8035"]),
    ("vlan", &["-p", "0x8100"]),
    ("stp", &["-d", BRIDGE_GROUP]),
    ("mac", &[]),
];

/// Which way frames go, seen from the host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// From the guest.
    In,
    /// To the guest.
    Out,
}

pub(super) const WAYS: [Way; 2] = [Way::In, Way::Out];

impl Way {
    fn letter(self, set: Set) -> char {
        match (self, set) {
            (Way::In, Set::New) => 'J',
            (Way::Out, Set::New) => 'P',
            (Way::In, Set::Current) => 'I',
            (Way::Out, Set::Current) => 'O',
        }
    }

    /// Whether rules of a direction look at frames that go this way.
    fn sees(self, direction: Direction) -> bool {
        match self {
            Way::In => direction != Direction::In,
            Way::Out => direction != Direction::Out,
        }
    }

    /// The chain of the kernel and the option that names the interface in it.
    pub(super) fn hook(self) -> (&'static str, &'static str) {
        match self {
            Way::In => ("PREROUTING", "-i"),
            Way::Out => ("POSTROUTING", "-o"),
        }
    }
}

pub(super) fn ebtables<'w>(words: impl IntoIterator<Item = &'w str>) -> Command {
    Command::new("ebtables", ["--concurrent", "-t", "nat"].into_iter().chain(words))
}

pub(super) fn root(way: Way, set: Set, interface: &str) -> String {
    format!("libvirt-{}-{interface}", way.letter(set))
}

fn chain(way: Way, interface: &str, name: &str) -> String {
    match name {
        ROOT => root(way, Set::New, interface),
        name => format!("{}-{interface}-{name}", way.letter(Set::New)),
    }
}

/// Removes a set of chains.
pub(super) fn remove(interface: &str, set: Set) -> Vec<Step> {
    let roots = WAYS.map(|way| root(way, set, interface));
    let mut steps = Vec::new();
    for (way, root) in WAYS.iter().zip(&roots) {
        let (hook, option) = way.hook();
        steps.push(Step::Try(ebtables(["-D", hook, option, interface, "-j", root])));
    }
    steps.extend(roots.iter().map(|root| Step::List(ebtables(["-L", root]))));
    for root in &roots {
        steps.push(Step::Try(ebtables(["-F", root])));
        steps.push(Step::Try(ebtables(["-X", root])));
    }
    steps
}

/// What removes the chains of `interface` that a listed chain jumps to.
pub fn subchains_to_remove(interface: &str, listing: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for letter in ['I', 'O', 'J', 'P'] {
        let prefix = format!("{letter}-{interface}-");
        for target in listing.lines().filter_map(|line| line.split("-j ").nth(1)) {
            let Some(name) = target.split_whitespace().next().filter(|name| name.starts_with(&prefix)) else {
                continue;
            };
            steps.push(Step::List(ebtables(["-L", name])));
            steps.push(Step::Try(ebtables(["-F", name])));
            steps.push(Step::Try(ebtables(["-X", name])));
        }
    }
    steps
}

/// What gives the new chains of `interface` that a listed chain jumps to the names of those in force.
pub fn subchains_to_rename(interface: &str, listing: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for way in WAYS {
        let [new, current] = [Set::New, Set::Current].map(|set| format!("{}-{interface}-", way.letter(set)));
        for target in listing.lines().filter_map(|line| line.split("-j ").nth(1)) {
            let Some(name) = target.split_whitespace().next() else { continue };
            if let Some(rest) = name.strip_prefix(&new) {
                steps.push(Step::Try(ebtables(["-E", name, &format!("{current}{rest}")])));
            }
        }
    }
    steps
}

/// Gives the new chains the names of those in force.
pub(super) fn rename(interface: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = WAYS
        .iter()
        .map(|way| Step::ListToRename(ebtables(["-L", &root(*way, Set::New, interface)])))
        .collect();
    steps.extend(WAYS.iter().map(|way| {
        let (new, current) = (root(*way, Set::New, interface), root(*way, Set::Current, interface));
        Step::Try(ebtables(["-E", &new, &current]))
    }));
    steps
}

/// Leads frames of the interface into the new chains.
pub(super) fn link(rules: &[&Instance<'_>], interface: &str) -> Vec<Step> {
    ways(rules)
        .map(|way| {
            let (hook, option) = way.hook();
            let root = root(way, Set::New, interface);
            Step::Run(ebtables(["-A", hook, option, interface, "-j", &root]))
        })
        .collect()
}

/// The ways that some rule looks at.
fn ways(rules: &[&Instance<'_>]) -> impl Iterator<Item = Way> {
    WAYS.into_iter().filter(|way| rules.iter().any(|instance| way.sees(instance.rule.direction)))
}

/// A chain that the first chain jumps to.
struct Subchain<'a> {
    name: &'a str,
    priority: i32,
    way: Way,
}

/// The chains other than the first, in the order in which they are gone through.
fn subchains<'a>(rules: &[&Instance<'a>]) -> Vec<Subchain<'a>> {
    let mut found: BTreeMap<(Way, &'a str), i32> = BTreeMap::new();
    for instance in rules.iter().filter(|instance| instance.chain != ROOT) {
        for way in WAYS.into_iter().filter(|way| way.sees(instance.rule.direction)) {
            found.insert((way, instance.chain), instance.chain_priority);
        }
    }
    let mut list: Vec<Subchain<'a>> =
        found.into_iter().map(|((way, name), priority)| Subchain { name, priority, way }).collect();
    list.sort_by_key(|chain| (chain.priority, chain.way, chain.name));
    list
}

/// Makes the chains and fills them; a chain is jumped to before rules of a higher priority.
pub(super) fn fill(rules: &[&Instance<'_>], interface: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> =
        ways(rules).map(|way| Step::Run(ebtables(["-N", &root(way, Set::New, interface)]))).collect();
    let mut waiting = subchains(rules).into_iter().peekable();
    for instance in rules {
        let priority = priority(instance);
        while let Some(chain) = waiting.next_if(|chain| chain.priority <= priority) {
            steps.extend(make_subchain(&chain, interface));
        }
        for words in expand(instance)? {
            steps.extend(rule(instance, &words, interface)?);
        }
    }
    for chain in waiting {
        steps.extend(make_subchain(&chain, interface));
    }
    Ok(steps)
}

/// The priority of a rule among chains: a rule never comes before its own chain.
fn priority(instance: &Instance<'_>) -> i32 {
    match instance.chain {
        ROOT => instance.rule.priority,
        _ => instance.rule.priority.max(instance.chain_priority),
    }
}

fn make_subchain(subchain: &Subchain<'_>, interface: &str) -> Vec<Step> {
    let name = chain(subchain.way, interface, subchain.name);
    let root = root(subchain.way, Set::New, interface);
    let matches = CHAIN_MATCHES.iter().find(|(prefix, _)| subchain.name.starts_with(prefix));
    let matches = matches.map(|(_, words)| *words).unwrap_or_default();
    let jump = ["-A", &root].into_iter().chain(matches.iter().copied()).chain(["-j", &name]);
    vec![
        Step::Try(ebtables(["-F", &name])),
        Step::Try(ebtables(["-X", &name])),
        Step::Run(ebtables(["-N", &name])),
        Step::Run(ebtables(jump)),
    ]
}

fn rule(instance: &Instance<'_>, words: &Words<'_>, interface: &str) -> Result<Vec<Step>> {
    let direction = instance.rule.direction;
    if instance.rule.protocol == Some(Protocol::Stp)
        && direction == Direction::Inout
        && words.has("srcmacaddr")
    {
        let error =
            Error::internal("STP filtering in inout direction with source MAC address set is not supported");
        return Err(error.from_origin(Origin::Nwfilter));
    }
    let steps = WAYS.into_iter().filter(|way| way.sees(direction)).map(|way| {
        // A rule for both ways says what is true of frames to the guest.
        let reversed = way == Way::In && direction == Direction::Inout;
        let mut frame =
            Frame { words, reversed, command: ebtables(["-A", &chain(way, interface, instance.chain)]) };
        frame.describe();
        let target = match instance.rule.action {
            Action::Accept => "ACCEPT",
            Action::Drop | Action::Reject => "DROP",
            Action::Return => "RETURN",
            Action::Continue => "CONTINUE",
        };
        frame.command.extend(["-j", target]);
        Step::Run(frame.command)
    });
    Ok(steps.collect())
}

/// The options that describe a frame.
struct Frame<'a, 'w> {
    words: &'w Words<'a>,
    reversed: bool,
    command: Command,
}

impl Frame<'_, '_> {
    fn describe(&mut self) {
        match self.words.rule.protocol {
            None => {}
            Some(Protocol::Mac) => {
                self.addresses();
                if let Some(protocol) = self.words.hex("protocolid") {
                    self.option("-p", "protocolid", protocol);
                }
            }
            Some(Protocol::Vlan) => self.vlan(),
            Some(Protocol::Stp) => self.stp(),
            Some(Protocol::Arp) => self.arp("0x806"),
            Some(Protocol::Rarp) => self.arp("0x8035"),
            Some(Protocol::Ip) => self.ip("ipv4", "--ip"),
            Some(_) => {
                self.ip("ipv6", "--ip6");
                self.icmp();
            }
        }
    }

    /// `OPTION [!] VALUE`
    fn option(&mut self, option: &str, attribute: &str, value: String) {
        self.command.arg(option);
        self.command.extend(self.words.not(attribute));
        self.command.arg(value);
    }

    /// An option whose value is that of an attribute.
    fn plain(&mut self, option: &str, attribute: &str) {
        if let Some(value) = self.words.text(attribute) {
            self.option(option, attribute, value);
        }
    }

    /// An option whose value is that of two attributes.
    fn pair(&mut self, option: &str, first: &str, separator: &str, second: &str) {
        if let Some(value) = self.words.pair(first, separator, second) {
            self.option(option, first, value);
        }
    }

    /// One of two options, by the way of the frame.
    fn way(&self, forward: &'static str, back: &'static str) -> &'static str {
        if self.reversed { back } else { forward }
    }

    fn addresses(&mut self) {
        self.pair(self.way("-s", "-d"), "srcmacaddr", "/", "srcmacmask");
        self.pair(self.way("-d", "-s"), "dstmacaddr", "/", "dstmacmask");
    }

    fn vlan(&mut self) {
        self.addresses();
        self.command.extend(["-p", "0x8100"]);
        self.plain("--vlan-id", "vlanid");
        self.plain("--vlan-encap", "encap-protocol");
    }

    fn stp(&mut self) {
        self.pair("-s", "srcmacaddr", "/", "srcmacmask");
        self.command.extend(["-d", BRIDGE_GROUP]);
        self.plain("--stp-type", "type");
        self.plain("--stp-flags", "flags");
        self.pair("--stp-root-pri", "root-priority", ":", "root-priority-hi");
        self.pair("--stp-root-addr", "root-address", "/", "root-address-mask");
        self.pair("--stp-root-cost", "root-cost", ":", "root-cost-hi");
        self.pair("--stp-sender-prio", "sender-priority", ":", "sender-priority-hi");
        self.pair("--stp-sender-addr", "sender-address", "/", "sender-address-mask");
        self.pair("--stp-port", "port", ":", "port-hi");
        self.pair("--stp-msg-age", "age", ":", "age-hi");
        self.pair("--stp-max-age", "max-age", ":", "max-age-hi");
        self.pair("--stp-hello-time", "hello-time", ":", "hello-time-hi");
        self.pair("--stp-forward-delay", "forward-delay", ":", "forward-delay-hi");
    }

    fn arp(&mut self, protocol: &str) {
        self.addresses();
        self.command.extend(["-p", protocol]);
        self.plain("--arp-htype", "hwtype");
        self.plain("--arp-opcode", "opcode");
        if let Some(protocol) = self.words.hex("protocoltype") {
            self.option("--arp-ptype", "protocoltype", protocol);
        }
        self.arp_address(self.way("--arp-ip-src", "--arp-ip-dst"), "arpsrcipaddr", "arpsrcipmask");
        self.arp_address(self.way("--arp-ip-dst", "--arp-ip-src"), "arpdstipaddr", "arpdstipmask");
        self.plain(self.way("--arp-mac-src", "--arp-mac-dst"), "arpsrcmacaddr");
        self.plain(self.way("--arp-mac-dst", "--arp-mac-src"), "arpdstmacaddr");
        if self.words.text("gratuitous").is_some_and(|value| value == "true") {
            self.command.extend(self.words.not("gratuitous"));
            self.command.arg("--arp-gratuitous");
        }
    }

    fn arp_address(&mut self, option: &str, address: &str, mask: &str) {
        let Some(value) = self.words.text(address) else { return };
        let mask = self.words.text(mask).unwrap_or_else(|| "32".to_owned());
        self.option(option, address, format!("{value}/{mask}"));
    }

    fn ip(&mut self, protocol: &str, prefix: &str) {
        self.addresses();
        self.command.extend(["-p", protocol]);
        let (source, destination) = (self.way("source", "destination"), self.way("destination", "source"));
        self.pair(&format!("{prefix}-{source}"), "srcipaddr", "/", "srcipmask");
        self.pair(&format!("{prefix}-{destination}"), "dstipaddr", "/", "dstipmask");
        self.plain(&format!("{prefix}-protocol"), "protocol");
        self.pair(&format!("{prefix}-{source}-port"), "srcportstart", ":", "srcportend");
        self.pair(&format!("{prefix}-{destination}-port"), "dstportstart", ":", "dstportend");
        if let Some(dscp) = self.words.hex("dscp") {
            self.option(&format!("{prefix}-tos"), "dscp", dscp);
        }
    }

    fn icmp(&mut self) {
        let range = |first: &str, last: &str| match (self.words.text(first), self.words.text(last)) {
            (Some(first), Some(last)) => format!("{first}:{last}"),
            (Some(only), None) => format!("{only}:{only}"),
            (None, Some(last)) => format!("0:{last}"),
            (None, None) => "0:255".to_owned(),
        };
        if !["type", "typeend", "code", "codeend"].iter().any(|name| self.words.has(name)) {
            return;
        }
        let value = format!("{}/{}", range("type", "typeend"), range("code", "codeend"));
        self.option("--ip6-icmp-type", "type", value);
    }
}
