//! Making, copying, changing and deleting volumes.
//!
//! Owns: that a volume is there whole or not at all, and that nobody takes one that is there already.
//! Never: asks an image which file it lies on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_host::Program;
use ostler_pools::Schema;
use ostler_pools::storage::image::{self, Preallocation, Request};
use ostler_pools::storage::kinds::{FileFormat, VolumeType};
use ostler_pools::storage::volume::VolumeFormat;
use ostler_pools::storage::{CapacityRule, Pool as Model};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::contents::copy_sparse;
use super::refresh::volume_at;
use super::{Pool, Pools, View, Volume, failed, invalid};
use crate::paths::is_file_name;

/// The permission bits of a new volume.
const MODE: u32 = 0o600;

/// Flags of a new volume: tables written at once, a light copy, strict reading.
pub const CREATE_VOLUME_FLAGS: u32 = 1 | 4;
/// Flags of a copy.
pub const CREATE_FROM_FLAGS: u32 = 1 | 2 | 4;
/// Flags of a change of size: take the space, by so much, smaller.
pub const RESIZE_FLAGS: u32 = 1 | 2 | 4;
/// Flags of a deletion: zeros first, with snapshots.
pub const DELETE_FLAGS: u32 = 1 | 2;

const PREALLOCATE: u32 = 1;
const VALIDATE: u32 = 4;
const ALLOCATE: u32 = 1;
const DELTA: u32 = 2;
const SHRINK: u32 = 4;

/// How many zeros are written at once.
const ZEROS: usize = 1 << 20;

fn refused(detail: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Origin::Storage, detail)
}

impl Pools {
    /// Makes a volume.
    pub fn create_volume(&self, pool: &Arc<Pool>, xml: &str, flags: u32) -> Result<Arc<Volume>> {
        self.make_volume(pool, xml, None, flags)
    }

    /// Makes a volume with the contents of another one.
    pub fn copy_volume(&self, pool: &Arc<Pool>, xml: &str, from: &Volume, flags: u32) -> Result<Arc<Volume>> {
        self.make_volume(pool, xml, Some(from), flags)
    }

    fn make_volume(
        &self,
        pool: &Arc<Pool>,
        xml: &str,
        from: Option<&Volume>,
        flags: u32,
    ) -> Result<Arc<Volume>> {
        let live = pool.live()?;
        let schema = if flags & VALIDATE != 0 { Schema::Strict } else { Schema::Lenient };
        let rule = if from.is_some() { CapacityRule::Free } else { CapacityRule::RequiredAlone };
        let mut volume = Volume::parse(xml, live.kind, rule, schema)?;
        let path = place(&live, &volume.name)?;
        if let Some(from) = from {
            volume.capacity = volume.capacity.max(from.capacity);
            if !volume.allocation_given {
                volume.allocation = from.allocation;
            }
        }
        complete_backing(&mut volume)?;
        volume.target.path = Some(path.to_string_lossy().into_owned());
        // The name is taken before the long work, which nobody has to wait for.
        let guard = Reserved::take(&path, &volume.name)?;
        write(&volume, from, flags, &path)?;
        own(&volume, &path)?;
        let made = Arc::new(volume_at(&volume.name, &path)?);
        guard.keep();
        pool.own(|view| add(view, &made));
        Ok(made)
    }

    /// Removes a volume.
    pub fn delete_volume(&self, pool: &Arc<Pool>, volume: &Volume) -> Result<()> {
        let path = path_of(volume)?;
        let removed = match volume.kind {
            VolumeType::Dir => fs::remove_dir(path),
            _ => fs::remove_file(path),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("cannot unlink file", path, &error));
            }
            _ => {}
        }
        pool.own(|view| {
            Arc::make_mut(&mut view.volumes).remove(&volume.name);
        });
        Ok(())
    }

    /// Looks at a volume again.
    pub fn refresh_volume(&self, pool: &Arc<Pool>, volume: &Volume) -> Result<Arc<Volume>> {
        let now = Arc::new(volume_at(&volume.name, Path::new(path_of(volume)?))?);
        pool.own(|view| add(view, &now));
        Ok(now)
    }

    /// Changes the size of a volume, in bytes.
    pub fn resize_volume(&self, pool: &Arc<Pool>, volume: &Volume, capacity: u64, flags: u32) -> Result<()> {
        let path = path_of(volume)?;
        let wanted = match (flags & DELTA != 0, flags & SHRINK != 0) {
            (false, _) => Some(capacity),
            (true, true) => volume.capacity.checked_sub(capacity),
            (true, false) => volume.capacity.checked_add(capacity),
        };
        let wanted = wanted.ok_or_else(|| refused("capacity is out of range"))?;
        let raw = volume.target.format == Some(VolumeFormat::File(FileFormat::Raw));
        if wanted < volume.allocation && flags & SHRINK == 0 {
            return Err(refused("can't shrink capacity below existing allocation"));
        }
        if wanted < volume.capacity && flags & SHRINK == 0 {
            return Err(refused(
                "Can't shrink capacity below current capacity unless shrink flag explicitly specified",
            ));
        }
        if raw {
            resize_raw(path, wanted, flags & ALLOCATE != 0)?;
        } else {
            let format = volume.target.format.map_or("raw", VolumeFormat::as_str);
            let mut words = vec!["resize".to_owned(), "-f".to_owned(), format.to_owned()];
            words.extend((flags & SHRINK != 0).then(|| "--shrink".to_owned()));
            words.extend((flags & ALLOCATE != 0).then(|| "--preallocation=falloc".to_owned()));
            words.extend([path.to_owned(), wanted.to_string()]);
            Program::new("qemu-img", words).run().map_err(|error| error.from_origin(Origin::Storage))?;
        }
        self.refresh_volume(pool, volume).map(drop)
    }

    /// Overwrites a volume with zeros.
    pub fn wipe_volume(&self, pool: &Arc<Pool>, volume: &Volume) -> Result<()> {
        let path = path_of(volume)?;
        let wipe = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).open(path)?;
            let about = file.metadata()?;
            let length = about.len();
            if about.blocks().saturating_mul(512) < length {
                // A sparse file gives its blocks back.
                file.set_len(0)?;
                file.set_len(length)?;
            } else {
                file.seek(SeekFrom::Start(0))?;
                let zeros = vec![0; ZEROS];
                let mut left = length;
                while left > 0 {
                    let part = usize::try_from(left).unwrap_or(ZEROS).min(ZEROS);
                    file.write_all(zeros.get(..part).unwrap_or_default())?;
                    left = left.saturating_sub(u64::try_from(part).unwrap_or(left));
                }
            }
            file.sync_all()
        };
        wipe().map_err(|error| failed("cannot wipe", path, &error))?;
        self.refresh_volume(pool, volume).map(drop)
    }
}

fn add(view: &mut View, volume: &Arc<Volume>) {
    if view.is_active() {
        Arc::make_mut(&mut view.volumes).insert(volume.name.clone(), Arc::clone(volume));
    }
}

/// The path of a volume.
pub(super) fn path_of(volume: &Volume) -> Result<&str> {
    volume
        .target
        .path
        .as_deref()
        .ok_or_else(|| invalid(format!("storage volume '{}' has no path", volume.name)))
}

/// Where a new volume of a pool lies.
fn place(pool: &Model, name: &str) -> Result<PathBuf> {
    if !is_file_name(name) {
        let detail = format!("volume name '{name}' cannot contain '/'");
        return Err(Error::new(Code::OperationFailed, Origin::Storage, detail));
    }
    let target = pool.target.as_ref().map(|target| Path::new(&target.path).join(name));
    target.ok_or_else(|| invalid(format!("storage pool '{}' has no target", pool.name)))
}

/// The file behind a new volume must be there; its size is that of a volume that says none.
fn complete_backing(volume: &mut Volume) -> Result<()> {
    let Some(backing) = &volume.backing else { return Ok(()) };
    let path = backing.path.clone().unwrap_or_default();
    if !Path::new(&path).exists() {
        let error = io::Error::from(io::ErrorKind::NotFound);
        return Err(failed("inaccessible backing store volume", &path, &error));
    }
    if volume.capacity == 0 {
        volume.capacity = volume_at(&volume.name, Path::new(&path))?.capacity;
    }
    Ok(())
}

/// A name in a directory that is ours until the volume is whole; it goes where it does not get so far.
struct Reserved<'a>(Option<&'a Path>);

impl<'a> Reserved<'a> {
    fn take(path: &'a Path, name: &str) -> Result<Self> {
        match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
            Ok(_) => Ok(Reserved(Some(path))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::new(Code::StorageVolExist, Origin::Storage, format!("'{name}'")))
            }
            Err(error) => Err(failed("cannot create path", &path.to_string_lossy(), &error)),
        }
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // What is not there need not go.
            let _ = fs::remove_file(path);
        }
    }
}

fn write(volume: &Volume, from: Option<&Volume>, flags: u32, path: &Path) -> Result<()> {
    let is_raw = |volume: &Volume| {
        volume.target.encryption.is_none()
            && matches!(volume.target.format, None | Some(VolumeFormat::File(FileFormat::Raw)))
    };
    if is_raw(volume) && from.is_none_or(is_raw) && flags & PREALLOCATE == 0 && volume.backing.is_none() {
        return raw(volume, from, path)
            .map_err(|error| failed("cannot create path", &path.to_string_lossy(), &error));
    }
    if volume.target.encryption.is_some() {
        let detail = "encrypted volumes cannot be made here";
        return Err(Error::new(Code::ConfigUnsupported, Origin::Storage, detail));
    }
    let preallocation = if flags & PREALLOCATE != 0 { Preallocation::Metadata } else { Preallocation::None };
    let request = Request { volume, input: from, preallocation, secret_file: "", input_secret_file: "" };
    for command in image::create(&request)? {
        Program::new(&command.program, command.args.iter().map(String::as_str))
            .run()
            .map_err(|error| error.from_origin(Origin::Storage))?;
    }
    Ok(())
}

fn raw(volume: &Volume, from: Option<&Volume>, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.set_len(volume.capacity)?;
    match from {
        Some(from) => {
            let source = File::open(from.target.path.as_deref().unwrap_or_default())?;
            copy_sparse(&source, &mut file)?;
        }
        None => take_space(&file, volume.allocation.min(volume.capacity))?,
    }
    file.sync_all()
}

/// Takes space; a file system that cannot do so ahead gets it when it is written.
fn take_space(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP) => {
            let zeros = vec![0; ZEROS];
            let mut at = 0;
            while at < length {
                let part = usize::try_from(length.saturating_sub(at)).unwrap_or(ZEROS).min(ZEROS);
                file.write_all_at(zeros.get(..part).unwrap_or_default(), at)?;
                at = at.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
            }
            Ok(())
        }
        other => Ok(other?),
    }
}

fn resize_raw(path: &str, length: u64, allocate: bool) -> Result<()> {
    let resize = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        if allocate { take_space(&file, length) } else { Ok(()) }
    };
    resize().map_err(|error| failed("Failed to truncate file", path, &error))
}

/// Gives a new volume the mode and the owner that it asks for.
fn own(volume: &Volume, path: &Path) -> Result<()> {
    let wanted = &volume.target.permissions;
    let fault = |what: &str, error: &io::Error| failed(what, &path.to_string_lossy(), error);
    if wanted.owner.is_some() || wanted.group.is_some() {
        std::os::unix::fs::chown(path, wanted.owner, wanted.group)
            .map_err(|error| fault("unable to chown", &error))?;
    }
    let mode = fs::Permissions::from_mode(wanted.mode.unwrap_or(MODE));
    fs::set_permissions(path, mode).map_err(|error| fault("cannot set mode of", &error))
}
