//! The life of a domain: defined, started, stopped, ended, forgotten.
//!
//! Owns: which flags each call knows. Never: does the work, or blocks the connection.

use std::sync::Arc;

use ostler_base::{Code, Error, Origin, Result};
use ostler_engine::{Guest, Manner, Processors, Strictness, Variables};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainCreateWithFlagsRet, DomainCreateXmlArgs, DomainCreateXmlRet, DomainDefineXmlArgs,
    DomainDefineXmlFlagsArgs, DomainDefineXmlFlagsRet, DomainDefineXmlRet,
};
use ostler_rpc::table::Procedure;

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
}

/// Of a definition: what nobody knows is refused.
const DEFINE_VALIDATE: u32 = 1;

/// Of a start: the processors stand still.
const START_PAUSED: u32 = 1;
/// Of a start: the cache is passed by, a saved state is not used; nothing to do where there is none.
const START_PASSED_OVER: u32 = 4 | 8;
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

/// Refuses a way to shut down that does not work here.
fn by_button(flags: u32, function: &str) -> Result<()> {
    only_flags(flags, BY_BUTTON | BY_AGENT, function, Origin::Qemu)?;
    if flags & (BY_BUTTON | BY_AGENT) == BY_AGENT {
        let text = "QEMU guest agent is not configured";
        return Err(Error::new(Code::ArgumentUnsupported, Origin::Qemu, text));
    }
    Ok(())
}

impl Daemon {
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
        let variables = if flags & UNDEFINE_NVRAM != 0 {
            Variables::Remove
        } else if flags & UNDEFINE_KEEP_NVRAM != 0 {
            Variables::Keep
        } else {
            Variables::Absent
        };
        self.engine.undefine(guest, variables).await
    }
}

macro_rules! act {
    ($procedure:ident, |$daemon:ident, $guest:ident, $args:ident| $body:expr) => {
        impl Act<call::$procedure> for Daemon {
            type On = Named;

            async fn act(
                self: Arc<Self>,
                _session: Arc<Session>,
                on: Allowed<Named>,
                $args: <call::$procedure as Procedure>::Args,
            ) -> Result<<call::$procedure as Procedure>::Ret> {
                let ($daemon, $guest) = (self, &on.0);
                $body
            }
        }
    };
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
        _session: Arc<Session>,
        _on: Allowed<Host>,
        args: DomainCreateXmlArgs,
    ) -> Result<DomainCreateXmlRet> {
        let known = START_PAUSED | START_VALIDATE | START_PASSED_OVER | START_RESET_NVRAM;
        only_flags(args.flags, known, "qemuDomainCreateXML", Origin::Qemu)?;
        let strictness = strictness(args.flags, START_VALIDATE);
        if args.flags & START_RESET_NVRAM != 0 {
            self.engine.reset_variables_in(&args.xml_desc, strictness).await?;
        }
        let view = self.engine.create(&args.xml_desc, strictness, processors(args.flags)).await?;
        Ok(DomainCreateXmlRet { dom: reference(&view) })
    }
}

act!(DomainCreate, |daemon, guest, _args| daemon.engine.start(guest, Processors::Run).await.map(drop));

act!(DomainCreateWithFlags, |daemon, guest, args| {
    let known = START_PAUSED | START_PASSED_OVER | START_RESET_NVRAM;
    only_flags(args.flags, known, "qemuDomainCreateWithFlags", Origin::Qemu)?;
    if args.flags & START_RESET_NVRAM != 0 {
        daemon.engine.reset_variables(guest).await?;
    }
    let view = daemon.engine.start(guest, processors(args.flags)).await?;
    Ok(DomainCreateWithFlagsRet { dom: reference(&view) })
});

act!(DomainDestroy, |daemon, guest, _args| daemon.end(guest, 0).await);

act!(DomainDestroyFlags, |daemon, guest, args| daemon.end(guest, args.flags).await);

act!(DomainSuspend, |daemon, guest, _args| daemon.engine.suspend(guest).await);

act!(DomainResume, |daemon, guest, _args| daemon.engine.resume(guest).await);

act!(DomainShutdown, |daemon, guest, _args| daemon.engine.shutdown(guest).await);

act!(DomainShutdownFlags, |daemon, guest, args| {
    by_button(args.flags, "qemuDomainShutdownFlags")?;
    daemon.engine.shutdown(guest).await
});

act!(DomainReboot, |daemon, guest, args| {
    by_button(args.flags, "qemuDomainReboot")?;
    daemon.engine.reboot(guest).await
});

act!(DomainReset, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainReset", Origin::Qemu)?;
    daemon.engine.reset(guest).await
});

act!(DomainUndefine, |daemon, guest, _args| daemon.forget(guest, 0).await);

act!(DomainUndefineFlags, |daemon, guest, args| daemon.forget(guest, args.flags).await);

act!(DomainSetAutostart, |daemon, guest, args| {
    daemon.engine.set_autostart(guest, args.autostart != 0).await
});
