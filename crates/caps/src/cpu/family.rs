//! What differs between architectures.
//!
//! Owns: the trait, its defaults, the table of families. Never: knows one of them better than the
//! others.

use ostler_base::{Arch, Code, Error, Origin, Result};

use super::definition::{Cpu, Match, Mode, Policy};
use super::{Comparison, arm, loongarch, ppc64, riscv, s390, x86};
use crate::emulator::CpuDefinition;

/// An architecture's view of CPUs.
pub(super) trait Family: Sync {
    /// The architectures of this family.
    fn archs(&self) -> &'static [Arch];

    /// The known models, older first; empty where any name may be one.
    fn models(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The vendor whose CPU a model imitates.
    fn vendor_of_model(&self, _model: &str) -> Option<&'static str> {
        None
    }

    /// The versioned name of a model.
    fn canonical_model(&self, _model: &str) -> Option<&'static str> {
        None
    }

    /// Whether a partial check compares the CPU with the host's; otherwise it looks at what keeps
    /// the emulator from making the model.
    fn checks_against_host(&self, _cpu: &Cpu) -> Result<bool> {
        Ok(true)
    }

    /// Compares a CPU with the host's.
    fn compare(&self, host: Option<&Cpu>, cpu: &Cpu) -> Result<Comparison>;

    /// The CPU that has what all of these have. There is at least one, each has a model.
    fn baseline(&self, arch: Arch, _cpus: &[Cpu], _limits: Limits<'_>) -> Result<Cpu> {
        Err(no_support(format!("cannot compute baseline CPU of {arch} architecture")))
    }

    /// Makes a guest's CPU independent of the host's, if it is `relative` to that; `removed` is the
    /// policy of unnamed features that left the model.
    fn update(&self, guest: &mut Cpu, host: Option<&Cpu>, relative: bool, removed: Policy) -> Result<()>;

    /// Replaces a guest's model by one that the emulator has.
    fn translate(&self, cpu: &mut Cpu, _models: &[CpuDefinition]) -> Result<()> {
        let model = cpu.model.as_deref().unwrap_or("<null>");
        Err(no_support(format!("cannot translate CPU model {model} to a supported model")))
    }

    /// Adds the features that a model stands for.
    fn expand(&self, _cpu: &mut Cpu) -> Result<()> {
        Ok(())
    }

    /// The same CPU without what bars migration.
    fn migratable(&self, cpu: &Cpu) -> Result<Cpu> {
        Ok(cpu.clone())
    }

    /// Whether a CPU has a feature.
    fn has_feature(&self, arch: Arch, _cpu: &Cpu, _feature: &str) -> Result<bool> {
        Err(no_support(format!("cannot check guest CPU feature for {arch} architecture")))
    }

    /// Refuses features that the architecture does not know.
    fn validate_features(&self, _cpu: &Cpu) -> Result<()> {
        Ok(())
    }

    /// Gives models that had other names long ago today's.
    fn convert_legacy(&self, _cpu: &mut Cpu) {}

    /// The map's name of a feature that QEMU calls so.
    fn feature_from_qemu<'n>(&self, name: &'n str) -> &'n str {
        name
    }

    /// QEMU's name of a feature of the map.
    fn feature_to_qemu<'n>(&self, name: &'n str) -> &'n str {
        name
    }
}

/// What a baseline may be made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits<'a> {
    /// Only these models; without, all that are known.
    pub models: Option<&'a [CpuDefinition]>,
    /// Only these features; without, all that are known.
    pub features: Option<&'a [String]>,
    /// Nothing that bars migration.
    pub migratable: bool,
}

const FAMILIES: [&dyn Family; 6] =
    [&x86::X86, &ppc64::Ppc64, &s390::S390, &arm::Arm, &riscv::Riscv, &loongarch::Loongarch];

/// The family of an architecture, if there is one.
pub(super) fn find(arch: Arch) -> Option<&'static dyn Family> {
    FAMILIES.into_iter().find(|family| family.archs().contains(&arch))
}

/// The family of an architecture.
pub(super) fn of(arch: Arch) -> Result<&'static dyn Family> {
    find(arch).ok_or_else(|| no_support(format!("'{arch}' architecture is not supported by CPU driver")))
}

fn no_support(words: String) -> Error {
    Error::new(Code::NoSupport, Origin::Cpu, words)
}

/// What every family but x86 does with `host-model`: the model and features of the host, under
/// the guest's own settings.
pub(super) fn take_host_model(guest: &mut Cpu, host: Option<&Cpu>) -> Result<()> {
    let host = host.ok_or_else(unknown_host_model)?;
    guest.copy_model(host);
    guest.mode = Some(Mode::Custom);
    guest.matching = Match::Exact;
    Ok(())
}

/// The error where the host's CPU is needed and not known.
pub(super) fn unknown_host_model() -> Error {
    Error::new(Code::ConfigUnsupported, Origin::Cpu, "unknown host CPU model")
}
