//! What an agent says of its guest, decoded.
//!
//! Owns: the form of each answer. Never: asks, or trusts: what lacks a member is an error that says
//! which, and lists are cut at a bound.

use ostler_base::{Error, Json, Result};
use ostler_domain::devices::Device;
use ostler_domain::devices::disk::Disk;
use ostler_domain::{Domain, devices::controller::ControllerType};
use ostler_vocab::address::{Address, DriveAddress};

use crate::stats::{Stat, StatValue};

/// No list of an agent is read further than this.
const ITEMS_MAX: usize = 4096;

/// A disk below a file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskBelow {
    /// The guest's disk, by the name in the definition.
    pub alias: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its name in the guest.
    pub device: Option<String>,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mountpoint: String,
    /// Its name in the guest.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Bytes of it, where that is said.
    pub total: Option<u64>,
    /// Bytes that are used, where that is said.
    pub used: Option<u64>,
    /// Disks below it.
    pub disks: Vec<DiskBelow>,
}

/// An address of a card: 0 for IPv4, 1 for IPv6; text and prefix.
pub type CardAddress = (i32, String, u32);

/// A network card as the guest knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: Option<String>,
    /// Its addresses.
    pub addresses: Vec<CardAddress>,
}

/// A virtual CPU as the guest knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestCpu {
    /// Its number.
    pub id: u32,
    /// Whether the guest uses it.
    pub online: bool,
    /// Whether the guest can do without it.
    pub offlinable: bool,
}

fn missing(command: &str, what: &str) -> Error {
    Error::internal(format!("{what} missing in reply of {command}"))
}

fn items<'a>(answer: &'a Json, command: &str) -> Result<impl Iterator<Item = &'a Json> + use<'a>> {
    let list =
        answer.as_array().ok_or_else(|| Error::internal(format!("{command} reply wasn't an array")))?;
    Ok(list.iter().take(ITEMS_MAX))
}

fn word(object: &Json, name: &str) -> Option<String> {
    object.get(name).and_then(Json::as_str).map(str::to_owned)
}

fn required(object: &Json, name: &str, command: &str) -> Result<String> {
    word(object, name).ok_or_else(|| missing(command, &format!("'{name}'")))
}

/// The disk of the definition that sits where an agent says.
fn disk_at<'a>(domain: &'a Domain, said: &Json) -> Option<&'a Disk> {
    let number = |object: &Json, name: &str| object.get(name).and_then(Json::as_i64);
    let pci = said.get("pci-controller").and_then(|pci| {
        let part = |name| number(pci, name).and_then(|value| u32::try_from(value).ok());
        Some((part("domain")?, part("bus")?, part("slot")?, part("function")?))
    });
    let place = |info: &ostler_domain::devices::Info| {
        info.pci()
            .map(|at| (u32::from(at.domain), u32::from(at.bus), u32::from(at.slot), u32::from(at.function)))
    };
    let same = |at: Option<(u32, u32, u32, u32)>| at.is_some() && at == pci;
    let part = |name: &str| number(said, name).and_then(|value| u32::try_from(value).ok());
    domain.devices.disks.iter().find(|disk| match &disk.info().address {
        Some(Address::Pci(_)) => same(place(disk.info())),
        Some(Address::Drive(DriveAddress { controller, bus, target, unit })) => {
            let kinds = [ControllerType::Ide, ControllerType::Sata, ControllerType::Scsi];
            let above = domain.devices.controllers.iter().filter(|c| kinds.contains(&c.kind));
            let mut above = above.filter(|c| c.index == Some(*controller));
            above.any(|c| same(place(c.info())))
                && part("bus") == Some(*bus)
                && part("target") == Some(*target)
                && part("unit") == Some(*unit)
        }
        _ => false,
    })
}

fn disk_below(domain: &Domain, said: &Json) -> DiskBelow {
    DiskBelow {
        alias: disk_at(domain, said).map(|disk| disk.target.clone()),
        serial: word(said, "serial"),
        device: word(said, "dev"),
    }
}

/// `guest-get-fsinfo`, in the order of mounting.
pub fn file_systems(answer: &Json, domain: &Domain) -> Result<Vec<FileSystem>> {
    const COMMAND: &str = "guest-get-fsinfo";
    let one = |entry: &Json| -> Result<FileSystem> {
        let disks = entry.get("disk").ok_or_else(|| missing(COMMAND, "'disk'"))?;
        Ok(FileSystem {
            mountpoint: required(entry, "mountpoint", COMMAND)?,
            name: required(entry, "name", COMMAND)?,
            kind: required(entry, "type", COMMAND)?,
            total: entry.get("total-bytes").and_then(Json::as_u64),
            used: entry.get("used-bytes").and_then(Json::as_u64),
            disks: items(disks, COMMAND)?.map(|said| disk_below(domain, said)).collect(),
        })
    };
    let mut all = items(answer, COMMAND)?.map(one).collect::<Result<Vec<_>>>()?;
    all.reverse();
    Ok(all)
}

/// `guest-network-get-interfaces`; names with a colon are further addresses of one card.
pub fn cards(answer: &Json) -> Result<Vec<Card>> {
    const COMMAND: &str = "guest-network-get-interfaces";
    let mut cards: Vec<Card> = Vec::new();
    for entry in items(answer, COMMAND)? {
        let name = required(entry, "name", COMMAND)?;
        let name = name.split(':').next().unwrap_or_default().to_owned();
        let place = match cards.iter().position(|card| card.name == name) {
            Some(place) => place,
            None => {
                cards.push(Card { name, mac: word(entry, "hardware-address"), addresses: Vec::new() });
                cards.len() - 1
            }
        };
        let Some(addresses) = entry.get("ip-addresses") else { continue };
        for address in items(addresses, COMMAND)? {
            let kind = match required(address, "ip-address-type", COMMAND)?.as_str() {
                "ipv4" => 0,
                "ipv6" => 1,
                other => return Err(Error::internal(format!("unknown ip address type '{other}'"))),
            };
            let prefix =
                address.get("prefix").and_then(Json::as_u64).and_then(|bits| u32::try_from(bits).ok());
            let prefix = prefix.ok_or_else(|| missing(COMMAND, "'prefix'"))?;
            if let Some(card) = cards.get_mut(place) {
                card.addresses.push((kind, required(address, "ip-address", COMMAND)?, prefix));
            }
        }
    }
    Ok(cards)
}

/// `guest-get-vcpus`
pub fn cpus(answer: &Json) -> Result<Vec<GuestCpu>> {
    const COMMAND: &str = "guest-get-vcpus";
    let one = |entry: &Json| -> Result<GuestCpu> {
        let id = entry.get("logical-id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
        let flag = |name: &str| entry.get(name).and_then(Json::as_bool);
        Ok(GuestCpu {
            id: id.ok_or_else(|| missing(COMMAND, "'logical-id'"))?,
            online: flag("online").ok_or_else(|| missing(COMMAND, "'online'"))?,
            offlinable: flag("can-offline").unwrap_or_default(),
        })
    };
    items(answer, COMMAND)?.map(one).collect()
}

/// `guest-get-host-name`
pub fn hostname(answer: &Json) -> Result<String> {
    required(answer, "host-name", "guest-get-host-name")
}

/// `guest-ssh-get-authorized-keys`
pub fn ssh_keys(answer: &Json) -> Result<Vec<String>> {
    const COMMAND: &str = "guest-ssh-get-authorized-keys";
    let keys = answer.get("keys").ok_or_else(|| missing(COMMAND, "'keys'"))?;
    Ok(items(keys, COMMAND)?.filter_map(Json::as_str).map(str::to_owned).collect())
}

fn text(out: &mut Vec<Stat>, name: String, value: Option<String>) {
    out.extend(value.map(|value| (name, StatValue::Text(value))));
}

fn count(out: &mut Vec<Stat>, name: impl Into<String>, value: usize) {
    out.push((name.into(), StatValue::Uint(u32::try_from(value).unwrap_or(u32::MAX))));
}

/// `guest-get-users` as parameters.
pub fn users(answer: &Json) -> Result<Vec<Stat>> {
    const COMMAND: &str = "guest-get-users";
    let mut out = Vec::new();
    let all: Vec<_> = items(answer, COMMAND)?.collect();
    count(&mut out, "user.count", all.len());
    for (nth, user) in all.into_iter().enumerate() {
        out.push((format!("user.{nth}.name"), StatValue::Text(required(user, "user", COMMAND)?)));
        text(&mut out, format!("user.{nth}.domain"), word(user, "domain"));
        let since = user.get("login-time").and_then(Json::as_f64);
        let since = since.ok_or_else(|| missing(COMMAND, "'login-time'"))?;
        // Whole milliseconds; what is no time saturates.
        out.push((format!("user.{nth}.login-time"), StatValue::Ullong((since * 1000.0) as u64)));
    }
    Ok(out)
}

/// `guest-get-osinfo` as parameters.
pub fn system(answer: &Json) -> Vec<Stat> {
    const WORDS: &[&str] = &[
        "id",
        "name",
        "pretty-name",
        "version",
        "version-id",
        "machine",
        "variant",
        "variant-id",
        "kernel-release",
        "kernel-version",
    ];
    let mut out = Vec::new();
    for name in WORDS {
        text(&mut out, format!("os.{name}"), word(answer, name));
    }
    out
}

/// `guest-get-timezone` as parameters.
pub fn timezone(answer: &Json) -> Result<Vec<Stat>> {
    let offset = answer.get("offset").and_then(Json::as_i64).and_then(|offset| i32::try_from(offset).ok());
    let offset = offset.ok_or_else(|| missing("guest-get-timezone", "'offset'"))?;
    let mut out = Vec::new();
    text(&mut out, "timezone.name".to_owned(), word(answer, "zone"));
    out.push(("timezone.offset".to_owned(), StatValue::Int(offset)));
    Ok(out)
}

/// File systems as parameters.
pub fn file_system_stats(all: &[FileSystem]) -> Vec<Stat> {
    let mut out = Vec::new();
    count(&mut out, "fs.count", all.len());
    for (nth, fs) in all.iter().enumerate() {
        text(&mut out, format!("fs.{nth}.name"), Some(fs.name.clone()));
        text(&mut out, format!("fs.{nth}.mountpoint"), Some(fs.mountpoint.clone()));
        text(&mut out, format!("fs.{nth}.fstype"), Some(fs.kind.clone()));
        let sizes = [("total-bytes", fs.total), ("used-bytes", fs.used)];
        out.extend(
            sizes
                .into_iter()
                .filter_map(|(what, value)| Some((format!("fs.{nth}.{what}"), StatValue::Ullong(value?)))),
        );
        count(&mut out, format!("fs.{nth}.disk.count"), fs.disks.len());
        for (disk, below) in fs.disks.iter().enumerate() {
            let name = format!("fs.{nth}.disk.{disk}");
            text(&mut out, format!("{name}.alias"), below.alias.clone());
            text(&mut out, format!("{name}.serial"), below.serial.clone());
            text(&mut out, format!("{name}.device"), below.device.clone());
        }
    }
    out
}

/// `guest-get-disks` as parameters.
pub fn disks(answer: &Json, domain: &Domain) -> Result<Vec<Stat>> {
    const COMMAND: &str = "guest-get-disks";
    let mut out = Vec::new();
    let all: Vec<_> = items(answer, COMMAND)?.collect();
    count(&mut out, "disk.count", all.len());
    for (nth, disk) in all.into_iter().enumerate() {
        let name = format!("disk.{nth}");
        text(&mut out, format!("{name}.name"), Some(required(disk, "name", COMMAND)?));
        let partition = disk.get("partition").and_then(Json::as_bool).unwrap_or_default();
        out.push((format!("{name}.partition"), StatValue::Bool(partition)));
        let dependencies = disk.get("dependencies").and_then(Json::as_array);
        let dependencies: Vec<_> = dependencies.into_iter().flatten().take(ITEMS_MAX).collect();
        if !dependencies.is_empty() {
            count(&mut out, format!("{name}.dependency.count"), dependencies.len());
            for (at, on) in dependencies.into_iter().enumerate() {
                text(&mut out, format!("{name}.dependency.{at}.name"), on.as_str().map(str::to_owned));
            }
        }
        if let Some(address) = disk.get("address") {
            let below = disk_below(domain, address);
            text(&mut out, format!("{name}.serial"), below.serial);
            text(&mut out, format!("{name}.alias"), below.alias);
        }
        text(&mut out, format!("{name}.guest_alias"), word(disk, "alias"));
        text(&mut out, format!("{name}.guest_bus"), disk.get("address").and_then(|at| word(at, "bus-type")));
    }
    Ok(out)
}

/// Cards as parameters.
pub fn card_stats(all: &[Card]) -> Vec<Stat> {
    let mut out = Vec::new();
    count(&mut out, "if.count", all.len());
    for (nth, card) in all.iter().enumerate() {
        text(&mut out, format!("if.{nth}.name"), Some(card.name.clone()));
        text(&mut out, format!("if.{nth}.hwaddr"), card.mac.clone());
        count(&mut out, format!("if.{nth}.addr.count"), card.addresses.len());
        for (at, (kind, address, prefix)) in card.addresses.iter().enumerate() {
            let name = format!("if.{nth}.addr.{at}");
            let kind = if *kind == 0 { "ipv4" } else { "ipv6" };
            text(&mut out, format!("{name}.type"), Some(kind.to_owned()));
            text(&mut out, format!("{name}.addr"), Some(address.clone()));
            out.push((format!("{name}.prefix"), StatValue::Uint(*prefix)));
        }
    }
    out
}

/// `guest-get-load`: averages over 1, 5 and 15 minutes.
pub fn load(answer: &Json) -> Vec<(&'static str, f64)> {
    let pairs = [("load.1m", "load1m"), ("load.5m", "load5m"), ("load.15m", "load15m")];
    pairs.into_iter().filter_map(|(name, of)| Some((name, answer.get(of)?.as_f64()?))).collect()
}

/// Bytes in the alphabet of base64, as agents take secrets and texts.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for turn in 0..4 {
            let letter = (word >> (18 - 6 * turn)) & 63;
            let letter = ALPHABET.get(letter as usize).copied().unwrap_or(b'=');
            out.push(char::from(if turn <= chunk.len() { letter } else { b'=' }));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn letters() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    #[test]
    fn cards_and_their_further_names() {
        let answer = json!([
            {"name": "eth0", "hardware-address": "52:54:00:00:00:01",
             "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "10.0.0.1", "prefix": 24}]},
            {"name": "eth0:1", "ip-addresses": [{"ip-address-type": "ipv6", "ip-address": "fe80::1", "prefix": 64}]},
            {"name": "lo"},
        ]);
        let all = cards(&answer).unwrap();
        assert_eq!(all.iter().map(|card| card.addresses.len()).collect::<Vec<_>>(), [2, 0]);
        assert!(cards(&json!([{"name": "x", "ip-addresses": [{"ip-address-type": "ipx"}]}])).is_err());
        assert!(cards(&json!({})).is_err());
        let stats = card_stats(&all);
        assert!(stats.contains(&("if.0.addr.1.type".to_owned(), StatValue::Text("ipv6".to_owned()))));
    }

    #[test]
    fn cpus_users_and_systems() {
        let answer = json!([{"logical-id": 0, "online": true}, {"logical-id": 1, "online": false, "can-offline": true}]);
        assert_eq!(cpus(&answer).unwrap().len(), 2);
        assert!(cpus(&json!([{"logical-id": -1, "online": true}])).is_err());
        let all = users(&json!([{"user": "a", "login-time": 1.5}])).unwrap();
        assert_eq!(all.last(), Some(&("user.0.login-time".to_owned(), StatValue::Ullong(1500))));
        assert_eq!(system(&json!({"id": "debian", "x": 1})).len(), 1);
        assert!(timezone(&json!({"zone": "UTC", "offset": 0})).is_ok());
        assert_eq!(load(&json!({"load1m": 0.5})), [("load.1m", 0.5)]);
    }
}
