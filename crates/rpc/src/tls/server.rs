//! TLS where clients come in.
//!
//! Owns: which certificates are taken, and the byte that tells a client that it is let in. Never:
//! decides what it may do afterwards.

use std::sync::{Arc, PoisonError, RwLock};

use ostler_base::Result;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::der::Certificate;
use super::files::{Files, wrong};
use super::{fits, priority};

/// What is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The files.
    pub files: Files,
    /// Whether a client has to show a certificate that one of the signers signed.
    pub verify: bool,
    /// Whether the server's own certificates have to count now.
    pub check_own: bool,
    /// Which names are let in, as patterns; empty: all.
    pub names: Vec<String>,
    /// Which versions and ciphers may be used, as GnuTLS says it; empty: all that are safe.
    pub priority: String,
}

#[derive(Debug)]
struct Loaded {
    acceptor: Acceptor,
    rules: Rules,
}

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

/// TLS of a server; certificates can be read again while clients come.
#[derive(Debug)]
pub struct ServerTls(RwLock<Arc<Loaded>>);

/// A client that was let in.
#[derive(Debug)]
pub struct Accepted<S> {
    /// What is said over it is protected.
    pub stream: TlsStream<S>,
    /// The distinguished name in its certificate.
    pub name: Option<String>,
}

impl ServerTls {
    /// Reads the files. The second: words of the priority string that mean nothing here.
    pub fn load(rules: Rules) -> Result<(Self, Vec<String>)> {
        let (loaded, unknown) = load(rules)?;
        Ok((ServerTls(RwLock::new(Arc::new(loaded))), unknown))
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again, by new rules or the same; where they cannot be used, everything stays
    /// as it was. Clients that are in stay.
    pub fn reload(&self, rules: Option<Rules>) -> Result<()> {
        let rules = rules.unwrap_or_else(|| self.loaded().rules.clone());
        let (loaded, _) = load(rules)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        Ok(())
    }

    /// Lets a client in, or says why not. Waits for the client as long as it likes.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> std::result::Result<Accepted<S>, String> {
        let loaded = self.loaded();
        let shaken = loaded.acceptor.0.accept(socket).await;
        let mut stream = shaken.map_err(|error| format!("TLS handshake failed: {error}"))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let name = shown.and_then(|der| Certificate::read(der)).map(|certificate| certificate.subject);
        let rules = &loaded.rules;
        if rules.verify && !rules.names.is_empty() {
            let name = name.as_deref().unwrap_or_default();
            if !rules.names.iter().any(|pattern| fits(pattern, name)) {
                return Err(format!(
                    "Client's Distinguished Name {name} is not on the list of allowed names"
                ));
            }
        }
        // Until this byte comes the client does not know that its certificate was taken.
        let told = async {
            stream.write_all(&[1]).await?;
            stream.flush().await
        };
        told.await.map_err(|error| format!("cannot tell the client that it is let in: {error}"))?;
        Ok(Accepted { stream, name })
    }
}

fn load(rules: Rules) -> Result<(Loaded, Vec<String>)> {
    let Rules { files, verify, check_own, priority, .. } = &rules;
    let roots = files.roots()?;
    if *check_own {
        files.check_times("server")?;
    }
    let (chain, key) = files.own("server")?;
    let priority = priority::parse(priority);
    let failed = |error: &dyn std::fmt::Display| wrong(format!("cannot set up TLS: {error}"));
    let builder = ServerConfig::builder_with_provider(priority.provider.clone())
        .with_protocol_versions(&priority.versions)
        .map_err(|error| failed(&error))?;
    let builder = if *verify {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, priority.provider.clone())
            .with_crls(files.lists()?)
            .only_check_end_entity_revocation()
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| failed(&error))?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        wrong(format!("certificate {} and key {}: {error}", files.cert.display(), files.key.display()))
    })?;
    // Clients of GnuTLS wait for the one byte after the handshake and stumble over anything before
    // it.
    config.send_tls13_tickets = 0;
    let acceptor = Acceptor(TlsAcceptor::from(Arc::new(config)));
    Ok((Loaded { acceptor, rules }, priority.unknown))
}
