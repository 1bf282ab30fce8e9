//! The file of leases that dnsmasq's helper keeps for a bridge.
//!
//! Owns: its form, which other programs read as well, and what each word of dnsmasq does to it.
//! Never: reads or writes a file.

use core::net::IpAddr;

use ostler_base::{Error, Json, Result, json::json};

/// Most leases that a file is read for.
const MAX_LEASES: usize = 100_000;

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// Hardware address; may be absent for IPv6.
    pub mac: Option<String>,
    /// Name of the guest.
    pub hostname: Option<String>,
    /// Client id, or DUID for IPv6.
    pub client_id: Option<String>,
    /// Identity association of IPv6.
    pub iaid: Option<String>,
    /// DUID of the server, for IPv6.
    pub server_duid: Option<String>,
    /// When it ends, in seconds since 1970; 0: never.
    pub expiry: i64,
}

/// Reads a file; an empty one has no leases.
pub fn read(text: &str) -> Result<Vec<Lease>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let json: Json = text.parse().map_err(|_| Error::internal("couldn't parse leases file"))?;
    let list = json.as_array().ok_or_else(|| Error::internal("couldn't fetch array of leases"))?;
    Ok(list.iter().take(MAX_LEASES).filter_map(one).collect())
}

fn one(json: &Json) -> Option<Lease> {
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    Some(Lease {
        address: text("ip-address")?.parse().ok()?,
        mac: text("mac-address"),
        hostname: text("hostname"),
        client_id: text("client-id"),
        iaid: text("iaid"),
        server_duid: text("server-duid"),
        expiry: json.get("expiry-time").and_then(Json::as_i64)?,
    })
}

/// Writes a file.
pub fn write(leases: &[Lease]) -> String {
    let list: Vec<Json> = leases
        .iter()
        .map(|lease| {
            let mut json = json!({});
            let texts = [
                ("iaid", lease.iaid.clone()),
                ("ip-address", Some(lease.address.to_string())),
                ("mac-address", lease.mac.clone()),
                ("hostname", lease.hostname.clone()),
                ("client-id", lease.client_id.clone()),
                ("server-duid", lease.server_duid.clone()),
            ];
            if let Json::Object(map) = &mut json {
                for (name, value) in texts {
                    map.extend(value.map(|value| (name.to_owned(), json!(value))));
                }
                map.insert("expiry-time".to_owned(), json!(lease.expiry));
            }
            json
        })
        .collect();
    format!("{:#}\n", Json::Array(list))
}

/// The list after dnsmasq gave an address to somebody: one lease for an address.
pub fn add(leases: &mut Vec<Lease>, lease: Lease) {
    remove(leases, lease.address);
    leases.push(lease);
}

/// The list after an address became free.
pub fn remove(leases: &mut Vec<Lease>, address: IpAddr) {
    leases.retain(|known| known.address != address);
}

/// What dnsmasq is told when it starts: the leases that have not ended, IPv4 before IPv6.
pub fn for_dnsmasq(leases: &[Lease], now: i64) -> String {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
    let valid = |lease: &&Lease| lease.expiry == 0 || lease.expiry > now;
    let line = |lease: &Lease, owner: &Option<String>| {
        let names = format!("{} {}", word(&lease.hostname), word(&lease.client_id));
        format!("{} {} {} {names}\n", lease.expiry, word(owner), lease.address)
    };
    let (v4, v6): (Vec<_>, Vec<_>) = leases.iter().filter(valid).partition(|lease| lease.address.is_ipv4());
    let mut out: String = v4.into_iter().map(|lease| line(lease, &lease.mac)).collect();
    if let Some(duid) = v6.iter().find_map(|lease| lease.server_duid.as_ref()) {
        out.push_str(&format!("duid {duid}\n"));
    }
    out.extend(v6.into_iter().map(|lease| line(lease, &lease.iaid)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_back() {
        let lease = |address: &str, expiry| Lease {
            address: address.parse().unwrap(),
            mac: Some("52:54:00:00:00:01".into()),
            hostname: None,
            client_id: Some("01:52".into()),
            iaid: address.contains(':').then(|| "7".to_owned()),
            server_duid: address.contains(':').then(|| "00:01".to_owned()),
            expiry,
        };
        let mut leases = Vec::new();
        add(&mut leases, lease("fd00::2", 90));
        add(&mut leases, lease("10.0.0.2", 100));
        add(&mut leases, lease("10.0.0.3", 0));
        add(&mut leases, lease("10.0.0.2", 200));
        assert_eq!(read(&write(&leases)).unwrap(), leases);
        assert_eq!(
            for_dnsmasq(&leases, 80),
            "0 52:54:00:00:00:01 10.0.0.3 * 01:52\n200 52:54:00:00:00:01 10.0.0.2 * 01:52\n\
             duid 00:01\n90 7 fd00::2 * 01:52\n"
        );
        assert!(!for_dnsmasq(&leases, 95).contains("duid"));
        remove(&mut leases, "fd00::2".parse().unwrap());
        assert_eq!(leases.len(), 2);
        assert!(read("").unwrap().is_empty() && read("{").is_err());
    }
}
