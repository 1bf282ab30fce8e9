//! `<cpu>`: the model the guest sees.
//!
//! Owns: where the CPU stands in a definition, its defaults, and the value of `-cpu`. Never: knows
//! a model or a feature (`ostler_caps::cpu` does), or a NUMA cell.

use ostler_base::{Arch, OnOff, Result, refuse};
use ostler_caps::cpu::{
    AddressMode, CacheMode, Check, Cpu, Fallback, Feature, Mode, Policy, Side, check_arch, guest,
};
use ostler_caps::emulator::{Accelerator, Flag};
use ostler_xml::{El, Element};

use crate::passes::accelerator;
use crate::sections::numa::Numa;
use crate::{Draft, Setting};

/// The host's CPU among the models of an emulator.
const HOST: &str = "host";

/// Reads the `<cpu>` of a domain.
pub(crate) fn parse(root: &Element<'_>) -> Result<Option<Cpu>> {
    root.child("cpu").map(|el| Cpu::parse(el, Side::Guest)).transpose()
}

/// Adds the element, with the cells in it, unless there is nothing to say.
pub(crate) fn format(cpu: Option<&Cpu>, numa: &Numa, root: &mut El) {
    let mut el = cpu.map_or_else(|| El::new("cpu"), Cpu::format);
    el.push_filled(numa.format());
    root.push_filled(el);
}

/// The CPU of the machine type where the definition names none, and the defaults of its attributes.
pub(crate) fn complete(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let head = &draft.head;
    let (accelerator, arch) = (accelerator(draft), head.os.arch.unwrap_or(setting.host.arch));
    let machine = head.os.machine.as_deref();
    let model = machine.and_then(|machine| setting.emulator?.default_cpu(accelerator, machine));
    let model = model.filter(|model| *model != HOST || accelerator == Accelerator::Kvm);
    // What an emulator says of other architectures is true of translation only.
    let told = accelerator == Accelerator::Tcg || arch.is_x86() || arch.is_s390() || arch.is_ppc64();
    let model = model.filter(|_| told && check_arch(arch).is_ok());
    if let Some(model) = model
        && head.cpu.as_ref().is_none_or(Cpu::is_default)
    {
        name_default(draft.head.cpu.get_or_insert_with(Cpu::guest), model, arch, setting);
    }
    let Some(cpu) = draft.head.cpu.as_mut().filter(|cpu| !cpu.is_default()) else { return Ok(()) };
    vector_lengths(cpu)?;
    if cpu.mode == Some(Mode::HostPassthrough) && arch.is_x86() {
        cpu.migratable.get_or_insert(OnOff::On);
    }
    cpu.check.get_or_insert(match cpu.mode {
        Some(Mode::HostPassthrough | Mode::Maximum) => Check::None,
        Some(Mode::Custom) if accelerator == Accelerator::Tcg => Check::None,
        _ => Check::Partial,
    });
    Ok(())
}

/// A CPU that QEMU chooses is not checked: it need not run anywhere as it is.
fn name_default(cpu: &mut Cpu, model: &str, arch: Arch, setting: &Setting<'_>) {
    if model == HOST {
        let named = arch.is_s390() && setting.host_model.is_some();
        cpu.mode = Some(if named { Mode::HostModel } else { Mode::HostPassthrough });
        return;
    }
    cpu.check = Some(Check::None);
    cpu.fallback = Fallback::Forbid;
    cpu.model = Some(model.to_owned());
}

/// Lengths of SVE vectors need SVE.
fn vector_lengths(cpu: &mut Cpu) -> Result<()> {
    let length = |feature: &Feature| feature.name.starts_with("sve") && feature.name != "sve";
    if !cpu.features.iter().any(length) {
        return Ok(());
    }
    let off = |f: &Feature| matches!(f.policy, Some(Policy::Disable | Policy::Forbid));
    if cpu.feature("sve").is_some_and(off) {
        refuse!(unsupported, "SVE disabled, but SVE vector lengths provided");
    }
    cpu.add_feature_if_missing("sve", Policy::Require);
    Ok(())
}

/// The rules that need no host.
pub(crate) fn validate(draft: &Draft, setting: &Setting<'_>) -> Result<()> {
    let Some(cpu) = &draft.head.cpu else { return Ok(()) };
    if setting.emulator.is_some() {
        guest::validate(draft.head.os.arch.unwrap_or(setting.host.arch), cpu)?;
    }
    let vcpus = draft.head.vcpus.maximum;
    if cpu.topology.is_some_and(|topology| topology.vcpus() != Some(vcpus)) {
        refuse!(unsupported, "CPU topology doesn't match maximum vcpu count");
    }
    Ok(())
}

/// The CPU of a run: what is left to the host is settled.
pub(crate) fn settle(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let accelerator = accelerator(draft);
    let (arch, kind) = (draft.head.os.arch.unwrap_or(setting.host.arch), draft.head.identity.kind);
    let Some(cpu) = draft.head.cpu.as_mut().filter(|cpu| !cpu.is_default()) else { return Ok(()) };
    let mode = cpu.mode.unwrap_or(Mode::Custom);
    if !mode_is_supported(mode, arch, accelerator, setting) {
        let host = setting.host.arch;
        refuse!(
            unsupported,
            "CPU mode '{mode}' for {arch} {kind} domain on {host} host is not supported by hypervisor"
        );
    }
    let with = setting.emulator.map(|emulator| emulator.with(accelerator));
    let offer = guest::Offer {
        host_model: setting.host_model,
        models: with.and_then(|with| with.cpus.as_deref()),
        expansion: with.and_then(|with| with.host_cpu.as_ref()),
    };
    let start = if setting.incoming.is_some() { guest::Start::Continued } else { guest::Start::New };
    guest::update_guest(arch, cpu, offer, start)
}

fn mode_is_supported(mode: Mode, arch: Arch, accelerator: Accelerator, setting: &Setting<'_>) -> bool {
    match mode {
        Mode::HostPassthrough => accelerator != Accelerator::Tcg && is_native(arch, setting.host.arch),
        Mode::HostModel => setting.host_model.is_some(),
        Mode::Custom => setting.emulator.is_some_and(|emulator| !emulator.cpus(accelerator).is_empty()),
        Mode::Maximum => setting.has(Flag::CpuMax),
    }
}

/// Whether a host's CPU runs the guest's instructions itself.
fn is_native(guest: Arch, host: Arch) -> bool {
    guest == host
        || matches!(
            (guest, host),
            (Arch::I686, Arch::X86_64)
                | (Arch::Armv7l, Arch::Aarch64)
                | (Arch::Ppc64 | Arch::Ppc64le, Arch::Ppc64 | Arch::Ppc64le)
        )
}

/// The value of `-cpu` of a run; `None` where nothing is said of it.
pub(crate) fn option(draft: &Draft, setting: &Setting<'_>) -> Result<Option<String>> {
    let head = &draft.head;
    let arch = head.os.arch.unwrap_or(setting.host.arch);
    let mut model = None;
    let mut words = Vec::new();
    if let Some(cpu) = head.cpu.as_ref().filter(|cpu| !cpu.is_default()) {
        let (name, pairs) = guest::option(arch, setting.host.arch, cpu)?;
        model = Some(name);
        words.extend(pairs.into_iter().map(|(name, value)| format!("{name}={value}")));
    } else if arch == Arch::I686 && head.emulator.as_ref().is_some_and(|path| path.contains("x86_64")) {
        model = Some("qemu32".to_owned());
    }
    head.clock.cpu_words(&mut words);
    head.features.cpu_words(&mut words);
    if draft.devices.panics.iter().any(crate::devices::panic::Panic::is_hyperv) {
        words.push("hv-crash=on".to_owned());
    }
    head.features.cpu_words_last(&mut words);
    if let Some(cpu) = &head.cpu {
        cache_words(cpu, &mut words);
        address_words(cpu, &mut words);
    }
    if model.is_none() && words.is_empty() {
        return Ok(None);
    }
    let fallback = match arch {
        Arch::I686 => "qemu32",
        Arch::X86_64 => "qemu64",
        _ => "",
    };
    let mut all = vec![model.unwrap_or_else(|| fallback.to_owned())];
    all.append(&mut words);
    Ok(Some(all.join(",")))
}

fn cache_words(cpu: &Cpu, words: &mut Vec<String>) {
    let Some(cache) = cpu.cache else { return };
    let said: &[&str] = match cache.mode {
        CacheMode::Emulate => &["l3-cache=on"],
        CacheMode::Passthrough => &["host-cache-info=on", "l3-cache=off"],
        CacheMode::Disable if cpu.is_passthrough() => &["host-cache-info=off", "l3-cache=off"],
        CacheMode::Disable => &["l3-cache=off"],
    };
    words.extend(said.iter().map(|word| (*word).to_owned()));
}

fn address_words(cpu: &Cpu, words: &mut Vec<String>) {
    let Some(address) = cpu.max_phys_addr else { return };
    match (address.mode, address.bits) {
        (AddressMode::Passthrough, _) => {
            words.push("host-phys-bits=on".to_owned());
            words.extend(address.limit.map(|limit| format!("host-phys-bits-limit={limit}")));
        }
        (AddressMode::Emulate, Some(bits)) if bits > 0 => words.push(format!("phys-bits={bits}")),
        (AddressMode::Emulate, _) => words.push("host-phys-bits=off".to_owned()),
    }
}
