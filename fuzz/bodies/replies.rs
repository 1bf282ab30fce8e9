//! Bytes of a server, as they come, to a client that waits for a reply, an event and a stream.

use std::sync::LazyLock;

use ostler_rpc::programs::remote::procedures::{
    ConnectGetAllDomainStats, DomainEventCallbackLifecycle, StorageVolDownload,
};
use ostler_rpc::programs::remote::{ConnectGetAllDomainStatsArgs, StorageVolDownloadArgs, StorageVolRef};
use ostler_rpc::{Client, StreamEvent, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// Takes one input.
pub(crate) fn run(input: &[u8]) {
    RUNTIME.block_on(async {
        let (here, there) = tokio::io::duplex(1 << 20);
        let (mut answers, mut server) = tokio::io::split(there);
        let (client, mut events) = Client::over(Transport::stream(here));
        let stats = ConnectGetAllDomainStatsArgs { doms: Vec::new().into(), stats: 0, flags: 0 };
        let vol = StorageVolRef { pool: String::new(), name: String::new(), key: String::new() };
        let download = StorageVolDownloadArgs { vol, offset: 0, length: 0, flags: 0 };
        let call = async {
            let _ = client.call::<ConnectGetAllDomainStats>(&stats).await;
        };
        let stream = async {
            if let Ok(((), stream)) = client.call_with_stream::<StorageVolDownload>(&download).await {
                while !matches!(stream.receive().await, StreamEvent::Abort(_) | StreamEvent::Gone) {}
            }
        };
        let event = async {
            while let Some(event) = events.recv().await {
                let _ = event.read::<DomainEventCallbackLifecycle>();
            }
        };
        let feed = async {
            let _ = server.write_all(input).await;
            let _ = server.shutdown().await;
        };
        let drain = async {
            let mut bytes = vec![0; 64 << 10];
            while answers.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        };
        tokio::join!(call, stream, event, feed, drain);
    });
}
