//! Storage pools and volumes.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use ostler_base::Uuid;

use super::limits::*;
use super::objects::{StoragePoolRef, StorageVolRef};
use crate::xdr::{List, xdr_structs};

xdr_structs! {
    SHAPES;

    StoragePoolLookupByUuidArgs { uuid: Uuid }
    StoragePoolLookupByUuidRet { pool: StoragePoolRef }
    StoragePoolLookupByNameArgs { name: String }
    StoragePoolLookupByNameRet { pool: StoragePoolRef }
    StoragePoolLookupByVolumeArgs { vol: StorageVolRef }
    StoragePoolLookupByVolumeRet { pool: StoragePoolRef }
    StoragePoolLookupByTargetPathArgs { path: String }
    StoragePoolLookupByTargetPathRet { pool: StoragePoolRef }
    StoragePoolCreateXmlArgs { xml: String, flags: u32 }
    StoragePoolCreateXmlRet { pool: StoragePoolRef }
    StoragePoolDefineXmlArgs { xml: String, flags: u32 }
    StoragePoolDefineXmlRet { pool: StoragePoolRef }
    StoragePoolBuildArgs { pool: StoragePoolRef, flags: u32 }
    StoragePoolUndefineArgs { pool: StoragePoolRef }
    StoragePoolCreateArgs { pool: StoragePoolRef, flags: u32 }
    StoragePoolDestroyArgs { pool: StoragePoolRef }
    StoragePoolDeleteArgs { pool: StoragePoolRef, flags: u32 }
    StoragePoolRefreshArgs { pool: StoragePoolRef, flags: u32 }
    StoragePoolGetXmlDescArgs { pool: StoragePoolRef, flags: u32 }
    StoragePoolGetXmlDescRet { xml: String }
    StoragePoolGetInfoArgs { pool: StoragePoolRef }
    StoragePoolGetInfoRet { state: u8, capacity: u64, allocation: u64, available: u64 }
    StoragePoolGetAutostartArgs { pool: StoragePoolRef }
    StoragePoolGetAutostartRet { autostart: i32 }
    StoragePoolSetAutostartArgs { pool: StoragePoolRef, autostart: i32 }
    StoragePoolNumOfVolumesArgs { pool: StoragePoolRef }
    StoragePoolNumOfVolumesRet { num: i32 }
    StoragePoolListVolumesArgs { pool: StoragePoolRef, maxnames: i32 }
    StoragePoolListVolumesRet { names: List<String, STORAGE_VOL_LIST_MAX> }
    StorageVolLookupByNameArgs { pool: StoragePoolRef, name: String }
    StorageVolLookupByNameRet { vol: StorageVolRef }
    StorageVolLookupByKeyArgs { key: String }
    StorageVolLookupByKeyRet { vol: StorageVolRef }
    StorageVolLookupByPathArgs { path: String }
    StorageVolLookupByPathRet { vol: StorageVolRef }
    StorageVolCreateXmlArgs { pool: StoragePoolRef, xml: String, flags: u32 }
    StorageVolCreateXmlRet { vol: StorageVolRef }
    StorageVolCreateXmlFromArgs {
        pool: StoragePoolRef, xml: String, clonevol: StorageVolRef, flags: u32,
    }
    StorageVolCreateXmlFromRet { vol: StorageVolRef }
    StorageVolDeleteArgs { vol: StorageVolRef, flags: u32 }
    StorageVolWipeArgs { vol: StorageVolRef, flags: u32 }
    StorageVolWipePatternArgs { vol: StorageVolRef, algorithm: u32, flags: u32 }
    StorageVolGetXmlDescArgs { vol: StorageVolRef, flags: u32 }
    StorageVolGetXmlDescRet { xml: String }
    StorageVolGetInfoArgs { vol: StorageVolRef }
    StorageVolGetInfoRet { kind: i8, capacity: u64, allocation: u64 }
    StorageVolGetInfoFlagsArgs { vol: StorageVolRef, flags: u32 }
    StorageVolGetInfoFlagsRet { kind: i8, capacity: u64, allocation: u64 }
    StorageVolGetPathArgs { vol: StorageVolRef }
    StorageVolGetPathRet { name: String }
    StorageVolResizeArgs { vol: StorageVolRef, capacity: u64, flags: u32 }
    StoragePoolIsActiveArgs { pool: StoragePoolRef }
    StoragePoolIsActiveRet { active: i32 }
    StoragePoolIsPersistentArgs { pool: StoragePoolRef }
    StoragePoolIsPersistentRet { persistent: i32 }
    StorageVolUploadArgs { vol: StorageVolRef, offset: u64, length: u64, flags: u32 }
    StorageVolDownloadArgs { vol: StorageVolRef, offset: u64, length: u64, flags: u32 }
    StoragePoolListAllVolumesArgs { pool: StoragePoolRef, need_results: i32, flags: u32 }
    StoragePoolListAllVolumesRet { vols: List<StorageVolRef, STORAGE_VOL_LIST_MAX>, ret: u32 }
}
