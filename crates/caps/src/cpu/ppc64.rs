//! CPUs of 64-bit POWER: generations without features.

use ostler_base::{Arch, Code, Error, Origin, Result};

use super::definition::{Cpu, Fallback, Match, Mode, Policy, Side};
use super::family::{Family, Limits};
use super::{Comparison, unknown_model};

/// A model.
struct Model {
    name: &'static str,
    vendor: &'static str,
    /// Processor version registers of it; only the upper half counts.
    versions: &'static [u32],
}

const VENDORS: [&str; 2] = ["IBM", "Freescale"];

const MODELS: [Model; 7] = [
    Model { name: "POWER6", vendor: "IBM", versions: &[0x003e] },
    Model { name: "POWER7", vendor: "IBM", versions: &[0x003f, 0x004a] },
    Model { name: "POWER8", vendor: "IBM", versions: &[0x004b, 0x004c, 0x004d] },
    Model { name: "POWER9", vendor: "IBM", versions: &[0x004e] },
    Model { name: "POWER10", vendor: "IBM", versions: &[0x0080] },
    Model { name: "POWERPC_e5500", vendor: "Freescale", versions: &[0x8024] },
    Model { name: "POWERPC_e6500", vendor: "Freescale", versions: &[0x8040] },
];

/// Names that definitions had before generations were models.
const LEGACY: [(&str, &str); 4] = [
    ("POWER7_v2.1", "POWER7"),
    ("POWER7_v2.3", "POWER7"),
    ("POWER7+_v2.1", "POWER7"),
    ("POWER8_v1.0", "POWER8"),
];

/// Generations that can be imitated, and can imitate others.
const COMPATIBLE: std::ops::RangeInclusive<u32> = 6..=10;

/// The family.
pub(super) struct Ppc64;

impl Family for Ppc64 {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::Ppc64, Arch::Ppc64le]
    }

    fn models(&self) -> Vec<&'static str> {
        MODELS.iter().map(|model| model.name).collect()
    }

    fn vendor_of_model(&self, model: &str) -> Option<&'static str> {
        find(model).map(|model| model.vendor)
    }

    fn compare(&self, host: Option<&Cpu>, cpu: &Cpu) -> Result<Comparison> {
        let Some(host) = host.filter(|host| host.model.is_some()) else {
            return Ok(Comparison::unknown_host());
        };
        let mut cpu = cpu.clone();
        self.convert_legacy(&mut cpu);
        if let Some(reason) =
            Comparison::other_arch(&cpu, self.archs()).or_else(|| Comparison::other_vendor(host, &cpu))
        {
            return Ok(reason);
        }
        let host_model = model_of(host)?;
        let model = match (cpu.side, cpu.mode) {
            (Side::Guest, Some(Mode::HostModel)) => {
                if !can_imitate(host_model.name, cpu.model.as_deref())? {
                    return Ok(Comparison::Incompatible(String::new()));
                }
                host_model
            }
            (Side::Guest, Some(Mode::HostPassthrough | Mode::Maximum)) => host_model,
            _ => model_of(&cpu)?,
        };
        if model.name == host_model.name {
            return Ok(Comparison::Identical);
        }
        Ok(Comparison::Incompatible(format!(
            "host CPU model does not match required CPU model {}",
            model.name
        )))
    }

    fn baseline(&self, _arch: Arch, cpus: &[Cpu], _limits: Limits<'_>) -> Result<Cpu> {
        let failed = |words: String| Err(Error::new(Code::OperationFailed, Origin::Cpu, words));
        let name = cpus.first().and_then(|cpu| cpu.model.as_deref()).unwrap_or_default();
        let model = find(name).ok_or_else(|| unknown_model(name))?;
        for cpu in cpus {
            if cpu.model.as_deref() != Some(model.name) {
                return failed("CPUs are incompatible".to_owned());
            }
            let Some(vendor) = cpu.vendor.as_deref() else { continue };
            if !VENDORS.contains(&vendor) {
                return failed(format!("Unknown CPU vendor {vendor}"));
            }
            if vendor != model.vendor {
                return failed(format!(
                    "CPU vendor {} of model {} differs from vendor {vendor}",
                    model.vendor, model.name
                ));
            }
        }
        Ok(Cpu { model: Some(model.name.to_owned()), fallback: Fallback::Forbid, ..Cpu::guest() })
    }

    /// `host-model` stays: it says which generation the host's CPU shall imitate.
    fn update(&self, guest: &mut Cpu, _host: Option<&Cpu>, _relative: bool, _removed: Policy) -> Result<()> {
        if guest.mode == Some(Mode::Custom) {
            guest.matching = Match::Exact;
        }
        Ok(())
    }

    fn convert_legacy(&self, cpu: &mut Cpu) {
        let today = LEGACY.iter().find(|(old, _)| cpu.model.as_deref() == Some(*old));
        if let Some((_, today)) = today {
            cpu.model = Some((*today).to_owned());
        }
    }
}

fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

fn model_of(cpu: &Cpu) -> Result<&'static Model> {
    let name = cpu
        .model
        .as_deref()
        .ok_or_else(|| Error::new(Code::InvalidArg, Origin::Cpu, "no CPU model specified"))?;
    find(name).ok_or_else(|| unknown_model(name))
}

/// Whether a host can run in the mode of a generation (`power8`).
fn can_imitate(host: &str, generation: Option<&str>) -> Result<bool> {
    let Some(generation) = generation else { return Ok(true) };
    let number = |text: &str, prefix| {
        text.strip_prefix(prefix).and_then(|n| n.parse().ok()).filter(|n| COMPATIBLE.contains(n))
    };
    let internal = |words: String| Error::new(Code::InternalError, Origin::Cpu, words);
    let host = number(host, "POWER")
        .ok_or_else(|| internal("Host CPU does not support compatibility modes".to_owned()))?;
    let wanted = number(generation, "power")
        .ok_or_else(|| internal(format!("Unknown compatibility mode {generation}")))?;
    Ok(wanted <= host)
}

/// The CPU of a POWER host by its processor version register.
pub fn host_cpu(arch: Arch, version: u32) -> Result<Cpu> {
    let model = MODELS.iter().find(|model| model.versions.contains(&(version >> 16)));
    let model = model.ok_or_else(|| {
        Error::new(
            Code::OperationFailed,
            Origin::Cpu,
            format!("Cannot find CPU model with PVR {version:#010x}"),
        )
    })?;
    Ok(Cpu { model: Some(model.name.to_owned()), vendor: Some(model.vendor.to_owned()), ..Cpu::host(arch) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let cpu = host_cpu(Arch::Ppc64le, 0x004d_0200).unwrap();
        assert_eq!((cpu.model.as_deref(), cpu.vendor.as_deref()), (Some("POWER8"), Some("IBM")));
        assert_eq!(
            host_cpu(Arch::Ppc64, 1).unwrap_err().detail(),
            "Cannot find CPU model with PVR 0x00000001"
        );
    }

    #[test]
    fn compatibility_modes() {
        assert_eq!(can_imitate("POWER8", Some("power7")), Ok(true));
        assert_eq!(can_imitate("POWER8", Some("power9")), Ok(false));
        assert_eq!(can_imitate("POWER8", None), Ok(true));
        assert!(can_imitate("POWER8", Some("POWER8")).is_err());
        assert!(can_imitate("POWERPC_e5500", Some("power7")).is_err());
    }
}
