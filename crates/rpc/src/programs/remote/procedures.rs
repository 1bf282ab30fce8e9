//! The procedures of the main program, in number order.
//!
//! Owns: number, types, rights, order of urgency and stream of each. Never: carries one out.

use super::*;
use crate::access::Permission::*;
use crate::access::When::*;
use crate::access::flags::*;
use crate::access::{
    DOMAIN_CHANGE, connect, domain, interface, network, network_port, node_device, nwfilter,
    nwfilter_binding, secret, storage_pool, storage_vol,
};
use crate::table::{call, event, procedures};

procedures! {
    super::REMOTE;

    1 ConnectOpen(ConnectOpenArgs) -> () => call("virConnectOpen", &[connect(Getattr)]).high().read_only();
    2 ConnectClose(()) -> () => call("virConnectClose", &[]).high().read_only();
    3 ConnectGetType(()) -> ConnectGetTypeRet =>
        call("virConnectGetType", &[connect(Getattr)]).high().read_only();
    4 ConnectGetVersion(()) -> ConnectGetVersionRet =>
        call("virConnectGetVersion", &[connect(Getattr)]).high().read_only();
    5 ConnectGetMaxVcpus(ConnectGetMaxVcpusArgs) -> ConnectGetMaxVcpusRet =>
        call("virConnectGetMaxVcpus", &[connect(Read)]).high().read_only();
    6 NodeGetInfo(()) -> NodeGetInfoRet => call("virNodeGetInfo", &[connect(Read)]).high().read_only();
    7 ConnectGetCapabilities(()) -> ConnectGetCapabilitiesRet =>
        call("virConnectGetCapabilities", &[connect(Read)]).read_only();
    8 DomainAttachDevice(DomainAttachDeviceArgs) -> () => call("virDomainAttachDevice", &[domain(Write)]);
    9 DomainCreate(DomainCreateArgs) -> () => call("virDomainCreate", &[domain(Start)]);
    10 DomainCreateXml(DomainCreateXmlArgs) -> DomainCreateXmlRet =>
        call("virDomainCreateXML", &[domain(Write), domain(Start)]);
    11 DomainDefineXml(DomainDefineXmlArgs) -> DomainDefineXmlRet =>
        call("virDomainDefineXML", &[domain(Write), domain(Save)]).high();
    12 DomainDestroy(DomainDestroyArgs) -> () => call("virDomainDestroy", &[domain(Stop)]).high();
    13 DomainDetachDevice(DomainDetachDeviceArgs) -> () => call("virDomainDetachDevice", &[domain(Write)]);
    14 DomainGetXmlDesc(DomainGetXmlDescArgs) -> DomainGetXmlDescRet, by flags =>
        call("virDomainGetXMLDesc", &[
            domain(Read),
            domain(ReadSecure).when(AllOf(DOMAIN_XML_SECURE)),
            domain(ReadSecure).when(AllOf(DOMAIN_XML_MIGRATABLE)),
        ]).read_only_unless(AnyOf(DOMAIN_XML_SECURE | DOMAIN_XML_MIGRATABLE));
    15 DomainGetAutostart(DomainGetAutostartArgs) -> DomainGetAutostartRet =>
        call("virDomainGetAutostart", &[domain(Read)]).high().read_only();
    16 DomainGetInfo(DomainGetInfoArgs) -> DomainGetInfoRet =>
        call("virDomainGetInfo", &[domain(Read)]).read_only();
    17 DomainGetMaxMemory(DomainGetMaxMemoryArgs) -> DomainGetMaxMemoryRet =>
        call("virDomainGetMaxMemory", &[domain(Read)]).high().read_only();
    18 DomainGetMaxVcpus(DomainGetMaxVcpusArgs) -> DomainGetMaxVcpusRet =>
        call("virDomainGetMaxVcpus", &[domain(Read)]).high().read_only();
    19 DomainGetOsType(DomainGetOsTypeArgs) -> DomainGetOsTypeRet =>
        call("virDomainGetOSType", &[domain(Read)]).high().read_only();
    20 DomainGetVcpus(DomainGetVcpusArgs) -> DomainGetVcpusRet =>
        call("virDomainGetVcpus", &[domain(Read)]).high().read_only();
    21 ConnectListDefinedDomains(ConnectListDefinedDomainsArgs) -> ConnectListDefinedDomainsRet =>
        call("virConnectListDefinedDomains", &[connect(SearchDomains)])
            .high().read_only().filter(domain(Getattr));
    22 DomainLookupById(DomainLookupByIdArgs) -> DomainLookupByIdRet =>
        call("virDomainLookupByID", &[domain(Getattr)]).high().read_only();
    23 DomainLookupByName(DomainLookupByNameArgs) -> DomainLookupByNameRet =>
        call("virDomainLookupByName", &[domain(Getattr)]).high().read_only();
    24 DomainLookupByUuid(DomainLookupByUuidArgs) -> DomainLookupByUuidRet =>
        call("virDomainLookupByUUID", &[domain(Getattr)]).high().read_only();
    25 ConnectNumOfDefinedDomains(()) -> ConnectNumOfDefinedDomainsRet =>
        call("virConnectNumOfDefinedDomains", &[connect(SearchDomains)])
            .high().read_only().filter(domain(Getattr));
    26 DomainPinVcpu(DomainPinVcpuArgs) -> () => call("virDomainPinVcpu", &[domain(Write)]);
    27 DomainReboot(DomainRebootArgs) -> (), by flags =>
        call("virDomainReboot", &[domain(InitControl), domain(Write).when(AllOf(DOMAIN_REBOOT_GUEST_AGENT))]);
    28 DomainResume(DomainResumeArgs) -> () => call("virDomainResume", &[domain(Suspend)]);
    29 DomainSetAutostart(DomainSetAutostartArgs) -> () =>
        call("virDomainSetAutostart", &[domain(Write)]).high();
    30 DomainSetMaxMemory(DomainSetMaxMemoryArgs) -> () =>
        call("virDomainSetMaxMemory", &[domain(Write)]).high();
    31 DomainSetMemory(DomainSetMemoryArgs) -> () => call("virDomainSetMemory", &[domain(Write)]);
    32 DomainSetVcpus(DomainSetVcpusArgs) -> () => call("virDomainSetVcpus", &[domain(Write)]);
    33 DomainShutdown(DomainShutdownArgs) -> () => call("virDomainShutdown", &[domain(InitControl)]);
    34 DomainSuspend(DomainSuspendArgs) -> () => call("virDomainSuspend", &[domain(Suspend)]);
    35 DomainUndefine(DomainUndefineArgs) -> () => call("virDomainUndefine", &[domain(Delete)]).high();
    36 ConnectListDefinedNetworks(ConnectListDefinedNetworksArgs) -> ConnectListDefinedNetworksRet =>
        call("virConnectListDefinedNetworks", &[connect(SearchNetworks)])
            .high().read_only().filter(network(Getattr));
    37 ConnectListDomains(ConnectListDomainsArgs) -> ConnectListDomainsRet =>
        call("virConnectListDomains", &[connect(SearchDomains)]).high().read_only().filter(domain(Getattr));
    38 ConnectListNetworks(ConnectListNetworksArgs) -> ConnectListNetworksRet =>
        call("virConnectListNetworks", &[connect(SearchNetworks)])
            .high().read_only().filter(network(Getattr));
    39 NetworkCreate(NetworkCreateArgs) -> () => call("virNetworkCreate", &[network(Start)]);
    40 NetworkCreateXml(NetworkCreateXmlArgs) -> NetworkCreateXmlRet =>
        call("virNetworkCreateXML", &[network(Write), network(Start)]);
    41 NetworkDefineXml(NetworkDefineXmlArgs) -> NetworkDefineXmlRet =>
        call("virNetworkDefineXML", &[network(Write), network(Save)]).high();
    42 NetworkDestroy(NetworkDestroyArgs) -> () => call("virNetworkDestroy", &[network(Stop)]).high();
    43 NetworkGetXmlDesc(NetworkGetXmlDescArgs) -> NetworkGetXmlDescRet =>
        call("virNetworkGetXMLDesc", &[network(Read)]).high().read_only();
    44 NetworkGetAutostart(NetworkGetAutostartArgs) -> NetworkGetAutostartRet =>
        call("virNetworkGetAutostart", &[network(Read)]).high().read_only();
    45 NetworkGetBridgeName(NetworkGetBridgeNameArgs) -> NetworkGetBridgeNameRet =>
        call("virNetworkGetBridgeName", &[network(Read)]).high().read_only();
    46 NetworkLookupByName(NetworkLookupByNameArgs) -> NetworkLookupByNameRet =>
        call("virNetworkLookupByName", &[network(Getattr)]).high().read_only();
    47 NetworkLookupByUuid(NetworkLookupByUuidArgs) -> NetworkLookupByUuidRet =>
        call("virNetworkLookupByUUID", &[network(Getattr)]).high().read_only();
    48 NetworkSetAutostart(NetworkSetAutostartArgs) -> () =>
        call("virNetworkSetAutostart", &[network(Write)]).high();
    49 NetworkUndefine(NetworkUndefineArgs) -> () => call("virNetworkUndefine", &[network(Delete)]).high();
    50 ConnectNumOfDefinedNetworks(()) -> ConnectNumOfDefinedNetworksRet =>
        call("virConnectNumOfDefinedNetworks", &[connect(SearchNetworks)])
            .high().read_only().filter(network(Getattr));
    51 ConnectNumOfDomains(()) -> ConnectNumOfDomainsRet =>
        call("virConnectNumOfDomains", &[connect(SearchDomains)]).high().read_only().filter(domain(Getattr));
    52 ConnectNumOfNetworks(()) -> ConnectNumOfNetworksRet =>
        call("virConnectNumOfNetworks", &[connect(SearchNetworks)])
            .high().read_only().filter(network(Getattr));
    53 DomainCoreDump(DomainCoreDumpArgs) -> () => call("virDomainCoreDump", &[domain(CoreDump)]);
    54 DomainRestore(DomainRestoreArgs) -> () => call("virDomainRestore", &[domain(Start), domain(Write)]);
    55 DomainSave(DomainSaveArgs) -> () => call("virDomainSave", &[domain(Hibernate)]);
    56 DomainGetSchedulerType(DomainGetSchedulerTypeArgs) -> DomainGetSchedulerTypeRet =>
        call("virDomainGetSchedulerType", &[domain(Read)]).read_only();
    57 DomainGetSchedulerParameters(DomainGetSchedulerParametersArgs) -> DomainGetSchedulerParametersRet =>
        call("virDomainGetSchedulerParameters", &[domain(Read)]).read_only();
    58 DomainSetSchedulerParameters(DomainSetSchedulerParametersArgs) -> () =>
        call("virDomainSetSchedulerParameters", &[domain(Read)]);
    59 ConnectGetHostname(()) -> ConnectGetHostnameRet =>
        call("virConnectGetHostname", &[connect(Getattr)]).high().read_only();
    60 ConnectSupportsFeature(ConnectSupportsFeatureArgs) -> ConnectSupportsFeatureRet =>
        call("virConnectSupportsFeature", &[connect(Getattr)]).high().read_only();
    61 DomainMigratePrepare(DomainMigratePrepareArgs) -> DomainMigratePrepareRet =>
        call("virDomainMigratePrepare", &[domain(Migrate), domain(Start), domain(Write)]);
    62 DomainMigratePerform(DomainMigratePerformArgs) -> () =>
        call("virDomainMigratePerform", &[domain(Migrate)]);
    63 DomainMigrateFinish(DomainMigrateFinishArgs) -> DomainMigrateFinishRet =>
        call("virDomainMigrateFinish", &[domain(Migrate)]);
    64 DomainBlockStats(DomainBlockStatsArgs) -> DomainBlockStatsRet =>
        call("virDomainBlockStats", &[domain(Read)]).read_only();
    65 DomainInterfaceStats(DomainInterfaceStatsArgs) -> DomainInterfaceStatsRet =>
        call("virDomainInterfaceStats", &[domain(Read)]).high().read_only();
    66 AuthList(()) -> AuthListRet => call("", &[]).high().read_only();
    67 AuthSaslInit(()) -> AuthSaslInitRet => call("", &[]).high().read_only();
    68 AuthSaslStart(AuthSaslStartArgs) -> AuthSaslStartRet => call("", &[]).high().read_only();
    69 AuthSaslStep(AuthSaslStepArgs) -> AuthSaslStepRet => call("", &[]).high().read_only();
    70 AuthPolkit(()) -> AuthPolkitRet => call("", &[]).high().read_only();
    71 ConnectNumOfStoragePools(()) -> ConnectNumOfStoragePoolsRet =>
        call("virConnectNumOfStoragePools", &[connect(SearchStoragePools)])
            .high().read_only().filter(storage_pool(Getattr));
    72 ConnectListStoragePools(ConnectListStoragePoolsArgs) -> ConnectListStoragePoolsRet =>
        call("virConnectListStoragePools", &[connect(SearchStoragePools)])
            .high().read_only().filter(storage_pool(Getattr));
    73 ConnectNumOfDefinedStoragePools(()) -> ConnectNumOfDefinedStoragePoolsRet =>
        call("virConnectNumOfDefinedStoragePools", &[connect(SearchStoragePools)])
            .high().read_only().filter(storage_pool(Getattr));
    74 ConnectListDefinedStoragePools(ConnectListDefinedStoragePoolsArgs) -> ConnectListDefinedStoragePoolsRet =>
        call("virConnectListDefinedStoragePools", &[connect(SearchStoragePools)])
            .high().read_only().filter(storage_pool(Getattr));
    75 ConnectFindStoragePoolSources(ConnectFindStoragePoolSourcesArgs) -> ConnectFindStoragePoolSourcesRet =>
        call("virConnectFindStoragePoolSources", &[connect(DetectStoragePools)]);
    76 StoragePoolCreateXml(StoragePoolCreateXmlArgs) -> StoragePoolCreateXmlRet =>
        call("virStoragePoolCreateXML", &[storage_pool(Start), storage_pool(Write)]);
    77 StoragePoolDefineXml(StoragePoolDefineXmlArgs) -> StoragePoolDefineXmlRet =>
        call("virStoragePoolDefineXML", &[storage_pool(Write), storage_pool(Save)]).high();
    78 StoragePoolCreate(StoragePoolCreateArgs) -> () => call("virStoragePoolCreate", &[storage_pool(Start)]);
    79 StoragePoolBuild(StoragePoolBuildArgs) -> () => call("virStoragePoolBuild", &[storage_pool(Format)]);
    80 StoragePoolDestroy(StoragePoolDestroyArgs) -> () =>
        call("virStoragePoolDestroy", &[storage_pool(Stop)]).high();
    81 StoragePoolDelete(StoragePoolDeleteArgs) -> () =>
        call("virStoragePoolDelete", &[storage_pool(Format)]);
    82 StoragePoolUndefine(StoragePoolUndefineArgs) -> () =>
        call("virStoragePoolUndefine", &[storage_pool(Delete)]).high();
    83 StoragePoolRefresh(StoragePoolRefreshArgs) -> () =>
        call("virStoragePoolRefresh", &[storage_pool(Refresh)]);
    84 StoragePoolLookupByName(StoragePoolLookupByNameArgs) -> StoragePoolLookupByNameRet =>
        call("virStoragePoolLookupByName", &[storage_pool(Getattr)]).high().read_only();
    85 StoragePoolLookupByUuid(StoragePoolLookupByUuidArgs) -> StoragePoolLookupByUuidRet =>
        call("virStoragePoolLookupByUUID", &[storage_pool(Getattr)]).high().read_only();
    86 StoragePoolLookupByVolume(StoragePoolLookupByVolumeArgs) -> StoragePoolLookupByVolumeRet =>
        call("virStoragePoolLookupByVolume", &[storage_pool(Getattr)]).high().read_only();
    87 StoragePoolGetInfo(StoragePoolGetInfoArgs) -> StoragePoolGetInfoRet =>
        call("virStoragePoolGetInfo", &[storage_pool(Read)]).high().read_only();
    88 StoragePoolGetXmlDesc(StoragePoolGetXmlDescArgs) -> StoragePoolGetXmlDescRet =>
        call("virStoragePoolGetXMLDesc", &[storage_pool(Read)]).high().read_only();
    89 StoragePoolGetAutostart(StoragePoolGetAutostartArgs) -> StoragePoolGetAutostartRet =>
        call("virStoragePoolGetAutostart", &[storage_pool(Read)]).high().read_only();
    90 StoragePoolSetAutostart(StoragePoolSetAutostartArgs) -> () =>
        call("virStoragePoolSetAutostart", &[storage_pool(Write)]).high();
    91 StoragePoolNumOfVolumes(StoragePoolNumOfVolumesArgs) -> StoragePoolNumOfVolumesRet =>
        call("virStoragePoolNumOfVolumes", &[storage_pool(SearchStorageVols)])
            .high().read_only().filter(storage_vol(Getattr));
    92 StoragePoolListVolumes(StoragePoolListVolumesArgs) -> StoragePoolListVolumesRet =>
        call("virStoragePoolListVolumes", &[storage_pool(SearchStorageVols)])
            .high().read_only().filter(storage_vol(Getattr));
    93 StorageVolCreateXml(StorageVolCreateXmlArgs) -> StorageVolCreateXmlRet =>
        call("virStorageVolCreateXML", &[storage_vol(Create)]);
    94 StorageVolDelete(StorageVolDeleteArgs) -> () => call("virStorageVolDelete", &[storage_vol(Delete)]);
    95 StorageVolLookupByName(StorageVolLookupByNameArgs) -> StorageVolLookupByNameRet =>
        call("virStorageVolLookupByName", &[storage_vol(Getattr)]).high().read_only();
    96 StorageVolLookupByKey(StorageVolLookupByKeyArgs) -> StorageVolLookupByKeyRet =>
        call("virStorageVolLookupByKey", &[storage_vol(Getattr)]).high().read_only();
    97 StorageVolLookupByPath(StorageVolLookupByPathArgs) -> StorageVolLookupByPathRet =>
        call("virStorageVolLookupByPath", &[storage_vol(Getattr)]).high().read_only();
    98 StorageVolGetInfo(StorageVolGetInfoArgs) -> StorageVolGetInfoRet =>
        call("virStorageVolGetInfo", &[storage_vol(Read)]).high().read_only();
    99 StorageVolGetXmlDesc(StorageVolGetXmlDescArgs) -> StorageVolGetXmlDescRet =>
        call("virStorageVolGetXMLDesc", &[storage_vol(Read)]).high().read_only();
    100 StorageVolGetPath(StorageVolGetPathArgs) -> StorageVolGetPathRet =>
        call("virStorageVolGetPath", &[storage_vol(Read)]).high().read_only();
    101 NodeGetCellsFreeMemory(NodeGetCellsFreeMemoryArgs) -> NodeGetCellsFreeMemoryRet =>
        call("virNodeGetCellsFreeMemory", &[connect(Read)]).high().read_only();
    102 NodeGetFreeMemory(()) -> NodeGetFreeMemoryRet =>
        call("virNodeGetFreeMemory", &[connect(Read)]).high().read_only();
    103 DomainBlockPeek(DomainBlockPeekArgs) -> DomainBlockPeekRet =>
        call("virDomainBlockPeek", &[domain(BlockRead)]);
    104 DomainMemoryPeek(DomainMemoryPeekArgs) -> DomainMemoryPeekRet =>
        call("virDomainMemoryPeek", &[domain(MemRead)]);
    105 ConnectDomainEventRegister(()) -> ConnectDomainEventRegisterRet =>
        call("virConnectDomainEventRegister", &[connect(SearchDomains)])
            .high().read_only().filter(domain(Getattr));
    106 ConnectDomainEventDeregister(()) -> ConnectDomainEventDeregisterRet =>
        call("virConnectDomainEventDeregister", &[connect(Read)]).high().read_only();
    107 DomainEventLifecycle(DomainEventLifecycleMsg) -> () => event();
    108 DomainMigratePrepare2(DomainMigratePrepare2Args) -> DomainMigratePrepare2Ret =>
        call("virDomainMigratePrepare2", &[domain(Migrate), domain(Start), domain(Write)]);
    109 DomainMigrateFinish2(DomainMigrateFinish2Args) -> DomainMigrateFinish2Ret =>
        call("virDomainMigrateFinish2", &[domain(Migrate)]);
    110 ConnectGetUri(()) -> ConnectGetUriRet =>
        call("virConnectGetURI", &[connect(Getattr)]).high().read_only();
    111 NodeNumOfDevices(NodeNumOfDevicesArgs) -> NodeNumOfDevicesRet =>
        call("virNodeNumOfDevices", &[connect(SearchNodeDevices)])
            .high().read_only().filter(node_device(Getattr));
    112 NodeListDevices(NodeListDevicesArgs) -> NodeListDevicesRet =>
        call("virNodeListDevices", &[connect(SearchNodeDevices)])
            .high().read_only().filter(node_device(Getattr));
    113 NodeDeviceLookupByName(NodeDeviceLookupByNameArgs) -> NodeDeviceLookupByNameRet =>
        call("virNodeDeviceLookupByName", &[node_device(Getattr)]).high().read_only();
    114 NodeDeviceGetXmlDesc(NodeDeviceGetXmlDescArgs) -> NodeDeviceGetXmlDescRet =>
        call("virNodeDeviceGetXMLDesc", &[node_device(Read)]).read_only();
    115 NodeDeviceGetParent(NodeDeviceGetParentArgs) -> NodeDeviceGetParentRet =>
        call("virNodeDeviceGetParent", &[node_device(Read)]).high().read_only();
    116 NodeDeviceNumOfCaps(NodeDeviceNumOfCapsArgs) -> NodeDeviceNumOfCapsRet =>
        call("virNodeDeviceNumOfCaps", &[node_device(Read)]).high().read_only();
    117 NodeDeviceListCaps(NodeDeviceListCapsArgs) -> NodeDeviceListCapsRet =>
        call("virNodeDeviceListCaps", &[node_device(Read)]).high().read_only();
    118 NodeDeviceDettach(NodeDeviceDettachArgs) -> () =>
        call("virNodeDeviceDettach", &[node_device(Detach)]);
    119 NodeDeviceReAttach(NodeDeviceReAttachArgs) -> () =>
        call("virNodeDeviceReAttach", &[node_device(Detach)]);
    120 NodeDeviceReset(NodeDeviceResetArgs) -> () => call("virNodeDeviceReset", &[node_device(Detach)]);
    121 DomainGetSecurityLabel(DomainGetSecurityLabelArgs) -> DomainGetSecurityLabelRet =>
        call("virDomainGetSecurityLabel", &[domain(Read)]).high().read_only();
    122 NodeGetSecurityModel(()) -> NodeGetSecurityModelRet =>
        call("virNodeGetSecurityModel", &[connect(Read)]).high().read_only();
    123 NodeDeviceCreateXml(NodeDeviceCreateXmlArgs) -> NodeDeviceCreateXmlRet =>
        call("virNodeDeviceCreateXML", &[node_device(Write), node_device(Start)]);
    124 NodeDeviceDestroy(NodeDeviceDestroyArgs) -> () =>
        call("virNodeDeviceDestroy", &[node_device(Stop)]).high();
    125 StorageVolCreateXmlFrom(StorageVolCreateXmlFromArgs) -> StorageVolCreateXmlFromRet =>
        call("virStorageVolCreateXMLFrom", &[storage_vol(Create)]);
    126 ConnectNumOfInterfaces(()) -> ConnectNumOfInterfacesRet =>
        call("virConnectNumOfInterfaces", &[connect(SearchInterfaces)])
            .high().read_only().filter(interface(Getattr));
    127 ConnectListInterfaces(ConnectListInterfacesArgs) -> ConnectListInterfacesRet =>
        call("virConnectListInterfaces", &[connect(SearchInterfaces)])
            .high().read_only().filter(interface(Getattr));
    128 InterfaceLookupByName(InterfaceLookupByNameArgs) -> InterfaceLookupByNameRet =>
        call("virInterfaceLookupByName", &[interface(Getattr)]).high().read_only();
    129 InterfaceLookupByMacString(InterfaceLookupByMacStringArgs) -> InterfaceLookupByMacStringRet =>
        call("virInterfaceLookupByMACString", &[interface(Getattr)]).high().read_only();
    130 InterfaceGetXmlDesc(InterfaceGetXmlDescArgs) -> InterfaceGetXmlDescRet =>
        call("virInterfaceGetXMLDesc", &[interface(Read)]).read_only();
    131 InterfaceDefineXml(InterfaceDefineXmlArgs) -> InterfaceDefineXmlRet =>
        call("virInterfaceDefineXML", &[interface(Write), interface(Save)]).high();
    132 InterfaceUndefine(InterfaceUndefineArgs) -> () =>
        call("virInterfaceUndefine", &[interface(Delete)]).high();
    133 InterfaceCreate(InterfaceCreateArgs) -> () => call("virInterfaceCreate", &[interface(Start)]);
    134 InterfaceDestroy(InterfaceDestroyArgs) -> () =>
        call("virInterfaceDestroy", &[interface(Stop)]).high();
    135 ConnectDomainXmlFromNative(ConnectDomainXmlFromNativeArgs) -> ConnectDomainXmlFromNativeRet =>
        call("virConnectDomainXMLFromNative", &[connect(Write)]);
    136 ConnectDomainXmlToNative(ConnectDomainXmlToNativeArgs) -> ConnectDomainXmlToNativeRet =>
        call("virConnectDomainXMLToNative", &[connect(Write)]);
    137 ConnectNumOfDefinedInterfaces(()) -> ConnectNumOfDefinedInterfacesRet =>
        call("virConnectNumOfDefinedInterfaces", &[connect(SearchInterfaces)])
            .high().read_only().filter(interface(Getattr));
    138 ConnectListDefinedInterfaces(ConnectListDefinedInterfacesArgs) -> ConnectListDefinedInterfacesRet =>
        call("virConnectListDefinedInterfaces", &[connect(SearchInterfaces)])
            .high().read_only().filter(interface(Getattr));
    139 ConnectNumOfSecrets(()) -> ConnectNumOfSecretsRet =>
        call("virConnectNumOfSecrets", &[connect(SearchSecrets)]).high().read_only().filter(secret(Getattr));
    140 ConnectListSecrets(ConnectListSecretsArgs) -> ConnectListSecretsRet =>
        call("virConnectListSecrets", &[connect(SearchSecrets)]).high().read_only().filter(secret(Getattr));
    141 SecretLookupByUuid(SecretLookupByUuidArgs) -> SecretLookupByUuidRet =>
        call("virSecretLookupByUUID", &[secret(Getattr)]).high().read_only();
    142 SecretDefineXml(SecretDefineXmlArgs) -> SecretDefineXmlRet =>
        call("virSecretDefineXML", &[secret(Write), secret(Save)]).high();
    143 SecretGetXmlDesc(SecretGetXmlDescArgs) -> SecretGetXmlDescRet =>
        call("virSecretGetXMLDesc", &[secret(Read)]).high().read_only();
    144 SecretSetValue(SecretSetValueArgs) -> () => call("virSecretSetValue", &[secret(Write)]).high();
    145 SecretGetValue(SecretGetValueArgs) -> SecretGetValueRet =>
        call("virSecretGetValue", &[secret(ReadSecure)]).high();
    146 SecretUndefine(SecretUndefineArgs) -> () => call("virSecretUndefine", &[secret(Delete)]).high();
    147 SecretLookupByUsage(SecretLookupByUsageArgs) -> SecretLookupByUsageRet =>
        call("virSecretLookupByUsage", &[secret(Getattr)]).high().read_only();
    148 DomainMigratePrepareTunnel(DomainMigratePrepareTunnelArgs) -> () =>
        call("virDomainMigratePrepareTunnel", &[domain(Migrate), domain(Start), domain(Write)])
            .stream_from_client(1);
    149 ConnectIsSecure(()) -> ConnectIsSecureRet => call("virConnectIsSecure", &[]).high().read_only();
    150 DomainIsActive(DomainIsActiveArgs) -> DomainIsActiveRet =>
        call("virDomainIsActive", &[domain(Read)]).high().read_only();
    151 DomainIsPersistent(DomainIsPersistentArgs) -> DomainIsPersistentRet =>
        call("virDomainIsPersistent", &[domain(Read)]).high().read_only();
    152 NetworkIsActive(NetworkIsActiveArgs) -> NetworkIsActiveRet =>
        call("virNetworkIsActive", &[network(Read)]).high().read_only();
    153 NetworkIsPersistent(NetworkIsPersistentArgs) -> NetworkIsPersistentRet =>
        call("virNetworkIsPersistent", &[network(Read)]).high().read_only();
    154 StoragePoolIsActive(StoragePoolIsActiveArgs) -> StoragePoolIsActiveRet =>
        call("virStoragePoolIsActive", &[storage_pool(Read)]).high().read_only();
    155 StoragePoolIsPersistent(StoragePoolIsPersistentArgs) -> StoragePoolIsPersistentRet =>
        call("virStoragePoolIsPersistent", &[storage_pool(Read)]).high().read_only();
    156 InterfaceIsActive(InterfaceIsActiveArgs) -> InterfaceIsActiveRet =>
        call("virInterfaceIsActive", &[interface(Read)]).high().read_only();
    157 ConnectGetLibVersion(()) -> ConnectGetLibVersionRet =>
        call("virConnectGetLibVersion", &[connect(Getattr)]).high().read_only();
    158 ConnectCompareCpu(ConnectCompareCpuArgs) -> ConnectCompareCpuRet =>
        call("virConnectCompareCPU", &[connect(Read)]).high().read_only();
    159 DomainMemoryStats(DomainMemoryStatsArgs) -> DomainMemoryStatsRet =>
        call("virDomainMemoryStats", &[domain(Read)]).read_only();
    160 DomainAttachDeviceFlags(DomainAttachDeviceFlagsArgs) -> (), by flags =>
        call("virDomainAttachDeviceFlags", DOMAIN_CHANGE);
    161 DomainDetachDeviceFlags(DomainDetachDeviceFlagsArgs) -> (), by flags =>
        call("virDomainDetachDeviceFlags", DOMAIN_CHANGE);
    162 ConnectBaselineCpu(ConnectBaselineCpuArgs) -> ConnectBaselineCpuRet =>
        call("virConnectBaselineCPU", &[connect(Read)]).read_only();
    163 DomainGetJobInfo(DomainGetJobInfoArgs) -> DomainGetJobInfoRet =>
        call("virDomainGetJobInfo", &[domain(Read)]).read_only();
    164 DomainAbortJob(DomainAbortJobArgs) -> () => call("virDomainAbortJob", &[domain(Write)]);
    165 StorageVolWipe(StorageVolWipeArgs) -> () => call("virStorageVolWipe", &[storage_vol(Format)]);
    166 DomainMigrateSetMaxDowntime(DomainMigrateSetMaxDowntimeArgs) -> () =>
        call("virDomainMigrateSetMaxDowntime", &[domain(Migrate)]);
    167 ConnectDomainEventRegisterAny(ConnectDomainEventRegisterAnyArgs) -> () =>
        call("virConnectDomainEventRegisterAny", &[connect(SearchDomains)])
            .high().read_only().filter(domain(Getattr));
    168 ConnectDomainEventDeregisterAny(ConnectDomainEventDeregisterAnyArgs) -> () =>
        call("virConnectDomainEventDeregisterAny", &[connect(Read)]).high().read_only();
    169 DomainEventReboot(DomainEventRebootMsg) -> () => event();
    170 DomainEventRtcChange(DomainEventRtcChangeMsg) -> () => event();
    171 DomainEventWatchdog(DomainEventWatchdogMsg) -> () => event();
    172 DomainEventIoError(DomainEventIoErrorMsg) -> () => event();
    173 DomainEventGraphics(DomainEventGraphicsMsg) -> () => event();
    174 DomainUpdateDeviceFlags(DomainUpdateDeviceFlagsArgs) -> (), by flags =>
        call("virDomainUpdateDeviceFlags", DOMAIN_CHANGE);
    175 NwfilterLookupByName(NwfilterLookupByNameArgs) -> NwfilterLookupByNameRet =>
        call("virNWFilterLookupByName", &[nwfilter(Getattr)]).high().read_only();
    176 NwfilterLookupByUuid(NwfilterLookupByUuidArgs) -> NwfilterLookupByUuidRet =>
        call("virNWFilterLookupByUUID", &[nwfilter(Getattr)]).high().read_only();
    177 NwfilterGetXmlDesc(NwfilterGetXmlDescArgs) -> NwfilterGetXmlDescRet =>
        call("virNWFilterGetXMLDesc", &[nwfilter(Read)]).high().read_only();
    178 ConnectNumOfNwfilters(()) -> ConnectNumOfNwfiltersRet =>
        call("virConnectNumOfNWFilters", &[connect(SearchNwfilters)])
            .high().read_only().filter(nwfilter(Getattr));
    179 ConnectListNwfilters(ConnectListNwfiltersArgs) -> ConnectListNwfiltersRet =>
        call("virConnectListNWFilters", &[connect(SearchNwfilters)])
            .high().read_only().filter(nwfilter(Getattr));
    180 NwfilterDefineXml(NwfilterDefineXmlArgs) -> NwfilterDefineXmlRet =>
        call("virNWFilterDefineXML", &[nwfilter(Write), nwfilter(Save)]).high();
    181 NwfilterUndefine(NwfilterUndefineArgs) -> () =>
        call("virNWFilterUndefine", &[nwfilter(Delete)]).high();
    182 DomainManagedSave(DomainManagedSaveArgs) -> () => call("virDomainManagedSave", &[domain(Hibernate)]);
    183 DomainHasManagedSaveImage(DomainHasManagedSaveImageArgs) -> DomainHasManagedSaveImageRet =>
        call("virDomainHasManagedSaveImage", &[domain(Read)]).read_only();
    184 DomainManagedSaveRemove(DomainManagedSaveRemoveArgs) -> () =>
        call("virDomainManagedSaveRemove", &[domain(Hibernate)]);
    185 DomainSnapshotCreateXml(DomainSnapshotCreateXmlArgs) -> DomainSnapshotCreateXmlRet, by flags =>
        call("virDomainSnapshotCreateXML", &[
            domain(Snapshot),
            domain(FsFreeze).when(AllOf(DOMAIN_SNAPSHOT_CREATE_QUIESCE)),
        ]);
    186 DomainSnapshotGetXmlDesc(DomainSnapshotGetXmlDescArgs) -> DomainSnapshotGetXmlDescRet, by flags =>
        call("virDomainSnapshotGetXMLDesc", &[
            domain(Read),
            domain(ReadSecure).when(AllOf(DOMAIN_SNAPSHOT_XML_SECURE)),
        ]).high().read_only_unless(AnyOf(DOMAIN_SNAPSHOT_XML_SECURE));
    187 DomainSnapshotNum(DomainSnapshotNumArgs) -> DomainSnapshotNumRet =>
        call("virDomainSnapshotNum", &[domain(Read)]).high().read_only();
    188 DomainSnapshotListNames(DomainSnapshotListNamesArgs) -> DomainSnapshotListNamesRet =>
        call("virDomainSnapshotListNames", &[domain(Read)]).high().read_only();
    189 DomainSnapshotLookupByName(DomainSnapshotLookupByNameArgs) -> DomainSnapshotLookupByNameRet =>
        call("virDomainSnapshotLookupByName", &[domain(Read)]).high().read_only();
    190 DomainHasCurrentSnapshot(DomainHasCurrentSnapshotArgs) -> DomainHasCurrentSnapshotRet =>
        call("virDomainHasCurrentSnapshot", &[domain(Read)]).read_only();
    191 DomainSnapshotCurrent(DomainSnapshotCurrentArgs) -> DomainSnapshotCurrentRet =>
        call("virDomainSnapshotCurrent", &[domain(Read)]).read_only();
    192 DomainRevertToSnapshot(DomainRevertToSnapshotArgs) -> () =>
        call("virDomainRevertToSnapshot", &[domain(Snapshot)]);
    193 DomainSnapshotDelete(DomainSnapshotDeleteArgs) -> () =>
        call("virDomainSnapshotDelete", &[domain(Snapshot)]);
    194 DomainGetBlockInfo(DomainGetBlockInfoArgs) -> DomainGetBlockInfoRet =>
        call("virDomainGetBlockInfo", &[domain(Read)]).read_only();
    195 DomainEventIoErrorReason(DomainEventIoErrorReasonMsg) -> () => event();
    196 DomainCreateWithFlags(DomainCreateWithFlagsArgs) -> DomainCreateWithFlagsRet =>
        call("virDomainCreateWithFlags", &[domain(Start)]);
    197 DomainSetMemoryParameters(DomainSetMemoryParametersArgs) -> (), by flags =>
        call("virDomainSetMemoryParameters", DOMAIN_CHANGE);
    198 DomainGetMemoryParameters(DomainGetMemoryParametersArgs) -> DomainGetMemoryParametersRet =>
        call("virDomainGetMemoryParameters", &[domain(Read)]).read_only();
    199 DomainSetVcpusFlags(DomainSetVcpusFlagsArgs) -> (), by flags =>
        call("virDomainSetVcpusFlags", &[
            domain(Write),
            domain(Save).when(NoneOf(DOMAIN_AFFECT_CONFIG | DOMAIN_AFFECT_LIVE)),
            domain(Save).when(AllOf(DOMAIN_AFFECT_CONFIG)),
            domain(Write).when(AllOf(DOMAIN_VCPU_GUEST)),
        ]);
    200 DomainGetVcpusFlags(DomainGetVcpusFlagsArgs) -> DomainGetVcpusFlagsRet, by flags =>
        call("virDomainGetVcpusFlags", &[domain(Read), domain(Write).when(AllOf(DOMAIN_VCPU_GUEST))])
            .read_only_unless(AnyOf(DOMAIN_VCPU_GUEST));
    201 DomainOpenConsole(DomainOpenConsoleArgs) -> () =>
        call("virDomainOpenConsole", &[domain(OpenDevice)]).stream_to_client(2);
    202 DomainIsUpdated(DomainIsUpdatedArgs) -> DomainIsUpdatedRet =>
        call("virDomainIsUpdated", &[domain(Read)]).high().read_only();
    203 ConnectGetSysinfo(ConnectGetSysinfoArgs) -> ConnectGetSysinfoRet =>
        call("virConnectGetSysinfo", &[connect(Read)]).high().read_only();
    204 DomainSetMemoryFlags(DomainSetMemoryFlagsArgs) -> (), by flags =>
        call("virDomainSetMemoryFlags", DOMAIN_CHANGE);
    205 DomainSetBlkioParameters(DomainSetBlkioParametersArgs) -> (), by flags =>
        call("virDomainSetBlkioParameters", DOMAIN_CHANGE);
    206 DomainGetBlkioParameters(DomainGetBlkioParametersArgs) -> DomainGetBlkioParametersRet =>
        call("virDomainGetBlkioParameters", &[domain(Read)]).read_only();
    207 DomainMigrateSetMaxSpeed(DomainMigrateSetMaxSpeedArgs) -> () =>
        call("virDomainMigrateSetMaxSpeed", &[domain(Migrate)]);
    208 StorageVolUpload(StorageVolUploadArgs) -> () =>
        call("virStorageVolUpload", &[storage_vol(DataWrite)])
            .sparse_stream_from_client(1, STORAGE_VOL_UPLOAD_SPARSE_STREAM);
    209 StorageVolDownload(StorageVolDownloadArgs) -> () =>
        call("virStorageVolDownload", &[storage_vol(DataRead)])
            .sparse_stream_to_client(1, STORAGE_VOL_DOWNLOAD_SPARSE_STREAM);
    210 DomainInjectNmi(DomainInjectNmiArgs) -> () => call("virDomainInjectNMI", &[domain(InjectNmi)]);
    211 DomainScreenshot(DomainScreenshotArgs) -> DomainScreenshotRet =>
        call("virDomainScreenshot", &[domain(Screenshot)]).stream_to_client(1);
    212 DomainGetState(DomainGetStateArgs) -> DomainGetStateRet =>
        call("virDomainGetState", &[domain(Read)]).high().read_only();
    213 DomainMigrateBegin3(DomainMigrateBegin3Args) -> DomainMigrateBegin3Ret =>
        call("virDomainMigrateBegin3", &[domain(Migrate)]);
    214 DomainMigratePrepare3(DomainMigratePrepare3Args) -> DomainMigratePrepare3Ret =>
        call("virDomainMigratePrepare3", &[domain(Migrate), domain(Start), domain(Write)]);
    215 DomainMigratePrepareTunnel3(DomainMigratePrepareTunnel3Args) -> DomainMigratePrepareTunnel3Ret =>
        call("virDomainMigratePrepareTunnel3", &[domain(Migrate), domain(Start), domain(Write)])
            .stream_from_client(1);
    216 DomainMigratePerform3(DomainMigratePerform3Args) -> DomainMigratePerform3Ret =>
        call("virDomainMigratePerform3", &[domain(Migrate)]);
    217 DomainMigrateFinish3(DomainMigrateFinish3Args) -> DomainMigrateFinish3Ret =>
        call("virDomainMigrateFinish3", &[domain(Migrate)]);
    218 DomainMigrateConfirm3(DomainMigrateConfirm3Args) -> () =>
        call("virDomainMigrateConfirm3", &[domain(Migrate)]);
    219 DomainSetSchedulerParametersFlags(DomainSetSchedulerParametersFlagsArgs) -> (), by flags =>
        call("virDomainSetSchedulerParametersFlags", DOMAIN_CHANGE);
    220 InterfaceChangeBegin(InterfaceChangeBeginArgs) -> () =>
        call("virInterfaceChangeBegin", &[connect(InterfaceTransaction)]);
    221 InterfaceChangeCommit(InterfaceChangeCommitArgs) -> () =>
        call("virInterfaceChangeCommit", &[connect(InterfaceTransaction)]);
    222 InterfaceChangeRollback(InterfaceChangeRollbackArgs) -> () =>
        call("virInterfaceChangeRollback", &[connect(InterfaceTransaction)]);
    223 DomainGetSchedulerParametersFlags(DomainGetSchedulerParametersFlagsArgs) -> DomainGetSchedulerParametersFlagsRet =>
        call("virDomainGetSchedulerParametersFlags", &[domain(Read)]).read_only();
    224 DomainEventControlError(DomainEventControlErrorMsg) -> () => event();
    225 DomainPinVcpuFlags(DomainPinVcpuFlagsArgs) -> (), by flags =>
        call("virDomainPinVcpuFlags", DOMAIN_CHANGE);
    226 DomainSendKey(DomainSendKeyArgs) -> () => call("virDomainSendKey", &[domain(SendInput)]);
    227 NodeGetCpuStats(NodeGetCpuStatsArgs) -> NodeGetCpuStatsRet =>
        call("virNodeGetCPUStats", &[connect(Read)]).high().read_only();
    228 NodeGetMemoryStats(NodeGetMemoryStatsArgs) -> NodeGetMemoryStatsRet =>
        call("virNodeGetMemoryStats", &[connect(Read)]).high().read_only();
    229 DomainGetControlInfo(DomainGetControlInfoArgs) -> DomainGetControlInfoRet =>
        call("virDomainGetControlInfo", &[domain(Read)]).high().read_only();
    230 DomainGetVcpuPinInfo(DomainGetVcpuPinInfoArgs) -> DomainGetVcpuPinInfoRet =>
        call("virDomainGetVcpuPinInfo", &[domain(Read)]).read_only();
    231 DomainUndefineFlags(DomainUndefineFlagsArgs) -> () =>
        call("virDomainUndefineFlags", &[domain(Delete)]).high();
    232 DomainSaveFlags(DomainSaveFlagsArgs) -> () => call("virDomainSaveFlags", &[domain(Hibernate)]);
    233 DomainRestoreFlags(DomainRestoreFlagsArgs) -> () =>
        call("virDomainRestoreFlags", &[domain(Start), domain(Write)]);
    234 DomainDestroyFlags(DomainDestroyFlagsArgs) -> () =>
        call("virDomainDestroyFlags", &[domain(Stop)]).high();
    235 DomainSaveImageGetXmlDesc(DomainSaveImageGetXmlDescArgs) -> DomainSaveImageGetXmlDescRet =>
        call("virDomainSaveImageGetXMLDesc", &[domain(Write)]).high();
    236 DomainSaveImageDefineXml(DomainSaveImageDefineXmlArgs) -> () =>
        call("virDomainSaveImageDefineXML", &[domain(Write), domain(Hibernate)]).high();
    237 DomainBlockJobAbort(DomainBlockJobAbortArgs) -> () =>
        call("virDomainBlockJobAbort", &[domain(Write)]);
    238 DomainGetBlockJobInfo(DomainGetBlockJobInfoArgs) -> DomainGetBlockJobInfoRet =>
        call("virDomainGetBlockJobInfo", &[domain(Read)]).read_only();
    239 DomainBlockJobSetSpeed(DomainBlockJobSetSpeedArgs) -> () =>
        call("virDomainBlockJobSetSpeed", &[domain(Write)]);
    240 DomainBlockPull(DomainBlockPullArgs) -> () => call("virDomainBlockPull", &[domain(BlockWrite)]);
    241 DomainEventBlockJob(DomainEventBlockJobMsg) -> () => event();
    242 DomainMigrateGetMaxSpeed(DomainMigrateGetMaxSpeedArgs) -> DomainMigrateGetMaxSpeedRet =>
        call("virDomainMigrateGetMaxSpeed", &[domain(Migrate)]);
    243 DomainBlockStatsFlags(DomainBlockStatsFlagsArgs) -> DomainBlockStatsFlagsRet =>
        call("virDomainBlockStatsFlags", &[domain(Read)]).read_only();
    244 DomainSnapshotGetParent(DomainSnapshotGetParentArgs) -> DomainSnapshotGetParentRet =>
        call("virDomainSnapshotGetParent", &[domain(Read)]).high().read_only();
    245 DomainReset(DomainResetArgs) -> () => call("virDomainReset", &[domain(Reset)]);
    246 DomainSnapshotNumChildren(DomainSnapshotNumChildrenArgs) -> DomainSnapshotNumChildrenRet =>
        call("virDomainSnapshotNumChildren", &[domain(Read)]).high().read_only();
    247 DomainSnapshotListChildrenNames(DomainSnapshotListChildrenNamesArgs) -> DomainSnapshotListChildrenNamesRet =>
        call("virDomainSnapshotListChildrenNames", &[domain(Read)]).high().read_only();
    248 DomainEventDiskChange(DomainEventDiskChangeMsg) -> () => event();
    249 DomainOpenGraphics(DomainOpenGraphicsArgs) -> () =>
        call("virDomainOpenGraphics", &[domain(OpenGraphics)]);
    250 NodeSuspendForDuration(NodeSuspendForDurationArgs) -> () =>
        call("virNodeSuspendForDuration", &[connect(PmControl)]);
    251 DomainBlockResize(DomainBlockResizeArgs) -> () => call("virDomainBlockResize", &[domain(BlockWrite)]);
    252 DomainSetBlockIoTune(DomainSetBlockIoTuneArgs) -> (), by flags =>
        call("virDomainSetBlockIoTune", DOMAIN_CHANGE);
    253 DomainGetBlockIoTune(DomainGetBlockIoTuneArgs) -> DomainGetBlockIoTuneRet =>
        call("virDomainGetBlockIoTune", &[domain(Read)]).read_only();
    254 DomainSetNumaParameters(DomainSetNumaParametersArgs) -> (), by flags =>
        call("virDomainSetNumaParameters", DOMAIN_CHANGE);
    255 DomainGetNumaParameters(DomainGetNumaParametersArgs) -> DomainGetNumaParametersRet =>
        call("virDomainGetNumaParameters", &[domain(Read)]).read_only();
    256 DomainSetInterfaceParameters(DomainSetInterfaceParametersArgs) -> (), by flags =>
        call("virDomainSetInterfaceParameters", DOMAIN_CHANGE);
    257 DomainGetInterfaceParameters(DomainGetInterfaceParametersArgs) -> DomainGetInterfaceParametersRet =>
        call("virDomainGetInterfaceParameters", &[domain(Read)]).read_only();
    258 DomainShutdownFlags(DomainShutdownFlagsArgs) -> (), by flags =>
        call("virDomainShutdownFlags", &[
            domain(InitControl),
            domain(Write).when(AllOf(DOMAIN_SHUTDOWN_GUEST_AGENT)),
        ]);
    259 StorageVolWipePattern(StorageVolWipePatternArgs) -> () =>
        call("virStorageVolWipePattern", &[storage_vol(Format)]);
    260 StorageVolResize(StorageVolResizeArgs) -> () => call("virStorageVolResize", &[storage_vol(Resize)]);
    261 DomainPmSuspendForDuration(DomainPmSuspendForDurationArgs) -> () =>
        call("virDomainPMSuspendForDuration", &[domain(PmControl)]);
    262 DomainGetCpuStats(DomainGetCpuStatsArgs) -> DomainGetCpuStatsRet =>
        call("virDomainGetCPUStats", &[domain(Read)]).read_only();
    263 DomainGetDiskErrors(DomainGetDiskErrorsArgs) -> DomainGetDiskErrorsRet =>
        call("virDomainGetDiskErrors", &[domain(Read)]).read_only();
    264 DomainSetMetadata(DomainSetMetadataArgs) -> (), by flags =>
        call("virDomainSetMetadata", DOMAIN_CHANGE);
    265 DomainGetMetadata(DomainGetMetadataArgs) -> DomainGetMetadataRet =>
        call("virDomainGetMetadata", &[domain(Read)]).read_only();
    266 DomainBlockRebase(DomainBlockRebaseArgs) -> () => call("virDomainBlockRebase", &[domain(BlockWrite)]);
    267 DomainPmWakeup(DomainPmWakeupArgs) -> () => call("virDomainPMWakeup", &[domain(PmControl)]);
    268 DomainEventTrayChange(DomainEventTrayChangeMsg) -> () => event();
    269 DomainEventPmwakeup(DomainEventPmwakeupMsg) -> () => event();
    270 DomainEventPmsuspend(DomainEventPmsuspendMsg) -> () => event();
    271 DomainSnapshotIsCurrent(DomainSnapshotIsCurrentArgs) -> DomainSnapshotIsCurrentRet =>
        call("virDomainSnapshotIsCurrent", &[domain(Read)]).read_only();
    272 DomainSnapshotHasMetadata(DomainSnapshotHasMetadataArgs) -> DomainSnapshotHasMetadataRet =>
        call("virDomainSnapshotHasMetadata", &[domain(Read)]).read_only();
    273 ConnectListAllDomains(ConnectListAllDomainsArgs) -> ConnectListAllDomainsRet =>
        call("virConnectListAllDomains", &[connect(SearchDomains)])
            .high().read_only().filter(domain(Getattr));
    274 DomainListAllSnapshots(DomainListAllSnapshotsArgs) -> DomainListAllSnapshotsRet =>
        call("virDomainListAllSnapshots", &[domain(Read)]).high().read_only();
    275 DomainSnapshotListAllChildren(DomainSnapshotListAllChildrenArgs) -> DomainSnapshotListAllChildrenRet =>
        call("virDomainSnapshotListAllChildren", &[domain(Read)]).high().read_only();
    276 DomainEventBalloonChange(DomainEventBalloonChangeMsg) -> () => event();
    277 DomainGetHostname(DomainGetHostnameArgs) -> DomainGetHostnameRet =>
        call("virDomainGetHostname", &[domain(Write)]);
    278 DomainGetSecurityLabelList(DomainGetSecurityLabelListArgs) -> DomainGetSecurityLabelListRet =>
        call("virDomainGetSecurityLabelList", &[domain(Read)]).high().read_only();
    279 DomainPinEmulator(DomainPinEmulatorArgs) -> (), by flags =>
        call("virDomainPinEmulator", DOMAIN_CHANGE);
    280 DomainGetEmulatorPinInfo(DomainGetEmulatorPinInfoArgs) -> DomainGetEmulatorPinInfoRet =>
        call("virDomainGetEmulatorPinInfo", &[domain(Read)]).read_only();
    281 ConnectListAllStoragePools(ConnectListAllStoragePoolsArgs) -> ConnectListAllStoragePoolsRet =>
        call("virConnectListAllStoragePools", &[connect(SearchStoragePools)])
            .high().read_only().filter(storage_pool(Getattr));
    282 StoragePoolListAllVolumes(StoragePoolListAllVolumesArgs) -> StoragePoolListAllVolumesRet =>
        call("virStoragePoolListAllVolumes", &[storage_pool(SearchStorageVols)])
            .high().read_only().filter(storage_vol(Getattr));
    283 ConnectListAllNetworks(ConnectListAllNetworksArgs) -> ConnectListAllNetworksRet =>
        call("virConnectListAllNetworks", &[connect(SearchNetworks)])
            .high().read_only().filter(network(Getattr));
    284 ConnectListAllInterfaces(ConnectListAllInterfacesArgs) -> ConnectListAllInterfacesRet =>
        call("virConnectListAllInterfaces", &[connect(SearchInterfaces)])
            .high().read_only().filter(interface(Getattr));
    285 ConnectListAllNodeDevices(ConnectListAllNodeDevicesArgs) -> ConnectListAllNodeDevicesRet =>
        call("virConnectListAllNodeDevices", &[connect(SearchNodeDevices)])
            .high().read_only().filter(node_device(Getattr));
    286 ConnectListAllNwfilters(ConnectListAllNwfiltersArgs) -> ConnectListAllNwfiltersRet =>
        call("virConnectListAllNWFilters", &[connect(SearchNwfilters)])
            .high().read_only().filter(nwfilter(Getattr));
    287 ConnectListAllSecrets(ConnectListAllSecretsArgs) -> ConnectListAllSecretsRet =>
        call("virConnectListAllSecrets", &[connect(SearchSecrets)])
            .high().read_only().filter(secret(Getattr));
    288 NodeSetMemoryParameters(NodeSetMemoryParametersArgs) -> () =>
        call("virNodeSetMemoryParameters", &[connect(Write)]);
    289 NodeGetMemoryParameters(NodeGetMemoryParametersArgs) -> NodeGetMemoryParametersRet =>
        call("virNodeGetMemoryParameters", &[connect(Read)]).read_only();
    290 DomainBlockCommit(DomainBlockCommitArgs) -> () => call("virDomainBlockCommit", &[domain(BlockWrite)]);
    291 NetworkUpdate(NetworkUpdateArgs) -> (), by flags =>
        call("virNetworkUpdate", &[
            network(Write),
            network(Save).when(NoneOf(NETWORK_UPDATE_AFFECT_CONFIG | NETWORK_UPDATE_AFFECT_LIVE)),
            network(Save).when(AllOf(NETWORK_UPDATE_AFFECT_CONFIG)),
        ]).high();
    292 DomainEventPmsuspendDisk(DomainEventPmsuspendDiskMsg) -> () => event();
    293 NodeGetCpuMap(NodeGetCpuMapArgs) -> NodeGetCpuMapRet =>
        call("virNodeGetCPUMap", &[connect(Read)]).read_only();
    294 DomainFstrim(DomainFstrimArgs) -> () => call("virDomainFSTrim", &[domain(FsTrim)]);
    295 DomainSendProcessSignal(DomainSendProcessSignalArgs) -> () =>
        call("virDomainSendProcessSignal", &[domain(SendSignal)]);
    296 DomainOpenChannel(DomainOpenChannelArgs) -> () =>
        call("virDomainOpenChannel", &[domain(OpenDevice)]).stream_to_client(2);
    297 NodeDeviceLookupScsiHostByWwn(NodeDeviceLookupScsiHostByWwnArgs) -> NodeDeviceLookupScsiHostByWwnRet =>
        call("virNodeDeviceLookupSCSIHostByWWN", &[node_device(Getattr)]).high().read_only();
    298 DomainGetJobStats(DomainGetJobStatsArgs) -> DomainGetJobStatsRet =>
        call("virDomainGetJobStats", &[domain(Read)]).read_only();
    299 DomainMigrateGetCompressionCache(DomainMigrateGetCompressionCacheArgs) -> DomainMigrateGetCompressionCacheRet =>
        call("virDomainMigrateGetCompressionCache", &[domain(Migrate)]).read_only();
    300 DomainMigrateSetCompressionCache(DomainMigrateSetCompressionCacheArgs) -> () =>
        call("virDomainMigrateSetCompressionCache", &[domain(Migrate)]);
    301 NodeDeviceDetachFlags(NodeDeviceDetachFlagsArgs) -> () =>
        call("virNodeDeviceDetachFlags", &[node_device(Detach)]);
    302 DomainMigrateBegin3Params(DomainMigrateBegin3ParamsArgs) -> DomainMigrateBegin3ParamsRet =>
        call("virDomainMigrateBegin3Params", &[domain(Migrate)]);
    303 DomainMigratePrepare3Params(DomainMigratePrepare3ParamsArgs) -> DomainMigratePrepare3ParamsRet =>
        call("virDomainMigratePrepare3Params", &[domain(Migrate), domain(Start), domain(Write)]);
    304 DomainMigratePrepareTunnel3Params(DomainMigratePrepareTunnel3ParamsArgs) -> DomainMigratePrepareTunnel3ParamsRet =>
        call("virDomainMigratePrepareTunnel3Params", &[domain(Migrate), domain(Start), domain(Write)]);
    305 DomainMigratePerform3Params(DomainMigratePerform3ParamsArgs) -> DomainMigratePerform3ParamsRet =>
        call("virDomainMigratePerform3Params", &[domain(Migrate)]);
    306 DomainMigrateFinish3Params(DomainMigrateFinish3ParamsArgs) -> DomainMigrateFinish3ParamsRet =>
        call("virDomainMigrateFinish3Params", &[domain(Migrate)]);
    307 DomainMigrateConfirm3Params(DomainMigrateConfirm3ParamsArgs) -> () =>
        call("virDomainMigrateConfirm3Params", &[domain(Migrate)]);
    308 DomainSetMemoryStatsPeriod(DomainSetMemoryStatsPeriodArgs) -> (), by flags =>
        call("virDomainSetMemoryStatsPeriod", DOMAIN_CHANGE);
    309 DomainCreateXmlWithFiles(DomainCreateXmlWithFilesArgs) -> DomainCreateXmlWithFilesRet =>
        call("virDomainCreateXMLWithFiles", &[domain(Write), domain(Start)]);
    310 DomainCreateWithFiles(DomainCreateWithFilesArgs) -> DomainCreateWithFilesRet =>
        call("virDomainCreateWithFiles", &[domain(Start)]);
    311 DomainEventDeviceRemoved(DomainEventDeviceRemovedMsg) -> () => event();
    312 ConnectGetCpuModelNames(ConnectGetCpuModelNamesArgs) -> ConnectGetCpuModelNamesRet =>
        call("virConnectGetCPUModelNames", &[connect(Read)]).read_only();
    313 ConnectNetworkEventRegisterAny(ConnectNetworkEventRegisterAnyArgs) -> ConnectNetworkEventRegisterAnyRet =>
        call("virConnectNetworkEventRegisterAny", &[connect(SearchNetworks)])
            .high().read_only().filter(network(Getattr));
    314 ConnectNetworkEventDeregisterAny(ConnectNetworkEventDeregisterAnyArgs) -> () =>
        call("virConnectNetworkEventDeregisterAny", &[connect(Read)]).high().read_only();
    315 NetworkEventLifecycle(NetworkEventLifecycleMsg) -> () => event();
    316 ConnectDomainEventCallbackRegisterAny(ConnectDomainEventCallbackRegisterAnyArgs) -> ConnectDomainEventCallbackRegisterAnyRet =>
        call("virConnectDomainEventRegisterAny", &[connect(SearchDomains)])
            .high().read_only().filter(domain(Getattr));
    317 ConnectDomainEventCallbackDeregisterAny(ConnectDomainEventCallbackDeregisterAnyArgs) -> () =>
        call("virConnectDomainEventDeregisterAny", &[connect(Read)]).high().read_only();
    318 DomainEventCallbackLifecycle(DomainEventCallbackLifecycleMsg) -> () => event();
    319 DomainEventCallbackReboot(DomainEventCallbackRebootMsg) -> () => event();
    320 DomainEventCallbackRtcChange(DomainEventCallbackRtcChangeMsg) -> () => event();
    321 DomainEventCallbackWatchdog(DomainEventCallbackWatchdogMsg) -> () => event();
    322 DomainEventCallbackIoError(DomainEventCallbackIoErrorMsg) -> () => event();
    323 DomainEventCallbackGraphics(DomainEventCallbackGraphicsMsg) -> () => event();
    324 DomainEventCallbackIoErrorReason(DomainEventCallbackIoErrorReasonMsg) -> () => event();
    325 DomainEventCallbackControlError(DomainEventCallbackControlErrorMsg) -> () => event();
    326 DomainEventCallbackBlockJob(DomainEventCallbackBlockJobMsg) -> () => event();
    327 DomainEventCallbackDiskChange(DomainEventCallbackDiskChangeMsg) -> () => event();
    328 DomainEventCallbackTrayChange(DomainEventCallbackTrayChangeMsg) -> () => event();
    329 DomainEventCallbackPmwakeup(DomainEventCallbackPmwakeupMsg) -> () => event();
    330 DomainEventCallbackPmsuspend(DomainEventCallbackPmsuspendMsg) -> () => event();
    331 DomainEventCallbackBalloonChange(DomainEventCallbackBalloonChangeMsg) -> () => event();
    332 DomainEventCallbackPmsuspendDisk(DomainEventCallbackPmsuspendDiskMsg) -> () => event();
    333 DomainEventCallbackDeviceRemoved(DomainEventCallbackDeviceRemovedMsg) -> () => event();
    334 DomainCoreDumpWithFormat(DomainCoreDumpWithFormatArgs) -> () =>
        call("virDomainCoreDumpWithFormat", &[domain(CoreDump)]);
    335 DomainFsfreeze(DomainFsfreezeArgs) -> DomainFsfreezeRet =>
        call("virDomainFSFreeze", &[domain(FsFreeze)]);
    336 DomainFsthaw(DomainFsthawArgs) -> DomainFsthawRet => call("virDomainFSThaw", &[domain(FsFreeze)]);
    337 DomainGetTime(DomainGetTimeArgs) -> DomainGetTimeRet => call("virDomainGetTime", &[domain(Write)]);
    338 DomainSetTime(DomainSetTimeArgs) -> () => call("virDomainSetTime", &[domain(SetTime)]);
    339 DomainEventBlockJob2(DomainEventBlockJob2Msg) -> () => event();
    340 NodeGetFreePages(NodeGetFreePagesArgs) -> NodeGetFreePagesRet =>
        call("virNodeGetFreePages", &[connect(Read)]).high().read_only();
    341 NetworkGetDhcpLeases(NetworkGetDhcpLeasesArgs) -> NetworkGetDhcpLeasesRet =>
        call("virNetworkGetDHCPLeases", &[network(Read)]).read_only();
    342 ConnectGetDomainCapabilities(ConnectGetDomainCapabilitiesArgs) -> ConnectGetDomainCapabilitiesRet =>
        call("virConnectGetDomainCapabilities", &[connect(Write)]);
    343 DomainOpenGraphicsFd(DomainOpenGraphicsFdArgs) -> () =>
        call("virDomainOpenGraphicsFD", &[domain(OpenGraphics)]);
    344 ConnectGetAllDomainStats(ConnectGetAllDomainStatsArgs) -> ConnectGetAllDomainStatsRet =>
        call("virConnectGetAllDomainStats", &[connect(SearchDomains)]).read_only().filter(domain(Read));
    345 DomainBlockCopy(DomainBlockCopyArgs) -> () => call("virDomainBlockCopy", &[domain(BlockWrite)]);
    346 DomainEventCallbackTunable(DomainEventCallbackTunableMsg) -> () => event();
    347 NodeAllocPages(NodeAllocPagesArgs) -> NodeAllocPagesRet =>
        call("virNodeAllocPages", &[connect(Write)]);
    348 DomainEventCallbackAgentLifecycle(DomainEventCallbackAgentLifecycleMsg) -> () => event();
    349 DomainGetFsinfo(DomainGetFsinfoArgs) -> DomainGetFsinfoRet =>
        call("virDomainGetFSInfo", &[domain(FsFreeze)]);
    350 DomainDefineXmlFlags(DomainDefineXmlFlagsArgs) -> DomainDefineXmlFlagsRet =>
        call("virDomainDefineXMLFlags", &[domain(Write), domain(Save)]).high();
    351 DomainGetIothreadInfo(DomainGetIothreadInfoArgs) -> DomainGetIothreadInfoRet =>
        call("virDomainGetIOThreadInfo", &[domain(Read)]).read_only();
    352 DomainPinIothread(DomainPinIothreadArgs) -> (), by flags =>
        call("virDomainPinIOThread", DOMAIN_CHANGE);
    353 DomainInterfaceAddresses(DomainInterfaceAddressesArgs) -> DomainInterfaceAddressesRet, by source =>
        call("virDomainInterfaceAddresses", &[
            domain(Read),
            domain(Write).when(Equals(DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)),
        ]).read_only_unless(Equals(DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT));
    354 DomainEventCallbackDeviceAdded(DomainEventCallbackDeviceAddedMsg) -> () => event();
    355 DomainAddIothread(DomainAddIothreadArgs) -> (), by flags =>
        call("virDomainAddIOThread", DOMAIN_CHANGE);
    356 DomainDelIothread(DomainDelIothreadArgs) -> (), by flags =>
        call("virDomainDelIOThread", DOMAIN_CHANGE);
    357 DomainSetUserPassword(DomainSetUserPasswordArgs) -> () =>
        call("virDomainSetUserPassword", &[domain(SetPassword)]);
    358 DomainRename(DomainRenameArgs) -> DomainRenameRet =>
        call("virDomainRename", &[domain(Write), domain(Save)]);
    359 DomainEventCallbackMigrationIteration(DomainEventCallbackMigrationIterationMsg) -> () => event();
    360 ConnectRegisterCloseCallback(()) -> () =>
        call("virConnectRegisterCloseCallback", &[connect(Getattr)]).high().read_only();
    361 ConnectUnregisterCloseCallback(()) -> () =>
        call("virConnectUnregisterCloseCallback", &[connect(Getattr)]).high().read_only();
    362 ConnectEventConnectionClosed(ConnectEventConnectionClosedMsg) -> () => event();
    363 DomainEventCallbackJobCompleted(DomainEventCallbackJobCompletedMsg) -> () => event();
    364 DomainMigrateStartPostCopy(DomainMigrateStartPostCopyArgs) -> () =>
        call("virDomainMigrateStartPostCopy", &[domain(Migrate)]);
    365 DomainGetPerfEvents(DomainGetPerfEventsArgs) -> DomainGetPerfEventsRet =>
        call("virDomainGetPerfEvents", &[domain(Read)]).read_only();
    366 DomainSetPerfEvents(DomainSetPerfEventsArgs) -> () =>
        call("virDomainSetPerfEvents", &[domain(Write)]);
    367 DomainEventCallbackDeviceRemovalFailed(DomainEventCallbackDeviceRemovalFailedMsg) -> () => event();
    368 ConnectStoragePoolEventRegisterAny(ConnectStoragePoolEventRegisterAnyArgs) -> ConnectStoragePoolEventRegisterAnyRet =>
        call("virConnectStoragePoolEventRegisterAny", &[connect(SearchStoragePools)])
            .high().read_only().filter(storage_pool(Getattr));
    369 ConnectStoragePoolEventDeregisterAny(ConnectStoragePoolEventDeregisterAnyArgs) -> () =>
        call("virConnectStoragePoolEventDeregisterAny", &[connect(Read)]).high().read_only();
    370 StoragePoolEventLifecycle(StoragePoolEventLifecycleMsg) -> () => event();
    371 DomainGetGuestVcpus(DomainGetGuestVcpusArgs) -> DomainGetGuestVcpusRet =>
        call("virDomainGetGuestVcpus", &[domain(Write)]);
    372 DomainSetGuestVcpus(DomainSetGuestVcpusArgs) -> () =>
        call("virDomainSetGuestVcpus", &[domain(Write)]);
    373 StoragePoolEventRefresh(StoragePoolEventRefreshMsg) -> () => event();
    374 ConnectNodeDeviceEventRegisterAny(ConnectNodeDeviceEventRegisterAnyArgs) -> ConnectNodeDeviceEventRegisterAnyRet =>
        call("virConnectNodeDeviceEventRegisterAny", &[connect(SearchNodeDevices)])
            .high().read_only().filter(node_device(Getattr));
    375 ConnectNodeDeviceEventDeregisterAny(ConnectNodeDeviceEventDeregisterAnyArgs) -> () =>
        call("virConnectNodeDeviceEventDeregisterAny", &[connect(Read)]).high().read_only();
    376 NodeDeviceEventLifecycle(NodeDeviceEventLifecycleMsg) -> () => event();
    377 NodeDeviceEventUpdate(NodeDeviceEventUpdateMsg) -> () => event();
    378 StorageVolGetInfoFlags(StorageVolGetInfoFlagsArgs) -> StorageVolGetInfoFlagsRet =>
        call("virStorageVolGetInfoFlags", &[storage_vol(Read)]).high().read_only();
    379 DomainEventCallbackMetadataChange(DomainEventCallbackMetadataChangeMsg) -> () => event();
    380 ConnectSecretEventRegisterAny(ConnectSecretEventRegisterAnyArgs) -> ConnectSecretEventRegisterAnyRet =>
        call("virConnectSecretEventRegisterAny", &[connect(SearchSecrets)])
            .high().read_only().filter(secret(Getattr));
    381 ConnectSecretEventDeregisterAny(ConnectSecretEventDeregisterAnyArgs) -> () =>
        call("virConnectSecretEventDeregisterAny", &[connect(Read)]).high().read_only();
    382 SecretEventLifecycle(SecretEventLifecycleMsg) -> () => event();
    383 SecretEventValueChanged(SecretEventValueChangedMsg) -> () => event();
    384 DomainSetVcpu(DomainSetVcpuArgs) -> (), by flags => call("virDomainSetVcpu", DOMAIN_CHANGE);
    385 DomainEventBlockThreshold(DomainEventBlockThresholdMsg) -> () => event();
    386 DomainSetBlockThreshold(DomainSetBlockThresholdArgs) -> () =>
        call("virDomainSetBlockThreshold", &[domain(Write)]);
    387 DomainMigrateGetMaxDowntime(DomainMigrateGetMaxDowntimeArgs) -> DomainMigrateGetMaxDowntimeRet =>
        call("virDomainMigrateGetMaxDowntime", &[domain(Migrate)]).read_only();
    388 DomainManagedSaveGetXmlDesc(DomainManagedSaveGetXmlDescArgs) -> DomainManagedSaveGetXmlDescRet, by flags =>
        call("virDomainManagedSaveGetXMLDesc", &[
            domain(Read),
            domain(ReadSecure).when(AllOf(DOMAIN_SAVE_IMAGE_XML_SECURE)),
        ]).read_only_unless(AnyOf(DOMAIN_SAVE_IMAGE_XML_SECURE));
    389 DomainManagedSaveDefineXml(DomainManagedSaveDefineXmlArgs) -> () =>
        call("virDomainManagedSaveDefineXML", &[domain(Write), domain(Hibernate)]);
    390 DomainSetLifecycleAction(DomainSetLifecycleActionArgs) -> () =>
        call("virDomainSetLifecycleAction", &[domain(Write)]);
    391 StoragePoolLookupByTargetPath(StoragePoolLookupByTargetPathArgs) -> StoragePoolLookupByTargetPathRet =>
        call("virStoragePoolLookupByTargetPath", &[storage_pool(Getattr)]).high().read_only();
    392 DomainDetachDeviceAlias(DomainDetachDeviceAliasArgs) -> (), by flags =>
        call("virDomainDetachDeviceAlias", DOMAIN_CHANGE);
    393 ConnectCompareHypervisorCpu(ConnectCompareHypervisorCpuArgs) -> ConnectCompareHypervisorCpuRet =>
        call("virConnectCompareHypervisorCPU", &[connect(Write)]);
    394 ConnectBaselineHypervisorCpu(ConnectBaselineHypervisorCpuArgs) -> ConnectBaselineHypervisorCpuRet =>
        call("virConnectBaselineHypervisorCPU", &[connect(Write)]);
    395 NodeGetSevInfo(NodeGetSevInfoArgs) -> NodeGetSevInfoRet =>
        call("virNodeGetSEVInfo", &[connect(Read)]);
    396 DomainGetLaunchSecurityInfo(DomainGetLaunchSecurityInfoArgs) -> DomainGetLaunchSecurityInfoRet =>
        call("virDomainGetLaunchSecurityInfo", &[domain(Read)]);
    397 NwfilterBindingLookupByPortDev(NwfilterBindingLookupByPortDevArgs) -> NwfilterBindingLookupByPortDevRet =>
        call("virNWFilterBindingLookupByPortDev", &[nwfilter_binding(Getattr)]).high().read_only();
    398 NwfilterBindingGetXmlDesc(NwfilterBindingGetXmlDescArgs) -> NwfilterBindingGetXmlDescRet =>
        call("virNWFilterBindingGetXMLDesc", &[nwfilter_binding(Read)]).high().read_only();
    399 NwfilterBindingCreateXml(NwfilterBindingCreateXmlArgs) -> NwfilterBindingCreateXmlRet =>
        call("virNWFilterBindingCreateXML", &[nwfilter_binding(Create)]).high();
    400 NwfilterBindingDelete(NwfilterBindingDeleteArgs) -> () =>
        call("virNWFilterBindingDelete", &[nwfilter_binding(Delete)]).high();
    401 ConnectListAllNwfilterBindings(ConnectListAllNwfilterBindingsArgs) -> ConnectListAllNwfilterBindingsRet =>
        call("virConnectListAllNWFilterBindings", &[connect(SearchNwfilterBindings)])
            .high().read_only().filter(nwfilter_binding(Getattr));
    402 DomainSetIothreadParams(DomainSetIothreadParamsArgs) -> (), by flags =>
        call("virDomainSetIOThreadParams", DOMAIN_CHANGE);
    403 ConnectGetStoragePoolCapabilities(ConnectGetStoragePoolCapabilitiesArgs) -> ConnectGetStoragePoolCapabilitiesRet =>
        call("virConnectGetStoragePoolCapabilities", &[connect(Read)]).read_only();
    404 NetworkListAllPorts(NetworkListAllPortsArgs) -> NetworkListAllPortsRet =>
        call("virNetworkListAllPorts", &[network(SearchPorts)])
            .high().read_only().filter(network_port(Getattr));
    405 NetworkPortLookupByUuid(NetworkPortLookupByUuidArgs) -> NetworkPortLookupByUuidRet =>
        call("virNetworkPortLookupByUUID", &[network_port(Getattr)]).high().read_only();
    406 NetworkPortCreateXml(NetworkPortCreateXmlArgs) -> NetworkPortCreateXmlRet =>
        call("virNetworkPortCreateXML", &[network_port(Create)]);
    407 NetworkPortGetParameters(NetworkPortGetParametersArgs) -> NetworkPortGetParametersRet =>
        call("virNetworkPortGetParameters", &[network_port(Read)]).read_only();
    408 NetworkPortSetParameters(NetworkPortSetParametersArgs) -> () =>
        call("virNetworkPortSetParameters", &[network_port(Write)]);
    409 NetworkPortGetXmlDesc(NetworkPortGetXmlDescArgs) -> NetworkPortGetXmlDescRet =>
        call("virNetworkPortGetXMLDesc", &[network_port(Read)]).read_only();
    410 NetworkPortDelete(NetworkPortDeleteArgs) -> () =>
        call("virNetworkPortDelete", &[network_port(Delete)]);
    411 DomainCheckpointCreateXml(DomainCheckpointCreateXmlArgs) -> DomainCheckpointCreateXmlRet, by flags =>
        call("virDomainCheckpointCreateXML", &[
            domain(Checkpoint),
            domain(FsFreeze).when(AllOf(DOMAIN_CHECKPOINT_CREATE_QUIESCE)),
        ]);
    412 DomainCheckpointGetXmlDesc(DomainCheckpointGetXmlDescArgs) -> DomainCheckpointGetXmlDescRet, by flags =>
        call("virDomainCheckpointGetXMLDesc", &[
            domain(Read),
            domain(ReadSecure).when(AllOf(DOMAIN_CHECKPOINT_XML_SECURE)),
        ]).read_only_unless(AnyOf(DOMAIN_CHECKPOINT_XML_SECURE));
    413 DomainListAllCheckpoints(DomainListAllCheckpointsArgs) -> DomainListAllCheckpointsRet =>
        call("virDomainListAllCheckpoints", &[domain(Read)]).high().read_only();
    414 DomainCheckpointListAllChildren(DomainCheckpointListAllChildrenArgs) -> DomainCheckpointListAllChildrenRet =>
        call("virDomainCheckpointListAllChildren", &[domain(Read)]).high().read_only();
    415 DomainCheckpointLookupByName(DomainCheckpointLookupByNameArgs) -> DomainCheckpointLookupByNameRet =>
        call("virDomainCheckpointLookupByName", &[domain(Read)]).high().read_only();
    416 DomainCheckpointGetParent(DomainCheckpointGetParentArgs) -> DomainCheckpointGetParentRet =>
        call("virDomainCheckpointGetParent", &[domain(Read)]).high().read_only();
    417 DomainCheckpointDelete(DomainCheckpointDeleteArgs) -> () =>
        call("virDomainCheckpointDelete", &[domain(Checkpoint)]);
    418 DomainGetGuestInfo(DomainGetGuestInfoArgs) -> DomainGetGuestInfoRet =>
        call("virDomainGetGuestInfo", &[domain(Write)]);
    419 ConnectSetIdentity(ConnectSetIdentityArgs) -> () =>
        call("virConnectSetIdentity", &[connect(Write)]).read_only();
    420 DomainAgentSetResponseTimeout(DomainAgentSetResponseTimeoutArgs) -> DomainAgentSetResponseTimeoutRet =>
        call("virDomainAgentSetResponseTimeout", &[domain(Write)]);
    421 DomainBackupBegin(DomainBackupBeginArgs) -> () =>
        call("virDomainBackupBegin", &[domain(Checkpoint), domain(BlockWrite)]);
    422 DomainBackupGetXmlDesc(DomainBackupGetXmlDescArgs) -> DomainBackupGetXmlDescRet =>
        call("virDomainBackupGetXMLDesc", &[domain(Read)]).high().read_only();
    423 DomainEventMemoryFailure(DomainEventMemoryFailureMsg) -> () => event();
    424 DomainAuthorizedSshKeysGet(DomainAuthorizedSshKeysGetArgs) -> DomainAuthorizedSshKeysGetRet =>
        call("virDomainAuthorizedSSHKeysGet", &[domain(Write)]);
    425 DomainAuthorizedSshKeysSet(DomainAuthorizedSshKeysSetArgs) -> () =>
        call("virDomainAuthorizedSSHKeysSet", &[domain(Write)]);
    426 DomainGetMessages(DomainGetMessagesArgs) -> DomainGetMessagesRet =>
        call("virDomainGetMessages", &[domain(Read)]).read_only();
    427 DomainStartDirtyRateCalc(DomainStartDirtyRateCalcArgs) -> () =>
        call("virDomainStartDirtyRateCalc", &[domain(Write)]);
    428 NodeDeviceDefineXml(NodeDeviceDefineXmlArgs) -> NodeDeviceDefineXmlRet =>
        call("virNodeDeviceDefineXML", &[node_device(Write), node_device(Save)]);
    429 NodeDeviceUndefine(NodeDeviceUndefineArgs) -> () =>
        call("virNodeDeviceUndefine", &[node_device(Delete)]).high();
    430 NodeDeviceCreate(NodeDeviceCreateArgs) -> () =>
        call("virNodeDeviceCreate", &[node_device(Start)]).high();
    431 NwfilterDefineXmlFlags(NwfilterDefineXmlFlagsArgs) -> NwfilterDefineXmlFlagsRet =>
        call("virNWFilterDefineXMLFlags", &[nwfilter(Write), nwfilter(Save)]).high();
    432 NetworkDefineXmlFlags(NetworkDefineXmlFlagsArgs) -> NetworkDefineXmlFlagsRet =>
        call("virNetworkDefineXMLFlags", &[network(Write), network(Save)]).high();
    433 NodeDeviceGetAutostart(NodeDeviceGetAutostartArgs) -> NodeDeviceGetAutostartRet =>
        call("virNodeDeviceGetAutostart", &[node_device(Read)]).high().read_only();
    434 NodeDeviceSetAutostart(NodeDeviceSetAutostartArgs) -> () =>
        call("virNodeDeviceSetAutostart", &[node_device(Write)]).high();
    435 NodeDeviceIsPersistent(NodeDeviceIsPersistentArgs) -> NodeDeviceIsPersistentRet =>
        call("virNodeDeviceIsPersistent", &[node_device(Read)]).high().read_only();
    436 NodeDeviceIsActive(NodeDeviceIsActiveArgs) -> NodeDeviceIsActiveRet =>
        call("virNodeDeviceIsActive", &[node_device(Read)]).high().read_only();
    437 NetworkCreateXmlFlags(NetworkCreateXmlFlagsArgs) -> NetworkCreateXmlFlagsRet =>
        call("virNetworkCreateXMLFlags", &[network(Write), network(Start)]).high();
    438 DomainEventMemoryDeviceSizeChange(DomainEventMemoryDeviceSizeChangeMsg) -> () => event();
    439 DomainSetLaunchSecurityState(DomainSetLaunchSecurityStateArgs) -> () =>
        call("virDomainSetLaunchSecurityState", &[domain(Write)]);
    440 DomainSaveParams(DomainSaveParamsArgs) -> () => call("virDomainSaveParams", &[domain(Hibernate)]);
    441 DomainRestoreParams(DomainRestoreParamsArgs) -> () =>
        call("virDomainRestoreParams", &[domain(Start), domain(Write)]);
    442 DomainAbortJobFlags(DomainAbortJobFlagsArgs) -> () =>
        call("virDomainAbortJobFlags", &[domain(Write)]);
    443 DomainFdAssociate(DomainFdAssociateArgs) -> () => call("virDomainFDAssociate", &[domain(Write)]);
    444 NetworkSetMetadata(NetworkSetMetadataArgs) -> (), by flags =>
        call("virNetworkSetMetadata", &[
            network(Write),
            network(Save).when(NoneOf(NETWORK_UPDATE_AFFECT_CONFIG | NETWORK_UPDATE_AFFECT_LIVE)),
            network(Save).when(AllOf(NETWORK_UPDATE_AFFECT_CONFIG)),
        ]);
    445 NetworkGetMetadata(NetworkGetMetadataArgs) -> NetworkGetMetadataRet =>
        call("virNetworkGetMetadata", &[network(Read)]).read_only();
    446 NetworkEventCallbackMetadataChange(NetworkEventCallbackMetadataChangeMsg) -> () => event();
    447 NodeDeviceUpdate(NodeDeviceUpdateArgs) -> (), by flags =>
        call("virNodeDeviceUpdate", &[
            node_device(Write),
            node_device(Save).when(NoneOf(NODE_DEVICE_UPDATE_AFFECT_CONFIG | NODE_DEVICE_UPDATE_AFFECT_LIVE)),
            node_device(Save).when(AllOf(NODE_DEVICE_UPDATE_AFFECT_CONFIG)),
        ]).high();
    448 DomainGraphicsReload(DomainGraphicsReloadArgs) -> () =>
        call("virDomainGraphicsReload", &[domain(Write)]);
    449 DomainGetAutostartOnce(DomainGetAutostartOnceArgs) -> DomainGetAutostartOnceRet =>
        call("virDomainGetAutostartOnce", &[domain(Read)]).high().read_only();
    450 DomainSetAutostartOnce(DomainSetAutostartOnceArgs) -> () =>
        call("virDomainSetAutostartOnce", &[domain(Write)]).high();
    451 DomainSetThrottleGroup(DomainSetThrottleGroupArgs) -> (), by flags =>
        call("virDomainSetThrottleGroup", DOMAIN_CHANGE);
    452 DomainDelThrottleGroup(DomainDelThrottleGroupArgs) -> (), by flags =>
        call("virDomainDelThrottleGroup", DOMAIN_CHANGE);
    453 DomainEventNicMacChange(DomainEventNicMacChangeMsg) -> () => event();
}
