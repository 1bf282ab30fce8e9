//! The settings of `libvirtd.conf`.
//!
//! Owns: which keys there are, their types and what they default to. Never: acts on a setting.

use std::path::PathBuf;

use crate::auth::Way;
use crate::settings::settings;

settings! {
    /// The settings, each under its key of `libvirtd.conf`.
    Config {
        /// Whether TLS is listened for, where the daemon is started with `--listen`.
        listen_tls: bool = true;
        /// Whether TCP without TLS is listened for, where the daemon is started with `--listen`.
        listen_tcp: bool = false;
        /// The port for TLS.
        tls_port: String = "16514".into();
        /// The port for TCP without TLS.
        tcp_port: String = "16509".into();
        /// The address that is listened at; without it, every one.
        listen_addr: Option<String> = None;
        /// The group that may use the sockets, by name or `+number`.
        unix_sock_group: Option<String> = None;
        /// Permissions of the sockets for looking only, octal.
        unix_sock_ro_perms: String = "0777".into();
        /// Permissions of the sockets for everything, octal.
        unix_sock_rw_perms: String = "0700".into();
        /// Permissions of the administration's sockets, octal.
        unix_sock_admin_perms: String = "0700".into();
        /// The directory of the sockets.
        unix_sock_dir: Option<String> = None;
        /// What clients of the sockets for looking only have to do first.
        auth_unix_ro: Way = Way::None;
        /// What clients of the sockets for everything have to do first.
        auth_unix_rw: Way = Way::None;
        /// What clients of TCP have to do first.
        auth_tcp: Way = Way::Sasl;
        /// What clients of TLS have to do first, besides showing a certificate.
        auth_tls: Way = Way::None;
        /// How strong the encryption of SASL has to be over TCP without TLS, in bits; not below 56.
        tcp_min_ssf: u32 = 56;
        /// What decides who may do what: `none`, or `rules`, the file `access.rules` beside this one.
        access_drivers: Vec<String> = Vec::new();
        /// The key of the server's certificate; `/etc/pki/libvirt/private/serverkey.pem`.
        key_file: Option<String> = None;
        /// The server's certificate; `/etc/pki/libvirt/servercert.pem`.
        cert_file: Option<String> = None;
        /// Certificates of those who may sign those of clients; `/etc/pki/CA/cacert.pem`.
        ca_file: Option<String> = None;
        /// The list of certificates that were taken back; `/etc/pki/CA/crl.pem` where it is there.
        crl_file: Option<String> = None;
        /// Whether the daemon starts although its own certificate does not count now.
        tls_no_sanity_certificate: bool = false;
        /// Whether clients need no certificate.
        tls_no_verify_certificate: bool = false;
        /// Distinguished names of certificates that are let in, with `*` and `?`; without it, all that are signed.
        tls_allowed_dn_list: Vec<String> = Vec::new();
        /// Which versions and ciphers of TLS may be used, as GnuTLS says it.
        tls_priority: Option<String> = None;
        /// Names of SASL that are let in, with `*` and `?`; without it, all.
        sasl_allowed_username_list: Vec<String> = Vec::new();
        /// The most clients.
        max_clients: u32 = 5000;
        /// The most clients that wait to be taken; the system keeps them.
        max_queued_clients: u32 = 1000;
        /// The most clients that have yet to say who they are; 0: no limit of their own.
        max_anonymous_clients: u32 = 20;
        /// Places for calls that are told to stand ready.
        min_workers: u32 = 5;
        /// The most calls that wait for a guest or the host at the same time.
        max_workers: u32 = 20;
        /// Places besides for urgent calls, so that they go on where all others wait.
        prio_workers: u32 = 5;
        /// The most calls of a client at the same time; further ones wait unread.
        max_client_requests: u32 = 5;
        /// As `min_workers`, of the administration.
        admin_min_workers: u32 = 5;
        /// As `max_workers`, of the administration.
        admin_max_workers: u32 = 20;
        /// As `max_clients`, of the administration.
        admin_max_clients: u32 = 5000;
        /// As `max_queued_clients`, of the administration.
        admin_max_queued_clients: u32 = 20;
        /// As `max_client_requests`, of the administration.
        admin_max_client_requests: u32 = 5;
        /// Which messages are kept where no filter fits: 1 all, 2 what happens, 3 warnings, 4 errors.
        log_level: u32 = 3;
        /// What is kept of parts of the daemon: `1:qemu 3:rpc`.
        log_filters: Option<String> = None;
        /// Where messages go: `3:stderr 1:file:/path 2:syslog:name 3:journald`.
        log_outputs: Option<String> = None;
        /// Whether what guests get is told to the audit system.
        audit_level: u32 = 1;
        /// Whether that is logged too.
        audit_logging: bool = false;
        /// The host's identity.
        host_uuid: Option<String> = None;
        /// Where the identity comes from: `smbios` or `machine-id`.
        host_uuid_source: Option<String> = None;
        /// Seconds of silence after which a client is asked whether it is there; not above 0: it is not.
        keepalive_interval: i32 = 5;
        /// How often it is asked before it is given up.
        keepalive_count: u32 = 5;
        /// Whether clients have to answer such questions.
        keepalive_required: bool = false;
        /// As `keepalive_required`, of the administration.
        admin_keepalive_required: bool = false;
        /// As `keepalive_interval`, of the administration.
        admin_keepalive_interval: i32 = 5;
        /// As `keepalive_count`, of the administration.
        admin_keepalive_count: u32 = 5;
        /// Seconds that Open vSwitch may take to answer.
        ovs_timeout: u32 = 5;
    }
    check: check
}

/// Refuses what cannot be kept: a way of authentication that is not there must not be taken for
/// none.
fn check(config: &Config) -> Result<(), String> {
    for (key, value) in [("auth_tcp", config.auth_tcp), ("auth_tls", config.auth_tls)] {
        if value == Way::Polkit {
            return Err(format!("{key} = \"polkit\": polkit knows processes of this host only"));
        }
    }
    if let Some(driver) =
        config.access_drivers.iter().find(|driver| !["none", "rules"].contains(&&driver[..]))
    {
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
        assert!(parse("auth_tls = \"polkit\"").unwrap_err().contains("processes of this host"));
    }

    #[test]
    fn keys_are_the_reference_s() {
        // These depend on polkit being there.
        let polkit = ["unix_sock_rw_perms", "auth_unix_ro", "auth_unix_rw"];
        settings::compare_with_facts::<Config>("libvirtd-conf.tsv", &polkit);
    }
}
