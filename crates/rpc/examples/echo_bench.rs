//! Calls per second over one and over sixteen connections, beside a bare echo over the same
//! sockets, and what a call costs in processor time. Run with `--release`.
//!
//! The clients are blocking threads that write a call and read its answer; their cost is in both
//! figures, so that the difference is what the server's side of this crate costs.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostler_base::Error;
use ostler_rpc::programs::remote::procedures::{ConnectGetLibVersion, DomainLookupByName};
use ostler_rpc::programs::remote::{ConnectGetLibVersionRet, DomainLookupByNameArgs, REMOTE};
use ostler_rpc::xdr::{Xdr, decode};
use ostler_rpc::{Call, Connection, Limits, Outcome, Procedure, Program, Reply, Server, Service, SocketKind};

struct Version;

impl Service for Version {
    type Session = ();

    fn programs(&self, _connection: &Connection) -> &'static [&'static Program] {
        &[&REMOTE]
    }

    fn open(&self, _connection: &Arc<Connection>) -> Arc<()> {
        Arc::new(())
    }

    fn call(&self, _session: &Arc<()>, call: Call<'_>) -> Outcome {
        Outcome::Now(if call.row.number == ConnectGetLibVersion::ROW.number {
            Reply::of(&ConnectGetLibVersionRet { lib_ver: 11_003_000 })
        } else {
            Err(Error::no_support(call.row.rule.api))
        })
    }
}

/// A call of `ConnectGetLibVersion`; the answer has 36 bytes.
fn call() -> Vec<u8> {
    let words = [28, REMOTE.number, 1, 157, 0, 1, 0u32];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(clock.tv_sec.unsigned_abs(), u32::try_from(clock.tv_nsec).unwrap_or_default())
}

/// Makes so many calls over each of so many connections, from a thread each.
fn drive(path: &Path, connections: usize, calls: usize, request: &[u8], answer: usize) -> io::Result<()> {
    let client = |_| {
        let mut socket = UnixStream::connect(path)?;
        let request = request.to_vec();
        Ok(std::thread::spawn(move || -> io::Result<()> {
            let mut bytes = vec![0; answer];
            for _ in 0..calls {
                socket.write_all(&request)?;
                socket.read_exact(&mut bytes)?;
            }
            Ok(())
        }))
    };
    let threads = (0..connections).map(client).collect::<io::Result<Vec<_>>>()?;
    threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
}

fn report(what: &str, path: &Path, answer: usize) -> io::Result<()> {
    for (connections, calls) in [(1, 100_000), (16, 10_000)] {
        let (start, used) = (Instant::now(), processor_time());
        drive(path, connections, calls, &call(), answer)?;
        let total = connections * calls;
        let per_second = total as f64 / start.elapsed().as_secs_f64();
        let each = (processor_time() - used).as_secs_f64() * 1e6 / total as f64;
        println!(
            "{what:8} {connections:3} connections {per_second:9.0} calls/s {each:6.2} µs of processor a call"
        );
    }
    Ok(())
}

fn echo(listener: &UnixListener) -> io::Result<()> {
    for socket in listener.incoming() {
        let mut socket = socket?;
        std::thread::spawn(move || -> io::Result<()> {
            let mut bytes = [0; 4096];
            loop {
                let count = socket.read(&mut bytes)?;
                if count == 0 {
                    return Ok(());
                }
                socket.write_all(bytes.get(..count).unwrap_or_default())?;
            }
        });
    }
    Ok(())
}

/// What reading arguments costs with strings of their own, and with borrowed ones.
fn report_strings() -> io::Result<()> {
    let mut bytes = Vec::new();
    let args = DomainLookupByNameArgs { name: "a-name-of-usual-length".to_owned() };
    args.put(&mut bytes).map_err(io::Error::other)?;
    let rounds: u32 = 5_000_000;
    let start = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(
            decode::<<DomainLookupByName as Procedure>::Args>(std::hint::black_box(&bytes)).ok(),
        );
    }
    let owned = start.elapsed() / rounds;
    let start = Instant::now();
    for _ in 0..rounds {
        let bytes = std::hint::black_box(&bytes[..]);
        let text = bytes.get(4..26).and_then(|text| std::str::from_utf8(text).ok());
        std::hint::black_box(text);
    }
    println!("a string of its own: {owned:?}; a borrowed one: {:?}", start.elapsed() / rounds);
    Ok(())
}

fn main() -> io::Result<()> {
    report_strings()?;
    let folder: PathBuf = std::env::temp_dir().join(format!("ostler-echo-{}", std::process::id()));
    std::fs::create_dir(&folder)?;

    let bare = folder.join("bare");
    let listener = UnixListener::bind(&bare)?;
    std::thread::spawn(move || echo(&listener));
    // With any argument only our own side runs: for a tracer.
    if std::env::args().count() == 1 {
        report("bare", &bare, 28)?;
    }

    let ours = folder.join("ours");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::UnixListener::bind(&ours)?
    };
    runtime.spawn(async move {
        let server = Server::new(Arc::new(Version));
        while let Ok((socket, _)) = listener.accept().await {
            let _ = server.serve_unix(socket, SocketKind::ReadWrite, Limits::default());
        }
    });
    report("ours", &ours, 36)?;
    std::fs::remove_dir_all(&folder)
}
