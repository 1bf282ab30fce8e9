//! A command line of QEMU, taken apart: variables, program, options.
//!
//! Owns: which option has a value. Never: what an option means.

use ostler_base::{Error, Result};

use crate::shell;

/// The parts of a command line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Variables before the program.
    pub(crate) variables: Vec<(String, String)>,
    /// The emulator.
    pub(crate) program: String,
    /// Its options in their order.
    pub(crate) options: Vec<Opt>,
}

/// One option.
#[derive(Debug, Clone)]
pub(crate) struct Opt {
    /// Its name without dashes; empty for a word that stands alone (an image to boot from).
    pub(crate) name: String,
    /// As it was written.
    pub(crate) written: String,
    /// Its value.
    pub(crate) value: Option<String>,
}

/// Options that have no value, of every version of QEMU.
const BARE: &[&str] = &[
    "S",
    "s",
    "snapshot",
    "no-frame",
    "alt-grab",
    "ctrl-grab",
    "no-quit",
    "sdl",
    "portrait",
    "nographic",
    "full-screen",
    "curses",
    "usb",
    "no-acpi",
    "no-hpet",
    "no-reboot",
    "no-shutdown",
    "daemonize",
    "enable-kvm",
    "no-kvm",
    "no-kvm-irqchip",
    "no-kvm-pit",
    "no-kvm-pit-reinjection",
    "kvm",
    "no-kqemu",
    "enable-kqemu",
    "kernel-kqemu",
    "enable-fips",
    "no-fd-bootchk",
    "localtime",
    "std-vga",
    "win2k-hack",
    "rtc-td-hack",
    "nodefaults",
    "no-user-config",
    "nodefconfig",
    "mem-prealloc",
    "singlestep",
    "one-insn-per-tb",
    "semihosting",
    "old-param",
    "version",
    "h",
    "help",
    "preconfig",
    "only-migratable",
    "spice-disable-ticketing",
    "enable-sync-profile",
    "xen-attach",
    "xen-create",
    "audio-help",
    "no-kvm-shadow-memory",
];

impl Line {
    /// Takes a command line apart.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut line = Line::default();
        let mut words = shell::split(text)?.into_iter().peekable();
        while let Some(word) =
            words.next_if(|word| variable(word).is_some() || word == "env" || word == "exec")
        {
            if let Some((name, value)) = variable(&word) {
                line.variables.push((name.to_owned(), value.to_owned()));
            }
        }
        line.program = words.next().filter(|word| !word.starts_with('-')).ok_or_else(|| {
            Error::invalid_arg(
                "no emulator command found: the line has to be VARIABLES… /PATH/OF/qemu OPTIONS…",
            )
        })?;
        while let Some(word) = words.next() {
            let bare =
                word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|name| !name.is_empty());
            let Some(name) = bare.map(str::to_owned) else {
                line.options.push(Opt { name: String::new(), written: word.clone(), value: Some(word) });
                continue;
            };
            let value = if BARE.contains(&name.as_str()) {
                None
            } else {
                words.next_if(|next| next == "-" || !next.starts_with('-'))
            };
            line.options.push(Opt { name, written: word, value });
        }
        Ok(line)
    }
}

fn variable(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let first = name.chars().next()?;
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (rest && !first.is_ascii_digit()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_line() {
        let line =
            Line::parse("A=b LC_ALL=C /usr/bin/qemu -S -m 214 disk.img --unknown parameter -x -usb").unwrap();
        assert_eq!(line.variables.len(), 2);
        let names: Vec<_> = line.options.iter().map(|o| (o.name.as_str(), o.value.as_deref())).collect();
        assert_eq!(
            names,
            [
                ("S", None),
                ("m", Some("214")),
                ("", Some("disk.img")),
                ("unknown", Some("parameter")),
                ("x", None),
                ("usb", None)
            ]
        );
        assert!(Line::parse("A=b").is_err() && Line::parse("").is_err() && Line::parse("-S").is_err());
    }
}
