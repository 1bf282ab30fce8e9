//! `<os>`: machine type, and what is booted.

use ostler_base::{Arch, Code, Error, Origin, Result, YesNo, words};
use ostler_plan::{Part, Props, Resource, ResourceKind};
use ostler_xml::{El, Element};

use crate::sections::loader::Firmware;

words! {
    /// `<boot dev='…'>`
    pub BootDevice { Fd = "fd", Cdrom = "cdrom", Hd = "hd", Network = "network" }
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
}

impl Os {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let os = root.child("os");
        let kind = os.and_then(|os| os.child("type"));
        match kind.map(|k| k.text()).as_deref() {
            Some("hvm") => {}
            Some(other) => return Err(Error::xml(format!("unknown OS type '{other}'"))),
            None => return Err(Error::new(Code::OsType, Origin::Domain, "")),
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
        let boot = os
            .into_iter()
            .flat_map(|os| os.children("boot"))
            .map(|b| b.require_word("dev"))
            .collect::<Result<Vec<_>>>()?;
        Ok(Os {
            arch: kind.map(|k| k.word("arch")).transpose()?.flatten(),
            machine: kind.and_then(|k| k.attr("machine")).map(str::to_owned),
            firmware: Firmware::parse(os.as_ref())?,
            boot,
            boot_menu,
            boot_menu_timeout,
            kernel: child("kernel"),
            initrd: child("initrd"),
            cmdline: child("cmdline"),
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
        os.extend(self.boot.iter().map(|dev| El::new("boot").attr("dev", dev)));
        if let Some(enable) = self.boot_menu {
            os.push(El::new("bootmenu").attr("enable", enable).attr_opt("timeout", self.boot_menu_timeout));
        }
        root.push(os);
    }

    /// `-boot`.
    pub(crate) fn boot_parts(&self, out: &mut Vec<Part>) {
        let mut boot = Props::new();
        boot.set_opt("menu", self.boot_menu.map(YesNo::is_true));
        boot.set_opt("splash-time", self.boot_menu_timeout);
        boot.set("strict", true);
        out.push(Part::options("-boot", None, boot));
    }

    /// `-kernel`, `-initrd`, `-append`.
    pub(crate) fn kernel_parts(&self, out: &mut Vec<Part>) {
        out.extend(self.kernel.iter().map(|path| Part::plain("-kernel", path.as_str())));
        out.extend(self.initrd.iter().map(|path| Part::plain("-initrd", path.as_str())));
        out.extend(self.cmdline.iter().map(|line| Part::plain("-append", line.as_str())));
    }

    pub(crate) fn resources(&self, out: &mut Vec<Resource>) {
        self.firmware.resources(out);
        let files = self.kernel.iter().chain(&self.initrd);
        out.extend(files.map(|path| Resource::new(path, ResourceKind::Firmware)));
    }
}
