//! How much network cards of a guest may send and take, and which counters of the host's processors
//! are kept for it, in its definition.
//!
//! Owns: the names of both. Never: shapes the traffic of a card that runs, or opens a counter.

use std::sync::Arc;

use ostler_base::{Code, Error, MacAddr, Origin, Result, Word, YesNo, refuse};
use ostler_domain::Draft;
use ostler_domain::devices::interface::{Interface, InterfaceSource};
use ostler_domain::sections::tuning::PerfEvent;
use ostler_vocab::bandwidth::Rate;

use super::targets::Targets;
use crate::domain::{Guest, Job};
use crate::engine::Engine;
use crate::params::{Param, Value};

/// Names of rates, in the order in which clients get them.
const RATES: [&str; 7] = [
    "inbound.average",
    "inbound.peak",
    "inbound.burst",
    "inbound.floor",
    "outbound.average",
    "outbound.peak",
    "outbound.burst",
];

/// The card that a client names by its address or its device on the host.
fn is_it(card: &Interface, name: &str) -> bool {
    match MacAddr::parse(name) {
        Some(mac) => card.mac == Some(mac),
        None => card.target.as_ref().is_some_and(|(device, _)| device == name),
    }
}

fn unknown(name: &str) -> Error {
    Error::invalid_arg(format!("'{name}' is not a known interface")).from_origin(Origin::Domain)
}

/// A number of a rate by the second half of its name.
fn slot<'r>(rate: &'r mut Rate, name: &str) -> Option<&'r mut u64> {
    match name {
        "average" => Some(&mut rate.average),
        "peak" => Some(&mut rate.peak),
        "burst" => Some(&mut rate.burst),
        "floor" => Some(&mut rate.floor),
        _ => None,
    }
}

/// Puts rates into a card; a direction without an average has no limit.
fn write(card: &mut Interface, params: &[Param]) -> Result<()> {
    let limited = matches!(
        card.source,
        InterfaceSource::Network { .. }
            | InterfaceSource::Bridge(_)
            | InterfaceSource::Ethernet
            | InterfaceSource::Direct { .. }
    );
    if !limited {
        let kind = card.kind();
        refuse!(unsupported, "setting bandwidth on interfaces of type '{kind}' is not implemented yet");
    }
    let bandwidth = card.bandwidth.get_or_insert_default();
    // A direction that is given is given whole.
    let given = |direction: &str| params.iter().any(|param| param.name.starts_with(direction));
    bandwidth.inbound = bandwidth.inbound.filter(|_| !given("inbound."));
    bandwidth.outbound = bandwidth.outbound.filter(|_| !given("outbound."));
    for param in params {
        let known = RATES.contains(&param.name.as_str());
        let (Some((direction, name)), Value::Uint(number), true) =
            (param.name.split_once('.'), &param.value, known)
        else {
            let text = format!("parameter '{}' not supported", param.name);
            return Err(Error::new(Code::ArgumentUnsupported, Origin::None, text));
        };
        let side = if direction == "inbound" { &mut bandwidth.inbound } else { &mut bandwidth.outbound };
        if let Some(slot) = slot(side.get_or_insert_default(), name) {
            *slot = u64::from(*number);
        }
    }
    bandwidth.inbound = bandwidth.inbound.filter(|rate| rate.average != 0 || rate.floor != 0);
    bandwidth.outbound = bandwidth.outbound.filter(|rate| rate.average != 0);
    if bandwidth.inbound.is_none() && bandwidth.outbound.is_none() {
        card.bandwidth = None;
    }
    Ok(())
}

impl Engine {
    /// The rates of a card.
    pub fn card_rates(&self, guest: &Guest, name: &str, flags: u32) -> Result<Vec<Param>> {
        let shown = guest.view().asked(flags, &self.setting(None))?;
        let cards = &shown.domain().devices.interfaces;
        let card = cards.iter().find(|card| is_it(card, name)).ok_or_else(|| unknown(name))?;
        let bandwidth = card.bandwidth.clone().unwrap_or_default();
        let [mut inbound, mut outbound] =
            [bandwidth.inbound, bandwidth.outbound].map(Option::unwrap_or_default);
        let mut one = |full: &str| {
            let (direction, name) = full.split_once('.').unwrap_or_default();
            let rate = if direction == "inbound" { &mut inbound } else { &mut outbound };
            let number = slot(rate, name).map(|number| *number).unwrap_or_default();
            Param::new(full, u32::try_from(number).unwrap_or(u32::MAX))
        };
        Ok(RATES.iter().map(|name| one(name)).collect())
    }

    /// Sets rates of a card, for the next start.
    pub async fn set_card_rates(
        &self,
        guest: &Arc<Guest>,
        name: &str,
        params: &[Param],
        flags: u32,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetInterfaceParameters").await?;
        let view = guest.view();
        let targets = Targets::of(flags, &view)?;
        let change = |draft: &mut Draft| {
            let card = draft.devices.interfaces.iter_mut().find(|card| is_it(card, name));
            write(card.ok_or_else(|| unknown(name))?, params)
        };
        if let Some(live) = view.live.as_ref().filter(|_| targets.live) {
            change(&mut live.domain().clone().into_draft())?;
            refuse!(operation_unsupported, "limits of a network card that runs cannot be changed");
        }
        self.edit_config(guest, change).await
    }

    /// Which counters of the host's processors are kept for a guest.
    pub fn perf_events(&self, guest: &Guest, flags: u32) -> Result<Vec<Param>> {
        let shown = guest.view().asked(flags, &self.setting(None))?;
        let kept = &shown.domain().head.tuning.perf;
        let on = |event| kept.iter().any(|(known, enabled)| *known == event && enabled.is_true());
        Ok(PerfEvent::WORDS.iter().map(|(name, event)| Param::new(*name, on(*event))).collect())
    }

    /// Says which counters are kept from the next start on.
    pub async fn set_perf_events(&self, guest: &Arc<Guest>, params: &[Param], flags: u32) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetPerfEvents").await?;
        if Targets::of(flags, &guest.view())?.live {
            refuse!(operation_unsupported, "performance counters of a running guest cannot be changed");
        }
        self.edit_config(guest, |draft| {
            for param in params {
                let (Some(event), Value::Boolean(on)) = (PerfEvent::parse(&param.name), &param.value) else {
                    let text = format!("parameter '{}' not supported", param.name);
                    return Err(Error::new(Code::ArgumentUnsupported, Origin::None, text));
                };
                let perf = &mut draft.head.tuning.perf;
                perf.retain(|(known, _)| *known != event);
                perf.push((event, if *on { YesNo::Yes } else { YesNo::No }));
                perf.sort_by_key(|(event, _)| *event as i32);
            }
            Ok(())
        })
        .await
    }
}
