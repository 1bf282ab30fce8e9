//! What names an object: a domain, a network, a volume.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use ostler_base::Uuid;

use crate::xdr::xdr_structs;

xdr_structs! {
    SHAPES;

    DomainRef { name: String, uuid: Uuid, id: i32 }
    NetworkRef { name: String, uuid: Uuid }
    NetworkPortRef { net: NetworkRef, uuid: Uuid }
    NwfilterRef { name: String, uuid: Uuid }
    NwfilterBindingRef { portdev: String, filtername: String }
    InterfaceRef { name: String, mac: String }
    StoragePoolRef { name: String, uuid: Uuid }
    StorageVolRef { pool: String, name: String, key: String }
    NodeDeviceRef { name: String }
    SecretRef { uuid: Uuid, usage_type: i32, usage_id: String }
    DomainCheckpointRef { name: String, dom: DomainRef }
    DomainSnapshotRef { name: String, dom: DomainRef }
}
