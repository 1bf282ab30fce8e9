//! The life of a domain: defined, started, stopped, ended, forgotten.
//!
//! Owns: which flags each call knows. Never: does the work, or blocks the connection.

use std::sync::Arc;

use ostler_base::{Error, Origin, Result, Uuid};
use ostler_engine::agent::Way;
use ostler_engine::ops::autostart::Often;
use ostler_engine::ops::define::Managed;
use ostler_engine::ops::pump::Cache;
use ostler_engine::ops::start::Saved;
use ostler_engine::{Guest, Manner, Processors, Strictness, Variables, View};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainCreateWithFlagsArgs, DomainCreateWithFlagsRet, DomainCreateXmlArgs, DomainCreateXmlRet,
    DomainDefineXmlArgs, DomainDefineXmlFlagsArgs, DomainDefineXmlFlagsRet, DomainDefineXmlRet,
    DomainSetAutostartOnceArgs,
};

use super::{Named, reference};
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Act, Host, handlers};
use crate::handlers::only_flags;
use crate::session::Session;

handlers! {
    act call::DomainDefineXml;
    act call::DomainDefineXmlFlags;
    act call::DomainCreateXml;
    act call::DomainCreate;
    act call::DomainCreateWithFlags;
    act call::DomainDestroy;
    act call::DomainDestroyFlags;
    act call::DomainSuspend;
    act call::DomainResume;
    act call::DomainShutdown;
    act call::DomainShutdownFlags;
    act call::DomainReboot;
    act call::DomainReset;
    act call::DomainUndefine;
    act call::DomainUndefineFlags;
    act call::DomainSetAutostart;
    act call::DomainSetAutostartOnce;
}

names_domain! { DomainSetAutostartOnceArgs }

/// Of a definition: what nobody knows is refused.
const DEFINE_VALIDATE: u32 = 1;

/// Of a start: the processors stand still.
const START_PAUSED: u32 = 1;
/// Of a start: the domain ends with its client.
const START_AUTODESTROY: u32 = 2;
/// Of a start: a saved state is read past the host's cache.
const START_BYPASS_CACHE: u32 = 4;
/// Of a start: a saved state is thrown away.
const START_FORCE_BOOT: u32 = 8;
/// Of a start: the variables of firmware are made anew.
const START_RESET_NVRAM: u32 = 32;
/// Of a start from a definition: what nobody knows is refused.
const START_VALIDATE: u32 = 16;

/// Of an end: only ask.
const DESTROY_GRACEFUL: u32 = 1;
/// Of an end: remove the log as well.
const DESTROY_REMOVE_LOGS: u32 = 2;

/// Of a shutdown or reboot: by the power button.
const BY_BUTTON: u32 = 1;
/// Of a shutdown or reboot: by the agent in the guest.
const BY_AGENT: u32 = 2;

const UNDEFINE_FLAGS: u32 = 0x7f;
/// Of an undefine: a saved state goes as well.
const UNDEFINE_MANAGED_SAVE: u32 = 1;
/// Of an undefine: what is kept of snapshots goes as well.
const UNDEFINE_SNAPSHOTS: u32 = 2;
/// Of an undefine: the variables of firmware go as well.
const UNDEFINE_NVRAM: u32 = 4;
/// Of an undefine: the variables of firmware stay.
const UNDEFINE_KEEP_NVRAM: u32 = 8;
/// Pairs of flags of an undefine that contradict each other, and what they are about.
const UNDEFINE_OPPOSITES: [(u32, &str); 2] = [(4 | 8, "nvram"), (32 | 64, "TPM")];

fn strictness(flags: u32, strict: u32) -> Strictness {
    if flags & strict != 0 { Strictness::Strict } else { Strictness::Lenient }
}

fn processors(flags: u32) -> Processors {
    if flags & START_PAUSED != 0 { Processors::Stay } else { Processors::Run }
}

fn saved(flags: u32) -> Saved {
    match flags & (START_BYPASS_CACHE | START_FORCE_BOOT) {
        0 => Saved::Take(Cache::Keep),
        START_BYPASS_CACHE => Saved::Take(Cache::Bypass),
        _ => Saved::Drop,
    }
}

/// The way in which a guest is turned off, by flags.
fn way(flags: u32, function: &str) -> Result<Way> {
    only_flags(flags, BY_BUTTON | BY_AGENT, function, Origin::Qemu)?;
    Ok(match (flags & BY_BUTTON != 0, flags & BY_AGENT != 0) {
        (false, false) => Way::Any,
        (true, false) => Way::Button,
        (false, true) => Way::Agent,
        (true, true) => Way::Both,
    })
}

impl Daemon {
    /// A run that was started for one client ends with it, which may be gone already.
    fn bind(self: &Arc<Self>, session: &Session, flags: u32, view: &View) {
        if flags & START_AUTODESTROY != 0
            && let Some(id) = view.id
            && !session.owns(view.uuid, id)
        {
            self.end_runs(vec![(view.uuid, id)]);
        }
    }

    /// Ends these runs, as far as they still go on.
    pub(crate) fn end_runs(self: &Arc<Self>, runs: Vec<(Uuid, i32)>) {
        for (uuid, id) in runs {
            let Some(guest) = self.engine.registry().by_uuid(uuid) else { continue };
            if guest.view().id != Some(id) {
                continue;
            }
            let daemon = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = daemon.engine.destroy(&guest, Manner::Force).await {
                    tracing::warn!(guest = %guest.view().name, %error, "a guest outlives its client");
                }
            });
        }
    }

    async fn end(&self, guest: &Arc<Guest>, flags: u32) -> Result<()> {
        let known = DESTROY_GRACEFUL | DESTROY_REMOVE_LOGS;
        only_flags(flags, known, "qemuDomainDestroyFlags", Origin::Qemu)?;
        let manner = if flags & DESTROY_GRACEFUL != 0 { Manner::Graceful } else { Manner::Force };
        self.engine.destroy(guest, manner).await?;
        if flags & DESTROY_REMOVE_LOGS != 0 {
            self.engine.remove_log(guest).await?;
        }
        Ok(())
    }

    async fn forget(&self, guest: &Arc<Guest>, flags: u32) -> Result<()> {
        only_flags(flags, UNDEFINE_FLAGS, "qemuDomainUndefineFlags", Origin::Qemu)?;
        if let Some((_, what)) = UNDEFINE_OPPOSITES.iter().find(|(both, _)| flags & both == *both) {
            return Err(Error::operation_invalid(format!("cannot both keep and delete {what}")));
        }
        self.engine.forget_snapshots(guest, flags & UNDEFINE_SNAPSHOTS != 0).await?;
        let variables = if flags & UNDEFINE_NVRAM != 0 {
            Variables::Remove
        } else if flags & UNDEFINE_KEEP_NVRAM != 0 {
            Variables::Keep
        } else {
            Variables::Absent
        };
        let managed_save = if flags & UNDEFINE_MANAGED_SAVE != 0 { Managed::Remove } else { Managed::Refuse };
        self.engine.undefine(guest, variables, managed_save).await
    }
}

impl Act<call::DomainDefineXml> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _session: Arc<Session>,
        _on: Allowed<Host>,
        args: DomainDefineXmlArgs,
    ) -> Result<DomainDefineXmlRet> {
        let view = self.engine.define(&args.xml, Strictness::Lenient).await?;
        Ok(DomainDefineXmlRet { dom: reference(&view) })
    }
}

impl Act<call::DomainDefineXmlFlags> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        _session: Arc<Session>,
        _on: Allowed<Host>,
        args: DomainDefineXmlFlagsArgs,
    ) -> Result<DomainDefineXmlFlagsRet> {
        only_flags(args.flags, DEFINE_VALIDATE, "qemuDomainDefineXMLFlags", Origin::Qemu)?;
        let view = self.engine.define(&args.xml, strictness(args.flags, DEFINE_VALIDATE)).await?;
        Ok(DomainDefineXmlFlagsRet { dom: reference(&view) })
    }
}

impl Act<call::DomainCreateXml> for Daemon {
    type On = Host;

    async fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        _on: Allowed<Host>,
        args: DomainCreateXmlArgs,
    ) -> Result<DomainCreateXmlRet> {
        let known = START_PAUSED | START_AUTODESTROY | START_VALIDATE | START_RESET_NVRAM;
        only_flags(args.flags, known, "qemuDomainCreateXML", Origin::Qemu)?;
        let strictness = strictness(args.flags, START_VALIDATE);
        if args.flags & START_RESET_NVRAM != 0 {
            self.engine.reset_variables_in(&args.xml_desc, strictness).await?;
        }
        let view = self.engine.create(&args.xml_desc, strictness, processors(args.flags)).await?;
        self.bind(&session, args.flags, &view);
        Ok(DomainCreateXmlRet { dom: reference(&view) })
    }
}

act!(DomainCreate, |daemon, guest, _args| {
    daemon.engine.start(guest, Processors::Run, Saved::Take(Cache::Keep)).await.map(drop)
});

impl Act<call::DomainCreateWithFlags> for Daemon {
    type On = Named;

    async fn act(
        self: Arc<Self>,
        session: Arc<Session>,
        on: Allowed<Named>,
        args: DomainCreateWithFlagsArgs,
    ) -> Result<DomainCreateWithFlagsRet> {
        let known =
            START_PAUSED | START_AUTODESTROY | START_BYPASS_CACHE | START_FORCE_BOOT | START_RESET_NVRAM;
        only_flags(args.flags, known, "qemuDomainCreateWithFlags", Origin::Qemu)?;
        let guest = &on.0;
        if args.flags & START_RESET_NVRAM != 0 {
            self.engine.reset_variables(guest).await?;
        }
        let view = self.engine.start(guest, processors(args.flags), saved(args.flags)).await?;
        self.bind(&session, args.flags, &view);
        Ok(DomainCreateWithFlagsRet { dom: reference(&view) })
    }
}

act!(DomainDestroy, |daemon, guest, _args| daemon.end(guest, 0).await);

act!(DomainDestroyFlags, |daemon, guest, args| daemon.end(guest, args.flags).await);

act!(DomainSuspend, |daemon, guest, _args| daemon.engine.suspend(guest).await);

act!(DomainResume, |daemon, guest, _args| daemon.engine.resume(guest).await);

act!(DomainShutdown, |daemon, guest, _args| daemon.engine.shut_down(guest, Way::Any, false).await);

act!(DomainShutdownFlags, |daemon, guest, args| {
    let way = way(args.flags, "qemuDomainShutdownFlags")?;
    daemon.engine.shut_down(guest, way, false).await
});

act!(DomainReboot, |daemon, guest, args| {
    let way = way(args.flags, "qemuDomainReboot")?;
    daemon.engine.shut_down(guest, way, true).await
});

act!(DomainReset, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainReset", Origin::Qemu)?;
    daemon.engine.reset(guest).await
});

act!(DomainUndefine, |daemon, guest, _args| daemon.forget(guest, 0).await);

act!(DomainUndefineFlags, |daemon, guest, args| daemon.forget(guest, args.flags).await);

act!(DomainSetAutostart, |daemon, guest, args| {
    daemon.engine.set_autostart(guest, args.autostart != 0, Often::Always).await
});

act!(DomainSetAutostartOnce, |daemon, guest, args| {
    daemon.engine.set_autostart(guest, args.autostart != 0, Often::Once).await
});
