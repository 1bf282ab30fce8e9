//! What an emulator and a host can do: the commands of suite `capabilities`.

use ostler_base::{Arch, Error, Json, Result, Word};
use ostler_caps::domcaps::{self, Facts, Firmware, Subject};
use ostler_caps::emulator::{Accelerator, cache};
use ostler_caps::guest_caps::{self, Machines};
use ostler_caps::host_caps::{self, HostCaps, Migration, NodeMemory, Resctrl, Topology, Tree};
use ostler_domain::firmware::offered;

use crate::args::read;
use crate::{Args, Kept, descriptors, host_cpu, recordings};

/// `capabilities --flag microcode=N [--flag hvf] FILE.replies`: the capability cache.
pub(crate) fn capabilities(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["microcode=", "hvf"])?;
    let emulator = recordings::derived(args.input(0)?, recordings::host(args)?, kept)?;
    Ok(cache::write(&emulator, &cache::Stamps::default()))
}

/// `guest-caps --caps-xml FILE`: what kinds of guests the emulator of a capability cache can run.
pub(crate) fn guest_caps(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["caps-xml"])?;
    let (emulator, _) = cache::read(&read(args.required("caps-xml")?)?)?;
    let host = HostCaps::new(emulator.arch);
    Ok(host_caps::document(&host, [guest_caps::el(&emulator, emulator.arch, Machines::LeftOut)]))
}

/// `domcaps --replies FILE --fakehost DIR --arch ARCH --virttype TYPE [--machine MACHINE]`: what
/// guests of a machine type can have.
pub(crate) fn domcaps(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(&["replies", "caps-xml", "fakehost", "flag", "arch", "virttype", "machine"])?;
    args.only_flags(&[recordings::FLAGS, &["swtpm="]].concat())?;
    let emulator = recordings::emulator(args, kept)?;
    let word = args.required("virttype")?;
    let accelerator = Accelerator::of_domain_type(word)
        .ok_or_else(|| Error::invalid_arg(format!("unknown virttype '{word}'")))?;
    let arch = arch(args)?;
    let best = [accelerator, Accelerator::Tcg];
    let machine = match args.option("machine") {
        Some(name) => best.into_iter().find_map(|a| emulator.machine(a, name)),
        None => best.into_iter().find_map(|a| emulator.preferred_machine(a)),
    };
    let machine = machine.ok_or_else(|| Error::invalid_arg("the emulator has no such machine type"))?;
    let fake_host = args.fake_host()?;
    let offer = offered(descriptors::firmwares(args)?.current().iter(), arch, &machine.name);
    let host_cpu = host_cpu::named(&fake_host, host_cpu::entry_of(arch))?;
    let host_model = host_cpu::host_model(&emulator, accelerator, host_cpu.as_ref())?;
    let facts = Facts {
        loaders: vec!["/obviously/fake/firmware1.fd".into(), "/obviously/fake/firmware2.fd".into()],
        firmware: Firmware { bios: offer.bios, efi: offer.efi, secure: offer.secure },
        vfio: true,
        swtpm: Some(swtpm_versions(args)),
        kvm_max_cpus: Some(KVM_MAX_CPUS),
        sev_guests: SEV_GUESTS,
        host_model: host_model.as_ref().map(|model| &model.reported),
    };
    let subject = Subject { emulator: &emulator, arch, accelerator, machine: &machine.name };
    Ok(domcaps::document(&subject, &facts))
}

/// vCPUs that KVM allows on the fake host.
const KVM_MAX_CPUS: u32 = 2_147_483_647;
/// What leaf 0x8000001f of the fake host's CPUID says: ECX = 509 identifiers, from EDX = 451 on for
/// guests whose state is not encrypted.
const SEV_GUESTS: (u32, u32) = (509 - 451 + 1, 451 - 1);

/// Versions that the fake host's swtpm can emulate.
fn swtpm_versions(args: &Args) -> Vec<String> {
    let list = args.flag_values("swtpm").last().unwrap_or("1.2,2.0");
    list.split(',').map(str::to_owned).collect()
}

/// `host-caps --sysfs FILE --arch ARCH`: the host's part, from a sysfs tree.
pub(crate) fn host_caps(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["sysfs", "arch", "flag"])?;
    args.only_flags(&["offline-migrate", "live-migrate"])?;
    let tree = tree(args.required("sysfs")?)?;
    let mut host = HostCaps::new(arch(args)?);
    host.migration = args
        .flag("offline-migrate")
        .then(|| Migration { live: args.flag("live-migrate"), ..Migration::default() });
    host.topology = Topology::read(&tree, node_memory);
    host.resctrl = Resctrl::read(&tree);
    Ok(host_caps::document(&host, []))
}

/// The architecture that `--arch` names.
fn arch(args: &Args) -> Result<Arch> {
    let name = args.required("arch")?;
    Arch::parse(name).ok_or_else(|| Error::invalid_arg(format!("unknown architecture '{name}'")))
}

/// The files of a sysfs tree in JSON: paths to contents.
fn tree(path: &str) -> Result<Tree> {
    let files: serde_json::Map<String, Json> = serde_json::from_str(&read(path)?)
        .map_err(|e| Error::invalid_arg(format!("'{path}' is no sysfs tree: {e}")))?;
    Ok(files.into_iter().map(|(path, text)| (path, text.as_str().unwrap_or_default().to_owned())).collect())
}

/// Memory of the fake host's nodes: node N has N+1 GiB, and pages of every size.
fn node_memory(node: u32) -> NodeMemory {
    let node = u64::from(node);
    let pages = [4, 2048, 1_048_576].into_iter().zip(1..).map(|(size, step)| (size, 2048 * (node + step)));
    NodeMemory { total: (node + 1) * 1_048_576, pages: pages.collect(), distances: Vec::new() }
}
