//! How clients say who they are, before they may call anything else.
//!
//! Owns: the ways there are, and which one a socket asks for. Never: decides what a client may do
//! afterwards.

use ostler_base::words;
use ostler_rpc::connection::{Connection, SocketKind};

use crate::config::Config;

words! {
    /// What a client has to do first.
    pub Way {
        /// Nothing: whoever reaches the socket may use it.
        None = "none",
        /// Be approved of by polkit.
        Polkit = "polkit",
        /// Prove it by SASL.
        Sasl = "sasl",
    }
}

impl Way {
    /// What the settings ask of a client that came over this connection.
    pub fn of(config: &Config, connection: &Connection) -> Self {
        let set = match connection.socket() {
            SocketKind::ReadOnly => config.auth_unix_ro,
            SocketKind::ReadWrite => config.auth_unix_rw,
            SocketKind::Tcp => config.auth_tcp,
            SocketKind::Tls => config.auth_tls,
            SocketKind::Admin => Way::None,
        };
        // Nobody has to approve of who may do everything anyway.
        let root = connection.peer().is_some_and(|peer| peer.uid == 0);
        if set == Way::Polkit && root { Way::None } else { set }
    }
}
