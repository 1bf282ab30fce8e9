//! Steps that look across devices, in one ordered list.
//!
//! Owns: the order. Never: a rule of one device (that is in its folder) or of one machine family.

mod boot;
mod controllers;
mod modules;
mod pci;
mod pci_map;
mod places;
mod resolve;
mod usb;
mod zpci;

use ostler_base::{OnOff, Result, refuse};

pub(crate) use resolve::accelerator;

use crate::devices::iommu::needs_eim;
use crate::sections::features::IoApic;
use crate::sections::{cpu, memory, rules, sysinfo};
use crate::{Draft, Setting};

type Pass = fn(&mut Draft, &Setting<'_>) -> Result<()>;

/// Every pass, in order.
const PASSES: &[Pass] = &[
    resolve::identity,
    resolve::machine,
    resolve::habits,
    crate::firmware::choose,
    resolve::interrupt_controller,
    modules::auto_cell,
    modules::new_sizes,
    resolve::memory,
    controllers::indexes,
    implied,
    primary_video,
    controllers::usb_models,
    interrupts,
    controllers::consoles,
    devices_complete,
    controllers::for_disks,
    places::serial_controllers,
    controllers::indexes,
    resolve::cpu,
    boot::defaults,
    validate,
    controllers::drive_addresses,
    places::virtio_serial,
    places::virtio,
    places::spapr_vio,
    pci::addresses,
    zpci::identifiers,
    new_usb_ports,
    memory_slots,
    boot::order,
];

/// What is true of a definition whatever runs it.
const COMMON: &[Pass] = &[
    resolve::identity,
    resolve::memory,
    controllers::indexes,
    primary_video,
    places::serial_controllers,
    boot::defaults,
    controllers::drive_addresses,
];

/// Runs the passes that need neither an emulator nor a machine type.
pub(crate) fn run_common(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    COMMON.iter().try_for_each(|pass| pass(draft, setting))?;
    draft.devices.interfaces.iter_mut().for_each(|card| card.choose_mac(setting));
    Ok(())
}

/// Runs every pass.
pub(crate) fn run(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    PASSES.iter().try_for_each(|pass| pass(draft, setting))
}

/// What a definition of a run lacks: next to nothing, for a run is as it is. Nothing is refused.
pub(crate) fn resume(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let Draft { head, devices, .. } = &mut *draft;
    let audios = <crate::devices::audio::Audio as crate::devices::Kind>::implied(devices, head, setting);
    devices.audios.extend(audios);
    if let (Some(console), Some(serial)) = (devices.consoles.first_mut(), devices.serials.first())
        && console.is_serial()
        && crate::devices::Device::info(console).alias.is_none()
    {
        let alias = crate::devices::Device::info(serial).alias.clone();
        crate::devices::Device::info_mut(console).alias = alias;
    }
    // The models of controllers and the sockets of channels were settled when it started.
    let controllers = std::mem::take(&mut devices.controllers);
    let channels = std::mem::take(&mut devices.channels);
    devices_complete(draft, setting)?;
    draft.devices.controllers = controllers;
    draft.devices.channels = channels;
    boot::order(draft, setting)
}

/// USB ports are the guest's to see: they are found for new definitions, and again for every run.
fn new_usb_ports(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    if draft.abi_update { usb::ports(draft) } else { Ok(()) }
}

fn memory_slots(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    modules::slots(draft)
}

/// Places that a definition may leave open until it is run.
pub(crate) fn places_for_run(draft: &mut Draft) -> Result<()> {
    usb::ports(draft)
}

fn implied(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let Draft { head, devices, .. } = draft;
    devices.add_implied(head, setting);
    Ok(())
}

/// The first display adapter is the primary one, unless the definition names another; the primary
/// one comes first.
fn primary_video(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let videos = &mut draft.devices.videos;
    if videos.iter().filter(|v| v.primary).count() > 1 {
        refuse!(unsupported, "Only one primary video device is supported");
    }
    let primary = videos.iter().position(|v| v.primary).unwrap_or(0);
    if let Some(video) = videos.get_mut(primary) {
        video.primary = true;
        videos[..=primary].rotate_right(1);
    }
    Ok(())
}

/// Guests with many processors need extended interrupt mode, and interrupts that are remapped need
/// an I/O APIC outside the kernel.
fn interrupts(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let needs_eim = needs_eim(&draft.head);
    if needs_eim && draft.abi_update {
        draft.devices.iommus.iter_mut().for_each(|iommu| iommu.extend(setting));
    }
    if let [iommu] = &draft.devices.iommus[..]
        && (iommu.driver.intremap == Some(OnOff::On) || needs_eim)
    {
        draft.head.features.ioapic.get_or_insert(IoApic::Qemu);
    }
    Ok(())
}

fn devices_complete(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let head = &draft.head;
    draft.devices.iter_mut().try_for_each(|device| device.complete(head, setting))
}

fn validate(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let draft = &*draft;
    let head = &draft.head;
    rules::validate(draft, setting)?;
    memory::validate(draft)?;
    head.memory_backing.validate(head.cells().len())?;
    head.vcpus.validate()?;
    cpu::validate(draft, setting)?;
    head.numa.validate(head.vcpus.maximum)?;
    head.numatune.validate(head.cells().len())?;
    head.os.firmware.validate(draft)?;
    head.os.validate(draft.devices.serials.len(), setting)?;
    sysinfo::validate(&head.sysinfo)?;
    if let Some(security) = &head.launch_security {
        security.validate(setting)?;
    }
    draft.devices.iter().try_for_each(|device| device.validate(draft, setting))
}
