//! What the host and its emulators can do, as clients read it.
//!
//! Owns: the facts of the host behind both capabilities documents, and which emulators there are.
//! Never: knows the form of a document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ostler_base::{Arch, Error, Result, Uuid, Word};
use ostler_caps::cpu::Cpu;
use ostler_caps::emulator::{Accelerator, Emulator};
use ostler_caps::guest_caps::{self, Machines};
use ostler_caps::host_caps::{HostCaps, Migration, Resctrl, SecurityModel, Topology, document, node_memory};
use ostler_host::node::page_size;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::daemon::Daemon;
use crate::host_cpu::HostCpu;
use crate::layout::Instance;
use crate::setup;
use crate::sysfs::Sysfs;

/// How guests can leave the host.
const TRANSPORTS: [&str; 2] = ["tcp", "rdma"];

/// What is found out once.
#[derive(Debug, Default)]
pub struct Known {
    /// The host's files.
    pub sysfs: Sysfs,
    uuid: OnceLock<Option<Uuid>>,
    cpu: OnceCell<HostCpu>,
    pub(crate) swtpm: OnceCell<Option<Vec<String>>>,
}

impl Known {
    /// The host's identity: as it is set, else as the firmware or the system has it, else one
    /// that is made up once.
    fn uuid(&self, config: &Config, kept: &Path) -> Option<Uuid> {
        let machine = || {
            let text = std::fs::read_to_string("/etc/machine-id").ok()?;
            Uuid::parse(text.trim())
        };
        let firmware = || Uuid::parse(&self.sysfs.text("class/dmi/id/product_uuid")?);
        *self.uuid.get_or_init(|| {
            let found = match (&config.host_uuid, config.host_uuid_source.as_deref()) {
                (Some(text), _) => Uuid::parse(text),
                (None, Some("machine-id")) => machine(),
                (None, _) => firmware(),
            };
            found.filter(|uuid| !uuid.is_trivial()).or_else(|| made_up(kept))
        })
    }
}

/// An identity that was made up before, or is now, and is kept for the next time.
fn made_up(kept: &Path) -> Option<Uuid> {
    if let Some(uuid) = std::fs::read_to_string(kept).ok().and_then(|text| Uuid::parse(text.trim())) {
        return Some(uuid);
    }
    let mut bytes = [0; 16];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()).ok()?;
    let uuid = Uuid::from_random(bytes);
    let text = format!("{uuid}\n");
    let durable = ostler_host::fs::Durability::Durable;
    if let Err(error) = ostler_host::fs::write_atomic(kept, text.as_bytes(), 0o644, None, durable) {
        tracing::warn!(%error, "the host has another UUID at the next start");
    }
    Some(uuid)
}

impl Daemon {
    /// The emulators of the host with the architecture of the guests that each is the first choice
    /// for, by architecture; those that cannot be asked are left out. They are asked side by side.
    async fn emulators(&self) -> Vec<(Arch, Arc<Emulator>)> {
        let mut asked = JoinSet::new();
        for (place, arch) in Arch::WORDS.iter().map(|(_, arch)| *arch).enumerate() {
            if let Some(path) = self.emulator_for(arch) {
                let engine = Arc::clone(&self.engine);
                asked.spawn(async move { (place, arch, engine.emulators().get(&path).await) });
            }
        }
        let mut found = BTreeMap::new();
        while let Some(done) = asked.join_next().await {
            match done {
                Ok((place, arch, Ok(emulator))) => {
                    found.insert(place, (arch, emulator));
                }
                Ok((_, arch, Err(error))) => tracing::warn!(%arch, %error, "an emulator is left out"),
                Err(error) => tracing::warn!(%error, "an emulator is left out"),
            }
        }
        found.into_values().collect()
    }

    /// The emulator for guests of an architecture: its own, or on such a host the one that runs
    /// them besides.
    pub fn emulator_for(&self, arch: Arch) -> Option<PathBuf> {
        let besides = (arch == Arch::I686 && self.engine.host().arch == Arch::X86_64).then_some(Arch::X86_64);
        let emulators = self.engine.emulators();
        emulators.find(arch).or_else(|| besides.and_then(|arch| emulators.find(arch)))
    }

    /// The host's CPU.
    pub async fn host_cpu(&self) -> &HostCpu {
        let asked = self.known.cpu.get_or_init(|| async {
            let arch = self.engine.host().arch;
            let cpu = HostCpu::ask(arch, setup::microcode());
            let Some(path) = self.engine.emulators().find(arch) else { return cpu };
            match self.engine.emulators().get(&path).await {
                Ok(emulator) => cpu.with_registers_of(&emulator),
                Err(_) => cpu,
            }
        });
        asked.await
    }

    /// The host's CPU as capabilities show it.
    pub async fn shown_cpu(&self) -> Result<Cpu> {
        let info = self.node.info().ok();
        self.host_cpu().await.of_host(info.as_ref())
    }

    /// The capabilities document.
    pub async fn capabilities(self: Arc<Self>) -> Result<String> {
        let emulators = self.emulators().await;
        let cpu = self.shown_cpu().await.ok();
        // A large host shows thousands of files.
        let written = tokio::task::spawn_blocking(move || {
            let guests =
                emulators.iter().map(|(arch, emulator)| guest_caps::el(emulator, *arch, Machines::Listed));
            document(&self.host_caps(cpu), guests)
        });
        written.await.map_err(|error| Error::internal(format!("cannot write the capabilities: {error}")))
    }

    fn host_caps(&self, cpu: Option<Cpu>) -> HostCaps {
        let tree = self.known.sysfs.tree();
        HostCaps {
            uuid: self.known.uuid(&self.config(), &self.layout.lib.join("host-uuid")),
            cpu: cpu.into_iter().flat_map(|cpu| cpu.format_children()).collect(),
            page_sizes: self.node.page_sizes(),
            iommu: self.known.sysfs.has_entries("kernel/iommu_groups"),
            migration: Some(Migration { live: true, transports: TRANSPORTS.map(str::to_owned).to_vec() }),
            topology: Topology::read(&tree, |cell| node_memory(&tree, cell, page_size() / 1024)),
            resctrl: Resctrl::read(&tree),
            security: self.security(),
            ..HostCaps::new(self.engine.host().arch)
        }
    }

    /// Labels of guests: nobody labels them; of the system's instance the owner is set.
    fn security(&self) -> Vec<SecurityModel> {
        let model = |name: &str, base_labels| SecurityModel {
            model: name.to_owned(),
            doi: "0".to_owned(),
            base_labels,
        };
        let mut models = vec![model("none", Vec::new())];
        if self.layout.instance == Instance::System {
            let owner = self.engine.config().owner;
            let (uid, gid) = owner.map_or((0, 0), |owner| (owner.uid, owner.gid));
            let label = format!("+{uid}:+{gid}");
            let kinds = [Accelerator::Kvm, Accelerator::Tcg].map(Accelerator::domain_type);
            models.push(model("dac", kinds.map(|kind| (kind.to_owned(), label.clone())).to_vec()));
        }
        models
    }
}
