//! Whether a guest is started with the daemon.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use ostler_base::{Error, Result, refuse};

use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::files;

impl Engine {
    /// Marks a guest to be started with the daemon, or takes the mark away.
    pub async fn set_autostart(&self, guest: &Arc<Guest>, wanted: bool) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainSetAutostart").await?;
        let view = guest.view();
        if !view.persistent {
            refuse!(operation_invalid, "cannot set autostart for transient domain");
        }
        if view.autostart == wanted {
            return Ok(());
        }
        let link = self.paths().autostart(&view.name);
        let target = self.paths().definition(&view.name);
        let directory = self.paths().autostarts();
        blocking(move || {
            if !wanted {
                return files::remove(&link);
            }
            files::make_directory(&directory, 0o700)?;
            match std::os::unix::fs::symlink(&target, &link) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(&link)
                    .and_then(|()| std::os::unix::fs::symlink(&target, &link))
                    .map_err(|error| unlinked(&link, &target, &error)),
                made => made.map_err(|error| unlinked(&link, &target, &error)),
            }
        })
        .await?;
        guest.update(|state| state.view.autostart = wanted);
        Ok(())
    }
}

fn unlinked(link: &std::path::Path, target: &std::path::Path, error: &std::io::Error) -> Error {
    let words = format!("Failed to create symlink '{}' to", link.display());
    files::failed(&words, target, error)
}
