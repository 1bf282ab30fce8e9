//! The connection: one task reads, one writes, callers wait for their answers.
//!
//! Owns: who waits for which answer. A caller may stop waiting at any time (a dropped future); what
//! it asked is sent whole all the same, and its answer is thrown away.
//!
//! ```text
//! open --(QEMU closes, a read or write fails)--> ended: Gone
//!   \---(something that is no protocol)--------> ended: Protocol
//! ```

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ostler_base::Json;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::wire::{self, LINE_LIMIT, Message, Outcome};
use crate::{Event, Greeting, MonitorError};

/// How many events wait for their receiver before reading stops.
pub const EVENTS_QUEUED: usize = 1024;

/// The arguments of a command, if it has any.
pub type Arguments = Option<Json>;

/// A connection to QEMU's monitor. Clones share it; it is closed with the last of them.
#[derive(Debug, Clone)]
pub struct Monitor {
    link: Arc<Link>,
    bound: Option<Duration>,
}

#[derive(Debug)]
struct Link {
    outgoing: mpsc::UnboundedSender<Request>,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
    greeting: Greeting,
    tasks: [AbortHandle; 2],
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// Who waits, and how the connection ended.
#[derive(Debug)]
struct Waiting {
    state: Mutex<State>,
    end: watch::Sender<bool>,
}

#[derive(Debug)]
enum State {
    Open(HashMap<u64, oneshot::Sender<Outcome>>),
    Ended(MonitorError),
}

impl Waiting {
    fn new() -> Arc<Self> {
        let end = watch::Sender::new(false);
        Arc::new(Waiting { state: Mutex::new(State::Open(HashMap::new())), end })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, id: u64) -> Result<Pending, MonitorError> {
        match &mut *self.lock() {
            State::Open(callers) => {
                let (sender, answer) = oneshot::channel();
                callers.insert(id, sender);
                Ok(Pending { id, answer, waiting: Arc::clone(self) })
            }
            State::Ended(error) => Err(error.clone()),
        }
    }

    fn answer(&self, id: u64, outcome: Outcome) {
        let caller = match &mut *self.lock() {
            State::Open(callers) => callers.remove(&id),
            State::Ended(_) => None,
        };
        if let Some(caller) = caller {
            // A caller that stopped waiting does not want it any more.
            drop(caller.send(outcome));
        }
    }

    /// Wakes everybody who waits; the first reason stays.
    fn finish(&self, why: MonitorError) {
        let mut state = self.lock();
        if let State::Open(_) = *state {
            *state = State::Ended(why);
        }
        drop(state);
        self.end.send_replace(true);
    }

    fn reason(&self) -> MonitorError {
        match &*self.lock() {
            State::Ended(error) => error.clone(),
            State::Open(_) => MonitorError::Gone,
        }
    }
}

/// One who waits; leaves the list when dropped.
struct Pending {
    id: u64,
    answer: oneshot::Receiver<Outcome>,
    waiting: Arc<Waiting>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let State::Open(callers) = &mut *self.waiting.lock() {
            callers.remove(&self.id);
        }
    }
}

impl Pending {
    async fn wait(mut self, command: &str) -> Result<Json, MonitorError> {
        match (&mut self.answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(refusal)) => Err(MonitorError::Qemu {
                command: command.to_owned(),
                class: refusal.class,
                desc: refusal.desc,
            }),
            Err(_) => Err(self.waiting.reason()),
        }
    }
}

impl Monitor {
    /// Connects to a socket, reads the greeting and leaves negotiation mode. Waits for as long as
    /// QEMU takes; a caller with less patience drops the future.
    pub async fn connect(path: &Path) -> Result<(Monitor, mpsc::Receiver<Event>), MonitorError> {
        let stream = UnixStream::connect(path).await.map_err(|_| MonitorError::Gone)?;
        Self::over(stream).await
    }

    /// The same over a stream that is connected already. Needs a running tokio.
    pub async fn over(stream: UnixStream) -> Result<(Monitor, mpsc::Receiver<Event>), MonitorError> {
        let (read, write) = stream.into_split();
        let mut source = BufReader::with_capacity(16 << 10, read);
        let mut line = Vec::new();
        if !wire::read_line(&mut source, &mut line, LINE_LIMIT).await? {
            return Err(MonitorError::Gone);
        }
        let greeting = wire::greeting(&line)?;
        let (outgoing, requests) = mpsc::unbounded_channel();
        let (events, received) = mpsc::channel(EVENTS_QUEUED);
        let waiting = Waiting::new();
        let reader = tokio::spawn(read_all(source, Arc::clone(&waiting), events));
        let writer = tokio::spawn(write_all(write, requests, Arc::clone(&waiting)));
        let tasks = [reader.abort_handle(), writer.abort_handle()];
        let link = Link { outgoing, waiting, next_id: AtomicU64::new(1), greeting, tasks };
        let monitor = Monitor { link: Arc::new(link), bound: None };
        monitor.command("qmp_capabilities", None).await?;
        Ok((monitor, received))
    }

    /// The same connection with a bound for every call: a call (or a whole batch) that takes longer
    /// ends with
    /// [`MonitorError::Timeout`]. Without, calls wait for as long as QEMU lives.
    pub fn within(&self, bound: Duration) -> Monitor {
        Monitor { link: Arc::clone(&self.link), bound: Some(bound) }
    }

    /// What QEMU said first.
    pub fn greeting(&self) -> &Greeting {
        &self.link.greeting
    }

    /// Carries out one command; the value QEMU returns.
    pub async fn command(&self, name: &str, arguments: Arguments) -> Result<Json, MonitorError> {
        self.single(name, arguments, Vec::new()).await
    }

    /// Carries out one command that takes descriptors (`getfd`, `add-fd`). QEMU gets copies.
    pub async fn command_with_fds(
        &self,
        name: &str,
        arguments: Arguments,
        fds: Vec<OwnedFd>,
    ) -> Result<Json, MonitorError> {
        self.single(name, arguments, fds).await
    }

    async fn single(
        &self,
        name: &str,
        arguments: Arguments,
        fds: Vec<OwnedFd>,
    ) -> Result<Json, MonitorError> {
        let mut bytes = Vec::new();
        let pending = self.prepare(&mut bytes, name, arguments.as_ref());
        self.send(Request { bytes, fds });
        self.finish(pending, name).await
    }

    /// Carries out several commands, sent in one write and answered in order. One that fails does not
    /// keep the
    /// rest from being carried out.
    pub async fn batch(&self, commands: &[(&str, Arguments)]) -> Vec<Result<Json, MonitorError>> {
        let mut bytes = Vec::new();
        let pending: Vec<_> = commands
            .iter()
            .map(|(name, arguments)| self.prepare(&mut bytes, name, arguments.as_ref()))
            .collect();
        self.send(Request { bytes, fds: Vec::new() });
        let deadline = self.bound.map(|bound| tokio::time::Instant::now() + bound);
        let mut answers = Vec::with_capacity(pending.len());
        for (pending, (name, _)) in pending.into_iter().zip(commands) {
            let answer = match (pending, deadline) {
                (Err(error), _) => Err(error),
                (Ok(pending), None) => pending.wait(name).await,
                (Ok(pending), Some(deadline)) => tokio::time::timeout_at(deadline, pending.wait(name))
                    .await
                    .unwrap_or_else(|_| Err(MonitorError::Timeout { command: (*name).to_owned() })),
            };
            answers.push(answer);
        }
        answers
    }

    /// Waits until the connection has ended; the reason.
    pub async fn ended(&self) -> MonitorError {
        let mut end = self.link.waiting.end.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(end.wait_for(|ended| *ended).await);
        self.link.waiting.reason()
    }

    fn prepare(
        &self,
        bytes: &mut Vec<u8>,
        name: &str,
        arguments: Option<&Json>,
    ) -> Result<Pending, MonitorError> {
        let id = self.link.next_id.fetch_add(1, Ordering::Relaxed);
        let pending = self.link.waiting.add(id)?;
        wire::request(bytes, id, name, arguments);
        Ok(pending)
    }

    fn send(&self, request: Request) {
        if !request.bytes.is_empty() && self.link.outgoing.send(request).is_err() {
            self.link.waiting.finish(MonitorError::Gone);
        }
    }

    async fn finish(&self, pending: Result<Pending, MonitorError>, name: &str) -> Result<Json, MonitorError> {
        let waiting = pending?.wait(name);
        match self.bound {
            None => waiting.await,
            Some(bound) => tokio::time::timeout(bound, waiting)
                .await
                .unwrap_or_else(|_| Err(MonitorError::Timeout { command: name.to_owned() })),
        }
    }
}

async fn read_all(mut source: BufReader<OwnedReadHalf>, waiting: Arc<Waiting>, events: mpsc::Sender<Event>) {
    let mut line = Vec::new();
    let why = loop {
        match wire::read_line(&mut source, &mut line, LINE_LIMIT).await {
            Ok(true) => {}
            Ok(false) => break MonitorError::Gone,
            Err(error) => break error,
        }
        match wire::decode(&line) {
            Ok(Message::Answer { id, outcome }) => waiting.answer(id, outcome),
            // Nobody there: nobody wants them.
            Ok(Message::Event(event)) => drop(events.send(event).await),
            Ok(Message::Stray) => {}
            Err(error) => break error,
        }
    };
    waiting.finish(why);
}

async fn write_all(
    mut sink: OwnedWriteHalf,
    mut requests: mpsc::UnboundedReceiver<Request>,
    waiting: Arc<Waiting>,
) {
    let mut end = waiting.end.subscribe();
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            // Closes the socket: a peer that is not listened to any more is told so.
            _ = end.wait_for(|ended| *ended) => None,
        };
        let Some(Request { bytes, fds }) = request else { return };
        let sent = if fds.is_empty() { Ok(0) } else { send_fds(sink.as_ref(), &bytes, &fds).await };
        let rest = sent.map(|sent| bytes.get(sent..).unwrap_or_default());
        let written = match rest {
            Ok(rest) => sink.write_all(rest).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            return waiting.finish(MonitorError::Gone);
        }
    }
}

/// Sends descriptors with the first bytes of a request; how many bytes went with them.
async fn send_fds(stream: &UnixStream, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
    let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let message = SendAncillaryMessage::ScmRights(&borrowed);
    let size = message.size();
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = vec![MaybeUninit::uninit(); size];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            }
            let slices = [IoSlice::new(bytes)];
            Ok(sendmsg(stream.as_fd(), &slices, &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
        })
        .await
}
