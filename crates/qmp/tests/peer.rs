//! The monitor against a scripted peer.
#![expect(clippy::unwrap_used, reason = "a test may end there")]

use std::io::{IoSliceMut, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use ostler_base::Json;
use ostler_base::json::json;
use ostler_qmp::{EventKind, Monitor, MonitorError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

const HELLO: &str = "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":2,\"minor\":0,\"major\":10},\
    \"package\":\"Debian\"},\"capabilities\":[\"oob\"]}}\r\n";

struct Peer {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Peer {
    async fn request(&mut self) -> Json {
        let mut line = String::new();
        self.read.read_line(&mut line).await.unwrap();
        assert!(!line.trim_end().contains(' '), "{line}");
        line.parse().unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.write.write_all(text.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, request: &Json, value: Json) {
        let text = json!({"return": value, "id": request["id"]}).to_string();
        self.say(&format!("{text}\r\n")).await;
    }
}

async fn connected() -> (Monitor, mpsc::Receiver<ostler_qmp::Event>, Peer) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (read, write) = theirs.into_split();
    let mut peer = Peer { read: BufReader::new(read), write };
    let hello = async {
        // In pieces, as a stream may bring it.
        for piece in HELLO.as_bytes().chunks(7) {
            peer.write.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let request = peer.request().await;
        assert_eq!(request["execute"], "qmp_capabilities");
        peer.answer(&request, json!({})).await;
        peer
    };
    let (monitor, peer) = tokio::join!(Monitor::over(ours), hello);
    let (monitor, events) = monitor.unwrap();
    assert_eq!(monitor.greeting().version.major, 10);
    assert_eq!(monitor.greeting().capabilities, ["oob"]);
    (monitor, events, peer)
}

#[tokio::test]
async fn answers_in_pieces_with_events_between() {
    let (monitor, mut events, mut peer) = connected().await;
    let script = async {
        let request = peer.request().await;
        assert_eq!(request, json!({"execute": "query-status", "id": 2}));
        peer.say("{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n{\"retu").await;
        tokio::task::yield_now().await;
        peer.say("rn\":{\"a\":1},\"id\":2}\r\n{\"event\":\"X\",\"data\":{\"y\":1}}\r\n").await;
    };
    let (answer, ()) = tokio::join!(monitor.command("query-status", None), script);
    assert_eq!(answer.unwrap(), json!({"a": 1}));
    let stop = events.recv().await.unwrap();
    assert_eq!((stop.time.seconds, stop.time.microseconds, stop.kind), (1, 2, EventKind::Stop));
    let other = events.recv().await.unwrap();
    assert_eq!(other.kind, EventKind::Other { name: "X".into(), data: json!({"y": 1}) });
}

#[tokio::test]
async fn a_batch_is_one_write_and_one_refusal_stays_alone() {
    let (monitor, _events, mut peer) = connected().await;
    let script = async {
        let mut bytes = vec![0; 4096];
        let length = peer.read.read(&mut bytes).await.unwrap();
        let lines: Vec<Json> = std::str::from_utf8(&bytes[..length])
            .unwrap()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
        // Out of order, with strangers between.
        peer.answer(&lines[2], json!(3)).await;
        peer.say("{\"return\":0,\"id\":999}\r\n{\"return\":0,\"id\":\"libvirt-1\"}\r\n{\"error\":{}}\r\n")
            .await;
        peer.answer(&lines[0], json!(1)).await;
        let id = &lines[1]["id"];
        peer.say(&format!(
            "{{\"id\":{id},\"error\":{{\"class\":\"CommandNotFound\",\"desc\":\"no b\"}}}}\r\n"
        ))
        .await;
    };
    let commands = [("a", None), ("b", Some(json!({"x": 1}))), ("c", None)];
    let (answers, ()) = tokio::join!(monitor.batch(&commands), script);
    assert_eq!(answers[0], Ok(json!(1)));
    let refused = answers[1].clone().unwrap_err();
    assert!(refused.is_unknown_command());
    assert_eq!(refused.to_string(), "unable to execute QEMU command 'b': no b");
    assert_eq!(answers[2], Ok(json!(3)));
}

#[tokio::test]
async fn an_end_amid_an_answer_wakes_everybody() {
    let (monitor, mut events, mut peer) = connected().await;
    let script = async {
        peer.request().await;
        peer.say("{\"return\":").await;
        drop(peer);
    };
    let (first, second, ()) =
        tokio::join!(monitor.command("a", None), async { monitor.ended().await }, script);
    assert_eq!(first, Err(MonitorError::Gone));
    assert_eq!(second, MonitorError::Gone);
    assert_eq!(monitor.command("b", None).await, Err(MonitorError::Gone));
    assert_eq!(monitor.batch(&[("b", None)]).await, [Err(MonitorError::Gone)]);
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn garbage_ends_the_connection_with_a_reason() {
    let (monitor, _events, mut peer) = connected().await;
    peer.say("hello?\n").await;
    assert!(matches!(monitor.ended().await, MonitorError::Protocol(_)));
    assert!(matches!(monitor.command("a", None).await, Err(MonitorError::Protocol(_))));
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let (monitor, _events, mut peer) = connected().await;
    let flood = tokio::spawn(async move {
        let block = vec![b'a'; 1 << 20];
        while peer.write.write_all(&block).await.is_ok() {}
    });
    assert!(matches!(monitor.ended().await, MonitorError::Protocol(_)));
    flood.await.unwrap();
}

#[tokio::test]
async fn no_answer_in_time_and_the_late_one_is_ignored() {
    let (monitor, _events, mut peer) = connected().await;
    let hurried = monitor.within(Duration::from_millis(20));
    let late = hurried.command("a", None).await;
    assert_eq!(late, Err(MonitorError::Timeout { command: "a".into() }));
    let late = hurried.batch(&[("b", None)]).await;
    assert_eq!(late, [Err(MonitorError::Timeout { command: "b".into() })]);
    let script = async {
        for value in 1..=3 {
            let request = peer.request().await;
            peer.answer(&request, json!(value)).await;
        }
    };
    let (answer, ()) = tokio::join!(monitor.command("c", None), script);
    assert_eq!(answer, Ok(json!(3)));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_leaves_a_whole_request() {
    let (monitor, _events, mut peer) = connected().await;
    let big = json!({"text": "x".repeat(1 << 20)});
    let dropped = tokio::time::timeout(Duration::from_millis(5), monitor.command("big", Some(big))).await;
    assert!(dropped.is_err());
    let script = async {
        assert_eq!(peer.request().await["execute"], "big");
        let request = peer.request().await;
        peer.answer(&request, json!("fine")).await;
    };
    let (answer, ()) = tokio::join!(monitor.command("next", None), script);
    assert_eq!(answer, Ok(json!("fine")));
}

#[tokio::test]
async fn descriptors_go_with_their_command() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = theirs.into_std().unwrap();
    theirs.set_nonblocking(false).unwrap();
    let peer = tokio::task::spawn_blocking(move || {
        let mut theirs = theirs;
        theirs.write_all(HELLO.as_bytes()).unwrap();
        let mut received = 0;
        for id in 1..=2 {
            let mut bytes = [0; 512];
            let mut space = [std::mem::MaybeUninit::uninit(); 64];
            let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
            let flags = rustix::net::RecvFlags::CMSG_CLOEXEC;
            let mut slices = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(theirs.as_fd(), &mut slices, &mut control, flags).unwrap();
            for message in control.drain() {
                if let rustix::net::RecvAncillaryMessage::ScmRights(fds) = message {
                    received += fds.count();
                }
            }
            theirs.write_all(format!("{{\"return\":{{}},\"id\":{id}}}\r\n").as_bytes()).unwrap();
        }
        received
    });
    let (monitor, _events) = Monitor::over(ours).await.unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let answer = monitor.command_with_fds("getfd", Some(json!({"fdname": "a"})), vec![null.into()]).await;
    assert_eq!(answer, Ok(json!({})));
    assert_eq!(peer.await.unwrap(), 1);
}
