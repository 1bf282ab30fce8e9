//! The command that starts a pool.
//!
//! Owns: what is mounted or activated, and how. Never: runs it.

use ostler_base::{Error, Origin, Result};

use super::kinds::PoolType;
use super::pool::Pool;
use crate::Command;

/// Options of every mount: a pool holds images, nothing else.
const SAFE: &str = "nodev,nosuid,noexec";

/// The command that makes a pool's volumes appear. Refuses kinds of pools that need none.
pub fn start(pool: &Pool) -> Result<Command> {
    match pool.kind {
        PoolType::Fs | PoolType::Netfs => mount(pool),
        PoolType::Logical => Ok(Command::new("vgchange", ["-aly", pool.source_name()])),
        kind => {
            let words = format!("pool type '{kind}' does not need a command to start");
            Err(Error::internal(words).from_origin(Origin::Storage))
        }
    }
}

/// The command that takes them away again. Refuses kinds of pools that need none.
pub fn stop(pool: &Pool) -> Result<Command> {
    match (pool.kind, &pool.target) {
        (PoolType::Fs | PoolType::Netfs, Some(target)) => Ok(Command::new("umount", [&target.path])),
        (PoolType::Logical, _) => Ok(Command::new("vgchange", ["-aln", pool.source_name()])),
        (kind, _) => {
            let words = format!("pool type '{kind}' does not need a command to stop");
            Err(Error::internal(words).from_origin(Origin::Storage))
        }
    }
}

fn mount(pool: &Pool) -> Result<Command> {
    let format = pool.source.format.unwrap_or("auto");
    let missing =
        |what: &str| Error::xml(format!("missing storage pool {what}")).from_origin(Origin::Storage);
    let source = match pool.kind {
        PoolType::Netfs => {
            let host = pool.source.hosts.first().ok_or_else(|| missing("source host name"))?;
            let dir = pool.source.dir.as_deref().ok_or_else(|| missing("source path"))?;
            match format {
                "cifs" => format!("//{}/{dir}", host.name),
                _ => format!("{}:{dir}", host.name),
            }
        }
        _ => pool.source.devices.first().ok_or_else(|| missing("source device name"))?.path.clone(),
    };
    let target = pool.target.as_ref().ok_or_else(|| missing("target path"))?;
    let mut options = vec![SAFE.to_owned()];
    match (pool.kind, format) {
        (PoolType::Netfs, "glusterfs") => options.push("direct-io-mode=1".to_owned()),
        (PoolType::Netfs, "cifs") => options.push("guest".to_owned()),
        (PoolType::Netfs, _) => {
            options.extend(pool.source.protocol_ver.iter().map(|version| format!("nfsvers={version}")));
        }
        _ => {}
    }
    options.extend(pool.options.mount.iter().cloned());
    let mut command = Command::new("mount", ["-o", &options.join(",")]);
    if format != "auto" {
        command.extend(["-t", format]);
    }
    command.extend([source, target.path.clone()]);
    Ok(command)
}
