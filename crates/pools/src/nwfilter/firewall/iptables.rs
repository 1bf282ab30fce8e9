//! Rules for `iptables` and `ip6tables`: IP packets.
//!
//! Owns: its chains and its options. Never: decides which rules there are.

use ostler_base::Result;

use super::words::{Words, expand};
use super::{Set, Step};
use crate::Command;
use crate::nwfilter::attributes::{Layer, Protocol};
use crate::nwfilter::instance::Instance;
use crate::nwfilter::value::{Value, ipset_words, tcp_names};
use crate::nwfilter::{Action, Direction};

const IN: &str = "libvirt-in";
const OUT: &str = "libvirt-out";
const IN_POST: &str = "libvirt-in-post";
const HOST_IN: &str = "libvirt-host-in";

/// States of the packets that begin a connection, and of those that answer.
const FORWARD: &str = "NEW,ESTABLISHED";
const REPLY: &str = "ESTABLISHED";

/// A chain of an interface: what passes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// Packets to the guest.
    ToGuest,
    /// Packets from the guest to others.
    FromGuest,
    /// Packets from the guest to the host.
    ToHost,
}

/// In the order in which they are made and removed.
const CHAINS: [Chain; 3] = [Chain::ToGuest, Chain::FromGuest, Chain::ToHost];

impl Chain {
    fn name(self, set: Set, interface: &str) -> String {
        let prefix = match (self, set) {
            (Chain::ToGuest, Set::New) => "FP",
            (Chain::FromGuest, Set::New) => "FJ",
            (Chain::ToHost, Set::New) => "HJ",
            (Chain::ToGuest, Set::Current) => "FO",
            (Chain::FromGuest, Set::Current) => "FI",
            (Chain::ToHost, Set::Current) => "HI",
        };
        format!("{prefix}-{interface}")
    }

    /// The shared chain that leads to it, and how packets of the interface are known there.
    fn place(self, interface: &str) -> (&'static str, Vec<&str>) {
        let device = |words: &[&'static str]| -> Vec<&str> {
            ["-m", "physdev"].iter().chain(words).copied().chain([interface]).collect()
        };
        match self {
            Chain::ToGuest => (OUT, device(&["--physdev-is-bridged", "--physdev-out"])),
            Chain::FromGuest => (IN, device(&["--physdev-in"])),
            Chain::ToHost => (HOST_IN, device(&["--physdev-in"])),
        }
    }
}

fn command<'w>(layer: Layer, words: impl IntoIterator<Item = &'w str>) -> Command {
    let program = if layer == Layer::Ipv6 { "ip6tables" } else { "iptables" };
    Command::new(program, ["-w"].into_iter().chain(words))
}

/// Takes a set of chains away.
pub(super) fn remove(layer: Layer, interface: &str, set: Set) -> Vec<Step> {
    let mut steps = unlink(layer, interface, set);
    steps.extend(delete(layer, interface, set));
    steps
}

/// The same, and what lets packets pass that other chains let pass.
pub(super) fn remove_all(layer: Layer, interface: &str, set: Set) -> Vec<Step> {
    let mut steps = unlink(layer, interface, set);
    if set == Set::Current {
        steps.push(Step::Try(command(layer, post("-D", interface))));
    }
    steps.extend(delete(layer, interface, set));
    steps
}

fn unlink(layer: Layer, interface: &str, set: Set) -> Vec<Step> {
    let mut steps = Vec::new();
    for chain in CHAINS {
        let name = chain.name(set, interface);
        let (place, words) = chain.place(interface);
        let jump = |words: &[&str]| {
            let all = ["-D", place].iter().chain(words).chain(&["-g", &name]).copied().collect::<Vec<_>>();
            Step::Try(command(layer, all))
        };
        steps.push(jump(&words));
        if chain == Chain::ToGuest {
            // The form of versions that did not know bridged packets apart.
            steps.push(jump(&["-m", "physdev", "--physdev-out", interface]));
        }
    }
    steps
}

fn delete(layer: Layer, interface: &str, set: Set) -> Vec<Step> {
    CHAINS
        .iter()
        .flat_map(|chain| {
            let name = chain.name(set, interface);
            ["-F", "-X"].map(|verb| Step::Try(command(layer, [verb, &name])))
        })
        .collect()
}

fn post<'w>(verb: &'w str, interface: &'w str) -> [&'w str; 8] {
    [verb, IN_POST, "-m", "physdev", "--physdev-in", interface, "-j", "ACCEPT"]
}

/// Gives the new chains the names of those in force.
pub(super) fn rename(layer: Layer, interface: &str) -> Vec<Step> {
    CHAINS
        .iter()
        .map(|chain| {
            let (new, current) = (chain.name(Set::New, interface), chain.name(Set::Current, interface));
            Step::Try(command(layer, ["-E", &new, &current]))
        })
        .collect()
}

/// Makes the chains, fills them and leads packets of the interface into them.
pub(super) fn fill(layer: Layer, rules: &[&Instance<'_>], interface: &str) -> Result<Vec<Step>> {
    let run = |words: &[&str]| Step::Run(command(layer, words.iter().copied()));
    let attempt = |words: &[&str]| Step::Try(command(layer, words.iter().copied()));
    let hooks =
        [("FORWARD", "1", IN), ("FORWARD", "2", OUT), ("FORWARD", "3", IN_POST), ("INPUT", "1", HOST_IN)];
    let mut steps: Vec<Step> =
        [IN, OUT, IN_POST, HOST_IN].iter().map(|chain| attempt(&["-N", chain])).collect();
    steps.extend(hooks.iter().map(|(hook, _, chain)| attempt(&["-D", hook, "-j", chain])));
    steps.extend(hooks.iter().map(|(hook, place, chain)| run(&["-I", hook, place, "-j", chain])));
    steps.extend(CHAINS.iter().map(|chain| run(&["-N", &chain.name(Set::New, interface)])));
    for chain in CHAINS {
        let name = chain.name(Set::New, interface);
        let (place, words) = chain.place(interface);
        let all: Vec<&str> = ["-A", place].iter().chain(&words).chain(&["-g", &name]).copied().collect();
        steps.push(run(&all));
    }
    steps.push(Step::Try(command(layer, post("-D", interface))));
    steps.push(Step::Run(command(layer, post("-A", interface))));
    for instance in rules {
        for words in expand(instance)? {
            steps.extend(rule(layer, &words, interface).into_iter().map(Step::Run));
        }
    }
    Ok(steps)
}

/// Which packets of a chain a rule is about: those it speaks of, or those that answer them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    Forward,
    Back,
}

/// The commands of a rule: in each chain, as far as it has a meaning there.
fn rule(layer: Layer, words: &Words<'_>, interface: &str) -> Vec<Command> {
    let direction = words.rule.direction;
    // A rule for both ways says what is true of packets to the guest.
    let from_guest = if direction == Direction::Out { Sense::Forward } else { Sense::Back };
    let to_guest = if from_guest == Sense::Forward { Sense::Back } else { Sense::Forward };
    let inout = direction == Direction::Inout;
    let places = [
        (Chain::FromGuest, from_guest, from_guest == Sense::Back || inout),
        (Chain::ToGuest, to_guest, to_guest == Sense::Back || inout),
        (Chain::ToHost, from_guest, from_guest == Sense::Back),
    ];
    let named_state = words.rule.state_match.then(|| words.rule.state()).flatten();
    let mut commands = Vec::new();
    for (chain, sense, no_icmp_type) in places {
        let state = match named_state {
            // A rule that names states speaks of one way only.
            Some(_) if sense == Sense::Back && !(inout && chain != Chain::ToGuest) => continue,
            Some(state) => State::Named(super::super::value::State { none: false, ..state }.to_text()),
            None if inout || !words.rule.state_match => State::Any,
            None if sense == Sense::Forward => State::Default(FORWARD),
            None => State::Default(REPLY),
        };
        let packet = Packet { layer, words, sense, no_icmp_type, state };
        commands.extend(packet.command(chain, interface));
    }
    commands
}

/// States of connections that a rule matches.
#[derive(Clone, PartialEq, Eq)]
enum State {
    /// Every one.
    Any,
    /// Those that follow from the way of the packet.
    Default(&'static str),
    /// Those that the rule names; none at all match everything.
    Named(String),
}

/// A rule for the packets of one chain.
struct Packet<'a, 'w> {
    layer: Layer,
    words: &'w Words<'a>,
    sense: Sense,
    no_icmp_type: bool,
    state: State,
}

impl Packet<'_, '_> {
    /// The command; `None` where the rule has no meaning for these packets.
    fn command(&self, chain: Chain, interface: &str) -> Option<Command> {
        let words = self.words;
        let back = self.sense == Sense::Back;
        let icmp_type = words.has("type");
        if (icmp_type && self.no_icmp_type) || (words.has("connlimit-above") && back) {
            return None;
        }
        let mut options = Options { words, back, list: Vec::new() };
        options.address();
        options.ip();
        options.tcp_flags();
        options.ports();
        options.tcp_option();
        options.icmp(self.layer);
        // A rule that says nothing but where a packet comes from says nothing of the answers.
        if words.has("srcmacaddr") && back && options.list.is_empty() {
            return None;
        }
        options.list.extend(self.state_words(icmp_type));
        options.after_state();
        options.comment();
        let name = chain.name(Set::New, interface);
        let mut command = command(self.layer, ["-A", &name, "-p", protocol_name(words.rule.protocol)]);
        command.extend(options.list);
        command.extend(["-j", self.target(chain)]);
        Some(command)
    }

    fn state_words(&self, icmp_type: bool) -> Vec<String> {
        let mut list = Vec::new();
        let accepts = self.words.rule.action == Action::Accept;
        // Connections are counted whatever their state.
        if accepts && self.words.has("connlimit-above") {
            return list;
        }
        let (states, default) = match &self.state {
            State::Any => return list,
            State::Default(_) if !accepts => return list,
            State::Default(states) => ((*states).to_owned(), true),
            State::Named(states) if states.is_empty() => return list,
            State::Named(states) => (states.clone(), false),
        };
        list.extend(["-m", "conntrack", "--ctstate", &states].map(str::to_owned));
        if default && !icmp_type {
            let way = if self.sense == Sense::Forward { "Original" } else { "Reply" };
            list.extend(["-m", "conntrack", "--ctdir", way].map(str::to_owned));
        }
        list
    }

    fn target(&self, chain: Chain) -> &'static str {
        match self.words.rule.action {
            Action::Accept if chain == Chain::ToGuest => "ACCEPT",
            Action::Accept | Action::Return => "RETURN",
            Action::Drop => "DROP",
            Action::Reject => "REJECT",
            Action::Continue => "CONTINUE",
        }
    }
}

fn protocol_name(protocol: Option<Protocol>) -> &'static str {
    match protocol {
        Some(Protocol::Icmpv6) => "icmpv6",
        Some(protocol) => protocol.base_name(),
        None => "all",
    }
}

/// The options that describe a packet.
struct Options<'a, 'w> {
    words: &'w Words<'a>,
    back: bool,
    list: Vec<String>,
}

impl Options<'_, '_> {
    /// `[!] OPTION VALUE`
    fn option(&mut self, option: &str, attribute: &str, value: String) {
        self.list.extend(self.words.not(attribute).map(str::to_owned));
        self.list.extend([option.to_owned(), value]);
    }

    fn module(&mut self, name: &str) {
        self.list.extend(["-m".to_owned(), name.to_owned()]);
    }

    fn way(&self, forward: &'static str, back: &'static str) -> &'static str {
        if self.back { back } else { forward }
    }

    fn address(&mut self) {
        if let Some(mac) = self.words.text("srcmacaddr").filter(|_| !self.back) {
            self.module("mac");
            self.option("--mac-source", "srcmacaddr", mac);
        }
    }

    fn ip(&mut self) {
        let words = self.words;
        let sides = [
            ("src", self.way("--source", "--destination"), self.way("--src-range", "--dst-range")),
            ("dst", self.way("--destination", "--source"), self.way("--dst-range", "--src-range")),
        ];
        for (side, option, range) in sides {
            let (address, from) = (format!("{side}ipaddr"), format!("{side}ipfrom"));
            if let Some(value) = words.pair(&address, "/", &format!("{side}ipmask")) {
                self.option(option, &address, value);
            } else if let Some(value) = words.pair(&from, "-", &format!("{side}ipto")) {
                self.module("iprange");
                self.option(range, &from, value);
            }
        }
        if let Some(dscp) = words.text("dscp") {
            self.module("dscp");
            self.option("--dscp", "dscp", dscp);
        }
    }

    fn ports(&mut self) {
        let (source, destination) = (self.way("--sport", "--dport"), self.way("--dport", "--sport"));
        for (option, start, end) in
            [(source, "srcportstart", "srcportend"), (destination, "dstportstart", "dstportend")]
        {
            if let Some(value) = self.words.pair(start, ":", end) {
                self.option(option, start, value);
            }
        }
    }

    fn icmp(&mut self, layer: Layer) {
        let option = if layer == Layer::Ipv6 { "--icmpv6-type" } else { "--icmp-type" };
        if let Some(value) = self.words.pair("type", "/", "code") {
            self.option(option, "type", value);
        }
    }

    fn tcp_flags(&mut self) {
        if let Some(Value::TcpFlags { mask, flags }) = self.words.rule.value("flags") {
            self.list.extend(self.words.not("flags").map(str::to_owned));
            self.list.extend(["--tcp-flags".to_owned(), tcp_names(*mask), tcp_names(*flags)]);
        }
    }

    fn tcp_option(&mut self) {
        if let Some(option) = self.words.text("option") {
            self.option("--tcp-option", "option", option);
        }
    }

    /// What is counted or looked up only for packets that match everything else.
    fn after_state(&mut self) {
        if let (Some(name), Some(Value::IpsetFlags(flags))) =
            (self.words.text("ipset"), self.words.rule.value("ipsetflags"))
        {
            self.module("set");
            self.option("--match-set", "ipset", name);
            self.list.push(ipset_words(flags, self.back));
        }
        if let Some(most) = self.words.text("connlimit-above") {
            self.module("connlimit");
            self.option("--connlimit-above", "connlimit-above", most);
        }
    }

    fn comment(&mut self) {
        if let Some(comment) = self.words.text("comment") {
            self.module("comment");
            self.list.extend(["--comment".to_owned(), comment]);
        }
    }
}
