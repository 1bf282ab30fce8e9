//! The ports of a network.

use std::sync::Arc;

use ostler_base::{Origin, Result};
use ostler_engine::networks::{Network, Port};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::table::Procedure;

use super::{Named, reference};
use crate::daemon::Daemon;
use crate::dispatch::{Find, handlers};
use crate::handlers::{act, answer, listed, only_flags, schema};
use crate::session::Session;

handlers! {
    answer call::NetworkListAllPorts;
    answer call::NetworkPortLookupByUuid;
    answer call::NetworkPortGetXmlDesc;
    act call::NetworkPortCreateXml;
    act call::NetworkPortDelete;
}

/// Of a new port: what nobody knows is refused.
const VALIDATE: u32 = 2;

/// The port that a call names.
#[derive(Debug)]
pub struct NamedPort {
    network: Arc<Network>,
    port: Arc<Port>,
}

/// Arguments that name a port.
pub trait NamesPort {
    /// The port, as the client knows it.
    fn port(&self) -> &wire::NetworkPortRef;
}

impl NamesPort for wire::NetworkPortGetXmlDescArgs {
    fn port(&self) -> &wire::NetworkPortRef {
        &self.port
    }
}

impl NamesPort for wire::NetworkPortDeleteArgs {
    fn port(&self) -> &wire::NetworkPortRef {
        &self.port
    }
}

impl<P: Procedure> Find<P> for NamedPort
where
    P::Args: NamesPort,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        let named = args.port();
        let network = daemon.engine.networks().by_uuid(named.net.uuid)?;
        let port = Arc::clone(network.view().port(named.uuid)?);
        Ok(NamedPort { network, port })
    }
}

fn port_reference(network: &Network, port: &Port) -> wire::NetworkPortRef {
    wire::NetworkPortRef { net: reference(network), uuid: port.uuid }
}

answer!(Named; NetworkListAllPorts, |_, network, args| {
    only_flags(args.flags, 0, "networkListAllPorts", Origin::Network)?;
    let view = network.0.view();
    let all = view.ports.values().map(|port| port_reference(&network.0, port)).collect();
    let (ports, ret) = listed(all, args.need_results);
    Ok(wire::NetworkListAllPortsRet { ports, ret })
});

answer!(Named; NetworkPortLookupByUuid, |_, network, args| {
    let view = network.0.view();
    Ok(wire::NetworkPortLookupByUuidRet { port: port_reference(&network.0, view.port(args.uuid)?) })
});

answer!(NamedPort; NetworkPortGetXmlDesc, |_, named, args| {
    only_flags(args.flags, 0, "networkPortGetXMLDesc", Origin::Network)?;
    Ok(wire::NetworkPortGetXmlDescRet { xml: named.port.to_xml() })
});

act!(Named; NetworkPortCreateXml, |daemon, network, args| {
    only_flags(args.flags, 1 | VALIDATE, "networkPortCreateXML", Origin::Network)?;
    let schema = schema(args.flags, VALIDATE);
    let port = daemon.engine.networks().create_port(&network.0, &args.xml, schema)?;
    Ok(wire::NetworkPortCreateXmlRet { port: port_reference(&network.0, &port) })
});

act!(NamedPort; NetworkPortDelete, |daemon, named, args| {
    only_flags(args.flags, 0, "networkPortDelete", Origin::Network)?;
    daemon.engine.networks().delete_port(&named.network, named.port.uuid)
});
