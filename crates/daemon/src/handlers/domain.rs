//! Domains: which there are, what they are doing, their definitions, their lives.
//!
//! Owns: how calls name a domain, and the pages below. Never: does what is asked for; the engine does.

mod counters;
mod life;
mod list;
mod look;

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::{Guest, View};
use ostler_rpc::programs::remote::{
    DomainBlockStatsArgs, DomainBlockStatsFlagsArgs, DomainGetBlockInfoArgs, DomainGetCpuStatsArgs,
    DomainGetDiskErrorsArgs, DomainGetIothreadInfoArgs, DomainGetVcpusArgs, DomainInterfaceStatsArgs,
    DomainMemoryStatsArgs,
};
use ostler_rpc::programs::remote::{
    DomainCreateArgs, DomainCreateWithFlagsArgs, DomainDestroyArgs, DomainDestroyFlagsArgs,
    DomainGetAutostartArgs, DomainGetAutostartOnceArgs, DomainGetControlInfoArgs, DomainGetInfoArgs,
    DomainGetJobInfoArgs, DomainGetMaxMemoryArgs, DomainGetMaxVcpusArgs, DomainGetMessagesArgs,
    DomainGetOsTypeArgs, DomainGetSecurityLabelArgs, DomainGetSecurityLabelListArgs, DomainGetStateArgs,
    DomainGetVcpusFlagsArgs, DomainGetXmlDescArgs, DomainHasCurrentSnapshotArgs,
    DomainHasManagedSaveImageArgs, DomainIsActiveArgs, DomainIsPersistentArgs, DomainIsUpdatedArgs,
    DomainListAllCheckpointsArgs, DomainListAllSnapshotsArgs, DomainRebootArgs, DomainRef, DomainResetArgs,
    DomainResumeArgs, DomainSetAutostartArgs, DomainShutdownArgs, DomainShutdownFlagsArgs,
    DomainSnapshotListNamesArgs, DomainSnapshotNumArgs, DomainSuspendArgs, DomainUndefineArgs,
    DomainUndefineFlagsArgs,
};
use ostler_rpc::table::Procedure;

use crate::daemon::Daemon;
use crate::dispatch::{Entry, Find};
use crate::session::Session;

/// The handlers of all pages.
pub(super) const HANDLERS: [&[Entry]; 4] =
    [list::HANDLERS, look::HANDLERS, life::HANDLERS, counters::HANDLERS];

/// Arguments that name a domain.
pub trait NamesDomain {
    /// The domain, as the client knows it.
    fn domain(&self) -> &DomainRef;
}

macro_rules! names_domain {
    ($($args:ident)+) => {
        $(impl NamesDomain for $args {
            fn domain(&self) -> &DomainRef {
                &self.dom
            }
        })+
    };
}

names_domain! {
    DomainBlockStatsArgs DomainBlockStatsFlagsArgs DomainGetBlockInfoArgs DomainGetCpuStatsArgs
    DomainGetDiskErrorsArgs DomainGetIothreadInfoArgs DomainGetVcpusArgs DomainInterfaceStatsArgs
    DomainMemoryStatsArgs
    DomainCreateArgs DomainCreateWithFlagsArgs DomainDestroyArgs DomainDestroyFlagsArgs
    DomainGetAutostartArgs DomainGetAutostartOnceArgs DomainGetControlInfoArgs DomainGetInfoArgs
    DomainGetJobInfoArgs DomainGetMaxMemoryArgs DomainGetMaxVcpusArgs DomainGetMessagesArgs
    DomainGetOsTypeArgs DomainGetSecurityLabelArgs DomainGetSecurityLabelListArgs DomainGetStateArgs
    DomainGetVcpusFlagsArgs DomainGetXmlDescArgs DomainHasCurrentSnapshotArgs
    DomainHasManagedSaveImageArgs DomainIsActiveArgs DomainIsPersistentArgs DomainIsUpdatedArgs
    DomainListAllCheckpointsArgs DomainListAllSnapshotsArgs DomainRebootArgs DomainResetArgs
    DomainResumeArgs DomainSetAutostartArgs DomainShutdownArgs DomainShutdownFlagsArgs
    DomainSnapshotListNamesArgs DomainSnapshotNumArgs DomainSuspendArgs DomainUndefineArgs
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
}

fn missing(detail: String) -> Error {
    Error::new(Code::NoDomain, Origin::Qemu, detail)
}

/// How a client is told which domain it is.
fn reference(view: &View) -> DomainRef {
    DomainRef { name: view.name.to_string(), uuid: view.uuid, id: view.id.unwrap_or(-1) }
}
