//! The settings of `libvirtd.conf`: one table of keys with their defaults.
//!
//! Owns: which keys there are, their types and what they default to. Never: acts on a setting.

use std::path::{Path, PathBuf};

use crate::conf::{self, Value};

/// Why a configuration cannot be used; the text names the file, the line and the key.
#[derive(Debug)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A type that a setting can have.
trait Typed: Sized {
    /// What messages call it.
    const KIND: &'static str;

    /// The value, if the type and the range fit.
    fn typed(value: Value) -> Option<Self>;
}

impl Typed for u32 {
    const KIND: &'static str = "a number from 0 to 4294967295";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

impl Typed for i32 {
    const KIND: &'static str = "a number";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

impl Typed for bool {
    const KIND: &'static str = "0 or 1";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Number(0) => Some(false),
            Value::Number(1) => Some(true),
            _ => None,
        }
    }
}

impl Typed for String {
    const KIND: &'static str = "a string";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<T: Typed> Typed for Option<T> {
    const KIND: &'static str = T::KIND;

    fn typed(value: Value) -> Option<Self> {
        T::typed(value).map(Some)
    }
}

/// A single string counts as a list of one.
impl Typed for Vec<String> {
    const KIND: &'static str = "a list of strings";

    fn typed(value: Value) -> Option<Self> {
        match value {
            Value::List(values) => values.into_iter().map(String::typed).collect(),
            Value::Text(text) => Some(vec![text]),
            Value::Number(_) => None,
        }
    }
}

/// Declares the keys: `name: Type = default;`.
macro_rules! settings {
    ($($name:ident: $type:ty = $default:expr;)+) => {
        /// The settings, each under its key of `libvirtd.conf`.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the fields are the keys of libvirtd.conf, which its manual describes")]
        pub struct Config { $(pub $name: $type,)+ }

        impl Default for Config {
            fn default() -> Self {
                Config { $($name: $default,)+ }
            }
        }

        impl Config {
            /// Every key.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Sets a key. `Ok(false)`: there is no such key; `Err`: what its value should be.
            fn set(&mut self, key: &str, value: Value) -> Result<bool, &'static str> {
                match key {
                    $(stringify!($name) => {
                        self.$name = Typed::typed(value).ok_or(<$type as Typed>::KIND)?;
                    })+
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

settings! {
    listen_tls: bool = true;
    listen_tcp: bool = false;
    tls_port: String = "16514".into();
    tcp_port: String = "16509".into();
    listen_addr: Option<String> = None;
    unix_sock_group: Option<String> = None;
    unix_sock_ro_perms: String = "0777".into();
    unix_sock_rw_perms: String = "0700".into();
    unix_sock_admin_perms: String = "0700".into();
    unix_sock_dir: Option<String> = None;
    auth_unix_ro: String = "none".into();
    auth_unix_rw: String = "none".into();
    auth_tcp: String = "sasl".into();
    auth_tls: String = "none".into();
    tcp_min_ssf: u32 = 56;
    access_drivers: Vec<String> = Vec::new();
    key_file: Option<String> = None;
    cert_file: Option<String> = None;
    ca_file: Option<String> = None;
    crl_file: Option<String> = None;
    tls_no_sanity_certificate: bool = false;
    tls_no_verify_certificate: bool = false;
    tls_allowed_dn_list: Vec<String> = Vec::new();
    tls_priority: Option<String> = None;
    sasl_allowed_username_list: Vec<String> = Vec::new();
    max_clients: u32 = 5000;
    max_queued_clients: u32 = 1000;
    max_anonymous_clients: u32 = 20;
    min_workers: u32 = 5;
    max_workers: u32 = 20;
    prio_workers: u32 = 5;
    max_client_requests: u32 = 5;
    admin_min_workers: u32 = 5;
    admin_max_workers: u32 = 20;
    admin_max_clients: u32 = 5000;
    admin_max_queued_clients: u32 = 20;
    admin_max_client_requests: u32 = 5;
    log_level: u32 = 3;
    log_filters: Option<String> = None;
    log_outputs: Option<String> = None;
    audit_level: u32 = 1;
    audit_logging: bool = false;
    host_uuid: Option<String> = None;
    host_uuid_source: Option<String> = None;
    keepalive_interval: i32 = 5;
    keepalive_count: u32 = 5;
    keepalive_required: bool = false;
    admin_keepalive_required: bool = false;
    admin_keepalive_interval: i32 = 5;
    admin_keepalive_count: u32 = 5;
    ovs_timeout: u32 = 5;
}

/// A configuration, and what its file says that is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Messages for the log.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a file's text; `path` is for messages. Keys that are not known are passed over with
    /// a warning.
    pub fn parse(text: &str, path: &Path) -> Result<Loaded, ConfigError> {
        let place = |line: u32| format!("{}:{line}", path.display());
        let settings =
            conf::parse(text).map_err(|e| ConfigError(format!("{}: {}", place(e.line), e.what)))?;
        let mut config = Config::default();
        let mut warnings = Vec::new();
        for setting in settings {
            let kind = setting.value.kind();
            match config.set(&setting.key, setting.value) {
                Ok(true) => {}
                Ok(false) => {
                    warnings.push(format!(
                        "{}: unknown key '{}' is passed over",
                        place(setting.line),
                        setting.key
                    ));
                }
                Err(wanted) => {
                    let key = setting.key;
                    let place = place(setting.line);
                    return Err(ConfigError(format!("{place}: '{key}' must be {wanted}, not this {kind}")));
                }
            }
        }
        config.check(path)?;
        Ok(Loaded { config, warnings })
    }

    /// Reads a file. Where none was asked for by name, a missing one means the defaults.
    pub fn load(path: &Path, must_exist: bool) -> Result<Loaded, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(Loaded::default()),
            Err(e) => Err(ConfigError(format!("cannot read configuration file {}: {e}", path.display()))),
        }
    }

    /// Refuses what cannot be kept: a way of authentication that is not there must not be taken
    /// for none.
    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let refuse = |key: &str, value: &str, why: &str| {
            Err(ConfigError(format!("{}: {key} = \"{value}\": {why}", path.display())))
        };
        for (key, value) in [("auth_unix_ro", &self.auth_unix_ro), ("auth_unix_rw", &self.auth_unix_rw)] {
            match value.as_str() {
                "none" => {}
                "polkit" | "sasl" => {
                    return refuse(
                        key,
                        value,
                        "this authentication is not available; set it to \"none\" and restrict the socket with unix_sock_group and its permissions",
                    );
                }
                _ => return refuse(key, value, "unknown authentication"),
            }
        }
        if let Some(driver) = self.access_drivers.iter().find(|driver| *driver != "none") {
            return refuse("access_drivers", driver, "this access driver is not available");
        }
        for (key, value) in [
            ("unix_sock_ro_perms", &self.unix_sock_ro_perms),
            ("unix_sock_rw_perms", &self.unix_sock_rw_perms),
            ("unix_sock_admin_perms", &self.unix_sock_admin_perms),
        ] {
            if permissions(value).is_none() {
                return refuse(key, value, "not an octal number from 0 to 0777");
            }
        }
        Ok(())
    }

    /// The directory of the sockets, if the file names one.
    pub fn socket_dir(&self) -> Option<PathBuf> {
        self.unix_sock_dir.as_ref().map(PathBuf::from)
    }
}

/// Permissions of a socket: an octal number from 0 to 0777.
pub fn permissions(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && !text.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("x.conf")).map(|loaded| loaded.config).map_err(|e| e.0)
    }

    #[test]
    fn empty_is_default() {
        assert_eq!(parse("# nothing\n"), Ok(Config::default()));
    }

    #[test]
    fn keys_are_set() {
        let config = parse(
            "unix_sock_group = \"libvirt\"\nlisten_tcp = 1\nlog_level = 1\nnew_key = 7\nsasl_allowed_username_list = [\"a\", \"b\"]\n",
        )
        .unwrap();
        assert_eq!(config.unix_sock_group.as_deref(), Some("libvirt"));
        assert!(config.listen_tcp);
        assert_eq!(config.log_level, 1);
        let warnings = Config::parse("\nnew_key = 7", Path::new("x.conf")).unwrap().warnings;
        assert_eq!(warnings, ["x.conf:2: unknown key 'new_key' is passed over"]);
        assert_eq!(config.sasl_allowed_username_list, ["a", "b"]);
    }

    #[test]
    fn refusals_say_where() {
        let cases = [
            ("\nlisten_tcp = 2", "x.conf:2: 'listen_tcp' must be 0 or 1, not this number"),
            (
                "max_clients = -1",
                "x.conf:1: 'max_clients' must be a number from 0 to 4294967295, not this number",
            ),
            ("tls_port = 5", "x.conf:1: 'tls_port' must be a string, not this number"),
            ("a", "x.conf:1: expecting an assignment"),
            ("auth_unix_rw = \"x\"", "x.conf: auth_unix_rw = \"x\": unknown authentication"),
            (
                "unix_sock_ro_perms = \"0888\"",
                "x.conf: unix_sock_ro_perms = \"0888\": not an octal number from 0 to 0777",
            ),
            (
                "access_drivers = [\"polkit\"]",
                "x.conf: access_drivers = \"polkit\": this access driver is not available",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text), Err(message.to_owned()));
        }
        assert!(parse("auth_unix_rw = \"polkit\"").unwrap_err().contains("not available"));
    }

    /// Every key and default of the fact table, where that is present.
    #[test]
    fn keys_are_the_reference_s() {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/facts/libvirtd-conf.tsv");
        let Ok(table) = std::fs::read_to_string(table) else {
            eprintln!("SKIPPED: no table of facts");
            return;
        };
        let keys: Vec<_> = table.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(Config::KEYS, keys);
        let defaults = Config::default();
        for line in table.lines().skip(1) {
            let columns: Vec<_> = line.split('\t').collect();
            let (key, default) = (columns[0], columns[2]);
            // These two depend on polkit being there.
            if default.is_empty() || default.contains("polkit") {
                continue;
            }
            let config = parse(&format!("{key} = {default}")).unwrap();
            assert_eq!(config, defaults, "{key}");
        }
    }
}
