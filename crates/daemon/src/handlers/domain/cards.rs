//! Rates of network cards, and counters of processors, of domains.
//!
//! Owns: those handlers. Never: knows a value's name.

use ostler_base::Origin;
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_engine::params::Param;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainGetInterfaceParametersArgs, DomainGetPerfEventsArgs, DomainSetInterfaceParametersArgs,
    DomainSetPerfEventsArgs,
};

use super::tuning::cut;
use crate::dispatch::handlers;
use crate::handlers::only_flags;
use crate::params::{typed, untyped};

handlers! {
    answer call::DomainGetInterfaceParameters;
    act call::DomainSetInterfaceParameters;
    answer call::DomainGetPerfEvents;
    act call::DomainSetPerfEvents;
}

names_domain! {
    DomainGetInterfaceParametersArgs DomainGetPerfEventsArgs DomainSetInterfaceParametersArgs
    DomainSetPerfEventsArgs
}

const AFFECT: u32 = AFFECT_LIVE | AFFECT_CONFIG;
/// Of values: a client takes ones that are texts.
const TEXTS_OKAY: u32 = 4;

answer!(DomainGetInterfaceParameters, |daemon, guest, args| {
    only_flags(args.flags, AFFECT | TEXTS_OKAY, "qemuDomainGetInterfaceParameters", Origin::Qemu)?;
    let params = daemon.engine.card_rates(guest, &args.device, args.flags)?;
    let (params, nparams) = cut(params, args.nparams);
    Ok(wire::DomainGetInterfaceParametersRet { params: params.into(), nparams })
});

act!(DomainSetInterfaceParameters, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetInterfaceParameters", Origin::Qemu)?;
    let params: Vec<Param> = args.params.into_iter().map(untyped).collect();
    daemon.engine.set_card_rates(guest, &args.device, &params, args.flags).await
});

answer!(DomainGetPerfEvents, |daemon, guest, args| {
    only_flags(args.flags, AFFECT | TEXTS_OKAY, "qemuDomainGetPerfEvents", Origin::Qemu)?;
    let params = daemon.engine.perf_events(guest, args.flags)?;
    Ok(wire::DomainGetPerfEventsRet { params: params.into_iter().map(typed).collect() })
});

act!(DomainSetPerfEvents, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetPerfEvents", Origin::Qemu)?;
    let params: Vec<Param> = args.params.into_iter().map(untyped).collect();
    daemon.engine.set_perf_events(guest, &params, args.flags).await
});
