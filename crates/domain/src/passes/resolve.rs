//! Identity, emulator, architecture, machine type and CPU of a definition that leaves them open.

use ostler_base::{Arch, Error, Result, refuse};
use ostler_caps::emulator::Accelerator;

use crate::sections::features::GicVersion;
use crate::sections::identity::DomainKind;
use crate::sections::{cpu, memory, seclabel};
use crate::{Draft, Setting};

/// What runs the guest's instructions.
pub(crate) fn accelerator(draft: &Draft) -> Accelerator {
    draft.head.identity.kind.accelerator()
}

/// A UUID and a generation where they are to be made up.
pub(super) fn identity(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let identity = &mut draft.head.identity;
    identity.uuid.get_or_insert_with(|| setting.entropy.uuid());
    if let Some(genid) = &mut identity.genid {
        genid.get_or_insert_with(|| setting.entropy.uuid());
    }
    Ok(())
}

/// Whether an emulator runs guests of an architecture.
fn runs(emulator: Arch, guest: Arch) -> bool {
    let also = match emulator {
        Arch::X86_64 => Some(Arch::I686),
        Arch::Aarch64 => Some(Arch::Armv7l),
        Arch::Armv7l => Some(Arch::Armv6l),
        Arch::Ppc64 => Some(Arch::Ppc64le),
        _ => None,
    };
    guest == emulator || also == Some(guest)
}

/// Emulator, architecture and canonical machine type.
pub(super) fn machine(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let accelerator = accelerator(draft);
    let os = &mut draft.head.os;
    let Some(emulator) = setting.emulator else {
        os.arch.get_or_insert(setting.host.arch);
        return Ok(());
    };
    draft.head.emulator.get_or_insert_with(|| emulator.path.clone());
    let arch = *os.arch.get_or_insert(emulator.arch);
    let kind = draft.head.identity.kind;
    let path = &emulator.path;
    if !runs(emulator.arch, arch) {
        refuse!(unsupported, "Emulator '{path}' does not support arch '{arch}'");
    }
    if !emulator.can(accelerator) {
        let remedy = match kind {
            DomainKind::Kvm => "; check that /dev/kvm is there and may be opened, or use type='qemu'",
            DomainKind::Qemu | DomainKind::Hvf => "",
        };
        let detail = format!("Emulator '{path}' does not support virt type '{kind}'");
        return Err(Error::unsupported(detail).with_suffix(remedy));
    }
    let name =
        match os.machine.take() {
            Some(name) => name,
            None => emulator.preferred_machine(accelerator).map(|machine| machine.name.clone()).ok_or_else(
                || Error::invalid_arg(format!("could not get preferred machine for {path} type={kind}")),
            )?,
        };
    if emulator.machine(accelerator, &name).is_none() {
        refuse!(unsupported, "Emulator '{path}' does not support machine type '{name}'");
    }
    os.machine = Some(emulator.canonical_machine(accelerator, &name).to_owned());
    Ok(())
}

/// The version of the interrupt controller, where the machine has one and the definition leaves it
/// open: the newest that the kernel has, or what QEMU emulates best.
pub(super) fn interrupt_controller(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    if !crate::machine::of(&draft.head.os).builtin_gic() {
        return Ok(());
    }
    let accelerator = accelerator(draft);
    let gic = &mut draft.head.features.gic;
    if gic.is_some_and(|version| version.is_some()) {
        return Ok(());
    }
    let kernel = |version: u32| {
        let known = setting.emulator.map(|emulator| emulator.gic.as_slice()).unwrap_or_default();
        known.iter().any(|g| g.version == version && g.kernel)
    };
    *gic = Some(Some(match accelerator {
        Accelerator::Kvm if kernel(3) => GicVersion::V3,
        _ => GicVersion::V2,
    }));
    Ok(())
}

/// What labels leave open; ACPI that machines of s390 never had, whatever older definitions say.
pub(super) fn habits(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    seclabel::complete(&mut draft.head.seclabels, setting);
    if !draft.abi_update && draft.head.os.arch.is_some_and(Arch::is_s390) {
        draft.head.features.remove_acpi();
    }
    Ok(())
}

/// Sizes of memory, and the vCPUs of cells.
pub(super) fn memory(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let head = &mut draft.head;
    head.numa.adopt_vcpus(head.vcpus.maximum);
    head.memory_backing.complete(head.numa.cells.len());
    memory::complete(draft)
}

/// The CPU that the machine type has where the definition names none.
pub(super) fn cpu(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    cpu::complete(draft, setting)
}
