//! What the agent in a guest is asked.
//!
//! Owns: the forms in which clients ask and are answered. Never: talks to an agent; the engine does.

use std::sync::Arc;
use std::time::Duration;

use ostler_base::json::json;
use ostler_base::{Code, Error, Json, MacAddr, Origin, Result};
use ostler_domain::devices::interface::InterfaceSource;
use ostler_engine::Guest;
use ostler_engine::agent::{BLOCK, DEFAULT, report};
use ostler_engine::stats::{Stat, StatValue};
use ostler_rpc::programs::remote as wire;
use ostler_rpc::programs::remote::procedures as call;
use ostler_rpc::programs::remote::{
    DomainAgentSetResponseTimeoutArgs, DomainAuthorizedSshKeysGetArgs, DomainAuthorizedSshKeysSetArgs,
    DomainFsfreezeArgs, DomainFsthawArgs, DomainFstrimArgs, DomainGetFsinfoArgs, DomainGetGuestInfoArgs,
    DomainGetGuestVcpusArgs, DomainGetHostnameArgs, DomainGetTimeArgs, DomainInterfaceAddressesArgs,
    DomainSetGuestVcpusArgs, DomainSetTimeArgs, DomainSetUserPasswordArgs,
};
use ostler_rpc::programs::{TypedParam, TypedValue};

use super::Named;
use super::counters::typed;
use crate::daemon::Daemon;
use crate::dispatch::handlers;
use crate::handlers::only_flags;

handlers! {
    act call::DomainFsfreeze;
    act call::DomainFsthaw;
    act call::DomainFstrim;
    act call::DomainGetFsinfo;
    act call::DomainGetTime;
    act call::DomainSetTime;
    act call::DomainGetGuestVcpus;
    act call::DomainSetGuestVcpus;
    act call::DomainGetGuestInfo;
    act call::DomainGetHostname;
    act call::DomainInterfaceAddresses;
    act call::DomainSetUserPassword;
    act call::DomainAuthorizedSshKeysGet;
    act call::DomainAuthorizedSshKeysSet;
    act call::DomainAgentSetResponseTimeout;
}

names_domain! {
    DomainFsfreezeArgs DomainFsthawArgs DomainFstrimArgs DomainGetFsinfoArgs DomainGetTimeArgs
    DomainSetTimeArgs DomainGetGuestVcpusArgs DomainSetGuestVcpusArgs DomainGetGuestInfoArgs
    DomainGetHostnameArgs DomainInterfaceAddressesArgs DomainSetUserPasswordArgs
    DomainAuthorizedSshKeysGetArgs DomainAuthorizedSshKeysSetArgs DomainAgentSetResponseTimeoutArgs
}

/// Of the time: as the host's clock has it.
const TIME_SYNC: u32 = 1;
/// Of a password: it is a hash already.
const PASSWORD_ENCRYPTED: u32 = 1;
/// Of keys: those that are there stay.
const KEYS_APPEND: u32 = 1;
/// Of keys: these go.
const KEYS_REMOVE: u32 = 2;
/// Of a name: as leases know it.
const NAME_LEASE: u32 = 1;
/// Of a name: as the agent knows it.
const NAME_AGENT: u32 = 2;
/// Of addresses: from whom.
const FROM_LEASE: u32 = 0;
const FROM_AGENT: u32 = 1;
const FROM_ARP: u32 = 2;

/// Kinds of what a guest tells about itself.
mod info {
    pub(super) const USERS: u32 = 1;
    pub(super) const OS: u32 = 2;
    pub(super) const TIMEZONE: u32 = 4;
    pub(super) const HOSTNAME: u32 = 8;
    pub(super) const FILESYSTEM: u32 = 16;
    pub(super) const DISKS: u32 = 32;
    pub(super) const INTERFACES: u32 = 64;
    pub(super) const LOAD: u32 = 128;
    pub(super) const ALL: u32 = 255;
}

fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, Origin::Qemu, text)
}

/// The number that an agent answers with.
fn number(answer: &Json) -> Result<i32> {
    let value = answer.as_i64().and_then(|value| i32::try_from(value).ok());
    value.ok_or_else(|| Error::internal("malformed return value"))
}

act!(DomainFsfreeze, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainFSFreeze", Origin::Qemu)?;
    let (command, arguments) = match args.mountpoints.is_empty() {
        true => ("guest-fsfreeze-freeze", None),
        false => {
            let points: Vec<_> = args.mountpoints.iter().map(|point| Json::from(point.as_str())).collect();
            ("guest-fsfreeze-freeze-list", Some(json!({"mountpoints": points})))
        }
    };
    let answer = daemon.engine.ask_agent(guest, command, arguments.as_ref()).await?;
    Ok(wire::DomainFsfreezeRet { filesystems: number(&answer)? })
});

act!(DomainFsthaw, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainFSThaw", Origin::Qemu)?;
    if !args.mountpoints.is_empty() {
        return Err(refused(Code::ArgumentUnsupported, "specifying mount point is not supported for now"));
    }
    let answer = daemon.engine.ask_agent(guest, "guest-fsfreeze-thaw", None).await?;
    Ok(wire::DomainFsthawRet { filesystems: number(&answer)? })
});

act!(DomainFstrim, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainFSTrim", Origin::Qemu)?;
    if args.mount_point.is_some() {
        return Err(refused(Code::ArgumentUnsupported, "Specifying mount point is not supported for now"));
    }
    let arguments = json!({"minimum": args.minimum});
    daemon.engine.ask_agent(guest, "guest-fstrim", Some(&arguments)).await.map(drop)
});

/// The definition of a run, of a guest whose agent has just answered.
fn live(guest: &Guest) -> Result<Arc<ostler_engine::domain::Shown>> {
    guest.view().live.clone().ok_or_else(ostler_engine::domain::guest::not_running)
}

act!(DomainGetFsinfo, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetFSInfo", Origin::Qemu)?;
    let answer = daemon.engine.ask_agent(guest, "guest-get-fsinfo", None).await?;
    let all = report::file_systems(&answer, live(guest)?.domain())?;
    let ret = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let info = all.into_iter().map(|fs| wire::DomainFsinfo {
        mountpoint: fs.mountpoint,
        name: fs.name,
        fstype: fs.kind,
        dev_aliases: fs.disks.into_iter().filter_map(|disk| disk.alias).collect::<Vec<_>>().into(),
    });
    Ok(wire::DomainGetFsinfoRet { info: info.collect::<Vec<_>>().into(), ret })
});

/// Nanoseconds of a second.
const NANOSECONDS: i64 = 1_000_000_000;

act!(DomainGetTime, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetTime", Origin::Qemu)?;
    let answer = daemon.engine.ask_agent(guest, "guest-get-time", None).await?;
    let time = answer.as_i64().ok_or_else(|| Error::internal("malformed return value"))?;
    let nseconds = u32::try_from(time.rem_euclid(NANOSECONDS)).unwrap_or_default();
    Ok(wire::DomainGetTimeRet { seconds: time.div_euclid(NANOSECONDS), nseconds })
});

act!(DomainSetTime, |daemon, guest, args| {
    only_flags(args.flags, TIME_SYNC, "qemuDomainSetTime", Origin::Qemu)?;
    let arguments = if args.flags & TIME_SYNC != 0 {
        None
    } else {
        let time = args.seconds.checked_mul(NANOSECONDS);
        let time = time.and_then(|time| time.checked_add(i64::from(args.nseconds)));
        let too_big = || Error::invalid_arg(format!("Time '{}' is too big for guest agent", args.seconds));
        Some(json!({"time": time.ok_or_else(too_big)?}))
    };
    daemon.engine.ask_agent(guest, "guest-set-time", arguments.as_ref()).await?;
    daemon.engine.forget_lost_ticks(guest).await
});

/// Numbers as ranges: `0-2,4`.
fn ranges(numbers: impl Iterator<Item = u32>) -> String {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b)).map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// Numbers from ranges, at most so many.
fn numbers(text: &str, most: usize) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last < first || usize::try_from(last - first).ok()? >= most.saturating_sub(out.len()) {
            return None;
        }
        out.extend(first..=last);
    }
    Some(out)
}

act!(DomainGetGuestVcpus, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetGuestVcpus", Origin::Qemu)?;
    let answer = daemon.engine.ask_agent(guest, "guest-get-vcpus", None).await?;
    let cpus = report::cpus(&answer)?;
    let all = |keep: fn(&report::GuestCpu) -> bool| ranges(cpus.iter().filter(|c| keep(c)).map(|c| c.id));
    let params = vec![
        TypedParam::new("vcpus", all(|_| true)),
        TypedParam::new("online", all(|cpu| cpu.online)),
        TypedParam::new("offlinable", all(|cpu| cpu.offlinable)),
    ];
    Ok(wire::DomainGetGuestVcpusRet { params: params.into() })
});

/// More CPUs than any guest has.
const CPUS_MAX: usize = 16_384;

act!(DomainSetGuestVcpus, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainSetGuestVcpus", Origin::Qemu)?;
    if !(0..=1).contains(&args.state) {
        return Err(Error::invalid_arg("unsupported state value"));
    }
    let wanted = numbers(&args.cpumap, CPUS_MAX);
    let wanted =
        wanted.ok_or_else(|| Error::invalid_arg(format!("Failed to parse bitmap '{}'", args.cpumap)))?;
    let answer = daemon.engine.ask_agent(guest, "guest-get-vcpus", None).await?;
    let there = report::cpus(&answer)?;
    for id in &wanted {
        let cpu = there.iter().find(|cpu| cpu.id == *id);
        let cpu = cpu.ok_or_else(|| Error::invalid_arg(format!("guest vcpu '{id}' is not present")))?;
        if args.state == 0 && !cpu.offlinable {
            return Err(Error::invalid_arg(format!("guest vcpu '{id}' can't be offlined")));
        }
    }
    let online = args.state == 1;
    let list: Vec<_> = wanted.iter().map(|id| json!({"logical-id": id, "online": online})).collect();
    let arguments = json!({"vcpus": list});
    daemon.engine.ask_agent(guest, "guest-set-vcpus", Some(&arguments)).await.map(drop)
});

impl Daemon {
    /// One kind of what a guest tells; nothing where its agent does not know the command and nobody
    /// asked for it by name.
    async fn told(&self, guest: &Arc<Guest>, command: &str, asked: bool) -> Result<Option<Json>> {
        match self.engine.agent_answer(guest, command, None, self.engine.agent_bound(guest)).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_unknown_command() && !asked => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn guest_info(&self, guest: &Arc<Guest>, types: u32) -> Result<Vec<TypedParam>> {
        let (asked, types) = (types != 0, if types == 0 { info::ALL } else { types });
        let mut out = Vec::new();
        let mut add = |stats: Vec<Stat>| {
            out.extend(stats.into_iter().map(|(name, value)| TypedParam::new(name, typed(value))));
        };
        if types & info::USERS != 0
            && let Some(answer) = self.told(guest, "guest-get-users", asked).await?
        {
            add(report::users(&answer)?);
        }
        if types & info::OS != 0
            && let Some(answer) = self.told(guest, "guest-get-osinfo", asked).await?
        {
            add(report::system(&answer));
        }
        if types & info::TIMEZONE != 0
            && let Some(answer) = self.told(guest, "guest-get-timezone", asked).await?
        {
            add(report::timezone(&answer)?);
        }
        if types & info::HOSTNAME != 0
            && let Some(answer) = self.told(guest, "guest-get-host-name", asked).await?
        {
            add(vec![("hostname".to_owned(), StatValue::Text(report::hostname(&answer)?))]);
        }
        if types & info::DISKS != 0
            && let Some(answer) = self.told(guest, "guest-get-disks", asked).await?
        {
            add(report::disks(&answer, live(guest)?.domain())?);
        }
        if types & info::FILESYSTEM != 0
            && let Some(answer) = self.told(guest, "guest-get-fsinfo", asked).await?
        {
            add(report::file_system_stats(&report::file_systems(&answer, live(guest)?.domain())?));
        }
        if types & info::INTERFACES != 0
            && let Some(answer) = self.told(guest, "guest-network-get-interfaces", asked).await?
        {
            add(report::card_stats(&report::cards(&answer)?));
        }
        if types & info::LOAD != 0
            && let Some(answer) = self.told(guest, "guest-get-load", asked).await?
        {
            let averages = report::load(&answer).into_iter();
            out.extend(averages.map(|(name, value)| TypedParam::new(name, TypedValue::from(value))));
        }
        Ok(out)
    }

    /// Addresses that networks lent to the cards of a guest: card, hardware address, lent ones.
    fn leased(&self, guest: &Guest) -> Result<Vec<(String, MacAddr, Vec<ostler_engine::networks::Lease>)>> {
        let live = live(guest)?;
        let mut out = Vec::new();
        for card in &live.domain().devices.interfaces {
            let InterfaceSource::Network { network, .. } = &card.source else { continue };
            let (Some(mac), Some(target)) = (card.mac, &card.target) else { continue };
            let networks = self.engine.networks();
            let Ok(network) = networks.by_name(network) else { continue };
            out.push((target.0.clone(), mac, networks.leases(&network, Some(mac))?));
        }
        Ok(out)
    }
}

act!(DomainGetGuestInfo, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainGetGuestInfo", Origin::Qemu)?;
    let unknown = args.types & !info::ALL;
    if unknown != 0 {
        return Err(Error::invalid_arg(format!("unsupported guest information types '0x{unknown:x}'")));
    }
    let params = daemon.guest_info(guest, args.types).await?;
    Ok(wire::DomainGetGuestInfoRet { params: params.into() })
});

act!(DomainGetHostname, |daemon, guest, args| {
    only_flags(args.flags, NAME_LEASE | NAME_AGENT, "qemuDomainGetHostname", Origin::Qemu)?;
    if args.flags == NAME_LEASE | NAME_AGENT {
        let text = "Flags 'VIR_DOMAIN_GET_HOSTNAME_LEASE' and 'VIR_DOMAIN_GET_HOSTNAME_AGENT' are mutually exclusive";
        return Err(Error::invalid_arg(text));
    }
    let name = if args.flags & NAME_AGENT != 0 {
        let answer = daemon.engine.ask_agent(guest, "guest-get-host-name", None).await?;
        Some(report::hostname(&answer)?)
    } else {
        let leases = daemon.leased(guest)?;
        leases.into_iter().flat_map(|(.., leases)| leases).find_map(|lease| lease.entry.hostname)
    };
    let none = || {
        let text = format!("no hostname found for domain {}", guest.view().name);
        Error::new(Code::NoHostname, Origin::Qemu, text)
    };
    Ok(wire::DomainGetHostnameRet { hostname: name.ok_or_else(none)? })
});

fn interface(name: String, hwaddr: Option<String>, addrs: Vec<report::CardAddress>) -> wire::DomainInterface {
    let addrs = addrs.into_iter().map(|(kind, addr, prefix)| wire::DomainIpAddr { kind, addr, prefix });
    wire::DomainInterface { name, hwaddr, addrs: addrs.collect::<Vec<_>>().into() }
}

/// The kernel's table of neighbours: address and hardware address of each line.
fn neighbours(text: &str) -> impl Iterator<Item = (&str, MacAddr)> {
    text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?, MacAddr::parse(words.nth(2)?)?))
    })
}

act!(DomainInterfaceAddresses, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainInterfaceAddresses", Origin::Qemu)?;
    let ifaces: Vec<_> = match args.source {
        FROM_AGENT => {
            let answer = daemon.engine.ask_agent(guest, "guest-network-get-interfaces", None).await?;
            report::cards(&answer)?
                .into_iter()
                .map(|card| interface(card.name, card.mac, card.addresses))
                .collect()
        }
        FROM_LEASE => {
            let one = |(name, mac, leases): (String, MacAddr, Vec<ostler_engine::networks::Lease>)| {
                let address = |lease: ostler_engine::networks::Lease| {
                    let kind = i32::from(lease.entry.address.is_ipv6());
                    (kind, lease.entry.address.to_string(), lease.prefix)
                };
                let found: Vec<_> = leases.into_iter().map(address).collect();
                (!found.is_empty()).then(|| interface(name, Some(mac.to_string()), found))
            };
            daemon.leased(guest)?.into_iter().filter_map(one).collect()
        }
        FROM_ARP => {
            let table = ostler_host::fs::read_bounded("/proc/net/arp".as_ref(), 1 << 20).unwrap_or_default();
            let live = live(guest)?;
            let cards = live.domain().devices.interfaces.iter();
            let one = |(mac, name): (MacAddr, &String)| {
                let found = neighbours(&table).filter(|(_, of)| *of == mac);
                let found: Vec<_> = found.map(|(address, _)| (0, address.to_owned(), 0)).collect();
                (!found.is_empty()).then(|| interface(name.clone(), Some(mac.to_string()), found))
            };
            cards.filter_map(|card| one((card.mac?, &card.target.as_ref()?.0))).collect()
        }
        other => {
            let text = format!("Unknown IP address data source {other}");
            return Err(refused(Code::ArgumentUnsupported, text));
        }
    };
    Ok(wire::DomainInterfaceAddressesRet { ifaces: ifaces.into() })
});

act!(DomainSetUserPassword, |daemon, guest, args| {
    only_flags(args.flags, PASSWORD_ENCRYPTED, "qemuDomainSetUserPassword", Origin::Qemu)?;
    let password = args.password.map(|hidden| hidden.0).unwrap_or_default();
    let arguments = json!({
        "crypted": args.flags & PASSWORD_ENCRYPTED != 0,
        "username": args.user.unwrap_or_default(),
        "password": report::base64(password.as_bytes()),
    });
    daemon.engine.ask_agent(guest, "guest-set-user-password", Some(&arguments)).await.map(drop)
});

act!(DomainAuthorizedSshKeysGet, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainAuthorizedSSHKeysGet", Origin::Qemu)?;
    let arguments = json!({"username": args.user});
    let answer = daemon.engine.ask_agent(guest, "guest-ssh-get-authorized-keys", Some(&arguments)).await?;
    Ok(wire::DomainAuthorizedSshKeysGetRet { keys: report::ssh_keys(&answer)?.into() })
});

act!(DomainAuthorizedSshKeysSet, |daemon, guest, args| {
    let known = KEYS_APPEND | KEYS_REMOVE;
    only_flags(args.flags, known, "qemuDomainAuthorizedSSHKeysSet", Origin::Qemu)?;
    let keys: Vec<_> = args.keys.iter().map(|key| Json::from(key.as_str())).collect();
    let (command, arguments) = if args.flags & KEYS_REMOVE != 0 {
        ("guest-ssh-remove-authorized-keys", json!({"username": args.user, "keys": keys}))
    } else {
        let reset = args.flags & KEYS_APPEND == 0;
        ("guest-ssh-add-authorized-keys", json!({"username": args.user, "keys": keys, "reset": reset}))
    };
    daemon.engine.ask_agent(guest, command, Some(&arguments)).await.map(drop)
});

act!(DomainAgentSetResponseTimeout, |daemon, guest, args| {
    only_flags(args.flags, 0, "qemuDomainAgentSetResponseTimeout", Origin::Qemu)?;
    daemon.engine.set_agent_timeout(guest, args.timeout).await?;
    Ok(wire::DomainAgentSetResponseTimeoutRet { result: 0 })
});

/// Calls of the driver's own program.
pub(in crate::handlers) mod direct {
    use ostler_rpc::programs::qemu::procedures as call;
    use ostler_rpc::programs::qemu::{DomainAgentCommandArgs, DomainAgentCommandRet};

    use super::*;
    use crate::dispatch::handlers_of_program;

    handlers_of_program! {
        act call::DomainAgentCommand;
    }

    names_domain! { DomainAgentCommandArgs }

    act!(DomainAgentCommand, |daemon, guest, args| {
        only_flags(args.flags, 0, "qemuDomainQemuAgentCommand", Origin::Qemu)?;
        let bound = match args.timeout {
            BLOCK => None,
            DEFAULT => Some(Duration::from_secs(5)),
            seconds if seconds > DEFAULT => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            seconds => {
                let text = format!("guest agent timeout '{seconds}' is less than the minimum '{BLOCK}'");
                return Err(Error::invalid_arg(text));
            }
        };
        daemon.engine.agent_is_there(guest)?;
        let parsed: std::result::Result<Json, _> = args.cmd.parse();
        let words =
            parsed.map_err(|error| Error::internal(format!("cannot parse json {}: {error}", args.cmd)))?;
        let name = words.get("execute").and_then(Json::as_str);
        let name = name.ok_or_else(|| Error::internal("the command names nothing to execute"))?;
        let answer = daemon.engine.ask_agent_within(guest, name, words.get("arguments"), bound).await?;
        daemon.engine.taint_by_agent(guest).await;
        Ok(DomainAgentCommandRet { result: Some(json!({"return": answer}).to_string()) })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_both_ways() {
        assert_eq!(ranges([3, 0, 1, 2, 5].into_iter()), "0-3,5");
        assert_eq!(numbers("0-2,5", 16), Some(vec![0, 1, 2, 5]));
        for wrong in ["", "a", "3-1", "0-99", "1,,2"] {
            assert_eq!(numbers(wrong, 16), None, "{wrong}");
        }
    }

    #[test]
    fn the_table_of_neighbours() {
        let text = "IP address HW type Flags HW address Mask Device\n\
                    10.0.0.2   0x1     0x2   52:54:00:00:00:01 *    virbr0\nrubbish\n";
        let found: Vec<_> = neighbours(text).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "10.0.0.2");
    }
}
