//! Commands that a client writes for the emulator itself.
//!
//! Owns: those handlers of the QEMU program. Never: looks into a command.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use ostler_base::{Origin, Result};
use ostler_engine::Guest;
use ostler_engine::ops::direct::Words;
use ostler_rpc::programs::qemu::procedures as call;
use ostler_rpc::programs::qemu::{
    DomainMonitorCommandArgs, DomainMonitorCommandRet, DomainMonitorCommandWithFilesArgs,
    DomainMonitorCommandWithFilesRet,
};
use ostler_rpc::service::Reply;

use crate::daemon::Daemon;
use crate::dispatch::handlers_of_program;
use crate::handlers::only_flags;

handlers_of_program! {
    act call::DomainMonitorCommand;
    serve call::DomainMonitorCommandWithFiles;
}

names_domain! { DomainMonitorCommandArgs DomainMonitorCommandWithFilesArgs }

/// Of a command: in the words of a human.
const HUMAN: u32 = 1;

impl Daemon {
    async fn command(&self, guest: &Arc<Guest>, text: &str, flags: u32, fds: Vec<OwnedFd>) -> Result<String> {
        only_flags(flags, HUMAN, "qemuDomainQemuMonitorCommandWithFiles", Origin::Qemu)?;
        let words = if flags & HUMAN != 0 { Words::Human } else { Words::Machine };
        self.engine.command(guest, text, words, fds).await
    }
}

act!(DomainMonitorCommand, |daemon, guest, args| {
    let result = daemon.command(guest, &args.cmd, args.flags, Vec::new()).await?;
    Ok(DomainMonitorCommandRet { result })
});

serve!(DomainMonitorCommandWithFiles, |daemon, guest, args, fds| {
    let result = daemon.command(guest, &args.cmd, args.flags, fds).await?;
    Reply::of(&DomainMonitorCommandWithFilesRet { result })
});
