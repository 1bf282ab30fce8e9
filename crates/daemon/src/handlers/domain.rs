//! Domains: which there are, what they are doing, their definitions, their lives.
//!
//! Owns: how calls name a domain, and the pages below. Never: does what is asked for; the engine does.

/// A handler about one domain that is answered at once.
macro_rules! answer {
    ($procedure:ident, |$daemon:ident, $guest:ident, $args:ident| $body:expr) => {
        impl $crate::dispatch::Answer<call::$procedure> for $crate::daemon::Daemon {
            type On = super::Named;

            fn answer(
                &self,
                _session: &std::sync::Arc<$crate::session::Session>,
                on: $crate::access::Allowed<super::Named>,
                $args: <call::$procedure as ostler_rpc::table::Procedure>::Args,
            ) -> ostler_base::Result<<call::$procedure as ostler_rpc::table::Procedure>::Ret> {
                let ($daemon, $guest) = (self, &on.0);
                $body
            }
        }
    };
}

/// A handler about one domain that waits.
macro_rules! act {
    ($procedure:ident, |$daemon:ident, $guest:ident, $args:ident| $body:expr) => {
        impl $crate::dispatch::Act<call::$procedure> for $crate::daemon::Daemon {
            type On = super::Named;

            async fn act(
                self: std::sync::Arc<Self>,
                _session: std::sync::Arc<$crate::session::Session>,
                on: $crate::access::Allowed<super::Named>,
                $args: <call::$procedure as ostler_rpc::table::Procedure>::Args,
            ) -> ostler_base::Result<<call::$procedure as ostler_rpc::table::Procedure>::Ret> {
                let ($daemon, $guest) = (self, &on.0);
                $body
            }
        }
    };
}

/// A handler about one domain that waits, with descriptors of the client, whose reply may have more than a value.
macro_rules! serve {
    ($procedure:ident, |$daemon:ident, $guest:ident, $args:ident, $fds:ident| $body:expr) => {
        impl $crate::dispatch::Serve<call::$procedure> for $crate::daemon::Daemon {
            type On = super::Named;

            async fn serve(
                self: std::sync::Arc<Self>,
                _session: std::sync::Arc<$crate::session::Session>,
                on: $crate::access::Allowed<super::Named>,
                $args: <call::$procedure as ostler_rpc::table::Procedure>::Args,
                $fds: Vec<std::os::fd::OwnedFd>,
            ) -> ostler_base::Result<ostler_rpc::service::Reply> {
                let ($daemon, $guest) = (self, &on.0);
                $body
            }
        }
    };
}

/// Arguments that name a domain by their member `dom`.
macro_rules! names_domain {
    ($($args:ident)+) => {
        $(impl $crate::handlers::domain::NamesDomain for $args {
            fn domain(&self) -> &ostler_rpc::programs::remote::DomainRef {
                &self.dom
            }
        })+
    };
}

pub(super) mod agent;
mod block;
mod cards;
mod console;
mod counters;
mod cpus;
mod describe;
mod devices;
pub(super) mod direct;
mod input;
mod life;
mod list;
mod look;
mod memory;
mod saved;
mod snapshots;
mod tuning;

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::{Guest, View};
use ostler_rpc::programs::remote::{
    DomainAttachDeviceArgs, DomainAttachDeviceFlagsArgs, DomainDetachDeviceAliasArgs, DomainDetachDeviceArgs,
    DomainDetachDeviceFlagsArgs, DomainUpdateDeviceFlagsArgs,
};
use ostler_rpc::programs::remote::{
    DomainBlockCommitArgs, DomainBlockCopyArgs, DomainBlockJobAbortArgs, DomainBlockJobSetSpeedArgs,
    DomainBlockPullArgs, DomainBlockRebaseArgs, DomainBlockStatsArgs, DomainBlockStatsFlagsArgs,
    DomainGetBlockInfoArgs, DomainGetBlockJobInfoArgs, DomainGetCpuStatsArgs, DomainGetDiskErrorsArgs,
    DomainGetIothreadInfoArgs, DomainGetVcpusArgs, DomainInterfaceStatsArgs, DomainMemoryStatsArgs,
};
use ostler_rpc::programs::remote::{
    DomainCreateArgs, DomainCreateWithFlagsArgs, DomainDestroyArgs, DomainDestroyFlagsArgs,
    DomainGetAutostartArgs, DomainGetAutostartOnceArgs, DomainGetControlInfoArgs, DomainGetInfoArgs,
    DomainGetMaxMemoryArgs, DomainGetMaxVcpusArgs, DomainGetMessagesArgs, DomainGetOsTypeArgs,
    DomainGetSecurityLabelArgs, DomainGetSecurityLabelListArgs, DomainGetStateArgs, DomainGetVcpusFlagsArgs,
    DomainGetXmlDescArgs, DomainIsActiveArgs, DomainIsPersistentArgs, DomainIsUpdatedArgs,
    DomainListAllCheckpointsArgs, DomainRebootArgs, DomainRef, DomainResetArgs, DomainResumeArgs,
    DomainSetAutostartArgs, DomainShutdownArgs, DomainShutdownFlagsArgs, DomainSuspendArgs,
    DomainUndefineArgs, DomainUndefineFlagsArgs,
};
use ostler_rpc::table::Procedure;

use crate::access::Subject;
use crate::daemon::Daemon;
use crate::dispatch::{Entry, Find};
use crate::session::Session;

/// The handlers of all pages.
pub(super) const HANDLERS: &[&[Entry]] = &[
    block::HANDLERS,
    agent::HANDLERS,
    console::HANDLERS,
    counters::HANDLERS,
    cards::HANDLERS,
    cpus::HANDLERS,
    describe::HANDLERS,
    devices::HANDLERS,
    input::HANDLERS,
    life::HANDLERS,
    list::HANDLERS,
    look::HANDLERS,
    memory::HANDLERS,
    saved::HANDLERS,
    snapshots::HANDLERS,
    tuning::HANDLERS,
];

/// Arguments that name a domain.
pub trait NamesDomain {
    /// The domain, as the client knows it.
    fn domain(&self) -> &DomainRef;
}

names_domain! {
    DomainBlockPullArgs DomainBlockRebaseArgs DomainBlockCommitArgs DomainBlockCopyArgs
    DomainBlockJobAbortArgs DomainBlockJobSetSpeedArgs DomainGetBlockJobInfoArgs
    DomainAttachDeviceArgs DomainAttachDeviceFlagsArgs DomainDetachDeviceAliasArgs DomainDetachDeviceArgs
    DomainDetachDeviceFlagsArgs DomainUpdateDeviceFlagsArgs
    DomainBlockStatsArgs DomainBlockStatsFlagsArgs DomainGetBlockInfoArgs DomainGetCpuStatsArgs
    DomainGetDiskErrorsArgs DomainGetIothreadInfoArgs DomainGetVcpusArgs DomainInterfaceStatsArgs
    DomainMemoryStatsArgs
    DomainCreateArgs DomainCreateWithFlagsArgs DomainDestroyArgs DomainDestroyFlagsArgs
    DomainGetAutostartArgs DomainGetAutostartOnceArgs DomainGetControlInfoArgs DomainGetInfoArgs
    DomainGetMaxMemoryArgs DomainGetMaxVcpusArgs DomainGetMessagesArgs
    DomainGetOsTypeArgs DomainGetSecurityLabelArgs DomainGetSecurityLabelListArgs DomainGetStateArgs
    DomainGetVcpusFlagsArgs DomainGetXmlDescArgs     DomainIsActiveArgs DomainIsPersistentArgs DomainIsUpdatedArgs
    DomainListAllCheckpointsArgs DomainRebootArgs DomainResetArgs
    DomainResumeArgs DomainSetAutostartArgs DomainShutdownArgs DomainShutdownFlagsArgs
    DomainSuspendArgs DomainUndefineArgs
    DomainUndefineFlagsArgs
}

/// The domain that a call names.
#[derive(Debug)]
pub struct Named(pub Arc<Guest>);

impl<P: Procedure> Find<P> for Named
where
    P::Args: NamesDomain,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        let dom = args.domain();
        let found = daemon.engine.registry().by_uuid(dom.uuid).map(Named);
        found.ok_or_else(|| missing(format!("no domain with matching uuid '{}' ({})", dom.uuid, dom.name)))
    }

    fn subject(&self) -> Subject {
        subject(&self.0.view())
    }
}

/// What rules of access know a domain by.
fn subject(view: &View) -> Subject {
    Subject { name: Some(view.name.to_string()), uuid: Some(view.uuid) }
}

fn missing(detail: String) -> Error {
    Error::new(Code::NoDomain, Origin::Qemu, detail)
}

/// How a client is told which domain it is.
fn reference(view: &View) -> DomainRef {
    DomainRef { name: view.name.to_string(), uuid: view.uuid, id: view.id.unwrap_or(-1) }
}
