//! Every call there is, from those who may not make it: the answers are what the table says, and
//! nothing is left behind.

use std::fs;
use std::time::{Duration, Instant};

use ostler_rpc::access::When;
use ostler_rpc::programs::admin::ADMIN;
use ostler_rpc::programs::qemu::QEMU;
use ostler_rpc::programs::remote::REMOTE;
use ostler_rpc::table::{Kind, Program, ReadOnly, Row};

use super::{Client, Instance, facts};

/// Refused because the client may only look.
const DENIED: u32 = 29;
/// The code and origin of a call that comes before an open.
const CLOSED: (u32, u32) = (1, 7);
/// The most words of zeros that arguments need.
const WORDS_MAX: usize = 64;

/// Every call of a program with arguments that can be read: as many zeros as it takes.
pub(super) fn calls(program: &'static Program) -> Vec<(&'static Row, Vec<u8>)> {
    let calls = program.rows.iter().filter(|row| row.rule.kind == Kind::Call);
    calls
        .map(|row| {
            let lengths = (0..=WORDS_MAX).map(|words| vec![0; words * 4]);
            let args = lengths.into_iter().find(|args| (row.recode_args)(args).is_ok());
            assert!(args.is_some(), "{}: zeros are no arguments", row.name);
            (*row, args.unwrap())
        })
        .collect()
}

/// Whether a call is part of how a connection begins or ends.
fn is_of_the_connection(row: &Row) -> bool {
    row.rule.api.is_empty() || ["ConnectOpen", "ConnectClose"].contains(&row.name)
}

/// Code and origin of a call's error, if it is one.
fn refusal(client: &mut Client, program: &Program, row: &Row, args: &[u8]) -> Option<(u32, u32)> {
    let (code, origin, _) = facts(&client.raw(program.number, row.number, args).err()?);
    Some((code, origin))
}

fn descriptors(instance: &Instance) -> usize {
    fs::read_dir(format!("/proc/{}/fd", instance.child.id())).unwrap().count()
}

/// Resident memory in KiB.
fn resident(instance: &Instance) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", instance.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Arguments on which a condition holds, made of zeros: flags stand last, a number before them.
fn meeting(when: When, mut args: Vec<u8>) -> Vec<u8> {
    let (value, words) = match when {
        When::AllOf(bits) | When::AnyOf(bits) => (bits, 1),
        When::Equals(number) => (number, 2),
        When::Always | When::NoneOf(_) => (0, 1),
    };
    let at = args.len() - words * 4;
    args[at..at + 4].copy_from_slice(&value.to_be_bytes());
    args
}

#[test]
fn what_depends_on_an_argument() {
    let instance = Instance::start("unless", "", &[]);
    let mut client = instance.connect("libvirt-sock-ro");
    client.open(0);
    let mut count = 0;
    for program in [&REMOTE, &QEMU] {
        for (row, args) in calls(program) {
            if let ReadOnly::AllowedUnless(when) = row.rule.read_only {
                let refused = refusal(&mut client, program, row, &meeting(when, args));
                assert_eq!(refused.map(|(code, _)| code), Some(DENIED), "{}", row.name);
                count += 1;
            }
        }
    }
    assert_eq!(count, 6);
}

/// Every call on the read-only socket once.
fn all_read_only(instance: &Instance) {
    let mut client = instance.connect("libvirt-sock-ro");
    client.open(0);
    for program in [&REMOTE, &QEMU] {
        for (row, args) in calls(program).into_iter().filter(|(row, _)| !is_of_the_connection(row)) {
            let code = refusal(&mut client, program, row, &args).map(|(code, _)| code);
            let may = row.rule.allows_read_only(0);
            assert_eq!(code == Some(DENIED), !may, "{} {} {}: {code:?}", program.name, row.number, row.name);
        }
    }
}

#[test]
fn who_may_only_look_is_refused_what_the_table_says() {
    let instance = Instance::start("authority", "", &[]);
    let before = descriptors(&instance);
    all_read_only(&instance);
    let first = resident(&instance);
    for _ in 0..3 {
        all_read_only(&instance);
    }
    let grown = resident(&instance).saturating_sub(first);
    assert!(grown < 16 * 1024, "{grown} KiB more after the same calls");
    let deadline = Instant::now() + Duration::from_secs(10);
    while descriptors(&instance) > before {
        assert!(Instant::now() < deadline, "{before} descriptors became {}", descriptors(&instance));
        std::thread::sleep(Duration::from_millis(20));
    }
    instance.connect("libvirt-sock").open(0);
}

#[test]
fn nothing_is_answered_before_an_open() {
    let instance = Instance::start("closed", "", &[]);
    let mut count = 0;
    let places = [
        ("libvirt-sock", &[&REMOTE, &QEMU][..]),
        ("libvirt-sock-ro", &[&REMOTE, &QEMU]),
        ("libvirt-admin-sock", &[&ADMIN]),
    ];
    for (socket, programs) in places {
        let mut client = instance.connect(socket);
        for program in programs {
            for (row, args) in calls(program) {
                count += usize::from(socket != "libvirt-sock-ro");
                if !is_of_the_connection(row) {
                    let refused = refusal(&mut client, program, row, &args);
                    assert_eq!(refused, Some(CLOSED), "{socket} {} {}", program.name, row.name);
                }
            }
        }
    }
    // The other two of the 428 are those of the keepalive program, which needs no open.
    assert_eq!(count, 426);
}

/// Row 452 is refused here; the reference forgot to.
#[test]
fn the_table_is_the_reference_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/protocol/procedures.tsv");
    let Ok(text) = fs::read_to_string(path) else {
        eprintln!("SKIPPED: no fact table");
        return;
    };
    let mut rows = 0;
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let program = [&REMOTE, &QEMU].into_iter().find(|program| program.name == columns[0]);
        let Some(program) = program.filter(|_| columns[10] == "call") else { continue };
        let row = program.call(columns[1].parse().unwrap()).unwrap();
        let refused = columns[9] == "refused" || (program.name, row.number) == ("remote", 452);
        assert_eq!(!row.rule.allows_read_only(0), refused, "{line}");
        rows += 1;
    }
    assert!(rows > 400, "only {rows} rows");
}
