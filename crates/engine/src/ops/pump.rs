//! Between a file and an emulator: the state of a saved guest on its way, packed or not.
//!
//! Owns: the bytes on their way. Never: hands a file itself to an emulator, or blocks where the
//! emulator does: whoever waits for a pump may drop it at any moment.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use ostler_base::{Error, Result};
use rustix::fs::{Advice, fadvise};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Command;

use crate::engine::blocking;
use crate::files;
use crate::image::Packing;

/// How much is moved at once, bytes.
const CHUNK: usize = 1 << 20;

/// Whether what passes through the host's page cache stays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// It may.
    Keep,
    /// It is written out and dropped.
    Bypass,
}

/// A pipe: the end to read from, the end to write to.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|error| {
        Error::system(format!("Unable to create pipe: {}", std::io::Error::from(error).kind()))
    })
}

fn nonblocking(fd: &OwnedFd) -> std::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?)
}

/// Moves everything from a pipe into a file, from where the file stands; ends with the pipe.
pub(crate) async fn into_file(
    source: OwnedFd,
    file: File,
    path: &Path,
    packing: Packing,
    cache: Cache,
) -> Result<()> {
    let failed = |error: std::io::Error| files::failed("unable to write", path, &error);
    if let Some(program) = packing.program() {
        let output = file.try_clone().map_err(failed)?;
        run(Command::new(program).arg("-c").stdin(source).stdout(output), program).await?;
        return sync(file, path, cache).await;
    }
    nonblocking(&source).map_err(failed)?;
    let mut source = pipe::Receiver::from_owned_fd(source).map_err(failed)?;
    let file = Arc::new(file);
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        while chunk.len() < CHUNK && source.read_buf(&mut chunk).await.map_err(failed)? > 0 {}
        if chunk.is_empty() {
            break;
        }
        let (target, place) = (Arc::clone(&file), path.to_owned());
        chunk = blocking(move || {
            (&*target).write_all(&chunk).map_err(|error| files::failed("unable to write", &place, &error))?;
            chunk.clear();
            Ok(chunk)
        })
        .await?;
    }
    drop(source);
    match Arc::try_unwrap(file) {
        Ok(file) => sync(file, path, cache).await,
        Err(_) => Err(Error::internal("a file is still in use")),
    }
}

async fn sync(file: File, path: &Path, cache: Cache) -> Result<()> {
    let path = path.to_owned();
    blocking(move || {
        file.sync_data().map_err(|error| files::failed("unable to write", &path, &error))?;
        if cache == Cache::Bypass {
            // Only a wish: what stays in the cache does no harm.
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
        Ok(())
    })
    .await
}

/// Moves everything from where a file stands into a pipe.
pub(crate) async fn from_file(
    file: File,
    path: &Path,
    target: OwnedFd,
    packing: Packing,
    cache: Cache,
) -> Result<()> {
    let failed = |error: std::io::Error| files::failed("unable to read", path, &error);
    if let Some(program) = packing.program() {
        return run(Command::new(program).args(["-d", "-c"]).stdin(file).stdout(target), program).await;
    }
    nonblocking(&target).map_err(failed)?;
    let mut target = pipe::Sender::from_owned_fd(target).map_err(failed)?;
    let file = Arc::new(file);
    let mut chunk = vec![0; CHUNK];
    loop {
        let (source, place) = (Arc::clone(&file), path.to_owned());
        let (bytes, length) = blocking(move || {
            let length =
                (&*source).read(&mut chunk).map_err(|e| files::failed("unable to read", &place, &e))?;
            Ok((chunk, length))
        })
        .await?;
        chunk = bytes;
        if length == 0 {
            break;
        }
        target.write_all(chunk.get(..length).unwrap_or_default()).await.map_err(failed)?;
    }
    if cache == Cache::Bypass {
        let _ = fadvise(file.as_fd(), 0, None, Advice::DontNeed);
    }
    Ok(())
}

async fn run(command: &mut Command, program: &str) -> Result<()> {
    let unable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::operation_failed(format!(
            "Compression program for image format '{program}' isn't available"
        )),
        _ => Error::system(format!("cannot run {program}: {error}")),
    };
    let child =
        command.env("LC_ALL", "C").stderr(Stdio::piped()).kill_on_drop(true).spawn().map_err(unable)?;
    // Our copies of its ends would keep the pipe open.
    drop(std::mem::replace(command, Command::new(program)));
    let output = child.wait_with_output().await.map_err(unable)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(Error::internal(format!("{program} failed ({}): {said}", output.status)))
}
