//! What URIs mean.
//!
//! Owns: tables of URIs. Never: connects.

use super::*;

fn target(uri: Option<&str>) -> Result<Target> {
    let variable = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/7".to_owned());
    Surroundings { root: true, variable: &variable, aliases: &Aliases::default() }.target(uri)
}

fn system() -> Place {
    Place::Directory("/var/run/libvirt".into(), Mode::Auto, false)
}

#[test]
fn sockets() {
    let session = Place::Directory("/run/user/7/libvirt".into(), Mode::Auto, true);
    let direct = Place::Directory("/var/run/libvirt".into(), Mode::Direct, false);
    let socket = |path: &str| Place::Socket(path.into());
    let table = [
        (None, system(), None),
        (Some("qemu:///system"), system(), Some("qemu:///system")),
        (Some("qemu:///session"), session.clone(), Some("qemu:///session")),
        (Some("qemu+unix:///system"), system(), Some("qemu:///system")),
        (Some("qemu+unix:///session"), session, Some("qemu:///session")),
        (Some("qemu+unix:///system?mode=direct"), direct, Some("qemu:///system")),
        (Some("qemu+unix:///system?socket=/a/b"), socket("/a/b"), Some("qemu:///system")),
        (Some("qemu:///system?socket=/a%20b&x=1"), socket("/a b"), Some("qemu:///system?x=1")),
        (Some("qemu+unix:///?name=test:///default&socket=/a"), socket("/a"), Some("test:///default")),
        (Some("qemu:///embed?root=/r&socket=/100%"), socket("/100%"), Some("qemu:///embed?root=/r")),
    ];
    for (uri, place, name) in table {
        let expected = Target { way: Way::Unix(place), name: name.map(str::to_owned), user: None };
        assert_eq!(target(uri).unwrap(), expected, "{uri:?}");
    }
}

#[test]
fn other_hosts() {
    let way = |uri| target(Some(uri)).unwrap().way;
    let server = |host: &str, port| Server { host: host.to_owned(), port };
    assert_eq!(way("qemu+tcp://h/system"), Way::Tcp(server("h", 16509)));
    assert_eq!(way("qemu+tcp://[::1]:7/system"), Way::Tcp(server("::1", 7)));
    assert_eq!(way("qemu://h/system"), Way::Tls(server("h", 16514), Tls::default()));
    let tls = Tls { directory: Some("/p".into()), unverified: true, priority: "NORMAL".to_owned() };
    assert_eq!(
        way("qemu+tls://h:1/system?pkipath=/p&no_verify=1&tls_priority=NORMAL"),
        Way::Tls(server("h", 1), tls)
    );
    assert_eq!(way("qemu+ext:///system?command=/x"), Way::Program("/x".to_owned()));
    let Way::Ssh(ssh) =
        way("qemu+libssh2://u@h:22/system?keyfile=/k&no_tty=1&netcat=/nc&proxy=netcat&socket=/s")
    else {
        unreachable!("no secure shell")
    };
    assert_eq!((&ssh.host[..], ssh.port, ssh.user.as_deref()), ("h", Some(22), Some("u")));
    assert_eq!((ssh.no_tty, ssh.unverified, ssh.proxy), (true, false, Proxy::Netcat));
    assert_eq!((ssh.place, &ssh.uri[..]), (Place::Socket("/s".into()), "qemu:///system"));
    assert_eq!(target(Some("qemu+tcp://me@h/system?x=1")).unwrap().user.as_deref(), Some("me"));
    assert_eq!(target(Some("qemu+tcp://h/system?x=1")).unwrap().name.as_deref(), Some("qemu:///system?x=1"));
}

#[test]
fn what_is_no_uri_of_ours() {
    let table = [
        ("foo", "no connection driver available for URI 'foo' does not include a driver name"),
        ("/a:b", "no connection driver available for URI '/a:b' does not include a driver name"),
        (
            "qemu+foo://host/system",
            "invalid argument: remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)",
        ),
        (
            "qemu+unix://host/system",
            "invalid argument: using unix socket and remote server 'host' is not supported.",
        ),
        ("qemu+ext:///system", "invalid argument: remote_open: for 'ext' transport, command is required"),
        ("qemu+unix:///system?mode=x", "invalid argument: Unknown remote mode 'x'"),
        ("qemu+ssh://h/system?proxy=x", "invalid argument: Unknown proxy type 'x'"),
        (
            "qemu+tcp://h:x/system",
            "invalid argument: port 'x' of URI 'qemu+tcp://h:x/system' is no port number",
        ),
    ];
    for (uri, text) in table {
        assert_eq!(target(Some(uri)).unwrap_err().to_string(), text);
    }
}

#[test]
fn defaults() {
    let both = |name: &str| Some(name.to_lowercase());
    let one = |name: &str| Some(if name == "LIBVIRT_DEFAULT_URI" { "x" } else { "" }.to_owned());
    let aliases = Aliases { default: Some("d".to_owned()), aliases: vec![("x".to_owned(), "y".to_owned())] };
    let uri = |variable: &dyn Fn(&str) -> Option<String>, aliases: &Aliases, given| {
        Surroundings { root: false, variable, aliases }.uri(given)
    };
    let none = Aliases::default();
    assert_eq!(uri(&both, &none, None).as_deref(), Some("virsh_default_connect_uri"));
    assert_eq!(uri(&both, &none, Some("y")).as_deref(), Some("y"));
    assert_eq!(uri(&both, &none, Some("")).as_deref(), Some("libvirt_default_uri"));
    assert_eq!(uri(&one, &none, None).as_deref(), Some("x"));
    assert_eq!(uri(&one, &aliases, None).as_deref(), Some("y"));
    assert_eq!(uri(&|_| None, &none, None), None);
    assert_eq!(uri(&|_| None, &aliases, None).as_deref(), Some("d"));
    let surroundings = Surroundings { root: false, variable: &both, aliases: &none };
    let place = Place::Directory("xdg_runtime_dir/libvirt".into(), Mode::Auto, true);
    assert_eq!(surroundings.target(None).unwrap().way, Way::Unix(place));
}
