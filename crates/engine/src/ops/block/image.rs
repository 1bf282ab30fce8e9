//! Images that are made and opened by the emulator of a running guest.
//!
//! Owns: the order of steps, and what takes them back. Never: decides where an image lies.

use std::fs::File;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostler_base::json::json;
use ostler_base::{Error, Result, refuse};
use ostler_domain::blocks::{Image, NodeNames, Place, Surroundings, create, surgery};
use ostler_plan::Props;
use ostler_qmp::Monitor;

use super::command;
use crate::domain::Guest;
use crate::engine::{Engine, blocking};
use crate::files;

/// What an image is made like.
pub(crate) struct Wanted<'w> {
    /// The image; its nodes are named.
    pub image: &'w Image,
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
    file: Option<PathBuf>,
}

impl Made {
    /// Takes everything back; what fails is logged.
    pub(crate) async fn undo(self, guest: &Arc<Guest>, monitor: &Monitor) {
        remove_nodes(guest, monitor, self.nodes.into_iter().rev().collect()).await;
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

impl Engine {
    /// Makes an image, unless it is there, and adds its nodes to the emulator.
    pub(crate) async fn make_image(
        &self,
        guest: &Arc<Guest>,
        monitor: &Monitor,
        wanted: &Wanted<'_>,
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
        wanted: &Wanted<'_>,
        made: &mut Made,
    ) -> Result<()> {
        let image = wanted.image;
        let names = NodeNames::of(image);
        if !wanted.existing {
            made.file = self.make_file(image).await?;
            let size = if image.is_raw() { wanted.capacity } else { 0 };
            if let Some(options) = create::storage_options(image, size)? {
                run_create(guest, monitor, &names.storage, options).await?;
            }
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

    /// Makes an empty file for an image that is one; its path, where there was none before.
    async fn make_file(&self, image: &Image) -> Result<Option<PathBuf>> {
        let Place::File(Some(path)) = image.actual() else { return Ok(None) };
        let (path, owner) = (PathBuf::from(path), self.config().owner);
        blocking(move || {
            let made = create_empty(&path)?;
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
fn create_empty(path: &Path) -> Result<bool> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
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
