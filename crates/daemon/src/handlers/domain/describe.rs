//! What is said of a domain, what it is called, and what is done when it ends by itself.
//!
//! Owns: those handlers. Never: changes a definition.

use ostler_base::{Error, Origin, Result, Word};
use ostler_domain::sections::lifecycle::CrashAction;
use ostler_engine::ops::control::End;
use ostler_engine::ops::describe::About;
use ostler_engine::ops::targets::{AFFECT_CONFIG, AFFECT_LIVE};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainGetMetadataArgs, DomainGetMetadataRet, DomainRenameArgs, DomainRenameRet,
    DomainSetLifecycleActionArgs, DomainSetMetadataArgs,
};

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    answer call::DomainGetMetadata;
    act call::DomainSetMetadata;
    act call::DomainRename;
    act call::DomainSetLifecycleAction;
}

names_domain! {
    DomainGetMetadataArgs DomainRenameArgs DomainSetLifecycleActionArgs DomainSetMetadataArgs
}

const AFFECT: u32 = AFFECT_LIVE | AFFECT_CONFIG;

answer!(DomainGetMetadata, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainGetMetadata", Origin::Qemu)?;
    let about = About::parse(args.kind)?;
    let metadata = daemon.engine.described(guest, about, args.uri.as_deref(), args.flags)?;
    Ok(DomainGetMetadataRet { metadata })
});

act!(DomainSetMetadata, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetMetadata", Origin::Qemu)?;
    let about = About::parse(args.kind)?;
    let namespace = (args.key.as_deref(), args.uri.as_deref());
    daemon.engine.describe(guest, about, args.metadata.as_deref(), namespace, args.flags).await
});

act!(DomainRename, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainRename", Origin::Qemu)?;
    daemon.engine.rename(guest, args.new_name.as_deref().unwrap_or_default()).await?;
    Ok(DomainRenameRet { retcode: 0 })
});

fn wrong(text: String) -> Error {
    Error::invalid_arg(text).from_origin(Origin::Domain)
}

/// An event and an action, by their numbers in the public headers.
fn lifecycle(kind: u32, action: u32) -> Result<(End, CrashAction)> {
    let end = match kind {
        0 => End::Poweroff,
        1 => End::Reboot,
        2 => End::Crash,
        _ => return Err(wrong(format!("invalid lifecycle type '{kind}'"))),
    };
    let place = usize::try_from(action).unwrap_or(usize::MAX);
    match CrashAction::WORDS.get(place) {
        Some((_, action)) => Ok((end, *action)),
        None => Err(wrong(format!("invalid lifecycle action '{action}'"))),
    }
}

act!(DomainSetLifecycleAction, |daemon, guest, args| {
    only_flags(args.flags, AFFECT, "qemuDomainSetLifecycleAction", Origin::Qemu)?;
    let (end, action) = lifecycle(args.kind, args.action)?;
    daemon.engine.set_end(guest, end, action, args.flags).await
});
