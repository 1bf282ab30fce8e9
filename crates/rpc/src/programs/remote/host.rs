//! Connections, the host itself, authentication, lists.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use super::AuthType;
use super::domain::DomainStatsRecord;
use super::limits::*;
use super::objects::{
    DomainRef, InterfaceRef, NetworkRef, NodeDeviceRef, NwfilterBindingRef, NwfilterRef, SecretRef,
    StoragePoolRef,
};
use crate::programs::TypedParam;
use crate::xdr::{Chars, FixedChars, List, Opaque, xdr_structs};

xdr_structs! {
    SHAPES;

    NodeGetCpuStats { field: String, value: u64 }
    NodeGetMemoryStats { field: String, value: u64 }
    ConnectOpenArgs { name: Option<String>, flags: u32 }
    ConnectSupportsFeatureArgs { feature: i32 }
    ConnectSupportsFeatureRet { supported: i32 }
    ConnectGetTypeRet { kind: String }
    ConnectGetVersionRet { hv_ver: u64 }
    ConnectGetLibVersionRet { lib_ver: u64 }
    ConnectGetHostnameRet { hostname: String }
    ConnectGetSysinfoArgs { flags: u32 }
    ConnectGetSysinfoRet { sysinfo: String }
    ConnectGetUriRet { uri: String }
    ConnectGetMaxVcpusArgs { kind: Option<String> }
    ConnectGetMaxVcpusRet { max_vcpus: i32 }
    NodeGetInfoRet {
        model: FixedChars<32>, memory: u64, cpus: i32, mhz: i32, nodes: i32, sockets: i32,
        cores: i32, threads: i32,
    }
    ConnectGetCapabilitiesRet { capabilities: String }
    ConnectGetDomainCapabilitiesArgs {
        emulatorbin: Option<String>, arch: Option<String>, machine: Option<String>,
        virttype: Option<String>, flags: u32,
    }
    ConnectGetDomainCapabilitiesRet { capabilities: String }
    NodeGetCpuStatsArgs { cpu_num: i32, nparams: i32, flags: u32 }
    NodeGetCpuStatsRet { params: List<NodeGetCpuStats, NODE_CPU_STATS_MAX>, nparams: i32 }
    NodeGetMemoryStatsArgs { nparams: i32, cell_num: i32, flags: u32 }
    NodeGetMemoryStatsRet { params: List<NodeGetMemoryStats, NODE_MEMORY_STATS_MAX>, nparams: i32 }
    NodeGetCellsFreeMemoryArgs { start_cell: i32, maxcells: i32 }
    NodeGetCellsFreeMemoryRet { cells: List<u64, NODE_MAX_CELLS> }
    NodeGetFreeMemoryRet { free_mem: u64 }
    ConnectListDomainsArgs { maxids: i32 }
    ConnectListDomainsRet { ids: List<i32, DOMAIN_LIST_MAX> }
    ConnectNumOfDomainsRet { num: i32 }
    ConnectListDefinedDomainsArgs { maxnames: i32 }
    ConnectListDefinedDomainsRet { names: List<String, DOMAIN_LIST_MAX> }
    ConnectNumOfDefinedDomainsRet { num: i32 }
    NodeGetSecurityModelRet { model: Chars<SECURITY_MODEL_MAX>, doi: Chars<SECURITY_DOI_MAX> }
    ConnectNumOfNetworksRet { num: i32 }
    ConnectListNetworksArgs { maxnames: i32 }
    ConnectListNetworksRet { names: List<String, NETWORK_LIST_MAX> }
    ConnectNumOfDefinedNetworksRet { num: i32 }
    ConnectListDefinedNetworksArgs { maxnames: i32 }
    ConnectListDefinedNetworksRet { names: List<String, NETWORK_LIST_MAX> }
    ConnectNumOfNwfiltersRet { num: i32 }
    ConnectListNwfiltersArgs { maxnames: i32 }
    ConnectListNwfiltersRet { names: List<String, NWFILTER_LIST_MAX> }
    ConnectNumOfInterfacesRet { num: i32 }
    ConnectListInterfacesArgs { maxnames: i32 }
    ConnectListInterfacesRet { names: List<String, INTERFACE_LIST_MAX> }
    ConnectNumOfDefinedInterfacesRet { num: i32 }
    ConnectListDefinedInterfacesArgs { maxnames: i32 }
    ConnectListDefinedInterfacesRet { names: List<String, INTERFACE_LIST_MAX> }
    AuthListRet { types: List<AuthType, AUTH_TYPE_LIST_MAX> }
    AuthSaslInitRet { mechlist: String }
    AuthSaslStartArgs { mech: String, nil: i32, data: Chars<AUTH_SASL_DATA_MAX> }
    AuthSaslStartRet { complete: i32, nil: i32, data: Chars<AUTH_SASL_DATA_MAX> }
    AuthSaslStepArgs { nil: i32, data: Chars<AUTH_SASL_DATA_MAX> }
    AuthSaslStepRet { complete: i32, nil: i32, data: Chars<AUTH_SASL_DATA_MAX> }
    AuthPolkitRet { complete: i32 }
    ConnectNumOfStoragePoolsRet { num: i32 }
    ConnectListStoragePoolsArgs { maxnames: i32 }
    ConnectListStoragePoolsRet { names: List<String, STORAGE_POOL_LIST_MAX> }
    ConnectNumOfDefinedStoragePoolsRet { num: i32 }
    ConnectListDefinedStoragePoolsArgs { maxnames: i32 }
    ConnectListDefinedStoragePoolsRet { names: List<String, STORAGE_POOL_LIST_MAX> }
    ConnectFindStoragePoolSourcesArgs { kind: String, src_spec: Option<String>, flags: u32 }
    ConnectFindStoragePoolSourcesRet { xml: String }
    NodeNumOfDevicesRet { num: i32 }
    NodeListDevicesArgs { cap: Option<String>, maxnames: i32, flags: u32 }
    NodeListDevicesRet { names: List<String, NODE_DEVICE_LIST_MAX> }
    ConnectDomainEventRegisterRet { cb_registered: i32 }
    ConnectDomainEventDeregisterRet { cb_registered: i32 }
    ConnectDomainXmlFromNativeArgs { native_format: String, native_config: String, flags: u32 }
    ConnectDomainXmlFromNativeRet { domain_xml: String }
    ConnectDomainXmlToNativeArgs { native_format: String, domain_xml: String, flags: u32 }
    ConnectDomainXmlToNativeRet { native_config: String }
    ConnectNumOfSecretsRet { num: i32 }
    ConnectListSecretsArgs { maxuuids: i32 }
    ConnectListSecretsRet { uuids: List<String, SECRET_LIST_MAX> }
    ConnectIsSecureRet { secure: i32 }
    ConnectCompareCpuArgs { xml: String, flags: u32 }
    ConnectCompareCpuRet { result: i32 }
    ConnectBaselineCpuArgs { xml_cp_us: List<String, CPU_BASELINE_MAX>, flags: u32 }
    ConnectBaselineCpuRet { cpu: String }
    ConnectDomainEventRegisterAnyArgs { event_id: i32 }
    ConnectDomainEventDeregisterAnyArgs { event_id: i32 }
    ConnectDomainEventCallbackRegisterAnyArgs { event_id: i32, dom: Option<DomainRef> }
    ConnectDomainEventCallbackRegisterAnyRet { callback_id: i32 }
    ConnectDomainEventCallbackDeregisterAnyArgs { callback_id: i32 }
    NodeSuspendForDurationArgs { target: u32, duration: u64, flags: u32 }
    ConnectListAllDomainsArgs { need_results: i32, flags: u32 }
    ConnectListAllDomainsRet { domains: List<DomainRef, DOMAIN_LIST_MAX>, ret: u32 }
    ConnectListAllStoragePoolsArgs { need_results: i32, flags: u32 }
    ConnectListAllStoragePoolsRet { pools: List<StoragePoolRef, STORAGE_POOL_LIST_MAX>, ret: u32 }
    ConnectListAllNetworksArgs { need_results: i32, flags: u32 }
    ConnectListAllNetworksRet { nets: List<NetworkRef, NETWORK_LIST_MAX>, ret: u32 }
    ConnectListAllInterfacesArgs { need_results: i32, flags: u32 }
    ConnectListAllInterfacesRet { ifaces: List<InterfaceRef, INTERFACE_LIST_MAX>, ret: u32 }
    ConnectListAllNodeDevicesArgs { need_results: i32, flags: u32 }
    ConnectListAllNodeDevicesRet { devices: List<NodeDeviceRef, NODE_DEVICE_LIST_MAX>, ret: u32 }
    ConnectListAllNwfiltersArgs { need_results: i32, flags: u32 }
    ConnectListAllNwfiltersRet { filters: List<NwfilterRef, NWFILTER_LIST_MAX>, ret: u32 }
    ConnectListAllSecretsArgs { need_results: i32, flags: u32 }
    ConnectListAllSecretsRet { secrets: List<SecretRef, SECRET_LIST_MAX>, ret: u32 }
    NodeSetMemoryParametersArgs { params: List<TypedParam, NODE_MEMORY_PARAMETERS_MAX>, flags: u32 }
    NodeGetMemoryParametersArgs { nparams: i32, flags: u32 }
    NodeGetMemoryParametersRet {
        params: List<TypedParam, NODE_MEMORY_PARAMETERS_MAX>, nparams: i32,
    }
    NodeGetCpuMapArgs { need_map: i32, need_online: i32, flags: u32 }
    NodeGetCpuMapRet { cpumap: Opaque<CPUMAP_MAX>, online: u32, ret: i32 }
    ConnectGetCpuModelNamesArgs { arch: String, need_results: i32, flags: u32 }
    ConnectGetCpuModelNamesRet { models: List<String, CONNECT_CPU_MODELS_MAX>, ret: i32 }
    ConnectNetworkEventRegisterAnyArgs { event_id: i32, net: Option<NetworkRef> }
    ConnectNetworkEventRegisterAnyRet { callback_id: i32 }
    ConnectNetworkEventDeregisterAnyArgs { callback_id: i32 }
    ConnectStoragePoolEventRegisterAnyArgs { event_id: i32, pool: Option<StoragePoolRef> }
    ConnectStoragePoolEventRegisterAnyRet { callback_id: i32 }
    ConnectStoragePoolEventDeregisterAnyArgs { callback_id: i32 }
    ConnectNodeDeviceEventRegisterAnyArgs { event_id: i32, dev: Option<NodeDeviceRef> }
    ConnectNodeDeviceEventRegisterAnyRet { callback_id: i32 }
    ConnectNodeDeviceEventDeregisterAnyArgs { callback_id: i32 }
    NodeGetFreePagesArgs {
        pages: List<u32, NODE_MAX_CELLS>, start_cell: i32, cell_count: u32, flags: u32,
    }
    NodeGetFreePagesRet { counts: List<u64, NODE_MAX_CELLS> }
    NodeAllocPagesArgs {
        page_sizes: List<u32, NODE_MAX_CELLS>, page_counts: List<u64, NODE_MAX_CELLS>,
        start_cell: i32, cell_count: u32, flags: u32,
    }
    NodeAllocPagesRet { ret: i32 }
    ConnectGetAllDomainStatsArgs { doms: List<DomainRef, DOMAIN_LIST_MAX>, stats: u32, flags: u32 }
    ConnectGetAllDomainStatsRet { ret_stats: List<DomainStatsRecord, DOMAIN_LIST_MAX> }
    ConnectSecretEventRegisterAnyArgs { event_id: i32, secret: Option<SecretRef> }
    ConnectSecretEventRegisterAnyRet { callback_id: i32 }
    ConnectSecretEventDeregisterAnyArgs { callback_id: i32 }
    ConnectCompareHypervisorCpuArgs {
        emulator: Option<String>, arch: Option<String>, machine: Option<String>,
        virttype: Option<String>, xml_cpu: String, flags: u32,
    }
    ConnectCompareHypervisorCpuRet { result: i32 }
    ConnectBaselineHypervisorCpuArgs {
        emulator: Option<String>, arch: Option<String>, machine: Option<String>,
        virttype: Option<String>, xml_cp_us: List<String, CPU_BASELINE_MAX>, flags: u32,
    }
    ConnectBaselineHypervisorCpuRet { cpu: String }
    NodeGetSevInfoArgs { nparams: i32, flags: u32 }
    NodeGetSevInfoRet { params: List<TypedParam, NODE_SEV_INFO_MAX>, nparams: i32 }
    ConnectListAllNwfilterBindingsArgs { need_results: i32, flags: u32 }
    ConnectListAllNwfilterBindingsRet {
        bindings: List<NwfilterBindingRef, NWFILTER_BINDING_LIST_MAX>, ret: u32,
    }
    ConnectGetStoragePoolCapabilitiesArgs { flags: u32 }
    ConnectGetStoragePoolCapabilitiesRet { capabilities: String }
    ConnectSetIdentityArgs { params: List<TypedParam, CONNECT_IDENTITY_PARAMS_MAX>, flags: u32 }
}
