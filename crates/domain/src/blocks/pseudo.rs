//! The other way round: an image from its name inside another image.
//!
//! Owns: paths, addresses, the `json:` form and the older forms with colons. Never: believes more
//! of a name than it says; what is not understood is refused.

use ostler_base::{Code, Error, Json, JsonMap, Origin, Result, Word, YesNo};
use ostler_vocab::address::PciAddress;

use super::network::{ImageHost, NetworkImage};
use super::place::{Place, Protocol, Transport};
use super::{Image, Slice};

/// The longest name that is looked at, bytes.
const LONGEST: usize = 64 * 1024;

fn fault(detail: impl Into<String>) -> Error {
    Error::invalid_arg(detail).from_origin(Origin::Storage)
}

fn internal(detail: impl Into<String>) -> Error {
    Error::new(Code::InternalError, Origin::Storage, detail)
}

/// Reads the name of an image that is below another; paths must be absolute already.
pub fn parse_backing(name: &str) -> Result<Image> {
    if name.len() > LONGEST {
        return Err(fault("the name of a backing image is too long"));
    }
    if let Some(json) = name.strip_prefix("json:") {
        return parse_json(json);
    }
    if let Some(path) = name.strip_prefix("fat:") {
        return Ok(Image::new(Place::Dir(Some(path.to_owned()))));
    }
    if is_path(name) {
        return Ok(Image::new(Place::File(Some(name.to_owned()))));
    }
    if name.contains("://") {
        return Ok(Image::new(Place::Network(Box::new(parse_url(name, None)?))));
    }
    parse_colons(name).map(|network| Image::new(Place::Network(Box::new(network))))
}

/// A path has no protocol before it: no colon in front of the first slash.
fn is_path(name: &str) -> bool {
    match (name.find(':'), name.find('/')) {
        (Some(colon), Some(slash)) => slash < colon,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// Reads what follows `json:`.
fn parse_json(text: &str) -> Result<Image> {
    let value: Json = text.parse().map_err(|error| internal(format!("cannot parse json {text}: {error}")))?;
    let value = deflate(&value).ok_or_else(|| fault("JSON backing volume definition is contradictory"))?;
    let layer = Layer { json: &value, text };
    match layer.text("driver") {
        None => parse_driver(&layer.child("file")?, true),
        Some(_) => parse_driver(&layer, true),
    }
}

/// `a.b` becomes `b` inside `a`; `None` where both a value and members are given.
fn deflate(value: &Json) -> Option<Json> {
    let Some(members) = value.as_object() else { return Some(value.clone()) };
    let mut out = JsonMap::new();
    for (key, value) in members {
        let value = deflate(value)?;
        let mut at = &mut out;
        let mut steps = key.split('.').peekable();
        while let Some(step) = steps.next() {
            if steps.peek().is_none() {
                if let (Some(Json::Object(known)), Json::Object(more)) = (at.get_mut(step), &value) {
                    known.extend(more.clone());
                } else if at.insert(step.to_owned(), value.clone()).is_some() {
                    return None;
                }
                break;
            }
            at = at.entry(step).or_insert_with(|| Json::Object(JsonMap::new())).as_object_mut()?;
        }
    }
    Some(Json::Object(lists(out)))
}

/// Objects whose members are 0, 1, 2 … are lists.
fn lists(members: JsonMap) -> JsonMap {
    let list = |value: Json| match value {
        Json::Object(inner)
            if !inner.is_empty() && (0..inner.len()).all(|n| inner.contains_key(&n.to_string())) =>
        {
            Json::Array((0..inner.len()).filter_map(|n| inner.get(&n.to_string()).cloned()).collect())
        }
        other => other,
    };
    members.into_iter().map(|(key, value)| (key, list(value))).collect()
}

/// One object of a `json:` name, with the whole of it for messages.
struct Layer<'j> {
    json: &'j Json,
    text: &'j str,
}

impl<'j> Layer<'j> {
    fn text(&self, key: &str) -> Option<&'j str> {
        self.json.get(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<u64> {
        let value = self.json.get(key)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    fn object(&self, key: &str) -> Option<Layer<'j>> {
        let json = self.json.get(key).filter(|json| json.is_object())?;
        Some(Layer { json, text: self.text })
    }

    fn child(&self, key: &str) -> Result<Layer<'j>> {
        self.object(key).ok_or_else(|| {
            fault(format!("JSON backing volume definition '{}' lacks '{key}' object", self.text))
        })
    }

    fn required(&self, key: &str, what: &str) -> Result<&'j str> {
        self.text(key).ok_or_else(|| {
            fault(format!("missing '{key}' in {what} backing volume definition '{}'", self.text))
        })
    }

    fn list(&self, key: &str) -> &'j [Json] {
        self.json.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

fn parse_driver(layer: &Layer<'_>, format_allowed: bool) -> Result<Image> {
    let Some(driver) = layer.text("driver") else {
        return Err(fault(format!("JSON backing volume definition '{}' lacks driver name", layer.text)));
    };
    let local = |place: fn(Option<String>) -> Place| {
        layer.required("filename", driver).map(|path| Image::new(place(Some(path.to_owned()))))
    };
    let network = match driver {
        "file" => return local(Place::File),
        "host_device" | "host_cdrom" => return local(Place::Block),
        "raw" => return parse_raw(layer, format_allowed),
        "vvfat" => {
            let path = layer.required("dir", driver)?.to_owned();
            return Ok(Image::new(Place::Dir(Some(path))));
        }
        "nvme" => return parse_nvme(layer).map(Image::new),
        "http" | "https" | "ftp" | "ftps" | "tftp" => parse_curl(layer, driver)?,
        "gluster" => parse_gluster(layer)?,
        "iscsi" => parse_iscsi(layer)?,
        "nbd" => parse_nbd(layer)?,
        "ssh" => parse_ssh(layer)?,
        "rbd" => parse_rbd(layer)?,
        "nfs" => parse_nfs(layer)?,
        other => {
            return Err(internal(format!(
                "missing parser implementation for JSON backing volume driver '{other}'"
            )));
        }
    };
    Ok(Image::new(Place::Network(Box::new(network))))
}

fn parse_raw(layer: &Layer<'_>, allowed: bool) -> Result<Image> {
    if !allowed {
        return Err(fault(format!(
            "JSON backing volume definition '{}' must not have nested format drivers",
            layer.text
        )));
    }
    let image = parse_driver(&layer.child("file")?, false)?;
    let (offset, size) = (layer.json.get("offset"), layer.json.get("size"));
    if offset.is_none() && size.is_none() {
        return Ok(image);
    }
    let read = |key: &'static str, value: Option<&Json>| match value {
        None => Ok(0),
        Some(_) => {
            layer.number(key).ok_or_else(|| fault(format!("malformed '{key}' property of 'raw' driver")))
        }
    };
    Ok(Image { slice: Some(Slice { offset: read("offset", offset)?, size: read("size", size)? }), ..image })
}

fn parse_nvme(layer: &Layer<'_>) -> Result<Place> {
    let malformed = |what: &str| fault(format!("missing or malformed '{what}' field of nvme storage"));
    let namespace = layer.number("namespace").ok_or_else(|| malformed("namespace"))?;
    let device = layer.text("device").ok_or_else(|| malformed("device"))?;
    let address = PciAddress::from_text(device).ok_or_else(|| malformed("device"))?;
    Ok(Place::Nvme { managed: None, namespace, address })
}

/// A server of the older form, which has the address of the image in one text.
fn by_url(layer: &Layer<'_>, protocol: Protocol) -> Option<Result<NetworkImage>> {
    let url = layer.text("filename").or_else(|| layer.text("uri"))?;
    Some(parse_url(url, Some(protocol)))
}

fn parse_curl(layer: &Layer<'_>, driver: &str) -> Result<NetworkImage> {
    let protocol = Protocol::parse(driver);
    let mut network = parse_url(layer.required("url", driver)?, protocol)?;
    network.ssl_verify = match layer.json.get("sslverify") {
        Some(Json::Bool(verify)) => Some(YesNo::from(*verify)),
        Some(Json::String(word)) => match word.as_str() {
            "on" => Some(YesNo::Yes),
            "off" => Some(YesNo::No),
            _ => return Err(fault("malformed 'sslverify' field in backing store definition")),
        },
        _ => None,
    };
    network.readahead = layer.number("readahead");
    network.timeout = layer.number("timeout");
    if let Some(cookies) = layer.text("cookie") {
        for pair in cookies.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(fault(format!("malformed http cookie '{cookies}' in backing store definition")));
            };
            network.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(network)
}

fn parse_gluster(layer: &Layer<'_>) -> Result<NetworkImage> {
    if let Some(network) = by_url(layer, Protocol::Gluster) {
        return network;
    }
    let name = format!("{}/{}", layer.required("volume", "gluster")?, layer.required("path", "gluster")?);
    let servers = layer.list("server");
    if servers.is_empty() {
        return Err(fault(format!("missing server in gluster backing volume definition '{}'", layer.text)));
    }
    let hosts = servers.iter().map(|json| socket_address(&Layer { json, text: layer.text }));
    Ok(NetworkImage {
        name: Some(name),
        hosts: hosts.collect::<Result<_>>()?,
        ..NetworkImage::new(Protocol::Gluster)
    })
}

fn parse_iscsi(layer: &Layer<'_>) -> Result<NetworkImage> {
    if let Some(network) = by_url(layer, Protocol::Iscsi) {
        return network;
    }
    let target = layer.required("target", "iSCSI")?;
    let portal = layer.required("portal", "iSCSI")?;
    if layer.text("transport") != Some("tcp") {
        return Err(fault(format!("only TCP transport is supported for iSCSI volumes: '{}'", layer.text)));
    }
    let lun = layer.number("lun").unwrap_or_default();
    let host = host_of(portal)?;
    Ok(NetworkImage {
        name: Some(format!("{target}/{lun}")),
        hosts: vec![ImageHost { port: host.port.or(Some(3260)), ..host }],
        initiator: layer.text("initiator-name").map(str::to_owned),
        ..NetworkImage::new(Protocol::Iscsi)
    })
}

fn parse_nbd(layer: &Layer<'_>) -> Result<NetworkImage> {
    if let Some(network) = by_url(layer, Protocol::Nbd) {
        return network;
    }
    let host = match (layer.text("path"), layer.object("server"), layer.text("host")) {
        (Some(path), _, _) => unix(path),
        (None, Some(server), _) => socket_address(&server)?,
        (None, None, Some(_)) => inet(layer, Protocol::Nbd)?,
        (None, None, None) => {
            return Err(fault(format!("missing host specification of NBD server in '{}'", layer.text)));
        }
    };
    let name = layer.text("export").map(str::to_owned);
    Ok(NetworkImage { name, hosts: vec![host], ..NetworkImage::new(Protocol::Nbd) })
}

fn parse_ssh(layer: &Layer<'_>) -> Result<NetworkImage> {
    if let Some(network) = by_url(layer, Protocol::Ssh) {
        return network;
    }
    let path = layer.required("path", "SSH")?;
    let host = match layer.object("server") {
        Some(server) => inet(&server, Protocol::Ssh)?,
        None => inet(layer, Protocol::Ssh)?,
    };
    let check = layer.text("host_key_check").or_else(|| layer.object("host-key-check")?.text("mode"));
    let identity = layer.text("user").map(|user| ("username", user.to_owned()));
    Ok(NetworkImage {
        name: Some(path.to_owned()),
        hosts: vec![host],
        identity: identity.into_iter().collect(),
        no_host_key_check: matches!(check, Some("no" | "none")),
        ..NetworkImage::new(Protocol::Ssh)
    })
}

fn parse_rbd(layer: &Layer<'_>) -> Result<NetworkImage> {
    if let Some(name) = layer.text("filename") {
        return parse_colons(name);
    }
    let (pool, image) = (layer.required("pool", "RBD")?, layer.required("image", "RBD")?);
    let name = match layer.text("namespace") {
        Some(space) => format!("{pool}/{space}/{image}"),
        None => format!("{pool}/{image}"),
    };
    let hosts = layer.list("server").iter();
    let hosts = hosts.map(|json| inet(&Layer { json, text: layer.text }, Protocol::Rbd));
    Ok(NetworkImage {
        name: Some(name),
        hosts: hosts.collect::<Result<_>>()?,
        snapshot: layer.text("snapshot").map(str::to_owned),
        config: layer.text("conf").map(str::to_owned),
        ..NetworkImage::new(Protocol::Rbd)
    })
}

fn parse_nfs(layer: &Layer<'_>) -> Result<NetworkImage> {
    let server = layer.child("server")?;
    let host = ImageHost::tcp(server.required("host", "NFS")?.to_owned(), None);
    let id = |key: &'static str| layer.number(key).map(|number| (key, format!("+{number}")));
    Ok(NetworkImage {
        name: Some(layer.required("path", "NFS")?.to_owned()),
        hosts: vec![host],
        identity: ["user", "group"].into_iter().filter_map(id).collect(),
        ..NetworkImage::new(Protocol::Nfs)
    })
}

fn unix(path: &str) -> ImageHost {
    ImageHost { transport: Some(Transport::Unix), name: None, port: None, socket: Some(path.to_owned()) }
}

/// A host with a port in texts; the protocol's own port where it is none.
fn inet(layer: &Layer<'_>, protocol: Protocol) -> Result<ImageHost> {
    let Some(name) = layer.text("host") else {
        return Err(fault(format!("missing hostname in JSON backing volume definition '{}'", layer.text)));
    };
    let port = match layer.text("port") {
        Some(text) => Some(port(text)?),
        None => protocol.port(),
    };
    Ok(ImageHost::tcp(name.to_owned(), port.filter(|port| *port != 0)))
}

fn port(text: &str) -> Result<u32> {
    text.parse::<u16>().map(u32::from).map_err(|_| fault(format!("failed to parse port number '{text}'")))
}

fn socket_address(layer: &Layer<'_>) -> Result<ImageHost> {
    match layer.text("type") {
        Some("tcp" | "inet") => inet(layer, Protocol::Gluster),
        Some("unix") => match layer.text("path").or_else(|| layer.text("socket")) {
            Some(path) => Ok(unix(path)),
            None => Err(fault(format!("missing socket path in '{}'", layer.text))),
        },
        Some(other) => Err(fault(format!("backing store protocol '{other}' is not yet supported"))),
        None => Err(fault(format!("missing socket address type in '{}'", layer.text))),
    }
}

/// `HOST`, `HOST:PORT` or `[HOST]:PORT`.
fn host_of(text: &str) -> Result<ImageHost> {
    let (name, number) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => match text.rsplit_once(':') {
            Some((name, number)) if !name.contains(':') => (name, Some(number)),
            _ => (text, None),
        },
    };
    Ok(ImageHost::tcp(name.to_owned(), number.map(port).transpose()?))
}

/// An address; the protocol is `known` where it does not say it itself.
fn parse_url(url: &str, known: Option<Protocol>) -> Result<NetworkImage> {
    let malformed = || internal(format!("failed to parse backing file location '{url}'"));
    let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
    let (scheme, transport) = match scheme.split_once('+') {
        Some((scheme, word)) => {
            let transport = Transport::parse(word)
                .ok_or_else(|| internal(format!("invalid protocol transport type '{word}'")))?;
            (scheme, Some(transport))
        }
        None => (scheme, None),
    };
    let protocol = Protocol::parse(scheme)
        .or(known)
        .ok_or_else(|| internal(format!("invalid backing protocol '{scheme}'")))?;
    if known.is_some_and(|known| known != protocol) {
        let detail = format!("expected protocol '{}' but got '{scheme}'", known.map_or("", Protocol::as_str));
        return Err(fault(detail));
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (user, authority) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let path = unescape(path.strip_prefix('/').unwrap_or(path)).ok_or_else(malformed)?;
    let mut network =
        NetworkImage { name: Some(path).filter(|p| !p.is_empty()), ..NetworkImage::new(protocol) };
    if transport == Some(Transport::Unix) {
        let socket = query.and_then(|query| query.strip_prefix("socket="));
        let socket = socket.ok_or_else(|| internal("missing socket for unix transport"))?;
        network.hosts.push(unix(&unescape(socket).ok_or_else(malformed)?));
    } else {
        let host = host_of(authority)?;
        network.hosts.push(ImageHost { transport, port: host.port.or(protocol.port()), ..host });
        network.query = query.map(str::to_owned);
    }
    if protocol == Protocol::Ssh {
        network.identity.extend(user.map(|user| ("username", user.to_owned())));
    }
    Ok(network)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// `nbd:HOST:PORT[:exportname=NAME]`, `nbd:unix:PATH[:exportname=NAME]` and
/// `rbd:POOL/IMAGE[@SNAPSHOT][:KEY=VALUE…]`.
fn parse_colons(name: &str) -> Result<NetworkImage> {
    let malformed = || internal(format!("failed to parse backing file location '{name}'"));
    let (scheme, rest) = name.split_once(':').ok_or_else(malformed)?;
    match scheme {
        "nbd" => {
            let (place, export) = match rest.split_once(":exportname=") {
                Some((place, export)) => (place, Some(export.to_owned())),
                None => (rest, None),
            };
            let host = match place.strip_prefix("unix:") {
                Some(path) => unix(path),
                None => {
                    let host = host_of(place)?;
                    ImageHost { port: host.port.or(Protocol::Nbd.port()), ..host }
                }
            };
            Ok(NetworkImage { name: export, hosts: vec![host], ..NetworkImage::new(Protocol::Nbd) })
        }
        "rbd" => parse_rbd_colons(rest),
        other => match Protocol::parse(other) {
            Some(_) => Err(internal(format!("backing store parser is not implemented for protocol {other}"))),
            None => Err(internal(format!("invalid backing protocol '{other}'"))),
        },
    }
}

fn parse_rbd_colons(text: &str) -> Result<NetworkImage> {
    let mut parts = split_escaped(text).into_iter();
    let image = parts.next().unwrap_or_default();
    let (image, snapshot) = match image.split_once('@') {
        Some((image, snapshot)) => (image.to_owned(), Some(snapshot.to_owned())),
        None => (image, None),
    };
    let mut network = NetworkImage { name: Some(image), snapshot, ..NetworkImage::new(Protocol::Rbd) };
    for part in parts {
        match part.split_once('=') {
            Some(("conf", path)) => network.config = Some(path.to_owned()),
            Some(("mon_host", hosts)) => {
                let hosts = hosts.split([';', ',', ' ']).filter(|host| !host.is_empty());
                network.hosts = hosts.map(host_of).collect::<Result<_>>()?;
            }
            // Who logs in is not the image's to say.
            _ => {}
        }
    }
    Ok(network)
}

/// Parts between colons; a backslash takes the meaning away from what follows it.
fn split_escaped(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => push(&mut out, chars.next()),
            ':' => out.push(String::new()),
            c => push(&mut out, Some(c)),
        }
    }
    out
}

fn push(parts: &mut [String], c: Option<char>) {
    if let Some(part) = parts.last_mut() {
        part.extend(c);
    }
}
