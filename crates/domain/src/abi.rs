//! Whether a guest that was saved under one definition can go on under another.
//!
//! Owns: what of a definition the guest sees. Never: compares what only the host sees.

use std::fmt::Display;

use ostler_base::{Error, Origin, Result};

use crate::Domain;

fn differ(text: String) -> Error {
    Error::unsupported(text).from_origin(Origin::Domain)
}

fn same<T: PartialEq + Display>(what: &str, target: T, source: T) -> Result<()> {
    if target == source {
        return Ok(());
    }
    Err(differ(format!("Target domain {what} {target} does not match source {source}")))
}

impl Domain {
    /// Refuses a definition under which the guest would find another machine than under this one.
    pub fn check_same_machine(&self, target: &Domain) -> Result<()> {
        let (from, to) = (&self.head, &target.head);
        same("virt type", to.identity.kind, from.identity.kind)?;
        same("uuid", target.uuid(), self.uuid())?;
        if target.name() != self.name() {
            let (target, source) = (target.name(), self.name());
            return Err(differ(format!("Target domain name '{target}' does not match source '{source}'")));
        }
        same("max memory", to.memory.total, from.memory.total)?;
        same("vCPU max", to.vcpus.maximum, from.vcpus.maximum)?;
        same("vCPU count", to.vcpus.current, from.vcpus.current)?;
        let machine = |head: &crate::Head| head.os.machine.clone().unwrap_or_default();
        same("OS type", machine(to), machine(from))?;
        let counts = |domain: &Domain| {
            let devices = &domain.devices;
            [
                ("disk count", devices.disks.len()),
                ("controller count", devices.controllers.len()),
                ("filesystem count", devices.filesystems.len()),
                ("net card count", devices.interfaces.len()),
                ("input device count", devices.inputs.len()),
                ("sound card count", devices.sounds.len()),
                ("video card count", devices.videos.len()),
                ("host device count", devices.hostdevs.len()),
                ("serial port count", devices.serials.len()),
                ("parallel port count", devices.parallels.len()),
                ("channel count", devices.channels.len()),
                ("RNG device count", devices.rngs.len()),
                ("watchdog count", devices.watchdogs.len()),
            ]
        };
        for ((what, target), (_, source)) in counts(target).into_iter().zip(counts(self)) {
            same(what, target, source)?;
        }
        Ok(())
    }
}
