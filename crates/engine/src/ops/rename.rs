//! Another name for a guest.
//!
//! Owns: every file that goes by the name. Never: renames a guest that runs.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_base::{Error, Origin, Result, refuse};

use super::autostart;
use crate::domain::view::Definition;
use crate::domain::{Guest, Job};
use crate::engine::{Engine, blocking};
use crate::events::{Defined, Lifecycle, Undefined, What};
use crate::files;

fn check(name: &str) -> Result<()> {
    match name.chars().find(|c| matches!(c, '/' | '\n')) {
        Some('\n') => Err(Error::xml(format!("name {name} cannot contain '\\n'")).from_origin(Origin::Qemu)),
        Some(c) => Err(Error::xml(format!("name {name} cannot contain '{c}'")).from_origin(Origin::Qemu)),
        None if !crate::paths::is_file_name(name) => {
            Err(Error::xml(format!("name {name} cannot be a directory")).from_origin(Origin::Qemu))
        }
        None => Ok(()),
    }
}

impl Engine {
    /// Gives a guest that is defined and does not run another name.
    pub async fn rename(&self, guest: &Arc<Guest>, name: &str) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainRename").await?;
        let _turn = self.definitions().lock().await;
        let before = guest.view();
        if before.is_active() {
            refuse!(operation_invalid, "cannot rename active domain");
        }
        if !before.persistent {
            refuse!(operation_invalid, "cannot rename a transient domain");
        }
        let taken = |text: String| Error::operation_invalid(text).from_origin(Origin::Domain);
        if *before.name == *name {
            return Err(taken("Can't rename domain to itself".to_owned()));
        }
        if self.registry().by_name(name).is_some() {
            return Err(taken(format!("domain with name '{name}' already exists")));
        }
        check(name)?;
        let domain = self.drafted(guest, |draft| {
            name.clone_into(&mut draft.head.identity.name);
            Ok(())
        });
        let domain = domain.await?;
        let path = self.store(&domain).await?;
        let moved = self.move_files(&before.name, name, path.clone()).await;
        if let Err(error) = moved {
            // The old name stays, and everything that goes by it.
            drop(blocking(move || files::remove(&path)).await);
            return Err(error);
        }
        guest.update(|state| {
            state.view.name = Arc::from(name);
            state.view.inactive = Some(Definition::ready(path, domain));
        });
        self.registry().renamed(&before.name, guest);
        self.tell(&before, What::Lifecycle(Lifecycle::Undefined(Undefined::Renamed)));
        self.tell(&guest.view(), What::Lifecycle(Lifecycle::Defined(Defined::Renamed)));
        Ok(())
    }

    /// Saved state, marks for autostart; last the old definition.
    async fn move_files(&self, old: &str, new: &str, definition: PathBuf) -> Result<()> {
        let paths = self.paths();
        let saved = [paths.managed_save(old), paths.managed_save(new)];
        let marks = [
            [paths.autostart(old), paths.autostart(new)],
            [paths.autostart_once(old), paths.autostart_once(new)],
        ];
        let old = paths.definition(old);
        blocking(move || {
            let [from, to] = &saved;
            if from.exists() {
                std::fs::rename(from, to).map_err(|error| files::failed("cannot rename", from, &error))?;
            }
            for [from, to] in &marks {
                if from.symlink_metadata().is_ok() {
                    autostart::link(to, &definition)?;
                    files::remove(from)?;
                }
            }
            files::remove(&old)
        })
        .await
    }
}
