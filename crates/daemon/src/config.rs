//! The settings of `libvirtd.conf`.
//!
//! Owns: which keys there are, their types and what they default to. Never: acts on a setting.

use std::path::PathBuf;

use crate::auth::Way;
use crate::settings::settings;

settings! {
    /// The settings, each under its key of `libvirtd.conf`.
    Config {
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
        auth_unix_ro: Way = Way::None;
        auth_unix_rw: Way = Way::None;
        auth_tcp: Way = Way::Sasl;
        auth_tls: Way = Way::None;
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
    check: check
}

/// Refuses what cannot be kept: a way of authentication that is not there must not be taken for
/// none.
fn check(config: &Config) -> Result<(), String> {
    for (key, value) in [("auth_unix_ro", &config.auth_unix_ro), ("auth_unix_rw", &config.auth_unix_rw)] {
        if *value != Way::None {
            return Err(format!(
                "{key} = \"{value}\": this authentication is not available; set it to \"none\" and restrict the socket with unix_sock_group and its permissions"
            ));
        }
    }
    if let Some(driver) = config.access_drivers.iter().find(|driver| *driver != "none") {
        return Err(format!("access_drivers = \"{driver}\": this access driver is not available"));
    }
    for (key, value) in [
        ("unix_sock_ro_perms", &config.unix_sock_ro_perms),
        ("unix_sock_rw_perms", &config.unix_sock_rw_perms),
        ("unix_sock_admin_perms", &config.unix_sock_admin_perms),
    ] {
        if permissions(value).is_none() {
            return Err(format!("{key} = \"{value}\": not an octal number from 0 to 0777"));
        }
    }
    Ok(())
}

impl Config {
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
    use crate::settings;
    use std::path::Path;

    fn parse(text: &str) -> Result<Config, String> {
        settings::parse::<Config>(text, Path::new("x.conf")).map(|loaded| loaded.config).map_err(|e| e.0)
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
        let warnings = settings::parse::<Config>("\nnew_key = 7", Path::new("x.conf")).unwrap().warnings;
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
            (
                "auth_unix_rw = \"x\"",
                "x.conf:1: 'auth_unix_rw' must be \"none\", \"sasl\" or \"polkit\", not this string",
            ),
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

    #[test]
    fn keys_are_the_reference_s() {
        // These depend on polkit being there.
        let polkit = ["unix_sock_rw_perms", "auth_unix_ro", "auth_unix_rw"];
        settings::compare_with_facts::<Config>("libvirtd-conf.tsv", &polkit);
    }
}
