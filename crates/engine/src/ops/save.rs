//! Saving a guest to a file and bringing it back.
//!
//! Owns: the order of steps, and that a guest that could not be saved goes on. Never: knows the layout
//! of the file ([`crate::image`]) or moves its bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostler_base::{Error, Origin, Result, refuse};
use ostler_domain::{Domain, Draft, ReadMode, WriteMode};
use ostler_xml::El;

use super::pump::Cache;
use super::start::{Beginning, Processors};
use super::transfer;
use crate::domain::guest::{Link, not_running};
use crate::domain::progress::Operation;
use crate::domain::status::{Paused, Running, Shutoff, Status};
use crate::domain::{Guest, Job, View};
use crate::engine::{Engine, blocking};
use crate::events::What;
use crate::files;
use crate::image::{HEADER, Head, Wholeness};

/// How a guest is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// What becomes of the host's page cache.
    pub cache: Cache,
    /// What its processors do when it is brought back; as before where absent.
    pub processors: Option<Processors>,
}

/// A file with a saved guest, open behind its header.
#[derive(Debug)]
pub struct Image {
    /// The file.
    pub(crate) file: File,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) head: Head,
    /// Whether all of it is there.
    pub(crate) wholeness: Wholeness,
}

impl Image {
    /// Opens a file and reads all but the state. Blocks.
    pub fn open(path: &Path, writable: bool) -> Result<Image> {
        let failed = |error: std::io::Error| files::failed("Failed to open file", path, &error);
        let mut file = File::options().read(true).write(writable).open(path).map_err(failed)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(|_| Error::operation_failed("failed to read qemu header"))?;
        let (wholeness, length, head, cookie_at) = Head::parse(&header, &path.to_string_lossy())?;
        let mut text = vec![0; length];
        file.read_exact(&mut text).map_err(|_| Error::operation_failed("failed to read domain XML"))?;
        Ok(Image { file, path: path.to_owned(), head: head.with_text(&text, cookie_at)?, wholeness })
    }

    /// The same; one that is not complete is refused.
    fn complete(path: &Path, writable: bool) -> Result<Image> {
        let image = Self::open(path, writable)?;
        if image.wholeness == Wholeness::Partial {
            refuse!(operation_failed, "save image is incomplete")
        }
        Ok(image)
    }
}

impl Engine {
    /// Saves a guest to a file and ends it.
    pub async fn save(
        &self,
        guest: &Arc<Guest>,
        path: &Path,
        definition: Option<&str>,
        saving: Saving,
    ) -> Result<()> {
        let _pass = guest.gate.enter(Job::Long, "remoteDispatchDomainSaveFlags").await?;
        self.save_now(guest, path, definition, saving).await
    }

    /// Saves a guest where its next start looks for it.
    pub async fn managed_save(&self, guest: &Arc<Guest>, saving: Saving) -> Result<()> {
        let _pass = guest.gate.enter(Job::Long, "remoteDispatchDomainManagedSave").await?;
        let view = guest.view();
        if !view.is_active() {
            return Err(not_running());
        }
        if !view.persistent {
            refuse!(operation_invalid, "cannot do managed save for transient domain");
        }
        let path = self.paths().managed_save(&view.name);
        files::make_directory(&self.paths().saves(), 0o700)?;
        self.save_now(guest, &path, None, saving).await?;
        guest.update(|state| state.view.managed_save = true);
        Ok(())
    }

    async fn save_now(
        &self,
        guest: &Arc<Guest>,
        path: &Path,
        definition: Option<&str>,
        saving: Saving,
    ) -> Result<()> {
        let link = guest.link()?;
        let ran = matches!(guest.view().status, Status::Running(_));
        let mark = guest.jobs.begin(Operation::Save);
        if ran {
            self.pause(guest, Paused::Save).await?;
        }
        let live = guest.view().live.clone().ok_or_else(not_running)?;
        let running = saving.processors.map_or(ran, |processors| processors == Processors::Run);
        let written = async {
            let text = self.definition_for(live.domain(), definition).await?;
            let cookie = Some(cookie(live.domain()));
            let packing = self.saving().save_packing;
            let head = Head { running, packing, definition: text, cookie, room: None };
            write(&link, &mark, path, &head, saving.cache).await
        };
        let written = written.await.map_err(|error| error.of_guest(guest));
        if let Err(error) = written {
            if ran && guest.link().is_ok() {
                let resumed = self.run_processors(guest, Running::SaveCanceled).await;
                if let Err(error) = resumed {
                    tracing::warn!(guest = %guest.view().name, %error, "a guest that was not saved stays paused");
                }
                self.persist(guest).await;
            }
            return Err(error);
        }
        let figures = transfer::figures(guest.jobs.running());
        mark.complete();
        self.tell(&guest.view(), What::JobCompleted(figures));
        super::stop::end_as(guest, Shutoff::Saved).await
    }

    /// The definition that goes into a file: the run's own, or one that a client wants and that fits.
    async fn definition_for(&self, live: &Domain, wanted: Option<&str>) -> Result<String> {
        let mode = WriteMode { inactive: true, secure: true, migratable: true };
        let Some(wanted) = wanted else { return Ok(live.to_xml(&mode)) };
        let wanted = self.parsed(wanted).await?;
        live.check_same_machine(&wanted)?;
        Ok(wanted.to_xml(&mode))
    }

    /// A definition that was completed before, read again.
    pub(crate) async fn parsed(&self, xml: &str) -> Result<Domain> {
        let emulator = self.emulator_for(xml).await?;
        Draft::parse(xml, &ReadMode::default())?.complete(&self.setting(emulator.as_deref()))
    }

    /// Brings a guest back from a file.
    pub async fn restore(&self, path: &Path, definition: Option<&str>, saving: Saving) -> Result<Arc<View>> {
        let place = path.to_owned();
        let mut image = blocking(move || Image::complete(&place, false)).await?;
        let saved = self.parsed(&image.head.definition).await?;
        let domain = match definition {
            Some(wanted) => {
                let wanted = self.parsed(wanted).await?;
                saved.check_same_machine(&wanted)?;
                wanted
            }
            None => saved,
        };
        if let Some(processors) = saving.processors {
            image.head.running = processors == Processors::Run;
        }
        let active = format!("domain '{}' is already active", domain.name());
        if self.registry().by_uuid(domain.uuid()).is_some_and(|guest| guest.view().is_active()) {
            return Err(Error::operation_invalid(active).from_origin(Origin::Domain));
        }
        let api = "remoteDispatchDomainRestoreFlags";
        let (guest, pass) = self.claim(&domain, api).await?;
        if guest.view().is_active() {
            return Err(Error::operation_invalid(active).from_origin(Origin::Domain));
        }
        let started = self.bring_up(&guest, &domain, Beginning::Restore(image, saving.cache)).await;
        drop(pass);
        if started.is_err() {
            self.forget_transient(&guest).await;
        }
        started
    }

    /// The definition in a file, or of the managed saved state.
    pub async fn saved_definition(&self, path: &Path, secure: bool) -> Result<String> {
        let place = path.to_owned();
        let image = blocking(move || Image::complete(&place, false)).await?;
        let domain = self.parsed(&image.head.definition).await?;
        Ok(domain.to_xml(&WriteMode { inactive: true, secure, migratable: false }))
    }

    /// Puts another definition into a file, and says anew whether the processors run afterwards.
    pub async fn change_saved(
        &self,
        path: &Path,
        definition: &str,
        processors: Option<Processors>,
    ) -> Result<()> {
        let place = path.to_owned();
        let mut image = blocking(move || Image::complete(&place, true)).await?;
        let running = processors.map_or(image.head.running, |processors| processors == Processors::Run);
        let saved = self.parsed(&image.head.definition).await?;
        let wanted = self.parsed(definition).await?;
        saved.check_same_machine(&wanted)?;
        let text = wanted.to_xml(&WriteMode { inactive: true, secure: true, migratable: true });
        if text == image.head.definition && running == image.head.running {
            return Ok(());
        }
        image.head = Head { definition: text, running, ..image.head };
        blocking(move || {
            let bytes = image.head.to_bytes(Wholeness::Complete)?;
            let written = image.file.seek(SeekFrom::Start(0)).and_then(|_| image.file.write_all(&bytes));
            let written = written.and_then(|()| image.file.sync_data());
            written.map_err(|error| {
                files::failed("failed to write header to domain save file", &image.path, &error)
            })
        })
        .await
    }

    /// Removes the state that the next start would take.
    pub async fn remove_managed_save(&self, guest: &Arc<Guest>) -> Result<()> {
        let _pass = guest.gate.enter(Job::Modify, "remoteDispatchDomainManagedSaveRemove").await?;
        let path = self.paths().managed_save(&guest.view().name);
        let removed = blocking(move || {
            std::fs::remove_file(&path)
                .map_err(|error| files::failed("Failed to remove managed save file", &path, &error))
        });
        removed.await?;
        guest.update(|state| state.view.managed_save = false);
        Ok(())
    }

    /// The saved state that a start takes, if there is one that is good.
    pub(crate) async fn managed_image(&self, guest: &Arc<Guest>) -> Result<Option<Image>> {
        let view = guest.view();
        if !view.managed_save {
            return Ok(None);
        }
        let path = self.paths().managed_save(&view.name);
        let place = path.clone();
        let image = blocking(move || Image::open(&place, false)).await?;
        if image.wholeness == Wholeness::Complete {
            return Ok(Some(image));
        }
        tracing::warn!(guest = %view.name, path = %path.display(), "ignoring incomplete managed state");
        self.forget_managed(guest).await?;
        Ok(None)
    }

    /// The state was taken, or is not wanted any more.
    pub(crate) async fn forget_managed(&self, guest: &Arc<Guest>) -> Result<()> {
        let path = self.paths().managed_save(&guest.view().name);
        blocking(move || files::remove(&path)).await?;
        guest.update(|state| state.view.managed_save = false);
        Ok(())
    }
}

/// What the driver remembers of a run besides its definition.
fn cookie(live: &Domain) -> String {
    let mut cookie = El::new("cookie");
    cookie.extend(live.head.cpu.as_ref().map(ostler_caps::cpu::Cpu::format));
    cookie.push(El::new("slirpHelper"));
    cookie.to_xml()
}

/// Writes a whole file; one that could not be completed is removed, if it is ours.
async fn write(
    link: &Link,
    mark: &crate::domain::progress::JobMark<'_>,
    path: &Path,
    head: &Head,
    cache: Cache,
) -> Result<(), transfer::Failure> {
    let (bytes, packing) = (head.to_bytes(Wholeness::Partial)?, head.packing);
    let first = head.to_bytes(Wholeness::Complete)?;
    let place = path.to_owned();
    let (file, again, new) = blocking(move || {
        let (mut file, new) = transfer::create(&place)?;
        let failed = |error: std::io::Error| files::failed("unable to write", &place, &error);
        file.write_all(&bytes).map_err(failed)?;
        let again = file.try_clone().map_err(failed)?;
        Ok((file, again, new))
    })
    .await?;
    let written = match transfer::out(link, mark, file, path, packing, cache).await {
        Ok(()) => finish(again, path, first).await.map_err(transfer::Failure::from),
        Err(error) => Err(error),
    };
    if written.is_err() && new {
        files::remove(path)?;
    }
    written
}

/// Everything is there: the file may say so.
async fn finish(mut file: File, path: &Path, bytes: Vec<u8>) -> Result<()> {
    let path = path.to_owned();
    blocking(move || {
        let magic = bytes.get(..HEADER).unwrap_or_default();
        let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(magic));
        written
            .and_then(|()| file.sync_all())
            .map_err(|error| files::failed("unable to write", &path, &error))
    })
    .await
}
