//! The life of the daemon: from its options to its end.
//!
//! Owns: the order of start and end, signals, accepting clients. Never: looks at a call.

use std::future::pending;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener as StdTcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ostler_engine::Engine;
use ostler_rpc::connection::{About, Limits, SocketKind};
use ostler_rpc::keepalive::Watch;
use ostler_rpc::server::Server;
use ostler_rpc::transport::Transport;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::activation;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::deliver::deliver;
use crate::dispatch::Front;
use crate::layout::Layout;
use crate::log::{self, Output};
use crate::options::Options;
use crate::pidfile::PidFile;
use crate::qemu_conf::QemuConf;
use crate::settings::{self, Loaded};
use crate::setup;
use crate::sockets::{self, Role, Socket};

/// Threads that serve clients; there is no more to win for calls that take microseconds.
const THREADS_MAX: usize = 4;

/// How long work on other threads may go on after the end was asked for.
const LAST_WORK: Duration = Duration::from_secs(5);

/// How long accepting rests when the system has no room for another client.
const NO_ROOM: Duration = Duration::from_secs(1);

/// Runs the daemon to its end. The error is a message for the user.
pub fn run(options: &Options) -> Result<(), String> {
    let layout = layout(options)?;
    let file = options.config.clone().unwrap_or_else(|| layout.config_file());
    let Loaded { config, warnings } =
        settings::load::<Config>(&file, options.config.is_some()).map_err(|e| e.to_string())?;
    let qemu = settings::load::<QemuConf>(&layout.etc.join("qemu.conf"), false).map_err(|e| e.to_string())?;
    let default = match options.daemon {
        true => Output::File(layout.log.join("ostlerd.log")),
        false => Output::Stderr,
    };
    let (filter, output) =
        log::choose(config.log_level, config.log_outputs.as_deref(), options.verbose, default);
    log::begin(filter, &output)?;
    warnings.iter().chain(&qemu.warnings).for_each(|warning| warn!("{warning}"));
    sockets::make_directory(&layout.run, layout.instance)?;
    let pid_file = PidFile::take(options.pid_file.as_deref().unwrap_or(&layout.pid_file))?;
    let sockets = match activation::sockets()? {
        none if none.is_empty() => sockets::open(&layout, &config)?,
        handed_over => handed_over,
    };
    let tcp = if options.listen { tcp(&config)? } else { None };
    raise_file_limit();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("ostlerd")
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start threads: {e}"))?;
    let setup = setup::setup(&layout, &qemu.config)?;
    let done = runtime.block_on(async {
        let engine = Engine::open(setup).await.map_err(|e| e.to_string())?;
        let daemon = Arc::new(Daemon::new(layout, config, &qemu.config, engine));
        serve(&daemon, &sockets, tcp, options, &file).await.map_err(|e| format!("cannot serve: {e}"))
    });
    runtime.shutdown_timeout(LAST_WORK);
    drop(sockets);
    drop(pid_file);
    done
}

fn layout(options: &Options) -> Result<Layout, String> {
    if let Some(root) = &options.root {
        return Ok(Layout::below(root));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(Layout::system());
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    Layout::session(variable)
        .ok_or_else(|| "HOME is not set: there is no place for this user's guests".to_owned())
}

/// Every client takes a descriptor: as many as the system grants.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(e) = setrlimit(Resource::Nofile, raised) {
        warn!("cannot raise the limit of open files: {e}");
    }
}

/// The TCP listener that the settings ask for.
fn tcp(config: &Config) -> Result<Option<StdTcpListener>, String> {
    if config.listen_tls {
        return Err("listen_tls = 1: TLS is not available; set listen_tls = 0".to_owned());
    }
    if !config.listen_tcp {
        return Ok(None);
    }
    if config.auth_tcp != "none" {
        return Err(format!("auth_tcp = \"{}\": this authentication is not available", config.auth_tcp));
    }
    let number = config.tcp_port.parse::<u16>();
    let port = number.map_err(|_| format!("tcp_port = \"{}\" is no port number", config.tcp_port))?;
    let bound = match config.listen_addr.as_deref() {
        Some(address) => StdTcpListener::bind((address, port)),
        None => StdTcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            .or_else(|_| StdTcpListener::bind((Ipv4Addr::UNSPECIFIED, port))),
    };
    let listening = bound.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listening.map(Some).map_err(|e| format!("cannot listen at TCP port {port}: {e}"))
}

/// Serves until a signal or idleness ends it.
async fn serve(
    daemon: &Arc<Daemon>,
    sockets: &[Socket],
    tcp: Option<StdTcpListener>,
    options: &Options,
    config_file: &Path,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let server = Arc::new(Server::new(Arc::new(Front(daemon.clone()))));
    for socket in sockets {
        let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
        tokio::spawn(accept(daemon.clone(), server.clone(), Listener::Unix(listener, kind(socket.role))));
    }
    if let Some(listener) = tcp {
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(accept(daemon.clone(), server, Listener::Tcp(listener)));
    }
    tokio::spawn(deliver(daemon.clone(), daemon.engine.subscribe()));
    report_ready(options)?;
    let autostart = daemon.engine.clone();
    tokio::spawn(async move { autostart.autostart().await });
    info!("ready at {}", daemon.layout.run.display());
    let mut idle = std::pin::pin!(idle(daemon, options.timeout));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = &mut idle => break,
            _ = hang_up.recv() => match settings::load::<Config>(config_file, options.config.is_some()) {
                Ok(_) => info!("{} can be read; its changes count from the next start on", config_file.display()),
                Err(e) => warn!("{e}"),
            },
        }
    }
    info!("ends; guests go on");
    Ok(())
}

fn kind(role: Role) -> SocketKind {
    match role {
        Role::ReadWrite => SocketKind::ReadWrite,
        Role::ReadOnly => SocketKind::ReadOnly,
        Role::Admin => SocketKind::Admin,
    }
}

/// Says that clients can connect, then lets go of the streams of whoever started the daemon.
fn report_ready(options: &Options) -> io::Result<()> {
    if !options.report_ready {
        return Ok(());
    }
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    if options.daemon {
        rustix::stdio::dup2_stderr(&null)?;
    }
    Ok(())
}

/// Ends when there was no client for so many seconds and no guest runs; without a number, never.
async fn idle(daemon: &Daemon, seconds: Option<u32>) {
    let Some(seconds) = seconds else { return pending().await };
    let mut clients = daemon.clients();
    loop {
        // The other end is the daemon's own: it cannot go before this.
        let _ = clients.wait_for(|count| *count == 0).await;
        let came = clients.wait_for(|count| *count > 0);
        let nobody = tokio::time::timeout(Duration::from_secs(seconds.into()), came).await.is_err();
        if nobody && daemon.engine.registry().counts().1 == 0 {
            return;
        }
    }
}

/// What a client comes through.
enum Listener {
    Unix(UnixListener, SocketKind),
    Tcp(TcpListener),
}

impl Listener {
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
                let about = About { socket: SocketKind::Tcp, peer: None, address: Some(address.to_string()) };
                server.serve(Transport::stream(socket), about, limits(config, SocketKind::Tcp));
                Ok(())
            }
        }
    }

    /// How many clients there may be.
    fn most(&self, config: &Config) -> u32 {
        match self {
            Listener::Unix(_, SocketKind::Admin) => config.admin_max_clients,
            _ => config.max_clients,
        }
    }
}

/// Takes clients, as many as there may be.
async fn accept(daemon: Arc<Daemon>, server: Arc<Server<Front>>, listener: Listener) {
    let mut clients: watch::Receiver<u32> = daemon.clients();
    let most = listener.most(&daemon.config).max(1);
    while clients.wait_for(|count| *count < most).await.is_ok() {
        if let Err(e) = listener.take(&server, &daemon.config).await {
            warn!("cannot take a client: {e}");
            if matches!(e.raw_os_error().map(rustix::io::Errno::from_raw_os_error), Some(e) if is_lack(e)) {
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}

/// Whether the system lacks what a further client needs.
fn is_lack(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
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
