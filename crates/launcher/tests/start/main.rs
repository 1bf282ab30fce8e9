//! Starts through the real launcher: a shell as the emulator, services, and a real QEMU.
#![expect(clippy::unwrap_used, reason = "a test may end there")]

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ostler_base::Error;
use ostler_host::{
    Child, Exit, Host, Identity, Limit, LimitKind, Node, PrivateDev, Process, Reach, RealHost, Spawn,
    connect_unix, spawn,
};
use ostler_launcher::Report;
use ostler_plan::{Action, FdKind, FdSource, Owner, PassedFd};

mod emulator;

const PATIENCE: Duration = Duration::from_secs(20);

fn launcher() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ostler-launcher"))
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ostler-start-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.0.join("log")).unwrap()
    }

    fn logged(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn shell(script: &str) -> Spawn {
    Spawn {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("PATH".into(), "/usr/bin:/bin".into()), ("LANG".into(), "C".into())],
        ..Spawn::default()
    }
}

fn start(order: Spawn, scratch: &Scratch) -> Result<Child, Error> {
    spawn(order, launcher(), scratch.log())
}

/// Runs it to its end.
fn run(order: Spawn, scratch: &Scratch) -> (Exit, String) {
    let process = start(order, scratch).unwrap().go().unwrap();
    let exit = process.wait(PATIENCE).unwrap().unwrap();
    (exit, scratch.logged())
}

fn passed(number: u32, source: FdSource) -> PassedFd {
    PassedFd { number, kind: FdKind::Output, source }
}

#[test]
fn descriptors_environment_log_and_nothing_else() {
    let scratch = Scratch::new();
    let (file, directory) = (scratch.0.join("file"), scratch.0.join("d".repeat(110)));
    fs::create_dir(&directory).unwrap();
    let socket = directory.join("socket");
    let mut order = shell(
        "echo to-file >>/dev/fd/100; echo to-log; echo to-errors >&2; env; pwd; umask; \
         ls /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/107; exit 7",
    );
    order.fds = vec![
        passed(107, FdSource::Open("/dev/null".into())),
        passed(100, FdSource::Append { path: file.clone(), truncate: false }),
        passed(101, FdSource::ListenUnix(socket.clone())),
    ];
    order.umask = 0o027;
    let (exit, log) = run(order, &scratch);
    assert_eq!(exit, Exit::Code(7));
    assert_eq!(fs::read_to_string(&file).unwrap(), "to-file\n");
    let words: Vec<_> = log.lines().collect();
    let expected = ["to-log", "to-errors", "LANG=C", "PATH=/usr/bin:/bin", "/", "0027", "/dev/null"];
    for word in expected {
        assert!(words.contains(&word), "{word} in {log}");
    }
    let mut numbers: Vec<u32> =
        words.iter().filter(|word| !word.starts_with("00")).filter_map(|word| word.parse().ok()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 100, 101, 107], "{log}");
    assert!(connect_unix(&socket).is_err(), "the listener went with its process");
}

#[test]
fn a_descriptor_that_nobody_ordered_stops_the_start() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut leaky = Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" 5</dev/null"])
        .arg(launcher())
        .stdin(OwnedFd::from(theirs))
        .spawn()
        .unwrap();
    match ostler_launcher::receive_report(&ours).unwrap() {
        Some(Report::Failed(failure)) => assert_eq!(failure.about, "5", "{failure:?}"),
        other => panic!("{other:?}"),
    }
    assert!(!leaky.wait().unwrap().success());
}

#[test]
fn many_descriptors_at_low_numbers() {
    let scratch = Scratch::new();
    let mut order = shell("ls /proc/$$/fd; true");
    order.fds = (3..203).map(|number| passed(number, FdSource::Open("/dev/null".into()))).collect();
    let (exit, log) = run(order, &scratch);
    assert_eq!((exit, log.lines().count()), (Exit::Code(0), 203));
}

#[test]
fn nothing_runs_before_the_word_to_go() {
    let scratch = Scratch::new();
    let child = start(shell("echo ran"), &scratch).unwrap();
    let (pid, began) = (child.pid(), child.start_time());
    assert!(Process::adopt(pid, Some(began)).unwrap().is_some());
    drop(child);
    assert!(Process::adopt(pid, Some(began)).unwrap().is_none());
    assert_eq!(scratch.logged(), "");
    let child = start(shell("echo $$"), &scratch).unwrap();
    let (pid, began) = (child.pid(), child.start_time());
    let process = child.go().unwrap();
    assert_eq!((process.pid(), process.start_time()), (pid, began), "one process from beginning to end");
    process.wait(PATIENCE).unwrap().unwrap();
    assert_eq!(scratch.logged(), format!("{pid}\n"));
}

#[test]
fn a_session_of_its_own_that_asks_to_die_with_nobody() {
    let scratch = Scratch::new();
    let process = start(shell("exec sleep 60"), &scratch).unwrap().go().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    let session = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, process.pid().to_string());
    let begun = Instant::now();
    assert_eq!(process.terminate(PATIENCE).unwrap(), Exit::Signal(15));
    assert!(begun.elapsed() < Duration::from_millis(100));
}

#[test]
fn what_fails_is_named() {
    let scratch = Scratch::new();
    let child = start(Spawn { program: "/no/emulator".into(), ..Spawn::default() }, &scratch).unwrap();
    let pid = child.pid();
    assert_eq!(
        child.go().unwrap_err().to_string(),
        "cannot execute binary /no/emulator: No such file or directory"
    );
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "reaped");
    let mut order = shell("");
    order.fds = vec![passed(100, FdSource::Open("/no/device".into()))];
    let error = start(order, &scratch).unwrap_err();
    assert_eq!(error.to_string(), "unable to open /no/device: No such file or directory");
    let mut order = shell("");
    order.fds = vec![passed(100, FdSource::Given("tap".into()))];
    assert!(start(order, &scratch).is_err());
    let mut order = shell("");
    let null = || FdSource::Open("/dev/null".into());
    order.fds = vec![passed(100, null()), passed(100, null())];
    assert!(start(order, &scratch).unwrap_err().to_string().starts_with("cannot read the order: "));
    let error = spawn(shell(""), Path::new("/no/launcher"), scratch.log()).unwrap_err();
    assert_eq!(error.to_string(), "cannot start launcher '/no/launcher': No such file or directory");
    // A program that is no launcher.
    assert!(spawn(shell(""), Path::new("/bin/true"), scratch.log()).is_err());
    if !root() {
        let mut order = shell("");
        order.identity = Some(Identity { uid: 0, gid: 0, groups: vec![] });
        assert!(start(order, &scratch).unwrap_err().to_string().contains("Operation not permitted"));
    }
}

fn root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

#[test]
fn identity_limits_and_rights() {
    let scratch = Scratch::new();
    if !root() {
        return eprintln!("SKIPPED: identities can be changed by root only");
    }
    let mut order = shell("cat /proc/self/status /proc/self/limits; cat /proc/self/oom_score_adj; nice");
    order.identity = Some(Identity { uid: 65534, gid: 65533, groups: vec![65533, 7] });
    order.limits = vec![
        Limit { kind: LimitKind::Core, value: Some(4096) },
        Limit { kind: LimitKind::OpenFiles, value: Some(333) },
        Limit { kind: LimitKind::LockedMemory, value: Some(1 << 20) },
    ];
    order.drop_capabilities = true;
    order.no_new_privs = true;
    order.oom_score_adj = Some(123);
    order.nice = Some(5);
    let (exit, log) = run(order, &scratch);
    assert_eq!(exit, Exit::Code(0), "{log}");
    let squeezed: Vec<_> =
        log.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "Uid: 65534 65534 65534 65534",
        "Gid: 65533 65533 65533 65533",
        "Groups: 7 65533",
        "CapEff: 0000000000000000",
        "CapPrm: 0000000000000000",
        "CapBnd: 0000000000000000",
        "NoNewPrivs: 1",
        "Max core file size 4096 4096 bytes",
        "Max open files 333 333 files",
        "Max locked memory 1048576 1048576 bytes",
        "123",
        "5",
    ];
    for line in expected {
        assert!(squeezed.iter().any(|found| found == line), "{line} in {log}");
    }
    // Root without capabilities stays without.
    let mut order = shell("grep Cap /proc/self/status");
    order.drop_capabilities = true;
    let other = Scratch::new();
    let (_, log) = run(order, &other);
    let set = |name: &str| log.lines().any(|line| line == format!("{name}:\t0000000000000000"));
    assert!(set("CapEff") && set("CapPrm") && set("CapBnd"), "{log}");
}

#[test]
fn a_service_is_ready_when_its_path_is_there_and_stops() {
    let scratch = Scratch::new();
    let (ready, pid_file) = (scratch.0.join("ready"), scratch.0.join("pid"));
    let service = |script: String| Action::StartService {
        name: "service".into(),
        argv: vec!["sh".into(), "-c".into(), script],
        owner: None::<Owner>,
        ready: ready.clone(),
        pid_file: pid_file.clone(),
    };
    let start = service(format!("sleep 0.05; touch {}; exec sleep 60", ready.display()));
    let mut host = RealHost::new(launcher()).with_output(scratch.log());
    host.apply(&start).unwrap();
    let pid: u32 = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    assert!(Process::adopt(pid, None).unwrap().is_some() && ready.exists());
    // By another one, as after a restart: from the file.
    RealHost::new(launcher()).apply(&start.undo().unwrap()).unwrap();
    assert!(Process::adopt(pid, None).unwrap().is_none());
    assert!(!pid_file.exists());
    host.apply(&start.undo().unwrap()).unwrap();
    let error = host.apply(&service("echo no >&2; exit 3".into())).unwrap_err();
    assert!(error.to_string().contains("ended before it was ready: Code(3)"), "{error}");
    assert!(scratch.logged().contains("no\n") && !pid_file.exists());
}

#[test]
fn the_program_outlives_the_one_who_started_it() {
    // The socket and every other tie go with the daemon; closing our end after go must change nothing.
    let scratch = Scratch::new();
    let pipe = scratch.0.join("done");
    let script =
        format!("trap '' HUP; while [ ! -e {} ]; do sleep 0.01; done; echo survived", pipe.display());
    let process = start(shell(&script), &scratch).unwrap().go().unwrap();
    let (pid, began) = (process.pid(), process.start_time());
    drop(process);
    let again = Process::adopt(pid, Some(began)).unwrap().unwrap();
    fs::write(&pipe, "").unwrap();
    assert_eq!(again.wait(PATIENCE).unwrap().unwrap(), Exit::Code(0));
    let mut text = String::new();
    File::open(scratch.0.join("log")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "survived\n");
}

/// What a program that is confined in every way sees and can do.
#[test]
fn confined_in_every_way() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: not root");
        return;
    }
    let scratch = Scratch::new();
    let (own, other) = (scratch.0.join("own.img"), scratch.0.join("other.img"));
    for path in [&own, &other] {
        fs::write(path, "content\n").unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    }
    fs::set_permissions(&scratch.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut order = shell(&format!(
        "id -u; id -G; grep -E 'Cap(Eff|Prm|Inh|Bnd)|NoNewPrivs' /proc/self/status; ls /dev; \
         cat {own}; cat {other}; echo x >{own} && echo wrote; cat /etc/shadow; ls /root; echo x >/usr/x; \
         echo done >/dev/null && echo null; cat /dev/urandom | head -c 4 >/dev/null && echo random; \
         stat -c %u:%a /dev/zero; mount -t tmpfs t /tmp; kill -0 1; echo end",
        own = own.display(),
        other = other.display()
    ));
    order.identity = Some(Identity { uid: 4711, gid: 4712, groups: vec![4712] });
    order.drop_capabilities = true;
    order.no_new_privs = true;
    let node = |path: &str, assigned| Node { path: path.into(), assigned };
    order.private_dev = Some(PrivateDev {
        staging: scratch.0.join("dev").to_string_lossy().into_owned(),
        nodes: vec![
            node("/dev/null", false),
            node("/dev/urandom", false),
            node("/dev/zero", true),
            node("/dev/no such device", true),
        ],
    });
    let path = |path: &Path| path.to_string_lossy().into_owned();
    order.reach = vec![
        ("/usr".into(), Reach::Execute),
        ("/bin".into(), Reach::Execute),
        ("/lib".into(), Reach::Execute),
        ("/lib64".into(), Reach::Execute),
        ("/etc/ld.so.cache".into(), Reach::Read),
        ("/proc".into(), Reach::Read),
        ("/dev".into(), Reach::Write),
        (path(&own), Reach::Write),
        ("/no/such/path".into(), Reach::Make),
    ];
    let (exit, log) = run(order, &scratch);
    assert_eq!(exit, Exit::Code(0), "{log}");
    let has = |line: &str| log.lines().any(|found| found == line);
    assert!(has("4711") && has("4712"), "{log}");
    for set in ["CapEff", "CapPrm", "CapInh", "CapBnd"] {
        assert!(has(&format!("{set}:\t0000000000000000")), "{set}: {log}");
    }
    assert!(has("NoNewPrivs:\t1") && has("content") && has("wrote") && has("null") && has("random"), "{log}");
    assert!(has("4711:666") && has("end"), "{log}");
    for device in ["sda", "vda", "mem", "kmsg", "loop0"] {
        assert!(!has(device), "{device}: {log}");
    }
    assert_eq!(
        log.matches("content").count(),
        1,
        "another guest's disk, though everybody may read it: {log}"
    );
    for refused in
        ["other.img: Permission denied", "/etc/shadow: Permission denied", "'/root': Permission denied"]
    {
        assert!(log.contains(refused), "{refused}: {log}");
    }
    assert!(!Path::new("/usr/x").exists());
    assert!(Path::new("/dev/null").exists(), "the host's own /dev is untouched");
    assert_eq!(fs::read_dir(scratch.0.join("dev")).unwrap().count(), 0, "nothing is mounted on the host");
}
