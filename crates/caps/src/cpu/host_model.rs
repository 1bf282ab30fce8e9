//! What `host-model` stands for with one emulator and accelerator.
//!
//! Owns: how it follows from what the emulator says of model `host`, or from the host's own CPU
//! where the emulator says nothing. Never: asks either.

use ostler_base::{Arch, Result};

use super::definition::{AddressMode, Cpu, Fallback, MaxPhysAddr, Policy};
use super::{expand, migratable, properties};
use crate::emulator::{CpuDefinition, CpuModelInfo};

/// Features of the map that no guest can be given: QEMU has no switch for them.
const HOST_ONLY: [&str; 8] = [
    "cmt",
    "mbm_total",
    "mbm_local",
    "osxsave",
    "ospke",
    "vmx-ept-uc",
    "vmx-ept-wb",
    "vmx-invvpid-single-context",
];

/// `host-model` in three forms, each a guest's CPU of mode `custom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostModel {
    /// What domain capabilities show.
    pub reported: Cpu,
    /// What a guest of that mode gets: without what bars migration.
    pub migratable: Cpu,
    /// What the host can do at all: guests are compared with it. Where the host's own CPU is known
    /// it is that, and names besides whatever the emulator can give.
    pub full: Cpu,
}

/// What it is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// What the emulator says of model `host` (or `max` without a real accelerator).
    pub expansion: Option<&'a CpuModelInfo>,
    /// The models of the emulator.
    pub models: Option<&'a [CpuDefinition]>,
    /// The host's own CPU as a guest's, of any model; for KVM only.
    pub host: Option<&'a Cpu>,
    /// The same in a model that the emulator has, for any accelerator: it counts where the emulator
    /// says nothing of model `host`.
    pub host_of_models: Option<&'a Cpu>,
    /// Width of the host's physical addresses; for KVM only.
    pub phys_addr_bits: Option<u32>,
}

impl HostModel {
    /// Makes it; `None` where neither the emulator nor the host tells enough.
    pub fn new(arch: Arch, sources: Sources<'_>) -> Result<Option<Self>> {
        let limit = sources.phys_addr_bits.filter(|bits| *bits > 0);
        let mut reported = Cpu {
            max_phys_addr: limit.map(|bits| MaxPhysAddr {
                mode: AddressMode::Passthrough,
                bits: None,
                limit: Some(bits),
            }),
            ..Cpu::guest()
        };
        let mut told = false;
        if let Some(expansion) = sources.expansion {
            told = properties::fill_in(arch, &mut reported, expansion, sources.models, false)?;
        }
        if !told {
            let Some(host) = sources.host_of_models else { return Ok(None) };
            reported.copy_model(host);
            reported.features.retain(|feature| is_for_guests(arch, &feature.name));
            let migratable = migratable(arch, &reported)?;
            return Ok(Some(HostModel { full: reported.clone(), migratable, reported }));
        }
        reported.fallback = Fallback::Forbid;
        let mut movable = reported.clone();
        if let Some(expansion) = sources.expansion {
            properties::fill_in(arch, &mut movable, expansion, sources.models, true)?;
        }
        let Some(host) = sources.host else {
            return Ok(Some(HostModel { full: reported.clone(), migratable: movable, reported }));
        };
        let mut expanded = reported.clone();
        expand(arch, &mut expanded)?;
        let mut full = host.clone();
        for feature in expanded.features.iter().filter(|f| f.policy == Some(Policy::Require)) {
            full.set_feature(&feature.name, Some(Policy::Require));
        }
        Ok(Some(HostModel { reported, migratable: movable, full }))
    }
}

/// Whether a feature of a host's CPU can be one of a guest's.
pub(super) fn is_for_guests(arch: Arch, feature: &str) -> bool {
    !(arch.is_x86() && HOST_ONLY.contains(&feature))
}
