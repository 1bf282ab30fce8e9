//! What guests of a kind can have: from the words of a question to the document.
//!
//! Owns: what is taken where a question leaves something out, the refusals, the facts of the host.
//! Never: knows the form of the document.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ostler_base::{Arch, Error, Json, Result, Word, refuse};
use ostler_caps::cpu::{Cpu, HostModel, Policy, feature_from_qemu};
use ostler_caps::domcaps::{Facts, Firmware, Subject, document};
use ostler_caps::emulator::{Accelerator, Emulator};
use ostler_domain::firmware::offered;
use ostler_host::kvm;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use ostler_domain::sections::identity::OF_OTHERS;

use crate::daemon::Daemon;
use crate::{firmware, host_cpu};

/// How long the program that emulates TPMs may take to say what it can do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of its answer.
const ANSWER_MAX: u64 = 64 << 10;

/// Which guests are meant; what is `None` is the host's first choice.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The emulator's path.
    pub emulator: Option<String>,
    /// The architecture.
    pub arch: Option<String>,
    /// The machine type or its alias.
    pub machine: Option<String>,
    /// The type of domain.
    pub kind: Option<String>,
}

/// Guests of a kind that the host can run.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Their emulator.
    pub emulator: Arc<Emulator>,
    /// Their architecture.
    pub arch: Arch,
    /// What runs them.
    pub accelerator: Accelerator,
    /// The canonical name of their machine type.
    pub machine: String,
}

/// Whether an emulator of one architecture can be meant where another is asked for.
fn are_related(one: Arch, other: Arch) -> bool {
    let both = |is: fn(Arch) -> bool| is(one) && is(other);
    one == other || both(Arch::is_x86) || both(Arch::is_arm) || both(Arch::is_s390) || both(Arch::is_ppc64)
}

/// Whether an emulator runs guests of an architecture.
fn runs(emulator: Arch, guest: Arch) -> bool {
    let besides = match emulator {
        Arch::X86_64 => Arch::I686,
        Arch::Aarch64 => Arch::Armv7l,
        Arch::Armv7l => Arch::Armv6l,
        Arch::Ppc64 => Arch::Ppc64le,
        other => other,
    };
    emulator == guest || besides == guest
}

impl Kind {
    /// The kind that a question is about, of an emulator's guests.
    fn of(emulator: Arc<Emulator>, arch: Arch, word: Option<&str>, machine: Option<&str>) -> Result<Kind> {
        let path = &emulator.path;
        if !are_related(emulator.arch, arch) {
            refuse!(
                invalid_arg,
                "architecture from emulator '{}' doesn't match given architecture '{arch}'",
                emulator.arch
            );
        }
        if !runs(emulator.arch, arch) {
            refuse!(invalid_arg, "Emulator '{path}' does not support arch '{arch}'");
        }
        let accelerator = match word {
            Some(word) => Accelerator::of_domain_type(word).filter(|accelerator| emulator.can(*accelerator)),
            None => Some(emulator.best_accelerator()),
        };
        let Some(accelerator) = accelerator else {
            let word = word.unwrap_or_default();
            refuse!(invalid_arg, "Emulator '{path}' does not support virt type '{word}'");
        };
        let known = match machine {
            Some(name) => emulator.machine(accelerator, name),
            None => emulator.preferred_machine(accelerator),
        };
        let Some(known) = known else {
            let name = machine.unwrap_or_default();
            refuse!(invalid_arg, "the machine '{name}' is not supported by emulator '{path}'");
        };
        let machine = known.name.clone();
        Ok(Kind { emulator, arch, accelerator, machine })
    }
}

impl Daemon {
    /// The kind of guests that a question is about.
    pub async fn kind(&self, question: &Question) -> Result<Kind> {
        let word = question.kind.as_deref();
        if let Some(word) = word
            && Accelerator::of_domain_type(word).is_none()
            && !OF_OTHERS.contains(&word)
        {
            refuse!(invalid_arg, "unknown virttype: {word}");
        }
        let arch = match question.arch.as_deref() {
            Some(name) => Arch::parse(name)
                .ok_or_else(|| Error::invalid_arg(format!("unknown architecture: {name}")))?,
            None => self.engine.host().arch,
        };
        let path = match &question.emulator {
            Some(path) => existing(path)?,
            None => self.emulator_for(arch).ok_or_else(|| {
                Error::unsupported(format!("unable to find any emulator to serve '{arch}' architecture"))
            })?,
        };
        let emulator = self.engine.emulators().get(&path).await?;
        Kind::of(emulator, arch, word, question.machine.as_deref())
    }

    /// What `host-model` stands for; `None` where that is not known.
    pub async fn host_model(&self, kind: &Kind) -> Result<Option<HostModel>> {
        self.host_cpu().await.model(&kind.emulator, kind.accelerator)
    }

    /// What guests of a kind can have. `outdated` features of the host's CPU can be left out.
    pub async fn domain_capabilities(&self, kind: &Kind, outdated: bool) -> Result<String> {
        let mut host_model = self.host_model(kind).await?.map(|model| model.reported);
        if let Some(cpu) = host_model.as_mut().filter(|_| !outdated) {
            leave_out_deprecated(kind, cpu);
        }
        self.engine.read_firmwares().await?;
        let descriptors = self.engine.host().firmwares.current();
        let offer = offered(descriptors.iter(), kind.arch, &kind.machine);
        let mut loaders = firmware::images(&offer);
        if loaders.is_empty() {
            loaders.extend(self.engine.config().loaders.iter().map(|(image, _)| image.clone()));
            loaders.retain(|image| Path::new(image).exists());
        }
        let sysfs = &self.known.sysfs;
        let facts = Facts {
            loaders,
            firmware: Firmware { bios: offer.bios, efi: offer.efi, secure: offer.secure },
            vfio: sysfs.has_entries("kernel/iommu_groups") && Path::new("/dev/vfio/vfio").exists(),
            swtpm: self.known.swtpm.get_or_init(swtpm).await.clone(),
            kvm_max_cpus: kvm::max_vcpus().ok(),
            sev_guests: host_cpu::sev_guests(),
            host_model: host_model.as_ref(),
        };
        let Kind { emulator, arch, accelerator, machine } = kind;
        let subject = Subject { emulator, arch: *arch, accelerator: *accelerator, machine };
        Ok(document(&subject, &facts))
    }
}

fn leave_out_deprecated(kind: &Kind, cpu: &mut Cpu) {
    let told = kind.emulator.with(kind.accelerator).host_cpu.as_ref();
    for name in told.and_then(|model| model.deprecated.as_deref()).unwrap_or_default() {
        cpu.set_feature(feature_from_qemu(kind.arch, name), Some(Policy::Disable));
    }
}

fn existing(path: &str) -> Result<PathBuf> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(path.into()),
        Err(error) => {
            let words = error.to_string();
            let why = words.split(" (os error").next().unwrap_or_default();
            Err(Error::system(format!("Cannot check QEMU binary {path}: {why}")))
        }
    }
}

/// The versions of TPM that can be emulated; `None`: no program for it, or it does not say.
async fn swtpm() -> Option<Vec<String>> {
    let mut child = Command::new("swtpm_setup")
        .arg("--print-capabilities")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut answer = Vec::new();
    let out = child.stdout.take()?;
    tokio::time::timeout(PATIENCE, out.take(ANSWER_MAX).read_to_end(&mut answer)).await.ok()?.ok()?;
    tokio::time::timeout(PATIENCE, child.wait()).await.ok()?.ok()?;
    let answer: Json = String::from_utf8(answer).ok()?.parse().ok()?;
    let features = answer["features"].as_array()?.iter().filter_map(Json::as_str);
    Some(features.filter_map(|name| name.strip_prefix("tpm-")).map(str::to_owned).collect())
}
