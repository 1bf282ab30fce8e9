//! Structures of the administration program.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use super::limits::*;
use crate::programs::TypedParam;
use crate::xdr::{List, xdr_structs};

xdr_structs! {
    SHAPES;

    ServerRef { name: String }
    ClientRef { srv: ServerRef, id: u64, timestamp: i64, transport: u32 }
    ConnectOpenArgs { flags: u32 }
    ConnectGetLibVersionRet { lib_ver: u64 }
    ConnectListServersArgs { need_results: u32, flags: u32 }
    ConnectListServersRet { servers: List<ServerRef, SERVER_LIST_MAX>, ret: u32 }
    ConnectLookupServerArgs { name: String, flags: u32 }
    ConnectLookupServerRet { srv: ServerRef }
    ServerGetThreadpoolParametersArgs { srv: ServerRef, flags: u32 }
    ServerGetThreadpoolParametersRet { params: List<TypedParam, SERVER_THREADPOOL_PARAMETERS_MAX> }
    ServerSetThreadpoolParametersArgs {
        srv: ServerRef, params: List<TypedParam, SERVER_THREADPOOL_PARAMETERS_MAX>, flags: u32,
    }
    ServerListClientsArgs { srv: ServerRef, need_results: u32, flags: u32 }
    ServerListClientsRet { clients: List<ClientRef, CLIENT_LIST_MAX>, ret: u32 }
    ServerLookupClientArgs { srv: ServerRef, id: u64, flags: u32 }
    ServerLookupClientRet { clnt: ClientRef }
    ClientGetInfoArgs { clnt: ClientRef, flags: u32 }
    ClientGetInfoRet { params: List<TypedParam, CLIENT_INFO_PARAMETERS_MAX> }
    ClientCloseArgs { clnt: ClientRef, flags: u32 }
    ServerGetClientLimitsArgs { srv: ServerRef, flags: u32 }
    ServerGetClientLimitsRet { params: List<TypedParam, SERVER_CLIENT_LIMITS_MAX> }
    ServerSetClientLimitsArgs {
        srv: ServerRef, params: List<TypedParam, SERVER_CLIENT_LIMITS_MAX>, flags: u32,
    }
    ServerUpdateTlsFilesArgs { srv: ServerRef, flags: u32 }
    ConnectGetLoggingOutputsArgs { flags: u32 }
    ConnectGetLoggingOutputsRet { outputs: String, noutputs: u32 }
    ConnectGetLoggingFiltersArgs { flags: u32 }
    ConnectGetLoggingFiltersRet { filters: Option<String>, nfilters: u32 }
    ConnectSetLoggingOutputsArgs { outputs: Option<String>, flags: u32 }
    ConnectSetLoggingFiltersArgs { filters: Option<String>, flags: u32 }
    ConnectSetDaemonTimeoutArgs { timeout: u32, flags: u32 }
    ConnectDaemonShutdownArgs { flags: u32 }
}
