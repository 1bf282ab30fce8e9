//! What no client of the stock library can be made to send: calls out of order, read-only sockets,
//! events asked for twice.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod administration;
mod authority;
mod sasl;
mod tls;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ostler_base::Error;
use ostler_rpc::message::{Header, MessageKind, WireError};
use ostler_rpc::programs::TypedParam;
use ostler_rpc::programs::admin;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::table::{Procedure, Row};
use ostler_rpc::xdr::{List, Xdr, decode};

/// A daemon below a root of its own; both go when this is dropped.
struct Instance {
    root: PathBuf,
    child: Child,
}

impl Instance {
    fn start(name: &str, config: &str, options: &[&str]) -> Instance {
        let root = std::env::temp_dir().join(format!("ostlerd-wire-{}-{name}", std::process::id()));
        fs::create_dir_all(root.join("etc/libvirt")).unwrap();
        fs::write(root.join("etc/libvirt/libvirtd.conf"), config).unwrap();
        fs::create_dir_all(root.join("etc/sasl2")).unwrap();
        fs::write(root.join("etc/sasl2/libvirt.conf"), "mech_list: scram-sha-256\n").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostlerd"));
        command.env("SASL_CONF_PATH", root.join("etc/sasl2"));
        command.arg("--root").arg(&root).arg("--report-ready").args(options);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Instance { root, child }
    }

    fn connect(&self, socket: &str) -> Client {
        Client::new(&self.root.join("run/libvirt").join(socket))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

struct Client {
    socket: UnixStream,
    serial: u32,
}

impl Client {
    fn new(path: &Path) -> Client {
        Client { socket: UnixStream::connect(path).unwrap(), serial: 0 }
    }

    fn raw(&mut self, program: u32, procedure: i32, args: &[u8]) -> Result<Vec<u8>, Error> {
        self.serial += 1;
        let kind = MessageKind::Call as i32;
        let header = Header { program, version: 1, procedure, kind, serial: self.serial, status: 0 };
        let mut frame = Vec::new();
        (28 + args.len() as u32).put(&mut frame).unwrap();
        header.put(&mut frame).unwrap();
        frame.extend_from_slice(args);
        self.socket.write_all(&frame).unwrap();
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.socket.read_exact(&mut answer).unwrap();
        let mut rest = &answer[..];
        let header = Header::get(&mut rest).unwrap();
        assert_eq!((header.procedure, header.serial), (procedure, self.serial));
        match header.status {
            0 => Ok(rest.to_vec()),
            _ => Err(decode::<WireError>(rest).unwrap().into()),
        }
    }

    /// The next message, which must be this event.
    fn event<P: Procedure>(&mut self) -> P::Args {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.socket.read_exact(&mut frame).unwrap();
        let mut rest = &frame[..];
        let header = Header::get(&mut rest).unwrap();
        let kind = MessageKind::Event as i32;
        assert_eq!((header.procedure, header.kind, header.serial), (P::ROW.number, kind, 0));
        decode(rest).unwrap()
    }

    fn call<P: Procedure>(&mut self, args: &P::Args) -> Result<P::Ret, Error> {
        let mut bytes = Vec::new();
        args.put(&mut bytes).unwrap();
        let answer = self.raw(P::PROGRAM.number, P::ROW.number, &bytes)?;
        Ok(decode(&answer).unwrap())
    }

    /// Code, origin and text of the refusal.
    fn refused<P: Procedure>(&mut self, args: &P::Args) -> (u32, u32, String) {
        facts(&self.call::<P>(args).err().unwrap())
    }

    fn open(&mut self, flags: u32) {
        let name = Some("qemu:///system".to_owned());
        self.call::<call::ConnectOpen>(&wire::ConnectOpenArgs { name, flags }).unwrap();
    }
}

fn facts(error: &Error) -> (u32, u32, String) {
    (error.code().number(), error.origin().number(), error.to_string())
}

fn feature(number: i32) -> wire::ConnectSupportsFeatureArgs {
    wire::ConnectSupportsFeatureArgs { feature: number }
}

const NOT_OPEN: &str = "internal error: hypervisor connection not open";

#[test]
fn before_open() {
    let instance = Instance::start("before", "", &[]);
    let mut client = instance.connect("libvirt-sock");
    assert_eq!(client.call::<call::AuthList>(&()).unwrap().types.0, [wire::AuthType::None]);
    assert_eq!(client.call::<call::ConnectSupportsFeature>(&feature(10)).unwrap().supported, 1);
    let refused = client.refused::<call::ConnectSupportsFeature>(&feature(4));
    assert_eq!(refused, (1, 7, NOT_OPEN.to_owned()));
    assert_eq!(client.refused::<call::ConnectGetType>(&()), (1, 7, NOT_OPEN.to_owned()));
    let refused = client.refused::<call::ConnectNumOfNetworks>(&());
    assert_eq!(refused, (1, 7, "internal error: connection not open".to_owned()));
    client.call::<call::ConnectClose>(&()).unwrap();
    assert_eq!(client.socket.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn open_once() {
    let instance = Instance::start("once", "", &[]);
    let mut client = instance.connect("virtqemud-sock");
    client.open(0);
    let args = wire::ConnectOpenArgs { name: None, flags: 0 };
    let refused = client.refused::<call::ConnectOpen>(&args);
    assert_eq!(refused, (1, 7, "internal error: connection already open".to_owned()));
    assert_eq!(client.call::<call::ConnectGetUri>(&()).unwrap().uri, "qemu:///system");
    assert_eq!(client.call::<call::ConnectGetLibVersion>(&()).unwrap().lib_ver, 11_003_000);
    assert_eq!(client.call::<call::ConnectIsSecure>(&()).unwrap().secure, 1);
}

#[test]
fn read_only_by_socket_and_by_flag() {
    let instance = Instance::start("ro", "", &[]);
    for (socket, flags) in [("libvirt-sock-ro", 0), ("libvirt-sock", 1)] {
        let mut client = instance.connect(socket);
        client.open(flags);
        let args = wire::DomainDefineXmlArgs { xml: "<domain/>".to_owned() };
        let words = "operation forbidden: read only access prevents virDomainDefineXML";
        assert_eq!(client.refused::<call::DomainDefineXml>(&args), (29, 20, words.to_owned()));
        // What cannot be read is refused for that, whoever sends it.
        let error = client.raw(0x2000_8086, 11, &[]).unwrap_err();
        assert_eq!(facts(&error), (39, 7, "Unable to decode message payload".to_owned()));
        assert_eq!(client.call::<call::ConnectGetType>(&()).unwrap().kind, "QEMU");
    }
}

#[test]
fn what_has_no_handler_says_its_name() {
    let instance = Instance::start("handler", "", &[]);
    let mut client = instance.connect("libvirt-sock");
    client.open(0);
    let nobody = |row: &&Row| ostler_daemon::handlers::of(&wire::REMOTE, row.number).is_none();
    for (row, args) in authority::calls(&wire::REMOTE).into_iter().filter(|(row, _)| nobody(row)) {
        let (code, _, text) = facts(&client.raw(wire::REMOTE.number, row.number, &args).unwrap_err());
        let api = row.rule.api;
        let words = format!("this function is not supported by the connection driver: {api}");
        assert_eq!((code, text), (3, words));
    }
}

#[test]
fn events_once_for_each_object() {
    let instance = Instance::start("events", "", &[]);
    let mut client = instance.connect("libvirt-sock");
    client.open(0);
    let args = wire::ConnectDomainEventCallbackRegisterAnyArgs { event_id: 0, dom: None };
    let first = client.call::<call::ConnectDomainEventCallbackRegisterAny>(&args).unwrap();
    assert_eq!(first.callback_id, 0);
    let again = client.refused::<call::ConnectDomainEventCallbackRegisterAny>(&args);
    assert_eq!(again, (8, 0, "invalid argument: event callback already tracked".to_owned()));
    let back = wire::ConnectDomainEventCallbackDeregisterAnyArgs { callback_id: 0 };
    client.call::<call::ConnectDomainEventCallbackDeregisterAny>(&back).unwrap();
    let (code, origin, text) = client.refused::<call::ConnectDomainEventCallbackDeregisterAny>(&back);
    assert_eq!((code, origin), (1, 7));
    assert_eq!(text, "internal error: domain event callback 0 not registered");
    for event in 0..2 {
        let args = wire::ConnectNodeDeviceEventRegisterAnyArgs { event_id: event, dev: None };
        let id = client.call::<call::ConnectNodeDeviceEventRegisterAny>(&args).unwrap().callback_id;
        assert_eq!(id, event);
    }
}

#[test]
fn events_reach_who_asked_for_them() {
    let instance = Instance::start("deliver", "", &[]);
    let mut newer = instance.connect("libvirt-sock-ro");
    newer.open(0);
    let args = wire::ConnectDomainEventCallbackRegisterAnyArgs { event_id: 0, dom: None };
    let id = newer.call::<call::ConnectDomainEventCallbackRegisterAny>(&args).unwrap().callback_id;
    let mut older = instance.connect("libvirt-sock-ro");
    older.open(0);
    older.call::<call::ConnectDomainEventRegister>(&()).unwrap();

    let mut client = instance.connect("libvirt-sock");
    client.open(0);
    let xml = "<domain type='qemu'><name>told</name><memory>1024</memory>\
               <os><type arch='x86_64'>hvm</type></os></domain>";
    let args = wire::DomainDefineXmlArgs { xml: xml.to_owned() };
    if let Err(error) = client.call::<call::DomainDefineXml>(&args) {
        eprintln!("SKIPPED: no guest can be defined on this host: {error}");
        return;
    }
    let told = newer.event::<call::DomainEventCallbackLifecycle>();
    assert_eq!((told.callback_id, told.msg.event, told.msg.detail), (id, 0, 0));
    assert_eq!((told.msg.dom.name.as_str(), told.msg.dom.id), ("told", -1));
    assert_eq!(older.event::<call::DomainEventLifecycle>(), told.msg);
}

#[test]
fn the_administration_socket_has_its_own_program() {
    let instance = Instance::start("admin", "", &[]);
    let mut client = instance.connect("libvirt-admin-sock");
    let refused = client.refused::<call::ConnectGetType>(&());
    assert_eq!((refused.0, refused.1), (39, 7));
    client.call::<admin::procedures::ConnectOpen>(&admin::ConnectOpenArgs { flags: 0 }).unwrap();
    let version = client.call::<admin::procedures::ConnectGetLibVersion>(&()).unwrap();
    assert_eq!(version.lib_ver, 11_003_000);
    let mut client = instance.connect("libvirt-sock");
    let args = admin::ConnectOpenArgs { flags: 0 };
    assert_eq!(client.refused::<admin::procedures::ConnectOpen>(&args).0, 39);
}

#[test]
fn tcp_by_virsh() {
    if Command::new("virsh").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no virsh");
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "listen_tls = 0\nlisten_tcp = 1\nauth_tcp = \"none\"\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\n"
    );
    let _instance = Instance::start("tcp", &config, &["--listen"]);
    let uri = format!("qemu+tcp://127.0.0.1:{port}/system");
    let output = Command::new("virsh").args(["-c", &uri, "nodeinfo"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn clients_beyond_the_limit_wait() {
    let instance = Instance::start("limit", "max_clients = 2\n", &[]);
    let mut one = instance.connect("libvirt-sock");
    let mut two = instance.connect("libvirt-sock");
    one.open(0);
    two.open(0);
    let mut three = instance.connect("libvirt-sock");
    drop(one);
    three.open(0);
    two.call::<call::ConnectGetType>(&()).unwrap();
}

#[test]
fn memory_of_the_host_is_changed_within_bounds() {
    let instance = Instance::start("memory", "listen_tls = 0\n", &[]);
    let mut client = instance.connect("libvirt-sock");
    client.open(0);
    let page = u32::try_from(ostler_host::node::page_size() / 1024).unwrap();
    let mut args = wire::NodeAllocPagesArgs {
        page_sizes: List(vec![page]),
        page_counts: List(vec![1]),
        start_cell: -1,
        cell_count: 1,
        flags: 1,
    };
    let text = "Operation not supported: system pages pool can't be modified";
    assert_eq!(client.refused::<call::NodeAllocPages>(&args), (84, 0, text.to_owned()));
    args.page_sizes = List(vec![3]);
    let text = "operation failed: page size 3 is not available";
    assert_eq!(client.refused::<call::NodeAllocPages>(&args), (9, 0, text.to_owned()));
    args.page_counts = List(Vec::new());
    assert_eq!(client.refused::<call::NodeAllocPages>(&args).0, 39);
    let params = List(vec![TypedParam::new("shm_full_scans", 1_u32)]);
    let args = wire::NodeSetMemoryParametersArgs { params, flags: 0 };
    let (code, _, text) = client.refused::<call::NodeSetMemoryParameters>(&args);
    assert_eq!((code, &text[..]), (74, "argument unsupported: parameter 'shm_full_scans' not supported"));
    let args = wire::NodeSuspendForDurationArgs { target: 9, duration: 60, flags: 0 };
    assert_eq!(client.refused::<call::NodeSuspendForDuration>(&args).0, 8);
}
