//! Networks, ports, filters, host interfaces.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use ostler_base::Uuid;

use super::limits::*;
use super::objects::{InterfaceRef, NetworkPortRef, NetworkRef, NwfilterBindingRef, NwfilterRef};
use crate::programs::TypedParam;
use crate::xdr::{List, xdr_structs};

xdr_structs! {
    SHAPES;

    NetworkLookupByUuidArgs { uuid: Uuid }
    NetworkLookupByUuidRet { net: NetworkRef }
    NetworkLookupByNameArgs { name: String }
    NetworkLookupByNameRet { net: NetworkRef }
    NetworkCreateXmlArgs { xml: String }
    NetworkCreateXmlRet { net: NetworkRef }
    NetworkCreateXmlFlagsArgs { xml: String, flags: u32 }
    NetworkCreateXmlFlagsRet { net: NetworkRef }
    NetworkDefineXmlArgs { xml: String }
    NetworkDefineXmlRet { net: NetworkRef }
    NetworkDefineXmlFlagsArgs { xml: String, flags: u32 }
    NetworkDefineXmlFlagsRet { net: NetworkRef }
    NetworkUndefineArgs { net: NetworkRef }
    NetworkUpdateArgs {
        net: NetworkRef, command: u32, section: u32, parent_index: i32, xml: String, flags: u32,
    }
    NetworkCreateArgs { net: NetworkRef }
    NetworkDestroyArgs { net: NetworkRef }
    NetworkGetXmlDescArgs { net: NetworkRef, flags: u32 }
    NetworkGetXmlDescRet { xml: String }
    NetworkGetBridgeNameArgs { net: NetworkRef }
    NetworkGetBridgeNameRet { name: String }
    NetworkGetAutostartArgs { net: NetworkRef }
    NetworkGetAutostartRet { autostart: i32 }
    NetworkSetAutostartArgs { net: NetworkRef, autostart: i32 }
    NwfilterLookupByUuidArgs { uuid: Uuid }
    NwfilterLookupByUuidRet { nwfilter: NwfilterRef }
    NwfilterLookupByNameArgs { name: String }
    NwfilterLookupByNameRet { nwfilter: NwfilterRef }
    NwfilterDefineXmlArgs { xml: String }
    NwfilterDefineXmlRet { nwfilter: NwfilterRef }
    NwfilterDefineXmlFlagsArgs { xml: String, flags: u32 }
    NwfilterDefineXmlFlagsRet { nwfilter: NwfilterRef }
    NwfilterUndefineArgs { nwfilter: NwfilterRef }
    NwfilterGetXmlDescArgs { nwfilter: NwfilterRef, flags: u32 }
    NwfilterGetXmlDescRet { xml: String }
    InterfaceLookupByNameArgs { name: String }
    InterfaceLookupByNameRet { iface: InterfaceRef }
    InterfaceLookupByMacStringArgs { mac: String }
    InterfaceLookupByMacStringRet { iface: InterfaceRef }
    InterfaceGetXmlDescArgs { iface: InterfaceRef, flags: u32 }
    InterfaceGetXmlDescRet { xml: String }
    InterfaceDefineXmlArgs { xml: String, flags: u32 }
    InterfaceDefineXmlRet { iface: InterfaceRef }
    InterfaceUndefineArgs { iface: InterfaceRef }
    InterfaceCreateArgs { iface: InterfaceRef, flags: u32 }
    InterfaceDestroyArgs { iface: InterfaceRef, flags: u32 }
    InterfaceChangeBeginArgs { flags: u32 }
    InterfaceChangeCommitArgs { flags: u32 }
    InterfaceChangeRollbackArgs { flags: u32 }
    NetworkIsActiveArgs { net: NetworkRef }
    NetworkIsActiveRet { active: i32 }
    NetworkIsPersistentArgs { net: NetworkRef }
    NetworkIsPersistentRet { persistent: i32 }
    InterfaceIsActiveArgs { iface: InterfaceRef }
    InterfaceIsActiveRet { active: i32 }
    NetworkSetMetadataArgs {
        network: NetworkRef, kind: i32, metadata: Option<String>, key: Option<String>,
        uri: Option<String>, flags: u32,
    }
    NetworkGetMetadataArgs { network: NetworkRef, kind: i32, uri: Option<String>, flags: u32 }
    NetworkGetMetadataRet { metadata: String }
    NetworkDhcpLease {
        iface: String, expirytime: i64, kind: i32, mac: Option<String>, iaid: Option<String>,
        ipaddr: String, prefix: u32, hostname: Option<String>, clientid: Option<String>,
    }
    NetworkGetDhcpLeasesArgs { net: NetworkRef, mac: Option<String>, need_results: i32, flags: u32 }
    NetworkGetDhcpLeasesRet { leases: List<NetworkDhcpLease, NETWORK_DHCP_LEASES_MAX>, ret: u32 }
    NwfilterBindingLookupByPortDevArgs { name: String }
    NwfilterBindingLookupByPortDevRet { nwfilter: NwfilterBindingRef }
    NwfilterBindingCreateXmlArgs { xml: String, flags: u32 }
    NwfilterBindingCreateXmlRet { nwfilter: NwfilterBindingRef }
    NwfilterBindingDeleteArgs { nwfilter: NwfilterBindingRef }
    NwfilterBindingGetXmlDescArgs { nwfilter: NwfilterBindingRef, flags: u32 }
    NwfilterBindingGetXmlDescRet { xml: String }
    NetworkListAllPortsArgs { network: NetworkRef, need_results: i32, flags: u32 }
    NetworkListAllPortsRet { ports: List<NetworkPortRef, NETWORK_PORT_LIST_MAX>, ret: u32 }
    NetworkPortLookupByUuidArgs { network: NetworkRef, uuid: Uuid }
    NetworkPortLookupByUuidRet { port: NetworkPortRef }
    NetworkPortCreateXmlArgs { network: NetworkRef, xml: String, flags: u32 }
    NetworkPortCreateXmlRet { port: NetworkPortRef }
    NetworkPortSetParametersArgs {
        port: NetworkPortRef, params: List<TypedParam, NETWORK_PORT_PARAMETERS_MAX>, flags: u32,
    }
    NetworkPortGetParametersArgs { port: NetworkPortRef, nparams: i32, flags: u32 }
    NetworkPortGetParametersRet {
        params: List<TypedParam, NETWORK_PORT_PARAMETERS_MAX>, nparams: i32,
    }
    NetworkPortGetXmlDescArgs { port: NetworkPortRef, flags: u32 }
    NetworkPortGetXmlDescRet { xml: String }
    NetworkPortDeleteArgs { port: NetworkPortRef, flags: u32 }
}
