//! Images that nbdkit serves: another program talks to the server in the emulator's place.
//!
//! Owns: which images, and the program's command line. Never: starts it, or sees a password.

use ostler_base::{Result, YesNo};
use ostler_vocab::secret_lookup::SecretLookup;

use super::Image;
use super::network::NetworkImage;
use super::place::{Place, Protocol};

/// What goes through a pipe to the program, with a newline after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piped {
    /// The value of a secret of a type.
    Secret {
        /// Its type, as the definition says it.
        kind: String,
        /// Which one.
        lookup: SecretLookup,
    },
    /// A text.
    Text(String),
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// As it stands.
    Plain(String),
    /// `KEY=-N`, N being the descriptor that this can be read from.
    Pipe(&'static str, Piped),
}

/// The program's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Variables that are set.
    pub environment: Vec<(&'static str, String)>,
    /// Arguments after the program's name.
    pub arguments: Vec<Argument>,
}

/// Features of the program that matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// It can talk HTTP and FTP.
    pub curl: bool,
    /// It can talk SSH.
    pub ssh: bool,
    /// It can read ahead.
    pub readahead: bool,
}

impl Features {
    /// By the names of plugins and filters.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        names.into_iter().fold(Self::default(), |features, name| match name {
            "plugin-curl" => Features { curl: true, ..features },
            "plugin-ssh" => Features { ssh: true, ..features },
            "filter-readahead" => Features { readahead: true, ..features },
            _ => features,
        })
    }

    /// Whether the program can serve an image.
    pub fn serve(&self, image: &Image) -> bool {
        let Place::Network(network) = image.actual() else { return false };
        match network.protocol {
            Protocol::Http | Protocol::Https | Protocol::Ftp | Protocol::Ftps | Protocol::Tftp => self.curl,
            Protocol::Ssh => self.ssh,
            _ => false,
        }
    }
}

impl Command {
    /// The command line that serves an image at a socket; `None` where the program cannot.
    pub fn serving(image: &Image, socket: &str, readonly: bool, features: Features) -> Result<Option<Self>> {
        let Place::Network(network) = image.actual() else { return Ok(None) };
        if !features.serve(image) {
            return Ok(None);
        }
        let mut command = Command { environment: Vec::new(), arguments: Vec::new() };
        for word in ["--unix", socket, "--foreground"] {
            command.plain(word);
        }
        if readonly {
            command.plain("--readonly");
        }
        if features.readahead && network.readahead.is_some_and(|size| size != 0) {
            command.plain("--filter=readahead");
        }
        if network.protocol == Protocol::Ssh {
            command.ssh(image, network);
        } else {
            command.curl(image, network)?;
        }
        Ok(Some(command))
    }

    fn plain(&mut self, word: &str) {
        self.arguments.push(Argument::Plain(word.to_owned()));
    }

    fn pair(&mut self, key: &str, value: impl std::fmt::Display) {
        self.arguments.push(Argument::Plain(format!("{key}={value}")));
    }

    fn curl(&mut self, image: &Image, network: &NetworkImage) -> Result<()> {
        self.plain("curl");
        match network.protocol {
            // A server may send its callers on to where the connection is encrypted.
            Protocol::Http => self.pair("protocols", "http,https"),
            protocol => self.pair("protocols", protocol),
        }
        self.pair("url", network.url()?);
        self.login(image);
        let cookies = network.cookie_header().map(|text| Argument::Pipe("cookie", Piped::Text(text)));
        self.arguments.extend(cookies);
        if network.ssl_verify == Some(YesNo::No) {
            self.pair("sslverify", "false");
        }
        if let Some(seconds) = network.timeout.filter(|seconds| *seconds != 0) {
            self.pair("timeout", seconds);
        }
        Ok(())
    }

    fn ssh(&mut self, image: &Image, network: &NetworkImage) {
        self.plain("ssh");
        if let Some(host) = network.hosts.first() {
            self.pair("host", host.name.as_deref().unwrap_or_default());
            if let Some(port) = host.port {
                self.pair("port", port);
            }
        }
        self.pair("path", network.name.as_deref().unwrap_or_default());
        if image.auth.is_some() {
            self.login(image);
        } else {
            for (key, name) in [("identity", "keyfile"), ("user", "username")] {
                if let Some(value) = network.identity(name) {
                    self.pair(key, value);
                }
            }
        }
        let agent = network.identity("agentsock").map(|path| ("SSH_AUTH_SOCK", path.to_owned()));
        self.environment.extend(agent);
        if let Some(path) = &network.known_hosts {
            self.pair("known-hosts", path);
        }
        if network.no_host_key_check {
            self.pair("verify-remote-host", "false");
        }
    }

    fn login(&mut self, image: &Image) {
        let Some(auth) = &image.auth else { return };
        self.pair("user", &auth.username);
        let kind = auth.secret_type.clone().or_else(|| auth.kind.map(|kind| kind.to_string()));
        let secret = Piped::Secret { kind: kind.unwrap_or_default(), lookup: auth.secret.clone() };
        self.arguments.push(Argument::Pipe("password", secret));
    }
}
