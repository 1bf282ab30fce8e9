//! Our client with the reference, where it is installed; and the reference beside our server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ostler_base::{Code, Origin};
use ostler_rpc::message::Header;
use ostler_rpc::programs::admin;
use ostler_rpc::programs::remote::procedures::*;
use ostler_rpc::programs::remote::*;
use ostler_rpc::{Client, Events, Limits, StreamEvent};

use crate::demo::{Here, among_others, file_with, pattern};
use crate::raw::{Raw, header};

/// A private instance of the reference, which ends with this.
struct Reference {
    folder: PathBuf,
    script: PathBuf,
}

impl Drop for Reference {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        let _ = stop.arg("stop").arg(&self.folder).stderr(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Reference {
    /// `None`, said aloud, where it cannot be had.
    fn start(name: &str) -> Option<Reference> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/lab/private-libvirtd.sh");
        if !script.exists() || !Path::new("/usr/sbin/libvirtd").exists() {
            eprintln!("SKIPPED: no libvirtd, or no {} to start it with", script.display());
            return None;
        }
        let folder = std::env::temp_dir().join(format!("ostler-rpc-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let here = Reference { folder, script };
        let log = std::fs::File::create(here.folder.join("start.log")).unwrap();
        let status = Command::new(&here.script)
            .arg("start")
            .arg(&here.folder)
            .env("LISTEN_TCP", "0")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: libvirtd cannot be started here");
            return None;
        }
        Some(here)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("run/libvirt-sock")
    }

    async fn open(&self) -> (Client, Events) {
        let (client, events) = Client::connect(self.socket()).await.unwrap();
        let auth = client.call::<AuthList>(&()).await.unwrap();
        assert_eq!(*auth.types, [AuthType::None]);
        let args = ConnectOpenArgs { name: Some("qemu:///system".to_owned()), flags: 0 };
        client.call::<ConnectOpen>(&args).await.unwrap();
        (client, events)
    }
}

#[tokio::test]
async fn our_client_speaks_with_the_reference() {
    let _place = among_others();
    let Some(reference) = Reference::start("client") else { return };
    let (client, mut events) = reference.open().await;
    assert_eq!(client.call::<ConnectGetLibVersion>(&()).await.unwrap().lib_ver, 11_003_000);
    let xml = client.call::<ConnectGetCapabilities>(&()).await.unwrap().capabilities;
    assert!(xml.starts_with("<capabilities>"));
    assert!(!client.call::<NodeGetInfo>(&()).await.unwrap().model.text().is_empty());
    let args = DomainLookupByNameArgs { name: "nobody".to_owned() };
    let error = client.call::<DomainLookupByName>(&args).await.unwrap_err();
    assert_eq!((error.code(), error.origin()), (Code::NoDomain, Origin::Qemu));
    assert_eq!(error.to_string(), "Domain not found: no domain with matching name 'nobody'");

    let args = ConnectDomainEventCallbackRegisterAnyArgs { event_id: 0, dom: None };
    let id = client.call::<ConnectDomainEventCallbackRegisterAny>(&args).await.unwrap().callback_id;
    let xml = "<domain type='qemu'><name>one</name><memory>65536</memory>\
               <os><type arch='x86_64'>hvm</type></os></domain>";
    let args = DomainDefineXmlArgs { xml: xml.to_owned() };
    let dom = client.call::<DomainDefineXml>(&args).await.unwrap().dom;
    let event = events.recv().await.unwrap().read::<DomainEventCallbackLifecycle>().unwrap();
    assert_eq!((event.callback_id, &event.msg.dom, event.msg.event), (id, &dom, 0));
    let args = ConnectListAllDomainsArgs { need_results: 1, flags: 0 };
    let list = client.call::<ConnectListAllDomains>(&args).await.unwrap();
    assert_eq!((list.domains.as_slice(), list.ret), (&[dom.clone()][..], 1));
    let args = DomainFdAssociateArgs { dom: dom.clone(), name: "pair".to_owned(), flags: 0 };
    let fds = vec![file_with("one"), file_with("two")];
    client.call_with_fds::<DomainFdAssociate>(&args, fds).await.unwrap();
    client.call::<DomainUndefine>(&DomainUndefineArgs { dom }).await.unwrap();
    client.call::<ConnectClose>(&()).await.unwrap();
    client.closed().await;
}

#[tokio::test]
async fn streams_and_administration_of_the_reference() {
    let _place = among_others();
    let Some(reference) = Reference::start("streams") else { return };
    let (client, _events) = reference.open().await;
    let target = reference.folder.join("pool");
    std::fs::create_dir(&target).unwrap();
    let path = target.display();
    let xml = format!("<pool type='dir'><name>p</name><target><path>{path}</path></target></pool>");
    let args = StoragePoolCreateXmlArgs { xml, flags: 0 };
    let pool = client.call::<StoragePoolCreateXml>(&args).await.unwrap().pool;
    let length = 1_000_000;
    let xml = format!("<volume><name>v</name><capacity unit='bytes'>{length}</capacity></volume>");
    let args = StorageVolCreateXmlArgs { pool, xml, flags: 0 };
    let vol = client.call::<StorageVolCreateXml>(&args).await.unwrap().vol;

    let args = StorageVolUploadArgs { vol: vol.clone(), offset: 0, length: 0, flags: 0 };
    let ((), stream) = client.call_with_stream::<StorageVolUpload>(&args).await.unwrap();
    stream.send(&pattern(length)).await;
    stream.finish().await.unwrap();

    let args = StorageVolDownloadArgs { vol: vol.clone(), offset: 0, length: 0, flags: 0 };
    let ((), stream) = client.call_with_stream::<StorageVolDownload>(&args).await.unwrap();
    let mut bytes = Vec::new();
    loop {
        match stream.receive().await {
            StreamEvent::Data(more) => bytes.extend(more),
            StreamEvent::End => break,
            other => panic!("{other:?}"),
        }
    }
    stream.finish().await.unwrap();
    assert!(bytes == pattern(length));

    let ((), stream) = client.call_with_stream::<StorageVolDownload>(&args).await.unwrap();
    stream.abort().await;
    assert!(client.call::<ConnectGetLibVersion>(&()).await.is_ok());

    let socket = reference.folder.join("run/libvirt-admin-sock");
    let (admin, _events) = Client::connect(socket).await.unwrap();
    let args = admin::ConnectOpenArgs { flags: 0 };
    admin.call::<admin::procedures::ConnectOpen>(&args).await.unwrap();
    let args = admin::ConnectListServersArgs { need_results: 1, flags: 0 };
    let servers = admin.call::<admin::procedures::ConnectListServers>(&args).await.unwrap().servers;
    let mut names: Vec<_> = servers.into_iter().map(|server| server.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["admin", "libvirtd"]);
}

#[tokio::test]
async fn files_from_the_reference() {
    let _place = among_others();
    let Some(reference) = Reference::start("files") else { return };
    let (client, _events) = reference.open().await;
    let xml = "<domain type='qemu'><name>seen</name><memory>65536</memory>\
               <os><type arch='x86_64'>hvm</type></os>\
               <devices><graphics type='vnc'><listen type='none'/></graphics></devices></domain>";
    let args = DomainCreateXmlArgs { xml_desc: xml.to_owned(), flags: 0 };
    let dom = match client.call::<DomainCreateXml>(&args).await {
        Ok(ret) => ret.dom,
        Err(error) => {
            eprintln!("SKIPPED: no guest can be started here: {error}");
            return;
        }
    };
    let args = DomainOpenGraphicsFdArgs { dom: dom.clone(), idx: 0, flags: 0 };
    let ((), fds) = client.call_with_fds::<DomainOpenGraphicsFd>(&args, Vec::new()).await.unwrap();
    let [fd] = <[_; 1]>::try_from(fds).unwrap();
    // It is the guest's own screen that answers.
    let mut greeting = [0; 4];
    let mut socket = std::os::unix::net::UnixStream::from(fd);
    socket.set_nonblocking(false).unwrap();
    socket.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"RFB ");
    client.call::<DomainDestroy>(&DomainDestroyArgs { dom }).await.unwrap();
}

/// Messages that the protocol itself answers, with what they carry.
fn protocol_s_own() -> Vec<(Header, &'static [u8])> {
    let call = header(66, 0, 3, 0);
    let ping = Header { program: 0x6b65_6570, ..header(1, 2, 0, 0) };
    vec![
        (Header { program: 305_419_896, ..call.clone() }, b""),
        (Header { version: 2, ..call.clone() }, b""),
        (header(999, 0, 7, 0), b""),
        (header(-1, 0, 7, 0), b""),
        (header(0, 0, 7, 0), b""),
        (header(107, 0, 7, 0), b""),
        (header(157, 0, 7, 1), b""),
        (header(157, 0, 7, 9), b""),
        (header(23, 0, 7, 0), b"\0\0"),
        (header(23, 0, 7, 0), b"\xff\xff\xff\xff"),
        (Header { kind: 0, ..ping.clone() }, b""),
        (ping.clone(), b""),
        (Header { serial: 5, ..ping.clone() }, b"abcd"),
        (Header { procedure: 9, ..ping.clone() }, b""),
        (Header { procedure: 2, ..ping }, b""),
        (header(66, 1, 3, 0), b""),
        (header(66, 2, 3, 0), b""),
        (header(66, 3, 3, 0), b""),
        (header(66, 6, 3, 2), &[0; 12]),
        (header(66, 7, 3, 0), b""),
    ]
}

/// What each of the messages is answered with.
async fn answers(socket: &Path) -> Vec<Option<(Header, Vec<u8>)>> {
    let mut answers = Vec::new();
    for (message, content) in protocol_s_own() {
        let mut raw = Raw::connect(socket).await;
        raw.send(&message, content).await;
        // Behind it a call that is answered for certain, if not in order.
        raw.send(&header(157, 0, 77, 0), b"").await;
        let first = raw.receive().await.unwrap();
        if first.0.serial == 77 {
            answers.push(raw.soon().await);
        } else {
            assert_eq!(raw.receive().await.unwrap().0.serial, 77);
            answers.push(Some(first));
        }
    }
    answers
}

#[tokio::test]
async fn our_server_answers_what_the_reference_answers() {
    let here = Here::start(Limits::default());
    let Some(reference) = Reference::start("server") else { return };
    let theirs = answers(&reference.socket()).await;
    let ours = answers(&here.path).await;
    for ((message, theirs), ours) in protocol_s_own().into_iter().zip(theirs).zip(ours) {
        assert_eq!(ours, theirs, "{message:?}");
    }
}
