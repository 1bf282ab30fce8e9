//! Devices: one module a kind, and one table of them all.
//!
//! Owns: what a device answers ([`Device`]), the table, the order of kinds in a document and on a
//! command line. Never: knows any device by name outside the table.

mod chardev;
mod info;
mod labels;
mod one;
mod virtio;

pub mod audio;
pub mod channel;
pub mod console;
pub mod controller;
pub mod crypto;
pub mod disk;
pub mod filesystem;
pub mod graphics;
pub mod hostdev;
pub mod hub;
pub mod input;
pub mod interface;
pub mod iommu;
pub mod lease;
pub mod memballoon;
pub mod memory;
pub mod nvram;
pub mod panic;
pub mod parallel;
pub mod pstore;
pub mod redirdev;
pub mod redirfilter;
pub mod rng;
pub mod serial;
pub mod shmem;
pub mod smartcard;
pub mod sound;
pub mod tpm;
pub mod video;
pub mod vsock;
pub mod watchdog;

use std::collections::BTreeMap;
use std::fmt::Debug;

use ostler_base::Result;
use ostler_plan::{Action, Facts, Part, PassedFds, Props, Query, Resource};
use ostler_xml::{El, Element};

pub use chardev::CharDevice;
pub use info::{Info, Rom};
pub use labels::DeviceLabel;
use one::{find_kind, new_aliases};
pub use virtio::{VirtioModel, VirtioOptions};

use crate::{Draft, Head, HostFacts, ReadMode, Setting, WriteMode};

/// What is asked of every device. A simple device answers little: most has a default.
pub trait Device: Debug {
    /// Alias, address, boot order: what all devices have.
    fn info(&self) -> &Info;

    /// The same, to be filled in.
    fn info_mut(&mut self) -> &mut Info;

    /// The element, without what [`Info`] adds.
    fn format(&self, mode: &WriteMode) -> El;

    /// Adds what comes after what [`Info`] adds.
    fn format_last(&self, _el: &mut El) {}

    /// Adds to the finished element what only the status of a run says.
    fn format_run(&self, _el: &mut El) {}

    /// Fills in what the definition left open.
    fn complete(&mut self, _head: &Head, _setting: &Setting<'_>) -> Result<()> {
        Ok(())
    }

    /// Checks the device's own rules.
    fn validate(&self, _draft: &Draft, _setting: &Setting<'_>) -> Result<()> {
        Ok(())
    }

    /// What place it needs.
    fn slot(&self, _draft: &Draft) -> Slot {
        Slot::None
    }

    /// Whether it is a virtio device, which sits on whatever bus the machine has for these.
    fn is_virtio(&self) -> bool {
        false
    }

    /// The first register that such a device has on the virtual bus of POWER, if it sits there.
    fn spapr_vio_base(&self) -> Option<u64> {
        None
    }

    /// Its turn when USB ports are given out; `None` for what is not plugged into one.
    fn usb_turn(&self) -> Option<u8> {
        None
    }

    /// Its turn when PCI addresses are given out, where it is not that of its kind.
    fn place_turn(&self) -> Option<u8> {
        None
    }

    /// On machines that keep devices apart: what it must share a bus with; 0 for what may be with
    /// all others.
    fn isolation(&self, _host: &HostFacts) -> u32 {
        0
    }

    /// What devices are counted by for their aliases, where it is not their kind.
    fn series(&self) -> &'static str {
        ""
    }

    /// Whether devices that the user named are left out when its series is counted.
    fn skips_named(&self) -> bool {
        false
    }

    /// The alias of the device that is the `nth` of its series; empty for what has no identifier in
    /// the emulator.
    fn alias(&self, nth: usize, head: &Head) -> String;

    /// Its turn among its kind on the command line; devices of one turn keep the document's order.
    fn argv_turn(&self) -> u8 {
        0
    }

    /// Adds what it is made of: back ends first, then the front end.
    fn parts(&self, build: &mut Build<'_>) -> Result<()>;

    /// Whether its place is that of another device, which it is under another name.
    fn shares_place(&self) -> bool {
        false
    }

    /// Properties of `-machine` that it brings with it.
    fn machine_props(&self, _draft: &Draft, _setting: &Setting<'_>, _props: &mut Props) {}

    /// Variables that it adds to the emulator's environment.
    fn environment(&self, _draft: &Draft, _setting: &Setting<'_>, _out: &mut Vec<(String, String)>) {}

    /// The memory that it is, KiB; part of all memory that the definition says.
    fn module_size(&self) -> u64 {
        0
    }

    /// Rounds that memory up to what emulators take.
    fn align_module(&mut self, _head: &Head) -> Result<()> {
        Ok(())
    }

    /// Asks what has to be known of the host before it can be planned.
    fn ask(&self, _setting: &Setting<'_>, _out: &mut Vec<Query>) {}

    /// What has to be done before the emulator runs.
    fn actions(&self, _build: &Build<'_>, _out: &mut Vec<Action>) -> Result<()> {
        Ok(())
    }

    /// What has to be done after the emulator is gone.
    fn cleanup(&self, _draft: &Draft, _setting: &Setting<'_>, _out: &mut Vec<Action>) {}

    /// Everything it touches on the host that the definition names.
    fn resources(&self, _out: &mut Vec<Resource>) {}

    /// What it touches besides, as the host told.
    fn resources_found(&self, _facts: &Facts, _out: &mut Vec<Resource>) -> Result<()> {
        Ok(())
    }

    /// Why it cannot be plugged while the guest runs, beside what [`Kind::PLUG`] says.
    fn refuse_plug(&self) -> Result<()> {
        Ok(())
    }

    /// Why it cannot be unplugged while the guest runs, beside what [`Kind::PLUG`] says.
    fn refuse_unplug(&self) -> Result<()> {
        Ok(())
    }

    /// What the emulator is asked once it is plugged.
    fn after_plug(&self) -> &'static [&'static str] {
        &[]
    }

    /// What an error says when a guest has no such device.
    fn absent(&self) -> String {
        "device not present in domain configuration".to_owned()
    }
}

/// What can be done with devices of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plug {
    /// They can come and go while the guest runs.
    pub live: bool,
    /// They can come and go in a definition.
    pub stored: bool,
}

impl Plug {
    /// Neither.
    pub const NEVER: Plug = Plug { live: false, stored: false };
    /// In a definition only.
    pub const STORED: Plug = Plug { live: false, stored: true };
    /// At any time.
    pub const ALWAYS: Plug = Plug { live: true, stored: true };
}

/// What a kind of device adds to [`Device`]: how it is found and read.
pub trait Kind: Device + Sized {
    /// The name of its element.
    const ELEMENT: &'static str;

    /// Reads its element; [`Info`] is read apart.
    fn parse(el: &Element<'_>) -> Result<Self>;

    /// Reads what only the status of a run says.
    fn parse_run(&mut self, _el: &Element<'_>) -> Result<()> {
        Ok(())
    }

    /// Brings all of a kind in the order in which they are kept; that of the document by default.
    fn arrange(_all: &mut Vec<Self>) {}

    /// Forgets what only status documents say.
    fn forget_run(&mut self) {}

    /// What can be done with devices of this kind.
    const PLUG: Plug = Plug::NEVER;

    /// What messages call the kind.
    const WORD: &'static str = Self::ELEMENT;

    /// Puts a device into its place among those of its kind.
    fn place_among(self, all: &mut Vec<Self>) {
        all.push(self);
    }

    /// Whether this is the device that somebody means who describes one: what was said of it, and
    /// the same completed.
    fn is_meant(&self, _said: &Self, whole: &Self) -> bool {
        let mode = WriteMode { inactive: true, secure: true, migratable: false };
        self.format(&mode) == whole.format(&mode)
    }

    /// Those that are there without being asked for, beside what the definition names.
    fn implied(_devices: &Devices, _head: &Head, _setting: &Setting<'_>) -> Vec<Self> {
        Vec::new()
    }
}

/// The place that a device needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// None, or one that it knows itself.
    None,
    /// A PCI slot that takes conventional cards.
    Pci,
    /// A PCI Express slot where the machine has them, a conventional one elsewhere.
    Pcie,
    /// A slot of the root bus.
    Root,
    /// A function of the slot that the USB controllers of a set share.
    Companion {
        /// Number of the set.
        set: u32,
        /// Its function.
        function: u8,
    },
    /// A place for a bus.
    Bridge(controller::PciModel),
}

/// A plan that is being made: what devices read, and what they add to.
pub struct Build<'a> {
    /// The definition.
    pub draft: &'a Draft,
    /// What it is made against.
    pub setting: &'a Setting<'a>,
    /// The answers of the host.
    pub facts: &'a Facts,
    /// Descriptors to pass.
    pub fds: PassedFds,
    /// Parts, in order.
    pub parts: Vec<Part>,
}

impl Build<'_> {
    /// Adds a secret, encrypted with the key of the run.
    pub fn add_secret(&mut self, id: &str, lookup: &str) -> Result<()> {
        let (data, iv) = self.facts.secret(lookup)?;
        self.push_secret(id, data, iv);
        Ok(())
    }

    /// Adds a text as a secret, encrypted with the key of the run.
    pub fn add_sealed(&mut self, id: &str, text: &str) -> Result<()> {
        let (data, iv) = self.facts.sealed(text)?;
        self.push_secret(id, data, iv);
        Ok(())
    }

    fn push_secret(&mut self, id: &str, data: &str, iv: &str) {
        let secret = ostler_plan::Props::new()
            .with("qom-type", "secret")
            .with("id", id)
            .with("data", data)
            .with("keyid", "masterKey0")
            .with("iv", iv)
            .with("format", "base64");
        self.parts.push(Part::Object(secret));
    }

    /// Passes one of the descriptors that a client handed in under a name, as a member of a set.
    pub fn add_client_fd(&mut self, name: &str, nth: usize, number: Option<u32>, set: u32, opaque: &str) {
        use ostler_plan::{FdKind, FdSource};
        let source = FdSource::Given(format!("{name}:{nth}"));
        let number = match number {
            Some(number) => {
                self.fds.add_fixed(number, FdKind::Client, source);
                number
            }
            None => self.fds.add(FdKind::Client, source),
        };
        self.parts.push(Part::plain("-add-fd", format!("set={set},fd={number},opaque={opaque}")));
    }

    /// Passes a descriptor as a member of a set of its own; the path under which QEMU finds it.
    pub fn add_fd(
        &mut self,
        kind: ostler_plan::FdKind,
        source: ostler_plan::FdSource,
        opaque: &str,
    ) -> String {
        let number = self.fds.add(kind, source);
        let set = self.fds.next_set();
        self.parts.push(Part::plain("-add-fd", format!("set={set},fd={number},opaque={opaque}")));
        format!("/dev/fdset/{set}")
    }
}

macro_rules! kinds {
    ($($field:ident: $kind:ty, argv $argv:literal, place $place:literal, visit $visit:literal;)+) => {
        /// All devices of a definition, by kind, in the order of the document.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Devices {
            $(#[doc = concat!("All of `", stringify!($kind), "`.")] pub $field: Vec<$kind>,)+
        }

        impl Devices {
            /// Reads all children of `<devices>`.
            pub(crate) fn parse(devices: &Element<'_>, mode: &ReadMode) -> Result<Self> {
                Ok(Devices { $($field: parse_kind(devices, mode)?,)+ })
            }

            /// Every device, in the order of the document.
            pub fn iter(&self) -> impl Iterator<Item = &dyn Device> {
                let all: Vec<&dyn Device> = Vec::new().into_iter()
                    $(.chain(self.$field.iter().map(|d| d as &dyn Device)))+.collect();
                all.into_iter()
            }

            /// Every device, to be changed.
            pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut dyn Device> {
                let all: Vec<&mut dyn Device> = Vec::new().into_iter()
                    $(.chain(self.$field.iter_mut().map(|d| d as &mut dyn Device)))+.collect();
                all.into_iter()
            }

            /// Every device, in the order of the command line.
            pub(crate) fn in_argv_order(&self) -> impl Iterator<Item = &dyn Device> {
                let mut all: Vec<(u8, &dyn Device)> = Vec::new();
                $(all.extend(self.$field.iter().map(|d| ($argv, d as &dyn Device)));)+
                all.sort_by_key(|(rank, device)| (*rank, device.argv_turn()));
                all.into_iter().map(|(_, device)| device)
            }

            /// For every device, in the order of the document: its turn when places are given out.
            pub(crate) fn turns(&self) -> Vec<u8> {
                let mut turns = Vec::new();
                $(turns.extend(self.$field.iter().map(|_| $place));)+
                turns
            }

            /// For every device, in the order of the document: its turn on channel I/O, and when
            /// identifiers are given out.
            pub(crate) fn visits(&self) -> Vec<u8> {
                let mut visits = Vec::new();
                $(visits.extend(self.$field.iter().map(|_| $visit));)+
                visits
            }

            /// Reads one device; none where no kind has this element.
            pub(crate) fn one(el: &Element<'_>, mode: &ReadMode) -> Result<Option<Self>> {
                let mut all = Devices::default();
                $(if el.name() == <$kind>::ELEMENT {
                    all.$field.push(parse_one(el, mode)?);
                    return Ok(Some(all));
                })+
                Ok(None)
            }

            /// What messages call the kind of the first device, and what can be done with it.
            pub(crate) fn kind(&self) -> (&'static str, Plug) {
                $(if !self.$field.is_empty() {
                    return (<$kind>::WORD, <$kind>::PLUG);
                })+
                ("none", Plug::NEVER)
            }

            /// Adds the devices of another list, each in its place.
            pub(crate) fn merge(&mut self, others: Devices) {
                $(for device in others.$field {
                    device.place_among(&mut self.$field);
                })+
            }

            /// Takes those out that are meant, as a list of their own.
            pub(crate) fn split_off(&mut self, mut meant: impl FnMut(&dyn Device) -> bool) -> Devices {
                let mut out = Devices::default();
                $({
                    let all = std::mem::take(&mut self.$field);
                    (out.$field, self.$field) = all.into_iter().partition(|device| meant(device));
                })+
                out
            }

            /// The place of the device that somebody means who describes one.
            pub(crate) fn find(
                &self,
                said: &Devices,
                head: &Head,
                setting: &Setting<'_>,
            ) -> Result<Option<usize>> {
                let mut before = 0;
                $(if let Some(said) = said.$field.first() {
                    return Ok(find_kind(&self.$field, said, head, setting)?.map(|at| before + at));
                }
                before += self.$field.len();)+
                debug_assert_eq!(before, self.iter().count());
                Ok(None)
            }

            /// Gives every device that has none an alias that none among `others` has.
            pub(crate) fn assign_new_aliases(&mut self, others: &Devices, head: &Head) {
                $(new_aliases(&mut self.$field, &others.$field, head);)+
            }

            /// Adds the devices that are there without being asked for.
            pub(crate) fn add_implied(&mut self, head: &Head, setting: &Setting<'_>) {
                $(let more = <$kind>::implied(self, head, setting);
                self.$field.extend(more);)+
            }

            /// Gives every device that has none its alias.
            pub(crate) fn assign_aliases(&mut self, head: &Head) {
                let mut series: BTreeMap<&'static str, usize> = BTreeMap::new();
                $(for device in &mut self.$field {
                    let own = Some(device.series()).filter(|own| !own.is_empty());
                    let count = series.entry(own.unwrap_or(<$kind>::ELEMENT)).or_default();
                    if device.info().alias.is_none() {
                        let alias = device.alias(*count, head);
                        device.info_mut().alias = Some(alias).filter(|alias| !alias.is_empty());
                    } else if device.skips_named() {
                        continue;
                    }
                    *count += 1;
                })+
            }
        }
    };
}

// A kind is a line here and a `mod` line above. The order of lines is that of the document; `argv`
// is the kind's place on the command line, `place` its turn when PCI addresses are given out, `visit`
// its turn on channel I/O and for identifiers of PCI functions on s390.
kinds! {
    disks: disk::Disk, argv 20, place 30, visit 10;
    controllers: controller::Controller, argv 10, place 20, visit 60;
    leases: lease::Lease, argv 5, place 90, visit 240;
    filesystems: filesystem::Filesystem, argv 25, place 5, visit 130;
    interfaces: interface::Interface, argv 30, place 10, visit 20;
    smartcards: smartcard::Smartcard, argv 35, place 90, visit 70;
    serials: serial::Serial, argv 40, place 67, visit 80;
    parallels: parallel::Parallel, argv 42, place 90, visit 90;
    consoles: console::Console, argv 44, place 90, visit 110;
    channels: channel::Channel, argv 43, place 90, visit 100;
    inputs: input::Input, argv 51, place 65, visit 120;
    tpms: tpm::Tpm, argv 50, place 90, visit 190;
    graphics: graphics::Graphics, argv 53, place 90, visit 240;
    sounds: sound::Sound, argv 55, place 15, visit 30;
    audios: audio::Audio, argv 52, place 90, visit 240;
    videos: video::Video, argv 54, place 55, visit 50;
    hostdevs: hostdev::Hostdev, argv 62, place 35, visit 40;
    redirdevs: redirdev::Redirdev, argv 61, place 90, visit 210;
    redirfilters: redirfilter::Redirfilter, argv 61, place 90, visit 240;
    hubs: hub::Hub, argv 15, place 90, visit 170;
    watchdogs: watchdog::Watchdog, argv 60, place 50, visit 140;
    memballoons: memballoon::Memballoon, argv 70, place 40, visit 150;
    rngs: rng::Rng, argv 75, place 45, visit 160;
    nvrams: nvram::Nvram, argv 76, place 90, visit 165;
    panics: panic::Panic, argv 80, place 85, visit 200;
    shmems: shmem::Shmem, argv 85, place 60, visit 180;
    memories: memory::Memory, argv 12, place 75, visit 220;
    cryptos: crypto::Crypto, argv 87, place 80, visit 240;
    iommus: iommu::Iommu, argv 4, place 68, visit 225;
    vsocks: vsock::Vsock, argv 90, place 70, visit 230;
    pstores: pstore::Pstore, argv 95, place 88, visit 250;
}

fn parse_kind<K: Kind>(devices: &Element<'_>, mode: &ReadMode) -> Result<Vec<K>> {
    let mut all = devices.children(K::ELEMENT).map(|el| parse_one(&el, mode)).collect::<Result<Vec<K>>>()?;
    K::arrange(&mut all);
    Ok(all)
}

fn parse_one<K: Kind>(el: &Element<'_>, mode: &ReadMode) -> Result<K> {
    let mut device = K::parse(el)?;
    *device.info_mut() = Info::parse(el, mode)?;
    if mode.live {
        device.parse_run(el)?;
    } else {
        device.forget_run();
    }
    Ok(device)
}

impl Devices {
    /// Whether the definition says that there is no USB.
    pub(crate) fn has_no_usb(&self) -> bool {
        let usb = |c: &&controller::Controller| c.kind == controller::ControllerType::Usb;
        self.controllers.iter().filter(usb).any(|c| c.model.as_deref() == Some("none"))
    }

    /// Names disks on SCSI controllers that have no channels, which no disk can tell alone.
    pub(crate) fn alias_narrow_scsi(&mut self) {
        for controller in self.controllers.iter().filter(|c| c.is_narrow_scsi()) {
            let index = controller.index.unwrap_or(0);
            self.disks.iter_mut().for_each(|disk| disk.alias_on_narrow_scsi(index));
        }
    }

    pub(crate) fn format(&self, out: &mut El, mode: &WriteMode) {
        out.extend(self.iter().map(|device| {
            let mut el = device.format(mode);
            device.info().format(&mut el, mode);
            device.format_last(&mut el);
            el
        }));
    }

    /// The same with what only the status of a run says.
    pub(crate) fn format_run(&self, out: &mut El, mode: &WriteMode) {
        out.extend(self.iter().map(|device| {
            let mut el = device.format(mode);
            device.info().format(&mut el, mode);
            device.format_last(&mut el);
            device.format_run(&mut el);
            el
        }));
    }
}
