//! Opening and closing, and what the driver says about itself.
//!
//! Owns: those handlers, which URIs are served here, which features work. Never: looks at a guest.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_host::kvm;
use ostler_rpc::programs::remote::REMOTE;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    AuthListRet, AuthType, ConnectGetHostnameRet, ConnectGetLibVersionRet, ConnectGetMaxVcpusArgs,
    ConnectGetMaxVcpusRet, ConnectGetSysinfoArgs, ConnectGetSysinfoRet, ConnectGetTypeRet, ConnectGetUriRet,
    ConnectGetVersionRet, ConnectIsSecureRet, ConnectOpenArgs, ConnectSetIdentityArgs,
    ConnectSupportsFeatureArgs, ConnectSupportsFeatureRet,
};
use ostler_rpc::table::Procedure;
use ostler_rpc::xdr::List;

use super::only_flags;
use crate::access::Allowed;
use crate::auth::Way;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Answer, Host, handlers};
use crate::layout::{Instance, Layout};
use crate::session::Session;
use crate::smbios;

handlers! {
    answer call::AuthList;
    answer call::ConnectOpen;
    answer call::ConnectClose;
    answer call::ConnectSupportsFeature;
    answer call::ConnectGetUri;
    answer call::ConnectGetType;
    act call::ConnectGetVersion;
    answer call::ConnectGetLibVersion;
    answer call::ConnectGetHostname;
    answer call::ConnectGetSysinfo;
    answer call::ConnectGetMaxVcpus;
    answer call::ConnectIsSecure;
    answer call::ConnectSetIdentity;
    answer call::ConnectRegisterCloseCallback;
    answer call::ConnectUnregisterCloseCallback;
}

/// The version of the interface that is spoken here.
pub(in crate::handlers) const LIBRARY_VERSION: u64 = 11_003_000;

/// The flag of an open that asks for looking only.
const OPEN_READ_ONLY: u32 = 1;

/// The numbers of procedures.
macro_rules! numbers {
    ($($name:ident)*) => {
        &[$(<call::$name as Procedure>::ROW.number),*]
    };
}

/// Features that may work here, each with the procedures without which it does not.
const FEATURES: &[(i32, &[i32])] = &[
    // Migration of version 2, from host to host, of version 3.
    (3, numbers!(DomainMigratePrepare2 DomainMigratePerform DomainMigrateFinish2)),
    (4, numbers!(DomainMigratePerform3 DomainMigratePerform3Params)),
    (6, numbers!(DomainMigrateBegin3 DomainMigratePrepare3 DomainMigratePerform3 DomainMigrateFinish3)),
    // Nothing changes a guest between the begin of a migration and its confirmation.
    (7, numbers!(DomainMigrateBegin3 DomainMigrateConfirm3)),
    // Descriptors.
    (8, numbers!(DomainOpenGraphicsFd)),
    // Texts as typed parameters.
    (9, &[]),
    (KEEPALIVE, &[]),
    // Definitions for another host; guests that do not run.
    (11, numbers!(DomainGetXmlDesc DomainMigrateBegin3)),
    (12, numbers!(DomainMigrateBegin3Params DomainMigrateFinish3Params)),
    (
        13,
        numbers!(
            DomainMigrateBegin3Params DomainMigratePrepare3Params DomainMigratePerform3Params
            DomainMigrateFinish3Params DomainMigrateConfirm3Params
        ),
    ),
    // Events with callback ids, close callbacks.
    (14, &[]),
    (15, &[]),
    // The order of arguments of an update of a network.
    (16, numbers!(NetworkUpdate)),
];

/// Whether a feature works here.
fn works(feature: i32) -> bool {
    let handled = |number: &i32| super::of(&REMOTE, *number).is_some();
    FEATURES.iter().any(|(number, needs)| *number == feature && needs.iter().all(handled))
}

/// The feature that is asked for before anything is open.
const KEEPALIVE: i32 = 10;

/// The most CPUs of a guest without hardware acceleration.
const EMULATED_VCPUS_MAX: i32 = 16;

/// The refusal of a second open.
pub(in crate::handlers) fn opened_before() -> Error {
    Error::internal("connection already open").from_origin(Origin::Rpc)
}

/// The URI that a client means, if it is served by this instance.
fn accept(layout: &Layout, uri: &str) -> Result<String> {
    let own = match layout.instance {
        Instance::System => "qemu:///system",
        Instance::Session => "qemu:///session",
    };
    if uri.is_empty() {
        return Ok(own.to_owned());
    }
    let nobody = |detail: String| Error::new(Code::NoConnect, Origin::None, detail);
    let Some((scheme, rest)) = uri.split_once(':') else {
        return Err(nobody(format!("URI '{uri}' does not include a driver name")));
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let place = rest.get(..end).unwrap_or_default();
    let path = match place.strip_prefix("//") {
        Some(host_and_path) => {
            host_and_path.find('/').map_or((host_and_path, ""), |at| host_and_path.split_at(at))
        }
        None => ("", place),
    };
    match (scheme, path) {
        ("qemu", ("", "/session")) => Ok(uri.to_owned()),
        ("qemu", ("", "/system")) if layout.instance == Instance::System => Ok(uri.to_owned()),
        ("qemu", ("", path)) => Err(Error::internal(format!("unexpected qemu URI path '{path}', try {own}"))
            .from_origin(Origin::None)),
        _ => Err(nobody(uri.to_owned())),
    }
}

impl Answer<call::AuthList> for Daemon {
    type On = Host;

    fn before_open(_args: &()) -> bool {
        true
    }

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<AuthListRet> {
        let way = match session.way() {
            Way::Sasl => AuthType::Sasl,
            Way::Polkit => AuthType::Polkit,
            Way::None => AuthType::None,
        };
        Ok(AuthListRet { types: List(vec![way]) })
    }
}

impl Answer<call::ConnectOpen> for Daemon {
    type On = Host;

    fn before_open(_args: &ConnectOpenArgs) -> bool {
        true
    }

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, args: ConnectOpenArgs) -> Result<()> {
        if session.is_open() {
            return Err(opened_before());
        }
        let uri = accept(&self.layout, args.name.as_deref().unwrap_or_default())?;
        if args.flags & OPEN_READ_ONLY != 0 {
            session.make_read_only();
        }
        if session.open(uri) { Ok(()) } else { Err(opened_before()) }
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

impl Answer<call::ConnectSupportsFeature> for Daemon {
    type On = Host;

    fn before_open(args: &ConnectSupportsFeatureArgs) -> bool {
        args.feature == KEEPALIVE
    }

    fn answer(
        &self,
        session: &Arc<Session>,
        _on: Allowed<Host>,
        args: ConnectSupportsFeatureArgs,
    ) -> Result<ConnectSupportsFeatureRet> {
        if args.feature == KEEPALIVE {
            session.connection().watch();
        }
        Ok(ConnectSupportsFeatureRet { supported: works(args.feature).into() })
    }
}

impl Answer<call::ConnectGetUri> for Daemon {
    type On = Host;

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<ConnectGetUriRet> {
        Ok(ConnectGetUriRet { uri: session.uri().unwrap_or_default() })
    }
}

impl Answer<call::ConnectGetType> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<ConnectGetTypeRet> {
        Ok(ConnectGetTypeRet { kind: "QEMU".to_owned() })
    }
}

impl Act<call::ConnectGetVersion> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _session: Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<ConnectGetVersionRet> {
        let arch = self.engine.host().arch;
        let emulator = self.engine.emulators().find(arch);
        let emulator =
            emulator.ok_or_else(|| Error::internal(format!("Cannot find suitable emulator for {arch}")))?;
        Ok(ConnectGetVersionRet { hv_ver: self.emulator.version(&emulator).await? })
    }
}

impl Answer<call::ConnectGetLibVersion> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<ConnectGetLibVersionRet> {
        Ok(ConnectGetLibVersionRet { lib_ver: LIBRARY_VERSION })
    }
}

impl Answer<call::ConnectGetHostname> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<ConnectGetHostnameRet> {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(ConnectGetHostnameRet { hostname })
    }
}

impl Answer<call::ConnectGetSysinfo> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: ConnectGetSysinfoArgs,
    ) -> Result<ConnectGetSysinfoRet> {
        only_flags(args.flags, 0, "qemuConnectGetSysinfo", Origin::Qemu)?;
        match smbios::describe(smbios::SYSFS.as_ref()) {
            Some(sysinfo) => Ok(ConnectGetSysinfoRet { sysinfo }),
            None => Err(Error::unsupported("Host SMBIOS information is not available")),
        }
    }
}

impl Answer<call::ConnectGetMaxVcpus> for Daemon {
    type On = Host;

    fn answer(
        &self,
        _: &Arc<Session>,
        _on: Allowed<Host>,
        args: ConnectGetMaxVcpusArgs,
    ) -> Result<ConnectGetMaxVcpusRet> {
        match args.kind.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("qemu") => Ok(ConnectGetMaxVcpusRet { max_vcpus: EMULATED_VCPUS_MAX }),
            Some("kvm") => {
                let most = kvm::max_vcpus().map_err(|error| error.from_origin(Origin::None))?;
                Ok(ConnectGetMaxVcpusRet { max_vcpus: i32::try_from(most).unwrap_or(i32::MAX) })
            }
            Some(_) => Err(Error::invalid_arg(format!(
                "unknown type '{}'",
                args.kind.as_deref().unwrap_or_default()
            ))),
        }
    }
}

impl Answer<call::ConnectIsSecure> for Daemon {
    type On = Host;

    fn answer(&self, session: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<ConnectIsSecureRet> {
        let local = session.connection().peer().is_some();
        Ok(ConnectIsSecureRet { secure: local.into() })
    }
}

impl Answer<call::ConnectSetIdentity> for Daemon {
    type On = Host;

    /// Nothing is decided by who a client says it is: what it may do follows from its socket.
    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ConnectSetIdentityArgs) -> Result<()> {
        Ok(())
    }
}

impl Answer<call::ConnectRegisterCloseCallback> for Daemon {
    type On = Host;

    /// The driver's own connection, which such a callback is about, never closes by itself.
    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<()> {
        Ok(())
    }
}

impl Answer<call::ConnectUnregisterCloseCallback> for Daemon {
    type On = Host;

    fn answer(&self, _: &Arc<Session>, _on: Allowed<Host>, _args: ()) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn uris() {
        let system = Layout::below(Path::new("/r"));
        let session = Layout { instance: Instance::Session, ..system.clone() };
        let text = |layout: &Layout, uri: &str| match accept(layout, uri) {
            Ok(uri) => uri,
            Err(error) => error.to_string(),
        };
        for uri in ["qemu:///system", "qemu:///session", "qemu:///system?x=1"] {
            assert_eq!(text(&system, uri), uri);
        }
        let cases = [
            ("", "qemu:///system"),
            ("qemu:///foo", "internal error: unexpected qemu URI path '/foo', try qemu:///system"),
            ("qemu:///", "internal error: unexpected qemu URI path '/', try qemu:///system"),
            ("qemu:", "internal error: unexpected qemu URI path '', try qemu:///system"),
            ("qemu:///system/", "internal error: unexpected qemu URI path '/system/', try qemu:///system"),
            ("xen:///", "no connection driver available for xen:///"),
            ("qemu+unix:///system", "no connection driver available for qemu+unix:///system"),
            ("qemu://host/system", "no connection driver available for qemu://host/system"),
            ("garbage", "no connection driver available for URI 'garbage' does not include a driver name"),
        ];
        for (uri, expected) in cases {
            assert_eq!(text(&system, uri), expected);
        }
        assert_eq!(text(&session, ""), "qemu:///session");
        assert_eq!(
            text(&session, "qemu:///system"),
            "internal error: unexpected qemu URI path '/system', try qemu:///session"
        );
    }
}
