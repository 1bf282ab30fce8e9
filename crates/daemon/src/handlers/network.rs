//! Networks: which there are, their definitions, their lives, their ports.
//!
//! Owns: how calls name a network, and the pages below. Never: does what is asked for; the engine does.

mod life;
mod look;
mod ports;

use std::sync::Arc;

use ostler_base::Result;
use ostler_engine::networks::Network;
use ostler_engine::shelf::Labelled;
use ostler_rpc::programs::remote::{
    NetworkCreateArgs, NetworkDestroyArgs, NetworkGetAutostartArgs, NetworkGetBridgeNameArgs,
    NetworkGetDhcpLeasesArgs, NetworkGetMetadataArgs, NetworkGetXmlDescArgs, NetworkIsActiveArgs,
    NetworkIsPersistentArgs, NetworkListAllPortsArgs, NetworkPortCreateXmlArgs, NetworkPortLookupByUuidArgs,
    NetworkRef, NetworkSetAutostartArgs, NetworkSetMetadataArgs, NetworkUndefineArgs, NetworkUpdateArgs,
};
use ostler_rpc::table::Procedure;

use crate::access::Subject;
use crate::daemon::Daemon;
use crate::dispatch::{Entry, Find};
use crate::session::Session;

/// The handlers of all pages.
pub(super) const HANDLERS: [&[Entry]; 3] = [look::HANDLERS, life::HANDLERS, ports::HANDLERS];

/// Arguments that name a network.
pub trait NamesNetwork {
    /// The network, as the client knows it.
    fn network(&self) -> &NetworkRef;
}

macro_rules! names_network {
    ($($field:ident: $($args:ident)+;)+) => {
        $($(impl NamesNetwork for $args {
            fn network(&self) -> &NetworkRef {
                &self.$field
            }
        })+)+
    };
}

names_network! {
    net: NetworkCreateArgs NetworkDestroyArgs NetworkGetAutostartArgs NetworkGetBridgeNameArgs
        NetworkGetDhcpLeasesArgs NetworkGetXmlDescArgs NetworkIsActiveArgs NetworkIsPersistentArgs
        NetworkSetAutostartArgs NetworkUndefineArgs NetworkUpdateArgs;
    network: NetworkGetMetadataArgs NetworkListAllPortsArgs NetworkPortCreateXmlArgs
        NetworkPortLookupByUuidArgs NetworkSetMetadataArgs;
}

/// The network that a call names.
#[derive(Debug)]
pub struct Named(pub Arc<Network>);

impl<P: Procedure> Find<P> for Named
where
    P::Args: NamesNetwork,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        let named = args.network();
        daemon
            .engine
            .networks()
            .by_uuid(named.uuid)
            .map(Named)
            .map_err(|error| error.with_suffix(&format!(" ({})", named.name)))
    }

    fn subject(&self) -> Subject {
        subject(&self.0)
    }
}

/// What rules of access know a network by.
fn subject(network: &Network) -> Subject {
    Subject { name: Some(network.name().to_owned()), uuid: Some(network.uuid()) }
}

/// How a client is told which network it is.
fn reference(network: &Network) -> NetworkRef {
    NetworkRef { name: network.name().to_owned(), uuid: network.uuid() }
}
