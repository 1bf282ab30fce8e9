//! The procedures of the administration program.
//!
//! Owns: number, types, rights, order of urgency and stream of each. Never: carries one out.

use super::*;
use crate::table::{call, procedures};

procedures! {
    super::ADMIN;

    1 ConnectOpen(ConnectOpenArgs) -> () => call("virAdmConnectOpen", &[]).read_only();
    2 ConnectClose(()) -> () => call("virAdmConnectClose", &[]).read_only();
    3 ConnectGetLibVersion(()) -> ConnectGetLibVersionRet =>
        call("virAdmConnectGetLibVersion", &[]).read_only();
    4 ConnectListServers(ConnectListServersArgs) -> ConnectListServersRet =>
        call("virAdmConnectListServers", &[]).read_only();
    5 ConnectLookupServer(ConnectLookupServerArgs) -> ConnectLookupServerRet =>
        call("virAdmConnectLookupServer", &[]).read_only();
    6 ServerGetThreadpoolParameters(ServerGetThreadpoolParametersArgs) -> ServerGetThreadpoolParametersRet =>
        call("virAdmServerGetThreadPoolParameters", &[]).read_only();
    7 ServerSetThreadpoolParameters(ServerSetThreadpoolParametersArgs) -> () =>
        call("virAdmServerSetThreadPoolParameters", &[]).read_only();
    8 ServerListClients(ServerListClientsArgs) -> ServerListClientsRet =>
        call("virAdmServerListClients", &[]).read_only();
    9 ServerLookupClient(ServerLookupClientArgs) -> ServerLookupClientRet =>
        call("virAdmServerLookupClient", &[]).read_only();
    10 ClientGetInfo(ClientGetInfoArgs) -> ClientGetInfoRet => call("virAdmClientGetInfo", &[]).read_only();
    11 ClientClose(ClientCloseArgs) -> () => call("virAdmClientClose", &[]).read_only();
    12 ServerGetClientLimits(ServerGetClientLimitsArgs) -> ServerGetClientLimitsRet =>
        call("virAdmServerGetClientLimits", &[]).read_only();
    13 ServerSetClientLimits(ServerSetClientLimitsArgs) -> () =>
        call("virAdmServerSetClientLimits", &[]).read_only();
    14 ConnectGetLoggingOutputs(ConnectGetLoggingOutputsArgs) -> ConnectGetLoggingOutputsRet =>
        call("virAdmConnectGetLoggingOutputs", &[]).read_only();
    15 ConnectGetLoggingFilters(ConnectGetLoggingFiltersArgs) -> ConnectGetLoggingFiltersRet =>
        call("virAdmConnectGetLoggingFilters", &[]).read_only();
    16 ConnectSetLoggingOutputs(ConnectSetLoggingOutputsArgs) -> () =>
        call("virAdmConnectSetLoggingOutputs", &[]).read_only();
    17 ConnectSetLoggingFilters(ConnectSetLoggingFiltersArgs) -> () =>
        call("virAdmConnectSetLoggingFilters", &[]).read_only();
    18 ServerUpdateTlsFiles(ServerUpdateTlsFilesArgs) -> () =>
        call("virAdmServerUpdateTlsFiles", &[]).read_only();
    19 ConnectSetDaemonTimeout(ConnectSetDaemonTimeoutArgs) -> () =>
        call("virAdmConnectSetDaemonTimeout", &[]).read_only();
    20 ConnectDaemonShutdown(ConnectDaemonShutdownArgs) -> () =>
        call("virAdmConnectDaemonShutdown", &[]).read_only();
}
