//! Streams: uploads, downloads, consoles, and every way they end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ostler_rpc::message::WireError;
use ostler_rpc::programs::remote::procedures::*;
use ostler_rpc::programs::remote::*;
use ostler_rpc::xdr::decode;
use ostler_rpc::{Client, ClientStream, Limits, StreamEvent};
use tokio::time::{sleep, timeout};

use crate::demo::{Here, pattern, reboot, version, volume};
use crate::raw::{Raw, header};

async fn upload(client: &Client) -> ClientStream {
    let args = StorageVolUploadArgs { vol: volume(), offset: 0, length: 0, flags: 0 };
    client.call_with_stream::<StorageVolUpload>(&args).await.unwrap().1
}

async fn download(client: &Client, length: u64) -> ClientStream {
    let args = StorageVolDownloadArgs { vol: volume(), offset: 0, length, flags: 0 };
    client.call_with_stream::<StorageVolDownload>(&args).await.unwrap().1
}

#[tokio::test]
async fn an_upload_with_a_hole() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let stream = upload(&client).await;
    assert!(stream.send(b"abc").await);
    assert!(stream.send_hole(1 << 40).await);
    assert!(stream.send(&pattern(600_000)).await);
    stream.finish().await.unwrap();
    let uploaded = here.demo.uploaded.lock().unwrap();
    assert_eq!(uploaded[0], StreamEvent::Data(b"abc".to_vec()));
    assert_eq!(uploaded[1], StreamEvent::Hole(1 << 40));
    let bytes = uploaded[2..].iter().flat_map(|event| match event {
        StreamEvent::Data(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    });
    assert!(bytes.eq(pattern(600_000)));
}

#[tokio::test]
async fn a_download_ends_with_an_empty_message() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let length = 10_000_000;
    let stream = download(&client, length as u64).await;
    let mut bytes = Vec::new();
    let mut hole = 0;
    loop {
        match stream.receive().await {
            StreamEvent::Data(more) => bytes.extend(more),
            StreamEvent::Hole(length) => hole += length,
            StreamEvent::End => break,
            other => panic!("{other:?}"),
        }
    }
    stream.finish().await.unwrap();
    assert!(bytes == pattern(length));
    assert_eq!(hole, 4096);
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn both_ways_at_once_and_beside_calls() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let args = DomainOpenConsoleArgs { dom: reboot().dom, dev_name: None, flags: 0 };
    let ((), stream) = client.call_with_stream::<DomainOpenConsole>(&args).await.unwrap();
    for line in ["one", "two"] {
        stream.send(line.as_bytes()).await;
        assert_eq!(stream.receive().await, StreamEvent::Data(line.as_bytes().to_vec()));
        assert!(version(&client).await.is_ok());
    }
    stream.finish().await.unwrap();
}

#[tokio::test]
async fn the_server_may_refuse_midway() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let stream = upload(&client).await;
    stream.send(b"refuse").await;
    match stream.receive().await {
        StreamEvent::Abort(error) => assert_eq!(error.to_string(), "operation failed: no more room"),
        other => panic!("{other:?}"),
    }
    drop(stream);
    let stream = upload(&client).await;
    stream.send(b"drop").await;
    match stream.receive().await {
        StreamEvent::Abort(error) => assert_eq!(error.to_string(), "internal error: stream was given up"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_client_may_abort() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    let mut args = Vec::new();
    let upload = StorageVolUploadArgs { vol: volume(), offset: 0, length: 0, flags: 0 };
    let hole = |length: i64| [&length.to_be_bytes()[..], &[0; 4]].concat();
    let cases = [
        (3, 1, Vec::new(), ""),
        (3, 9, Vec::new(), "stream aborted with unexpected status 9"),
        (6, 2, vec![1], "Unable to decode message payload"),
        (6, 2, hole(-5), "stream hole of negative length"),
    ];
    for (kind, status, content, text) in cases {
        args.clear();
        ostler_rpc::xdr::encode(&upload, &mut args).unwrap();
        raw.send(&header(208, 0, 5, 0), &args).await;
        assert_eq!(raw.receive().await.unwrap().0.status, 0);
        // Of another serial: passed over.
        raw.send(&header(208, 3, 6, 2), b"none").await;
        raw.send(&header(208, kind, 5, status), &content).await;
        let (answer, content) = raw.receive().await.unwrap();
        assert_eq!((answer.procedure, answer.kind, answer.serial), (208, 3, 5));
        if text.is_empty() {
            assert_eq!((answer.status, content.len()), (0, 0));
        } else {
            let error: WireError = decode(&content).unwrap();
            assert_eq!((answer.status, error.code), (1, 39));
            assert_eq!(error.message.as_deref(), Some(text));
        }
        // The stream is gone.
        raw.send(&header(208, 3, 5, 2), b"more").await;
        assert!(raw.works().await);
    }
    assert!(here.demo.uploaded.lock().unwrap().is_empty());
    let (client, _events) = here.client().await;
    let stream = download(&client, 50_000_000).await;
    stream.receive().await;
    timeout(Duration::from_secs(5), stream.abort()).await.unwrap();
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn neither_side_holds_more_than_its_share() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    // Nobody takes the download: the server's task must wait with most of it.
    let stream = download(&client, 40_000_000).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(here.demo.streams.load(Ordering::SeqCst), 1);
    let mut count = 0;
    while let StreamEvent::Data(bytes) = stream.receive().await {
        count += bytes.len();
    }
    assert_eq!(count, 40_000_000);
    drop(stream);
}

#[tokio::test]
async fn a_client_that_dies_takes_its_streams_along() {
    let here = Here::start(Limits::default());
    for _ in 0..20 {
        let (client, _events) = here.client().await;
        let one = upload(&client).await;
        one.send(b"abc").await;
        let two = download(&client, 50_000_000).await;
        two.receive().await;
        drop(client);
    }
    here.demo.empty().await;
    let none = async {
        while here.demo.streams.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), none).await.unwrap();
}

#[tokio::test]
async fn as_many_streams_as_are_allowed() {
    let here = Here::start(Limits { streams: 3, ..Limits::default() });
    let (client, _events) = here.client().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(upload(&client).await);
    }
    let args = StorageVolUploadArgs { vol: volume(), offset: 0, length: 0, flags: 0 };
    let error = client.call_with_stream::<StorageVolUpload>(&args).await.unwrap_err();
    assert_eq!(error.to_string(), "too many streams are open");
    open.pop().unwrap().finish().await.unwrap();
    assert!(client.call_with_stream::<StorageVolUpload>(&args).await.is_ok());
}

#[tokio::test]
async fn a_serial_used_twice_is_the_later_stream_s() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    let mut args = Vec::new();
    let upload = StorageVolUploadArgs { vol: volume(), offset: 0, length: 0, flags: 0 };
    ostler_rpc::xdr::encode(&upload, &mut args).unwrap();
    for _ in 0..2 {
        raw.send(&header(208, 0, 5, 0), &args).await;
        assert_eq!(raw.receive().await.unwrap().0.status, 0);
    }
    raw.send(&header(208, 3, 5, 2), b"abc").await;
    raw.send(&header(208, 3, 5, 0), b"").await;
    let (answer, _) = raw.receive().await.unwrap();
    assert_eq!((answer.kind, answer.status), (3, 0));
    assert_eq!(*here.demo.uploaded.lock().unwrap(), [StreamEvent::Data(b"abc".to_vec())]);
}
