//! What a guest does by itself, and what follows: each edge of its life with its events.
//!
//! The guests are boot sectors of a few bytes.

use std::path::Path;
use std::time::{Duration, Instant};

use ostler_engine::{Manner, Processors, Strictness};

use super::{Daemon, Root, numbers, told};

/// Writes to the port of the panic notifier, then waits for ever.
const PANIC: &[u8] = &[0xba, 0x05, 0x05, 0xb0, 0x01, 0xee, 0xf4, 0xeb, 0xfd];
/// Asks the keyboard controller for a reset.
const RESET: &[u8] = &[0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd];
/// Sleeps for good, by the power management's register.
const POWER_OFF: &[u8] = &[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd];

/// How long a guest may take to its first instruction and what follows.
const PATIENCE: Duration = Duration::from_secs(30);

/// A guest: name, code, what its definition says of ends, events that follow, where it stays.
type Edge<'e> = (&'e str, &'e [u8], String, &'e [(i32, i32)], Option<(i32, i32)>);

fn image(root: &Path, name: &str, code: &[u8]) -> String {
    let mut bytes = vec![0; 1 << 20];
    bytes[..code.len()].copy_from_slice(code);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = root.join(format!("{name}.img"));
    std::fs::write(&path, bytes).unwrap();
    path.to_string_lossy().into_owned()
}

fn definition(name: &str, image: &str, ends: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>{ends}\
         <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>\
         <target dev='vda' bus='virtio'/></disk><panic model='isa'/><memballoon model='none'/></devices></domain>"
    )
}

#[test]
fn ends_of_a_guest_s_own() {
    let root = Root::new("edges");
    let Some(daemon) = Daemon::start(&root.0) else { return };
    let crash = |action: &str| format!("<on_crash>{action}</on_crash>");
    let started = [(4, 0), (2, 0)];
    let table: [Edge<'_>; 5] = [
        ("off", POWER_OFF, String::new(), &[(6, 1), (5, 0)], None),
        ("reset", RESET, "<on_reboot>destroy</on_reboot>".into(), &[(6, 1), (5, 0)], None),
        ("panic", PANIC, crash("destroy"), &[(8, 0), (6, 2), (5, 2)], None),
        ("kept", PANIC, crash("preserve"), &[(8, 0)], Some((6, 1))),
        ("dumped", PANIC, crash("coredump-destroy"), &[(8, 0), (6, 2), (5, 2)], None),
    ];
    daemon.runtime.block_on(async {
        for (name, code, ends, follows, stays) in table {
            let mut events = daemon.engine.subscribe();
            let xml = definition(name, &image(&root.0, name, code), &ends);
            daemon.engine.create(&xml, Strictness::Lenient, Processors::Run).await.unwrap();
            let expected: Vec<_> = started.iter().chain(follows).copied().collect();
            let mut seen = Vec::new();
            let begin = Instant::now();
            while seen.len() < expected.len() && begin.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(20)).await;
                seen.extend(told(&mut events));
            }
            assert_eq!(seen, expected, "{name}");
            match (stays, daemon.engine.registry().by_name(name)) {
                (Some(status), Some(guest)) => {
                    assert_eq!(numbers(&guest), status, "{name}");
                    daemon.engine.destroy(&guest, Manner::Force).await.unwrap();
                    assert_eq!(told(&mut events), [(6, 2), (5, 1)], "{name}");
                }
                (stays, guest) => assert_eq!((stays.is_some(), guest.is_some()), (false, false), "{name}"),
            }
        }
    });
    let dumps = std::fs::read_dir(daemon.engine.paths().dumps()).unwrap();
    assert_eq!(dumps.count(), 1, "one guest asked for a dump");
}
