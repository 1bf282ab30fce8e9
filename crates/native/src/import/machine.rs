//! Which machine it is: the emulator's name, `-machine`, `-accel`.
//!
//! Owns: domain type, architecture, machine type, machine properties. Never: asks the emulator.

use ostler_base::Arch;
use ostler_xml::El;

use super::Importer;
use super::device::on_off;
use crate::guest::Era;
use crate::values::Values;

impl Importer {
    /// What the emulator's name, the machine and the accelerator say; first of all, since much depends on it.
    pub(super) fn identify(&mut self) {
        let program = self.guest.emulator.rsplit('/').next().unwrap_or_default().to_owned();
        let plain = program.trim_end_matches(".real");
        self.guest.kind = if matches!(plain, "kvm" | "qemu-kvm") { "kvm" } else { "qemu" }.to_owned();
        self.guest.era = if plain == "qemu" { Era::Past } else { Era::Present };
        self.guest.arch = match plain.strip_prefix("qemu-system-") {
            Some("i386" | "i686") => "i686".to_owned(),
            Some(name) => match Arch::from_qemu_name(name) {
                Some(arch) => arch.to_string(),
                None => name.to_owned(),
            },
            None if plain == "qemu" => "i686".to_owned(),
            None => "x86_64".to_owned(),
        };
        if self.guest.era == Era::Past {
            self.guest.uuid = Some("00000000-0000-0000-0000-000000000000".to_owned());
        } else {
            self.guest.name = Some("unnamed".to_owned());
        }
        if let Some(text) = self
            .options
            .iter()
            .rev()
            .find(|o| matches!(o.name.as_str(), "M" | "machine"))
            .and_then(|o| o.value.clone())
            && let Some(machine) = Values::parse(&text, "type").take("type")
        {
            self.guest.machine = machine;
        }
        if self.guest.machine.is_empty() {
            self.guest.machine = default_machine(&self.guest.arch).to_owned();
        }
        let zero = self.options.iter().filter(|o| o.name == "device").filter_map(|o| o.value.as_deref());
        let zero = zero.map(|text| Values::parse(text, "driver")).any(|v| v.get("bootindex") == Some("0"));
        self.hints.boot_offset = u64::from(zero);
        self.hints.keymap = self.options.iter().find(|o| o.name == "k").and_then(|o| o.value.clone());
        self.hints.watchdog_action =
            self.options.iter().find(|o| o.name == "watchdog-action").and_then(|o| o.value.clone());
        self.hints.no_defaults = self.options.iter().any(|o| o.name == "nodefaults");
        let acpi_off = self.options.iter().any(|o| {
            o.name == "no-acpi"
                || o.value
                    .as_deref()
                    .is_some_and(|v| (o.name == "machine" || o.name == "M") && v.contains("acpi=off"))
        });
        if !acpi_off && has_acpi(&self.guest.arch, &self.guest.machine) {
            self.guest.features.push(El::new("acpi"));
        }
    }

    /// `-machine` but for the type.
    pub(super) fn machine(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "type");
        values.take("type");
        if let Some(list) = values.take("accel") {
            self.accelerators(&list);
        }
        if values.take_truth("usb") == Some(true) {
            self.hints.usb = true;
        }
        self.guest.dump_core = values.take_truth("dump-guest-core");
        if self.guest.dump_core == Some(true) {
            self.guest.dump_core = None;
        }
        if values.take_truth("mem-merge") == Some(false) {
            self.guest.memory_backing.push(El::new("nosharepages"));
        }
        values.ignore(&["acpi", "graphics", "memory-backend", "kernel_irqchip_type"]);
        self.hints.memory_object = Values::parse(text, "type").take("memory-backend");
        self.machine_features(&mut values);
        for (key, word) in [("aes-key-wrap", "aes"), ("dea-key-wrap", "dea")] {
            if let Some(state) = values.take_truth(key) {
                self.guest.keywrap.push(El::new("cipher").attr("name", word).attr("state", on_off(state)));
            }
        }
        if values.take_truth("hpet") == Some(false) {
            self.guest.clock.timers.push(El::new("timer").attr("name", "hpet").attr("present", "no"));
        }
        for key in ["pflash0", "pflash1"] {
            if let Some(node) = values.take(key) {
                self.hints.flash.push((key, node));
            }
        }
        let left = values.leftovers();
        if !left.is_empty() {
            self.passed_words.push(("-machine".to_owned(), left.join(",")));
        }
        true
    }

    fn machine_features(&mut self, values: &mut Values) {
        for (key, element) in [("vmport", "vmport"), ("i8042", "ps2"), ("ras", "ras")] {
            if let Some(state) = values.take_truth(key) {
                self.guest.features.push(El::new(element).attr("state", on_off(state)));
            }
        }
        match values.take("smm").as_deref() {
            Some("on") => self.guest.features.push(El::new("smm").attr("state", "on")),
            Some("off") => self.guest.features.push(El::new("smm").attr("state", "off")),
            _ => {}
        }
        if let Some(chip) = values.take("kernel_irqchip").or_else(|| values.take("kernel-irqchip")) {
            let driver = match chip.as_str() {
                "split" => "qemu",
                _ => "kvm",
            };
            if chip != "off" {
                self.guest.features.push(El::new("ioapic").attr("driver", driver));
            }
        }
        if let Some(version) = values.take("gic-version") {
            self.guest.features.push(El::new("gic").attr("version", version));
        }
    }

    /// `-accel` or `accel=`: the first that is named counts.
    pub(super) fn accelerators(&mut self, list: &str) {
        let first = list.split([':', ',']).next().unwrap_or_default();
        let kind = match first {
            "kvm" => "kvm",
            "hvf" => "hvf",
            "tcg" => "qemu",
            "xen" => "xen",
            other => {
                self.remark(format!("accelerator '{other}' became domain type 'qemu'"));
                "qemu"
            }
        };
        self.guest.kind = kind.to_owned();
    }

    /// `-accel NAME,…`.
    pub(super) fn accel(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "accel");
        let Some(name) = values.take("accel") else { return false };
        self.accelerators(&name);
        values.ignore(&["thread"]);
        if let Some(size) = values.take_number("tb-size") {
            self.guest
                .features
                .push(El::new("tcg").child(El::with_text("tb-cache", size).attr("unit", "MiB")));
        }
        if let Some(size) = values.take_number("dirty-ring-size") {
            self.kvm_feature(El::new("dirty-ring").attr("state", "on").attr("size", size));
        }
        if let Some(chip) = values.take("kernel-irqchip") {
            let driver = if chip == "split" { "qemu" } else { "kvm" };
            self.guest.features.push(El::new("ioapic").attr("driver", driver));
        }
        values.leftovers().is_empty()
    }
}

fn default_machine(arch: &str) -> &'static str {
    match arch {
        "x86_64" | "i686" => "pc",
        "s390x" => "s390-ccw-virtio",
        "ppc64" | "ppc64le" => "pseries",
        "ppc" => "g3beige",
        "sparc" => "SS-5",
        "sparc64" => "sun4u",
        "mips" | "mipsel" | "mips64" | "mips64el" => "malta",
        _ => "virt",
    }
}

fn has_acpi(arch: &str, machine: &str) -> bool {
    matches!(arch, "x86_64" | "i686") && !machine.starts_with("isapc")
        || matches!(arch, "aarch64" | "loongarch64" | "riscv64") && machine.starts_with("virt")
}
