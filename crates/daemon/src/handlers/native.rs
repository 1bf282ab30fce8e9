//! Command lines of emulators turned into documents, and documents into what would be run.
//!
//! Owns: the check of the format's name. Never: reads an option.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;

use super::only_flags;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Answer, Host, handlers};
use crate::session::Session;

handlers! {
    answer call::ConnectDomainXmlFromNative;
    act call::ConnectDomainXmlToNative;
}

/// The one format that this driver has.
const QEMU_ARGV: &str = "qemu-argv";

/// Refuses every format but the driver's own.
pub(super) fn known_format(format: &str) -> Result<()> {
    if format == QEMU_ARGV {
        return Ok(());
    }
    let text = format!("unsupported config type {format}; allowed: {QEMU_ARGV}");
    Err(Error::new(Code::InvalidArg, Origin::Qemu, text))
}

impl Answer<call::ConnectDomainXmlFromNative> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectDomainXmlFromNativeArgs,
    ) -> Result<wire::ConnectDomainXmlFromNativeRet> {
        only_flags(args.flags, 0, "qemuConnectDomainXMLFromNative", Origin::Qemu)?;
        known_format(&args.native_format)?;
        let imported = ostler_native::import(&args.native_config)?;
        Ok(wire::ConnectDomainXmlFromNativeRet { domain_xml: imported.xml })
    }
}
impl Act<call::ConnectDomainXmlToNative> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _: Arc<Session>,
        _on: Allowed<Host>,
        args: wire::ConnectDomainXmlToNativeArgs,
    ) -> Result<wire::ConnectDomainXmlToNativeRet> {
        only_flags(args.flags, 0, "qemuConnectDomainXMLToNative", Origin::Qemu)?;
        known_format(&args.native_format)?;
        let native_config = self.engine.command_line(&args.domain_xml).await?;
        Ok(wire::ConnectDomainXmlToNativeRet { native_config })
    }
}
