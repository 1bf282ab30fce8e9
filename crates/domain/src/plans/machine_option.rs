//! `-machine` and `-accel`, and what else the board is told.
//!
//! Owns: which section and device says what of the board. Never: the order of options.

use ostler_base::{Arch, OnOff, Result};
use ostler_caps::cpu::Mode;
use ostler_caps::emulator::{Accelerator, Flag};
use ostler_plan::{Part, Props};

use crate::devices::Build;
use crate::{Draft, Setting, machine, passes};

/// The memory back end that the machine type names; cells have back ends of their own.
pub(super) fn ram_id(draft: &Draft, setting: &Setting<'_>) -> Option<String> {
    if !draft.head.cells().is_empty() {
        return None;
    }
    let machine = draft.head.os.machine.as_deref()?;
    let machine = setting.emulator?.machine(passes::accelerator(draft), machine)?;
    machine.default_ram_id.clone()
}

/// Whether the machine has ACPI; `None` where the emulator is too old to say.
fn has_acpi(draft: &Draft, setting: &Setting<'_>) -> Option<bool> {
    let name = draft.head.os.machine.as_deref().unwrap_or_default();
    setting.emulator?.machine(passes::accelerator(draft), name)?.acpi
}

/// `-machine` and `-accel`.
pub(super) fn parts(build: &mut Build<'_>) -> Result<()> {
    let (draft, setting) = (build.draft, build.setting);
    let flash = draft.head.os.firmware.parts(build)?;
    let head = &draft.head;
    let name = head.os.machine.clone().unwrap_or_default();
    let mut props = Props::new().with("type", name.as_str()).with("usb", false);
    head.tuning.machine_props(&mut props);
    head.features.machine_props(&mut props);
    let dump = head.memory.dump_core.map_or(setting.config.dump_guest_core, OnOff::is_true);
    props.set("dump-guest-core", dump);
    if head.memory_backing.nosharepages {
        props.set("mem-merge", false);
    }
    compatible_cpu(draft, &mut props);
    if let Some(security) = &head.launch_security {
        security.machine_props(setting, &mut props);
    }
    draft.devices.iter().for_each(|device| device.machine_props(draft, setting, &mut props));
    if !setting.has(Flag::VirtioCcwLoadparm) {
        loadparm(draft, &mut props);
    }
    props.set_opt("memory-backend", ram_id(draft, setting));
    props.extend(flash);
    if head.numa.has_hmat() {
        props.set("hmat", true);
    }
    if head.os.arch.is_some_and(Arch::is_x86) {
        props.set_opt("hpet", head.clock.hpet());
    }
    if has_acpi(draft, setting) == Some(true) {
        props.set("acpi", head.features.acpi());
    }
    build.parts.push(Part::options("-machine", Some("type"), props));
    let mut accel = Props::new().with("accel", accelerator(passes::accelerator(draft)));
    head.features.accel_props(&mut accel);
    build.parts.push(Part::options("-accel", Some("accel"), accel));
    head.features.board_parts(&mut build.parts);
    Ok(())
}

fn accelerator(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Hvf => "hvf",
        Accelerator::Tcg => "tcg",
    }
}

/// The generation that the CPU of a logical partition imitates.
fn compatible_cpu(draft: &Draft, props: &mut Props) {
    let cpu = draft.head.cpu.as_ref().filter(|cpu| cpu.mode == Some(Mode::HostModel));
    if machine::of(&draft.head.os).is_partition() {
        props.set_opt("max-cpu-compat", cpu.and_then(|cpu| cpu.model.as_deref()));
    }
}

/// What the loader of an s390 guest is told by the device that boots first.
fn loadparm(draft: &Draft, props: &mut Props) {
    let first = draft.devices.iter().find(|device| device.info().boot_index == Some(1));
    props.set_opt("loadparm", first.and_then(|device| device.info().loadparm.as_deref()));
}

/// ACPI of emulators that take it apart from the machine; suspend to memory and to disk, where
/// the definition says something of them.
pub(super) fn power_parts(build: &mut Build<'_>) {
    let (draft, setting) = (build.draft, build.setting);
    let board = machine::of(&draft.head.os);
    if has_acpi(draft, setting).is_none() && board.default_acpi() && !draft.head.features.acpi() {
        build.parts.push(Part::flag("-no-acpi"));
    }
    let lifecycle = &draft.head.lifecycle;
    let Some(chip) = board.power_management() else { return };
    for (what, enabled) in
        [("disable_s3", lifecycle.suspend_to_mem), ("disable_s4", lifecycle.suspend_to_disk)]
    {
        if let Some(enabled) = enabled {
            let off = u8::from(!enabled.is_true());
            build.parts.push(Part::plain("-global", format!("{chip}.{what}={off}")));
        }
    }
}
