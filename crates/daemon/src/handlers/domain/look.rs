//! What a domain is doing and how it is defined.
//!
//! Owns: the answers that a view holds. Never: waits for a guest; a definition that nobody asked for
//! before is read from its file.

use ostler_base::{Error, Origin};
use ostler_domain::WriteMode;
use ostler_engine::domain::guest::not_running;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainGetAutostartOnceRet, DomainGetAutostartRet, DomainGetControlInfoRet, DomainGetInfoRet,
    DomainGetMaxMemoryRet, DomainGetMaxVcpusRet, DomainGetMessagesRet, DomainGetOsTypeRet,
    DomainGetSecurityLabelListRet, DomainGetSecurityLabelRet, DomainGetStateRet, DomainGetVcpusFlagsRet,
    DomainGetXmlDescRet, DomainIsActiveRet, DomainIsPersistentRet, DomainIsUpdatedRet,
    DomainListAllCheckpointsRet,
};
use ostler_rpc::xdr::Chars;

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    answer call::DomainGetState;
    answer call::DomainGetInfo;
    answer call::DomainGetXmlDesc;
    answer call::DomainIsActive;
    answer call::DomainIsPersistent;
    answer call::DomainIsUpdated;
    answer call::DomainGetAutostart;
    answer call::DomainGetAutostartOnce;
    answer call::DomainGetOsType;
    answer call::DomainGetMaxMemory;
    answer call::DomainGetMaxVcpus;
    answer call::DomainGetVcpusFlags;
    answer call::DomainListAllCheckpoints;
    answer call::DomainGetSecurityLabel;
    answer call::DomainGetSecurityLabelList;
    answer call::DomainGetControlInfo;
    answer call::DomainGetMessages;
}

/// Of a definition: with secrets.
const XML_SECURE: u32 = 1;
/// Of a definition: the one that the next start takes.
const XML_INACTIVE: u32 = 2;
/// Of a definition: with the CPU's features.
const XML_UPDATE_CPU: u32 = 4;
/// Of a definition: for another host.
const XML_MIGRATABLE: u32 = 8;

/// Of a count of CPUs: of the run.
const AFFECT_LIVE: u32 = 1;
/// Of a count of CPUs: of the definition on disk.
const AFFECT_CONFIG: u32 = 2;
/// Of a count of CPUs: the most there may be.
const VCPU_MAXIMUM: u32 = 4;

/// The functions of snapshots and their flags.
const SNAPSHOT_FLAGS: u32 = 0x7ff;

answer!(DomainGetState, |_daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetState", Origin::Qemu)?;
    let (state, reason) = guest.view().status.numbers();
    Ok(DomainGetStateRet { state, reason })
});

answer!(DomainGetInfo, |daemon, guest, _args| {
    let view = guest.view();
    let shown = view.current(&daemon.engine.setting(None))?;
    let head = &shown.domain().head;
    Ok(DomainGetInfoRet {
        state: u8::try_from(view.status.numbers().0).unwrap_or_default(),
        max_mem: head.memory.total,
        memory: head.memory.current,
        nr_virt_cpu: u16::try_from(head.vcpus.current).unwrap_or(u16::MAX),
        cpu_time: view.cpu_time(),
    })
});

answer!(DomainGetXmlDesc, |daemon, guest, args| {
    let known = XML_SECURE | XML_INACTIVE | XML_UPDATE_CPU | XML_MIGRATABLE;
    only_flags(args.flags, known, "qemuDomainGetXMLDesc", Origin::Qemu)?;
    let mode = WriteMode {
        secure: args.flags & XML_SECURE != 0,
        inactive: args.flags & XML_INACTIVE != 0,
        migratable: args.flags & XML_MIGRATABLE != 0,
    };
    let xml = guest.view().xml(mode, &daemon.engine.setting(None))?;
    Ok(DomainGetXmlDescRet { xml: xml.to_string() })
});

answer!(DomainIsActive, |_daemon, guest, _args| {
    Ok(DomainIsActiveRet { active: guest.view().is_active().into() })
});

answer!(DomainIsPersistent, |_daemon, guest, _args| {
    Ok(DomainIsPersistentRet { persistent: guest.view().persistent.into() })
});

answer!(DomainIsUpdated, |_daemon, _guest, _args| Ok(DomainIsUpdatedRet { updated: 0 }));

answer!(DomainGetAutostart, |_daemon, guest, _args| {
    Ok(DomainGetAutostartRet { autostart: guest.view().autostart.into() })
});

answer!(DomainGetAutostartOnce, |_daemon, guest, _args| {
    Ok(DomainGetAutostartOnceRet { autostart: guest.view().autostart_once.into() })
});

answer!(DomainGetOsType, |_daemon, _guest, _args| Ok(DomainGetOsTypeRet { kind: "hvm".to_owned() }));

answer!(DomainGetMaxMemory, |daemon, guest, _args| {
    let shown = guest.view().current(&daemon.engine.setting(None))?;
    Ok(DomainGetMaxMemoryRet { memory: shown.domain().head.memory.total })
});

answer!(DomainGetMaxVcpus, |_daemon, guest, _args| {
    let live = guest.view().live.clone().ok_or_else(not_running)?;
    Ok(DomainGetMaxVcpusRet { num: i32::try_from(live.domain().head.vcpus.maximum).unwrap_or(i32::MAX) })
});

answer!(DomainGetVcpusFlags, |daemon, guest, args| {
    let known = AFFECT_LIVE | AFFECT_CONFIG | VCPU_MAXIMUM;
    only_flags(args.flags, known, "qemuDomainGetVcpusFlags", Origin::Qemu)?;
    let view = guest.view();
    let setting = daemon.engine.setting(None);
    let shown = match args.flags & (AFFECT_LIVE | AFFECT_CONFIG) {
        0 => view.current(&setting)?,
        AFFECT_LIVE => view.live.clone().ok_or_else(not_running)?,
        AFFECT_CONFIG => match &view.inactive {
            Some(definition) => definition.get(&setting)?,
            None => {
                return Err(Error::operation_invalid("transient domains do not have any persistent config"));
            }
        },
        _ => {
            let text = "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive";
            return Err(Error::invalid_arg(text));
        }
    };
    let vcpus = &shown.domain().head.vcpus;
    let number = if args.flags & VCPU_MAXIMUM != 0 { vcpus.maximum } else { vcpus.current };
    Ok(DomainGetVcpusFlagsRet { num: i32::try_from(number).unwrap_or(i32::MAX) })
});

answer!(DomainListAllCheckpoints, |_daemon, _guest, args| {
    only_flags(args.flags, SNAPSHOT_FLAGS, "qemuDomainListAllCheckpoints", Origin::Qemu)?;
    Ok(DomainListAllCheckpointsRet { checkpoints: Vec::new().into(), ret: 0 })
});

answer!(DomainGetSecurityLabel, |_daemon, _guest, _args| {
    Ok(DomainGetSecurityLabelRet { label: Chars::default(), enforcing: 0 })
});

answer!(DomainGetSecurityLabelList, |_daemon, _guest, _args| {
    Ok(DomainGetSecurityLabelListRet { labels: Vec::new().into(), ret: 0 })
});

answer!(DomainGetControlInfo, |_daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetControlInfo", Origin::Qemu)?;
    guest.link()?;
    Ok(DomainGetControlInfoRet { state: 0, details: 0, state_time: 0 })
});

answer!(DomainGetMessages, |_daemon, _guest, args| {
    only_flags(args.flags, 3, "qemuDomainGetMessages", Origin::Qemu)?;
    Ok(DomainGetMessagesRet { msgs: Vec::new().into() })
});
