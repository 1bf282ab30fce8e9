//! Clients that mean no good: what is closed, what is answered, what is passed over, and that
//! nothing of it stays.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ostler_rpc::message::Header;
use ostler_rpc::programs::remote::procedures::*;
use ostler_rpc::programs::remote::*;
use ostler_rpc::xdr::encode;
use ostler_rpc::{Closed, Limits, Procedure};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::demo::{Here, alone, file_with, reboot, version, volume, xml_of_length};
use crate::raw::{Raw, frame, header};

/// Sockets and nameless files that this process holds open; the runtimes have others.
fn open_fds() -> usize {
    let target = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.unwrap().path());
    let targets = std::fs::read_dir("/proc/self/fd").unwrap().map(target);
    targets
        .flatten()
        .map(|t| t.display().to_string())
        .filter(|t| t.starts_with("socket:") || t.contains("ostler-rpc"))
        .count()
}

/// The same, once the tests before this one have let go of theirs.
async fn settled_fds() -> usize {
    let mut count = open_fds();
    loop {
        sleep(Duration::from_millis(50)).await;
        let now = open_fds();
        if now == count {
            return count;
        }
        count = now;
    }
}

/// Kilobytes of memory of this process.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn lengths_out_of_bounds_close() {
    let here = Here::start(Limits::default());
    for length in [0, 4, 27, 33_554_437, u32::MAX] {
        let mut raw = Raw::connect(&here.path).await;
        raw.0.write_all(&frame(&header(157, 0, 1, 0), b"", Some(length))).await.unwrap();
        assert!(raw.ends().await, "{length}");
    }
    here.demo.empty().await;
    assert!(matches!(here.demo.last_reason(), Some(Closed::Framing(_))));
    let (client, _events) = here.client().await;
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn what_the_protocol_refuses() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    let call = header(157, 0, 1, 0);
    let cases = [
        (Header { program: 305_419_896, ..call.clone() }, "Cannot find program 305419896 version 1"),
        (Header { version: 2, ..call.clone() }, "Cannot find program 536903814 version 2"),
        (header(999, 0, 7, 0), "unknown procedure: 999"),
        (header(-1, 0, 7, 0), "unknown procedure: -1"),
        (header(0, 0, 7, 0), "unknown procedure: 0"),
        (header(107, 0, 7, 0), "unknown procedure: 107"),
        (header(157, 0, 7, 1), "Unexpected message status 1"),
        (header(157, 0, 7, 9), "Unexpected message status 9"),
        (header(23, 0, 7, 0), "Unable to decode message payload"),
        (Header { program: 0x6b65_6570, ..header(1, 0, 9, 0) }, "Cannot find program 1801807216 version 1"),
    ];
    for (call, text) in cases {
        raw.send(&call, b"\0\0").await;
        let (reply, message) = raw.error().await;
        assert_eq!(message, text);
        assert_eq!(reply, Header { kind: 1, status: 1, ..call });
    }
    assert!(raw.works().await);
}

#[tokio::test]
async fn what_is_passed_over() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    for kind in [1, 2, 3, 5, 6, 7, 9, -1, i32::MAX] {
        // A reply with FDs has a count of them.
        raw.send(&header(157, kind, 1, 0), &[0; 4]).await;
        raw.send(&Header { program: 99, ..header(157, kind, 1, 0) }, &[0; 4]).await;
    }
    let pong = Header { program: 0x6b65_6570, ..header(2, 2, 0, 0) };
    raw.send(&pong, b"").await;
    raw.send(&Header { procedure: 7, ..pong.clone() }, b"").await;
    raw.send(&Header { version: 7, procedure: 1, ..pong }, b"").await;
    assert!(raw.works().await);
    // Bytes after the arguments; padding that is not zero; the same serial twice.
    let mut args = Vec::new();
    encode(&DomainLookupByNameArgs { name: "x".to_owned() }, &mut args).unwrap();
    args[5..].fill(0xff);
    args.extend(b"trailing");
    for _ in 0..2 {
        raw.send(&header(23, 0, 8, 0), &args).await;
        assert_eq!(raw.receive().await.unwrap().0.status, 0);
    }
    // A bool of 7, and a list that claims what it has not.
    let open = [&[0, 0, 0, 7, 0, 0, 0, 1], &b"q\0\0\0"[..], &[0; 4]].concat();
    raw.send(&header(1, 0, 9, 0), &open).await;
    assert_eq!(raw.receive().await.unwrap().0.serial, 9);
    assert!(raw.works().await);
}

#[tokio::test]
async fn bytes_one_at_a_time() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    for byte in frame(&header(157, 0, 1, 0), b"", None) {
        raw.0.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.receive().await.unwrap().0.serial, 1);
    let many: Vec<u8> = (0..1000).flat_map(|serial| frame(&header(157, 0, serial, 0), b"", None)).collect();
    raw.0.write_all(&many).await.unwrap();
    for serial in 0..1000 {
        assert_eq!(raw.receive().await.unwrap().0.serial, serial);
    }
}

#[tokio::test]
async fn a_message_that_never_ends() {
    let message_time = Duration::from_millis(100);
    let here = Here::start(Limits { message_time, ..Limits::default() });
    let mut idle = Raw::connect(&here.path).await;
    for bytes in [&[0u8][..], &frame(&header(157, 0, 1, 0), b"abc", Some(4000))] {
        let mut raw = Raw::connect(&here.path).await;
        raw.0.write_all(bytes).await.unwrap();
        assert!(raw.ends().await);
        assert_eq!(here.demo.last_reason(), Some(Closed::Stalled));
    }
    // One that is always amid some message, but completes each, is busy.
    let mut busy = Raw::connect(&here.path).await;
    let call = frame(&header(157, 0, 1, 0), b"", None);
    let (head, tail) = call.split_at(10);
    busy.0.write_all(head).await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_millis(20)).await;
        busy.0.write_all(&[tail, head].concat()).await.unwrap();
        assert_eq!(busy.receive().await.unwrap().0.serial, 1);
    }
    // Trickling does not help.
    let mut raw = Raw::connect(&here.path).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) && raw.0.write_all(&[0]).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(idle.works().await);
}

#[tokio::test]
async fn floods_of_fds() {
    let here = Here::start_at(alone(), Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    assert!(raw.works().await);
    let before = settled_fds().await;
    let fds: Vec<_> = (0..200).map(|_| file_with("")).collect();
    // With frames that want none, split and whole.
    for _ in 0..20 {
        let bytes = frame(&header(157, 0, 1, 0), b"", None);
        raw.send_fds(bytes[0], &fds).await;
        raw.send_fds(bytes[1], &fds).await;
        raw.0.write_all(&bytes[2..]).await.unwrap();
        assert_eq!(raw.receive().await.unwrap().0.serial, 1);
    }
    // With one that wants three and gets hundreds.
    let mut args = vec![0, 0, 0, 3];
    encode(&DomainCreateXmlWithFilesArgs { xml_desc: String::new(), flags: 0 }, &mut args).unwrap();
    raw.send(&header(DomainCreateXmlWithFiles::ROW.number, 4, 2, 0), &args).await;
    for _ in 0..3 {
        raw.send_fds(0, &fds).await;
    }
    let (reply, _) = raw.receive().await.unwrap();
    assert_eq!((reply.serial, reply.status), (2, 0));
    assert!(raw.works().await);
    drop(fds);
    assert_eq!(settled_fds().await, before);
    // Too many by the count, none at all, a byte without its FD.
    for content in [&[0, 0, 0, 33][..], b"", &[0, 0, 0, 1]] {
        let mut raw = Raw::connect(&here.path).await;
        raw.send(&header(DomainCreateXmlWithFiles::ROW.number, 4, 2, 0), content).await;
        raw.0.write_all(&[0]).await.unwrap();
        assert!(raw.ends().await);
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_do_no_harm() {
    let here = Here::start_at(alone(), Limits::default());
    let before = (settled_fds().await, memory());
    let mut idle = Vec::new();
    for _ in 0..1000 {
        match tokio::net::UnixStream::connect(&here.path).await {
            Ok(socket) => idle.push(Raw(socket)),
            Err(error) => {
                eprintln!("only {} connections: {error}", idle.len());
                break;
            }
        }
    }
    assert!(idle.len() > 400, "the limit of open files is too low for this test");
    let (client, _events) = here.client().await;
    let start = Instant::now();
    for _ in 0..100 {
        version(&client).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(here.demo.clients.load(Ordering::SeqCst) > idle.len());
    // Idle before they said anything: a buffer is not made yet.
    assert!(memory() - before.1 < 8 * idle.len(), "{} kB", memory() - before.1);
    drop((idle, client, _events));
    here.demo.empty().await;
    here.demo.connections.lock().unwrap().clear();
    assert_eq!(settled_fds().await, before.0);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    let here = Here::start_at(alone(), Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    let mut args = Vec::new();
    encode(&xml_of_length(1_000_000), &mut args).unwrap();
    let call = frame(&header(14, 0, 1, 0), &args, None);
    // Two hundred answers of a megabyte each; the socket takes the calls as long as it has room.
    let before = memory();
    let many: Vec<u8> = call.repeat(200);
    raw.0.write_all(&many).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert!(memory() < before + 50_000, "{} kB more", memory() - before);
    let (client, _events) = here.client().await;
    assert!(version(&client).await.is_ok());
    // All are answered once it reads.
    for _ in 0..200 {
        assert_eq!(raw.receive().await.unwrap().0.serial, 1);
    }
    assert!(raw.works().await);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_events_is_dropped() {
    let here = Here::start(Limits { events: 100_000, ..Limits::default() });
    let mut raw = Raw::connect(&here.path).await;
    assert!(raw.works().await);
    let connection = here.demo.connections.lock().unwrap()[0].clone();
    let event =
        DomainEventCallbackRebootMsg { callback_id: 1, msg: DomainEventRebootMsg { dom: reboot().dom } };
    let mut sent = 0;
    while !connection.is_closed() && sent < 1_000_000 {
        connection.send_event::<DomainEventCallbackReboot>(&event).unwrap();
        sent += 1;
        if sent % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(connection.reason(), Some(&Closed::TooSlow));
    assert!(raw.ends().await);
    // Afterwards nothing is kept.
    connection.send_event::<DomainEventCallbackReboot>(&event).unwrap();
}

#[tokio::test]
async fn death_amid_calls_and_streams_leaves_nothing() {
    let here = Here::start_at(alone(), Limits::default());
    let mut args = Vec::new();
    encode(&reboot(), &mut args).unwrap();
    let mut upload = Vec::new();
    let volume = StorageVolUploadArgs { vol: volume(), offset: 0, length: 0, flags: 0 };
    encode(&volume, &mut upload).unwrap();
    let before = settled_fds().await;
    for round in 0..200 {
        let mut raw = Raw::connect(&here.path).await;
        raw.send(&header(208, 0, 1, 0), &upload).await;
        raw.receive().await.unwrap();
        raw.send(&header(208, 3, 1, 2), &[1; 5000]).await;
        // Calls that are never finished but by their client's end.
        raw.send(&header(27, 0, 2, 0), &args).await;
        // Half a frame, half a header, half a word.
        let rest = frame(&header(157, 0, 3, 0), &[0; 100], None);
        raw.0.write_all(&rest[..[3, 20, 60][round % 3]]).await.unwrap();
    }
    timeout(Duration::from_secs(10), here.demo.empty()).await.unwrap();
    let streams = async {
        while here.demo.streams.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), streams).await.unwrap();
    here.demo.connections.lock().unwrap().clear();
    assert_eq!(settled_fds().await, before);
    let (client, _events) = here.client().await;
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn noise() {
    let here = Here::start(Limits { message_time: Duration::from_millis(200), ..Limits::default() });
    let mut state = 0x1234_5678_9abc_def0u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..300 {
        let mut raw = Raw::connect(&here.path).await;
        for _ in 0..random() % 5 {
            let procedure = i32::try_from(random() % 460).unwrap();
            let kind = i32::try_from(random() % 8).unwrap();
            let content: Vec<u8> = (0..random() % 300).map(|_| random().to_le_bytes()[0]).collect();
            if raw.0.write_all(&frame(&header(procedure, kind, 1, 0), &content, None)).await.is_err() {
                break;
            }
        }
        let tail: Vec<u8> = (0..random() % 50).map(|_| random().to_le_bytes()[0]).collect();
        let _ = raw.0.write_all(&tail).await;
    }
    timeout(Duration::from_secs(10), here.demo.empty()).await.unwrap();
    let (client, _events) = here.client().await;
    assert!(version(&client).await.is_ok());
}
