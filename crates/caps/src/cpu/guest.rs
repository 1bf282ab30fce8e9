//! The CPU of a guest that is about to start.

use ostler_base::{Arch, Error, Result, Word, refuse};

use super::definition::{AddressMode, CacheMode, Check, Cpu, Fallback, Mode, Policy};
use super::host_model::{HostModel, is_for_guests};
use super::{
    check_forbidden, checks_against_host, compare, compare_unusable, convert_legacy, feature_from_qemu,
    feature_to_qemu, translate, update, validate_features, x86,
};
use crate::emulator::{CpuDefinition, CpuModelInfo, Usable};

/// The one level of cache that can be emulated.
const EMULATED_LEVEL: u32 = 3;

/// Features that QEMU has no more: there is nothing to switch off.
const GONE: [&str; 2] = ["pconfig", "cvt16"];

/// Why a guest starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the CPU that its definition asks for.
    New,
    /// With the CPU that it had: an incoming migration, a restore, a snapshot.
    Continued,
}

/// What the emulator offers with the guest's accelerator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offer<'a> {
    /// What `host-model` stands for.
    pub host_model: Option<&'a HostModel>,
    /// The models.
    pub models: Option<&'a [CpuDefinition]>,
    /// What it says of model `host`.
    pub expansion: Option<&'a CpuModelInfo>,
}

/// Refuses what no emulator can give a guest of an architecture, before any is asked.
pub fn validate(arch: Arch, cpu: &Cpu) -> Result<()> {
    if let Some(cache) = cpu.cache {
        if !arch.is_x86() {
            refuse!(unsupported, "CPU cache specification is not supported for '{arch}' architecture");
        }
        let mode = cache.mode;
        match mode {
            CacheMode::Emulate if cache.level != Some(EMULATED_LEVEL) => {
                refuse!(
                    unsupported,
                    "CPU cache mode '{mode}' can only be used with level='{EMULATED_LEVEL}'"
                );
            }
            CacheMode::Passthrough if !cpu.is_passthrough() => refuse!(
                unsupported,
                "CPU cache mode '{mode}' can only be used with '{}' / '{}' CPUs",
                Mode::HostPassthrough,
                Mode::Maximum
            ),
            CacheMode::Passthrough | CacheMode::Disable if cache.level.is_some() => {
                refuse!(unsupported, "unsupported CPU cache level for mode '{mode}'");
            }
            _ => {}
        }
    }
    let Some(address) = cpu.max_phys_addr else { return Ok(()) };
    if !arch.is_x86() {
        refuse!(
            unsupported,
            "CPU maximum physical address bits specification is not supported for '{arch}' architecture"
        );
    }
    if address.mode == AddressMode::Passthrough && address.bits.is_some() {
        refuse!(
            unsupported,
            "CPU maximum physical address bits number specification cannot be used with mode='{}'",
            address.mode
        );
    }
    Ok(())
}

/// Turns the CPU of a definition into the one that the command line says: checks it against the
/// host as `check` wants, settles what is left to the host, and chooses a model that the emulator
/// has. Whether the emulator supports the mode is the caller's to check before.
pub fn update_guest(arch: Arch, cpu: &mut Cpu, offer: Offer<'_>, start: Start) -> Result<()> {
    if cpu.is_default() {
        return Ok(());
    }
    validate_features(arch, cpu)?;
    // Older versions wrote the host's model into a `host-model` CPU that migrates.
    if start == Start::Continued && arch.is_x86() && cpu.mode == Some(Mode::HostModel) && cpu.model.is_some()
    {
        cpu.mode = Some(Mode::Custom);
    }
    convert_legacy(arch, cpu)?;
    if let Some(host) = offer.host_model.filter(|_| cpu.check != Some(Check::None)) {
        check_forbidden(cpu, &host.full)?;
    }
    if !cpu.is_passthrough() {
        if cpu.check == Some(Check::Partial) {
            check_partial(arch, cpu, offer)?;
        }
        let removed = match start {
            Start::New => Policy::Disable,
            Start::Continued => Policy::Require,
        };
        update(arch, cpu, offer.host_model.map(|host| &host.migratable), removed)?;
        translate(arch, cpu, offer.models)?;
        cpu.fallback = Fallback::Forbid;
    }
    cpu.features.retain(|feature| {
        let off = matches!(feature.policy, Some(Policy::Disable | Policy::Forbid));
        is_for_guests(arch, &feature.name) && !(arch.is_x86() && off && GONE.contains(&feature.name.as_str()))
    });
    toggle_deprecated(arch, cpu, offer.expansion)
}

/// Refuses a CPU that cannot be had here.
fn check_partial(arch: Arch, cpu: &Cpu, offer: Offer<'_>) -> Result<()> {
    let host = offer.host_model;
    let name = cpu.model.as_deref().unwrap_or_default();
    let model = offer
        .models
        .and_then(|models| models.iter().find(|m| m.name == name))
        .filter(|m| m.usable != Usable::Unknown);
    if model.is_some_and(|model| model.usable == Usable::Yes) && only_takes_away(cpu) {
        return Ok(());
    }
    let verdict = match (model, host) {
        (Some(model), Some(host)) if !checks_against_host(arch, cpu)? => {
            compare_unusable(arch, &host.reported, cpu, &blockers(arch, model))?
        }
        _ => compare(arch, host.map(|host| &host.full), cpu)?,
    };
    verdict.required().map(|_| ())
}

/// Whether a definition has nothing that its model has not.
fn only_takes_away(cpu: &Cpu) -> bool {
    cpu.features.iter().all(|feature| feature.policy == Some(Policy::Disable))
}

/// What keeps a model from running, by the map's names.
fn blockers(arch: Arch, model: &CpuDefinition) -> Vec<String> {
    model.blockers.iter().map(|name| feature_from_qemu(arch, name).to_owned()).collect()
}

fn toggle_deprecated(arch: Arch, cpu: &mut Cpu, expansion: Option<&CpuModelInfo>) -> Result<()> {
    let Some(on) = cpu.deprecated_features else { return Ok(()) };
    let deprecated = expansion.and_then(|model| model.deprecated.as_deref()).unwrap_or_default();
    if deprecated.is_empty() {
        return Err(Error::unsupported("toggling deprecated features for CPU model is unsupported"));
    }
    let policy = if on.is_true() { Policy::Require } else { Policy::Disable };
    for name in deprecated {
        cpu.set_feature(feature_from_qemu(arch, name), Some(policy));
    }
    Ok(())
}

/// Leaves out of a running guest's CPU what an older version at the other end of a migration would
/// not know: features that came to the model after its release, unless the definition that the
/// guest was started with names them.
pub fn leave_out_added(arch: Arch, cpu: &mut Cpu, original: Option<&Cpu>) {
    if !arch.is_x86() || cpu.mode != Some(Mode::Custom) {
        return;
    }
    let added = x86::added_features(cpu.model.as_deref().unwrap_or_default());
    let named = |name: &str| original.is_some_and(|cpu| cpu.feature(name).is_some());
    cpu.features.retain(|feature| named(&feature.name) || !added.contains(&feature.name.as_str()));
}

/// How the value of `-cpu` begins: the model, then `NAME=VALUE` pairs in order. What other parts
/// of a definition add to it (timers, enlightenments, caches) comes after. The definition must
/// have been through [`update_guest`].
pub fn option(arch: Arch, host_arch: Arch, cpu: &Cpu) -> Result<(String, Vec<(String, String)>)> {
    let mut pairs = Vec::new();
    let mut pair = |name: &str, value: &str| pairs.push((name.to_owned(), value.to_owned()));
    let model = match cpu.mode {
        Some(Mode::HostPassthrough) => {
            if (arch, host_arch) == (Arch::Armv7l, Arch::Aarch64) {
                pair("aarch64", "off");
            }
            "host"
        }
        Some(Mode::Maximum) => "max",
        // The generation that it shall imitate is a property of the machine.
        Some(Mode::HostModel) if arch.is_ppc64() => "host",
        Some(Mode::HostModel) => {
            return Err(Error::internal(format!("unexpected host-model CPU for {arch} architecture")));
        }
        Some(Mode::Custom) | None => cpu.model.as_deref().unwrap_or_default(),
    };
    if let Some(migratable) = cpu.migratable {
        pair("migratable", migratable.as_str());
    }
    if let Some(id) = &cpu.vendor_id {
        pair("vendor", id);
    }
    for feature in &cpu.features {
        let value = match feature.policy {
            None | Some(Policy::Force | Policy::Require) => "on",
            Some(Policy::Disable | Policy::Forbid) => "off",
            Some(Policy::Optional) => continue,
        };
        pair(feature_to_qemu(arch, &feature.name), value);
    }
    Ok((model.to_owned(), pairs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::OnOff;

    fn host_model() -> HostModel {
        let mut cpu =
            Cpu { model: Some("Haswell".to_owned()), vendor: Some("Intel".to_owned()), ..Cpu::guest() };
        cpu.set_feature("vmx", Some(Policy::Require));
        HostModel { reported: cpu.clone(), migratable: cpu.clone(), full: cpu }
    }

    fn definition((name, blocker): (&str, Option<&str>)) -> CpuDefinition {
        CpuDefinition {
            name: name.to_owned(),
            type_name: None,
            usable: if blocker.is_some() { Usable::No } else { Usable::Yes },
            blockers: blocker.map(str::to_owned).into_iter().collect(),
            deprecated: false,
        }
    }

    fn updated(text: &str, start: Start) -> Result<String> {
        let host_model = host_model();
        let models = [("Haswell", None), ("Skylake-Server", Some("avx512f")), ("EPYC-v4", Some("sse4a"))]
            .map(definition);
        let offer = Offer { host_model: Some(&host_model), models: Some(&models), expansion: None };
        let mut cpu = Cpu::parse_document(text)?;
        update_guest(Arch::X86_64, &mut cpu, offer, start)?;
        let features = cpu.features.iter().map(|f| format!(" {}={}", f.name, f.policy.unwrap()));
        Ok(format!("{}{}", cpu.model.unwrap_or_default(), features.collect::<String>()))
    }

    #[test]
    fn modes() {
        assert_eq!(updated("<cpu/>", Start::New).unwrap(), "");
        let unknown = updated("<cpu mode='maximum'><feature name='x'/></cpu>", Start::New);
        assert_eq!(unknown.unwrap_err().detail(), "unknown CPU feature: x");
        assert_eq!(updated("<cpu mode='host-passthrough'/>", Start::New).unwrap(), "");
        assert_eq!(updated("<cpu mode='host-model'/>", Start::New).unwrap(), "Haswell vmx=require");
        assert_eq!(
            updated("<cpu mode='host-model'><model>Skylake-Server</model></cpu>", Start::Continued).unwrap(),
            "Skylake-Server mpx=require"
        );
        assert_eq!(
            updated("<cpu><model>Skylake-Server</model></cpu>", Start::New).unwrap(),
            "Skylake-Server mpx=disable"
        );
        assert_eq!(
            updated("<cpu><model>Haswell</model><feature name='cmt'/><feature name='pconfig' policy='disable'/></cpu>", Start::New)
                .unwrap(),
            "Haswell"
        );
    }

    #[test]
    fn partial_checks() {
        let check = |inner: &str| {
            updated(&format!("<cpu check='partial'>{inner}</cpu>"), Start::New)
                .map_err(|e| e.detail().to_owned())
        };
        assert!(check("<model>Haswell</model>").is_ok());
        assert!(check("<model>Skylake-Server</model>").unwrap_err().contains("required features"));
        assert_eq!(
            check("<model>EPYC-v4</model>").unwrap_err(),
            "Host CPU does not provide required features: sse4a"
        );
        assert!(check("<model>EPYC-v4</model><feature name='sse4a' policy='disable'/>").is_ok());
        assert_eq!(
            check("<model>Haswell</model><feature name='vmx' policy='forbid'/>").unwrap_err(),
            "Host CPU provides forbidden feature 'vmx'"
        );
    }

    #[test]
    fn validation() {
        let check = |arch, mode: &str, inner: &str| {
            let cpu = Cpu::parse_document(&format!("<cpu mode='{mode}'>{inner}</cpu>")).unwrap();
            validate(arch, &cpu).map_err(|e| e.detail().to_owned())
        };
        let x86 = |mode, inner| check(Arch::X86_64, mode, inner);
        for (mode, good) in [
            ("host-model", "<cache mode='emulate' level='3'/><maxphysaddr mode='emulate' bits='42'/>"),
            ("maximum", "<cache mode='passthrough'/><maxphysaddr mode='passthrough' limit='42'/>"),
            ("host-model", "<cache mode='disable'/>"),
        ] {
            assert_eq!(x86(mode, good), Ok(()));
        }
        for (mode, bad, why) in [
            (
                "maximum",
                "<cache mode='emulate'/>",
                "CPU cache mode 'emulate' can only be used with level='3'",
            ),
            (
                "host-model",
                "<cache mode='passthrough'/>",
                "CPU cache mode 'passthrough' can only be used with 'host-passthrough' / 'maximum' CPUs",
            ),
            (
                "maximum",
                "<cache mode='passthrough' level='3'/>",
                "unsupported CPU cache level for mode 'passthrough'",
            ),
            (
                "maximum",
                "<maxphysaddr mode='passthrough' bits='42'/>",
                "CPU maximum physical address bits number specification cannot be used with mode='passthrough'",
            ),
        ] {
            assert_eq!(x86(mode, bad).unwrap_err(), why);
        }
        assert!(check(Arch::S390x, "maximum", "<cache mode='disable'/>").is_err());
        assert!(check(Arch::Ppc64, "maximum", "<maxphysaddr mode='emulate'/>").is_err());
    }

    #[test]
    fn added_features_are_left_out() {
        let text = "<cpu><model>Haswell</model><feature name='vmx-ept'/><feature name='vmx-vpid'/><feature name='vmx'/></cpu>";
        let mut cpu = Cpu::parse_document(text).unwrap();
        let original =
            Cpu::parse_document("<cpu><model>Haswell</model><feature name='vmx-vpid'/></cpu>").unwrap();
        leave_out_added(Arch::X86_64, &mut cpu, Some(&original));
        let names: Vec<_> = cpu.features.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["vmx-vpid", "vmx"]);
    }

    #[test]
    fn options() {
        let check = |arch, text: &str, expected: &str| {
            let cpu = Cpu::parse_document(text).unwrap();
            let (model, pairs) = option(arch, Arch::Aarch64, &cpu).unwrap();
            let pairs = pairs.iter().map(|(name, value)| format!(",{name}={value}"));
            assert_eq!(format!("{model}{}", pairs.collect::<String>()), expected);
        };
        check(
            Arch::X86_64,
            "<cpu><model vendor_id='Libvirt QEMU'>Haswell</model><feature name='lahf_lm' policy='force'/>
             <feature name='aes' policy='forbid'/><feature name='hle' policy='optional'/></cpu>",
            "Haswell,vendor=Libvirt QEMU,lahf-lm=on,aes=off",
        );
        check(Arch::X86_64, "<cpu mode='host-passthrough' migratable='off'/>", "host,migratable=off");
        check(Arch::X86_64, "<cpu mode='maximum'/>", "max");
        check(Arch::Armv7l, "<cpu mode='host-passthrough'/>", "host,aarch64=off");
        check(Arch::Ppc64, "<cpu mode='host-model'><model>power8</model></cpu>", "host");
        let host_model = Cpu::parse_document("<cpu mode='host-model'/>").unwrap();
        assert!(option(Arch::X86_64, Arch::X86_64, &host_model).is_err());
    }

    #[test]
    fn deprecated_features() {
        let expansion = CpuModelInfo { deprecated: Some(vec!["te".to_owned()]), ..CpuModelInfo::default() };
        let mut cpu =
            Cpu { model: Some("gen16a".to_owned()), deprecated_features: Some(OnOff::Off), ..Cpu::guest() };
        let offer = Offer { expansion: Some(&expansion), ..Offer::default() };
        update_guest(Arch::S390x, &mut cpu, offer, Start::New).unwrap();
        assert_eq!(cpu.feature("te").unwrap().policy, Some(Policy::Disable));
        assert!(update_guest(Arch::S390x, &mut cpu, Offer::default(), Start::New).is_err());
    }
}
