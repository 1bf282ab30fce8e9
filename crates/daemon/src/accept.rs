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
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tracing::warn;

use crate::config::Config;
use crate::daemon::Daemon;
use crate::dispatch::Front;
use crate::roster::Arriving;

/// How long accepting rests when the system has no room for another client.
const NO_ROOM: Duration = Duration::from_secs(1);

/// How long somebody may take to be let in by TLS.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// What clients come through.
#[derive(Debug)]
pub enum Listener {
    /// A UNIX socket.
    Unix(UnixListener, SocketKind),
    /// A TCP port, with TLS or without.
    Tcp(TcpListener, SocketKind),
}

impl Listener {
    fn kind(&self) -> SocketKind {
        match self {
            Listener::Unix(_, kind) | Listener::Tcp(_, kind) => *kind,
        }
    }

    /// Takes one client.
    async fn take(&self, daemon: &Arc<Daemon>, server: &Arc<Server<Front>>) -> io::Result<()> {
        match self {
            Listener::Unix(listener, kind) => {
                let (socket, _) = listener.accept().await?;
                server.serve_unix(socket, *kind, limits(&daemon.config(), *kind)).map(|_| ())
            }
            Listener::Tcp(listener, kind) => {
                let (socket, address) = listener.accept().await?;
                socket.set_nodelay(true)?;
                let about = remote(*kind, address);
                if *kind == SocketKind::Tls {
                    let arriving = daemon.clients.arriving();
                    tokio::spawn(let_in(daemon.clone(), server.clone(), socket, about, arriving));
                } else {
                    server.serve(Transport::stream(socket), about, limits(&daemon.config(), *kind));
                }
                Ok(())
            }
        }
    }
}

/// Shakes hands, then serves.
async fn let_in(
    daemon: Arc<Daemon>,
    server: Arc<Server<Front>>,
    socket: TcpStream,
    mut about: About,
    arriving: Arriving,
) {
    let Some(tls) = daemon.tls() else { return };
    let address = about.address.clone().unwrap_or_default();
    match tokio::time::timeout(HANDSHAKE, tls.accept(socket)).await {
        Ok(Ok(accepted)) => {
            about.certificate = accepted.name;
            let limits = limits(&daemon.config(), SocketKind::Tls);
            server.serve(Transport::stream(accepted.stream), about, limits);
        }
        Ok(Err(why)) => warn!("client {address} is not let in: {why}"),
        Err(_) => warn!("client {address} is not let in: it takes too long"),
    }
    drop(arriving);
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
        if let Err(e) = listener.take(&daemon, &server).await {
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
