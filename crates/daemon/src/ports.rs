//! The TCP ports that clients find the daemon at, and what TLS asks of them.
//!
//! Owns: how both follow from the settings. Never: accepts a connection.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};

use ostler_rpc::connection::SocketKind;
use ostler_rpc::tls::{Files, Rules, ServerTls};
use tracing::warn;

use crate::config::Config;
use crate::layout::Layout;

/// A port that is listened at.
#[derive(Debug)]
pub struct Port {
    /// The listener, non-blocking.
    pub listener: TcpListener,
    /// With TLS or without.
    pub kind: SocketKind,
}

/// Opens the ports that the settings ask for. The error is a message for the user.
pub fn open(config: &Config) -> Result<Vec<Port>, String> {
    let ports = [
        (config.listen_tcp, "tcp_port", &config.tcp_port, SocketKind::Tcp),
        (config.listen_tls, "tls_port", &config.tls_port, SocketKind::Tls),
    ];
    let wanted = ports.into_iter().filter(|(listen, ..)| *listen);
    wanted.map(|(_, key, port, kind)| listen(config.listen_addr.as_deref(), key, port, kind)).collect()
}

fn listen(address: Option<&str>, key: &str, port: &str, kind: SocketKind) -> Result<Port, String> {
    let number = port.parse::<u16>().map_err(|_| format!("{key} = \"{port}\" is no port number"))?;
    let bound = match address {
        Some(address) => TcpListener::bind((address, number)),
        None => TcpListener::bind((Ipv6Addr::UNSPECIFIED, number))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, number))),
    };
    let listening = bound.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = listening.map_err(|e| format!("cannot listen at TCP port {number}: {e}"))?;
    Ok(Port { listener, kind })
}

/// What TLS asks of clients.
pub fn rules(layout: &Layout, config: &Config) -> Rules {
    let top = layout.root.clone().unwrap_or_else(|| PathBuf::from("/")).join("etc/pki");
    let place = |set: &Option<String>, usual: &str| {
        set.as_ref().map_or_else(|| top.join(usual), |set| Path::new(set).to_owned())
    };
    Rules {
        files: Files {
            ca: place(&config.ca_file, "CA/cacert.pem"),
            crl: Some(place(&config.crl_file, "CA/crl.pem")),
            cert: place(&config.cert_file, "libvirt/servercert.pem"),
            key: place(&config.key_file, "libvirt/private/serverkey.pem"),
        },
        verify: !config.tls_no_verify_certificate,
        check_own: !config.tls_no_sanity_certificate,
        names: config.tls_allowed_dn_list.clone(),
        priority: config.tls_priority.clone().unwrap_or_default(),
    }
}

/// TLS, where one of the ports has it. The error is a message for the user.
pub fn tls(layout: &Layout, config: &Config, ports: &[Port]) -> Result<Option<ServerTls>, String> {
    if ports.iter().all(|port| port.kind != SocketKind::Tls) {
        return Ok(None);
    }
    let (tls, unknown) = ServerTls::load(rules(layout, config)).map_err(|e| e.to_string())?;
    for word in unknown {
        warn!("tls_priority: '{word}' means nothing here");
    }
    Ok(Some(tls))
}
