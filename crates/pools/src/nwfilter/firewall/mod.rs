//! What ebtables and iptables are told about the filter of an interface.
//!
//! Owns: the order of everything: chains are filled under temporary names, linked, and take the
//! places of those that were there. Never: runs a command.
//!
//! ```text
//! apply:    libvirt-J-IF, FJ-IF …  made, filled, linked beside the old ones
//! switch:   libvirt-I-IF, FI-IF …  removed; the new ones get their names
//! rollback: the new ones removed
//! remove:   libvirt-I-IF, FI-IF …  removed
//! ```

mod ebtables;
mod iptables;
pub mod learning;
#[cfg(test)]
mod tests;
mod words;

use ostler_base::Result;

use super::attributes::Layer;
use super::instance::Instance;
use crate::Command;

pub use ebtables::{subchains_to_remove, subchains_to_rename};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A command that must succeed.
    Run(Command),
    /// A command that may fail: what it takes away may not be there.
    Try(Command),
    /// A command that lists a chain; what [`subchains_to_remove`] makes of the answer is run once the
    /// chain is gone.
    List(Command),
    /// A command that lists a chain; what [`subchains_to_rename`] makes of the answer is run next.
    ListToRename(Command),
}

impl Step {
    /// Its command.
    pub fn command(&self) -> &Command {
        match self {
            Step::Run(command) | Step::Try(command) | Step::List(command) | Step::ListToRename(command) => {
                command
            }
        }
    }
}

/// Which of the two sets of chains an interface can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// The one that is being made.
    New,
    /// The one in force.
    Current,
}

/// Makes and fills the chains of a filter beside those in force.
pub fn apply(instances: &[Instance<'_>], interface: &str) -> Result<Vec<Step>> {
    let mut sorted: Vec<&Instance<'_>> = instances.iter().collect();
    // Rules of the first chain before all others, then by priority.
    sorted.sort_by_key(|instance| (instance.chain != super::ROOT, instance.rule.priority));
    let mut steps = ebtables::remove(interface, Set::New);
    let ethernet: Vec<_> = of_layer(&sorted, Layer::Ethernet);
    steps.extend(ebtables::fill(&ethernet, interface)?);
    for layer in [Layer::Ipv4, Layer::Ipv6] {
        let rules = of_layer(&sorted, layer);
        if !rules.is_empty() {
            steps.extend(iptables::remove(layer, interface, Set::New));
            steps.extend(iptables::fill(layer, &rules, interface)?);
        }
    }
    steps.extend(ebtables::link(&ethernet, interface));
    Ok(steps)
}

/// Puts the chains that [`apply`] made into the places of those in force.
pub fn switch(interface: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for layer in [Layer::Ipv4, Layer::Ipv6] {
        steps.extend(iptables::remove(layer, interface, Set::Current));
        steps.extend(iptables::rename(layer, interface));
    }
    steps.extend(ebtables::remove(interface, Set::Current));
    steps.extend(ebtables::rename(interface));
    steps
}

/// Removes the chains that [`apply`] made.
pub fn rollback(interface: &str) -> Vec<Step> {
    removal(interface, Set::New)
}

/// Removes the chains in force.
pub fn remove(interface: &str) -> Vec<Step> {
    removal(interface, Set::Current)
}

fn removal(interface: &str, set: Set) -> Vec<Step> {
    let mut steps = Vec::new();
    for layer in [Layer::Ipv4, Layer::Ipv6] {
        steps.extend(iptables::remove_all(layer, interface, set));
    }
    steps.extend(ebtables::remove(interface, set));
    steps
}

fn of_layer<'i, 'a>(sorted: &[&'i Instance<'a>], layer: Layer) -> Vec<&'i Instance<'a>> {
    sorted.iter().copied().filter(|instance| instance.rule.layer() == layer).collect()
}
