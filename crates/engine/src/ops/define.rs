//! Definitions come, change and go.

use std::path::PathBuf;
use std::sync::Arc;

use ostler_base::{Arch, Error, Result, refuse};
use ostler_caps::emulator::Emulator;
use ostler_domain::{Domain, Draft, Outline, ReadMode, WriteMode};

use crate::domain::view::Definition;
use crate::domain::{Guest, Job, View};
use crate::engine::{Engine, blocking};
use crate::events::{Defined, Lifecycle, Undefined, What};
use crate::files::{self, Durability};
use crate::ops::firmware::Variables;

/// How a definition that a client sent is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// What no reader knows is passed over.
    Lenient,
    /// What no reader knows is refused.
    Strict,
}

/// What becomes of a saved state that the next start would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed {
    /// It is removed.
    Remove,
    /// It stays, and so does what belongs to it.
    Refuse,
}

impl Engine {
    /// The emulator that a definition wants, probed; `None` where the host does not have it.
    pub(crate) async fn emulator_for(&self, xml: &str) -> Result<Option<Arc<Emulator>>> {
        let outline = Outline::read(xml)?;
        let arch = outline.arch.unwrap_or(self.host().arch);
        let path = outline.emulator.map(PathBuf::from).or_else(|| self.emulators().find(arch));
        match path {
            Some(path) if path.is_file() => self.emulators().get(&path).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Reads and completes a definition that a client sent.
    pub(crate) async fn read(&self, xml: &str, strictness: Strictness) -> Result<Domain> {
        let emulator = self.emulator_for(xml).await?;
        if emulator.is_none() {
            return Err(no_emulator(&Outline::read(xml)?, self.host().arch));
        }
        let mode = ReadMode { live: false, strict: strictness == Strictness::Strict, abi_update: true };
        let draft = Draft::parse(xml, &mode)?;
        self.renew_firmwares(&draft).await?;
        draft.complete(&self.setting(emulator.as_deref()))
    }

    /// Makes a definition, or replaces the one of the same guest.
    pub async fn define(&self, xml: &str, strictness: Strictness) -> Result<Arc<View>> {
        let domain = self.read(xml, strictness).await?;
        let _turn = self.definitions().lock().await;
        let known = self.registry().match_identity(domain.name(), domain.uuid())?;
        let path = self.store(&domain).await?;
        let (name, uuid) = (domain.name().to_owned(), domain.uuid());
        let definition = Definition::ready(path, domain);
        let (guest, how) = match known {
            Some(guest) => {
                let updated = guest.view().persistent;
                guest.update(|state| {
                    state.view.persistent = true;
                    state.view.inactive = Some(definition);
                });
                (guest, if updated { Defined::Updated } else { Defined::Added })
            }
            None => {
                let guest = Guest::defined(&name, uuid, definition, false);
                self.registry().add(&guest);
                (guest, Defined::Added)
            }
        };
        let view = guest.view();
        self.tell(&view, What::Lifecycle(Lifecycle::Defined(how)));
        Ok(view)
    }

    /// Keeps another definition of a guest that has one.
    pub(crate) async fn keep_definition(&self, guest: &Arc<Guest>, domain: Domain) -> Result<()> {
        let path = self.store(&domain).await?;
        let definition = Definition::ready(path, domain);
        guest.update(|state| state.view.inactive = Some(definition));
        Ok(())
    }

    pub(crate) async fn store(&self, domain: &Domain) -> Result<PathBuf> {
        if !crate::paths::is_file_name(domain.name()) {
            return Err(Error::xml(format!("name {} cannot be a file name", domain.name())));
        }
        let path = self.paths().definition(domain.name());
        let xml = domain.to_xml(&WriteMode { inactive: true, secure: true, migratable: false });
        let text = files::with_header(domain.name(), domain.uuid(), &xml);
        let directory = self.paths().definitions();
        let target = path.clone();
        blocking(move || {
            files::make_directory(&directory, 0o700)?;
            files::replace(&target, &text, Durability::Durable)
        })
        .await?;
        Ok(path)
    }

    /// Removes a definition, and what belongs to it where `variables` and `managed_save` say so. A guest
    /// that runs goes on, and is forgotten when it ends.
    pub async fn undefine(
        &self,
        guest: &Arc<Guest>,
        variables: Variables,
        managed_save: Managed,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainUndefine").await?;
        let _turn = self.definitions().lock().await;
        let view = guest.view();
        if !view.persistent {
            refuse!(operation_invalid, "cannot undefine transient domain");
        }
        if view.managed_save {
            match managed_save {
                Managed::Remove => self.forget_managed(guest).await?,
                Managed::Refuse => {
                    refuse!(operation_invalid, "Refusing to undefine while domain managed save image exists")
                }
            }
        }
        if let Some(inactive) = &view.inactive {
            // A file that cannot be read any more must not keep its definition from going.
            if let Ok(shown) = inactive.get(&self.setting(None)) {
                self.part_with_variables(shown.domain(), variables).await?;
            }
        }
        let paths = self.paths();
        let files =
            [paths.autostart(&view.name), paths.autostart_once(&view.name), paths.definition(&view.name)];
        blocking(move || files.iter().try_for_each(|path| files::remove(path))).await?;
        guest.update(|state| {
            state.view.persistent = false;
            state.view.autostart = false;
            state.view.autostart_once = false;
            state.view.inactive = None;
        });
        if !guest.view().is_active() && self.registry().holds(guest) {
            self.registry().remove(guest.uuid);
        }
        self.tell(&view, What::Lifecycle(Lifecycle::Undefined(Undefined::Removed)));
        Ok(())
    }
}

/// Why a definition cannot be completed: there is nothing to run it.
fn no_emulator(outline: &Outline, host: Arch) -> Error {
    match &outline.emulator {
        Some(path) => Error::system(format!("Cannot check QEMU binary {path}: No such file or directory"))
            .with_suffix(&format!(" (guest '{}')", outline.name)),
        None => {
            let arch = outline.arch.unwrap_or(host);
            let detail = format!("could not find capabilities for arch={arch}");
            let program = format!("qemu-system-{}", arch.qemu_name());
            let remedy = format!(" (guest '{}': there is no {program} in PATH; install it)", outline.name);
            Error::invalid_arg(detail).with_suffix(&remedy)
        }
    }
}
