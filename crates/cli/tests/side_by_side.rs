//! This program and virsh, side by side, at one daemon: what they print and how they end is equal.
#![expect(clippy::unwrap_used, reason = "a test fails where its surroundings do")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DOMAIN: &str = "<domain type='qemu'><name>side</name>\
    <uuid>11111111-2222-3333-4444-555555555555</uuid><title>By the side</title>\
    <memory unit='KiB'>65536</memory><vcpu>1</vcpu>\
    <os><type arch='x86_64' machine='q35'>hvm</type></os></domain>";

/// A daemon with a root directory of its own; it ends with this.
struct Daemon {
    process: Child,
    root: PathBuf,
}

impl Daemon {
    /// The daemon that was built along with this test, if it was. The name is the test's.
    fn start(name: &str) -> Option<Daemon> {
        let binary = Path::new(env!("CARGO_BIN_EXE_ostler")).with_file_name("ostlerd");
        let virsh = Command::new("virsh").arg("--version").output();
        if !binary.exists() || virsh.is_err() {
            eprintln!("SKIPPED: this needs virsh, and ostlerd at {}", binary.display());
            return None;
        }
        let root = std::env::temp_dir().join(format!("ostler-side-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let mut command = Command::new(binary);
        command.arg("--root").arg(&root).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Daemon { process: command.spawn().unwrap(), root };
        let start = Instant::now();
        while !daemon.socket().exists() {
            assert!(start.elapsed() < Duration::from_secs(30), "the daemon does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(daemon)
    }

    fn socket(&self) -> PathBuf {
        self.root.join("run/libvirt/libvirt-sock")
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        let uri = format!("qemu+unix:///system?socket={}", self.socket().display());
        let mut command = Command::new(program);
        command.env("VIRSH_DEFAULT_CONNECT_URI", uri).env("LC_ALL", "C").current_dir(&self.root);
        command.args(words).stdin(Stdio::null()).output().unwrap()
    }

    fn ours(&self, words: &[&str]) -> Output {
        self.run(env!("CARGO_BIN_EXE_ostler"), words)
    }

    /// Runs a command by both programs.
    fn compare(&self, words: &[&str]) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let [theirs, ours] = [self.run("virsh", words), self.ours(words)];
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{words:?}");
        assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{words:?}");
        assert_eq!(ours.status.code(), theirs.status.code(), "{words:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

#[test]
fn equal_to_virsh() {
    let Some(daemon) = Daemon::start("equal") else { return };
    std::fs::write(daemon.root.join("side.xml"), DOMAIN).unwrap();
    let empty = ["version", "version --daemon", "uri", "hostname", "nodeinfo", "capabilities", "list --all"];
    empty.iter().for_each(|line| daemon.compare(&[line]));
    daemon.compare(&["define", "side.xml"]);
    let defined = [
        "list --all; list --all --uuid --id --name",
        "dominfo side",
        "dumpxml side",
        "dumpxml --domain=side --inactive --security-info",
        "domid side",
        "domstate side --reason",
        "domuuid side",
        "domname 11111111-2222-3333-4444-555555555555",
        "autostart side; dominfo side; autostart side --disable",
        "suspend side",
        "destroy side",
        "start nobody; domid side",
        "domid side; quit; domid side",
        "start",
        "define /nowhere",
        "event --event lifecycle --timeout 1",
    ];
    defined.iter().for_each(|line| daemon.compare(&[line]));
    daemon.compare(&["-q", "list", "--all"]);
    daemon.compare(&["-r", "-c", "qemu+unix:///system?socket=/nowhere/at-all", "list"]);
    daemon.compare(&["-r", "undefine", "side"]);
    let gone = daemon.ours(&["undefine", "side"]);
    assert_eq!(String::from_utf8_lossy(&gone.stdout), "Domain 'side' has been undefined\n\n");
    daemon.compare(&["undefine", "side"]);
}

#[test]
fn json() {
    let Some(daemon) = Daemon::start("json") else { return };
    std::fs::write(daemon.root.join("side.xml"), DOMAIN).unwrap();
    daemon.ours(&["define", "side.xml"]);
    let said = |words: &[&str]| String::from_utf8(daemon.ours(words).stdout).unwrap();
    let row = "[{\"id\":null,\"name\":\"side\",\"state\":\"shut off\"}]\n";
    assert_eq!(said(&["--json", "list", "--all"]), row);
    assert!(said(&["--json", "dominfo", "side"]).starts_with("{\"id\":\"-\",\"name\":\"side\","));
}

/// Through a program that speaks for the server, and through the helper of secure shells.
#[test]
fn ways() {
    let Some(daemon) = Daemon::start("ways") else { return };
    use std::os::unix::fs::PermissionsExt;
    let helper = env!("CARGO_BIN_EXE_virt-ssh-helper");
    let socket = daemon.socket();
    let script = daemon.root.join("speaker");
    let text =
        format!("#!/bin/sh\nexec {helper} $READ_ONLY 'qemu+unix:///system?socket={}'\n", socket.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let uri = format!("qemu+ext:///system?command={}", script.display());
    daemon.compare(&["-c", &uri, "list", "--all"]);
    // Not compared: what is said of a program that ends at once hangs on which of the two is faster.
    daemon.compare(&["-c", "qemu+ext:///system", "list"]);
    daemon.compare(&["-c", "qemu+tcp://127.0.0.1:1/system", "list"]);
    daemon.compare(&["-c", "qemu+foo:///system", "list"]);
    // A shell that runs what it is given here, where the helper is found.
    let shell = daemon.root.join("shell");
    let text = format!(
        "#!/bin/sh\nfor word; do last=$word; done\nPATH={}:$PATH exec sh -c \"$last\"\n",
        Path::new(helper).parent().unwrap().display()
    );
    std::fs::write(&shell, text).unwrap();
    std::fs::set_permissions(&shell, std::fs::Permissions::from_mode(0o755)).unwrap();
    let uri = format!("qemu+ssh://u@h/session?proxy=native&command={}", shell.display());
    let missing = daemon.ours(&["-c", &uri, "list"]);
    let words = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(words.contains("virt-ssh-helper: no daemon listens at"), "{words}");
}
