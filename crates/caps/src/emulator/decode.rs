//! From QEMU's answers to plain data.
//!
//! Owns: the shape of each answer; what is malformed is left out or refused, never guessed. Never:
//! knows why it was asked.

use std::collections::HashSet;

use ostler_base::{Arch, Error, Json, Result, Word};

use super::types::{
    CpuDefinition, CpuModelInfo, CpuProperty, CpuValue, Enlightenment, Gic, Machine, Sev, Sgx, SgxSection,
    Usable,
};

/// Most entries of any list that is taken from an answer.
const MAX_ENTRIES: usize = 100_000;

/// The machine type that QEMU runs without a machine: never a guest's.
const NO_MACHINE: &str = "none";

fn text(of: &Json, key: &str) -> Option<String> {
    of[key].as_str().map(str::to_owned)
}

fn truth(of: &Json, key: &str) -> bool {
    of[key].as_bool().unwrap_or(false)
}

fn small(of: &Json, key: &str) -> Option<u32> {
    of[key].as_u64().and_then(|n| u32::try_from(n).ok())
}

fn list(of: &Json) -> &[Json] {
    let all = of.as_array().map_or(&[][..], Vec::as_slice);
    &all[..all.len().min(MAX_ENTRIES)]
}

fn lacks(command: &str, what: &str) -> Error {
    Error::internal(format!("{command} reply was missing '{what}' data"))
}

/// `query-version`: the number and the packager's words.
pub(super) fn version(answer: &Json) -> Result<(u32, String)> {
    let part = |name| {
        small(&answer["qemu"], name)
            .filter(|n| *n < 1000)
            .ok_or_else(|| lacks("query-version", "qemu version"))
    };
    let number = part("major")? * 1_000_000 + part("minor")? * 1000 + part("micro")?;
    let package = text(answer, "package").ok_or_else(|| lacks("query-version", "package"))?;
    Ok((number, package))
}

/// `query-target`.
pub(super) fn target(answer: &Json) -> Result<Arch> {
    let name = answer["arch"].as_str().ok_or_else(|| lacks("query-target", "arch"))?;
    Arch::from_qemu_name(name).ok_or_else(|| Error::internal(format!("Unknown QEMU arch {name}")))
}

/// The `name` members of a list.
pub(super) fn names<'j>(answer: &'j Json, key: &str) -> HashSet<&'j str> {
    list(answer).iter().filter_map(|item| item[key].as_str()).collect()
}

/// `query-machines`, with the machine that definitions get by default moved to the front: the one
/// of this name or alias, or else QEMU's own.
pub(super) fn machines(answer: &Json, preferred: Option<&str>) -> Vec<Machine> {
    let mut machines: Vec<Machine> = list(answer).iter().filter_map(machine).collect();
    let wanted = machines
        .iter()
        .position(|m| preferred.is_some_and(|p| m.name == p || m.alias.as_deref() == Some(p)))
        .or_else(|| machines.iter().position(|m| m.is_default));
    if let Some(at) = wanted {
        machines[..=at].rotate_right(1);
    }
    machines
}

fn machine(item: &Json) -> Option<Machine> {
    let name = text(item, "name").filter(|name| name != NO_MACHINE)?;
    Some(Machine {
        name,
        alias: text(item, "alias"),
        max_cpus: small(item, "cpu-max")?,
        hotplug_cpus: truth(item, "hotpluggable-cpus"),
        is_default: truth(item, "is-default"),
        default_cpu: text(item, "default-cpu-type"),
        numa_mem_supported: truth(item, "numa-mem-supported"),
        default_ram_id: text(item, "default-ram-id"),
        deprecated: truth(item, "deprecated"),
        acpi: item["acpi"].as_bool(),
    })
}

/// `query-cpu-definitions`. On ppc64 the names of the architecture's own models are written as
/// these are, in capitals.
pub fn cpu_definitions(answer: &Json, arch: Arch) -> Vec<CpuDefinition> {
    list(answer).iter().filter_map(|item| cpu_definition(item, arch)).collect()
}

/// Models of ppc64 whose names QEMU writes in small letters.
const PPC64_MODELS: &[&str] =
    &["POWER6", "POWER7", "POWER8", "POWER9", "POWER10", "POWERPC_e5500", "POWERPC_e6500"];

fn cpu_definition(item: &Json, arch: Arch) -> Option<CpuDefinition> {
    let mut name = text(item, "name")?;
    if arch.is_ppc64()
        && let Some(own) = PPC64_MODELS.iter().find(|own| own.eq_ignore_ascii_case(&name))
    {
        name = (*own).to_owned();
    }
    let blockers: Option<Vec<String>> = item["unavailable-features"]
        .as_array()
        .map(|all| all.iter().filter_map(|f| f.as_str().map(str::to_owned)).collect());
    Some(CpuDefinition {
        name,
        type_name: text(item, "typename").filter(|name| !name.is_empty()),
        usable: match &blockers {
            None => Usable::Unknown,
            Some(none) if none.is_empty() => Usable::Yes,
            Some(_) => Usable::No,
        },
        // "type" stands for the whole model: not a feature that could be left out
        blockers: blockers.unwrap_or_default(),
        deprecated: truth(item, "deprecated"),
    })
}

/// `query-cpu-model-expansion`.
pub fn model_expansion(answer: &Json) -> Option<CpuModelInfo> {
    let model = &answer["model"];
    let name = text(model, "name")?;
    let properties = model["props"].as_object()?.iter().take(MAX_ENTRIES).filter_map(|(name, value)| {
        let value = match value {
            Json::Bool(on) => CpuValue::Boolean(*on),
            Json::String(text) => CpuValue::String(text.clone()),
            Json::Number(number) => CpuValue::Number(number.as_i64()?),
            _ => return None,
        };
        Some(CpuProperty { name: name.clone(), value, migratable: None })
    });
    let deprecated = answer["deprecated-props"]
        .as_array()
        .map(|all| all.iter().filter_map(|p| p.as_str().map(str::to_owned)).collect());
    Some(CpuModelInfo { name, properties: properties.collect(), migratability: false, deprecated })
}

/// `query-gic-capabilities`.
pub(super) fn gic(answer: &Json) -> Vec<Gic> {
    let one = |item: &Json| {
        Some(Gic {
            version: small(item, "version")?,
            kernel: truth(item, "kernel"),
            emulated: truth(item, "emulated"),
        })
    };
    list(answer).iter().filter_map(one).collect()
}

/// `query-sev-capabilities`.
pub(super) fn sev(answer: &Json) -> Result<Sev> {
    let need = |key| text(answer, key).ok_or_else(|| lacks("query-sev-capabilities", key));
    Ok(Sev {
        cbitpos: small(answer, "cbitpos").ok_or_else(|| lacks("query-sev-capabilities", "cbitpos"))?,
        reduced_phys_bits: small(answer, "reduced-phys-bits")
            .ok_or_else(|| lacks("query-sev-capabilities", "reduced-phys-bits"))?,
        pdh: need("pdh")?,
        cert_chain: need("cert-chain")?,
        cpu0_id: text(answer, "cpu0-id"),
    })
}

/// `query-sgx-capabilities`; an emulator that does not list sections gives one size.
pub(super) fn sgx(answer: &Json) -> Result<Sgx> {
    let need = |key: &str| answer[key].as_bool().ok_or_else(|| lacks("query-sgx-capabilities", key));
    let section =
        |item: &Json| Some(SgxSection { node: small(item, "node")?, size: item["size"].as_u64()? / 1024 });
    let sections: Vec<SgxSection> = list(&answer["sections"]).iter().filter_map(section).collect();
    let total = sections.iter().try_fold(0u64, |sum, s| sum.checked_add(s.size));
    let section_size = match answer["section-size"].as_u64() {
        Some(bytes) => bytes / 1024,
        None => total.unwrap_or(u64::MAX),
    };
    Ok(Sgx { flc: need("flc")?, sgx1: need("sgx1")?, sgx2: need("sgx2")?, section_size, sections })
}

/// The enlightenments that a full expansion of the host with all of them switched on shows;
/// `None` where it shows none at all, as emulators do that cannot tell.
pub(super) fn enlightenments(model: &CpuModelInfo) -> Option<Vec<Enlightenment>> {
    let shown = |word: &str| {
        let property = format!("hv-{}", word.replace('_', "-"));
        match model.value(&property) {
            Some(CpuValue::Boolean(on)) => *on,
            Some(CpuValue::Number(_) | CpuValue::String(_)) => true,
            None => false,
        }
    };
    let found: Vec<_> =
        Enlightenment::WORDS.iter().filter(|(word, _)| shown(word)).map(|(_, value)| *value).collect();
    (!found.is_empty()).then_some(found)
}

/// What two expansions of the host tell together: the first with only what can be migrated, the
/// second with everything.
pub(super) fn merge_migratable(model: &mut CpuModelInfo, everything: &CpuModelInfo) {
    let on: HashSet<&str> = everything
        .properties
        .iter()
        .filter(|p| p.value == CpuValue::Boolean(true))
        .map(|p| p.name.as_str())
        .collect();
    for property in &mut model.properties {
        if let CpuValue::Boolean(here) = &mut property.value
            && on.contains(property.name.as_str())
        {
            property.migratable = Some(*here);
            *here = true;
        }
    }
    model.migratability = true;
}
