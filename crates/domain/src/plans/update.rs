//! How a device of a guest that runs is changed: passwords of screens, media of drives, links of
//! network cards.
//!
//! Owns: what may change while a guest runs, and the commands. Never: talks to an emulator.

use ostler_base::json::json;
use ostler_base::{Code, Error, Origin, Result, Word, refuse};
use ostler_caps::emulator::Flag;
use ostler_plan::{Command, Facts, Part, PassedFd, PassedFds, Query, hot_add, hot_numbering, hot_remove};

use super::attach::end_chain;
use super::attach::read_device;
use super::files;
use crate::blocks::next_number;
use crate::devices::disk::{Disk, DiskDevice, name_nodes_from};
use crate::devices::graphics::{Graphics, GraphicsType};
use crate::devices::interface::{Interface, LinkState};
use crate::devices::{Build, Device, Devices};
use crate::{Domain, Setting, WriteMode};

mod passwords;

pub use passwords::set_passwords;

/// A guest that runs, as it would be with a device changed.
#[derive(Debug, Clone)]
pub struct Update {
    before: Domain,
    after: Domain,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Nothing,
    Passwords(usize),
    Medium(usize),
    Link(usize),
}

/// Everything that has to be done to change a device.
#[derive(Debug, Clone)]
pub struct Change {
    /// Descriptors that go with commands.
    pub fds: Vec<PassedFd>,
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// The guest as it is afterwards.
    pub domain: Domain,
    /// Whether sets of descriptors are used, whose numbers must be free.
    pub uses_sets: bool,
    /// The labels of sets of descriptors that are not used any more afterwards.
    pub labels: Vec<String>,
}

impl Update {
    /// A guest with the device that a document describes in the place of its own.
    pub fn new(guest: &Domain, xml: &str, setting: &Setting<'_>) -> Result<Self> {
        let mut said = read_device(xml)?;
        let head = &guest.head;
        said.iter_mut().try_for_each(|device| device.complete(head, setting))?;
        let mut draft = guest.clone().into_draft();
        let what = if let Some(new) = said.graphics.pop() {
            graphics(&mut draft.devices, new)?
        } else if let Some(new) = said.disks.pop() {
            let what = disk(&mut draft.devices, new)?;
            if let What::Medium(at) = what {
                name_medium(&mut draft.devices, at, next_number(&guest.devices.disks), setting);
            }
            what
        } else if let Some(new) = said.interfaces.pop() {
            interface(&mut draft.devices, new)?
        } else {
            let (word, _) = said.kind();
            refuse!(unsupported, "live update of device '{word}' is not supported");
        };
        Ok(Update { before: guest.clone(), after: Domain::of_run(draft), what })
    }

    /// What has to be known of the host.
    pub fn ask(&self, setting: &Setting<'_>) -> Vec<Query> {
        let mut out = Vec::new();
        if let Some(disk) = self.disk(&self.after) {
            let mut resources = Vec::new();
            disk.resources(&mut resources);
            out.extend(resources.into_iter().map(|resource| Query::Stat(resource.path)));
            disk.ask(setting, &mut out);
        }
        out
    }

    fn disk<'d>(&self, domain: &'d Domain) -> Option<&'d Disk> {
        match self.what {
            What::Medium(at) => domain.devices.disks.get(at),
            _ => None,
        }
    }

    /// The plan.
    pub fn plan(&self, setting: &Setting<'_>, facts: &Facts, first_set: u32) -> Result<Change> {
        let mut fds = PassedFds::new(hot_numbering());
        fds.reserve_sets(first_set);
        let commands = match self.what {
            What::Nothing => Vec::new(),
            What::Passwords(at) => {
                let screen = self.after.devices.graphics.get(at);
                screen
                    .map(|screen| set_passwords(screen, setting.entropy.now()))
                    .transpose()?
                    .unwrap_or_default()
            }
            What::Medium(_) => self.medium(setting, facts, &mut fds)?,
            What::Link(at) => self.after.devices.interfaces.get(at).map(set_link).into_iter().collect(),
        };
        let labels = self.old_labels(setting)?;
        let uses_sets = commands.iter().any(|command| command.name == "add-fd");
        Ok(Change { fds: fds.into_vec(), commands, domain: self.after.clone(), uses_sets, labels })
    }

    /// The labels of the sets that the old medium has.
    fn old_labels(&self, setting: &Setting<'_>) -> Result<Vec<String>> {
        let old = self.disk(&self.before).filter(|disk| setting.config.pass_files && !disk.image.is_empty());
        let Some(old) = old else { return Ok(Vec::new()) };
        let (facts, fds) = (Facts::blank(), PassedFds::new(hot_numbering()));
        let mut build = Build { draft: &self.before, setting, facts: &facts, fds, parts: Vec::new() };
        old.parts(&mut build)?;
        Ok(files::labels(&build.parts))
    }

    /// Out with the old medium, in with the new one.
    fn medium(&self, setting: &Setting<'_>, facts: &Facts, passed: &mut PassedFds) -> Result<Vec<Command>> {
        let (Some(old), Some(new)) = (self.disk(&self.before), self.disk(&self.after)) else {
            return Ok(Vec::new());
        };
        let parts = |domain: &Domain, disk: &Disk, facts: &Facts| -> Result<Vec<Part>> {
            let fds = PassedFds::new(hot_numbering());
            let mut build = Build { draft: domain, setting, facts, fds, parts: Vec::new() };
            disk.parts(&mut build)?;
            Ok(build.parts.into_iter().filter(|part| !matches!(part, Part::Device(_))).collect())
        };
        let id = new.info().alias();
        let mut commands = vec![Command::new("blockdev-open-tray", json!({ "id": id, "force": false }))];
        if !old.image.is_empty() {
            commands.push(Command::new("blockdev-remove-medium", json!({ "id": id })));
        }
        if !new.image.is_empty() {
            let mut nodes = parts(&self.after, new, facts)?;
            if setting.config.pass_files {
                nodes = files::by_descriptor(nodes, passed);
            }
            commands.extend(hot_add(&nodes, &passed.clone().into_vec())?);
            let top = nodes.iter().rev().find(|part| matches!(part, Part::Blockdev(_))).and_then(Part::id);
            let node = top.unwrap_or_default();
            commands.push(Command::new("blockdev-insert-medium", json!({ "id": id, "node-name": node })));
        }
        commands.push(Command::new("blockdev-close-tray", json!({ "id": id })));
        if !old.image.is_empty() {
            commands.extend(hot_remove(&parts(&self.before, old, &Facts::blank())?));
        }
        Ok(commands)
    }
}

/// `set_link`
fn set_link(card: &Interface) -> Command {
    let up = card.link != Some(LinkState::Down);
    Command::new("set_link", json!({ "name": card.info().alias(), "up": up }))
}

fn same(one: &dyn Device, other: &dyn Device) -> bool {
    let mode = WriteMode { inactive: true, secure: true, migratable: false };
    one.format(&mode) == other.format(&mode)
}

fn graphics(devices: &mut Devices, new: Graphics) -> Result<What> {
    let at = devices.graphics.iter().position(|screen| screen.kind == new.kind);
    let Some((at, old)) = at.and_then(|at| Some((at, devices.graphics.get_mut(at)?))) else {
        refuse!(internal, "cannot find existing graphics device to modify");
    };
    let kind = new.kind;
    if !matches!(kind, GraphicsType::Vnc | GraphicsType::Spice) {
        refuse!(internal, "unable to change config on '{kind}' graphics type");
    }
    let listens = |screen: &Graphics| screen.listens.len();
    if listens(old) != listens(&new) {
        refuse!(unsupported, "cannot change the number of listen addresses on '{kind}' graphics");
    }
    for (old, new) in old.listens.iter().zip(&new.listens) {
        if old.kind != new.kind {
            refuse!(unsupported, "cannot change the type of listen address on '{kind}' graphics");
        }
        if new.address.is_some() && !old.from_config && old.address != new.address && old.network.is_none() {
            refuse!(unsupported, "cannot change listen address setting on '{kind}' graphics");
        }
        if old.network != new.network {
            refuse!(unsupported, "cannot change listen address setting on '{kind}' graphics");
        }
        if new.socket.is_some() && old.socket != new.socket {
            refuse!(unsupported, "cannot change listen socket setting on '{kind}' graphics");
        }
    }
    let moved = |old: i32, new: i32| new > 0 && new != old;
    let ports = if new.autoport {
        !old.autoport && old.kind == GraphicsType::Vnc
    } else {
        moved(old.port, new.port) || moved(old.tls_port, new.tls_port)
    };
    if ports {
        refuse!(unsupported, "cannot change port settings on {kind} graphics");
    }
    if new.keymap != old.keymap {
        refuse!(unsupported, "cannot change keymap setting on {kind} graphics");
    }
    let action = old.password.connected != new.password.connected;
    let changed = action
        || old.password.text != new.password.text
        || old.password.valid_to.is_some()
        || new.password.valid_to.is_some();
    old.password = new.password;
    Ok(if changed { What::Passwords(at) } else { What::Nothing })
}

fn disk(devices: &mut Devices, new: Disk) -> Result<What> {
    let at = devices.disks.iter().position(|disk| disk.target == new.target);
    let Some((at, old)) = at.and_then(|at| Some((at, devices.disks.get_mut(at)?))) else {
        let bus = new.bus.map(|bus| bus.to_string()).unwrap_or_default();
        refuse!(
            invalid_arg,
            "No device with bus '{bus}' and target '{}'. cdrom and floppy device hotplug isn't supported by libvirt",
            new.target
        );
    };
    let moved = old.image.place != new.image.place || old.image.format != new.image.format;
    // Nothing but the medium may differ.
    let mut like_old = new.clone();
    like_old.image = old.image.clone();
    if like_old.tray.is_none() {
        like_old.tray = old.tray;
    }
    if !same(&like_old, old) {
        let field = changed_field(old, &like_old);
        refuse!(operation_unsupported, "cannot modify field '{field}' of the disk");
    }
    if !moved {
        return Ok(What::Nothing);
    }
    if !matches!(old.device, DiskDevice::Cdrom | DiskDevice::Floppy) {
        refuse!(operation_unsupported, "cannot modify field 'source' of the disk");
    }
    old.image = new.image;
    old.tray = None;
    Ok(What::Medium(at))
}

/// Names the nodes of the medium at a place; its drive's old ones are still there.
fn name_medium(devices: &mut Devices, at: usize, number: u32, setting: &Setting<'_>) {
    let layered = !setting.has(Flag::BlockjobBackingMaskProtocol);
    if let Some(disk) = devices.disks.get_mut(at) {
        end_chain(disk);
        disk.image.index = None;
        name_nodes_from(std::slice::from_mut(disk), number, layered);
    }
}

/// The first of the better known properties that differs.
fn changed_field(old: &Disk, new: &Disk) -> &'static str {
    let fields: [(&'static str, bool); 10] = [
        ("device", old.device != new.device),
        ("bus", old.bus != new.bus),
        ("serial", old.serial != new.serial),
        ("wwn", old.wwn != new.wwn),
        ("vendor", old.vendor != new.vendor),
        ("product", old.product != new.product),
        ("readonly", old.readonly != new.readonly),
        ("shareable", old.shareable != new.shareable),
        ("driver", old.driver != new.driver),
        ("tray", old.tray != new.tray),
    ];
    fields.into_iter().find(|(_, differs)| *differs).map_or("target", |(name, _)| name)
}

fn interface(devices: &mut Devices, new: Interface) -> Result<What> {
    let meant = |card: &Interface| match (&new.info().alias, new.mac) {
        (Some(alias), _) if new.mac.is_none() => card.info().alias.as_ref() == Some(alias),
        (_, mac) => card.mac == mac,
    };
    let at = devices.interfaces.iter().position(meant);
    let Some((at, old)) = at.and_then(|at| Some((at, devices.interfaces.get_mut(at)?))) else {
        return Err(Error::new(Code::DeviceMissing, Origin::Qemu, new.absent()));
    };
    if old.model != new.model {
        let word = |card: &Interface| card.model.clone().unwrap_or_else(|| "default".to_owned());
        refuse!(
            operation_unsupported,
            "cannot modify network device model from {} to {}",
            word(old),
            word(&new)
        );
    }
    if old.mtu != new.mtu {
        refuse!(operation_unsupported, "cannot modify MTU");
    }
    let mut like_old = new.clone();
    like_old.link = old.link;
    like_old.target.clone_from(&old.target);
    if !same(&like_old, old) {
        refuse!(
            operation_unsupported,
            "unable to change config on '{}' network type",
            old.source.kind().as_str()
        );
    }
    let changed = (old.link == Some(LinkState::Down)) != (new.link == Some(LinkState::Down));
    old.link = new.link;
    Ok(if changed { What::Link(at) } else { What::Nothing })
}
