//! Images that are made and opened by the emulator of a running guest.
//!
//! Owns: the order of steps, and what takes them back. Never: decides where an image lies.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Result, refuse};
use ostler_domain::blocks::{Image, NodeNames, PassedAccess, Place, Surroundings, create, surgery};
use ostler_plan::Props;
use ostler_qmp::Monitor;

use super::command;
use crate::domain::Guest;
use crate::engine::{Engine, blocking};
use crate::files;

/// What an image is made like.
pub(crate) struct Wanted<'w> {
    /// The image; its nodes are named. Learns of the descriptors that are passed for it.
    pub image: &'w mut Image,
    /// What the disk says of it.
    pub around: Surroundings,
    /// The image that its header names below it.
    pub named_below: Option<&'w Image>,
    /// The node below it.
    pub node_below: Option<&'w str>,
    /// Whether it is there already.
    pub existing: bool,
    /// Bytes that the guest sees.
    pub capacity: u64,
}

/// What was done for an image, to be taken back.
#[derive(Debug, Default)]
pub(crate) struct Made {
    nodes: Vec<String>,
    set: Option<u32>,
    file: Option<PathBuf>,
}

impl Made {
    /// Takes everything back; what fails is logged.
    pub(crate) async fn undo(self, guest: &Arc<Guest>, monitor: &Monitor) {
        remove_nodes(guest, monitor, self.nodes.into_iter().rev().collect()).await;
        if let Some(set) = self.set {
            remove_set(guest, monitor, set).await;
        }
        if let Some(path) = self.file {
            let removed = blocking(move || files::remove(&path)).await;
            if let Err(error) = removed {
                tracing::warn!(%error, "an image is left");
            }
        }
    }
}

/// Removes block nodes, in this order; what fails is logged.
pub(crate) async fn remove_nodes(guest: &Arc<Guest>, monitor: &Monitor, nodes: Vec<String>) {
    for node in nodes {
        if let Err(error) = command(guest, monitor, "blockdev-del", Some(json!({"node-name": node}))).await {
            tracing::warn!(%error, node, "a block node is left");
        }
    }
}

async fn remove_set(guest: &Arc<Guest>, monitor: &Monitor, set: u32) {
    if let Err(error) = command(guest, monitor, "remove-fd", Some(json!({"fdset-id": set}))).await {
        tracing::warn!(%error, set, "descriptors are left");
    }
}

/// Removes the nodes of images and the descriptors that were passed for them; what fails is logged.
pub(crate) async fn drop_images(guest: &Arc<Guest>, monitor: &Monitor, images: &[Image]) {
    remove_nodes(guest, monitor, images.iter().flat_map(Image::node_list).collect()).await;
    for set in images.iter().filter_map(|image| image.run.as_ref()?.fdset) {
        remove_set(guest, monitor, set).await;
    }
}

/// Opens an image of this host and passes it: the emulator itself reaches only what its guest was
/// started with. One descriptor for both reading and writing: with two, its locks on one would keep it
/// from the other.
async fn pass(guest: &Arc<Guest>, monitor: &Monitor, path: &str, set: u32) -> Result<()> {
    let place = PathBuf::from(path);
    let opened = blocking(move || -> Result<OwnedFd> {
        let file = File::options().read(true).write(true).open(&place);
        Ok(file.map_err(|error| files::failed("cannot open image", &place, &error))?.into())
    });
    let passed = monitor.command_with_fds("add-fd", Some(json!({"fdset-id": set})), vec![opened.await?]);
    passed.await.map(drop).map_err(|error| error.of_guest(&guest.view().name))
}

/// A number for a set of descriptors.
fn take_set(guest: &Guest) -> u32 {
    guest.update(|state| match &mut state.record {
        Some(record) => {
            record.last_fdset = record.last_fdset.saturating_add(1);
            record.last_fdset
        }
        None => u32::MAX,
    })
}

impl Engine {
    /// Makes an image, unless it is there, and adds its nodes to the emulator.
    pub(crate) async fn make_image(
        &self,
        guest: &Arc<Guest>,
        monitor: &Monitor,
        wanted: &mut Wanted<'_>,
    ) -> Result<Made> {
        let mut made = Made::default();
        match self.make_steps(guest, monitor, wanted, &mut made).await {
            Ok(()) => Ok(made),
            Err(error) => {
                made.undo(guest, monitor).await;
                Err(error)
            }
        }
    }

    async fn make_steps(
        &self,
        guest: &Arc<Guest>,
        monitor: &Monitor,
        wanted: &mut Wanted<'_>,
        made: &mut Made,
    ) -> Result<()> {
        let size = if wanted.image.is_raw() { wanted.capacity } else { 0 };
        if !wanted.existing {
            made.file = self.make_file(wanted.image, size).await?;
        }
        if let Some(path) = wanted.image.local_path().map(str::to_owned) {
            let set = take_set(guest);
            made.set = Some(set);
            pass(guest, monitor, &path, set).await?;
            wanted.image.run.get_or_insert_default().fdset = Some(set);
            wanted.around.fd = Some(PassedAccess { single: true, writable: false });
        }
        let image = &*wanted.image;
        let names = NodeNames::of(image);
        if !wanted.existing
            && image.local_path().is_none()
            && let Some(options) = create::storage_options(image, size)?
        {
            run_create(guest, monitor, &names.storage, options).await?;
        }
        for props in surgery::layers(image, &wanted.around, wanted.node_below)? {
            let node = props.text("node-name").unwrap_or_default().to_owned();
            if node == names.format && !wanted.existing {
                let options = create::format_options(image, wanted.named_below, &names, wanted.capacity)?;
                if let Some(options) = options {
                    run_create(guest, monitor, &names.format, options).await?;
                }
            }
            command(guest, monitor, "blockdev-add", Some(props.to_json())).await?;
            made.nodes.push(node);
        }
        Ok(())
    }

    /// Makes a file of so many bytes for an image that is one; its path, where there was none before.
    async fn make_file(&self, image: &Image, size: u64) -> Result<Option<PathBuf>> {
        let Place::File(Some(path)) = image.actual() else { return Ok(None) };
        let (path, owner) = (PathBuf::from(path), self.config().owner);
        blocking(move || {
            let made = create_file(&path, size)?;
            if let Some(owner) = owner.filter(|_| made) {
                chown(&path, Some(owner.uid), Some(owner.gid))
                    .map_err(|error| files::failed("cannot give away", &path, &error))?;
            }
            Ok(made.then_some(path))
        })
        .await
    }
}

/// Whether the file had to be made. One that is there and has content is left alone.
fn create_file(path: &Path, size: u64) -> Result<bool> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => match file.set_len(size) {
            Ok(()) => Ok(true),
            Err(error) => {
                files::remove(path)?;
                Err(files::failed("cannot make image of its size", path, &error))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let metadata = path.metadata().map_err(|error| files::failed("cannot access", path, &error))?;
            if metadata.is_file() && metadata.len() != 0 {
                let path = path.display();
                refuse!(
                    unsupported,
                    "external snapshot file for disk already exists and is not a block device: {path}"
                );
            }
            Ok(false)
        }
        Err(error) => Err(files::failed("failed to create image file", path, &error)),
    }
}

/// Has the emulator make something, and waits until it is done.
async fn run_create(guest: &Arc<Guest>, monitor: &Monitor, node: &str, options: Props) -> Result<()> {
    let name = format!("create-{node}");
    let arguments = json!({"job-id": name, "options": options.to_json()});
    run_job(guest, monitor, &name, "blockdev-create", arguments).await
}

/// Starts a job and waits until it has ended.
pub(crate) async fn run_job(
    guest: &Arc<Guest>,
    monitor: &Monitor,
    name: &str,
    verb: &str,
    arguments: ostler_base::Json,
) -> Result<()> {
    let mut states = guest.block_jobs.follow(name);
    let started = command(guest, monitor, verb, Some(arguments)).await;
    let ended = match started {
        Ok(_) => states.wait_for(|state| state == "concluded").await.map(drop).map_err(|_| gone()),
        Err(error) => Err(error),
    };
    guest.block_jobs.forget(name);
    ended?;
    let error = super::follow::error_of(guest, monitor, name).await?;
    command(guest, monitor, "job-dismiss", Some(json!({"id": name}))).await?;
    match error {
        None => Ok(()),
        Some(words) => Err(Error::internal(format!("internal job '{name}' failed: {words}"))),
    }
}

/// The error for a guest that ended while something was done with it.
pub(crate) fn gone() -> Error {
    Error::operation_failed("the guest ended meanwhile")
}
