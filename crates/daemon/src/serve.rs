//! The life of the daemon: from its options to its end.
//!
//! Owns: the order of start and end, signals, accepting clients. Never: looks at a call.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ostler_engine::Engine;
use ostler_rpc::connection::SocketKind;
use ostler_rpc::server::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::accept::{Listener, accept};
use crate::access::Rules;
use crate::activation;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::deliver::deliver;
use crate::dispatch::Front;
use crate::layout::Layout;
use crate::log::{self, Place, Priority};
use crate::objects;
use crate::options::Options;
use crate::pidfile::PidFile;
use crate::ports::{self, Port};
use crate::qemu_conf::QemuConf;
use crate::settings::{self, Loaded};
use crate::setup;
use crate::sockets::{self, Role, Socket};

/// Threads that serve clients; there is no more to win for calls that take microseconds.
const THREADS_MAX: usize = 4;

/// How long work on other threads may go on after the end was asked for.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Runs the daemon to its end. The error is a message for the user.
pub fn run(options: &Options) -> Result<(), String> {
    let layout = layout(options)?;
    let file = options.config.clone().unwrap_or_else(|| layout.config_file());
    let Loaded { config, warnings } =
        settings::load::<Config>(&file, options.config.is_some()).map_err(|e| e.to_string())?;
    let qemu = settings::load::<QemuConf>(&layout.etc.join("qemu.conf"), false).map_err(|e| e.to_string())?;
    begin_log(&layout, &config, options)?;
    warnings.iter().chain(&qemu.warnings).for_each(|warning| warn!("{warning}"));
    sockets::make_directory(&layout.run, layout.instance)?;
    let pid_file = PidFile::take(options.pid_file.as_deref().unwrap_or(&layout.pid_file))?;
    let sockets = match activation::sockets()? {
        none if none.is_empty() => sockets::open(&layout, &config)?,
        handed_over => handed_over,
    };
    let ports = if options.listen { ports::open(&config)? } else { Vec::new() };
    let tls = ports::tls(&layout, &config, &ports)?;
    let rules = rules(&layout, &config)?;
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
        let daemon = Arc::new(Daemon::new(layout, config, engine));
        if let Some(tls) = tls {
            daemon.use_tls(tls);
        }
        daemon.set_rules(rules);
        serve(&daemon, &sockets, ports, options, &file).await.map_err(|e| format!("cannot serve: {e}"))
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

/// Serves until a signal or idleness ends it.
async fn serve(
    daemon: &Arc<Daemon>,
    sockets: &[Socket],
    ports: Vec<Port>,
    options: &Options,
    config_file: &Path,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let front = Arc::new(Front(daemon.clone()));
    // Clients of either are counted apart.
    let servers = [Arc::new(Server::new(front.clone())), Arc::new(Server::new(front))];
    for socket in sockets {
        let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
        let server = &servers[usize::from(socket.role == Role::Admin)];
        tokio::spawn(accept(daemon.clone(), server.clone(), Listener::Unix(listener, kind(socket.role))));
    }
    for port in ports {
        let listener = TcpListener::from_std(port.listener)?;
        tokio::spawn(accept(daemon.clone(), servers[0].clone(), Listener::Tcp(listener, port.kind)));
    }
    tokio::spawn(deliver(daemon.clone(), daemon.engine.subscribe()));
    tokio::spawn(objects::deliver(daemon.clone(), daemon.engine.subscribe_objects()));
    report_ready(options)?;
    let autostart = daemon.engine.clone();
    tokio::spawn(async move { autostart.autostart().await });
    info!("ready at {}", daemon.layout.run.display());
    daemon.set_timeout(options.timeout.unwrap_or(0));
    let mut idle = std::pin::pin!(idle(daemon));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = &mut idle => break,
            () = daemon.stopped() => break,
            _ = hang_up.recv() => reload(daemon, config_file, options),
        }
    }
    info!("ends; guests go on");
    Ok(())
}

/// Reads the settings again. Where clients are listened for stays; everything else counts for the
/// clients that come from now on.
fn reload(daemon: &Daemon, file: &Path, options: &Options) {
    let Loaded { config, warnings } = match settings::load::<Config>(file, options.config.is_some()) {
        Ok(loaded) => loaded,
        Err(e) => return warn!("the settings stay as they were: {e}"),
    };
    warnings.iter().for_each(|warning| warn!("{warning}"));
    let applied = || {
        log::set_filters(config.log_filters.as_deref().unwrap_or_default())?;
        log::set_outputs(config.log_outputs.as_deref().unwrap_or_default())?;
        log::set_default(priority(&config, options));
        daemon.clients.set_limits(Some(config.max_clients), Some(config.max_anonymous_clients))?;
        daemon.administrators.set_limits(Some(config.admin_max_clients), None)
    };
    if let Err(e) = applied() {
        warn!("{}: {e}", file.display());
    }
    if let Some(tls) = daemon.tls()
        && let Err(e) = tls.reload(Some(ports::rules(&daemon.layout, &config)))
    {
        warn!("certificates stay as they were: {e}");
    }
    match rules(&daemon.layout, &config) {
        Ok(rules) => daemon.set_rules(rules),
        Err(e) => warn!("the rules of access stay as they were: {e}"),
    }
    daemon.set_config(config);
    info!("{} was read again", file.display());
}

/// The rules of access, where the settings ask for them.
fn rules(layout: &Layout, config: &Config) -> Result<Option<Rules>, String> {
    let asked = config.access_drivers.iter().any(|driver| driver == "rules");
    asked.then(|| Rules::load(&layout.rules_file())).transpose()
}

fn priority(config: &Config, options: &Options) -> Priority {
    let set = Priority::from_number(config.log_level.clamp(1, 4)).unwrap_or(Priority::Warning);
    if options.verbose { set.min(Priority::Info) } else { set }
}

fn begin_log(layout: &Layout, config: &Config, options: &Options) -> Result<(), String> {
    let default = match options.daemon {
        true => Place::File(layout.log.join("ostlerd.log")),
        false => Place::Stderr,
    };
    let filters = config.log_filters.as_deref().unwrap_or_default();
    let outputs = config.log_outputs.as_deref().unwrap_or_default();
    log::begin(priority(config, options), filters, outputs, &default)
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

/// Ends when there was no client for as many seconds as were asked for, and no guest runs.
async fn idle(daemon: &Daemon) {
    let mut seconds = daemon.timeout();
    let [mut first, mut second] = daemon.rosters().map(|roster| roster.counts());
    loop {
        let now = *seconds.borrow_and_update();
        let nobody = first.borrow_and_update().all == 0 && second.borrow_and_update().all == 0;
        let changed = async {
            // The other ends are the daemon's own: they cannot go before this.
            tokio::select! {
                _ = seconds.changed() => {}
                _ = first.changed() => {}
                _ = second.changed() => {}
            }
        };
        if now == 0 || !nobody {
            changed.await;
            continue;
        }
        let alone = tokio::time::timeout(Duration::from_secs(now.into()), changed).await.is_err();
        if alone && daemon.engine.registry().counts().1 == 0 {
            return;
        }
    }
}
