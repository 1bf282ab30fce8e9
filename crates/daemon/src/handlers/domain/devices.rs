//! Devices of a domain: added, taken away, changed.
//!
//! Owns: which flags each call knows. Never: does the work, or blocks the connection.

use ostler_base::Origin;
use ostler_engine::Meant;
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_rpc::programs::remote::procedures as call;

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    act call::DomainAttachDevice;
    act call::DomainAttachDeviceFlags;
    act call::DomainDetachDevice;
    act call::DomainDetachDeviceFlags;
    act call::DomainDetachDeviceAlias;
    act call::DomainUpdateDeviceFlags;
}

/// The run, the definition, or both.
const AFFECT: u32 = AFFECT_LIVE | AFFECT_CONFIG;
/// Of a change: do it even where a guest has the medium locked.
const UPDATE_FORCE: u32 = 4;

act!(DomainAttachDevice, |daemon, guest, args| daemon
    .engine
    .attach_device(guest, &args.xml, AFFECT_LIVE)
    .await);

act!(DomainAttachDeviceFlags, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainAttachDeviceFlags", Origin::Qemu)?;
    daemon.engine.attach_device(guest, &args.xml, args.flags).await
});

act!(DomainDetachDevice, |daemon, guest, args| {
    daemon.engine.detach_device(guest, Meant::Described(&args.xml), AFFECT_LIVE).await
});

act!(DomainDetachDeviceFlags, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainDetachDeviceFlags", Origin::Qemu)?;
    daemon.engine.detach_device(guest, Meant::Described(&args.xml), args.flags).await
});

act!(DomainDetachDeviceAlias, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainDetachDeviceAlias", Origin::Qemu)?;
    daemon.engine.detach_device(guest, Meant::Named(&args.alias), args.flags).await
});

act!(DomainUpdateDeviceFlags, |daemon, guest, args| {
    only_flags(args.flags, AFFECT | UPDATE_FORCE, "qemuDomainUpdateDeviceFlags", Origin::Qemu)?;
    daemon.engine.update_device(guest, &args.xml, args.flags & AFFECT).await
});
