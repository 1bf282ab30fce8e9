//! The administration program over its own socket.

use std::io::Read;

use ostler_rpc::programs::admin as wire;
use ostler_rpc::programs::admin::procedures as call;
use ostler_rpc::programs::{TypedParam, TypedValue};
use ostler_rpc::xdr::List;

use super::{Client, Instance};

fn server(name: &str) -> wire::ServerRef {
    wire::ServerRef { name: name.to_owned() }
}

fn open(instance: &Instance) -> Client {
    let mut client = instance.connect("libvirt-admin-sock");
    client.call::<call::ConnectOpen>(&wire::ConnectOpenArgs { flags: 0 }).unwrap();
    client
}

fn clients(admin: &mut Client, name: &str) -> Vec<wire::ClientRef> {
    let args = wire::ServerListClientsArgs { srv: server(name), need_results: 1, flags: 0 };
    admin.call::<call::ServerListClients>(&args).unwrap().clients.0
}

fn number(params: &List<TypedParam, 32>, name: &str) -> u32 {
    let found = params.0.iter().find(|param| param.field == name).unwrap();
    let TypedValue::Uint(number) = found.value else { unreachable!("{found:?}") };
    number
}

#[test]
fn clients_are_seen_and_sent_away() {
    let instance = Instance::start("admin-clients", "listen_tls = 0\n", &[]);
    let mut admin = open(&instance);
    let args = wire::ConnectListServersArgs { need_results: 1, flags: 0 };
    let servers = admin.call::<call::ConnectListServers>(&args).unwrap();
    assert_eq!(servers.servers.0.iter().map(|s| &s.name[..]).collect::<Vec<_>>(), ["admin", "libvirtd"]);
    assert!(clients(&mut admin, "libvirtd").is_empty());
    let mut other = instance.connect("libvirt-sock-ro");
    other.open(0);
    let [one] = &clients(&mut admin, "libvirtd")[..] else { unreachable!("not one client") };
    assert_eq!((one.id, one.transport), (1, 0));
    let info = admin.call::<call::ClientGetInfo>(&wire::ClientGetInfoArgs { clnt: one.clone(), flags: 0 });
    let pid = i32::try_from(std::process::id()).unwrap();
    let params = info.unwrap().params.0;
    assert!(params.contains(&TypedParam::new("readonly", true)));
    assert!(params.contains(&TypedParam::new("unix_process_id", pid)));
    admin.call::<call::ClientClose>(&wire::ClientCloseArgs { clnt: one.clone(), flags: 0 }).unwrap();
    assert_eq!(other.socket.read(&mut [0; 1]).unwrap(), 0);
    let refused = admin.refused::<call::ClientClose>(&wire::ClientCloseArgs { clnt: one.clone(), flags: 0 });
    assert_eq!(refused, (96, 7, "Client not found: No client with matching ID '1'".to_owned()));
    let args = wire::ConnectLookupServerArgs { name: "x".to_owned(), flags: 0 };
    let refused = admin.refused::<call::ConnectLookupServer>(&args);
    assert_eq!(refused, (95, 7, "Server not found: No server named 'x'".to_owned()));
}

#[test]
fn limits_are_set_and_kept() {
    let instance = Instance::start("admin-limits", "listen_tls = 0\nmax_anonymous_clients = 1\n", &[]);
    let mut admin = open(&instance);
    let limit = vec![TypedParam::new("nclients_max", 1_u32)];
    let args = wire::ServerSetClientLimitsArgs { srv: server("libvirtd"), params: List(limit), flags: 0 };
    admin.call::<call::ServerSetClientLimits>(&args).unwrap();
    let mut first = instance.connect("libvirt-sock");
    first.open(0);
    let mut second = instance.connect("libvirt-sock");
    second.socket.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    let args = wire::ServerGetClientLimitsArgs { srv: server("libvirtd"), flags: 0 };
    let limits = admin.call::<call::ServerGetClientLimits>(&args).unwrap().params;
    assert_eq!((number(&limits, "nclients"), number(&limits, "nclients_max")), (1, 1));
    // The second client is let in when the first has gone, not before.
    assert_eq!(clients(&mut admin, "libvirtd").len(), 1);
    drop(first);
    second.socket.set_read_timeout(None).unwrap();
    second.open(0);
    assert_eq!(clients(&mut admin, "libvirtd")[0].id, 2);
    let many = vec![TypedParam::new("minWorkers", 99_u32)];
    let args =
        wire::ServerSetThreadpoolParametersArgs { srv: server("libvirtd"), params: List(many), flags: 0 };
    let text = "invalid argument: minWorkers cannot be larger than maxWorkers";
    assert_eq!(admin.refused::<call::ServerSetThreadpoolParameters>(&args), (8, 0, text.to_owned()));
    let args = wire::ServerGetThreadpoolParametersArgs { srv: server("admin"), flags: 0 };
    let places = admin.call::<call::ServerGetThreadpoolParameters>(&args).unwrap().params;
    assert_eq!((number(&places, "nWorkers"), number(&places, "freeWorkers")), (5, 4));
}

#[test]
fn the_log_goes_where_it_is_told_to() {
    let instance = Instance::start("admin-log", "listen_tls = 0\n", &[]);
    let mut admin = open(&instance);
    let file = instance.root.join("own.log");
    let outputs = Some(format!("1:file:{}", file.display()));
    admin
        .call::<call::ConnectSetLoggingOutputs>(&wire::ConnectSetLoggingOutputsArgs { outputs, flags: 0 })
        .unwrap();
    let filters = Some("1:daemon".to_owned());
    admin
        .call::<call::ConnectSetLoggingFilters>(&wire::ConnectSetLoggingFiltersArgs { filters, flags: 0 })
        .unwrap();
    let got = admin.call::<call::ConnectGetLoggingFilters>(&wire::ConnectGetLoggingFiltersArgs { flags: 0 });
    assert_eq!(got.unwrap().filters.as_deref(), Some("1:*daemon* "));
    let args = wire::ConnectDaemonShutdownArgs { flags: 0 };
    admin.call::<call::ConnectDaemonShutdown>(&args).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let text = || std::fs::read_to_string(&file).unwrap_or_default();
    while !text().contains(": info : daemon.serve:") {
        assert!(std::time::Instant::now() < deadline, "{}", text());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
