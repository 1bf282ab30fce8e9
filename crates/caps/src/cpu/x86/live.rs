//! What a running guest's CPU became.

use ostler_base::{Code, Error, Origin, Result};

use super::data::CpuData;
use super::features::FeatureSet;
use super::map::Map;
use super::{Asked, all_features, model_named, name_removed};
use crate::cpu::definition::{Check, Cpu, Mode, Policy};

/// Writes into a guest's CPU what the hypervisor gave and what it refused; whether there was
/// something to do. With check `full` a difference is an error instead, except in features that
/// came to the model after its release and that the definition does not name.
///
/// `enabled` are the bits of the virtual CPU, `disabled` those that were asked for and refused.
pub fn update_live(cpu: &mut Cpu, enabled: &CpuData, disabled: &CpuData) -> Result<bool> {
    let full = cpu.check == Some(Check::Full);
    if cpu.mode != Some(Mode::Custom) && !full {
        return Ok(false);
    }
    let (enabled, disabled) = (enabled.features(), disabled.features());
    if let Some(both) = (enabled & disabled).iter().next() {
        return Err(failed(format!(
            "hypervisor provided conflicting CPU data: feature '{}' is both enabled and disabled at the same time",
            Map::get().name(both)
        )));
    }
    let model = cpu.model.is_some().then(|| model_named(cpu)).transpose()?;
    let wanted = all_features(cpu)?;
    let unwanted = match cpu.is_passthrough() {
        true => Asked::of(cpu)?.disable - wanted,
        false => all() - wanted,
    };
    let extra = unwanted & enabled;
    let missing = disabled | (wanted - enabled);
    if full {
        let named = Asked::of(cpu)?.all();
        let late = model.map_or(FeatureSet::default(), |model| model.added - named);
        check_full(extra - late, missing - late)?;
    }
    for feature in (extra | missing).iter() {
        let policy = if extra.contains(feature) { Policy::Require } else { Policy::Disable };
        cpu.set_feature(Map::get().name(feature), Some(policy));
    }
    if let Some(model) = model {
        name_removed(cpu, model, Policy::Disable);
    }
    Ok(true)
}

fn all() -> FeatureSet {
    (0..Map::get().features.len()).collect()
}

fn check_full(extra: FeatureSet, missing: FeatureSet) -> Result<()> {
    let names = |set: FeatureSet| Map::get().names_of(set).join(",");
    let mut differences = Vec::new();
    if !extra.is_empty() {
        differences.push(format!("extra features: {}", names(extra)));
    }
    if !missing.is_empty() {
        differences.push(format!("missing features: {}", names(missing)));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(failed(format!("guest CPU doesn't match specification: {}", differences.join(", "))))
}

fn failed(words: String) -> Error {
    Error::new(Code::OperationFailed, Origin::Cpu, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(names: &[&str]) -> CpuData {
        let mut data = CpuData::default();
        assert!(names.iter().all(|name| data.add_feature(name)));
        data
    }

    /// Haswell with a check; what came of it given features besides the model's and refused ones.
    fn haswell(check: Option<Check>, more: &[&str], refused: &[&str]) -> Result<Vec<String>> {
        let mut cpu = Cpu { model: Some("Haswell".to_owned()), check, ..Cpu::guest() };
        let mut names = Map::get().names_of(Map::get().model("Haswell").unwrap().features);
        names.extend(more);
        names.retain(|name| !refused.contains(name));
        update_live(&mut cpu, &data(&names), &data(refused))?;
        Ok(cpu.features.iter().map(|f| format!("{} {}", f.policy.unwrap(), f.name)).collect())
    }

    #[test]
    fn differences_are_written_down() {
        assert_eq!(haswell(None, &["avx512f"], &["rtm"]).unwrap(), ["disable rtm", "require avx512f"]);
        assert_eq!(haswell(Some(Check::Full), &["vmx-ept"], &[]).unwrap(), ["require vmx-ept"]);
        assert_eq!(
            haswell(Some(Check::Full), &["avx512f"], &["aes", "rtm"]).unwrap_err().to_string(),
            "operation failed: guest CPU doesn't match specification: extra features: avx512f, missing features: aes,rtm"
        );
    }

    #[test]
    fn passthrough_is_checked_by_name_only() {
        let mut cpu = Cpu { mode: Some(Mode::HostPassthrough), ..Cpu::guest() };
        cpu.set_feature("aes", Some(Policy::Disable));
        assert_eq!(update_live(&mut cpu.clone(), &data(&["aes"]), &data(&[])), Ok(false));
        cpu.check = Some(Check::Full);
        assert_eq!(update_live(&mut cpu.clone(), &data(&["lm"]), &data(&[])), Ok(true));
        assert!(update_live(&mut cpu, &data(&["aes"]), &data(&[])).is_err());
    }
}
