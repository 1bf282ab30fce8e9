//! The fake host: what every planner of domains is told in place of a real one.
//!
//! Owns: the values that conformance data assume. Never: decides anything.

use std::collections::BTreeMap;

use ostler_base::{Arch, Error, Json, MacAddr, Result, Uuid, Word};
use ostler_domain::{
    DriverConfig, Entropy, GraphicsConfig, HostFacts, HugePageMount, ScreenConfig, StorageConfig, TlsConfig,
};
use ostler_plan::{Answer, Facts, FdKind, FileKind, Passed, Query};

use crate::{Args, descriptors, volumes};

/// CPUs of each of the four NUMA nodes.
const CPUS_OF_NODE: u32 = 4;

/// Made-up identifiers that are always the same.
pub(crate) struct FixedEntropy;

impl Entropy for FixedEntropy {
    fn uuid(&self) -> Uuid {
        let mut next = 0u8;
        Uuid::from_random(std::array::from_fn(|_| {
            next += 1;
            next - 1
        }))
    }

    fn mac(&self) -> MacAddr {
        MacAddr::from_random([0, 0, 0])
    }

    fn now(&self) -> i64 {
        1_234_567_890
    }
}

/// The host of a case.
pub(crate) fn host(args: &Args) -> Result<HostFacts> {
    let arch = match args.flag_values("host-arch").last() {
        Some(name) => {
            Arch::parse(name).ok_or_else(|| Error::invalid_arg(format!("unknown architecture '{name}'")))?
        }
        None => Arch::X86_64,
    };
    let mut host = HostFacts::of(arch);
    host.firmwares = descriptors::firmwares(args)?;
    if let Some(folder) = args.option("fakehost") {
        host.iommu_groups = iommu_groups(&read(&format!("{folder}/pci.json"))?)?;
    }
    Ok(host)
}

pub(crate) fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::invalid_arg(format!("cannot read '{path}': {e}")))
}

/// The IOMMU group of each device in the list of the host's PCI devices.
fn iommu_groups(text: &str) -> Result<BTreeMap<String, u32>> {
    let list: Json = serde_json::from_str(text)
        .map_err(|e| Error::invalid_arg(format!("the list of PCI devices is no JSON: {e}")))?;
    let devices = list["devices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let group = |device: &Json| {
        let number = device["iommu_group"].as_u64()?;
        Some((device["address"].as_str()?.to_owned(), u32::try_from(number).ok()?))
    };
    Ok(devices.iter().filter_map(group).collect())
}

/// Firmware images that are used without a descriptor, with the template of their variables.
const LOADERS: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"),
];

/// The driver's configuration.
pub(crate) fn config(args: &Args) -> DriverConfig {
    let text = |s: &str| s.to_owned();
    let pairs = [("LC_ALL", "C"), ("PATH", "/bin"), ("USER", "test"), ("LOGNAME", "test")];
    DriverConfig {
        lib_dir: text("/var/lib/libvirt/qemu"),
        state_dir: text("/var/run/libvirt/qemu"),
        swtpm_dir: text("/var/lib/libvirt/swtpm"),
        fixed_swtpm_socket: Some(text("/dev/test")),
        memory_backing_dir: text("/var/lib/libvirt/qemu/ram"),
        huge_pages: [(2048, "2M"), (1_048_576, "1G")]
            .map(|(size, name)| HugePageMount { size, path: format!("/dev/hugepages{name}") })
            .to_vec(),
        pass_files: false,
        nvram_dir: text("/var/lib/libvirt/qemu/nvram"),
        loaders: LOADERS.iter().map(|(image, template)| (text(image), text(template))).collect(),
        log_dir: text("/var/log/libvirt/qemu"),
        environment: pairs.iter().map(|(name, value)| (text(name), text(value))).collect(),
        dump_guest_core: args.flag("conf:dump_guest_core=1"),
        seccomp_sandbox: true,
        log_timestamp: true,
        graphics: GraphicsConfig {
            vnc: screen(args, "vnc", false),
            spice: screen(args, "spice", true),
            headless_audio: host_audio(args, "nographics"),
        },
        chardev_tls: tls(args, "chardev"),
        storage: StorageConfig {
            nbd_tls: tls(args, "nbd"),
            nbd_tls_secret: args.flag_values("conf:nbd_tls_x509_secret_uuid").last().map(str::to_owned),
            use_nbdkit: args.flag("conf:storage_use_nbdkit=1"),
        },
        owner: None,
    }
}

fn screen(args: &Args, what: &str, password: bool) -> ScreenConfig {
    ScreenConfig {
        listen: "127.0.0.1".to_owned(),
        tls: tls(args, what),
        sasl: args.flag(&format!("conf:{what}_sasl=1")),
        sasl_dir: Some("/etc/sasl2".to_owned()),
        host_audio: host_audio(args, what),
        password,
        auto_unix_socket: args.flag(&format!("conf:{what}_auto_unix_socket=1")),
    }
}

/// The back end that the daemon's environment names, where the configuration allows it.
fn host_audio(args: &Args, what: &str) -> Option<String> {
    let allowed = args.flag(&format!("conf:{what}_allow_host_audio=1"));
    args.flag_values("env:QEMU_AUDIO_DRV").last().filter(|_| allowed).map(str::to_owned)
}

fn tls(args: &Args, what: &str) -> TlsConfig {
    TlsConfig {
        enabled: args.flag(&format!("conf:{what}_tls=1")),
        cert_dir: format!("/etc/pki/libvirt-{what}"),
        verify: args.flag(&format!("conf:{what}_tls_x509_verify=1")),
    }
}

/// The answers to what a plan asks.
pub(crate) fn answer(questions: Vec<Query>, args: &Args) -> Result<Facts> {
    let mut facts = Facts::default();
    for query in questions {
        let answer = match &query {
            Query::Stat(path) if path.ends_with("cdrom") => Answer::Kind(FileKind::Cdrom),
            Query::Stat(_) => Answer::Kind(FileKind::File),
            Query::Program(name) => Answer::Path(Some(format!("/usr/bin/{name}").into())),
            Query::Secret(_) => Answer::Sealed {
                data: "9eao5F8qtkGt+seB1HYivWIxbtwUu6MQtg1zpj/oDtUsPr1q8wBYM91uEHCn6j/1".to_owned(),
                iv: "AAECAwQFBgcICQoLDA0ODw==".to_owned(),
            },
            Query::ScsiGeneric { .. } => Answer::Path(Some("/dev/sg0".into())),
            Query::IommuGroup(_) => Answer::Path(None),
            Query::RenderNode => Answer::Path(Some("/dev/dri/foo".into())),
            Query::SwtpmVersions => Answer::Words(match args.flag_values("swtpm").last() {
                Some(list) => list.split(',').map(str::to_owned).collect(),
                None => vec!["1.2".to_owned(), "2.0".to_owned()],
            }),
            Query::Descriptors(_) => Answer::Files(Vec::new()),
            Query::ProgramFeatures(program) => Answer::Words(match program.as_str() {
                "nbdkit" => args.flag_values("nbdkit-cap").map(str::to_owned).collect(),
                _ => Vec::new(),
            }),
            Query::Passed(name) => passed(args, name)?,
            Query::Volume(pool, volume) => volumes::find(args, pool, volume)?,
            Query::Header(_) => Answer::Failed(Error::internal("no image is opened here")),
            Query::Seal(_) => Answer::Failed(Error::internal("texts cannot be encrypted here")),
            Query::NodesOfCpus(cpus) => {
                Answer::Ids(cpus.iter().map(|cpu| cpu / CPUS_OF_NODE).filter(|node| *node < 4).collect())
            }
            Query::NumaNodes | Query::AdvisedNodes(..) => Answer::Ids((0..4).collect()),
            Query::FreePort(_, first, _) => Answer::Port(*first),
        };
        facts.add(query, answer);
    }
    Ok(facts)
}

/// The descriptors that a case hands in under a name: `fd-group=NAME:ro|rw:N,N` and `vdpa-fd=DEV:N`.
fn passed(args: &Args, name: &str) -> Result<Answer> {
    let of =
        |key: &'static str| args.flag_values(key).find_map(|flag| flag.strip_prefix(name)?.strip_prefix(':'));
    let (mode, numbers) = match (of("fd-group"), of("vdpa-fd")) {
        (Some(rest), _) => rest.split_once(':').unwrap_or(("", rest)),
        (None, Some(number)) => ("rw", number),
        (None, None) => {
            let detail = format!("file descriptor group '{name}' was not associated with the domain");
            return Ok(Answer::Failed(Error::invalid_arg(detail)));
        }
    };
    let number = |text: &str| text.parse().map(Some);
    let numbers = numbers.split(',').map(number).collect::<Result<_, _>>();
    let numbers = numbers.map_err(|_| Error::invalid_arg(format!("bad descriptors of '{name}'")))?;
    Ok(Answer::Passed(Passed { writable: mode == "rw", numbers }))
}

/// Numbers of descriptors.
pub(crate) fn fd_number(kind: FdKind, nth: u32) -> u32 {
    match kind {
        FdKind::Listen | FdKind::VhostUserVideo => 1729,
        FdKind::Output => 1750,
        FdKind::Log => 1751,
        FdKind::Tap => 3 + nth,
        FdKind::NetTap => 102 + nth,
        FdKind::VhostNet => 44 + nth,
        FdKind::VhostScsi => 3,
        FdKind::VhostVsock => 6789,
        FdKind::VhostVdpa => 1732,
        FdKind::Tpm => 1730,
        FdKind::TpmCancel => 1731,
        FdKind::Migration | FdKind::Client => 100 + nth,
    }
}
