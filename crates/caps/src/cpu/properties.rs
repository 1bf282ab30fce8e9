//! What a model's properties are as a CPU.
//!
//! Owns: how the answer of `query-cpu-model-expansion` becomes data and a definition. Never: asks.

use ostler_base::{Arch, Result};

use super::definition::{Cpu, Policy, Signature};
use super::feature_from_qemu;
use super::x86::{self, CpuData};
use crate::emulator::{CpuDefinition, CpuModelInfo, CpuProperty, CpuValue};

/// The data of an x86 CPU that has these properties; with `migratable` without those that bar
/// migration.
pub fn x86_data(model: &CpuModelInfo, migratable: bool) -> Result<CpuData> {
    let mut data = CpuData::default();
    let mut signature = Signature::default();
    for property in &model.properties {
        match &property.value {
            CpuValue::Boolean(true) if !(migratable && bars_migration(property)) => {
                data.add_feature(feature_from_qemu(Arch::X86_64, &property.name));
            }
            CpuValue::String(id) if property.name == "vendor" => data.set_vendor(id)?,
            CpuValue::Number(number) => {
                let part = match property.name.as_str() {
                    "family" => &mut signature.family,
                    "model" => &mut signature.model,
                    "stepping" => &mut signature.stepping,
                    _ => continue,
                };
                *part = u32::try_from(*number).unwrap_or_default();
            }
            _ => {}
        }
    }
    data.set_signature(signature);
    Ok(data)
}

/// Fills in model and features of a definition: the nearest of the emulator's models on x86, what
/// the emulator says itself on s390. Whether there is such a thing on the architecture.
pub fn fill_in(
    arch: Arch,
    cpu: &mut Cpu,
    model: &CpuModelInfo,
    models: Option<&[CpuDefinition]>,
    migratable: bool,
) -> Result<bool> {
    if arch.is_x86() {
        x86::decode(cpu, &x86_data(model, migratable)?, models)?;
    } else if arch.is_s390() {
        fill_in_as_is(arch, cpu, model, migratable);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn fill_in_as_is(arch: Arch, cpu: &mut Cpu, model: &CpuModelInfo, migratable: bool) {
    cpu.model = Some(model.name.clone());
    cpu.features.clear();
    for property in &model.properties {
        let CpuValue::Boolean(on) = property.value else { continue };
        if migratable && bars_migration(property) {
            continue;
        }
        let policy = if on { Policy::Require } else { Policy::Disable };
        cpu.set_feature(feature_from_qemu(arch, &property.name), Some(policy));
    }
}

fn bars_migration(property: &CpuProperty) -> bool {
    property.migratable == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(properties: &[(&str, CpuValue, Option<bool>)]) -> CpuModelInfo {
        let properties = properties.iter().map(|(name, value, migratable)| CpuProperty {
            name: (*name).to_owned(),
            value: value.clone(),
            migratable: *migratable,
        });
        CpuModelInfo { name: "base".to_owned(), properties: properties.collect(), ..CpuModelInfo::default() }
    }

    #[test]
    fn x86() {
        let model = model(&[
            ("lahf-lm", CpuValue::Boolean(true), Some(true)),
            ("invtsc", CpuValue::Boolean(true), Some(false)),
            ("avx", CpuValue::Boolean(false), None),
            ("vendor", CpuValue::String("GenuineIntel".to_owned()), None),
            ("family", CpuValue::Number(6), None),
            ("model", CpuValue::Number(60), None),
            ("stepping", CpuValue::Number(-1), None),
        ]);
        let data = x86_data(&model, false).unwrap();
        assert_eq!(data.signature(), Signature { family: 6, model: 60, stepping: 0 });
        let has = |name, migratable| x86_data(&model, migratable).unwrap().has_feature(name).unwrap();
        assert!(has("lahf_lm", true) && has("invtsc", false));
        assert!(!has("avx", false) && !has("invtsc", true));
    }

    #[test]
    fn s390_as_it_is() {
        let mut cpu = Cpu::guest();
        let host = model(&[("vx", CpuValue::Boolean(true), None), ("te", CpuValue::Boolean(false), None)]);
        assert_eq!(fill_in(Arch::S390x, &mut cpu, &host, None, false), Ok(true));
        assert_eq!(cpu.model.as_deref(), Some("base"));
        assert_eq!(cpu.feature("te").unwrap().policy, Some(Policy::Disable));
        assert_eq!(fill_in(Arch::Aarch64, &mut cpu, &host, None, false), Ok(false));
    }
}
