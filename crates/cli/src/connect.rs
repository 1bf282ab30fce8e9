//! Getting to a server: over a socket, TCP, TLS, a secure shell or a program; then saying hello.
//!
//! Owns: the ways, and what is said where one fails. Never: knows a command.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::programs::remote::procedures::{AuthList, AuthPolkit, ConnectOpen};
use ostler_rpc::programs::remote::{AuthType, ConnectOpenArgs};
use ostler_rpc::tls::{self, ClientRules, Files};
use ostler_rpc::{Client, Events, Transport};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};

use crate::ssh;
use crate::uri::{Mode, Place, Server, Target, Tls, Way};

/// How long a user's own daemon may be idle before it ends, in seconds.
const IDLE: &str = "120";

/// How long a program that has ended the connection may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn system_error(text: String) -> Error {
    Error::new(Code::SystemError, Origin::Rpc, text)
}

/// The words of an error without the number that the standard library adds.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// Connects, says who calls, and opens.
pub(crate) async fn greet(target: Target, read_only: bool) -> Result<(Client, Events)> {
    let Reached { transport, mut program } = reach(&target, read_only).await?;
    let (client, events) = Client::over(transport);
    let ways = match client.call::<AuthList>(&()).await {
        Ok(ways) => ways.types.0,
        Err(error) => return Err(explain(error, program.take()).await),
    };
    if let Some(program) = program {
        // It ends when the connection does; until then it is waited for.
        tokio::spawn(async move { program.wait_with_output().await });
    }
    if ways.contains(&AuthType::Polkit) {
        client.call::<AuthPolkit>(&()).await?;
    } else if !ways.is_empty() && !ways.contains(&AuthType::None) {
        let text = "the server asks for a way to authenticate that is not known";
        return Err(Error::new(Code::AuthFailed, Origin::Remote, text));
    }
    let args = ConnectOpenArgs { name: target.name, flags: u32::from(read_only) };
    client.call::<ConnectOpen>(&args).await?;
    Ok((client, events))
}

/// A server that is reached, and the program that speaks for it, if one does.
struct Reached {
    transport: Transport,
    program: Option<Child>,
}

impl From<Transport> for Reached {
    fn from(transport: Transport) -> Self {
        Reached { transport, program: None }
    }
}

/// The error of a first call, with what the program complained of.
async fn explain(error: Error, program: Option<Child>) -> Error {
    let Some(program) = program else { return error };
    let Ok(Ok(output)) = tokio::time::timeout(LAST_WORDS, program.wait_with_output()).await else {
        return error;
    };
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    system_error(format!("Cannot recv data: {words}: Connection reset by peer"))
}

async fn reach(target: &Target, read_only: bool) -> Result<Reached> {
    Ok(match &target.way {
        Way::Unix(place) => Transport::unix(unix(place, read_only).await?).into(),
        Way::Tcp(server) => Transport::stream(tcp(server).await?).into(),
        Way::Tls(server, asked) => {
            let rules = rules(asked, |name| std::env::var_os(name).map(PathBuf::from));
            Transport::stream(tls::connect(tcp(server).await?, &server.host, &rules).await?).into()
        }
        Way::Ssh(asked) => {
            let mut words = ssh::command(asked, read_only).into_iter();
            run(&words.next().unwrap_or_default(), words)?
        }
        Way::Program(program) => run(program, std::iter::empty())?,
    })
}

/// Connects to a socket; a user's own daemon is started where nobody listens.
async fn unix(place: &Place, read_only: bool) -> Result<UnixStream> {
    let socket = place.socket(read_only);
    match UnixStream::connect(&socket).await {
        Ok(stream) => Ok(stream),
        Err(error) if may_start(place, &error) => {
            start().await?;
            let socket = place.socket(read_only);
            UnixStream::connect(&socket).await.map_err(|error| not_connected(&socket, &error))
        }
        Err(error) => Err(not_connected(&socket, &error)),
    }
}

fn not_connected(socket: &Path, error: &io::Error) -> Error {
    system_error(format!("Failed to connect socket to '{}': {}", socket.display(), reason(error)))
}

fn may_start(place: &Place, error: &io::Error) -> bool {
    let own = matches!(place, Place::Directory(_, Mode::Auto, true));
    let absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    own && absent && std::env::var("LIBVIRT_AUTOSTART").as_deref() != Ok("0")
}

/// Starts this user's own daemon; it ends when it has been idle for a while.
async fn start() -> Result<()> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("ostlerd")));
    let program = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("ostlerd"));
    let failed = |why: String| system_error(format!("Failed to start {}: {why}", program.display()));
    let started = Command::new(&program).args(["--daemon", "--timeout", IDLE]).stdin(Stdio::null()).output();
    let output = started.await.map_err(|error| failed(reason(&error)))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

async fn tcp(server: &Server) -> Result<TcpStream> {
    let Server { host, port } = server;
    let found = tokio::net::lookup_host((&host[..], *port)).await.map_err(|error| {
        let words = reason(&error);
        let words = words.rsplit(": ").next().unwrap_or_default();
        system_error(format!("Unable to resolve address '{host}' service '{port}': {words}"))
    })?;
    let addresses: Vec<SocketAddr> = found.collect();
    let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| {
        system_error(format!("unable to connect to server at '{host}:{port}': {}", reason(&error)))
    })?;
    // Without it calls only take longer.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The files of certificates: in the directory that is named, else the user's own where they are
/// there, else the system's.
fn rules(asked: &Tls, variable: impl Fn(&str) -> Option<PathBuf>) -> ClientRules {
    let own =
        variable("HOME").filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".pki/libvirt"));
    let place = |name: &str, system: &str| match &asked.directory {
        Some(directory) => directory.join(name),
        None => {
            let own = own.as_ref().map(|own| own.join(name)).filter(|path| path.exists());
            own.unwrap_or_else(|| PathBuf::from(system))
        }
    };
    ClientRules {
        files: Files {
            ca: place("cacert.pem", "/etc/pki/CA/cacert.pem"),
            crl: Some(place("cacrl.pem", "/etc/pki/CA/cacrl.pem")),
            cert: place("clientcert.pem", "/etc/pki/libvirt/clientcert.pem"),
            key: place("clientkey.pem", "/etc/pki/libvirt/private/clientkey.pem"),
        },
        verify: !asked.unverified,
        priority: asked.priority.clone(),
    }
}

/// Runs a program whose standard input and output are the connection.
fn run(program: &str, arguments: impl Iterator<Item = String>) -> Result<Reached> {
    let failed = |error: &io::Error| system_error(format!("cannot run {program}: {}", reason(error)));
    let (ours, theirs) = StdUnixStream::pair().map_err(|error| failed(&error))?;
    ours.set_nonblocking(true).map_err(|error| failed(&error))?;
    let again = theirs.try_clone().map_err(|error| failed(&error))?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(OwnedFd::from(again))
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let stream = UnixStream::from_std(ours).map_err(|error| failed(&error))?;
    Ok(Reached { transport: Transport::stream(stream), program: Some(child) })
}
