//! Emulators: the probe and what follows from its answers.
//!
//! Owns: what a QEMU binary can do, and every question that is asked about it. Never: runs one;
//! recordings and a live QEMU are fed to the same [`probe::Prober`].

pub mod cache;
pub mod decode;
pub mod flags;
pub mod probe;
pub mod recording;
pub mod rules;
pub mod types;

pub use flags::{Flag, Flags};
pub use probe::{ProbeHost, Prober, Question, Reply, Step};
pub use recording::Recording;
pub use types::{
    Accelerator, CpuDefinition, CpuModelInfo, CpuProperty, CpuValue, Enlightenment, Gic, Machine, Sev, Sgx,
    SgxSection, Usable,
};

use ostler_base::Arch;

/// What an emulator can do. Made once per binary and shared behind an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// The binary.
    pub path: String,
    /// `major * 1000000 + minor * 1000 + micro`.
    pub version: u32,
    /// What the packager calls it; may be empty.
    pub package: String,
    /// What it emulates.
    pub arch: Arch,
    /// What it can do.
    pub flags: Flags,
    /// Version of the host's microcode when it was probed with an accelerator, otherwise 0.
    pub microcode: u32,
    /// What depends on the accelerator, in the order of [`Accelerator`].
    pub accelerators: [Accelerated; 3],
    /// Interrupt controllers of Arm machines.
    pub gic: Vec<Gic>,
    /// SEV, where the host has it.
    pub sev: Option<Sev>,
    /// SGX, where the host has it.
    pub sgx: Option<Sgx>,
    /// Enlightenments that the hypervisor offers, where it tells.
    pub enlightenments: Option<Vec<Enlightenment>>,
}

/// What an emulator can do with one accelerator. All empty where it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accelerated {
    /// Machine types, the preferred one first.
    pub machines: Vec<Machine>,
    /// CPU models; `None` where the emulator does not tell.
    pub cpus: Option<Vec<CpuDefinition>>,
    /// The host's CPU (`host`), or the most that can be translated (`max`), taken apart.
    pub host_cpu: Option<CpuModelInfo>,
}

impl Emulator {
    /// An emulator of which nothing is known yet.
    pub fn unknown(path: String) -> Self {
        Emulator {
            path,
            version: 0,
            package: String::new(),
            arch: Arch::X86_64,
            flags: Flags::new(),
            microcode: 0,
            accelerators: Default::default(),
            gic: Vec::new(),
            sev: None,
            sgx: None,
            enlightenments: None,
        }
    }

    /// Whether it has a flag.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.has(flag)
    }

    /// Whether guests can use an accelerator.
    pub fn can(&self, accelerator: Accelerator) -> bool {
        match accelerator {
            Accelerator::Kvm => self.has(Flag::Kvm),
            Accelerator::Hvf => self.has(Flag::Hvf),
            Accelerator::Tcg => self.has(Flag::Tcg),
        }
    }

    /// The accelerator that is asked first: the host's own where it can be used.
    pub fn best_accelerator(&self) -> Accelerator {
        let own = [Accelerator::Kvm, Accelerator::Hvf];
        own.into_iter().find(|accelerator| self.can(*accelerator)).unwrap_or(Accelerator::Tcg)
    }

    /// What depends on an accelerator.
    pub fn with(&self, accelerator: Accelerator) -> &Accelerated {
        &self.accelerators[accelerator as usize]
    }

    /// A machine type by name or alias.
    pub fn machine(&self, accelerator: Accelerator, name: &str) -> Option<&Machine> {
        self.with(accelerator).machine(name)
    }

    /// The canonical name of a machine type; a name that is not known stays as it is.
    pub fn canonical_machine<'n>(&'n self, accelerator: Accelerator, name: &'n str) -> &'n str {
        let machines = &self.with(accelerator).machines;
        machines.iter().find(|m| m.alias.as_deref() == Some(name)).map_or(name, |m| m.name.as_str())
    }

    /// The machine type that a definition without one gets.
    pub fn preferred_machine(&self, accelerator: Accelerator) -> Option<&Machine> {
        self.with(accelerator).machines.first()
    }

    /// Most vCPUs of a machine type; 0 where the type is not known.
    pub fn max_cpus(&self, accelerator: Accelerator, machine: &str) -> u32 {
        self.machine(accelerator, machine).map_or(0, |m| m.max_cpus)
    }

    /// The name for `-cpu` of the CPU that a machine type has where none is named.
    pub fn default_cpu(&self, accelerator: Accelerator, machine: &str) -> Option<&str> {
        let type_name = self.machine(accelerator, machine)?.default_cpu.as_deref()?;
        let cpu = self.cpus(accelerator).iter().find(|cpu| cpu.type_name.as_deref() == Some(type_name))?;
        Some(&cpu.name)
    }

    /// The CPU models that are known with an accelerator.
    pub fn cpus(&self, accelerator: Accelerator) -> &[CpuDefinition] {
        self.with(accelerator).cpus.as_deref().unwrap_or_default()
    }
}

impl Accelerated {
    /// A machine type by name or alias.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines.iter().find(|m| m.name == name || m.alias.as_deref() == Some(name))
    }
}
