//! Addresses that a network lent.

use std::time::{SystemTime, UNIX_EPOCH};

use ostler_base::{MacAddr, Result};
use ostler_pools::network::leases;
pub use ostler_pools::network::leases::Lease as Entry;

use super::{Network, Networks};
use crate::files;

/// A lease as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The bridge it was lent on.
    pub bridge: String,
    /// What dnsmasq told.
    pub entry: Entry,
    /// Bits of the address that name the network.
    pub prefix: u32,
}

impl Networks {
    /// The leases of a running network that have not ended, all or those of a hardware address.
    pub fn leases(&self, network: &Network, mac: Option<MacAddr>) -> Result<Vec<Lease>> {
        let view = network.view();
        let Some(live) = &view.live else { return Err(network.not_active()) };
        let Some(bridge) = live.bridge.name.clone() else { return Ok(Vec::new()) };
        let text = files::read(&self.0.lease_file(&bridge))?.unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let valid = |entry: &Entry| entry.expiry == 0 || entry.expiry > now;
        let wanted = |entry: &Entry| mac.is_none() || entry.mac.as_deref().and_then(MacAddr::parse) == mac;
        let prefix = |entry: &Entry| {
            let same = live.ips.iter().filter(|ip| ip.address.is_ipv4() == entry.address.is_ipv4());
            same.filter(|ip| ip.dhcp.is_used()).find_map(|ip| ip.effective_prefix()).unwrap_or_default()
        };
        let entries = leases::read(&text)?.into_iter().filter(|entry| valid(entry) && wanted(entry));
        Ok(entries.map(|entry| Lease { bridge: bridge.clone(), prefix: prefix(&entry), entry }).collect())
    }
}
