//! CPUs of the x86 family.
//!
//! Owns: which model and features a definition stands for, and the answers of the family. Never:
//! runs CPUID.

mod baseline;
mod data;
mod decode;
mod features;
mod live;
mod map;

pub use data::CpuData;
pub use live::update_live;

use ostler_base::{Arch, Code, Error, Origin, Result};

use super::definition::{Cpu, Match, Mode, Policy, Side};
use super::family::{Family, Limits, unknown_host_model};
use super::{Comparison, unknown_feature, unknown_model};
use crate::emulator::CpuDefinition;
use decode::Facts;
use features::FeatureSet;
use map::{Map, Model};

/// The family.
pub(super) struct X86;

impl Family for X86 {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::I686, Arch::X86_64]
    }

    fn models(&self) -> Vec<&'static str> {
        Map::get().models.iter().map(|model| model.name).collect()
    }

    fn vendor_of_model(&self, model: &str) -> Option<&'static str> {
        Map::get().model(model)?.vendor.map(|vendor| vendor.name)
    }

    fn canonical_model(&self, model: &str) -> Option<&'static str> {
        Map::get().model(model)?.canonical
    }

    fn checks_against_host(&self, cpu: &Cpu) -> Result<bool> {
        let name = cpu.model.as_deref().unwrap_or("<null>");
        let model = Map::get()
            .model(name)
            .ok_or_else(|| Error::new(Code::InvalidArg, Origin::Cpu, format!("unknown CPU model {name}")))?;
        Ok(model.check_compat)
    }

    fn compare(&self, host: Option<&Cpu>, cpu: &Cpu) -> Result<Comparison> {
        match host.filter(|host| host.model.is_some()) {
            Some(host) => compare(host, cpu),
            None => Ok(Comparison::unknown_host()),
        }
    }

    fn baseline(&self, _arch: Arch, cpus: &[Cpu], limits: Limits<'_>) -> Result<Cpu> {
        baseline::baseline(cpus, limits)
    }

    fn update(&self, guest: &mut Cpu, host: Option<&Cpu>, relative: bool, removed: Policy) -> Result<()> {
        if relative {
            make_absolute(guest, host.ok_or_else(unknown_host_model)?)?;
        }
        name_removed(guest, model_named(guest)?, removed);
        Ok(())
    }

    fn translate(&self, cpu: &mut Cpu, models: &[CpuDefinition]) -> Result<()> {
        let model = model_named(cpu)?;
        let facts = Facts {
            features: all_features(cpu)?,
            vendor: model.vendor,
            signature: model.signatures.first().map(map::Pattern::lowest).unwrap_or_default(),
        };
        let mut translated = cpu.without_model();
        decode::decode(&mut translated, facts, Some(models), &[], false)?;
        for feature in &cpu.features {
            translated.set_feature(&feature.name, feature.policy);
        }
        cpu.copy_model_keeping_vendor(&translated);
        Ok(())
    }

    fn expand(&self, cpu: &mut Cpu) -> Result<()> {
        let model = cpu.model.as_deref().unwrap_or_default();
        let model = Map::get().model(model).ok_or_else(|| internal(format!("unknown CPU model {model}")))?;
        let own = std::mem::take(&mut cpu.features);
        for feature in model.features.iter() {
            cpu.set_feature(Map::get().name(feature), Some(Policy::Require));
        }
        let counts = |policy| matches!(policy, Some(Policy::Require | Policy::Disable));
        let side = cpu.side;
        for feature in own.iter().filter(|feature| side == Side::Host || counts(feature.policy)) {
            cpu.set_feature(&feature.name, feature.policy);
        }
        if cpu.side == Side::Guest {
            name_removed(cpu, model, Policy::Disable);
        }
        Ok(())
    }

    fn migratable(&self, cpu: &Cpu) -> Result<Cpu> {
        let mut copy = cpu.clone();
        copy.features.retain(|feature| is_migratable(&feature.name));
        Ok(copy)
    }

    fn has_feature(&self, _arch: Arch, cpu: &Cpu, feature: &str) -> Result<bool> {
        has(all_features(cpu)?, feature)
    }

    fn validate_features(&self, cpu: &Cpu) -> Result<()> {
        match cpu.features.iter().find(|feature| Map::get().feature(&feature.name).is_none()) {
            Some(feature) => Err(unknown_feature(&feature.name)),
            None => Ok(()),
        }
    }

    fn feature_from_qemu<'n>(&self, name: &'n str) -> &'n str {
        Map::get().our_name(name).unwrap_or(name)
    }

    fn feature_to_qemu<'n>(&self, name: &'n str) -> &'n str {
        Map::get().qemu_name(name).unwrap_or(name)
    }
}

/// Fills a definition in with the model and the features that stand for data: of a guest's CPU the
/// nearest model, with features more and features less; of a host's, features more only.
///
/// With `models` only these come into question, and what keeps one from running is taken out.
pub fn decode(cpu: &mut Cpu, data: &CpuData, models: Option<&[CpuDefinition]>) -> Result<()> {
    decode::decode(cpu, Facts::of(data), models, &[], false)
}

/// Features that came to a model of that name after its release: what was written before does not
/// know them.
pub fn added_features(model: &str) -> Vec<&'static str> {
    Map::get().model(model).map(|model| Map::get().names_of(model.added)).unwrap_or_default()
}

/// The name under which definitions know a feature that QEMU or Linux may call otherwise.
pub fn canonical_feature(name: &str) -> Option<&'static str> {
    Map::get().feature_also_named(name).map(|feature| Map::get().name(feature))
}

/// Whether a feature is a bit of a model specific register, not of CPUID.
pub fn is_msr_feature(name: &str) -> bool {
    let map = Map::get();
    map.feature(name).is_some_and(|feature| matches!(map.features[feature].place, data::Place::Msr(_)))
}

/// Whether a guest that has the feature can migrate.
fn is_migratable(name: &str) -> bool {
    let map = Map::get();
    !map.feature(name).is_some_and(|feature| map.unmigratable.contains(feature))
}

fn has(features: FeatureSet, name: &str) -> Result<bool> {
    match Map::get().feature(name) {
        Some(feature) => Ok(features.contains(feature)),
        None => CpuData::default().has_feature(name),
    }
}

fn internal(words: String) -> Error {
    Error::new(Code::InternalError, Origin::Cpu, words)
}

fn model_named(cpu: &Cpu) -> Result<&'static Model> {
    let name = cpu.model.as_deref().unwrap_or("<null>");
    Map::get().model(name).ok_or_else(|| unknown_model(name))
}

/// What a definition asks of features by name.
#[derive(Default)]
struct Asked {
    force: FeatureSet,
    require: FeatureSet,
    optional: FeatureSet,
    disable: FeatureSet,
    forbid: FeatureSet,
}

impl Asked {
    /// Only the named features; a host's are all required.
    fn of(cpu: &Cpu) -> Result<Self> {
        let mut asked = Asked::default();
        for feature in &cpu.features {
            let at = Map::get()
                .feature(&feature.name)
                .ok_or_else(|| internal(format!("Unknown CPU feature {}", feature.name)))?;
            let set = match feature.policy {
                None | Some(Policy::Require) => &mut asked.require,
                Some(Policy::Force) => &mut asked.force,
                Some(Policy::Optional) => &mut asked.optional,
                Some(Policy::Disable) => &mut asked.disable,
                Some(Policy::Forbid) => &mut asked.forbid,
            };
            set.insert(at);
        }
        Ok(asked)
    }

    /// Every feature that is named.
    fn all(&self) -> FeatureSet {
        self.force | self.require | self.optional | self.disable | self.forbid
    }
}

/// The features of the model of a definition; none where it names none.
fn model_features(cpu: &Cpu) -> Result<FeatureSet> {
    match cpu.model {
        Some(_) => Ok(model_named(cpu)?.features),
        None => Ok(FeatureSet::default()),
    }
}

/// All features that a CPU of a definition has, without the optional ones.
fn all_features(cpu: &Cpu) -> Result<FeatureSet> {
    let model = model_features(cpu)?;
    let asked = Asked::of(cpu)?;
    Ok((model | asked.require | asked.force) - asked.disable - asked.forbid)
}

fn compare(host: &Cpu, cpu: &Cpu) -> Result<Comparison> {
    if let Some(reason) =
        Comparison::other_arch(cpu, X86.archs()).or_else(|| Comparison::other_vendor(host, cpu))
    {
        return Ok(reason);
    }
    let host_features = all_features(host)?;
    let asked = Asked::of(cpu)?;
    let incompatible =
        |why: &str, set| Ok(Comparison::Incompatible(format!("{why}: {}", Map::get().names(set))));
    let forbidden = asked.forbid & host_features;
    if !forbidden.is_empty() {
        return incompatible("Host CPU provides forbidden features", forbidden);
    }
    let free = asked.force | asked.optional | asked.disable;
    let required = (model_features(cpu)? | asked.require) - free;
    if !required.is_subset(&host_features) {
        return incompatible("Host CPU does not provide required features", required - host_features);
    }
    let extra = host_features - required - free;
    if extra.is_empty() {
        return Ok(Comparison::Identical);
    }
    if cpu.side == Side::Guest && cpu.matching == Match::Strict {
        return incompatible("Host CPU does not strictly match guest CPU: Extra features", extra);
    }
    Ok(Comparison::Superset)
}

/// Settles what a guest leaves to the host: optional features, match `minimum`, `host-model`.
fn make_absolute(guest: &mut Cpu, host: &Cpu) -> Result<()> {
    let host_features = all_features(host)?;
    for feature in guest.features.iter_mut().filter(|f| f.policy == Some(Policy::Optional)) {
        let there = has(host_features, &feature.name)?;
        feature.policy = Some(if there { Policy::Require } else { Policy::Disable });
    }
    if guest.mode != Some(Mode::HostModel) && guest.matching != Match::Minimum {
        return Ok(());
    }
    let mut updated = Cpu { side: Side::Guest, mode: Some(Mode::Custom), ..host.without_model() };
    updated.copy_model(host);
    if guest.vendor_id.is_some() {
        updated.vendor_id.clone_from(&guest.vendor_id);
    }
    for feature in &guest.features {
        updated.set_feature(&feature.name, feature.policy);
    }
    if guest.mode == Some(Mode::Custom) {
        guest.copy_model_keeping_vendor(&updated);
    } else {
        guest.copy_model(&updated);
    }
    guest.mode = Some(Mode::Custom);
    guest.matching = Match::Exact;
    Ok(())
}

/// Names the features that left a model: one emulator has them in it, another has not.
fn name_removed(cpu: &mut Cpu, model: &Model, policy: Policy) {
    for feature in &model.removed {
        cpu.add_feature_if_missing(Map::get().name(*feature), policy);
    }
}
