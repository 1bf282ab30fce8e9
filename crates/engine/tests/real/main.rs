//! A real emulator below a root of its own: the whole life of a guest, and a daemon that goes away.
//!
//! Skipped, loudly, where there is no QEMU or the launcher is not built.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod edges;
mod saved;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostler_base::Arch;
use ostler_caps::cpu::HostModel;
use ostler_caps::emulator::{Accelerator, Emulator, ProbeHost};

use ostler_confine::{Accounts, Policy};
use ostler_domain::{DriverConfig, HostFacts, WriteMode};
use ostler_engine::events::{Event, What};
use ostler_engine::ops::autostart::Often;
use ostler_engine::ops::define::Managed;
use ostler_engine::ops::pump::Cache;
use ostler_engine::ops::start::Saved;
use ostler_engine::{
    Engine, Guest, HostModels, Manner, Paths, Processors, SaveConfig, Setup, Strictness, Variables,
};
use tokio::runtime::Runtime;
use tokio::sync::broadcast::Receiver;

/// A start that takes a saved state, as most do.
const TAKE: Saved = Saved::Take(Cache::Keep);

const NAME: &str = "tiny";

fn definition(name: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>\
         <devices><memballoon model='none'/></devices></domain>"
    )
}

/// A directory of its own, removed at the end with the guests that still run in it.
struct Root(PathBuf);

impl Root {
    fn new(label: &str) -> Self {
        let root = std::env::temp_dir().join(format!("ostler-engine-{label}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        Root(root)
    }
}

impl Drop for Root {
    /// A test that failed half-way leaves no guest behind.
    fn drop(&mut self) {
        for file in std::fs::read_dir(self.0.join("run/libvirt/qemu")).into_iter().flatten().flatten() {
            let path = file.path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let pid = path.extension().is_some_and(|kind| kind == "pid").then(|| text.trim().parse().ok());
            if let Some(pid) = pid.flatten().and_then(rustix::process::Pid::from_raw) {
                // One that ended already is what is wanted.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The launcher that was built beside this test.
fn launcher() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let directory = test.parent().and_then(Path::parent).unwrap();
    Some(directory.join("ostler-launcher")).filter(|path| path.is_file())
}

/// A host of whose CPU nothing is known.
#[derive(Debug)]
struct Unknown;

impl HostModels for Unknown {
    fn host_model(&self, _: &Emulator, _: Accelerator) -> ostler_base::Result<Option<HostModel>> {
        Ok(None)
    }
}

/// Guests run as whoever runs the test; the other layers are on.
fn policy() -> Policy {
    Policy {
        identity: None,
        dynamic_ownership: true,
        remember_owner: true,
        drop_capabilities: true,
        common_devices: Vec::new(),
        private_dev: true,
        landlock: true,
        group_parent: None,
        accounts: Arc::new(Nobody),
    }
}

/// A host without accounts.
#[derive(Debug)]
struct Nobody;

impl Accounts for Nobody {
    fn user(&self, name: &str) -> ostler_base::Result<u32> {
        Err(ostler_base::Error::invalid_arg(name))
    }

    fn group(&self, name: &str) -> ostler_base::Result<u32> {
        Err(ostler_base::Error::invalid_arg(name))
    }

    fn groups(&self, _: u32) -> Vec<u32> {
        Vec::new()
    }
}

fn setup(root: &Path) -> Option<Setup> {
    let emulators = PathBuf::from("/usr/bin");
    let launcher = launcher();
    if !emulators.join("qemu-system-x86_64").is_file() || launcher.is_none() {
        eprintln!("SKIPPED: needs qemu-system-x86_64 and a built ostler-launcher");
        return None;
    }
    let config = DriverConfig::below(&root.to_string_lossy());
    Some(Setup {
        paths: Paths::below(root),
        host: HostFacts::of(Arch::X86_64),
        config,
        search: vec![emulators],
        probe: ProbeHost::default(),
        launcher: launcher?,
        networks: ostler_engine::networks::Setup {
            backend: ostler_engine::networks::Backend::Nftables,
            lease_program: "/bin/true".into(),
        },
        host_models: Box::new(Unknown),
        descriptors: vec!["/usr/share/qemu/firmware".into()],
        saving: SaveConfig::default(),
        policy: policy(),
    })
}

/// What happened up to now, event and detail.
fn told(events: &mut Receiver<Event>) -> Vec<(i32, i32)> {
    std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event.what {
            What::Lifecycle(turn) => Some(turn.numbers()),
            _ => None,
        })
        .collect()
}

fn numbers(guest: &Guest) -> (i32, i32) {
    guest.view().status.numbers()
}

/// A daemon's worth of engine: when it is dropped nothing of it runs any more.
struct Daemon {
    runtime: Runtime,
    engine: Engine,
}

impl Daemon {
    fn start(root: &Path) -> Option<Self> {
        let setup = setup(root)?;
        let runtime = Runtime::new().unwrap();
        let engine = runtime.block_on(Engine::open(setup)).unwrap();
        Some(Daemon { runtime, engine })
    }

    fn guest(&self, name: &str) -> Arc<Guest> {
        self.engine.registry().by_name(name).unwrap()
    }
}

#[test]
fn a_life() {
    let root = Root::new("life");
    let Some(daemon) = Daemon::start(&root.0) else { return };
    let engine = &daemon.engine;
    daemon.runtime.block_on(async {
        let mut events = engine.subscribe();
        engine.define(&definition(NAME), Strictness::Lenient).await.unwrap();
        assert_eq!(told(&mut events), [(0, 0)]);
        let guest = daemon.guest(NAME);
        assert_eq!(numbers(&guest), (5, 0));
        let refused = engine.suspend(&guest).await.unwrap_err();
        assert_eq!(refused.to_string(), "Requested operation is not valid: domain is not running");
        assert!(engine.destroy(&guest, Manner::Force).await.is_err());

        let clock = Instant::now();
        engine.start(&guest, Processors::Run, TAKE).await.unwrap();
        eprintln!("start: {:?}", clock.elapsed());
        assert_eq!(numbers(&guest), (1, 1));
        assert_eq!(told(&mut events), [(4, 0), (2, 0)]);
        let again = engine.start(&guest, Processors::Run, TAKE).await.unwrap_err();
        assert_eq!(again.to_string(), "Requested operation is not valid: domain is already running");
        let xml = guest.view().xml(WriteMode::default(), &engine.setting(None)).unwrap();
        assert!(xml.starts_with("<domain type='qemu' id='1'>"), "{xml}");
        let status = std::fs::read_to_string(engine.paths().status(NAME)).unwrap();
        assert!(status.contains("<domstatus state='running' reason='booted' pid='"), "{status}");
        assert!(engine.paths().pid(NAME).exists());

        engine.suspend(&guest).await.unwrap();
        engine.suspend(&guest).await.unwrap();
        assert_eq!(numbers(&guest), (3, 1));
        engine.resume(&guest).await.unwrap();
        assert_eq!(numbers(&guest), (1, 5));
        assert!(engine.resume(&guest).await.is_err());
        assert_eq!(told(&mut events), [(3, 0), (4, 0)]);
        engine.reset(&guest).await.unwrap();
        engine.shutdown(&guest).await.unwrap();

        let clock = Instant::now();
        engine.destroy(&guest, Manner::Force).await.unwrap();
        eprintln!("destroy: {:?}", clock.elapsed());
        assert_eq!(numbers(&guest), (5, 2));
        assert_eq!(told(&mut events), [(6, 2), (5, 1)]);
        for path in [engine.paths().status(NAME), engine.paths().pid(NAME)] {
            assert!(!path.exists(), "{} is left", path.display());
        }
        let log = std::fs::read_to_string(engine.paths().log_of(NAME)).unwrap();
        assert!(log.contains("-name guest=tiny") && log.contains("shutting down, reason=destroyed"), "{log}");

        engine.start(&guest, Processors::Stay, TAKE).await.unwrap();
        assert_eq!(numbers(&guest), (3, 1));
        assert_eq!(told(&mut events), [(2, 0), (3, 0)]);
        engine.undefine(&guest, Variables::Absent, Managed::Refuse).await.unwrap();
        engine.destroy(&guest, Manner::Force).await.unwrap();
        assert!(engine.registry().by_name(NAME).is_none());
        assert_eq!(told(&mut events), [(1, 0), (6, 2), (5, 1)]);
        assert!(!engine.paths().definition(NAME).exists());
    });
}

#[test]
fn guests_outlive_the_daemon() {
    let root = Root::new("outlive");
    let Some(first) = Daemon::start(&root.0) else { return };
    first.runtime.block_on(async {
        first.engine.define(&definition("kept"), Strictness::Lenient).await.unwrap();
        first.engine.set_autostart(&first.guest("kept"), true, Often::Always).await.unwrap();
        first.engine.start(&first.guest("kept"), Processors::Run, TAKE).await.unwrap();
        first.engine.create(&definition("fleeting"), Strictness::Lenient, Processors::Run).await.unwrap();
        first.engine.suspend(&first.guest("fleeting")).await.unwrap();
        first.engine.create(&definition("lost"), Strictness::Lenient, Processors::Run).await.unwrap();
    });
    let pid = first.guest("kept").view().pid;
    let lost = first.guest("lost").view().pid.unwrap();
    drop(first);
    let lost = rustix::process::Pid::from_raw(i32::try_from(lost).unwrap()).unwrap();
    rustix::process::kill_process(lost, rustix::process::Signal::KILL).unwrap();
    rustix::process::waitpid(Some(lost), rustix::process::WaitOptions::empty()).unwrap();

    let second = Daemon::start(&root.0).unwrap();
    let (kept, fleeting) = (second.guest("kept"), second.guest("fleeting"));
    assert_eq!((kept.view().pid, kept.view().autostart, kept.view().persistent), (pid, true, true));
    assert_eq!(numbers(&kept), (1, 1));
    assert_eq!((numbers(&fleeting), fleeting.view().persistent), ((3, 1), false));
    assert!(second.engine.registry().by_name("lost").is_none());
    assert!(!second.engine.paths().status("lost").exists());
    second.runtime.block_on(async {
        second.engine.resume(&fleeting).await.unwrap();
        second.engine.destroy(&fleeting, Manner::Force).await.unwrap();
        assert!(second.engine.registry().by_name("fleeting").is_none());
        // One that ends by itself, with the word that it does.
        second.engine.create(&definition("polite"), Strictness::Lenient, Processors::Run).await.unwrap();
        let polite = second.guest("polite");
        let mut events = second.engine.subscribe();
        let link = polite.link().unwrap();
        drop(link.monitor.command("quit", None).await);
        let mut gone = link.gone.clone();
        tokio::time::timeout(Duration::from_secs(10), gone.wait_for(|gone| *gone)).await.unwrap().unwrap();
        assert_eq!((numbers(&polite), told(&mut events)), ((5, 1), vec![(6, 2), (5, 0)]));
        // And without a word.
        let mut events = second.engine.subscribe();
        let link = kept.link().unwrap();
        link.process.signal(rustix::process::Signal::KILL).unwrap();
        let mut gone = link.gone.clone();
        tokio::time::timeout(Duration::from_secs(10), gone.wait_for(|gone| *gone)).await.unwrap().unwrap();
        assert_eq!(numbers(&kept), (5, 3));
        assert_eq!(told(&mut events), [(5, 2)]);
    });
    assert!(second.engine.registry().by_name("kept").is_some());
}

#[test]
fn a_file_that_somebody_wrote_by_hand_starts() {
    let root = Root::new("hand");
    let definitions = root.0.join("etc/libvirt/qemu");
    std::fs::create_dir_all(&definitions).unwrap();
    let uuid = "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><memory";
    std::fs::write(definitions.join("hand.xml"), definition("hand").replace("<memory", uuid)).unwrap();
    std::fs::write(definitions.join("other.xml"), definition("name").replace("<memory", uuid)).unwrap();
    let Some(daemon) = Daemon::start(&root.0) else { return };
    assert_eq!(daemon.engine.registry().counts(), (1, 0));
    let guest = daemon.guest("hand");
    daemon.runtime.block_on(async {
        daemon.engine.start(&guest, Processors::Run, TAKE).await.unwrap();
        daemon.engine.destroy(&guest, Manner::Force).await.unwrap();
    });
}

#[test]
fn what_does_not_start_leaves_nothing() {
    let root = Root::new("fails");
    let Some(daemon) = Daemon::start(&root.0) else { return };
    let xml = definition("broken").replace("<devices>", "<devices><emulator>/bin/false</emulator>");
    daemon.runtime.block_on(async {
        let engine = &daemon.engine;
        // Not to be had by the emulator itself: it says so and ends.
        let kernel = definition("broken").replace("</type>", "</type><kernel>/dev/null</kernel>");
        let error = engine.create(&kernel, Strictness::Lenient, Processors::Run).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("(vm='broken'): ") && text.contains("could not load kernel"), "{text}");
        assert!(!engine.paths().pid("broken").exists());
        let error = engine.create(&xml, Strictness::Lenient, Processors::Run).await.unwrap_err();
        assert!(error.to_string().contains("/bin/false"), "{error}");
        assert_eq!(engine.registry().counts(), (0, 0));
        assert!(!engine.paths().status("broken").exists());
    });
}
