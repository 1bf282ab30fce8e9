//! What is known of emulators, on disk: a file for each binary, in the reference's place and form.
//!
//! Owns: when a file is still true. Never: probes. A file that cannot be read or written costs a
//! probe and nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ostler_base::sha256;
use ostler_caps::emulator::cache::{self, Stamps};
use ostler_caps::emulator::{Accelerator, Emulator, ProbeHost};
use ostler_host::fs::{Durability, read_bounded, write_atomic};

/// A file is never longer, bytes.
const FILE_MAX: u64 = 16 << 20;

/// Where emulators have their modules: the first of these that exists.
const MODULES: &[&str] = &["/usr/lib64/qemu-kvm", "/usr/lib64/qemu", "/usr/lib/qemu"];

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    host: ProbeHost,
    own: OnceLock<u64>,
}

/// What can change the answers of a binary, and is looked at each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    emulator_ctime: i64,
    modules_mtime: Option<i64>,
    kvm: bool,
}

fn modules() -> Option<i64> {
    let multiarch = format!("/usr/lib/{}-linux-gnu/qemu", std::env::consts::ARCH);
    let mut places = std::iter::once(multiarch.as_str()).chain(MODULES.iter().copied());
    places.find_map(|place| fs::metadata(place).ok()).map(|facts| facts.mtime())
}

impl Mark {
    /// The mark of a binary as it is now.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let kvm = rustix::fs::access("/dev/kvm", rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK);
        Ok(Mark { emulator_ctime: fs::metadata(path)?.ctime(), modules_mtime: modules(), kvm: kvm.is_ok() })
    }
}

/// Version of this program in one number.
fn own_version() -> u64 {
    let mut parts = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let (major, minor, micro) = (next(), next(), next());
    major * 1_000_000 + minor * 1000 + micro
}

/// What the host's CPU calls itself.
fn cpu_signature() -> Option<String> {
    let text = read_bounded(Path::new("/proc/cpuinfo"), FILE_MAX).ok()?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    Some(format!(
        "{}, {}, family: {}, model: {}, stepping: {}",
        value("vendor_id")?,
        value("model name")?,
        value("cpu family")?,
        value("model")?,
        value("stepping")?
    ))
}

fn kernel_version() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.release().to_string_lossy(), name.version().to_string_lossy())
}

impl Cache {
    pub(super) fn new(directory: PathBuf, host: ProbeHost) -> Self {
        Cache { directory, host, own: OnceLock::new() }
    }

    fn file(&self, path: &Path) -> PathBuf {
        self.directory.join(format!("{}.xml", sha256::hex(path.as_os_str().as_encoded_bytes())))
    }

    fn own_ctime(&self) -> u64 {
        *self.own.get_or_init(|| {
            let own = std::env::current_exe().and_then(fs::metadata);
            own.map_or(0, |facts| u64::try_from(facts.ctime()).unwrap_or(0))
        })
    }

    fn stamps(&self, mark: Mark) -> Stamps {
        let time = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        Stamps {
            emulator_ctime: time(mark.emulator_ctime),
            modules_mtime: mark.modules_mtime.map(time),
            own_ctime: self.own_ctime(),
            own_version: own_version(),
            host_cpu: mark.kvm.then(cpu_signature).flatten(),
            kernel_version: mark.kvm.then(kernel_version),
            cpu_data: None,
        }
    }

    /// What the file says, where it is still true. Blocks.
    pub(super) fn read(&self, path: &Path, mark: Mark) -> Option<Emulator> {
        let file = self.file(path);
        let text = read_bounded(&file, FILE_MAX).ok()?;
        match cache::read(&text) {
            Ok((emulator, stamps)) => {
                let same = stamps == self.stamps(mark)
                    && emulator.path == path.to_string_lossy()
                    && emulator.microcode == self.host.microcode
                    && emulator.can(Accelerator::Kvm) == mark.kvm;
                same.then_some(emulator)
            }
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "an emulator is probed again");
                None
            }
        }
    }

    /// Keeps what a probe found. Blocks.
    pub(super) fn write(&self, path: &Path, mark: Mark, emulator: &Arc<Emulator>) {
        let text = cache::write(emulator, &self.stamps(mark));
        let made = crate::files::make_directory(&self.directory, 0o755);
        let written = made.and_then(|()| {
            write_atomic(&self.file(path), text.as_bytes(), 0o600, None, Durability::Volatile)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "what is known of an emulator is not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_true_until_something_changes() {
        let root = std::env::temp_dir().join(format!("ostler-cache-{}", std::process::id()));
        let cache = Cache::new(root.clone(), ProbeHost::default());
        let path = Path::new("/bin/sh");
        let mark = Mark { kvm: false, ..Mark::of(path).unwrap() };
        assert_eq!(cache.read(path, mark), None);
        let emulator = Arc::new(Emulator::unknown("/bin/sh".to_owned()));
        cache.write(path, mark, &emulator);
        assert_eq!(cache.read(path, mark).as_ref(), Some(&*emulator));
        assert_eq!(cache.read(path, Mark { emulator_ctime: mark.emulator_ctime + 1, ..mark }), None);
        assert_eq!(cache.read(path, Mark { modules_mtime: Some(1), ..mark }), None);
        assert_eq!(cache.read(path, Mark { kvm: true, ..mark }), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
