//! How many elements or bytes the variable parts of this program may have.
//!
//! Owns: these numbers. Never: anything else.

/// The most in one `connect identity params`.
pub const CONNECT_IDENTITY_PARAMS_MAX: usize = 20;
/// The most in one `domain list`.
pub const DOMAIN_LIST_MAX: usize = 16_384;
/// The most in one `cpumap`.
pub const CPUMAP_MAX: usize = 2048;
/// The most in one `vcpuinfo`.
pub const VCPUINFO_MAX: usize = 16_384;
/// The most in one `cpumaps`.
pub const CPUMAPS_MAX: usize = 8_388_608;
/// The most in one `iothread info`.
pub const IOTHREAD_INFO_MAX: usize = 16_384;
/// The most in one `migrate cookie`.
pub const MIGRATE_COOKIE_MAX: usize = 4_194_304;
/// The most in one `network list`.
pub const NETWORK_LIST_MAX: usize = 16_384;
/// The most in one `network port list`.
pub const NETWORK_PORT_LIST_MAX: usize = 16_384;
/// The most in one `interface list`.
pub const INTERFACE_LIST_MAX: usize = 16_384;
/// The most in one `storage pool list`.
pub const STORAGE_POOL_LIST_MAX: usize = 16_384;
/// The most in one `storage vol list`.
pub const STORAGE_VOL_LIST_MAX: usize = 16_384;
/// The most in one `node device list`.
pub const NODE_DEVICE_LIST_MAX: usize = 65_536;
/// The most in one `node device caps list`.
pub const NODE_DEVICE_CAPS_LIST_MAX: usize = 65_536;
/// The most in one `nwfilter list`.
pub const NWFILTER_LIST_MAX: usize = 16_384;
/// The most in one `nwfilter binding list`.
pub const NWFILTER_BINDING_LIST_MAX: usize = 16_384;
/// The most in one `domain scheduler parameters`.
pub const DOMAIN_SCHEDULER_PARAMETERS_MAX: usize = 16;
/// The most in one `domain blkio parameters`.
pub const DOMAIN_BLKIO_PARAMETERS_MAX: usize = 16;
/// The most in one `domain memory parameters`.
pub const DOMAIN_MEMORY_PARAMETERS_MAX: usize = 16;
/// The most in one `domain block io tune parameters`.
pub const DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX: usize = 32;
/// The most in one `domain numa parameters`.
pub const DOMAIN_NUMA_PARAMETERS_MAX: usize = 16;
/// The most in one `domain perf events`.
pub const DOMAIN_PERF_EVENTS_MAX: usize = 64;
/// The most in one `domain block copy parameters`.
pub const DOMAIN_BLOCK_COPY_PARAMETERS_MAX: usize = 16;
/// The most in one `node cpu stats`.
pub const NODE_CPU_STATS_MAX: usize = 16;
/// The most in one `node memory stats`.
pub const NODE_MEMORY_STATS_MAX: usize = 16;
/// The most in one `domain block stats parameters`.
pub const DOMAIN_BLOCK_STATS_PARAMETERS_MAX: usize = 16;
/// The most in one `node cells`.
pub const NODE_MAX_CELLS: usize = 1024;
/// The most in one `auth sasl data`.
pub const AUTH_SASL_DATA_MAX: usize = 65_536;
/// The most in one `auth type list`.
pub const AUTH_TYPE_LIST_MAX: usize = 20;
/// The most in one `domain memory stats`.
pub const DOMAIN_MEMORY_STATS_MAX: usize = 1024;
/// The most in one `domain checkpoint list`.
pub const DOMAIN_CHECKPOINT_LIST_MAX: usize = 16_384;
/// The most in one `domain snapshot list`.
pub const DOMAIN_SNAPSHOT_LIST_MAX: usize = 16_384;
/// The most in one `domain block peek buffer`.
pub const DOMAIN_BLOCK_PEEK_BUFFER_MAX: usize = 4_194_304;
/// The most in one `domain memory peek buffer`.
pub const DOMAIN_MEMORY_PEEK_BUFFER_MAX: usize = 4_194_304;
/// The most in one `security label list`.
pub const SECURITY_LABEL_LIST_MAX: usize = 64;
/// The most in one `security model`.
pub const SECURITY_MODEL_MAX: usize = 257;
/// The most in one `security label`.
pub const SECURITY_LABEL_MAX: usize = 4097;
/// The most in one `security doi`.
pub const SECURITY_DOI_MAX: usize = 257;
/// The most in one `secret value`.
pub const SECRET_VALUE_MAX: usize = 65_536;
/// The most in one `secret list`.
pub const SECRET_LIST_MAX: usize = 16_384;
/// The most in one `cpu baseline`.
pub const CPU_BASELINE_MAX: usize = 256;
/// The most in one `domain send key`.
pub const DOMAIN_SEND_KEY_MAX: usize = 16;
/// The most in one `domain interface parameters`.
pub const DOMAIN_INTERFACE_PARAMETERS_MAX: usize = 16;
/// The most in one `domain get cpu stats ncpus`.
pub const DOMAIN_GET_CPU_STATS_NCPUS_MAX: usize = 128;
/// The most in one `domain get cpu stats`.
pub const DOMAIN_GET_CPU_STATS_MAX: usize = 2048;
/// The most in one `domain disk errors`.
pub const DOMAIN_DISK_ERRORS_MAX: usize = 256;
/// The most in one `node memory parameters`.
pub const NODE_MEMORY_PARAMETERS_MAX: usize = 64;
/// The most in one `domain migrate param list`.
pub const DOMAIN_MIGRATE_PARAM_LIST_MAX: usize = 64;
/// The most in one `domain save params`.
pub const DOMAIN_SAVE_PARAMS_MAX: usize = 64;
/// The most in one `domain job stats`.
pub const DOMAIN_JOB_STATS_MAX: usize = 64;
/// The most in one `connect cpu models`.
pub const CONNECT_CPU_MODELS_MAX: usize = 8192;
/// The most in one `domain fsfreeze mountpoints`.
pub const DOMAIN_FSFREEZE_MOUNTPOINTS_MAX: usize = 256;
/// The most in one `network dhcp leases`.
pub const NETWORK_DHCP_LEASES_MAX: usize = 65_536;
/// The most in one `connect get all domain stats`.
pub const CONNECT_GET_ALL_DOMAIN_STATS_MAX: usize = 262_144;
/// The most in one `domain event tunable`.
pub const DOMAIN_EVENT_TUNABLE_MAX: usize = 2048;
/// The most in one `domain fsinfo`.
pub const DOMAIN_FSINFO_MAX: usize = 256;
/// The most in one `domain fsinfo disks`.
pub const DOMAIN_FSINFO_DISKS_MAX: usize = 256;
/// The most in one `domain interface`.
pub const DOMAIN_INTERFACE_MAX: usize = 2048;
/// The most in one `domain ip addr`.
pub const DOMAIN_IP_ADDR_MAX: usize = 2048;
/// The most in one `domain guest vcpu params`.
pub const DOMAIN_GUEST_VCPU_PARAMS_MAX: usize = 64;
/// The most in one `domain iothread params`.
pub const DOMAIN_IOTHREAD_PARAMS_MAX: usize = 64;
/// The most in one `node sev info`.
pub const NODE_SEV_INFO_MAX: usize = 64;
/// The most in one `domain launch security info params`.
pub const DOMAIN_LAUNCH_SECURITY_INFO_PARAMS_MAX: usize = 64;
/// The most in one `domain launch security state params`.
pub const DOMAIN_LAUNCH_SECURITY_STATE_PARAMS_MAX: usize = 64;
/// The most in one `domain guest info params`.
pub const DOMAIN_GUEST_INFO_PARAMS_MAX: usize = 2048;
/// The most in one `network port parameters`.
pub const NETWORK_PORT_PARAMETERS_MAX: usize = 16;
/// The most in one `domain authorized ssh keys`.
pub const DOMAIN_AUTHORIZED_SSH_KEYS_MAX: usize = 2048;
/// The most in one `domain messages`.
pub const DOMAIN_MESSAGES_MAX: usize = 2048;
/// The most in one `domain event graphics identity`.
pub const DOMAIN_EVENT_GRAPHICS_IDENTITY_MAX: usize = 20;
