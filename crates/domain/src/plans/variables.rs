//! The file that keeps what firmware remembers: made from a template, reset, removed.

use ostler_base::{Result, refuse};
use ostler_plan::{Action, Facts, FileKind};

use crate::devices::disk::Place;
use crate::{Draft, Setting};

/// What makes the file before the guest starts, where it is not there.
pub(super) fn prepare(draft: &Draft, setting: &Setting<'_>, facts: &Facts) -> Result<Vec<Action>> {
    let Some(path) = draft.head.os.firmware.variables() else { return Ok(Vec::new()) };
    match facts.kind(path.as_ref())? {
        FileKind::Absent => copy(draft, setting, path, false),
        _ => Ok(Vec::new()),
    }
}

/// What makes the file as new before the guest starts. What it kept is lost.
pub fn reset(draft: &Draft, setting: &Setting<'_>) -> Result<Vec<Action>> {
    let nvram = draft.head.os.firmware.loader.as_ref().and_then(|loader| loader.nvram.as_ref());
    match nvram.map(|nvram| &nvram.image.place) {
        None => Ok(Vec::new()),
        Some(Place::File(Some(path))) => copy(draft, setting, path, true),
        Some(_) => {
            refuse!(operation_unsupported, "resetting of nvram is not supported with network backed nvram")
        }
    }
}

fn copy(draft: &Draft, setting: &Setting<'_>, path: &str, replace: bool) -> Result<Vec<Action>> {
    let firmware = &draft.head.os.firmware;
    let Some(loader) = &firmware.loader else { return Ok(Vec::new()) };
    let Some(template) = &loader.template else {
        let image = loader.path.as_deref().unwrap_or_default();
        refuse!(operation_failed, "unable to find any master var store for loader: {image}");
    };
    let format = loader.nvram.as_ref().and_then(|nvram| nvram.image.format);
    if loader.template_format.is_some() && loader.template_format != format {
        refuse!(
            operation_unsupported,
            "conversion of the nvram template to another target format is not supported"
        );
    }
    let owner = setting.config.owner;
    let mut actions = Vec::new();
    let directory = &setting.config.nvram_dir;
    if path.strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/')) {
        actions.push(Action::KeepDir { path: directory.into(), mode: 0o755, owner });
    }
    actions.push(Action::CopyFile { from: template.into(), to: path.into(), mode: 0o600, owner, replace });
    Ok(actions)
}
