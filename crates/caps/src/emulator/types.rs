//! What an emulator says of itself, as plain data.
//!
//! Owns: the types. Never: decides anything; [`super::decode`] fills them from answers,
//! [`super::cache`] from a file.

use ostler_base::words;

words! {
    /// What runs the guest's instructions.
    pub Accelerator {
        /// The kernel's virtual machines.
        Kvm = "kvm",
        /// The Hypervisor framework of macOS.
        Hvf = "hvf",
        /// QEMU's own translation; always there.
        Tcg = "tcg",
    }

    /// Whether a CPU model can be used on this host.
    pub Usable { Unknown = "unknown", Yes = "yes", No = "no" }

    /// Enlightenments for Windows guests that a hypervisor may offer.
    pub Enlightenment {
        Relaxed = "relaxed", Vapic = "vapic", Spinlocks = "spinlocks", Vpindex = "vpindex",
        Runtime = "runtime", Synic = "synic", Stimer = "stimer", Reset = "reset",
        VendorId = "vendor_id", Frequencies = "frequencies", Reenlightenment = "reenlightenment",
        Tlbflush = "tlbflush", Ipi = "ipi", Evmcs = "evmcs", Avic = "avic",
        EmsrBitmap = "emsr_bitmap", XmmInput = "xmm_input",
    }
}

impl Accelerator {
    /// The `type` of the domains that it runs.
    pub fn domain_type(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Hvf => "hvf",
            Accelerator::Tcg => "qemu",
        }
    }

    /// What runs domains of a type.
    pub fn of_domain_type(word: &str) -> Option<Self> {
        [Accelerator::Kvm, Accelerator::Hvf, Accelerator::Tcg].into_iter().find(|a| a.domain_type() == word)
    }
}

/// A machine type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The canonical name.
    pub name: String,
    /// A second name, usually without version.
    pub alias: Option<String>,
    /// Most vCPUs.
    pub max_cpus: u32,
    /// Whether vCPUs can be plugged.
    pub hotplug_cpus: bool,
    /// Whether it is the one that QEMU takes where none is named.
    pub is_default: bool,
    /// The QOM type of the CPU that it has where none is named.
    pub default_cpu: Option<String>,
    /// Whether `-numa node,mem=` is allowed.
    pub numa_mem_supported: bool,
    /// The id of the memory back end that stands for its main memory.
    pub default_ram_id: Option<String>,
    /// Whether QEMU says that it may go away.
    pub deprecated: bool,
    /// Whether it has ACPI; `None` where QEMU does not say.
    pub acpi: Option<bool>,
}

/// A CPU model that the emulator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuDefinition {
    /// Its name for `-cpu`.
    pub name: String,
    /// Its QOM type.
    pub type_name: Option<String>,
    /// Whether it can be used here.
    pub usable: Usable,
    /// Features that it has and this host lacks.
    pub blockers: Vec<String>,
    /// Whether QEMU says that it may go away.
    pub deprecated: bool,
}

/// A CPU model taken apart into properties.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuModelInfo {
    /// The model that the properties are added to.
    pub name: String,
    /// The properties, in the order QEMU gave them.
    pub properties: Vec<CpuProperty>,
    /// Whether it is known of each property if it stands in the way of migration.
    pub migratability: bool,
    /// Properties that QEMU says may go away; only where it tells.
    pub deprecated: Option<Vec<String>>,
}

/// A property of a CPU model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuProperty {
    /// QEMU's name for it.
    pub name: String,
    /// Its value.
    pub value: CpuValue,
    /// Whether a guest that has it can be migrated; `None` where that is not known.
    pub migratable: Option<bool>,
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CpuValue {
    /// On or off.
    Boolean(bool),
    /// A text.
    String(String),
    /// An integer.
    Number(i64),
}

impl CpuModelInfo {
    /// The value of a property.
    pub fn value(&self, name: &str) -> Option<&CpuValue> {
        self.properties.iter().find(|p| p.name == name).map(|p| &p.value)
    }
}

/// An interrupt controller of an Arm machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gic {
    /// 2 or 3.
    pub version: u32,
    /// Whether the kernel can provide it.
    pub kernel: bool,
    /// Whether QEMU can emulate it.
    pub emulated: bool,
}

/// AMD Secure Encrypted Virtualization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sev {
    /// Place of the encryption bit in a page table entry.
    pub cbitpos: u32,
    /// Bits by which physical addresses get shorter.
    pub reduced_phys_bits: u32,
    /// The platform's Diffie-Hellman key, in base64.
    pub pdh: String,
    /// The platform's certificates, in base64.
    pub cert_chain: String,
    /// The id of the first CPU, in base64.
    pub cpu0_id: Option<String>,
}

/// Intel Software Guard Extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sgx {
    /// Flexible launch control.
    pub flc: bool,
    /// First version.
    pub sgx1: bool,
    /// Second version.
    pub sgx2: bool,
    /// All sections together, in KiB.
    pub section_size: u64,
    /// Sections by NUMA node.
    pub sections: Vec<SgxSection>,
}

/// A part of the memory that enclaves live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SgxSection {
    /// The NUMA node.
    pub node: u32,
    /// Its size in KiB.
    pub size: u64,
}
