//! A small service that answers a little of everything.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ostler_base::{Error, Result, Uuid};
use ostler_rpc::programs::remote::procedures::*;
use ostler_rpc::programs::remote::*;
use ostler_rpc::{
    Call, Client, Closed, Connection, Events, Limits, Outcome, Program, Reply, Server, Service, SocketKind,
    Stream, StreamEvent,
};
use tokio::net::UnixListener;
use tokio::sync::{Notify, Semaphore};

/// The bytes of a download, of `length` bytes.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let round: Vec<u8> = (0..=250).collect();
    let mut bytes = round.repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}

#[derive(Default)]
pub(crate) struct Demo {
    /// Clients that are here.
    pub(crate) clients: AtomicUsize,
    /// Why each client that was here went.
    pub(crate) gone: Mutex<Vec<Closed>>,
    pub(crate) left: Notify,
    /// Streams that are served.
    pub(crate) streams: AtomicUsize,
    /// What uploads brought: bytes and holes in order.
    pub(crate) uploaded: Mutex<Vec<StreamEvent>>,
    pub(crate) connections: Mutex<Vec<Arc<Connection>>>,
    gates: Mutex<Vec<Arc<Semaphore>>>,
}

pub(crate) struct Session {
    connection: Arc<Connection>,
    gate: Arc<Semaphore>,
}

/// A file that is gone from its folder.
pub(crate) fn file_with(text: &str) -> OwnedFd {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("ostler-rpc-{}-{number}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.into()
}

pub(crate) fn text_of(fd: OwnedFd) -> String {
    let mut file = File::from(fd);
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

fn domain(name: &str, id: i32) -> DomainRef {
    DomainRef { name: name.to_owned(), uuid: Uuid([7; 16]), id }
}

impl Demo {
    fn answer(&self, session: &Session, call: Call<'_>) -> Result<Reply> {
        match call.row.name {
            "ConnectGetLibVersion" => Reply::of(&ConnectGetLibVersionRet { lib_ver: 11_003_000 }),
            "ConnectSupportsFeature" => {
                session.connection.watch();
                Reply::of(&ConnectSupportsFeatureRet { supported: 1 })
            }
            "ConnectClose" => {
                session.connection.close_after_sending();
                Ok(Reply::empty())
            }
            "DomainLookupByName" => {
                let args = call.args::<DomainLookupByName>()?;
                Reply::of(&DomainLookupByNameRet { dom: domain(&args.name, 1) })
            }
            "DomainGetXmlDesc" => {
                let args = call.args::<DomainGetXmlDesc>()?;
                Reply::of(&DomainGetXmlDescRet { xml: "x".repeat(usize::try_from(args.flags).unwrap()) })
            }
            "DomainCreateXmlWithFiles" => {
                let count = i32::try_from(call.fds.len()).unwrap();
                let text: String = call.fds.into_iter().map(text_of).collect();
                Reply::of(&DomainCreateXmlWithFilesRet { dom: domain(&text, count) })
            }
            "DomainOpenGraphicsFd" => Ok(Reply::empty().with_fds(vec![file_with("one"), file_with("two")])),
            "ConnectDomainEventCallbackRegisterAny" => {
                // The event comes before the answer to the call that asks for it.
                let msg = DomainEventRebootMsg { dom: domain("demo", 1) };
                let event = DomainEventCallbackRebootMsg { callback_id: 3, msg };
                session.connection.send_event::<DomainEventCallbackReboot>(&event)?;
                Reply::of(&ConnectDomainEventCallbackRegisterAnyRet { callback_id: 3 })
            }
            "DomainDestroy" => panic!("the demo panics at once"),
            _ => Err(Error::no_support(call.row.rule.api)),
        }
    }

    fn stream(self: &Arc<Self>, call: &Call<'_>) -> Result<Reply> {
        let demo = self.clone();
        demo.streams.fetch_add(1, Ordering::SeqCst);
        match call.row.name {
            "StorageVolUpload" => Ok(Reply::empty().with_stream(|s| async move { demo.upload(s).await })),
            "StorageVolDownload" => {
                let args = call.args::<StorageVolDownload>()?;
                let length = usize::try_from(args.length).unwrap();
                Ok(Reply::empty().with_stream(move |s| async move { demo.download(s, length).await }))
            }
            _ => Ok(Reply::empty().with_stream(|s| async move { demo.console(s).await })),
        }
    }

    async fn upload(&self, stream: Stream) {
        loop {
            match stream.receive().await {
                StreamEvent::Finish => break stream.finish(),
                StreamEvent::Data(bytes) if bytes == b"refuse" => {
                    break stream.fail(&Error::operation_failed("no more room"));
                }
                StreamEvent::Data(bytes) if bytes == b"drop" => break,
                event @ (StreamEvent::Data(_) | StreamEvent::Hole(_)) => {
                    self.uploaded.lock().unwrap().push(event);
                }
                _ => break,
            }
        }
        self.streams.fetch_sub(1, Ordering::SeqCst);
    }

    async fn download(&self, stream: Stream, length: usize) {
        if stream.send(&pattern(length)).await && stream.send_hole(4096).await {
            stream.send_end();
        }
        if stream.receive().await == StreamEvent::Finish {
            stream.finish();
        }
        self.streams.fetch_sub(1, Ordering::SeqCst);
    }

    async fn console(&self, stream: Stream) {
        loop {
            match stream.receive().await {
                StreamEvent::Data(bytes) => {
                    stream.send(&bytes).await;
                }
                StreamEvent::Finish => break stream.finish(),
                _ => break,
            }
        }
        self.streams.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until nobody is here.
    pub(crate) async fn empty(&self) {
        while self.clients.load(Ordering::SeqCst) > 0 {
            let left = self.left.notified();
            if self.clients.load(Ordering::SeqCst) > 0 {
                let _ = tokio::time::timeout(std::time::Duration::from_millis(20), left).await;
            }
        }
    }

    /// What the reboots of a client wait for.
    pub(crate) fn gate_of(&self, client: usize) -> Arc<Semaphore> {
        self.gates.lock().unwrap()[client].clone()
    }

    pub(crate) fn last_reason(&self) -> Option<Closed> {
        self.gone.lock().unwrap().last().cloned()
    }
}

/// The service needs an `Arc` of itself for its streams.
pub(crate) struct Shared(pub(crate) Arc<Demo>);

impl Service for Shared {
    type Session = Session;

    fn programs(&self, _connection: &Connection) -> &'static [&'static Program] {
        &[&REMOTE]
    }

    fn open(&self, connection: &Arc<Connection>) -> Arc<Session> {
        self.0.clients.fetch_add(1, Ordering::SeqCst);
        self.0.connections.lock().unwrap().push(connection.clone());
        let gate = Arc::new(Semaphore::new(0));
        self.0.gates.lock().unwrap().push(gate.clone());
        Arc::new(Session { connection: connection.clone(), gate })
    }

    fn call(&self, session: &Arc<Session>, call: Call<'_>) -> Outcome {
        match call.row.name {
            // Each resume lets one reboot go on.
            "DomainReboot" => {
                let gate = session.gate.clone();
                Outcome::Later(Box::pin(async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(Reply::empty())
                }))
            }
            "DomainResume" => {
                session.gate.add_permits(1);
                Outcome::Now(Ok(Reply::empty()))
            }
            "DomainShutdown" => Outcome::Later(Box::pin(async { panic!("the demo panics later") })),
            "StorageVolUpload" | "StorageVolDownload" | "DomainOpenConsole" => {
                Outcome::Now(self.0.stream(&call))
            }
            _ => Outcome::Now(self.0.answer(session, call)),
        }
    }

    fn closed(&self, _session: &Arc<Session>, why: &Closed) {
        self.0.gone.lock().unwrap().push(why.clone());
        self.0.clients.fetch_sub(1, Ordering::SeqCst);
        self.0.left.notify_waiters();
    }
}

/// Tests that count what the process holds open run alone.
static COMPANY: RwLock<()> = RwLock::new(());

/// A place among other tests, or without them.
#[derive(Default)]
pub(crate) struct Place {
    _shared: Option<RwLockReadGuard<'static, ()>>,
    _alone: Option<RwLockWriteGuard<'static, ()>>,
}

pub(crate) fn among_others() -> Place {
    let shared = COMPANY.read().unwrap_or_else(PoisonError::into_inner);
    Place { _shared: Some(shared), ..Place::default() }
}

pub(crate) fn alone() -> Place {
    let alone = COMPANY.write().unwrap_or_else(PoisonError::into_inner);
    Place { _alone: Some(alone), ..Place::default() }
}

/// A server in a folder of its own.
pub(crate) struct Here {
    pub(crate) demo: Arc<Demo>,
    pub(crate) path: PathBuf,
    folder: PathBuf,
    task: tokio::task::JoinHandle<()>,
    _place: Place,
}

impl Here {
    pub(crate) fn start(limits: Limits) -> Here {
        Self::start_at(among_others(), limits)
    }

    pub(crate) fn start_at(place: Place, limits: Limits) -> Here {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ostler-rpc-demo-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("sock");
        let listener = UnixListener::bind(&path).unwrap();
        let demo = Arc::new(Demo::default());
        let server = Server::new(Arc::new(Shared(demo.clone())));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                server.serve_unix(socket, SocketKind::ReadWrite, limits).unwrap();
            }
        });
        Here { demo, path, folder, task, _place: place }
    }

    pub(crate) async fn client(&self) -> (Client, Events) {
        Client::connect(&self.path).await.unwrap()
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.task.abort();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// The arguments of a call for a domain.
pub(crate) fn reboot() -> DomainRebootArgs {
    DomainRebootArgs { dom: domain("demo", 1), flags: 0 }
}

pub(crate) fn resume() -> DomainResumeArgs {
    DomainResumeArgs { dom: domain("demo", 1) }
}

pub(crate) fn xml_of_length(length: u32) -> DomainGetXmlDescArgs {
    DomainGetXmlDescArgs { dom: domain("demo", 1), flags: length }
}

pub(crate) fn volume() -> StorageVolRef {
    StorageVolRef { pool: "default".to_owned(), name: "vol".to_owned(), key: "/vol".to_owned() }
}

pub(crate) fn shutdown() -> DomainShutdownArgs {
    DomainShutdownArgs { dom: domain("demo", 1) }
}

pub(crate) fn destroy() -> DomainDestroyArgs {
    DomainDestroyArgs { dom: domain("demo", 1) }
}

/// The version every demo gives.
pub(crate) async fn version(client: &Client) -> Result<u64> {
    Ok(client.call::<ConnectGetLibVersion>(&()).await?.lib_ver)
}
