//! Storage pools and volumes.
//!
//! Owns: how calls name a pool or a volume, and the pages below. Never: does what is asked for; the
//! engine does.

mod data;
mod pools;
mod volumes;

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::pools::{Pool, Volume};
use ostler_engine::shelf::Labelled;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::table::Procedure;

use crate::daemon::Daemon;
use crate::dispatch::{Entry, Find};
use crate::session::Session;

/// The handlers of all pages.
pub(super) const HANDLERS: [&[Entry]; 3] = [pools::HANDLERS, volumes::HANDLERS, data::HANDLERS];

/// Arguments that name a pool.
pub trait NamesPool {
    /// The pool, as the client knows it.
    fn pool(&self) -> &wire::StoragePoolRef;
}

/// Arguments that name a volume.
pub trait NamesVolume {
    /// The volume, as the client knows it.
    fn volume(&self) -> &wire::StorageVolRef;
}

macro_rules! names {
    ($trait:ident $method:ident $field:ident $target:ident: $($args:ident)+) => {
        $(impl $trait for wire::$args {
            fn $method(&self) -> &wire::$target {
                &self.$field
            }
        })+
    };
}

names! { NamesPool pool pool StoragePoolRef:
    StoragePoolBuildArgs StoragePoolUndefineArgs StoragePoolCreateArgs StoragePoolDestroyArgs
    StoragePoolDeleteArgs StoragePoolRefreshArgs StoragePoolGetXmlDescArgs StoragePoolGetInfoArgs
    StoragePoolGetAutostartArgs StoragePoolSetAutostartArgs StoragePoolNumOfVolumesArgs
    StoragePoolListVolumesArgs StorageVolLookupByNameArgs StorageVolCreateXmlArgs
    StorageVolCreateXmlFromArgs StoragePoolIsActiveArgs StoragePoolIsPersistentArgs
    StoragePoolListAllVolumesArgs
}

names! { NamesVolume volume vol StorageVolRef:
    StoragePoolLookupByVolumeArgs StorageVolDeleteArgs StorageVolWipeArgs StorageVolWipePatternArgs
    StorageVolGetXmlDescArgs StorageVolGetInfoArgs StorageVolGetInfoFlagsArgs StorageVolGetPathArgs
    StorageVolResizeArgs StorageVolUploadArgs StorageVolDownloadArgs
}

/// The pool that a call names.
#[derive(Debug)]
pub struct Named(pub Arc<Pool>);

impl<P: Procedure> Find<P> for Named
where
    P::Args: NamesPool,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        let named = args.pool();
        let found = daemon.engine.pools().by_uuid(named.uuid);
        found.map(Named).map_err(|error| error.with_suffix(&format!(" ({})", named.name)))
    }
}

/// The volume that a call names, with its pool.
#[derive(Debug)]
pub struct NamedVolume {
    pool: Arc<Pool>,
    volume: Arc<Volume>,
}

impl NamedVolume {
    fn of(daemon: &Daemon, named: &wire::StorageVolRef) -> Result<Self> {
        let pool = daemon.engine.pools().by_name(&named.pool)?;
        let volume = pool.volume(&named.name)?;
        Ok(NamedVolume { pool, volume })
    }
}

impl<P: Procedure> Find<P> for NamedVolume
where
    P::Args: NamesVolume,
{
    fn find(daemon: &Daemon, _session: &Session, args: &P::Args) -> Result<Self> {
        NamedVolume::of(daemon, args.volume())
    }
}

/// How a client is told which pool it is.
fn reference(pool: &Pool) -> wire::StoragePoolRef {
    wire::StoragePoolRef { name: pool.name().to_owned(), uuid: pool.uuid() }
}

/// How a client is told which volume it is.
fn volume_reference(pool: &Pool, volume: &Volume) -> wire::StorageVolRef {
    let key = volume.key.clone().unwrap_or_default();
    wire::StorageVolRef { pool: pool.name().to_owned(), name: volume.name.clone(), key }
}

/// The refusal of what cannot be done with storage here.
fn unsupported(detail: impl Into<String>) -> Error {
    Error::new(Code::NoSupport, Origin::Storage, detail)
}
