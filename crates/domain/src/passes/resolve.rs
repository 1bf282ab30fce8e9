//! Identity, emulator, architecture, machine type and CPU of a definition that leaves them open.

use ostler_base::{Error, Result, refuse};
use ostler_caps::emulator::Accelerator;

use crate::sections::cpu::{Cpu, CpuMode};
use crate::sections::identity::DomainKind;
use crate::{Draft, Setting};

/// What runs the guest's instructions.
pub(crate) fn accelerator(draft: &Draft) -> Accelerator {
    match draft.head.identity.kind {
        DomainKind::Qemu => Accelerator::Tcg,
        DomainKind::Kvm => Accelerator::Kvm,
        DomainKind::Hvf => Accelerator::Hvf,
    }
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
    if arch != emulator.arch && !(arch.is_x86() && emulator.arch.is_x86()) {
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

/// The CPU that the machine type has where the definition names none.
pub(super) fn cpu(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let accelerator = accelerator(draft);
    let model = draft
        .head
        .os
        .machine
        .as_deref()
        .and_then(|machine| setting.emulator?.default_cpu(accelerator, machine));
    if let Some(cpu) =
        draft.head.cpu.as_mut().filter(|cpu| cpu.mode != CpuMode::Custom || cpu.model.is_some())
    {
        cpu.default_check(accelerator == Accelerator::Tcg);
    }
    let Some(model) = model else { return Ok(()) };
    match &mut draft.head.cpu {
        None => draft.head.cpu = Some(Cpu::plain(model)),
        Some(cpu) if cpu.mode == CpuMode::Custom && cpu.model.is_none() => {
            let plain = Cpu::plain(model);
            let (topology, features) = (cpu.topology.take(), std::mem::take(&mut cpu.features));
            *cpu = Cpu { topology, features, ..plain };
        }
        Some(_) => {}
    }
    Ok(())
}
