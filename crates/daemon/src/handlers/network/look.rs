//! Which networks there are, and what they are like.

use ostler_base::{Code, Error, MacAddr, Origin, Result};
use ostler_engine::networks::{Lease, MetadataKind};
use ostler_engine::shelf::Labelled;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::{Named, reference};
use crate::daemon::Daemon;
use crate::dispatch::{Host, handlers};
use crate::handlers::{act, answer, count, listed, only_flags, passes, room};

handlers! {
    answer call::ConnectNumOfNetworks;
    answer call::ConnectNumOfDefinedNetworks;
    answer call::ConnectListNetworks;
    answer call::ConnectListDefinedNetworks;
    answer call::ConnectListAllNetworks;
    answer call::NetworkLookupByName;
    answer call::NetworkLookupByUuid;
    answer call::NetworkGetXmlDesc;
    answer call::NetworkGetBridgeName;
    answer call::NetworkGetAutostart;
    answer call::NetworkIsActive;
    answer call::NetworkIsPersistent;
    answer call::NetworkGetMetadata;
    act call::NetworkGetDhcpLeases;
}

/// Of a document: the definition, not the run.
const XML_INACTIVE: u32 = 1;

/// Every filter of the list of all networks.
const LIST_FLAGS: u32 = 0x3f;

impl Daemon {
    /// The names of networks that run, or of those that do not.
    fn network_names(&self, active: bool) -> Vec<String> {
        let all = self.engine.networks().all();
        let wanted = all.iter().filter(|network| network.view().is_active() == active);
        wanted.map(|network| network.name().to_owned()).collect()
    }
}

answer!(Host; ConnectNumOfNetworks, |daemon, _, ()| {
    Ok(wire::ConnectNumOfNetworksRet { num: count(daemon.network_names(true).len()) })
});

answer!(Host; ConnectNumOfDefinedNetworks, |daemon, _, ()| {
    Ok(wire::ConnectNumOfDefinedNetworksRet { num: count(daemon.network_names(false).len()) })
});

answer!(Host; ConnectListNetworks, |daemon, _, args| {
    let names = daemon.network_names(true).into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListNetworksRet { names: names.collect() })
});

answer!(Host; ConnectListDefinedNetworks, |daemon, _, args| {
    let names = daemon.network_names(false).into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListDefinedNetworksRet { names: names.collect() })
});

answer!(Host; ConnectListAllNetworks, |daemon, _, args| {
    only_flags(args.flags, LIST_FLAGS, "networkConnectListAllNetworks", Origin::Network)?;
    let wanted = daemon.engine.networks().all().into_iter().filter(|network| {
        let view = network.view();
        let pairs = [(view.is_active(), 2, 1), (view.is_persistent(), 4, 8), (view.autostart, 16, 32)];
        passes(args.flags, &pairs)
    });
    let (nets, ret) = listed(wanted.map(|network| reference(&network)).collect(), args.need_results);
    Ok(wire::ConnectListAllNetworksRet { nets, ret })
});

answer!(Host; NetworkLookupByName, |daemon, _, args| {
    let network = daemon.engine.networks().by_name(&args.name)?;
    Ok(wire::NetworkLookupByNameRet { net: reference(&network) })
});

answer!(Host; NetworkLookupByUuid, |daemon, _, args| {
    let network = daemon.engine.networks().by_uuid(args.uuid)?;
    Ok(wire::NetworkLookupByUuidRet { net: reference(&network) })
});

answer!(Named; NetworkGetXmlDesc, |_, network, args| {
    only_flags(args.flags, XML_INACTIVE, "networkGetXMLDesc", Origin::Network)?;
    Ok(wire::NetworkGetXmlDescRet { xml: network.0.view().xml(args.flags & XML_INACTIVE != 0)? })
});

answer!(Named; NetworkGetBridgeName, |_, network, _| {
    let view = network.0.view();
    let name = view.current()?.bridge.name.clone();
    let missing = || {
        let detail = format!("network '{}' does not have a bridge name.", network.0.name());
        Error::new(Code::InternalError, Origin::Network, detail)
    };
    Ok(wire::NetworkGetBridgeNameRet { name: name.ok_or_else(missing)? })
});

answer!(Named; NetworkGetAutostart, |_, network, _| {
    Ok(wire::NetworkGetAutostartRet { autostart: i32::from(network.0.view().autostart) })
});

answer!(Named; NetworkIsActive, |_, network, _| {
    Ok(wire::NetworkIsActiveRet { active: i32::from(network.0.view().is_active()) })
});

answer!(Named; NetworkIsPersistent, |_, network, _| {
    Ok(wire::NetworkIsPersistentRet { persistent: i32::from(network.0.view().is_persistent()) })
});

answer!(Named; NetworkGetMetadata, |_, network, args| {
    only_flags(args.flags, 3, "networkGetMetadata", Origin::Network)?;
    let kind = metadata_kind(args.kind)?;
    let metadata = network.0.view().metadata(kind, args.uri.as_deref(), args.flags)?;
    Ok(wire::NetworkGetMetadataRet { metadata })
});

act!(Named; NetworkGetDhcpLeases, |daemon, network, args| {
    only_flags(args.flags, 0, "networkGetDHCPLeases", Origin::Network)?;
    let mac = match &args.mac {
        None => None,
        Some(text) => Some(MacAddr::parse(text).ok_or_else(|| {
            Error::new(Code::InvalidMac, Origin::Network, text.clone())
        })?),
    };
    let leases = daemon.engine.networks().leases(&network.0, mac)?;
    let (leases, ret) = listed(leases.into_iter().map(lease).collect(), args.need_results);
    Ok(wire::NetworkGetDhcpLeasesRet { leases, ret })
});

/// A lease as the wire has it.
fn lease(lease: Lease) -> wire::NetworkDhcpLease {
    let entry = lease.entry;
    wire::NetworkDhcpLease {
        iface: lease.bridge,
        expirytime: entry.expiry,
        kind: i32::from(entry.address.is_ipv6()),
        mac: entry.mac,
        iaid: entry.iaid,
        ipaddr: entry.address.to_string(),
        prefix: lease.prefix,
        hostname: entry.hostname,
        clientid: entry.client_id,
    }
}

/// The kind of metadata with a number on the wire.
pub(super) fn metadata_kind(number: i32) -> Result<MetadataKind> {
    MetadataKind::from_number(number).ok_or_else(|| {
        Error::new(Code::InvalidArg, Origin::Network, format!("unknown metadata type {number}"))
    })
}
