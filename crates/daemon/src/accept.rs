//! Taking clients, as many as there may be.
//!
//! Owns: the listeners, and what each client is granted. Never: looks at a call.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ostler_rpc::connection::{About, Limits, SocketKind};
use ostler_rpc::keepalive::Watch;
use ostler_rpc::server::Server;
use ostler_rpc::transport::Transport;
use rustix::io::Errno;
use tokio::net::{TcpListener, UnixListener};
use tracing::warn;

use crate::config::Config;
use crate::daemon::Daemon;
use crate::dispatch::Front;

/// How long accepting rests when the system has no room for another client.
const NO_ROOM: Duration = Duration::from_secs(1);

/// What clients come through.
#[derive(Debug)]
pub enum Listener {
    /// A UNIX socket.
    Unix(UnixListener, SocketKind),
    /// A TCP port.
    Tcp(TcpListener),
}

impl Listener {
    fn kind(&self) -> SocketKind {
        match self {
            Listener::Unix(_, kind) => *kind,
            Listener::Tcp(_) => SocketKind::Tcp,
        }
    }

    /// Takes one client.
    async fn take(&self, server: &Server<Front>, config: &Config) -> io::Result<()> {
        match self {
            Listener::Unix(listener, kind) => {
                let (socket, _) = listener.accept().await?;
                server.serve_unix(socket, *kind, limits(config, *kind)).map(|_| ())
            }
            Listener::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                socket.set_nodelay(true)?;
                let about = remote(SocketKind::Tcp, address);
                server.serve(Transport::stream(socket), about, limits(config, SocketKind::Tcp));
                Ok(())
            }
        }
    }
}

/// What is known of a client from elsewhere.
fn remote(socket: SocketKind, address: SocketAddr) -> About {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    About { socket, peer: None, address: Some(address.to_string()), certificate: None }
}

/// Takes clients for as long as the daemon runs.
pub async fn accept(daemon: Arc<Daemon>, server: Arc<Server<Front>>, listener: Listener) {
    let mut counts = daemon.roster(listener.kind()).counts();
    while counts.wait_for(|counts| counts.room()).await.is_ok() {
        let config = daemon.config();
        if let Err(e) = listener.take(&server, &config).await {
            warn!("cannot take a client: {e}");
            if e.raw_os_error().map(Errno::from_raw_os_error).is_some_and(is_lack) {
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}

/// Whether the system lacks what a further client needs.
fn is_lack(error: Errno) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS].contains(&error)
}

/// What a client may ask of the daemon, by the settings.
fn limits(config: &Config, kind: SocketKind) -> Limits {
    let (calls, interval, count) = match kind {
        SocketKind::Admin => {
            (config.admin_max_client_requests, config.admin_keepalive_interval, config.admin_keepalive_count)
        }
        _ => (config.max_client_requests, config.keepalive_interval, config.keepalive_count),
    };
    let interval = u64::try_from(interval).ok().filter(|seconds| *seconds > 0);
    let watch = interval.map(|seconds| Watch { interval: Duration::from_secs(seconds), count });
    Limits { calls: usize::try_from(calls).unwrap_or(usize::MAX).max(1), watch, ..Limits::default() }
}
