//! From a call to its handler: decode, check, find, answer.
//!
//! Owns: that order, and the three kinds of handler. Never: knows a procedure.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::connection::{Connection, SocketKind};
use ostler_rpc::programs::admin::ADMIN;
use ostler_rpc::programs::qemu::QEMU;
use ostler_rpc::programs::remote::REMOTE;
use ostler_rpc::service::{Call, Outcome, Reply, Service};
use ostler_rpc::table::{Priority, Procedure, Program};
use ostler_rpc::{Closed, xdr::Xdr};

use crate::access::{self, Allowed, Subject, of_function};
use crate::auth::Way;
use crate::daemon::Daemon;
use crate::session::Session;

/// What a call is about, found from its arguments before anything else is done with them.
pub trait Find<P: Procedure>: Sized + Send + 'static {
    /// Whether it leaves out what the caller may not see.
    const FILTERS: bool = false;

    /// Finds the object.
    fn find(daemon: &Daemon, session: &Session, args: &P::Args) -> Result<Self>;

    /// What rules of access know it by; nothing of what is not known before the call.
    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// The host: what calls are about that name no object.
#[derive(Debug, Clone, Copy)]
pub struct Host;

impl<P: Procedure> Find<P> for Host {
    fn find(_daemon: &Daemon, _session: &Session, _args: &P::Args) -> Result<Self> {
        Ok(Host)
    }
}

/// A handler that answers at once, on the connection's own task: it must not block.
pub trait Answer<P: Procedure> {
    /// What the call is about.
    type On: Find<P>;

    /// Whether the call may come before a connection is open.
    fn before_open(_args: &P::Args) -> bool {
        false
    }

    /// Answers.
    fn answer(&self, session: &Arc<Session>, on: Allowed<Self::On>, args: P::Args) -> Result<P::Ret>;
}

/// A handler that waits, in a task of its own.
pub trait Act<P: Procedure> {
    /// What the call is about.
    type On: Find<P>;

    /// Does what is asked for, then answers.
    fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        on: Allowed<Self::On>,
        args: P::Args,
    ) -> impl Future<Output = Result<P::Ret>> + Send + 'static;
}

/// A handler that waits, like [`Act`], and that takes descriptors of the client, or answers with
/// descriptors or a stream.
pub trait Serve<P: Procedure> {
    /// What the call is about.
    type On: Find<P>;

    /// Does what is asked for with the descriptors that came along, then answers.
    fn serve(
        self: Arc<Self>,
        session: Arc<Session>,
        on: Allowed<Self::On>,
        args: P::Args,
        fds: Vec<OwnedFd>,
    ) -> impl Future<Output = Result<Reply>> + Send + 'static;
}

/// A call with everything a handler needs.
#[derive(Debug)]
pub struct Request<'a> {
    daemon: &'a Arc<Daemon>,
    session: &'a Arc<Session>,
    call: Call<'a>,
    fds: Mutex<Vec<OwnedFd>>,
}

impl Request<'_> {
    /// The descriptors that came with the call; the first who asks has them.
    fn fds(&self) -> Vec<OwnedFd> {
        std::mem::take(&mut *self.fds.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Decodes, checks, finds.
    fn admit<P: Procedure, On: Find<P>>(
        &self,
        before_open: impl FnOnce(&P::Args) -> bool,
    ) -> Result<(Allowed<On>, P::Args)> {
        let args = self.call.args::<P>()?;
        let find = || On::find(self.daemon, self.session, &args);
        let rule = &P::ROW.rule;
        let clients = (&**self.daemon, &**self.session);
        let what = (rule, P::condition(&args));
        let on = access::authorize(clients, what, before_open(&args), find, On::subject, On::FILTERS)?;
        Ok((on, args))
    }
}

/// A procedure's handler.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    number: i32,
    run: fn(&Request<'_>) -> Outcome,
}

impl Entry {
    /// The entry of a procedure that is answered at once.
    pub const fn answer<P: Procedure>() -> Self
    where
        Daemon: Answer<P>,
    {
        Entry { number: P::ROW.number, run: answer::<P> }
    }

    /// The entry of a procedure that waits.
    pub const fn act<P: Procedure>() -> Self
    where
        Daemon: Act<P>,
    {
        Entry { number: P::ROW.number, run: act::<P> }
    }

    /// The entry of a procedure that waits and has more than arguments and a result.
    pub const fn serve<P: Procedure>() -> Self
    where
        Daemon: Serve<P>,
    {
        Entry { number: P::ROW.number, run: serve::<P> }
    }
}

fn answer<P: Procedure>(request: &Request<'_>) -> Outcome
where
    Daemon: Answer<P>,
{
    let answered = || {
        let (on, args) = request.admit::<P, _>(<Daemon as Answer<P>>::before_open)?;
        let ret = Answer::<P>::answer(&**request.daemon, request.session, on, args)?;
        reply(&ret)
    };
    Outcome::Now(answered())
}

fn act<P: Procedure>(request: &Request<'_>) -> Outcome
where
    Daemon: Act<P>,
{
    // Who has yet to say who it is has opened nothing.
    match request.admit::<P, <Daemon as Act<P>>::On>(|_| P::ROW.rule.api.is_empty()) {
        Ok((on, args)) => {
            let workers = request.daemon.roster(request.session.connection().socket()).workers.clone();
            let urgent = P::ROW.rule.priority == Priority::High;
            let acting = Act::<P>::act(request.daemon.clone(), request.session.clone(), on, args);
            Outcome::Later(Box::pin(async move {
                let _place = workers.take(urgent).await;
                reply(&acting.await?)
            }))
        }
        Err(error) => Outcome::Now(Err(error)),
    }
}

fn serve<P: Procedure>(request: &Request<'_>) -> Outcome
where
    Daemon: Serve<P>,
{
    match request.admit::<P, <Daemon as Serve<P>>::On>(|_| false) {
        Ok((on, args)) => {
            let fds = request.fds();
            let (daemon, session) = (request.daemon.clone(), request.session.clone());
            Outcome::Later(Box::pin(Serve::<P>::serve(daemon, session, on, args, fds)))
        }
        Err(error) => Outcome::Now(Err(error)),
    }
}

fn reply<T: Xdr>(value: &T) -> Result<Reply> {
    Reply::of(value)
}

/// Room for the handlers of a program: more than any program has procedures.
const SLOTS: usize = 512;

/// The handlers of a program, each at its number.
pub type Table = [Option<Entry>; SLOTS];

/// The table of these handlers: groups of lists. Two handlers of one procedure do not compile.
pub const fn table(groups: &[&[&[Entry]]]) -> Table {
    let mut table: Table = [None; SLOTS];
    let mut group = 0;
    while group < groups.len() {
        let mut list = 0;
        while list < groups[group].len() {
            let mut at = 0;
            while at < groups[group][list].len() {
                let entry = groups[group][list][at];
                let slot = entry.number.cast_unsigned() as usize;
                assert!(table[slot].is_none(), "a procedure has two handlers");
                table[slot] = Some(entry);
                at += 1;
            }
            list += 1;
        }
        group += 1;
    }
    table
}

/// Lists the handlers of a module: `answer Procedure;`, `act Procedure;` or `serve Procedure;`.
macro_rules! handlers {
    ($($kind:ident $procedure:path;)+) => {
        /// The handlers of this module.
        pub(super) const HANDLERS: &[$crate::dispatch::Entry] =
            &[$($crate::dispatch::Entry::$kind::<$procedure>()),+];
    };
}

/// The same for the handlers of another program, which the table of the programs names.
macro_rules! handlers_of_program {
    ($($kind:ident $procedure:path;)+) => {
        /// The handlers of this module.
        pub(in crate::handlers) const HANDLERS: &[$crate::dispatch::Entry] =
            &[$($crate::dispatch::Entry::$kind::<$procedure>()),+];
    };
}

pub(crate) use {handlers, handlers_of_program};

/// What serves every client.
#[derive(Debug)]
pub struct Front(pub Arc<Daemon>);

impl Service for Front {
    type Session = Session;

    fn programs(&self, connection: &Connection) -> &'static [&'static Program] {
        static MAIN: [&Program; 2] = [&REMOTE, &QEMU];
        static ADMINISTRATION: [&Program; 1] = [&ADMIN];
        match connection.socket() {
            SocketKind::Admin => &ADMINISTRATION,
            _ => &MAIN,
        }
    }

    fn open(&self, connection: &Arc<Connection>) -> Arc<Session> {
        let way = Way::of(&self.0.config(), connection);
        let session = Arc::new(Session::new(connection.clone(), way));
        self.0.arrived(&session);
        session
    }

    fn call(&self, session: &Arc<Session>, mut call: Call<'_>) -> Outcome {
        let fds = Mutex::new(std::mem::take(&mut call.fds));
        // Only the calls by which a client says who it is have no public function.
        if !session.is_authenticated() && !call.row.rule.api.is_empty() {
            let error = Error::new(Code::Rpc, Origin::Rpc, "authentication required");
            return Outcome::Now(Err(error));
        }
        let handler = crate::handlers::of(call.program, call.row.number);
        let request = Request { daemon: &self.0, session, call, fds };
        match handler {
            Some(entry) => (entry.run)(&request),
            None => Outcome::Now(Err(refuse(&request))),
        }
    }

    fn closed(&self, session: &Arc<Session>, _why: &Closed) {
        session.close();
        self.0.gone(session);
        self.0.end_runs(session.leave());
    }
}

/// The answer where no handler is: what is wrong with the call itself comes first.
fn refuse(request: &Request<'_>) -> Error {
    let row = request.call.row;
    let Ok(condition) = (row.condition)(request.call.content) else {
        return Error::new(Code::Rpc, Origin::Rpc, "Unable to decode message payload");
    };
    if row.rule.api.is_empty() {
        return Error::new(Code::AuthFailed, Origin::Rpc, "");
    }
    let checked = access::check(request.session, &row.rule, condition, false).and_then(|()| {
        let unknown = Subject::default();
        access::permit(request.daemon, request.session, &row.rule, condition, &unknown, false)
    });
    match checked {
        Err(error) => error,
        Ok(()) => Error::no_support(row.rule.api).from_origin(of_function(row.rule.api)),
    }
}
