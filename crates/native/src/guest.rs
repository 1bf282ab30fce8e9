//! What was understood of a command line, and the document made of it.
//!
//! Owns: the order of the elements. Never: reads an option.

use ostler_xml::El;

/// In whose words the document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Era {
    /// Units and placements are written out; what QEMU would not have, though the daemon adds it by
    /// default, is denied.
    #[default]
    Present,
    /// The emulator bears the name that it had before QEMU 1.0 (`qemu`): the document keeps to the
    /// words of that time, so that it says the same to every version that reads it.
    Past,
}

/// A guest in the making.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    pub(crate) era: Era,
    /// `qemu`, `kvm`, `hvf`, `xen`.
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) title: Vec<El>,
    /// In KiB.
    pub(crate) memory: u64,
    /// In KiB, and slots.
    pub(crate) max_memory: Option<(u64, u64)>,
    pub(crate) dump_core: Option<bool>,
    pub(crate) memory_backing: Vec<El>,
    pub(crate) vcpus: u64,
    /// vCPUs at start where fewer than all.
    pub(crate) current_vcpus: Option<u64>,
    pub(crate) iothreads: Vec<El>,
    pub(crate) sysinfo: Vec<El>,
    pub(crate) arch: String,
    pub(crate) machine: String,
    /// `<loader>`, `<nvram>`, `<kernel>` and so on, in this order.
    pub(crate) os: Vec<El>,
    pub(crate) boot: Vec<&'static str>,
    pub(crate) os_tail: Vec<El>,
    pub(crate) features: Vec<El>,
    pub(crate) cpu: Cpu,
    pub(crate) clock: Clock,
    pub(crate) genid: Option<String>,
    pub(crate) no_reboot: bool,
    pub(crate) pm: Vec<El>,
    pub(crate) emulator: String,
    pub(crate) devices: Vec<El>,
    /// Names of disk targets in use.
    pub(crate) targets: Vec<String>,
    pub(crate) keywrap: Vec<El>,
    pub(crate) seclabel: Vec<El>,
    /// For `qemu:commandline`.
    pub(crate) passed: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
}

/// `<cpu>`.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) mode: Option<&'static str>,
    pub(crate) migratable: Option<bool>,
    pub(crate) model: Option<String>,
    pub(crate) topology: Option<El>,
    pub(crate) cache: Option<El>,
    pub(crate) maxphysaddr: Option<El>,
    /// Names with `require` or `disable`.
    pub(crate) features: Vec<(String, &'static str)>,
    pub(crate) cells: Vec<El>,
}

/// `<clock>`.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    pub(crate) local: bool,
    /// Seconds since the epoch.
    pub(crate) start: Option<i64>,
    pub(crate) timers: Vec<El>,
}

/// Order of device elements in a document; what is not in it comes last.
const ORDER: &[&str] = &[
    "disk",
    "controller",
    "lease",
    "filesystem",
    "interface",
    "smartcard",
    "serial",
    "parallel",
    "console",
    "channel",
    "input",
    "tpm",
    "graphics",
    "sound",
    "audio",
    "video",
    "hostdev",
    "redirdev",
    "watchdog",
    "memballoon",
    "rng",
    "nvram",
    "panic",
    "shmem",
    "memory",
    "iommu",
    "vsock",
    "crypto",
];

impl Guest {
    /// Whether a device of this element is there.
    pub(crate) fn has(&self, element: &str) -> bool {
        self.devices.iter().any(|device| device.name() == element)
    }

    /// The document; `remarks` stand in a comment at its head.
    pub(crate) fn into_xml(mut self, remarks: &[String], overrides: Vec<El>) -> String {
        let mut domain = El::new("domain").attr("type", &self.kind);
        if !self.passed.is_empty() || !self.variables.is_empty() || !overrides.is_empty() {
            domain.set("xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
        }
        for remark in remarks {
            domain.comment(remark.replace("--", "- -"));
        }
        domain.push_text("name", self.name.as_deref());
        domain.push_text("uuid", self.uuid.as_deref());
        domain.extend(std::mem::take(&mut self.title));
        self.resources(&mut domain);
        self.system(&mut domain);
        self.push_devices(&mut domain);
        domain.extend(std::mem::take(&mut self.seclabel));
        if !self.keywrap.is_empty() {
            let mut keywrap = El::new("keywrap");
            keywrap.extend(std::mem::take(&mut self.keywrap));
            domain.push(keywrap);
        }
        self.push_passed(&mut domain);
        let mut overrides = overrides;
        push_group(&mut domain, "qemu:override", &mut overrides);
        domain.to_xml()
    }

    fn unit(&self, el: El) -> El {
        if self.era == Era::Present { el.attr("unit", "KiB") } else { el }
    }

    fn resources(&mut self, domain: &mut El) {
        domain.push_text("genid", self.genid.take());
        if let Some((size, slots)) = self.max_memory {
            domain.push(El::with_text("maxMemory", size).attr("slots", slots).attr("unit", "KiB"));
        }
        let mut memory = self.unit(El::with_text("memory", self.memory));
        if let Some(dump) = self.dump_core {
            memory.set("dumpCore", if dump { "on" } else { "off" });
        }
        domain.push(memory);
        domain.push(self.unit(El::with_text("currentMemory", self.memory)));
        push_group(domain, "memoryBacking", &mut self.memory_backing);
        let mut vcpu = El::with_text("vcpu", self.vcpus);
        if self.era == Era::Present {
            vcpu.set("placement", "static");
        }
        vcpu.set_opt("current", self.current_vcpus);
        domain.push(vcpu);
        if !self.iothreads.is_empty() {
            domain.push(El::with_text("iothreads", self.iothreads.len()));
            push_group(domain, "iothreadids", &mut self.iothreads);
        }
        domain.extend(std::mem::take(&mut self.sysinfo));
    }

    fn system(&mut self, domain: &mut El) {
        let mut os = El::new("os");
        os.push(El::with_text("type", "hvm").attr("arch", &self.arch).attr("machine", &self.machine));
        os.extend(std::mem::take(&mut self.os));
        os.extend(self.boot.iter().map(|dev| El::new("boot").attr("dev", dev)));
        os.extend(std::mem::take(&mut self.os_tail));
        domain.push(os);
        push_group(domain, "features", &mut self.features);
        domain.push_filled(self.cpu.to_xml());
        domain.push(self.clock.to_xml());
        domain.push(El::with_text("on_poweroff", "destroy"));
        domain.push(El::with_text("on_reboot", if self.no_reboot { "destroy" } else { "restart" }));
        domain.push(El::with_text("on_crash", "destroy"));
        push_group(domain, "pm", &mut self.pm);
    }

    fn push_devices(&mut self, domain: &mut El) {
        let rank = |el: &El| ORDER.iter().position(|name| *name == el.name()).unwrap_or(ORDER.len());
        self.devices.sort_by_key(rank);
        let mut devices = El::new("devices");
        devices.push(El::with_text("emulator", &self.emulator));
        devices.extend(std::mem::take(&mut self.devices));
        domain.push(devices);
    }

    fn push_passed(&self, domain: &mut El) {
        if self.passed.is_empty() && self.variables.is_empty() {
            return;
        }
        let mut el = El::new("qemu:commandline");
        el.extend(self.passed.iter().map(|word| El::new("qemu:arg").attr("value", word)));
        let variable =
            |(name, value): &(String, String)| El::new("qemu:env").attr("name", name).attr("value", value);
        el.extend(self.variables.iter().map(variable));
        domain.push(el);
    }
}

fn push_group(parent: &mut El, name: &'static str, children: &mut Vec<El>) {
    if !children.is_empty() {
        let mut group = El::new(name);
        group.extend(std::mem::take(children));
        parent.push(group);
    }
}

impl Cpu {
    fn to_xml(&self) -> El {
        let mut el = El::new("cpu").attr_opt("mode", self.mode);
        if self.mode == Some("custom") {
            el.set("match", "exact");
            el.set("check", "none");
        } else if self.mode.is_some() {
            el.set("check", "none");
            el.set_opt("migratable", self.migratable.map(|on| if on { "on" } else { "off" }));
        }
        if let Some(model) = &self.model {
            el.push(El::with_text("model", model).attr("fallback", "forbid"));
        }
        el.extend(self.topology.clone());
        el.extend(self.cache.clone());
        el.extend(self.maxphysaddr.clone());
        let feature = |(name, policy): &(String, &'static str)| {
            El::new("feature").attr("policy", policy).attr("name", name)
        };
        el.extend(self.features.iter().map(feature));
        if !self.cells.is_empty() {
            let mut numa = El::new("numa");
            numa.extend(self.cells.iter().cloned());
            el.push(numa);
        }
        el
    }
}

impl Clock {
    fn to_xml(&self) -> El {
        let mut el = match self.start {
            Some(start) => El::new("clock").attr("offset", "absolute").attr("start", start),
            None => El::new("clock").attr("offset", if self.local { "localtime" } else { "utc" }),
        };
        el.extend(self.timers.iter().cloned());
        el
    }
}
