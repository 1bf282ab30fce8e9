//! The daemon as a whole: opening, its servers, its log, its end.
//!
//! Owns: those handlers. Never: looks at a client.

use std::sync::Arc;

use ostler_base::{Origin, Result};
use ostler_rpc::programs::admin as wire;
use ostler_rpc::programs::admin::procedures as call;

use super::super::connect::{LIBRARY_VERSION, opened_before};
use super::super::only_flags;
use super::{no_flags, reference};
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Answer, Host, handlers};
use crate::log;
use crate::session::Session;

handlers! {
    answer call::ConnectOpen;
    answer call::ConnectClose;
    answer call::ConnectGetLibVersion;
    answer call::ConnectListServers;
    answer call::ConnectLookupServer;
    answer call::ConnectGetLoggingOutputs;
    answer call::ConnectGetLoggingFilters;
    answer call::ConnectSetLoggingOutputs;
    answer call::ConnectSetLoggingFilters;
    answer call::ConnectSetDaemonTimeout;
    answer call::ConnectDaemonShutdown;
}

/// Of a shutdown: guests go on, which they do anyway.
const PRESERVE: u32 = 1;

impl Answer<call::ConnectOpen> for Daemon {
    type On = Host;

    fn before_open(_args: &wire::ConnectOpenArgs) -> bool {
        true
    }

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, args: wire::ConnectOpenArgs) -> Result<()> {
        no_flags(args.flags, "adminConnectOpen")?;
        if session.open("libvirtd:///system".to_owned()) { Ok(()) } else { Err(opened_before()) }
    }
}

impl Answer<call::ConnectClose> for Daemon {
    type On = Host;

    fn before_open(_args: &()) -> bool {
        true
    }

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<()> {
        session.close();
        session.connection().close_after_sending();
        Ok(())
    }
}

impl Answer<call::ConnectGetLibVersion> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<wire::ConnectGetLibVersionRet> {
        Ok(wire::ConnectGetLibVersionRet { lib_ver: LIBRARY_VERSION })
    }
}

impl Answer<call::ConnectListServers> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectListServersArgs,
    ) -> Result<wire::ConnectListServersRet> {
        no_flags(args.flags, "adminConnectListServers")?;
        let servers = self.rosters();
        let ret = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let servers = servers.into_iter().filter(|_| args.need_results != 0).map(reference);
        Ok(wire::ConnectListServersRet { servers: servers.collect(), ret })
    }
}

impl Answer<call::ConnectLookupServer> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectLookupServerArgs,
    ) -> Result<wire::ConnectLookupServerRet> {
        no_flags(args.flags, "adminConnectLookupServer")?;
        Ok(wire::ConnectLookupServerRet { srv: reference(self.roster_by_name(&args.name)?) })
    }
}

impl Answer<call::ConnectGetLoggingOutputs> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectGetLoggingOutputsArgs,
    ) -> Result<wire::ConnectGetLoggingOutputsRet> {
        no_flags(args.flags, "adminConnectGetLoggingOutputs")?;
        let (outputs, noutputs) = log::outputs();
        Ok(wire::ConnectGetLoggingOutputsRet { outputs, noutputs })
    }
}

impl Answer<call::ConnectGetLoggingFilters> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectGetLoggingFiltersArgs,
    ) -> Result<wire::ConnectGetLoggingFiltersRet> {
        no_flags(args.flags, "adminConnectGetLoggingFilters")?;
        let (filters, nfilters) = log::filters();
        let filters = Some(filters).filter(|_| nfilters > 0);
        Ok(wire::ConnectGetLoggingFiltersRet { filters, nfilters })
    }
}

impl Answer<call::ConnectSetLoggingOutputs> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectSetLoggingOutputsArgs,
    ) -> Result<()> {
        no_flags(args.flags, "adminConnectSetLoggingOutputs")?;
        log::set_outputs(args.outputs.as_deref().unwrap_or_default())
    }
}

impl Answer<call::ConnectSetLoggingFilters> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectSetLoggingFiltersArgs,
    ) -> Result<()> {
        no_flags(args.flags, "adminConnectSetLoggingFilters")?;
        log::set_filters(args.filters.as_deref().unwrap_or_default())
    }
}

impl Answer<call::ConnectSetDaemonTimeout> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectSetDaemonTimeoutArgs,
    ) -> Result<()> {
        no_flags(args.flags, "adminConnectSetDaemonTimeout")?;
        self.set_timeout(args.timeout);
        Ok(())
    }
}

impl Answer<call::ConnectDaemonShutdown> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectDaemonShutdownArgs,
    ) -> Result<()> {
        only_flags(args.flags, PRESERVE, "adminConnectDaemonShutdown", Origin::Admin)?;
        self.stop();
        Ok(())
    }
}
