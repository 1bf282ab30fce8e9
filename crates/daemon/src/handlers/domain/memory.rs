//! How much memory a domain has.
//!
//! Owns: those handlers. Never: talks to an emulator.

use ostler_base::{Error, Origin};
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainSetMaxMemoryArgs, DomainSetMemoryArgs, DomainSetMemoryFlagsArgs, DomainSetMemoryStatsPeriodArgs,
};

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    act call::DomainSetMaxMemory;
    act call::DomainSetMemory;
    act call::DomainSetMemoryFlags;
    act call::DomainSetMemoryStatsPeriod;
}

names_domain! {
    DomainSetMaxMemoryArgs DomainSetMemoryArgs DomainSetMemoryFlagsArgs DomainSetMemoryStatsPeriodArgs
}

/// Of a size of memory: what the domain boots with.
const MAXIMUM: u32 = 4;

act!(DomainSetMaxMemory, |daemon, guest, args| daemon.engine.set_memory_total(guest, args.memory, 0).await);

act!(DomainSetMemory, |daemon, guest, args| {
    daemon.engine.set_memory(guest, args.memory, AFFECT_LIVE).await
});

act!(DomainSetMemoryFlags, |daemon, guest, args| {
    let known = AFFECT_LIVE | AFFECT_CONFIG | MAXIMUM;
    only_flags(args.flags, known, "qemuDomainSetMemoryFlags", Origin::Qemu)?;
    if args.flags & MAXIMUM != 0 {
        daemon.engine.set_memory_total(guest, args.memory, args.flags).await
    } else {
        daemon.engine.set_memory(guest, args.memory, args.flags).await
    }
});

act!(DomainSetMemoryStatsPeriod, |daemon, guest, args| {
    let known = AFFECT_LIVE | AFFECT_CONFIG;
    only_flags(args.flags, known, "qemuDomainSetMemoryStatsPeriod", Origin::Qemu)?;
    let negative = |_| Error::invalid_arg(format!("invalid period {}", args.period));
    let seconds = u32::try_from(args.period).map_err(negative)?;
    daemon.engine.set_memory_stats_period(guest, seconds, args.flags).await
});
