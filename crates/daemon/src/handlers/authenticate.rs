//! The calls by which a client says who it is.
//!
//! Owns: those handlers, and who is let in. Never: decides what a client may do afterwards.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_rpc::connection::SocketKind;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    AuthPolkitRet, AuthSaslInitRet, AuthSaslStartArgs, AuthSaslStartRet, AuthSaslStepArgs, AuthSaslStepRet,
};
use ostler_rpc::table::Procedure;
use ostler_rpc::tls::fits;
use ostler_rpc::xdr::Chars;
use tracing::{info, warn};

use crate::access::{Allowed, polkit};
use crate::auth::Way;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Host, handlers};
use crate::sasl::{Conversation, Progress, Wanted};
use crate::session::Session;

handlers! {
    act call::AuthSaslInit;
    act call::AuthSaslStart;
    act call::AuthSaslStep;
    act call::AuthPolkit;
}

/// The least strength that counts as encryption, in bits.
const STRENGTH_MIN: u32 = 56;

/// The most strength, in bits: whatever there is.
const STRENGTH_MAX: u32 = 100_000;

/// The refusal of a client; why it is refused is for the log, not for who may be guessing.
fn refused(session: &Session, why: &str) -> Error {
    let connection = session.connection();
    let who = connection.address().unwrap_or("a local client");
    warn!("{who} did not prove who it is: {why}");
    Error::new(Code::AuthFailed, Origin::Rpc, "authentication failed")
}

/// Refuses a client that has another way to go, or that has gone it.
fn expect(session: &Session, way: Way) -> Result<()> {
    if session.way() != way || session.is_authenticated() {
        return Err(refused(session, "it does what was not asked of it"));
    }
    Ok(())
}

fn wanted(daemon: &Daemon, session: &Session) -> Wanted {
    let connection = session.connection();
    // The library has another mark between address and port.
    let remote = connection.address().and_then(|text| text.rsplit_once(':'));
    let remote =
        remote.map_or_else(String::new, |(host, port)| format!("{};{port}", host.trim_matches(['[', ']'])));
    let clear = connection.socket() == SocketKind::Tcp;
    Wanted {
        addresses: [String::new(), remote],
        below: if connection.socket() == SocketKind::Tls { 128 } else { 0 },
        min_strength: if clear { daemon.config().tcp_min_ssf.max(STRENGTH_MIN) } else { 0 },
        max_strength: if clear { STRENGTH_MAX } else { 0 },
        plain: !clear,
    }
}

impl Act<call::AuthSaslInit> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<AuthSaslInitRet> {
        expect(&session, Way::Sasl)?;
        let begun = Conversation::begin(&wanted(&self, &session)).await;
        let (conversation, mechlist) = begun.map_err(|why| refused(&session, &why))?;
        session.keep_conversation(conversation);
        Ok(AuthSaslInitRet { mechlist })
    }
}

/// What a client is told; the last: whether that is all.
struct Told {
    complete: bool,
    data: Option<Vec<u8>>,
}

impl Daemon {
    /// Goes one step on; a client that has come to the end is let in.
    async fn go_on(
        &self,
        session: &Arc<Session>,
        procedure: i32,
        mechanism: Option<&str>,
        data: Option<&[u8]>,
    ) -> Result<Told> {
        expect(session, Way::Sasl)?;
        let kept = session.take_conversation();
        let mut conversation = kept.ok_or_else(|| refused(session, "nothing was begun"))?;
        let progress = match mechanism {
            Some(mechanism) => conversation.start(mechanism, data).await,
            None => conversation.step(data).await,
        };
        let (data, user, strength) = match progress.map_err(|why| refused(session, &why))? {
            Progress::Goes { data } => {
                session.keep_conversation(conversation);
                return Ok(Told { complete: false, data });
            }
            Progress::Done { data, user, strength } => (data, user, strength),
        };
        let wanted = wanted(self, session);
        if strength < wanted.min_strength {
            return Err(refused(session, &format!("its layer has {strength} bits only")));
        }
        let names = &self.config().sasl_allowed_username_list;
        if !names.is_empty() && !names.iter().any(|pattern| fits(pattern, &user)) {
            return Err(refused(session, &format!("'{user}' is not on the list of allowed names")));
        }
        info!("{} is '{user}'", session.connection().address().unwrap_or("a local client"));
        session.set_user(user);
        if strength == 0 {
            self.clients.known(session);
            return Ok(Told { complete: true, data });
        }
        // Until the layer is there, what comes could be anybody's: nothing is believed before.
        let (clients, known) = (self.clients.clone(), Arc::downgrade(session));
        let layer = conversation.layer(move || {
            if let Some(session) = known.upgrade() {
                clients.known(&session);
            }
        });
        session.connection().protect_behind(procedure, layer);
        Ok(Told { complete: true, data })
    }
}

impl Act<call::AuthSaslStart> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        _on: Allowed<Host>,
        args: AuthSaslStartArgs,
    ) -> Result<AuthSaslStartRet> {
        let data = (args.nil == 0).then_some(&args.data.0[..]);
        let number = call::AuthSaslStart::ROW.number;
        let Told { complete, data } = self.go_on(&session, number, Some(&args.mech), data).await?;
        let nil = i32::from(data.is_none());
        Ok(AuthSaslStartRet { complete: complete.into(), nil, data: Chars(data.unwrap_or_default()) })
    }
}

impl Act<call::AuthSaslStep> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        _on: Allowed<Host>,
        args: AuthSaslStepArgs,
    ) -> Result<AuthSaslStepRet> {
        let data = (args.nil == 0).then_some(&args.data.0[..]);
        let number = call::AuthSaslStep::ROW.number;
        let Told { complete, data } = self.go_on(&session, number, None, data).await?;
        let nil = i32::from(data.is_none());
        Ok(AuthSaslStepRet { complete: complete.into(), nil, data: Chars(data.unwrap_or_default()) })
    }
}

impl Act<call::AuthPolkit> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        _on: Allowed<Host>,
        _args: (),
    ) -> Result<AuthPolkitRet> {
        expect(&session, Way::Polkit)?;
        let peer = session.connection().peer().ok_or_else(|| refused(&session, "it is not on this host"))?;
        let action = match session.is_read_only() {
            true => "org.libvirt.unix.monitor",
            false => "org.libvirt.unix.manage",
        };
        polkit::check(peer, action).await?;
        self.clients.known(&session);
        Ok(AuthPolkitRet { complete: 1 })
    }
}
