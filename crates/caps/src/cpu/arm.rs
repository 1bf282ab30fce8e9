//! CPUs of the Arm family.

use ostler_base::{Arch, Code, Error, Origin, Result};

use super::definition::{Cpu, Mode, Policy, Side};
use super::family::{Family, Limits, take_host_model};
use super::{Comparison, unknown_feature};

/// `(name, part number)`: bits 4-15 of MIDR_EL1.
const MODELS: [(&str, u32); 14] = [
    ("cortex-a53", 0xd03),
    ("cortex-a57", 0xd07),
    ("cortex-a72", 0xd08),
    ("Neoverse-N1", 0xd0c),
    ("Neoverse-N2", 0xd49),
    ("Neoverse-V1", 0xd40),
    ("Falkor", 0xc00),
    ("ThunderX2 99xx", 0x0af),
    ("a64fx", 0x001),
    ("Kunpeng-920", 0xd01),
    ("FT-2000+", 0x662),
    ("Tengyun-S2500", 0x663),
    ("Ampere-1", 0xac3),
    ("Ampere-1a", 0xac4),
];

/// `(name, implementer)`: bits 24-31 of MIDR_EL1.
const VENDORS: [(&str, u32); 15] = [
    ("ARM", 0x41),
    ("Broadcom", 0x42),
    ("Cavium", 0x43),
    ("DigitalEquipment", 0x44),
    ("Fujitsu", 0x46),
    ("HiSilicon", 0x48),
    ("Infineon", 0x49),
    ("Freescale", 0x4d),
    ("NVIDIA", 0x4e),
    ("APM", 0x50),
    ("Qualcomm", 0x51),
    ("Marvell", 0x56),
    ("Intel", 0x69),
    ("Phytium", 0x70),
    ("Ampere", 0xc0),
];

/// Features that a guest's definition may name; besides these, `sve` with a vector length.
const FEATURES: [&str; 2] = ["sve", "pauth"];

/// Vector lengths of `sve` in bits: multiples of 128 up to 2048.
const SVE_STEP: u32 = 128;
const SVE_MOST: u32 = 2048;

/// The bits of AT_HWCAP, from bit 0.
const HWCAPS: [&str; 32] = [
    "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp", "cpuid",
    "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4", "asimddp", "sha512", "sve",
    "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb", "paca", "pacg",
];

/// The family.
pub(super) struct Arm;

impl Family for Arm {
    fn archs(&self) -> &'static [Arch] {
        &[Arch::Armv6l, Arch::Armv7b, Arch::Armv7l, Arch::Aarch64]
    }

    /// Only hosts are compared: what a guest can have is the emulator's to say.
    fn compare(&self, host: Option<&Cpu>, cpu: &Cpu) -> Result<Comparison> {
        if cpu.side == Side::Guest {
            return Ok(Comparison::Identical);
        }
        let Some(host) = host.filter(|host| host.model.is_some()) else {
            return Ok(Comparison::unknown_host());
        };
        if host.vendor == cpu.vendor && host.model == cpu.model {
            return Ok(Comparison::Identical);
        }
        Ok(Comparison::Incompatible(format!(
            "Host CPU model does not match required CPU vendor {} or(and) model {}",
            cpu.vendor.as_deref().unwrap_or("<null>"),
            cpu.model.as_deref().unwrap_or("<null>"),
        )))
    }

    fn baseline(&self, _arch: Arch, cpus: &[Cpu], _limits: Limits<'_>) -> Result<Cpu> {
        Ok(Cpu { model: cpus.first().and_then(|cpu| cpu.model.clone()), ..Cpu::guest() })
    }

    fn update(&self, guest: &mut Cpu, host: Option<&Cpu>, relative: bool, _removed: Policy) -> Result<()> {
        if relative && guest.mode == Some(Mode::HostModel) {
            take_host_model(guest, host)?;
        }
        Ok(())
    }

    fn validate_features(&self, cpu: &Cpu) -> Result<()> {
        match cpu.features.iter().find(|feature| !is_known(&feature.name)) {
            Some(feature) => Err(unknown_feature(&feature.name)),
            None => Ok(()),
        }
    }
}

fn is_known(feature: &str) -> bool {
    let length = feature.strip_prefix("sve").and_then(|bits| bits.parse::<u32>().ok());
    FEATURES.contains(&feature)
        || length.is_some_and(|bits| {
            bits != 0 && bits <= SVE_MOST && bits.is_multiple_of(SVE_STEP) && feature == format!("sve{bits}")
        })
}

/// The CPU of an Arm host: `midr` is MIDR_EL1, `hwcaps` is AT_HWCAP of the auxiliary vector.
pub fn host_cpu(arch: Arch, midr: u64, hwcaps: u64) -> Result<Cpu> {
    let part = |shift: u32, mask: u64| u32::try_from(midr >> shift & mask).unwrap_or_default();
    let (number, implementer) = (part(4, 0xfff), part(24, 0xff));
    let failed = |words: String| Error::new(Code::OperationFailed, Origin::Cpu, words);
    let (model, _) = MODELS
        .iter()
        .find(|(_, known)| *known == number)
        .ok_or_else(|| failed(format!("Cannot find CPU model with PVR {number:#05x}")))?;
    let mut cpu = Cpu { model: Some((*model).to_owned()), ..Cpu::host(arch) };
    if implementer != 0 {
        let (vendor, _) = VENDORS
            .iter()
            .find(|(_, known)| *known == implementer)
            .ok_or_else(|| failed(format!("Cannot find CPU vendor with vendor id {implementer:#04x}")))?;
        cpu.vendor = Some((*vendor).to_owned());
    }
    for (_, name) in HWCAPS.iter().enumerate().filter(|(bit, _)| hwcaps >> bit & 1 == 1) {
        cpu.set_feature(name, Some(Policy::Require));
    }
    Ok(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let cpu = host_cpu(Arch::Aarch64, 0x413f_d0c1, 0b101).unwrap();
        assert_eq!((cpu.model.as_deref(), cpu.vendor.as_deref()), (Some("Neoverse-N1"), Some("ARM")));
        let names: Vec<_> = cpu.features.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["fp", "evtstrm"]);
        assert!(host_cpu(Arch::Aarch64, 0, 0).is_err());

        assert_eq!(Arm.compare(Some(&cpu), &cpu), Ok(Comparison::Identical));
        let other = Cpu { model: Some("a64fx".to_owned()), ..cpu.clone() };
        assert!(matches!(Arm.compare(Some(&cpu), &other), Ok(Comparison::Incompatible(_))));
    }

    #[test]
    fn features() {
        assert!(is_known("sve") && is_known("sve128") && is_known("sve2048") && is_known("pauth"));
        assert!(!is_known("sve100") && !is_known("sve2176") && !is_known("sve0128") && !is_known("avx"));
    }
}
