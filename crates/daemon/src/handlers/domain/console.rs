//! Consoles and channels of domains as streams.
//!
//! Owns: the bytes' way between a client and a device. Never: looks at one.

use ostler_base::{Code, Error, Origin};
use ostler_engine::console::{Console, Intrusion};
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{DomainOpenChannelArgs, DomainOpenConsoleArgs};
use ostler_rpc::service::Reply;
use ostler_rpc::stream::{Stream, StreamEvent};

use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    serve call::DomainOpenConsole;
    serve call::DomainOpenChannel;
}

names_domain! { DomainOpenChannelArgs DomainOpenConsoleArgs }

/// Whoever uses the device is put out.
const FORCE: u32 = 1;
/// Only where nobody else can use the device; nobody can, whatever is asked.
const SAFE: u32 = 2;

/// How much is read from a device at once, bytes.
const CHUNK: usize = 16 << 10;

fn intrusion(flags: u32) -> Intrusion {
    if flags & FORCE != 0 { Intrusion::Force } else { Intrusion::Refuse }
}

serve!(DomainOpenConsole, |_daemon, guest, args, _fds| {
    only_flags(args.flags, FORCE | SAFE, "qemuDomainOpenConsole", Origin::Qemu)?;
    let console = guest.open_console(args.dev_name.as_deref(), intrusion(args.flags))?;
    Ok(Reply::empty().with_stream(move |stream| carry(console, stream)))
});

serve!(DomainOpenChannel, |_daemon, guest, args, _fds| {
    only_flags(args.flags, FORCE, "qemuDomainOpenChannel", Origin::Qemu)?;
    let channel = guest.open_channel(args.name.as_deref(), intrusion(args.flags))?;
    Ok(Reply::empty().with_stream(move |stream| carry(channel, stream)))
});

/// What ended one direction.
enum End {
    /// The client is done.
    Finished,
    /// The client gave up, or is gone.
    Left,
    /// The device does not take or give any more.
    Broken(std::io::Error),
    /// Another took the device.
    Lost,
}

/// Carries bytes both ways until one side ends.
async fn carry(console: Console, stream: Stream) {
    let end = tokio::select! {
        end = to_client(&console, &stream) => end,
        end = to_device(&console, &stream) => end,
        () = console.lost() => End::Lost,
    };
    // The device is free again before the client hears that it is.
    drop(console);
    match end {
        End::Finished => stream.finish(),
        End::Left => {}
        End::Broken(error) => stream.fail(&Error::system(format!("cannot use the console: {error}"))),
        End::Lost => {
            let text = "the console is used by another client now";
            stream.fail(&Error::new(Code::OperationFailed, Origin::Streams, text));
        }
    }
}

async fn to_client(console: &Console, stream: &Stream) -> End {
    let mut space = vec![0; CHUNK];
    loop {
        match console.read(&mut space).await {
            Ok(0) => {
                stream.send_end();
                // The client says when it has taken what it was sent.
                return std::future::pending().await;
            }
            Ok(length) => {
                if !stream.send(space.get(..length).unwrap_or_default()).await {
                    return End::Left;
                }
            }
            Err(error) => return End::Broken(error),
        }
    }
}

async fn to_device(console: &Console, stream: &Stream) -> End {
    loop {
        match stream.receive().await {
            StreamEvent::Data(bytes) => {
                if let Err(error) = console.write_all(&bytes).await {
                    return End::Broken(error);
                }
            }
            StreamEvent::Finish => return End::Finished,
            StreamEvent::Abort(_) | StreamEvent::Gone => return End::Left,
            StreamEvent::Hole(_) | StreamEvent::End => {}
        }
    }
}
