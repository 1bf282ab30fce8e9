//! Packet filters of guests' interfaces.
//!
//! Owns: filters and their rules (`rule`, `attributes`, `value`), variables (`vars`), the binding
//! of a filter to an interface (`binding`), how a tree of filters becomes a list of rules
//! (`instance`), and what ebtables and iptables are told (`firewall`). Never: runs a program.

pub mod attributes;
pub mod binding;
pub mod firewall;
pub mod instance;
mod rule;
pub mod value;
pub mod vars;
mod xml;

use ostler_base::{Uuid, words};

pub use rule::{Item, Rule};
use vars::Variables;

words! {
    /// `<rule action='…'>`
    pub Action { Drop = "drop", Accept = "accept", Reject = "reject", Return = "return", Continue = "continue" }

    /// `<rule direction='…'>`, seen from the guest.
    pub Direction { In = "in", Out = "out", Inout = "inout" }
}

/// Name of the chain that every packet passes first.
pub const ROOT: &str = "root";
/// Lowest and highest priority.
pub const PRIORITIES: (i32, i32) = (-1000, 1000);
/// Priority of a rule that says none.
pub const RULE_PRIORITY: i32 = 500;

/// `<filter>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// Its identifier.
    pub uuid: Uuid,
    /// The chain its rules are in: [`ROOT`], or a name that begins with a protocol's.
    pub chain: String,
    /// When its chain is gone through, before or after others: -1000 to 1000.
    pub priority: i32,
    /// Rules and other filters, in document order.
    pub entries: Vec<Entry>,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// `<rule>`
    Rule(Rule),
    /// `<filterref>`
    Include(FilterRef),
}

/// `<filterref>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRef {
    /// Name of the filter.
    pub filter: String,
    /// Values for its variables.
    pub parameters: Variables,
}

impl Filter {
    /// The filters that it names.
    pub fn includes(&self) -> impl Iterator<Item = &FilterRef> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Include(reference) => Some(reference),
            Entry::Rule(_) => None,
        })
    }
}

/// The protocols that the names of chains begin with, with their priorities: the chains of
/// protocols that come first in a packet are gone through first.
pub(crate) const CHAIN_PREFIXES: &[(&str, i32)] = &[
    ("mac", -800),
    ("vlan", -750),
    ("stp", 0),
    ("arp", -500),
    ("rarp", -400),
    ("ipv4", -700),
    ("ipv6", -600),
];
