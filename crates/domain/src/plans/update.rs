//! How a device of a guest that runs is changed: passwords of screens, media of drives, links of
//! network cards.
//!
//! Owns: what may change while a guest runs, and the commands. Never: talks to an emulator.

use ostler_base::json::json;
use ostler_base::{Code, Error, Origin, Result, Word, refuse};
use ostler_plan::{Action, Command, Facts, Part, PassedFds, Query, hot_add, hot_numbering, hot_remove};

use super::attach::read_device;
use crate::devices::disk::{Disk, DiskDevice};
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
    /// What is done on the host before, in order.
    pub actions: Vec<Action>,
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// The guest as it is afterwards.
    pub domain: Domain,
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
            disk(&mut draft.devices, new)?
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
    pub fn plan(&self, setting: &Setting<'_>, facts: &Facts) -> Result<Change> {
        let commands = match self.what {
            What::Nothing => Vec::new(),
            What::Passwords(at) => {
                let screen = self.after.devices.graphics.get(at);
                screen
                    .map(|screen| set_passwords(screen, setting.entropy.now()))
                    .transpose()?
                    .unwrap_or_default()
            }
            What::Medium(_) => self.medium(setting, facts)?,
            What::Link(at) => self.after.devices.interfaces.get(at).map(set_link).into_iter().collect(),
        };
        Ok(Change { actions: Vec::new(), commands, domain: self.after.clone() })
    }

    /// Out with the old medium, in with the new one.
    fn medium(&self, setting: &Setting<'_>, facts: &Facts) -> Result<Vec<Command>> {
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
            let nodes = parts(&self.after, new, facts)?;
            commands.extend(hot_add(&nodes, &[])?);
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
