//! How many virtual processors a guest has, and which.
//!
//! Owns: counts and single processors in definitions, and plugging them in. Never: binds one to a
//! processor of the host.

use std::sync::Arc;
use std::time::Duration;

use ostler_base::json::json;
use ostler_base::{Error, IdSet, Json, Result, refuse};
use ostler_domain::sections::vcpu::{Vcpu, Vcpus};
use ostler_host::set_affinity;

use super::pin::Thread;
use super::targets::Targets;
use crate::domain::guest::not_running;
use crate::domain::{Guest, Job};
use crate::engine::Engine;

/// How long a guest may take to let a processor go, and how often it is looked after meanwhile.
const UNPLUG: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(100);

/// More processors than any host has: the kernel passes over those that are not there.
const MOST_PROCESSORS: u32 = 1024;

/// Every single processor of a definition that only counts them.
fn each(vcpus: &Vcpus) -> Vec<Vcpu> {
    if !vcpus.each.is_empty() {
        return vcpus.each.clone();
    }
    let one =
        |number| Vcpu { enabled: number < vcpus.current, hotpluggable: number >= vcpus.current, order: None };
    (0..vcpus.maximum).map(one).collect()
}

/// Lets so many be there: the lowest that are not come, the highest that are go.
fn count(vcpus: &mut Vcpus, number: u32) {
    vcpus.current = number;
    let mut there = u32::try_from(vcpus.each.iter().filter(|vcpu| vcpu.enabled).count()).unwrap_or(u32::MAX);
    for vcpu in &mut vcpus.each {
        if there < number && !vcpu.enabled {
            *vcpu = Vcpu { enabled: true, hotpluggable: true, order: None };
            there += 1;
        }
    }
    for vcpu in vcpus.each.iter_mut().rev() {
        if there > number && vcpu.enabled {
            *vcpu = Vcpu { enabled: false, hotpluggable: true, order: None };
            there -= 1;
        }
    }
}

impl Engine {
    /// Lets a guest have so many processors.
    pub async fn set_vcpus(&self, guest: &Arc<Guest>, number: u32, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetVcpusFlags").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        let over = |what: &str, most: u32| {
            refuse!(
                invalid_arg,
                "requested vcpus is greater than max allowable vcpus for the {what} domain: {number} > {most}"
            )
        };
        if let Some(live) = view.live.as_ref().filter(|_| targets.live) {
            let most = live.domain().head.vcpus.maximum;
            if number > most {
                return over("live", most);
            }
        }
        if let Some(inactive) = view.inactive.as_ref().filter(|_| targets.config) {
            let most = inactive.get(&self.setting(None))?.domain().head.vcpus.maximum;
            if number > most {
                return over("persistent", most);
            }
        }
        if targets.live {
            let live = view.live.clone().ok_or_else(not_running)?;
            let vcpus = &live.domain().head.vcpus;
            let surplus = usize::try_from(vcpus.current.saturating_sub(number)).unwrap_or(usize::MAX);
            let there = each(vcpus).into_iter().enumerate().filter(|(_, vcpu)| vcpu.enabled);
            let leaving: Vec<(usize, Vcpu)> = there.collect();
            for (vcpu, state) in leaving.into_iter().rev().take(surplus) {
                self.unplug_vcpu(guest, vcpu, state).await?;
            }
            let absent = each(vcpus).into_iter().enumerate().filter(|(_, vcpu)| !vcpu.enabled);
            let missing = usize::try_from(number.saturating_sub(vcpus.current)).unwrap_or(usize::MAX);
            let wanted: Vec<usize> = absent.map(|(number, _)| number).take(missing).collect();
            for vcpu in wanted {
                self.plug_vcpu(guest, vcpu).await?;
            }
        }
        if targets.config {
            self.edit_config(guest, |draft| {
                count(&mut draft.head.vcpus, number);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Sets how many processors a guest may ever have.
    pub async fn set_vcpus_maximum(&self, guest: &Arc<Guest>, number: u32, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetVcpusFlags").await?;
        if Targets::of(flags, &guest.view())?.live {
            refuse!(operation_unsupported, "maximum vcpu count of a live domain can't be modified");
        }
        self.edit_config(guest, |draft| {
            let topology = draft.head.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
            if let Some(topology) = topology
                && topology.vcpus() != Some(number)
            {
                refuse!(invalid_arg, "CPU topology doesn't match the desired vcpu count");
            }
            let vcpus = &mut draft.head.vcpus;
            vcpus.current = vcpus.current.min(number);
            vcpus.maximum = number;
            if !vcpus.each.is_empty() {
                let length = usize::try_from(number).unwrap_or(usize::MAX);
                vcpus.each.resize(length, Vcpu { enabled: false, hotpluggable: true, order: None });
                let there = vcpus.each.iter().filter(|vcpu| vcpu.enabled).count();
                vcpus.current = u32::try_from(there).unwrap_or(u32::MAX);
            }
            draft.head.cputune.vcpupin.retain(|vcpu, _| *vcpu < number);
            draft.head.cputune.vcpusched.retain(|vcpu, _| *vcpu < number);
            Ok(())
        })
        .await
    }

    /// Lets single processors be there or not.
    pub async fn set_vcpu(&self, guest: &Arc<Guest>, which: &IdSet, there: bool, flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetVcpu").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        if which.is_empty() {
            refuse!(invalid_arg, "no vcpus selected for modification");
        }
        if let Some(live) = view.live.as_ref().filter(|_| targets.live) {
            let vcpus = &live.domain().head.vcpus;
            check_range(vcpus, which, "live")?;
            let all = each(vcpus);
            for number in which.iter() {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                if all.get(place).is_some_and(|vcpu| vcpu.enabled == there) {
                    refuse!(invalid_arg, "vcpu '{number}' is already in requested state");
                }
            }
            for number in which.iter() {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                match all.get(place) {
                    Some(state) if !there => self.unplug_vcpu(guest, place, *state).await?,
                    _ => self.plug_vcpu(guest, place).await?,
                }
            }
        }
        if !targets.config {
            return Ok(());
        }
        self.edit_config(guest, |draft| {
            let vcpus = &mut draft.head.vcpus;
            check_range(vcpus, which, "persistent")?;
            if !there && which.contains(0) {
                refuse!(invalid_arg, "vCPU '0' must be enabled");
            }
            vcpus.each = each(vcpus);
            for number in which.iter() {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                if let Some(vcpu) = vcpus.each.get_mut(place) {
                    *vcpu = Vcpu { enabled: there, hotpluggable: true, order: None };
                }
            }
            let there = vcpus.each.iter().filter(|vcpu| vcpu.enabled).count();
            vcpus.current = u32::try_from(there).unwrap_or(u32::MAX);
            Ok(())
        })
        .await
    }

    /// Asks a running guest to let one processor go, and waits until it has.
    async fn unplug_vcpu(&self, guest: &Arc<Guest>, number: usize, state: Vcpu) -> Result<()> {
        if !state.hotpluggable {
            refuse!(operation_invalid, "vcpu '{number}' can't be unplugged");
        }
        let link = guest.link()?;
        let told = |error: ostler_qmp::MonitorError| error.of_guest(&guest.view().name);
        let device = json!({"id": format!("vcpu{number}")});
        link.monitor.command("device_del", Some(device)).await.map_err(told)?;
        let deadline = tokio::time::Instant::now() + UNPLUG;
        loop {
            let answer = link.monitor.command("query-cpus-fast", None).await.map_err(told)?;
            let left = threads(&answer);
            if !left.iter().any(|(vcpu, _)| usize::try_from(*vcpu) == Ok(number)) {
                guest.update(|state| {
                    if let Some(record) = &mut state.record {
                        record.vcpus = left;
                    }
                });
                break;
            }
            if tokio::time::Instant::now() > deadline {
                refuse!(
                    operation_failed,
                    "vcpu unplug request timed out. Unplug result must be manually inspected in the domain"
                );
            }
            tokio::time::sleep(GLANCE).await;
        }
        self.edit_live(guest, |draft| {
            let vcpus = &mut draft.head.vcpus;
            vcpus.each = each(vcpus);
            if let Some(vcpu) = vcpus.each.get_mut(number) {
                *vcpu = Vcpu { enabled: false, hotpluggable: true, order: None };
            }
            let there = vcpus.each.iter().filter(|vcpu| vcpu.enabled).count();
            vcpus.current = u32::try_from(there).unwrap_or(u32::MAX);
            Ok(())
        })
        .await
    }

    /// Plugs one processor into a running guest.
    async fn plug_vcpu(&self, guest: &Arc<Guest>, number: usize) -> Result<()> {
        let link = guest.link()?;
        let told = |error: ostler_qmp::MonitorError| error.of_guest(&guest.view().name);
        let answer = link.monitor.command("query-hotpluggable-cpus", None).await.map_err(told)?;
        let mut slots = answer.as_array().cloned().unwrap_or_default();
        // The emulator's list begins with the last.
        slots.sort_by_key(|slot| {
            let part =
                |name: &str| slot.get("props").and_then(|props| props.get(name)).and_then(Json::as_u64);
            ["socket-id", "die-id", "cluster-id", "core-id", "thread-id"]
                .map(|name| part(name).unwrap_or_default())
        });
        let slot = slots.get(number).filter(|slot| slot.get("vcpus-count").and_then(Json::as_u64) == Some(1));
        let Some(slot) = slot else {
            refuse!(operation_unsupported, "vcpu '{number}' cannot be plugged on this machine");
        };
        let mut arguments = slot.get("props").cloned().unwrap_or_else(|| json!({}));
        arguments["driver"] = slot.get("type").cloned().unwrap_or_default();
        arguments["id"] = json!(format!("vcpu{number}"));
        link.monitor.command("device_add", Some(arguments)).await.map_err(told)?;
        let answer = link.monitor.command("query-cpus-fast", None).await.map_err(told)?;
        let all = threads(&answer);
        let thread =
            all.iter().find(|(vcpu, _)| usize::try_from(*vcpu) == Ok(number)).map(|(_, thread)| *thread);
        guest.update(|state| {
            if let Some(record) = &mut state.record {
                record.vcpus = all;
            }
        });
        if let (Some(thread), Ok(vcpu)) = (thread, u32::try_from(number)) {
            // It began where the emulator is bound to.
            let live = guest.view().live.clone().ok_or_else(not_running)?;
            let anywhere = || (0..MOST_PROCESSORS).collect();
            set_affinity(thread, &Thread::Vcpu(vcpu).read(live.domain()).unwrap_or_else(anywhere))?;
        }
        self.edit_live(guest, |draft| {
            let vcpus = &mut draft.head.vcpus;
            vcpus.each = each(vcpus);
            let order =
                u32::try_from(vcpus.each.iter().filter(|vcpu| vcpu.enabled).count()).unwrap_or(u32::MAX);
            for (place, vcpu) in (1..).zip(vcpus.each.iter_mut().filter(|vcpu| vcpu.enabled)) {
                vcpu.order.get_or_insert(place);
            }
            if let Some(vcpu) = vcpus.each.get_mut(number) {
                *vcpu = Vcpu { enabled: true, hotpluggable: true, order: Some(order.saturating_add(1)) };
            }
            vcpus.current = order.saturating_add(1);
            Ok(())
        })
        .await
    }
}

fn check_range(vcpus: &Vcpus, which: &IdSet, what: &str) -> Result<()> {
    match which.last() {
        Some(last) if last >= vcpus.maximum => {
            Err(Error::invalid_arg(format!("vcpu {last} is not present in {what} config")))
        }
        _ => Ok(()),
    }
}

/// Numbers of processors and of their threads.
fn threads(answer: &Json) -> Vec<(u32, u32)> {
    let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |cpu: &Json| {
        let number = |member: &str| u32::try_from(cpu.get(member)?.as_u64()?).ok();
        Some((number("cpu-index")?, number("thread-id")?))
    };
    all.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_domain::sections::vcpu::Placement;

    #[test]
    fn the_lowest_come_and_the_highest_go() {
        let mut vcpus =
            Vcpus { maximum: 4, current: 2, placement: Placement::Static, cpuset: None, each: vec![] };
        vcpus.each = each(&vcpus);
        let there = |vcpus: &Vcpus| vcpus.each.iter().map(|vcpu| vcpu.enabled).collect::<Vec<_>>();
        count(&mut vcpus, 3);
        assert_eq!(there(&vcpus), [true, true, true, false]);
        count(&mut vcpus, 1);
        assert_eq!(there(&vcpus), [true, false, false, false]);
    }
}
