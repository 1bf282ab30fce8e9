//! What the packet filter has to be told about a network.
//!
//! Owns: which traffic passes in which mode, for both ways of telling. Never: runs a program; a
//! step says how it is taken back.

mod iptables;
mod nft;

pub use nft::delete as delete_nft_rule;

use core::net::IpAddr;

use ostler_base::{Code, Error, Origin, Result, words};
use ostler_vocab::inet::{self, Family};

use super::Network;
use super::forward::ForwardMode;
use super::ip::Ip;
use crate::Command;

words! {
    /// The program that is used.
    pub Backend { Iptables = "iptables", Nftables = "nftables" }
}

/// Ports that translated connections come from where the network says none.
const DEFAULT_PORTS: (u16, u16) = (1024, 65_535);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Run a command.
    Run {
        /// Which.
        command: Command,
        /// How it is taken back.
        undo: Undo,
    },
    /// Run a command whose failure does not matter.
    Try {
        /// Which.
        command: Command,
        /// How it is taken back.
        undo: Undo,
    },
    /// Run a command unless another prints something.
    Unless {
        /// The question; its failure counts as an empty answer.
        question: Command,
        /// What to do where the answer is empty.
        command: Command,
    },
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// It goes with the bridge, or stays for the next network.
    Nothing,
    /// By a command.
    Run(Command),
    /// By deleting the rule whose number the command printed after `# handle `.
    NftHandle {
        /// Family of the table.
        family: &'static str,
        /// Chain of the rule.
        chain: &'static str,
    },
}

/// What has to be asked before [`setup`], of each family.
pub fn setup_questions(backend: Backend, family: Family) -> Vec<Command> {
    match backend {
        Backend::Iptables => iptables::questions(family),
        Backend::Nftables => nft::questions(family),
    }
}

/// Makes the chains that all networks share, as far as the answers do not show them. The answer
/// to a question that failed is empty.
pub fn setup(backend: Backend, family: Family, answers: &[&str]) -> Vec<Command> {
    match backend {
        Backend::Iptables => iptables::setup(family, answers),
        Backend::Nftables => nft::setup(family, answers),
    }
}

/// The rules of one network, in order.
pub fn plan(network: &Network, backend: Backend) -> Result<Vec<Step>> {
    if matches!(network.forward.mode, ForwardMode::Open) || !network.forward.mode.is_virtual() {
        return Ok(Vec::new());
    }
    match backend {
        Backend::Iptables => iptables::plan(network),
        Backend::Nftables => nft::plan(network),
    }
}

/// What is said about the traffic of one address of a network.
struct Subnet<'a> {
    family: Family,
    /// `ADDRESS/PREFIX`
    net: String,
    bridge: &'a str,
    /// The only device that traffic may leave through.
    dev: Option<&'a str>,
    treatment: Treatment,
}

/// How packets of a subnet leave.
enum Treatment {
    Routed,
    Masqueraded(Masquerade),
}

/// How addresses are translated.
struct Masquerade {
    /// `START-END`: source addresses; absent: that of the device.
    addresses: Option<String>,
    /// Source ports.
    ports: (u16, u16),
    /// Destinations that stay as they are.
    spared: &'static [&'static str],
}

fn bridge(network: &Network) -> &str {
    network.bridge.name.as_deref().unwrap_or_default()
}

/// The subnets that are let out, in order; none for an isolated network.
fn subnets(network: &Network) -> Result<Vec<Subnet<'_>>> {
    let mode = network.forward.mode;
    if !matches!(mode, ForwardMode::Nat | ForwardMode::Route) {
        return Ok(Vec::new());
    }
    network.ips.iter().map(|ip| subnet(network, ip)).collect()
}

fn subnet<'a>(network: &'a Network, ip: &Ip) -> Result<Subnet<'a>> {
    let nat = &network.forward.nat;
    let masqueraded = network.forward.mode == ForwardMode::Nat
        && (ip.address.is_ipv4() || nat.ipv6.is_some_and(|v| v.is_true()));
    let treatment = if masqueraded {
        let v4 = ip.address.is_ipv4();
        let addresses = nat.addresses.filter(|_| v4).map(|(start, end)| format!("{start}-{end}"));
        let ports = nat.ports.unwrap_or(DEFAULT_PORTS);
        if ports.0 >= ports.1 {
            let words = format!("Invalid port range '{}-{}'.", ports.0, ports.1);
            return Err(Error::new(Code::InternalError, Origin::Network, words));
        }
        let spared: &[&str] = if v4 { &["255.255.255.255/32", "224.0.0.0/24"] } else { &["ff02::/16"] };
        Treatment::Masqueraded(Masquerade { addresses, ports, spared })
    } else {
        Treatment::Routed
    };
    Ok(Subnet {
        family: Family::of(&ip.address),
        net: net(ip, bridge(network))?,
        bridge: bridge(network),
        dev: network.forward.dev(),
        treatment,
    })
}

fn net(ip: &Ip, bridge: &str) -> Result<String> {
    let fault = || {
        let words = format!("Invalid prefix or netmask for '{bridge}'");
        Error::new(Code::InternalError, Origin::Network, words)
    };
    let prefix = ip.effective_prefix().ok_or_else(fault)?;
    let network: IpAddr = ip.network().ok_or_else(fault)?;
    Ok(format!("{}/{prefix}", inet::show(&network)))
}

/// Whether rules for IPv6 are due.
fn uses_ipv6(network: &Network) -> bool {
    network.has_ipv6() || network.allows_ipv6_without_gateway()
}
