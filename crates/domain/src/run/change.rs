//! What happens to the definition of a run while it runs, or is learnt of it.
//!
//! Owns: where in the definition each of these stands. Never: plugs a device.

use ostler_base::{Result, YesNo};
use ostler_plan::Facts;
use ostler_vocab::chardev::{SocketMode, Source};

use crate::devices::channel::{ChannelState, ChannelTarget};
use crate::devices::disk::{Disk, Tray};
use crate::devices::hostdev::Hostdev;
use crate::devices::{CharDevice, Device};
use crate::sections::clock::Offset;
use crate::{Domain, Draft, Setting};

/// Something that a run's definition says since it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunChange {
    /// The pseudo terminal of a character device was made.
    Terminal {
        /// The device.
        alias: String,
        /// The terminal.
        path: String,
    },
    /// A program of the guest opened or closed a channel.
    Channel {
        /// The channel.
        alias: String,
        /// It is open now.
        open: bool,
    },
    /// The tray of a drive was opened or closed.
    Tray {
        /// The drive.
        alias: String,
        /// It is open now.
        open: bool,
    },
    /// A disk has another chain of images, or another image is copied to.
    Disk(Box<Disk>),
    /// The balloon moved: KiB that the guest has now.
    Memory(u64),
    /// The guest set its clock: seconds from what it began with.
    Clock(i64),
}

/// Every character device of a run with its alias.
fn characters(draft: &mut Draft) -> impl Iterator<Item = (String, &mut CharDevice)> {
    let devices = &mut draft.devices;
    let serials = devices.serials.iter_mut().map(|d| (d.info().alias().to_owned(), &mut d.device));
    let parallels = devices.parallels.iter_mut().map(|d| (d.info().alias().to_owned(), &mut d.device));
    let consoles = devices.consoles.iter_mut().map(|d| (d.info().alias().to_owned(), &mut d.device));
    let channels = devices.channels.iter_mut().map(|d| (d.info().alias().to_owned(), &mut d.device));
    serials.chain(parallels).chain(consoles).chain(channels)
}

impl Domain {
    /// The same definition of a run after these changes.
    pub fn changed(&self, changes: &[RunChange]) -> Domain {
        let mut draft = self.clone().into_draft();
        changes.iter().for_each(|change| draft.apply(change));
        Domain::of_run(draft)
    }

    /// The same definition of a run with what a run gives to devices that leave it open: sockets of
    /// channels, drivers of PCI devices of the host.
    pub(crate) fn with_run_details(self, setting: &Setting<'_>) -> Domain {
        let mut draft = self.into_draft();
        let (id, guest) = (draft.head.identity.id, draft.name().to_owned());
        for channel in &mut draft.devices.channels {
            let ChannelTarget::Virtio { name: Some(name), .. } = &channel.target else { continue };
            if let Source::Unix { path: path @ None, mode, .. } = &mut channel.device.source {
                *path = Some(setting.config.channel_path(id, &guest, name));
                *mode = SocketMode::Bind;
            }
        }
        draft.devices.hostdevs.iter_mut().for_each(Hostdev::settle_backend);
        let helper = format!("{}/pr-helper0.sock", setting.config.run_dir(id, &guest));
        for disk in &mut draft.devices.disks {
            disk.image.for_each(&mut |image| {
                if let Some((Some(YesNo::Yes), path @ None)) = &mut image.reservations {
                    *path = Some(helper.clone());
                }
            });
        }
        Domain::of_run(draft)
    }

    /// The same definition of a run with the ports and addresses of its screens.
    pub(crate) fn with_screens(self, setting: &Setting<'_>, facts: &Facts) -> Result<Domain> {
        let mut draft = self.into_draft();
        draft.devices.graphics.iter_mut().try_for_each(|screen| screen.settle_for_run(setting, facts))?;
        Ok(Domain::of_run(draft))
    }

    /// The same definition of a run with channels that nobody in the guest has opened yet.
    pub(crate) fn with_closed_channels(self) -> Domain {
        let mut draft = self.into_draft();
        for channel in &mut draft.devices.channels {
            if let ChannelTarget::Virtio { state, .. } = &mut channel.target {
                state.get_or_insert(ChannelState::Disconnected);
            }
        }
        Domain::of_run(draft)
    }

    /// Whether one of its character devices is a pseudo terminal or a channel: what is asked of the
    /// emulator once it runs.
    pub fn has_terminals(&self) -> bool {
        let mut draft = self.clone().into_draft();
        let pty = characters(&mut draft).any(|(_, device)| matches!(device.source, Source::Pty { .. }));
        pty || !self.devices.channels.is_empty()
    }
}

impl Draft {
    fn apply(&mut self, change: &RunChange) {
        match change {
            RunChange::Terminal { alias, path } => {
                for (of, device) in characters(self) {
                    if let Source::Pty { path: there } = &mut device.source
                        && of == *alias
                    {
                        *there = Some(path.clone());
                    }
                }
            }
            RunChange::Channel { alias, open } => {
                let state = if *open { ChannelState::Connected } else { ChannelState::Disconnected };
                for channel in self.devices.channels.iter_mut().filter(|c| c.info().alias() == alias) {
                    if let ChannelTarget::Virtio { state: there, .. } = &mut channel.target {
                        *there = Some(state);
                    }
                }
            }
            RunChange::Tray { alias, open } => {
                let tray = if *open { Tray::Open } else { Tray::Closed };
                let drives = self.devices.disks.iter_mut().filter(|d| d.info().alias() == alias);
                drives.for_each(|drive| drive.tray = Some(tray));
            }
            RunChange::Disk(disk) => {
                let disks = self.devices.disks.iter_mut().filter(|d| d.target == disk.target);
                disks.for_each(|there| *there = (**disk).clone());
            }
            RunChange::Memory(kib) => self.head.memory.current = (*kib).min(self.head.memory.total),
            RunChange::Clock(seconds) => {
                if let Offset::Variable { adjustment, .. } = &mut self.head.clock.offset {
                    *adjustment = *seconds;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadMode;

    #[test]
    fn each_change_has_its_place() {
        let xml = "<domain type='qemu' id='1'><name>a</name><memory>4096</memory><os><type>hvm</type></os>\
            <clock offset='variable' adjustment='0' basis='utc'/><devices>\
            <disk type='file' device='cdrom'><target dev='hda' bus='ide'/><alias name='ide0-0-0'/></disk>\
            <serial type='pty'><target port='0'/><alias name='serial0'/></serial>\
            <console type='pty'><target type='serial' port='0'/><alias name='serial0'/></console>\
            <channel type='pty'><target type='virtio' name='x'/><alias name='channel0'/></channel>\
            </devices></domain>";
        let draft = Draft::parse(xml, &ReadMode { live: true, ..ReadMode::default() }).unwrap();
        let domain = Domain::of_run(draft).changed(&[
            RunChange::Terminal { alias: "serial0".into(), path: "/dev/pts/7".into() },
            RunChange::Channel { alias: "channel0".into(), open: true },
            RunChange::Tray { alias: "ide0-0-0".into(), open: true },
            RunChange::Memory(9999),
            RunChange::Clock(-3600),
        ]);
        assert!(domain.has_terminals());
        let xml = domain.to_xml(&crate::WriteMode::default());
        for part in [
            "<console type='pty' tty='/dev/pts/7'>",
            "state='connected'",
            "tray='open'",
            "<currentMemory unit='KiB'>4096</currentMemory>",
            "adjustment='-3600'",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        assert!(domain.changed(&[RunChange::Memory(1024)]).head.memory.current == 1024);
    }
}
