//! How much memory a guest has.
//!
//! Owns: the balloon, and sizes in definitions. Never: plugs memory.

use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Result, refuse};
use ostler_domain::devices::Device;
use ostler_domain::devices::memballoon::BalloonModel;
use ostler_domain::{Domain, Draft};
use ostler_qmp::MonitorError;

use super::targets::Targets;
use crate::domain::guest::not_running;
use crate::domain::{Guest, Job};
use crate::engine::Engine;

/// The alias of a guest's balloon, if it has one that can be talked to.
fn balloon(draft: &Draft) -> Option<&str> {
    let real = |model| !matches!(model, BalloonModel::None | BalloonModel::Xen);
    draft.devices.memballoons.iter().find(|balloon| real(balloon.model)).map(|balloon| balloon.info().alias())
}

fn is_inactive(error: &MonitorError) -> bool {
    matches!(error, MonitorError::Qemu { class, .. } if class == "DeviceNotActive")
}

impl Engine {
    /// Sets what the balloon leaves the guest, KiB.
    pub async fn set_memory(&self, guest: &Arc<Guest>, kib: u64, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetMemoryFlags").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        let live = view.live.as_ref().filter(|_| targets.live);
        let config = match &view.inactive {
            Some(definition) if targets.config => Some(definition.get(&self.setting(None))?),
            _ => None,
        };
        let totals = [live, config.as_ref()].map(|shown| shown.map(|shown| shown.domain().head.memory.total));
        if totals.iter().flatten().any(|total| kib > *total) {
            refuse!(invalid_arg, "cannot set memory higher than max memory");
        }
        if live.is_some() {
            self.inflate(guest, kib).await?;
        }
        if targets.config {
            self.edit_config(guest, |draft| {
                draft.head.memory.current = kib;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn inflate(&self, guest: &Arc<Guest>, kib: u64) -> Result<()> {
        let arguments = json!({"value": kib.saturating_mul(1024)});
        match guest.link()?.monitor.command("balloon", Some(arguments)).await {
            Ok(_) => Ok(()),
            Err(error) if is_inactive(&error) => refuse!(
                operation_invalid,
                "Unable to change memory of active domain without the balloon device and guest OS balloon driver"
            ),
            Err(error) => Err(error.of_guest(&guest.view().name)),
        }
    }

    /// Sets what the guest boots with, KiB.
    pub async fn set_memory_total(&self, guest: &Arc<Guest>, kib: u64, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetMaxMemory").await?;
        let targets = Targets::of(flags, &guest.view())?;
        if targets.live {
            refuse!(operation_invalid, "cannot resize the maximum memory on an active domain");
        }
        self.edit_config(guest, |draft| {
            if !draft.head.cells().is_empty() {
                refuse!(
                    operation_invalid,
                    "initial memory size of a domain with NUMA nodes cannot be modified with this API"
                );
            }
            let memory = &mut draft.head.memory;
            if memory.maximum > 0 && memory.maximum < kib {
                refuse!(
                    operation_invalid,
                    "cannot set initial memory size greater than the maximum memory size"
                );
            }
            memory.total = kib;
            memory.current = memory.current.min(kib);
            Ok(())
        })
        .await
    }

    /// Sets how often the guest tells of its memory, seconds; 0: never.
    pub async fn set_memory_stats_period(&self, guest: &Arc<Guest>, seconds: u32, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetMemoryStatsPeriod").await?;
        let targets = Targets::of(flags, &guest.view())?;
        let change = |draft: &mut Draft| {
            if balloon(draft).is_none() {
                refuse!(
                    operation_invalid,
                    "Memory balloon model must be virtio to set the collection period"
                );
            }
            let period = Some(seconds).filter(|seconds| *seconds > 0);
            draft.devices.memballoons.iter_mut().for_each(|balloon| balloon.stats_period = period);
            Ok(())
        };
        if targets.live {
            let live = guest.view().live.clone().ok_or_else(not_running)?;
            change(&mut live.domain().clone().into_draft())?;
            self.poll_balloon(guest, live.domain(), seconds).await?;
        }
        self.edit(guest, targets, change).await
    }

    async fn poll_balloon(&self, guest: &Arc<Guest>, live: &Domain, seconds: u32) -> Result<()> {
        let Some(alias) = balloon(live) else { return Ok(()) };
        let arguments = json!({
            "path": format!("/machine/peripheral/{alias}"),
            "property": "guest-stats-polling-interval",
            "value": seconds,
        });
        let answer = guest.link()?.monitor.command("qom-set", Some(arguments)).await;
        answer.map(drop).map_err(|error| error.of_guest(&guest.view().name))
    }

    /// The balloon of a guest that starts: what it leaves, and how often it tells.
    pub(crate) async fn set_balloon_up(&self, guest: &Arc<Guest>) -> Result<()> {
        let Some(live) = guest.view().live.clone() else { return Ok(()) };
        let live = live.domain();
        let Some(device) = live.devices.memballoons.first().filter(|_| balloon(live).is_some()) else {
            return Ok(());
        };
        if let Some(seconds) = device.stats_period {
            self.poll_balloon(guest, live, seconds).await?;
        }
        let memory = &live.head.memory;
        if memory.current < memory.total { self.inflate(guest, memory.current).await } else { Ok(()) }
    }
}
