//! Node devices and secrets.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use ostler_base::Uuid;

use super::limits::*;
use super::objects::{NodeDeviceRef, SecretRef};
use crate::xdr::{List, Opaque, xdr_structs};

xdr_structs! {
    SHAPES;

    NodeNumOfDevicesArgs { cap: Option<String>, flags: u32 }
    NodeDeviceLookupByNameArgs { name: String }
    NodeDeviceLookupByNameRet { dev: NodeDeviceRef }
    NodeDeviceLookupScsiHostByWwnArgs { wwnn: String, wwpn: String, flags: u32 }
    NodeDeviceLookupScsiHostByWwnRet { dev: NodeDeviceRef }
    NodeDeviceGetXmlDescArgs { name: String, flags: u32 }
    NodeDeviceGetXmlDescRet { xml: String }
    NodeDeviceGetParentArgs { name: String }
    NodeDeviceGetParentRet { parent_name: Option<String> }
    NodeDeviceNumOfCapsArgs { name: String }
    NodeDeviceNumOfCapsRet { num: i32 }
    NodeDeviceListCapsArgs { name: String, maxnames: i32 }
    NodeDeviceListCapsRet { names: List<String, NODE_DEVICE_CAPS_LIST_MAX> }
    NodeDeviceDettachArgs { name: String }
    NodeDeviceDetachFlagsArgs { name: String, driver_name: Option<String>, flags: u32 }
    NodeDeviceReAttachArgs { name: String }
    NodeDeviceResetArgs { name: String }
    NodeDeviceCreateXmlArgs { xml_desc: String, flags: u32 }
    NodeDeviceCreateXmlRet { dev: NodeDeviceRef }
    NodeDeviceDestroyArgs { name: String }
    NodeDeviceDefineXmlArgs { xml_desc: String, flags: u32 }
    NodeDeviceDefineXmlRet { dev: NodeDeviceRef }
    NodeDeviceUndefineArgs { name: String, flags: u32 }
    NodeDeviceCreateArgs { name: String, flags: u32 }
    NodeDeviceGetAutostartArgs { name: String }
    NodeDeviceGetAutostartRet { autostart: i32 }
    NodeDeviceSetAutostartArgs { name: String, autostart: i32 }
    NodeDeviceIsPersistentArgs { name: String }
    NodeDeviceIsPersistentRet { persistent: i32 }
    NodeDeviceIsActiveArgs { name: String }
    NodeDeviceIsActiveRet { active: i32 }
    NodeDeviceUpdateArgs { name: String, xml_desc: String, flags: u32 }
    SecretLookupByUuidArgs { uuid: Uuid }
    SecretLookupByUuidRet { secret: SecretRef }
    SecretDefineXmlArgs { xml: String, flags: u32 }
    SecretDefineXmlRet { secret: SecretRef }
    SecretGetXmlDescArgs { secret: SecretRef, flags: u32 }
    SecretGetXmlDescRet { xml: String }
    SecretSetValueArgs { secret: SecretRef, value: Opaque<SECRET_VALUE_MAX>, flags: u32 }
    SecretGetValueArgs { secret: SecretRef, flags: u32 }
    SecretGetValueRet { value: Opaque<SECRET_VALUE_MAX> }
    SecretUndefineArgs { secret: SecretRef }
    SecretLookupByUsageArgs { usage_type: i32, usage_id: String }
    SecretLookupByUsageRet { secret: SecretRef }
}
