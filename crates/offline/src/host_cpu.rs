//! The CPU of the fake host.
//!
//! Owns: `host-cpus.json`, and which of its entries is meant. Never: does arithmetic with it.

use std::path::Path;

use ostler_base::{Arch, Error, Json, Result};
use ostler_caps::cpu::{Cpu, HostModel, HostModelSources, Policy};
use ostler_caps::emulator::{Accelerator, Emulator};

use crate::Args;
use crate::args::read;

/// Width of the fake host's physical addresses.
const PHYS_ADDR_BITS: u32 = 64;

/// The entry that stands for a host of an architecture where none is named.
pub(crate) fn entry_of(arch: Arch) -> &'static str {
    match arch {
        Arch::I686 | Arch::X86_64 => "Broadwell",
        Arch::Ppc64 | Arch::Ppc64le => "Power8",
        Arch::Aarch64 => "Aarch64",
        Arch::Armv7l => "ArmV7l",
        Arch::S390x => "S390",
        Arch::Ppc => "PPC",
        Arch::Riscv64 => "Riscv64",
        Arch::Loongarch64 => "LoongArch64",
        _ => "Sparc",
    }
}

/// The entry of the host of a case: the one that its flag names, or else its architecture's.
pub(crate) fn of(args: &Args, arch: Arch) -> Result<Option<Cpu>> {
    let name = match (args.flag_values("host-cpu").last(), arch) {
        (Some(model), _) => model,
        (None, Arch::I686 | Arch::X86_64) => "Default",
        (None, Arch::Ppc64 | Arch::Ppc64le) => "Power8",
        (None, _) => return Ok(None),
    };
    named(&args.fake_host()?, name)
}

/// What `host-model` stands for in a case. A host that the case chooses takes the place of what the
/// recording says of its own.
pub(crate) fn model_of(
    args: &Args,
    emulator: &Emulator,
    accelerator: Accelerator,
    host: Arch,
) -> Result<Option<HostModel>> {
    let cpu = of(args, host)?;
    if args.flag_values("host-cpu").next().is_none() {
        return host_model(emulator, accelerator, cpu.as_ref());
    }
    let sources = HostModelSources {
        models: emulator.with(accelerator).cpus.as_deref(),
        host: cpu.as_ref().filter(|_| accelerator != Accelerator::Tcg),
        host_of_models: cpu.as_ref(),
        ..HostModelSources::default()
    };
    HostModel::new(emulator.arch, sources)
}

/// An entry, by its name or model, as a guest's CPU; `None` where it has no model.
pub(crate) fn named(fake_host: &Path, name: &str) -> Result<Option<Cpu>> {
    let path = fake_host.join("host-cpus.json");
    let text = read(&path.to_string_lossy())?;
    let entries: Json = serde_json::from_str(&text)
        .map_err(|e| Error::invalid_arg(format!("'{}' is no JSON: {e}", path.display())))?;
    let by_model = || entries.as_object()?.values().find(|entry| entry["model"].as_str() == Some(name));
    let entry = entries
        .get(name)
        .or_else(by_model)
        .ok_or_else(|| Error::invalid_arg(format!("'{}' has no CPU '{name}'", path.display())))?;
    let Some(model) = entry["model"].as_str() else { return Ok(None) };
    let vendor = entry["vendor"].as_str().map(str::to_owned);
    let mut cpu = Cpu { model: Some(model.to_owned()), vendor, ..Cpu::guest() };
    for feature in entry["features"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        cpu.set_feature(feature, Some(Policy::Require));
    }
    Ok(Some(cpu))
}

/// What `host-model` stands for on the fake host: as the emulator says where it does, otherwise
/// the host's CPU.
pub(crate) fn host_model(
    emulator: &Emulator,
    accelerator: Accelerator,
    host: Option<&Cpu>,
) -> Result<Option<HostModel>> {
    let with = emulator.with(accelerator);
    let own = accelerator != Accelerator::Tcg;
    let host = host.filter(|_| own);
    let arch = emulator.arch;
    let sources = HostModelSources {
        expansion: with.host_cpu.as_ref(),
        models: with.cpus.as_deref(),
        host,
        host_of_models: host,
        phys_addr_bits: (own && !arch.is_s390()).then_some(PHYS_ADDR_BITS),
    };
    HostModel::new(arch, sources)
}
