//! Network cards: `-netdev` with `-device`, `-nic`, and `-net nic` with a hub of old.
//!
//! Owns: `<interface>`. Never: creates anything on the host.

use ostler_xml::El;

use super::Importer;
use super::back_ends::Kind;
use super::device::{Device, with_attributes};
use super::storage::split_port;
use crate::values::Values;

/// Network cards of QEMU that may stand without `netdev=`.
const CARDS: &[&str] = &[
    "e1000",
    "e1000e",
    "rtl8139",
    "ne2k_pci",
    "pcnet",
    "i82551",
    "i82557b",
    "i82559er",
    "vmxnet3",
    "virtio-net",
    "igb",
    "usb-net",
    "spapr-vlan",
    "tulip",
    "e1000-82545em",
    "ne2k_isa",
    "smc91c111",
    "lance",
];

/// Whether a driver is a network card.
pub(super) fn is_card(driver: &str) -> bool {
    CARDS.contains(&driver)
}

/// What a card is connected to.
struct Link {
    kind: &'static str,
    /// What stands before and after `<target>`.
    head: Vec<El>,
    tail: Vec<El>,
    vhost: Option<bool>,
    queues: Option<u64>,
}

impl Link {
    fn new(kind: &'static str) -> Self {
        Link { kind, head: Vec::new(), tail: Vec::new(), vhost: None, queues: None }
    }

    fn with(mut self, part: El) -> Self {
        self.head.push(part);
        self
    }
}

impl Importer {
    /// `-netdev`, `-net` or `-nic` as what it connects to.
    fn link(&mut self, kind: &str, values: &mut Values, claims: &mut Vec<usize>) -> Option<Link> {
        match kind {
            "user" => {
                let mut link = Link::new("user");
                if let Some(net) = values.take("net") {
                    let (address, prefix) =
                        net.split_once('/').map_or((net.as_str(), None), |(a, p)| (a, Some(p)));
                    link = link.with(
                        El::new("ip")
                            .attr("family", "ipv4")
                            .attr("address", address)
                            .attr_opt("prefix", prefix),
                    );
                }
                if let Some(address) = values.take("ipv6-prefix") {
                    let prefix = values.take("ipv6-prefixlen");
                    link = link.with(
                        El::new("ip")
                            .attr("family", "ipv6")
                            .attr("address", address)
                            .attr_opt("prefix", prefix),
                    );
                }
                Some(link)
            }
            "tap" => Some(self.tap(values)),
            "bridge" => {
                values.ignore(&["helper"]);
                let bridge = values.take("br").unwrap_or_else(|| "br0".to_owned());
                Some(Link::new("bridge").with(El::new("source").attr("bridge", bridge)))
            }
            "socket" => socket(values),
            "vhost-user" => {
                let id = values.take("chardev")?;
                let (index, mut chardev) = self.back_end(Kind::Chardev, &id)?;
                let path = chardev.take("path")?;
                let mode = if chardev.take_truth("server").unwrap_or(false) { "server" } else { "client" };
                claims.push(index);
                values.ignore(&["vhostforce"]);
                let mut link = Link::new("vhostuser");
                link.queues = values.take_number("queues");
                Some(link.with(El::new("source").attr("type", "unix").attr("path", path).attr("mode", mode)))
            }
            "vhost-vdpa" => {
                Some(Link::new("vdpa").with(El::new("source").attr("dev", values.take("vhostdev")?)))
            }
            _ => None,
        }
    }

    fn tap(&mut self, values: &mut Values) -> Link {
        let mut link = Link::new("ethernet");
        link.vhost = values.take_truth("vhost");
        link.queues = values.take_number("queues");
        for key in ["fds", "vhostfds"] {
            if let Some(list) = values.take(key) {
                link.queues = Some(list.split(':').count() as u64);
            }
        }
        if values.take("fd").is_some() || link.queues.is_some() && values.get("ifname").is_none() {
            self.remark("a tap device was passed as a descriptor: which bridge or network it is on is not said; set <source> of the interface");
        }
        values.ignore(&["vhostfd", "vhostforce", "helper", "downscript"]);
        if let Some(bridge) = values.take("br") {
            link.kind = "bridge";
            link = link.with(El::new("source").attr("bridge", bridge));
        }
        match values.take("script").as_deref() {
            None | Some("no" | "") => {}
            Some(script) => link = link.with(El::new("script").attr("path", script)),
        }
        if let Some(name) = values.take("ifname") {
            link = link.with(El::new("target").attr("dev", name));
        }
        if let Some(size) = values.take_number("sndbuf") {
            link.tail.push(El::new("tune").child(El::with_text("sndbuf", size)));
        }
        link
    }

    /// A card that a hub or `-nic` connects: model and MAC stand in the option.
    fn plain_card(&mut self, link: Link, mac: Option<String>, model: Option<String>) -> El {
        let mut el = El::new("interface").attr("type", link.kind);
        el.extend(mac.map(|mac| El::new("mac").attr("address", mac)));
        el.extend(link.head);
        let model = model.unwrap_or_else(|| self.default_card().to_owned());
        el.push(El::new("model").attr("type", model_word(&model)));
        let mut driver = El::new("driver");
        driver.set_opt("name", link.vhost.map(|on| if on { "vhost" } else { "qemu" }));
        driver.set_opt("queues", link.queues);
        el.push_filled(driver);
        el.extend(link.tail);
        el
    }

    fn default_card(&self) -> &'static str {
        match self.guest.machine.as_str() {
            machine if machine.contains("q35") => "e1000e",
            machine if machine.starts_with("pc") || machine.is_empty() => "rtl8139",
            _ => "virtio",
        }
    }

    /// Pairs every `-net nic` with the link on its hub.
    pub(super) fn attach_old_nets(&mut self) {
        let nets: Vec<(usize, Values)> = self.old_nets.drain(..).collect();
        let (cards, links): (Vec<_>, Vec<_>) =
            nets.into_iter().partition(|(_, values)| values.get("type") == Some("nic"));
        let mut links: Vec<_> = links.into_iter().map(Some).collect();
        for (index, mut card) in cards {
            card.take("type");
            let hub = card.take("vlan").unwrap_or_else(|| "0".to_owned());
            card.ignore(&["name", "vectors"]);
            if let Some(id) = card.take("netdev") {
                let (mac, model) = (card.take("macaddr"), card.take("model"));
                let mut claims = Vec::new();
                let link = self.netdev_link(&id, &mut claims).filter(|_| card.leftovers().is_empty());
                self.finish_old(index, link, mac, model, &claims);
                continue;
            }
            let on_hub = |slot: &&mut Option<(usize, Values)>| {
                slot.as_ref().is_some_and(|(_, values)| values.get("vlan").unwrap_or("0") == hub)
            };
            let partner = links.iter_mut().find(on_hub).and_then(Option::take);
            let (mac, model) = (card.take("macaddr"), card.take("model"));
            let Some((partner, mut values)) = partner else {
                self.pass(index);
                continue;
            };
            let kind = values.take("type").unwrap_or_default();
            values.ignore(&["vlan", "name", "id"]);
            let mut claims = Vec::new();
            let link = self.link(&kind, &mut values, &mut claims);
            let link = link.filter(|_| values.leftovers().is_empty() && card.leftovers().is_empty());
            if link.is_none() {
                self.pass(partner);
            }
            self.finish_old(index, link, mac, model, &claims);
        }
        for (index, _) in links.into_iter().flatten() {
            self.pass(index);
        }
    }

    fn netdev_link(&mut self, id: &str, claims: &mut Vec<usize>) -> Option<Link> {
        let (index, mut values) = self.back_end(Kind::Netdev, id)?;
        let kind = values.take("type")?;
        let link = self.link(&kind, &mut values, claims)?;
        claims.push(index);
        values.leftovers().is_empty().then_some(link)
    }

    fn finish_old(
        &mut self,
        index: usize,
        link: Option<Link>,
        mac: Option<String>,
        model: Option<String>,
        claims: &[usize],
    ) {
        match link {
            Some(link) => {
                let el = self.plain_card(link, mac, model);
                self.guest.devices.push(el);
                claims.iter().for_each(|index| self.claim(*index));
            }
            None => self.pass(index),
        }
    }

    /// `-nic TYPE,model=…,mac=…`.
    pub(super) fn nic(&mut self, text: &str) -> bool {
        let mut values = Values::parse(text, "type");
        let kind = values.take("type").unwrap_or_else(|| "user".to_owned());
        self.hints.has_net = true;
        if kind == "none" {
            self.hints.no_net = true;
            return true;
        }
        let (mac, model) = (values.take_any(&["mac", "macaddr"]), values.take("model"));
        values.ignore(&["id", "name"]);
        let mut claims = Vec::new();
        let Some(link) = self.link(&kind, &mut values, &mut claims) else { return false };
        if !values.leftovers().is_empty() {
            return false;
        }
        let el = self.plain_card(link, mac, model);
        self.guest.devices.push(el);
        claims.iter().for_each(|index| self.claim(*index));
        true
    }

    /// A guest has a card on a user network unless something is said about nets.
    pub(super) fn default_nics(&mut self) {
        if self.hints.no_defaults || self.hints.has_net || self.guest.has("interface") {
            return;
        }
        let el = self.plain_card(Link::new("user"), None, None);
        self.guest.devices.push(el);
    }
}

fn model_word(driver: &str) -> &str {
    match driver {
        "virtio-net" | "virtio-net-pci" | "virtio-net-ccw" | "virtio-net-device" => "virtio",
        other => other,
    }
}

fn socket(values: &mut Values) -> Option<Link> {
    let place = |text: &str| {
        let (address, port) = split_port(text);
        let address = Some(address).filter(|address| !address.is_empty()).map(str::to_owned);
        Some((address, port?.to_owned()))
    };
    let kinds = [("listen", "server"), ("connect", "client"), ("mcast", "mcast"), ("udp", "udp")];
    let (key, kind) = kinds.into_iter().find(|(key, _)| values.get(key).is_some())?;
    let (address, port) = place(&values.take(key)?)?;
    let mut source = El::new("source").attr_opt("address", address).attr("port", port);
    if let Some(own) = values.take("localaddr") {
        let (address, port) = place(&own)?;
        source.push(El::new("local").attr_opt("address", address).attr("port", port));
    }
    Some(Link::new(kind).with(source))
}

/// A network card.
pub(super) fn card(importer: &mut Importer, device: &mut Device) -> Option<El> {
    importer.hints.has_net = true;
    let id = device.values.take("netdev")?;
    let mut claims = Vec::new();
    let link = importer.netdev_link(&id, &mut claims)?;
    device.claims.append(&mut claims);
    let mut el = El::new("interface").attr("type", link.kind);
    el.extend(device.values.take("mac").map(|mac| El::new("mac").attr("address", mac)));
    el.extend(link.head);
    let mut driver = El::new("driver");
    driver.set_opt("name", link.vhost.filter(|on| *on).map(|_| "vhost"));
    driver.set_opt("queues", link.queues);
    if link.queues.is_some() {
        device.values.ignore(&["mq", "vectors"]);
    }
    let mut attributes = Vec::new();
    for (key, word) in
        [("tx", "txmode"), ("rx_queue_size", "rx_queue_size"), ("tx_queue_size", "tx_queue_size")]
    {
        let word_of = |value: String| if value == "bh" { "iothread".to_owned() } else { value };
        attributes.extend(device.values.take(key).map(|value| (word, word_of(value))));
    }
    for word in ["ioeventfd", "event_idx", "rss"] {
        let on = device.values.take_truth(word);
        attributes.extend(on.map(|on| (word, super::device::on_off(on).to_owned())));
    }
    if let Some(on) = device.values.take_truth("hash") {
        attributes.push(("rss_hash_report", super::device::on_off(on).to_owned()));
    }
    attributes.extend(device.virtio_options());
    let mut driver = with_attributes(driver, &attributes);
    offloads(device, &mut driver);
    let model = device.virtio_model.unwrap_or(model_word(&device.base));
    el.push(El::new("model").attr("type", model));
    el.push_filled(driver);
    el.extend(link.tail);
    if let Some(mtu) = device.values.take_number("host_mtu") {
        el.push(El::new("mtu").attr("size", mtu));
    }
    el.extend(importer.boot_order(device));
    el.extend(importer.rom(device));
    if device.values.take_truth("failover") == Some(true) {
        el.push(El::new("teaming").attr("type", "persistent"));
    }
    if let Some(reg) = device.values.take_number("reg") {
        el.push(El::new("address").attr("type", "spapr-vio").attr("reg", format!("0x{reg:x}")));
    }
    importer.place(device, &mut el);
    Some(el)
}

fn offloads(device: &mut Device, driver: &mut El) {
    const HOST: &[(&str, &str)] = &[
        ("csum", "csum"),
        ("gso", "gso"),
        ("host_tso4", "tso4"),
        ("host_tso6", "tso6"),
        ("host_ecn", "ecn"),
        ("host_ufo", "ufo"),
        ("mrg_rxbuf", "mrg_rxbuf"),
    ];
    const GUEST: &[(&str, &str)] = &[
        ("guest_csum", "csum"),
        ("guest_tso4", "tso4"),
        ("guest_tso6", "tso6"),
        ("guest_ecn", "ecn"),
        ("guest_ufo", "ufo"),
    ];
    for (name, table) in [("host", HOST), ("guest", GUEST)] {
        let mut el = El::new(name);
        for (key, word) in table {
            el.set_opt(*word, device.values.take_truth(key).map(super::device::on_off));
        }
        driver.push_filled(el);
    }
}
