//! The model that stands best for what a CPU has.
//!
//! Owns: the choice between models. Never: changes what it chooses for.

use ostler_base::{Code, Error, Origin, Result};

use super::data::CpuData;
use super::features::FeatureSet;
use super::map::{Map, Model, Vendor};
use super::{internal, name_removed};
use crate::cpu::definition::{Cpu, Fallback, Policy, Side, Signature};
use crate::emulator::CpuDefinition;

/// What the disabled features of a candidate weigh: the first this much, each further one more
/// than the one before.
const FIRST_PENALTY: usize = 2;

/// What is known of a CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) features: FeatureSet,
    pub(super) vendor: Option<Vendor>,
    /// All 0 where it is not known.
    pub(super) signature: Signature,
}

impl Facts {
    /// What data say.
    pub(super) fn of(data: &CpuData) -> Self {
        Facts { features: data.features(), vendor: data.vendor(), signature: data.signature() }
    }

    /// Without transactional memory where it is known to be broken.
    fn without_broken_tsx(mut self) -> Self {
        let Signature { family, model, stepping } = self.signature;
        let broken = family == 6 && (matches!(model, 60 | 69 | 70) || (model == 63 && stepping < 4));
        if broken && self.vendor.is_some_and(|vendor| vendor.name == "Intel") {
            for feature in ["hle", "rtm"].into_iter().filter_map(|name| Map::get().feature(name)) {
                self.features.remove(feature);
            }
        }
        self
    }
}

/// A model with what it has too little and too much.
#[derive(Clone, Copy)]
struct Candidate<'m> {
    model: &'m Model,
    more: FeatureSet,
    less: FeatureSet,
    /// How many features that left the model have to be named as disabled besides.
    removed: usize,
}

impl<'m> Candidate<'m> {
    fn new(facts: &Facts, model: &'m Model, emulator: Option<&CpuDefinition>, side: Side) -> Self {
        let more = facts.features - model.features;
        let blockers = emulator.map_or(&[][..], |emulator| &emulator.blockers);
        let blocked: FeatureSet =
            blockers.iter().filter_map(|name| Map::get().feature_in_qemu(name)).collect();
        let less = (model.features - facts.features) | (blocked - more);
        let removed = match side {
            Side::Guest => model.removed.iter().filter(|f| !(more | less).contains(**f)).count(),
            Side::Host => 0,
        };
        Candidate { model, more, less, removed }
    }

    /// Whether it may stand in the definition of a CPU of that side.
    fn is_allowed(&self, side: Side) -> bool {
        match side {
            Side::Guest => self.model.decode_guest,
            Side::Host => self.model.decode_host && self.less.is_empty(),
        }
    }

    /// How far it is from the CPU, and how much of that is disabled features. The reference gives
    /// a penalty to only half of these, rounded up, and takes the rest for enabled; what it chooses
    /// follows from that.
    fn distance(&self) -> (usize, usize) {
        let off = self.less.len() + self.removed;
        let weighed = off.div_ceil(2);
        let disabled = (FIRST_PENALTY..FIRST_PENALTY + weighed).sum();
        (self.more.len() + off - weighed + disabled, disabled)
    }

    /// Whether it stands better for the CPU than another that is allowed too.
    fn is_better(&self, current: &Self, signature: Signature, preferred: &[&str]) -> bool {
        if signature != Signature::default() {
            let fits = [current, self].map(|candidate| candidate.model.has_signature(signature));
            match fits {
                [true, false] => return false,
                [false, true] => return true,
                _ => {}
            }
        }
        let ((current, current_disabled), (own, disabled)) = (current.distance(), self.distance());
        own < current
            || (own == current && disabled < current_disabled)
            || (preferred.contains(&self.model.name) && disabled < current_disabled)
    }
}

/// Fills in model, vendor, signature and features of a definition. With one preferred model it is
/// taken if it can be, with several they win over others that disable more.
pub(super) fn decode(
    cpu: &mut Cpu,
    facts: Facts,
    models: Option<&[CpuDefinition]>,
    preferred: &[&str],
    migratable: bool,
) -> Result<()> {
    let facts = facts.without_broken_tsx();
    let mut best: Option<Candidate<'_>> = None;
    for model in Map::get().models.iter().rev() {
        let emulator = models.and_then(|models| models.iter().find(|known| known.name == model.name));
        let is_the_preferred = preferred == [model.name];
        if models.is_some() && emulator.is_none() {
            if is_the_preferred && cpu.fallback != Fallback::Allow {
                return Err(unsupported_model(model.name));
            }
            continue;
        }
        if facts.vendor.is_some() && model.vendor.is_some() && facts.vendor != model.vendor {
            continue;
        }
        let candidate = Candidate::new(&facts, model, emulator, cpu.side);
        if !candidate.is_allowed(cpu.side) {
            continue;
        }
        if is_the_preferred {
            best = Some(candidate);
            break;
        }
        if best.as_ref().is_none_or(|best| candidate.is_better(best, facts.signature, preferred)) {
            best = Some(candidate);
        }
    }
    let best = best.ok_or_else(|| internal("Cannot find suitable CPU model for given data".to_owned()))?;
    fill_in(cpu, &facts, &best, migratable);
    Ok(())
}

fn fill_in(cpu: &mut Cpu, facts: &Facts, best: &Candidate<'_>, migratable: bool) {
    let map = Map::get();
    let barred = if migratable { map.unmigratable } else { FeatureSet::default() };
    cpu.model = Some(best.model.name.to_owned());
    cpu.vendor = facts.vendor.map(|vendor| vendor.name.to_owned());
    cpu.signature = Some(facts.signature).filter(|s| cpu.side == Side::Host && s.family != 0);
    cpu.features.clear();
    for (set, policy) in [(best.more, Policy::Require), (best.less, Policy::Disable)] {
        for feature in (set - barred).iter() {
            cpu.set_feature(map.name(feature), Some(policy));
        }
    }
    if cpu.side == Side::Guest {
        name_removed(cpu, best.model, Policy::Disable);
    }
}

fn unsupported_model(name: &str) -> Error {
    Error::new(
        Code::ConfigUnsupported,
        Origin::Cpu,
        format!("CPU model {name} is not supported by hypervisor"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Usable;

    fn facts(model: &str, more: &[&str], less: &[&str]) -> Facts {
        let model = Map::get().model(model).unwrap();
        let mut features = model.features;
        more.iter().for_each(|name| features.insert(Map::get().feature(name).unwrap()));
        less.iter().for_each(|name| features.remove(Map::get().feature(name).unwrap()));
        let signature = model.signatures.first().map(|p| p.lowest()).unwrap_or_default();
        Facts { features, vendor: model.vendor, signature }
    }

    fn definition(name: &str, blockers: &[&str]) -> CpuDefinition {
        CpuDefinition {
            name: name.to_owned(),
            type_name: None,
            usable: Usable::Unknown,
            blockers: blockers.iter().map(|b| (*b).to_owned()).collect(),
            deprecated: false,
        }
    }

    #[track_caller]
    fn check(mut cpu: Cpu, facts: Facts, models: Option<&[CpuDefinition]>, expected: &str) {
        decode(&mut cpu, facts, models, &[], false).unwrap();
        let mark = |f: &crate::cpu::Feature| if f.policy == Some(Policy::Disable) { '-' } else { '+' };
        let features = cpu.features.iter().map(|f| format!(" {}{}", mark(f), f.name));
        assert_eq!(format!("{}{}", cpu.model.as_deref().unwrap(), features.collect::<String>()), expected);
    }

    #[test]
    fn guests_get_names_that_follow_the_emulator_and_hosts_fixed_ones() {
        let skylake = facts("Skylake-Server", &["vmx"], &[]);
        check(Cpu::guest(), skylake, None, "Skylake-Server +vmx -mpx");
        check(Cpu::host(ostler_base::Arch::X86_64), skylake, None, "Skylake-Server-v1 +vmx");
    }

    #[test]
    fn hosts_have_nothing_less() {
        let westmere = facts("Westmere", &[], &["aes"]);
        check(Cpu::guest(), westmere, None, "Westmere -aes");
        check(Cpu::host(ostler_base::Arch::X86_64), westmere, None, "Nehalem-v1");
    }

    #[test]
    fn only_models_of_the_emulator_without_what_blocks_them() {
        let models = [definition("Penryn", &["lahf-lm"]), definition("qemu64", &[])];
        check(Cpu::guest(), facts("Penryn", &[], &["lahf_lm"]), Some(&models), "Penryn -lahf_lm");
        let nothing = decode(&mut Cpu::guest(), facts("Penryn", &[], &[]), Some(&[]), &[], false);
        assert_eq!(
            nothing.unwrap_err().to_string(),
            "internal error: Cannot find suitable CPU model for given data"
        );
    }

    #[test]
    fn broken_transactional_memory_is_taken_out() {
        check(Cpu::guest(), facts("Haswell", &[], &[]), None, "Haswell-noTSX");
    }
}
