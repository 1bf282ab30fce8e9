//! Domains: life, definitions, devices, guests, consoles.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use ostler_base::Uuid;

use super::limits::*;
use super::objects::DomainRef;
use crate::programs::TypedParam;
use crate::xdr::{Chars, Hidden, List, xdr_structs};

xdr_structs! {
    SHAPES;

    DomainDiskError { disk: String, error: i32 }
    DomainCreateXmlArgs { xml_desc: String, flags: u32 }
    DomainCreateXmlRet { dom: DomainRef }
    DomainCreateXmlWithFilesArgs { xml_desc: String, flags: u32 }
    DomainCreateXmlWithFilesRet { dom: DomainRef }
    DomainLookupByIdArgs { id: i32 }
    DomainLookupByIdRet { dom: DomainRef }
    DomainLookupByUuidArgs { uuid: Uuid }
    DomainLookupByUuidRet { dom: DomainRef }
    DomainLookupByNameArgs { name: String }
    DomainLookupByNameRet { dom: DomainRef }
    DomainSuspendArgs { dom: DomainRef }
    DomainResumeArgs { dom: DomainRef }
    DomainPmSuspendForDurationArgs { dom: DomainRef, target: u32, duration: u64, flags: u32 }
    DomainPmWakeupArgs { dom: DomainRef, flags: u32 }
    DomainShutdownArgs { dom: DomainRef }
    DomainRebootArgs { dom: DomainRef, flags: u32 }
    DomainResetArgs { dom: DomainRef, flags: u32 }
    DomainDestroyArgs { dom: DomainRef }
    DomainDestroyFlagsArgs { dom: DomainRef, flags: u32 }
    DomainGetOsTypeArgs { dom: DomainRef }
    DomainGetOsTypeRet { kind: String }
    DomainGetInfoArgs { dom: DomainRef }
    DomainGetInfoRet { state: u8, max_mem: u64, memory: u64, nr_virt_cpu: u16, cpu_time: u64 }
    DomainCoreDumpArgs { dom: DomainRef, to: String, flags: u32 }
    DomainCoreDumpWithFormatArgs { dom: DomainRef, to: String, dumpformat: u32, flags: u32 }
    DomainScreenshotArgs { dom: DomainRef, screen: u32, flags: u32 }
    DomainScreenshotRet { mime: Option<String> }
    DomainGetXmlDescArgs { dom: DomainRef, flags: u32 }
    DomainGetXmlDescRet { xml: String }
    DomainCreateArgs { dom: DomainRef }
    DomainCreateWithFlagsArgs { dom: DomainRef, flags: u32 }
    DomainCreateWithFlagsRet { dom: DomainRef }
    DomainCreateWithFilesArgs { dom: DomainRef, flags: u32 }
    DomainCreateWithFilesRet { dom: DomainRef }
    DomainDefineXmlArgs { xml: String }
    DomainDefineXmlRet { dom: DomainRef }
    DomainDefineXmlFlagsArgs { xml: String, flags: u32 }
    DomainDefineXmlFlagsRet { dom: DomainRef }
    DomainUndefineArgs { dom: DomainRef }
    DomainUndefineFlagsArgs { dom: DomainRef, flags: u32 }
    DomainInjectNmiArgs { dom: DomainRef, flags: u32 }
    DomainSendKeyArgs {
        dom: DomainRef, codeset: u32, holdtime: u32, keycodes: List<u32, DOMAIN_SEND_KEY_MAX>,
        flags: u32,
    }
    DomainSendProcessSignalArgs { dom: DomainRef, pid_value: i64, signum: u32, flags: u32 }
    DomainGetSecurityLabelArgs { dom: DomainRef }
    DomainGetSecurityLabelRet { label: Chars<SECURITY_LABEL_MAX>, enforcing: i32 }
    DomainGetSecurityLabelListArgs { dom: DomainRef }
    DomainGetSecurityLabelListRet {
        labels: List<DomainGetSecurityLabelRet, SECURITY_LABEL_LIST_MAX>, ret: i32,
    }
    DomainAttachDeviceArgs { dom: DomainRef, xml: String }
    DomainAttachDeviceFlagsArgs { dom: DomainRef, xml: String, flags: u32 }
    DomainDetachDeviceArgs { dom: DomainRef, xml: String }
    DomainDetachDeviceFlagsArgs { dom: DomainRef, xml: String, flags: u32 }
    DomainUpdateDeviceFlagsArgs { dom: DomainRef, xml: String, flags: u32 }
    DomainDetachDeviceAliasArgs { dom: DomainRef, alias: String, flags: u32 }
    DomainGetAutostartArgs { dom: DomainRef }
    DomainGetAutostartRet { autostart: i32 }
    DomainSetAutostartArgs { dom: DomainRef, autostart: i32 }
    DomainSetMetadataArgs {
        dom: DomainRef, kind: i32, metadata: Option<String>, key: Option<String>,
        uri: Option<String>, flags: u32,
    }
    DomainGetMetadataArgs { dom: DomainRef, kind: i32, uri: Option<String>, flags: u32 }
    DomainGetMetadataRet { metadata: String }
    DomainGetHostnameArgs { dom: DomainRef, flags: u32 }
    DomainGetHostnameRet { hostname: String }
    DomainIsActiveArgs { dom: DomainRef }
    DomainIsActiveRet { active: i32 }
    DomainIsPersistentArgs { dom: DomainRef }
    DomainIsPersistentRet { persistent: i32 }
    DomainIsUpdatedArgs { dom: DomainRef }
    DomainIsUpdatedRet { updated: i32 }
    DomainOpenConsoleArgs { dom: DomainRef, dev_name: Option<String>, flags: u32 }
    DomainOpenChannelArgs { dom: DomainRef, name: Option<String>, flags: u32 }
    DomainGetStateArgs { dom: DomainRef, flags: u32 }
    DomainGetStateRet { state: i32, reason: i32 }
    DomainGetControlInfoArgs { dom: DomainRef, flags: u32 }
    DomainGetControlInfoRet { state: u32, details: u32, state_time: u64 }
    DomainOpenGraphicsArgs { dom: DomainRef, idx: u32, flags: u32 }
    DomainOpenGraphicsFdArgs { dom: DomainRef, idx: u32, flags: u32 }
    DomainShutdownFlagsArgs { dom: DomainRef, flags: u32 }
    DomainFstrimArgs { dom: DomainRef, mount_point: Option<String>, minimum: u64, flags: u32 }
    DomainGetTimeArgs { dom: DomainRef, flags: u32 }
    DomainGetTimeRet { seconds: i64, nseconds: u32 }
    DomainSetTimeArgs { dom: DomainRef, seconds: i64, nseconds: u32, flags: u32 }
    DomainFsfreezeArgs {
        dom: DomainRef, mountpoints: List<String, DOMAIN_FSFREEZE_MOUNTPOINTS_MAX>, flags: u32,
    }
    DomainFsfreezeRet { filesystems: i32 }
    DomainFsthawArgs {
        dom: DomainRef, mountpoints: List<String, DOMAIN_FSFREEZE_MOUNTPOINTS_MAX>, flags: u32,
    }
    DomainFsthawRet { filesystems: i32 }
    DomainStatsRecord { dom: DomainRef, params: List<TypedParam, CONNECT_GET_ALL_DOMAIN_STATS_MAX> }
    DomainFsinfo {
        mountpoint: String, name: String, fstype: String,
        dev_aliases: List<String, DOMAIN_FSINFO_DISKS_MAX>,
    }
    DomainGetFsinfoArgs { dom: DomainRef, flags: u32 }
    DomainGetFsinfoRet { info: List<DomainFsinfo, DOMAIN_FSINFO_MAX>, ret: u32 }
    DomainSetUserPasswordArgs {
        dom: DomainRef, user: Option<String>, password: Option<Hidden>, flags: u32,
    }
    DomainRenameArgs { dom: DomainRef, new_name: Option<String>, flags: u32 }
    DomainRenameRet { retcode: i32 }
    DomainSetLifecycleActionArgs { dom: DomainRef, kind: u32, action: u32, flags: u32 }
    DomainGetLaunchSecurityInfoArgs { dom: DomainRef, flags: u32 }
    DomainGetLaunchSecurityInfoRet {
        params: List<TypedParam, DOMAIN_LAUNCH_SECURITY_INFO_PARAMS_MAX>,
    }
    DomainSetLaunchSecurityStateArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_LAUNCH_SECURITY_STATE_PARAMS_MAX>,
        flags: u32,
    }
    DomainGetGuestInfoArgs { dom: DomainRef, types: u32, flags: u32 }
    DomainGetGuestInfoRet { params: List<TypedParam, DOMAIN_GUEST_INFO_PARAMS_MAX> }
    DomainAgentSetResponseTimeoutArgs { dom: DomainRef, timeout: i32, flags: u32 }
    DomainAgentSetResponseTimeoutRet { result: i32 }
    DomainAuthorizedSshKeysGetArgs { dom: DomainRef, user: String, flags: u32 }
    DomainAuthorizedSshKeysGetRet { keys: List<String, DOMAIN_AUTHORIZED_SSH_KEYS_MAX> }
    DomainAuthorizedSshKeysSetArgs {
        dom: DomainRef, user: String, keys: List<String, DOMAIN_AUTHORIZED_SSH_KEYS_MAX>,
        flags: u32,
    }
    DomainGetMessagesArgs { dom: DomainRef, flags: u32 }
    DomainGetMessagesRet { msgs: List<String, DOMAIN_MESSAGES_MAX> }
    DomainGraphicsReloadArgs { dom: DomainRef, kind: u32, flags: u32 }
    DomainFdAssociateArgs { dom: DomainRef, name: String, flags: u32 }
    DomainGetAutostartOnceArgs { dom: DomainRef }
    DomainGetAutostartOnceRet { autostart: i32 }
    DomainSetAutostartOnceArgs { dom: DomainRef, autostart: i32 }
}
