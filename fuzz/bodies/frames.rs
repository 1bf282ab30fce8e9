//! Bytes of a client, as they come, into a whole server with a service that reads the arguments of
//! every call.

use std::sync::{Arc, LazyLock};

use ostler_base::Error;
use ostler_rpc::programs::{qemu::QEMU, remote::REMOTE};
use ostler_rpc::{
    About, Call, Connection, Limits, Outcome, Program, Reply, Server, Service, SocketKind, StreamEvent,
    Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

struct Reader;

impl Service for Reader {
    type Session = ();

    fn programs(&self, _connection: &Connection) -> &'static [&'static Program] {
        &[&REMOTE, &QEMU]
    }

    fn open(&self, _connection: &Arc<Connection>) -> Arc<()> {
        Arc::new(())
    }

    fn call(&self, _session: &Arc<()>, call: Call<'_>) -> Outcome {
        if call.row.rule.stream.is_some() {
            return Outcome::Now(Ok(Reply::empty().with_stream(|stream| async move {
                loop {
                    match stream.receive().await {
                        StreamEvent::Data(bytes) => {
                            stream.send(&bytes).await;
                        }
                        StreamEvent::Finish => break stream.finish(),
                        StreamEvent::Hole(_) | StreamEvent::End => {}
                        StreamEvent::Abort(_) | StreamEvent::Gone => break,
                    }
                }
            })));
        }
        match (call.row.recode_args)(call.content) {
            Ok(_) if call.serial.is_multiple_of(2) => Outcome::Later(Box::pin(async { Ok(Reply::empty()) })),
            Ok(_) => Outcome::Now(Ok(Reply::empty())),
            Err(why) => Outcome::Now(Err(Error::internal(why.to_string()))),
        }
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
static SERVER: LazyLock<Server<Reader>> = LazyLock::new(|| Server::new(Arc::new(Reader)));

/// Takes one input.
pub(crate) fn run(input: &[u8]) {
    RUNTIME.block_on(async {
        let (mut client, server) = tokio::io::duplex(64 << 10);
        let about = About { socket: SocketKind::Tcp, peer: None, address: None, certificate: None };
        let (connection, task) = SERVER.serve(Transport::stream(server), about, Limits::default());
        let mut answers = vec![0; 64 << 10];
        for chunk in input.chunks(1000) {
            if client.write_all(chunk).await.is_err() {
                break;
            }
        }
        let _ = client.shutdown().await;
        while client.read(&mut answers).await.is_ok_and(|count| count > 0) {}
        task.await.expect("the connection's task ends well");
        assert!(connection.is_closed());
    });
}
