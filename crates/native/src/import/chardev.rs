//! Character devices: back ends in both spellings, and what shows them to the guest.
//!
//! Owns: serial, parallel, console, channel, redirdev, smartcard. Never: the monitor, which is the daemon's.

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use super::device::{Device, on_off};
use super::storage::split_port;
use crate::values::{Values, number, split_commas, truth};

/// Where the characters go: the type word and what is in the element.
#[derive(Debug, Clone)]
pub(super) struct Source {
    kind: &'static str,
    parts: Vec<El>,
}

impl Source {
    fn new(kind: &'static str) -> Self {
        Source { kind, parts: Vec::new() }
    }

    fn with(mut self, part: El) -> Self {
        self.parts.push(part);
        self
    }

    /// The element of a device with this source.
    pub(super) fn element(&self, name: &'static str) -> El {
        let mut el = El::new(name).attr("type", self.kind);
        el.extend(self.parts.iter().cloned());
        el
    }

    /// Moves the source's parts into an element of another name, for `<backend>`.
    fn into_parts(self) -> (&'static str, Vec<El>) {
        (self.kind, self.parts)
    }
}

impl Importer {
    /// The source behind `chardev=ID`.
    pub(super) fn chardev(&mut self, device: &mut Device, key: &str) -> Option<Source> {
        let id = device.values.take(key)?;
        let (index, mut values) = self.back_end(Kind::Chardev, &id)?;
        let source = chardev_source(&mut values)?;
        if !values.leftovers().is_empty() {
            return None;
        }
        device.claims.push(index);
        Some(source)
    }

    /// `-serial`, `-parallel` in the words of old. `false`: nobody understands it.
    pub(super) fn old_port(&mut self, element: &'static str, text: &str) -> bool {
        let port = self.guest.devices.iter().filter(|device| device.name() == element).count();
        if element == "serial" {
            self.hints.has_serial = true;
        }
        if text == "none" {
            if element == "serial" {
                self.hints.no_serial = true;
            } else {
                self.hints.no_parallel = true;
            }
            return true;
        }
        let source = match text.strip_prefix("chardev:") {
            Some(id) => {
                let Some((index, mut values)) = self.back_end(Kind::Chardev, id) else { return false };
                let Some(source) = chardev_source(&mut values) else { return false };
                self.claim(index);
                source
            }
            None => match old_source(text) {
                Some(source) => source,
                None => return false,
            },
        };
        let mut el = source.element(element);
        el.push(El::new("target").attr("port", port));
        self.guest.devices.push(el);
        if element == "serial" && port == 0 {
            let mut console = source.element("console");
            console.push(El::new("target").attr("type", "serial").attr("port", 0));
            self.guest.devices.push(console);
        }
        true
    }
}

/// `-chardev` with its id taken off.
fn chardev_source(values: &mut Values) -> Option<Source> {
    let kind = values.take("backend")?;
    values.ignore(&["mux", "signal"]);
    let mut source = match kind.as_str() {
        "null" => Source::new("null"),
        "vc" => Source::new("vc"),
        "pty" => Source::new("pty"),
        "stdio" => Source::new("stdio"),
        "file" => {
            let append = values.take_truth("append").map(on_off);
            Source::new("file")
                .with(El::new("source").attr("path", values.take("path")?).attr_opt("append", append))
        }
        "pipe" => Source::new("pipe").with(El::new("source").attr("path", values.take("path")?)),
        "serial" | "tty" | "parallel" | "parport" => {
            Source::new("dev").with(El::new("source").attr("path", values.take("path")?))
        }
        "spicevmc" => {
            return Some(Source { kind: "spicevmc", parts: Vec::new() })
                .filter(|_| values.take("name").is_some());
        }
        "spiceport" => Source::new("spiceport").with(El::new("source").attr("channel", values.take("name")?)),
        "qemu-vdagent" => {
            let mut el = El::new("source");
            for (key, word) in [("clipboard", "clipboard"), ("mouse", "mouse")] {
                if let Some(on) = values.take_truth(key) {
                    el.push(if key == "mouse" {
                        El::new(word).attr("mode", if on { "client" } else { "server" })
                    } else {
                        El::new(word).attr("copypaste", super::device::yes_no(on))
                    });
                }
            }
            values.ignore(&["name"]);
            Source::new("qemu-vdagent").with(el)
        }
        "udp" => {
            let service = values.take("port");
            let connect = El::new("source").attr("mode", "connect").attr_opt("host", values.take("host"));
            let mut source = Source::new("udp");
            if let Some(port) = values.take("localport").filter(|port| port != "0") {
                let address = values.take("localaddr").filter(|address| !address.is_empty());
                source = source.with(
                    El::new("source").attr("mode", "bind").attr_opt("host", address).attr("service", port),
                );
            }
            values.ignore(&["localaddr", "localport"]);
            source.with(connect.attr_opt("service", service))
        }
        "socket" => socket(values)?,
        _ => return None,
    };
    if let Some(file) = values.take("logfile") {
        let append = values.take_truth("logappend").map(on_off);
        source = source.with(El::new("log").attr("file", file).attr_opt("append", append));
    }
    Some(source)
}

fn socket(values: &mut Values) -> Option<Source> {
    let server = values.take_truth("server").unwrap_or(false);
    values.ignore(&["wait", "ipv4", "ipv6", "delay", "nodelay"]);
    let mode = if server { "bind" } else { "connect" };
    let reconnect =
        values.take_number("reconnect").or_else(|| Some(values.take_number("reconnect-ms")? / 1000));
    let telnet = values.take_truth("telnet").unwrap_or(false);
    let mut el = El::new("source").attr("mode", mode);
    let mut source = match values.take("path") {
        Some(path) => {
            el.set("path", path);
            Source::new("unix")
        }
        None => {
            el.set_opt("host", values.take("host"));
            el.set("service", values.take("port")?);
            Source::new("tcp")
        }
    };
    if values.get("fd").is_some() || values.get("tls-creds").is_some() {
        return None;
    }
    if let Some(timeout) = reconnect {
        el.push(El::new("reconnect").attr("enabled", "yes").attr("timeout", timeout));
    }
    let tcp = source.kind == "tcp";
    source = source.with(el);
    if tcp {
        source = source.with(El::new("protocol").attr("type", if telnet { "telnet" } else { "raw" }));
    }
    Some(source)
}

/// `pty`, `file:PATH`, `tcp:HOST:PORT,server`, …
fn old_source(text: &str) -> Option<Source> {
    let text = text.strip_prefix("mon:").unwrap_or(text);
    let plain = text.split_once(':').map_or(text, |(kind, _)| kind);
    match plain {
        "null" => return Some(Source::new("null")),
        "vc" => return Some(Source::new("vc")),
        "pty" => return Some(Source::new("pty")),
        "stdio" => return Some(Source::new("stdio")),
        _ if text.starts_with("/dev/") => {
            return Some(Source::new("dev").with(El::new("source").attr("path", text)));
        }
        _ => {}
    }
    let (kind, rest) = text.split_once(':')?;
    let mut parts = split_commas(rest).into_iter();
    let place = parts.next()?;
    let flags: Vec<String> = parts.collect();
    let has = |name: &str| {
        flags.iter().any(|f| {
            f == name
                || f.strip_prefix(name).is_some_and(|v| v.strip_prefix('=').and_then(truth) == Some(true))
        })
    };
    let mode = if has("server") { "bind" } else { "connect" };
    match kind {
        "file" => Some(Source::new("file").with(El::new("source").attr("path", rest))),
        "pipe" => Some(Source::new("pipe").with(El::new("source").attr("path", rest))),
        "unix" => Some(Source::new("unix").with(El::new("source").attr("mode", mode).attr("path", place))),
        "tcp" | "telnet" => {
            let (host, service) = split_port(&place);
            let host = Some(host).filter(|host| !host.is_empty());
            let el = El::new("source").attr("mode", mode).attr_opt("host", host).attr_opt("service", service);
            let protocol = if kind == "telnet" { "telnet" } else { "raw" };
            Some(Source::new("tcp").with(el).with(El::new("protocol").attr("type", protocol)))
        }
        "udp" => {
            let (remote, own) = place.split_once('@').map_or((place.as_str(), None), |(r, o)| (r, Some(o)));
            let mut source = Source::new("udp");
            for (mode, place) in [("bind", own), ("connect", Some(remote))] {
                let Some((host, service)) = place.map(split_port) else { continue };
                let host = Some(host).filter(|host| !host.is_empty());
                let service = service.filter(|service| number(service).is_some_and(|n| n > 0));
                if host.is_some() || service.is_some() {
                    let el = El::new("source").attr("mode", mode).attr_opt("host", host);
                    source = source.with(el.attr_opt("service", service));
                }
            }
            Some(source)
        }
        _ => None,
    }
}

/// Serial ports.
pub(super) fn serial(importer: &mut Importer, device: &mut Device) -> Option<El> {
    importer.hints.has_serial = true;
    let source = importer.chardev(device, "chardev")?;
    let count = importer.guest.devices.iter().filter(|d| d.name() == "serial").count();
    let port = device.values.take_number("index").unwrap_or(count as u64);
    let (kind, model) = match device.base.as_str() {
        "isa-serial" => ("isa-serial", "isa-serial"),
        "pci-serial" => ("pci-serial", "pci-serial"),
        "usb-serial" => ("usb-serial", "usb-serial"),
        "spapr-vty" => ("spapr-vio-serial", "spapr-vty"),
        _ => ("isa-debug", "isa-debugcon"),
    };
    let mut el = source.element("serial");
    let target = El::new("target").attr("type", kind).attr("port", port);
    el.push(target.child(El::new("model").attr("name", model)));
    let spapr = device.values.take_number("reg").filter(|_| kind == "spapr-vio-serial");
    let iobase = device.values.take("iobase").filter(|_| kind.starts_with("isa"));
    let irq = device.values.take_number("irq").map(|irq| format!("0x{irq:x}"));
    if let Some(reg) = spapr {
        el.push(El::new("address").attr("type", "spapr-vio").attr("reg", format!("0x{reg:x}")));
    } else if iobase.is_some() || irq.is_some() {
        el.push(El::new("address").attr("type", "isa").attr_opt("iobase", iobase).attr_opt("irq", irq));
    }
    importer.place(device, &mut el);
    if port == 0 {
        let mut console = source.element("console");
        console.push(El::new("target").attr("type", "serial").attr("port", 0));
        importer.guest.devices.push(console);
    }
    Some(el)
}

/// Consoles of s390 and of virtio.
pub(super) fn console(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let source = importer.chardev(device, "chardev")?;
    let port = importer.guest.devices.iter().filter(|d| d.name() == "console").count();
    let kind = match device.base.as_str() {
        "sclpconsole" => "sclp",
        "sclplmconsole" => "sclplm",
        _ => "virtio",
    };
    let mut el = source.element("console");
    el.push(El::new("target").attr("type", kind).attr("port", port));
    importer.place(device, &mut el);
    Some(el)
}

/// `virtserialport`.
pub(super) fn channel(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let source = importer.chardev(device, "chardev")?;
    let mut el = source.element("channel");
    el.push(El::new("target").attr("type", "virtio").attr_opt("name", device.values.take("name")));
    importer.place(device, &mut el);
    Some(el)
}

/// `isa-parallel`.
pub(super) fn parallel(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let source = importer.chardev(device, "chardev")?;
    let count = importer.guest.devices.iter().filter(|d| d.name() == "parallel").count();
    let port = device.values.take_number("index").unwrap_or(count as u64);
    let mut el = source.element("parallel");
    el.push(El::new("target").attr("port", port));
    device.values.ignore(&["id", "index"]);
    Some(el)
}

/// `usb-redir`.
pub(super) fn redirected(importer: &mut Importer, device: &mut Device) -> Option<El> {
    let mut el = importer.chardev(device, "chardev")?.element("redirdev");
    el.set("bus", "usb");
    el.extend(importer.boot_order(device));
    importer.place(device, &mut el);
    Some(el)
}

/// Smartcards.
pub(super) fn smartcard(importer: &mut Importer, device: &mut Device) -> Option<El> {
    if device.base == "ccid-card-passthru" {
        let (kind, parts) = importer.chardev(device, "chardev")?.into_parts();
        let mut el = El::new("smartcard").attr("mode", "passthrough").attr("type", kind);
        el.extend(parts);
        importer.place(device, &mut el);
        return Some(el);
    }
    let mut el = if device.values.take("backend")? == "certificates" {
        let mut el = El::new("smartcard").attr("mode", "host-certificates");
        for key in ["cert1", "cert2", "cert3"] {
            el.push_text("certificate", device.values.take(key));
        }
        el.push_text("database", device.values.take("db"));
        el
    } else {
        device.values.ignore(&["db"]);
        El::new("smartcard").attr("mode", "host")
    };
    importer.place(device, &mut el);
    Some(el)
}
