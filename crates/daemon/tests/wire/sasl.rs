//! Clients that have to prove who they are.

use std::net::TcpListener;
use std::path::Path;

use ostler_rpc::programs::TypedParam;
use ostler_rpc::programs::admin::procedures as admin;
use ostler_rpc::programs::admin::{ConnectOpenArgs, ServerGetClientLimitsArgs, ServerRef};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::xdr::Chars;

use super::Instance;

/// Whether the process that speaks to the library was built, and the library is there.
fn is_here() -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_ostlerd")).with_file_name("ostler-sasl");
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let here = program.exists() && library.iter().any(|at| Path::new(at).join("libsasl2.so.2").exists());
    if !here {
        eprintln!("SKIPPED: no {} or no libsasl2", program.display());
    }
    here
}

#[test]
fn nothing_is_answered_before() {
    if !is_here() {
        return;
    }
    let instance = Instance::start("sasl", "listen_tls = 0\nauth_unix_rw = \"sasl\"\n", &[]);
    let mut client = instance.connect("libvirt-sock");
    assert_eq!(client.call::<call::AuthList>(&()).unwrap().types.0, [wire::AuthType::Sasl]);
    let refused = (39, 7, "authentication required".to_owned());
    let args = wire::ConnectOpenArgs { name: Some("qemu:///system".to_owned()), flags: 0 };
    assert_eq!(client.refused::<call::ConnectOpen>(&args), refused);
    let args = wire::ConnectSupportsFeatureArgs { feature: 10 };
    assert_eq!(client.refused::<call::ConnectSupportsFeature>(&args), refused);
    let failed = (45, 7, "authentication failed: authentication failed".to_owned());
    let args = wire::AuthSaslStepArgs { nil: 1, data: Chars(Vec::new()) };
    assert_eq!(client.refused::<call::AuthSaslStep>(&args), failed);
    assert_eq!(client.call::<call::AuthSaslInit>(&()).unwrap().mechlist, "SCRAM-SHA-256");
    let args = wire::AuthSaslStartArgs { mech: "NONSENSE".to_owned(), nil: 0, data: Chars(Vec::new()) };
    assert_eq!(client.refused::<call::AuthSaslStart>(&args), failed);
    // A failed attempt opens nothing.
    let args = wire::ConnectOpenArgs { name: None, flags: 0 };
    assert_eq!(client.refused::<call::ConnectOpen>(&args), refused);
    // Those of the other sockets have nothing to prove, and cannot be made to.
    let mut other = instance.connect("libvirt-sock-ro");
    assert_eq!(other.refused::<call::AuthSaslInit>(&()), failed);
    other.open(0);
}

#[test]
fn who_is_anonymous_is_counted() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "listen_tls = 0\nlisten_tcp = 1\ntcp_port = \"{port}\"\nlisten_addr = \"127.0.0.1\"\nmax_anonymous_clients = 2\n"
    );
    let instance = Instance::start("anonymous", &config, &["--listen"]);
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let idle = (connect(), connect(), connect());
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut late = instance.connect("libvirt-sock");
    let mut admin = instance.connect("libvirt-admin-sock");
    admin.call::<admin::ConnectOpen>(&ConnectOpenArgs { flags: 0 }).unwrap();
    let srv = ServerRef { name: "libvirtd".to_owned() };
    let args = ServerGetClientLimitsArgs { srv, flags: 0 };
    let limits = admin.call::<admin::ServerGetClientLimits>(&args).unwrap().params;
    assert!(limits.0.contains(&TypedParam::new("nclients_unauth", 2_u32)), "{limits:?}");
    drop(idle);
    late.open(0);
}
