//! How a device is plugged into a guest that runs.
//!
//! Owns: the device's place among the others, the commands, what takes them back. Never: talks to
//! an emulator.
//!
//! ```text
//! Candidate::new(guest, xml) --ask--> facts --plan--> Attach{actions, fds, commands} --done--> guest
//! ```

use ostler_base::{Error, Json, Result, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::{
    Action, Command, Facts, FileKind, PassedFd, PassedFds, Query, Resource, ResourceKind, hot_add,
    hot_numbering, json_args, set_labels,
};
use ostler_xml::Document;

use super::files;
use crate::blocks::next_number;
use crate::devices::controller::ControllerType;
use crate::devices::disk::{Backing, Disk, ImageFormat, name_nodes_from};
use crate::devices::{Build, Device, Devices};
use crate::run::RunChange;
use crate::{Domain, ReadMode, Setting, passes};

/// What stands for the alias of a device that has none yet.
const NEWCOMER: &str = "ua-\u{0}newcomer";

/// A guest that runs, as it would be with a device more.
#[derive(Debug, Clone)]
pub struct Candidate {
    with: Domain,
    new: Devices,
}

/// Everything that has to be done to plug a device.
#[derive(Debug, Clone)]
pub struct Attach {
    /// What is done on the host before, in order.
    pub actions: Vec<Action>,
    /// Descriptors that go with commands.
    pub fds: Vec<PassedFd>,
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// What the guest touches on the host from then on.
    pub resources: Vec<Resource>,
    /// The guest as it is afterwards.
    pub domain: Domain,
    /// The device's alias; empty for what has no identifier in the emulator.
    pub alias: String,
    /// Whether sets of descriptors are used, whose numbers must be free.
    pub uses_sets: bool,
}

/// Reads the description of a device.
pub(super) fn read_device(xml: &str) -> Result<Devices> {
    let document = Document::parse(xml, "device_definition")?;
    let root = document.root();
    match Devices::one(&root, &ReadMode::default())? {
        Some(device) => Ok(device),
        None => refuse!(unsupported, "unknown device type '{}'", root.name()),
    }
}

impl Candidate {
    /// A guest with the device that a document describes, in its place.
    pub fn new(guest: &Domain, xml: &str, setting: &Setting<'_>) -> Result<Self> {
        let said = read_device(xml)?;
        let (word, plug) = said.kind();
        if !plug.live {
            refuse!(operation_unsupported, "live attach of device '{word}' is not supported");
        }
        let (new, extra) = placed(guest, said, setting)?;
        let mut draft = guest.clone().into_draft();
        let mut newcomers = extra;
        newcomers.merge(new);
        for device in newcomers.iter() {
            device.refuse_plug()?;
        }
        newcomers.assign_new_aliases(&draft.devices, &draft.head);
        let aliases: Vec<_> = newcomers.iter().map(|device| device.info().alias.clone()).collect();
        newcomers.disks.iter_mut().for_each(end_chain);
        let layered = !setting.has(Flag::BlockjobBackingMaskProtocol);
        name_nodes_from(&mut newcomers.disks, next_number(&draft.devices.disks), layered);
        draft.devices.merge(newcomers);
        let with = Domain::of_run(draft).with_run_details(setting);
        // As they are among the others now.
        let alone = |alias: &Option<String>| guest.devices.iter().all(|device| device.info().alias != *alias);
        let new = with.clone().into_draft().devices.split_off(|device| {
            let alias = &device.info().alias;
            aliases.contains(alias) && alone(alias)
        });
        Ok(Candidate { with, new })
    }

    /// The guest with nothing but what comes.
    pub fn alone(&self) -> Domain {
        self.with.with_devices_only(self.new.clone())
    }

    /// Takes over what network cards were given on the host, from [`Self::alone`].
    pub fn take_cards(&mut self, alone: &Domain) {
        self.new.interfaces.clone_from(&alone.devices.interfaces);
        let mut draft = self.with.clone().into_draft();
        for card in &mut draft.devices.interfaces {
            if let Some(new) = self.new.interfaces.iter().find(|new| new.info().alias == card.info().alias) {
                *card = new.clone();
            }
        }
        self.with = Domain::of_run(draft);
    }

    /// What has to be known of the host.
    pub fn ask(&self, setting: &Setting<'_>) -> Vec<Query> {
        let mut out: Vec<Query> = self.resources().into_iter().map(|r| Query::Stat(r.path)).collect();
        self.new.iter().for_each(|device| device.ask(setting, &mut out));
        out
    }

    fn resources(&self) -> Vec<Resource> {
        let mut out = Vec::new();
        self.new.iter().for_each(|device| device.resources(&mut out));
        out
    }

    /// The plan. Sets of descriptors are numbered from `first_set` on.
    pub fn plan(&self, setting: &Setting<'_>, facts: &Facts, first_set: u32) -> Result<Attach> {
        let draft = &*self.with;
        let resources = self.resources();
        for resource in resources.iter().filter(|r| r.kind == ResourceKind::Image) {
            if facts.kind(&resource.path)? == FileKind::Absent {
                refuse!(
                    system,
                    "Cannot access storage file '{}': No such file or directory",
                    resource.path.display()
                );
            }
        }
        let mut fds = PassedFds::new(hot_numbering());
        fds.reserve_sets(first_set);
        let mut build = Build { draft, setting, facts, fds, parts: Vec::new() };
        for device in self.new.in_argv_order() {
            device.parts(&mut build)?;
        }
        let mut actions = Vec::new();
        for device in self.new.iter() {
            device.actions(&build, &mut actions)?;
        }
        if setting.config.pass_files {
            let parts = std::mem::take(&mut build.parts);
            build.parts = files::by_descriptor(parts, &mut build.fds);
        }
        let uses_sets = !set_labels(&build.parts).is_empty();
        let fds = build.fds.into_vec();
        let mut commands = hot_add(&build.parts, &fds)?;
        let device = self.new.iter().last();
        for question in device.map(Device::after_plug).unwrap_or_default() {
            commands.push(Command::ask(question));
        }
        if !commands.is_empty() {
            commands.push(Command::new("qom-list", json_args("path", "/machine/peripheral")));
        }
        let alias = device.map(|device| device.info().alias().to_owned()).unwrap_or_default();
        Ok(Attach { actions, fds, commands, resources, domain: self.with.clone(), alias, uses_sets })
    }
}

impl Attach {
    /// The guest as it is once the commands were answered: terminals have names then.
    pub fn learnt(&self, replies: &[Json]) -> Domain {
        let terminal = |(command, reply): (&Command, &Json)| {
            let id = command.arguments.as_ref()?.get("id")?.as_str()?;
            let path = reply.get("pty")?.as_str()?;
            Some(RunChange::Terminal { alias: id.strip_prefix("char")?.to_owned(), path: path.to_owned() })
        };
        let changes: Vec<_> = self.commands.iter().zip(replies).filter_map(terminal).collect();
        self.domain.changed(&changes)
    }
}

/// Raw images have nothing below them.
pub(super) fn end_chain(disk: &mut Disk) {
    let raw = matches!(disk.image.format, None | Some(ImageFormat::Raw));
    if raw && disk.image.backing == Backing::Unknown && !disk.image.is_empty() {
        disk.image.backing = Backing::End;
    }
}

/// The device with its place, and what has to be there besides for it to have one.
fn placed(guest: &Domain, mut said: Devices, setting: &Setting<'_>) -> Result<(Devices, Devices)> {
    let mut own = None;
    for device in said.iter_mut() {
        own = device.info_mut().alias.replace(NEWCOMER.to_owned());
    }
    if let Some(alias) = &own
        && guest.devices.iter().any(|device| device.info().alias.as_ref() == Some(alias))
    {
        refuse!(operation_invalid, "Duplicate alias '{alias}'");
    }
    let mut draft = guest.clone().into_draft();
    draft.devices.merge(said);
    let mut whole = draft.complete(setting)?.into_draft();
    passes::places_for_run(&mut whole)?;
    let mut new = whole.devices.split_off(|device| device.info().alias.as_deref() == Some(NEWCOMER));
    for device in new.iter_mut() {
        device.info_mut().alias.clone_from(&own);
    }
    let known = |kind: ControllerType, index: Option<u32>| {
        guest.devices.controllers.iter().any(|c| c.kind == kind && c.index == index)
    };
    let extra = Devices {
        controllers: whole.devices.controllers.into_iter().filter(|c| !known(c.kind, c.index)).collect(),
        ..Devices::default()
    };
    if extra.controllers.iter().any(|c| c.kind == ControllerType::Pci) {
        return Err(Error::internal("No more available PCI slots"));
    }
    if new.iter().next().is_none() {
        return Err(Error::internal("the device has no place among the others"));
    }
    Ok((new, extra))
}
