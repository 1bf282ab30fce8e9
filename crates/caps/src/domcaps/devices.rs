//! `<devices>`: models, buses and back ends.

use ostler_xml::El;

use super::{Facts, Subject, is_version_of, supported, values};
use crate::emulator::Flag;

pub(super) fn el(of: &Subject<'_>, facts: &Facts<'_>) -> El {
    let mut el = El::new("devices");
    el.push(disk(of));
    el.push(graphics(of));
    el.push(video(of));
    el.push(hostdev(facts));
    el.push(rng(of));
    let has = |flag| of.emulator.has(flag);
    let virtiofs = has(Flag::VhostUserFs).then_some("virtiofs");
    el.push(
        supported("filesystem", true)
            .child(values("driverType", ["path", "handle"].into_iter().chain(virtiofs))),
    );
    el.push(tpm(of, facts));
    let redirdev = has(Flag::UsbRedir);
    let mut redirect = supported("redirdev", redirdev);
    if redirdev {
        redirect.push(values("bus", ["usb"]));
    }
    el.push(redirect);
    let spice = has(Flag::Spice).then_some("spicevmc");
    el.push(supported("channel", true).child(values("type", ["pty", "unix"].into_iter().chain(spice))));
    el.push(crypto(of));
    let passt = has(Flag::NetdevStream).then_some("passt");
    el.push(supported("interface", true).child(values("backendType", ["default"].into_iter().chain(passt))));
    el.push(panic(of));
    el
}

/// Those of a list that are there.
fn chosen<const N: usize>(list: [(&'static str, bool); N]) -> Vec<&'static str> {
    list.into_iter().filter(|(_, has)| *has).map(|(word, _)| word).collect()
}

/// The models of a virtio device: with the newer names where the emulator has them.
fn virtio_models(of: &Subject<'_>, virtio: bool) -> Vec<&'static str> {
    let versioned = virtio && of.emulator.has(Flag::VirtioPciNonTransitional);
    chosen([("virtio", virtio), ("virtio-transitional", versioned), ("virtio-non-transitional", versioned)])
}

fn is_pseries(of: &Subject<'_>) -> bool {
    of.arch.is_ppc64() && is_version_of(of.machine, "pseries")
}

/// Whether the machine has an IDE controller of its own.
fn has_ide(machine: &str) -> bool {
    ["pc", "pc-i440fx", "pc-0.10", "pc-0.11", "pc-0.12", "pc-0.13", "pc-0.14", "pc-0.15", "pc-1.0"]
        .iter()
        .chain(&["malta", "sun4u", "g3beige"])
        .any(|base| *base == machine)
        || machine.starts_with("pc-i440fx-")
        || machine.starts_with("pc-1.")
}

fn disk(of: &Subject<'_>) -> El {
    let floppy = !is_pseries(of);
    let mut el = supported("disk", true);
    el.push(values(
        "diskDevice",
        chosen([("disk", true), ("cdrom", true), ("floppy", floppy), ("lun", true)]),
    ));
    el.push(values(
        "bus",
        chosen([
            ("ide", has_ide(of.machine)),
            ("fdc", floppy),
            ("scsi", true),
            ("virtio", true),
            ("usb", true),
            ("sata", of.emulator.has(Flag::Ich9Ahci)),
        ]),
    ));
    el.push(values("model", virtio_models(of, true)));
    el
}

fn graphics(of: &Subject<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let dbus = has(Flag::DisplayDbus);
    // the RDP server is a helper that looks at the D-Bus display
    let kinds = chosen([
        ("sdl", has(Flag::Sdl)),
        ("vnc", has(Flag::Vnc)),
        ("rdp", dbus),
        ("spice", has(Flag::Spice)),
        ("egl-headless", has(Flag::EglHeadless)),
        ("dbus", dbus),
    ]);
    supported("graphics", true).child(values("type", kinds))
}

fn video(of: &Subject<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let models = chosen([
        ("vga", has(Flag::VGA)),
        ("cirrus", has(Flag::CirrusVga)),
        ("vmvga", has(Flag::VmwareSvga)),
        ("qxl", has(Flag::Qxl)),
        ("virtio", has(Flag::VirtioGpu) || has(Flag::VirtioGpuCcw)),
        ("none", true),
        ("bochs", has(Flag::BochsDisplay)),
        ("ramfb", has(Flag::Ramfb)),
    ]);
    supported("video", true).child(values("modelType", models))
}

fn hostdev(facts: &Facts<'_>) -> El {
    let mut el = supported("hostdev", true);
    el.push(values("mode", ["subsystem"]));
    el.push(values("startupPolicy", ["default", "mandatory", "requisite", "optional"]));
    el.push(values("subsysType", ["usb", "pci", "scsi"]));
    el.push(values("capsType", []));
    el.push(values("pciBackend", chosen([("default", facts.vfio), ("vfio", facts.vfio)])));
    el
}

fn rng(of: &Subject<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let mut el = supported("rng", has(Flag::VirtioRng));
    if has(Flag::VirtioRng) {
        el.push(values("model", virtio_models(of, true)));
        el.push(values(
            "backendModel",
            chosen([
                ("random", has(Flag::RngRandom)),
                ("egd", has(Flag::RngEgd)),
                ("builtin", has(Flag::RngBuiltin)),
            ]),
        ));
    }
    el
}

fn tpm(of: &Subject<'_>, facts: &Facts<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let models = chosen([
        ("tpm-tis", has(Flag::TpmTis)),
        ("tpm-crb", has(Flag::TpmCrb)),
        ("tpm-spapr", has(Flag::TpmSpapr)),
        ("spapr-tpm-proxy", has(Flag::SpaprTpmProxy)),
    ]);
    let mut el = supported("tpm", !models.is_empty());
    if models.is_empty() {
        return el;
    }
    let emulator = has(Flag::TpmEmulator);
    let versions = facts.swtpm.as_ref().filter(|_| emulator);
    el.push(values("model", models));
    el.push(values(
        "backendModel",
        chosen([
            ("passthrough", has(Flag::TpmPassthrough)),
            ("emulator", versions.is_some()),
            ("external", emulator),
        ]),
    ));
    el.extend(versions.map(|list| values("backendVersion", list.iter().map(String::as_str))));
    el
}

fn crypto(of: &Subject<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let mut el = supported("crypto", has(Flag::VirtioCrypto));
    if has(Flag::VirtioCrypto) {
        el.push(values("model", ["virtio"]));
        el.push(values("type", ["qemu"]));
        let kernel = has(Flag::CryptodevBackendLkcf);
        el.push(values("backendModel", chosen([("builtin", true), ("lkcf", kernel)])));
    }
    el
}

fn panic(of: &Subject<'_>) -> El {
    let has = |flag| of.emulator.has(flag);
    let models = chosen([
        ("isa", has(Flag::Pvpanic)),
        ("pseries", is_pseries(of)),
        ("hyperv", of.arch.is_x86()),
        ("s390", of.arch.is_s390()),
        ("pvpanic", has(Flag::PvpanicPci)),
    ]);
    let mut el = supported("panic", !models.is_empty());
    if !models.is_empty() {
        el.push(values("model", models));
    }
    el
}
