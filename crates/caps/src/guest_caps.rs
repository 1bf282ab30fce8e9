//! A guest's part of the capabilities document: what kind of guests an emulator can run.
//!
//! Owns: the entry of an emulator and its XML. Never: looks for emulators.

use ostler_base::Arch;
use ostler_xml::El;

use crate::emulator::{Accelerator, Emulator, Machine};

/// What is told of machine types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// All of them, with their aliases.
    Listed,
    /// Nothing.
    LeftOut,
}

/// `<guest>`: guests of an architecture that an emulator can run. The architecture is the
/// emulator's own, or one that it runs besides (i686 on x86_64).
pub fn el(emulator: &Emulator, arch: Arch, machines: Machines) -> El {
    let mut of = El::new("arch").attr("name", arch);
    of.push_text("wordsize", Some(arch.bits()));
    of.push_text("emulator", Some(&emulator.path));
    if machines == Machines::Listed {
        let known = &emulator.with(emulator.best_accelerator()).machines;
        of.extend(known.iter().flat_map(machine_els));
    }
    let usable =
        [Accelerator::Tcg, Accelerator::Kvm, Accelerator::Hvf].into_iter().filter(|a| emulator.can(*a));
    of.extend(usable.map(|accelerator| El::new("domain").attr("type", accelerator.domain_type())));
    let mut guest = El::new("guest");
    guest.push_text("os_type", Some("hvm"));
    guest.push(of);
    guest.push(features(arch));
    guest
}

fn machine_els(machine: &Machine) -> Vec<El> {
    let deprecated = || machine.deprecated.then_some("yes");
    let one = |name: &str, canonical: Option<&str>| {
        El::with_text("machine", name)
            .attr_opt("canonical", canonical)
            .attr("maxCpus", machine.max_cpus)
            .attr_opt("deprecated", deprecated())
    };
    let alias = machine.alias.as_deref().map(|alias| one(alias, Some(&machine.name)));
    [one(&machine.name, None)].into_iter().chain(alias).collect()
}

fn features(arch: Arch) -> El {
    let toggle = |name: &'static str, can: &str| El::new(name).attr("default", "on").attr("toggle", can);
    let mut el = El::new("features");
    if arch == Arch::I686 {
        el.push(El::new("pae"));
        el.push(El::new("nonpae"));
    }
    if arch.is_x86() || matches!(arch, Arch::Aarch64 | Arch::Loongarch64) {
        el.push(toggle("acpi", "yes"));
    }
    if arch.is_x86() {
        el.push(toggle("apic", "no"));
    }
    el.push(El::new("cpuselection"));
    el.push(El::new("deviceboot"));
    el.push(toggle("disksnapshot", "no"));
    el.push(El::new("externalSnapshot"));
    el
}
