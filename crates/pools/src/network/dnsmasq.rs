//! What dnsmasq has to be told about a network.
//!
//! Owns: the configuration file and the files with hosts that go with it. Never: writes a file or
//! starts dnsmasq.

use core::net::IpAddr;
use std::fmt::Write;

use ostler_base::{Result, Word, YesNo, refuse};
use ostler_vocab::inet::{self, Family};
use ostler_xml::escape;

use super::Network;
use super::dns::Srv;
use super::forward::ForwardMode;
use super::ip::{DhcpHost, DhcpRange, Ip, Lease};

/// What the plan needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The directory of the files.
    pub state_dir: &'a str,
    /// Where dnsmasq writes its process number, if it has to.
    pub pid_file: Option<&'a str>,
}

/// The files of a network's dnsmasq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The configuration.
    pub conf: String,
    /// Guests with addresses of their own, for the path [`hosts_path`].
    pub hosts: String,
    /// Names of addresses, for the path [`names_path`].
    pub names: String,
}

/// The path of the file with guests.
pub fn hosts_path(network: &Network, state_dir: &str) -> String {
    format!("{state_dir}/{}.hostsfile", escape(&network.name))
}

/// The path of the file with names.
pub fn names_path(network: &Network, state_dir: &str) -> String {
    format!("{state_dir}/{}.addnhosts", escape(&network.name))
}

/// Whether the network needs a dnsmasq: it answers names or hands out addresses.
pub fn is_needed(network: &Network) -> bool {
    let serves = |ip: &Ip| ip.dhcp.is_used() || ip.tftp_root.is_some();
    let has_address = !network.ips.is_empty();
    has_address && (network.dns.is_enabled() || network.ips.iter().any(serves))
}

/// The files. Refuses what dnsmasq cannot do.
pub fn plan(network: &Network, facts: &Facts<'_>) -> Result<Plan> {
    let served = Served::of(network)?;
    let mut conf = format!(
        "##WARNING:  THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n\
         ##OVERWRITTEN AND LOST.  Changes to this configuration should be made using:\n\
         ##    virsh net-edit {}\n\
         ## or other application using the libvirt API.\n\
         ##\n\
         ## dnsmasq conf file created by libvirt\n\
         strict-order\n",
        network.name
    );
    let mut line = |words: String| {
        conf.push_str(&words);
        conf.push('\n');
    };
    upstream(network, &mut line);
    domains(network, &mut line)?;
    if let Some(pid_file) = facts.pid_file {
        line(format!("pid-file={}", escape(pid_file)));
    }
    line("except-interface=lo".into());
    line("bind-dynamic".into());
    line(format!("interface={}", network.bridge.name.as_deref().unwrap_or_default()));
    if network.forward.mode == ForwardMode::None {
        for words in ["dhcp-option=3", "no-resolv", "ra-param=*,0,0"] {
            line(words.into());
        }
    }
    records(network, &mut line);
    addresses(network, &served, &mut line)?;
    if served.v4.is_some() || served.v6.is_some() {
        line(format!("dhcp-hostsfile={}", hosts_path(network, facts.state_dir)));
    }
    if network.dns.is_enabled() {
        line(format!("addn-hosts={}", names_path(network, facts.state_dir)));
    }
    if let Some(mtu) = network.mtu {
        line(format!("dhcp-option=option:mtu,{mtu}"));
    }
    router_advertisements(network, &served, &mut line);
    network.dnsmasq_options.iter().for_each(|option| line(option.clone()));
    Ok(Plan { conf, hosts: hosts_file(&served), names: names_file(network) })
}

/// The one address of each family that hands out addresses.
struct Served<'a> {
    v4: Option<&'a Ip>,
    v6: Option<&'a Ip>,
}

impl<'a> Served<'a> {
    fn of(network: &'a Network) -> Result<Self> {
        Ok(Served { v4: only(network, Family::Ipv4)?, v6: only(network, Family::Ipv6)? })
    }

    fn all(&self) -> impl Iterator<Item = &'a Ip> {
        self.v4.into_iter().chain(self.v6)
    }
}

fn only(network: &Network, family: Family) -> Result<Option<&Ip>> {
    let mut used = network.ips.iter().filter(|ip| Family::of(&ip.address) == family && ip.dhcp.is_used());
    let first = used.next();
    if used.next().is_some() {
        let version = if family == Family::Ipv4 { "IPv4" } else { "IPv6" };
        refuse!(
            unsupported,
            "Multiple {version} dhcp sections found -- dhcp is supported only for a single {version} address on each network"
        );
    }
    Ok(first)
}

fn upstream(network: &Network, line: &mut impl FnMut(String)) {
    if !network.dns.is_enabled() {
        return line("port=0".into());
    }
    let mut resolves_all = false;
    for forwarder in &network.dns.forwarders {
        let domain = forwarder.domain.as_ref().map(|d| format!("/{d}/")).unwrap_or_default();
        let server = forwarder.addr.as_ref().map_or_else(|| "#".to_owned(), inet::show);
        resolves_all |= forwarder.domain.is_none();
        line(format!("server={domain}{server}"));
    }
    if resolves_all {
        line("no-resolv".into());
    }
}

fn domains(network: &Network, line: &mut impl FnMut(String)) -> Result<()> {
    if let Some(domain) = &network.domain {
        if domain.local_only == Some(YesNo::Yes) {
            line(format!("local=/{}/", domain.name));
        }
        line(format!("domain={}", domain.name));
        line("expand-hosts".into());
    }
    if !network.dns.is_enabled() {
        return Ok(());
    }
    for ip in network.ips.iter().filter(|ip| ip.local_ptr == Some(YesNo::Yes)) {
        line(format!("local=/{}/", reverse_domain(ip)?));
    }
    if network.dns.forward_plain_names == Some(YesNo::No) {
        line("domain-needed".into());
        line("local=//".into());
    }
    Ok(())
}

/// The domain of reverse lookups of an address's network.
fn reverse_domain(ip: &Ip) -> Result<String> {
    let (version, unit) = if ip.address.is_ipv4() { ("IPv4", 8) } else { ("IPv6", 4) };
    let prefix = ip.effective_prefix().unwrap_or_default();
    if !prefix.is_multiple_of(unit) || prefix == 0 {
        refuse!(
            unsupported,
            "PTR domain for {version} network with prefix {prefix} cannot be automatically created"
        );
    }
    let labels: Vec<String> = match ip.address {
        IpAddr::V4(v4) => v4.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(v6) => {
            v6.octets().iter().flat_map(|o| [format!("{:x}", o >> 4), format!("{:x}", o & 15)]).collect()
        }
    };
    let used = usize::try_from(prefix / unit).unwrap_or(usize::MAX);
    let name: Vec<&str> = labels.iter().take(used).rev().map(String::as_str).collect();
    let root = if ip.address.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    Ok(format!("{}.{root}", name.join(".")))
}

fn records(network: &Network, line: &mut impl FnMut(String)) {
    if !network.dns.is_enabled() {
        return;
    }
    for txt in &network.dns.txts {
        line(format!("txt-record={},{}", txt.name, txt.value.as_deref().unwrap_or_default()));
    }
    network.dns.srvs.iter().for_each(|srv| line(srv_record(srv)));
}

fn srv_record(srv: &Srv) -> String {
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut record = format!("srv-host=_{}._{}", word(&srv.service), word(&srv.protocol));
    if let Some(domain) = &srv.domain {
        record.push('.');
        record.push_str(domain);
    }
    let Some(target) = &srv.target else { return record };
    record.push(',');
    record.push_str(target);
    // Each number needs those before it.
    let given = |number: Option<u16>| number.filter(|n| *n > 0);
    let (port, priority, weight) = (given(srv.port), given(srv.priority), given(srv.weight));
    if port.or(priority).or(weight).is_some() {
        let _ = write!(record, ",{}", port.unwrap_or(1));
    }
    if priority.or(weight).is_some() {
        let _ = write!(record, ",{}", priority.unwrap_or(0));
    }
    if let Some(weight) = weight {
        let _ = write!(record, ",{weight}");
    }
    record
}

fn addresses(network: &Network, served: &Served<'_>, line: &mut impl FnMut(String)) -> Result<()> {
    let roots: Vec<&str> = network.ips.iter().filter_map(|ip| ip.tftp_root.as_deref()).collect();
    if !roots.is_empty() {
        line("enable-tftp".into());
    }
    roots.iter().for_each(|root| line(format!("tftp-root={root}")));
    let mut leases: u32 = 0;
    for ip in served.all() {
        for range in &ip.dhcp.ranges {
            leases = leases.saturating_add(range.size());
            line(range_line(range, ip)?);
        }
        if ip.dhcp.ranges.is_empty() {
            let prefix = ip.effective_prefix().filter(|_| ip.address.is_ipv6());
            let prefix = prefix.map(|p| format!(",{p}")).unwrap_or_default();
            line(format!("dhcp-range={},static{prefix}", inet::show(&ip.address)));
        }
        if ip.address.is_ipv4() {
            line("dhcp-no-override".into());
            line("dhcp-authoritative".into());
        }
        if let Some(bootp) = &ip.dhcp.bootp {
            let server = bootp.server.as_ref().map(|s| format!(",,{}", inet::show(s))).unwrap_or_default();
            line(format!("dhcp-boot={}{server}", bootp.file));
        }
    }
    if leases > 0 {
        line(format!("dhcp-lease-max={leases}"));
    }
    Ok(())
}

fn range_line(range: &DhcpRange, ip: &Ip) -> Result<String> {
    let extent = match &ip.address {
        IpAddr::V6(_) => ip.effective_prefix().map(|p| p.to_string()),
        IpAddr::V4(_) => ip.effective_netmask().as_ref().map(inet::show),
    };
    let Some(extent) = extent else {
        refuse!(internal, "Failed to translate bridge prefix to netmask");
    };
    let lease = range.lease.map(lease_suffix).unwrap_or_default();
    Ok(format!("dhcp-range={},{},{extent}{lease}", inet::show(&range.start), inet::show(&range.end)))
}

fn lease_suffix(lease: Lease) -> String {
    match lease {
        Lease { expiry: 0, .. } => ",infinite".to_owned(),
        Lease { expiry, unit } => format!(",{expiry}{}", &unit.as_str()[..1]),
    }
}

fn router_advertisements(network: &Network, served: &Served<'_>, line: &mut impl FnMut(String)) {
    if served.v6.is_some() {
        return line("enable-ra".into());
    }
    for ip in network.ips.iter().filter(|ip| ip.address.is_ipv6()) {
        line(format!("dhcp-range={},ra-only", inet::show(&ip.address)));
    }
}

fn hosts_file(served: &Served<'_>) -> String {
    let lines = served.all().flat_map(|ip| ip.dhcp.hosts.iter().map(|host| host_line(host, ip)));
    lines.map(|line| line + "\n").collect()
}

fn host_line(host: &DhcpHost, ip: &Ip) -> String {
    let address = host.ip.as_ref().map(inet::show).unwrap_or_default();
    let lease = host.lease.map(lease_suffix).unwrap_or_default();
    let words: Vec<String> = if ip.address.is_ipv6() {
        let id = host.id.as_ref().map(|id| format!("id:{id}"));
        [id, host.name.clone(), Some(format!("[{address}]"))].into_iter().flatten().collect()
    } else if host.mac.is_some() {
        [host.mac.clone(), Some(address), host.name.clone()].into_iter().flatten().collect()
    } else {
        [host.name.clone(), Some(address)].into_iter().flatten().collect()
    };
    words.join(",") + &lease
}

fn names_file(network: &Network) -> String {
    let mut out = String::new();
    for host in network.dns.hosts.iter().filter(|_| network.dns.is_enabled()) {
        let address = host.ip.as_ref().map(inet::show).unwrap_or_default();
        let names: String = host.names.iter().map(|name| format!("{name}\t")).collect();
        let _ = writeln!(out, "{address}\t{names}");
    }
    out
}
