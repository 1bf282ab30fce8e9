//! How a device is unplugged from a guest that runs.
//!
//! Owns: which device is meant, the order: the front end first, and once it is gone all that it used,
//! the last first. Never: talks to an emulator.

use ostler_base::{Code, Error, Json, Origin, Result, refuse};
use ostler_plan::{
    Action, Command, Facts, FdSource, Part, PassedFds, hot_numbering, hot_remove, json_args, set_labels,
};

use super::attach::read_device;
use super::files;
use crate::devices::{Build, Devices};
use crate::{Domain, Setting};

/// Everything that has to be done to unplug a device.
#[derive(Debug, Clone)]
pub struct Detach {
    /// The device's alias; empty for what has no identifier in the emulator.
    pub alias: String,
    /// What asks the guest to let it go; the rest follows when it did. Absent where there is nobody
    /// to ask.
    pub unplug: Option<Command>,
    /// What follows.
    pub commands: Vec<Command>,
    /// Whether sets of descriptors have to be looked through, for those with these labels.
    pub labels: Option<Vec<String>>,
    /// What is done on the host after that.
    pub actions: Vec<Action>,
    /// The guest as it is afterwards.
    pub domain: Domain,
    /// The same with nothing but the device that goes.
    pub gone: Domain,
}

impl Detach {
    /// The device that a document describes.
    pub fn described(guest: &Domain, xml: &str, setting: &Setting<'_>) -> Result<Self> {
        let said = read_device(xml)?;
        let (word, plug) = said.kind();
        if !plug.live {
            refuse!(operation_unsupported, "live detach of device '{word}' is not supported");
        }
        let at = guest.devices.find(&said, &guest.head, setting)?;
        let at = at.ok_or_else(|| missing(&said))?;
        Self::at(guest, at, setting)
    }

    /// The device with an alias.
    pub fn named(guest: &Domain, alias: &str, setting: &Setting<'_>) -> Result<Self> {
        let at = guest.devices.iter().position(|device| device.info().alias.as_deref() == Some(alias));
        match at {
            Some(at) => Self::at(guest, at, setting),
            None => refuse!(internal, "no device found with alias {alias}"),
        }
    }

    fn at(guest: &Domain, at: usize, setting: &Setting<'_>) -> Result<Self> {
        let mut draft = guest.clone().into_draft();
        let gone = draft.devices.split_off_at(at);
        let (word, plug) = gone.kind();
        if !plug.live {
            refuse!(operation_unsupported, "live detach of device '{word}' is not supported");
        }
        let Some(device) = gone.iter().next() else { refuse!(internal, "no device has place {at}") };
        device.refuse_unplug()?;
        let facts = Facts::blank();
        let fds = PassedFds::new(hot_numbering());
        let mut build = Build { draft: guest, setting, facts: &facts, fds, parts: Vec::new() };
        device.parts(&mut build)?;
        let alias = device.info().alias().to_owned();
        let front = |part: &Part| matches!(part, Part::Device(_)) && part.id() == Some(alias.as_str());
        let unplug = build
            .parts
            .iter()
            .any(front)
            .then(|| Command::new("device_del", json_args("id", alias.as_str())));
        let commands: Vec<Command> =
            hot_remove(&build.parts).into_iter().filter(|command| command.name != "remove-fd").collect();
        let mut labels = set_labels(&build.parts);
        if setting.config.pass_files {
            labels.extend(files::labels(&build.parts));
        }
        let by_chardev = commands.iter().any(|command| command.name == "chardev-remove");
        let searched = by_chardev || !labels.is_empty();
        // Sets of others may be labelled with what was opened.
        labels.extend(build.fds.into_vec().into_iter().filter_map(|fd| match fd.source {
            FdSource::Open(path) | FdSource::OpenWrite(path) => Some(path.to_string_lossy().into_owned()),
            _ => None,
        }));
        let mut actions = Vec::new();
        device.cleanup(guest, setting, &mut actions);
        let domain = Domain::of_run(draft);
        let gone = domain.with_devices_only(gone);
        Ok(Detach { alias, unplug, commands, labels: searched.then_some(labels), actions, domain, gone })
    }

    /// The commands that give up sets of descriptors, by the answer to `query-fdsets`.
    pub fn release(&self, sets: &Json) -> Vec<Command> {
        release(self.labels.as_deref().unwrap_or_default(), sets)
    }
}

/// The commands that give up sets of descriptors with these labels, by the answer to `query-fdsets`.
pub fn release(labels: &[String], sets: &Json) -> Vec<Command> {
    let labelled = |set: &Json| {
        let fds = set.get("fds").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut opaques = fds.iter().filter_map(|fd| fd.get("opaque")?.as_str());
        opaques.any(|opaque| labels.iter().any(|label| label == opaque))
    };
    let sets = sets.as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = sets.iter().filter(|set| labelled(set)).filter_map(|set| set.get("fdset-id"));
    ids.map(|id| Command::new("remove-fd", json_args("fdset-id", id.clone()))).collect()
}

/// The number after those of all sets, by the answer to `query-fdsets`.
pub fn next_set(sets: &Json) -> u32 {
    let sets = sets.as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = sets.iter().filter_map(|set| set.get("fdset-id")?.as_u64());
    ids.max().and_then(|most| u32::try_from(most.saturating_add(1)).ok()).unwrap_or(0)
}

pub(super) fn missing(said: &Devices) -> Error {
    let words = said.iter().next().map(|device| device.absent()).unwrap_or_default();
    Error::new(Code::DeviceMissing, Origin::Qemu, words)
}
