//! A real QEMU, driven over the monitor that it is handed.

use std::path::Path;
use std::time::{Duration, Instant};

use ostler_base::json::json;
use ostler_host::{Exit, Process, Spawn, connect_unix, spawn};
use ostler_plan::{FdKind, FdSource, PassedFd};
use ostler_qmp::{EventKind, Monitor, MonitorError};

use crate::{PATIENCE, Scratch, launcher};

const QEMU: &str = "/usr/bin/qemu-system-x86_64";

fn order(scratch: &Scratch) -> (Spawn, std::path::PathBuf) {
    let socket = scratch.0.join("m".repeat(100)).join("monitor.sock");
    std::fs::create_dir(socket.parent().unwrap()).unwrap();
    let arguments = [
        "-S",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-machine",
        "pc,accel=tcg",
        "-m",
        "32",
        "-chardev",
        "socket,id=m,fd=100,server=on,wait=off",
        "-mon",
        "chardev=m,mode=control",
    ];
    let fd = PassedFd { number: 100, kind: FdKind::Listen, source: FdSource::ListenUnix(socket.clone()) };
    let order = Spawn {
        program: QEMU.into(),
        arguments: arguments.map(str::to_owned).to_vec(),
        fds: vec![fd],
        drop_capabilities: true,
        no_new_privs: true,
        ..Spawn::default()
    };
    (order, socket)
}

async fn monitor(
    socket: &Path,
) -> Result<(Monitor, tokio::sync::mpsc::Receiver<ostler_qmp::Event>), MonitorError> {
    let stream = connect_unix(socket).unwrap();
    stream.set_nonblocking(true).unwrap();
    Monitor::over(tokio::net::UnixStream::from_std(stream).unwrap()).await
}

#[tokio::test]
async fn a_guest_from_start_to_end() {
    if !Path::new(QEMU).exists() {
        return eprintln!("SKIPPED: no {QEMU}");
    }
    let scratch = Scratch::new();
    let (order, socket) = order(&scratch);
    let child = spawn(order, launcher(), scratch.log()).unwrap();
    let (pid, began) = (child.pid(), child.start_time());
    let process = child.go().unwrap();
    let (monitor, mut events) = monitor(&socket).await.unwrap();
    assert!(monitor.greeting().version.major >= 5);
    let status = monitor.command("query-status", None).await.unwrap();
    assert_eq!(status["running"], json!(false));
    let refused = monitor.command("no-such", None).await.unwrap_err();
    assert!(refused.is_unknown_command(), "{refused:?}");
    let answers = monitor
        .within(PATIENCE)
        .batch(&[("cont", None), ("stop", None), ("qom-list", Some(json!({"path": "/machine"})))])
        .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(events.recv().await.unwrap().kind, EventKind::Resume);
    assert_eq!(events.recv().await.unwrap().kind, EventKind::Stop);
    // As a daemon that was started anew.
    drop(monitor);
    let (monitor, _events) = self::monitor(&socket).await.unwrap();
    let again = Process::adopt(pid, Some(began)).unwrap().unwrap();
    let begun = Instant::now();
    let exit = again.stop(PATIENCE).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!(exit, Exit::Code(0), "{}", scratch.logged());
    assert_eq!(monitor.ended().await, MonitorError::Gone);
    assert!(!process.is_alive());
}

#[tokio::test]
async fn one_that_refuses_its_arguments_is_gone_at_once() {
    if !Path::new(QEMU).exists() {
        return eprintln!("SKIPPED: no {QEMU}");
    }
    let scratch = Scratch::new();
    let (mut order, socket) = order(&scratch);
    order.arguments.push("-no-such-option".into());
    let process = spawn(order, launcher(), scratch.log()).unwrap().go().unwrap();
    let connected = async {
        match connect_unix(&socket) {
            Ok(stream) => {
                stream.set_nonblocking(true).unwrap();
                Monitor::over(tokio::net::UnixStream::from_std(stream).unwrap()).await.map(drop)
            }
            Err(_) => Err(MonitorError::Gone),
        }
    };
    assert_eq!(connected.await, Err(MonitorError::Gone));
    assert_eq!(process.ended().await.unwrap(), Exit::Code(1));
    assert!(scratch.logged().contains("no-such-option"));
}
