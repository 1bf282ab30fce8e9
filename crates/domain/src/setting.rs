//! What a definition is completed against: emulator, host, configuration of the driver.

use std::collections::BTreeMap;

use ostler_base::{Arch, MacAddr, Uuid};
use ostler_caps::cpu::HostModel;
use ostler_caps::emulator::{Emulator, Flag, Flags};

use crate::firmware::Firmwares;

/// Everything outside a definition that its defaults, rules and plans may depend on.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The emulator, where it could be probed.
    pub emulator: Option<&'a Emulator>,
    /// The host.
    pub host: &'a HostFacts,
    /// The driver's configuration.
    pub config: &'a DriverConfig,
    /// Where made-up identifiers and the time come from.
    pub entropy: &'a dyn Entropy,
    /// What `host-model` stands for with the guest's accelerator, where it is known; runs need it.
    pub host_model: Option<&'a HostModel>,
    /// The emulator's flags where a definition changes them.
    pub flags: Option<&'a Flags>,
    /// Where a guest's state comes from, as `-incoming` wants it; `None`: it starts anew.
    pub incoming: Option<&'a str>,
}

/// A source of what is different each time: made-up identifiers, and the time.
pub trait Entropy: Sync {
    /// A UUID for a guest that has none.
    fn uuid(&self) -> Uuid;
    /// An address for a network card that has none.
    fn mac(&self) -> MacAddr;
    /// The time, seconds since the epoch.
    fn now(&self) -> i64;
}

impl<'a> Setting<'a> {
    /// One in which nothing is known of the guest's run.
    pub fn new(
        emulator: Option<&'a Emulator>,
        host: &'a HostFacts,
        config: &'a DriverConfig,
        entropy: &'a dyn Entropy,
    ) -> Self {
        Setting { emulator, host, config, entropy, host_model: None, flags: None, incoming: None }
    }

    /// Whether the emulator is known and has a flag.
    pub fn has(&self, flag: Flag) -> bool {
        match self.flags {
            Some(flags) => flags.has(flag),
            None => self.emulator.is_some_and(|emulator| emulator.has(flag)),
        }
    }
}

/// What is the same for every guest of a host.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// Its architecture.
    pub arch: Arch,
    /// The security model that labels without one are of: `none` where nothing confines guests.
    pub security_model: String,
    /// Firmware that descriptors on it offer.
    pub firmwares: Firmwares,
    /// The IOMMU group of each PCI function, by address (`0000:00:01.0`).
    pub iommu_groups: BTreeMap<String, u32>,
}

/// Graphics of every guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphicsConfig {
    /// VNC.
    pub vnc: ScreenConfig,
    /// SPICE.
    pub spice: ScreenConfig,
    /// The host's audio back end for guests without a screen, where these may have one.
    pub headless_audio: Option<String>,
}

/// One protocol for screens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenConfig {
    /// The address that is listened on where a definition does not say.
    pub listen: String,
    /// Encryption.
    pub tls: TlsConfig,
    /// Whether clients authenticate by SASL.
    pub sasl: bool,
    /// Where the SASL library finds its configuration, where it is not the library's own place.
    pub sasl_dir: Option<String>,
    /// The host's audio back end for guests with such a screen, where these may have one.
    pub host_audio: Option<String>,
    /// Whether there is a password for definitions that have none.
    pub password: bool,
    /// Whether a UNIX socket is listened on where a definition does not say.
    pub auto_unix_socket: bool,
}

/// Encryption of one kind of connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Whether it is on where a definition does not say.
    pub enabled: bool,
    /// Where the certificates are.
    pub cert_dir: String,
    /// Whether a server wants a certificate of its clients.
    pub verify: bool,
}

/// Huge pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePageMount {
    /// The size of a page, KiB.
    pub size: u64,
    /// Where they are mounted.
    pub path: String,
}

/// Disks of every guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// Encryption of connections to servers of network block devices.
    pub nbd_tls: TlsConfig,
    /// The secret with the password of the key for these, by its UUID.
    pub nbd_tls_secret: Option<String>,
    /// Whether nbdkit talks to servers in the emulator's place, where it can.
    pub use_nbdkit: bool,
}

/// The driver's configuration, as far as plans depend on it. Paths are absolute.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// `/var/lib/libvirt/qemu`
    pub lib_dir: String,
    /// `/run/libvirt/qemu`
    pub state_dir: String,
    /// Where the software TPM of a guest keeps its state: `/var/lib/libvirt/swtpm`.
    pub swtpm_dir: String,
    /// The socket of every software TPM, where it does not follow from the guest.
    pub fixed_swtpm_socket: Option<String>,
    /// Where memory in files is: `/var/lib/libvirt/qemu/ram`.
    pub memory_backing_dir: String,
    /// Where huge pages are mounted; the default size first.
    pub huge_pages: Vec<HugePageMount>,
    /// Where variables of firmware are: `/var/lib/libvirt/qemu/nvram`.
    pub nvram_dir: String,
    /// Firmware images that are used without a descriptor, with the template of their variables.
    pub loaders: Vec<(String, String)>,
    /// Whether guests that run are handed files as descriptors, since they cannot open any themselves.
    pub pass_files: bool,
    /// Where its logs go.
    pub log_dir: String,
    /// Variables that an emulator's environment begins with, without its home.
    pub environment: Vec<(String, String)>,
    /// Whether the guest's memory is part of the emulator's core dumps.
    pub dump_guest_core: bool,
    /// Whether the emulator's system calls are filtered.
    pub seccomp_sandbox: bool,
    /// Whether its messages have times.
    pub log_timestamp: bool,
    /// Graphics.
    pub graphics: GraphicsConfig,
    /// Encryption of character devices over TCP.
    pub chardev_tls: TlsConfig,
    /// Disks of every guest.
    pub storage: StorageConfig,
    /// The user and group that emulators run as, where it is not the daemon's own.
    pub owner: Option<ostler_plan::Owner>,
}

impl HostFacts {
    /// A host of which only the architecture is known.
    pub fn of(arch: Arch) -> Self {
        HostFacts {
            arch,
            security_model: "none".to_owned(),
            firmwares: Firmwares::default(),
            iommu_groups: BTreeMap::new(),
        }
    }
}

impl DriverConfig {
    /// The configuration of an instance whose every path is below a directory, with everything as it
    /// is where no setting says otherwise.
    pub fn below(root: &str) -> Self {
        let path = |path: &str| format!("{root}/{path}");
        let tls = TlsConfig { enabled: false, cert_dir: path("etc/pki/qemu"), verify: false };
        let screen = ScreenConfig {
            listen: "127.0.0.1".to_owned(),
            tls: tls.clone(),
            sasl: false,
            sasl_dir: None,
            host_audio: None,
            password: false,
            auto_unix_socket: false,
        };
        DriverConfig {
            lib_dir: path("var/lib/libvirt/qemu"),
            state_dir: path("run/libvirt/qemu"),
            swtpm_dir: path("var/lib/libvirt/swtpm"),
            pass_files: true,
            fixed_swtpm_socket: None,
            memory_backing_dir: path("var/lib/libvirt/qemu/ram"),
            huge_pages: Vec::new(),
            nvram_dir: path("var/lib/libvirt/qemu/nvram"),
            loaders: Vec::new(),
            log_dir: path("var/log/libvirt/qemu"),
            environment: [("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            dump_guest_core: false,
            seccomp_sandbox: true,
            log_timestamp: true,
            graphics: GraphicsConfig { vnc: screen.clone(), spice: screen, headless_audio: None },
            chardev_tls: tls.clone(),
            storage: StorageConfig { nbd_tls: tls, nbd_tls_secret: None, use_nbdkit: false },
            owner: None,
        }
    }

    /// Name of the directory and of sockets that belong to one run of a guest:
    /// `domain-ID-NAME`, the name cut to 20 characters.
    pub fn run_name(&self, id: Option<i32>, name: &str) -> String {
        format!("domain-{}", self.short_run_name(id, name))
    }

    /// The same without the word before it, for folders that have runs of guests only.
    pub fn short_run_name(&self, id: Option<i32>, name: &str) -> String {
        let short: String = name.chars().take(20).collect();
        format!("{}-{short}", id.unwrap_or(-1))
    }

    /// The directory of one run of a guest.
    pub fn run_dir(&self, id: Option<i32>, name: &str) -> String {
        format!("{}/{}", self.lib_dir, self.run_name(id, name))
    }

    /// The socket of a guest's software TPM.
    pub fn swtpm_socket(&self, uuid: Uuid, name: &str) -> String {
        match &self.fixed_swtpm_socket {
            Some(path) => path.clone(),
            None => {
                format!("{}/swtpm/{}-{uuid}.sock", self.state_dir, name.chars().take(20).collect::<String>())
            }
        }
    }

    /// The socket of a channel without a path.
    pub fn channel_path(&self, id: Option<i32>, name: &str, channel: &str) -> String {
        let run = self.short_run_name(id, name);
        format!("{}/channel/{run}/{channel}", self.state_dir)
    }

    /// The directory of the sockets of a run's channels.
    pub fn channel_dir(&self, id: Option<i32>, name: &str) -> String {
        let run = self.run_name(id, name);
        format!("{}/channel/{}", self.state_dir, run.strip_prefix("domain-").unwrap_or(&run))
    }

    /// The directory of the files that back a run's memory.
    pub fn memory_dir(&self, id: Option<i32>, name: &str) -> String {
        let run = self.run_name(id, name);
        format!("{}/ram/{}", self.lib_dir, run.strip_prefix("domain-").unwrap_or(&run))
    }

    /// Whether a path of a channel is one that [`Self::channel_path`] makes, of whatever guest.
    pub fn is_own_channel(&self, path: &str, channel: Option<&str>) -> bool {
        let of_state = path.strip_prefix(&self.state_dir).and_then(|rest| rest.strip_prefix("/channel/"));
        let of_lib = path.strip_prefix(&self.lib_dir).and_then(|rest| rest.strip_prefix("/channel/target/"));
        let Some(channel) = channel else { return false };
        // A folder of the guest's own, or the guest's name before the channel's.
        let folder = |dir: &str| !dir.contains('/') && (of_state.is_some() || dir.starts_with("domain-"));
        match of_state.or(of_lib).map(|rest| rest.rsplit_once('/').ok_or(rest)) {
            Some(Ok((dir, name))) => folder(dir) && name == channel,
            Some(Err(name)) => {
                name.strip_suffix(channel).is_some_and(|guest| guest.len() > 1 && guest.ends_with('.'))
            }
            None => false,
        }
    }

    /// The monitor's socket.
    pub fn monitor_path(&self, id: Option<i32>, name: &str) -> String {
        format!("{}/monitor.sock", self.run_dir(id, name))
    }
}
