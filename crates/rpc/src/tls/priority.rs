//! Which versions, ciphers and groups may be used, as GnuTLS' priority strings say it.
//!
//! Owns: reading such a string. Never: allows what the library does not have.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SupportedCipherSuite, SupportedProtocolVersion};

/// What a string asks for.
#[derive(Debug)]
pub(super) struct Priority {
    /// What is left of ciphers and groups.
    pub(super) provider: Arc<CryptoProvider>,
    /// The versions.
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// Words that mean nothing here.
    pub(super) unknown: Vec<String>,
}

/// The ciphers of a word, by what their names hold.
const CIPHERS: &[(&str, &str)] = &[
    ("AES-128-GCM", "AES_128_GCM"),
    ("AES-256-GCM", "AES_256_GCM"),
    ("CHACHA20-POLY1305", "CHACHA20_POLY1305"),
];

const GROUPS: &[(&str, NamedGroup)] = &[
    ("GROUP-X25519", NamedGroup::X25519),
    ("GROUP-SECP256R1", NamedGroup::secp256r1),
    ("GROUP-SECP384R1", NamedGroup::secp384r1),
];

/// Words that are known and change nothing: what they are about is not offered anyway, or is
/// always on.
const HARMLESS: &[&str] = &[
    "NORMAL",
    "PFS",
    "PERFORMANCE",
    "SECURE128",
    "SYSTEM",
    "LEGACY",
    "COMP-NULL",
    "VERS-SSL3.0",
    "VERS-TLS1.0",
    "VERS-TLS1.1",
    "VERS-DTLS-ALL",
    "VERS-DTLS1.0",
    "VERS-DTLS1.2",
    "RSA",
    "DHE-RSA",
    "DHE-DSS",
    "ECDHE-RSA",
    "ECDHE-ECDSA",
    "3DES-CBC",
    "ARCFOUR-128",
    "AES-128-CBC",
    "AES-256-CBC",
    "AES-128-CCM",
    "AES-256-CCM",
    "MD5",
    "SHA1",
    "SHA256",
    "SHA384",
    "AEAD",
    "ANON-DH",
    "ANON-ECDH",
    "GROUP-FFDHE2048",
    "GROUP-FFDHE3072",
    "GROUP-FFDHE4096",
    "GROUP-SECP521R1",
    "GROUP-X448",
    "SIGN-ALL",
    "CTYPE-X509",
    "CURVE-ALL",
    "KX-ALL",
    "MAC-ALL",
    "COMP-ALL",
    "SIGN-RSA-SHA1",
];

fn named(suite: &SupportedCipherSuite, part: &str) -> bool {
    suite.suite().as_str().is_some_and(|name| name.contains(part))
}

/// A set that words add to and take from, in the order in which its members are preferred.
struct Chosen<T: 'static>(Vec<(T, bool)>);

impl<T: Copy> Chosen<T> {
    fn all(members: impl IntoIterator<Item = T>) -> Self {
        Chosen(members.into_iter().map(|member| (member, true)).collect())
    }

    fn set(&mut self, on: bool, is: impl Fn(&T) -> bool) {
        self.0.iter_mut().filter(|(member, _)| is(member)).for_each(|(_, chosen)| *chosen = on);
    }

    fn into_vec(self) -> Vec<T> {
        self.0.into_iter().filter(|(_, chosen)| *chosen).map(|(member, _)| member).collect()
    }
}

/// Reads a priority string.
pub(super) fn parse(text: &str) -> Priority {
    let base = aws_lc_rs::default_provider();
    let mut suites: Chosen<SupportedCipherSuite> = Chosen::all(base.cipher_suites.iter().copied());
    let mut groups: Chosen<&dyn SupportedKxGroup> = Chosen::all(base.kx_groups.iter().copied());
    let mut versions: Chosen<&SupportedProtocolVersion> = Chosen::all([&TLS13, &TLS12]);
    let mut unknown = Vec::new();
    for part in text.split([':', ',']).map(str::trim).filter(|part| !part.is_empty()) {
        if part.starts_with('%') {
            continue;
        }
        let (on, word) = match (part.strip_prefix(['-', '!']), part.strip_prefix(['+', '@'])) {
            (Some(word), _) => (false, word),
            (None, Some(word)) => (true, word),
            (None, None) => (true, part),
        };
        match word {
            "NONE" => {
                suites.set(false, |_| true);
                groups.set(false, |_| true);
                versions.set(false, |_| true);
            }
            "VERS-ALL" | "VERS-TLS-ALL" => versions.set(on, |_| true),
            "VERS-TLS1.2" => versions.set(on, |version| version.version == TLS12.version),
            "VERS-TLS1.3" => versions.set(on, |version| version.version == TLS13.version),
            "CIPHER-ALL" => suites.set(on, |_| true),
            "GROUP-ALL" => groups.set(on, |_| true),
            "SECURE192" | "SECURE256" | "SUITEB192" => suites.set(false, |suite| named(suite, "AES_128")),
            "SUITEB128" => suites.set(false, |suite| !named(suite, "AES_128")),
            _ if HARMLESS.contains(&word) => {}
            _ => {
                let cipher = CIPHERS.iter().find(|(name, _)| *name == word);
                let group = GROUPS.iter().find(|(name, _)| *name == word);
                match (cipher, group) {
                    (Some((_, part)), _) => suites.set(on, |suite| named(suite, part)),
                    (_, Some((_, group))) => groups.set(on, |member| member.name() == *group),
                    _ => unknown.push(word.to_owned()),
                }
            }
        }
    }
    let provider = CryptoProvider { cipher_suites: suites.into_vec(), kx_groups: groups.into_vec(), ..base };
    Priority { provider: Arc::new(provider), versions: versions.into_vec(), unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (Vec<String>, usize, usize) {
        let priority = parse(text);
        let versions = priority.versions.iter().map(|v| format!("{:?}", v.version)).collect();
        (versions, priority.provider.cipher_suites.len(), priority.provider.kx_groups.len())
    }

    #[test]
    fn strings() {
        let (versions, suites, groups) = shown("NORMAL");
        assert_eq!(versions, ["TLSv1_3", "TLSv1_2"]);
        assert!(suites > 5 && groups >= 3);
        assert_eq!(shown("NORMAL:-VERS-TLS1.2:%SERVER_PRECEDENCE").0, ["TLSv1_3"]);
        assert_eq!(shown("NORMAL:-VERS-ALL:+VERS-TLS1.2").0, ["TLSv1_2"]);
        assert!(parse("SECURE256").provider.cipher_suites.iter().all(|suite| !named(suite, "AES_128")));
        assert_eq!(shown("NORMAL:-GROUP-ALL:+GROUP-SECP384R1").2, 1);
        assert_eq!(parse("NORMAL:+FOO:@LIBVIRT").unknown, ["FOO", "LIBVIRT"]);
    }
}
