//! Steps that look across devices, in one ordered list.
//!
//! Owns: the order. Never: a rule of one device (that is in its folder) or of one machine family.

mod boot;
mod controllers;
mod pci;
mod resolve;

use ostler_base::Result;

pub(crate) use resolve::accelerator;

use crate::{Draft, Setting, machine};

type Pass = fn(&mut Draft, &Setting<'_>) -> Result<()>;

/// Every pass, in order.
const PASSES: &[Pass] = &[
    resolve::identity,
    resolve::machine,
    implied,
    devices_complete,
    controllers::consoles,
    controllers::for_disks,
    controllers::indexes,
    resolve::cpu,
    boot::defaults,
    validate,
    controllers::drive_addresses,
    pci::addresses,
    boot::order,
];

/// Runs every pass.
pub(crate) fn run(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    PASSES.iter().try_for_each(|pass| pass(draft, setting))
}

fn implied(draft: &mut Draft, _setting: &Setting<'_>) -> Result<()> {
    let Draft { head, devices } = draft;
    devices.add_implied(head, machine::of(&head.os));
    Ok(())
}

fn devices_complete(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let head = &draft.head;
    draft.devices.iter_mut().try_for_each(|device| device.complete(head, setting))
}

fn validate(draft: &mut Draft, setting: &Setting<'_>) -> Result<()> {
    let draft = &*draft;
    draft.head.memory.validate()?;
    draft.head.clock.validate()?;
    if let Some(cpu) = &draft.head.cpu {
        cpu.validate(draft.head.vcpus.maximum)?;
    }
    draft.devices.iter().try_for_each(|device| device.validate(draft, setting))
}
