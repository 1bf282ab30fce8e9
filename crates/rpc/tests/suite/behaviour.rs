//! Honest clients: calls, order, events, FDs, limits, keepalive.

use std::time::Duration;

use ostler_base::Code;
use ostler_rpc::keepalive::Watch;
use ostler_rpc::programs::remote::procedures::*;
use ostler_rpc::programs::remote::*;
use ostler_rpc::{Closed, Limits, SocketKind, Transport};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::demo::{Here, destroy, file_with, reboot, resume, shutdown, text_of, version, xml_of_length};
use crate::raw::{Raw, frame, header};

#[tokio::test]
async fn calls_and_errors() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    assert_eq!(version(&client).await.unwrap(), 11_003_000);
    let args = DomainLookupByNameArgs { name: "gäst".to_owned() };
    assert_eq!(client.call::<DomainLookupByName>(&args).await.unwrap().dom.name, "gäst");
    let error = client.call::<NodeGetInfo>(&()).await.unwrap_err();
    assert_eq!(error.code(), Code::NoSupport);
    assert_eq!(error.to_string(), "this function is not supported by the connection driver: virNodeGetInfo");
    let connection = here.demo.connections.lock().unwrap()[0].clone();
    assert_eq!(connection.socket(), SocketKind::ReadWrite);
    assert_eq!(connection.peer().unwrap().pid, i32::try_from(std::process::id()).unwrap());
    client.call::<ConnectClose>(&()).await.unwrap();
    assert_eq!(client.closed().await, Closed::ByPeer);
    connection.closed().await;
    assert_eq!(connection.reason(), Some(&Closed::ByUs));
}

#[tokio::test]
async fn replies_come_when_they_are_ready() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let waiting = async { client.call::<DomainReboot>(&reboot()).await.unwrap() };
    let other = async {
        version(&client).await.unwrap();
        client.call::<DomainResume>(&resume()).await.unwrap();
    };
    tokio::join!(waiting, other);
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_but_pings_before_them_do_not() {
    let here = Here::start(Limits { calls: 2, ..Limits::default() });
    let mut raw = Raw::connect(&here.path).await;
    let mut args = Vec::new();
    ostler_rpc::xdr::encode(&reboot(), &mut args).unwrap();
    for serial in 1..=2 {
        raw.send(&header(27, 0, serial, 0), &args).await;
    }
    // Neither is answered, and a ping still is.
    let ping = ostler_rpc::message::Header { program: 0x6b65_6570, ..header(1, 2, 0, 0) };
    raw.send(&ping, b"").await;
    assert_eq!(raw.receive().await.unwrap().0.procedure, 2);
    // A third call is not looked at, not even one that is answered at once.
    raw.send(&header(157, 0, 3, 0), b"").await;
    assert!(raw.soon().await.is_none());
    drop(raw);
    let (client, _events) = here.client().await;
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn ten_calls_at_once_all_get_their_turn() {
    let here = Here::start(Limits { calls: 3, ..Limits::default() });
    let (client, _events) = here.client().await;
    let client = std::sync::Arc::new(client);
    let resumes: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<DomainResume>(&resume()).await })
        })
        .collect();
    for task in resumes {
        task.await.unwrap().unwrap();
    }
    let reboots: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<DomainReboot>(&reboot()).await })
        })
        .collect();
    for task in reboots {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn events_keep_their_place() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    // Arguments: an event id, no domain.
    raw.send(&header(316, 0, 5, 0), &[0; 8]).await;
    let (event, _) = raw.receive().await.unwrap();
    let (reply, _) = raw.receive().await.unwrap();
    assert_eq!((event.procedure, event.kind, event.serial), (319, 2, 0));
    assert_eq!((reply.procedure, reply.kind, reply.serial), (316, 1, 5));

    let (client, mut events) = here.client().await;
    let args = ConnectDomainEventCallbackRegisterAnyArgs { event_id: 1, dom: None };
    client.call::<ConnectDomainEventCallbackRegisterAny>(&args).await.unwrap();
    let event = events.recv().await.unwrap().read::<DomainEventCallbackReboot>().unwrap();
    assert_eq!(event.msg.dom.name, "demo");
    drop(client);
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn files_both_ways() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let args = DomainCreateXmlWithFilesArgs { xml_desc: "<domain/>".to_owned(), flags: 0 };
    let fds = (0..32).map(|i| file_with(&format!("{i} "))).collect();
    let (ret, _) = client.call_with_fds::<DomainCreateXmlWithFiles>(&args, fds).await.unwrap();
    assert_eq!(ret.dom.id, 32);
    assert!(ret.dom.name.starts_with("0 1 2 ") && ret.dom.name.ends_with("30 31 "));
    let args = DomainOpenGraphicsFdArgs { dom: reboot().dom, idx: 0, flags: 0 };
    for _ in 0..3 {
        let ((), fds) = client.call_with_fds::<DomainOpenGraphicsFd>(&args, Vec::new()).await.unwrap();
        let texts: Vec<_> = fds.into_iter().map(text_of).collect();
        assert_eq!(texts, ["one", "two"]);
    }
    assert!(version(&client).await.is_ok());
    let args = DomainCreateXmlWithFilesArgs { xml_desc: String::new(), flags: 0 };
    let fds = (0..33).map(|_| file_with("")).collect();
    assert!(client.call_with_fds::<DomainCreateXmlWithFiles>(&args, fds).await.is_err());
}

#[tokio::test]
async fn a_panic_later_is_an_error_and_a_panic_at_once_the_end() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let error = client.call::<DomainShutdown>(&shutdown()).await.unwrap_err();
    assert_eq!(error.to_string(), "internal error: call was given up");
    assert!(version(&client).await.is_ok());
    let error = client.call::<DomainDestroy>(&destroy()).await.unwrap_err();
    assert_eq!(error.to_string(), "internal error: client socket is closed");
    here.demo.empty().await;
    assert_eq!(here.demo.last_reason(), Some(Closed::Panicked));
    let (client, _events) = here.client().await;
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn large_answers_pass() {
    let here = Here::start(Limits::default());
    let (client, _events) = here.client().await;
    let xml = client.call::<DomainGetXmlDesc>(&xml_of_length(4_194_304)).await.unwrap().xml;
    assert_eq!(xml.len(), 4_194_304);
    let error = client.call::<DomainGetXmlDesc>(&xml_of_length(4_194_305)).await.unwrap_err();
    assert_eq!(error.to_string(), "Unable to encode message payload");
}

#[tokio::test]
async fn over_any_byte_stream() {
    let demo = std::sync::Arc::new(crate::demo::Demo::default());
    let server = ostler_rpc::Server::new(std::sync::Arc::new(crate::demo::Shared(demo)));
    let (here, there) = tokio::io::duplex(100);
    let about = ostler_rpc::About {
        socket: SocketKind::Tls,
        peer: None,
        address: Some("192.0.2.7:1234".to_owned()),
        certificate: None,
    };
    let (connection, task) = server.serve(Transport::stream(there), about, Limits::default());
    assert_eq!(connection.address(), Some("192.0.2.7:1234"));
    let (client, _events) = ostler_rpc::Client::over(Transport::stream(here));
    assert_eq!(version(&client).await.unwrap(), 11_003_000);
    let xml = client.call::<DomainGetXmlDesc>(&xml_of_length(100_000)).await.unwrap().xml;
    assert_eq!(xml.len(), 100_000);
    drop(client);
    task.await.unwrap();
    assert_eq!(connection.reason(), Some(&Closed::ByPeer));
}

#[tokio::test]
async fn silent_clients_are_asked_and_given_up() {
    let watch = Some(Watch { interval: Duration::from_millis(50), count: 2 });
    let here = Here::start(Limits { watch, ..Limits::default() });
    // One that did not ask for it is left alone.
    let mut quiet = Raw::connect(&here.path).await;
    let mut raw = Raw::connect(&here.path).await;
    raw.send(&header(60, 0, 1, 0), &10u32.to_be_bytes()).await;
    assert_eq!(raw.receive().await.unwrap().0.procedure, 60);
    for _ in 0..2 {
        let (ping, content) = raw.receive().await.unwrap();
        assert_eq!((ping.program, ping.procedure, ping.kind), (0x6b65_6570, 1, 2));
        assert!(content.is_empty());
    }
    assert!(raw.ends().await);
    assert!(quiet.works().await);
    assert_eq!(here.demo.last_reason(), Some(Closed::Silent));
    // A real client answers, and asks too.
    let (client, _events) = here.client().await;
    client.watch(Watch { interval: Duration::from_millis(30), count: 2 });
    client.call::<ConnectSupportsFeature>(&ConnectSupportsFeatureArgs { feature: 10 }).await.unwrap();
    sleep(Duration::from_millis(400)).await;
    assert!(version(&client).await.is_ok());
}

#[tokio::test]
async fn a_client_gives_up_a_silent_server() {
    let _place = crate::demo::among_others();
    let (here, _there) = tokio::net::UnixStream::pair().unwrap();
    let (client, _events) = ostler_rpc::Client::over(Transport::unix(here));
    client.watch(Watch { interval: Duration::from_millis(20), count: 2 });
    let closed = timeout(Duration::from_secs(5), client.closed()).await.unwrap();
    assert_eq!(closed, Closed::Silent);
}

#[tokio::test]
async fn closing_waits_for_calls_and_takes_no_more() {
    let here = Here::start(Limits::default());
    let mut raw = Raw::connect(&here.path).await;
    let mut args = Vec::new();
    ostler_rpc::xdr::encode(&reboot(), &mut args).unwrap();
    raw.send(&header(27, 0, 1, 0), &args).await;
    // The goodbye, and calls in its tow.
    let goodbye = frame(&header(2, 0, 2, 0), b"", None);
    let after = frame(&header(157, 0, 3, 0), b"", None);
    raw.0.write_all(&[goodbye, after.clone(), after].concat()).await.unwrap();
    assert_eq!(raw.receive().await.unwrap().0.serial, 2);
    assert!(raw.soon().await.is_none());
    assert!(!here.demo.connections.lock().unwrap()[0].is_closed());
    here.demo.gate_of(0).add_permits(1);
    assert_eq!(raw.receive().await.unwrap().0.serial, 1);
    assert!(raw.ends().await);
    assert_eq!(here.demo.last_reason(), Some(Closed::ByUs));
}

#[tokio::test]
async fn no_fds_where_none_can_pass() {
    let demo = std::sync::Arc::new(crate::demo::Demo::default());
    let server = ostler_rpc::Server::new(std::sync::Arc::new(crate::demo::Shared(demo)));
    let (here, there) = tokio::io::duplex(1000);
    let about = ostler_rpc::About { socket: SocketKind::Tcp, peer: None, address: None, certificate: None };
    let (connection, _task) = server.serve(Transport::stream(there), about, Limits::default());
    assert!(!connection.passes_fds());
    let (client, _events) = ostler_rpc::Client::over(Transport::stream(here));
    let args = DomainOpenGraphicsFdArgs { dom: reboot().dom, idx: 0, flags: 0 };
    let error = client.call_with_fds::<DomainOpenGraphicsFd>(&args, Vec::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "FDs cannot be passed over this connection");
    assert!(version(&client).await.is_ok());
}
