//! The CPU that has what several CPUs all have.

use ostler_base::{Code, Error, Origin, Result};

use super::decode::{Facts, decode};
use super::features::FeatureSet;
use super::map::{Map, Vendor};
use super::{all_features, model_named};
use crate::cpu::definition::{Cpu, Fallback, Signature};
use crate::cpu::family::Limits;

/// The baseline of CPUs; there is at least one, each has a model.
pub(super) fn baseline(cpus: &[Cpu], limits: Limits<'_>) -> Result<Cpu> {
    let mut names: Vec<&str> = Vec::new();
    let mut common: Option<FeatureSet> = None;
    for cpu in cpus {
        let features = all_features(cpu)?;
        common = Some(common.map_or(features, |common| common & features));
        if let Some(name) = cpu.model.as_deref().filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    let mut features = common.unwrap_or_default();
    let vendor = common_vendor(cpus)?;
    if let Some(allowed) = limits.features {
        let allowed: FeatureSet = allowed.iter().filter_map(|name| Map::get().feature(name)).collect();
        features = features & allowed;
    }
    if features.is_empty() {
        return Err(failed("CPUs are incompatible".to_owned()));
    }
    let facts = Facts { features, vendor, signature: Signature::default() };
    let mut baseline = Cpu::guest();
    decode(&mut baseline, facts, limits.models, &names, limits.migratable)?;
    if names.len() == 1 && baseline.model.as_deref() == Some(names[0]) {
        baseline.fallback = Fallback::Forbid;
    }
    if cpus.iter().any(|cpu| cpu.vendor.is_none()) {
        baseline.vendor = None;
    }
    Ok(baseline)
}

/// The vendor of all CPUs; a CPU that names none is of its model's, except for the first.
fn common_vendor(cpus: &[Cpu]) -> Result<Option<Vendor>> {
    let known =
        |name: &str| Map::get().vendor(name).ok_or_else(|| failed(format!("Unknown CPU vendor {name}")));
    let mut common: Option<Vendor> = None;
    for (at, cpu) in cpus.iter().enumerate() {
        let of_model = model_named(cpu)?.vendor.filter(|_| at > 0);
        let vendor = match (&cpu.vendor, of_model) {
            (Some(named), Some(of_model)) if *named != of_model.name => {
                return Err(failed(format!(
                    "CPU vendor {} of model {} differs from vendor {named}",
                    of_model.name,
                    cpu.model.as_deref().unwrap_or_default(),
                )));
            }
            (Some(named), _) => match common {
                Some(common) if common.name != named => return Err(failed(NO_MATCH.to_owned())),
                Some(common) => Some(common),
                None => Some(known(named)?),
            },
            (None, of_model) => of_model,
        };
        match (common, vendor) {
            (Some(common), Some(vendor)) if common != vendor => return Err(failed(NO_MATCH.to_owned())),
            (None, vendor) => common = vendor,
            _ => {}
        }
    }
    Ok(common)
}

const NO_MATCH: &str = "CPU vendors do not match";

fn failed(words: String) -> Error {
    Error::new(Code::OperationFailed, Origin::Cpu, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(model: &str, vendor: Option<&str>) -> Cpu {
        let vendor = vendor.map(str::to_owned);
        Cpu { model: Some(model.to_owned()), vendor, ..Cpu::host(ostler_base::Arch::X86_64) }
    }

    #[test]
    fn the_older_of_two() {
        let cpus = [cpu("Haswell", Some("Intel")), cpu("Westmere", Some("Intel"))];
        let common = baseline(&cpus, Limits::default()).unwrap();
        assert_eq!((common.model.as_deref(), common.fallback), (Some("Westmere"), Fallback::Allow));
        assert_eq!(common.vendor.as_deref(), Some("Intel"));
        let alone = baseline(&cpus[1..], Limits::default()).unwrap();
        assert_eq!((alone.model.as_deref(), alone.fallback), (Some("Westmere"), Fallback::Forbid));
    }

    #[test]
    fn vendors() {
        let fails = |cpus: &[Cpu]| baseline(cpus, Limits::default()).unwrap_err().detail().to_owned();
        assert_eq!(fails(&[cpu("486", Some("Intel")), cpu("486", Some("AMD"))]), NO_MATCH);
        assert_eq!(
            fails(&[cpu("486", None), cpu("Haswell", Some("AMD"))]),
            "CPU vendor Intel of model Haswell differs from vendor AMD"
        );
        assert_eq!(fails(&[cpu("486", Some("VIA"))]), "Unknown CPU vendor VIA");
        let unnamed = [cpu("Haswell", Some("Intel")), cpu("Westmere", None)];
        assert_eq!(baseline(&unnamed, Limits::default()).unwrap().vendor, None);
    }

    #[test]
    fn allowed_features() {
        let features = ["lm".to_owned()];
        let limits = Limits { features: Some(&features), ..Limits::default() };
        let common = baseline(&[cpu("486", None)], limits);
        assert_eq!(common.unwrap_err().detail(), "CPUs are incompatible");
    }
}
