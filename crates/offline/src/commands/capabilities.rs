//! What an emulator and a host can do: the commands of suite `capabilities`.

use ostler_base::{Arch, Error, Json, Result, Word};
use ostler_caps::emulator::cache;
use ostler_caps::guest_caps::{self, Machines};
use ostler_caps::host_caps::{self, HostCaps, Migration, NodeMemory, Resctrl, Topology, Tree};

use crate::args::read;
use crate::recordings;
use crate::{Args, Kept};

/// `capabilities --flag microcode=N [--flag hvf] FILE.replies`: the capability cache.
pub(crate) fn capabilities(args: &Args, kept: &mut Kept) -> Result<String> {
    args.only(&["flag"])?;
    args.only_flags(&["microcode=", "hvf"])?;
    let emulator = recordings::derived(args.input(0)?, recordings::host(args)?, kept)?;
    Ok(cache::write(&emulator, cache::Stamps::default()))
}

/// `guest-caps --caps-xml FILE`: what kinds of guests the emulator of a capability cache can run.
pub(crate) fn guest_caps(args: &Args, _kept: &mut Kept) -> Result<String> {
    args.only(&["caps-xml"])?;
    let (emulator, _) = cache::read(&read(args.required("caps-xml")?)?)?;
    let host = HostCaps::new(emulator.arch);
    Ok(host_caps::document(&host, [guest_caps::el(&emulator, emulator.arch, Machines::LeftOut)]))
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
