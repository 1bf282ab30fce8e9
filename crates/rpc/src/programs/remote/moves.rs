//! Domains: migration, save, snapshots, checkpoints, backups, jobs.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use super::limits::*;
use super::objects::{DomainCheckpointRef, DomainRef, DomainSnapshotRef};
use crate::programs::TypedParam;
use crate::xdr::{List, Opaque, xdr_structs};

xdr_structs! {
    SHAPES;

    DomainSaveArgs { dom: DomainRef, to: String }
    DomainSaveFlagsArgs { dom: DomainRef, to: String, dxml: Option<String>, flags: u32 }
    DomainSaveParamsArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_SAVE_PARAMS_MAX>, flags: u32,
    }
    DomainRestoreArgs { from: String }
    DomainRestoreFlagsArgs { from: String, dxml: Option<String>, flags: u32 }
    DomainRestoreParamsArgs { params: List<TypedParam, DOMAIN_SAVE_PARAMS_MAX>, flags: u32 }
    DomainSaveImageGetXmlDescArgs { file: String, flags: u32 }
    DomainSaveImageGetXmlDescRet { xml: String }
    DomainSaveImageDefineXmlArgs { file: String, dxml: String, flags: u32 }
    DomainMigratePrepareArgs {
        uri_in: Option<String>, flags: u64, dname: Option<String>, resource: u64,
    }
    DomainMigratePrepareRet { cookie: Opaque<MIGRATE_COOKIE_MAX>, uri_out: Option<String> }
    DomainMigratePerformArgs {
        dom: DomainRef, cookie: Opaque<MIGRATE_COOKIE_MAX>, uri: String, flags: u64,
        dname: Option<String>, resource: u64,
    }
    DomainMigrateFinishArgs {
        dname: String, cookie: Opaque<MIGRATE_COOKIE_MAX>, uri: String, flags: u64,
    }
    DomainMigrateFinishRet { ddom: DomainRef }
    DomainMigratePrepare2Args {
        uri_in: Option<String>, flags: u64, dname: Option<String>, resource: u64, dom_xml: String,
    }
    DomainMigratePrepare2Ret { cookie: Opaque<MIGRATE_COOKIE_MAX>, uri_out: Option<String> }
    DomainMigrateFinish2Args {
        dname: String, cookie: Opaque<MIGRATE_COOKIE_MAX>, uri: String, flags: u64, retcode: i32,
    }
    DomainMigrateFinish2Ret { ddom: DomainRef }
    DomainMigratePrepareTunnelArgs {
        flags: u64, dname: Option<String>, resource: u64, dom_xml: String,
    }
    DomainGetJobInfoArgs { dom: DomainRef }
    DomainGetJobInfoRet {
        kind: i32, time_elapsed: u64, time_remaining: u64, data_total: u64, data_processed: u64,
        data_remaining: u64, mem_total: u64, mem_processed: u64, mem_remaining: u64,
        file_total: u64, file_processed: u64, file_remaining: u64,
    }
    DomainGetJobStatsArgs { dom: DomainRef, flags: u32 }
    DomainGetJobStatsRet { kind: i32, params: List<TypedParam, DOMAIN_JOB_STATS_MAX> }
    DomainAbortJobArgs { dom: DomainRef }
    DomainAbortJobFlagsArgs { dom: DomainRef, flags: u32 }
    DomainMigrateGetMaxDowntimeArgs { dom: DomainRef, flags: u32 }
    DomainMigrateGetMaxDowntimeRet { downtime: u64 }
    DomainMigrateSetMaxDowntimeArgs { dom: DomainRef, downtime: u64, flags: u32 }
    DomainMigrateGetCompressionCacheArgs { dom: DomainRef, flags: u32 }
    DomainMigrateGetCompressionCacheRet { cache_size: u64 }
    DomainMigrateSetCompressionCacheArgs { dom: DomainRef, cache_size: u64, flags: u32 }
    DomainMigrateSetMaxSpeedArgs { dom: DomainRef, bandwidth: u64, flags: u32 }
    DomainMigrateGetMaxSpeedArgs { dom: DomainRef, flags: u32 }
    DomainMigrateGetMaxSpeedRet { bandwidth: u64 }
    DomainManagedSaveArgs { dom: DomainRef, flags: u32 }
    DomainHasManagedSaveImageArgs { dom: DomainRef, flags: u32 }
    DomainHasManagedSaveImageRet { result: i32 }
    DomainManagedSaveRemoveArgs { dom: DomainRef, flags: u32 }
    DomainManagedSaveGetXmlDescArgs { dom: DomainRef, flags: u32 }
    DomainManagedSaveGetXmlDescRet { xml: String }
    DomainManagedSaveDefineXmlArgs { dom: DomainRef, dxml: Option<String>, flags: u32 }
    DomainSnapshotCreateXmlArgs { dom: DomainRef, xml_desc: String, flags: u32 }
    DomainSnapshotCreateXmlRet { snap: DomainSnapshotRef }
    DomainSnapshotGetXmlDescArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainSnapshotGetXmlDescRet { xml: String }
    DomainSnapshotNumArgs { dom: DomainRef, flags: u32 }
    DomainSnapshotNumRet { num: i32 }
    DomainSnapshotListNamesArgs { dom: DomainRef, maxnames: i32, flags: u32 }
    DomainSnapshotListNamesRet { names: List<String, DOMAIN_SNAPSHOT_LIST_MAX> }
    DomainListAllSnapshotsArgs { dom: DomainRef, need_results: i32, flags: u32 }
    DomainListAllSnapshotsRet {
        snapshots: List<DomainSnapshotRef, DOMAIN_SNAPSHOT_LIST_MAX>, ret: i32,
    }
    DomainSnapshotNumChildrenArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainSnapshotNumChildrenRet { num: i32 }
    DomainSnapshotListChildrenNamesArgs { snap: DomainSnapshotRef, maxnames: i32, flags: u32 }
    DomainSnapshotListChildrenNamesRet { names: List<String, DOMAIN_SNAPSHOT_LIST_MAX> }
    DomainSnapshotListAllChildrenArgs { snapshot: DomainSnapshotRef, need_results: i32, flags: u32 }
    DomainSnapshotListAllChildrenRet {
        snapshots: List<DomainSnapshotRef, DOMAIN_SNAPSHOT_LIST_MAX>, ret: i32,
    }
    DomainSnapshotLookupByNameArgs { dom: DomainRef, name: String, flags: u32 }
    DomainSnapshotLookupByNameRet { snap: DomainSnapshotRef }
    DomainHasCurrentSnapshotArgs { dom: DomainRef, flags: u32 }
    DomainHasCurrentSnapshotRet { result: i32 }
    DomainSnapshotGetParentArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainSnapshotGetParentRet { snap: DomainSnapshotRef }
    DomainSnapshotCurrentArgs { dom: DomainRef, flags: u32 }
    DomainSnapshotCurrentRet { snap: DomainSnapshotRef }
    DomainSnapshotIsCurrentArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainSnapshotIsCurrentRet { current: i32 }
    DomainSnapshotHasMetadataArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainSnapshotHasMetadataRet { metadata: i32 }
    DomainRevertToSnapshotArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainSnapshotDeleteArgs { snap: DomainSnapshotRef, flags: u32 }
    DomainMigrateBegin3Args {
        dom: DomainRef, xmlin: Option<String>, flags: u64, dname: Option<String>, resource: u64,
    }
    DomainMigrateBegin3Ret { cookie_out: Opaque<MIGRATE_COOKIE_MAX>, xml: String }
    DomainMigratePrepare3Args {
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, uri_in: Option<String>, flags: u64,
        dname: Option<String>, resource: u64, dom_xml: String,
    }
    DomainMigratePrepare3Ret { cookie_out: Opaque<MIGRATE_COOKIE_MAX>, uri_out: Option<String> }
    DomainMigratePrepareTunnel3Args {
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u64, dname: Option<String>, resource: u64,
        dom_xml: String,
    }
    DomainMigratePrepareTunnel3Ret { cookie_out: Opaque<MIGRATE_COOKIE_MAX> }
    DomainMigratePerform3Args {
        dom: DomainRef, xmlin: Option<String>, cookie_in: Opaque<MIGRATE_COOKIE_MAX>,
        dconnuri: Option<String>, uri: Option<String>, flags: u64, dname: Option<String>,
        resource: u64,
    }
    DomainMigratePerform3Ret { cookie_out: Opaque<MIGRATE_COOKIE_MAX> }
    DomainMigrateFinish3Args {
        dname: String, cookie_in: Opaque<MIGRATE_COOKIE_MAX>, dconnuri: Option<String>,
        uri: Option<String>, flags: u64, cancelled: i32,
    }
    DomainMigrateFinish3Ret { dom: DomainRef, cookie_out: Opaque<MIGRATE_COOKIE_MAX> }
    DomainMigrateConfirm3Args {
        dom: DomainRef, cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u64, cancelled: i32,
    }
    DomainMigrateBegin3ParamsArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_MIGRATE_PARAM_LIST_MAX>, flags: u32,
    }
    DomainMigrateBegin3ParamsRet { cookie_out: Opaque<MIGRATE_COOKIE_MAX>, xml: String }
    DomainMigratePrepare3ParamsArgs {
        params: List<TypedParam, DOMAIN_MIGRATE_PARAM_LIST_MAX>,
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u32,
    }
    DomainMigratePrepare3ParamsRet {
        cookie_out: Opaque<MIGRATE_COOKIE_MAX>, uri_out: Option<String>,
    }
    DomainMigratePrepareTunnel3ParamsArgs {
        params: List<TypedParam, DOMAIN_MIGRATE_PARAM_LIST_MAX>,
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u32,
    }
    DomainMigratePrepareTunnel3ParamsRet { cookie_out: Opaque<MIGRATE_COOKIE_MAX> }
    DomainMigratePerform3ParamsArgs {
        dom: DomainRef, dconnuri: Option<String>,
        params: List<TypedParam, DOMAIN_MIGRATE_PARAM_LIST_MAX>,
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u32,
    }
    DomainMigratePerform3ParamsRet { cookie_out: Opaque<MIGRATE_COOKIE_MAX> }
    DomainMigrateFinish3ParamsArgs {
        params: List<TypedParam, DOMAIN_MIGRATE_PARAM_LIST_MAX>,
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u32, cancelled: i32,
    }
    DomainMigrateFinish3ParamsRet { dom: DomainRef, cookie_out: Opaque<MIGRATE_COOKIE_MAX> }
    DomainMigrateConfirm3ParamsArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_MIGRATE_PARAM_LIST_MAX>,
        cookie_in: Opaque<MIGRATE_COOKIE_MAX>, flags: u32, cancelled: i32,
    }
    DomainMigrateStartPostCopyArgs { dom: DomainRef, flags: u32 }
    DomainCheckpointCreateXmlArgs { dom: DomainRef, xml_desc: String, flags: u32 }
    DomainCheckpointCreateXmlRet { checkpoint: DomainCheckpointRef }
    DomainCheckpointGetXmlDescArgs { checkpoint: DomainCheckpointRef, flags: u32 }
    DomainCheckpointGetXmlDescRet { xml: String }
    DomainListAllCheckpointsArgs { dom: DomainRef, need_results: i32, flags: u32 }
    DomainListAllCheckpointsRet {
        checkpoints: List<DomainCheckpointRef, DOMAIN_CHECKPOINT_LIST_MAX>, ret: i32,
    }
    DomainCheckpointListAllChildrenArgs {
        checkpoint: DomainCheckpointRef, need_results: i32, flags: u32,
    }
    DomainCheckpointListAllChildrenRet {
        checkpoints: List<DomainCheckpointRef, DOMAIN_CHECKPOINT_LIST_MAX>, ret: i32,
    }
    DomainCheckpointLookupByNameArgs { dom: DomainRef, name: String, flags: u32 }
    DomainCheckpointLookupByNameRet { checkpoint: DomainCheckpointRef }
    DomainCheckpointGetParentArgs { checkpoint: DomainCheckpointRef, flags: u32 }
    DomainCheckpointGetParentRet { parent: DomainCheckpointRef }
    DomainCheckpointDeleteArgs { checkpoint: DomainCheckpointRef, flags: u32 }
    DomainBackupBeginArgs {
        dom: DomainRef, backup_xml: String, checkpoint_xml: Option<String>, flags: u32,
    }
    DomainBackupGetXmlDescArgs { dom: DomainRef, flags: u32 }
    DomainBackupGetXmlDescRet { xml: String }
    DomainStartDirtyRateCalcArgs { dom: DomainRef, seconds: i32, flags: u32 }
}
