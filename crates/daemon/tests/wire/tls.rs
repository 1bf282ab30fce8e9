//! Over TLS: who is let in and who is not, by our own client and by the stock one.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_rpc::programs::admin as admin_wire;
use ostler_rpc::programs::admin::procedures as admin_call;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::tls::{ClientRules, Files, connect};
use ostler_rpc::{Client, Transport};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};

use super::Instance;

type Signer = CertifiedIssuer<'static, KeyPair>;

fn signer(name: &str) -> Signer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of a client or, with host names, of a server.
fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, "Test, Org");
    params.distinguished_name.push(DnType::CommonName, name);
    let purpose = match hosts {
        [] => ExtendedKeyUsagePurpose::ClientAuth,
        _ => ExtendedKeyUsagePurpose::ServerAuth,
    };
    params.extended_key_usages = vec![purpose];
    params
}

/// Writes certificate and key, as a client looks for them.
fn write(directory: &Path, name: &str, trusted: &Signer, params: &CertificateParams, by: &Signer) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("cacert.pem"), trusted.pem()).unwrap();
    fs::write(directory.join(format!("{name}cert.pem")), certificate.pem()).unwrap();
    fs::write(directory.join(format!("{name}key.pem")), key.serialize_pem()).unwrap();
}

struct Place {
    instance: Instance,
    pki: PathBuf,
    port: u16,
}

/// A daemon with certificates below its root, and a folder of certificates for each kind of client.
fn place(name: &str, config: &str) -> Place {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let pki = std::env::temp_dir().join(format!("ostlerd-pki-{}-{name}", std::process::id()));
    let (ca, stranger) = (signer("ca"), signer("stranger"));
    write(&pki.join("server"), "server", &ca, &params("localhost", &["localhost"]), &ca);
    write(&pki.join("right"), "client", &ca, &params("right", &[]), &ca);
    write(&pki.join("wrong-ca"), "client", &ca, &params("right", &[]), &stranger);
    write(&pki.join("wrong-name"), "client", &ca, &params("wrong", &[]), &ca);
    let mut expired = params("right", &[]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 1, 2));
    write(&pki.join("expired"), "client", &ca, &expired, &ca);
    let mut revoked = params("right", &[]);
    revoked.serial_number = Some(SerialNumber::from(77));
    write(&pki.join("revoked"), "client", &ca, &revoked, &ca);
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(2050, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(77),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    fs::write(pki.join("crl.pem"), list.signed_by(&ca).unwrap().pem().unwrap()).unwrap();
    fs::create_dir_all(pki.join("none")).unwrap();
    fs::write(pki.join("none/cacert.pem"), ca.pem()).unwrap();
    fs::create_dir_all(pki.join("other-trust")).unwrap();
    fs::write(pki.join("other-trust/cacert.pem"), stranger.pem()).unwrap();
    let at = |path: &str| pki.join(path).display().to_string();
    let config = format!(
        "listen_tls = 1\ntls_port = \"{port}\"\nlisten_addr = \"localhost\"\nca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\ncrl_file = \"{}\"\n{config}",
        at("server/cacert.pem"),
        at("server/servercert.pem"),
        at("server/serverkey.pem"),
        at("crl.pem"),
    );
    Place { instance: Instance::start(name, &config, &["--listen"]), pki, port }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.pki);
    }
}

impl Place {
    /// Connects with the certificates of a folder, opens, asks for the URI.
    fn uri(&self, who: &str, host: &str, verify: bool) -> Result<String, String> {
        self.with(who, host, verify, async |client| {
            client.call::<call::ConnectGetUri>(&()).await.map(|ret| ret.uri).map_err(|e| e.to_string())
        })
    }

    /// Connects with the certificates of a folder, opens, does some work.
    fn with<T>(
        &self,
        who: &str,
        host: &str,
        verify: bool,
        work: impl AsyncFnOnce(Client) -> Result<T, String>,
    ) -> Result<T, String> {
        let folder = self.pki.join(who);
        let files = Files {
            ca: folder.join("cacert.pem"),
            crl: None,
            cert: folder.join("clientcert.pem"),
            key: folder.join("clientkey.pem"),
        };
        let rules = ClientRules { files, verify, priority: String::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = tokio::net::TcpStream::connect(("localhost", self.port)).await.unwrap();
            let stream = connect(socket, host, &rules).await.map_err(|e| e.to_string())?;
            let (client, _events) = Client::over(Transport::stream(stream));
            let args = wire::ConnectOpenArgs { name: Some("qemu:///system".to_owned()), flags: 0 };
            client.call::<call::ConnectOpen>(&args).await.map_err(|e| e.to_string())?;
            work(client).await
        })
    }
}

#[test]
fn who_is_let_in() {
    let place = place("tls", "tls_allowed_dn_list = [\"CN=no,*\", \"CN=right,O=Test*\"]\n");
    assert_eq!(place.uri("right", "localhost", true).as_deref(), Ok("qemu:///system"));
    for who in ["none", "wrong-ca", "expired", "revoked", "wrong-name"] {
        assert!(place.uri(who, "localhost", true).is_err(), "{who} is let in");
    }
    let error = place.uri("other-trust", "localhost", true).unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let error = place.uri("right", "example.org", true).unwrap_err();
    assert!(error.contains("NotValidForName"), "{error}");
    assert!(place.uri("right", "example.org", false).is_ok());
    if Command::new("virsh").arg("-v").output().is_err() {
        eprintln!("SKIPPED: no virsh");
        return;
    }
    for (who, may) in [("right", true), ("none", false), ("expired", false), ("wrong-name", false)] {
        let folder = place.pki.join(who);
        let uri = format!("qemu://localhost:{}/system?pkipath={}", place.port, folder.display());
        let ran = Command::new("virsh").args(["-c", &uri, "list"]).output().unwrap();
        assert_eq!(ran.status.success(), may, "{who}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn certificates_are_read_again() {
    let place = place("tls-reload", "");
    assert!(place.uri("right", "localhost", true).is_ok());
    let mut admin = place.instance.connect("libvirt-admin-sock");
    admin.call::<admin_call::ConnectOpen>(&admin_wire::ConnectOpenArgs { flags: 0 }).unwrap();
    let srv = admin_wire::ServerRef { name: "libvirtd".to_owned() };
    let args = admin_wire::ServerUpdateTlsFilesArgs { srv, flags: 0 };
    admin.call::<admin_call::ServerUpdateTlsFiles>(&args).unwrap();
    // What cannot be used changes nothing.
    fs::write(place.pki.join("server/cacert.pem"), "garbage").unwrap();
    let (_, _, text) = admin.refused::<admin_call::ServerUpdateTlsFiles>(&args);
    assert!(text.contains("Unable to import CA certificate"), "{text}");
    assert!(place.uri("right", "localhost", true).is_ok());
    // From now on another signer counts.
    fs::copy(place.pki.join("other-trust/cacert.pem"), place.pki.join("server/cacert.pem")).unwrap();
    fs::remove_file(place.pki.join("crl.pem")).unwrap();
    admin.call::<admin_call::ServerUpdateTlsFiles>(&args).unwrap();
    assert!(place.uri("right", "localhost", true).is_err());
}

const RULES: &str = "\
allow certificate CN=right,* connect.*
allow certificate CN=right,* domain.* name=mine-*
";

#[test]
fn rules_say_who_may_do_what() {
    let name = "rules";
    let root = std::env::temp_dir().join(format!("ostlerd-wire-{}-{name}", std::process::id()));
    fs::create_dir_all(root.join("etc/libvirt")).unwrap();
    fs::write(root.join("etc/libvirt/access.rules"), RULES).unwrap();
    let place = place(name, "access_drivers = [\"rules\"]\n");
    let mut local = place.instance.connect("libvirt-sock");
    local.open(0);
    for name in ["mine-1", "other-1"] {
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
        );
        if local.call::<call::DomainDefineXml>(&wire::DomainDefineXmlArgs { xml }).is_err() {
            eprintln!("SKIPPED: no emulator");
            return;
        }
    }
    // Root of this host may do everything.
    assert_eq!(local.call::<call::ConnectNumOfDefinedDomains>(&()).unwrap().num, 2);
    let seen = place.with("right", "localhost", true, async |client| {
        let denied = "access denied: 'rules' denied access";
        assert_eq!(client.call::<call::ConnectNumOfDefinedDomains>(&()).await.unwrap().num, 1);
        let args = wire::ConnectListAllDomainsArgs { need_results: 1, flags: 0 };
        let all = client.call::<call::ConnectListAllDomains>(&args).await.unwrap();
        assert_eq!((all.ret, &all.domains.0[0].name[..]), (1, "mine-1"));
        let args = wire::DomainLookupByNameArgs { name: "other-1".to_owned() };
        let error = client.call::<call::DomainLookupByName>(&args).await.err().unwrap();
        assert_eq!((error.code().number(), error.to_string()), (88, denied.to_owned()));
        let dom = all.domains.0[0].clone();
        client.call::<call::DomainUndefine>(&wire::DomainUndefineArgs { dom }).await.unwrap();
        // Nobody knows yet which domain it will be.
        let args = wire::DomainDefineXmlArgs { xml: "<domain/>".to_owned() };
        let error = client.call::<call::DomainDefineXml>(&args).await.err().unwrap();
        assert_eq!(error.to_string(), denied);
        // Networks are nobody's here: there are none to be seen.
        Ok(client.call::<call::ConnectNumOfNetworks>(&()).await.unwrap().num)
    });
    assert_eq!(seen, Ok(0));
    let error = place.uri("wrong-name", "localhost", true).unwrap_err();
    assert_eq!(error, "access denied: 'rules' denied access");
}
