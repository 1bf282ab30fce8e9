//! The files of certificates and keys.
//!
//! Owns: reading them, and what is said of one that cannot be used. Never: shows a key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ostler_base::{Code, Error, Origin, Result};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::der::Certificate;

/// The most bytes of a file.
const FILE_MAX: u64 = 16 << 20;

/// Where the files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificates of those who may sign.
    pub ca: PathBuf,
    /// The list of those that are taken back; it need not be there.
    pub crl: Option<PathBuf>,
    /// This side's own certificate, with those between it and the signer.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

pub(super) fn wrong(text: String) -> Error {
    Error::new(Code::SystemError, Origin::Rpc, text)
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes));
    read.map_err(|error| {
        let words = error.to_string();
        let words = words.split_once(" (os error").map_or(words.as_str(), |(words, _)| words);
        wrong(format!("Cannot read {what} '{}': {words}", path.display()))
    })?;
    Ok(bytes)
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(path, what)?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(format!("Unable to import {what} {}", path.display()))),
    }
}

impl Files {
    /// The certificates of those who may sign.
    pub(super) fn roots(&self) -> Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca, "CA certificate")? {
            roots.add(certificate).map_err(|error| {
                wrong(format!("The CA certificate {} cannot be used: {error}", self.ca.display()))
            })?;
        }
        Ok(Arc::new(roots))
    }

    /// The lists of those that are taken back; none where the file is not there.
    pub(super) fn lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>> {
        let Some(path) = self.crl.as_ref().filter(|path| path.exists()) else { return Ok(Vec::new()) };
        let bytes = read(path, "CA certificate revocation list")?;
        let found: std::result::Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
        found.map_err(|error| {
            wrong(format!("Unable to import certificate revocation list {}: {error}", path.display()))
        })
    }

    /// This side's own certificate and key.
    pub(super) fn own(&self, what: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = certificates(&self.cert, &format!("{what} certificate"))?;
        let bytes = read(&self.key, &format!("{what} key"))?;
        let key = PrivateKeyDer::from_pem_slice(&bytes)
            .map_err(|error| wrong(format!("Unable to import {what} key {}: {error}", self.key.display())))?;
        Ok((chain, key))
    }

    /// Refuses certificates that do not count now.
    pub(super) fn check_times(&self, what: &str) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        for (path, what) in [(&self.ca, "CA"), (&self.cert, what)] {
            for certificate in certificates(path, &format!("{what} certificate"))? {
                let Some(Certificate { validity: (since, until), .. }) = Certificate::read(&certificate)
                else {
                    return Err(wrong(format!("Unable to import {what} certificate {}", path.display())));
                };
                let path = path.display();
                if now < since {
                    return Err(wrong(format!("The {what} certificate {path} is not yet active")));
                }
                if now > until {
                    return Err(wrong(format!("The {what} certificate {path} has expired")));
                }
            }
        }
        Ok(())
    }
}
