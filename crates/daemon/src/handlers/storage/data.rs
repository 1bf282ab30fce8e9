//! The contents of volumes, through streams.

use std::sync::Arc;

use ostler_base::{Error, Origin, Result};
use ostler_engine::pools::{Contents, Piece, Pool, Volume};
use ostler_rpc::message::STREAM_CHUNK_MAX;
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::service::Reply;
use ostler_rpc::stream::{Stream, StreamEvent};

use super::NamedVolume;
use crate::access::Allowed;
use crate::daemon::Daemon;
use crate::dispatch::{Serve, handlers};
use crate::handlers::{on_thread, only_flags};
use crate::session::Session;

handlers! {
    serve call::StorageVolUpload;
    serve call::StorageVolDownload;
}

/// Of a stream: holes are told of.
const SPARSE: u32 = 1;

impl Serve<call::StorageVolDownload> for Daemon {
    type On = NamedVolume;

    async fn serve(
        self: Arc<Self>,
        _session: Arc<Session>,
        on: Allowed<NamedVolume>,
        args: wire::StorageVolDownloadArgs,
        _fds: Vec<std::os::fd::OwnedFd>,
    ) -> Result<Reply> {
        only_flags(args.flags, SPARSE, "storageVolDownload", Origin::Storage)?;
        let volume = Arc::clone(&on.volume);
        let contents = on_thread(move || Contents::to_read(&volume, args.offset, args.length)).await?;
        Ok(Reply::empty().with_stream(move |stream| download(contents, args.flags & SPARSE != 0, stream)))
    }
}

impl Serve<call::StorageVolUpload> for Daemon {
    type On = NamedVolume;

    async fn serve(
        self: Arc<Self>,
        _session: Arc<Session>,
        on: Allowed<NamedVolume>,
        args: wire::StorageVolUploadArgs,
        _fds: Vec<std::os::fd::OwnedFd>,
    ) -> Result<Reply> {
        only_flags(args.flags, SPARSE, "storageVolUpload", Origin::Storage)?;
        let (pool, volume) = (Arc::clone(&on.pool), Arc::clone(&on.volume));
        let opened = Arc::clone(&volume);
        let contents = on_thread(move || Contents::to_write(&opened, args.offset, args.length)).await?;
        Ok(Reply::empty().with_stream(move |stream| async move {
            upload(contents, stream).await;
            // Its sizes are others now; a volume that went is told of by the next refresh.
            let _ = on_thread(move || renew(&self, &pool, &volume)).await;
        }))
    }
}

fn renew(daemon: &Daemon, pool: &Arc<Pool>, volume: &Volume) -> Result<()> {
    daemon.engine.pools().refresh_volume(pool, volume).map(drop)
}

/// What is sent next.
enum Next {
    Bytes(Vec<u8>),
    Hole(u64),
    End,
}

fn next(contents: &mut Contents, holes: bool) -> Result<Next> {
    match contents.piece(holes)? {
        Piece::End => Ok(Next::End),
        Piece::Hole(length) => {
            contents.skip(length);
            Ok(Next::Hole(length))
        }
        Piece::Data(length) => {
            let most = usize::try_from(length).unwrap_or(STREAM_CHUNK_MAX).min(STREAM_CHUNK_MAX);
            let bytes = contents.read(most)?;
            Ok(if bytes.is_empty() { Next::End } else { Next::Bytes(bytes) })
        }
    }
}

/// Sends all of a part, then waits until the client has it.
async fn download(mut contents: Contents, holes: bool, stream: Stream) {
    loop {
        let step = on_thread(move || {
            let next = next(&mut contents, holes)?;
            Ok((contents, next))
        });
        let more = match step.await {
            Ok((rest, next)) => {
                contents = rest;
                match next {
                    Next::Bytes(bytes) => stream.send(&bytes).await,
                    Next::Hole(length) => stream.send_hole(length).await,
                    Next::End => break,
                }
            }
            Err(error) => return stream.fail(&error),
        };
        if !more {
            return;
        }
    }
    stream.send_end();
    loop {
        match stream.receive().await {
            StreamEvent::Finish => return stream.finish(),
            StreamEvent::Abort(_) | StreamEvent::Gone => return,
            StreamEvent::Data(_) | StreamEvent::Hole(_) | StreamEvent::End => {}
        }
    }
}

/// Writes what a client sends until it is done.
async fn upload(mut contents: Contents, stream: Stream) {
    loop {
        let event = stream.receive().await;
        let done = matches!(event, StreamEvent::Finish);
        if matches!(event, StreamEvent::Abort(_) | StreamEvent::Gone) {
            return;
        }
        let step = on_thread(move || {
            match event {
                StreamEvent::Data(bytes) => contents.write(&bytes)?,
                StreamEvent::Hole(length) => contents.write_hole(length)?,
                StreamEvent::Finish => contents.finish()?,
                _ => {}
            }
            Ok::<_, Error>(contents)
        });
        match step.await {
            Ok(rest) => contents = rest,
            Err(error) => return stream.fail(&error),
        }
        if done {
            return stream.finish();
        }
    }
}
