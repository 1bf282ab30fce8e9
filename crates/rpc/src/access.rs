//! The words that rights are written in: objects, permissions, conditions on an argument.
//!
//! Owns: what a row of a procedure table may say about who may call it. Never: decides for a
//! caller; that is the daemon's.

use ostler_base::words;

words! {
    /// What kind of object a permission is about.
    pub Object {
        Connect = "connect",
        Domain = "domain",
        Interface = "interface",
        Network = "network",
        NetworkPort = "network_port",
        NodeDevice = "node_device",
        Nwfilter = "nwfilter",
        NwfilterBinding = "nwfilter_binding",
        Secret = "secret",
        StoragePool = "storage_pool",
        StorageVol = "storage_vol",
    }

    /// What may be done to an object.
    pub Permission {
        BlockRead = "block_read",
        BlockWrite = "block_write",
        Checkpoint = "checkpoint",
        CoreDump = "core_dump",
        Create = "create",
        DataRead = "data_read",
        DataWrite = "data_write",
        Delete = "delete",
        Detach = "detach",
        DetectStoragePools = "detect_storage_pools",
        Format = "format",
        FsFreeze = "fs_freeze",
        FsTrim = "fs_trim",
        Getattr = "getattr",
        Hibernate = "hibernate",
        InitControl = "init_control",
        InjectNmi = "inject_nmi",
        InterfaceTransaction = "interface_transaction",
        MemRead = "mem_read",
        Migrate = "migrate",
        OpenDevice = "open_device",
        OpenGraphics = "open_graphics",
        OpenNamespace = "open_namespace",
        PmControl = "pm_control",
        Read = "read",
        ReadSecure = "read_secure",
        Refresh = "refresh",
        Reset = "reset",
        Resize = "resize",
        Save = "save",
        Screenshot = "screenshot",
        SearchDomains = "search_domains",
        SearchInterfaces = "search_interfaces",
        SearchNetworks = "search_networks",
        SearchNodeDevices = "search_node_devices",
        SearchNwfilterBindings = "search_nwfilter_bindings",
        SearchNwfilters = "search_nwfilters",
        SearchPorts = "search_ports",
        SearchSecrets = "search_secrets",
        SearchStoragePools = "search_storage_pools",
        SearchStorageVols = "search_storage_vols",
        SendInput = "send_input",
        SendSignal = "send_signal",
        SetPassword = "set_password",
        SetTime = "set_time",
        Snapshot = "snapshot",
        Start = "start",
        Stop = "stop",
        Suspend = "suspend",
        Write = "write",
    }
}

/// A condition on the one argument that a row's rights depend on (its flags, mostly).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Whatever it is.
    Always,
    /// Every one of these bits is set.
    AllOf(u32),
    /// At least one of these bits is set.
    AnyOf(u32),
    /// None of these bits is set.
    NoneOf(u32),
    /// It is this number.
    Equals(u32),
}

impl When {
    /// Whether the condition holds for `value`.
    pub fn holds(self, value: u32) -> bool {
        match self {
            When::Always => true,
            When::AllOf(bits) => value & bits == bits,
            When::AnyOf(bits) => value & bits != 0,
            When::NoneOf(bits) => value & bits == 0,
            When::Equals(number) => value == number,
        }
    }
}

/// A permission that a call needs on its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The kind of object.
    pub object: Object,
    /// The permission.
    pub permission: Permission,
    /// When it is needed.
    pub when: When,
}

impl Need {
    /// The same need, under a condition.
    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }
}

macro_rules! needs {
    ($($name:ident $object:ident)+) => {$(
        #[doc = concat!("A permission on an object of kind `", stringify!($name), "`.")]
        pub(crate) const fn $name(permission: Permission) -> Need {
            Need { object: Object::$object, permission, when: When::Always }
        }
    )+};
}

needs! {
    connect Connect
    domain Domain
    interface Interface
    network Network
    network_port NetworkPort
    node_device NodeDevice
    nwfilter Nwfilter
    nwfilter_binding NwfilterBinding
    secret Secret
    storage_pool StoragePool
    storage_vol StorageVol
}

/// Changing a domain: what is kept on disk needs a permission of its own, and so does a call that
/// does not say which of the two it means.
pub(crate) const DOMAIN_CHANGE: &[Need] = &[
    domain(Permission::Write),
    domain(Permission::Save).when(When::NoneOf(flags::DOMAIN_AFFECT_CONFIG | flags::DOMAIN_AFFECT_LIVE)),
    domain(Permission::Save).when(When::AllOf(flags::DOMAIN_AFFECT_CONFIG)),
];

/// Flags that rights depend on.
pub mod flags {
    macro_rules! flags {
        ($($name:ident = $value:literal;)+) => {$(
            #[doc = concat!("`VIR_", stringify!($name), "`.")]
            pub const $name: u32 = $value;
        )+

            /// Every flag of this module with its public name.
            pub const ALL: &[(&str, u32)] = &[$((concat!("VIR_", stringify!($name)), $name)),+];
        };
    }

    flags! {
        DOMAIN_AFFECT_LIVE = 1;
        DOMAIN_AFFECT_CONFIG = 2;
        DOMAIN_CHECKPOINT_CREATE_QUIESCE = 2;
        DOMAIN_CHECKPOINT_XML_SECURE = 1;
        DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT = 1;
        DOMAIN_REBOOT_GUEST_AGENT = 2;
        DOMAIN_SAVE_IMAGE_XML_SECURE = 1;
        DOMAIN_SHUTDOWN_GUEST_AGENT = 2;
        DOMAIN_SNAPSHOT_CREATE_QUIESCE = 64;
        DOMAIN_SNAPSHOT_XML_SECURE = 1;
        DOMAIN_VCPU_GUEST = 8;
        DOMAIN_XML_MIGRATABLE = 8;
        DOMAIN_XML_SECURE = 1;
        NETWORK_UPDATE_AFFECT_LIVE = 1;
        NETWORK_UPDATE_AFFECT_CONFIG = 2;
        NODE_DEVICE_UPDATE_AFFECT_LIVE = 1;
        NODE_DEVICE_UPDATE_AFFECT_CONFIG = 2;
        STORAGE_VOL_DOWNLOAD_SPARSE_STREAM = 1;
        STORAGE_VOL_UPLOAD_SPARSE_STREAM = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::When;

    #[test]
    fn conditions() {
        let table = [
            (When::Always, [true, true, true, true]),
            (When::AllOf(3), [false, false, false, true]),
            (When::AnyOf(3), [false, true, true, true]),
            (When::NoneOf(3), [true, false, false, false]),
            (When::Equals(2), [false, false, true, false]),
        ];
        for (when, expected) in table {
            assert_eq!([0, 1, 2, 3].map(|value| when.holds(value)), expected, "{when:?}");
        }
    }
}
