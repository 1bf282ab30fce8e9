//! `ostler-lease`: what dnsmasq runs when it lends an address or takes one back.
//!
//! Owns: the file of leases of one bridge, rewritten whole for each word of dnsmasq. Never: talks to
//! the daemon, which reads the file when somebody asks.
//!
//! dnsmasq says `add|old|del MAC ADDRESS [NAME]` and the rest in its environment; when it starts it
//! says `init` and reads the leases that are left.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ostler_pools::network::leases::{self, Lease};

/// Where the file lies if nobody says.
const DIRECTORY: &str = "/var/lib/libvirt/dnsmasq";

/// Bytes that are read of a file at most.
const LONGEST: u64 = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Where nobody reads it, nothing is lost but the message.
            let _ = writeln!(io::stderr(), "ostler-lease: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A variable that says something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, rest) =
        words.split_first().ok_or("usage: ostler-lease init|add|old|del MAC ADDRESS [NAME]")?;
    let path = file()?;
    let mut known = read(&path)?;
    match (*what, rest) {
        ("init", _) => {
            let text = leases::for_dnsmasq(&known, now());
            return io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string());
        }
        ("add" | "old", [owner, address, name @ ..]) => {
            leases::add(&mut known, lease(owner, address, name.first().copied())?);
        }
        ("del", [_, address, ..]) => {
            leases::remove(&mut known, address.parse().map_err(|_| format!("'{address}' is no address"))?);
        }
        // Words for other programs.
        _ => return Ok(()),
    }
    write(&path, &leases::write(&known))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn file() -> Result<PathBuf, String> {
    let bridge = variable("DNSMASQ_INTERFACE").or_else(|| variable("VIR_BRIDGE_NAME"));
    let bridge = bridge.ok_or("neither DNSMASQ_INTERFACE nor VIR_BRIDGE_NAME is set")?;
    if bridge.contains('/') {
        return Err(format!("'{bridge}' is no name of a bridge"));
    }
    let directory = variable("OSTLER_LEASES").unwrap_or_else(|| DIRECTORY.to_owned());
    Ok(Path::new(&directory).join(format!("{bridge}.status")))
}

/// The lease that dnsmasq tells of.
fn lease(owner: &str, address: &str, name: Option<&str>) -> Result<Lease, String> {
    let address = address.parse().map_err(|_| format!("'{address}' is no address"))?;
    let iaid = variable("DNSMASQ_IAID");
    let mac = match iaid {
        Some(_) => variable("DNSMASQ_MAC"),
        None => Some(owner.to_owned()),
    };
    let client_id = match iaid {
        Some(_) => Some(owner.to_owned()),
        None => variable("DNSMASQ_CLIENT_ID"),
    };
    let expiry = variable("DNSMASQ_LEASE_EXPIRES").and_then(|text| text.parse().ok());
    Ok(Lease {
        address,
        mac,
        hostname: name.map(str::to_owned).or_else(|| variable("DNSMASQ_SUPPLIED_HOSTNAME")),
        client_id,
        server_duid: variable("DNSMASQ_SERVER_DUID").filter(|_| iaid.is_some()),
        iaid,
        expiry: expiry.unwrap_or_default(),
    })
}

fn read(path: &Path) -> Result<Vec<Lease>, String> {
    let what = |error: &dyn std::fmt::Display| format!("cannot read '{}': {error}", path.display());
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LONGEST => return Err(what(&"it is too long")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(what(&error)),
    }
    let text = fs::read_to_string(path).map_err(|error| what(&error))?;
    leases::read(&text).map_err(|error| what(&error))
}

/// Readers see the old file or the new one.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let new = path.with_extension("status.new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| format!("cannot write '{}': {error}", path.display()))
}
