//! Volumes of the fake host's pools.
//!
//! Owns: the rule by which names of volumes say what they are. Never: a rule of disks.

use std::path::Path;

use ostler_base::{Code, Error, Origin, Result, Uuid, Word};
use ostler_plan::{Answer, VolumePlace};
use ostler_pools::ReadMode;
use ostler_pools::storage::Pool;

use crate::Args;
use crate::args::read;

/// Where a volume lies: a pool is the file of its name, the pool `inactive` is not active, and a
/// volume named `TYPE+NAME` has that type, others are block devices.
pub(crate) fn find(args: &Args, pool: &str, volume: &str) -> Result<Answer> {
    let failed = |code, detail: String| Ok(Answer::Failed(Error::new(code, Origin::Storage, detail)));
    if pool == "inactive" {
        return failed(Code::OperationInvalid, format!("storage pool '{pool}' is not active"));
    }
    let path = args.fake_host()?.join("storage-pools").join(format!("{pool}.xml"));
    if !Path::new(&path).is_file() {
        return failed(Code::NoStoragePool, format!("no storage pool with matching name '{pool}'"));
    }
    if volume == "nonexistent" {
        return failed(Code::NoStorageVol, format!("no storage vol with matching name '{volume}'"));
    }
    let pool = Pool::parse(&read(&path.to_string_lossy())?, &ReadMode::new(Uuid::default()))?;
    let (kind, name) = match volume.split_once('+') {
        Some((kind, name)) => (kind, name),
        None => ("block", volume),
    };
    let source = &pool.source;
    Ok(Answer::Volume(VolumePlace {
        kind: kind.to_owned(),
        path: format!("/some/{kind}/device/{}", name.trim_start_matches('/')),
        pool_kind: pool.kind.as_str().to_owned(),
        host: source.hosts.first().map(|host| (host.name.clone(), host.port.map(u32::from))),
        device: source.devices.first().map(|device| device.path.clone()),
        login: None,
        initiator: source.initiator.clone(),
    }))
}
