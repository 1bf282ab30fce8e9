//! From options to a guest.
//!
//! Owns: the order of the work: single options, then controllers, then devices with the back ends they
//! name, then what QEMU has without being told; and the rule that what nobody understood is passed on.
//! Never: knows one kind of device.

mod back_ends;
mod chardev;
mod cpu;
mod device;
mod display;
mod drive;
mod host_device;
mod machine;
mod memory;
mod net;
mod options;
mod small;
mod storage;
mod system;

use std::collections::BTreeSet;

use ostler_base::Result;
use ostler_xml::El;

use crate::guest::{Era, Guest};
use crate::line::{Line, Opt};
use back_ends::{BackEnd, Kind};
use device::{Buses, Device};

/// A command line turned into a document.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Domain XML. Remarks stand in a comment at its head, too.
    pub xml: String,
    /// What could not be said in the document, or was passed to `qemu:commandline`; for people.
    pub remarks: Vec<String>,
}

/// Turns a command line of QEMU, as a shell takes it, with variables in front, into domain XML.
///
/// # Errors
/// Where the line cannot be split, or has no emulator in it.
pub fn import(text: &str) -> Result<Imported> {
    let line = Line::parse(text)?;
    let mut importer = Importer::new(line);
    importer.identify();
    importer.single_options();
    importer.attach_devices();
    importer.defaults();
    Ok(importer.finish())
}

/// What is being worked on.
#[derive(Debug, Default)]
pub(crate) struct Importer {
    guest: Guest,
    options: Vec<Opt>,
    variables: Vec<(String, String)>,
    /// Options that go to `qemu:commandline`, by place.
    passed: BTreeSet<usize>,
    back_ends: Vec<BackEnd>,
    devices: Vec<Device>,
    buses: Buses,
    remarks: Vec<String>,
    /// `qemu:override` entries.
    overrides: Vec<El>,
    hints: Hints,
    /// `-net` options that wait for their partner.
    old_nets: Vec<(usize, crate::values::Values)>,
    /// Sound cards that wait for codecs, by the name of their bus.
    codecs: Vec<(String, El)>,
    audio_ids: Vec<(String, u32)>,
    distances: Vec<(u64, u64, u64)>,
    cell_ids: Vec<u64>,
    iothread_ids: Vec<(String, u64)>,
    fw_cfg: Option<El>,
    /// Images of `-usbdevice disk:`.
    usb_disks: Vec<String>,
    /// Parts of options that go to `qemu:commandline`.
    passed_words: Vec<(String, String)>,
}

/// What single options say about other parts.
#[derive(Debug, Default)]
struct Hints {
    no_defaults: bool,
    no_graphic: bool,
    usb: bool,
    no_net: bool,
    has_net: bool,
    no_serial: bool,
    no_parallel: bool,
    has_serial: bool,
    no_display: bool,
    vga: Option<String>,
    keymap: Option<String>,
    watchdog_action: Option<String>,
    memory_object: Option<String>,
    /// 1 where a device has `bootindex=0`.
    boot_offset: u64,
    has_boot: bool,
    /// Nodes that the machine names as flash memory.
    flash: Vec<(&'static str, String)>,
    secure: bool,
}

impl Importer {
    fn new(line: Line) -> Self {
        let mut importer =
            Importer { options: line.options, variables: line.variables, ..Importer::default() };
        importer.guest.emulator = line.program;
        importer.guest.vcpus = 1;
        // What QEMU gives a guest when nothing is said.
        importer.guest.memory = 128 << 10;
        importer
    }

    /// A remark for the reader of the document.
    fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// Hands an option on unchanged.
    fn pass(&mut self, index: usize) {
        self.passed.insert(index);
    }

    /// Every option in its order: those that stand for themselves act, back ends and devices are kept.
    fn single_options(&mut self) {
        for index in 0..self.options.len() {
            let opt = self.options[index].clone();
            if !options::apply(self, index, &opt) {
                self.pass(index);
            }
        }
    }

    /// Controllers first, since devices name their buses; then devices; then drives and cards in the
    /// words of old.
    fn attach_devices(&mut self) {
        self.machine_controllers();
        let devices = std::mem::take(&mut self.devices);
        let (controllers, others): (Vec<_>, Vec<_>) = devices.into_iter().partition(Device::is_controller);
        for device in controllers {
            self.attach(device);
        }
        self.attach_drives();
        for file in std::mem::take(&mut self.usb_disks) {
            match drive::old_usb(self, &file) {
                Some(el) => self.guest.devices.push(el),
                None => self.passed_words.push(("-usbdevice".to_owned(), format!("disk:{file}"))),
            }
        }
        for device in others {
            self.attach(device);
        }
        self.attach_old_nets();
    }

    fn attach(&mut self, mut device: Device) {
        let Some(mut el) = device::import(self, &mut device) else {
            self.pass(device.index);
            return;
        };
        for index in &device.claims {
            for back_end in self.back_ends.iter_mut().filter(|b| b.index == *index) {
                back_end.claimed = true;
            }
        }
        self.override_leftovers(&device, &mut el);
        if !el.name().is_empty() {
            self.guest.devices.push(el);
        }
    }

    /// Properties that the document has no words for become a `qemu:override` of the device.
    fn override_leftovers(&mut self, device: &Device, el: &mut El) {
        let left: Vec<(String, String)> = device
            .values
            .leftovers()
            .iter()
            .filter_map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
            .collect();
        if left.is_empty() {
            return;
        }
        let list = left.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",");
        if el.name().is_empty() {
            self.remark(format!("-device {}: left out: {list}", device.driver));
            return;
        }
        let id = device.values.get("id").map_or_else(|| format!("device{}", device.index), str::to_owned);
        let alias = if id.starts_with("ua-") { id } else { format!("ua-{id}") };
        el.push(El::new("alias").attr("name", &alias));
        let mut front = El::new("qemu:frontend");
        front.extend(left.iter().map(|(name, value)| {
            let (kind, value) = device::property_type(value);
            El::new("qemu:property").attr("name", name).attr("type", kind).attr("value", value)
        }));
        self.overrides.push(El::new("qemu:device").attr("alias", &alias).child(front));
        self.remark(format!("-device {}: in qemu:override: {list}", device.driver));
    }

    /// What QEMU has, or the daemon would add, without being told.
    fn defaults(&mut self) {
        self.default_nics();
        self.default_display();
        self.default_serial();
        if self.guest.era == Era::Past {
            return;
        }
        if self.guest.kind == "kvm" && matches!(self.guest.arch.as_str(), "x86_64" | "i686") {
            self.guest.features.push(El::new("pae"));
        }
        if !self.guest.has("memballoon") {
            self.guest.devices.push(El::new("memballoon").attr("model", "none"));
        }
        self.absent_usb();
        if self.guest.machine.starts_with("s390-ccw") {
            self.guest.devices.push(El::new("panic").attr("model", "s390"));
        }
    }

    fn absent_usb(&mut self) {
        let has = self.buses.has_usb() || self.hints.usb;
        if !has && !self.guest.machine.starts_with("s390-ccw") {
            let none = El::new("controller").attr("type", "usb").attr("index", 0).attr("model", "none");
            self.guest.devices.push(none);
        }
    }

    /// Unclaimed back ends and everything passed, then the document.
    fn finish(mut self) -> Imported {
        self.boot_options();
        self.memory_objects();
        let unclaimed: Vec<usize> = self
            .back_ends
            .iter()
            .filter(|b| !b.claimed && b.kind != Kind::Implied)
            .map(|b| b.index)
            .collect();
        self.passed.extend(unclaimed);
        for index in std::mem::take(&mut self.passed) {
            let opt = &self.options[index];
            let words = [Some(opt.written.clone()), opt.value.clone()];
            let words: Vec<String> = if opt.name.is_empty() {
                opt.value.iter().cloned().collect()
            } else {
                words.into_iter().flatten().collect()
            };
            self.remarks.push(format!("in qemu:commandline: {}", words.join(" ")));
            self.guest.passed.extend(words);
        }
        for (option, value) in std::mem::take(&mut self.passed_words) {
            self.remarks.push(format!("in qemu:commandline: {option} {value}"));
            self.guest.passed.extend([option, value]);
        }
        self.guest.sysinfo.extend(self.fw_cfg.take());
        self.pass_variables();
        let remarks = std::mem::take(&mut self.remarks);
        let overrides = std::mem::take(&mut self.overrides);
        let xml = self.guest.into_xml(&remarks, overrides);
        Imported { xml, remarks }
    }

    /// Variables that change what QEMU does; those that the daemon sets itself are not carried over.
    fn pass_variables(&mut self) {
        const SET_BY_THE_DAEMON: &[&str] = &[
            "LC_ALL",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "TMPDIR",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
            "QEMU_AUDIO_DRV",
            "SASL_CONF_PATH",
            "DISPLAY",
            "XAUTHORITY",
            "SDL_AUDIODRIVER",
        ];
        let variables = std::mem::take(&mut self.variables);
        let kept = variables.into_iter().filter(|(name, _)| !SET_BY_THE_DAEMON.contains(&name.as_str()));
        self.guest.variables = kept.collect();
    }
}
