//! `ostler pki init`: a signer, and the certificates of a server and a client, where both look for
//! them.
//!
//! Owns: which files are made, with which rights. Never: replaces a file, leaves half a set behind.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// What is said where the words make no sense.
const USAGE: &str = "usage: ostler pki init [--to DIR] [--host NAME]... [--client NAME]\n\n\
    Makes a signer and the certificates of a server and a client below DIR (/etc/pki). HOST is a name or\n\
    an address by which clients know the server; without any, this host's name and localhost. Nothing is\n\
    replaced.\n";

/// How long certificates count, and how long before now, for clocks that are behind.
const COUNTS: Duration = Duration::from_secs(3650 * 86_400);
const BEFORE: Duration = Duration::from_secs(86_400);

#[derive(Debug, PartialEq, Eq)]
struct Asked {
    to: PathBuf,
    hosts: Vec<String>,
    client: String,
}

fn read(words: &[String]) -> Option<Asked> {
    let (first, mut rest) = words.split_first()?;
    let mut asked = Asked { to: "/etc/pki".into(), hosts: Vec::new(), client: "client".to_owned() };
    while let [option, value, more @ ..] = rest {
        match &option[..] {
            "--to" => asked.to = value.into(),
            "--host" => asked.hosts.push(value.clone()),
            "--client" => asked.client.clone_from(value),
            _ => return None,
        }
        rest = more;
    }
    (first == "init" && rest.is_empty()).then_some(asked)
}

/// Does what the words behind `pki` ask for. The error is for the user.
pub(crate) fn run(words: &[String]) -> Result<String, String> {
    let mut asked = read(words).ok_or(USAGE)?;
    if asked.hosts.is_empty() {
        let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
        asked.hosts = vec![own, "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    }
    let files = certificates(&asked).map_err(|e| format!("cannot make certificates: {e}"))?;
    let mut made = Vec::new();
    for (path, text, secret) in &files {
        let path = asked.to.join(path);
        if let Err(why) = write(&path, text, *secret) {
            for path in made {
                // What cannot be taken back is not there any more.
                let _ = fs::remove_file(path);
            }
            return Err(why);
        }
        made.push(path);
    }
    Ok(made.iter().map(|path| format!("{}\n", path.display())).collect())
}

fn params(name: &str, hosts: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(BEFORE);
    params.not_after = date_time_ymd(1970, 1, 1) + now + COUNTS;
    Ok(params)
}

/// Every file: its place, its text, whether it is a secret.
fn certificates(asked: &Asked) -> Result<Vec<(&'static str, String, bool)>, rcgen::Error> {
    let mut own = params("ostler signer", Vec::new())?;
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let signer = CertifiedIssuer::self_signed(own, KeyPair::generate()?)?;
    let signed = |name: &str, hosts: Vec<String>, purpose| {
        let mut params = params(name, hosts)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        Ok::<_, rcgen::Error>((params.signed_by(&key, &signer)?.pem(), key.serialize_pem()))
    };
    let host = asked.hosts.first().map_or("localhost", String::as_str);
    let server = signed(host, asked.hosts.clone(), ExtendedKeyUsagePurpose::ServerAuth)?;
    let client = signed(&asked.client, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)?;
    Ok(vec![
        ("CA/private/cakey.pem", signer.key().serialize_pem(), true),
        ("CA/cacert.pem", signer.pem(), false),
        ("libvirt/private/serverkey.pem", server.1, true),
        ("libvirt/servercert.pem", server.0, false),
        ("libvirt/private/clientkey.pem", client.1, true),
        ("libvirt/clientcert.pem", client.0, false),
    ])
}

/// Writes a file that is not there yet; a secret is for its owner only from the first moment.
fn write(path: &Path, text: &str, secret: bool) -> Result<(), String> {
    let (file, directory) = if secret { (0o600, 0o700) } else { (0o644, 0o755) };
    let failed = |e: std::io::Error| format!("cannot make {}: {e}", path.display());
    if let Some(parent) = path.parent() {
        // The directory above a secret's own is for everybody to look at.
        if let Some(above) = parent.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(above).map_err(failed)?;
        }
        DirBuilder::new().recursive(true).mode(directory).create(parent).map_err(failed)?;
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(file).open(path).map_err(failed)?;
    let written = out.write_all(text.as_bytes()).and_then(|()| out.sync_all());
    written.map_err(|e| {
        // The error is told; what is left of the file must not be.
        let _ = fs::remove_file(path);
        failed(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn forms() {
        let asked = read(&words("init --to /x --host a --host b --client c")).unwrap();
        let hosts = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(asked, Asked { to: "/x".into(), hosts, client: "c".to_owned() });
        for line in ["", "make", "init --to", "init --what x", "init x"] {
            assert_eq!(read(&words(line)), None, "{line}");
        }
    }

    #[test]
    fn a_set_and_no_half_of_one() {
        let to = std::env::temp_dir().join(format!("ostler-pki-{}", std::process::id()));
        let line = format!("init --to {} --host localhost", to.display());
        assert_eq!(run(&words(&line)).unwrap().lines().count(), 6);
        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("CA/private/cakey.pem"), mode("libvirt/private/clientkey.pem")), (0o600, 0o600));
        assert_eq!((mode("libvirt/private"), mode("libvirt/servercert.pem")), (0o700, 0o644));
        // Nothing is replaced, and what was made before the obstacle goes again.
        fs::remove_file(to.join("CA/private/cakey.pem")).unwrap();
        let before = fs::read_to_string(to.join("CA/cacert.pem")).unwrap();
        assert!(run(&words(&line)).unwrap_err().contains("CA/cacert.pem"));
        assert!(!to.join("CA/private/cakey.pem").exists());
        assert_eq!(fs::read_to_string(to.join("CA/cacert.pem")).unwrap(), before);
        fs::remove_dir_all(to).unwrap();
    }
}
