//! Domain capabilities: what a guest of a machine type on an accelerator can have.
//!
//! Owns: the document, made from what the emulator can do and a few facts of the host. Never: asks
//! the host.

mod cpu;
mod devices;

use ostler_base::{Arch, YesNo};
use ostler_xml::El;

use crate::cpu::Cpu;
use crate::emulator::{Accelerator, Emulator, Flag, cache};

/// Which guest the question is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What the guest's emulator can do.
    pub emulator: &'a Emulator,
    /// The guest's architecture.
    pub arch: Arch,
    /// What runs it.
    pub accelerator: Accelerator,
    /// The canonical name of its machine type.
    pub machine: &'a str,
}

/// What the answer takes from the host.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Firmware images that are offered by path.
    pub loaders: Vec<String>,
    /// What firmware descriptors offer this machine.
    pub firmware: Firmware,
    /// Whether PCI devices can be passed through by VFIO.
    pub vfio: bool,
    /// TPM versions that the host's swtpm can emulate; `None` without swtpm.
    pub swtpm: Option<Vec<String>>,
    /// Most vCPUs that KVM allows.
    pub kvm_max_cpus: Option<u32>,
    /// Most guests with SEV, and of these most with encrypted state.
    pub sev_guests: (u32, u32),
    /// The CPU that mode `host-model` stands for, where it can be had.
    pub host_model: Option<&'a Cpu>,
}

/// What firmware descriptors offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Firmware {
    /// A BIOS.
    pub bios: bool,
    /// UEFI.
    pub efi: bool,
    /// UEFI with secure boot that the guest cannot get around.
    pub secure: bool,
}

/// A list of values that a definition may use.
fn values<'v>(name: &'static str, values: impl IntoIterator<Item = &'v str>) -> El {
    let mut el = El::new("enum").attr("name", name);
    el.extend(values.into_iter().map(|value| El::with_text("value", value)));
    el
}

/// An element that says whether something is there, with details if so.
fn supported(name: &'static str, yes: bool) -> El {
    El::new(name).attr("supported", YesNo::from(yes))
}

/// The document.
pub fn document(of: &Subject<'_>, facts: &Facts<'_>) -> String {
    let mut root = El::new("domainCapabilities");
    root.push_text("path", Some(&of.emulator.path));
    root.push_text("domain", Some(of.accelerator.domain_type()));
    root.push_text("machine", Some(of.machine));
    root.push_text("arch", Some(of.arch));
    if let Some(most) = max_cpus(of, facts) {
        root.push(El::new("vcpu").attr("max", most));
    }
    root.push(supported("iothreads", true));
    root.push(os(facts));
    root.push(cpu::el(of, facts));
    root.push(memory_backing(of));
    root.push(devices::el(of, facts));
    root.push(features(of, facts));
    root.to_xml()
}

fn max_cpus(of: &Subject<'_>, facts: &Facts<'_>) -> Option<u32> {
    let machine = of.emulator.max_cpus(of.accelerator, of.machine);
    let most = match facts.kvm_max_cpus.filter(|_| of.accelerator == Accelerator::Kvm) {
        Some(kvm) => machine.min(kvm),
        None => machine,
    };
    (most > 0).then_some(most)
}

fn os(facts: &Facts<'_>) -> El {
    let firmware = &facts.firmware;
    let mut el = supported("os", true);
    let kinds = [("bios", firmware.bios), ("efi", firmware.efi)];
    el.push(values("firmware", kinds.into_iter().filter(|(_, has)| *has).map(|(kind, _)| kind)));
    let mut loader = supported("loader", true);
    loader.extend(facts.loaders.iter().map(|path| El::with_text("value", path)));
    loader.push(values("type", ["rom", "pflash"]));
    loader.push(values("readonly", ["yes", "no"]));
    loader.push(values("secure", if firmware.secure { &["yes", "no"][..] } else { &["no"] }.iter().copied()));
    el.push(loader);
    el
}

fn memory_backing(of: &Subject<'_>) -> El {
    let memfd = of.emulator.has(Flag::MemoryBackendMemfd).then_some("memfd");
    let mut el = supported("memoryBacking", true);
    el.push(values("sourceType", ["file", "anonymous"].into_iter().chain(memfd)));
    el
}

fn features(of: &Subject<'_>, facts: &Facts<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let mut el = El::new("features");
    el.push(gic(of));
    el.push(supported("vmcoreinfo", has(Flag::Vmcoreinfo)));
    el.push(supported("genid", has(Flag::Vmgenid)));
    el.push(supported("backingStoreInput", true));
    el.push(supported("backup", true));
    el.push(supported("async-teardown", has(Flag::RunWithAsyncTeardown)));
    let protected = of.arch.is_s390() && has(Flag::S390PvGuest);
    if of.arch.is_s390() {
        el.push(supported("s390-pv", protected));
    }
    el.push(supported("ps2", has(Flag::MachineI8042Opt)));
    el.push(sev(of, facts));
    el.push(match &of.emulator.sgx {
        Some(sgx) => cache::sgx_el(sgx).attr("supported", YesNo::Yes),
        None => supported("sgx", false),
    });
    if let Some(enlightenments) = &of.emulator.enlightenments {
        let mut hyperv = supported("hyperv", true);
        hyperv.push(values("features", enlightenments.iter().map(|e| ostler_base::Word::as_str(*e))));
        el.push(hyperv);
    }
    let sev = of.emulator.sev.is_some();
    let kinds = [
        ("sev", sev && has(Flag::SevGuest)),
        ("sev-snp", sev && has(Flag::SevSnpGuest)),
        ("s390-pv", protected),
    ];
    let kinds: Vec<&str> = kinds.into_iter().filter(|(_, has)| *has).map(|(kind, _)| kind).collect();
    let mut security = supported("launchSecurity", !kinds.is_empty());
    if !kinds.is_empty() {
        security.push(values("sectype", kinds));
    }
    el.push(security);
    el
}

/// Interrupt controllers of Arm's `virt` machine that the accelerator can provide.
fn gic(of: &Subject<'_>) -> El {
    let versions: Vec<String> = of
        .emulator
        .gic
        .iter()
        .filter(|_| of.arch.is_arm() && is_version_of(of.machine, "virt"))
        .filter(|gic| match of.accelerator {
            Accelerator::Kvm => gic.kernel,
            Accelerator::Tcg => gic.emulated,
            Accelerator::Hvf => false,
        })
        .map(|gic| gic.version.to_string())
        .collect();
    let mut el = supported("gic", !versions.is_empty());
    if !versions.is_empty() {
        el.push(values("version", versions.iter().map(String::as_str)));
    }
    el
}

fn sev(of: &Subject<'_>, facts: &Facts<'_>) -> El {
    let Some(sev) = &of.emulator.sev else { return supported("sev", false) };
    let (guests, es_guests) = facts.sev_guests;
    let mut el = supported("sev", true);
    el.push_text("cbitpos", Some(sev.cbitpos));
    el.push_text("reducedPhysBits", Some(sev.reduced_phys_bits));
    el.push_text("maxGuests", Some(guests));
    el.push_text("maxESGuests", Some(es_guests));
    el.push_text("cpu0Id", sev.cpu0_id.as_ref());
    el
}

/// Whether a machine type is a version of one: `virt` itself, or `virt-8.2`.
fn is_version_of(machine: &str, base: &str) -> bool {
    machine.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
