//! The clients of a server: who they are, and sending them away.
//!
//! Owns: those handlers. Never: looks at what a client does.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ostler_base::Result;
use ostler_rpc::connection::{Connection, SocketKind};
use ostler_rpc::programs::TypedParam;
use ostler_rpc::programs::admin as wire;
use ostler_rpc::programs::admin::procedures as call;
use ostler_rpc::xdr::List;

use super::{no_flags, reference};
use crate::access::Allowed;
use crate::accounts;
use crate::daemon::Daemon;
use crate::dispatch::{Answer, Host, handlers};
use crate::roster::Roster;
use crate::session::Session;

handlers! {
    answer call::ServerListClients;
    answer call::ServerLookupClient;
    answer call::ClientGetInfo;
    answer call::ClientClose;
}

fn client(roster: &Roster, connection: &Connection) -> wire::ClientRef {
    let since = connection.since().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let transport = match connection.socket() {
        SocketKind::ReadWrite | SocketKind::ReadOnly | SocketKind::Admin => 0,
        SocketKind::Tcp => 1,
        SocketKind::Tls => 2,
    };
    wire::ClientRef {
        srv: reference(roster),
        id: connection.id(),
        timestamp: i64::try_from(since).unwrap_or(i64::MAX),
        transport,
    }
}

impl Answer<call::ServerListClients> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerListClientsArgs,
    ) -> Result<wire::ServerListClientsRet> {
        let roster = self.roster_by_name(&args.srv.name)?;
        no_flags(args.flags, "adminServerListClients")?;
        let clients = roster.all();
        let ret = u32::try_from(clients.len()).unwrap_or(u32::MAX);
        let clients = clients.iter().filter(|_| args.need_results != 0);
        let clients = clients.map(|session| client(roster, session.connection()));
        Ok(wire::ServerListClientsRet { clients: clients.collect(), ret })
    }
}

impl Answer<call::ServerLookupClient> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerLookupClientArgs,
    ) -> Result<wire::ServerLookupClientRet> {
        let roster = self.roster_by_name(&args.srv.name)?;
        no_flags(args.flags, "adminServerLookupClient")?;
        let session = roster.client(args.id)?;
        Ok(wire::ServerLookupClientRet { clnt: client(roster, session.connection()) })
    }
}

/// A number of a user, a group or a process; the protocol has no unsigned type for them.
fn signed(number: u32) -> i32 {
    number.cast_signed()
}

impl Answer<call::ClientGetInfo> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ClientGetInfoArgs,
    ) -> Result<wire::ClientGetInfoRet> {
        let session = self.roster_by_name(&args.clnt.srv.name)?.client(args.clnt.id)?;
        no_flags(args.flags, "adminClientGetInfo")?;
        let connection = session.connection();
        let mut params = vec![TypedParam::new("readonly", session.is_read_only())];
        params.extend(session.user().map(|user| TypedParam::new("sasl_user_name", user)));
        params.extend(connection.address().map(|address| TypedParam::new("sock_addr", address)));
        params.extend(connection.certificate().map(|name| TypedParam::new("tls_x509_dname", name)));
        if let Some(peer) = connection.peer() {
            params.push(TypedParam::new("unix_user_id", signed(peer.uid)));
            params.extend(accounts::user_name(peer.uid).map(|name| TypedParam::new("unix_user_name", name)));
            params.push(TypedParam::new("unix_group_id", signed(peer.gid)));
            params
                .extend(accounts::group_name(peer.gid).map(|name| TypedParam::new("unix_group_name", name)));
            params.push(TypedParam::new("unix_process_id", peer.pid));
        }
        Ok(wire::ClientGetInfoRet { params: List(params) })
    }
}

impl Answer<call::ClientClose> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, args: wire::ClientCloseArgs) -> Result<()> {
        let session = self.roster_by_name(&args.clnt.srv.name)?.client(args.clnt.id)?;
        no_flags(args.flags, "adminClientClose")?;
        session.connection().close();
        Ok(())
    }
}
