//! The program itself, with the clients that people have: starts it below a root of its own and
//! calls it with virsh.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A daemon below a root of its own; both go when this is dropped.
struct Instance {
    root: PathBuf,
    child: Child,
}

fn daemon(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostlerd"));
    command.arg("--root").arg(root).stdin(Stdio::null());
    command
}

impl Instance {
    fn start(name: &str, config: &str) -> Instance {
        let root = std::env::temp_dir().join(format!("ostlerd-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("etc/libvirt")).unwrap();
        fs::write(root.join("etc/libvirt/libvirtd.conf"), config).unwrap();
        let mut child = daemon(&root).arg("--report-ready").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Instance { root, child }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.root.join("run/libvirt").join(name)
    }

    fn virsh(&self, socket: &str, command: &str) -> Output {
        let uri = format!("qemu+unix:///system?socket={}", self.socket(socket).display());
        Command::new("virsh").args(["-c", &uri]).args(command.split(' ')).output().unwrap()
    }

    fn out(&self, command: &str) -> String {
        let output = self.virsh("libvirt-sock", command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn error(&self, socket: &str, command: &str) -> String {
        let output = self.virsh(socket, command);
        assert!(!output.status.success(), "{command}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn has_virsh() -> bool {
    let there = Command::new("virsh").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: no virsh");
    }
    there
}

#[test]
fn virsh_asks_about_the_host() {
    if !has_virsh() {
        return;
    }
    let instance = Instance::start("host", "");
    assert!(instance.out("uri").starts_with("qemu+unix:///system?socket="));
    let nodename = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(instance.out("hostname").trim(), nodename);
    assert!(instance.out("nodeinfo").contains("CPU(s):"));
    assert!(instance.out("nodecpustats").contains("iowait:"));
    assert!(instance.out("nodememstats").contains("total  :"));
    assert!(instance.out("nodecpumap").contains("CPUs online:"));
    assert!(instance.out("freecell").contains("Total:"));
    if instance.virsh("libvirt-sock", "version").status.success() {
        assert!(instance.out("version").contains("Using API: QEMU 11.3.0"));
    } else {
        let error = instance.error("libvirt-sock", "version");
        assert!(error.contains("Cannot find suitable emulator"), "{error}");
    }
}

#[test]
fn read_only_clients_only_look() {
    if !has_virsh() {
        return;
    }
    let instance = Instance::start("read-only", "");
    let file = instance.root.join("x.xml");
    fs::write(&file, "<domain/>").unwrap();
    let error = instance.error("libvirt-sock-ro", &format!("define {}", file.display()));
    assert!(error.contains("operation forbidden: read only access prevents virDomainDefineXML"), "{error}");
}

#[test]
fn one_daemon_for_each_root() {
    let instance = Instance::start("alone", "");
    let second = daemon(&instance.root).output().unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    let holder = format!("process {}", instance.child.id());
    assert!(error.contains("a daemon runs here already") && error.contains(&holder), "{error}");

    let elsewhere = instance.root.join("other.pid");
    let third = daemon(&instance.root).arg("-p").arg(&elsewhere).output().unwrap();
    let error = String::from_utf8(third.stderr).unwrap();
    assert!(!third.status.success() && error.contains("it listens at"), "{error}");
    assert!(!elsewhere.exists());
    assert!(fs::metadata(instance.socket("libvirt-sock")).unwrap().file_type().is_socket());
}

#[test]
fn signals() {
    let mut instance = Instance::start("signals", "log_level = 3\n");
    instance.signal("-HUP");
    instance.signal("-TERM");
    assert!(instance.child.wait().unwrap().success());
    assert!(!instance.socket("libvirt-sock").exists());
    assert!(!instance.root.join("run/ostlerd.pid").exists());
}

#[test]
fn killed_daemons_leave_nothing_in_the_way() {
    let mut instance = Instance::start("killed", "");
    instance.child.kill().unwrap();
    instance.child.wait().unwrap();
    assert!(instance.socket("libvirt-sock").exists());
    let mut next = daemon(&instance.root).arg("--report-ready").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(next.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    instance.child = next;
}

#[test]
fn idle_daemons_end() {
    let root = std::env::temp_dir().join(format!("ostlerd-{}-timeout", std::process::id()));
    let output = daemon(&root).args(["-t", "1"]).output().unwrap();
    assert!(output.status.success());
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn background() {
    let root = std::env::temp_dir().join(format!("ostlerd-{}-background", std::process::id()));
    let started = daemon(&root).arg("--daemon").output().unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let pid = fs::read_to_string(root.join("run/ostlerd.pid")).unwrap();
    assert!(fs::metadata(root.join("run/libvirt/libvirt-sock")).unwrap().file_type().is_socket());
    let ended = Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap();
    assert!(ended.success());
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn bad_configuration_is_refused_with_its_place() {
    let root = std::env::temp_dir().join(format!("ostlerd-{}-config", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    let file = root.join("x.conf");
    fs::write(&file, "\nmax_clients = \"many\"\n").unwrap();
    let mut child = daemon(&root).arg("-f").arg(&file).stderr(Stdio::piped()).spawn().unwrap();
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(!child.wait().unwrap().success());
    let place = format!("{}:2: 'max_clients' must be a number", file.display());
    assert!(error.contains(&place), "{error}");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn virsh_asks_what_can_be_had() {
    if !has_virsh() {
        return;
    }
    let instance = Instance::start("capabilities", "host_uuid = \"00112233-4455-6677-8899-aabbccddeeff\"\n");
    let text = instance.out("capabilities");
    assert!(text.contains("<uuid>00112233-4455-6677-8899-aabbccddeeff</uuid>"), "{text}");
    assert!(text.contains("<model>dac</model>"), "{text}");
    assert!(instance.out("freecell --all").contains("Total:"));
    assert!(instance.out("freepages --cellno 0 --pagesize 4").contains("4KiB"));
    assert!(
        instance.out("node-memory-tune").contains("shm_pages_to_scan")
            || !Path::new("/sys/kernel/mm/ksm").exists()
    );
    assert!(instance.out("cpu-models x86_64").contains("Skylake-Server-v5"));
    let error = instance.error("libvirt-sock", "domcapabilities --virttype foo");
    assert!(error.contains("invalid argument: unknown virttype: foo"), "{error}");
    let error = instance.error("libvirt-sock", "domcapabilities --arch foo");
    assert!(error.contains("invalid argument: unknown architecture: foo"), "{error}");
    if !text.contains("<arch name='x86_64'>") {
        eprintln!("SKIPPED: no emulator here");
        return;
    }
    let q35 = instance.out("domcapabilities --arch x86_64 --virttype qemu --machine q35");
    assert!(q35.contains("<machine>pc-q35-"), "{q35}");
    let error = instance.error("libvirt-sock", "domcapabilities --arch x86_64 --machine foo");
    assert!(error.contains("invalid argument: the machine 'foo' is not supported by emulator '"), "{error}");
}

#[test]
fn sockets_of_the_service_manager() {
    if !has_virsh() {
        return;
    }
    let root = std::env::temp_dir().join(format!("ostlerd-{}-activation", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    let path = root.join("given-sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$0\" --root \"$1\" --report-ready";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_ostlerd")]).arg(&root);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "libvirtd-ro.socket");
    let given = Stdio::from(std::os::fd::OwnedFd::from(listener));
    let mut child = command.stdin(given).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let instance = Instance { root, child };
    assert_eq!(line, "ready\n");
    assert!(!instance.socket("libvirt-sock").exists());
    let virsh = |command: &str| {
        let uri = format!("qemu+unix:///system?socket={}", path.display());
        Command::new("virsh").args(["-c", &uri, command]).output().unwrap()
    };
    assert!(virsh("uri").status.success());
    let refused = String::from_utf8(virsh("domcapabilities").stderr).unwrap();
    assert!(refused.contains("read only access prevents virConnectGetDomainCapabilities"), "{refused}");
    instance.signal("-TERM");
}
