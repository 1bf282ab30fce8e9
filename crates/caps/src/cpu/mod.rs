//! CPU models: what a `<cpu>` means, and arithmetic with it.
//!
//! Owns: CPU definitions, the models, features and vendors of each architecture (facts of
//! `data/` and of each family's tables, compiled in), and what follows from them: which model
//! stands for a CPU, whether one CPU can do what another can, what several have in common. Never:
//! asks a host or an emulator; both come as data.
//!
//! ```text
//! XML  --Cpu::parse--> Cpu --Cpu::format--> XML
//! CPUID, MSRs, QMP --> CpuData --decode--> Cpu
//! host CPU + emulator --> HostModel --update_guest--> what -cpu is made of
//! ```
//!
//! Who needs what:
//!
//! - a domain: [`Cpu`] is its `<cpu>`; [`guest::validate`] when it is defined,
//!   [`guest::update_guest`] and [`guest::option`] when it starts, [`x86::update_live`] once it runs;
//! - capabilities: [`HostModel`] for `host-model`, [`models`], [`vendor_of_model`] and
//!   [`canonical_model`] for the list of models;
//! - calls of a client: [`compare`], [`compare_unusable`], [`baseline`], [`expand`], [`models`].
//!
//! Model and feature names are those of the map; [`feature_from_qemu`] and [`feature_to_qemu`]
//! translate between them and QEMU's.

mod arm;
mod definition;
mod family;
pub mod guest;
mod host_model;
mod loongarch;
mod ppc64;
pub mod properties;
mod riscv;
mod s390;
pub mod x86;
mod xml;

pub use arm::host_cpu as arm_host_cpu;
pub use definition::{
    AddressMode, Cache, CacheMode, Check, Cpu, Fallback, Feature, Match, MaxPhysAddr, Mode, Policy, Side,
    Signature, Topology, Tsc,
};
pub use family::Limits;
pub use host_model::{HostModel, Sources as HostModelSources};
pub use ppc64::host_cpu as ppc64_host_cpu;
pub use x86::CpuData;

use ostler_base::{Arch, Code, Error, Origin, Result};

use crate::emulator::CpuDefinition;

/// How a CPU stands to a host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The host cannot give it; why not, where there are words for it.
    Incompatible(String),
    /// It is what the host has.
    Identical,
    /// The host has more.
    Superset,
}

impl Comparison {
    /// The same, but a CPU that the host cannot give is an error.
    pub fn required(self) -> Result<Self> {
        match self {
            Comparison::Incompatible(why) => Err(Error::new(Code::CpuIncompatible, Origin::Cpu, why)),
            compatible => Ok(compatible),
        }
    }

    fn unknown_host() -> Self {
        Comparison::Incompatible("unknown host CPU".to_owned())
    }

    /// The reason where a CPU names an architecture that is none of these.
    fn other_arch(cpu: &Cpu, archs: &[Arch]) -> Option<Self> {
        let arch = cpu.arch.filter(|arch| !archs.contains(arch))?;
        Some(Comparison::Incompatible(format!("CPU arch {arch} does not match host arch")))
    }

    /// The reason where a CPU names another vendor than the host's.
    fn other_vendor(host: &Cpu, cpu: &Cpu) -> Option<Self> {
        let vendor = cpu.vendor.as_ref().filter(|vendor| host.vendor.as_ref() != Some(*vendor))?;
        Some(Comparison::Incompatible(format!("host CPU vendor does not match required CPU vendor {vendor}")))
    }
}

/// Refuses an architecture of whose CPUs nothing is known.
pub fn check_arch(arch: Arch) -> Result<()> {
    family::of(arch).map(|_| ())
}

/// The models of an architecture, older first; empty where any name that the emulator knows may
/// be one, and where nothing is known of the architecture.
pub fn models(arch: Arch) -> Vec<&'static str> {
    family::find(arch).map(|family| family.models()).unwrap_or_default()
}

/// The vendor whose CPU a model imitates.
pub fn vendor_of_model(arch: Arch, model: &str) -> Option<&'static str> {
    family::find(arch)?.vendor_of_model(model)
}

/// The versioned name of a model, which means the same with every emulator.
pub fn canonical_model(arch: Arch, model: &str) -> Option<&'static str> {
    family::find(arch)?.canonical_model(model)
}

/// The map's name of a feature that QEMU calls so.
pub fn feature_from_qemu(arch: Arch, name: &str) -> &str {
    family::find(arch).map_or(name, |family| family.feature_from_qemu(name))
}

/// QEMU's name of a feature of the map.
pub fn feature_to_qemu(arch: Arch, name: &str) -> &str {
    family::find(arch).map_or(name, |family| family.feature_to_qemu(name))
}

/// Compares a guest's or another host's CPU with the host's.
pub fn compare(arch: Arch, host: Option<&Cpu>, cpu: &Cpu) -> Result<Comparison> {
    family::of(arch)?.compare(host, cpu)
}

/// Whether a partial check of a guest's CPU is [`compare`]; otherwise it is [`compare_unusable`]
/// with what the emulator says of the model.
pub fn checks_against_host(arch: Arch, cpu: &Cpu) -> Result<bool> {
    family::of(arch)?.checks_against_host(cpu)
}

/// Compares a CPU with what an emulator says of its model: `blockers` are the features of the
/// model that cannot be had here. They are no hindrance where the definition disables them, but
/// the host's model must have what the definition requires by name.
pub fn compare_unusable(arch: Arch, host: &Cpu, cpu: &Cpu, blockers: &[String]) -> Result<Comparison> {
    let mut host = host.clone();
    family::of(arch)?.expand(&mut host)?;
    let policy = |cpu: &Cpu, name: &str| cpu.feature(name).and_then(|feature| feature.policy);
    let blocking = blockers.iter().filter(|name| policy(cpu, name) != Some(Policy::Disable));
    let required = cpu.features.iter().filter(|feature| feature.policy == Some(Policy::Require));
    let lacking = required.map(|f| &f.name).filter(|name| policy(&host, name) != Some(Policy::Require));
    let missing: Vec<&str> = blocking.chain(lacking).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(Comparison::Superset);
    }
    Ok(Comparison::Incompatible(format!(
        "Host CPU does not provide required features: {}",
        missing.join(", ")
    )))
}

/// The CPU that has what all of these have.
pub fn baseline(arch: Arch, cpus: &[Cpu], limits: Limits<'_>) -> Result<Cpu> {
    let invalid = |words: String| Error::new(Code::InvalidArg, Origin::Cpu, words);
    if cpus.is_empty() {
        return Err(invalid("no CPUs given".to_owned()));
    }
    if let Some(at) = cpus.iter().position(|cpu| cpu.model.is_none()) {
        return Err(invalid(format!("no CPU model specified at index {at}")));
    }
    family::of(arch)?.baseline(arch, cpus, limits)
}

/// Makes a guest's CPU independent of the host's: `host-model` becomes the host's model, match
/// `minimum` the host's features, optional features required or disabled ones. `removed` is the
/// policy of features that left the model after its release where the definition does not name
/// them.
pub fn update(arch: Arch, guest: &mut Cpu, host: Option<&Cpu>, removed: Policy) -> Result<()> {
    let family = family::of(arch)?;
    let optional = || guest.features.iter().any(|feature| feature.policy == Some(Policy::Optional));
    let relative = match guest.mode {
        _ if guest.is_passthrough() => return Ok(()),
        Some(Mode::HostModel) => true,
        _ => guest.matching == Match::Minimum || optional(),
    };
    family.update(guest, host, relative, removed)
}

/// Replaces a guest's model by the nearest that the emulator has, if the definition allows it and
/// the emulator does not have it.
pub fn translate(arch: Arch, cpu: &mut Cpu, models: Option<&[CpuDefinition]>) -> Result<()> {
    let family = family::of(arch)?;
    let name = cpu.model.as_deref().unwrap_or_default();
    let Some(models) = models.filter(|models| models.iter().all(|model| model.name != name)) else {
        return Ok(());
    };
    if cpu.mode != Some(Mode::Custom) {
        return Ok(());
    }
    if cpu.fallback != Fallback::Allow {
        return Err(Error::new(
            Code::ConfigUnsupported,
            Origin::Cpu,
            format!("CPU model {name} is not supported by hypervisor"),
        ));
    }
    family.translate(cpu, models)
}

/// Names all features that the model stands for, and sorts them by name.
pub fn expand(arch: Arch, cpu: &mut Cpu) -> Result<()> {
    family::of(arch)?.expand(cpu)?;
    cpu.features.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

/// The same CPU without features that bar migration.
pub fn migratable(arch: Arch, cpu: &Cpu) -> Result<Cpu> {
    family::of(arch)?.migratable(cpu)
}

/// Whether a CPU has a feature; a feature that is not known is an error.
pub fn has_feature(arch: Arch, cpu: &Cpu, feature: &str) -> Result<bool> {
    family::of(arch)?.has_feature(arch, cpu, feature)
}

/// Refuses features that the architecture does not know.
pub fn validate_features(arch: Arch, cpu: &Cpu) -> Result<()> {
    family::of(arch)?.validate_features(cpu)
}

/// Gives a model that had another name long ago today's.
pub fn convert_legacy(arch: Arch, cpu: &mut Cpu) -> Result<()> {
    family::of(arch)?.convert_legacy(cpu);
    Ok(())
}

/// Refuses a guest that forbids a feature which the host's CPU names.
pub fn check_forbidden(guest: &Cpu, host: &Cpu) -> Result<()> {
    let provided = |name: &str| host.feature(name).is_some_and(|f| f.policy != Some(Policy::Disable));
    let forbidden = guest.features.iter().filter(|f| f.policy == Some(Policy::Forbid));
    match forbidden.into_iter().find(|feature| provided(&feature.name)) {
        Some(feature) => Err(Error::new(
            Code::CpuIncompatible,
            Origin::Cpu,
            format!("Host CPU provides forbidden feature '{}'", feature.name),
        )),
        None => Ok(()),
    }
}

fn unknown_model(name: &str) -> Error {
    Error::new(Code::InternalError, Origin::Cpu, format!("Unknown CPU model {name}"))
}

fn unknown_feature(name: &str) -> Error {
    Error::new(Code::ConfigUnsupported, Origin::Cpu, format!("unknown CPU feature: {name}"))
}
