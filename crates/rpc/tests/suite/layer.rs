//! A security layer that begins behind a reply.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ostler_rpc::programs::remote::REMOTE;
use ostler_rpc::{
    About, ByteStream, Call, Connection, Layer, Limits, Outcome, Program, Reply, Server, Service, SocketKind,
    Transport,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::raw::{frame, header};

/// The procedure behind whose reply the layer begins.
const BEGIN: i32 = 157;

/// Turns every bit around.
struct Turned(Box<dyn ByteStream>);

fn turned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

impl AsyncRead for Turned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        buffer.filled_mut()[before..].iter_mut().for_each(|byte| *byte = !*byte);
        read
    }
}

impl AsyncWrite for Turned {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &turned(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Layered;

impl Service for Layered {
    type Session = ();

    fn programs(&self, _connection: &Connection) -> &'static [&'static Program] {
        &[&REMOTE]
    }

    fn open(&self, _connection: &Arc<Connection>) -> Arc<()> {
        Arc::new(())
    }

    fn call(&self, _session: &Arc<()>, call: Call<'_>) -> Outcome {
        let connection = call.connection.clone();
        if call.row.number != BEGIN {
            return Outcome::Now(Ok(Reply::empty()));
        }
        Outcome::Later(Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            connection.protect_behind(BEGIN, Layer::new(|below| Box::new(Turned(below))));
            Ok(Reply::empty())
        }))
    }
}

fn start() -> (DuplexStream, Arc<Connection>) {
    let (client, server) = tokio::io::duplex(64 << 10);
    let about = About { socket: SocketKind::Tcp, peer: None, address: None, certificate: None };
    let (connection, _task) =
        Server::new(Arc::new(Layered)).serve(Transport::stream(server), about, Limits::default());
    (client, connection)
}

#[tokio::test]
async fn everything_behind_the_reply_goes_through_it() {
    let (mut client, _connection) = start();
    client.write_all(&frame(&header(BEGIN, 0, 1, 0), b"", None)).await.unwrap();
    let mut reply = [0; 28];
    client.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply[..4], [0, 0, 0, 28]);
    for serial in 2..5 {
        let call = frame(&header(3, 0, serial, 0), b"", None);
        client.write_all(&turned(&call)).await.unwrap();
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(turned(&reply)[..4], [0, 0, 0, 28]);
    }
}

/// What somebody in between has put before the first protected byte never counts as protected.
#[tokio::test]
async fn what_came_before_it_ends_the_connection() {
    let (mut client, connection) = start();
    let call = frame(&header(3, 0, 2, 0), b"", None);
    let sent = [&frame(&header(BEGIN, 0, 1, 0), b"", None)[..], &call[..20]].concat();
    client.write_all(&sent).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.len(), 28);
    connection.closed().await;
    assert!(connection.reason().unwrap().to_string().contains("security layer"));
}
