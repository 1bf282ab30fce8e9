//! Domains: processors, memory, block devices, interfaces, and their figures.
//!
//! Owns: their layouts. Never: gives a field a meaning.

use super::domain::DomainDiskError;
use super::limits::*;
use super::objects::DomainRef;
use crate::programs::TypedParam;
use crate::xdr::{List, Opaque, xdr_structs};

xdr_structs! {
    SHAPES;

    VcpuInfo { number: u32, state: i32, cpu_time: u64, cpu: i32 }
    DomainGetSchedulerTypeArgs { dom: DomainRef }
    DomainGetSchedulerTypeRet { kind: String, nparams: i32 }
    DomainGetSchedulerParametersArgs { dom: DomainRef, nparams: i32 }
    DomainGetSchedulerParametersRet { params: List<TypedParam, DOMAIN_SCHEDULER_PARAMETERS_MAX> }
    DomainGetSchedulerParametersFlagsArgs { dom: DomainRef, nparams: i32, flags: u32 }
    DomainGetSchedulerParametersFlagsRet {
        params: List<TypedParam, DOMAIN_SCHEDULER_PARAMETERS_MAX>,
    }
    DomainSetSchedulerParametersArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_SCHEDULER_PARAMETERS_MAX>,
    }
    DomainSetSchedulerParametersFlagsArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_SCHEDULER_PARAMETERS_MAX>, flags: u32,
    }
    DomainSetBlkioParametersArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_BLKIO_PARAMETERS_MAX>, flags: u32,
    }
    DomainGetBlkioParametersArgs { dom: DomainRef, nparams: i32, flags: u32 }
    DomainGetBlkioParametersRet {
        params: List<TypedParam, DOMAIN_BLKIO_PARAMETERS_MAX>, nparams: i32,
    }
    DomainSetMemoryParametersArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_MEMORY_PARAMETERS_MAX>, flags: u32,
    }
    DomainGetMemoryParametersArgs { dom: DomainRef, nparams: i32, flags: u32 }
    DomainGetMemoryParametersRet {
        params: List<TypedParam, DOMAIN_MEMORY_PARAMETERS_MAX>, nparams: i32,
    }
    DomainBlockResizeArgs { dom: DomainRef, disk: String, size: u64, flags: u32 }
    DomainSetNumaParametersArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_NUMA_PARAMETERS_MAX>, flags: u32,
    }
    DomainGetNumaParametersArgs { dom: DomainRef, nparams: i32, flags: u32 }
    DomainGetNumaParametersRet {
        params: List<TypedParam, DOMAIN_NUMA_PARAMETERS_MAX>, nparams: i32,
    }
    DomainSetPerfEventsArgs {
        dom: DomainRef, params: List<TypedParam, DOMAIN_PERF_EVENTS_MAX>, flags: u32,
    }
    DomainGetPerfEventsArgs { dom: DomainRef, flags: u32 }
    DomainGetPerfEventsRet { params: List<TypedParam, DOMAIN_PERF_EVENTS_MAX> }
    DomainBlockStatsArgs { dom: DomainRef, path: String }
    DomainBlockStatsRet { rd_req: i64, rd_bytes: i64, wr_req: i64, wr_bytes: i64, errs: i64 }
    DomainBlockStatsFlagsArgs { dom: DomainRef, path: String, nparams: i32, flags: u32 }
    DomainBlockStatsFlagsRet {
        params: List<TypedParam, DOMAIN_BLOCK_STATS_PARAMETERS_MAX>, nparams: i32,
    }
    DomainInterfaceStatsArgs { dom: DomainRef, device: String }
    DomainInterfaceStatsRet {
        rx_bytes: i64, rx_packets: i64, rx_errs: i64, rx_drop: i64, tx_bytes: i64, tx_packets: i64,
        tx_errs: i64, tx_drop: i64,
    }
    DomainSetInterfaceParametersArgs {
        dom: DomainRef, device: String, params: List<TypedParam, DOMAIN_INTERFACE_PARAMETERS_MAX>,
        flags: u32,
    }
    DomainGetInterfaceParametersArgs { dom: DomainRef, device: String, nparams: i32, flags: u32 }
    DomainGetInterfaceParametersRet {
        params: List<TypedParam, DOMAIN_INTERFACE_PARAMETERS_MAX>, nparams: i32,
    }
    DomainMemoryStatsArgs { dom: DomainRef, max_stats: u32, flags: u32 }
    DomainMemoryStat { tag: i32, val: u64 }
    DomainMemoryStatsRet { stats: List<DomainMemoryStat, DOMAIN_MEMORY_STATS_MAX> }
    DomainBlockPeekArgs { dom: DomainRef, path: String, offset: u64, size: u32, flags: u32 }
    DomainBlockPeekRet { buffer: Opaque<DOMAIN_BLOCK_PEEK_BUFFER_MAX> }
    DomainMemoryPeekArgs { dom: DomainRef, offset: u64, size: u32, flags: u32 }
    DomainMemoryPeekRet { buffer: Opaque<DOMAIN_MEMORY_PEEK_BUFFER_MAX> }
    DomainGetBlockInfoArgs { dom: DomainRef, path: String, flags: u32 }
    DomainGetBlockInfoRet { allocation: u64, capacity: u64, physical: u64 }
    DomainGetMaxMemoryArgs { dom: DomainRef }
    DomainGetMaxMemoryRet { memory: u64 }
    DomainSetMaxMemoryArgs { dom: DomainRef, memory: u64 }
    DomainSetMemoryArgs { dom: DomainRef, memory: u64 }
    DomainSetMemoryFlagsArgs { dom: DomainRef, memory: u64, flags: u32 }
    DomainSetMemoryStatsPeriodArgs { dom: DomainRef, period: i32, flags: u32 }
    DomainSetVcpusArgs { dom: DomainRef, nvcpus: u32 }
    DomainSetVcpusFlagsArgs { dom: DomainRef, nvcpus: u32, flags: u32 }
    DomainGetVcpusFlagsArgs { dom: DomainRef, flags: u32 }
    DomainGetVcpusFlagsRet { num: i32 }
    DomainPinVcpuArgs { dom: DomainRef, vcpu: u32, cpumap: Opaque<CPUMAP_MAX> }
    DomainPinVcpuFlagsArgs { dom: DomainRef, vcpu: u32, cpumap: Opaque<CPUMAP_MAX>, flags: u32 }
    DomainGetVcpuPinInfoArgs { dom: DomainRef, ncpumaps: i32, maplen: i32, flags: u32 }
    DomainGetVcpuPinInfoRet { cpumaps: Opaque<CPUMAPS_MAX>, num: i32 }
    DomainPinEmulatorArgs { dom: DomainRef, cpumap: Opaque<CPUMAP_MAX>, flags: u32 }
    DomainGetEmulatorPinInfoArgs { dom: DomainRef, maplen: i32, flags: u32 }
    DomainGetEmulatorPinInfoRet { cpumaps: Opaque<CPUMAPS_MAX>, ret: i32 }
    DomainGetVcpusArgs { dom: DomainRef, maxinfo: i32, maplen: i32 }
    DomainGetVcpusRet { info: List<VcpuInfo, VCPUINFO_MAX>, cpumaps: Opaque<CPUMAPS_MAX> }
    DomainGetMaxVcpusArgs { dom: DomainRef }
    DomainGetMaxVcpusRet { num: i32 }
    DomainIothreadInfo { iothread_id: u32, cpumap: Opaque<CPUMAP_MAX> }
    DomainGetIothreadInfoArgs { dom: DomainRef, flags: u32 }
    DomainGetIothreadInfoRet { info: List<DomainIothreadInfo, IOTHREAD_INFO_MAX>, ret: u32 }
    DomainPinIothreadArgs {
        dom: DomainRef, iothreads_id: u32, cpumap: Opaque<CPUMAP_MAX>, flags: u32,
    }
    DomainAddIothreadArgs { dom: DomainRef, iothread_id: u32, flags: u32 }
    DomainDelIothreadArgs { dom: DomainRef, iothread_id: u32, flags: u32 }
    DomainSetIothreadParamsArgs {
        dom: DomainRef, iothread_id: u32, params: List<TypedParam, DOMAIN_IOTHREAD_PARAMS_MAX>,
        flags: u32,
    }
    DomainBlockJobAbortArgs { dom: DomainRef, path: String, flags: u32 }
    DomainGetBlockJobInfoArgs { dom: DomainRef, path: String, flags: u32 }
    DomainGetBlockJobInfoRet { found: i32, kind: i32, bandwidth: u64, cur: u64, end: u64 }
    DomainBlockJobSetSpeedArgs { dom: DomainRef, path: String, bandwidth: u64, flags: u32 }
    DomainBlockPullArgs { dom: DomainRef, path: String, bandwidth: u64, flags: u32 }
    DomainBlockRebaseArgs {
        dom: DomainRef, path: String, base: Option<String>, bandwidth: u64, flags: u32,
    }
    DomainBlockCopyArgs {
        dom: DomainRef, path: String, destxml: String,
        params: List<TypedParam, DOMAIN_BLOCK_COPY_PARAMETERS_MAX>, flags: u32,
    }
    DomainBlockCommitArgs {
        dom: DomainRef, disk: String, base: Option<String>, top: Option<String>, bandwidth: u64,
        flags: u32,
    }
    DomainSetBlockIoTuneArgs {
        dom: DomainRef, disk: String, params: List<TypedParam, DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX>,
        flags: u32,
    }
    DomainGetBlockIoTuneArgs { dom: DomainRef, disk: Option<String>, nparams: i32, flags: u32 }
    DomainGetBlockIoTuneRet {
        params: List<TypedParam, DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX>, nparams: i32,
    }
    DomainSetThrottleGroupArgs {
        dom: DomainRef, group: String,
        params: List<TypedParam, DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX>, flags: u32,
    }
    DomainDelThrottleGroupArgs { dom: DomainRef, group: Option<String>, flags: u32 }
    DomainGetCpuStatsArgs { dom: DomainRef, nparams: u32, start_cpu: i32, ncpus: u32, flags: u32 }
    DomainGetCpuStatsRet { params: List<TypedParam, DOMAIN_GET_CPU_STATS_MAX>, nparams: i32 }
    DomainGetDiskErrorsArgs { dom: DomainRef, maxerrors: u32, flags: u32 }
    DomainGetDiskErrorsRet { errors: List<DomainDiskError, DOMAIN_DISK_ERRORS_MAX>, nerrors: i32 }
    DomainIpAddr { kind: i32, addr: String, prefix: u32 }
    DomainInterface {
        name: String, hwaddr: Option<String>, addrs: List<DomainIpAddr, DOMAIN_IP_ADDR_MAX>,
    }
    DomainInterfaceAddressesArgs { dom: DomainRef, source: u32, flags: u32 }
    DomainInterfaceAddressesRet { ifaces: List<DomainInterface, DOMAIN_INTERFACE_MAX> }
    DomainGetGuestVcpusArgs { dom: DomainRef, flags: u32 }
    DomainGetGuestVcpusRet { params: List<TypedParam, DOMAIN_GUEST_VCPU_PARAMS_MAX> }
    DomainSetGuestVcpusArgs { dom: DomainRef, cpumap: String, state: i32, flags: u32 }
    DomainSetVcpuArgs { dom: DomainRef, cpumap: String, state: i32, flags: u32 }
    DomainSetBlockThresholdArgs { dom: DomainRef, dev: String, threshold: u64, flags: u32 }
}
