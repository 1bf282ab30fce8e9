//! Rules of sections that depend on the machine type or on what the emulator can do.
//!
//! Owns: the rules, with the reference's texts. Never: changes a definition.

use ostler_base::{Arch, OnOff, Result, Word, YesNo, refuse};
use ostler_caps::emulator::{Accelerator, Flag};

use super::clock::{Offset, TickPolicy, Timer, TimerName, Track};
use super::features::{Switched, Valued};
use super::lifecycle::{CrashAction, EndAction};
use super::memory_backing::{Allocation, MemorySource};
use super::tuning::MemoryLimit;
use crate::machine::{self, Machine};
use crate::passes::accelerator;
use crate::{Draft, Setting};

/// The last moment that a clock can start at.
const LAST_START: u64 = 253_402_300_799;
/// The most vCPUs of a machine without extended interrupts.
const WITHOUT_EIM: u32 = 255;

/// What rules look at.
struct Ground<'a> {
    draft: &'a Draft,
    setting: &'a Setting<'a>,
    machine: &'static dyn Machine,
    arch: Arch,
    name: &'a str,
    accelerator: Accelerator,
}

impl Ground<'_> {
    /// Refuses a feature that the machine type or architecture does not have.
    fn feature(&self, name: &str, asked: bool, there: bool) -> Result<()> {
        if asked && !there {
            let (arch, machine) = (self.arch, self.name);
            refuse!(
                unsupported,
                "The '{name}' feature is not supported for architecture '{arch}' or machine type '{machine}'"
            );
        }
        Ok(())
    }
}

/// Checks every rule.
pub(crate) fn validate(draft: &Draft, setting: &Setting<'_>) -> Result<()> {
    if setting.emulator.is_none() {
        return Ok(());
    }
    let os = &draft.head.os;
    let ground = Ground {
        draft,
        setting,
        machine: machine::of(os),
        arch: os.arch.unwrap_or(setting.host.arch),
        name: os.machine.as_deref().unwrap_or_default(),
        accelerator: accelerator(draft),
    };
    let rules: &[fn(&Ground<'_>) -> Result<()>] = &[
        acpi,
        lifecycle,
        identity,
        vcpus,
        timers,
        machine_features,
        partition_features,
        hypervisor_features,
        switched_features,
        memory,
    ];
    rules.iter().try_for_each(|rule| rule(&ground))
}

fn acpi(ground: &Ground<'_>) -> Result<()> {
    let machine = ground.setting.emulator.and_then(|e| e.machine(ground.accelerator, ground.name));
    if ground.draft.head.features.acpi() && machine.is_some_and(|machine| machine.acpi == Some(false)) {
        refuse!(unsupported, "machine type '{}' does not support ACPI", ground.name);
    }
    Ok(())
}

fn lifecycle(ground: &Ground<'_>) -> Result<()> {
    let lifecycle = &ground.draft.head.lifecycle;
    let ends = [lifecycle.on_poweroff, lifecycle.on_reboot];
    if ends.contains(&EndAction::RenameRestart) || lifecycle.on_crash == CrashAction::RenameRestart {
        refuse!(
            unsupported,
            "qemu driver doesn't support the 'rename-restart' action for 'on_reboot'/'on_poweroff'/'on_crash'"
        );
    }
    if ends.contains(&EndAction::Preserve) {
        refuse!(
            unsupported,
            "qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'"
        );
    }
    if lifecycle.on_reboot == EndAction::Destroy && lifecycle.on_poweroff == EndAction::Restart {
        refuse!(
            unsupported,
            "qemu driver doesn't support 'onReboot' set to 'destroy and 'onPoweroff' set to 'reboot'"
        );
    }
    let suspends = lifecycle.suspend_to_mem.is_some() || lifecycle.suspend_to_disk.is_some();
    if suspends && ground.machine.power_management().is_none() {
        refuse!(unsupported, "setting ACPI S3/S4 not supported");
    }
    Ok(())
}

fn identity(ground: &Ground<'_>) -> Result<()> {
    let head = &ground.draft.head;
    if head.identity.genid.is_some() && !ground.setting.has(Flag::Vmgenid) {
        refuse!(unsupported, "this QEMU does not support the 'genid' capability");
    }
    if head.tuning.memory_limits.iter().any(|(limit, _)| *limit == MemoryLimit::MinGuarantee) {
        refuse!(unsupported, "Parameter 'min_guarantee' not supported by QEMU.");
    }
    if ground.accelerator == Accelerator::Tcg && !head.cputune.resctrl.is_empty() {
        refuse!(unsupported, "cachetune is only supported for KVM domains");
    }
    Ok(())
}

fn vcpus(ground: &Ground<'_>) -> Result<()> {
    let asked = ground.draft.head.vcpus.maximum;
    let most = ground.setting.emulator.map_or(0, |e| e.max_cpus(ground.accelerator, ground.name));
    if most != 0 && asked > most {
        refuse!(unsupported, "Maximum CPUs greater than specified machine type limit {most}");
    }
    if ground.arch.is_x86() && asked > WITHOUT_EIM && !ground.machine.takes_many_vcpus() {
        refuse!(unsupported, "more than {WITHOUT_EIM} vCPUs are only supported on q35-based machine types");
    }
    Ok(())
}

fn timers(ground: &Ground<'_>) -> Result<()> {
    let clock = &ground.draft.head.clock;
    clock.timers.iter().try_for_each(|timer| one_timer(ground, timer))?;
    match clock.offset {
        Offset::Absolute(start) if start > LAST_START => {
            refuse!(unsupported, "The maximum 'start' value for <clock offset='absolute'> is {LAST_START}")
        }
        _ => Ok(()),
    }
}

fn one_timer(ground: &Ground<'_>, timer: &Timer) -> Result<()> {
    let name = timer.name;
    let kind = ground.draft.head.identity.kind;
    let elsewhere = |wrong: bool| {
        if wrong {
            let (arch, machine) = (ground.arch, ground.name);
            refuse!(
                unsupported,
                "Configuring the '{name}' timer is not supported for virtType={kind} arch={arch} machine={machine} guests"
            );
        }
        Ok(())
    };
    match name {
        TimerName::Platform => refuse!(unsupported, "unsupported timer type (name) '{name}'"),
        TimerName::Tsc | TimerName::Kvmclock | TimerName::Hypervclock => elsewhere(!ground.arch.is_x86()),
        TimerName::Rtc => {
            if let Some(track) = timer.track.filter(|t| *t == Track::Boot) {
                refuse!(unsupported, "unsupported rtc timer track '{track}'");
            }
            match timer.tick_policy {
                Some(policy @ (TickPolicy::Merge | TickPolicy::Discard)) => {
                    refuse!(unsupported, "unsupported rtc timer tickpolicy '{policy}'")
                }
                _ => Ok(()),
            }
        }
        TimerName::Pit => match timer.tick_policy {
            Some(policy @ TickPolicy::Merge) => {
                refuse!(unsupported, "unsupported pit tickpolicy '{policy}'")
            }
            _ => Ok(()),
        },
        TimerName::Hpet => {
            if timer.present == Some(YesNo::Yes) && !ground.arch.is_x86() {
                refuse!(unsupported, "hpet timer is not supported by this architecture");
            }
            Ok(())
        }
        TimerName::Armvtimer => {
            let there = ground.accelerator == Accelerator::Kvm && ground.arch == Arch::Aarch64;
            elsewhere(!there || !ground.machine.builtin_gic())?;
            if timer.present == Some(YesNo::No) {
                refuse!(unsupported, "The '{name}' timer can't be disabled");
            }
            if !ground.setting.has(Flag::CpuKvmNoAdjvtime) {
                refuse!(unsupported, "Configuring the '{name}' timer is not supported with this QEMU binary");
            }
            match timer.tick_policy {
                Some(policy @ (TickPolicy::Catchup | TickPolicy::Merge)) => {
                    refuse!(unsupported, "The '{name}' timer does not support tickpolicy '{policy}'")
                }
                _ => Ok(()),
            }
        }
    }
}

fn machine_features(ground: &Ground<'_>) -> Result<()> {
    let features = &ground.draft.head.features;
    ground.feature("ioapic", features.ioapic.is_some(), ground.arch.is_x86())?;
    ground.feature("gic", features.gic.is_some(), ground.machine.builtin_gic())?;
    let lock = features.switched(Switched::Pvspinlock).is_some();
    ground.feature(Switched::Pvspinlock.as_str(), lock, ground.arch.is_x86())?;
    if features.smm.as_ref().is_some_and(|smm| smm.tseg.is_some()) && !ground.machine.has_tseg() {
        refuse!(unsupported, "SMM TSEG is only supported with q35 machine type");
    }
    let (arch, machine) = (ground.arch, ground.name);
    if features.apic.flatten().is_some() && !arch.is_x86() {
        refuse!(
            unsupported,
            "The 'eoi' attribute of the 'apic' feature is not supported for architecture '{arch}' or machine type '{machine}'"
        );
    }
    if features.hyperv.is_some() && !arch.is_x86() && arch != Arch::Aarch64 {
        refuse!(
            unsupported,
            "Hyperv features are not supported for architecture '{arch}' or machine type '{machine}'"
        );
    }
    Ok(())
}

/// Features of logical partitions.
fn partition_features(ground: &Ground<'_>) -> Result<()> {
    let features = &ground.draft.head.features;
    let there = ground.machine.is_partition();
    ground.feature("hpt", features.hpt.is_some(), there)?;
    for feature in [Switched::Htm, Switched::NestedHv, Switched::CcfAssist] {
        ground.feature(feature.as_str(), features.switched(feature).is_some(), there)?;
    }
    for (feature, _) in features.valued.iter().filter(|(feature, _)| *feature != Valued::Aia) {
        ground.feature(feature.as_str(), true, there)?;
    }
    Ok(())
}

fn hypervisor_features(ground: &Ground<'_>) -> Result<()> {
    let features = &ground.draft.head.features;
    if features.switched(Switched::Pmu) == Some(OnOff::Off) && ground.arch.is_ppc64() {
        refuse!(unsupported, "PMU is always enabled for architecture '{}'", ground.arch);
    }
    if let Some(cache) = features.tcg_cache {
        if ground.accelerator != Accelerator::Tcg {
            let kind = ground.draft.head.identity.kind;
            refuse!(unsupported, "TCG features are incompatible with domain type '{kind}'");
        }
        if !cache.is_multiple_of(1024) {
            refuse!(unsupported, "tb-cache size must be an integer multiple of MiB");
        }
    }
    if features.async_teardown.is_some() && !ground.setting.has(Flag::RunWithAsyncTeardown) {
        refuse!(unsupported, "asynchronous teardown is not available with this QEMU binary");
    }
    Ok(())
}

fn switched_features(ground: &Ground<'_>) -> Result<()> {
    let features = &ground.draft.head.features;
    let said = |feature| features.switched(feature).is_some();
    let has = |flag| ground.setting.has(flag);
    if features.switched(Switched::Vmport) == Some(OnOff::On) {
        if !has(Flag::MachineVmportOpt) {
            refuse!(unsupported, "vmport is not available with this QEMU binary");
        }
        if features.switched(Switched::Ps2) == Some(OnOff::Off) {
            refuse!(unsupported, "vmport feature requires the ps2 feature not to be disabled");
        }
    }
    if features.switched(Switched::Vmcoreinfo) == Some(OnOff::On) && !has(Flag::Vmcoreinfo) {
        refuse!(unsupported, "vmcoreinfo is not available with this QEMU binary");
    }
    if said(Switched::Ras) {
        if !ground.machine.builtin_gic() {
            refuse!(unsupported, "ras feature is only supported with ARM Virt machines");
        }
        if !has(Flag::MachineVirtRas) {
            refuse!(unsupported, "ras feature is not available with this QEMU binary");
        }
    }
    if said(Switched::Ps2) {
        if features.switched(Switched::Ps2) == Some(OnOff::On) && !has(Flag::I8042) {
            refuse!(unsupported, "ps2 feature is not available with this QEMU binary");
        }
        if !has(Flag::MachineI8042Opt) {
            refuse!(unsupported, "ps2 feature state cannot be controlled with this QEMU binary");
        }
    }
    if features.valued.iter().any(|(feature, _)| *feature == Valued::Aia) {
        if !ground.arch.is_riscv() || !ground.machine.has_aia() {
            refuse!(unsupported, "aia feature is only supported with RISC-V Virt machines");
        }
        if !has(Flag::MachineVirtAia) {
            refuse!(unsupported, "aia feature is not available with this QEMU binary");
        }
    }
    Ok(())
}

fn memory(ground: &Ground<'_>) -> Result<()> {
    let head = &ground.draft.head;
    let backing = &head.memory_backing;
    if backing.hugepages.is_some() {
        if backing.allocation == Some(Allocation::Ondemand) {
            refuse!(unsupported, "hugepages are not allowed with memory allocation ondemand");
        }
        if backing.source == Some(MemorySource::Anonymous) {
            refuse!(unsupported, "hugepages are not allowed with anonymous memory source");
        }
        if backing.source == Some(MemorySource::Memfd) && !ground.setting.has(Flag::MemoryBackendMemfdHugetlb)
        {
            refuse!(unsupported, "hugepages is not supported with memfd memory source");
        }
    }
    let machine = ground.setting.emulator.and_then(|e| e.machine(ground.accelerator, ground.name));
    let own = machine.is_some_and(|machine| machine.default_ram_id.is_some());
    if let Some(access) = backing.access.filter(|_| head.cells().is_empty() && !own) {
        refuse!(unsupported, "memory access mode '{access}' not supported without guest numa node");
    }
    if head.numa.has_hmat() && !ground.setting.has(Flag::NumaHmat) {
        refuse!(unsupported, "HMAT is not supported with this QEMU");
    }
    Ok(())
}
