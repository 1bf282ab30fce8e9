//! A definition: read, completed, written.
//!
//! Owns: the order of sections in a document and the way from [`Draft`] to [`Domain`]. Never:
//! knows what is in a section or device.

use std::ops::Deref;

use ostler_base::{Code, Error, Origin, Result, Uuid};
use ostler_caps::cpu::Cpu;
use ostler_caps::emulator::Flag;
use ostler_xml::{Document, El, Element};

use crate::devices::Devices;
use crate::devices::interface::Interface;
use crate::sections::{
    clock::Clock, cpu, cputune::Cputune, features::Features, identity::Identity, iothreads::IoThreads,
    launch_security::LaunchSecurity, lifecycle::Lifecycle, memory, memory::Memory,
    memory_backing::MemoryBacking, numa::Cell, numa::Numa, numatune::Numatune, os::Os, qemu_ns::Passthrough,
    seclabel, seclabel::Seclabel, sysinfo, sysinfo::Sysinfo, throttle::ThrottleGroups, tuning::Tuning,
    vcpu::Placement, vcpu::Vcpus,
};
use crate::{Setting, passes};

/// How a document is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadMode {
    /// With the details of a run (aliases, id), as status files have them.
    pub live: bool,
    /// Refuse whatever no reader knows.
    pub strict: bool,
    /// As a new definition: what the guest sees may still be chosen anew.
    pub abi_update: bool,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteMode {
    /// Without the details of a run.
    pub inactive: bool,
    /// With secrets.
    pub secure: bool,
    /// For another host.
    pub migratable: bool,
}

/// All that is not a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Name, UUID and the like.
    pub identity: Identity,
    /// Sizes of memory.
    pub memory: Memory,
    /// Where memory comes from on the host.
    pub memory_backing: MemoryBacking,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Threads for disks.
    pub iothreads: IoThreads,
    /// Limits that disks share.
    pub throttle_groups: ThrottleGroups,
    /// Which host nodes memory comes from.
    pub numatune: Numatune,
    /// How much of the host's CPUs its threads get.
    pub cputune: Cputune,
    /// Weights and limits, and other settings of a few words.
    pub tuning: Tuning,
    /// What the firmware says of the machine.
    pub sysinfo: Vec<Sysinfo>,
    /// How its memory is kept from the host.
    pub launch_security: Option<LaunchSecurity>,
    /// What is booted, on which machine.
    pub os: Os,
    /// Hypervisor features.
    pub features: Features,
    /// The CPU model.
    pub cpu: Option<Cpu>,
    /// The NUMA cells that it sees.
    pub numa: Numa,
    /// The clock.
    pub clock: Clock,
    /// What happens when the guest ends.
    pub lifecycle: Lifecycle,
    /// The program that runs it.
    pub emulator: Option<String>,
    /// How it is confined.
    pub seclabels: Vec<Seclabel>,
    /// The user's own words for the emulator.
    pub passthrough: Passthrough,
}

impl Head {
    /// The guest's NUMA cells.
    pub fn cells(&self) -> &[Cell] {
        &self.numa.cells
    }
}

/// A definition as it was read: not completed, not checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// All that is not a device.
    pub head: Head,
    /// The devices.
    pub devices: Devices,
    /// As a new definition: what the guest sees may still be chosen anew.
    pub abi_update: bool,
}

/// A definition that is complete and passed every rule. [`Draft::complete`] is the only way to
/// get one; an edit makes a new draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain(Draft);

impl Deref for Domain {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.0
    }
}

impl Draft {
    /// Reads a document.
    pub fn parse(xml: &str, mode: &ReadMode) -> Result<Self> {
        let label = "domain_definition";
        let document =
            if mode.strict { Document::parse_strict(xml, label)? } else { Document::parse(xml, label)? };
        let root = document.root();
        if root.name() != "domain" {
            let detail = format!("unexpected root element <{}>, expecting <domain>", root.name());
            return Err(Error::new(Code::XmlError, Origin::Domain, detail).at(root.position()));
        }
        let draft = Draft::from_element(&root, mode)?;
        match document.leftovers().first() {
            Some(leftover) => Err(leftover.error()),
            None => Ok(draft),
        }
    }

    /// Reads a definition inside another document.
    pub(crate) fn from_element(root: &Element<'_>, mode: &ReadMode) -> Result<Self> {
        let devices = root.child("devices");
        let mut vcpus = Vcpus::parse(root)?;
        let identity = Identity::parse(root, mode)?;
        let iothreads = IoThreads::parse(root)?;
        let cputune = Cputune::parse(root, vcpus.maximum, &iothreads)?;
        let numatune = Numatune::parse(root, vcpus.placement == Placement::Auto)?;
        if numatune.is_automatic() && vcpus.cpuset.is_none() && !cputune.has_pins() {
            vcpus.placement = Placement::Auto;
        }
        Ok(Draft {
            head: Head {
                sysinfo: sysinfo::parse(root, identity.uuid)?,
                identity,
                memory: Memory::parse(root)?,
                memory_backing: MemoryBacking::parse(root)?,
                numatune,
                vcpus,
                tuning: Tuning::parse(root)?,
                launch_security: LaunchSecurity::parse(root)?,
                cputune,
                iothreads,
                throttle_groups: ThrottleGroups::parse(root)?,
                os: Os::parse(root)?,
                features: Features::parse(root)?,
                cpu: cpu::parse(root)?,
                numa: Numa::parse(root)?,
                clock: Clock::parse(root)?,
                lifecycle: Lifecycle::parse(root)?,
                emulator: devices.and_then(|d| d.child_text("emulator")),
                seclabels: seclabel::parse(root, mode)?,
                passthrough: Passthrough::parse(root)?,
            },
            devices: devices.map(|d| Devices::parse(&d, mode)).transpose()?.unwrap_or_default(),
            abi_update: mode.abi_update,
        })
    }

    /// Fills in what was left open, finds a place for every device and checks every rule.
    pub fn complete(mut self, setting: &Setting<'_>) -> Result<Domain> {
        passes::run(&mut self, setting)?;
        Ok(Domain(self))
    }

    /// Completes the definition of a run, which was complete when the run started.
    pub fn resume(mut self, setting: &Setting<'_>) -> Result<Domain> {
        passes::resume(&mut self, setting)?;
        Ok(Domain(self))
    }

    /// Fills in what no emulator or machine type decides: for documents of guests that are not to be
    /// run here.
    pub fn complete_common(&mut self, setting: &Setting<'_>) -> Result<()> {
        passes::run_common(self, setting)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.head.identity.name
    }

    /// Its UUID; all zero until one is made up.
    pub fn uuid(&self) -> Uuid {
        self.head.identity.uuid.unwrap_or_default()
    }

    /// The document.
    pub fn to_xml(&self, mode: &WriteMode) -> String {
        self.to_element(mode).to_xml()
    }

    /// The document's outermost element.
    pub fn to_element(&self, mode: &WriteMode) -> El {
        self.to_element_named("domain", mode)
    }

    /// The element of a status document: with secrets, and with what only the status of a run says.
    pub(crate) fn to_run_element(&self) -> El {
        let mode = WriteMode { secure: true, ..WriteMode::default() };
        self.to_element_with("domain", &mode, Devices::format_run)
    }

    /// The same under another name, for a document that has two of them.
    pub(crate) fn to_element_named(&self, name: &'static str, mode: &WriteMode) -> El {
        self.to_element_with(name, mode, Devices::format)
    }

    fn to_element_with(
        &self,
        name: &'static str,
        mode: &WriteMode,
        write_devices: fn(&Devices, &mut El, &WriteMode),
    ) -> El {
        let head = &self.head;
        let mut root = El::new(name);
        head.identity.format(&mut root, mode);
        head.memory.format(&mut root);
        head.tuning.format_blkiotune(&mut root);
        head.tuning.format_memtune(&mut root);
        head.memory_backing.format(&mut root);
        head.vcpus.format(&mut root);
        head.iothreads.format(&mut root);
        head.cputune.format(&mut root);
        head.throttle_groups.format(&mut root);
        head.numatune.format(&mut root);
        head.tuning.format_resource(&mut root);
        sysinfo::format(&head.sysinfo, &mut root);
        head.os.format(&mut root);
        head.tuning.format_idmap(&mut root);
        head.features.format(&mut root);
        cpu::format(head.cpu.as_ref(), &head.numa, &mut root);
        head.clock.format(&mut root);
        head.lifecycle.format(&mut root);
        head.tuning.format_perf(&mut root);
        let mut devices = El::new("devices");
        devices.push_text("emulator", head.emulator.as_ref());
        write_devices(&self.devices, &mut devices, mode);
        root.push(devices);
        seclabel::format(&head.seclabels, &mut root, mode);
        head.tuning.format_keywrap(&mut root);
        root.extend(head.launch_security.as_ref().map(LaunchSecurity::format));
        head.passthrough.format(&mut root);
        root
    }
}

impl Domain {
    /// The same definition as a run with this id.
    pub fn with_id(&self, id: Option<i32>) -> Domain {
        let mut draft = self.0.clone();
        draft.head.identity.id = id;
        Domain(draft)
    }

    /// The same definition with this label in place of the one of the same model.
    pub fn with_label(mut self, label: Option<Seclabel>) -> Domain {
        if let Some(label) = label {
            self.0.head.seclabels.retain(|known| known.model != label.model);
            self.0.head.seclabels.push(label);
        }
        self
    }

    /// The definition of a run, which was complete when the run started.
    pub(crate) fn of_run(draft: Draft) -> Domain {
        Domain(draft)
    }

    /// The same definition as a run has it: with a USB port and an alias for every device.
    pub(crate) fn for_run(&self, setting: &Setting<'_>) -> Result<Domain> {
        let mut draft = self.0.clone();
        crate::firmware::at_start(&mut draft, setting)?;
        passes::places_for_run(&mut draft)?;
        cpu::settle(&mut draft, setting)?;
        if setting.incoming.is_none() {
            memory::align(&mut draft)?;
        }
        let Draft { head, devices, .. } = &mut draft;
        devices.alias_narrow_scsi();
        devices.assign_aliases(head);
        crate::devices::disk::name_nodes(&mut devices.disks, !setting.has(Flag::BlockjobBackingMaskProtocol));
        Ok(Domain(draft))
    }

    /// The same definition with more known of its disks' images.
    pub(crate) fn with_images(&self, change: impl FnOnce(&mut Draft) -> Result<()>) -> Result<Domain> {
        let mut draft = self.0.clone();
        change(&mut draft)?;
        Ok(Domain(draft))
    }

    /// Changes what network cards have for a run, one after another; stops at the first that fails.
    pub fn change_cards(&mut self, change: impl FnMut(&mut Interface) -> Result<()>) -> Result<()> {
        self.0.devices.interfaces.iter_mut().try_for_each(change)
    }

    /// The same guest with these devices alone.
    pub(crate) fn with_devices_only(&self, devices: Devices) -> Domain {
        Domain(Draft { devices, ..self.0.clone() })
    }

    /// The same definition with an alias for every device.
    pub fn with_aliases(&self) -> Domain {
        let mut draft = self.0.clone();
        let Draft { head, devices, .. } = &mut draft;
        devices.assign_aliases(head);
        Domain(draft)
    }

    /// The definition, to be changed and completed again.
    pub fn into_draft(self) -> Draft {
        self.0
    }

    /// The run's id.
    pub fn id(&self) -> Option<i32> {
        self.0.head.identity.id
    }
}
