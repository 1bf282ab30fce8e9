//! Which part of the system a public function belongs to, as errors about the function itself name
//! it.
//!
//! Owns: that rule. Never: knows a procedure.

use ostler_base::Origin;

/// Kinds of object as they stand in the names of functions, the longer word first where one
/// contains the other.
const KINDS: &[(&str, Origin)] = &[
    ("NWFilter", Origin::Nwfilter),
    ("NodeDevice", Origin::Nodedev),
    ("NodeNumOfDevices", Origin::Nodedev),
    ("NodeListDevices", Origin::Nodedev),
    ("Storage", Origin::Storage),
    ("Network", Origin::Network),
    ("Interface", Origin::Interface),
    ("Secret", Origin::Secret),
    ("Stream", Origin::Streams),
    ("Domain", Origin::Domain),
];

/// The origin of errors about a public function. A function of a domain is about that domain
/// whatever else its name holds (`virDomainInterfaceAddresses`).
pub fn of_function(api: &str) -> Origin {
    let name = api.strip_prefix("vir").unwrap_or(api);
    if name.contains("Qemu") {
        return Origin::None;
    }
    if name.starts_with("DomainSnapshot") {
        return Origin::DomainSnapshot;
    }
    if name.starts_with("DomainCheckpoint") {
        return Origin::DomainCheckpoint;
    }
    if name.starts_with("Domain") {
        return Origin::Domain;
    }
    KINDS.iter().find(|(word, _)| name.contains(word)).map_or(Origin::None, |(_, origin)| *origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions() {
        let cases = [
            ("virDomainDefineXML", Origin::Domain),
            ("virDomainInterfaceAddresses", Origin::Domain),
            ("virDomainSnapshotCreateXML", Origin::DomainSnapshot),
            ("virDomainCheckpointCreateXML", Origin::DomainCheckpoint),
            ("virConnectGetDomainCapabilities", Origin::Domain),
            ("virConnectListAllDomains", Origin::Domain),
            ("virConnectFindStoragePoolSources", Origin::Storage),
            ("virStorageVolDelete", Origin::Storage),
            ("virNetworkCreate", Origin::Network),
            ("virNodeDeviceReset", Origin::Nodedev),
            ("virNodeNumOfDevices", Origin::Nodedev),
            ("virNodeGetInfo", Origin::None),
            ("virConnectListAllNWFilterBindings", Origin::Nwfilter),
            ("virInterfaceLookupByName", Origin::Interface),
            ("virSecretUndefine", Origin::Secret),
            ("virDomainQemuMonitorCommand", Origin::None),
            ("virConnectGetType", Origin::None),
        ];
        for (api, origin) in cases {
            assert_eq!(of_function(api), origin, "{api}");
        }
    }
}
