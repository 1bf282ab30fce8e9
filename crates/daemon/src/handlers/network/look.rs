//! Which networks there are, and what they are like.

use std::sync::Arc;

use ostler_base::{Code, Error, MacAddr, Origin, Result};
use ostler_engine::networks::{Lease, MetadataKind, Network};
use ostler_engine::shelf::Labelled;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::{Named, reference, subject};
use crate::access::{Subject, Visible};
use crate::daemon::Daemon;
use crate::dispatch::{Find, handlers};
use crate::handlers::{act, answer, count, listed, only_flags, passes, room};
use crate::session::Session;

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
    fn network_names(&self, active: bool, seen: &Visible) -> Vec<String> {
        let all = self.engine.networks().all();
        let wanted = all.iter().filter(|network| {
            network.view().is_active() == active && seen.shows(network.name(), network.uuid())
        });
        wanted.map(|network| network.name().to_owned()).collect()
    }
}

answer!(Visible; ConnectNumOfNetworks, |daemon, seen, ()| {
    Ok(wire::ConnectNumOfNetworksRet { num: count(daemon.network_names(true, seen).len()) })
});

answer!(Visible; ConnectNumOfDefinedNetworks, |daemon, seen, ()| {
    Ok(wire::ConnectNumOfDefinedNetworksRet { num: count(daemon.network_names(false, seen).len()) })
});

answer!(Visible; ConnectListNetworks, |daemon, seen, args| {
    let names = daemon.network_names(true, seen).into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListNetworksRet { names: names.collect() })
});

answer!(Visible; ConnectListDefinedNetworks, |daemon, seen, args| {
    let names = daemon.network_names(false, seen).into_iter().take(room(args.maxnames));
    Ok(wire::ConnectListDefinedNetworksRet { names: names.collect() })
});

answer!(Visible; ConnectListAllNetworks, |daemon, seen, args| {
    only_flags(args.flags, LIST_FLAGS, "networkConnectListAllNetworks", Origin::Network)?;
    let wanted = daemon.engine.networks().all().into_iter().filter(|network| {
        let view = network.view();
        let pairs = [(view.is_active(), 2, 1), (view.is_persistent(), 4, 8), (view.autostart, 16, 32)];
        passes(args.flags, &pairs) && seen.shows(network.name(), network.uuid())
    });
    let (nets, ret) = listed(wanted.map(|network| reference(&network)).collect(), args.need_results);
    Ok(wire::ConnectListAllNetworksRet { nets, ret })
});

/// A network that a call looks for.
#[derive(Debug)]
pub struct LookedUp(Arc<Network>);

impl Find<call::NetworkLookupByName> for LookedUp {
    fn find(daemon: &Daemon, _: &Session, args: &wire::NetworkLookupByNameArgs) -> Result<Self> {
        daemon.engine.networks().by_name(&args.name).map(LookedUp)
    }

    fn subject(&self) -> Subject {
        subject(&self.0)
    }
}

impl Find<call::NetworkLookupByUuid> for LookedUp {
    fn find(daemon: &Daemon, _: &Session, args: &wire::NetworkLookupByUuidArgs) -> Result<Self> {
        daemon.engine.networks().by_uuid(args.uuid).map(LookedUp)
    }

    fn subject(&self) -> Subject {
        subject(&self.0)
    }
}

answer!(LookedUp; NetworkLookupByName, |_, found, _| {
    Ok(wire::NetworkLookupByNameRet { net: reference(&found.0) })
});

answer!(LookedUp; NetworkLookupByUuid, |_, found, _| {
    Ok(wire::NetworkLookupByUuidRet { net: reference(&found.0) })
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
