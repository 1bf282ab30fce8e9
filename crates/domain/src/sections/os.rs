//! `<os>`: machine type, and what is booted.

use ostler_base::{Arch, Error, Origin, Result, Word, YesNo, refuse, words};
use ostler_caps::emulator::Flag;
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_xml::{El, Element};

use crate::Setting;
use crate::sections::loader::Firmware;
use crate::sections::sysinfo::SmbiosMode;

words! {
    /// `<boot dev='…'>`
    pub BootDevice { Fd = "fd", Cdrom = "cdrom", Hd = "hd", Network = "network" }
    /// `<table type='…'>`
    pub AcpiTable { Raw = "raw", Rawset = "rawset", Slic = "slic", Msdm = "msdm" }
}

/// What is booted, on which machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `<type arch=…>`; the host's or emulator's where absent.
    pub arch: Option<Arch>,
    /// `<type machine=…>`; canonical once completed.
    pub machine: Option<String>,
    /// `firmware`, `<firmware>`, `<loader>` and `<nvram>`
    pub firmware: Firmware,
    /// `<boot dev=…>` in order.
    pub boot: Vec<BootDevice>,
    /// `<bootmenu enable=…>`
    pub boot_menu: Option<YesNo>,
    /// `<bootmenu timeout=…>`, milliseconds, 0 to 65535.
    pub boot_menu_timeout: Option<u32>,
    /// `<kernel>`
    pub kernel: Option<String>,
    /// `<initrd>`
    pub initrd: Option<String>,
    /// `<cmdline>`
    pub cmdline: Option<String>,
    /// `<shim>`
    pub shim: Option<String>,
    /// `<dtb>`
    pub dtb: Option<String>,
    /// `<acpi><table>`: tables of the user's own.
    pub acpi_tables: Vec<(AcpiTable, String)>,
    /// `<bios useserial=…>`: whether the firmware writes to the first serial port.
    pub use_serial: Option<YesNo>,
    /// `<bios rebootTimeout=…>`, milliseconds, up to 65535; -1: no reboot.
    pub reboot_timeout: Option<i32>,
    /// `<smbios mode=…>`
    pub smbios: Option<SmbiosMode>,
}

impl Os {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let os = root.child("os");
        let kind = os.and_then(|os| os.child("type"));
        match kind.map(|k| k.text()).as_deref() {
            Some("hvm") => {}
            Some(other) => refuse!(unsupported, "unknown OS type '{other}'"),
            None => refuse!(xml, "an os <type> must be specified"),
        }
        let child = |name: &str| os.and_then(|os| os.child_text(name));
        let menu = os.and_then(|os| os.child("bootmenu"));
        let boot_menu = menu.map(|m| m.yes_no("enable")).transpose()?.flatten();
        let timeout = menu.and_then(|m| m.attr("timeout"));
        let boot_menu_timeout = match timeout.filter(|_| boot_menu == Some(YesNo::Yes)) {
            Some(text) => Some(text.parse().ok().filter(|t| *t <= 65_535).ok_or_else(|| {
                Error::unsupported("invalid value for boot menu timeout, must be in range [0,65535]")
                    .from_origin(Origin::Domain)
            })?),
            None => None,
        };
        let bios = os.and_then(|os| os.child("bios"));
        let boot = os
            .into_iter()
            .flat_map(|os| os.children("boot"))
            .map(|b| b.require_word("dev"))
            .collect::<Result<Vec<_>>>()?;
        Ok(Os {
            arch: kind.map(|k| arch(&k)).transpose()?.flatten(),
            machine: kind.and_then(|k| k.attr("machine")).map(str::to_owned),
            firmware: Firmware::parse(os.as_ref())?,
            boot,
            boot_menu,
            boot_menu_timeout,
            kernel: child("kernel"),
            initrd: child("initrd"),
            cmdline: child("cmdline"),
            shim: child("shim"),
            dtb: child("dtb"),
            acpi_tables: acpi_tables(os.as_ref())?,
            use_serial: bios.and_then(|bios| bios.attr("useserial")).and_then(YesNo::parse),
            reboot_timeout: bios
                .and_then(|bios| bios.attr("rebootTimeout"))
                .map(reboot_timeout)
                .transpose()?,
            smbios: os.and_then(|os| os.child("smbios")).map(|smbios| smbios_mode(&smbios)).transpose()?,
        })
    }

    pub(crate) fn format(&self, root: &mut El) {
        let mut os = El::new("os");
        let mut kind = El::with_text("type", "hvm");
        kind.set_opt("arch", self.arch);
        kind.set_opt("machine", self.machine.as_ref());
        self.firmware.format_kind(&mut os);
        os.push(kind);
        self.firmware.format(&mut os);
        os.push_text("kernel", self.kernel.as_ref());
        os.push_text("initrd", self.initrd.as_ref());
        os.push_text("cmdline", self.cmdline.as_ref());
        os.push_text("shim", self.shim.as_ref());
        os.push_text("dtb", self.dtb.as_ref());
        let mut acpi = El::new("acpi");
        acpi.extend(
            self.acpi_tables.iter().map(|(kind, path)| El::with_text("table", path).attr("type", kind)),
        );
        os.push_filled(acpi);
        os.extend(self.boot.iter().map(|dev| El::new("boot").attr("dev", dev)));
        if let Some(enable) = self.boot_menu {
            os.push(El::new("bootmenu").attr("enable", enable).attr_opt("timeout", self.boot_menu_timeout));
        }
        let bios = El::new("bios")
            .attr_opt("useserial", self.use_serial)
            .attr_opt("rebootTimeout", self.reboot_timeout);
        os.push_filled(bios);
        os.extend(self.smbios.map(|mode| El::new("smbios").attr("mode", mode)));
        root.push(os);
    }

    pub(crate) fn validate(&self, serials: usize, setting: &Setting<'_>) -> Result<()> {
        if self.use_serial == Some(YesNo::Yes) {
            if !self.arch.is_some_and(Arch::is_x86) {
                refuse!(unsupported, "BIOS serial console only supported on x86 architectures");
            }
            if serials == 0 {
                refuse!(xml, "need at least one serial port to use BIOS serial output");
            }
        }
        if self.kernel.is_none() && self.shim.is_some() {
            refuse!(xml, "shim only allowed with kernel option");
        }
        if self.shim.is_some() && setting.emulator.is_some() && !setting.has(Flag::Shim) {
            refuse!(unsupported, "shim is not supported by this QEMU binary");
        }
        Ok(())
    }

    /// `-boot`.
    pub(crate) fn boot_parts(&self, out: &mut Vec<Part>) {
        let mut boot = Props::new();
        boot.set_opt("menu", self.boot_menu.map(YesNo::is_true));
        boot.set_opt("splash-time", self.boot_menu_timeout);
        boot.set_opt("reboot-timeout", self.reboot_timeout);
        boot.set("strict", true);
        out.push(Part::options("-boot", None, boot));
    }

    /// `-kernel`, `-initrd`, `-append`.
    pub(crate) fn kernel_parts(&self, out: &mut Vec<Part>) {
        out.extend(self.kernel.iter().map(|path| Part::plain("-kernel", path.as_str())));
        out.extend(self.initrd.iter().map(|path| Part::plain("-initrd", path.as_str())));
        out.extend(self.cmdline.iter().map(|line| Part::plain("-append", line.as_str())));
        out.extend(self.shim.iter().map(|path| Part::plain("-shim", path.as_str())));
        out.extend(self.dtb.iter().map(|path| Part::plain("-dtb", path.as_str())));
        for (kind, path) in &self.acpi_tables {
            let props = match kind {
                AcpiTable::Raw => Props::new().with("data", path.as_str()),
                AcpiTable::Rawset => Props::new().with("file", path.as_str()),
                AcpiTable::Slic => Props::new().with("sig", "SLIC").with("file", path.as_str()),
                AcpiTable::Msdm => Props::new().with("sig", "MSDM").with("file", path.as_str()),
            };
            out.push(Part::options("-acpitable", None, props));
        }
        if self.use_serial == Some(YesNo::Yes) {
            out.push(Part::plain("-device", "sga"));
        }
    }

    pub(crate) fn resources(&self, out: &mut Vec<Resource>) {
        self.firmware.resources(out);
        let files = self.kernel.iter().chain(&self.initrd).chain(&self.shim).chain(&self.dtb);
        let files = files.chain(self.acpi_tables.iter().map(|(_, path)| path));
        out.extend(files.map(|path| Resource::new(path, ResourceKind::Firmware)));
    }
}

/// The attribute `arch` of `<type>`.
pub(crate) fn arch(kind: &Element<'_>) -> Result<Option<Arch>> {
    let Some(name) = kind.attr("arch") else { return Ok(None) };
    Arch::parse(name).map(Some).ok_or_else(|| Error::unsupported(format!("Unknown architecture {name}")))
}

fn smbios_mode(el: &Element<'_>) -> Result<SmbiosMode> {
    let text = el.require("mode")?;
    SmbiosMode::parse(text).ok_or_else(|| Error::unsupported(format!("unknown smbios mode '{text}'")))
}

fn acpi_tables(os: Option<&Element<'_>>) -> Result<Vec<(AcpiTable, String)>> {
    let mut out: Vec<(AcpiTable, String)> = Vec::new();
    for table in os.and_then(|os| os.child("acpi")).iter().flat_map(|acpi| acpi.children("table")) {
        let kind: AcpiTable = table.require_word("type")?;
        let path = table.text();
        if path.is_empty() {
            refuse!(xml, "missing ACPI table file");
        }
        if out.iter().any(|(other, _)| *other == kind) {
            refuse!(xml, "ACPI table type '{kind}' may only appear once");
        }
        out.push((kind, path));
    }
    out.sort_by_key(|(kind, _)| kind.index());
    Ok(out)
}

fn reboot_timeout(text: &str) -> Result<i32> {
    let known = text.parse().ok().filter(|timeout| (-1..=65_535).contains(timeout));
    known.ok_or_else(|| {
        Error::unsupported("invalid value for rebootTimeout, must be in range [-1,65535]")
            .from_origin(Origin::Domain)
    })
}
