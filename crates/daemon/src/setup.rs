//! What the engine is made of: paths, the host, `qemu.conf`, the environment of emulators.
//!
//! Owns: how these follow from the daemon's own layout and settings. Never: starts the engine.

use std::path::{Path, PathBuf};

use ostler_base::{Arch, Word};
use ostler_caps::emulator::ProbeHost;
use ostler_domain::{DriverConfig, GraphicsConfig, HostFacts, ScreenConfig, StorageConfig, TlsConfig};
use ostler_engine::image::Packing;
use ostler_engine::networks::{self, Backend};
use ostler_engine::{Paths, SaveConfig, Setup};
use ostler_plan::Owner;

use crate::accounts;
use crate::confinement;
use crate::firmware;
use crate::host_cpu::OfThisHost;
use crate::huge_pages;
use crate::layout::{Instance, Layout};
use crate::network_conf::NetworkConf;
use crate::qemu_conf::QemuConf;
use crate::settings;

/// Where emulators are searched for if nothing says where programs are.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of the daemon that its emulators get too.
const INHERITED: &[&str] = &["LD_PRELOAD", "LD_LIBRARY_PATH", "USER", "LOGNAME", "TMPDIR"];

/// The program between fork and exec of an emulator.
const LAUNCHER: &str = "ostler-launcher";

/// The program that dnsmasq tells of leases.
const LEASE_PROGRAM: &str = "ostler-lease";

/// Where installed programs lie if they are not beside the daemon.
const INSTALLED: &str = "/usr/libexec/ostler";

/// What the engine of this instance is made of. The error is a message for the user.
pub fn setup(layout: &Layout, conf: &QemuConf) -> Result<Setup, String> {
    let programs = std::env::var_os("PATH").unwrap_or_else(|| PROGRAMS.into());
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    let arch = arch(&machine).ok_or_else(|| format!("this host's architecture '{machine}' is not known"))?;
    Ok(Setup {
        config: driver(layout, conf)?,
        paths: paths(layout),
        host: HostFacts::of(arch),
        search: std::env::split_paths(&programs).filter(|place| place.is_absolute()).collect(),
        probe: ProbeHost { hvf: false, microcode: microcode() },
        launcher: beside(LAUNCHER),
        networks: networks(layout)?,
        host_models: Box::new(OfThisHost::new(arch, microcode())),
        descriptors: firmware::directories(&layout.etc),
        saving: saving(conf)?,
        policy: confinement::policy(layout, conf)?,
    })
}

/// The architecture of a machine by the kernel's name for it.
fn arch(machine: &str) -> Option<Arch> {
    let x86 = machine.len() == 4 && machine.starts_with('i') && machine.ends_with("86");
    let name = match machine {
        _ if x86 => "i686",
        "armv8l" => "armv7l",
        other => other,
    };
    Arch::parse(name)
}

fn paths(layout: &Layout) -> Paths {
    let Layout { etc, run, lib, log, cache, .. } = layout.clone();
    Paths { etc, run, lib, log, cache }
}

fn driver(layout: &Layout, conf: &QemuConf) -> Result<DriverConfig, String> {
    let place = |directory: &Path, name: &str| directory.join(name).to_string_lossy().into_owned();
    Ok(DriverConfig {
        lib_dir: place(&layout.lib, "qemu"),
        state_dir: place(&layout.run, "qemu"),
        swtpm_dir: place(&layout.lib, "swtpm"),
        fixed_swtpm_socket: None,
        memory_backing_dir: match &conf.memory_backing_dir {
            Some(path) => format!("{path}/libvirt/qemu"),
            None => format!("{}/ram", place(&layout.lib, "qemu")),
        },
        huge_pages: huge_pages::mounts(&conf.hugetlbfs_mount),
        pass_files: true,
        nvram_dir: place(&layout.lib, "qemu/nvram"),
        loaders: firmware::undescribed(&conf.nvram),
        log_dir: place(&layout.log, "qemu"),
        environment: environment(|name| std::env::var(name).ok()),
        dump_guest_core: conf.dump_guest_core.unwrap_or(false),
        seccomp_sandbox: conf.seccomp_sandbox != Some(0),
        log_timestamp: conf.log_timestamp,
        graphics: graphics(conf),
        chardev_tls: tls(
            conf,
            conf.chardev_tls,
            conf.chardev_tls_x509_cert_dir.as_deref(),
            conf.chardev_tls_x509_verify,
        ),
        storage: StorageConfig {
            nbd_tls: tls(conf, conf.nbd_tls, conf.nbd_tls_x509_cert_dir.as_deref(), None),
            nbd_tls_secret: conf.nbd_tls_x509_secret_uuid.clone(),
            use_nbdkit: conf.storage_use_nbdkit,
        },
        owner: owner(layout, conf)?,
    })
}

/// Encryption of one kind of connection: what is not set for it is as for everything.
fn tls(conf: &QemuConf, enabled: Option<bool>, cert_dir: Option<&str>, verify: Option<bool>) -> TlsConfig {
    TlsConfig {
        enabled: enabled.unwrap_or(false),
        cert_dir: cert_dir.unwrap_or(&conf.default_tls_x509_cert_dir).to_owned(),
        verify: verify.or(conf.default_tls_x509_verify).unwrap_or(true),
    }
}

fn graphics(conf: &QemuConf) -> GraphicsConfig {
    let vnc_dir = conf.vnc_tls_x509_cert_dir.as_deref();
    GraphicsConfig {
        vnc: ScreenConfig {
            listen: conf.vnc_listen.clone(),
            tls: tls(conf, conf.vnc_tls, vnc_dir, conf.vnc_tls_x509_verify),
            sasl: conf.vnc_sasl.unwrap_or(false),
            sasl_dir: conf.vnc_sasl_dir.clone(),
            host_audio: host_audio(conf.vnc_allow_host_audio),
            password: conf.vnc_password.is_some(),
            auto_unix_socket: conf.vnc_auto_unix_socket.unwrap_or(false),
        },
        spice: ScreenConfig {
            listen: conf.spice_listen.clone(),
            tls: tls(conf, conf.spice_tls, conf.spice_tls_x509_cert_dir.as_deref(), None),
            sasl: conf.spice_sasl.unwrap_or(false),
            sasl_dir: conf.spice_sasl_dir.clone(),
            host_audio: None,
            password: conf.spice_password.is_some(),
            auto_unix_socket: conf.spice_auto_unix_socket.unwrap_or(false),
        },
        headless_audio: host_audio(conf.nographics_allow_host_audio),
    }
}

/// The audio back end that the daemon's environment names, where guests may have it.
fn host_audio(allowed: Option<bool>) -> Option<String> {
    std::env::var("QEMU_AUDIO_DRV").ok().filter(|_| allowed == Some(true))
}

/// How guests are saved and dumped.
fn saving(conf: &QemuConf) -> Result<SaveConfig, String> {
    let packing = |key: &str, word: Option<&String>| match word {
        None => Ok(Packing::Raw),
        Some(word) => Packing::parse(word)
            .ok_or_else(|| format!("Invalid {key} specified in configuration file: {word}")),
    };
    Ok(SaveConfig {
        save_packing: packing("save_image_format", conf.save_image_format.as_ref())?,
        dump_packing: packing("dump_image_format", conf.dump_image_format.as_ref())?,
        dump_dir: conf.auto_dump_path.clone().map(PathBuf::from),
    })
}

/// Who emulators run as, where `qemu.conf` says so and the daemon may do so.
fn owner(layout: &Layout, conf: &QemuConf) -> Result<Option<Owner>, String> {
    if layout.instance == Instance::Session || (conf.user.is_none() && conf.group.is_none()) {
        return Ok(None);
    }
    let uid = match &conf.user {
        Some(name) => accounts::user(name).map_err(|why| format!("qemu.conf: user: {why}"))?,
        None => 0,
    };
    let gid = match &conf.group {
        Some(name) => accounts::group(name).map_err(|why| format!("qemu.conf: group: {why}"))?,
        None => 0,
    };
    Ok((uid, gid).ne(&(0, 0)).then_some(Owner { uid, gid }))
}

/// What an emulator's environment begins with.
fn environment(variable: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut all = vec![("LC_ALL".to_owned(), "C".to_owned())];
    let path = variable("PATH").unwrap_or_else(|| PROGRAMS.to_owned());
    all.push(("PATH".to_owned(), path));
    all.extend(INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))));
    all
}

/// The launcher that was built or installed beside this program, else where packages put it.
fn beside(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(name)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| Path::new(INSTALLED).join(name))
}

/// How networks are run: by `network.conf`, else by the program that is there.
fn networks(layout: &Layout) -> Result<networks::Setup, String> {
    let path = layout.etc.join("network.conf");
    let conf = settings::load::<NetworkConf>(&path, false).map_err(|e| e.to_string())?.config;
    let backend = match &conf.firewall_backend {
        Some(word) => Backend::parse(word)
            .ok_or_else(|| format!("{}: firewall_backend: unknown backend '{word}'", path.display()))?,
        None if ostler_host::find_program_path("nft").is_some() => Backend::Nftables,
        None => Backend::Iptables,
    };
    Ok(networks::Setup { backend, lease_program: beside(LEASE_PROGRAM) })
}

/// The version of the CPUs' microcode; 0 where the kernel shows none.
pub(crate) fn microcode() -> u32 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("microcode"));
    let number = line.and_then(|line| line.split(':').nth(1)).and_then(|text| text.trim().strip_prefix("0x"));
    number.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures() {
        assert_eq!(arch("x86_64"), Some(Arch::X86_64));
        assert_eq!(arch("i586"), Some(Arch::I686));
        assert_eq!(arch("pdp11"), None);
    }

    #[test]
    fn environments() {
        let variable = |name: &str| (name == "TMPDIR").then(|| "/t".to_owned());
        let names: Vec<_> = environment(variable).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["LC_ALL", "PATH", "TMPDIR"]);
    }

    #[test]
    fn everything_lies_below_the_root() {
        let layout = Layout::below(Path::new("/r"));
        let setup = setup(&layout, &QemuConf::default()).unwrap();
        assert!(setup.config.lib_dir.starts_with("/r/") && setup.config.state_dir.starts_with("/r/"));
        assert_eq!(setup.paths, Paths::below(Path::new("/r")));
        assert_eq!(setup.config.owner, None);
    }

    #[test]
    fn owners() {
        let layout = Layout::below(Path::new("/r"));
        let conf =
            QemuConf { user: Some("+64055".into()), group: Some("+64056".into()), ..QemuConf::default() };
        assert_eq!(owner(&layout, &conf), Ok(Some(Owner { uid: 64055, gid: 64056 })));
        let conf = QemuConf { user: Some("root".into()), ..QemuConf::default() };
        assert_eq!(owner(&layout, &conf), Ok(None));
        let conf = QemuConf { user: Some("no such user".into()), ..QemuConf::default() };
        assert!(owner(&layout, &conf).is_err());
    }
}
