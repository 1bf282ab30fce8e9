//! Emulators of the fake host: what follows from recordings, kept between the cases of a batch.
//!
//! Owns: the flags that change what an emulator can do. Never: derives anything itself.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ostler_base::{Error, Result};
use ostler_caps::emulator::{Accelerated, Emulator, Flag, Gic, ProbeHost, Recording};

use crate::args::read;
use crate::{Args, Kept};

/// The flags of [`emulator`]; commands that use it allow these besides their own.
pub(crate) const FLAGS: &[&str] =
    &["strip-machine-aliases", "caps-add=", "caps-del=", "gic=", "hvf", "microcode="];

/// Emulators by recording, host and modifying flags.
#[derive(Default)]
pub(crate) struct Emulators {
    derived: HashMap<(String, ProbeHost), Arc<Emulator>>,
    modified: HashMap<(String, Vec<String>), Arc<Emulator>>,
}

/// The emulator that `--replies` records, as the flags of the case change it.
pub(crate) fn emulator(args: &Args, kept: &mut Kept) -> Result<Arc<Emulator>> {
    let path = args.required("replies")?;
    let known = |flag: &&str| FLAGS.iter().any(|f| f == flag || (f.ends_with('=') && flag.starts_with(f)));
    let flags: Vec<String> = args.all("flag").filter(known).map(str::to_owned).collect();
    let key = (path.to_owned(), flags);
    if let Some(emulator) = kept.emulators.modified.get(&key) {
        return Ok(emulator.clone());
    }
    let mut host = host(args)?;
    host.hvf |= variant(path) == Some("hvf");
    let mut emulator = derived(path, host, kept)?;
    if changes(args) {
        let mut changed = (*emulator).clone();
        change(&mut changed, args)?;
        emulator = Arc::new(changed);
    }
    kept.emulators.modified.insert(key, emulator.clone());
    Ok(emulator)
}

/// The emulator of a recording as it is.
pub(crate) fn derived(path: &str, host: ProbeHost, kept: &mut Kept) -> Result<Arc<Emulator>> {
    let key = (path.to_owned(), host);
    if let Some(emulator) = kept.emulators.derived.get(&key) {
        return Ok(emulator.clone());
    }
    let recording = Recording::read(&read(path)?)?;
    let emulator = Arc::new(recording.probe(&binary(path)?, host)?);
    kept.emulators.derived.insert(key, emulator.clone());
    Ok(emulator)
}

/// What the flags say of the host that the emulator was probed on.
pub(crate) fn host(args: &Args) -> Result<ProbeHost> {
    let microcode = match args.flag_values("microcode").last() {
        Some(text) => {
            text.parse().map_err(|_| Error::invalid_arg(format!("microcode '{text}' is no number")))?
        }
        None => 0,
    };
    Ok(ProbeHost { hvf: args.flag("hvf"), microcode })
}

/// The name of a recording: `caps_VERSION_ARCH[+VARIANT]`, the variant being that of the host.
fn stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|s| s.to_str()).unwrap_or_default()
}

fn variant(path: &str) -> Option<&str> {
    stem(path).split_once('+').map(|(_, variant)| variant)
}

/// The binary on the fake host.
fn binary(path: &str) -> Result<String> {
    let arch = stem(path).splitn(3, '_').nth(2).and_then(|rest| rest.split('+').next());
    let arch = arch.ok_or_else(|| Error::invalid_arg(format!("'{path}' does not name an architecture")))?;
    Ok(format!("/usr/bin/qemu-system-{arch}"))
}

fn changes(args: &Args) -> bool {
    args.flag("strip-machine-aliases")
        || ["caps-add", "caps-del", "gic"].iter().any(|key| args.flag_values(key).next().is_some())
}

fn change(emulator: &mut Emulator, args: &Args) -> Result<()> {
    let flag = |name: &str| {
        Flag::parse(name).ok_or_else(|| Error::invalid_arg(format!("unknown capability flag '{name}'")))
    };
    for name in args.flag_values("caps-add") {
        emulator.flags.insert(flag(name)?);
    }
    for name in args.flag_values("caps-del") {
        emulator.flags.remove(flag(name)?);
    }
    if let Some(version) = args.flag_values("gic").last() {
        emulator.gic = gic(version)?;
    }
    if args.flag("strip-machine-aliases") {
        emulator.accelerators.iter_mut().for_each(strip_aliases);
    }
    Ok(())
}

fn gic(version: &str) -> Result<Vec<Gic>> {
    let both = |version| Gic { version, kernel: true, emulated: true };
    Ok(match version {
        "v2" => vec![both(2)],
        "v3" => vec![both(3)],
        "both" => vec![both(2), both(3)],
        "none" => Vec::new(),
        other => return Err(Error::invalid_arg(format!("unknown GIC version '{other}'"))),
    })
}

/// Names stay the same from version to version: a machine type with an alias takes the alias as
/// its name, and a copy keeps the old one.
fn strip_aliases(with: &mut Accelerated) {
    let mut copies = Vec::new();
    for machine in &mut with.machines {
        if let Some(alias) = machine.alias.take() {
            let name = std::mem::replace(&mut machine.name, alias);
            let mut copy = machine.clone();
            copy.name = name;
            copy.is_default = false;
            copies.push(copy);
        }
    }
    with.machines.extend(copies);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries() {
        assert_eq!(binary("x/caps_8.2.0_armv7l.replies").unwrap(), "/usr/bin/qemu-system-armv7l");
        assert_eq!(binary("caps_10.0.0_x86_64+amdsev.replies").unwrap(), "/usr/bin/qemu-system-x86_64");
        assert!(binary("caps.replies").is_err());
        assert_eq!(variant("a/caps_9.2.0_aarch64+hvf.replies"), Some("hvf"));
        assert_eq!(variant("a+b/caps_9.2.0_aarch64.replies"), None);
    }
}
