//! Every option that is not a device.
//!
//! Owns: the table of options. Never: more than a few lines about one of them.

use super::Importer;
use super::back_ends::Kind;
use super::device::Device;
use super::{host_device, small};
use crate::line::Opt;
use crate::values::{Values, truth};
use ostler_xml::El;

/// Options of which nothing has to be said: the daemon starts each guest with them, or has its own way.
const THE_DAEMONS: &[&str] = &[
    "S",
    "M",
    "nodefaults",
    "no-user-config",
    "nodefconfig",
    "no-shutdown",
    "monitor",
    "mon",
    "qmp",
    "sandbox",
    "msg",
    "daemonize",
    "pidfile",
    "no-kqemu",
    "k",
    "watchdog-action",
    "D",
    "runas",
    "chroot",
    "enable-fips",
];

/// What an option with a value does; `false`: it is passed on.
type WithValue = fn(&mut Importer, &str) -> bool;

const WITH_VALUE: &[(&str, WithValue)] = &[
    ("machine", Importer::machine),
    ("accel", Importer::accel),
    ("cpu", Importer::cpu),
    ("smp", Importer::smp),
    ("m", Importer::memory),
    ("mem-path", Importer::memory_path),
    ("numa", Importer::numa),
    ("name", Importer::name),
    ("uuid", |importer, text| {
        importer.guest.uuid = Some(text.to_owned());
        true
    }),
    ("boot", Importer::boot),
    ("rtc", Importer::rtc),
    ("global", Importer::global),
    ("smbios", Importer::smbios),
    ("fw_cfg", Importer::fw_cfg),
    ("overcommit", Importer::overcommit),
    ("realtime", |importer, text| importer.overcommit(&text.replace("mlock", "mem-lock"))),
    ("kernel", |importer, text| importer.os("kernel", text)),
    ("initrd", |importer, text| importer.os("initrd", text)),
    ("append", |importer, text| importer.os("cmdline", text)),
    ("dtb", |importer, text| importer.os("dtb", text)),
    ("bios", |importer, text| importer.os("loader", text)),
    ("pflash", |importer, text| {
        let mut values = Values::default();
        values.push("file", text);
        values.push("format", "raw");
        importer.pflash(&mut values).is_some()
    }),
    ("acpitable", Importer::acpi_table),
    ("vnc", Importer::vnc),
    ("spice", Importer::spice),
    ("display", Importer::display),
    ("vga", |importer, text| {
        importer.hints.vga = Some(text.to_owned());
        true
    }),
    ("soundhw", Importer::sound_cards),
    ("serial", |importer, text| importer.old_port("serial", text)),
    ("parallel", |importer, text| importer.old_port("parallel", text)),
    ("nic", Importer::nic),
    ("usbdevice", Importer::usb_device),
    ("watchdog", Importer::old_watchdog),
    ("virtfs", Importer::virtfs),
    ("run-with", Importer::run_with),
    ("add-fd", |importer, text| {
        importer.remark(format!("-add-fd {text}: a file was passed as a descriptor; put its path where the document says /dev/fdset"));
        true
    }),
];

/// Options without a value.
type Bare = fn(&mut Importer);

const BARE: &[(&str, Bare)] = &[
    ("no-acpi", |_| {}),
    ("nographic", |importer| importer.hints.no_graphic = true),
    ("usb", |importer| importer.hints.usb = true),
    ("no-reboot", |importer| importer.guest.no_reboot = true),
    ("localtime", |importer| importer.guest.clock.local = true),
    ("enable-kvm", |importer| importer.accelerators("kvm")),
    ("kvm", |importer| importer.accelerators("kvm")),
    ("no-kvm", |importer| importer.accelerators("tcg")),
    ("no-hpet", |importer| importer.timer("hpet", "present", "no")),
    ("no-kvm-pit-reinjection", |importer| importer.timer("pit", "tickpolicy", "discard")),
    ("rtc-td-hack", |importer| importer.timer("rtc", "tickpolicy", "catchup")),
    ("sdl", Importer::sdl),
    ("std-vga", |importer| importer.hints.vga = Some("std".to_owned())),
    ("mem-prealloc", |importer| {
        importer.guest.memory_backing.push(El::new("allocation").attr("mode", "immediate"));
    }),
];

/// Acts on one option. `false`: nobody understands it, it is passed on.
pub(super) fn apply(importer: &mut Importer, index: usize, opt: &Opt) -> bool {
    let name = opt.name.as_str();
    if name == "M" {
        return opt.value.as_deref().is_some_and(|text| importer.machine(text));
    }
    if THE_DAEMONS.contains(&name) {
        return true;
    }
    let Some(text) = opt.value.as_deref() else {
        return match BARE.iter().find(|(known, _)| *known == name) {
            Some((_, act)) => {
                act(importer);
                true
            }
            None => false,
        };
    };
    match name {
        "device" => importer.devices.push(Device::parse(index, text)),
        "drive" => return importer.keep(Kind::Drive, index, Values::parse(text, "file"), "id"),
        "blockdev" => {
            return importer.keep(Kind::Blockdev, index, Values::parse(text, "driver"), "node-name");
        }
        "netdev" => return importer.keep(Kind::Netdev, index, Values::parse(text, "type"), "id"),
        "chardev" => return importer.chardev_option(index, text),
        "fsdev" => return importer.keep(Kind::Fsdev, index, Values::parse(text, "fsdriver"), "id"),
        "tpmdev" => return importer.keep(Kind::Tpmdev, index, Values::parse(text, "type"), "id"),
        "object" => return importer.object(index, text),
        "audiodev" => return importer.audio(index, text),
        "net" => return importer.net(index, text),
        "" | "hda" | "hdb" | "hdc" | "hdd" | "cdrom" | "fda" | "fdb" | "sd" => {
            return importer.old_disk(index, name, text);
        }
        _ => {
            return WITH_VALUE
                .iter()
                .find(|(known, _)| *known == name)
                .is_some_and(|(_, act)| act(importer, text));
        }
    }
    true
}

impl Importer {
    fn name(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "guest");
        if let Some(name) = values.take("guest") {
            self.guest.name = Some(name);
        }
        values.ignore(&["debug-threads", "process"]);
        values.leftovers().is_empty()
    }

    fn os(&mut self, element: &'static str, text: &str) -> bool {
        self.guest.os.push(El::with_text(element, text));
        true
    }

    fn overcommit(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "");
        if values.take_truth("mem-lock") == Some(true) {
            self.guest.memory_backing.push(El::new("locked"));
        }
        if values.get("cpu-pm").is_some_and(|v| truth(v) == Some(false)) {
            values.take("cpu-pm");
        }
        values.leftovers().is_empty()
    }

    fn acpi_table(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "");
        let (slic, file) = (values.take("sig"), values.take("file"));
        let Some(file) = file.filter(|_| values.leftovers().is_empty()) else { return false };
        let kind = if slic.as_deref() == Some("SLIC") { "slic" } else { "raw" };
        self.guest.os_tail.push(El::new("acpi").child(El::with_text("table", file).attr("type", kind)));
        true
    }

    fn run_with(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "");
        if let Some(state) = values.take("async-teardown") {
            self.guest
                .features
                .push(El::new("async-teardown").attr("enabled", if state == "on" { "yes" } else { "no" }));
        }
        values.leftovers().is_empty()
    }

    fn old_watchdog(&mut self, model: &str) -> bool {
        let action = self.hints.watchdog_action.clone();
        let action = small::watchdog_action(action.as_deref()).to_owned();
        self.guest.devices.push(El::new("watchdog").attr("model", model).attr("action", action));
        true
    }

    fn usb_device(&mut self, text: &str) -> bool {
        self.hints.usb = true;
        let el = match text {
            "mouse" => Some(El::new("input").attr("type", "mouse").attr("bus", "usb")),
            "tablet" => Some(El::new("input").attr("type", "tablet").attr("bus", "usb")),
            "keyboard" => Some(El::new("input").attr("type", "keyboard").attr("bus", "usb")),
            _ => match text.split_once(':') {
                // Disks are numbered in the order in which QEMU makes them: these after every -drive.
                Some(("disk", file)) => {
                    self.usb_disks.push(file.to_owned());
                    return true;
                }
                Some(("host", place)) => host_device::old_usb(place),
                _ => None,
            },
        };
        let known = el.is_some();
        self.guest.devices.extend(el);
        known
    }

    fn net(&mut self, index: usize, text: &str) -> bool {
        self.hints.has_net = true;
        let values = Values::parse(text, "type");
        match values.get("type") {
            Some("none") => self.hints.no_net = true,
            Some(_) => self.old_nets.push((index, values)),
            None => return false,
        }
        true
    }

    fn chardev_option(&mut self, index: usize, text: &str) -> bool {
        let values = Values::parse(text, "backend");
        // A JSON value names the kind and its data one level down.
        let mut flat = Values::default();
        for (key, value) in values.iter() {
            let key = match key {
                "backend.type" => "backend",
                "backend.data.addr.type" => continue,
                key => {
                    let key = key.strip_prefix("backend.data.").unwrap_or(key);
                    let key = key.strip_prefix("addr.data.").unwrap_or(key);
                    match key {
                        "device" | "out" => "path",
                        "remote.data.host" => "host",
                        "remote.data.port" => "port",
                        "local.data.host" => "localaddr",
                        "local.data.port" => "localport",
                        "remote.type" | "local.type" => continue,
                        "fqdn" | "type" => "name",
                        key => key,
                    }
                }
            };
            flat.push(key, value);
        }
        self.keep(Kind::Chardev, index, flat, "id");
        let monitor = self
            .options
            .iter()
            .filter(|o| o.name == "mon" || o.name == "qmp")
            .filter_map(|o| o.value.as_deref());
        let id = self.back_ends.last().map(|b| b.id.clone()).unwrap_or_default();
        if monitor.into_iter().any(|text| Values::parse(text, "chardev").get("chardev") == Some(&id)) {
            self.claim(index);
        }
        true
    }

    fn object(&mut self, index: usize, text: &str) -> bool {
        let mut values = Values::parse(text, "qom-type");
        match values.get("qom-type") {
            Some("iothread") => {
                let id = values.take("id").unwrap_or_default();
                let count = self.guest.iothreads.len() as u64;
                let number = id.strip_prefix("iothread").and_then(|n| n.parse().ok()).unwrap_or(count + 1);
                let mut el = El::new("iothread").attr("id", number);
                el.set_opt("thread_pool_min", values.take_number("thread-pool-min"));
                el.set_opt("thread_pool_max", values.take_number("thread-pool-max"));
                self.guest.iothreads.push(el);
                self.iothread_ids.push((id, number));
                true
            }
            // The key under which the daemon hands passwords to QEMU.
            Some("secret") if values.get("id") == Some("masterKey0") => true,
            _ => self.keep(Kind::Object, index, values, "id"),
        }
    }

    /// The number of an I/O thread.
    pub(super) fn iothread(&self, id: &str) -> Option<u64> {
        self.iothread_ids.iter().find(|(name, _)| name == id).map(|(_, number)| *number)
    }

    /// The first serial port, which QEMU has unless told otherwise.
    pub(super) fn default_serial(&mut self) {
        let said = self.hints.no_defaults || self.hints.has_serial || self.hints.no_serial;
        if !said && self.hints.no_graphic {
            self.guest
                .devices
                .push(El::new("serial").attr("type", "pty").child(El::new("target").attr("port", 0)));
            self.guest.devices.push(
                El::new("console")
                    .attr("type", "pty")
                    .child(El::new("target").attr("type", "serial").attr("port", 0)),
            );
            self.remark("the serial port that -nographic shows on the terminal became a pty: virsh console");
        }
    }
}
