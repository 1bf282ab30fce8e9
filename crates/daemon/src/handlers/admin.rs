//! The administration program, as far as it goes: opening, closing, the version.
//!
//! Owns: those handlers. Never: touches a guest.

use std::sync::Arc;

use ostler_base::{Origin, Result};
use ostler_rpc::programs::admin::procedures::{ConnectClose, ConnectGetLibVersion, ConnectOpen};
use ostler_rpc::programs::admin::{ConnectGetLibVersionRet, ConnectOpenArgs};

use super::only_flags;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Answer, Host, handlers};
use crate::session::Session;

handlers! {
    answer ConnectOpen;
    answer ConnectClose;
    answer ConnectGetLibVersion;
}

impl Answer<ConnectOpen> for Daemon {
    type On = Host;

    fn before_open(_args: &ConnectOpenArgs) -> bool {
        true
    }

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, args: ConnectOpenArgs) -> Result<()> {
        only_flags(args.flags, 0, "adminConnectOpen", Origin::Admin)?;
        if session.open("libvirtd:///system".to_owned()) {
            Ok(())
        } else {
            Err(super::connect::opened_before())
        }
    }
}

impl Answer<ConnectClose> for Daemon {
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

impl Answer<ConnectGetLibVersion> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<ConnectGetLibVersionRet> {
        Ok(ConnectGetLibVersionRet { lib_ver: super::connect::LIBRARY_VERSION })
    }
}
