//! What reaches a domain from outside: keys, interrupts, and those who look at its screen.
//!
//! Owns: those handlers, and the picture's way to the client. Never: knows a key.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;

use ostler_base::{Error, Origin, Result};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainInjectNmiArgs, DomainOpenGraphicsArgs, DomainOpenGraphicsFdArgs, DomainPmWakeupArgs,
    DomainScreenshotArgs, DomainScreenshotRet, DomainSendKeyArgs,
};
use ostler_rpc::service::Reply;
use ostler_rpc::stream::{Stream, StreamEvent};

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    act call::DomainInjectNmi;
    act call::DomainPmWakeup;
    act call::DomainSendKey;
    serve call::DomainScreenshot;
    serve call::DomainOpenGraphics;
    serve call::DomainOpenGraphicsFd;
}

names_domain! {
    DomainInjectNmiArgs DomainOpenGraphicsArgs DomainOpenGraphicsFdArgs DomainPmWakeupArgs
    DomainScreenshotArgs DomainSendKeyArgs
}

/// Of a connection to a screen: the other end need not prove who it is.
const SKIP_AUTH: u32 = 1;

/// How much of a picture is sent at once, bytes.
const CHUNK: usize = 256 << 10;

act!(DomainInjectNmi, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainInjectNMI", Origin::Qemu)?;
    daemon.engine.inject_nmi(guest).await
});

act!(DomainPmWakeup, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainPMWakeup", Origin::Qemu)?;
    daemon.engine.wake_up(guest).await
});

act!(DomainSendKey, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSendKey", Origin::Qemu)?;
    daemon.engine.send_keys(guest, args.codeset, args.holdtime, &args.keycodes).await
});

serve!(DomainScreenshot, |daemon, guest, args, _fds| {
    only_flags(args.flags, 0, "qemuDomainScreenshot", Origin::Qemu)?;
    let picture = daemon.engine.screenshot(guest, args.screen).await?;
    let reply = Reply::of(&DomainScreenshotRet { mime: Some(picture.mime.to_owned()) })?;
    Ok(reply.with_stream(move |stream| send(picture.file, stream)))
});

/// Sends all of a file that lies in memory, then waits until the client has it.
async fn send(mut file: File, stream: Stream) {
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break stream.send_end(),
            Ok(length) => {
                if !stream.send(chunk.get(..length).unwrap_or_default()).await {
                    return;
                }
            }
            Err(error) => {
                return stream.fail(&Error::system(format!("cannot read a picture: {error}")));
            }
        }
    }
    loop {
        match stream.receive().await {
            StreamEvent::Finish => return stream.finish(),
            StreamEvent::Abort(_) | StreamEvent::Gone => return,
            StreamEvent::Data(_) | StreamEvent::Hole(_) | StreamEvent::End => {}
        }
    }
}

fn skips_auth(flags: u32, function: &str) -> Result<bool> {
    only_flags(flags, SKIP_AUTH, function, Origin::Qemu)?;
    Ok(flags & SKIP_AUTH != 0)
}

serve!(DomainOpenGraphics, |daemon, guest, args, fds| {
    let skip = skips_auth(args.flags, "qemuDomainOpenGraphics")?;
    let none = || Error::internal("No FD available at slot 0").from_origin(Origin::Rpc);
    let connection = fds.into_iter().next().ok_or_else(none)?;
    daemon.engine.open_graphics(guest, args.idx, connection, skip).await?;
    Ok(Reply::empty())
});

serve!(DomainOpenGraphicsFd, |daemon, guest, args, _fds| {
    let skip = skips_auth(args.flags, "qemuDomainOpenGraphicsFD")?;
    let pair =
        UnixStream::pair().map_err(|error| Error::system(format!("unable to create socket pair: {error}")));
    let (client, emulator) = pair?;
    daemon.engine.open_graphics(guest, args.idx, emulator.into(), skip).await?;
    Ok(Reply::empty().with_fds(vec![client.into()]))
});
