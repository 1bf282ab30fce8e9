//! Looking for what is in a pool: its sizes and its volumes.
//!
//! Owns: what a file in the directory of a pool is. Never: follows a link out of it for writing, or
//! believes more of an image than its header says.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_pools::storage::kinds::{FileFormat, VolumeType};
use ostler_pools::storage::pool::RefreshAllocation;
use ostler_pools::storage::probe::{LOOKED_AT, Probed, probe};
use ostler_pools::storage::volume::{Timestamps, Volume, VolumeFile, VolumeFormat};
use ostler_pools::storage::{Permissions, Pool as Model};

use super::{Inner, View, failed};

/// Bytes of a block as the kernel counts them.
const BLOCK: u64 = 512;

impl Inner {
    /// Makes the view of a pool that runs by `model`: what is there now.
    pub(super) fn refresh(&self, view: &mut View, mut model: Model) -> Result<()> {
        let Some(target) = model.target.as_mut() else {
            let detail = format!("storage pool '{}' has no target", model.name);
            return Err(Error::new(Code::InternalError, Origin::Storage, detail));
        };
        let directory = target.path.clone();
        let open = |error: &std::io::Error| failed("cannot open path", &directory, error);
        let about = fs::metadata(&directory).map_err(|error| open(&error))?;
        target.permissions = permissions(&about);
        let rule = model.refresh;
        let volumes = scan(Path::new(&directory), &view.volumes, rule).map_err(|error| open(&error))?;
        let space = rustix::fs::statvfs(Path::new(&directory))
            .map_err(|error| failed("cannot statvfs path", &directory, &error.into()))?;
        model.capacity = space.f_blocks.saturating_mul(space.f_frsize);
        model.available = space.f_bavail.saturating_mul(space.f_frsize);
        model.allocation = model.capacity.saturating_sub(model.available);
        view.live = Some(Arc::new(model));
        view.volumes = Arc::new(volumes);
        Ok(())
    }
}

type Volumes = BTreeMap<String, Arc<Volume>>;

/// The volumes of a directory. One that has not changed since it was last seen is not looked into again.
fn scan(directory: &Path, known: &Volumes, rule: Option<RefreshAllocation>) -> std::io::Result<Volumes> {
    let mut volumes = BTreeMap::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.chars().any(char::is_control) {
            continue;
        }
        let path = entry.path();
        // A link counts as what it leads to; one that leads nowhere is no volume.
        let Ok(about) = fs::metadata(&path) else { continue };
        let same = known.get(&name).filter(|volume| volume.target.timestamps == Some(timestamps(&about)));
        let volume = match same {
            Some(volume) if volume.physical == Some(physical(&about)) => Some(Arc::clone(volume)),
            _ => look(&name, &path, &about, rule).map(Arc::new),
        };
        volumes.extend(volume.map(|volume| (name, volume)));
    }
    Ok(volumes)
}

/// The volume that a path is; `None` for what cannot be one.
pub(super) fn volume_at(name: &str, path: &Path) -> Result<Volume> {
    let shown = path.to_string_lossy().into_owned();
    let about = fs::metadata(path).map_err(|error| failed("cannot stat file", &shown, &error))?;
    look(name, path, &about, None).ok_or_else(|| {
        let detail = format!("'{shown}' cannot be a storage volume");
        Error::new(Code::InternalError, Origin::Storage, detail)
    })
}

fn look(name: &str, path: &Path, about: &Metadata, rule: Option<RefreshAllocation>) -> Option<Volume> {
    let kind = about.file_type();
    let kind = match () {
        () if kind.is_file() => VolumeType::File,
        () if kind.is_dir() => VolumeType::Dir,
        () if kind.is_block_device() => VolumeType::Block,
        () => return None,
    };
    let shown = path.to_string_lossy().into_owned();
    let mut volume = Volume {
        name: name.to_owned(),
        key: Some(shown.clone()),
        kind,
        extents: Vec::new(),
        capacity: about.len(),
        allocation: about.blocks().saturating_mul(BLOCK),
        allocation_given: true,
        physical: Some(physical(about)),
        target: VolumeFile {
            path: Some(shown),
            format: Some(VolumeFormat::File(if kind == VolumeType::Dir {
                FileFormat::Dir
            } else {
                FileFormat::Raw
            })),
            permissions: permissions(about),
            timestamps: Some(timestamps(about)),
            ..VolumeFile::default()
        },
        nocow: false,
        backing: None,
    };
    if kind == VolumeType::File {
        match first_bytes(path) {
            Ok(bytes) => describe(&mut volume, probe(&bytes), path),
            // What cannot be read is there all the same.
            Err(error) => tracing::debug!(path = %path.display(), %error, "cannot look into a volume"),
        }
    }
    if rule == Some(RefreshAllocation::Capacity) {
        volume.allocation = volume.capacity;
    }
    Some(volume)
}

fn first_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    file.take(u64::try_from(LOOKED_AT).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the header of an image adds.
fn describe(volume: &mut Volume, probed: Probed, path: &Path) {
    volume.capacity = probed.capacity.unwrap_or(volume.capacity);
    volume.target.format = Some(VolumeFormat::File(probed.format));
    volume.target.compat = probed.compat.map(str::to_owned);
    volume.target.cluster_size = probed.cluster_size;
    if probed.format == FileFormat::Qcow2 {
        volume.target.features = Some(probed.features);
    }
    let Some(backing) = probed.backing else { return };
    // A name without a slash at its beginning counts from the image's own directory.
    let whole = path.parent().map_or_else(|| backing.clone().into(), |parent| parent.join(&backing));
    let about = fs::metadata(&whole).ok();
    volume.backing = Some(VolumeFile {
        path: Some(whole.to_string_lossy().into_owned()),
        format: Some(VolumeFormat::File(probed.backing_format.unwrap_or(FileFormat::Raw))),
        permissions: about.as_ref().map(permissions).unwrap_or_default(),
        timestamps: about.as_ref().map(timestamps),
        ..VolumeFile::default()
    });
}

fn physical(about: &Metadata) -> u64 {
    about.len()
}

fn permissions(about: &Metadata) -> Permissions {
    Permissions {
        mode: Some(about.mode() & 0o777),
        owner: Some(about.uid()),
        group: Some(about.gid()),
        label: None,
    }
}

fn timestamps(about: &Metadata) -> Timestamps {
    let part = |nanoseconds: i64| u32::try_from(nanoseconds).unwrap_or_default();
    let born = about.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Timestamps {
        atime: (about.atime(), part(about.atime_nsec())),
        mtime: (about.mtime(), part(about.mtime_nsec())),
        ctime: (about.ctime(), part(about.ctime_nsec())),
        btime: born
            .map_or((0, 0), |born| (i64::try_from(born.as_secs()).unwrap_or_default(), born.subsec_nanos())),
    }
}
