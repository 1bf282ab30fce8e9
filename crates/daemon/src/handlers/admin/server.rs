//! A server of the daemon: its places for calls, its limits, its certificates.
//!
//! Owns: those handlers. Never: looks at one client.

use std::sync::Arc;

use ostler_base::{Error, Origin, Result};
use ostler_rpc::programs::TypedParam;
use ostler_rpc::programs::admin as wire;
use ostler_rpc::programs::admin::procedures as call;
use ostler_rpc::xdr::List;

use super::{no_flags, numbers};
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Answer, Host, handlers};
use crate::session::Session;
use crate::workers::Bounds;

handlers! {
    act call::ServerGetThreadpoolParameters;
    answer call::ServerSetThreadpoolParameters;
    answer call::ServerGetClientLimits;
    answer call::ServerSetClientLimits;
    answer call::ServerUpdateTlsFiles;
}

/// This call waits for a place like any that has to, so that it counts itself as others do.
impl Act<call::ServerGetThreadpoolParameters> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerGetThreadpoolParametersArgs,
    ) -> Result<wire::ServerGetThreadpoolParametersRet> {
        let workers = &self.roster_by_name(&args.srv.name)?.workers;
        no_flags(args.flags, "adminServerGetThreadPoolParameters")?;
        let (bounds, usage) = (workers.bounds(), workers.usage());
        let ready = bounds.min.max(usage.busy);
        let params = [
            ("minWorkers", bounds.min),
            ("maxWorkers", bounds.max),
            ("nWorkers", ready),
            ("freeWorkers", ready.saturating_sub(usage.busy)),
            ("prioWorkers", bounds.urgent),
            ("jobQueueDepth", usage.waiting),
        ];
        let params = params.map(|(name, number)| TypedParam::new(name, number));
        Ok(wire::ServerGetThreadpoolParametersRet { params: params.into_iter().collect() })
    }
}

impl Answer<call::ServerSetThreadpoolParameters> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerSetThreadpoolParametersArgs,
    ) -> Result<()> {
        let workers = &self.roster_by_name(&args.srv.name)?.workers;
        no_flags(args.flags, "adminServerSetThreadPoolParameters")?;
        let List(params) = args.params;
        let [min, max, urgent] = numbers(&params, ["minWorkers", "maxWorkers", "prioWorkers"])?;
        let now = workers.bounds();
        workers.set(Bounds {
            min: min.unwrap_or(now.min),
            max: max.unwrap_or(now.max),
            urgent: urgent.unwrap_or(now.urgent),
        })
    }
}

impl Answer<call::ServerGetClientLimits> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerGetClientLimitsArgs,
    ) -> Result<wire::ServerGetClientLimitsRet> {
        let roster = self.roster_by_name(&args.srv.name)?;
        no_flags(args.flags, "adminServerGetClientLimits")?;
        let counts = *roster.counts().borrow();
        let params = [
            ("nclients_max", counts.most),
            ("nclients", counts.all),
            ("nclients_unauth_max", counts.most_anonymous),
            ("nclients_unauth", counts.anonymous),
        ];
        let params = params.map(|(name, number)| TypedParam::new(name, number));
        Ok(wire::ServerGetClientLimitsRet { params: params.into_iter().collect() })
    }
}

impl Answer<call::ServerSetClientLimits> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerSetClientLimitsArgs,
    ) -> Result<()> {
        let roster = self.roster_by_name(&args.srv.name)?;
        no_flags(args.flags, "adminServerSetClientLimits")?;
        let List(params) = args.params;
        let [most, most_anonymous] = numbers(&params, ["nclients_max", "nclients_unauth_max"])?;
        roster.set_limits(most, most_anonymous)
    }
}

impl Answer<call::ServerUpdateTlsFiles> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ServerUpdateTlsFilesArgs,
    ) -> Result<()> {
        let roster = self.roster_by_name(&args.srv.name)?;
        no_flags(args.flags, "adminServerUpdateTlsFiles")?;
        match self.tls().filter(|_| roster.name == self.clients.name) {
            Some(tls) => tls.reload(None),
            None => {
                let text = "no tls service found, unable to update tls files";
                Err(Error::internal(text).from_origin(Origin::Rpc))
            }
        }
    }
}
