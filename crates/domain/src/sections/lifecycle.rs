//! `<on_poweroff>`, `<on_reboot>`, `<on_crash>` and `<pm>`.

use ostler_base::{Error, Result, Word, YesNo, words};
use ostler_xml::{El, Element};

words! {
    /// What is done when the guest powers off or reboots.
    pub EndAction { Destroy = "destroy", Restart = "restart", RenameRestart = "rename-restart", Preserve = "preserve" }
    /// What is done when it crashes.
    pub CrashAction {
        Destroy = "destroy", Restart = "restart", RenameRestart = "rename-restart", Preserve = "preserve",
        CoredumpDestroy = "coredump-destroy", CoredumpRestart = "coredump-restart",
    }
}

/// What happens when the guest ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// `<on_poweroff>`
    pub on_poweroff: EndAction,
    /// `<on_reboot>`
    pub on_reboot: EndAction,
    /// `<on_crash>`
    pub on_crash: CrashAction,
    /// `<pm><suspend-to-mem enabled=…>`
    pub suspend_to_mem: Option<YesNo>,
    /// `<pm><suspend-to-disk enabled=…>`
    pub suspend_to_disk: Option<YesNo>,
}

fn action<W: Word>(root: &Element<'_>, name: &str, default: W) -> Result<W> {
    match root.child_text(name) {
        None => Ok(default),
        Some(text) => W::parse(&text).ok_or_else(|| {
            Error::unsupported(format!("unknown {name} action: {text}"))
                .from_origin(ostler_base::Origin::Domain)
        }),
    }
}

impl Lifecycle {
    pub(crate) fn parse(root: &Element<'_>) -> Result<Self> {
        let pm = root.child("pm");
        let enabled = |name: &str| -> Result<Option<YesNo>> {
            pm.and_then(|pm| pm.child(name)).map(|el| el.yes_no("enabled")).transpose().map(Option::flatten)
        };
        Ok(Lifecycle {
            on_poweroff: action(root, "on_poweroff", EndAction::Destroy)?,
            on_reboot: action(root, "on_reboot", EndAction::Restart)?,
            on_crash: action(root, "on_crash", CrashAction::Destroy)?,
            suspend_to_mem: enabled("suspend-to-mem")?,
            suspend_to_disk: enabled("suspend-to-disk")?,
        })
    }

    pub(crate) fn format(&self, root: &mut El) {
        root.push(El::with_text("on_poweroff", self.on_poweroff));
        root.push(El::with_text("on_reboot", self.on_reboot));
        root.push(El::with_text("on_crash", self.on_crash));
        let mut pm = El::new("pm");
        pm.extend(self.suspend_to_mem.map(|v| El::new("suspend-to-mem").attr("enabled", v)));
        pm.extend(self.suspend_to_disk.map(|v| El::new("suspend-to-disk").attr("enabled", v)));
        root.push_filled(pm);
    }
}
