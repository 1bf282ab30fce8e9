//! The host's own CPU.
//!
//! Owns: asking it, by its instruction, by `/proc/cpuinfo` and, for what only the kernel may ask,
//! by what an emulator says of it. Never: knows a model or a feature.

use std::sync::OnceLock;

use ostler_base::{Arch, Result, YesNo};
use ostler_caps::cpu::{
    AddressMode, Cpu, CpuData, HostModel, HostModelSources, MaxPhysAddr, Topology, Tsc, feature_from_qemu,
    x86,
};
use ostler_caps::emulator::{Accelerator, CpuDefinition, CpuValue, Emulator};
use ostler_engine::HostModels;
use ostler_host::kvm;
use ostler_host::node::NodeInfo;

/// The most leaves of one range that are asked for.
#[cfg(target_arch = "x86_64")]
const LEAVES_MAX: u32 = 0x40;

/// The most bytes of `/proc/cpuinfo` that are read.
const CPUINFO_MAX: u64 = 16 << 20;

/// The CPU of this host, asked when the first guest starts.
#[derive(Debug)]
pub struct OfThisHost {
    arch: Arch,
    microcode: u32,
    asked: OnceLock<HostCpu>,
}

impl OfThisHost {
    /// Not asked yet.
    pub fn new(arch: Arch, microcode: u32) -> Self {
        OfThisHost { arch, microcode, asked: OnceLock::new() }
    }
}

impl HostModels for OfThisHost {
    fn host_model(&self, emulator: &Emulator, accelerator: Accelerator) -> Result<Option<HostModel>> {
        let ask = || HostCpu::ask(self.arch, self.microcode).with_registers_of(emulator);
        self.asked.get_or_init(ask).model(emulator, accelerator)
    }
}

/// What is known of the host's CPU.
#[derive(Debug, Clone)]
pub struct HostCpu {
    arch: Arch,
    data: CpuData,
    /// Width of a physical address in bits, where it is known.
    pub phys_addr_bits: Option<u32>,
    microcode: u32,
    tsc: Option<Tsc>,
}

impl HostCpu {
    /// Asks it; `microcode` is the version that the kernel tells, 0 for none.
    pub fn ask(arch: Arch, microcode: u32) -> Self {
        let text = ostler_host::fs::read_bounded("/proc/cpuinfo".as_ref(), CPUINFO_MAX).unwrap_or_default();
        let tsc = if arch.is_x86() { counter() } else { None };
        HostCpu { arch, data: data(), phys_addr_bits: phys_addr_bits(&text), microcode, tsc }
    }

    /// Adds the bits of registers that only the kernel may read, as an emulator that runs guests on
    /// this CPU tells them.
    pub fn with_registers_of(mut self, emulator: &Emulator) -> Self {
        let told = emulator.with(Accelerator::Kvm).host_cpu.as_ref().filter(|_| self.arch.is_x86());
        for property in told.into_iter().flat_map(|cpu| &cpu.properties) {
            let name = feature_from_qemu(self.arch, &property.name);
            if property.value == CpuValue::Boolean(true) && x86::is_msr_feature(name) {
                self.data.add_feature(name);
            }
        }
        self
    }

    /// As capabilities show it.
    pub fn of_host(&self, node: Option<&NodeInfo>) -> Result<Cpu> {
        let mut cpu = Cpu::host(self.arch);
        if self.arch.is_x86() {
            x86::decode(&mut cpu, &self.data, None)?;
        }
        cpu.microcode = Some(self.microcode).filter(|version| *version > 0);
        cpu.tsc = self.tsc;
        cpu.topology = node.map(|node| Topology {
            sockets: node.sockets,
            dies: 1,
            clusters: 1,
            cores: node.cores,
            threads: node.threads,
        });
        let bits = self.phys_addr_bits;
        cpu.max_phys_addr = bits.map(|_| MaxPhysAddr { mode: AddressMode::Emulate, bits, limit: None });
        Ok(cpu)
    }

    /// What `host-model` stands for with an emulator and accelerator; `None` where that is not known.
    pub fn model(&self, emulator: &Emulator, accelerator: Accelerator) -> Result<Option<HostModel>> {
        let with = emulator.with(accelerator);
        let models = with.cpus.as_deref();
        let own = accelerator != Accelerator::Tcg;
        let host = if own { self.of_guest(None) } else { None };
        let host_of_models = if own { self.of_guest(models) } else { None };
        let sources = HostModelSources {
            expansion: with.host_cpu.as_ref(),
            models,
            host: host.as_ref(),
            host_of_models: host_of_models.as_ref(),
            phys_addr_bits: self.phys_addr_bits.filter(|_| own && !emulator.arch.is_s390()),
        };
        HostModel::new(emulator.arch, sources)
    }

    /// As a guest's: in any model, or in one of an emulator's. `None`: nothing is known of it.
    pub fn of_guest(&self, models: Option<&[CpuDefinition]>) -> Option<Cpu> {
        let mut cpu = Cpu::guest();
        let decoded = self.arch.is_x86() && x86::decode(&mut cpu, &self.data, models).is_ok();
        decoded.then_some(cpu)
    }
}

/// The counter of the processors, where the kernel tells it.
fn counter() -> Option<Tsc> {
    let counter = kvm::counter().ok()?;
    let scaling = if counter.scaling { YesNo::Yes } else { YesNo::No };
    Some(Tsc { frequency: counter.frequency, scaling: Some(scaling) })
}

/// What the CPU answers.
#[cfg(target_arch = "x86_64")]
fn data() -> CpuData {
    use std::arch::x86_64::__cpuid_count;
    let mut data = CpuData::default();
    for base in [0, 0x8000_0000] {
        let last = __cpuid_count(base, 0).eax;
        if last < base {
            continue;
        }
        for leaf in base..=last.min(base + LEAVES_MAX) {
            for subleaf in 0..=2 {
                let answer = __cpuid_count(leaf, subleaf);
                data.add_cpuid(leaf, subleaf, [answer.eax, answer.ebx, answer.ecx, answer.edx]);
            }
        }
    }
    data
}

/// Other CPUs have no such instruction.
#[cfg(not(target_arch = "x86_64"))]
fn data() -> CpuData {
    CpuData::default()
}

/// How many guests can have encrypted memory, and how many of them encrypted state too.
#[cfg(target_arch = "x86_64")]
pub fn sev_guests() -> (u32, u32) {
    const LEAF: u32 = 0x8000_001f;
    use std::arch::x86_64::__cpuid_count;
    if __cpuid_count(0x8000_0000, 0).eax < LEAF {
        return (0, 0);
    }
    let answer = __cpuid_count(LEAF, 0);
    let memory_only = answer.ecx.checked_sub(answer.edx).map_or(0, |rest| rest.saturating_add(1));
    (memory_only, answer.edx.saturating_sub(1))
}

/// Other CPUs cannot encrypt a guest's memory this way.
#[cfg(not(target_arch = "x86_64"))]
pub fn sev_guests() -> (u32, u32) {
    (0, 0)
}

fn phys_addr_bits(cpuinfo: &str) -> Option<u32> {
    let line = cpuinfo.lines().find(|line| line.starts_with("address sizes"))?;
    line.split_once(':')?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_of_addresses() {
        assert_eq!(phys_addr_bits("flags\t: a\naddress sizes\t: 48 bits physical, 57 virtual\n"), Some(48));
        assert_eq!(phys_addr_bits("flags: a\n"), None);
    }

    #[test]
    fn this_host() {
        if !cfg!(target_arch = "x86_64") {
            eprintln!("SKIPPED: not an x86 host");
            return;
        }
        let cpu = HostCpu::ask(Arch::X86_64, 7);
        let host = cpu.of_host(None).unwrap();
        assert!(host.model.is_some() && host.feature("cx16").is_none_or(|f| f.policy.is_none()));
        assert_eq!(host.microcode, Some(7));
        assert!(cpu.of_guest(None).unwrap().model.is_some());
    }
}
