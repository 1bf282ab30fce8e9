//! Where a disk's data are: `file=` in all its spellings, and graphs of `-blockdev` nodes.
//!
//! Owns: `<source>`, formats, caches, chains. Never: which device shows it to the guest.

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use super::device::yes_no;
use crate::values::{Values, number};

/// What is in a drive.
#[derive(Debug, Clone, Default)]
pub(super) struct Medium {
    /// `file`, `block`, `network`, `dir`, `nvme`; nothing for an empty drive.
    pub(super) kind: Option<&'static str>,
    pub(super) source: Option<El>,
    pub(super) format: Option<String>,
    pub(super) read_only: bool,
    pub(super) snapshot: bool,
    /// Whether host caches are passed by, and whether flushes are ignored.
    pub(super) direct: Option<bool>,
    pub(super) no_flush: Option<bool>,
    /// In one word, as `-drive` has it.
    pub(super) cache: Option<String>,
    /// Further attributes of `<driver>`.
    pub(super) driver: Vec<(&'static str, String)>,
    pub(super) iotune: Vec<El>,
    pub(super) backing: Option<El>,
    pub(super) serial: Option<String>,
    pub(super) cdrom: bool,
    /// Places of the options that it was made of.
    pub(super) claims: Vec<usize>,
}

/// Longest chain of nodes that is followed.
const DEEPEST: usize = 64;

/// Drivers that are a format and not a place.
const FORMATS: &[&str] = &[
    "raw",
    "qcow2",
    "qcow",
    "qed",
    "vmdk",
    "vdi",
    "vpc",
    "vhdx",
    "bochs",
    "cloop",
    "dmg",
    "parallels",
    "luks",
];

impl Importer {
    /// What stands behind `drive=`: a node or a drive of that name.
    pub(super) fn medium(&mut self, name: &str) -> Option<Medium> {
        if let Some((index, mut values)) = self.back_end(Kind::Drive, name) {
            let mut medium = self.drive_medium(&mut values)?;
            medium.claims.push(index);
            return values.leftovers().is_empty().then_some(medium);
        }
        let mut medium = Medium::default();
        self.node(name, &mut medium, 0)?;
        Some(medium)
    }

    fn node(&mut self, name: &str, medium: &mut Medium, depth: usize) -> Option<()> {
        let (index, values) = self.back_end(Kind::Blockdev, name)?;
        medium.claims.push(index);
        self.node_of(values, medium, depth)
    }

    fn node_of(&mut self, mut values: Values, medium: &mut Medium, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let driver = values.take("driver")?;
        values.ignore(&["node-name", "auto-read-only"]);
        medium.direct = values.take_truth("cache.direct").or(medium.direct);
        medium.no_flush = values.take_truth("cache.no-flush").or(medium.no_flush);
        medium.read_only |= values.take_truth("read-only").unwrap_or(false);
        if let Some(zeroes) = values.take("detect-zeroes") {
            medium.driver.push(("detect_zeroes", zeroes));
        }
        match driver.as_str() {
            "throttle" => {
                let group = values.take("throttle-group")?;
                self.throttle(&group, medium)?;
                self.below(&mut values, medium, depth)?;
            }
            "copy-on-read" => {
                medium.driver.push(("copy_on_read", "on".into()));
                values.take("discard");
                self.below(&mut values, medium, depth)?;
            }
            format if FORMATS.contains(&format) => {
                if let Some(discard) = values.take("discard") {
                    medium.driver.push(("discard", discard));
                }
                if medium.format.is_some() {
                    return None;
                }
                medium.format = Some(format.to_owned());
                self.backing(&mut values, medium, depth)?;
                self.below(&mut values, medium, depth)?;
            }
            _ => {
                if medium.format.is_none() {
                    medium.format = Some("raw".to_owned());
                    if let Some(discard) = values.take("discard") {
                        medium.driver.push(("discard", discard));
                    }
                }
                values.ignore(&["discard", "locking"]);
                if let Some(aio) = values.take("aio") {
                    medium.driver.push(("io", aio));
                }
                let (kind, source) = self.protocol(&driver, &mut values)?;
                medium.kind = Some(kind);
                medium.source = Some(source);
            }
        }
        values.leftovers().is_empty().then_some(())
    }

    /// The node under a filter or a format: by name or written into it.
    fn below(&mut self, values: &mut Values, medium: &mut Medium, depth: usize) -> Option<()> {
        match values.take("file") {
            Some(name) => self.node(&name, medium, depth + 1),
            None => {
                let inner = values.take_under("file");
                if inner.is_empty() { None } else { self.node_of(inner, medium, depth + 1) }
            }
        }
    }

    fn backing(&mut self, values: &mut Values, medium: &mut Medium, depth: usize) -> Option<()> {
        let mut lower = Medium::default();
        match values.take("backing") {
            Some(name) if name.is_empty() => {
                medium.backing = Some(El::new("backingStore"));
                return Some(());
            }
            Some(name) => self.node(&name, &mut lower, depth + 1)?,
            None => {
                let inner = values.take_under("backing");
                if inner.is_empty() {
                    return Some(());
                }
                self.node_of(inner, &mut lower, depth + 1)?;
            }
        }
        let mut el = El::new("backingStore").attr_opt("type", lower.kind);
        el.push(El::new("format").attr_opt("type", lower.format));
        el.extend(lower.source);
        el.push(lower.backing.unwrap_or_else(|| El::new("backingStore")));
        medium.claims.extend(lower.claims);
        medium.backing = Some(el);
        Some(())
    }

    fn throttle(&mut self, group: &str, medium: &mut Medium) -> Option<()> {
        let (index, mut values) = self.back_end(Kind::Object, group)?;
        medium.claims.push(index);
        if !medium.iotune.is_empty() || values.take("qom-type")? != "throttle-group" {
            return None;
        }
        let limits: Vec<(String, String)> =
            values.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        for (key, value) in limits {
            let Some(limit) = key.strip_prefix("limits.").or_else(|| key.strip_prefix("x-")) else {
                continue;
            };
            if let Some(el) = limit_element(limit, &value) {
                medium.iotune.push(el);
            }
        }
        medium.iotune.push(El::with_text("group_name", group.trim_start_matches("throttle-")));
        Some(())
    }

    /// What `-drive` says of its medium.
    pub(super) fn drive_medium(&mut self, values: &mut Values) -> Option<Medium> {
        let mut medium = Medium { format: values.take_any(&["format", "driver"]), ..Medium::default() };
        medium.cache = values.take("cache");
        medium.read_only = values.take_any(&["readonly", "read-only"]).is_some_and(|v| v == "on");
        medium.snapshot = values.take_truth("snapshot").unwrap_or(false);
        medium.serial = values.take("serial");
        medium.cdrom = values.take("media").is_some_and(|media| media == "cdrom");
        for (key, word) in [
            ("werror", "error_policy"),
            ("rerror", "rerror_policy"),
            ("aio", "io"),
            ("discard", "discard"),
            ("detect-zeroes", "detect_zeroes"),
            ("copy-on-read", "copy_on_read"),
        ] {
            if let Some(value) = values.take(key) {
                medium.driver.push((word, policy_word(&value).to_owned()));
            }
        }
        let limits: Vec<(String, String)> =
            values.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        for (key, value) in &limits {
            let name = key.strip_prefix("throttling.").unwrap_or(key);
            if let Some(el) = limit_element(name, value) {
                values.take(key);
                medium.iotune.push(el);
            }
        }
        // Old spelling of a drive to start from; the order stands in -boot, too.
        values.ignore(&["if", "boot", "node-name", "file.debug", "auto-read-only", "file.locking", "media"]);
        match values.take("file") {
            Some(file) if file.is_empty() => {}
            Some(file) => {
                let (kind, source) = self.file_name(&file)?;
                medium.kind = Some(kind);
                medium.source = Some(source);
            }
            None => {
                let mut inner = values.take_under("file");
                if let Some(driver) = inner.take("driver") {
                    let (kind, source) = self.protocol(&driver, &mut inner)?;
                    medium.kind = Some(kind);
                    medium.source = Some(source);
                }
                if !inner.leftovers().is_empty() {
                    return None;
                }
            }
        }
        Some(medium)
    }

    /// A file name with everything that QEMU reads into it.
    pub(super) fn file_name(&mut self, file: &str) -> Option<(&'static str, El)> {
        if let Some(json) = file.strip_prefix("json:") {
            let mut values = Values::parse(json, "");
            let inner = values.take_under("file");
            let mut values = if inner.is_empty() { values } else { inner };
            let driver = values.take("driver")?;
            return self.protocol(&driver, &mut values);
        }
        if let Some(rest) = file.strip_prefix("fat:") {
            let directory = rest.strip_prefix("rw:").or_else(|| rest.strip_prefix("floppy:")).unwrap_or(rest);
            return Some(("dir", El::new("source").attr("dir", directory)));
        }
        for (scheme, read) in [
            ("nbd:", nbd_name as fn(&mut Importer, &str) -> Option<El>),
            ("rbd:", rbd_name),
            ("sheepdog:", sheepdog_name),
        ] {
            if let Some(rest) = file.strip_prefix(scheme)
                && !rest.starts_with("//")
            {
                return Some(("network", read(self, rest)?));
            }
        }
        if let Some((scheme, rest)) = file.split_once("://") {
            return Some(("network", url(scheme, rest)?));
        }
        let plain = file.strip_prefix("file:").unwrap_or(file);
        Some(local(plain))
    }

    /// A node that is a place.
    fn protocol(&mut self, driver: &str, values: &mut Values) -> Option<(&'static str, El)> {
        match driver {
            "file" | "vvfat" | "host_device" | "host_cdrom" | "host_floppy" => local_node(driver, values),
            "nbd" => Some(("network", nbd_node(values)?)),
            "iscsi" => Some(("network", self.iscsi_node(values)?)),
            "rbd" => Some(("network", self.rbd_node(values)?)),
            "gluster" => {
                let name =
                    format!("{}/{}", values.take("volume")?, values.take("path")?.trim_start_matches('/'));
                let mut el = network("gluster", Some(&name));
                servers(values, "server", &mut el)?;
                values.ignore(&["debug", "logfile"]);
                Some(("network", el))
            }
            "http" | "https" | "ftp" | "ftps" => {
                let address = values.take("url")?;
                let (scheme, rest) = address.split_once("://")?;
                let mut el = url(scheme, rest)?;
                if let Some(verify) = values.take_truth("sslverify") {
                    el.push(El::new("ssl").attr("verify", yes_no(verify)));
                }
                if let Some(size) = values.take_number("readahead") {
                    el.push(El::new("readahead").attr("size", size));
                }
                if let Some(seconds) = values.take_number("timeout") {
                    el.push(El::new("timeout").attr("seconds", seconds));
                }
                Some(("network", el))
            }
            "nfs" => {
                let mut el = network("nfs", values.take("path").as_deref());
                values.ignore(&["server.type"]);
                el.push(El::new("host").attr("name", values.take("server.host")?));
                Some(("network", el))
            }
            "nvme" => {
                let device = values.take("device")?;
                let mut el = El::new("source").attr("type", "pci").attr("managed", "no");
                el.set_opt("namespace", values.take_number("namespace"));
                el.push(super::host_device::pci_source(&device)?);
                Some(("nvme", el))
            }
            _ => None,
        }
    }

    fn iscsi_node(&mut self, values: &mut Values) -> Option<El> {
        let lun = values.take_number("lun").unwrap_or(0);
        let mut el = network("iscsi", Some(&format!("{}/{lun}", values.take("target")?)));
        values.ignore(&["transport"]);
        el.push(host(&values.take("portal")?));
        if let Some(name) = values.take("initiator-name") {
            el.push(El::new("initiator").child(El::new("iqn").attr("name", name)));
        }
        if let Some(user) = values.take("user") {
            values.take("password-secret");
            el.push(self.auth(&user, "iscsi"));
        }
        Some(el)
    }

    fn rbd_node(&mut self, values: &mut Values) -> Option<El> {
        let pool = values.take("pool")?;
        let space = values.take("namespace").map(|space| format!("{space}/")).unwrap_or_default();
        let image = values.take("image")?;
        let mut el = network("rbd", Some(&format!("{pool}/{space}{image}")));
        servers(values, "server", &mut el)?;
        if let Some(snapshot) = values.take("snapshot") {
            el.push(El::new("snapshot").attr("name", snapshot));
        }
        if let Some(conf) = values.take("conf") {
            el.push(El::new("config").attr("file", conf));
        }
        for n in 0..4 {
            values.take(&format!("auth-client-required.{n}"));
        }
        if let Some(user) = values.take("user") {
            values.take("key-secret");
            el.push(self.auth(&user, "ceph"));
        }
        Some(el)
    }

    /// A password cannot be carried over: the document names a secret that is to be made.
    fn auth(&mut self, user: &str, kind: &str) -> El {
        self.remark(format!("user '{user}': set a {kind} secret with usage '{USAGE}' to its password"));
        let secret = El::new("secret").attr("type", kind).attr("usage", USAGE);
        El::new("auth").attr("username", user).child(secret)
    }
}

/// The usage of secrets that the document refers to.
const USAGE: &str = "qemuargv2xml_usage";

/// What the document calls a policy on errors.
pub(super) fn policy_word(value: &str) -> &str {
    if value == "enospc" { "enospace" } else { value }
}

/// A limit of `<iotune>`.
fn limit_element(name: &str, value: &str) -> Option<El> {
    const OLD: &[(&str, &str)] = &[
        ("bps", "bps-total"),
        ("bps_rd", "bps-read"),
        ("bps_wr", "bps-write"),
        ("iops", "iops-total"),
        ("iops_rd", "iops-read"),
        ("iops_wr", "iops-write"),
        ("bps_max", "bps-total-max"),
        ("iops_max", "iops-total-max"),
    ];
    const LIMITS: &[(&str, &str)] = &[
        ("bps-total", "total_bytes_sec"),
        ("bps-read", "read_bytes_sec"),
        ("bps-write", "write_bytes_sec"),
        ("iops-total", "total_iops_sec"),
        ("iops-read", "read_iops_sec"),
        ("iops-write", "write_iops_sec"),
        ("bps-total-max", "total_bytes_sec_max"),
        ("bps-read-max", "read_bytes_sec_max"),
        ("bps-write-max", "write_bytes_sec_max"),
        ("iops-total-max", "total_iops_sec_max"),
        ("iops-read-max", "read_iops_sec_max"),
        ("iops-write-max", "write_iops_sec_max"),
        ("iops-size", "size_iops_sec"),
        ("bps-total-max-length", "total_bytes_sec_max_length"),
        ("iops-total-max-length", "total_iops_sec_max_length"),
    ];
    let name = OLD.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
    let (_, word) = LIMITS.iter().find(|(limit, _)| *limit == name)?;
    let amount = number(value).filter(|amount| *amount > 0)?;
    Some(El::with_text(*word, amount))
}

fn network(protocol: &str, name: Option<&str>) -> El {
    El::new("source").attr("protocol", protocol).attr_opt("name", name)
}

/// `host:port`, with brackets round an IPv6 address.
fn host(text: &str) -> El {
    let (name, port) = split_port(text);
    El::new("host").attr("name", name).attr_opt("port", port)
}

pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((name, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (name, rest.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, Some(port)),
        _ => (text, None),
    }
}

fn unix_host(path: &str) -> El {
    El::new("host").attr("transport", "unix").attr("socket", path)
}

fn local(path: &str) -> (&'static str, El) {
    if path.starts_with("/dev/") {
        ("block", El::new("source").attr("dev", path))
    } else {
        ("file", El::new("source").attr("file", path))
    }
}

fn local_node(driver: &str, values: &mut Values) -> Option<(&'static str, El)> {
    if driver == "vvfat" {
        values.ignore(&["floppy", "rw"]);
        return Some(("dir", El::new("source").attr("dir", values.take("dir")?)));
    }
    let path = values.take("filename")?;
    if driver == "file" {
        Some(("file", El::new("source").attr("file", path)))
    } else {
        Some(("block", El::new("source").attr("dev", path)))
    }
}

fn servers(values: &mut Values, key: &str, el: &mut El) -> Option<()> {
    for n in 0..32 {
        let mut server = values.take_under(&format!("{key}.{n}"));
        if server.is_empty() {
            break;
        }
        el.push(server_host(&mut server)?);
    }
    Some(())
}

fn server_host(server: &mut Values) -> Option<El> {
    match server.take_any(&["path", "socket"]) {
        Some(path) => Some(unix_host(&path)),
        None => {
            Some(El::new("host").attr("name", server.take("host")?).attr_opt("port", server.take("port")))
        }
    }
}

fn nbd_node(values: &mut Values) -> Option<El> {
    let mut el = network("nbd", values.take("export").as_deref());
    let mut server = values.take_under("server");
    if server.is_empty() {
        server.push("host", &values.take("host")?);
        server.push("port", &values.take("port").unwrap_or_else(|| "10809".into()));
    }
    el.push(server_host(&mut server)?);
    if let Some(delay) = values.take_number("reconnect-delay") {
        el.push(El::new("reconnect").attr("delay", delay));
    }
    Some(el)
}

/// `nbd:HOST:PORT[:exportname=NAME]`, `nbd:unix:PATH[:exportname=NAME]`.
fn nbd_name(_: &mut Importer, text: &str) -> Option<El> {
    let (place, export) = match text.split_once(":exportname=") {
        Some((place, export)) => (place, Some(export)),
        None => (text, None),
    };
    let el = network("nbd", export);
    Some(match place.strip_prefix("unix:") {
        Some(path) => el.child(unix_host(path)),
        None => el.child(host(place)),
    })
}

/// `rbd:POOL/IMAGE[@SNAPSHOT][:KEY=VALUE…]` with backslashes before colons and semicolons.
fn rbd_name(importer: &mut Importer, text: &str) -> Option<El> {
    let mut parts = split_escaped(text, ':').into_iter();
    let image = parts.next()?;
    let (image, snapshot) = match image.split_once('@') {
        Some((image, snapshot)) => (image.to_owned(), Some(snapshot.to_owned())),
        None => (image, None),
    };
    let mut el = network("rbd", Some(&image));
    let mut auth = None;
    let mut conf = None;
    for part in parts {
        match part.split_once('=')? {
            ("id", user) => auth = Some(importer.auth(user, "ceph")),
            ("mon_host", hosts) => el.extend(hosts.split(';').map(host)),
            ("conf", path) => conf = Some(El::new("config").attr("file", path)),
            ("key" | "auth_supported", _) => {}
            _ => return None,
        }
    }
    el.extend(snapshot.map(|name| El::new("snapshot").attr("name", name)));
    el.extend(conf);
    el.extend(auth);
    Some(el)
}

fn split_escaped(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next().unwrap_or('\\'),
            c if c == at => {
                parts.push(String::new());
                continue;
            }
            c => c,
        };
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// `sheepdog:[HOST:PORT:]IMAGE`.
fn sheepdog_name(_: &mut Importer, text: &str) -> Option<El> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    match parts[..] {
        [name, port, image] => Some(
            network("sheepdog", Some(image)).child(El::new("host").attr("name", name).attr("port", port)),
        ),
        [image] => Some(network("sheepdog", Some(image))),
        _ => None,
    }
}

/// `SCHEME[+TRANSPORT]://[USER@]HOST[:PORT]/NAME[?QUERY]`.
fn url(scheme: &str, rest: &str) -> Option<El> {
    let (protocol, transport) = scheme.split_once('+').map_or((scheme, None), |(p, t)| (p, Some(t)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(r, q)| (r, Some(q)));
    let (place, path) = rest.split_once('/').map_or((rest, ""), |(place, path)| (place, path));
    let (user, place) = place.rsplit_once('@').map_or((None, place), |(user, place)| (Some(user), place));
    if !matches!(
        protocol,
        "nbd" | "iscsi" | "gluster" | "sheepdog" | "http" | "https" | "ftp" | "ftps" | "tftp" | "ssh" | "nfs"
    ) {
        return None;
    }
    let socket = query.and_then(|q| q.split('&').find_map(|part| part.strip_prefix("socket=")));
    let name = match protocol {
        "iscsi" if !path.contains('/') => format!("{path}/0"),
        "nfs" | "ssh" => format!("/{path}"),
        _ => path.to_owned(),
    };
    let mut el = network(protocol, Some(name.as_str()).filter(|name| !name.is_empty()));
    if socket.is_none() {
        el.set_opt("query", query);
    }
    if transport == Some("unix") {
        return Some(el.child(unix_host(socket?)));
    }
    let (name, port) = split_port(place);
    let mut host = El::new("host").attr("name", name).attr_opt("port", port);
    host.set_opt("transport", transport.filter(|transport| *transport == "rdma"));
    el.push(host);
    if let Some(user) = user {
        if protocol != "ssh" {
            return None;
        }
        el.push(El::new("identity").attr("username", user));
    }
    Some(el)
}

impl Medium {
    /// The cache mode in one word; `write` is the device's own `write-cache`.
    pub(super) fn cache_word(&self, write: Option<bool>) -> Option<String> {
        if self.cache.is_some() {
            return self.cache.clone();
        }
        if self.direct.is_none() && self.no_flush.is_none() && write.is_none() {
            return None;
        }
        let (direct, ignored) = (self.direct.unwrap_or(false), self.no_flush.unwrap_or(false));
        let word = match (direct, ignored, write.unwrap_or(true)) {
            (false, false, true) => "writeback",
            (true, false, true) => "none",
            (false, false, false) => "writethrough",
            (true, false, false) => "directsync",
            (_, true, _) => "unsafe",
        };
        Some(word.to_owned())
    }
}
