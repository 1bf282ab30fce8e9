//! Whether a guest is started with the daemon.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use ostler_base::{Error, Result, refuse};

use super::pump::Cache;
use super::start::{Processors, Saved};
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::files;

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Often {
    /// Each time.
    Always,
    /// With the host's next start only.
    Once,
}

impl Engine {
    /// Marks a guest to be started with the daemon, or takes the mark away.
    pub async fn set_autostart(&self, guest: &Arc<Guest>, wanted: bool, often: Often) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetAutostart").await?;
        let view = guest.view();
        if !view.persistent {
            refuse!(operation_invalid, "cannot set autostart for transient domain");
        }
        let (mark, is) = match often {
            Often::Always => (self.paths().autostart(&view.name), view.autostart),
            Often::Once => (self.paths().autostart_once(&view.name), view.autostart_once),
        };
        if is == wanted {
            return Ok(());
        }
        let target = self.paths().definition(&view.name);
        let directory = self.paths().autostarts();
        blocking(move || {
            if !wanted {
                return files::remove(&mark);
            }
            files::make_directory(&directory, 0o700)?;
            link(&mark, &target)
        })
        .await?;
        guest.update(|state| match often {
            Often::Always => state.view.autostart = wanted,
            Often::Once => state.view.autostart_once = wanted,
        });
        Ok(())
    }

    /// Starts every network and storage pool and then every guest that is marked to start with the daemon, guests side
    /// by side.
    pub async fn autostart(&self) {
        let (networks, pools) = (self.networks().clone(), self.pools().clone());
        // What fails is logged.
        let _ = blocking(move || {
            networks.autostart();
            pools.autostart();
            Ok(())
        })
        .await;
        let mut starts = tokio::task::JoinSet::new();
        for guest in self.registry().all() {
            let view = guest.view();
            if (view.autostart || view.autostart_once) && !view.is_active() {
                let engine = self.clone();
                starts.spawn(async move {
                    let started = engine.start(&guest, Processors::Run, Saved::Take(Cache::Keep)).await;
                    if let Err(error) = started {
                        tracing::error!(name = %guest.view().name, %error, "cannot start a guest with the daemon");
                    }
                    if guest.view().autostart_once
                        && let Err(error) = engine.set_autostart(&guest, false, Often::Once).await
                    {
                        tracing::error!(name = %guest.view().name, %error, "a guest will start once more");
                    }
                });
            }
        }
        while starts.join_next().await.is_some() {}
    }
}

/// Makes a link, in place of one that may be there.
pub(super) fn link(link: &Path, target: &Path) -> Result<()> {
    use std::os::unix::fs::symlink;
    let made = match symlink(target, link) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(link).and_then(|()| symlink(target, link))
        }
        made => made,
    };
    made.map_err(|error| unlinked(link, target, &error))
}

fn unlinked(link: &Path, target: &Path, error: &std::io::Error) -> Error {
    let words = format!("Failed to create symlink '{}' to", link.display());
    files::failed(&words, target, error)
}
