//! Disks whose image is a volume of a pool.
//!
//! Owns: what a volume is, from what its pool says. Never: asks a pool.

use ostler_base::{Error, Result, Uuid, refuse};
use ostler_plan::{Facts, Query, VolumePlace};
use ostler_vocab::secret_lookup::SecretLookup;
use ostler_vocab::storage_auth::StorageAuth;

use super::network::{ImageHost, NetworkImage};
use super::place::{Place, Protocol, VolumeMode};
use crate::Draft;

/// Asks where volumes lie.
pub(crate) fn ask_volumes(draft: &Draft, out: &mut Vec<Query>) {
    for image in draft.devices.disks.iter().flat_map(|disk| disk.image.all()) {
        if let Place::Volume { pool, volume, found: None, .. } = &image.place {
            out.push(Query::Volume(pool.clone(), volume.clone()));
        }
    }
}

/// Says of volumes where they lie. Those that may be missing and are become empty drives, or are left out.
pub(crate) fn resolve_volumes(draft: &mut Draft, facts: &Facts) -> Result<()> {
    let mut dropped = Vec::new();
    for (nth, disk) in draft.devices.disks.iter_mut().enumerate() {
        let optional = disk.image.startup_policy == Some(super::StartupPolicy::Optional);
        let mut failed = None;
        disk.image.for_each(&mut |image| {
            let Place::Volume { pool, volume, mode, found: found @ None } = &mut image.place else { return };
            let said = facts.volume(pool, volume);
            match said.and_then(|said| Ok((said, locate(said, volume, *mode)?))) {
                Ok((said, place)) => {
                    if matches!(place, Place::Network(_)) {
                        image.auth = said.login.as_ref().map(login);
                    }
                    *found = Some(Box::new(place));
                }
                Err(error) => failed = Some(error),
            }
        });
        match failed {
            Some(_) if optional && disk.has_media_to_change() => disk.image.place = Place::File(None),
            Some(_) if optional => dropped.push(nth),
            Some(error) => return Err(error),
            None => {}
        }
    }
    for nth in dropped.into_iter().rev() {
        draft.devices.disks.remove(nth);
    }
    Ok(())
}

/// Who logs in to the server of a pool.
fn login((user, lookup): &(String, String)) -> StorageAuth {
    let secret = match lookup.split_once(':') {
        Some(("uuid", text)) => SecretLookup::Uuid(Uuid::parse(text).unwrap_or_default()),
        Some((_, usage)) => SecretLookup::Usage(usage.to_owned()),
        None => SecretLookup::Usage(lookup.clone()),
    };
    StorageAuth { kind: None, username: user.clone(), secret_type: Some("iscsi".to_owned()), secret }
}

fn locate(place: &VolumePlace, volume: &str, mode: Option<VolumeMode>) -> Result<Place> {
    let iscsi = matches!(place.pool_kind.as_str(), "iscsi" | "iscsi-direct");
    if mode.is_some() && !iscsi {
        refuse!(xml, "disk source mode is only valid when storage pool is of iscsi type");
    }
    if place.pool_kind == "iscsi-direct" && mode == Some(VolumeMode::Host) {
        refuse!(xml, "'host' mode is not supported for storage pool of type 'iscsi-direct'");
    }
    let direct = place.pool_kind == "iscsi-direct" || mode == Some(VolumeMode::Direct);
    if iscsi && direct {
        return direct_iscsi(place, volume);
    }
    let path = Some(place.path.clone());
    Ok(match place.kind.as_str() {
        "file" => Place::File(path),
        "block" => Place::Block(path),
        "dir" => Place::Dir(path),
        other => refuse!(internal, "using '{other}' pools for backing 'volume' disks isn't yet supported"),
    })
}

/// The unit of a volume named `unit:A:B:C`, on the pool's own server.
fn direct_iscsi(place: &VolumePlace, volume: &str) -> Result<Place> {
    let unit = volume.strip_prefix("unit:").and_then(|rest| rest.rsplit(':').next());
    let unit = unit.and_then(|unit| unit.parse::<u32>().ok());
    let (Some(unit), Some(target), Some((host, port))) = (unit, &place.device, &place.host) else {
        return Err(Error::internal(format!("unexpected iscsi volume name '{volume}'")));
    };
    let mut network = NetworkImage {
        name: Some(format!("{target}/{unit}")),
        hosts: vec![ImageHost::tcp(host.clone(), *port)],
        initiator: place.initiator.clone(),
        ..NetworkImage::new(Protocol::Iscsi)
    };
    network.complete();
    Ok(Place::Network(Box::new(network)))
}
