//! TLS towards a server.
//!
//! Owns: which servers are believed. Never: falls back to less than was asked for.

use std::io;
use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::der::Certificate;
use super::files::{Files, wrong};
use super::priority;

/// What is asked of a server, and shown to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRules {
    /// The files; the own certificate need not be there.
    pub files: Files,
    /// Whether the server has to prove that it is the host that was meant.
    pub verify: bool,
    /// Which versions and ciphers may be used, as GnuTLS says it; empty: all that are safe.
    pub priority: String,
}

fn refused(text: String) -> Error {
    Error::new(Code::SystemError, Origin::Rpc, text)
}

/// Shakes hands with the server of a host over a connection to it.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    host: &str,
    rules: &ClientRules,
) -> Result<TlsStream<S>> {
    let config = config(rules)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| refused(format!("'{host}' is no name of a host")))?;
    let connector = TlsConnector::from(Arc::new(config));
    let shaken = connector.connect(name, socket).await;
    let mut stream = shaken.map_err(|error| refused(format!("TLS handshake failed {error}")))?;
    let mut verdict = [0];
    let read = stream.read_exact(&mut verdict).await;
    read.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            _ => error.to_string(),
        };
        refused(format!("Unable to read TLS confirmation: {why}"))
    })?;
    if verdict != [1] {
        return Err(refused("server verification (of our certificate or IP address) failed".to_owned()));
    }
    Ok(stream)
}

fn config(rules: &ClientRules) -> Result<ClientConfig> {
    let failed = |error: &dyn std::fmt::Display| wrong(format!("cannot set up TLS: {error}"));
    let priority = priority::parse(&rules.priority);
    let provider = priority.provider;
    let verifier = Verifier {
        roots: if rules.verify { rules.files.roots()? } else { Arc::new(RootCertStore::empty()) },
        revoked: if rules.verify { revoked(&rules.files, &provider)? } else { None },
        verify: rules.verify,
        provider: provider.clone(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&priority.versions)
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    if rules.files.cert.exists() && rules.files.key.exists() {
        let (chain, key) = rules.files.own("client")?;
        builder.with_client_auth_cert(chain, key).map_err(|error| failed(&error))
    } else {
        Ok(builder.with_no_client_auth())
    }
}

/// What knows which certificates were taken back; nothing where there is no list of them.
fn revoked(files: &Files, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<WebPkiServerVerifier>>> {
    let lists = files.lists()?;
    if lists.is_empty() {
        return Ok(None);
    }
    let built = WebPkiServerVerifier::builder_with_provider(files.roots()?, provider.clone())
        .with_crls(lists)
        .only_check_end_entity_revocation()
        .allow_unknown_revocation_status()
        .build();
    built.map(Some).map_err(|error| wrong(format!("cannot set up TLS: {error}")))
}

/// Believes a server whose certificate a known signer signed and that is for the host: by the names
/// made for that, or by the common name where there are none.
#[derive(Debug)]
struct Verifier {
    roots: Arc<RootCertStore>,
    revoked: Option<Arc<WebPkiServerVerifier>>,
    verify: bool,
    provider: Arc<CryptoProvider>,
}

fn is_for(der: &CertificateDer<'_>, parsed: &ParsedCertificate<'_>, host: &ServerName<'_>) -> bool {
    let Some(own) = Certificate::read(der) else { return false };
    if own.names_hosts {
        return verify_server_name(parsed, host).is_ok();
    }
    own.common_name.is_some_and(|name| name.eq_ignore_ascii_case(&host.to_str()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if !self.verify {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        if !is_for(end_entity, &parsed, server_name) {
            return Err(CertificateError::NotValidForName.into());
        }
        if let Some(revoked) = &self.revoked {
            let verdict =
                revoked.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
            if let Err(error @ rustls::Error::InvalidCertificate(CertificateError::Revoked)) = verdict {
                return Err(error);
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
